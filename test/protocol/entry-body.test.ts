import {
  ANCHOR_KINDS,
  AUTHENTICATION_REASONS,
  AUTHENTICATION_RESULTS,
  CLOCK_CODES,
  decodeEntry,
  ENTRY_CODES,
  ENTRY_HEADER_BYTES,
  type Entry,
  type EntryType,
  EPOCH_REASONS,
  encodeEntry,
  fromHex,
  KEY_ORIGINS,
  toHex,
} from '@meterseal/protocol';
import t from 'tap';
import { forge, SMALL_ORDER_ENCODINGS, TORSION } from '../native/forge.js';
import { ENTRY_OF_TYPE, namedEntry, vectors } from './message-vectors.js';

const REFUSED = { code: 'bad-entry' };

/** An entry of the vectors with other bytes at an offset of its body. */
function patched(name: string, at: number, ...bytes: number[]): Uint8Array {
  const out = namedEntry(name);
  out.set(bytes, ENTRY_HEADER_BYTES + at);
  return out;
}
const field = <K extends string>(name: string, key: K) =>
  (decodeEntry(namedEntry(name)) as unknown as Record<K, unknown>)[key];

t.test('the numbers of types and codes are fixed', async (t) => {
  t.strictSame(
    Object.entries(ENTRY_CODES).map(([name, code]) => `${code} ${name}`),
    [
      '1 enrolment',
      '2 authentication',
      '3 session',
      '4 reading',
      '5 switch',
      '6 verdict',
      '7 block-close',
      '8 anchor',
      '9 epoch',
      '10 event',
      '11 acknowledgement',
    ],
  );
  t.strictSame(KEY_ORIGINS, { issued: 1, own: 2 });
  t.strictSame(AUTHENTICATION_RESULTS, { accepted: 1, rejected: 2 });
  t.strictSame(CLOCK_CODES, { synchronised: 0, holdover: 1, unsynchronised: 2, stepped: 3 });
  t.strictSame(ANCHOR_KINDS, { cometbft: 1, fabric: 2, evm: 3, rfc3161: 4 });
  t.strictSame(EPOCH_REASONS, { first: 0, rotation: 1, rollback: 2, clone: 3, lost: 4 });
  t.strictSame(AUTHENTICATION_REASONS, {
    none: 0,
    'unknown-meter': 1,
    'challenge-unknown': 2,
    'challenge-expired': 3,
    'bad-signature': 4,
    revoked: 5,
    'rate-limited': 6,
  });
});

t.test('the bodies of the vectors say what the vectors mean', async (t) => {
  const [first, second] = vectors.meters as [(typeof vectors.meters)[0], (typeof vectors.meters)[0]];
  for (const [name, meter] of [
    ['enrolment 1', first],
    ['enrolment 2', second],
  ] as const) {
    const entry = decodeEntry(namedEntry(name)) as Entry & { type: 'enrolment' };
    t.equal(entry.subject, meter.subject);
    t.equal(toHex(entry.meterCommitment), meter.commitment);
    t.equal(toHex(entry.identityKey), meter.identityKey);
    t.equal(toHex(entry.holderCommitment), meter.holderCommitment);
    t.equal(entry.keyOrigin, meter.identity);
    t.equal(entry.firstSeq, meter.firstSeq);
  }
  t.equal(field('rejected', 'result'), 'rejected');
  t.equal(field('rejected', 'reason'), 'bad-signature');
  t.equal(field('session 1', 'authentication'), 6);
  t.strictSame(field('session 1', 'sessionKey'), fromHex(vectors.reading.sessionKey));
  t.strictSame(field('session 1', 'signature'), fromHex(vectors.messages.session.signature));
  t.strictSame(field('verdict', 'signature'), fromHex(vectors.messages.verdict.signature));
  t.equal(field('verdict', 'size'), 55);
  t.strictSame(field('acknowledgement', 'signature'), fromHex(vectors.messages.acknowledgement.signature));
  t.equal(field('block-close', 'witnessed'), true);
  t.equal(field('block-close', 'clock'), 'synchronised');
  t.equal(field('anchor', 'kind'), 'cometbft');
  t.equal(field('epoch', 'previousOrigin'), '');
  t.strictSame(field('event', 'event'), { kind: 'clock-step', ms: -1_200 });
});

