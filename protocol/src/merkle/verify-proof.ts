/**
 * Verification of Merkle proofs, RFC 9162 sections 2.1.3.2 and 2.1.4.2. Every argument may come from an attacker.
 * Both functions throw rather than answer, so that a result cannot be overlooked.
 */

import { equalBytes } from '../bytes.js';
import type { Hasher } from '../crypto.js';
import type { ErrorCode } from '../errors.js';
import { MetersealError } from '../errors.js';
import { MAX_INTEGER, MAX_PROOF_HASHES } from '../limits.js';
import { emptyRoot, HASH_BYTES, nodeHash } from './hash.js';

export interface InclusionClaim {
  /** Of the leaf, 0 … size − 1. */
  readonly index: number;
  /** Leaves of the tree. */
  readonly size: number;
  readonly leafHash: Uint8Array;
  /** From the leaf's sibling up. */
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

export interface ConsistencyClaim {
  /** Size of the older tree. */
  readonly from: number;
  /** Size of the newer tree. */
  readonly to: number;
  readonly fromRoot: Uint8Array;
  readonly toRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * Checks that a leaf stands at an index of the tree with a root.
 *
 * @throws MetersealError `inclusion-invalid`
 */
export function verifyInclusion(h: Hasher, claim: InclusionClaim): void {
  const { index, size, leafHash, proof, root } = claim;
  const check = checker('inclusion', 'inclusion-invalid');
  check(isSize(size) && isSize(index) && index < size, `no leaf ${index} in a tree of ${size}`);
  check(proof.length <= MAX_PROOF_HASHES, `${proof.length} hashes`);
  check([leafHash, root, ...proof].every(isHash), 'a hash that is not 32 bytes');
  const path = new Path(index, size - 1);
  let hash = leafHash;
  for (const sibling of proof) {
    check(path.last > 0, 'too many hashes');
    hash = path.isRight() ? nodeHash(h, sibling, hash) : nodeHash(h, hash, sibling);
    path.ascend();
  }
  check(path.last === 0, 'too few hashes');
  check(equalBytes(hash, root), 'another root');
}

/**
 * Checks that the older tree is a prefix of the newer. The empty tree, with its own root, is a prefix of every
 * tree; equal sizes need equal roots; the proof is empty in both cases.
 *
 * @throws MetersealError `consistency-invalid`
 */
export function verifyConsistency(h: Hasher, claim: ConsistencyClaim): void {
  const { from, to, fromRoot, toRoot, proof } = claim;
  const check = checker('consistency', 'consistency-invalid');
  check(isSize(from) && isSize(to) && from <= to, `${from} and ${to} are not two sizes in order`);
  check(proof.length <= MAX_PROOF_HASHES, `${proof.length} hashes`);
  check([fromRoot, toRoot, ...proof].every(isHash), 'a hash that is not 32 bytes');
  if (from === 0) check(equalBytes(fromRoot, emptyRoot(h)), 'another root than that of the empty tree');
  if (from === to) check(equalBytes(fromRoot, toRoot), 'two roots for one size');
  if (from === 0 || from === to) {
    check(proof.length === 0, 'too many hashes');
    return;
  }

  const path = new Path(from - 1, to - 1);
  path.ascendWhileRight();
  // An older tree that is a perfect subtree stands for its own first node.
  const [first, ...rest] = path.node === 0 ? [fromRoot, ...proof] : proof;
  check(first !== undefined, 'too few hashes');
  let older = first!;
  let newer = first!;
  for (const hash of rest) {
    check(path.last > 0, 'too many hashes');
    if (path.isRight()) {
      older = nodeHash(h, hash, older);
      newer = nodeHash(h, hash, newer);
    } else {
      newer = nodeHash(h, newer, hash);
    }
    path.ascend();
  }
  check(path.last === 0, 'too few hashes');
  check(equalBytes(older, fromRoot), 'another root of the older tree');
  check(equalBytes(newer, toRoot), 'another root of the newer tree');
}

/** The way from a node up to the root, with the last node of each level. Arithmetic, as bit operators cut to 32 bits. */
class Path {
  node: number;
  last: number;

  constructor(node: number, last: number) {
    this.node = node;
    this.last = last;
  }

  /** True if the next sibling of the proof stands on the left. */
  isRight(): boolean {
    return this.node % 2 === 1 || this.node === this.last;
  }

  /** To the next level at which there is a sibling: the last node of an odd row moves up alone. */
  ascend(): void {
    if (this.isRight()) while (this.node % 2 === 0 && this.node !== 0) this.#up();
    this.#up();
  }

  ascendWhileRight(): void {
    while (this.node % 2 === 1) this.#up();
  }

  #up(): void {
    this.node = Math.floor(this.node / 2);
    this.last = Math.floor(this.last / 2);
  }
}

function checker(what: string, code: ErrorCode): (holds: boolean, reason: string) => void {
  return (holds, reason) => {
    if (!holds) throw new MetersealError(code, `couldn't verify ${what} proof: ${reason}`);
  };
}

function isSize(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_INTEGER;
}

function isHash(bytes: Uint8Array): boolean {
  return bytes instanceof Uint8Array && bytes.length === HASH_BYTES;
}
