/**
 * Verifier keys of signed notes (c2sp.org/signed-note, section "Signatures", and c2sp.org/tlog-cosignature):
 *
 * ```
 * <name>+<key hash, 8 hex digits>+<base64 of: u8 algorithm ‖ key[32]>
 * key hash = first 4 bytes of SHA-256(name ‖ "\n" ‖ u8 algorithm ‖ key[32])
 * ```
 */

import { concat, equalBytes, fromBase64, fromHex, toBase64, toHex, utf8 } from './bytes.js';
import type { Hasher } from './crypto.js';
import { MetersealError } from './errors.js';
import { assertKey } from './key.js';
import { MAX_STR_BYTES } from './limits.js';

/** Ed25519 over the note text: logs. */
export const ALG_ED25519 = 0x01;
/** Timestamped Ed25519 cosignature, `cosignature/v1`: witnesses. */
export const ALG_COSIGNATURE = 0x04;

export type NoteAlgorithm = typeof ALG_ED25519 | typeof ALG_COSIGNATURE;

/** A key that signs notes: who, how, and with which public key. */
export interface VerifierKey {
  readonly name: string;
  readonly algorithm: NoteAlgorithm;
  /** Raw Ed25519 public key, canonical and of prime order. */
  readonly publicKey: Uint8Array;
  /** 4 bytes that tell the keys of one name apart in a signature line. */
  readonly keyHash: Uint8Array;
}

/**
 * Whether `name` may name a key: 1…255 bytes without Unicode spaces, control characters and plus signs.
 */
export function isKeyName(name: string): boolean {
  if (name.length > MAX_STR_BYTES || !/^[^\p{White_Space}\p{Surrogate}\u0000-\u001f+]+$/u.test(name))
    return false;
  return utf8(name).length <= MAX_STR_BYTES;
}

/** The 4 bytes by which a signature line names its key. */
export function keyHash(
  h: Hasher,
  name: string,
  algorithm: NoteAlgorithm,
  publicKey: Uint8Array,
): Uint8Array {
  return h.sha256(concat(utf8(name), Uint8Array.of(0x0a, algorithm), publicKey)).slice(0, 4);
}

/**
 * @throws MetersealError `bad-key` for a name or key that cannot stand in a note
 */
export function verifierKeyOf(
  h: Hasher,
  name: string,
  algorithm: NoteAlgorithm,
  publicKey: Uint8Array,
): VerifierKey {
  if (!isKeyName(name)) refuse('a name that is empty, too long, or has a space or plus');
  assertKey(publicKey);
  return { name, algorithm, publicKey, keyHash: keyHash(h, name, algorithm, publicKey) };
}

export function formatVerifierKey(key: VerifierKey): string {
  return `${key.name}+${toHex(key.keyHash)}+${toBase64(concat(Uint8Array.of(key.algorithm), key.publicKey))}`;
}

/**
 * @throws MetersealError `bad-key` for another algorithm, a hash that does not belong to the key, or a key that
 *   is not a canonical point of prime order
 */
export function parseVerifierKey(h: Hasher, text: string): VerifierKey {
  const parts = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  if (parts === null) refuse('not of the form name+hash+base64');
  const [, name, hash, encoded] = parts as unknown as [string, string, string, string];
  const material = fromBase64(encoded, 'bad-key');
  const algorithm = material[0];
  if (algorithm !== ALG_ED25519 && algorithm !== ALG_COSIGNATURE) refuse(`algorithm ${algorithm}`);
  const key = verifierKeyOf(h, name, algorithm, material.subarray(1));
  if (!equalBytes(key.keyHash, fromHex(hash))) refuse('the hash does not belong to the key');
  return key;
}

function refuse(what: string): never {
  throw new MetersealError('bad-key', `couldn't parse verifier key: ${what}`);
}
