import type { Clock } from 'meterseal/internal/host/clock';

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

/** A clock that a test turns: time passes only in `advance`, from one sleeper's end to the next. */
export class VirtualClock implements Clock {
  /** Wall time minus monotonic time; a test may step it. */
  offset: number;
  #monotonic = 0;
  #sleepers: Sleeper[] = [];

  constructor(now = 0) {
    this.offset = now;
  }

  now(): number {
    return this.#monotonic + this.offset;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const drop = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        signal?.removeEventListener('abort', drop);
        resolve();
      };
      const sleeper = { until: this.#monotonic + Math.max(0, ms), wake: drop };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', drop);
    });
  }

  /** Lets `ms` pass, with everything that happens meanwhile. */
  async advance(ms: number): Promise<void> {
    const until = this.#monotonic + ms;
    await settle();
    for (;;) {
      const next = this.#sleepers.reduce<Sleeper | undefined>(
        (first, sleeper) => (first === undefined || sleeper.until < first.until ? sleeper : first),
        undefined,
      );
      if (next === undefined || next.until > until) break;
      this.#monotonic = Math.max(this.#monotonic, next.until);
      next.wake();
      await settle();
    }
    this.#monotonic = until;
  }
}

/** Everything that waits for no time has happened. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
