import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import { emptyRoot, leafHash, leafHashes, nodeHash, toHex } from '@meterseal/protocol';
import t from 'tap';
import { NaiveTree } from './naive-tree.js';

const leaves = ['', 'a', 'meter', 'x'.repeat(300)].map((text) => new TextEncoder().encode(text));
const tree = new NaiveTree(leaves);

t.test('the empty tree has the root that RFC 6962 gives', async (t) => {
  t.equal(toHex(emptyRoot(crypto)), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

t.test('leaves and nodes are hashed with different prefixes', async (t) => {
  t.strictSame(leafHash(crypto, leaves[1]!), tree.leafHash(1));
  t.strictSame(nodeHash(crypto, tree.leafHash(0), tree.leafHash(1)), tree.root(2));
});

t.test('hashing many leaves at once gives the same as one by one', async (t) => {
  t.strictSame(leafHashes(crypto, leaves), tree.packedLeafHashes());
  t.strictSame(leafHashes(crypto, []), new Uint8Array());
});
