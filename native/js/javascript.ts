/**
 * The engine without native code: node:crypto under the strict rule of protocol/src/point.ts. It loads nothing
 * but this package's own JavaScript, so that it can be bundled.
 */

import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
  randomBytes,
} from 'node:crypto';
import type { SealBatch } from '@meterseal/protocol';
import {
  concat,
  isCanonicalScalar,
  isPrimeOrderPoint,
  isSmallOrderEncoding,
  MAX_RECORD_BYTES,
  MetersealError,
  unpack,
} from '@meterseal/protocol';
import { isStableBytes, requireBytes, requireOffsets, requirePrefix, requireSealBatch } from './arguments.js';
import {
  HASH_BYTES,
  KEY_BYTES,
  MAX_CHECKED_KEYS,
  MAX_LEAVES,
  MAX_MESSAGE_BYTES,
  SEED_BYTES,
  SIGNATURE_BYTES,
} from './bounds.js';
import type { Engine, SigningKey } from './engine.js';
import { PKCS8_PREFIX } from './key-file.js';
import { sha256, sha256Into } from './sha256.js';
import { HiddenSigningKey, type KeyHandle } from './signing-key.js';

export type { Engine, SigningKey } from './engine.js';
export { fromPkcs8Pem, generateSeed, toPkcs8Pem } from './key-file.js';

/** DER in front of a raw key in a SubjectPublicKeyInfo, RFC 8410 section 4. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

const checkedKeys = new Map<string, KeyObject | null>();

/** The parsed key, or null for one that the strict rule refuses; parsing costs as much as verifying. */
function checkedKey(raw: Uint8Array): KeyObject | null {
  const name = Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString('latin1');
  const known = checkedKeys.get(name);
  if (known !== undefined) return known;
  const key = isPrimeOrderPoint(raw)
    ? createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
    : null;
  if (checkedKeys.size >= MAX_CHECKED_KEYS) checkedKeys.delete(checkedKeys.keys().next().value!);
  checkedKeys.set(name, key);
  return key;
}

function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isStableBytes(publicKey) || publicKey.length !== KEY_BYTES) return false;
  if (!isStableBytes(signature) || signature.length !== SIGNATURE_BYTES) return false;
  if (!isStableBytes(message) || message.length > MAX_MESSAGE_BYTES) return false;
  // An R that is not canonical or has a torsion component needs no check of its own: node:crypto compares its
  // bytes with those of S·B − k·A, a canonical encoding from the prime-order group.
  if (isSmallOrderEncoding(signature.subarray(0, 32)) || !isCanonicalScalar(signature.subarray(32)))
    return false;
  const key = checkedKey(publicKey);
  return key !== null && nodeVerify(null, message, key, signature);
}

function openSeal(publicKey: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  if (!isStableBytes(sealed)) return null;
  if (sealed.length < SIGNATURE_BYTES || sealed.length > SIGNATURE_BYTES + MAX_RECORD_BYTES) return null;
  const record = new Uint8Array(sealed.subarray(SIGNATURE_BYTES));
  return verify(publicKey, record, sealed.subarray(0, SIGNATURE_BYTES)) ? record : null;
}

/** RFC 6962 section 2.1: what stands before a leaf. */
const LEAF_PREFIX = 0;

function hashLeaves(packed: Uint8Array, offsets: Uint32Array): Uint8Array {
  const bytes = requireBytes(packed, 'hash', 'leaves');
  const bounds = requireOffsets(offsets, 'leaves');
  const count = bounds.length - 1;
  if (count > MAX_LEAVES) throw tooManyLeaves(count);
  if (count < 0) throw badOffsets('leaves', 'none given, one more than leaves belong');
  for (let i = 0; i < count; i++) {
    if (bounds[i + 1]! < bounds[i]!) throw badOffsets('leaves', `offset ${i + 1} is below the one before it`);
  }
  if (bounds[count]! > bytes.length) throw badOffsets('leaves', 'the last one lies beyond the leaves');
  return hashCut(bytes, bounds, 1, count, LEAF_PREFIX);
}

