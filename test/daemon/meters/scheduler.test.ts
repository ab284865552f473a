import type { ErrorCode } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import { planReads } from 'meterseal/internal/meters/plan';
import type { Sample } from 'meterseal/internal/meters/poll';
import { loadProfile } from 'meterseal/internal/meters/profile-file';
import type { ScheduledMeter } from 'meterseal/internal/meters/scheduler';
import { Scheduler } from 'meterseal/internal/meters/scheduler';
import type { BusRead } from 'meterseal/internal/modbus/bus';
import t from 'tap';
import { VirtualClock } from '../host/virtual-clock.js';

const PROFILE = loadProfile('eastron/sdm120');
const PLAN = planReads(PROFILE);
const INTERVAL_MS = 15_000;
const RESPONSE_MS = 1_000;
/** 7 s past a multiple of the interval. */
const START = 1_700_000_000_000 - (1_700_000_000_000 % INTERVAL_MS) + 7_000;

interface Taken {
  readonly unit: number;
  /** Wall time at which the sample was handed over. */
  readonly at: number;
  readonly sample: Sample;
}

/** A bus of meters that answer in 50 ms, but for those that are said to be away. */
class World {
  readonly clock = new VirtualClock(START);
  readonly away = new Map<number, ErrorCode>();
  readonly reads: { unit: number; fc: number; at: number }[] = [];
  readonly taken: Taken[] = [];
  openings = 1;
  answerMs = 50;
  readonly scheduler: Scheduler<ScheduledMeter>;
  onSample: () => Promise<void> = async () => {};

  constructor(units: readonly number[]) {
    this.scheduler = new Scheduler({
      bus: this,
      clock: this.clock,
      meters: units.map((unit) => ({ unit, profile: PROFILE, plan: PLAN })),
      intervalMs: INTERVAL_MS,
      responseMs: RESPONSE_MS,
      onSample: async ({ unit }, sample) => {
        this.taken.push({ unit, at: this.clock.now(), sample });
        await this.onSample();
      },
    });
  }

  async readRegisters({ unit, fc, at, count }: BusRead): Promise<Uint16Array> {
    this.reads.push({ unit, fc, at });
    const code = this.away.get(unit);
    await this.clock.sleep(code === 'no-answer' ? RESPONSE_MS : this.answerMs);
    if (code !== undefined) throw new MetersealError(code, "couldn't read");
    return new Uint16Array(count);
  }

  cyclesOf(unit: number): Taken[] {
    return this.taken.filter((taken) => taken.unit === unit);
  }

  asked(unit: number): number {
    return this.reads.filter((read) => read.unit === unit).length;
  }
}

t.test('cycles begin at the multiples of the interval in wall time', async (t) => {
  const world = new World([1]);
  void world.scheduler.start();
  await world.clock.advance(60_000);
  t.equal(world.taken.length, 4);
  for (const [i, { sample }] of world.taken.entries()) {
    const begin = sample.startedAt - (sample.startedAt % INTERVAL_MS);
    t.equal(begin, START + 8_000 + i * INTERVAL_MS);
    t.ok(sample.startedAt - begin <= 100, 'after the serial number at most');
  }
  await world.scheduler.stop();
});

t.test('two thousand cycles begin within a hundredth of the interval', async (t) => {
  const world = new World([1]);
  void world.scheduler.start();
  await world.clock.advance(2_000 * INTERVAL_MS);
  const late = world.taken.map(({ sample }) => sample.startedAt % INTERVAL_MS);
  t.equal(world.taken.length, 2_000);
  t.ok(Math.max(...late) <= INTERVAL_MS / 100);
  await world.scheduler.stop();
});

t.test('cycles that could not begin in time are skipped, and never made up for', async (t) => {
  const world = new World([1]);
  let slow = true;
  world.onSample = async () => {
    if (slow) await world.clock.sleep(40_000);
    slow = false;
  };
  void world.scheduler.start();
  await world.clock.advance(90_000);
  const begins = world.taken.map(({ sample }) => (sample.startedAt - START - 8_000) / INTERVAL_MS);
  t.same(begins.map(Math.floor), [0, 3, 4, 5]);
  t.equal(world.scheduler.skippedCycles, 2);
  await world.scheduler.stop();
});

t.test('a dead meter never delays a live one, and still yields a sample in every cycle', async (t) => {
  const world = new World([1, 2, 3]);
  world.away.set(1, 'no-answer');
  void world.scheduler.start();
  await world.clock.advance(21 * INTERVAL_MS);
  for (const unit of [1, 2, 3]) t.equal(world.cyclesOf(unit).length, 21, `unit ${unit}`);
  t.ok(
    world
      .cyclesOf(1)
      .every(({ sample }) => !sample.answered && sample.values.every((v) => v.quality === 'missing')),
  );
  for (const unit of [2, 3]) {
    const late = world
      .cyclesOf(unit)
      .slice(1)
      .map(({ at }) => at % INTERVAL_MS);
    t.ok(Math.max(...late) <= 2 * (PLAN.length + 1) * 50, `unit ${unit} waits for live meters only`);
  }
  // Asked in cycles 0, 1, 3, 7, 11, …: never longer apart than a minute.
  t.ok(world.asked(1) >= 6 && world.asked(1) <= 9, `asked ${world.asked(1)} times`);
  await world.scheduler.stop();
});

