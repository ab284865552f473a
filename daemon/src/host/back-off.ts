import type { Clock } from './clock.js';

/** Pauses that grow with each failure in a row, and end with the first success. */
export class BackOff {
  readonly #clock: Clock;
  readonly #pauseMs: { readonly first: number; readonly most: number };
  #failures = 0;
  #until = Number.NEGATIVE_INFINITY;

  /** @param pauseMs after the first failure, doubled with each further one, up to the longest */
  constructor(clock: Clock, pauseMs: { readonly first: number; readonly most: number }) {
    this.#clock = clock;
    this.#pauseMs = pauseMs;
  }

  /** True while the pause after the last failure lasts. */
  get isWaiting(): boolean {
    return this.#clock.monotonic() < this.#until;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** @returns the pause that begins now, in milliseconds */
  failed(): number {
    const { first, most } = this.#pauseMs;
    const pause = Math.min(most, first * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    this.#until = this.#clock.monotonic() + pause;
    return pause;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#until = Number.NEGATIVE_INFINITY;
  }
}
