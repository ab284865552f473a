import { join } from 'node:path';
import type { BulkHasher, MetersealError } from '@meterseal/protocol';
import { isMetersealError } from '@meterseal/protocol';
import { FrameFile } from '../storage/frame-file.js';
import type { Damage } from '../storage/frame-scanner.js';
import { FRAME_HEADER_BYTES } from '../storage/frame-scanner.js';
import type { Storage } from '../storage/storage.js';
import { storeError } from '../storage/storage.js';
import { encodeSpoolFrame, nameOf, SPOOL_FORMAT, SPOOL_LEAD_BYTES, splitSpoolFrame } from './spool-frame.js';
import type { HeldRecords } from './spool-index.js';
import { SpoolIndex } from './spool-index.js';
import { SpoolReread } from './spool-reread.js';

/** A record on its way into the spool, checked by whoever hands it over. */
export type SpoolRecord = {
  readonly meter: string;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly received: number;
  readonly record: Uint8Array;
  readonly replaces: string | undefined;
};

/** A place of the spool that holds no readable record. Its bytes stay where they are. */
export type SpoolDamage = Damage & { readonly segment: string };

const SEGMENT_NAME = /^[0-9]{8}\.spool$/;

/** Whether a file in the spool's folder is one of its segments, `00000001.spool` and on. */
export function isSpoolSegment(name: string): boolean {
  return SEGMENT_NAME.test(name);
}

/**
 * Every record that was received, in the order in which it came: segments that are only ever appended to. Nothing is
 * acknowledged before `append` has resolved. An incomplete last frame is cut off when the spool is opened; any other bad
 * place is reported and left as it is.
 */
export class Spool {
  readonly #storage: Storage;
  readonly #folder: string;
  readonly #hasher: BulkHasher;
  readonly #segmentBytes: number;
  readonly #segments = new Map<number, FrameFile>();
  #last = 0;
  #index = new SpoolIndex();
  /** Where the last record of the index ends in the last segment. */
  #indexedTo = 0;
  #isAppending = false;
  #damage: SpoolDamage[] = [];
  /** Bytes of an incomplete last frame that opening cut off. */
  cut = 0;

  private constructor(storage: Storage, folder: string, hasher: BulkHasher, segmentBytes: number) {
    this.#storage = storage;
    this.#folder = folder;
    this.#hasher = hasher;
    this.#segmentBytes = segmentBytes;
  }

  /** @param segmentBytes a segment that has grown beyond this is followed by the next one */
  static async open(
    storage: Storage,
    folder: string,
    hasher: BulkHasher,
    segmentBytes: number,
  ): Promise<Spool> {
    await storage.makeFolder(folder);
    const spool = new Spool(storage, folder, hasher, segmentBytes);
    const numbers = (await storage.list(folder))
      .filter(isSpoolSegment)
      .map((name) => Number.parseInt(name, 10));
    try {
      for (const number of numbers) await spool.#openSegment(number, number === numbers.at(-1));
    } catch (error) {
      await spool.close();
      throw error;
    }
    return spool;
  }

  get index(): SpoolIndex {
    return this.#index;
  }

  /** As opening it, or the last time that it was read again, has found it. */
  get damage(): readonly SpoolDamage[] {
    return this.#damage;
  }

  get failure(): MetersealError | undefined {
    return this.#segments.get(this.#last)?.failure;
  }

  /**
   * Appends records and waits until they are on the disk.
   *
   * @throws MetersealError `commit-failed`, `disk-full`: then the spool accepts nothing more until it is opened again
   */
  async append(records: readonly SpoolRecord[]): Promise<void> {
    if (records.length === 0) return;
    let file = this.#segments.get(this.#last);
    if (file === undefined || (file.size >= this.#segmentBytes && file.failure === undefined)) {
      try {
        file = await this.#openSegment(this.#last + 1, true);
      } catch (cause) {
        throw storeError('records', cause);
      }
    }
    this.#isAppending = true;
    try {
      let offset = await file.append(Buffer.concat(records.map((record) => encodeSpoolFrame(record))));
      for (const { record, ...row } of records) {
        this.#index.add({ ...row, segment: this.#last, offset, length: record.length });
        offset += FRAME_HEADER_BYTES + SPOOL_LEAD_BYTES + record.length;
      }
      this.#indexedTo = offset;
    } finally {
      this.#isAppending = false;
    }
  }

  /**
   * The record of a row of an index of this spool, as it is on the disk now.
   *
   * @throws MetersealError `file-damaged`
   */
  async read(index: HeldRecords, row: number): Promise<Uint8Array> {
    const { segment, offset, length } = index.place(row);
    const body = await this.#segments.get(segment)!.read(offset, length);
    return splitSpoolFrame(body).record;
  }

  /**
   * Reads everything that is on the disk now and hashes it again: what a comparison judges is what is held, not what was
   * once received. Where it is not what the index knows, the index becomes what was found. Records that are appended
   * meanwhile are not among those that it answers.
   */
  async reread(): Promise<HeldRecords> {
    const look = new SpoolReread(this.#index, this.#hasher);
    const last = this.#last;
    const indexedTo = this.#indexedTo;
    const wasAppending = this.#isAppending;
    const segments = [...this.#segments];
    const sizes = await Promise.all(segments.map(([, file]) => file.sizeOnDisk()));
    // What an append has added to the file by now is in the index only when it is done.
    const isStill =
      !wasAppending && !this.#isAppending && this.#indexedTo === indexedTo && this.#last === last;
    for (const [i, [number, file]] of segments.entries()) {
      const isLast = number === last;
      const end = isLast && !isStill ? Math.min(sizes[i]!, indexedTo) : sizes[i]!;
      await look.read(number, file, end, isLast);
    }
    const { index, seen } = look.finish();
    this.#index = index;
    this.#damage = look.damage.map(({ segment, place }) => ({ segment: segmentName(segment), ...place }));
    return index.upTo(seen);
  }

  /** What the index knows now, without a look at the disk. */
  held(): HeldRecords {
    return this.#index.upTo(this.#index.count);
  }

  async close(): Promise<void> {
    for (const file of this.#segments.values()) await file.close();
    this.#segments.clear();
  }

  async #openSegment(number: number, isLast: boolean): Promise<FrameFile> {
    const file = await FrameFile.open(
      this.#storage,
      join(this.#folder, segmentName(number)),
      { format: SPOOL_FORMAT, what: 'records', repair: isLast },
      (at, body) => this.#add(number, at, body),
    );
    this.#segments.set(number, file);
    this.#last = number;
    this.#indexedTo = file.size;
    const { damage, torn, cut } = file.found;
    this.cut += cut;
    for (const place of damage) this.#note(number, place);
    if (torn !== undefined && cut === 0) this.#note(number, { from: torn, to: file.size });
    return file;
  }

  #add(segment: number, at: number, body: Uint8Array): void {
    try {
      const { received, record } = splitSpoolFrame(body);
      const hash = this.#hasher.sha256(record);
      this.#index.add({ ...nameOf(record), hash, received, segment, offset: at, length: record.length });
    } catch (error) {
      if (!isMetersealError(error)) throw error;
      this.#note(segment, { from: at, to: at + FRAME_HEADER_BYTES + body.length });
    }
  }

  #note(segment: number, place: Damage): void {
    this.#damage.push({ segment: segmentName(segment), ...place });
  }
}

function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.spool`;
}
