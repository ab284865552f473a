import { NumberColumn } from './columns.js';

/**
 * The rows of one meter by sequence number. Almost always numbers come in rising order, each once: those are kept packed
 * and found by position. What comes out of order or again is kept beside.
 */
export class SeqRows {
  readonly #seqs: NumberColumn;
  readonly #rows: NumberColumn;
  readonly #others: Map<number, number[]>;
  /** How much of the columns counts; all of them where it is not given. */
  readonly #limit: number | undefined;

  constructor(
    seqs = new NumberColumn(),
    rows = new NumberColumn(),
    others = new Map<number, number[]>(),
    limit?: number,
  ) {
    this.#seqs = seqs;
    this.#rows = rows;
    this.#others = others;
    this.#limit = limit;
  }

  add(seq: number, row: number): void {
    const { length } = this.#seqs;
    if (length === 0 || seq > this.#seqs.at(length - 1)) {
      this.#seqs.push(seq);
      this.#rows.push(row);
      return;
    }
    const rows = this.#others.get(seq);
    if (rows === undefined) this.#others.set(seq, [row]);
    else rows.push(row);
  }

  /** The same without `end` and later rows, also when more are added to this one. Rows were added in rising order. */
  upTo(end: number): SeqRows {
    const others = new Map<number, number[]>();
    for (const [seq, rows] of this.#others) {
      const kept = rows.filter((row) => row < end);
      if (kept.length > 0) others.set(seq, kept);
    }
    let limit = this.count;
    while (limit > 0 && this.#rows.at(limit - 1) >= end) limit--;
    return new SeqRows(this.#seqs, this.#rows, others, limit);
  }

  /** Rows in rising order of their numbers, without those that came out of order or again. */
  get count(): number {
    return this.#limit ?? this.#seqs.length;
  }

  seqAt(position: number): number {
    return this.#seqs.at(position);
  }

  rowAt(position: number): number {
    return this.#rows.at(position);
  }

  /** Numbers that came out of order or again. */
  get irregular(): Iterable<number> {
    return this.#others.keys();
  }

  /** Every number that has a row, each once. */
  *numbers(): Iterable<number> {
    for (let position = 0; position < this.count; position++) yield this.#seqs.at(position);
    for (const seq of this.#others.keys()) if (this.#find(seq) < 0) yield seq;
  }

  /** All rows of a number, in the order in which they came. */
  rowsOf(seq: number): number[] {
    const position = this.#find(seq);
    const others = this.#others.get(seq) ?? [];
    return position < 0 ? [...others] : [this.#rows.at(position), ...others];
  }

  /** The first row of a number; −1 for none. */
  firstRow(seq: number): number {
    const position = this.#find(seq);
    return position >= 0 ? this.#rows.at(position) : (this.#others.get(seq)?.[0] ?? -1);
  }

  /** The row of a number that came once and in order, or first; −1 for none. */
  regularRow(seq: number): number {
    const position = this.#find(seq);
    return position < 0 ? -1 : this.#rows.at(position);
  }

  /** The first position, in rising order, whose number is at least `seq`; `count` where there is none. */
  positionFrom(seq: number): number {
    const { count } = this;
    let low = 0;
    let high = count;
    // Where no number is missing, this is the place.
    const guess = count === 0 ? -1 : seq - this.#seqs.at(0);
    if (guess >= 0 && guess < count && this.#seqs.at(guess) === seq) return guess;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#seqs.at(middle) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #find(seq: number): number {
    const position = this.positionFrom(seq);
    return position < this.count && this.#seqs.at(position) === seq ? position : -1;
  }
}
