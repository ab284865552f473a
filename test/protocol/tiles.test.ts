import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  buildProof,
  decodeEntries,
  emptyRoot,
  encodeEntries,
  filledTiles,
  foldNodes,
  fromUtf8,
  inclusionNodes,
  leafHashes,
  type NodeRef,
  nodeFromTile,
  parseCheckpoint,
  parseNote,
  parseTilePath,
  parseVerifierKey,
  placeOfNode,
  rootNodes,
  tilePath,
  tileWidth,
  toHex,
  utf8,
  verifyInclusion,
  verifyNoteSignature,
} from '@meterseal/protocol';
import t from 'tap';
import { readingTree } from './merkle/naive-tree.js';
import { SeededRandom } from './seeded-random.js';
import { vectorBytes, vectorText } from './vector.js';

t.test('tile paths are those of c2sp.org/tlog-tiles', async (t) => {
  for (const [level, index, width, path] of [
    [0, 0, 256, 'tile/0/000'],
    [0, 1234067, 256, 'tile/0/x001/x234/067'],
    [1, 999, 7, 'tile/1/999.p/7'],
    [2, 1000, 255, 'tile/2/x001/000.p/255'],
    ['entries', 5, 1, 'tile/entries/005.p/1'],
    [63, Number.MAX_SAFE_INTEGER, 256, 'tile/63/x009/x007/x199/x254/x740/991'],
  ] as const) {
    t.equal(tilePath({ level, index, width }), path);
    t.strictSame(parseTilePath(path), { level, index, width });
  }
});

t.test('a tile path has one form only', async (t) => {
  for (const path of [
    '',
    'tile/0',
    '/tile/0/000',
    'tile/0/000/',
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/0',
    'tile/0/0000',
    'tile/0/x000/001',
    'tile/0/001/x001',
    'tile/0/x001',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/07',
    'tile/0/000.p/',
    'tile/0/000?x',
    'tile/0/000\n',
    'tile/Entries/000',
    'tile/0/x009/x007/x199/x254/x740/992',
    `tile/0/${'x001/'.repeat(1000)}001`,
  ]) {
    t.throws(() => parseTilePath(path), { code: 'bad-request' }, path.slice(0, 40));
  }
  t.throws(() => tilePath({ level: 0, index: -1, width: 256 }), { code: 'bad-argument' });
  t.throws(() => tilePath({ level: 64, index: 0, width: 256 }), { code: 'bad-argument' });
  t.throws(() => tilePath({ level: 0, index: 0, width: 0 }), { code: 'bad-argument' });
});

t.test('a tree of 70,000 has the tiles that the specification counts', async (t) => {
  t.equal(tileWidth(0, 272, 70_000), 256);
  t.equal(tileWidth(0, 273, 70_000), 112);
  t.equal(tileWidth('entries', 273, 70_000), 112);
  t.equal(tileWidth(0, 274, 70_000), 0);
  t.equal(tileWidth(1, 0, 70_000), 256);
  t.equal(tileWidth(1, 1, 70_000), 17);
  t.equal(tileWidth(2, 0, 70_000), 1);
  t.equal(tileWidth(3, 0, 70_000), 0);
  t.equal(tileWidth(1, 0, 256), 1);
  t.equal(tileWidth(6, 0, Number.MAX_SAFE_INTEGER), 31);
});

t.test('growing in steps fills each tile exactly once', async (t) => {
  const paths = (from: number, to: number) => filledTiles(from, to).map(tilePath);
  t.strictSame(paths(0, 255), []);
  t.strictSame(paths(255, 256), ['tile/0/000']);
  t.strictSame(paths(256, 511), []);
  t.strictSame(paths(65_535, 65_536), ['tile/0/255', 'tile/1/000']);
  const random = new SeededRandom(3);
  const stepped: string[] = [];
  let size = 0;
  while (size < 200_000) {
    const to = Math.min(200_000, size + random.below(3_000));
    stepped.push(...paths(size, to));
    size = to;
  }
  t.strictSame(stepped.sort(), paths(0, 200_000).sort());
  t.equal(stepped.length, 781 + 3);
});

const SIZE = 1_000;
const tree = readingTree(SIZE);
const leaves = tree.packedLeafHashes();
const tileZero = leaves.slice(0, 256 * 32);

t.test('every node under a full tile is found in it, the tile root included', async (t) => {
  const wrong: string[] = [];
  for (let level = 0; level <= 8; level++) {
    for (let index = 0; index < 256 >> level; index++) {
      const expected = tree.hashOf(index * 2 ** level, (index + 1) * 2 ** level);
      if (toHex(nodeFromTile(crypto, tileZero, level, index)) !== toHex(expected))
        wrong.push(`${level}/${index}`);
    }
  }
  t.strictSame(wrong, []);
});

t.test('a node beyond a partial tile is not made up', async (t) => {
  const partial = tileZero.subarray(0, 7 * 32);
  t.strictSame(nodeFromTile(crypto, partial, 1, 2), tree.hashOf(4, 6));
  for (const [tile, level, index] of [
    [partial, 0, 7],
    [partial, 1, 3],
    [partial, 3, 0],
    [tileZero, 9, 0],
    [tileZero, -1, 0],
    [tileZero, 0, -1],
    [new Uint8Array(0), 0, 0],
    [new Uint8Array(33), 0, 0],
    [new Uint8Array(257 * 32), 0, 256],
  ] as const) {
    t.throws(() => nodeFromTile(crypto, tile, level, index), { code: 'bad-argument' }, `${level}/${index}`);
  }
});

