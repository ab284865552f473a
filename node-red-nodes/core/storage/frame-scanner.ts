import { crc32 } from './crc32.js';

/*
 * Every append-only file of the collector is a run of frames:
 *
 *   u32 length | u32 crc32 (IEEE, over the rest) | lead | content[length]
 *
 * `lead` has a fixed size per file: 8 bytes in the spool (when the record was received), none elsewhere.
 */

export const FRAME_HEADER_BYTES = 8;

export type FrameFormat = {
  /** Bytes between checksum and content: covered by the checksum, not counted by the length. */
  readonly lead: number;
  /** Bytes of the longest content. */
  readonly most: number;
};

/** Bytes of a file, `from` ≤ byte < `to`, that are no good frames though good ones follow or ought to. */
export type Damage = { readonly from: number; readonly to: number };

/** @param at where the frame starts in the file; @param body lead and content, a view */
export type FrameVisitor = (at: number, body: Uint8Array) => void;

export type ScanResult = {
  readonly damage: readonly Damage[];
  /** Where an incomplete last frame starts, which a write that was cut short has left; else undefined. */
  readonly torn: number | undefined;
};

/** Writes one frame into `to`. @returns the position behind it */
export function putFrame(to: Uint8Array, at: number, lead: Uint8Array, content: Uint8Array): number {
  const start = at + FRAME_HEADER_BYTES;
  const end = start + lead.length + content.length;
  to.set(lead, start);
  to.set(content, start + lead.length);
  putU32(to, at, content.length);
  putU32(to, at + 4, crc32(to.subarray(start, end)));
  return end;
}

/**
 * Finds the good frames of a file that comes in pieces. Where a frame is bad, the next good one is looked for byte by
 * byte, and what lies between is reported: nothing behind a damaged place is lost. Only at the end of a file an
 * incomplete frame, or one of zeros alone, counts as torn: no write that was acknowledged looks like that.
 */
export class FrameScanner {
  readonly #format: FrameFormat;
  readonly #visit: FrameVisitor;
  readonly #damage: Damage[] = [];
  #rest: Uint8Array = new Uint8Array(0);
  #base: number;
  /** Where the place that is being searched for a good frame starts. */
  #lost: number | undefined;
  #lostIncomplete = false;
  #lostIsZero = true;

  /** @param start where the first piece stands in the file */
  constructor(format: FrameFormat, visit: FrameVisitor, start = 0) {
    this.#format = format;
    this.#visit = visit;
    this.#base = start;
  }

  /** The next piece of the file. */
  feed(piece: Uint8Array): void {
    this.#scan(piece, false);
  }

  /** No more pieces. */
  end(): ScanResult {
    this.#scan(new Uint8Array(0), true);
    if (this.#lost === undefined) return { damage: this.#damage, torn: undefined };
    if (this.#lostIncomplete || this.#lostIsZero) return { damage: this.#damage, torn: this.#lost };
    this.#damage.push({ from: this.#lost, to: this.#base + this.#rest.length });
    return { damage: this.#damage, torn: undefined };
  }

  #scan(piece: Uint8Array, last: boolean): void {
    const bytes = this.#rest.length === 0 ? piece : joined(this.#rest, piece);
    let at = 0;
    while (at < bytes.length) {
      const length = this.#check(bytes, at);
      if (length === 'incomplete' && !last) break;
      if (typeof length === 'number') {
        if (this.#lost !== undefined) this.#damage.push({ from: this.#lost, to: this.#base + at });
        this.#lost = undefined;
        this.#visit(this.#base + at, bytes.subarray(at + FRAME_HEADER_BYTES, at + length));
        at += length;
        continue;
      }
      if (this.#lost === undefined) {
        this.#lost = this.#base + at;
        this.#lostIncomplete = length === 'incomplete';
        this.#lostIsZero = true;
      }
      if (bytes[at] !== 0) this.#lostIsZero = false;
      at++;
    }
    this.#rest = bytes.subarray(at);
    this.#base += at;
  }

  /** Length of the good frame at `at`, or why there is none. */
  #check(bytes: Uint8Array, at: number): number | 'bad' | 'incomplete' {
    if (bytes.length - at < FRAME_HEADER_BYTES) return 'incomplete';
    const content = u32(bytes, at);
    if (content === 0 || content > this.#format.most) return 'bad';
    const length = FRAME_HEADER_BYTES + this.#format.lead + content;
    if (bytes.length - at < length) return 'incomplete';
    const good = crc32(bytes.subarray(at + FRAME_HEADER_BYTES, at + length)) === u32(bytes, at + 4);
    return good ? length : 'bad';
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! * 256 + bytes[at + 1]!) * 65_536 + bytes[at + 2]! * 256 + bytes[at + 3]!;
}

function putU32(to: Uint8Array, at: number, value: number): void {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
}
