import type { EntryType } from '@meterseal/protocol';

/** What one commit appended, as it is stored. */
export type StoredBlock = {
  /** From 1. */
  readonly height: number;
  readonly firstIndex: number;
  /** Entries, with the block-close. */
  readonly count: number;
  /** Commit time, milliseconds since 1970. */
  readonly time: number;
  /** Of the tree that ends with this block. */
  readonly root: Uint8Array;
  /** The signed checkpoint over that tree. */
  readonly note: string;
  /** (u16 length ‖ entry)*, the block-close last. */
  readonly entries: Uint8Array;
};

/** Where a block lies in the chain, and its entries. */
export type BlockEntries = Pick<StoredBlock, 'height' | 'firstIndex' | 'count' | 'entries'>;

/** A full tile of hashes, 8,192 bytes. */
export type StoredTile = { readonly level: number; readonly index: number; readonly hashes: Uint8Array };

/** Types of entries that can be looked up by their number. */
export type IndexedType = Extract<EntryType, 'enrolment' | 'session' | 'reading' | 'switch'>;

/** "Numbers `first` to `last` of this type and subject stand in the block of this height." */
export type EntryRange = {
  readonly type: IndexedType;
  readonly subject: number;
  readonly first: number;
  readonly last: number;
  readonly height: number;
};

export type MeterRow = { readonly subject: number; readonly meter: string; readonly salt: Uint8Array };

/** What the platform keeps of an enrolment besides its entry 01. */
export type EnrolmentRow = {
  readonly index: number;
  readonly subject: number;
  /** SHA-256 of the one-time code, which is spent. */
  readonly codeHash: Uint8Array;
  readonly holderSalt: Uint8Array;
  readonly nonce: Uint8Array;
  /** SHA-256 over the fields before, see `enrolmentDigest`. */
  readonly digest: Uint8Array;
};

export type VerdictRow = {
  readonly hash: Uint8Array;
  readonly index: number;
  /** Statement ‖ signature. */
  readonly signed: Uint8Array;
};

/** Everything that one commit writes. */
export type BlockWrite = {
  readonly block: StoredBlock;
  /** Tiles that this block filled. */
  readonly tiles: readonly StoredTile[];
  readonly ranges: readonly EntryRange[];
  readonly meters: readonly MeterRow[];
  readonly enrolments: readonly EnrolmentRow[];
  readonly verdicts: readonly VerdictRow[];
};

/**
 * The committed chain. An answer never holds anything of a commit that is still under way.
 * Every method throws MetersealError `chain-damaged` where the store itself is damaged.
 */
export interface ChainReader {
  /** The platform ID that the store was made for; undefined for an empty store. */
  platformId(): Promise<string | undefined>;
  head(): Promise<StoredBlock | undefined>;
  blockAtHeight(height: number): Promise<StoredBlock | undefined>;
  /** The block that holds the entry at `index`. */
  blockAtIndex(index: number): Promise<StoredBlock | undefined>;
  /** All blocks that hold entries of `from` … `to` − 1, in order. */
  blocksOver(from: number, to: number): Promise<BlockEntries[]>;
  /** Blocks in the order of their heights. */
  blocks(fromHeight: number, toHeight?: number): AsyncIterable<StoredBlock>;
  tile(level: number, index: number): Promise<Uint8Array | undefined>;
  /** The height of the last block, not above `notAbove`, in which an entry of this number may stand. */
  heightOf(type: IndexedType, subject: number, seq: number, notAbove?: number): Promise<number | undefined>;
  verdict(hash: Uint8Array): Promise<VerdictRow | undefined>;

  /** Lets `work` read one state of the store, whatever is committed meanwhile. */
  snapshot<T>(work: () => Promise<T>): Promise<T>;

  /** Whole tables, for recovery and `fsck`. */
  meters(): Promise<MeterRow[]>;
  enrolments(): Promise<EnrolmentRow[]>;
  verdicts(): Promise<VerdictRow[]>;
  ranges(height: number): Promise<EntryRange[]>;
  /** Number of tiles, ranges and blocks: finds rows that belong to nothing. */
  counts(): Promise<{ tiles: number; ranges: number; blocks: number }>;
  /** What the storage engine itself finds wrong; empty if nothing. */
  faults(): Promise<string[]>;
  close(): Promise<void>;
}

/** The one writer. */
export interface ChainStore extends ChainReader {
  /** Marks an empty store as this platform's. */
  initialise(platformId: string): Promise<void>;
  /**
   * Writes one block, whole or not at all; when it resolves, the block survives a power cut. When it rejects, nothing is
   * known: the block may be there or not, and this store must not be used again.
   */
  commit(write: BlockWrite): Promise<void>;
}
