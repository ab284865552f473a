import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  fromHex,
  type Holder,
  holderBytes,
  holderCommitment,
  meterCommitment,
  RUNNING_HASH_START,
  runningHash,
  toHex,
} from '@meterseal/protocol';
import t from 'tap';
import { vectors } from './message-vectors.js';

t.test('commitments to meter and holder are those of the vectors', async (t) => {
  for (const meter of vectors.meters) {
    t.equal(toHex(meterCommitment(crypto, fromHex(meter.salt), meter.id)), meter.commitment);
    t.equal(toHex(holderBytes(meter.holder)), meter.holderJcs);
    const holderSalt = fromHex(meter.holderSalt);
    t.equal(toHex(holderCommitment(crypto, holderSalt, meter.holder)), meter.holderCommitment);
    const reversed = Object.fromEntries(Object.entries(meter.holder).reverse());
    t.equal(toHex(holderBytes(reversed)), meter.holderJcs, 'whatever the order of the keys');
  }
});

t.test('the running hash is that of the vectors at every reading', async (t) => {
  const { readingHashes, runningHashes } = vectors.running;
  let hash = RUNNING_HASH_START;
  const computed = readingHashes.map((reading) => {
    hash = runningHash(crypto, hash, fromHex(reading));
    return toHex(hash);
  });
  t.strictSame(computed, runningHashes);
  t.strictSame(RUNNING_HASH_START, new Uint8Array(32));
});

t.test('a commitment needs a salt of 16 bytes and a meter ID', async (t) => {
  for (const length of [0, 15, 17]) {
    t.throws(() => meterCommitment(crypto, new Uint8Array(length), 'm1'), { code: 'bad-argument' });
    t.throws(() => holderCommitment(crypto, new Uint8Array(length), {}), { code: 'bad-argument' });
  }
  for (const meter of ['', 'a b', 'ü', 'm'.repeat(65), 'm\n']) {
    t.throws(() => meterCommitment(crypto, new Uint8Array(16), meter), { code: 'bad-argument' });
  }
});

t.test('a holder is a flat object of texts, whatever a request brings', async (t) => {
  t.equal(new TextDecoder().decode(holderBytes({})), '{}');
  t.equal(holderBytes({ name: 'x'.repeat(4_085) }).length, 4_096);
  for (const [what, holder] of [
    ['null', null],
    ['undefined', undefined],
    ['a text', 'A. Holder'],
    ['a list', ['A. Holder']],
    ['a number in it', { contract: 1001 }],
    ['null in it', { contract: null }],
    ['undefined in it', { contract: undefined }],
    ['an object in it', { name: { first: 'A' } }],
    ['half a surrogate pair in a value', { name: '\ud800' }],
    ['half a surrogate pair in a key', { '\udc00': 'A' }],
    ['too many bytes', { name: 'x'.repeat(4_086) }],
    ['too many bytes of UTF-8', { name: 'ü'.repeat(2_043) }],
    ['a toJSON of its own', { toJSON: () => 'A' }],
  ] as const) {
    t.throws(() => holderBytes(holder as unknown as Holder), { code: 'bad-request' }, what);
  }
  const hostile = JSON.parse('{"__proto__":"A","name":"B"}') as Holder;
  t.equal(new TextDecoder().decode(holderBytes(hostile)), '{"__proto__":"A","name":"B"}');
});