function hashSlices(packed: Uint8Array, bounds: Uint32Array, prefix?: number): Uint8Array {
  const bytes = requireBytes(packed, 'hash', 'slices');
  const pairs = requireOffsets(bounds, 'slices');
  requirePrefix(prefix);
  const count = requireSlices(pairs, bytes.length);
  return hashCut(bytes, pairs, 2, count, prefix);
}

/** @returns how many slices there are */
function requireSlices(pairs: Uint32Array, length: number): number {
  const count = pairs.length / 2;
  if (!Number.isInteger(count)) throw badOffsets('slices', 'a slice without an end');
  if (count > MAX_LEAVES) throw tooManyLeaves(count);
  for (let i = 0; i < count; i++) {
    if (pairs[2 * i + 1]! < pairs[2 * i]! || pairs[2 * i + 1]! > length)
      throw badOffsets('slices', `slice ${i} does not lie within the bytes`);
  }
  return count;
}

/** Slices and seals that are worked on before others get their turn: about two milliseconds. */
const SLICES_PER_TURN = 2_048;
const SEALS_PER_TURN = 16;

async function hashSlicesAsync(
  packed: Uint8Array,
  bounds: Uint32Array,
  prefix?: number,
): Promise<Uint8Array> {
  // Refuses what is no argument before anything of it is copied.
  requireOffsets(bounds, 'slices');
  hashSlices(packed, bounds.subarray(0, 0), prefix);
  const [bytes, pairs] = [packed.slice(), bounds.slice()];
  requireSlices(pairs, bytes.length);
  const hashes = new Uint8Array((pairs.length / 2) * HASH_BYTES);
  for (let from = 0; from < pairs.length; from += 2 * SLICES_PER_TURN) {
    if (from > 0) await nextTurn();
    hashes.set(hashSlices(bytes, pairs.subarray(from, from + 2 * SLICES_PER_TURN), prefix), 16 * from);
  }
  return hashes;
}

async function openBatch(seals: SealBatch): Promise<Uint8Array> {
  requireSealBatch(seals);
  const [keys, keyOf, packed] = [seals.keys.slice(), seals.keyOf.slice(), seals.packed.slice()];
  const bounds = seals.bounds.slice();
  requireSlices(bounds, packed.length);
  if (keys.length % KEY_BYTES !== 0) throw badBatch('keys that are not whole');
  if (2 * keyOf.length !== bounds.length) throw badBatch('another number of keys than of seals');
  if (keyOf.some((place) => KEY_BYTES * place >= keys.length))
    throw badBatch('a seal of a key that is not there');
  const opened = new Uint8Array(keyOf.length);
  for (const [i, place] of keyOf.entries()) {
    if (i > 0 && i % SEALS_PER_TURN === 0) await nextTurn();
    const key = keys.subarray(KEY_BYTES * place, KEY_BYTES * (place + 1));
    const sealed = packed.subarray(bounds[2 * i]!, bounds[2 * i + 1]!);
    if (openSeal(key, sealed) !== null) opened[i] = 1;
  }
  return opened;
}

/** Lets the event loop serve everybody else first. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** @param step from one slice's bounds to the next one's: 1 where each ends where the next one starts, else 2 */
function hashCut(
  bytes: Uint8Array,
  bounds: Uint32Array,
  step: 1 | 2,
  count: number,
  prefix: number | undefined,
): Uint8Array {
  const out = new Uint8Array(HASH_BYTES * count);
  const writer = Buffer.from(out.buffer);
  let preimage = Buffer.alloc(256);
  for (let i = 0; i < count; i++) {
    const slice = bytes.subarray(bounds[step * i]!, bounds[step * i + 1]!);
    if (prefix === undefined) {
      sha256Into(writer, HASH_BYTES * i, slice);
      continue;
    }
    if (preimage.length <= slice.length) preimage = Buffer.alloc(2 * slice.length);
    preimage[0] = prefix;
    preimage.set(slice, 1);
    sha256Into(writer, HASH_BYTES * i, preimage.subarray(0, 1 + slice.length));
  }
  return out;
}

