import type { ChainView } from './chain-view.js';
import { NumberColumn } from './columns.js';
import type { JudgedMeter, MatchVisitor } from './match.js';
import { matchReadings } from './match.js';
import type { SpoolIndex } from './spool-index.js';

/** What has to be looked up and checked before readings can be judged. */
export class Survey implements MatchVisitor {
  /** Held records, and the entries of the same hash whose seals were never checked; row beside row. */
  readonly sealedHeld = new NumberColumn();
  readonly sealedChain = new NumberColumn();
  /** Meters that have readings which are held, but not on the chain. */
  readonly unanchored = new Map<number, JudgedMeter>();
  /** Numbers that are held and on the chain with different hashes. */
  readonly differing: { readonly meter: JudgedMeter; readonly seq: number }[] = [];
  readonly #held: SpoolIndex;
  readonly #chain: ChainView;

  private constructor(held: SpoolIndex, chain: ChainView) {
    this.#held = held;
    this.#chain = chain;
  }

  static of(held: SpoolIndex, chain: ChainView, meters: readonly JudgedMeter[]): Survey {
    const survey = new Survey(held, chain);
    matchReadings(held, chain, meters, survey);
    return survey;
  }

  pair({ subject }: JudgedMeter, _seq: number, held: number, chain: number): void {
    if (!this.#chain.unsealed.has(chain) || this.#chain.flawOf(chain, subject) !== undefined) return;
    this.sealedHeld.push(held);
    this.sealedChain.push(chain);
  }

  other(meter: JudgedMeter, seq: number, held: readonly number[], chain: readonly number[]): void {
    if (chain.length === 0) {
      this.unanchored.set(meter.subject, meter);
      return;
    }
    const same = (ours: number, theirs: number): boolean =>
      this.#held.hashes.same(ours, this.#chain.hashes, theirs);
    for (const theirs of chain) {
      const ours = held.find((row) => same(row, theirs));
      if (ours !== undefined) this.pair(meter, seq, ours, theirs);
    }
    if (held.some((ours) => !chain.some((theirs) => same(ours, theirs)))) this.differing.push({ meter, seq });
  }
}
