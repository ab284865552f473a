import type { Clock } from '../host/clock.js';

const DISARMED = 'disarmed';

/**
 * Calls `late` once, `ms` from now, unless the returned function was called before.
 *
 * @returns what disarms it
 */
export function deadline(clock: Clock, ms: number, late: () => void): () => void {
  const disarmed = new AbortController();
  void clock.sleep(ms, disarmed.signal).then(() => {
    if (!disarmed.signal.aborted) late();
  });
  // With a reason of our own none is made, with its stack, for each request that is over in time.
  return () => disarmed.abort(DISARMED);
}

/**
 * The promise's result, or `late` if it takes longer than `ms`; what comes after that is ignored.
 *
 * @throws whatever the promise rejects with in time
 */
export function within<T, L>(clock: Clock, ms: number, promise: Promise<T>, late: L): Promise<T | L> {
  return new Promise((resolve, reject) => {
    const disarm = deadline(clock, ms, () => resolve(late));
    promise.then(resolve, reject).finally(disarm);
  });
}
