import type { Clock } from 'meterseal/internal/host/clock';

type Sleeper = { readonly until: number; readonly wake: () => void };

/** A clock that a test turns. Time passes in one leap: whoever sleeps wakes once, however long the leap was. */
export class CoarseClock implements Clock {
  #now: number;
  #monotonic = 0;
  #sleepers = new Set<Sleeper>();

  constructor(now: number) {
    this.#now = now;
  }

  now = (): number => this.#now;

  monotonic = (): number => this.#monotonic;

  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = (): void => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper = { until: this.#monotonic + Math.max(0, ms), wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', wake);
    });

  /** Lets `ms` pass at once. */
  async leap(ms: number): Promise<void> {
    this.#now += ms;
    this.#monotonic += ms;
    for (const { until, wake } of [...this.#sleepers]) if (until <= this.#monotonic) wake();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Sets the wall clock, as somebody would who has the rights. */
  set(now: number): void {
    this.#now = now;
  }
}
