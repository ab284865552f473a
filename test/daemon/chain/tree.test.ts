import {
  HASH_BYTES,
  leafHashes,
  TILE_WIDTH,
  tileWidth,
  utf8,
  verifyConsistency,
  verifyInclusion,
} from '@meterseal/protocol';
import type { ChainReader } from 'meterseal/internal/chain/store';
import { TreeEdge, TreeReader } from 'meterseal/internal/chain/tree';
import t from 'tap';
import { addEvents, ChainBench } from './chain-bench.js';
import { engine } from './test-box.js';

/** Leaf hashes of "leaf 0", "leaf 1", … */
function leaves(from: number, to: number): Uint8Array {
  return leafHashes(
    engine,
    Array.from({ length: to - from }, (_, i) => utf8(`leaf ${from + i}`)),
  );
}

/** Tiles in memory, as the store would hold them. */
class Tiles {
  readonly #tiles = new Map<string, Uint8Array>();
  edge = TreeEdge.EMPTY;

  grow(to: number): void {
    const { edge, tiles } = this.edge.append(engine, leaves(this.edge.size, to));
    for (const { level, index, hashes } of tiles) this.#tiles.set(`${level}/${index}`, hashes);
    this.edge = edge;
  }

  get count(): number {
    return this.#tiles.size;
  }

  get reader(): TreeReader {
    const store = { tile: async (level: number, index: number) => this.#tiles.get(`${level}/${index}`) };
    return new TreeReader(engine, store as unknown as ChainReader, this.edge);
  }
}

t.test('the root is the Merkle tree hash at every size, in whatever steps the tree grows', (t) => {
  const all = leaves(0, 1_400);
  let step = 1;
  const tree = new Tiles();
  for (let size = 1; size <= 1_400; size += step, step = (step * 7) % 61) {
    tree.grow(size);
    const expected = engine.merkleRoot(all.subarray(0, size * HASH_BYTES));
    t.same(tree.edge.root(engine), expected, `${size} leaves`);
  }
  t.equal(tree.count, Math.floor(tree.edge.size / TILE_WIDTH));
  t.end();
});

t.test('proofs verify at the borders of tiles, also those of older trees', async (t) => {
  const tree = new Tiles();
  const sizes = [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_793];
  const roots = new Map<number, Uint8Array>();
  for (const size of sizes) {
    tree.grow(size);
    roots.set(size, tree.edge.root(engine));
  }
  const { reader } = tree;
  for (const size of sizes) {
    t.same(await reader.rootAt(size), roots.get(size), `root at ${size}`);
    const root = roots.get(size)!;
    for (const index of new Set([0, 1, size >> 1, size - 2, size - 1].filter((i) => i >= 0 && i < size))) {
      const proof = await reader.inclusion(index, size);
      const leafHash = leaves(index, index + 1);
      t.doesNotThrow(
        () => verifyInclusion(engine, { index, size, leafHash, proof, root }),
        `${index} of ${size}`,
      );
    }
    for (const from of sizes.filter((other) => other <= size)) {
      const proof = await reader.consistency(from, size);
      const claim = { from, to: size, fromRoot: roots.get(from)!, toRoot: root, proof };
      t.doesNotThrow(() => verifyConsistency(engine, claim), `${from} to ${size}`);
    }
  }
});

t.test('a partial tile is the beginning of the full one', async (t) => {
  const tree = new Tiles();
  tree.grow(300);
  const all = leaves(0, 300);
  const { reader } = tree;
  t.same(await reader.tile(0, 1, 44), all.subarray(256 * HASH_BYTES));
  t.same(await reader.tile(0, 1, 7), all.subarray(256 * HASH_BYTES, 263 * HASH_BYTES));
  t.same(await reader.tile(0, 0, 256), all.subarray(0, 256 * HASH_BYTES));
  t.same(await reader.tile(1, 0, 1), engine.merkleRoot(all.subarray(0, 256 * HASH_BYTES)));
  t.equal(await reader.tile(0, 1, 45), undefined);
  t.equal(await reader.tile(1, 0, 2), undefined);
  t.equal(await reader.tile(0, 2, 1), undefined);
});

t.test('an edge from the store is the edge that grew', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  for (const n of [10, 500, 254, 3_000]) {
    await addEvents(chain, n);
    const { size, root, edge } = chain.published;
    const loaded = await TreeEdge.load(engine, chain.reader, size);
    t.same(loaded.root(engine), root);
    for (const level of [0, 1, 2]) {
      const index = Math.floor(size / TILE_WIDTH ** (level + 1));
      t.same(loaded.partial(level, index), edge.partial(level, index), `level ${level} at ${size}`);
      t.equal((edge.partial(level, index)?.length ?? 0) / HASH_BYTES, tileWidth(level, index, size));
    }
  }
  await t.rejects(TreeEdge.load(engine, chain.reader, chain.published.size + 1), { code: 'chain-damaged' });
});
