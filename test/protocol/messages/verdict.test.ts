import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  compareFindings,
  decodeEntry,
  decodeSigned,
  type Entry,
  encodeVerdict,
  type Finding,
  fromHex,
  isSignedBy,
  MAX_VERDICT_BYTES,
  MAX_VERDICT_FINDINGS,
  readVerdict,
  signMessage,
  toHex,
  type VerdictStatement,
} from '@meterseal/protocol';
import t from 'tap';
import { namedEntry, vectorSigner, vectors } from '../message-vectors.js';
import { changed, refusesBrokenWire } from './signed-table.js';

const vector = vectors.messages.verdict;
const wire = fromHex(vector.message + vector.signature);
const statement = decodeSigned(wire, readVerdict).value;
const keyAt = 'meterseal/verdict/v0\n'.length + 2 + vectors.origin.length;
/** Behind key, lease, size, root, time. */
const countsAt = keyAt + 32 + 16 + 8 + 32 + 8;
const findingsAt = countsAt + 12;
const finding = (subject: number, seq: number, reason: Finding['reason'] = 'hash-differs'): Finding => ({
  subject,
  seq,
  reason,
});
const decoded = (bytes: Uint8Array) => decodeSigned(bytes, readVerdict).value;
const made = (more: Partial<VerdictStatement>) => encodeVerdict({ ...statement, ...more });
const signed = (message: Uint8Array) => signMessage(vectorSigner(vectors.collectorSeed), message);

t.test('a verdict has bytes and signature of the vectors', async (t) => {
  t.strictSame(statement.findings, [finding(1, 3), finding(2, 50, 'not-yet-received')]);
  t.equal(statement.origin, vectors.origin);
  t.strictSame([statement.verified, statement.tampered, statement.unverifiable], [28, 1, 1]);
  t.equal(statement.size, 55);
  t.equal(toHex(encodeVerdict(statement)), vector.message);
  t.strictSame(signed(encodeVerdict(statement)), wire);
  t.ok(isSignedBy(crypto, fromHex(vectors.collectorKey), decodeSigned(wire, readVerdict)));
});

t.test('the entry of a verdict holds its hash, signature and counts', async (t) => {
  const entry = decodeEntry(namedEntry('verdict')) as Entry & { type: 'verdict' };
  t.strictSame(entry.statementHash, crypto.sha256(fromHex(vector.message)));
  t.strictSame(entry.signature, fromHex(vector.signature));
  for (const key of ['collectorKey', 'lease', 'size', 'verified', 'tampered', 'unverifiable'] as const) {
    t.strictSame(entry[key], statement[key], key);
  }
});

t.test('findings are sorted by subject, number and reason, and the first 200 are listed', async (t) => {
  const sorted = [finding(1, 2), finding(1, 9), finding(1, 9, 'not-in-chain'), finding(1, 10), finding(2, 1)];
  const shuffled = [4, 2, 0, 3, 1].map((i) => sorted[i]!);
  const message = made({ tampered: 5, findings: shuffled });
  t.strictSame(decoded(signed(message)).findings, sorted);
  t.strictSame(shuffled[0], sorted[4], 'the caller’s list is left as it is');

  const many = Array.from({ length: MAX_VERDICT_FINDINGS + 50 }, (_, i) => finding(1, i + 1)).reverse();
  const long = decoded(signed(made({ tampered: many.length, findings: many })));
  t.equal(long.findings.length, MAX_VERDICT_FINDINGS);
  t.strictSame(long.findings.at(-1), finding(1, MAX_VERDICT_FINDINGS));
  t.equal(long.tampered, MAX_VERDICT_FINDINGS + 50);
  t.ok(compareFindings(finding(1, 2), finding(1, 3)) < 0);
});

t.test('the longest verdict has the bytes that its receivers allow', async (t) => {
  const findings = Array.from({ length: MAX_VERDICT_FINDINGS }, (_, i) => finding(1, i + 1));
  const longest = signed(made({ origin: 'x'.repeat(255), tampered: findings.length, findings }));
  t.equal(longest.length, 3_052);
  t.ok(longest.length <= MAX_VERDICT_BYTES);
});

t.test('broken and unlisted bytes of a verdict are refused', async (t) => {
  refusesBrokenWire(t, wire, readVerdict, keyAt);
  const reasonAt = findingsAt + 2 + 12;
  for (const [what, bytes] of [
    ['an unlisted reason', changed(wire, reasonAt, 5)],
    ['a finding that is verified', changed(wire, reasonAt, 0)],
    ['more findings than counts', changed(wire, countsAt + 4, 0, 0, 0, 0)],
    ['fewer findings than bytes', changed(wire, findingsAt, 0, 1)],
    ['more findings than bytes', changed(wire, findingsAt, 0, 3)],
    ['findings out of order', changed(wire, findingsAt + 2, 0, 0, 0, 3)],
    ['a size above 2^53 − 1', changed(wire, keyAt + 48, 0x20)],
    ['a time above 2^53 − 1', changed(wire, countsAt - 8, 0x20)],
  ] as const) {
    t.throws(() => decoded(bytes), { code: 'bad-message' }, what);
  }
  const over = signed(
    made({ tampered: 300, findings: Array.from({ length: 200 }, (_, i) => finding(1, i + 1)) }),
  );
  const more = Uint8Array.of(
    ...over.subarray(0, -64),
    0,
    0,
    0,
    2,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    1,
    ...over.subarray(-64),
  );
  t.throws(() => decoded(changed(more, findingsAt, 0, 201)), { code: 'bad-message' }, '201 findings');
});

t.test('a verdict that nobody could read is not made', async (t) => {
  const twice = [finding(1, 3), finding(1, 3)];
  for (const more of [
    { tampered: 2, findings: twice },
    { findings: [finding(1, 3, 'verified')] },
    { tampered: 0, unverifiable: 1, findings: statement.findings },
    { verified: 2 ** 32 },
    { origin: '' },
    { root: new Uint8Array(31) },
    { collectorKey: new Uint8Array(32) },
  ]) {
    t.throws(() => made(more), { code: 'bad-argument' });
  }
});
