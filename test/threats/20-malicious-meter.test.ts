import { systemClock } from 'meterseal/internal/host/clock';
import { planReads } from 'meterseal/internal/meters/plan';
import type { Sample } from 'meterseal/internal/meters/poll';
import { loadProfile } from 'meterseal/internal/meters/profile-file';
import { Scheduler } from 'meterseal/internal/meters/scheduler';
import { parseAddress } from 'meterseal/internal/modbus/address';
import { Bus } from 'meterseal/internal/modbus/bus';
import t from 'tap';
import { until } from '../daemon/gate/until.js';
import { HostileMeters } from './hostile-meter.js';

const CYCLES = 30;
const INTERVAL_MS = 250;
const RESPONSE_MS = 70;

type Taken = { readonly unit: number; readonly sample: Sample };

t.test('a meter that does its worst gives no wrong value, and the others are read on time', async (t) => {
  const profile = loadProfile('eastron/sdm120');
  const plan = planReads(profile, false);
  const behind = await HostileMeters.start(t, 20, 1);
  const apart = await HostileMeters.start(t, 21, 0);
  const rss = process.memoryUsage().rss;
  const lines = [
    { meters: behind, units: [1, 2], taken: [] as Taken[] },
    { meters: apart, units: [1], taken: [] as Taken[] },
  ].map(({ meters, units, taken }) => {
    const bus = new Bus({
      address: parseAddress(meters.address),
      clock: systemClock,
      responseMs: RESPONSE_MS,
    });
    const scheduler = new Scheduler({
      bus,
      clock: systemClock,
      meters: units.map((unit) => ({ unit, profile, plan })),
      intervalMs: INTERVAL_MS,
      responseMs: RESPONSE_MS,
      onSample: async ({ unit }, sample) => void taken.push({ unit, sample }),
    });
    const ended = scheduler.start();
    t.teardown(async () => {
      await scheduler.stop();
      await bus.close();
      await ended;
    });
    return { meters, taken, scheduler };
  });
  const [bad, good] = lines as [(typeof lines)[0], (typeof lines)[0]];
  await until('the cycles are over', () => good.taken.length >= CYCLES, 4 * CYCLES * INTERVAL_MS);

  for (const { meters, taken } of lines) {
    for (const { unit, sample } of taken) {
      for (const { at, words } of sample.raw) {
        const answer = meters.answers.find(
          (one) => one.words === words && one.unit === unit && one.at === at,
        );
        const inTime =
          answer !== undefined && answer.time >= sample.startedAt - 2 && answer.time <= sample.endedAt + 2;
        if (!inTime) t.fail(`unit ${unit} at ${at}: ${words} is not an answer to a request of this reading`);
      }
    }
  }
  t.ok(
    bad.meters.tricks.size >= 10,
    [...bad.meters.tricks].map(([trick, n]) => `${n} × ${trick}`).join(', '),
  );
  const read = (taken: readonly Taken[], unit: number): number =>
    taken.filter((one) => one.unit === unit && one.sample.answered).length;
  t.ok(read(bad.taken, 1) > 0, `the hostile meter was read ${read(bad.taken, 1)} times`);
  const elsewhere = read(good.taken, 1);
  t.ok(
    elsewhere >= 0.9 * CYCLES,
    `one on another line was read in ${elsewhere} of ${good.taken.length} cycles`,
  );
  t.ok(good.scheduler.skippedCycles <= CYCLES / 10, `${good.scheduler.skippedCycles} cycles skipped there`);
  const beside = bad.taken.filter(({ unit }) => unit === 2).length;
  t.ok(
    read(bad.taken, 2) >= beside / 3,
    `the one beside it was read in ${read(bad.taken, 2)} of ${beside} cycles`,
  );
  t.ok(process.memoryUsage().rss - rss < 100_000_000, 'memory is bounded');
});
