import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  concat,
  decodeRecord,
  encodeRecord,
  formatTime,
  fromHex,
  isDecimal,
  isMeterId,
  MAX_DECIMAL_LENGTH,
  MAX_RAW_WORDS,
  MAX_RECORD_BYTES,
  MAX_RECORD_ITEMS,
  parseTime,
  type ReadingRecord,
  readingHash,
  toHex,
  utf8,
} from '@meterseal/protocol';
import canonicalize from 'canonicalize';
import t from 'tap';
import { vectors } from './message-vectors.js';

const REFUSED = { code: 'bad-record' };
const good = JSON.parse(vectors.reading.record) as ReadingRecord;
const goodVoid = JSON.parse(vectors.voidRecord) as ReadingRecord;

/** Bytes of any object in the canonical form, whether it is a record or not. */
const bytesOf = (record: unknown) => utf8(canonicalize(record)!);
const value = (more: object) => ({ ...good, values: [{ ...good.values[0]!, ...more }] });
const block = (more: object) => ({ ...good, raw: [{ ...good.raw[0]!, ...more }] });
const mark = (more: object) => ({ ...goodVoid, void: { ...goodVoid.void!, ...more } });
const seal = crypto.keyFromSeed(fromHex(vectors.reading.sessionSeed));

t.test('bytes, hash and seal of a record are those of the vectors', async (t) => {
  const bytes = encodeRecord(good);
  t.equal(toHex(bytes), vectors.reading.recordHex);
  t.strictSame(decodeRecord(bytes), good);
  t.equal(toHex(readingHash(crypto, bytes)), vectors.reading.hash);
  t.equal(toHex(seal.publicKey), vectors.reading.sessionKey);
  t.equal(toHex(seal.seal(bytes)), vectors.reading.sealed);
  t.equal(toHex(seal.sign(bytes)), vectors.reading.sealSignature);
  t.strictSame(crypto.openSeal(seal.publicKey, fromHex(vectors.reading.sealed)), bytes);
});

t.test('a void record has the bytes of the vectors', async (t) => {
  t.equal(new TextDecoder().decode(encodeRecord(goodVoid)), vectors.voidRecord);
  t.strictSame(decodeRecord(utf8(vectors.voidRecord)), goodVoid);
});

t.test('the order of the keys that a caller gives does not matter', async (t) => {
  const reverse = (of: object) => Object.fromEntries(Object.entries(of).reverse());
  const turned = { ...reverse(good), values: good.values.map(reverse), raw: good.raw.map(reverse) };
  t.strictSame(encodeRecord(turned as unknown as ReadingRecord), encodeRecord(good));
});