t.test('a meter that comes back is read in full again', async (t) => {
  const world = new World([1]);
  world.away.set(1, 'no-answer');
  void world.scheduler.start();
  await world.clock.advance(10 * INTERVAL_MS);
  world.away.clear();
  await world.clock.advance(10 * INTERVAL_MS);
  const last = world.taken.slice(-4);
  t.ok(last.every(({ sample }) => sample.answered));
  await world.scheduler.stop();
});

t.test('a failed port costs no meter its turn', async (t) => {
  const world = new World([1, 2]);
  for (const unit of [1, 2]) world.away.set(unit, 'port-failed');
  void world.scheduler.start();
  await world.clock.advance(5 * INTERVAL_MS);
  world.away.clear();
  await world.clock.advance(INTERVAL_MS);
  t.same(
    world.taken.slice(-2).map(({ sample }) => sample.answered),
    [true, true],
    'in the very next cycle',
  );
  await world.scheduler.stop();
});

t.test('the serial number is read first, and again after a new connection or an absence', async (t) => {
  const world = new World([1]);
  const serials = (): (string | undefined)[] => world.taken.map(({ sample }) => sample.serial);
  void world.scheduler.start();
  await world.clock.advance(2 * INTERVAL_MS);
  t.same(world.reads[0], { unit: 1, fc: 3, at: 64_512 });
  t.same(serials(), ['0', undefined]);
  world.openings += 1;
  await world.clock.advance(2 * INTERVAL_MS);
  t.same(serials().slice(2), ['0', undefined]);
  world.away.set(1, 'no-answer');
  await world.clock.advance(INTERVAL_MS);
  world.away.clear();
  await world.clock.advance(INTERVAL_MS);
  t.same(serials().slice(4), [undefined, '0']);
  await world.scheduler.stop();
});

t.test('a meter without the registers of its serial number is read all the same', async (t) => {
  const world = new World([1]);
  const readRegisters = world.readRegisters.bind(world);
  world.readRegisters = async (read) => {
    if (read.fc === 3) throw new MetersealError('meter-exception', "couldn't read");
    return readRegisters(read);
  };
  void world.scheduler.start();
  await world.clock.advance(2 * INTERVAL_MS);
  t.same(
    world.taken.map(({ sample }) => [sample.answered, sample.serial]),
    [
      [true, undefined],
      [true, undefined],
    ],
  );
  await world.scheduler.stop();
});

t.test('one lost answer to the first read does not cost a cycle', async (t) => {
  const world = new World([1]);
  const readRegisters = world.readRegisters.bind(world);
  world.readRegisters = async (read) => {
    const isFirst = world.reads.length === 0;
    const words = await readRegisters(read);
    if (isFirst) throw new MetersealError('no-answer', "couldn't read");
    return words;
  };
  void world.scheduler.start();
  await world.clock.advance(INTERVAL_MS);
  t.match(world.taken, [{ sample: { answered: true, serial: '0' } }]);
  await world.scheduler.stop();
});

t.test('a clock that is set forward or back moves the cycles, and none begins twice', async (t) => {
  const world = new World([1]);
  void world.scheduler.start();
  await world.clock.advance(2 * INTERVAL_MS);
  world.clock.offset += 3_600_000;
  await world.clock.advance(2 * INTERVAL_MS);
  const ahead = world.taken.length;
  t.ok(ahead >= 4 && ahead <= 5, 'forward by an hour');
  world.clock.offset -= 86_400_000;
  await world.clock.advance(2 * INTERVAL_MS);
  t.ok(world.taken.length >= ahead + 1, 'a day back does not stop it for a day');
  const count = world.taken.length;
  world.clock.offset -= 200;
  await world.clock.advance(INTERVAL_MS);
  t.ok(world.taken.length <= count + 1, 'a moment back does not repeat a cycle');
  const begins = world.taken.map(({ sample }) => Math.floor(sample.startedAt / INTERVAL_MS));
  t.equal(new Set(begins).size, begins.length);
  await world.scheduler.stop();
});

t.test('what the taker of samples throws ends the scheduler', async (t) => {
  const world = new World([1, 2]);
  world.onSample = async () => {
    throw new MetersealError('commit-failed', "couldn't commit");
  };
  const running = world.scheduler.start();
  running.catch(() => undefined);
  await world.clock.advance(5 * INTERVAL_MS);
  await t.rejects(running, { code: 'commit-failed' });
  t.equal(world.taken.length, 2, 'no further cycle');
});

t.test('stopping waits for the sample under way, and takes no further one', async (t) => {
  const world = new World([1, 2]);
  const running = world.scheduler.start();
  await world.clock.advance(8_020);
  const stopping = world.scheduler.stop();
  await world.clock.advance(5 * INTERVAL_MS);
  await stopping;
  await running;
  t.equal(world.taken.length, 1);
});
