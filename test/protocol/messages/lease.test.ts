import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  decodeLeaseAnswer,
  decodeSigned,
  encodeLeaseAnswer,
  encodeLeaseRequest,
  fromHex,
  isSignedBy,
  LEASE_ACTIONS,
  LEASE_ANSWER_BYTES,
  LEASE_REQUEST_TAIL_BYTES,
  LEASE_RESULTS,
  type LeaseAnswer,
  type LeaseRequest,
  type LeaseResult,
  leaseRequestHead,
  MAX_LEASE_BYTES,
  readLeaseRequest,
  signMessage,
  toHex,
} from '@meterseal/protocol';
import t from 'tap';
import { vectorSigner, vectors } from '../message-vectors.js';
import { changed, refusesBrokenWire } from './signed-table.js';

const vector = vectors.messages.lease;
const wire = fromHex(vector.message + vector.signature);
const collectorKey = fromHex(vectors.collectorKey);
const request = decodeSigned(wire, readLeaseRequest).value;
const keyAt = 'meterseal/lease/v0\n'.length + 2 + vectors.platformId.length;

t.test('a lease request has bytes and signature of the vectors', async (t) => {
  t.strictSame(request, {
    platformId: vectors.platformId,
    collectorKey,
    lease: request.lease,
    counter: 7,
    action: 'connect',
    purpose: 'comparison',
    max: 60_000,
  });
  t.equal(request.lease.length, 16);
  const message = encodeLeaseRequest(request);
  t.equal(toHex(message), vector.message);
  t.strictSame(signMessage(vectorSigner(vector.signerSeed), message), wire);
  t.ok(isSignedBy(crypto, collectorKey, decodeSigned(wire, readLeaseRequest)));
  t.strictSame(LEASE_ACTIONS, { connect: 1, release: 2 });
});

t.test('the longest lease request fits what the control port reads', async (t) => {
  const longest: LeaseRequest = {
    ...request,
    platformId: 'x'.repeat(255),
    action: 'release',
    purpose: 'none',
  };
  const bytes = signMessage(vectorSigner(vectors.collectorSeed), encodeLeaseRequest(longest));
  t.equal(bytes.length, 402);
  t.ok(bytes.length <= MAX_LEASE_BYTES);
  t.strictSame(decodeSigned(bytes, readLeaseRequest).value, longest);
});

t.test('every request to one platform begins with its head, and has one length', async (t) => {
  const head = leaseRequestHead(vectors.platformId);
  t.strictSame(wire.slice(0, head.length), head);
  t.equal(head.length + LEASE_REQUEST_TAIL_BYTES + 64, wire.length);
  t.throws(() => leaseRequestHead(''), { code: 'bad-argument' });
});

t.test('broken and unlisted bytes of a lease request are refused', async (t) => {
  refusesBrokenWire(t, wire, readLeaseRequest, keyAt);
  const counterAt = keyAt + 32 + 16;
  for (const [at, wrong] of [
    [counterAt, 0x20],
    [counterAt + 8, 0],
    [counterAt + 8, 3],
    [counterAt + 9, 3],
  ] as const) {
    const bytes = changed(wire, at, wrong);
    t.throws(() => decodeSigned(bytes, readLeaseRequest), { code: 'bad-message' }, `${wrong} at ${at}`);
  }
  for (const wrong of [
    { ...request, collectorKey: new Uint8Array(32) },
    { ...request, lease: new Uint8Array(15) },
    { ...request, max: 2 ** 32 },
    { ...request, max: -1 },
    { ...request, action: 'open' as 'connect' },
  ]) {
    t.throws(() => encodeLeaseRequest(wrong), { code: 'bad-argument' });
  }
});

t.test('an answer is 23 bytes that come back as they were', async (t) => {
  t.strictSame(LEASE_RESULTS, { connected: 0, refused: 1, busy: 2, fault: 3 });
  for (const [result, code] of Object.entries(LEASE_RESULTS)) {
    const answer: LeaseAnswer = {
      result: result as LeaseResult,
      lease: request.lease,
      port: 65_535,
      granted: 2 ** 32 - 1,
    };
    const bytes = encodeLeaseAnswer(answer);
    t.equal(bytes.length, LEASE_ANSWER_BYTES);
    t.equal(toHex(bytes), `0${code}${toHex(request.lease)}ffffffffffff`);
    t.strictSame(decodeLeaseAnswer(bytes), answer);
  }
});

t.test('an answer that is short, long or unlisted is refused', async (t) => {
  const bytes = encodeLeaseAnswer({ result: 'busy', lease: request.lease, port: 0, granted: 0 });
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => decodeLeaseAnswer(bytes.subarray(0, length)), { code: 'bad-message' }, `${length} bytes`);
  }
  t.throws(() => decodeLeaseAnswer(Uint8Array.of(...bytes, 0)), { code: 'bad-message' });
  t.throws(() => decodeLeaseAnswer(changed(bytes, 0, 4)), { code: 'bad-message' });
  for (const wrong of [{ port: 65_536 }, { granted: 2 ** 32 }, { lease: new Uint8Array(17) }]) {
    const answer: LeaseAnswer = { result: 'busy', lease: request.lease, port: 0, granted: 0, ...wrong };
    t.throws(() => encodeLeaseAnswer(answer), { code: 'bad-argument' });
  }
});
