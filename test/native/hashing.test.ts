import { fromHex, toHex, utf8 } from '@meterseal/protocol';
import t from 'tap';
import { SeededRandom } from '../protocol/seeded-random.js';
import { vectorJson } from '../protocol/vector.js';
import { enginesUnderTest } from './engines.js';

function pack(leaves: readonly Uint8Array[]): [Uint8Array, Uint32Array] {
  const offsets = new Uint32Array(leaves.length + 1);
  leaves.forEach((leaf, i) => {
    offsets[i + 1] = offsets[i]! + leaf.length;
  });
  return [new Uint8Array(Buffer.concat(leaves)), offsets];
}

const { roots } = vectorJson<{ roots: Record<string, string> }>('chain.json');
const reference = enginesUnderTest[0]!.engine;

for (const { name, engine, skip } of enginesUnderTest) {
  t.test(`${name} finds the roots of the sample log`, { skip }, (t) => {
    for (const [size, root] of Object.entries(roots)) {
      const leaves = Array.from({ length: Number(size) }, (_, i) => utf8(`reading ${i}`));
      t.equal(toHex(engine.merkleRoot(engine.hashLeaves(...pack(leaves)))), root, `${size} leaves`);
    }
    t.end();
  });

  t.test(`${name} hashes leaves as RFC 6962 says`, { skip }, (t) => {
    const hashes = engine.hashLeaves(utf8('-abcc'), Uint32Array.of(1, 3, 3, 4));
    const expected = ['ab', '', 'c'].map((leaf) => engine.sha256(Uint8Array.of(0), utf8(leaf)));
    t.same(hashes, new Uint8Array(Buffer.concat(expected)), 'a leaf is what lies between two offsets');
    t.same(engine.hashLeaves(new Uint8Array(0), Uint32Array.of(0)), new Uint8Array(0), 'no leaf, no hash');
    t.end();
  });

  t.test(`${name} hashes slices that stand anywhere, with a byte before each or none`, { skip }, (t) => {
    const bounds = Uint32Array.of(4, 5, 1, 3, 2, 2);
    const slices = ['c', 'ab', ''].map(utf8);
    for (const prefix of [undefined, 0, 1, 255]) {
      const hashes = engine.hashSlices(utf8('-abcc'), bounds, prefix);
      const before = prefix === undefined ? new Uint8Array(0) : Uint8Array.of(prefix);
      const expected = slices.map((slice) => engine.sha256(before, slice));
      t.same(hashes, new Uint8Array(Buffer.concat(expected)), `prefix ${prefix}`);
    }
    t.same(engine.hashSlices(new Uint8Array(3), new Uint32Array(0)), new Uint8Array(0), 'no slice, no hash');
    t.end();
  });

  t.test(`${name} hashes parts like their concatenation`, { skip }, (t) => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    t.same(engine.sha256(utf8('abc')), fromHex(abc));
    t.same(engine.sha256(utf8('a'), new Uint8Array(0), utf8('bc')), fromHex(abc));
    t.same(engine.sha256(), engine.sha256(new Uint8Array(0)));
    t.equal(Object.getPrototypeOf(engine.sha256(utf8('abc'))), Uint8Array.prototype, 'not a pooled Buffer');
    t.end();
  });

  t.test(`${name} leaves its arguments as they were`, { skip }, (t) => {
    const leafHashes = new SeededRandom(3).bytes(32 * 5);
    const before = leafHashes.slice();
    engine.merkleRoot(leafHashes);
    t.same(leafHashes, before);
    t.end();
  });

  t.test(`${name} agrees with node:crypto on leaves and trees of every shape`, { skip }, (t) => {
    const random = new SeededRandom(6962);
    for (let round = 0; round < 60; round++) {
      const leaves = Array.from({ length: random.below(70) }, () => random.bytes(random.below(300)));
      const [packed, offsets] = pack(leaves);
      // A view into a larger buffer, as a slice of a file or a frame is.
      const inside = Buffer.concat([random.bytes(7), packed, random.bytes(5)]).subarray(7, 7 + packed.length);
      const hashes = engine.hashLeaves(inside, offsets);
      if (toHex(hashes) !== toHex(reference.hashLeaves(packed, offsets))) t.fail(`leaves of round ${round}`);
      const bounds = Uint32Array.from({ length: 2 * leaves.length }, (_, i) => offsets[(i + 1) >> 1]!);
      for (const prefix of [undefined, 0]) {
        const slices = engine.hashSlices(inside, bounds, prefix);
        if (toHex(slices) !== toHex(reference.hashSlices(packed, bounds, prefix)))
          t.fail(`slices of round ${round}`);
        if (prefix === 0 && toHex(slices) !== toHex(hashes)) t.fail(`slices are leaves, round ${round}`);
      }
      if (toHex(engine.merkleRoot(hashes)) !== toHex(reference.merkleRoot(hashes)))
        t.fail(`root of round ${round}`);
    }
    t.end();
  });
}
