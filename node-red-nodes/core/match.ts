import type { ChainView } from './chain-view.js';
import { SeqRows } from './seq-rows.js';
import type { SpoolIndex } from './spool-index.js';

/** A meter whose readings this collector has to do with; its ID is unknown where its opening is lost. */
export type JudgedMeter = { readonly subject: number; readonly meter: string | undefined };

export interface MatchVisitor {
  /** One record is held, one entry is on the chain, and the hashes are the same. */
  pair(meter: JudgedMeter, seq: number, held: number, chain: number): void;
  /** Anything else: rows of what is held and rows of what is on the chain, not both empty. */
  other(meter: JudgedMeter, seq: number, held: readonly number[], chain: readonly number[]): void;
}

const NONE = new SeqRows();

/**
 * Puts everything that is held beside everything that is on the chain, number by number, in one walk over both.
 *
 * @param meters by rising subject
 */
export function matchReadings(
  held: SpoolIndex,
  chain: ChainView,
  meters: readonly JudgedMeter[],
  visitor: MatchVisitor,
): void {
  for (const meter of meters) {
    const ours = (meter.meter === undefined ? undefined : held.rowsOfMeter(meter.meter)) ?? NONE;
    const theirs = chain.subjects.get(meter.subject) ?? NONE;
    const irregular = [...new Set([...ours.irregular, ...theirs.irregular])].sort((a, b) => a - b);
    let a = 0;
    let b = 0;
    let c = 0;
    const next = (rows: SeqRows, at: number): number =>
      at < rows.count ? rows.seqAt(at) : Number.POSITIVE_INFINITY;
    for (;;) {
      const ourSeq = next(ours, a);
      const theirSeq = next(theirs, b);
      const seq = Math.min(ourSeq, theirSeq, irregular[c] ?? Number.POSITIVE_INFINITY);
      if (seq === Number.POSITIVE_INFINITY) break;
      if (seq === irregular[c]) {
        visitor.other(meter, seq, ours.rowsOf(seq), theirs.rowsOf(seq));
        c++;
      } else if (ourSeq !== theirSeq) {
        visitor.other(
          meter,
          seq,
          seq === ourSeq ? [ours.rowAt(a)] : [],
          seq === theirSeq ? [theirs.rowAt(b)] : [],
        );
      } else if (held.hashes.same(ours.rowAt(a), chain.hashes, theirs.rowAt(b))) {
        visitor.pair(meter, seq, ours.rowAt(a), theirs.rowAt(b));
      } else {
        visitor.other(meter, seq, [ours.rowAt(a)], [theirs.rowAt(b)]);
      }
      if (seq === ourSeq) a++;
      if (seq === theirSeq) b++;
    }
  }
}
