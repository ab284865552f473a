import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { Collector, ComparisonResult } from '@meterseal/node-red-meterseal/core';
import type {
  VerifiedMessage,
  VerifySettings,
} from '@meterseal/node-red-meterseal/internal/controllers/verify';
import { VerifyController } from '@meterseal/node-red-meterseal/internal/controllers/verify';
import { decodeRecord } from '@meterseal/protocol';
import t from 'tap';
import { SampleMeter } from '../collector/sample-meter.js';
import { finding, resultOf } from './sample-result.js';

const meter = new SampleMeter('EM-1', 1);
const SETTINGS = { interval: 60_000, batch: 100, most: 100, patience: 0 };

/** Time that stands still until it is turned; who sleeps wakes when it is. */
class HandClock {
  at = 0;
  readonly #sleepers: { until: number; wake: () => void }[] = [];
  now = (): number => this.at;
  monotonic = (): number => this.at;
  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((wake) => {
      this.#sleepers.push({ until: this.at + ms, wake });
      signal?.addEventListener('abort', () => wake());
    });

  async turn(ms: number): Promise<void> {
    this.at += ms;
    for (const { until, wake } of this.#sleepers) if (until <= this.at) wake();
    await settled();
  }
}

/** Everything that only waits for promises has happened. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A verify node without Node-RED; comparisons answer what is next in the list, the last one again and again. */
function start(settings: Partial<VerifySettings>, ...results: (ComparisonResult | Error)[]) {
  const clock = new HandClock();
  const sent: { verdict: string; message: VerifiedMessage }[] = [];
  const comparisons: (() => void)[] = [];
  let held = true;
  const controller: VerifyController = new VerifyController(
    { ...SETTINGS, ...settings },
    {
      clock,
      link: {
        collector: async () =>
          ({
            held: { hashesOf: (_: string, seq: number) => [crypto.sha256(meter.record(seq))] },
          }) as unknown as Collector,
        compare: async () => {
          if (!held) await new Promise<void>((resolve) => comparisons.push(resolve));
          else comparisons.push(() => {});
          const result = results.length > 1 ? results.shift()! : results[0]!;
          if (result instanceof Error) throw result;
          return result;
        },
      },
      send: (verdict, message) => sent.push({ verdict, message }),
      onChange: () => {},
      onError: (error) => {
        throw error;
      },
    },
  );
  const waitForMe = (): void => {
    held = false;
  };
  const reading = (seq: number): VerifiedMessage & { seq: number } => ({
    seq,
    reading: decodeRecord(meter.record(seq)),
  });
  const seqs = (verdict: string): unknown[] =>
    sent.filter((one) => one.verdict === verdict).map(({ message }) => (message as { seq?: number }).seq);
  return { clock, controller, sent, comparisons, waitForMe, reading, seqs };
}

t.test('readings wait for the interval, and one comparison serves all of them', async (t) => {
  const { clock, controller, comparisons, reading, seqs } = start(
    {},
    resultOf(3, [finding(2, 'hash-differs')]),
  );
  const all = [1, 2, 3].map((seq) => controller.take(reading(seq)));
  await clock.turn(59_999);
  t.equal(comparisons.length, 0);
  t.equal(controller.counts.waiting, 3);
  await clock.turn(1);
  await Promise.all(all);
  t.equal(comparisons.length, 1);
  t.same(seqs('verified'), [1, 3]);
  t.same(seqs('tampered'), [2]);
  t.same(controller.counts, { verified: 2, tampered: 1, unverifiable: 0, waiting: 0 });
});

t.test(
  'without an interval nothing is compared but a full batch, what is asked for, and what is tried again',
  async (t) => {
    const notYet = resultOf(1, [finding(1, 'not-yet-anchored')]);
    const { clock, controller, comparisons, waitForMe, reading } = start(
      { interval: 0, patience: 60_000 },
      resultOf(1, []),
      notYet,
      resultOf(3, []),
    );
    const first = controller.take(reading(1));
    await clock.turn(600_000);
    t.equal(comparisons.length, 0);
    await controller.take({});
    await first;

    waitForMe();
    const second = controller.take(reading(1));
    const asked = controller.take({});
    await settled();
    const third = controller.take(reading(3));
    comparisons[1]!();
    await asked;
    await settled();
    t.equal(comparisons.length, 2, 'what came meanwhile is no reason by itself');
    await clock.turn(5_000);
    comparisons[2]!();
    await Promise.all([second, third]);
    t.equal(controller.counts.verified, 3);
  },
);

t.test('a full batch does not wait', async (t) => {
  const { controller, comparisons, reading } = start({ batch: 2 }, resultOf(2, []));
  await Promise.all([controller.take(reading(1)), controller.take(reading(2))]);
  t.equal(comparisons.length, 1);
});

t.test('what asks for a comparison gets everything that was found, by the output of the worst', async (t) => {
  const worst = start(
    {},
    resultOf(5, [finding(9, 'not-yet-anchored'), finding(2, 'hash-differs', 'collector')]),
  );
  await worst.controller.take({ payload: 'now' });
  t.match(worst.sent, [
    {
      verdict: 'tampered',
      message: {
        payload: { verified: 3, tampered: 1, unverifiable: 1 },
        comparison: {
          outcome: 'judged',
          readings: 5,
          findings: [
            { meter: 'EM-1', seq: 2, reason: 'hash-differs', accused: 'collector' },
            { meter: 'EM-1', seq: 9, reason: 'not-yet-anchored' },
          ],
        },
      },
    },
  ]);
  const away = start({}, resultOf(5, [], 'platform-unreachable'));
  await away.controller.take({});
  t.match(away.sent, [
    { verdict: 'unverifiable', message: { comparison: { outcome: 'platform-unreachable', chain: null } } },
  ]);
});

t.test('a reading that is not on the chain yet waits for a better verdict, but not for ever', async (t) => {
  const notYet = resultOf(1, [finding(1, 'not-yet-anchored')]);
  const patient = start({ patience: 90_000 }, notYet, resultOf(1, []));
  const first = patient.controller.take(patient.reading(1));
  await patient.clock.turn(60_000);
  t.equal(patient.sent.length, 0);
  await patient.clock.turn(60_000);
  await first;
  t.same(patient.seqs('verified'), [1]);

  const late = start({ patience: 90_000 }, notYet);
  const second = late.controller.take(late.reading(1));
  await late.clock.turn(60_000);
  await late.clock.turn(60_000);
  await second;
  t.same(late.seqs('unverifiable'), [1]);
});

t.test('more than can wait passes uncompared, and nothing is lost', async (t) => {
  const { controller, comparisons, waitForMe, reading, sent } = start({ most: 3, batch: 2 }, resultOf(9, []));
  waitForMe();
  const all = Array.from({ length: 9 }, (_, i) => controller.take(reading(i + 1)));
  await settled();
  // Two are being compared, three wait, four could not.
  t.same(
    sent.map(({ message }) => message.verification?.reason),
    ['queue-full', 'queue-full', 'queue-full', 'queue-full'],
  );
  comparisons[0]!();
  await settled();
  comparisons[1]!();
  await Promise.all(all);
  t.equal(sent.length, 9);
});

t.test('where no comparison can be made every message gets the error', async (t) => {
  const { controller, reading } = start({ batch: 1 }, new Error('the disk refused it'));
  await t.rejects(controller.take(reading(1)), { message: 'the disk refused it' });
  await t.rejects(controller.take({}), { message: 'the disk refused it' });
});

t.test('closing gives back what waits, with an error', async (t) => {
  const { controller, reading } = start({}, resultOf(1, []));
  const waiting = controller.take(reading(1));
  controller.close();
  await t.rejects(waiting, { code: 'stopped' });
  await t.rejects(controller.take(reading(2)), { code: 'stopped' });
});

t.test('a reset sets the counts to zero, and asks for nothing', async (t) => {
  const { controller, comparisons, reading } = start({ batch: 1 }, resultOf(1, []));
  await controller.take(reading(1));
  await controller.take({ reset: true });
  t.same(controller.counts, { verified: 0, tampered: 0, unverifiable: 0, waiting: 0 });
  t.equal(comparisons.length, 1);
});

t.test('an alarm stays until it is reset', async (t) => {
  const bad = resultOf(5, [finding(2, 'hash-differs', 'collector')]);
  const { controller } = start({}, bad, resultOf(5, []));
  await controller.take({});
  t.match(
    controller.counts,
    { verified: 4, tampered: 1 },
    'where no reading came through, of the comparison',
  );
  await controller.take({});
  t.match(controller.counts, { verified: 5, tampered: 0 });
  t.equal(controller.isAlarmed, true);
  await controller.take({ reset: true });
  t.equal(controller.isAlarmed, false);
});
