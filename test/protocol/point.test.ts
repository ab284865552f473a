import { generateKeyPairSync } from 'node:crypto';
import { isCanonicalScalar, isPrimeOrderPoint, isSmallOrderEncoding, toHex } from '@meterseal/protocol';
import { add, decompress, L, P } from '@meterseal/protocol/internal/edwards';
import t from 'tap';
import { compress, littleEndian, SMALL_ORDER_ENCODINGS, TORSION } from '../native/forge.js';

const keys = Array.from({ length: 20 }, () => {
  const spki = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' });
  return new Uint8Array(spki.subarray(12));
});

t.test('honest keys are points of prime order', (t) => {
  for (const key of keys) {
    t.ok(isPrimeOrderPoint(key));
    t.ok(isPrimeOrderPoint(key), 'the same when asked again');
    t.notOk(isSmallOrderEncoding(key));
    t.equal(toHex(compress(decompress(key)!)), toHex(key));
  }
  t.end();
});

t.test('a torsion component makes a key one of another order', (t) => {
  for (const torsion of TORSION.slice(1)) {
    const key = compress(add(decompress(keys[0]!)!, torsion));
    t.ok(decompress(key), 'it is a point of the curve, in its canonical encoding');
    t.notOk(isPrimeOrderPoint(key));
  }
  t.end();
});

t.test('the 14 encodings of small-order points are known, and only they', (t) => {
  for (const encoding of SMALL_ORDER_ENCODINGS) {
    t.ok(isSmallOrderEncoding(encoding));
    t.notOk(isPrimeOrderPoint(encoding));
    for (let at = 0; at < 31; at++) {
      const near = encoding.slice();
      near[at]! ^= 0x10;
      t.notOk(isSmallOrderEncoding(near));
    }
  }
  t.end();
});

t.test('only one encoding of a point is a key', (t) => {
  let second = 0;
  for (let low = 0n; low < 19n; low++) {
    for (const sign of [0n, 2n ** 255n]) {
      if (decompress(littleEndian(low + sign)) !== null) second++;
      t.notOk(isPrimeOrderPoint(littleEndian(P + low + sign)), `y = p + ${low}`);
    }
  }
  t.ok(second > 10, 'many of them are second encodings of real points');
  t.equal(decompress(littleEndian(1n + 2n ** 255n)), null, 'a sign on x = 0');
  t.end();
});

t.test('other lengths are no keys and no scalars', (t) => {
  for (const length of [0, 31, 33, 64]) {
    t.notOk(isPrimeOrderPoint(new Uint8Array(length)));
    t.notOk(isSmallOrderEncoding(new Uint8Array(length)));
    t.notOk(isCanonicalScalar(new Uint8Array(length)));
  }
  t.end();
});

t.test('a scalar is canonical below the order of the group', (t) => {
  for (const scalar of [0n, 1n, L - 1n, L - 2n ** 8n, 2n ** 252n])
    t.ok(isCanonicalScalar(littleEndian(scalar)));
  for (const scalar of [L, L + 1n, 2n * L, 2n ** 253n, 2n ** 255n, 2n ** 256n - 1n]) {
    t.notOk(isCanonicalScalar(littleEndian(scalar)));
  }
  t.end();
});
