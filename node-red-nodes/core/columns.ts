/*
 * Growing columns of numbers and bytes: what a comparison holds of a million readings, without an object for each.
 */

const FIRST_ROWS = 256;

/** Integers up to 2^53 − 1, one a row. */
export class NumberColumn {
  #values = new Float64Array(FIRST_ROWS);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(2 * this.#length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  /** Of a row that is there. */
  at(row: number): number {
    return this.#values[row]!;
  }

  set(row: number, value: number): void {
    this.#values[row] = value;
  }
}

/** The same number of bytes in each row: hashes and keys have 32, signatures 64. */
export class BytesColumn {
  readonly #width: number;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #length = 0;

  /** @param width bytes of a row, a multiple of 4 */
  constructor(width: number) {
    this.#width = width;
    this.#bytes = new Uint8Array(width * FIRST_ROWS);
    this.#words = new Uint32Array(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** @param from the row's bytes are taken from here */
  push(bytes: Uint8Array, from = 0): void {
    const width = this.#width;
    const start = width * this.#length++;
    if (start === this.#bytes.length) {
      const grown = new Uint8Array(2 * start);
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#words = new Uint32Array(grown.buffer);
    }
    for (let i = 0; i < width; i++) this.#bytes[start + i] = bytes[from + i]!;
  }

  /** A view, good until the next push. */
  at(row: number): Uint8Array {
    return this.#bytes.subarray(this.#width * row, this.#width * (row + 1));
  }

  /** Whether a row is the same as one of another column of the same width. */
  same(row: number, other: BytesColumn, otherRow: number): boolean {
    const words = this.#width / 4;
    const a = words * row;
    const b = words * otherRow;
    for (let i = 0; i < words; i++) if (this.#words[a + i] !== other.#words[b + i]) return false;
    return true;
  }
}
