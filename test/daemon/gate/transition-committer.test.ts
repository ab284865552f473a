import type { SwitchState, SwitchTransition } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import { encodeSpoolRecord } from 'meterseal/internal/gate/spool-record';
import type { SwitchChain } from 'meterseal/internal/gate/switch-client';
import { TransitionCommitter } from 'meterseal/internal/gate/transition-committer';
import type { SpoolPlace } from 'meterseal/internal/gate/transition-spool';
import { TransitionSpool } from 'meterseal/internal/gate/transition-spool';
import { RefusedRequest } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import type { Test } from 'tap';
import t from 'tap';
import { FaultySpoolFile } from './faulty-spool-file.js';
import { ManualClock } from './manual-clock.js';
import { until } from './until.js';

const ROUND = ['connecting', 'connected', 'isolating', 'isolated'] as const;

function transition(from: SwitchState, to: SwitchState): SwitchTransition {
  return {
    from,
    to,
    driver: 'process',
    grade: 0,
    lease: new Uint8Array(16).fill(1),
    who: new Uint8Array(32).fill(2),
    counter: 3,
    purpose: 'comparison',
    fault: 'none',
    at: 1,
    max: 60_000,
    readBacks: [],
  };
}

const nth = (n: number) => transition(ROUND[(n + 3) % 4]!, ROUND[n % 4]!);
const unreachable = new MetersealError('unreachable', "couldn't reach switch.sock");
const refusal = (status = 409) => new RefusedRequest(status, 'transition-refused', "couldn't commit", '');

/** A chain that says what the test tells it to, and remembers what it was asked. */
class ScriptedChain implements SwitchChain {
  place: SpoolPlace = { seq: 0, state: 'isolated' };
  readonly asked: string[] = [];
  /** Thrown by what is asked next, one after the other. */
  readonly failures: (Error | null)[] = [];

  async last(): Promise<SpoolPlace> {
    this.asked.push('last');
    this.#fail();
    return this.place;
  }

  async commit(seq: number, { to }: SwitchTransition): Promise<void> {
    this.asked.push(`${seq} ${to}`);
    this.#fail();
    this.place = { seq, state: to };
  }

  close(): void {}

  #fail(): void {
    const failure = this.failures.shift();
    if (failure) throw failure;
  }
}

async function committer(t: Test, spooled = 0) {
  const base = encodeSpoolRecord({ kind: 'base', seq: 0, state: 'isolated' });
  const spool = await TransitionSpool.open(new FaultySpoolFile(base));
  for (let n = 0; n < spooled; n++) await spool.append(nth(n));
  const chain = new ScriptedChain();
  const clock = new ManualClock();
  const told: string[] = [];
  const made = new TransitionCommitter({
    spool,
    chain,
    clock,
    log: createLogger('silent'),
    onRefused: () => told.push('refused'),
    onAdopted: (to) => told.push(`adopted ${to}`),
  });
  t.teardown(() => made.stop());
  return { spool, chain, clock, told, committer: made };
}

t.test('what is spooled is committed in order, after the numbering was agreed on', async (t) => {
  const { spool, chain, told, committer: made } = await committer(t, 4);
  await made.flush();
  t.same(chain.asked, ['last', '1 connecting', '2 connected', '3 isolating', '4 isolated']);
  t.same(spool.pending, []);
  await spool.append(nth(4));
  await Promise.all([made.flush(), made.flush()]);
  t.same(chain.asked.slice(5), ['5 connecting'], 'once, however many wait for it');
  t.same(told, []);
});

t.test('what fails stays, and comes again first', async (t) => {
  const { spool, chain, committer: made } = await committer(t, 3);
  chain.failures.push(null, null, unreachable);
  await t.rejects(made.flush(), { code: 'unreachable' });
  t.same(
    spool.pending.map(({ seq }) => seq),
    [2, 3],
  );
  await made.flush();
  t.same(chain.asked, ['last', '1 connecting', '2 connected', '2 connected', '3 isolating']);
});

t.test(
  'in the background it is tried again, less and less often, and at once for something new',
  async (t) => {
    const { spool, chain, clock, committer: made } = await committer(t, 1);
    for (let i = 0; i < 8; i++) chain.failures.push(unreachable);
    made.start();
    await until('the first try', () => chain.asked.length === 1);
    const waits: number[] = [];
    for (let tries = 1; tries < 5; tries++) {
      let waited = 0;
      while (chain.asked.length === tries) {
        await clock.advance(250);
        waited += 250;
      }
      waits.push(waited);
    }
    t.same(waits, [500, 1_000, 2_000, 4_000]);
    await spool.append(nth(1));
    made.wake();
    await until('the new one is tried at once', () => chain.asked.length === 6);
    await clock.advance(200_000);
    await until('all is committed', () => spool.pending.length === 0);
    await spool.append(nth(2));
    made.wake();
    await until('what comes later does not wait', () => spool.pending.length === 0);
  },
);

t.test('a connecting that is refused for good is withdrawn, with all that followed it', async (t) => {
  const { spool, chain, told, committer: made } = await committer(t);
  await made.flush();
  await spool.append(nth(0));
  await spool.append(transition('connecting', 'isolating'));
  await spool.append(transition('isolating', 'isolated'));
  chain.failures.push(refusal());
  await t.rejects(made.flush(), { code: 'transition-refused' });
  t.same(told, ['refused']);
  t.same(spool.last, { seq: 0, state: 'isolated' });
  await spool.append(nth(0));
  await made.flush();
  t.same(chain.asked.slice(-2), ['last', '1 connecting'], 'its number is used again');
});

t.test('a failure of the chain is not a refusal', async (t) => {
  for (const status of [429, 500, 503]) {
    const { spool, chain, told, committer: made } = await committer(t, 1);
    chain.failures.push(null, refusal(status));
    await t.rejects(made.flush());
    t.same(told, [], String(status));
    t.equal(spool.pending.length, 1);
  }
});

t.test('where another transition is refused, only the chain knows how to go on', async (t) => {
  const { spool, chain, told, committer: made } = await committer(t, 2);
  chain.failures.push(null, null, refusal());
  await t.rejects(made.flush(), { code: 'transition-refused' });
  t.same(told, []);
  t.equal(spool.pending.length, 1, 'kept until the chain was asked');
  chain.place = { seq: 7, state: 'connected' };
  await made.flush();
  t.same(told, ['adopted connected']);
  t.same(spool.last, { seq: 7, state: 'connected' });
  t.same(spool.pending, []);
});

t.test('spool and chain agree while the chain is somewhere within what is spooled', async (t) => {
  for (let seq = 0; seq <= 4; seq++) {
    const { spool, chain, told, committer: made } = await committer(t, 3);
    chain.place = { seq, state: seq === 0 ? 'isolated' : nth(seq - 1).to };
    await made.flush();
    t.same(told, seq === 4 ? ['adopted isolated'] : [], `the chain has ${seq} of 3`);
    if (seq <= 3) t.same(chain.asked, ['last', '1 connecting', '2 connected', '3 isolating']);
    t.equal(spool.last?.seq, Math.max(seq, 3));
  }
});
