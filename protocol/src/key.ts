import type { ByteReader } from './bytes.js';
import { fromBase64 } from './bytes.js';
import { MetersealError } from './errors.js';
import { isPrimeOrderPoint } from './point.js';

/**
 * Refuses what is not the canonical encoding of a point of prime order.
 *
 * @throws MetersealError `bad-key`
 */
export function assertKey(key: Uint8Array): Uint8Array {
  if (key.length !== 32 || !isPrimeOrderPoint(key)) {
    throw new MetersealError('bad-key', "couldn't accept key: not a canonical Ed25519 point of prime order");
  }
  return key;
}

/** A key of an entry or a message; refused with the reader's own code. */
export function readKey(from: ByteReader): Uint8Array {
  const key = from.bytes(32);
  if (!isPrimeOrderPoint(key)) from.refuse('a key that is not a canonical point of prime order');
  return key;
}

/** A key of a JSON body. */
export function keyFromBase64(text: string): Uint8Array {
  return assertKey(fromBase64(text, 'bad-key'));
}
