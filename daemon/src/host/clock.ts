/** Time as an argument: what waits or stamps takes a clock, so that tests can turn it by hand. */
export interface Clock {
  /** Wall time, milliseconds since 1970; it may step. */
  now(): number;
  /** Milliseconds since some start; never steps. Deadlines are given in this time. */
  monotonic(): number;
  /** Resolves after `ms`, or as soon as `signal` is aborted; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest that a timer of Node can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(Math.max(0, Math.ceil(ms)), MAX_TIMER_MS));
      signal?.addEventListener('abort', done);
    }),
};