t.test('values that are not listed are refused', async (t) => {
  for (const [name, at, ...bytes] of [
    ['enrolment 1', 96, 0],
    ['enrolment 1', 96, 3],
    ['enrolment 1', 97, 0, 0, 0, 0, 0, 0, 0, 0],
    ['enrolment 1', 97, 0x20],
    ['authentication 1', 0, 0],
    ['authentication 1', 0, 3],
    ['authentication 1', 0, 2],
    ['authentication 1', 1, 0, 2],
    ['rejected', 1, 0, 0],
    ['rejected', 1, 0, 7],
    ['rejected', 1, 1, 4],
    ['session 1', 0, 0x20],
    ['session 1', 40, 0x20],
    ['reading 1 7', 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ['reading 1 7', 0, 0x20],
    ['verdict', 48, 0x20],
    ['block-close', 7, 15],
    ['block-close', 40, 0x20],
    ['block-close', 48, 0, 0, 0, 0],
    ['block-close', 68, 4],
    ['block-close', 69, 2],
    ['anchor', 0, 0],
    ['anchor', 0, 5],
    ['anchor', 1, 0x20],
    ['epoch', 0, 0, 1],
    ['epoch', 66, 5],
    ['acknowledgement', 32, 0, 0, 0, 0, 0, 0, 0, 0],
    ['acknowledgement', 40, 0x20],
  ] as const) {
    t.throws(() => decodeEntry(patched(name, at, ...bytes)), REFUSED, `${name}: ${bytes} at ${at}`);
  }
});

t.test('a key that is no canonical point of prime order is refused wherever an entry has one', async (t) => {
  const WITH_TORSION = forge(5n, 7n, new Uint8Array(0), { keyTorsion: TORSION[1]! }).publicKey;
  const places: readonly [EntryType, number][] = [
    ['enrolment', 32],
    ['session', 8],
    ['verdict', 0],
    ['epoch', 67],
    ['acknowledgement', 0],
  ];
  for (const [type, at] of places) {
    const name = ENTRY_OF_TYPE[type];
    for (const key of [...SMALL_ORDER_ENCODINGS, WITH_TORSION, new Uint8Array(32).fill(255)]) {
      t.throws(() => decodeEntry(patched(name, at, ...key)), REFUSED, `${name} ${toHex(key)}`);
    }
    const other = fromHex(vectors.meters[1]!.identityKey);
    t.ok(decodeEntry(patched(name, at, ...other)), `${name} takes another good key there`);
  }
});

t.test('an epoch names the one before it in at most 255 bytes of UTF-8', async (t) => {
  const epoch = decodeEntry(namedEntry('epoch')) as Entry & { type: 'epoch' };
  for (const previousOrigin of ['a', 'x'.repeat(255), 'operator.example/meterseal/bü/1']) {
    const bytes = encodeEntry({ ...epoch, previousOrigin, reason: 'rotation', seq: 2 });
    t.equal((decodeEntry(bytes) as typeof epoch).previousOrigin, previousOrigin);
  }
  const bytes = encodeEntry({ ...epoch, previousOrigin: 'aa' });
  bytes.set([0xc3, 0x28], ENTRY_HEADER_BYTES + 2);
  t.throws(() => decodeEntry(bytes), REFUSED, 'malformed UTF-8');
  const long = new Uint8Array(namedEntry('epoch').length + 256).fill(0x61);
  long.set(namedEntry('epoch').subarray(0, ENTRY_HEADER_BYTES));
  long.set([1, 0], ENTRY_HEADER_BYTES);
  t.throws(() => decodeEntry(long), REFUSED, '256 bytes');
});

t.test('an event that is not canonical is refused inside its entry', async (t) => {
  const event = (text: string) =>
    Uint8Array.from([...namedEntry('event').subarray(0, ENTRY_HEADER_BYTES), ...Buffer.from(text)]);
  t.ok(decodeEntry(event('{"kind":"boot"}')));
  for (const text of [
    '',
    '{}',
    '{"kind":"boot"} ',
    '{"kind":"reboot"}',
    '{"kind":"boot","meter":"EM:0001.A"}',
  ]) {
    t.throws(() => decodeEntry(event(text)), REFUSED, text);
  }
});

t.test('decoded fields do not change with the buffer that they came from', async (t) => {
  for (const name of Object.values(ENTRY_OF_TYPE)) {
    const buffer = Buffer.from(namedEntry(name));
    const entry = decodeEntry(buffer);
    buffer.fill(0xaa);
    t.strictSame(encodeEntry(entry), namedEntry(name), name);
  }
});
