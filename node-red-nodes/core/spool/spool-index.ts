import { BytesColumn, NumberColumn } from '../storage/columns.js';
import { SeqRows } from '../storage/seq-rows.js';

/** Where a record is: its frame's start in a segment, and bytes of the record. */
export type SpoolPlace = { readonly segment: number; readonly offset: number; readonly length: number };

/** What a record says of itself. */
export type RecordName = {
  readonly meter: string;
  readonly seq: number;
  /** What a void record says that it replaces; undefined for a reading. */
  readonly replaces: string | undefined;
};

/** One record as the index knows it. */
export type SpoolRow = SpoolPlace &
  RecordName & {
    /** SHA-256 of the record's bytes. */
    readonly hash: Uint8Array;
    readonly received: number;
  };

/** The records that were held at one time. */
export type HeldRecords = Omit<SpoolIndex, 'add'>;

type Columns = {
  readonly hashes: BytesColumn;
  readonly segments: NumberColumn;
  readonly offsets: NumberColumn;
  readonly lengths: NumberColumn;
  readonly received: NumberColumn;
  readonly voids: Map<number, string>;
};

/** What the spool holds: per meter, number → versions. A row is a record; rows count in the order of the spool. */
export class SpoolIndex {
  readonly #columns: Columns;
  readonly #meters: Map<string, SeqRows>;
  /** How many rows count; all of them where it is not given. */
  readonly #limit: number | undefined;

  constructor(columns = newColumns(), meters = new Map<string, SeqRows>(), limit?: number) {
    this.#columns = columns;
    this.#meters = meters;
    this.#limit = limit;
  }

  get count(): number {
    return this.#limit ?? this.hashes.length;
  }

  get hashes(): BytesColumn {
    return this.#columns.hashes;
  }

  /** The same for two views of one index: a row of one is that row of the other. */
  get identity(): unknown {
    return this.#columns;
  }

  add(row: SpoolRow): number {
    const { hashes, segments, offsets, lengths, received, voids } = this.#columns;
    const number = hashes.length;
    hashes.push(row.hash);
    segments.push(row.segment);
    offsets.push(row.offset);
    lengths.push(row.length);
    received.push(row.received);
    if (row.replaces !== undefined) voids.set(number, row.replaces);
    let rows = this.#meters.get(row.meter);
    if (rows === undefined) {
      rows = new SeqRows();
      this.#meters.set(row.meter, rows);
    }
    rows.add(row.seq, number);
    return number;
  }

  /** The first `count` rows as they are now, also when more are added. */
  upTo(count: number): HeldRecords {
    const meters = [...this.#meters].map(([meter, rows]): [string, SeqRows] => [meter, rows.upTo(count)]);
    return new SpoolIndex(this.#columns, new Map(meters), count);
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
    return this.#columns.voids.get(row);
  }

  /** Milliseconds since 1970. */
  receivedAt(row: number): number {
    return this.#columns.received.at(row);
  }

  place(row: number): SpoolPlace {
    const { segments, offsets, lengths } = this.#columns;
    return { segment: segments.at(row), offset: offsets.at(row), length: lengths.at(row) };
  }

  /** Whether a row stands at this place, and was received then. */
  isAt(row: number, segment: number, offset: number, length: number, received: number): boolean {
    const known = this.#columns;
    return (
      known.offsets.at(row) === offset &&
      known.lengths.at(row) === length &&
      known.received.at(row) === received &&
      known.segments.at(row) === segment
    );
  }

  /** Meter and number of every row. */
  names(): { readonly meters: readonly string[]; readonly seqs: Float64Array } {
    const meters = new Array<string>(this.count);
    const seqs = new Float64Array(this.count);
    for (const [meter, rows] of this.#meters) {
      for (const seq of rows.numbers()) {
        for (const row of rows.rowsOf(seq)) {
          meters[row] = meter;
          seqs[row] = seq;
        }
      }
    }
    return { meters, seqs };
  }
}

function newColumns(): Columns {
  const [segments, offsets, lengths, received] = [1, 2, 3, 4].map(() => new NumberColumn()) as [
    NumberColumn,
    NumberColumn,
    NumberColumn,
    NumberColumn,
  ];
  return { hashes: new BytesColumn(32), segments, offsets, lengths, received, voids: new Map() };
}
