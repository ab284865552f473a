import type {
  BlockEntries,
  BlockWrite,
  ChainStore,
  EnrolmentRow,
  EntryRange,
  IndexedType,
  MeterRow,
  StoredBlock,
  StoredTile,
  VerdictRow,
} from 'meterseal/internal/chain/store';

/** chain.db in memory: what was committed. That it answers as the SQLite store does shows memory-chain-store.test.ts. */
export class MemoryChainStore implements ChainStore {
  #platformId: string | undefined;
  /** How many rows of each table a power cut leaves. */
  #synced = [0, 0, 0, 0, 0, 0];
  readonly #blocks: StoredBlock[] = [];
  readonly #tiles: StoredTile[] = [];
  readonly #ranges: EntryRange[] = [];
  readonly #meters: MeterRow[] = [];
  readonly #enrolments: EnrolmentRow[] = [];
  readonly #verdicts: VerdictRow[] = [];

  async platformId(): Promise<string | undefined> {
    return this.#platformId;
  }

  async head(): Promise<StoredBlock | undefined> {
    return this.#blocks.at(-1);
  }

  async blockAtHeight(height: number): Promise<StoredBlock | undefined> {
    return this.#blocks[height - 1];
  }

  async blockAtIndex(index: number): Promise<StoredBlock | undefined> {
    return this.#blocks.findLast(
      ({ firstIndex, count }) => firstIndex <= index && index < firstIndex + count,
    );
  }

  async blocksOver(from: number, to: number): Promise<BlockEntries[]> {
    return this.#blocks
      .filter(({ firstIndex, count }) => firstIndex < to && firstIndex + count > from)
      .map(({ height, firstIndex, count, entries }) => ({ height, firstIndex, count, entries }));
  }

  async *blocks(fromHeight: number, toHeight = Number.MAX_SAFE_INTEGER): AsyncGenerator<StoredBlock> {
    yield* this.#blocks.slice(fromHeight - 1, toHeight);
  }

  async tile(level: number, index: number): Promise<Uint8Array | undefined> {
    return this.#tiles.find((tile) => tile.level === level && tile.index === index)?.hashes;
  }

  async heightOf(
    type: IndexedType,
    subject: number,
    seq: number,
    notAbove = Number.MAX_SAFE_INTEGER,
  ): Promise<number | undefined> {
    let best: EntryRange | undefined;
    for (const range of this.#ranges) {
      if (range.type !== type || range.subject !== subject || range.first > seq || range.height > notAbove)
        continue;
      if (
        best === undefined ||
        range.first > best.first ||
        (range.first === best.first && range.height > best.height)
      )
        best = range;
    }
    return best !== undefined && best.last >= seq ? best.height : undefined;
  }

  async verdict(hash: Uint8Array): Promise<VerdictRow | undefined> {
    return this.#verdicts.find((row) => Buffer.compare(row.hash, hash) === 0);
  }

  snapshot<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  async meters(): Promise<MeterRow[]> {
    return [...this.#meters].sort((a, b) => a.subject - b.subject);
  }

  async enrolments(): Promise<EnrolmentRow[]> {
    return [...this.#enrolments].sort((a, b) => a.index - b.index);
  }

  async verdicts(): Promise<VerdictRow[]> {
    return [...this.#verdicts].sort((a, b) => a.index - b.index);
  }

  async ranges(height: number): Promise<EntryRange[]> {
    return this.#ranges.filter((range) => range.height === height);
  }

  async counts(): Promise<{ tiles: number; ranges: number; blocks: number }> {
    return { tiles: this.#tiles.length, ranges: this.#ranges.length, blocks: this.#blocks.length };
  }

  async faults(): Promise<string[]> {
    return [];
  }

  async initialise(platformId: string): Promise<void> {
    this.#platformId = platformId;
  }

  async commit(write: BlockWrite): Promise<void> {
    this.commitNow(write, true);
  }

  /** The same as `commit`, over when it returns. @param isSynced false: a power cut before the next one takes it back */
  commitNow({ block, tiles, ranges, meters, enrolments, verdicts }: BlockWrite, isSynced: boolean): void {
    const head = this.#blocks.at(-1);
    if (block.height !== (head?.height ?? 0) + 1) throw new Error(`block ${block.height} is no next one`);
    this.#blocks.push(block);
    this.#tiles.push(...tiles);
    this.#ranges.push(...ranges);
    this.#meters.push(...meters);
    this.#enrolments.push(...enrolments);
    this.#verdicts.push(...verdicts);
    if (isSynced) this.sync();
  }

  sync(): void {
    this.#synced = this.#tables.map(({ length }) => length);
  }

  cutPower(): void {
    for (const [i, table] of this.#tables.entries()) table.length = this.#synced[i]!;
  }

  get #tables(): unknown[][] {
    return [this.#blocks, this.#tiles, this.#ranges, this.#meters, this.#enrolments, this.#verdicts];
  }

  /** The committed blocks, for a model that looks on. */
  get committed(): readonly StoredBlock[] {
    return this.#blocks;
  }

  async close(): Promise<void> {}
}
