import { join } from 'node:path';
import type { Hasher } from '@meterseal/protocol';
import { fromUtf8, isMeterId, isMetersealError, MetersealError } from '@meterseal/protocol';
import { FrameFile } from './frame-file.js';
import type { Damage, ScanResult } from './frame-scanner.js';
import { FRAME_HEADER_BYTES } from './frame-scanner.js';
import { encodeSpoolFrame, SPOOL_FORMAT, SPOOL_LEAD_BYTES, splitSpoolFrame } from './spool-frame.js';
import { SpoolIndex } from './spool-index.js';
import type { Storage } from './storage.js';
import { storeError } from './storage.js';

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
  readonly #hasher: Hasher;
  readonly #segmentBytes: number;
  readonly #segments = new Map<number, FrameFile>();
  #last = 0;
  readonly index = new SpoolIndex();
  readonly damage: SpoolDamage[] = [];
  /** Bytes of an incomplete last frame that opening cut off. */
  cut = 0;

  private constructor(storage: Storage, folder: string, hasher: Hasher, segmentBytes: number) {
    this.#storage = storage;
    this.#folder = folder;
    this.#hasher = hasher;
    this.#segmentBytes = segmentBytes;
  }

  /** @param segmentBytes a segment that has grown beyond this is followed by the next one */
  static async open(storage: Storage, folder: string, hasher: Hasher, segmentBytes: number): Promise<Spool> {
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
    const start = await file.append(Buffer.concat(records.map((record) => encodeSpoolFrame(record))));
    let offset = start;
    for (const { record, ...row } of records) {
      this.index.add({ ...row, segment: this.#last, offset, length: record.length });
      offset += FRAME_HEADER_BYTES + SPOOL_LEAD_BYTES + record.length;
    }
  }

  /**
   * The record of a row of an index of this spool, as it is on the disk now.
   *
   * @throws MetersealError `file-damaged`
   */
  async read(index: SpoolIndex, row: number): Promise<Uint8Array> {
    const { segment, offset, length } = index.place(row);
    const body = await this.#segments.get(segment)!.read(offset, length);
    return splitSpoolFrame(body).record;
  }

  /**
   * Reads everything that is on the disk now and hashes it again: what a comparison judges is what is held, not what
   * was once received. Records that are appended meanwhile may be missing.
   */
  async readAll(): Promise<{ index: SpoolIndex; damage: readonly SpoolDamage[] }> {
    const index = new SpoolIndex();
    const damage: SpoolDamage[] = [];
    for (const [segment, file] of [...this.#segments]) {
      const found = await file.scan((at, body) => this.#visit(index, damage, segment, at, body));
      const torn = segment === this.#last ? undefined : found.torn;
      this.#note(damage, segment, { ...found, torn }, file.size);
    }
    return { index, damage };
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
      (at, body) => this.#visit(this.index, this.damage, number, at, body),
    );
    this.#segments.set(number, file);
    this.#last = number;
    this.cut += file.found.cut;
    this.#note(
      this.damage,
      number,
      file.found.cut > 0 ? { ...file.found, torn: undefined } : file.found,
      file.size,
    );
    return file;
  }

  #visit(index: SpoolIndex, damage: SpoolDamage[], segment: number, at: number, body: Uint8Array): void {
    try {
      const { received, record } = splitSpoolFrame(body);
      const { meter, seq, replaces } = nameOf(record);
      const hash = this.#hasher.sha256(record);
      index.add({ meter, seq, hash, received, segment, offset: at, length: record.length, replaces });
    } catch (error) {
      if (!isMetersealError(error)) throw error;
      damage.push({ segment: segmentName(segment), from: at, to: at + FRAME_HEADER_BYTES + body.length });
    }
  }

  #note(damage: SpoolDamage[], segment: number, found: ScanResult, size: number): void {
    const torn = found.torn === undefined ? [] : [{ from: found.torn, to: size }];
    for (const place of [...found.damage, ...torn]) damage.push({ segment: segmentName(segment), ...place });
  }
}

function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.spool`;
}

/**
 * Meter, number and void mark of a record. Whether it is a record in every other respect shows its hash: the strict
 * decoder has seen it before it was stored, and would cost much more than it finds.
 *
 * @throws MetersealError `bad-record`
 */
function nameOf(record: Uint8Array): { meter: string; seq: number; replaces: string | undefined } {
  let parsed: { meter?: unknown; seq?: unknown; void?: { replaces?: unknown } | null } | null;
  try {
    parsed = JSON.parse(fromUtf8(record, 'bad-record'));
  } catch (cause) {
    throw new MetersealError('bad-record', "couldn't read record: not JSON", { cause });
  }
  const { meter, seq } = parsed ?? {};
  if (!isMeterId(meter) || typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) {
    throw new MetersealError('bad-record', "couldn't read record: it names no meter and number");
  }
  const replaces = parsed?.void?.replaces;
  return { meter, seq, replaces: typeof replaces === 'string' ? replaces : undefined };
}
