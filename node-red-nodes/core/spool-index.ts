import { BytesColumn, NumberColumn } from './columns.js';
import { SeqRows } from './seq-rows.js';

/** One record as the index knows it. */
export type SpoolRow = {
  readonly meter: string;
  readonly seq: number;
  /** SHA-256 of the record's bytes. */
  readonly hash: Uint8Array;
  readonly received: number;
  readonly segment: number;
  /** Where its frame starts in the segment, and bytes of the record. */
  readonly offset: number;
  readonly length: number;
  /** What a void record says that it replaces; undefined for a reading. */
  readonly replaces: string | undefined;
};

/** What the spool holds: per meter, number → versions. A row is a record; rows count in the order of the spool. */
export class SpoolIndex {
  readonly hashes = new BytesColumn(32);
  readonly #segments = new NumberColumn();
  readonly #offsets = new NumberColumn();
  readonly #lengths = new NumberColumn();
  readonly #received = new NumberColumn();
  readonly #voids = new Map<number, string>();
  readonly #meters = new Map<string, SeqRows>();

  get count(): number {
    return this.hashes.length;
  }

  add(row: SpoolRow): number {
    const number = this.hashes.length;
    this.hashes.push(row.hash);
    this.#segments.push(row.segment);
    this.#offsets.push(row.offset);
    this.#lengths.push(row.length);
    this.#received.push(row.received);
    if (row.replaces !== undefined) this.#voids.set(number, row.replaces);
    let rows = this.#meters.get(row.meter);
    if (rows === undefined) {
      rows = new SeqRows();
      this.#meters.set(row.meter, rows);
    }
    rows.add(row.seq, number);
    return number;
  }

  meters(): Iterable<string> {
    return this.#meters.keys();
  }

  rowsOfMeter(meter: string): SeqRows | undefined {
    return this.#meters.get(meter);
  }

  /** Rows of all versions of one number, the first that came first. */
  versions(meter: string, seq: number): number[] {
    return this.#meters.get(meter)?.rowsOf(seq) ?? [];
  }

  /** What the void record in this row replaces, as it says itself: a reading hash in hex. */
  replacedBy(row: number): string | undefined {
    return this.#voids.get(row);
  }

  /** Milliseconds since 1970. */
  receivedAt(row: number): number {
    return this.#received.at(row);
  }

  place(row: number): { segment: number; offset: number; length: number } {
    return { segment: this.#segments.at(row), offset: this.#offsets.at(row), length: this.#lengths.at(row) };
  }
}
