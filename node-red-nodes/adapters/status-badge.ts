import type { RedNode, Status } from './red.js';

/** Milliseconds between two badges of a node: the editor gets each as a message of its own. */
const LEAST_MS = 500;

/** A node's status in the editor: the same one is not told twice, and of many at once only the last. */
export class Badge {
  readonly #node: RedNode;
  #shown = '';
  #next: Status | undefined;
  #pause: NodeJS.Timeout | undefined;
  #later: NodeJS.Timeout | undefined;

  constructor(node: RedNode) {
    this.#node = node;
  }

  show(status: Status): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#put(status);
  }

  /** Shows a status, and another one if nothing else is shown within `ms`; 0 for never. */
  showFor(status: Status, ms: number, then: Status): void {
    this.show(status);
    if (ms === 0) return;
    this.#later = setTimeout(() => this.#put(then), ms);
    this.#later.unref();
  }

  /** Shows nothing any more. */
  close(): void {
    clearTimeout(this.#later);
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#put({});
  }

  #put(status: Status): void {
    this.#next = status;
    if (this.#pause !== undefined) return;
    this.#flush();
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (this.#next !== undefined) this.#put(this.#next);
    }, LEAST_MS);
    this.#pause.unref();
  }

  #flush(): void {
    const status = this.#next ?? {};
    this.#next = undefined;
    const text = JSON.stringify(status);
    if (text === this.#shown) return;
    this.#shown = text;
    try {
      this.#node.status(status);
    } catch {
      // What the editor shows is no reason to stop.
    }
  }
}
