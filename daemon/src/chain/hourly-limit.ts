const HOUR_MS = 3_600_000;

type Window = { startedAt: number; taken: number; over: number };

/**
 * So many an hour for each name, and a count of the rest: nobody can make the chain grow at will, and what was left out is
 * still told.
 */
export class HourlyLimit {
  readonly #most: number;
  readonly #windows = new Map<number | string, Window>();

  /** @param most in each hour and for each name */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * @param now monotonic milliseconds
   * @returns true if this one is within the limit; else it is counted
   */
  take(name: number | string, now: number): boolean {
    let window = this.#windows.get(name);
    // A window with a count stays until the count was told.
    if (window === undefined || (now >= window.startedAt + HOUR_MS && window.over === 0)) {
      window = { startedAt: now, taken: 0, over: 0 };
      this.#windows.set(name, window);
    }
    if (window.taken < this.#most) {
      window.taken++;
      return true;
    }
    window.over++;
    return false;
  }

  /**
   * The counts of the hours that have ended, and forgets those hours.
   *
   * @param all also of hours that have not: nothing will be counted any more
   */
  drain(now: number, all = false): { name: number | string; count: number }[] {
    const counts: { name: number | string; count: number }[] = [];
    for (const [name, { startedAt, over: count }] of this.#windows) {
      if (!all && now < startedAt + HOUR_MS) continue;
      this.#windows.delete(name);
      if (count > 0) counts.push({ name, count });
    }
    return counts;
  }
}
