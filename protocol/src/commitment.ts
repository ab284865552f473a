import canonicalize from 'canonicalize';
import { concat, isWellFormed, utf8 } from './bytes.js';
import type { Hasher } from './crypto.js';
import { MetersealError } from './errors.js';
import { MAX_HOLDER_BYTES } from './limits.js';
import { isMeterId } from './record.js';

/** A holder's data: what the roster and the meter must agree on. Flat, texts only. */
export type Holder = Readonly<Record<string, string>>;

/** SHA-256("meterseal/meter/v0\n" ‖ salt[16] ‖ ID): names a meter on the chain without giving it away. */
export function meterCommitment(hasher: Hasher, salt: Uint8Array, meter: string): Uint8Array {
  if (!isMeterId(meter)) throw new MetersealError('bad-argument', "couldn't commit to meter: not a meter ID");
  return hasher.sha256(utf8('meterseal/meter/v0\n'), saltOf(salt), utf8(meter));
}

/** SHA-256("meterseal/holder/v0\n" ‖ salt[16] ‖ JCS(holder)). */
export function holderCommitment(hasher: Hasher, salt: Uint8Array, holder: Holder): Uint8Array {
  return hasher.sha256(utf8('meterseal/holder/v0\n'), saltOf(salt), holderBytes(holder));
}

/**
 * The holder's data in the RFC 8785 form: two holders are the same if these bytes are.
 *
 * @param holder from a roster or a request, whatever it is
 * @throws MetersealError `bad-request` unless it is a flat object of texts of at most 4 KiB
 */
export function holderBytes(holder: Holder): Uint8Array {
  if (typeof holder !== 'object' || holder === null || Array.isArray(holder)) refuse('not an object');
  for (const [key, value] of Object.entries(holder)) {
    if (typeof value !== 'string') refuse('a value that is no text');
    if (!isWellFormed(key) || !isWellFormed(value)) refuse('half a surrogate pair');
  }
  const bytes = utf8(canonicalize(holder)!);
  if (bytes.length > MAX_HOLDER_BYTES) refuse(`${bytes.length} bytes, at most ${MAX_HOLDER_BYTES} allowed`);
  return bytes;
}

function refuse(what: string): never {
  throw new MetersealError('bad-request', `couldn't accept holder: ${what}`);
}

/** The hash over everything delivered so far: SHA-256(previous ‖ reading hash), from 32 zero bytes. */
export function runningHash(hasher: Hasher, previous: Uint8Array, reading: Uint8Array): Uint8Array {
  return hasher.sha256(concat(previous, reading));
}

/** Where a running hash starts, and starts anew after a gap statement. */
export const RUNNING_HASH_START: Uint8Array = new Uint8Array(32);

function saltOf(salt: Uint8Array): Uint8Array {
  if (salt.length !== 16) throw new MetersealError('bad-argument', "couldn't commit: a salt has 16 bytes");
  return salt;
}
