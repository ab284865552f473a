import { isDecimal } from '@meterseal/protocol';
import type { DecimalForm } from 'meterseal/internal/meters/decimal';
import { decimalOf, scaledDecimalOf } from 'meterseal/internal/meters/decimal';
import t from 'tap';
import { SeededRandom } from '../../protocol/seeded-random.js';

const ONE = { mantissa: 1, exponent: 0 };

function float(bits: number, decimals: number, form: Partial<DecimalForm> = {}): string | undefined {
  const words = Uint16Array.of(bits >>> 16, bits & 0xffff);
  return decimalOf(words, { type: 'float32', wordOrder: 'big', scaler: ONE, decimals, ...form });
}

function bitsOf(value: number): number {
  return new DataView(new Float32Array([value]).buffer).getUint32(0, true);
}

function integer(
  type: DecimalForm['type'],
  words: readonly number[],
  scaler = ONE,
  decimals = 0,
  wordOrder: DecimalForm['wordOrder'] = 'big',
): string | undefined {
  return decimalOf(Uint16Array.from(words), { type, wordOrder, scaler, decimals });
}

t.test('a float32 is rounded half to even from the exact binary value', async (t) => {
  const table: [number, number, string][] = [
    [0.5, 0, '0'],
    [1.5, 0, '2'],
    [2.5, 0, '2'],
    [-0.5, 0, '0'],
    [-1.5, 0, '-2'],
    [-2.5, 0, '-2'],
    [0.125, 2, '0.12'],
    [0.375, 2, '0.38'],
    [-0.125, 2, '-0.12'],
    [1_048_576.125, 2, '1048576.12'],
    [1_048_576.375, 2, '1048576.38'],
    [0.0625, 3, '0.062'],
    [0.1875, 3, '0.188'],
    // Their shortest decimal ends in 5, their exact value lies beside it.
    [0.15, 1, '0.2'],
    [0.45, 1, '0.4'],
    [1.005, 2, '1.00'],
    [2.675, 2, '2.67'],
    [230.15, 1, '230.1'],
    [-1234.25, 1, '-1234.2'],
    [16_777_217, 0, '16777216'],
    [8_388_606.5, 0, '8388606'],
    [99_999.9921875, 2, '99999.99'],
  ];
  for (const [value, decimals, expected] of table) {
    t.equal(float(bitsOf(value), decimals), expected, `${value} to ${decimals}`);
  }
});

t.test('the edges of float32 are exact', async (t) => {
  t.equal(float(0x7f7f_ffff, 0), '340282346638528859811704183484516925440');
  t.equal(float(0xff7f_ffff, 6), '-340282346638528859811704183484516925440.000000');
  t.equal(float(0x0000_0001, 6), '0.000000', 'the smallest subnormal');
  t.equal(float(0x0000_0001, 6, { scaler: { mantissa: 1, exponent: 6 } }), '0.000000');
  t.equal(float(0x007f_ffff, 6), '0.000000', 'the largest subnormal');
  t.equal(float(0x3f7f_ffff, 3), '1.000');
  t.equal(float(0x4b80_0001, 1), '16777218.0');
});

t.test('NaN and the infinities have no value', async (t) => {
  for (const bits of [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffff_ffff, 0x7f80_0000, 0xff80_0000]) {
    t.equal(float(bits, 3), undefined, bits.toString(16));
  }
});

t.test('zero has no sign, nor what is rounded to it', async (t) => {
  t.equal(float(0x8000_0000, 3), '0.000');
  t.equal(float(0x8000_0000, 0), '0');
  t.equal(float(0x8000_0001, 3), '0.000');
  t.equal(float(bitsOf(-0.0004), 3), '0.000');
  t.equal(float(bitsOf(-0.0006), 3), '-0.001');
});

t.test('a float64 is taken for the exact binary fraction that it is', async (t) => {
  const double = (value: number, decimals: number, form: Partial<DecimalForm> = {}): string | undefined => {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    const words = Uint16Array.from({ length: 4 }, (_, i) => view.getUint16(2 * i));
    return decimalOf(words, { type: 'float64', wordOrder: 'big', scaler: ONE, decimals, ...form });
  };
  t.equal(double(123_456_789.0123, 3), '123456789.012');
  t.equal(double(0.1, 6), '0.100000');
  t.equal(double(2.5, 0), '2');
  t.equal(double(-0.125, 2), '-0.12');
  t.equal(double(2 ** 53 - 1, 0), '9007199254740991');
  t.equal(double(1_234.5, 3, { scaler: { mantissa: 1, exponent: -3 } }), '1.234');
  t.equal(double(Number.MIN_VALUE, 6), '0.000000', 'the smallest subnormal');
  t.equal(double(-Number.MIN_VALUE, 6), '0.000000');
  t.equal(double(Number.MAX_VALUE, 0), undefined, 'more digits than a record takes');
  for (const none of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    t.equal(double(none, 3), undefined, String(none));
  }
  t.equal(integer('float64', [0, 0, 0, 0x4059], ONE, 1, 'little'), '100.0');
});

