import { existsSync } from 'node:fs';
import type { ClockState } from '@meterseal/protocol';
import type { Clock } from './clock.js';

/** A wall clock that moves against the monotonic one by more than this was set, not disciplined. */
const STEP_MS = 1_000;

/** systemd-timesyncd keeps this file while the clock is synchronised. */
const TIMESYNC_MARK = '/run/systemd/timesync/synchronized';

export function isTimesyncSynchronised(): boolean {
  return existsSync(TIMESYNC_MARK);
}

/** What is known of the wall clock: whether it is synchronised, and whether it was set since somebody last looked. */
export class ClockWatch {
  readonly #clock: Clock;
  readonly #synchronised: () => boolean;
  readonly #onStep: (ms: number) => void;
  readonly #seenBy = new Map<string, number>();
  #offset: number;
  #steps = 0;

  /**
   * @param synchronised asked at every look
   * @param onStep called once per step with its size in milliseconds, negative for a clock set back
   */
  constructor(clock: Clock, synchronised: () => boolean, onStep: (ms: number) => void) {
    this.#clock = clock;
    this.#synchronised = synchronised;
    this.#onStep = onStep;
    this.#offset = clock.now() - clock.monotonic();
  }

  /** The label for a reading that `who` took just now: `stepped` once for everybody after a step. */
  state(who: string): ClockState {
    const offset = this.#clock.now() - this.#clock.monotonic();
    const step = Math.round(offset - this.#offset);
    if (Math.abs(step) > STEP_MS) {
      this.#steps++;
      this.#onStep(step);
    }
    // Slow drift is discipline, not a step: follow it.
    this.#offset = offset;
    const seen = this.#seenBy.get(who) ?? 0;
    this.#seenBy.set(who, this.#steps);
    if (this.#steps > seen) return 'stepped';
    return this.#synchronised() ? 'synchronised' : 'unsynchronised';
  }
}
