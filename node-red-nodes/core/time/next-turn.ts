/** Signatures that are checked in a row, about ten milliseconds, before others get their turn. */
export const SIGNATURES_PER_TURN = 64;

/** Lets the event loop serve everybody else first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
