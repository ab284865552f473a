import type { SwitchTransition } from '@meterseal/protocol';
import { decodeEntry, toBase64, transitionBytes } from '@meterseal/protocol';
import { SqliteChainReader } from 'meterseal/internal/chain/sqlite-store';
import type { LastTransition } from 'meterseal/internal/chain/transitions';
import { entriesOf } from 'meterseal/internal/chain/tree';
import t from 'tap';
import { collector, engine, TestBox } from './test-box.js';

const NOBODY: SwitchTransition = {
  from: 'isolated',
  to: 'connecting',
  driver: 'process',
  grade: 0,
  lease: new Uint8Array(16),
  who: new Uint8Array(32),
  counter: 0,
  purpose: 'none',
  fault: 'none',
  at: 1_700_000_000_000,
  max: 0,
  readBacks: [],
};

function leased(counter: number, who = collector.publicKey): SwitchTransition {
  return {
    ...NOBODY,
    lease: new Uint8Array(16).fill(counter),
    who,
    counter,
    purpose: 'comparison',
    max: 60_000,
  };
}

async function post(
  box: TestBox,
  seq: number | string,
  transition: SwitchTransition | Uint8Array,
): Promise<number> {
  const bytes = transition instanceof Uint8Array ? transition : transitionBytes(transition);
  const { body } = await box.ask('switch', { method: 'POST', path: `/transitions?seq=${seq}`, bytes });
  return (JSON.parse(body.toString()) as { index: number }).index;
}

async function last(box: TestBox): Promise<LastTransition> {
  const { body } = await box.ask('switch', { method: 'GET', path: '/transitions/last' });
  return JSON.parse(body.toString()) as LastTransition;
}

t.test('transitions reach the chain in order, and the last one can be asked for', async (t) => {
  const box = await TestBox.start(t);
  t.same(await last(box), { seq: 0, to: 'isolated', leaseCounters: [] });
  const connecting = leased(7);
  const index = await post(box, 1, connecting);
  await post(box, 2, { ...connecting, from: 'connecting', to: 'connected' });
  await post(box, 3, { ...connecting, from: 'connected', to: 'isolating' });
  await post(box, 4, { ...connecting, from: 'isolating', to: 'isolated' });
  const key = toBase64(collector.publicKey);
  t.same(await last(box), { seq: 4, to: 'isolated', leaseCounters: [{ key, counter: 7 }] });
  const reader = await SqliteChainReader.open(box.state.chainDatabase);
  const [entry] = await entriesOf(reader, index, index + 1);
  await reader.close();
  t.match(decodeEntry(entry!), { type: 'switch', seq: 1, subject: 0, ...connecting });
  await box.restart();
  t.same(await last(box), { seq: 4, to: 'isolated', leaseCounters: [{ key, counter: 7 }] });
});

t.test('the same again gets the same answer, something else under its number does not', async (t) => {
  const box = await TestBox.start(t);
  const first = await post(box, 1, NOBODY);
  const second = await post(box, 2, { ...NOBODY, from: 'connecting', to: 'isolating' });
  const { size } = box.role.status();
  t.equal(await post(box, 1, NOBODY), first);
  t.equal(await post(box, 2, { ...NOBODY, from: 'connecting', to: 'isolating' }), second);
  t.equal(box.role.status().size, size);
  await t.rejects(post(box, 1, { ...NOBODY, at: 1 }), { code: 'transition-refused', status: 409 });
});

t.test('the same at the same time is committed once', async (t) => {
  const box = await TestBox.start(t);
  const answers = await Promise.all([post(box, 1, NOBODY), post(box, 1, NOBODY), post(box, 1, NOBODY)]);
  t.equal(new Set(answers).size, 1);
  t.equal((await last(box)).seq, 1);
});

t.test('a number or a state that does not follow is refused', async (t) => {
  const box = await TestBox.start(t);
  await t.rejects(post(box, 2, NOBODY), { code: 'transition-refused' });
  await t.rejects(post(box, 0, NOBODY), { code: 'transition-refused' });
  for (const seq of ['-1', '1.0', '', '01', 'x', '1&seq=1']) {
    await t.rejects(post(box, seq, NOBODY), { code: 'bad-request', status: 400 }, `seq=${seq}`);
  }
  await post(box, 1, NOBODY);
  await t.rejects(post(box, 2, { ...NOBODY, from: 'connected', to: 'isolating' }), {
    code: 'transition-refused',
  });
  await t.rejects(post(box, 2, new Uint8Array(7)), { code: 'bad-message', status: 400 });
  await t.rejects(post(box, 2, new Uint8Array(300)), { code: 'too-large', status: 413 });
});

t.test('a boot closes what was never ended', async (t) => {
  const box = await TestBox.start(t);
  await post(box, 1, leased(1));
  await post(box, 2, { ...NOBODY, from: 'connecting', to: 'isolated', fault: 'end-unknown' });
  t.match(await last(box), { seq: 2, to: 'isolated' });
});

t.test('a recorded lease cannot connect again, not even after a restart', async (t) => {
  const box = await TestBox.start(t);
  const close = { ...NOBODY, from: 'connecting', to: 'isolated', fault: 'crash' } as const;
  await post(box, 1, leased(5));
  await post(box, 2, close);
  for (const counter of [5, 4]) {
    await t.rejects(post(box, 3, leased(counter)), { code: 'lease-replayed', status: 409 });
  }
  await box.restart();
  await t.rejects(post(box, 3, leased(5)), { code: 'lease-replayed' });
  await post(box, 3, leased(6));
  await post(box, 4, close);
  await post(box, 5, NOBODY);
  t.equal((await last(box)).seq, 5, 'timetable and operator need no lease');
});

t.test('a lease of nobody’s collector connects nothing', async (t) => {
  const box = await TestBox.start(t);
  await t.rejects(post(box, 1, leased(1, engine.generateKey().publicKey)), { code: 'transition-refused' });
});
