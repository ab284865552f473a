/**
 * The exact checks of the one strict Ed25519 rule (docs/formats.md): which 32 bytes are a key, which R and which
 * S a signature may have. Every implementation that verifies makes them before its own arithmetic, so that
 * libraries with different edge cases give the same answers.
 */

import { toHex } from './bytes.js';
import { decompress, isIdentity, L, multiply, P } from './edwards.js';

/** One check costs about a millisecond, and decoders ask for the same few keys again and again. */
const MEMO_ENTRIES = 4_096;
const memo = new Map<string, boolean>();

/**
 * Whether `key` is the canonical encoding of a point of prime order: a key that entries and messages may carry.
 *
 * @param key raw Ed25519 public key; anything but 32 bytes is false
 */
export function isPrimeOrderPoint(key: Uint8Array): boolean {
  if (key.length !== 32) return false;
  const name = toHex(key);
  const known = memo.get(name);
  if (known !== undefined) return known;
  const answer = hasPrimeOrder(key);
  if (memo.size >= MEMO_ENTRIES) memo.delete(memo.keys().next().value!);
  memo.set(name, answer);
  return answer;
}

function hasPrimeOrder(key: Uint8Array): boolean {
  if (isSmallOrderEncoding(key)) return false;
  const point = decompress(key);
  return point !== null && isIdentity(multiply(L, point));
}

function littleEndian(value: bigint): Uint8Array {
  const out = new Uint8Array(32);
  let rest = value;
  for (let i = 0; i < 32; i++) {
    out[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return out;
}

/**
 * The y of the eight points whose order divides 8 (those of order 8 solve d·y⁴ + 2y² = 1), and the two of them
 * that have a second encoding at or above p; each with either sign bit: 14 encodings.
 */
const Y_OF_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;
const SMALL_ORDER_Y = [0n, 1n, P - 1n, P, P + 1n, Y_OF_ORDER_8, P - Y_OF_ORDER_8].map(littleEndian);

/** Whether `bytes` are one of the 14 encodings, canonical or not, of a point whose order divides 8. */
export function isSmallOrderEncoding(bytes: Uint8Array): boolean {
  return bytes.length === 32 && isSmallOrderAt(bytes, 0);
}

/** Which first bytes they have: nearly every other 32 bytes are told by that alone. */
const IS_SMALL_ORDER_FIRST = new Uint8Array(256);
for (const [first] of SMALL_ORDER_Y) IS_SMALL_ORDER_FIRST[first!] = 1;

function isSmallOrderAt(bytes: Uint8Array, at: number): boolean {
  if (IS_SMALL_ORDER_FIRST[bytes[at]!] === 0) return false;
  for (const y of SMALL_ORDER_Y) {
    let i = 0;
    while (i < 31 && bytes[at + i] === y[i]) i++;
    if (i === 31 && (bytes[at + 31]! & 0x7f) === y[31]) return true;
  }
  return false;
}

const L_BYTES = littleEndian(L);

/**
 * Whether `scalar` is reduced: below the group order L. An unreduced S would give a signature a second form.
 *
 * @param scalar 32 bytes, little-endian
 */
export function isCanonicalScalar(scalar: Uint8Array): boolean {
  return scalar.length === 32 && isCanonicalAt(scalar, 0);
}

function isCanonicalAt(bytes: Uint8Array, at: number): boolean {
  for (let i = 31; i >= 0; i--) {
    if (bytes[at + i]! !== L_BYTES[i]!) return bytes[at + i]! < L_BYTES[i]!;
  }
  return false;
}

/**
 * Whether 64 bytes can be a signature at all, whatever the key and the message: R not of small order, S reduced.
 *
 * @param at where they stand in `bytes`; false where they are not all there
 */
export function isPossibleSignature(bytes: Uint8Array, at = 0): boolean {
  return at + 64 <= bytes.length && isCanonicalAt(bytes, at + 32) && !isSmallOrderAt(bytes, at);
}
