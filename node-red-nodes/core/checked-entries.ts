import type { MetersealError } from '@meterseal/protocol';
import { ByteReader, ByteWriter } from '@meterseal/protocol';
import { Journal } from './journal.js';
import type { Storage } from './storage.js';

/*
 * One item of the file of checked entries: n × (u64 from | u64 to), runs of indexes from ≤ index < to.
 */

const MAX_RUNS = 4_000;

/**
 * Indexes of the entries whose signatures were once found good: of a session by the identity key, of a seal by the
 * session key over the held record. A signature costs a hundred times what the rest of an entry does, and what the
 * mirrored root covers cannot change behind it. To lose this file costs time only.
 */
export class CheckedEntries {
  readonly #size: number;
  #bits: Uint8Array;
  #journal: Journal | undefined;

  private constructor(size: number) {
    this.#size = size;
    this.#bits = new Uint8Array(Math.ceil(size / 8));
  }

  /** @param size entries of the mirror: marks beyond it belong to entries that were never committed */
  static async open(storage: Storage, path: string, size: number): Promise<CheckedEntries> {
    const checked = new CheckedEntries(size);
    checked.#journal = await Journal.open(storage, path, 'checked entries', (item) => {
      const from = new ByteReader(item, 'file-damaged');
      while (from.left > 0) {
        const start = from.u64();
        const end = Math.min(from.u64(), checked.#size);
        for (let index = start; index < end; index++) checked.#mark(index);
      }
    });
    return checked;
  }

  get failure(): MetersealError | undefined {
    return this.#journal!.failure;
  }

  has(index: number): boolean {
    return ((this.#bits[Math.floor(index / 8)] ?? 0) & (1 << (index % 8))) !== 0;
  }

  /**
   * @param indexes rising
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async add(indexes: readonly number[]): Promise<void> {
    const runs: { from: number; to: number }[] = [];
    for (const index of indexes) {
      const last = runs.at(-1);
      if (last?.to === index) last.to++;
      else runs.push({ from: index, to: index + 1 });
    }
    const items: Uint8Array[] = [];
    for (let i = 0; i < runs.length; i += MAX_RUNS) {
      const to = new ByteWriter();
      for (const run of runs.slice(i, i + MAX_RUNS)) to.u64(run.from).u64(run.to);
      items.push(to.done());
    }
    await this.#journal!.append(items);
    for (const index of indexes) this.#mark(index);
  }

  async close(): Promise<void> {
    await this.#journal!.close();
  }

  #mark(index: number): void {
    const at = Math.floor(index / 8);
    if (at >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(at + 1, 2 * this.#bits.length));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    this.#bits[at] = this.#bits[at]! | (1 << (index % 8));
  }
}
