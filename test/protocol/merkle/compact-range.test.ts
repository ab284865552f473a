import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  appendLeaf,
  appendLeaves,
  type CompactRange,
  decodeRange,
  EMPTY_RANGE,
  encodeRange,
  equalBytes,
  isMetersealError,
  rangeRoot,
} from '@meterseal/protocol';
import t from 'tap';
import { SeededRandom } from '../seeded-random.js';
import { readingTree } from './naive-tree.js';

const SIZE = 300;
const tree = readingTree(SIZE);

t.test(
  'a range grown leaf by leaf has the root of the recursive definition at every size to 300',
  async (t) => {
    const wrong: number[] = [];
    let range: CompactRange = EMPTY_RANGE;
    for (let size = 0; size <= SIZE; size++) {
      if (range.size !== size || !equalBytes(rangeRoot(crypto, range), tree.root(size))) wrong.push(size);
      if (size < SIZE) range = appendLeaf(crypto, range, tree.leafHash(size));
    }
    t.strictSame(wrong, []);
  },
);

t.test('leaves appended in batches of any size give the same range as one by one', async (t) => {
  const byOne: CompactRange[] = [EMPTY_RANGE];
  for (let i = 0; i < SIZE; i++) byOne.push(appendLeaf(crypto, byOne[i]!, tree.leafHash(i)));
  const wrong: string[] = [];
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed);
    let range: CompactRange = EMPTY_RANGE;
    while (range.size < SIZE) {
      const to = Math.min(SIZE, range.size + random.below(seed % 2 === 0 ? 9 : 200));
      range = appendLeaves(crypto, range, tree.packedLeafHashes(to, range.size));
      if (!equalBytes(encodeRange(range), encodeRange(byOne[to]!))) wrong.push(`seed ${seed} size ${to}`);
    }
  }
  t.strictSame(wrong, []);
});

t.test('appending leaves the older range as it was', async (t) => {
  const older = appendLeaves(crypto, EMPTY_RANGE, tree.packedLeafHashes(7));
  const before = encodeRange(older);
  appendLeaves(crypto, older, tree.packedLeafHashes(300, 7));
  t.strictSame(encodeRange(older), before);
  t.strictSame(rangeRoot(crypto, older), tree.root(7));
});

t.test('a range does not change with the buffer that its leaf hashes came from', async (t) => {
  const packed = tree.packedLeafHashes(3);
  const range = appendLeaves(crypto, EMPTY_RANGE, packed);
  const single = packed.slice(0, 32);
  const one = appendLeaf(crypto, EMPTY_RANGE, single);
  packed.fill(0);
  single.fill(0);
  t.strictSame(rangeRoot(crypto, range), tree.root(3));
  t.strictSame(rangeRoot(crypto, one), tree.root(1));
});

t.test('a stored range comes back and grows on', async (t) => {
  for (const size of [0, 1, 2, 3, 255, 256, 257]) {
    const stored = encodeRange(appendLeaves(crypto, EMPTY_RANGE, tree.packedLeafHashes(size)));
    const range = appendLeaves(crypto, decodeRange(stored), tree.packedLeafHashes(SIZE, size));
    t.strictSame(rangeRoot(crypto, range), tree.root(SIZE), `from ${size}`);
  }
});

t.test('sizes beyond 32 bits keep all their subtrees', async (t) => {
  const size = 2 ** 40 + 2 ** 33 + 5;
  const hashes = Array.from({ length: 4 }, (_, i) => new Uint8Array(32).fill(i));
  const range = decodeRange(encodeRange({ size, hashes }));
  t.equal(range.size, size);
  t.strictSame(range.hashes, hashes);
  const grown = appendLeaves(crypto, range, tree.packedLeafHashes(3));
  t.equal(grown.size, size + 3);
  t.equal(grown.hashes.length, 3, '2^40, 2^33 and 8 are left');
});

t.test('a stored range is refused unless size and hashes agree exactly', async (t) => {
  const good = encodeRange(appendLeaves(crypto, EMPTY_RANGE, tree.packedLeafHashes(5)));
  const refused = (e: unknown) => isMetersealError(e, 'bad-encoding');
  const attempt = (bytes: Uint8Array) => {
    try {
      decodeRange(bytes);
      return false;
    } catch (e) {
      return refused(e);
    }
  };
  for (let length = 0; length < good.length; length++) {
    if (!attempt(good.subarray(0, length))) t.fail(`${length} bytes accepted`);
  }
  t.ok(attempt(Uint8Array.of(...good, 0)), 'a trailing byte');
  t.ok(attempt(new Uint8Array(8).fill(0xff)), 'a size above 2^53 − 1');
  t.throws(() => encodeRange({ size: 3, hashes: [tree.leafHash(0)] }), { code: 'bad-argument' });
});

t.test('what is no leaf hash is not appended', async (t) => {
  t.throws(() => appendLeaf(crypto, EMPTY_RANGE, new Uint8Array(31)), { code: 'bad-argument' });
  t.throws(() => appendLeaves(crypto, EMPTY_RANGE, new Uint8Array(33)), { code: 'bad-argument' });
  const full = {
    size: Number.MAX_SAFE_INTEGER,
    hashes: Array.from({ length: 53 }, () => new Uint8Array(32)),
  };
  t.throws(() => appendLeaf(crypto, full, tree.leafHash(0)), { code: 'bad-argument' });
});

t.test('a range does not change with the buffers that its leaves came from', async (t) => {
  for (const grow of [appendLeaf, appendLeaves]) {
    const leaf = Buffer.from(tree.leafHash(0));
    const range = grow(crypto, EMPTY_RANGE, leaf);
    leaf.fill(0);
    t.strictSame(rangeRoot(crypto, range), tree.root(1));
  }
});
