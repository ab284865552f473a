import type { Entry, EntryOf } from '@meterseal/protocol';
import { decodeEntry } from '@meterseal/protocol';
import { blockEntries } from './block.js';
import type { ChainReader, IndexedType, StoredBlock } from './store.js';

export type FoundEntry<T extends IndexedType> = {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly entry: EntryOf<T>;
};

type PlacedEntry = { readonly index: number; readonly bytes: Uint8Array; readonly entry: Entry };

/**
 * Looks entries up by type, subject and number. Blocks that were read stay in memory as long as the lookup: make a new one
 * for each request.
 */
export class EntryLookup {
  readonly #reader: ChainReader;
  readonly #blocks = new Map<number, PlacedEntry[]>();

  constructor(reader: ChainReader) {
    this.#reader = reader;
  }

  /**
   * The last entry of this number, for an enrolment (always number 0) the last one below `below`.
   *
   * @param below only entries at smaller indexes
   */
  async find<T extends IndexedType>(
    type: T,
    subject: number,
    seq: number,
    below = Number.MAX_SAFE_INTEGER,
  ): Promise<FoundEntry<T> | undefined> {
    const last = (await this.#reader.blockAtIndex(below))?.height;
    for (let notAbove = last; ; ) {
      const height = await this.#reader.heightOf(type, subject, seq, notAbove);
      if (height === undefined) return undefined;
      const found = (await this.#entries(height)).findLast(
        ({ entry, index }) =>
          entry.type === type && entry.subject === subject && entry.seq === seq && index < below,
      );
      if (found !== undefined) return { ...found, entry: found.entry as EntryOf<T> };
      notAbove = height - 1;
    }
  }

  async #entries(height: number): Promise<PlacedEntry[]> {
    const known = this.#blocks.get(height);
    if (known !== undefined) return known;
    const block = await this.#reader.blockAtHeight(height);
    const entries = block === undefined ? [] : decodeBlock(block);
    this.#blocks.set(height, entries);
    return entries;
  }
}

function decodeBlock(block: StoredBlock): PlacedEntry[] {
  return blockEntries(block).map((bytes, i) => ({
    index: block.firstIndex + i,
    bytes,
    entry: decodeEntry(bytes),
  }));
}
