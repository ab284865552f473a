import { isMetersealError } from '@meterseal/protocol';
import type { SeqRows } from '../storage/seq-rows.js';
import type { Spool } from './spool.js';

/** One record of the spool, as it is on the disk now. */
export type HeldReading = {
  /** Exactly as it came; whether it is still a record is for the reader to see. */
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970. */
  readonly received: number;
};

/** Which held records: of one meter, or of all that are held; numbers inclusive. */
export type HeldQuery = {
  readonly meter?: string;
  readonly from?: number;
  readonly to?: number;
};

/** What is held, for whoever wants to see it again. */
export class HeldReadings {
  readonly #spool: Spool;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** IDs of the meters that records are held of, sorted. */
  meters(): string[] {
    return [...this.#spool.index.meters()].sort();
  }

  /** Reading hashes of all versions of one number, as they were when they came. */
  hashesOf(meter: string, seq: number): Uint8Array[] {
    const { index } = this.#spool;
    return index.versions(meter, seq).map((row) => index.hashes.at(row));
  }

  /**
   * Records by meter and rising number, all versions of each, read one at a time: whoever stops asking stops the reading.
   * A record that cannot be read any more is passed over; the next comparison names it.
   */
  async *read({ meter, from = 1, to = Number.MAX_SAFE_INTEGER }: HeldQuery): AsyncGenerator<HeldReading> {
    const { index } = this.#spool;
    for (const name of meter === undefined ? this.meters() : [meter]) {
      const rows = index.rowsOfMeter(name);
      if (rows === undefined) continue;
      for (const seq of numbersIn(rows, from, to)) {
        for (const row of rows.rowsOf(seq)) {
          const bytes = await this.#recordIn(row);
          if (bytes !== undefined) yield { bytes, received: index.receivedAt(row) };
        }
      }
    }
  }

  async #recordIn(row: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#spool.read(this.#spool.index, row);
    } catch (error) {
      if (isMetersealError(error, 'file-damaged')) return undefined;
      throw error;
    }
  }
}

/** Numbers of a meter from `from` to `to`, rising, as they are held when the walk gets there. */
function* numbersIn(rows: SeqRows, from: number, to: number): Iterable<number> {
  // What came out of order is little, and stands beside the rest.
  const others = [...rows.irregular].filter((seq) => seq >= from && seq <= to).sort((a, b) => a - b);
  let next = 0;
  let last = 0;
  for (let position = rows.positionFrom(from); position < rows.count; position++) {
    const seq = rows.seqAt(position);
    if (seq > to) break;
    for (; next < others.length && others[next]! <= seq; next++) {
      if (others[next]! < seq && others[next]! !== last) yield others[next]!;
    }
    last = seq;
    yield seq;
  }
  for (; next < others.length; next++) if (others[next]! !== last) yield others[next]!;
}
