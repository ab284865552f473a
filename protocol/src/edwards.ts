/**
 * Arithmetic on edwards25519, −x² + y² = 1 + d·x²·y² over 2^255 − 19 (RFC 8032, section 5.1), in extended
 * coordinates. For public points only: nothing here runs in constant time.
 */

export const P = 2n ** 255n - 19n;
/** Order of the prime-order subgroup. */
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;

const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const D2 = (2n * D) % P;
const SQRT_MINUS_1 = 19681161376707505956807079304988542015446066515923890162744021073123829784752n;
const LOW_255 = 2n ** 255n - 1n;

/** Extended coordinates: x = X/Z, y = Y/Z, X·Y = Z·T. */
export interface EdwardsPoint {
  readonly X: bigint;
  readonly Y: bigint;
  readonly Z: bigint;
  readonly T: bigint;
}

export const IDENTITY: EdwardsPoint = { X: 0n, Y: 1n, Z: 1n, T: 0n };

/** Folds 2^255 to 19, twice: congruent and small, though not always below p. Much faster than a division. */
function reduce(value: bigint): bigint {
  const folded = (value & LOW_255) + 19n * (value >> 255n);
  return (folded & LOW_255) + 19n * (folded >> 255n);
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = reduce(result * square);
    square = reduce(square * square);
  }
  return result;
}

/** RFC 8032, section 5.1.4; complete, so it takes any two points. */
export function add(a: EdwardsPoint, b: EdwardsPoint): EdwardsPoint {
  const A = reduce((a.Y - a.X + 2n * P) * (b.Y - b.X + 2n * P));
  const B = reduce((a.Y + a.X) * (b.Y + b.X));
  const C = reduce(reduce(a.T * D2) * b.T);
  const E2 = reduce(2n * a.Z * b.Z);
  const E = B - A + 2n * P;
  const F = E2 - C + 2n * P;
  const G = E2 + C;
  const H = B + A;
  return { X: reduce(E * F), Y: reduce(G * H), Z: reduce(F * G), T: reduce(E * H) };
}

function double(a: EdwardsPoint): EdwardsPoint {
  const A = reduce(a.X * a.X);
  const B = reduce(a.Y * a.Y);
  const C = reduce(2n * a.Z * a.Z);
  const H = A + B;
  const sum = a.X + a.Y;
  const E = H - reduce(sum * sum) + 2n * P;
  const G = A - B + 2n * P;
  const F = C + G;
  return { X: reduce(E * F), Y: reduce(G * H), Z: reduce(F * G), T: reduce(E * H) };
}

export function multiply(scalar: bigint, point: EdwardsPoint): EdwardsPoint {
  let result = IDENTITY;
  for (const bit of scalar.toString(2)) {
    result = double(result);
    if (bit === '1') result = add(result, point);
  }
  return result;
}

export function isIdentity(point: EdwardsPoint): boolean {
  return point.X % P === 0n && (point.Y - point.Z) % P === 0n;
}

/**
 * Decodes a point by RFC 8032, section 5.1.3, and only its canonical encoding: y < p, and no sign on x = 0.
 *
 * @param bytes 32 bytes
 * @returns the point, or null where the bytes are not the canonical encoding of one
 */
export function decompress(bytes: Uint8Array): EdwardsPoint | null {
  if (bytes.length !== 32) return null;
  let encoded = 0n;
  for (let i = 31; i >= 0; i--) encoded = (encoded << 8n) | BigInt(bytes[i]!);
  const sign = encoded >> 255n;
  const y = encoded & LOW_255;
  if (y >= P) return null;
  const yy = reduce(y * y);
  const u = yy - 1n + P;
  const v = reduce(D * yy) + 1n;
  const v3 = reduce(reduce(v * v) * v);
  const v7 = reduce(reduce(v3 * v3) * v);
  let x = reduce(reduce(u * v3) * power(reduce(u * v7), (P - 5n) / 8n)) % P;
  const check = reduce(v * reduce(x * x));
  if ((check + u) % P === 0n) x = (x * SQRT_MINUS_1) % P;
  else if ((check - u) % P !== 0n) return null;
  if (x === 0n && sign === 1n) return null;
  if ((x & 1n) !== sign) x = P - x;
  return { X: x, Y: y, Z: 1n, T: (x * y) % P };
}