t.test('the least and the greatest of every field are accepted', async (t) => {
  const most = Number.MAX_SAFE_INTEGER;
  const values = Array.from({ length: MAX_RECORD_ITEMS }, (_, i) => ({
    obis: `1-0:1.8.${i}`,
    unit: 'V',
    value: '1',
  }));
  const raw = Array.from({ length: MAX_RECORD_ITEMS }, (_, at) => ({ fc: 3, at, words: '0000' }));
  for (const record of [
    { ...good, meter: 'm' },
    { ...good, meter: `${'m'.repeat(60)}._:-` },
    { ...good, seq: 1 },
    { ...good, seq: most },
    { ...good, span: 0 },
    { ...good, span: most },
    { ...good, time: '1970-01-01T00:00:00.000Z' },
    { ...good, time: '0000-01-01T00:00:00.000Z' },
    { ...good, time: '9999-12-31T23:59:59.999Z' },
    { ...good, time: '2024-02-29T12:00:00.000Z' },
    { ...good, sw: 'x' },
    { ...good, sw: '€'.repeat(64) },
    { ...good, sw: '𝄞'.repeat(64) },
    { ...good, sw: 'a "quoted" \\ text/\u2028\u00a0\ufeff' },
    { ...good, profile: 'a/b@0123456789abcdef' },
    { ...good, salt: 'AAAAAAAAAAAAAAAAAAAAAA' },
    { ...good, salt: '_____________________w' },
    { ...good, values: [] },
    { ...good, values },
    { ...good, raw: [] },
    { ...good, raw },
    value({ quality: 'stale' }),
    value({ quality: 'implausible' }),
    value({ unit: '°' }),
    value({ unit: 'x'.repeat(16) }),
    value({ value: '0' }),
    value({ value: '-0.001' }),
    value({ value: '18446744073709551615' }),
    value({ value: '9'.repeat(MAX_DECIMAL_LENGTH) }),
    block({ fc: 3 }),
    block({ at: 0, words: 'ffff'.repeat(MAX_RAW_WORDS) }),
    block({ at: 65_535, words: '0000' }),
    mark({ reason: 'x' }),
    mark({ reason: 'x'.repeat(64) }),
  ]) {
    const bytes = bytesOf(record);
    t.strictSame(decodeRecord(bytes), record);
    t.strictSame(encodeRecord(record as ReadingRecord), bytes);
  }
});

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  v: [1, -1, '0', null, false, 0.5],
  meter: ['', 'm'.repeat(65), 'a b', 'a/b', 'ü', 'm\n', 'm\u0000', null, 1, ['m'], {}],
  seq: [0, -1, 1.5, 2 ** 53, 1e300, '7', null, true, [7]],
  time: [
    '',
    '2026-01-01T00:07:00Z',
    '2026-01-01T00:07:00.007',
    '2026-01-01T00:07:00.007+00:00',
    '2026-01-01 00:07:00.007Z',
    '2026-01-01t00:07:00.007z',
    '2026-01-01T00:07:00.0070Z',
    '2026-02-29T00:00:00.000Z',
    '2026-04-31T00:00:00.000Z',
    '2026-13-01T00:00:00.000Z',
    '2026-00-01T00:00:00.000Z',
    '2026-01-01T24:00:00.000Z',
    '2026-01-01T23:60:00.000Z',
    '2016-12-31T23:59:60.000Z',
    '+002026-01-01T00:07:00.007Z',
    '-000001-01-01T00:00:00.000Z',
    '２026-01-01T00:07:00.007Z',
    1_767_226_020_007,
    null,
  ],
  span: [-1, 0.5, 2 ** 53, '47', null],
  clock: ['', 'Synchronised', 'good', 0, null, ['synchronised'], 'toString', '__proto__'],
  identity: ['', 'unknown', 0, null, ['confirmed']],
  profile: [
    '',
    'sdm120@0123456789abcdef',
    'eastron/sdm120',
    'eastron/sdm120@0123456789ABCDEF',
    'eastron/sdm120@0123456789abcde',
    'eastron/sdm120@0123456789abcdef0',
    'eastron/../sdm120@0123456789abcdef',
    'Eastron/sdm120@0123456789abcdef',
    '/sdm120@0123456789abcdef',
    'eastron/sdm120@0123456789abcdef\n',
    null,
    1,
  ],
  sw: ['', 'x'.repeat(65), '𝄞'.repeat(65), 'a\nb', 'a\u0000', 'a\u007f', 'a\u0085', 1, null],
  values: [
    null,
    {},
    '[]',
    [null],
    [[]],
    ['1-0:1.8.0'],
    Array.from({ length: MAX_RECORD_ITEMS + 1 }, () => 0),
  ],
  raw: [null, {}, '', [null], [[]], [7], Array.from({ length: MAX_RECORD_ITEMS + 1 }, () => 0)],
  salt: [
    '',
    'tBoT7ZIlamQpV4V_MsoR6',
    'tBoT7ZIlamQpV4V_MsoR6AA',
    'tBoT7ZIlamQpV4V_MsoR6B',
    'tBoT7ZIlamQpV4V/MsoR6A',
    'tBoT7ZIlamQpV4V_MsoR6A==',
    'tBoT7ZIlamQpV4V_MsoR6A\n',
    null,
    22,
  ],
  void: [null, {}, true, 'record-invalid', []],
};
const WRONG_VALUE: Readonly<Record<string, readonly unknown[]>> = {
  obis: ['', '1.8.0', '1-0:1.8.0*255', '01-0:1.8.0', '1-0:1.8.256', null, 180, [1, 0, 1, 8, 0]],
  unit: ['', 'x'.repeat(17), 'k\tWh', 'k\u009fWh', null, 1],
  value: [
    '',
    '-',
    '.5',
    '5.',
    '+5',
    '05',
    '-05',
    '00',
    '0x5',
    '5e3',
    '5,0',
    '5 ',
    '5\n',
    '-0',
    '-0.000',
    'NaN',
    'Infinity',
    '٥',
    '9'.repeat(MAX_DECIMAL_LENGTH + 1),
    5,
    null,
    ['5'],
  ],
  quality: ['', 'good', 'Stale', 0, null, false],
};
const WRONG_BLOCK: Readonly<Record<string, readonly unknown[]>> = {
  fc: [0, 1, 2, 5, 6, 16, 131, '4', null, 4.5],
  at: [-1, 65_536, 0.5, '72', null],
  words: [
    '',
    '419',
    '419C',
    '419c0',
    '419g',
    ' 419c',
    '419c\n',
    '0000'.repeat(MAX_RAW_WORDS + 1),
    null,
    16_796,
  ],
};
const WRONG_MARK: Readonly<Record<string, readonly unknown[]>> = {
  reason: ['', 'Record', 'a b', '-a', '1', 'x'.repeat(65), 'a\n', null, 1],
  replaces: ['', 'ab', 'g'.repeat(64), 'AB'.repeat(32), '0'.repeat(63), '0'.repeat(65), null, 1],
};

