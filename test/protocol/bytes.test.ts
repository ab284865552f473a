import {
  ByteReader,
  ByteWriter,
  compareBytes,
  concat,
  copyBytes,
  equalBytes,
  fromBase64,
  fromBase64Url,
  fromHex,
  fromUtf8,
  isWellFormed,
  toBase64,
  toBase64Url,
  toHex,
  utf8,
} from '@meterseal/protocol';
import t from 'tap';
import { SeededRandom } from './seeded-random.js';

const random = new SeededRandom(8);
const samples = Array.from({ length: 70 }, (_, length) => random.bytes(length));

t.test('hex and both kinds of base64 are those of Node, there and back', async (t) => {
  for (const bytes of samples) {
    const buffer = Buffer.from(bytes);
    t.equal(toHex(bytes), buffer.toString('hex'));
    t.equal(toBase64(bytes), buffer.toString('base64'));
    t.equal(toBase64Url(bytes), buffer.toString('base64url'));
    t.strictSame(fromHex(toHex(bytes)), bytes);
    t.strictSame(fromBase64(toBase64(bytes)), bytes);
    t.strictSame(fromBase64Url(toBase64Url(bytes)), bytes);
  }
});

t.test('hex is lower-case and whole', async (t) => {
  for (const text of ['0', 'AB', '0g', '0x00', ' 00', '00\n', '0０', null, 12]) {
    t.throws(() => fromHex(text as string), { code: 'bad-encoding' }, String(text));
  }
  t.throws(() => fromHex('zz', 'bad-key'), { code: 'bad-key' });
});

t.test('bytes have one base64 text only', async (t) => {
  // Every text of up to four characters that differs from the canonical one of what it would decode to.
  const alphabet = 'AQgw/+B_-=\n ';
  let accepted = 0;
  const visit = (text: string): void => {
    try {
      const bytes = fromBase64(text);
      accepted += 1;
      if (toBase64(bytes) !== text) t.fail(`accepted ${JSON.stringify(text)}`);
    } catch (error) {
      if ((error as { code?: string }).code !== 'bad-encoding') throw error;
    }
    if (text.length < 4) for (const character of alphabet) visit(text + character);
  };
  visit('');
  t.ok(accepted > 1_000);
  for (const text of [
    'A',
    'AA',
    'AAA',
    'AA==AA==',
    '====',
    'AA=A',
    'AAAA=',
    'é===',
    'AAAA\u0100AAA',
    null,
    undefined,
    4,
    [],
  ]) {
    t.throws(() => fromBase64(text as string), { code: 'bad-encoding' }, String(text));
  }
  t.throws(() => fromBase64('A', 'bad-proof'), { code: 'bad-proof' });
});

t.test('base64url has no padding and its own two characters', async (t) => {
  t.strictSame(fromBase64Url('-_8'), Uint8Array.of(0xfb, 0xff));
  for (const text of ['+/8', '-_8=', '-_9', 'A', 'AAAAA', ' AA', 'AA\n', null]) {
    t.throws(() => fromBase64Url(text as string), { code: 'bad-encoding' }, String(text));
  }
});

t.test('text is strict UTF-8, and a byte order mark stays a character', async (t) => {
  t.equal(fromUtf8(utf8('kWh ü € 𝄞')), 'kWh ü € 𝄞');
  t.equal(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41)), '\ufeffA');
  for (const bytes of ['80', 'c0af', 'c3', 'e282', 'eda080', 'f4908080', 'ff', 'f0828282']) {
    t.throws(() => fromUtf8(fromHex(bytes)), { code: 'bad-encoding' }, bytes);
  }
  t.ok(isWellFormed('𝄞'));
  for (const text of ['\ud834', '\udd1e', 'a\udd1e\ud834b']) t.notOk(isWellFormed(text));
});

