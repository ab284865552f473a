import {
  ByteReader,
  decodeDeliveryGroups,
  decodeSubmission,
  encodeDelivery,
  encodeDeliveryGroup,
  encodeSubmission,
  fromHex,
  MAX_BATCH,
  MAX_RECORD_BYTES,
  readDelivery,
  SEAL_SIGNATURE_BYTES,
  signMessage,
  toHex,
  utf8,
} from '@meterseal/protocol';
import t from 'tap';
import { vectorSigner, vectors } from '../message-vectors.js';

const REFUSED = { code: 'bad-message' };
const sealed = fromHex(vectors.reading.sealed);
const frame = { session: vectors.reading.session, sealed };
const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const u32 = (value: number) =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);

t.test('a submission is frames of length, session and sealed reading', async (t) => {
  const bytes = encodeSubmission([frame]);
  const length = (8 + sealed.length).toString(16).padStart(8, '0');
  t.equal(toHex(bytes), `${length}0000000000000001${vectors.reading.sealed}`);
  const frames = [frame, { session: 2 ** 40, sealed: new Uint8Array(SEAL_SIGNATURE_BYTES + 1) }, frame];
  t.strictSame(decodeSubmission(encodeSubmission(frames)), frames);
});

t.test('a submission has 1 to 1,000 frames', async (t) => {
  const small = { session: 1, sealed: new Uint8Array(SEAL_SIGNATURE_BYTES + 1) };
  const many = Array.from({ length: MAX_BATCH }, () => small);
  t.equal(decodeSubmission(encodeSubmission(many)).length, MAX_BATCH);
  t.throws(() => decodeSubmission(encodeSubmission([...many, small])), REFUSED);
  t.throws(() => decodeSubmission(new Uint8Array(0)), REFUSED);
});

t.test('a frame holds a signature and 1 to 16,384 bytes', async (t) => {
  const of = (length: number) => encodeSubmission([{ session: 1, sealed: new Uint8Array(length) }]);
  t.ok(decodeSubmission(of(SEAL_SIGNATURE_BYTES + MAX_RECORD_BYTES)));
  for (const length of [0, SEAL_SIGNATURE_BYTES, SEAL_SIGNATURE_BYTES + MAX_RECORD_BYTES + 1]) {
    t.throws(() => decodeSubmission(of(length)), REFUSED, `${length} bytes`);
  }
  t.throws(() => decodeSubmission(join(u32(0xffffffff), of(100))), REFUSED, 'a length of 4 GiB');
  t.throws(() => decodeSubmission(join(u32(7), new Uint8Array(7))), REFUSED, 'no room for the session');
});

t.test('a submission that is cut is refused as a whole', async (t) => {
  const bytes = encodeSubmission([frame, frame]);
  for (let length = 1; length < bytes.length; length++) {
    if (length === bytes.length / 2) continue;
    t.throws(() => decodeSubmission(bytes.subarray(0, length)), REFUSED, `${length} bytes`);
  }
  t.throws(() => decodeSubmission(join(bytes, Uint8Array.of(0))), REFUSED);
});

const statement = fromHex(vectors.messages.delivery.message + vectors.messages.delivery.signature);
const otherStatement = (() => {
  const value = readDelivery(new ByteReader(statement, 'bad-message'));
  const message = encodeDelivery({ ...value, meter: { ...value.meter, subject: 2 } });
  return signMessage(vectorSigner(vectors.meters[1]!.identitySeed), message);
})();
const record = utf8(vectors.reading.record);

t.test('a delivery has a statement and records for each meter', async (t) => {
  const body = join(
    encodeDeliveryGroup(statement, [record, utf8('x')]),
    encodeDeliveryGroup(otherStatement, [record]),
  );
  const groups = decodeDeliveryGroups(body);
  t.strictSame(
    groups.map(({ records }) => records),
    [[record, utf8('x')], [record]],
  );
  t.strictSame(
    groups.map(({ statement: signed }) => signed.value.meter.subject),
    [1, 2],
  );
  t.strictSame(join(groups[0]!.statement.message, groups[0]!.statement.signature), statement);
});

t.test('records of the longest length do not pass for a statement', async (t) => {
  const longest = new Uint8Array(MAX_RECORD_BYTES).fill(0x6d);
  const body = encodeDeliveryGroup(statement, [longest, utf8('m'), longest]);
  t.strictSame(decodeDeliveryGroups(body)[0]!.records, [longest, utf8('m'), longest]);
});

t.test(
  'a delivery without records, without statement, cut, or with lengths that lie is refused',
  async (t) => {
    const body = encodeDeliveryGroup(statement, [record, record]);
    const whole = statement.length + 4 + record.length;
    for (let length = 0; length < body.length; length++) {
      if (length === whole) continue;
      t.throws(() => decodeDeliveryGroups(body.subarray(0, length)), REFUSED, `cut to ${length}`);
    }
    for (const [what, bytes] of [
      ['no records', statement],
      ['no records of the second meter', join(body, otherStatement)],
      ['records before the statement', join(u32(1), utf8('x'), body)],
      ['an empty record', join(body, u32(0))],
      [
        'a record of more than 16 KiB',
        join(body, u32(MAX_RECORD_BYTES + 1), new Uint8Array(MAX_RECORD_BYTES + 1)),
      ],
      ['a record of 16 MiB', join(body, u32(0xffffff))],
      ['a byte behind', join(body, Uint8Array.of(0))],
      ['a newline behind', join(body, utf8('\n'))],
    ] as const) {
      t.throws(() => decodeDeliveryGroups(bytes), REFUSED, what);
    }
  },
);

t.test('a meter delivers at most 1,000 records, and at most 1,000 meters at once', async (t) => {
  const records = Array.from({ length: MAX_BATCH }, () => utf8('x'));
  const group = (count: number) => encodeDeliveryGroup(statement, records.slice(0, count));
  t.equal(decodeDeliveryGroups(group(MAX_BATCH))[0]!.records.length, MAX_BATCH);
  t.throws(() => decodeDeliveryGroups(join(group(MAX_BATCH), u32(1), utf8('x'))), REFUSED);
  const groups = Array.from({ length: MAX_BATCH }, () => group(1));
  t.equal(decodeDeliveryGroups(join(...groups)).length, MAX_BATCH);
  t.throws(() => decodeDeliveryGroups(join(...groups, group(1))), REFUSED);
});
