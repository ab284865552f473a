import type { BulkHasher, NodeRef } from '@meterseal/protocol';
import {
  buildProof,
  concat,
  consistencyNodes,
  foldNodes,
  HASH_BYTES,
  inclusionNodes,
  leafHashes,
  MetersealError,
  nodeFromTile,
  placeOfNode,
  rootNodes,
  TILE_HEIGHT,
  TILE_WIDTH,
} from '@meterseal/protocol';
import { blockEntries } from './block.js';
import type { ChainReader, StoredTile } from './store.js';

/**
 * The right edge of the tree: per tile level the hashes behind the last full tile, 0 to 255 of them. Appending and the
 * root need no more; everything to the left lies in full tiles.
 *
 * Immutable: appending gives a new edge, so that what is published stays as it is until the commit is on disk.
 */
export class TreeEdge {
  /** Leaves of the tree. */
  readonly size: number;
  readonly #rows: readonly Uint8Array[];

  private constructor(size: number, rows: readonly Uint8Array[]) {
    this.size = size;
    this.#rows = rows;
  }

  static readonly EMPTY = new TreeEdge(0, []);

  /**
   * The edge of a stored tree, from its last entries and its last tiles: nothing else is read.
   *
   * @throws MetersealError `chain-damaged` where tiles or blocks are missing
   */
  static async load(h: BulkHasher, reader: ChainReader, size: number): Promise<TreeEdge> {
    const rows: Uint8Array[] = [];
    for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / TILE_WIDTH)) {
      const from = width - (width % TILE_WIDTH);
      if (level === 0) {
        rows.push(leafHashes(h, await entriesOf(reader, from, width)));
        continue;
      }
      const roots: Uint8Array[] = [];
      for (let index = from; index < width; index++) {
        roots.push(nodeFromTile(h, await fullTile(reader, level - 1, index), TILE_HEIGHT, 0));
      }
      rows.push(concat(...roots));
    }
    return new TreeEdge(size, rows);
  }

  /**
   * @param leaves n × 32 bytes of leaf hashes
   * @returns the edge behind them, and the tiles that they filled, lower levels first
   */
  append(h: BulkHasher, leaves: Uint8Array): { edge: TreeEdge; tiles: StoredTile[] } {
    const tiles: StoredTile[] = [];
    const rows: Uint8Array[] = [];
    let added = leaves;
    let before = this.size;
    for (let level = 0; added.length > 0; level++) {
      const row = concat(this.#rows[level] ?? new Uint8Array(0), added);
      const tileBytes = TILE_WIDTH * HASH_BYTES;
      const roots: Uint8Array[] = [];
      let at = 0;
      for (
        let index = Math.floor(before / TILE_WIDTH);
        at + tileBytes <= row.length;
        at += tileBytes, index++
      ) {
        const hashes = row.slice(at, at + tileBytes);
        tiles.push({ level, index, hashes });
        roots.push(nodeFromTile(h, hashes, TILE_HEIGHT, 0));
      }
      rows.push(row.slice(at));
      added = concat(...roots);
      before = Math.floor(before / TILE_WIDTH);
    }
    const size = this.size + leaves.length / HASH_BYTES;
    return { edge: new TreeEdge(size, [...rows, ...this.#rows.slice(rows.length)]), tiles };
  }

  /** Merkle tree hash of the whole tree, 32 bytes. */
  root(h: BulkHasher): Uint8Array {
    return foldNodes(
      h,
      rootNodes(this.size).map((node) => {
        const { tileLevel, tileIndex, level, index } = placeOfNode(node);
        return nodeFromTile(h, this.partial(tileLevel, tileIndex)!, level, index);
      }),
    );
  }

  /** The hashes of a tile that is not full yet; undefined if it is full, or not begun. */
  partial(level: number, index: number): Uint8Array | undefined {
    const row = this.#rows[level];
    const begun = Math.floor(this.size / TILE_WIDTH ** (level + 1));
    return row !== undefined && row.length > 0 && index === begun ? row : undefined;
  }
}

/** Hashes, tiles and proofs of one committed tree: full tiles from the store, the rest from the edge. */
export class TreeReader {
  readonly #h: BulkHasher;
  readonly #reader: ChainReader;
  readonly #edge: TreeEdge;

  constructor(h: BulkHasher, reader: ChainReader, edge: TreeEdge) {
    this.#h = h;
    this.#reader = reader;
    this.#edge = edge;
  }

  /** Inclusion proof of a leaf in the tree of `size` leaves, which may be an older one. */
  async inclusion(index: number, size = this.#edge.size): Promise<Uint8Array[]> {
    const plan = inclusionNodes(index, size);
    return buildProof(this.#h, plan, await this.#nodes(plan.flat()));
  }

  /** Consistency proof between two trees, both not larger than this one. */
  async consistency(from: number, to: number): Promise<Uint8Array[]> {
    const plan = consistencyNodes(from, to);
    return buildProof(this.#h, plan, await this.#nodes(plan.flat()));
  }

  /** Root of this tree when it had `size` leaves. */
  async rootAt(size: number): Promise<Uint8Array> {
    return foldNodes(this.#h, await this.#nodes(rootNodes(size)));
  }

  /**
   * The first `width` hashes of a tile.
   *
   * @returns undefined where this tree has not so many
   */
  async tile(level: number, index: number, width: number): Promise<Uint8Array | undefined> {
    const hashes = this.#edge.partial(level, index) ?? (await this.#reader.tile(level, index));
    return hashes === undefined || hashes.length < width * HASH_BYTES
      ? undefined
      : hashes.subarray(0, width * HASH_BYTES);
  }

  async #nodes(nodes: readonly NodeRef[]): Promise<Uint8Array[]> {
    const tiles = new Map<string, Uint8Array>();
    const hashes: Uint8Array[] = [];
    for (const node of nodes) {
      const { tileLevel, tileIndex, level, index } = placeOfNode(node);
      const name = `${tileLevel}/${tileIndex}`;
      const tile =
        tiles.get(name) ??
        this.#edge.partial(tileLevel, tileIndex) ??
        (await fullTile(this.#reader, tileLevel, tileIndex));
      tiles.set(name, tile);
      hashes.push(nodeFromTile(this.#h, tile, level, index));
    }
    return hashes;
  }
}

/**
 * The entries at `from` … `to` − 1.
 *
 * @throws MetersealError `chain-damaged` where they are not all there
 */
export async function entriesOf(reader: ChainReader, from: number, to: number): Promise<Uint8Array[]> {
  const entries: Uint8Array[] = [];
  for (let at = from; at < to; ) {
    const block = await reader.blockAtIndex(at);
    if (block === undefined) throw missing(`entry ${at}`);
    const taken = blockEntries(block).slice(at - block.firstIndex, to - block.firstIndex);
    if (taken.length === 0) throw missing(`entry ${at}`);
    entries.push(...taken);
    at += taken.length;
  }
  return entries;
}

async function fullTile(reader: ChainReader, level: number, index: number): Promise<Uint8Array> {
  const tile = await reader.tile(level, index);
  if (tile === undefined || tile.length !== TILE_WIDTH * HASH_BYTES) throw missing(`tile ${level}/${index}`);
  return tile;
}

function missing(what: string): MetersealError {
  return new MetersealError('chain-damaged', `couldn't read chain: ${what} is missing`, {
    hint: 'Run `meterseal fsck`; restore chain.db from its backup, and keep the damaged one.',
  });
}
