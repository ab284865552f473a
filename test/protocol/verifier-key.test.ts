import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  ALG_COSIGNATURE,
  ALG_ED25519,
  concat,
  formatVerifierKey,
  fromBase64,
  fromHex,
  isKeyName,
  keyHash,
  parseVerifierKey,
  toBase64,
  toHex,
  verifierKeyOf,
} from '@meterseal/protocol';
import t from 'tap';
import { vectorJson, vectorText } from './vector.js';

const chain = vectorJson<{ log_vkey: string; log_pub_hex: string; origin: string; witness_vkey: string }>(
  'chain.json',
);

t.test('the verifier keys of the vectors come back as they are', async (t) => {
  for (const text of [chain.log_vkey, chain.witness_vkey, vectorText('tessera-golden/vkey').trim()]) {
    t.equal(formatVerifierKey(parseVerifierKey(crypto, text)), text);
  }
  const log = parseVerifierKey(crypto, chain.log_vkey);
  t.equal(log.name, chain.origin);
  t.equal(log.algorithm, ALG_ED25519);
  t.equal(toHex(log.publicKey), chain.log_pub_hex);
  t.equal(parseVerifierKey(crypto, chain.witness_vkey).algorithm, ALG_COSIGNATURE);
});

t.test('a key made from its parts has the hash that the vectors give', async (t) => {
  const key = verifierKeyOf(crypto, chain.origin, ALG_ED25519, fromHex(chain.log_pub_hex));
  t.equal(formatVerifierKey(key), chain.log_vkey);
});

t.test('a verifier key that is damaged or of another kind is refused', async (t) => {
  const good = parseVerifierKey(crypto, chain.log_vkey);
  const withMaterial = (algorithm: number, key: Uint8Array) => {
    const hash = keyHash(crypto, good.name, algorithm as typeof ALG_ED25519, key);
    return `${good.name}+${toHex(hash)}+${toBase64(concat(Uint8Array.of(algorithm), key))}`;
  };
  t.equal(withMaterial(1, good.publicKey), chain.log_vkey);
  const identityPoint = Uint8Array.of(1, ...new Uint8Array(31));
  const notCanonical = new Uint8Array(32).fill(0xff);
  for (const [what, text] of [
    ['empty', ''],
    ['no parts', good.name],
    ['empty name', chain.log_vkey.slice(good.name.length)],
    ['space in the name', chain.log_vkey.replace('edge', 'ed ge')],
    ['other name', chain.log_vkey.replace('edge', 'egde')],
    ['other hash', chain.log_vkey.replace('385098f6', '385098f7')],
    ['upper-case hash', chain.log_vkey.replace('385098f6', '385098F6')],
    ['trailing newline', `${chain.log_vkey}\n`],
    ['unpadded base64', chain.log_vkey.slice(0, -1)],
    ['ECDSA', withMaterial(2, good.publicKey)],
    ['short key', withMaterial(1, good.publicKey.subarray(1))],
    ['long key', withMaterial(1, concat(good.publicKey, Uint8Array.of(0)))],
    ['small-order point', withMaterial(1, identityPoint)],
    ['no canonical point', withMaterial(1, notCanonical)],
    ['point with a torsion component', withMaterial(1, torsioned(good.publicKey))],
  ] as const) {
    t.throws(() => parseVerifierKey(crypto, text), { code: 'bad-key' }, what);
  }
});

t.test('names with spaces, controls or plus signs, and too long ones, name no key', async (t) => {
  for (const name of [
    '',
    ' ',
    'a b',
    'a\tb',
    'a\nb',
    'a+b',
    'a\u00a0b',
    'a\u2003b',
    'a\u0000b',
    '\ud800',
    'x'.repeat(256),
  ]) {
    t.notOk(isKeyName(name), JSON.stringify(name.slice(0, 9)));
  }
  t.notOk(isKeyName('电'.repeat(86)), '258 bytes');
  for (const name of ['a', 'witness.example/w1', '电表.example', '—', 'x'.repeat(255)])
    t.ok(isKeyName(name), name.slice(0, 20));
});

/** −A, shifted by the point of order 2: y becomes −y, and x stays out of sight in the sign bit. */
function torsioned(key: Uint8Array): Uint8Array {
  const p = 2n ** 255n - 19n;
  const sign = key[31]! & 0x80;
  let y = 0n;
  for (let i = 31; i >= 0; i--) y = (y << 8n) | BigInt(i === 31 ? key[i]! & 0x7f : key[i]!);
  let rest = p - y;
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++, rest >>= 8n) out[i] = Number(rest & 255n);
  out[31]! |= sign;
  return out;
}

t.test('the name of a key may hold anything but what would end it', async (t) => {
  const key = verifierKeyOf(crypto, '电表.example/α', ALG_COSIGNATURE, fromHex(chain.log_pub_hex));
  t.strictSame(parseVerifierKey(crypto, formatVerifierKey(key)), key);
  t.equal(fromBase64(formatVerifierKey(key).split('+').slice(2).join('+'))[0], 4);
});
