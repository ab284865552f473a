import type { Life } from './life.js';
import { never } from './life.js';
import type { WireTools } from './wire.js';

/** What becomes of one write, and of the process that makes it. */
export type WriteFate =
  /** The process ends just before it, or just after it, before it hears of it. */
  | 'dies-before'
  | 'dies-after'
  /** The process ends in the middle of it: others see it, but a power cut may still take it back. */
  | 'dies-unsynced'
  /** The disk refuses it, or does it and says that it did not. */
  | 'fails-before'
  | 'fails-after';

/** The longest that a slow write takes, milliseconds. */
const SLOW_MS = 400;

/** The writes of one actor to its own disk, each of which may be its last. */
export class Writes {
  /** One in so many takes its time. */
  slow = 0;
  readonly #name: string;
  readonly #tools: WireTools;
  readonly #die: () => void;
  #planned: { left: number; readonly fate: WriteFate; readonly die: () => void } | undefined;

  /** @param die ends the process whose write it was */
  constructor(name: string, tools: WireTools, die: () => void) {
    this.#name = name;
    this.#tools = tools;
    this.#die = die;
  }

  /**
   * Something happens to the `left`-th write from now.
   *
   * @param die ends the process where that is more than to kill it
   */
  plan(left: number, fate: WriteFate, die: () => void = this.#die): void {
    this.#planned = { left, fate, die };
  }

  forget(): void {
    this.#planned = undefined;
  }

  /**
   * @param apply what the write does, at once
   * @param failure what a write that fails throws
   * @param unsynced what it has done before the disk was asked to keep it; all of it where nothing is said
   */
  async do<T>(
    life: Life,
    what: string,
    apply: () => T | Promise<T>,
    failure: () => Error,
    unsynced: () => unknown = apply,
  ): Promise<T> {
    if (life.ended) return never();
    const { timeline, dice, trace } = this.#tools;
    const { fate, die } = this.#next();
    trace.add(`${timeline.now} ${this.#name} ${what}${fate === undefined ? '' : ` ${fate}`}`);
    if (fate === 'fails-before') throw failure();
    if (fate === 'dies-unsynced') void unsynced();
    if (fate === 'dies-before' || fate === 'dies-unsynced') die();
    if (life.ended) return never();
    const result = await apply();
    if (fate === 'fails-after') throw failure();
    if (fate === 'dies-after') die();
    if (life.ended) return never();
    if (dice.chance(this.slow)) {
      await new Promise<void>((resolve) => {
        timeline.after(dice.between(1, SLOW_MS), () => life.deliver(resolve));
      });
    }
    return result;
  }

  /** A step on the way to a write: the process may end before it, and the disk has no say. */
  async between<T>(life: Life, apply: () => Promise<T>): Promise<T> {
    if (life.ended) return never();
    if (this.#planned?.fate === 'dies-before') {
      const { fate, die } = this.#next();
      if (fate !== undefined) die();
      if (life.ended) return never();
    }
    return apply();
  }

  /** A write that nobody waits for. The process that dies of it gets no further than to its next step outside. */
  doAtOnce(life: Life, what: string, apply: () => void): void {
    if (life.ended) return;
    const { timeline, trace } = this.#tools;
    const { fate, die } = this.#next();
    trace.add(`${timeline.now} ${this.#name} ${what}${fate === undefined ? '' : ` ${fate}`}`);
    if (fate === 'dies-before') die();
    if (life.ended) return;
    apply();
    if (fate === 'dies-after' || fate === 'dies-unsynced') die();
  }

  #next(): { readonly fate: WriteFate | undefined; readonly die: () => void } {
    const planned = this.#planned;
    if (planned === undefined || --planned.left > 0) return { fate: undefined, die: this.#die };
    this.#planned = undefined;
    this.#tools.model.met.add(`death ${planned.fate}`);
    return planned;
  }
}