t.test('each field that is wrong is refused by decoder and encoder', async (t) => {
  const cases: [string, unknown][] = [];
  const add = (place: string, table: typeof WRONG, make: (more: object) => object, whole: object) => {
    for (const [key, wrong] of Object.entries(table)) {
      if (key in whole) cases.push([`${place}${key} missing`, make({ [key]: undefined })]);
      for (const one of wrong) cases.push([`${place}${key} ${JSON.stringify(one)}`, make({ [key]: one })]);
    }
  };
  add('', WRONG, (more) => ({ ...good, ...more }), good);
  add('values.', WRONG_VALUE, value, { obis: '', unit: '', value: '' });
  add('raw.', WRONG_BLOCK, block, good.raw[0]!);
  add('void.', WRONG_MARK, mark, goodVoid.void!);
  cases.push(
    ['a missing value with a value', value({ quality: 'missing' })],
    ['a word beyond the last register', block({ at: 65_535, words: '00000000' })],
    ['values in a void record', { ...goodVoid, values: good.values }],
    ['raw words in a void record', { ...goodVoid, raw: good.raw }],
    ['not an object', 7],
    ['null', null],
    ['a list', [good]],
    ['a text', 'record'],
  );
  for (const [what, record] of cases) {
    t.throws(() => decodeRecord(bytesOf(record)), REFUSED, what.slice(0, 80));
    t.throws(() => encodeRecord(record as ReadingRecord), REFUSED, `encoding ${what.slice(0, 80)}`);
  }
});

t.test('unknown keys are refused at every level, those of every object’s prototype too', async (t) => {
  const insert = (path: 'record' | 'value' | 'block' | 'mark', key: string) => {
    const member = `"${key}":1,`;
    if (path === 'record') return vectors.reading.record.replace('{', `{${member}`);
    if (path === 'value') return vectors.reading.record.replace('{"obis"', `{${member}"obis"`);
    if (path === 'block') return vectors.reading.record.replace('{"at"', `{${member}"at"`);
    return vectors.voidRecord.replace('{"reason"', `{${member}"reason"`);
  };
  for (const path of ['record', 'value', 'block', 'mark'] as const) {
    for (const key of [
      'a',
      '0',
      '',
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      'toJSON',
      'Void',
    ]) {
      const text = insert(path, key);
      t.ok(JSON.parse(text), 'it is JSON');
      t.throws(() => decodeRecord(utf8(text)), REFUSED, `${path} ${key}`);
      const canonical = canonicalize(JSON.parse(text))!;
      t.throws(() => decodeRecord(utf8(canonical)), REFUSED, `${path} ${key} in canonical order`);
    }
  }
  t.equal(({} as Record<string, unknown>)['a'], undefined, 'nothing was polluted');
});

t.test('a record has one byte string only', async (t) => {
  const text = vectors.reading.record;
  const replaced = (from: string, to: string) => {
    t.ok(text.includes(from), from);
    return utf8(text.replace(from, to));
  };
  for (const [what, bytes] of [
    ['nothing', new Uint8Array(0)],
    ['white space before', utf8(` ${text}`)],
    ['a newline behind', utf8(`${text}\n`)],
    ['white space inside', replaced('"v":0', '"v": 0')],
    ['a byte order mark', utf8(`\ufeff${text}`)],
    ['UTF-16', new Uint8Array(Buffer.from(text, 'utf16le'))],
    ['malformed UTF-8', concat(utf8(text.slice(0, -2)), Uint8Array.of(0xff, 0x7d))],
    ['an overlong quote', concat(utf8('{'), Uint8Array.of(0xc0, 0xa2), utf8(text.slice(2)))],
    [
      'keys out of order',
      replaced(
        '"clock":"synchronised","identity":"confirmed"',
        '"identity":"confirmed","clock":"synchronised"',
      ),
    ],
    [
      'keys out of order in a value',
      replaced('"obis":"1-0:1.8.0","unit":"kWh"', '"unit":"kWh","obis":"1-0:1.8.0"'),
    ],
    ['keys out of order in a raw block', replaced('"at":72,"fc":4', '"fc":4,"at":72')],
    ['a key twice, same value', replaced('"v":0', '"v":0,"v":0')],
    ['a key twice, two values', replaced('"seq":7', '"seq":8,"seq":7')],
    ['a key twice in a value', replaced('"value":"19.500"', '"value":"1.0","value":"19.500"')],
    ['an integer as a float', replaced('"seq":7', '"seq":7.0')],
    ['an integer with an exponent', replaced('"seq":7', '"seq":7e0')],
    ['a float that rounds to an integer', replaced('"seq":7', '"seq":7.00000000000000000001')],
    ['minus zero', replaced('"v":0', '"v":-0')],
    ['minus zero as a span', replaced('"span":47', '"span":-0')],
    ['a leading zero', replaced('"seq":7', '"seq":07')],
    ['an integer that is not exact', replaced('"seq":7', '"seq":9007199254740993')],
    ['an escape where none belongs', replaced('kWh', 'kW\\u0068')],
    ['an escaped slash', replaced('eastron/', 'eastron\\/')],
    ['an escape with upper-case hex', replaced('ü', '\\u00FC')],
    ['half a surrogate pair, escaped', replaced('ü', '\\ud834')],
    ['the other half', replaced('ü', '\\udd1e')],
    ['a pair, escaped', replaced('ü', '\\ud834\\udd1e')],
    ['a control character, escaped', replaced('ü', '\\n')],
    ['a key, escaped', replaced('"meter"', '"\\u006deter"')],
    ['JSON5', replaced('"v":0', 'v:0')],
    ['a trailing comma', replaced('}]}', '}],}')],
    ['two records', utf8(text + text)],
    ['NaN', replaced('"seq":7', '"seq":NaN')],
    ['deep nesting', utf8('['.repeat(MAX_RECORD_BYTES))],
    ['deep nesting that ends', utf8('['.repeat(8_000) + ']'.repeat(8_000))],
    [
      'deep nesting in a field',
      replaced('"values":[', `"values":[${'['.repeat(7_000)}${']'.repeat(7_000)},`),
    ],
  ] as const) {
    t.throws(() => decodeRecord(bytes), REFUSED, what);
  }
});

