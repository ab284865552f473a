import type { MetersealError } from '@meterseal/protocol';
import type { FrameFormat, FrameVisitor, ScanResult } from './frame-scanner.js';
import { FRAME_HEADER_BYTES, FrameScanner } from './frame-scanner.js';
import { ReadAhead } from './read-ahead.js';
import type { Storage, StoredFile } from './storage.js';
import { readExactly, storeError } from './storage.js';

/** Bytes read at a time: large enough to be fast, small enough for a small machine. */
const PIECE_BYTES = 4 * 1024 * 1024;

/**
 * One append-only file of frames. What `append` resolved for is on the disk. After a write that failed it accepts
 * nothing more: only opening it again shows what has become of that write.
 */
export class FrameFile {
  readonly #file: StoredFile;
  readonly #format: FrameFormat;
  readonly #what: string;
  #size: number;
  #failure: MetersealError | undefined;
  /** What opening it found, and bytes of an incomplete last frame that it cut off. */
  readonly found: ScanResult & { readonly cut: number };

  private constructor(
    file: StoredFile,
    format: FrameFormat,
    what: string,
    size: number,
    found: FrameFile['found'],
  ) {
    this.#file = file;
    this.#format = format;
    this.#what = what;
    this.#size = size;
    this.found = found;
  }

  /**
   * @param what messages call it so: "couldn't store <what>"
   * @param repair cut off an incomplete last frame
   * @param visit called for every good frame, in order
   */
  static async open(
    storage: Storage,
    path: string,
    options: { readonly format: FrameFormat; readonly what: string; readonly repair: boolean },
    visit: FrameVisitor,
  ): Promise<FrameFile> {
    const { format, what, repair } = options;
    const file = await storage.open(path);
    try {
      let size = await file.size();
      const found = await scan(file, 0, size, format, visit);
      let cut = 0;
      if (repair && found.torn !== undefined) {
        cut = size - found.torn;
        size = found.torn;
        await file.truncate(size);
      }
      // A process that was killed may have written what it did not live to sync: it must be on the disk before anything
      // is said to be held because of it.
      await file.sync();
      return new FrameFile(file, format, what, size, { ...found, cut });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get size(): number {
    return this.#size;
  }

  get failure(): MetersealError | undefined {
    return this.#failure;
  }

  /**
   * Appends whole frames and waits until they are on the disk.
   *
   * @param frames one or more, as `putFrame` writes them
   * @returns where the first one starts
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async append(frames: Uint8Array): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure;
    const at = this.#size;
    try {
      await this.#file.write(frames, at);
      await this.#file.sync();
    } catch (cause) {
      this.#failure = storeError(this.#what, cause);
      throw this.#failure;
    }
    this.#size = at + frames.length;
    return at;
  }

  /**
   * Lead and content of the frame at a position. Its checksum is not looked at: whoever reads has a better one.
   *
   * @param contentLength as the frame's visitor saw it
   * @throws MetersealError `file-damaged`
   */
  read(at: number, contentLength: number): Promise<Uint8Array> {
    return readExactly(this.#file, at + FRAME_HEADER_BYTES, this.#format.lead + contentLength);
  }

  /** Bytes of the file as it is now, whoever wrote them. */
  sizeOnDisk(): Promise<number> {
    return this.#file.size();
  }

  /** Reads the file as it is now. @param end nothing is read from there on */
  readAhead(end: number): ReadAhead {
    return new ReadAhead(this.#file, end);
  }

  /** Visits every good frame between two places of the file as it is now; `from` is where one may start. */
  scan(visit: FrameVisitor, from: number, end: number): Promise<ScanResult> {
    return scan(this.#file, from, end, this.#format, visit);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function scan(
  file: StoredFile,
  from: number,
  end: number,
  format: FrameFormat,
  visit: FrameVisitor,
): Promise<ScanResult> {
  const scanner = new FrameScanner(format, visit, from);
  for (let at = from; at < end; ) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, end - at));
    const got = await file.read(piece, at);
    if (got === 0) break;
    scanner.feed(piece.subarray(0, got));
    at += got;
  }
  return scanner.end();
}
