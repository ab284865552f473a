import type { BulkHasher } from '@meterseal/protocol';
import { isMetersealError } from '@meterseal/protocol';
import { crc32 } from '../storage/crc32.js';
import type { FrameFile } from '../storage/frame-file.js';
import type { Damage } from '../storage/frame-scanner.js';
import { FRAME_HEADER_BYTES } from '../storage/frame-scanner.js';
import { nameOf, SPOOL_FORMAT, SPOOL_LEAD_BYTES, splitSpoolFrame } from './spool-frame.js';
import type { SpoolPlace } from './spool-index.js';
import { SpoolIndex } from './spool-index.js';

/** Bytes of a frame before its record. */
const HEAD_BYTES = FRAME_HEADER_BYTES + SPOOL_LEAD_BYTES;

/** Whole frames at the start of a piece: where each stands, and its record. */
type Frames = {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the piece stands in the segment. */
  readonly base: number;
  readonly count: number;
  /** Record i is `bytes[bounds[2i], bounds[2i + 1])`. */
  readonly bounds: Uint32Array;
  /** Bytes of all of them. */
  readonly used: number;
  /** What follows does not begin as a frame does. */
  readonly isBad: boolean;
};

/**
 * One look at the whole spool as it is on the disk now. Every record is hashed; one whose hash is that which the index
 * knows of this place is the record that was once read and named, and is not read again. Only where something differs are
 * checksums and names looked at, and then a new index takes the place of the known one.
 */
export class SpoolReread {
  readonly #known: SpoolIndex;
  readonly #hasher: BulkHasher;
  /** The row that comes next if nothing has changed, and rows in all. */
  #row = 0;
  readonly #end: number;
  #next: SpoolIndex | undefined;
  #names: ReturnType<SpoolIndex['names']> | undefined;
  readonly damage: { readonly segment: number; readonly place: Damage }[] = [];

  /** @param known rows that are added to it later are not looked for */
  constructor(known: SpoolIndex, hasher: BulkHasher) {
    this.#known = known;
    this.#end = known.count;
    this.#hasher = hasher;
  }

  /**
   * Reads one segment; segments come in order.
   *
   * @param end nothing is read from there on
   * @param mayBeTorn an incomplete frame at the end is a write under way, or what one left
   */
  async read(segment: number, file: FrameFile, end: number, mayBeTorn: boolean): Promise<void> {
    const stopped = await this.#readFrames(segment, file, end);
    if (stopped === end) return;
    // From here on frame by frame, as damaged places are read.
    const { damage, torn } = await file.scan(
      (at, body) => {
        const record = body.subarray(SPOOL_LEAD_BYTES);
        const place = { segment, offset: at, length: record.length };
        const hash = this.#hasher.sha256(record);
        this.#take(place, hash, record, () => splitSpoolFrame(body).received);
      },
      stopped,
      end,
    );
    for (const place of damage) this.damage.push({ segment, place });
    if (torn !== undefined && !mayBeTorn) this.damage.push({ segment, place: { from: torn, to: end } });
  }

