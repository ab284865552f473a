/** Runs one task after the other: the single writer of the collector's files. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs `task` when all earlier ones have ended, however they ended. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything that was handed over so far has ended. */
  async idle(): Promise<void> {
    await this.#tail;
  }
}
