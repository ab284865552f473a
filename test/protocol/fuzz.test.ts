import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import * as protocol from '@meterseal/protocol';
import {
  type ByteReader,
  equalBytes,
  fromHex,
  fromUtf8,
  isMetersealError,
  toHex,
  utf8,
} from '@meterseal/protocol';
import t from 'tap';
import nacl from 'tweetnacl';
import { vectors } from './message-vectors.js';
import { mutate } from './mutate.js';
import { sampleProof } from './sample-proof.js';
import { SeededRandom } from './seeded-random.js';
import { vectorText } from './vector.js';

/** Inputs in all, shared out to the decoders: METERSEAL_FUZZ_COUNT=100000000 for a long night. */
const TOTAL = Number(process.env['METERSEAL_FUZZ_COUNT'] ?? 1_000_000);
const SEED = Number(process.env['METERSEAL_FUZZ_SEED'] ?? 20_260_101);
/** Far above what the slowest decoder needs for the largest input. */
const MOST_CPU_MS = 500;

// The runner's limit on time is for one file with the count as it stands.
t.setTimeout(Math.max(600_000, TOTAL));

interface Target {
  readonly samples: readonly Uint8Array[];
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Where a meaning has one form only: what was accepted must be what is written. */
  readonly encode?: (value: never) => Uint8Array | undefined;
  /** Inputs are fewer by this factor: a signature or a new key costs a hundred times a parse. */
  readonly slow?: number;
}

function target<T>(
  samples: readonly Uint8Array[],
  decode: (bytes: Uint8Array) => T,
  encode?: (value: T) => Uint8Array | undefined,
  slow = 1,
): Target {
  return encode === undefined
    ? { samples, decode, slow }
    : { samples, decode, encode: encode as Target['encode'] & {}, slow };
}

/** A text as hostile bytes give it: malformed sequences become halves of surrogate pairs. */
const asText = (bytes: Uint8Array) =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replaceAll('\ufffd', '\ud800');
const text =
  <T>(decode: (value: string) => T) =>
  (bytes: Uint8Array) =>
    decode(asText(bytes));

const message = (name: keyof typeof vectors.messages) =>
  fromHex(vectors.messages[name].message + vectors.messages[name].signature);
const signed = <T>(
  name: keyof typeof vectors.messages,
  read: (from: ByteReader) => T,
  encode: (value: T) => Uint8Array,
) =>
  target(
    [message(name)],
    (bytes) => protocol.decodeSigned(bytes, read),
    ({ value, signature }) => protocol.concat(encode(value), signature),
    3,
  );

const log = vectors.log.map((hex) => fromHex(hex));
const switches = vectors.entries
  .filter(({ name }) => name.startsWith('switch'))
  .map(({ bytes }) => fromHex(bytes));
const records = [utf8(vectors.reading.record), utf8(vectors.voidRecord)];
const proofs = [utf8(vectors.proof), sampleProof().file];
const notes = [utf8(vectors.checkpoint), utf8(vectorText('tessera-golden/checkpoint.12'))];
const policy = protocol.parsePolicy(crypto, vectors.policyQuorum);
const range = protocol.appendLeaves(crypto, protocol.EMPTY_RANGE, protocol.leafHashes(crypto, log));
const box = { keyPair: nacl.box.keyPair, seal: nacl.box, open: nacl.box.open };
const submission = protocol.encodeSubmission([
  { session: 1, sealed: fromHex(vectors.reading.sealed) },
  { session: 2, sealed: new Uint8Array(70) },
]);
const tilePaths = ['tile/0/000', 'tile/1/x001/x234/067.p/255', 'tile/entries/x001/000'].map(utf8);
const base64Texts = ['', 'AA==', 'trLCLlzGU0Jvn8gZFSZGDAHQu+PUOxW8hb5UNxaYbCU='].map(utf8);
const words = ['1-0:1.8.0', '255-255:255.255.255', '-12.50', '2026-01-01T00:07:00.007Z', 'EM:0001.A'].map(
  utf8,
);

