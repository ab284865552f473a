import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  type Acknowledgement,
  type Delivery,
  decodeSigned,
  encodeAcknowledgement,
  encodeDelivery,
  encodeGap,
  fromHex,
  GAP_REASONS,
  type Gap,
  isHeldRange,
  isSignedBy,
  RUNNING_HASH_START,
  readAcknowledgement,
  readDelivery,
  readGap,
  signMessage,
  toHex,
  utf8,
} from '@meterseal/protocol';
import t from 'tap';
import { firstMeter, vectorSigner, vectors } from '../message-vectors.js';
import { changed, refusesBrokenWire } from './signed-table.js';

const NOT_MADE = { code: 'bad-argument' };
const collectorKey = fromHex(vectors.collectorKey);
const common = { platformId: vectors.platformId, meter: firstMeter, collectorKey };
const last = fromHex(vectors.running.runningHashes.at(-1)!);

const delivery: Delivery = { ...common, first: 1, to: 20, runningHash: last };
const gap: Gap = { ...common, from: 21, to: 23, reason: 'lost-by-field' };
const acknowledgement: Acknowledgement = {
  ...common,
  first: 1,
  seq: 20,
  runningHash: last,
  time: 1_767_225_607_500,
};
const wireOf = (name: 'delivery' | 'gap' | 'acknowledgement') =>
  fromHex(vectors.messages[name].message + vectors.messages[name].signature);
/** Where the numbers start: behind preamble, PID, S and collector key. */
const numbersAt = (name: string) =>
  `meterseal/${name}/v0\n`.length + 2 + utf8(vectors.platformId).length + 36 + 32;

t.test('delivery, gap and acknowledgement have bytes and signature of the vectors', async (t) => {
  for (const [name, message, value, read] of [
    ['delivery', encodeDelivery(delivery), delivery, readDelivery],
    ['gap', encodeGap(gap), gap, readGap],
    ['acknowledgement', encodeAcknowledgement(acknowledgement), acknowledgement, readAcknowledgement],
  ] as const) {
    const vector = vectors.messages[name];
    t.equal(toHex(message), vector.message, name);
    t.equal(toHex(signMessage(vectorSigner(vector.signerSeed), message)), vector.message + vector.signature);
    const signed = decodeSigned<unknown>(wireOf(name), read);
    t.strictSame(signed.value, value);
    t.strictSame(signed.message, message);
    t.ok(isSignedBy(crypto, fromHex(vector.signerKey), signed));
    t.notOk(isSignedBy(crypto, fromHex(vectors.meters[1]!.identityKey), signed), 'not by another meter');
  }
  t.equal(vectors.messages.delivery.signerKey, vectors.meters[0]!.identityKey);
  t.equal(vectors.messages.acknowledgement.signerKey, vectors.collectorKey);
  t.strictSame(GAP_REASONS, { 'dropped-by-policy': 1, 'lost-by-field': 2 });
});

t.test('one message does not pass for another', async (t) => {
  const reads = { delivery: readDelivery, gap: readGap, acknowledgement: readAcknowledgement };
  for (const [name, read] of Object.entries(reads)) {
    for (const other of ['delivery', 'gap', 'acknowledgement'] as const) {
      if (name === other) continue;
      t.throws(
        () => decodeSigned<unknown>(wireOf(other), read),
        { code: 'bad-message' },
        `${other} as ${name}`,
      );
    }
  }
});

t.test('broken bytes of all three are refused', async (t) => {
  refusesBrokenWire(t, wireOf('delivery'), readDelivery, numbersAt('delivery') - 32);
  refusesBrokenWire(t, wireOf('gap'), readGap, numbersAt('gap') - 32);
  refusesBrokenWire(t, wireOf('acknowledgement'), readAcknowledgement, numbersAt('acknowledgement') - 32);
});

t.test('subject 0, numbers below 1, ranges that fall and unlisted reasons are refused', async (t) => {
  for (const [name, read] of [
    ['delivery', readDelivery],
    ['gap', readGap],
    ['acknowledgement', readAcknowledgement],
  ] as const) {
    const wire = wireOf(name);
    const at = numbersAt(name);
    const subjectAt = at - 32 - 36;
    for (const [what, bytes] of [
      ['subject 0', changed(wire, subjectAt, 0, 0, 0, 0)],
      ['first 0', changed(wire, at, 0, 0, 0, 0, 0, 0, 0, 0)],
      ['a first above the last', changed(wire, at, 0, 0, 0, 0, 0, 0, 0, 99)],
      ['a number above 2^53 − 1', changed(wire, at + 8, 0x20)],
    ] as const) {
      t.throws(() => decodeSigned<unknown>(bytes, read), { code: 'bad-message' }, `${name}: ${what}`);
    }
  }
  for (const reason of [0, 3, 255]) {
    const wire = changed(wireOf('gap'), numbersAt('gap') + 16, reason);
    t.throws(() => decodeSigned(wire, readGap), { code: 'bad-message' }, `reason ${reason}`);
  }
});

t.test('an acknowledgement may cover nothing only behind a gap, with the hash at its start', async (t) => {
  const empty = { ...acknowledgement, first: 24, seq: 23, runningHash: RUNNING_HASH_START };
  const wire = signMessage(vectorSigner(vectors.collectorSeed), encodeAcknowledgement(empty));
  t.strictSame(decodeSigned(wire, readAcknowledgement).value, empty);
  for (const [first, seq, hash, holds] of [
    [1, 1, last, true],
    [5, 4, RUNNING_HASH_START, true],
    [5, 4, last, false],
    [5, 3, RUNNING_HASH_START, false],
    [1, 0, RUNNING_HASH_START, false],
    [0, 0, RUNNING_HASH_START, false],
    [0, 4, last, false],
  ] as const) {
    t.equal(isHeldRange(first, seq, hash), holds, `${first}…${seq}`);
    const made = () => encodeAcknowledgement({ ...acknowledgement, first, seq, runningHash: hash });
    if (holds) t.ok(made());
    else t.throws(made, NOT_MADE);
  }
});

t.test('nothing is signed that its receiver would refuse', async (t) => {
  for (const make of [
    () => encodeDelivery({ ...delivery, first: 0 }),
    () => encodeDelivery({ ...delivery, first: 21 }),
    () => encodeDelivery({ ...delivery, to: 2 ** 53 }),
    () => encodeDelivery({ ...delivery, platformId: '' }),
    () => encodeDelivery({ ...delivery, collectorKey: new Uint8Array(32) }),
    () => encodeDelivery({ ...delivery, runningHash: new Uint8Array(31) }),
    () => encodeDelivery({ ...delivery, meter: { ...firstMeter, subject: 0 } }),
    () => encodeGap({ ...gap, from: 0 }),
    () => encodeGap({ ...gap, to: 20 }),
    () => encodeGap({ ...gap, reason: 'lost' as Gap['reason'] }),
  ]) {
    t.throws(make, NOT_MADE, String(make));
  }
});
