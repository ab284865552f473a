import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  buildProof,
  consistencyNodes,
  foldNodes,
  inclusionNodes,
  type NodeRef,
  nodeHash,
  type ProofPlan,
  rootNodes,
  toHex,
  verifyConsistency,
  verifyInclusion,
} from '@meterseal/protocol';
import t from 'tap';
import { SeededRandom } from '../seeded-random.js';
import { type NaiveTree, readingTree } from './naive-tree.js';

const MOST = 70;
const small = readingTree(MOST);

function fetchFrom(tree: NaiveTree, nodes: readonly NodeRef[]): Uint8Array[] {
  return nodes.map(({ level, index }) => tree.hashOf(index * 2 ** level, (index + 1) * 2 ** level));
}

function proofFrom(tree: NaiveTree, plan: ProofPlan): Uint8Array[] {
  return buildProof(crypto, plan, fetchFrom(tree, plan.flat()));
}

const hex = (hashes: readonly Uint8Array[]) => hashes.map(toHex).join(' ');

t.test('planned roots are those of the recursive definition', async (t) => {
  const wrong: number[] = [];
  for (let size = 0; size <= MOST; size++) {
    const root = foldNodes(crypto, fetchFrom(small, rootNodes(size)));
    if (toHex(root) !== toHex(small.root(size))) wrong.push(size);
  }
  t.strictSame(wrong, []);
});

t.test('every inclusion proof to size 70 is the recursive one, and verifies', async (t) => {
  const wrong: string[] = [];
  for (let size = 1; size <= MOST; size++) {
    for (let index = 0; index < size; index++) {
      const proof = proofFrom(small, inclusionNodes(index, size));
      if (hex(proof) !== hex(small.inclusion(index, size))) wrong.push(`${index} of ${size}`);
      verifyInclusion(crypto, {
        index,
        size,
        leafHash: small.leafHash(index),
        proof,
        root: small.root(size),
      });
    }
  }
  t.strictSame(wrong, []);
});

t.test('every consistency proof to size 70 is the recursive one, and verifies', async (t) => {
  const wrong: string[] = [];
  for (let to = 0; to <= MOST; to++) {
    for (let from = 0; from <= to; from++) {
      const proof = proofFrom(small, consistencyNodes(from, to));
      if (hex(proof) !== hex(small.consistency(from, to))) wrong.push(`${from} to ${to}`);
      verifyConsistency(crypto, { from, to, fromRoot: small.root(from), toRoot: small.root(to), proof });
    }
  }
  t.strictSame(wrong, []);
});

t.test('proofs of larger trees verify', async (t) => {
  const tree = readingTree(3_000);
  const random = new SeededRandom(9);
  for (let round = 0; round < 200; round++) {
    const size = 1 + random.below(3_000);
    const index = random.below(size);
    const from = random.below(size + 1);
    const root = tree.root(size);
    const inclusion = proofFrom(tree, inclusionNodes(index, size));
    verifyInclusion(crypto, { index, size, leafHash: tree.leafHash(index), proof: inclusion, root });
    const consistency = proofFrom(tree, consistencyNodes(from, size));
    verifyConsistency(crypto, {
      from,
      to: size,
      fromRoot: tree.root(from),
      toRoot: root,
      proof: consistency,
    });
  }
  t.pass('200 random pairs');
});

t.test('proofs of trees up to 2^53 − 1 leaves verify', async (t) => {
  // All leaves are alike, so that a perfect subtree's hash depends on its level only.
  const levels: Uint8Array[] = [new Uint8Array(32).fill(7)];
  for (let i = 1; i <= 53; i++) levels.push(nodeHash(crypto, levels[i - 1]!, levels[i - 1]!));
  const fetchAlike = (nodes: readonly NodeRef[]) => nodes.map(({ level }) => levels[level]!);
  const rootOf = (size: number) => foldNodes(crypto, fetchAlike(rootNodes(size)));
  const random = new SeededRandom(53);
  for (let round = 0; round < 300; round++) {
    const size = round === 0 ? Number.MAX_SAFE_INTEGER : 1 + random.below(2 ** (1 + (round % 53)) - 1);
    const index = round % 5 === 0 ? size - 1 : random.below(size);
    const from = random.below(size) + 1;
    const inclusion = inclusionNodes(index, size);
    const covered = inclusion.flat().reduce((sum, { level }) => sum + 2 ** level, 1);
    if (covered !== size) t.fail(`the plan of ${index} of ${size} covers ${covered} leaves`);
    const root = rootOf(size);
    const proof = buildProof(crypto, inclusion, fetchAlike(inclusion.flat()));
    verifyInclusion(crypto, { index, size, leafHash: levels[0]!, proof, root });
    const consistency = consistencyNodes(from, size);
    const hashes = buildProof(crypto, consistency, fetchAlike(consistency.flat()));
    verifyConsistency(crypto, { from, to: size, fromRoot: rootOf(from), toRoot: root, proof: hashes });
  }
  t.pass('300 random pairs');
});

t.test('a plan never asks for a node outside its tree', async (t) => {
  const outside: string[] = [];
  for (let size = 1; size <= MOST; size++) {
    for (let at = 0; at < size; at++) {
      for (const { level, index } of [...inclusionNodes(at, size), ...consistencyNodes(at, size)].flat()) {
        if ((index + 1) * 2 ** level > size) outside.push(`${at} of ${size}: ${level}/${index}`);
      }
    }
  }
  t.strictSame(outside, []);
});

t.test('what cannot be proven is refused before planning', async (t) => {
  t.throws(() => inclusionNodes(5, 5), { code: 'bad-argument' });
  t.throws(() => inclusionNodes(-1, 5), { code: 'bad-argument' });
  t.throws(() => inclusionNodes(0.5, 5), { code: 'bad-argument' });
  t.throws(() => consistencyNodes(6, 5), { code: 'bad-argument' });
  t.throws(() => rootNodes(2 ** 53), { code: 'bad-argument' });
  t.throws(() => buildProof(crypto, inclusionNodes(0, 5), []), { code: 'bad-argument' });
});
