import { MetersealError } from '@meterseal/protocol';
import type { BlockEntries, ChainReader } from './store.js';

/**
 * Entries as GET /entries answers them, (u16 length ‖ entry)*, cut out of the blocks' BLOBs as they lie there: nothing is
 * decoded or copied, because a comparison may ask for a million of them.
 */
export class EntryLists {
  readonly #reader: Pick<ChainReader, 'blocksOver'>;
  /** The block that the last answer ended with: the next one begins with it. Committed blocks never change. */
  #border: BlockEntries | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(reader: Pick<ChainReader, 'blocksOver'>) {
    this.#reader = reader;
  }

  /**
   * The entries at `from` … `to` − 1.
   *
   * @returns pieces that follow one another
   * @throws MetersealError `chain-damaged` where they are not all there
   */
  pieces(from: number, to: number): Promise<Uint8Array[]> {
    // One after the other, as the store reads anyway: so that requests for neighbouring entries find the border.
    const pieces = this.#queue.then(() => this.#pieces(from, to));
    this.#queue = pieces.catch(() => {});
    return pieces;
  }

  async #pieces(from: number, to: number): Promise<Uint8Array[]> {
    const pieces: Uint8Array[] = [];
    if (from === to) return pieces;
    let at = from;
    const take = (block: BlockEntries): void => {
      const end = Math.min(to, block.firstIndex + block.count);
      if (block.firstIndex > at || end <= at) throw damaged(`entry ${at} is missing`);
      pieces.push(cut(block, at - block.firstIndex, end - block.firstIndex));
      at = end;
      this.#border = block;
    };
    const border = this.#border;
    if (border !== undefined && border.firstIndex <= from && from < border.firstIndex + border.count) {
      take(border);
    }
    if (at < to) for (const block of await this.#reader.blocksOver(at, to)) take(block);
    if (at < to) throw damaged(`entry ${at} is missing`);
    return pieces;
  }
}

/** The part of a block's BLOB that holds its entries `from` … `to` − 1. */
function cut({ height, entries, count }: BlockEntries, from: number, to: number): Uint8Array {
  let at = 0;
  let start = 0;
  for (let i = 0; i < to; i++) {
    if (i === from) start = at;
    at += 2 + entries[at]! * 256 + entries[at + 1]!;
    // Also where a length itself was cut off: no number compares with it.
    if (!(at <= entries.length)) throw damaged(`block ${height} ends early`);
  }
  if (to === count && at !== entries.length) throw damaged(`block ${height} has more than ${count} entries`);
  return entries.subarray(start, at);
}

function damaged(what: string): MetersealError {
  return new MetersealError('chain-damaged', `couldn't read chain: ${what}`, {
    hint: 'Run `meterseal fsck`; restore chain.db from its backup, and keep the damaged one.',
  });
}
