/**
 * Tiles and entry bundles, c2sp.org/tlog-tiles:
 *
 * ```
 * tile/<L>/<N>[.p/<W>]         hash[32] × 256 (or W), tile N of level L: roots of subtrees of 256^L leaves
 * tile/entries/<N>[.p/<W>]     (u16 length ‖ entry) × 256 (or W)
 * N in groups of three digits, all but the last with an x: 1234067 is x001/x234/067
 * ```
 */

import { ByteWriter, copyBytes } from './bytes.js';
import type { BulkHasher } from './crypto.js';
import type { ErrorCode } from './errors.js';
import { MetersealError } from './errors.js';
import { MAX_ENTRY_BYTES, MAX_INTEGER } from './limits.js';
import { HASH_BYTES } from './merkle/hash.js';
import type { NodeRef } from './merkle/proof-plan.js';

/** Levels of the tree that one tile spans. */
export const TILE_HEIGHT = 8;
/** Hashes of a full tile, entries of a full bundle. */
export const TILE_WIDTH = 256;

const MAX_TILE_LEVEL = 63;

export interface TileRef {
  /** 0 holds leaf hashes; `entries` is a bundle of the entries themselves. */
  readonly level: number | 'entries';
  readonly index: number;
  /** 256, or 1…255 for a partial tile. */
  readonly width: number;
}

/** Path of a tile below the log's prefix, for example `tile/0/x001/x234/067.p/12`. */
export function tilePath(tile: TileRef): string {
  const { level, index, width } = tile;
  const validLevel = level === 'entries' || isInteger(level, 0, MAX_TILE_LEVEL);
  if (!validLevel || !isInteger(index, 0, MAX_INTEGER) || !isInteger(width, 1, TILE_WIDTH)) {
    throw new MetersealError(
      'bad-argument',
      `couldn't name tile: level ${level}, index ${index}, width ${width}`,
    );
  }
  const groups: string[] = [];
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`${groups.length > 0 ? 'x' : ''}${String(rest % 1000).padStart(3, '0')}`);
  }
  return `tile/${level}/${groups.join('/')}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/**
 * @throws MetersealError `bad-request` for anything that `tilePath` would not give
 */
export function parseTilePath(path: string): TileRef {
  const parts = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(
    path,
  );
  if (parts !== null) {
    const index = Number(parts[2]!.replaceAll(/[x/]/g, ''));
    const level = parts[1] === 'entries' ? 'entries' : Number(parts[1]);
    const width = parts[3] === undefined ? TILE_WIDTH : Number(parts[3]);
    const valid =
      index <= MAX_INTEGER &&
      width >= 1 &&
      width <= TILE_WIDTH &&
      (level === 'entries' || level <= MAX_TILE_LEVEL);
    if (valid && tilePath({ level, index, width }) === path) return { level, index, width };
  }
  throw new MetersealError('bad-request', "couldn't parse tile path: not of the form tile/<L>/<N>[.p/<W>]");
}

/**
 * Hashes that a tile has in a tree of `size` leaves: 256 if full, 0 if it does not exist.
 *
 * @param level of the tile; `entries` counts like 0
 */
export function tileWidth(level: number | 'entries', index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** (level === 'entries' ? 0 : level));
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH));
}

/**
 * The tiles of hashes that become full when a tree grows, lower levels first. The tiles of a level above need the
 * roots of those below.
 *
 * @param from leaves before
 * @param to leaves after
 */
export function filledTiles(from: number, to: number): TileRef[] {
  const tiles: TileRef[] = [];
  for (let level = 0; TILE_WIDTH ** (level + 1) <= to; level++) {
    const span = TILE_WIDTH ** (level + 1);
    for (let index = Math.floor(from / span); index < Math.floor(to / span); index++) {
      tiles.push({ level, index, width: TILE_WIDTH });
    }
  }
  return tiles;
}

/** Where a perfect subtree stands: which tile, and which node above the tile's hashes. */
export interface NodePlace {
  readonly tileLevel: number;
  readonly tileIndex: number;
  /** Levels above the tile's own hashes, 0…7. */
  readonly level: number;
  /** Index at that level within the tile. */
  readonly index: number;
}

/** The place of a node of a `ProofPlan`. Whether its tile is full follows from the tree's size, see `tileWidth`. */
export function placeOfNode(node: NodeRef): NodePlace {
  const level = node.level % TILE_HEIGHT;
  const nodesPerTile = 2 ** (TILE_HEIGHT - level);
  return {
    tileLevel: Math.floor(node.level / TILE_HEIGHT),
    tileIndex: Math.floor(node.index / nodesPerTile),
    level,
    index: node.index % nodesPerTile,
  };
}

/**
 * Hash of the perfect subtree over the tile's hashes index · 2^level … (index + 1) · 2^level − 1.
 *
 * @param tile 1…256 × 32 bytes
 * @param level 0…8; 8 is the root of a full tile, a hash of the tile above
 * @throws MetersealError `bad-argument` if the tile is too narrow
 */
export function nodeFromTile(h: BulkHasher, tile: Uint8Array, level: number, index: number): Uint8Array {
  const wide = isInteger(tile.length / HASH_BYTES, 1, TILE_WIDTH);
  const known = isInteger(level, 0, TILE_HEIGHT) && isInteger(index, 0, TILE_WIDTH);
  const bytes = HASH_BYTES * 2 ** level;
  if (!wide || !known || (index + 1) * bytes > tile.length) {
    throw new MetersealError(
      'bad-argument',
      `couldn't find node ${level}/${index} in a tile of ${tile.length} bytes`,
    );
  }
  const hashes = tile.subarray(index * bytes, (index + 1) * bytes);
  return level === 0 ? copyBytes(hashes) : h.merkleRoot(hashes);
}

/** Entries, each with its length: a bundle, or an answer to GET /entries. */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter();
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) {
      throw new MetersealError('bad-argument', `couldn't encode entries: one of ${entry.length} bytes`);
    }
    writer.u16(entry.length).bytes(entry);
  }
  return writer.done();
}

/**
 * The entries as they lie one behind the other, not decoded: views into `bytes`, because a million of them are read
 * in one comparison.
 *
 * @param most entries that may be there: 256 in a bundle, 4,096 in an answer to GET /entries
 * @param code of the error
 * @throws MetersealError with `code` for bytes that end early or too many entries
 */
export function decodeEntries(
  bytes: Uint8Array,
  most: number = TILE_WIDTH,
  code: ErrorCode = 'bad-encoding',
): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at + 2;
    const end = start + bytes[at]! * 256 + (bytes[at + 1] ?? 0);
    if (start > bytes.length || end > bytes.length) refuse(`entry ${entries.length} ends early`);
    if (entries.length === most) refuse(`more than ${most}`);
    entries.push(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start));
    at = end;
  }
  return entries;

  function refuse(what: string): never {
    throw new MetersealError(code, `couldn't decode entries: ${what}`);
  }
}

function isInteger(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
