/*
 * Growing columns of numbers and bytes: what is known of millions of readings, without an object for each.
 */

const FIRST_ROWS = 256;

const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Integers up to 2^53 − 1, one a row. */
export class NumberColumn {
  #values = new Float64Array(FIRST_ROWS);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Makes room for so many rows in all. */
  reserve(rows: number): void {
    if (rows <= this.#values.length) return;
    const grown = new Float64Array(rows);
    grown.set(this.#values);
    this.#values = grown;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) this.reserve(2 * this.#length);
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

/** Small integers, 0 to 255, one a row. */
export class ByteColumn {
  #values = new Uint8Array(FIRST_ROWS);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Makes room for so many rows in all. */
  reserve(rows: number): void {
    if (rows <= this.#values.length) return;
    const grown = new Uint8Array(rows);
    grown.set(this.#values);
    this.#values = grown;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) this.reserve(2 * this.#length);
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

/** The same number of bytes in each row: hashes and keys have 32. */
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

  /** Makes room for so many rows in all. */
  reserve(rows: number): void {
    const bytes = this.#width * rows;
    if (bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(bytes);
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#words = new Uint32Array(grown.buffer);
  }

  /** @param from the row's bytes are taken from here */
  push(bytes: Uint8Array, from = 0): void {
    const start = this.#grow();
    for (let i = 0; i < this.#width; i++) this.#bytes[start + i] = bytes[from + i]!;
  }

  /** The same from the middle of a large piece. */
  pushFrom(piece: DataView, from: number): void {
    const start = this.#grow() / 4;
    const words = this.#width / 4;
    for (let i = 0; i < words; i++) this.#words[start + i] = piece.getUint32(from + 4 * i, IS_LITTLE_ENDIAN);
  }

  /** A view, good until the next push. */
  at(row: number): Uint8Array {
    return this.rows(row, row + 1);
  }

  /** The bytes of the rows `from` … `to` − 1. A view, good until the next push. */
  rows(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(this.#width * from, this.#width * to);
  }

  /** Whether a row is the same as one of another column of the same width. */
  same(row: number, other: BytesColumn, otherRow: number): boolean {
    const words = this.#width / 4;
    const a = words * row;
    const b = words * otherRow;
    for (let i = 0; i < words; i++) if (this.#words[a + i] !== other.#words[b + i]) return false;
    return true;
  }

  /** @returns where the new row's bytes start */
  #grow(): number {
    if (this.#width * this.#length === this.#bytes.length) this.reserve(2 * this.#length);
    return this.#width * this.#length++;
  }
}
