/**
 * Which nodes a proof is made of, apart from where they are stored: a store looks up the nodes of a plan in any
 * way it likes and hands the hashes back in the same order.
 */

import type { Hasher } from '../crypto.js';
import { MetersealError } from '../errors.js';
import { MAX_INTEGER } from '../limits.js';
import { emptyRoot, nodeHash } from './hash.js';

/** A perfect subtree: the leaves index · 2^level … (index + 1) · 2^level − 1. */
export interface NodeRef {
  readonly level: number;
  readonly index: number;
}

/**
 * The nodes of one hash after the other; where there are several, the hash is their fold, see `foldNodes`.
 */
export type ProofPlan = readonly (readonly NodeRef[])[];

/**
 * The nodes whose fold is the root of a tree; none for the empty tree.
 *
 * @param size number of leaves
 */
export function rootNodes(size: number): NodeRef[] {
  checkSize(size);
  return rangeNodes(0, size);
}

/**
 * Plan of an inclusion proof, from the leaf's sibling up. RFC 6962 section 2.1.1.
 *
 * @param index of the leaf, 0 … size − 1
 * @param size of the tree
 * @throws MetersealError `bad-argument` for an index outside the tree
 */
export function inclusionNodes(index: number, size: number): NodeRef[][] {
  checkSize(size);
  checkSize(index);
  if (index >= size) refuse(`leaf ${index} is not in a tree of ${size}`);
  const plan: NodeRef[][] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      plan.push(rangeNodes(middle, end));
      end = middle;
    } else {
      plan.push(rangeNodes(start, middle));
      start = middle;
    }
  }
  return plan.reverse();
}

/**
 * Plan of a consistency proof. RFC 6962 section 2.1.2. Empty for equal sizes and from the empty tree.
 *
 * @param from size of the older tree
 * @param to size of the newer tree
 * @throws MetersealError `bad-argument` if the older tree is the larger
 */
export function consistencyNodes(from: number, to: number): NodeRef[][] {
  checkSize(from);
  checkSize(to);
  if (from > to) refuse(`a tree of ${from} is no part of one of ${to}`);
  if (from === 0 || from === to) return [];
  const plan: NodeRef[][] = [];
  let start = 0;
  let end = to;
  while (from !== end) {
    const middle = start + splitOf(end - start);
    if (from <= middle) {
      plan.push(rangeNodes(middle, end));
      end = middle;
    } else {
      plan.push(rangeNodes(start, middle));
      start = middle;
    }
  }
  // Where the older tree is itself a subtree its root is known to the verifier and left out.
  if (start > 0) plan.push(rangeNodes(start, end));
  return plan.reverse();
}

/** Hash over neighbouring subtrees, right to left; the empty root for none. */
export function foldNodes(h: Hasher, hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return emptyRoot(h);
  return hashes.reduceRight((right, left) => nodeHash(h, left, right));
}

/**
 * The hashes of an inclusion or consistency proof.
 *
 * @param plan from `inclusionNodes` or `consistencyNodes`
 * @param fetched the hashes of `plan.flat()`, in that order
 */
export function buildProof(h: Hasher, plan: ProofPlan, fetched: readonly Uint8Array[]): Uint8Array[] {
  const needed = plan.reduce((sum, nodes) => sum + nodes.length, 0);
  if (needed !== fetched.length) refuse(`${fetched.length} hashes where ${needed} belong`);
  let at = 0;
  return plan.map((nodes) => {
    const hashes = fetched.slice(at, at + nodes.length);
    at += nodes.length;
    return foldNodes(h, hashes);
  });
}

/** Perfect subtrees of [start, end), largest first; `start` is a multiple of the largest's width. */
function rangeNodes(start: number, end: number): NodeRef[] {
  const nodes: NodeRef[] = [];
  let at = start;
  while (at < end) {
    let level = 0;
    let width = 1;
    while (width * 2 <= end - at) {
      width *= 2;
      level += 1;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/** Largest power of two below `count`, which is at least 2. */
function splitOf(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

function checkSize(value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > MAX_INTEGER) refuse(`${value} is not in 0…2^53 − 1`);
}

function refuse(what: string): never {
  throw new MetersealError('bad-argument', `couldn't plan proof: ${what}`);
}
