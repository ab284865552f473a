import type { MetersealError } from '@meterseal/protocol';
import { isMetersealError } from '@meterseal/protocol';
import { FrameFile } from './frame-file.js';
import type { Damage, FrameFormat } from './frame-scanner.js';
import { FRAME_HEADER_BYTES, putFrame } from './frame-scanner.js';
import type { Storage } from './storage.js';

const NO_LEAD = new Uint8Array(0);
/** Longest item: a checkpoint note with its cosignatures and a compact range. */
const FORMAT: FrameFormat = { lead: 0, most: 65_536 };

/** An append-only file of small items: u32 length | u32 crc32 | item. What `append` resolved for is on the disk. */
export class Journal {
  readonly #file: FrameFile;
  readonly #damage: Damage[];

  private constructor(file: FrameFile, damage: Damage[]) {
    this.#file = file;
    this.#damage = damage;
  }

  /**
   * @param visit called for every item with its position; one that it cannot decode (it throws a MetersealError) is
   *   damage
   */
  static async open(
    storage: Storage,
    path: string,
    what: string,
    visit: (item: Uint8Array, at: number) => void,
  ): Promise<Journal> {
    const undecodable: Damage[] = [];
    const file = await FrameFile.open(storage, path, { format: FORMAT, what, repair: true }, (at, item) => {
      try {
        visit(item, at);
      } catch (error) {
        if (!isMetersealError(error)) throw error;
        undecodable.push({ from: at, to: at + FRAME_HEADER_BYTES + item.length });
      }
    });
    return new Journal(file, [...file.found.damage, ...undecodable]);
  }

  /** Places that hold no good item; nothing of them was changed. */
  get damage(): readonly Damage[] {
    return this.#damage;
  }

  /** Why it accepts nothing more. */
  get failure(): MetersealError | undefined {
    return this.#file.failure;
  }

  /**
   * @returns the position of each item
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async append(items: readonly Uint8Array[]): Promise<number[]> {
    if (items.length === 0) return [];
    const frames = new Uint8Array(items.reduce((sum, item) => sum + FRAME_HEADER_BYTES + item.length, 0));
    const positions: number[] = [];
    let at = 0;
    for (const item of items) {
      positions.push(at);
      at = putFrame(frames, at, NO_LEAD, item);
    }
    const start = await this.#file.append(frames);
    return positions.map((position) => start + position);
  }

  /** @throws MetersealError `file-damaged` */
  read(at: number, length: number): Promise<Uint8Array> {
    return this.#file.read(at, length);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
