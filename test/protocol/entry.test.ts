import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  appendLeaves,
  decodeEntry,
  EMPTY_RANGE,
  ENTRY_HEADER_BYTES,
  type Entry,
  type EntryType,
  encodeEntry,
  formatCheckpoint,
  formatVerifierKey,
  fromHex,
  leafHashes,
  parseCheckpoint,
  parseNote,
  RUNNING_HASH_START,
  rangeRoot,
  signNote,
  toHex,
  verifierKeyOf,
} from '@meterseal/protocol';
import t from 'tap';
import { ENTRY_OF_TYPE, namedEntry, vectorSigner, vectors } from './message-vectors.js';

const REFUSED = { code: 'bad-entry' };
const NOT_ENCODED = { code: 'bad-argument' };
const log = vectors.log.map((hex) => fromHex(hex));
const entryOf = (type: EntryType): Entry => decodeEntry(namedEntry(ENTRY_OF_TYPE[type]));

t.test('every entry of the vectors is decoded, and encoded to the same bytes', async (t) => {
  for (const [index, bytes] of log.entries()) {
    t.equal(toHex(encodeEntry(decodeEntry(bytes))), vectors.log[index], `entry ${index}`);
  }
  for (const { name, index, bytes } of vectors.entries) {
    t.equal(bytes, vectors.log[index], `${name} stands in the log`);
    t.equal(toHex(encodeEntry(decodeEntry(fromHex(bytes)))), bytes, name);
  }
});

t.test('every type is among the vectors, each with what its name says', async (t) => {
  for (const [type, name] of Object.entries(ENTRY_OF_TYPE)) {
    t.equal(decodeEntry(namedEntry(name)).type, type, name);
  }
  t.equal(namedEntry('reading 1 7').length, 128);
});

t.test('a reading’s fields stand where docs/formats.md draws them', async (t) => {
  const { reading } = vectors;
  t.strictSame(decodeEntry(namedEntry('reading 1 7')), {
    time: 1_767_225_603_000,
    subject: 1,
    seq: 7,
    type: 'reading',
    session: reading.session,
    hash: fromHex(reading.hash),
    sealSignature: fromHex(reading.sealSignature),
  });
});

t.test('the log of the vectors has the root and the checkpoint of the vectors', async (t) => {
  const range = appendLeaves(crypto, EMPTY_RANGE, leafHashes(crypto, log));
  const { text, signatures } = parseNote(vectors.checkpoint);
  const checkpoint = parseCheckpoint(text);
  t.equal(range.size, checkpoint.size);
  t.strictSame(rangeRoot(crypto, range), checkpoint.root);
  t.equal(formatCheckpoint({ ...checkpoint, root: rangeRoot(crypto, range) }), text);
  const signed = signNote(crypto, vectorSigner(vectors.logSeed), vectors.origin, text);
  t.strictSame(parseNote(signed).signatures, signatures.slice(0, 1), 'signed with the same bytes');
  const key = verifierKeyOf(crypto, vectors.origin, 1, vectorSigner(vectors.logSeed).publicKey);
  t.ok(vectors.policy.includes(`log ${formatVerifierKey(key)}\n`));
});

t.test('each block-close of the vectors closes the tree before its block', async (t) => {
  let range = EMPTY_RANGE;
  let closedRoot = rangeRoot(crypto, range);
  let firstIndex = 0;
  let height = 0;
  for (const [index, bytes] of log.entries()) {
    range = appendLeaves(crypto, range, leafHashes(crypto, [bytes]));
    const entry = decodeEntry(bytes);
    if (entry.type !== 'block-close') continue;
    t.equal(entry.seq, ++height);
    t.strictSame(entry.previousRoot, closedRoot);
    t.equal(entry.firstIndex, firstIndex);
    t.equal(entry.count, index - firstIndex);
    closedRoot = rangeRoot(crypto, range);
    firstIndex = index + 1;
  }
  t.equal(firstIndex, log.length, 'the checkpoint stands right after a block-close');
});

t.test('an entry that is cut or has bytes behind it is refused', async (t) => {
  for (const name of Object.values(ENTRY_OF_TYPE)) {
    const bytes = namedEntry(name);
    for (let length = 0; length < bytes.length; length++) {
      t.throws(() => decodeEntry(bytes.subarray(0, length)), REFUSED, `${name} cut to ${length}`);
    }
    t.throws(() => decodeEntry(Uint8Array.of(...bytes, 0)), REFUSED, `${name} and a byte`);
  }
  t.throws(() => decodeEntry(new Uint8Array(65_536)), REFUSED, 'more than 65,535 bytes');
});

t.test('version, type, flags and times that are not of v0 are refused', async (t) => {
  const bytes = namedEntry('reading 1 7');
  for (const [at, wrong] of [
    [0, 1],
    [0, 255],
    [1, 0],
    [1, 12],
    [1, 255],
    [2, 1],
    [3, 1],
    [4, 0x20],
    [5, 0x20],
    [16, 0x20],
    [17, 0x20],
  ] as const) {
    const changed = bytes.slice();
    changed[at] = wrong;
    t.throws(() => decodeEntry(changed), REFUSED, `byte ${at} is ${wrong}`);
  }
  t.equal(ENTRY_HEADER_BYTES, 24);
});

