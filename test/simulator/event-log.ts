import { openSync, writeSync } from 'node:fs';

/** What the simulator did, as JSON lines with the wall time in milliseconds; written before the answer goes out. */
export class EventLog {
  readonly #file: number | undefined;

  /** @param path of a file to append to, `-` for standard error, undefined for none */
  constructor(path: string | undefined) {
    this.#file = path === undefined ? undefined : path === '-' ? 2 : openSync(path, 'a');
  }

  write(event: Record<string, unknown>): void {
    if (this.#file === undefined) return;
    const time = performance.timeOrigin + performance.now();
    writeSync(this.#file, `${JSON.stringify({ time, ...event })}\n`);
  }
}