const TARGETS: Readonly<Record<string, Target>> = {
  decodeRecord: target(records, protocol.decodeRecord, protocol.encodeRecord),
  decodeEvent: target([log[34]!.subarray(24)], protocol.decodeEvent, protocol.encodeEvent),
  decodeEntry: target(log, protocol.decodeEntry, protocol.encodeEntry, 3),
  transitionFromBytes: target(
    switches.map((bytes) => bytes.subarray(24)),
    protocol.transitionFromBytes,
    protocol.transitionBytes,
  ),
  delivery: signed('delivery', protocol.readDelivery, protocol.encodeDelivery),
  gap: signed('gap', protocol.readGap, protocol.encodeGap),
  acknowledgement: signed('acknowledgement', protocol.readAcknowledgement, protocol.encodeAcknowledgement),
  lease: signed('lease', protocol.readLeaseRequest, protocol.encodeLeaseRequest),
  verdict: signed('verdict', protocol.readVerdict, protocol.encodeVerdict),
  decodeSignedList: target(
    [protocol.concat(message('gap'), message('gap'))],
    (bytes) => protocol.decodeSignedList(bytes, protocol.readGap, 5),
    undefined,
    3,
  ),
  readAnswerHead: target(
    [utf8('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nRetry-After: 1\r\n\r\n')],
    protocol.readAnswerHead,
  ),
  decodeLeaseAnswer: target(
    [protocol.encodeLeaseAnswer({ result: 'busy', lease: new Uint8Array(16), port: 1, granted: 2 })],
    protocol.decodeLeaseAnswer,
    protocol.encodeLeaseAnswer,
  ),
  decodeSubmission: target([submission], protocol.decodeSubmission, protocol.encodeSubmission),
  decodeDeliveryGroups: target(
    [protocol.encodeDeliveryGroup(message('delivery'), records)],
    protocol.decodeDeliveryGroups,
    (groups) =>
      protocol.concat(
        ...groups.map(({ statement, records: of }) =>
          protocol.encodeDeliveryGroup(protocol.concat(statement.message, statement.signature), of),
        ),
      ),
    3,
  ),
  decodeEntries: target(
    [protocol.encodeEntries(log.slice(0, 9))],
    (bytes) => protocol.decodeEntries(bytes),
    protocol.encodeEntries,
  ),
  decodeRange: target(
    [protocol.encodeRange(range)],
    (bytes) => protocol.decodeRange(bytes),
    protocol.encodeRange,
  ),
  openOffer: target(
    [fromHex(vectors.offer.offer)],
    (bytes) => protocol.openOffer(box, bytes, fromHex(vectors.offer.sealToSecret)),
    undefined,
    10,
  ),
  decodeProof: target(proofs, protocol.decodeProof, protocol.encodeProof, 5),
  verifyProof: target([proofs[0]!], (bytes) => protocol.verifyProof(crypto, policy, bytes), undefined, 5),
  parseNote: target(notes, text(protocol.parseNote), (note) => utf8(protocol.formatNote(note))),
  parseSignatureLine: target(
    notes.map((note) => utf8(fromUtf8(note).split('\n').at(-2)!)),
    text(protocol.parseSignatureLine),
    (line) => utf8(protocol.formatSignatureLine(line)),
  ),
  parseCheckpoint: target(
    notes.map((note) => utf8(`${fromUtf8(note).split('\n\n')[0]}\n`)),
    text(protocol.parseCheckpoint),
    (checkpoint) => utf8(protocol.formatCheckpoint(checkpoint)),
  ),
  openCheckpoint: target(
    [notes[0]!],
    text((note) => protocol.openCheckpoint(crypto, policy, note)),
    undefined,
    5,
  ),
  checkpointHash: target(
    notes,
    text((note) => protocol.checkpointHash(crypto, note)),
  ),
  parsePolicy: target(
    [utf8(vectors.policyQuorum), utf8(vectors.policy)],
    text((file) => protocol.parsePolicy(crypto, file)),
    undefined,
    5,
  ),
  parseVerifierKey: target(
    [utf8(vectors.policy.split('log ')[1]!.split('\n')[0]!)],
    text((key) => protocol.parseVerifierKey(crypto, key)),
    (key) => utf8(protocol.formatVerifierKey(key)),
    3,
  ),
  platformIdOf: target(
    [utf8(vectors.origin)],
    text((origin) => [protocol.platformIdOf(origin), protocol.epochOf(origin)]),
  ),
  parseTilePath: target(tilePaths, text(protocol.parseTilePath), (tile) => utf8(protocol.tilePath(tile))),
  fromBase64: target(base64Texts, text(protocol.fromBase64), (bytes) => utf8(protocol.toBase64(bytes))),
  fromBase64Url: target(['', 'tBoT7ZIlamQpV4V_MsoR6A'].map(utf8), text(protocol.fromBase64Url), (bytes) =>
    utf8(protocol.toBase64Url(bytes)),
  ),
  fromHex: target(['', 'abcdef0123456789'].map(utf8), text(protocol.fromHex), (bytes) => utf8(toHex(bytes))),
  fromUtf8: target([...records, ...notes], protocol.fromUtf8, utf8),
  keyFromBase64: target(
    [utf8(protocol.toBase64(fromHex(vectors.collectorKey)))],
    text(protocol.keyFromBase64),
    (key) => utf8(protocol.toBase64(key)),
    3,
  ),
  parseObis: target(
    words,
    text(protocol.parseObis),
    (code) => code && utf8(`${code[0]}-${code[1]}:${code.slice(2).join('.')}`),
  ),
  parseTime: target(['2026-01-01T00:07:00.007Z'].map(utf8), text(protocol.parseTime), (ms) =>
    utf8(protocol.formatTime(ms)),
  ),
  'isMeterId, isDecimal, isKeyName': target(
    words,
    text((word) => [protocol.isMeterId(word), protocol.isDecimal(word), protocol.isKeyName(word)]),
  ),
  'holderBytes of parsed JSON': target(
    vectors.meters.map(({ holderJcs }) => fromHex(holderJcs)),
    (bytes) => protocol.holderBytes(parsedJson(bytes) as protocol.Holder),
  ),
};

