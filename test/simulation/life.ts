/**
 * One run of one process, from its start to its end. Whatever a process awaits from outside comes to it through its life:
 * after the end nothing does, so that all that it had in memory is gone with it, in the middle of whatever it was doing.
 */
export class Life {
  #ended = false;
  #frozen = false;
  #held: (() => void)[] = [];
  readonly #onEnd = new Set<() => void>();

  get ended(): boolean {
    return this.#ended;
  }

  /** As after SIGKILL. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#held = [];
    for (const tell of [...this.#onEnd]) tell();
    this.#onEnd.clear();
  }

  /** As after SIGSTOP: what comes is kept until it may go on. */
  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    for (const run of this.#held.splice(0)) this.deliver(run);
  }

  /** @returns what takes the listener away again */
  onEnd(tell: () => void): () => void {
    this.#onEnd.add(tell);
    return () => this.#onEnd.delete(tell);
  }

  /** Something comes in from outside. */
  deliver(run: () => void): void {
    if (this.#ended) return;
    if (this.#frozen) this.#held.push(run);
    else run();
  }

  /** A promise as this process sees it. */
  sees<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.deliver(() => resolve(value)),
        (error: unknown) => this.deliver(() => reject(error)),
      );
    });
  }
}

/** What the dead wait for. */
export function never<T>(): Promise<T> {
  return new Promise(() => {});
}