  /**
   * @returns the index of what is there, and how many of its rows this look has seen: the rows behind them were added
   *   meanwhile
   */
  finish(): { index: SpoolIndex; seen: number } {
    const known = this.#known;
    if (this.#next === undefined && this.#row === this.#end) return { index: known, seen: this.#end };
    const index = this.#rebuilt();
    const seen = index.count;
    for (let row = this.#end; row < known.count; row++)
      this.#copy(row, known.place(row), known.receivedAt(row));
    return { index, seen };
  }

  /** @returns where the good frames end that could be read in a row */
  async #readFrames(segment: number, file: FrameFile, end: number): Promise<number> {
    const ahead = file.readAhead(end);
    if (end > 0) ahead.begin(0);
    for (let at = 0; at < end; ) {
      const piece = await ahead.take();
      const frames = framesOf(piece.bytes, piece.at);
      const next = piece.at + frames.used;
      const goesOn = !frames.isBad && !piece.isLast && frames.used > 0;
      if (goesOn) ahead.begin(next);
      const bad = await this.#takeAll(segment, frames);
      if (bad !== undefined) return bad;
      at = next;
      if (!goesOn) return at;
    }
    return end;
  }

  /** @returns where a frame starts that is not as known and has no good checksum; those before it are taken */
  async #takeAll(segment: number, frames: Frames): Promise<number | undefined> {
    const { bytes, view, base, count, bounds } = frames;
    const hashes = await this.#hasher.hashSlicesAsync(bytes, bounds);
    if (this.#isAsKnown(segment, frames, hashes)) {
      this.#row += count;
      return undefined;
    }
    for (let i = 0; i < count; i++) {
      const end = bounds[2 * i + 1]!;
      const start = bounds[2 * i]! - HEAD_BYTES;
      const hash = hashes.subarray(32 * i, 32 * i + 32);
      const record = bytes.subarray(start + HEAD_BYTES, end);
      const place = { segment, offset: base + start, length: record.length };
      const received = receivedAt(view, start);
      if (!this.#isAt(this.#row, place, received, hash)) {
        const checksum = view.getUint32(start + 4);
        if (crc32(bytes.subarray(start + FRAME_HEADER_BYTES, end)) !== checksum) return place.offset;
      }
      this.#take(
        place,
        hash,
        record,
        () => splitSpoolFrame(bytes.subarray(start + FRAME_HEADER_BYTES, end)).received,
      );
    }
    return undefined;
  }

  /** Whether all frames are those of the rows that come next, at the same places. */
  #isAsKnown(segment: number, { view, base, count, bounds }: Frames, hashes: Uint8Array): boolean {
    const known = this.#known;
    const row = this.#row;
    if (this.#next !== undefined || row + count > this.#end) return false;
    if (Buffer.compare(known.hashes.rows(row, row + count), hashes) !== 0) return false;
    for (let i = 0; i < count; i++) {
      const start = bounds[2 * i]! - HEAD_BYTES;
      const length = bounds[2 * i + 1]! - bounds[2 * i]!;
      if (!known.isAt(row + i, segment, base + start, length, receivedAt(view, start))) return false;
    }
    return true;
  }

  #isAt(row: number, { segment, offset, length }: SpoolPlace, received: number, hash: Uint8Array): boolean {
    return this.#isKnown(row, hash) && this.#known.isAt(row, segment, offset, length, received);
  }

  #isKnown(row: number, hash: Uint8Array): boolean {
    return row < this.#end && Buffer.compare(this.#known.hashes.at(row), hash) === 0;
  }

  #take(place: SpoolPlace, hash: Uint8Array, record: Uint8Array, receivedOf: () => number): void {
    const known = this.#known;
    try {
      const received = receivedOf();
      if (this.#isKnown(this.#row, hash)) {
        this.#keep(this.#row, place, received, hash);
        return;
      }
      const name = nameOf(record);
      // The same record further on: what lay between is gone.
      const row = known
        .versions(name.meter, name.seq)
        .find((candidate) => candidate > this.#row && this.#isKnown(candidate, hash));
      if (row !== undefined) this.#keep(row, place, received, hash);
      else this.#rebuilt().add({ ...name, ...place, hash, received });
    } catch (error) {
      if (!isMetersealError(error)) throw error;
      const to = place.offset + HEAD_BYTES + place.length;
      this.damage.push({ segment: place.segment, place: { from: place.offset, to } });
    }
  }

  #keep(row: number, place: SpoolPlace, received: number, hash: Uint8Array): void {
    const isWhereItWas = row === this.#row && this.#isAt(row, place, received, hash);
    if (this.#next !== undefined || !isWhereItWas) {
      this.#rebuilt();
      this.#copy(row, place, received);
    }
    this.#row = row + 1;
  }

  /** The new index, begun with what has been as known so far. */
  #rebuilt(): SpoolIndex {
    if (this.#next !== undefined) return this.#next;
    const known = this.#known;
    this.#names = known.names();
    this.#next = new SpoolIndex();
    for (let row = 0; row < this.#row; row++) this.#copy(row, known.place(row), known.receivedAt(row));
    return this.#next;
  }

  #copy(row: number, place: SpoolPlace, received: number): void {
    const known = this.#known;
    // Rows that were added since the names were listed are the last to be copied.
    if (row >= this.#names!.meters.length) this.#names = known.names();
    const { meters, seqs } = this.#names!;
    const name = { meter: meters[row]!, seq: seqs[row]!, replaces: known.replacedBy(row) };
    this.#next!.add({ ...name, ...place, hash: known.hashes.at(row), received });
  }
}

/** Cuts a piece into frames by their lengths alone. */
function framesOf(bytes: Uint8Array, base: number): Frames {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let bounds = new Uint32Array(Math.max(64, bytes.length >> 7));
  let at = 0;
  let count = 0;
  let isBad = false;
  while (at + HEAD_BYTES < bytes.length) {
    const length = view.getUint32(at);
    isBad = length === 0 || length > SPOOL_FORMAT.most;
    const end = at + HEAD_BYTES + length;
    if (isBad || end > bytes.length) break;
    if (2 * count === bounds.length) {
      const grown = new Uint32Array(2 * bounds.length);
      grown.set(bounds);
      bounds = grown;
    }
    bounds[2 * count] = at + HEAD_BYTES;
    bounds[2 * count + 1] = end;
    count++;
    at = end;
  }
  return { bytes, view, base, count, bounds: bounds.subarray(0, 2 * count), used: at, isBad };
}

/** Milliseconds since 1970, or whatever else stands there. */
function receivedAt(view: DataView, start: number): number {
  return (
    view.getUint32(start + FRAME_HEADER_BYTES) * 2 ** 32 + view.getUint32(start + FRAME_HEADER_BYTES + 4)
  );
}
