import { isMetersealError } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import type { RegisterReader } from '../modbus/bus.js';
import { readSerial } from './identity.js';
import type { PlannedRead } from './plan.js';
import type { Sample } from './poll.js';
import { pollMeter, rederive } from './poll.js';
import type { Profile } from './profile.js';

/** A meter on the scheduler's bus. What else the caller keeps in it comes back with each sample. */
export interface ScheduledMeter {
  readonly unit: number;
  readonly profile: Profile;
  readonly plan: readonly PlannedRead[];
  readonly acceptUnproven?: boolean;
}

export interface SchedulerOptions<M extends ScheduledMeter> {
  readonly bus: RegisterReader & { readonly openings: number };
  readonly clock: Clock;
  readonly meters: readonly M[];
  /** Cycles begin at the multiples of this in wall time, ms. */
  readonly intervalMs: number;
  /** How long a meter may take to begin an answer, ms: no cycle asks a dead meter with less time left. */
  readonly responseMs: number;
  /** Takes one sample of one meter per cycle; the next cycle waits for it. If it rejects, the scheduler ends. */
  readonly onSample: (meter: M, sample: Sample) => Promise<void>;
}

/** The longest pause between attempts to reach a meter that does not answer, ms. */
const MAX_BACK_OFF_MS = 60_000;
/** How long one look at the wall clock holds: it may be set while a cycle is awaited. */
const LOOK_AGAIN_MS = 1_000;

interface Health {
  /** Cycles in a row in which the meter was asked and said nothing. */
  failures: number;
  /** Cycles to go before it is asked again. */
  skip: number;
  /** Value of the bus's `openings` at which the serial number was last read; undefined: read it again. */
  serialReadAt: number | undefined;
}

/**
 * Polls the meters of one bus, one after the other, at the multiples of an interval in wall time. A cycle that
 * could not begin in time is skipped, never made up for. Meters that answer come first; one that is dead is asked
 * again after a pause that doubles, and only while the cycle has time left.
 */
export class Scheduler<M extends ScheduledMeter> {
  readonly #options: SchedulerOptions<M>;
  readonly #health = new Map<M, Health>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #skipped = 0;

  constructor(options: SchedulerOptions<M>) {
    this.#options = options;
    for (const meter of options.meters) {
      this.#health.set(meter, { failures: 0, skip: 0, serialReadAt: undefined });
    }
  }

  /** Cycles that could not begin, because the one before took too long. */
  get skippedCycles(): number {
    return this.#skipped;
  }

