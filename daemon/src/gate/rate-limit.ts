import type { Clock } from '../host/clock.js';

/** A bucket of permissions that fills again with time: bursts up to its size, then a steady rate. */
export class RateLimit {
  readonly #size: number;
  readonly #perSecond: number;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #left: number;
  #at: number;

  constructor(size: number, perSecond: number, clock: Pick<Clock, 'monotonic'>) {
    this.#size = size;
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#left = size;
    this.#at = clock.monotonic();
  }

  /** True if one more is allowed now; it is then used up. */
  take(): boolean {
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#size, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