t.test('values stand in rising order of the numbers of their codes, none twice', async (t) => {
  const list = (...codes: string[]) => ({
    ...good,
    values: codes.map((obis) => ({ obis, unit: 'V', value: '1' })),
  });
  t.ok(decodeRecord(bytesOf(list('1-0:1.8.0', '1-0:2.8.0', '1-0:13.7.0', '1-0:13.7.1', '1-1:0.0.0'))));
  for (const codes of [
    ['1-0:1.8.0', '1-0:1.8.0'],
    ['1-0:13.7.0', '1-0:2.8.0'],
    ['1-1:0.0.0', '1-0:1.8.0'],
    ['1-0:1.8.0', '1-0:2.8.0', '1-0:1.8.0'],
  ]) {
    t.throws(() => decodeRecord(bytesOf(list(...codes))), REFUSED, codes.join(' '));
    t.throws(() => encodeRecord(list(...codes) as ReadingRecord), REFUSED, codes.join(' '));
  }
});

t.test('a record of more than 16 KiB is refused before it is parsed', async (t) => {
  const words = 'ffff'.repeat(MAX_RAW_WORDS);
  const raw = (blocks: number, last: number) => [
    ...Array.from({ length: blocks }, (_, at) => ({ fc: 4, at, words })),
    { fc: 4, at: 0, words: 'ffff'.repeat(last) },
  ];
  const full = (blocks: number, last: number) => ({ ...good, raw: raw(blocks, last) });
  let size = 1;
  while (bytesOf(full(30, size + 1)).length <= MAX_RECORD_BYTES) size += 1;
  const fits = bytesOf(full(30, size));
  t.ok(fits.length > MAX_RECORD_BYTES - 4);
  t.strictSame(encodeRecord(full(30, size) as ReadingRecord), fits);
  t.throws(() => decodeRecord(bytesOf(full(30, size + 1))), REFUSED);
  t.throws(() => encodeRecord(full(30, size + 1) as ReadingRecord), REFUSED);
  t.throws(() => decodeRecord(new Uint8Array(MAX_RECORD_BYTES + 1).fill(0x20)), REFUSED);
});

t.test('what has no canonical form cannot be encoded', async (t) => {
  const circle: Record<string, unknown> = { ...good };
  circle['values'] = [circle];
  for (const record of [
    undefined,
    () => 0,
    Symbol('x'),
    circle,
    { ...good, seq: Number.NaN },
    { ...good, seq: 7n },
    { ...good, sw: '\ud800' },
  ]) {
    t.throws(() => encodeRecord(record as unknown as ReadingRecord), REFUSED);
  }
});

t.test('meter IDs and decimals are told from what they are not', async (t) => {
  t.ok(isMeterId('EM:0001.A'));
  t.notOk(isMeterId('EM/0001'));
  t.ok(isDecimal('-12.50'));
  t.notOk(isDecimal('-0.0'));
  t.notOk(isDecimal(12.5));
});

t.test('a time is read as it is written, to the millisecond', async (t) => {
  for (const ms of [0, 1_767_226_020_007, 253_402_300_799_999]) t.equal(parseTime(formatTime(ms)), ms);
  t.throws(() => parseTime('2026-01-01'), REFUSED);
});
