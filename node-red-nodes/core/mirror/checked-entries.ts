import type { MetersealError } from '@meterseal/protocol';
import { ByteReader, ByteWriter } from '@meterseal/protocol';
import { Journal } from '../storage/journal.js';
import type { Storage } from '../storage/storage.js';

/*
 * One item of the file of checked entries: u8 (1 good 2 bad) | n × (u64 from | u64 to), runs of indexes from ≤ index < to.
 */
const GOOD = 1;
const BAD = 2;

const MAX_RUNS = 4_000;
/** Bad seals that are remembered: whoever writes to the file must not fill the memory. */
const MAX_BAD = 10_000;

/**
 * Indexes of the entries whose signatures were once checked: of a session by the identity key, of a seal by the session
 * key over the held record. A signature costs a hundred times what the rest of an entry does, and what the mirrored root
 * covers cannot change behind it. To lose this file costs time only: what is marked bad is checked again before it is
 * told to anybody.
 */
export class CheckedEntries {
  readonly #size: number;
  #good: Uint8Array;
  readonly #bad = new Set<number>();
  #journal: Journal | undefined;

  private constructor(size: number) {
    this.#size = size;
    this.#good = new Uint8Array(Math.ceil(size / 8));
  }

  /** @param size entries of the mirror: marks beyond it belong to entries that were never committed */
  static async open(storage: Storage, path: string, size: number): Promise<CheckedEntries> {
    const checked = new CheckedEntries(size);
    checked.#journal = await Journal.open(storage, path, 'checked entries', (item) => {
      const from = new ByteReader(item, 'file-damaged');
      const kind = from.oneOf([GOOD, BAD], 'kind');
      while (from.left > 0) {
        const start = from.u64();
        const end = Math.min(from.u64(), checked.#size);
        for (let index = start; index < end; index++) checked.#mark(index, kind);
      }
    });
    return checked;
  }

  get failure(): MetersealError | undefined {
    return this.#journal!.failure;
  }

  isGood(index: number): boolean {
    return ((this.#good[Math.floor(index / 8)] ?? 0) & (1 << (index % 8))) !== 0;
  }

  /** True if its seal was once found bad. */
  isBad(index: number): boolean {
    return this.#bad.has(index);
  }

  get hasBad(): boolean {
    return this.#bad.size > 0;
  }

  /**
   * @param good indexes, rising
   * @param bad indexes, rising
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async add(good: readonly number[], bad: readonly number[] = []): Promise<void> {
    const news = bad.filter((index) => !this.#bad.has(index));
    await this.#journal!.append([...encode(GOOD, good), ...encode(BAD, news)]);
    for (const index of good) this.#mark(index, GOOD);
    for (const index of news) this.#mark(index, BAD);
  }

  async close(): Promise<void> {
    await this.#journal!.close();
  }

  #mark(index: number, kind: typeof GOOD | typeof BAD): void {
    if (kind === BAD) {
      if (this.#bad.size < MAX_BAD && !this.isGood(index)) this.#bad.add(index);
      return;
    }
    this.#bad.delete(index);
    const at = Math.floor(index / 8);
    if (at >= this.#good.length) {
      const grown = new Uint8Array(Math.max(at + 1, 2 * this.#good.length));
      grown.set(this.#good);
      this.#good = grown;
    }
    this.#good[at] = this.#good[at]! | (1 << (index % 8));
  }
}

function encode(kind: typeof GOOD | typeof BAD, indexes: readonly number[]): Uint8Array[] {
  const runs: { from: number; to: number }[] = [];
  for (const index of indexes) {
    const last = runs.at(-1);
    if (last?.to === index) last.to++;
    else runs.push({ from: index, to: index + 1 });
  }
  const items: Uint8Array[] = [];
  for (let i = 0; i < runs.length; i += MAX_RUNS) {
    const to = new ByteWriter().u8(kind);
    for (const run of runs.slice(i, i + MAX_RUNS)) to.u64(run.from).u64(run.to);
    items.push(to.done());
  }
  return items;
}
