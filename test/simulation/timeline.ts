/** Something that happens at a time to come; `off` calls it off. */
export type Planned = { readonly at: number; readonly order: number; run: () => void; off: boolean };

const realImmediate = globalThis.setImmediate;
/** Turns of the event loop that product code has asked for and not got yet. */
let turnsAsked = 0;

/**
 * Virtual time, milliseconds. One event after the other; after each the world comes to rest, and only then time goes on.
 * What the product does between two events costs no time: the only timers are these.
 */
export class Timeline {
  now = 0;
  readonly #heap: Planned[] = [];
  #planned = 0;
  #ended = false;

  after(ms: number, run: () => void): Planned {
    const planned = { at: this.now + Math.max(0, Math.ceil(ms)), order: this.#planned++, run, off: false };
    this.#push(planned);
    return planned;
  }

  /** Goes on until `until`, or until `done` says so when the world is at rest. */
  async run(until: number, done: () => boolean = () => false): Promise<void> {
    for (;;) {
      await rest();
      if (this.#ended || done()) return;
      const next = this.#pop(until);
      if (next === undefined) break;
      this.now = next.at;
      next.run();
    }
    this.now = until;
  }

  /** Nothing happens any more. */
  end(): void {
    this.#ended = true;
    this.#heap.length = 0;
  }

  #pop(until: number): Planned | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || (!first.off && first.at > until)) return undefined;
      const last = this.#heap.pop()!;
      if (this.#heap.length > 0) this.#sink(last);
      if (!first.off) return first;
    }
  }

  #push(planned: Planned): void {
    const heap = this.#heap;
    let at = heap.push(planned) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(planned, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = planned;
  }

  #sink(planned: Planned): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, planned)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = planned;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Everything that waits for nothing outside has happened. */
async function rest(): Promise<void> {
  // A tick that is asked for in a microtask comes when no microtask is left.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  while (turnsAsked > 0) await new Promise<void>((resolve) => realImmediate(resolve));
}

/**
 * Product code lets others have their turn by `setImmediate`. It is counted while simulations run, so that virtual time
 * stands still until everybody has had it.
 */
export function countTurns(): void {
  globalThis.setImmediate = ((work: (...args: unknown[]) => void, ...args: unknown[]) => {
    turnsAsked++;
    return realImmediate(() => {
      turnsAsked--;
      work(...args);
    });
  }) as typeof setImmediate;
}