t.test('integers keep all their digits', async (t) => {
  t.equal(integer('uint16', [0xffff]), '65535');
  t.equal(integer('int16', [0xffff]), '-1');
  t.equal(integer('int16', [0x8000]), '-32768');
  t.equal(integer('uint32', [0xffff, 0xfffe]), '4294967294');
  t.equal(integer('int32', [0x8000, 0]), '-2147483648');
  t.equal(integer('uint64', [0xffff, 0xffff, 0xffff, 0xffff]), '18446744073709551615');
  t.equal(integer('int64', [0x8000, 0, 0, 0]), '-9223372036854775808');
});

t.test('words come in either order', async (t) => {
  t.equal(integer('uint32', [0x0001, 0x0002], ONE, 0, 'little'), '131073');
  t.equal(integer('uint64', [4, 3, 2, 1], ONE, 0, 'little'), integer('uint64', [1, 2, 3, 4]));
  t.equal(float(0x0000_4049, 2, { wordOrder: 'little' }), '3.14');
});

t.test('a scaler is exact', async (t) => {
  const tenth = { mantissa: 1, exponent: -1 };
  t.equal(integer('uint32', [0, 2301], tenth, 1), '230.1');
  t.equal(integer('int32', [0xffff, 0xffff], { mantissa: 1, exponent: -3 }, 3), '-0.001');
  t.equal(integer('uint16', [7], { mantissa: 25, exponent: -2 }, 2), '1.75');
  t.equal(integer('int32', [0, 725], { mantissa: -1, exponent: -2 }, 2), '-7.25', 'the other direction');
  t.equal(integer('int32', [0xffff, 0xffff], { mantissa: -1, exponent: 0 }), '1');
  t.equal(integer('int32', [0, 0], { mantissa: -1, exponent: 0 }), '0');
  t.equal(integer('uint16', [7], { mantissa: 1, exponent: 3 }), '7000');
  t.equal(integer('uint16', [7], { mantissa: 1, exponent: 0 }, 3), '7.000');
  t.equal(
    integer('uint64', [0xffff, 0xffff, 0xffff, 0xffff], { mantissa: 1, exponent: -6 }, 6),
    '18446744073709.551615',
  );
  t.equal(float(bitsOf(1.25), 1, { scaler: { mantissa: 1_000, exponent: 0 } }), '1250.0');
  t.equal(float(bitsOf(1.25), 1, { scaler: { mantissa: 1, exponent: -1 } }), '0.1');
});

t.test('a power of ten of the meter itself loses no digit', async (t) => {
  const form = { type: 'int16', wordOrder: 'big', scaler: ONE, decimals: 1 } as const;
  const value = (word: number, factor: number): string | undefined =>
    scaledDecimalOf(Uint16Array.of(word), form, factor);
  t.equal(value(2301, 0xffff), '230.1', '−1');
  t.equal(value(2301, 0xfffe), '23.01', '−2: more digits than the profile has');
  t.equal(value(2301, 0), '2301.0');
  t.equal(value(2301, 2), '230100.0');
  t.equal(value(0xffff, 0xfffd), '-0.001');
  t.equal(value(1, 0xfff6), '0.0000000001', '−10');
  t.equal(value(1, 10), '10000000000.0');
  for (const factor of [11, 0xfff5, 0x8000, 0x7fff]) t.equal(value(1, factor), undefined, String(factor));
  const turned = { ...form, scaler: { mantissa: -1, exponent: -2 } };
  t.equal(scaledDecimalOf(Uint16Array.of(725), turned, 1), '-72.5');
});

t.test('every value is a decimal that records take, and the nearest there is', async (t) => {
  const random = new SeededRandom(11);
  for (let i = 0; i < 20_000; i++) {
    const bits = random.below(2 ** 32);
    const decimals = random.below(7);
    const text = float(bits, decimals);
    const value = new DataView(Uint32Array.of(bits).buffer).getFloat32(0, true);
    if (text === undefined) {
      if (Number.isFinite(value)) t.fail(`${value} has no decimal`);
      continue;
    }
    if (!isDecimal(text) || text.split('.')[1]?.length !== (decimals === 0 ? undefined : decimals)) {
      t.fail(`${text} of ${value} is no decimal with ${decimals} digits`);
    }
    // Doubles are exact enough to see a wrong digit, not to see a wrong tie.
    const error = Math.abs(Number(text) - value);
    if (error > 0.5 * 10 ** -decimals * (1 + 1e-9) + Math.abs(value) * 1e-15) t.fail(`${text} for ${value}`);
  }
  t.pass('20,000 float32');
});