/** RFC 6962 section 2.1, level by level: a node without a partner moves up as it is. */
function merkleRoot(leafHashes: Uint8Array): Uint8Array {
  const leaves = requireBytes(leafHashes, 'hash', 'tree');
  if (leaves.length % HASH_BYTES !== 0) {
    throw new MetersealError(
      'bad-argument',
      `couldn't hash tree: ${leaves.length} bytes are not whole hashes`,
    );
  }
  let count = leaves.length / HASH_BYTES;
  if (count > MAX_LEAVES) throw tooManyLeaves(count);
  if (count === 0) return sha256(leaves);
  const level = Buffer.from(leaves);
  const preimage = Buffer.alloc(1 + 2 * HASH_BYTES, 1);
  for (; count > 1; count = Math.ceil(count / 2)) {
    for (let pair = 0; pair < count >> 1; pair++) {
      level.copy(preimage, 1, 2 * HASH_BYTES * pair, 2 * HASH_BYTES * (pair + 1));
      sha256Into(level, HASH_BYTES * pair, preimage);
    }
    if (count % 2 === 1)
      level.copy(level, HASH_BYTES * (count >> 1), HASH_BYTES * (count - 1), HASH_BYTES * count);
  }
  return new Uint8Array(level.subarray(0, HASH_BYTES));
}

function keyFromSeed(seed: Uint8Array): SigningKey {
  const bytes = requireBytes(seed, 'read', 'seed');
  if (bytes.length !== SEED_BYTES) {
    throw new MetersealError(
      'bad-key',
      `couldn't read seed: ${bytes.length} bytes where ${SEED_BYTES} belong`,
    );
  }
  const der = Buffer.concat([PKCS8_PREFIX, bytes]);
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
  return new HiddenSigningKey(spki.subarray(SPKI_PREFIX.length), keyHandle(secret));
}

function generateKey(): SigningKey {
  const seed = randomBytes(SEED_BYTES);
  try {
    return keyFromSeed(seed);
  } finally {
    seed.fill(0);
  }
}

function keyHandle(secret: KeyObject): KeyHandle {
  return {
    sign: (message: Uint8Array) => new Uint8Array(nodeSign(null, message, secret)),
    seal: (record: Uint8Array) => concat(nodeSign(null, record, secret), record),
    sealBatch: (packed: Uint8Array, bounds: Uint32Array) => {
      requireSlices(bounds, packed.length);
      const records = unpack({ packed, bounds });
      for (const record of records) requireBytes(record, 'seal', 'record', MAX_RECORD_BYTES);
      return concat(...records.flatMap((record) => [nodeSign(null, record, secret), record]));
    },
    // The secret lives in OpenSSL, which overwrites it when the last reference to the KeyObject is collected.
    destroy: () => {},
  };
}

function badOffsets(noun: string, what: string): MetersealError {
  return new MetersealError('bad-argument', `couldn't hash ${noun}: bad offsets, ${what}`);
}

function badBatch(what: string): MetersealError {
  return new MetersealError('bad-argument', `couldn't open seals: ${what}`);
}

function tooManyLeaves(count: number): MetersealError {
  return new MetersealError(
    'too-large',
    `couldn't hash leaves: ${count} of them, at most ${MAX_LEAVES} allowed`,
  );
}

/** node:crypto with the strict rule: the reference in this house, and what runs where no addon can be loaded. */
export const javascriptEngine: Engine = {
  name: 'javascript',
  sha256,
  hashLeaves,
  hashSlices,
  hashSlicesAsync,
  merkleRoot,
  verify,
  openSeal,
  openBatch,
  generateKey,
  keyFromSeed,
};