t.test('bytes are joined, compared and ordered as byte strings', async (t) => {
  const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0)];
  t.strictSame(concat(), new Uint8Array(0));
  t.strictSame(concat(a, new Uint8Array(0), b), Uint8Array.of(1, 2, 1, 2, 0));
  t.ok(equalBytes(a, a.slice()));
  t.notOk(equalBytes(a, b));
  t.notOk(equalBytes(a, Uint8Array.of(1, 3)));
  t.ok(compareBytes(a, b) < 0);
  t.ok(compareBytes(b, a) > 0);
  t.equal(compareBytes(a, a.slice()), 0);
  t.ok(compareBytes(Uint8Array.of(255), b) > 0);
});

t.test('what was written is read again, big-endian', async (t) => {
  const bytes = new ByteWriter()
    .u8(255)
    .u16(0x0102)
    .u32(0xfffefdfc)
    .u64(Number.MAX_SAFE_INTEGER)
    .bytes(Uint8Array.of(9, 8), 2)
    .str('ü')
    .done();
  t.equal(toHex(bytes), 'ff0102fffefdfc001fffffffffffff09080002c3bc');
  const from = new ByteReader(bytes, 'bad-message');
  t.equal(from.u8(), 255);
  t.equal(from.u16(), 0x0102);
  t.equal(from.u32(), 0xfffefdfc);
  t.equal(from.u64(), Number.MAX_SAFE_INTEGER);
  t.equal(from.at, 15);
  t.strictSame(from.bytes(2), Uint8Array.of(9, 8));
  t.equal(from.left, 4);
  t.equal(from.str(), 'ü');
  from.end();
});

t.test('a writer refuses what does not fit its place', async (t) => {
  const refused: readonly ((to: ByteWriter) => unknown)[] = [
    (to) => to.u8(256),
    (to) => to.u8(-1),
    (to) => to.u8(0.5),
    (to) => to.u8(Number.NaN),
    (to) => to.u16(65_536),
    (to) => to.u32(2 ** 32),
    (to) => to.u64(2 ** 53),
    (to) => to.u64(Number.POSITIVE_INFINITY),
    (to) => to.u8(undefined as unknown as number),
    (to) => to.u8('1' as unknown as number),
    (to) => to.bytes(new Uint8Array(31), 32),
    (to) => to.bytes(new Uint8Array(33), 32),
    (to) => to.str(''),
    (to) => to.str('x'.repeat(256)),
    (to) => to.str('ü'.repeat(128)),
    (to) => to.str('\ud800'),
  ];
  for (const write of refused)
    t.throws(() => write(new ByteWriter()), { code: 'bad-argument' }, String(write));
  t.equal(new ByteWriter().str('x'.repeat(255)).done().length, 257);
});

t.test('a reader refuses what is short, too large, unlisted or left over', async (t) => {
  const reader = (hex: string) => new ByteReader(fromHex(hex), 'bad-entry');
  const refused: readonly (() => unknown)[] = [
    () => reader('').u8(),
    () => reader('00').u16(),
    () => reader('000000').u32(),
    () => reader('00000000000000').u64(),
    () => reader('0020000000000000').u64(),
    () => reader('ffffffffffffffff').u64(),
    () => reader('0000').bytes(3),
    () => reader('0000').str(),
    () => reader('000261').str(),
    () => reader('000180').str(),
    () => reader('0100'.padEnd(516, '61')).str(),
    () => reader('02').oneOf([0, 1], 'flag'),
    () => reader('6162').expect(utf8('ac'), 'word'),
    () => reader('61').expect(utf8('ab'), 'word'),
    () => reader('00').end(),
    () => reader('').refuse('all of it'),
  ];
  for (const read of refused) t.throws(() => read(), { code: 'bad-entry' }, String(read));
  t.equal(reader('001fffffffffffff').u64(), Number.MAX_SAFE_INTEGER);
});

t.test('what was decoded does not change when the buffer behind it is used again', async (t) => {
  for (const body of [new Uint8Array(4).fill(7), Buffer.alloc(4, 7)]) {
    const taken = new ByteReader(body, 'bad-message').bytes(4);
    const copied = copyBytes(body);
    body.fill(0);
    t.strictSame(taken, new Uint8Array(4).fill(7));
    t.strictSame(copied, new Uint8Array(4).fill(7));
  }
});
