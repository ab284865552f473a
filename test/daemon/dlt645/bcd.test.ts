import { bcdDecimal } from 'meterseal/internal/dlt645/bcd';
import t from 'tap';

const decimal = (hex: string, decimals: number, signed = false): string | undefined =>
  bcdDecimal(Uint8Array.from(Buffer.from(hex, 'hex')), { decimals, signed });

t.test('digits become a decimal, exactly', async (t) => {
  t.equal(decimal('00000026', 2), '0.26');
  t.equal(decimal('99999999', 2), '999999.99');
  t.equal(decimal('1001', 1), '100.1');
  t.equal(decimal('0000', 3), '0.000');
  t.equal(decimal('123456', 0), '123456');
  t.equal(decimal('0000', 0), '0');
  t.equal(decimal('12', 4), '0.0012');
});

t.test('the top bit is a sign where there is one, and a wrong digit where there is none', async (t) => {
  t.equal(decimal('801234', 4, true), '-0.1234');
  t.equal(decimal('f99999', 4, true), '-79.9999');
  t.equal(decimal('001234', 4, true), '0.1234');
  t.equal(decimal('800000', 4, true), '0.0000');
  t.equal(decimal('801234', 4), '80.1234', 'eight is a digit');
  t.equal(decimal('f01234', 4), undefined);
});

t.test('what is no digit is no number', async (t) => {
  t.equal(decimal('ffffffff', 2), undefined);
  t.equal(decimal('ffffffff', 2, true), undefined);
  t.equal(decimal('0000000a', 2), undefined);
  t.equal(decimal('fa0000', 4, true), undefined);
});

t.test('every number of two bytes comes back', async (t) => {
  for (let n = 0; n < 10_000; n += 7) {
    if (decimal(String(n).padStart(4, '0'), 2) !== (n / 100).toFixed(2)) t.fail(String(n));
    if (n > 0 && n < 8_000) {
      const negative = (0x8000 | Number.parseInt(String(n).padStart(4, '0'), 16)).toString(16);
      if (decimal(negative, 2, true) !== `-${(n / 100).toFixed(2)}`) t.fail(`-${n}`);
    }
  }
});