t.test('every exported decoder is among the targets', async (t) => {
  const decoders = Object.keys(protocol).filter((name) =>
    /^(decode|read|parse|open|verify|from[A-Z])/.test(name),
  );
  const elsewhere = [
    'decodeSigned',
    'readDelivery',
    'readGap',
    'readAcknowledgement',
    'readLeaseRequest',
    'readVerdict',
    'decodeBody',
    'decodeTransition',
    'readSigned',
    'readMeter',
    'readKey',
    // Not decoders, or given what decoders above have made.
    'readingHash',
    'verifyInclusion',
    'verifyConsistency',
    'verifyNoteSignature',
    'verifierKeyOf',
  ];
  const missing = decoders.filter((name) => !(name in TARGETS) && !elsewhere.includes(name));
  t.strictSame(missing, []);
});

/** Inputs of a decoder that is not slow. */
const COUNT = Math.ceil(TOTAL / Object.values(TARGETS).reduce((sum, { slow = 1 }) => sum + 1 / slow, 0));

for (const [name, { samples, decode, encode, slow = 1 }] of Object.entries(TARGETS)) {
  t.test(`${name} answers any bytes with a value or an error of ours, soon`, async (t) => {
    const random = new SeededRandom(SEED);
    const wrong: string[] = [];
    let accepted = 0;
    let longest = 0;
    for (const sample of samples) decode(sample);
    for (let i = 0; i < COUNT / slow && wrong.length < 5; i++) {
      const bytes = mutate(random, samples);
      const start = process.cpuUsage();
      try {
        const value = decode(bytes);
        accepted += 1;
        const again = encode?.(value as never);
        if (again !== undefined && !equalBytes(again, bytes))
          wrong.push(`written otherwise: ${toHex(bytes)}`);
      } catch (error) {
        if (!isMetersealError(error)) wrong.push(`${error}: ${toHex(bytes)}`);
      }
      // Of this process only: a busy machine makes no decoder slow.
      const { user, system } = process.cpuUsage(start);
      longest = Math.max(longest, (user + system) / 1_000);
    }
    t.strictSame(wrong, []);
    t.ok(longest < MOST_CPU_MS, `the longest took ${longest.toFixed(1)} ms; ${accepted} were accepted`);
  });
}

/** What an HTTP server hands on: any JSON value; where there is none the decoder has nothing to do. */
function parsedJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(asText(bytes));
  } catch {
    return {};
  }
}