t.test('proofs built from tiles alone verify', async (t) => {
  // Tiles by path, partial ones of this size included, as a store would have them.
  const tiles = new Map<string, Uint8Array>();
  for (let index = 0; tileWidth(0, index, SIZE) > 0; index++) {
    const width = tileWidth(0, index, SIZE);
    tiles.set(tilePath({ level: 0, index, width }), leaves.slice(index * 8192, index * 8192 + width * 32));
  }
  const upper = [0, 1, 2].map((index) => nodeFromTile(crypto, tiles.get(`tile/0/00${index}`)!, 8, 0));
  tiles.set('tile/1/000.p/3', new Uint8Array(Buffer.concat(upper)));
  const fetchNode = (node: NodeRef) => {
    const { tileLevel, tileIndex, level, index } = placeOfNode(node);
    const width = tileWidth(tileLevel, tileIndex, SIZE);
    return nodeFromTile(
      crypto,
      tiles.get(tilePath({ level: tileLevel, index: tileIndex, width }))!,
      level,
      index,
    );
  };
  const root = foldNodes(crypto, rootNodes(SIZE).map(fetchNode));
  t.strictSame(root, tree.root(SIZE));
  for (let index = 0; index < SIZE; index += 13) {
    const plan = inclusionNodes(index, SIZE);
    const proof = buildProof(crypto, plan, plan.flat().map(fetchNode));
    verifyInclusion(crypto, { index, size: SIZE, leafHash: tree.leafHash(index), proof, root });
  }
});

t.test('the place of a node beyond 32 bits is exact', async (t) => {
  t.strictSame(placeOfNode({ level: 0, index: 2 ** 52 + 3 }), {
    tileLevel: 0,
    tileIndex: 2 ** 44,
    level: 0,
    index: 3,
  });
  t.strictSame(placeOfNode({ level: 13, index: 2 ** 39 + 9 }), {
    tileLevel: 1,
    tileIndex: 2 ** 36 + 1,
    level: 5,
    index: 1,
  });
  t.strictSame(placeOfNode({ level: 8, index: 0 }), { tileLevel: 1, tileIndex: 0, level: 0, index: 0 });
});

t.test('entries come back from their bundle', async (t) => {
  const entries = [utf8('one'), new Uint8Array(0), new Uint8Array(65_535).fill(9)];
  t.strictSame(decodeEntries(encodeEntries(entries)), entries);
  t.strictSame(decodeEntries(new Uint8Array(0)), []);
  t.throws(() => encodeEntries([new Uint8Array(65_536)]), { code: 'bad-argument' });
  const body = Buffer.concat([Buffer.of(7), encodeEntries(entries)]).subarray(1);
  t.strictSame(decodeEntries(body), entries, 'out of the middle of a Buffer too');
});

t.test('a bundle that is cut or too long is refused', async (t) => {
  const bytes = encodeEntries([utf8('one'), utf8('three')]);
  const whole = new Set([0, 5, bytes.length]);
  for (let length = 0; length < bytes.length; length++) {
    if (whole.has(length)) continue;
    t.throws(() => decodeEntries(bytes.subarray(0, length)), { code: 'bad-encoding' }, `${length} bytes`);
  }
  const many = encodeEntries(Array.from({ length: 257 }, () => utf8('x')));
  t.throws(() => decodeEntries(many), { code: 'bad-encoding' });
  t.throws(() => decodeEntries(bytes, 1, 'bad-message'), { code: 'bad-message' });
  t.equal(decodeEntries(many, 4_096).length, 257);
});

t.test('the golden log of tessera is recomputed at all 16 sizes', async (t) => {
  const key = parseVerifierKey(crypto, vectorText('tessera-golden/vkey').trim());
  const entries = decodeEntries(vectorBytes('tessera-golden/tile/entries/000.p/15'));
  t.equal(fromUtf8(entries[14]!), 'fivten');
  for (let size = 0; size <= 15; size++) {
    const note = parseNote(vectorText(`tessera-golden/checkpoint.${size}`));
    const checkpoint = parseCheckpoint(note.text);
    t.ok(verifyNoteSignature(crypto, key, note.text, note.signatures[0]!), `signature at ${size}`);
    t.equal(checkpoint.size, size);
    if (size === 0) {
      t.strictSame(checkpoint.root, emptyRoot(crypto));
      continue;
    }
    const width = tileWidth(0, 0, size);
    const tile = vectorBytes(`tessera-golden/${tilePath({ level: 0, index: 0, width })}`);
    const bundle = vectorBytes(`tessera-golden/${tilePath({ level: 'entries', index: 0, width })}`);
    t.strictSame(encodeEntries(entries.slice(0, size)), bundle, `bundle at ${size}`);
    t.strictSame(leafHashes(crypto, decodeEntries(bundle)), tile, `tile at ${size}`);
    const nodes = rootNodes(size).map(({ level, index }) => nodeFromTile(crypto, tile, level, index));
    t.strictSame(foldNodes(crypto, nodes), checkpoint.root, `root at ${size}`);
  }
});
