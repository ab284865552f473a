/**
 * The compact range of a tree: the roots of the perfect subtrees that its size decomposes into, largest first.
 * It is all that appending and the root need, at most 53 hashes.
 *
 * ```
 * encoded:  u64 size ‖ hash[32] for every 1 bit of size, from the highest
 * ```
 */

import { ByteReader, ByteWriter, copyBytes } from '../bytes.js';
import type { BulkHasher, Hasher } from '../crypto.js';
import type { ErrorCode } from '../errors.js';
import { MetersealError } from '../errors.js';
import { MAX_INTEGER } from '../limits.js';
import { emptyRoot, HASH_BYTES, nodeHash } from './hash.js';

/** Immutable: appending gives a new range, so that a commit that fails leaves the old one as it was. */
export interface CompactRange {
  /** Number of leaves. */
  readonly size: number;
  /** Roots of the perfect subtrees, leftmost and largest first; one for each 1 bit of `size`. */
  readonly hashes: readonly Uint8Array[];
}

/** Leaves that are hashed in one call at most: an engine bounds its calls, and blocks its thread meanwhile. */
const MAX_CALL_LEAVES = 2 ** 20;

/** The range of the tree without leaves. */
export const EMPTY_RANGE: CompactRange = Object.freeze({ size: 0, hashes: Object.freeze([]) });

/**
 * The range with one more leaf.
 *
 * @param leafHash RFC 6962 leaf hash, 32 bytes
 */
export function appendLeaf(h: Hasher, range: CompactRange, leafHash: Uint8Array): CompactRange {
  checkHash(leafHash);
  checkGrowth(range.size, 1);
  const hashes = [...range.hashes];
  pushSubtree(h, hashes, range.size, copyBytes(leafHash));
  return { size: range.size + 1, hashes };
}

/**
 * The range with many more leaves; perfect subtrees are hashed whole, one call of the hasher for each.
 *
 * @param packed n × 32 bytes of RFC 6962 leaf hashes
 */
export function appendLeaves(h: BulkHasher, range: CompactRange, packed: Uint8Array): CompactRange {
  const count = packed.length / HASH_BYTES;
  if (!Number.isInteger(count)) {
    throw new MetersealError('bad-argument', "couldn't append leaves: not a whole number of 32-byte hashes");
  }
  checkGrowth(range.size, count);
  const hashes = [...range.hashes];
  let size = range.size;
  let at = 0;
  while (at < count) {
    let width = 1;
    while (size % (width * 2) === 0 && width * 2 <= Math.min(count - at, MAX_CALL_LEAVES)) width *= 2;
    const leaves = packed.subarray(at * HASH_BYTES, (at + width) * HASH_BYTES);
    pushSubtree(h, hashes, Math.floor(size / width), width === 1 ? copyBytes(leaves) : h.merkleRoot(leaves));
    size += width;
    at += width;
  }
  return { size, hashes };
}

/** Merkle tree hash of the whole tree (RFC 6962 section 2.1), 32 bytes. */
export function rangeRoot(h: Hasher, range: CompactRange): Uint8Array {
  if (range.hashes.length === 0) return emptyRoot(h);
  return range.hashes.reduceRight((right, left) => nodeHash(h, left, right));
}

/** Bytes of a range for a commit record: u64 size ‖ the hashes. */
export function encodeRange(range: CompactRange): Uint8Array {
  const writer = new ByteWriter().u64(range.size);
  if (range.hashes.length !== onesOf(range.size)) {
    throw new MetersealError('bad-argument', "couldn't encode compact range: hashes do not fit the size");
  }
  for (const hash of range.hashes) writer.bytes(hash, HASH_BYTES);
  return writer.done();
}

/**
 * Reads what `encodeRange` wrote. That the hashes belong to a certain tree is the caller's to check, by the root.
 *
 * @throws MetersealError with `code` unless size and number of hashes agree exactly
 */
export function decodeRange(bytes: Uint8Array, code: ErrorCode = 'bad-encoding'): CompactRange {
  const reader = new ByteReader(bytes, code);
  const size = reader.u64();
  const hashes = Array.from({ length: onesOf(size) }, () => reader.bytes(HASH_BYTES));
  reader.end();
  return { size, hashes };
}

/** Adds the subtree at `index` of its level; every 1 bit of the index is a left neighbour to merge with. */
function pushSubtree(h: Hasher, hashes: Uint8Array[], index: number, subtree: Uint8Array): void {
  let hash = subtree;
  for (let at = index; at % 2 === 1; at = Math.floor(at / 2)) hash = nodeHash(h, hashes.pop()!, hash);
  hashes.push(hash);
}

/** Number of 1 bits; JavaScript's bit operators would cut the size to 32 bits. */
function onesOf(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

function checkHash(hash: Uint8Array): void {
  if (hash.length === HASH_BYTES) return;
  throw new MetersealError('bad-argument', `couldn't append leaf: a hash of ${hash.length} bytes`);
}

function checkGrowth(size: number, count: number): void {
  if (size + count > MAX_INTEGER) {
    throw new MetersealError('bad-argument', "couldn't append leaves: more than 2^53 − 1 leaves");
  }
}
