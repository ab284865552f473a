import {
  assertKey,
  ByteReader,
  isPrimeOrderPoint,
  keyFromBase64,
  readKey,
  toBase64,
} from '@meterseal/protocol';
import t from 'tap';
import { forge, SMALL_ORDER_ENCODINGS, TORSION } from '../native/forge.js';
import { vectorSigner, vectors } from './message-vectors.js';

const GOOD = vectorSigner(vectors.logSeed).publicKey;
const WITH_TORSION = TORSION.slice(1).map(
  (keyTorsion) => forge(5n, 7n, new Uint8Array(0), { keyTorsion }).publicKey,
);
const NO_POINT = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 2 : 0));

t.test('a key is a canonical point of prime order', async (t) => {
  t.equal(assertKey(GOOD), GOOD);
  t.strictSame(keyFromBase64(toBase64(GOOD)), GOOD);
  t.strictSame(readKey(new ByteReader(GOOD, 'bad-entry')), GOOD);
});

t.test('small orders, torsion, non-canonical and wrong lengths are refused at every entrance', async (t) => {
  t.equal(SMALL_ORDER_ENCODINGS.length, 14);
  t.notOk(isPrimeOrderPoint(NO_POINT));
  for (const key of [
    ...SMALL_ORDER_ENCODINGS,
    ...WITH_TORSION,
    NO_POINT,
    new Uint8Array(32).fill(255),
    GOOD.slice(1),
    new Uint8Array(0),
    new Uint8Array([...GOOD, 0]),
  ]) {
    t.throws(() => assertKey(key), { code: 'bad-key' });
    t.throws(() => keyFromBase64(toBase64(key)), { code: 'bad-key' });
    if (key.length <= 32)
      t.throws(() => readKey(new ByteReader(key, 'bad-message')), { code: 'bad-message' });
  }
});

t.test('a key of a JSON body that is no canonical base64 text is refused', async (t) => {
  const text = toBase64(GOOD);
  for (const wrong of [
    text.slice(0, -1),
    `${text}=`,
    text.replace(/.=$/, 'B='),
    ` ${text}`,
    `${text}\n`,
    '',
    null,
    7,
  ]) {
    t.throws(() => keyFromBase64(wrong as string), { code: 'bad-key' }, String(wrong));
  }
});
