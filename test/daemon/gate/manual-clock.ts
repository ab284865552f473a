import type { Clock } from 'meterseal/internal/host/clock';

type Sleeper = { readonly at: number; readonly wake: () => void };

/** A clock that moves only when it is told to. */
export class ManualClock implements Clock {
  #now: number;
  #monotonic = 1_000;
  #sleepers: Sleeper[] = [];

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const aborted = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        resolve();
      };
      const wake = (): void => {
        signal?.removeEventListener('abort', aborted);
        resolve();
      };
      const sleeper = { at: this.#monotonic + ms, wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  /** Moves on without waking anybody, as for a process that was stopped meanwhile. */
  jump(ms: number): void {
    this.#monotonic += ms;
    this.#now += ms;
  }

  /**
   * Moves on, and wakes whom it passes, in order.
   *
   * @param settle waits, after each, for what was begun in real time
   */
  async advance(ms: number, settle: () => Promise<void> = async () => {}): Promise<void> {
    const end = this.#monotonic + ms;
    for (;;) {
      const [next] = this.#sleepers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      this.#now += Math.max(0, next.at - this.#monotonic);
      this.#monotonic = Math.max(this.#monotonic, next.at);
      next.wake();
      await new Promise((resolve) => setImmediate(resolve));
      await settle();
    }
    this.#now += end - this.#monotonic;
    this.#monotonic = end;
  }
}
