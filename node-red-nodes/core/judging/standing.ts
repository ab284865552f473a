import type { ChainIndex } from '../mirror/chain-index.js';
import type { HeldRecords } from '../spool/spool-index.js';
import type { SeqRows } from '../storage/seq-rows.js';
import type { JudgedMeter, MatchInput } from './matching.js';
import { Matching, NumberList, rowsOf } from './matching.js';

/** How much of a meter was judged: so many of its numbers that are held, and that are on the chain. */
type Mark = { readonly ours: number; readonly theirs: number };

/**
 * What one comparison leaves for the next one of this process: what the chain says, how far was judged, and which numbers
 * stayed open.
 */
export class Standing {
  readonly index: ChainIndex;
  #marks: ReadonlyMap<number, Mark> | undefined;
  #open = new NumberList();
  #held: unknown;

  constructor(index: ChainIndex) {
    this.index = index;
  }

  /** False until everything was judged once. */
  get isComplete(): boolean {
    return this.#marks !== undefined;
  }

  /** What is known of what is held is forgotten if that is not what it was. */
  hold({ identity }: HeldRecords): void {
    if (this.#held !== undefined && this.#held !== identity) this.index.view.seals.forgetHeld();
    this.#held = identity;
  }

  /** Matches everything that is held with everything that is on the chain. */
  matchAll(input: MatchInput, meters: readonly JudgedMeter[]): Matching {
    const matching = new Matching(input);
    for (const meter of meters) matching.walk(meter);
    return matching;
  }

  /** Matches what came since the last time, on either side, and what stayed open then. */
  matchNew(input: MatchInput, meters: readonly JudgedMeter[]): Matching {
    const matching = new Matching(input);
    const before = new Map<number, { meter: JudgedMeter; from: number; odd: ReadonlySet<number> }>();
    for (const meter of meters) {
      const { ours, theirs } = rowsOf(input, meter);
      const mark = this.#marks?.get(meter.subject);
      const from =
        mark === undefined ? 0 : Math.min(firstFrom(ours, mark.ours), firstFrom(theirs, mark.theirs));
      const odd = new Set([...ours.irregular, ...theirs.irregular].filter((seq) => seq < from));
      for (const seq of odd) matching.look(meter, seq);
      if (from < Number.POSITIVE_INFINITY) matching.walk(meter, from);
      before.set(meter.subject, { meter, from, odd });
    }
    for (let i = 0; i < this.#open.length; i++) {
      const known = before.get(this.#open.subjectAt(i));
      const seq = this.#open.seqAt(i);
      if (known !== undefined && seq < known.from && !known.odd.has(seq)) matching.look(known.meter, seq);
    }
    return matching;
  }

  /** Everything that was matched is judged. */
  note(input: MatchInput, meters: readonly JudgedMeter[], matching: Matching): void {
    this.#marks = new Map(
      meters.map((meter) => {
        const { ours, theirs } = rowsOf(input, meter);
        return [meter.subject, { ours: ours.count, theirs: theirs.count }];
      }),
    );
    this.#open = matching.open;
  }
}

/** The number at a position; beyond all numbers where there is none. */
function firstFrom(rows: SeqRows, position: number): number {
  return position < rows.count ? rows.seqAt(position) : Number.POSITIVE_INFINITY;
}
