import { createHash } from 'node:crypto';

/**
 * A whole tree straight from the recursive definitions of RFC 6962 section 2.1, with no code of the project: slow
 * and plain, to compare with.
 */
export class NaiveTree {
  readonly leaves: readonly Uint8Array[];
  readonly #known = new Map<string, Uint8Array>();

  constructor(leaves: readonly Uint8Array[]) {
    this.leaves = leaves;
  }

  leafHash(index: number): Uint8Array {
    return this.hashOf(index, index + 1);
  }

  /** All leaf hashes of the first `size` leaves, packed. */
  packedLeafHashes(size = this.leaves.length, from = 0): Uint8Array {
    const hashes = this.leaves.slice(from, size).map((_, i) => this.leafHash(from + i));
    return new Uint8Array(Buffer.concat(hashes));
  }

  root(size: number): Uint8Array {
    return this.hashOf(0, size);
  }

  /** MTH(D[start:end]). */
  hashOf(start: number, end: number): Uint8Array {
    const name = `${start}-${end}`;
    let hash = this.#known.get(name);
    if (hash === undefined) {
      hash = this.#compute(start, end);
      this.#known.set(name, hash);
    }
    return hash;
  }

  /** PATH(index, D[0:size]). */
  inclusion(index: number, size: number): Uint8Array[] {
    const path = (start: number, end: number): Uint8Array[] => {
      if (end - start === 1) return [];
      const k = start + split(end - start);
      return index < k ? [...path(start, k), this.hashOf(k, end)] : [...path(k, end), this.hashOf(start, k)];
    };
    return path(0, size);
  }

  /** PROOF(from, D[0:to]). */
  consistency(from: number, to: number): Uint8Array[] {
    const subproof = (start: number, end: number, whole: boolean): Uint8Array[] => {
      if (from === end) return whole ? [] : [this.hashOf(start, end)];
      const k = start + split(end - start);
      return from <= k
        ? [...subproof(start, k, whole), this.hashOf(k, end)]
        : [...subproof(k, end, false), this.hashOf(start, k)];
    };
    return from === 0 || from === to ? [] : subproof(0, to, true);
  }

  #compute(start: number, end: number): Uint8Array {
    if (end === start) return sha256(Buffer.alloc(0));
    if (end - start === 1) return sha256(Buffer.concat([Buffer.of(0), this.leaves[start]!]));
    const k = start + split(end - start);
    return sha256(Buffer.concat([Buffer.of(1), this.hashOf(start, k), this.hashOf(k, end)]));
  }
}

function split(count: number): number {
  let k = 1;
  while (k * 2 < count) k *= 2;
  return k;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

/** The tree over `reading 0`, `reading 1`, …: the leaves of vectors/chain.json. */
export function readingTree(size: number): NaiveTree {
  return new NaiveTree(Array.from({ length: size }, (_, i) => new TextEncoder().encode(`reading ${i}`)));
}
