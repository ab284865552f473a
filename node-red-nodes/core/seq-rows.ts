import { NumberColumn } from './columns.js';

/**
 * The rows of one meter by sequence number. Almost always numbers come in rising order, each once: those are kept packed
 * and found by position. What comes out of order or again is kept beside.
 */
export class SeqRows {
  readonly #seqs = new NumberColumn();
  readonly #rows = new NumberColumn();
  readonly #others = new Map<number, number[]>();

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

  /** Rows in rising order of their numbers, without those that came out of order or again. */
  get count(): number {
    return this.#seqs.length;
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
    for (let position = 0; position < this.#seqs.length; position++) yield this.#seqs.at(position);
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

  /** The first position, in rising order, whose number is at least `seq`; `count` where there is none. */
  positionFrom(seq: number): number {
    const { length } = this.#seqs;
    let low = 0;
    let high = length;
    // Where no number is missing, this is the place.
    const guess = length === 0 ? -1 : seq - this.#seqs.at(0);
    if (guess >= 0 && guess < length && this.#seqs.at(guess) === seq) return guess;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#seqs.at(middle) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #find(seq: number): number {
    const position = this.positionFrom(seq);
    return position < this.#seqs.length && this.#seqs.at(position) === seq ? position : -1;
  }
}
