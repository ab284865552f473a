/**
 * Signatures that an honest signer never makes: with a torsion component in the key or in R, with an R of small
 * order, with another encoding. The forger knows the secret scalar, as the owner of a key does.
 */

import { createHash } from 'node:crypto';
import { concat } from '@meterseal/protocol';
import {
  add,
  decompress,
  type EdwardsPoint,
  isIdentity,
  L,
  multiply,
  P,
} from '@meterseal/protocol/internal/edwards';

export function littleEndian(value: bigint): Uint8Array {
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) out[i] = Number((value >> BigInt(8 * i)) & 255n);
  return out;
}

export function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function modulo(value: bigint): bigint {
  return ((value % P) + P) % P;
}

function inverse(value: bigint): bigint {
  let result = 1n;
  let square = modulo(value);
  for (let rest = P - 2n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

export function compress(point: EdwardsPoint): Uint8Array {
  const z = inverse(point.Z);
  const out = littleEndian(modulo(point.Y * z));
  out[31]! |= Number(modulo(point.X * z) & 1n) << 7;
  return out;
}

const BASE = decompress(littleEndian((4n * inverse(5n)) % P))!;

/** The eight points whose order divides 8, as multiples of one of order 8; the first is the identity. */
export const TORSION: readonly EdwardsPoint[] = (() => {
  // L times any point has an order that divides 8, for half of all points 8 itself.
  for (let y = 2n; ; y++) {
    const point = decompress(littleEndian(y));
    const torsion = point && multiply(L, point);
    if (torsion && !isIdentity(multiply(4n, torsion))) {
      return Array.from({ length: 8 }, (_, i) => multiply(BigInt(i), torsion));
    }
  }
})();

/** The eight canonical encodings, and the six that are not, of the points whose order divides 8. */
export const SMALL_ORDER_ENCODINGS: readonly Uint8Array[] = (() => {
  const withSign = (y: bigint): Uint8Array => {
    const out = littleEndian(y);
    out[31]! |= 0x80;
    return out;
  };
  return [
    ...TORSION.map(compress),
    withSign(1n),
    withSign(P - 1n),
    littleEndian(P),
    withSign(P),
    littleEndian(P + 1n),
    withSign(P + 1n),
  ];
})();

export interface Forgery {
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Signs with scalars of the caller's choice: A = a·B + keyTorsion, R = r·B + rTorsion, S = r + k·a.
 *
 * @param encodedR replaces the bytes of R, before they are hashed
 */
export function forge(
  a: bigint,
  r: bigint,
  message: Uint8Array,
  options: { keyTorsion?: EdwardsPoint; rTorsion?: EdwardsPoint; encodedR?: Uint8Array } = {},
): Forgery {
  const publicKey = compress(add(multiply(a, BASE), options.keyTorsion ?? TORSION[0]!));
  const R = options.encodedR ?? compress(add(multiply(r, BASE), options.rTorsion ?? TORSION[0]!));
  const hash = createHash('sha512').update(R).update(publicKey).update(message).digest();
  const k = fromLittleEndian(hash) % L;
  return { publicKey, signature: concat(R, littleEndian((r + k * a) % L)) };
}
