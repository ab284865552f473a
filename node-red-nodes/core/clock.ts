/** Time as an argument, so that tests can turn it by hand. */
export interface Clock {
  /** Wall time, milliseconds since 1970; it may step. */
  now(): number;
  /** Milliseconds since some start; never steps. */
  monotonic(): number;
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