  /** Begins at the next multiple of the interval. Rejects when `onSample` does, resolves after `stop`. */
  start(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Lets the read under way end, and waits for the samples that are there to be taken. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running?.catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { clock, intervalMs } = this.#options;
    let last: number | undefined;
    for (;;) {
      const due = await this.#nextCycle(last);
      if (this.#stop.signal.aborted) return;
      if (last !== undefined && due > last) this.#skipped += Math.round((due - last) / intervalMs) - 1;
      last = due;
      await this.#cycle(clock.monotonic() + intervalMs - (clock.now() - due));
    }
  }

  /** Waits for the next multiple of the interval, `last` not again. Returns its wall time. */
  async #nextCycle(last: number | undefined): Promise<number> {
    const { clock, intervalMs } = this.#options;
    for (;;) {
      const now = clock.now();
      // A wall clock that was set back by more than an interval begins anew; by less, and the same multiple
      // would come twice.
      const again = last !== undefined && now > last - intervalMs;
      const from = again ? Math.max(now, last!) : now;
      const due = (Math.floor(from / intervalMs) + 1) * intervalMs;
      if (!(await this.#waitUntil(due))) return due;
    }
  }

  /** False once `due` has come, or the scheduler has to stop; true if the clock was set meanwhile. */
  async #waitUntil(due: number): Promise<boolean> {
    const { clock, intervalMs } = this.#options;
    while (!this.#stop.signal.aborted) {
      const left = due - clock.now();
      if (left > 2 * intervalMs || left < -intervalMs) return true;
      if (left <= 0) return false;
      await clock.sleep(Math.min(left, LOOK_AGAIN_MS), this.#stop.signal);
    }
    return false;
  }

  /** @param end monotonic milliseconds at which the next cycle is due */
  async #cycle(end: number): Promise<void> {
    const { meters, onSample } = this.#options;
    const taken: Promise<void>[] = [];
    const asked = [...meters].sort((a, b) => this.#health.get(a)!.failures - this.#health.get(b)!.failures);
    for (const meter of asked) {
      if (this.#stop.signal.aborted) break;
      const sample = await this.#sample(meter, end);
      if (sample === undefined) break;
      const taking = onSample(meter, sample);
      // Seen at the end of the cycle; until then it must not count as unhandled.
      taking.catch(() => undefined);
      taken.push(taking);
    }
    await Promise.all(taken);
  }

  /** One meter's part of a cycle; undefined if the bus was closed. */
  async #sample(meter: M, end: number): Promise<Sample | undefined> {
    const { clock, bus, responseMs } = this.#options;
    const { unit, profile, plan, acceptUnproven = false } = meter;
    const health = this.#health.get(meter)!;
    const suspect = health.failures > 0;
    if (suspect && (health.skip > 0 || end - clock.monotonic() < 2 * responseMs)) {
      health.skip = Math.max(0, health.skip - 1);
      return allMissing(meter, clock.now());
    }
    const retries = suspect ? 0 : 1;
    const deadline = suspect ? end : clock.monotonic() + (plan.length + 1) * 2 * (responseMs + ANSWER_MS);
    try {
      const serial = await this.#serial(meter, health, deadline, retries);
      const sample = await pollMeter(bus, unit, profile, plan, clock, deadline, {
        acceptUnproven,
        retries,
      });
      this.#judge(health, sample);
      return serial === undefined ? sample : { ...sample, serial };
    } catch (error) {
      if (isMetersealError(error, 'stopped')) return undefined;
      if (!isMetersealError(error, 'no-answer', 'timeout', 'port-failed')) throw error;
      const sample = { ...allMissing(meter, clock.now()), failure: error };
      this.#judge(health, sample);
      return sample;
    }
  }

  /** The serial number, if it is time to read it: at the start, on a new connection, after the meter was away. */
  async #serial(
    { unit, profile, plan, acceptUnproven }: M,
    health: Health,
    deadline: number,
    retries: number,
  ): Promise<string | undefined> {
    const { bus } = this.#options;
    if (health.serialReadAt !== undefined && health.serialReadAt === bus.openings) return undefined;
    for (let attempt = 0; ; attempt++) {
      try {
        const serial = await readSerial(bus, unit, profile, plan, deadline, acceptUnproven);
        health.serialReadAt = bus.openings;
        return serial;
      } catch (error) {
        if (isMetersealError(error, 'meter-exception', 'frame-invalid')) {
          // The meter answers, but not this: its readings are wanted all the same.
          if (error.code === 'meter-exception' || attempt >= retries) return undefined;
        } else if (!isMetersealError(error, 'no-answer', 'timeout', 'port-failed') || attempt >= retries) {
          throw error;
        }
      }
    }
  }

  #judge(health: Health, sample: Sample): void {
    if (sample.answered || sample.failure?.code === 'meter-exception') {
      health.failures = 0;
      health.skip = 0;
      return;
    }
    health.serialReadAt = undefined;
    // A port that failed says nothing of the meters behind it, and costs no time.
    if (sample.failure?.code === 'port-failed') return;
    health.failures += 1;
    const most = Math.max(0, Math.floor(MAX_BACK_OFF_MS / this.#options.intervalMs) - 1);
    health.skip = Math.min(2 ** Math.min(health.failures - 1, 20) - 1, most);
  }
}

/** What the slowest line needs for the longest answer, ms; only bounds what a meter may cost others. */
const ANSWER_MS = 2_500;

function allMissing({ profile, acceptUnproven }: ScheduledMeter, at: number): Sample {
  return {
    startedAt: at,
    endedAt: at,
    values: rederive(profile, [], acceptUnproven),
    raw: [],
    answered: false,
  };
}
