import { statSync } from 'node:fs';
import type { ClockState } from '@meterseal/protocol';
import type { Clock } from './clock.js';

/** A wall clock that moves against the monotonic one by more than this at once was set, not disciplined. */
const STEP_MS = 1_000;
/** The kernel disciplines a clock by at most 500 ppm; half of that again for the drift of the clock itself. */
const MAX_DRIFT = 0.000_75;

/** systemd-timesyncd touches this file whenever it has heard from its server. */
const TIMESYNC_MARK = '/run/systemd/timesync/synchronized';
/** Its longest pause between two questions is 2,048 s: two answers may be missed. */
const MARK_HOLDS_MS = 3 * 2_048_000;

/**
 * Whether systemd-timesyncd has lately set this clock by its server.
 *
 * @param now wall time, milliseconds since 1970
 */
export function isTimesyncSynchronised(now: number = Date.now(), mark: string = TIMESYNC_MARK): boolean {
  const touched = statSync(mark, { throwIfNoEntry: false })?.mtimeMs;
  return touched !== undefined && Math.abs(now - touched) <= MARK_HOLDS_MS;
}

/** What is known of the wall clock: whether it is synchronised, and whether it was set since somebody last looked. */
export class ClockWatch {
  readonly #clock: Clock;
  readonly #synchronised: () => boolean;
  readonly #onStep: (ms: number) => void;
  readonly #seenBy = new Map<string, number>();
  #last: { readonly wall: number; readonly monotonic: number };
  #steps = 0;
  #wasSynchronised = false;

  /**
   * @param synchronised asked at every look
   * @param onStep called once per step with its size in milliseconds, negative for a clock set back
   */
  constructor(clock: Clock, synchronised: () => boolean, onStep: (ms: number) => void) {
    this.#clock = clock;
    this.#synchronised = synchronised;
    this.#onStep = onStep;
    this.#last = { wall: clock.now(), monotonic: clock.monotonic() };
  }

  /**
   * The label for a reading that `who` took just now: `stepped` once for everybody after a step, then `synchronised`,
   * `holdover` (it was, and the server is silent) or `unsynchronised`.
   */
  state(who: string): ClockState {
    this.#look();
    const synchronised = this.#synchronised();
    this.#wasSynchronised ||= synchronised;
    const seen = this.#seenBy.get(who) ?? 0;
    this.#seenBy.set(who, this.#steps);
    if (this.#steps > seen) return 'stepped';
    if (synchronised) return 'synchronised';
    return this.#wasSynchronised ? 'holdover' : 'unsynchronised';
  }

  #look(): void {
    const wall = this.#clock.now();
    const monotonic = this.#clock.monotonic();
    const passed = monotonic - this.#last.monotonic;
    const step = Math.round(wall - this.#last.wall - passed);
    // From look to look: what drifts slowly is discipline, however much it adds up to.
    this.#last = { wall, monotonic };
    if (Math.abs(step) <= STEP_MS + passed * MAX_DRIFT) return;
    this.#steps++;
    this.#onStep(step);
  }
}
