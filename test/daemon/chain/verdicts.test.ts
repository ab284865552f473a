import type { VerdictStatement } from '@meterseal/protocol';
import { decodeEntry, encodeVerdict, signMessage, toHex } from '@meterseal/protocol';
import { SqliteChainReader } from 'meterseal/internal/chain/sqlite-store';
import { entriesOf } from 'meterseal/internal/chain/tree';
import t from 'tap';
import { collector, engine, ORIGIN, TestBox } from './test-box.js';

function statement(change: Partial<VerdictStatement> = {}): Uint8Array {
  return encodeVerdict({
    origin: ORIGIN,
    collectorKey: collector.publicKey,
    lease: new Uint8Array(16).fill(3),
    size: 3,
    root: new Uint8Array(32),
    time: 1_700_000_000_000,
    verified: 10,
    tampered: 1,
    unverifiable: 0,
    findings: [{ subject: 1, seq: 4, reason: 'hash-differs' }],
    ...change,
  });
}

async function post(box: TestBox, bytes: Uint8Array): Promise<{ status: number; index: number }> {
  const { status, body } = await box.ask('proof', { method: 'POST', path: '/verdicts', bytes });
  return { status, index: (JSON.parse(body.toString()) as { index: number }).index };
}

const find = (box: TestBox, hash: string) => box.ask('proof', { method: 'GET', path: `/verdicts/${hash}` });

t.test('a verdict is committed, kept, and found by its hash', async (t) => {
  const box = await TestBox.start(t);
  const message = statement();
  const signed = signMessage(collector, message);
  const { status, index } = await post(box, signed);
  t.equal(status, 202);
  const statementHash = engine.sha256(message);
  t.same(new Uint8Array((await find(box, toHex(statementHash))).body), signed);
  const reader = await SqliteChainReader.open(box.state.chainDatabase);
  const [entry] = await entriesOf(reader, index, index + 1);
  await reader.close();
  t.match(decodeEntry(entry!), {
    type: 'verdict',
    seq: 1,
    size: 3,
    verified: 10,
    tampered: 1,
    statementHash,
  });

  const { size } = box.role.status();
  t.same(await post(box, signed), { status, index }, 'a lost reply: the same answer');
  t.equal(box.role.status().size, size);
  await box.restart();
  t.same(await post(box, signed), { status, index }, 'also after a restart');
});

t.test('the same verdict at the same time is committed once', async (t) => {
  const box = await TestBox.start(t);
  const signed = signMessage(collector, statement());
  const answers = await Promise.all([post(box, signed), post(box, signed), post(box, signed)]);
  t.equal(new Set(answers.map(({ index }) => index)).size, 1);
});

t.test('only a configured collector speaks, and only about this chain', async (t) => {
  const box = await TestBox.start(t);
  const stranger = engine.generateKey();
  const { size } = box.role.status();
  const asStranger = statement({ collectorKey: stranger.publicKey });
  await t.rejects(post(box, signMessage(stranger, asStranger)), { code: 'unauthorised', status: 401 });
  await t.rejects(post(box, signMessage(stranger, statement())), { code: 'bad-signature', status: 403 });
  const foreign = signMessage(collector, statement({ origin: 'other.example/meterseal/x/1' }));
  await t.rejects(post(box, foreign), { code: 'bad-message', status: 400 });
  await t.rejects(post(box, new Uint8Array(9)), { code: 'bad-message' });
  await t.rejects(post(box, new Uint8Array(10_000)), { code: 'too-large', status: 413 });
  t.equal(box.role.status().size, size);
  await t.rejects(find(box, '00'.repeat(32)), { code: 'not-found', status: 404 });
  await t.rejects(find(box, '../../etc/passwd'), { code: /^(bad-request|not-found)$/ });
});

t.test('verdicts cannot grow the chain', async (t) => {
  const box = await TestBox.start(t);
  const send = (time: number) => post(box, signMessage(collector, statement({ time })));
  for (let i = 0; i < 240; i++) await send(i);
  await t.rejects(send(240), { code: 'rate-limited', status: 429 });
  await box.clock.advance(3_600_000);
  t.ok(await send(240));
});
