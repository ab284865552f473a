import { MetersealError } from '@meterseal/protocol';
import { RefusedRequest } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import { Worker } from 'meterseal/internal/host/worker';
import type { Test } from 'tap';
import t from 'tap';
import { ManualClock } from '../gate/manual-clock.js';
import { until } from '../gate/until.js';

/** A worker whose pieces of work are ended by hand. */
class Bench {
  readonly clock = new ManualClock();
  readonly lines: { level: string; msg: string }[] = [];
  readonly worker: Worker;
  begun = 0;
  #end: ((more: boolean) => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;

  constructor(t: Test, options: { readonly gatherMs?: number } = {}) {
    this.worker = new Worker({
      ...options,
      name: 'bench',
      clock: this.clock,
      log: createLogger('debug', { write: (line) => this.lines.push(JSON.parse(line)) }),
      step: () => {
        this.begun++;
        return new Promise((resolve, reject) => {
          this.#end = resolve;
          this.#fail = reject;
        });
      },
      idleMs: 1_000,
      retryMs: { first: 100, most: 400 },
    });
    t.teardown(async () => {
      const stopped = this.worker.stop();
      this.#end?.(false);
      await stopped;
    });
    this.worker.start();
  }

  /** The piece of work under way ends. */
  async end(more = false): Promise<void> {
    this.#end!(more);
    await turn();
  }

  async fail(error: unknown): Promise<void> {
    this.#fail!(error);
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const AWAY = new MetersealError('unreachable', "couldn't reach the platform: ECONNREFUSED");

t.test('it works at once, again while there is more, and then when the idle time is over', async (t) => {
  const bench = new Bench(t);
  t.equal(bench.begun, 1);
  await bench.end(true);
  t.equal(bench.begun, 2);
  await bench.end();
  await bench.clock.advance(999);
  t.equal(bench.begun, 2);
  await bench.clock.advance(1);
  t.equal(bench.begun, 3);
});

t.test('being woken ends the idle time', async (t) => {
  const bench = new Bench(t);
  await bench.end();
  bench.worker.wake();
  await turn();
  t.equal(bench.begun, 2);
});

t.test('a wake while it works is not lost, and does not count twice', async (t) => {
  const bench = new Bench(t);
  bench.worker.wake();
  bench.worker.wake();
  await bench.end();
  t.equal(bench.begun, 2, 'it looked before the wake: it looks again');
  await bench.end();
  t.equal(bench.begun, 2);
});

t.test('after a failure it pauses longer each time, and a wake does not shorten the pause', async (t) => {
  const bench = new Bench(t);
  for (const pause of [100, 200, 400, 400]) {
    await bench.fail(AWAY);
    t.ok(bench.worker.isFailing);
    const { begun } = bench;
    bench.worker.wake();
    await bench.clock.advance(pause - 1);
    t.equal(bench.begun, begun);
    await bench.clock.advance(1);
    t.equal(bench.begun, begun + 1);
  }
  await bench.end();
  t.notOk(bench.worker.isFailing);
  bench.worker.wake();
  await turn();
  await bench.fail(AWAY);
  const { begun } = bench;
  await bench.clock.advance(100);
  t.equal(bench.begun, begun + 1, 'after a success the first pause is short again');
});

t.test('no failure ends it, not even one that nobody foresaw', async (t) => {
  const bench = new Bench(t);
  for (const error of [new TypeError('x is undefined'), 'a text', undefined]) {
    await bench.fail(error);
    await bench.clock.advance(400);
  }
  t.equal(bench.begun, 4);
});

t.test('an outage is told once, and its end; other failures every time', async (t) => {
  const bench = new Bench(t);
  const failures = (): number => bench.lines.filter(({ msg }) => msg.startsWith('failed')).length;
  for (let i = 0; i < 3; i++) {
    await bench.fail(AWAY);
    await bench.clock.advance(400);
  }
  t.equal(failures(), 1);
  await bench.fail(new RefusedRequest(401, 'unauthorised', 'no token', ''));
  await bench.clock.advance(400);
  t.equal(failures(), 2);
  await bench.end();
  t.match(bench.lines.at(-1), { level: 'info', msg: 'works again' });
});

t.test('stopping waits for the piece of work under way, and for no pause', async (t) => {
  const working = new Bench(t);
  let stopped = false;
  const stop = working.worker.stop().then(() => {
    stopped = true;
  });
  await turn();
  t.notOk(stopped);
  await working.end(true);
  await stop;
  t.equal(working.begun, 1, 'and begins no other');

  const idle = new Bench(t);
  await idle.end();
  await idle.worker.stop();
  const failing = new Bench(t);
  await failing.fail(AWAY);
  await failing.worker.stop();
  const never = new Worker({
    name: 'never',
    clock: idle.clock,
    log: createLogger('silent'),
    step: async () => t.fail('it was never started'),
    idleMs: 1,
    retryMs: { first: 1, most: 1 },
  });
  await never.stop();
});

t.test('starting twice makes one worker', async (t) => {
  const bench = new Bench(t);
  bench.worker.start();
  await turn();
  t.equal(bench.begun, 1);
});

t.test('work that comes at any moment is done', async () => {
  // The work and whoever brings it meet in every order that the event loop allows.
  const clock = new ManualClock();
  let waiting = 0;
  let done = 0;
  const worker = new Worker({
    name: 'queue',
    clock,
    log: createLogger('silent'),
    step: async () => {
      const taken = waiting;
      if (done % 3 === 0) await turn();
      waiting -= taken;
      done += taken;
      return false;
    },
    idleMs: 3_600_000,
    retryMs: { first: 1, most: 1 },
  });
  worker.start();
  for (let i = 0; i < 200; i++) {
    waiting++;
    worker.wake();
    for (let pause = i % 4; pause > 0; pause--) await (pause === 3 ? turn() : Promise.resolve());
  }
  await until('all work is done', () => done === 200);
  await worker.stop();
});

t.test(
  'what wakes it within the time to gather is done in one piece, and stopping does not wait for it',
  async (t) => {
    const bench = new Bench(t, { gatherMs: 100 });
    await bench.end();
    bench.worker.wake();
    await turn();
    t.equal(bench.begun, 1, 'it gathers');
    bench.clock.advance(60);
    bench.worker.wake();
    await turn();
    t.equal(bench.begun, 1, 'being woken again makes it neither earlier nor later');
    bench.clock.advance(40);
    await turn();
    t.equal(bench.begun, 2);
    await bench.end();
    bench.worker.wake();
    await turn();
    await bench.worker.stop();
    t.equal(bench.begun, 2);
  },
);
