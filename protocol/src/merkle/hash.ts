import type { BulkHasher, Hasher } from '../crypto.js';
import { MetersealError } from '../errors.js';

/** Bytes of a SHA-256 hash. */
export const HASH_BYTES = 32;

const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);

/** Hash of one leaf, SHA-256(0x00 ‖ leaf). RFC 6962 section 2.1. */
export function leafHash(h: Hasher, leaf: Uint8Array): Uint8Array {
  return h.sha256(LEAF_PREFIX, leaf);
}

/**
 * Leaf hashes of many leaves in one call of the hasher.
 *
 * @returns n × 32 bytes, in order
 */
export function leafHashes(h: BulkHasher, leaves: readonly Uint8Array[]): Uint8Array {
  const offsets = new Uint32Array(leaves.length + 1);
  let length = 0;
  for (const [i, leaf] of leaves.entries()) {
    length += leaf.length;
    offsets[i + 1] = length;
  }
  if (length > 0xffff_ffff) {
    throw new MetersealError('bad-argument', "couldn't hash leaves: more than 4 GiB in one call");
  }
  const packed = new Uint8Array(length);
  for (const [i, leaf] of leaves.entries()) packed.set(leaf, offsets[i]!);
  return h.hashLeaves(packed, offsets);
}

/** Hash of an inner node, SHA-256(0x01 ‖ left ‖ right). RFC 6962 section 2.1. */
export function nodeHash(h: Hasher, left: Uint8Array, right: Uint8Array): Uint8Array {
  return h.sha256(NODE_PREFIX, left, right);
}

/** Root of the tree without leaves, SHA-256(""). RFC 6962 section 2.1. */
export function emptyRoot(h: Hasher): Uint8Array {
  return h.sha256();
}
