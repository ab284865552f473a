import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from 'meterseal/internal/host/clock';
import { ClockWatch, isTimesyncSynchronised } from 'meterseal/internal/host/clock-state';
import t from 'tap';
import { temporaryFolder } from './temporary-folder.js';

class TwoClocks implements Clock {
  wall = Date.UTC(2026, 0, 1);
  ticks = 5_000;
  now = (): number => this.wall;
  monotonic = (): number => this.ticks;
  sleep = async (): Promise<void> => {};

  /** Both go on; the wall clock by so much more. */
  pass(ms: number, more = 0): void {
    this.ticks += ms;
    this.wall += ms + more;
  }
}

function watching(): { clock: TwoClocks; steps: number[]; watch: ClockWatch; source: { good: boolean } } {
  const clock = new TwoClocks();
  const steps: number[] = [];
  const source = { good: true };
  const watch = new ClockWatch(
    clock,
    () => source.good,
    (ms) => steps.push(ms),
  );
  return { clock, steps, watch, source };
}

t.test('a step is told once, and labels the next reading of every meter once', (t) => {
  const { clock, steps, watch } = watching();
  t.equal(watch.state('a'), 'synchronised');
  t.equal(watch.state('b'), 'synchronised');
  clock.pass(15_000, -86_400_000);
  t.equal(watch.state('a'), 'stepped');
  t.equal(watch.state('a'), 'synchronised');
  clock.pass(15_000);
  t.equal(watch.state('b'), 'stepped');
  t.equal(watch.state('b'), 'synchronised');
  t.same(steps, [-86_400_000]);
  clock.pass(1_000, 5_000);
  t.equal(watch.state('b'), 'stepped');
  t.same(steps, [-86_400_000, 5_000]);
  t.end();
});

t.test('several steps between two readings are one label', (t) => {
  const { clock, steps, watch } = watching();
  watch.state('a');
  clock.pass(1_000, 4_000);
  watch.state('b');
  clock.pass(1_000, -4_000);
  watch.state('b');
  t.equal(watch.state('a'), 'stepped');
  t.equal(watch.state('a'), 'synchronised');
  t.same(steps, [4_000, -4_000]);
  t.end();
});

t.test('a clock that is disciplined slowly is not stepped, however far it goes', (t) => {
  const { clock, steps, watch } = watching();
  const labels = new Set<string>();
  for (let i = 0; i < 1_000; i++) {
    clock.pass(15_000, 7);
    labels.add(watch.state('a'));
  }
  t.same([...labels], ['synchronised']);
  clock.pass(86_400_000, 43_000);
  t.equal(watch.state('a'), 'synchronised', '500 ppm over a day without a look');
  t.same(steps, []);
  clock.pass(86_400_000, 80_000);
  t.equal(watch.state('a'), 'stepped');
  t.end();
});

t.test('a clock that was synchronised, and whose server is silent, is in holdover', (t) => {
  const { watch, source } = watching();
  source.good = false;
  t.equal(watch.state('a'), 'unsynchronised');
  source.good = true;
  t.equal(watch.state('a'), 'synchronised');
  source.good = false;
  t.equal(watch.state('a'), 'holdover');
  t.equal(watch.state('b'), 'holdover');
  t.end();
});

t.test('the mark of systemd-timesyncd counts while it is young', (t) => {
  const mark = join(temporaryFolder(t), 'synchronized');
  const now = Date.UTC(2026, 5, 1);
  t.notOk(isTimesyncSynchronised(now, mark), 'no mark');
  writeFileSync(mark, '');
  for (const [ageSeconds, expected] of [
    [0, true],
    [6_000, true],
    [7_000, false],
    [-7_000, false],
  ] as const) {
    utimesSync(mark, now / 1000 - ageSeconds, now / 1000 - ageSeconds);
    t.equal(isTimesyncSynchronised(now, mark), expected, `${ageSeconds} s`);
  }
  t.end();
});