t.test('subject and number stand where the type wants them, for decoder and encoder', async (t) => {
  const places: Readonly<Record<EntryType, readonly [subject: '0' | '+' | 'any', seq: '0' | '+']>> = {
    enrolment: ['+', '0'],
    authentication: ['+', '0'],
    session: ['+', '+'],
    reading: ['+', '+'],
    switch: ['0', '+'],
    verdict: ['0', '+'],
    'block-close': ['0', '+'],
    anchor: ['0', '+'],
    epoch: ['0', '+'],
    event: ['any', '+'],
    acknowledgement: ['+', '+'],
  };
  const fits = (rule: '0' | '+' | 'any', value: number) => rule === 'any' || (value === 0) === (rule === '0');
  for (const [type, [subjectRule, seqRule]] of Object.entries(places) as [
    EntryType,
    (typeof places)[EntryType],
  ][]) {
    for (const subject of [0, 1, 2 ** 32 - 1]) {
      for (const seq of [0, 20, Number.MAX_SAFE_INTEGER]) {
        const what = `${type} of subject ${subject} with number ${seq}`;
        const bytes = place(namedEntry(ENTRY_OF_TYPE[type]), type, subject, seq);
        const entry = { ...entryOf(type), subject, seq };
        if (fits(subjectRule, subject) && fits(seqRule, seq)) {
          t.strictSame(decodeEntry(bytes), entry, what);
          t.strictSame(encodeEntry(entry), bytes, what);
        } else {
          t.throws(() => decodeEntry(bytes), REFUSED, what);
          t.throws(() => encodeEntry(entry), NOT_ENCODED, what);
        }
      }
    }
  }
});

t.test('an authentication has subject 0 if, and only if, the meter is unknown', async (t) => {
  const rejected = { ...entryOf('authentication'), result: 'rejected' } as Entry & { type: 'authentication' };
  const unknown = { ...rejected, reason: 'unknown-meter', subject: 0 } as const;
  t.strictSame(decodeEntry(encodeEntry(unknown)), unknown);
  t.throws(() => encodeEntry({ ...unknown, subject: 1 }), NOT_ENCODED);
  t.throws(() => encodeEntry({ ...unknown, reason: 'revoked' }), NOT_ENCODED);
});

t.test('an acknowledgement covers what was held, or nothing yet behind a gap', async (t) => {
  const held = entryOf('acknowledgement') as Entry & { type: 'acknowledgement' };
  const empty = { ...held, first: 24, seq: 23, runningHash: RUNNING_HASH_START };
  t.strictSame(decodeEntry(encodeEntry(empty)), empty);
  t.throws(() => encodeEntry({ ...empty, runningHash: held.runningHash }), NOT_ENCODED);
  t.throws(() => encodeEntry({ ...empty, seq: 22 }), NOT_ENCODED);
  t.throws(() => encodeEntry({ ...held, first: 22 }), NOT_ENCODED);
  t.throws(() => encodeEntry({ ...held, first: 0 }), NOT_ENCODED);
});

t.test('nothing that could not be read again is encoded', async (t) => {
  const reading = entryOf('reading') as Entry & { type: 'reading' };
  const session = entryOf('session') as Entry & { type: 'session' };
  const epoch = entryOf('epoch') as Entry & { type: 'epoch' };
  for (const entry of [
    { ...reading, time: -1 },
    { ...reading, time: 1.5 },
    { ...reading, subject: 2 ** 32 },
    { ...reading, session: 0 },
    { ...reading, hash: new Uint8Array(31) },
    { ...reading, sealSignature: new Uint8Array(65) },
    { ...reading, type: 'sample' },
    { ...reading, type: 'toString' },
    { ...session, sessionKey: new Uint8Array(32) },
    { ...epoch, previousOrigin: 'x'.repeat(256) },
    { ...epoch, previousOrigin: '\ud800' },
    { ...epoch, reason: 'none' },
  ]) {
    t.throws(() => encodeEntry(entry as Entry), NOT_ENCODED);
  }
});

/** The bytes of an entry with another subject and number; a block-close carries its height twice. */
function place(bytes: Uint8Array, type: EntryType, subject: number, seq: number): Uint8Array {
  const out = Buffer.from(bytes);
  out.writeUInt32BE(subject, 12);
  out.writeBigUInt64BE(BigInt(seq), 16);
  if (type === 'block-close') out.writeBigUInt64BE(BigInt(seq), 24);
  return new Uint8Array(out);
}

t.test('a reading’s integers come out again, whatever their size', async (t) => {
  const reading = entryOf('reading') as Entry & { type: 'reading' };
  for (const large of [1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1]) {
    const entry = {
      ...reading,
      time: large,
      seq: large,
      session: large,
      subject: Math.min(large, 2 ** 32 - 1),
    };
    t.strictSame(decodeEntry(encodeEntry(entry)), entry);
  }
});
