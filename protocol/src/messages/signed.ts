import { ByteReader, concat, copyBytes } from '../bytes.js';
import type { Signer, Verifier } from '../crypto.js';

/** A message that came over the wire: what was signed, its meaning, and the signature[64] behind it. */
export type Signed<T> = { readonly value: T; readonly message: Uint8Array; readonly signature: Uint8Array };

/** A message and its signature as they go over the wire. */
export function signMessage(signer: Signer, message: Uint8Array): Uint8Array {
  return concat(message, signer.sign(message));
}

/** Reads one signed message from the middle of a body. The signature is not checked here. */
export function readSigned<T>(body: Uint8Array, from: ByteReader, read: (from: ByteReader) => T): Signed<T> {
  const start = from.at;
  const value = read(from);
  const message = copyBytes(body.subarray(start, from.at));
  return { value, message, signature: from.bytes(64) };
}

/**
 * Decodes a body that is exactly one signed message. The signature is not checked here.
 *
 * @throws MetersealError `bad-message`
 */
export function decodeSigned<T>(body: Uint8Array, read: (from: ByteReader) => T): Signed<T> {
  const from = new ByteReader(body, 'bad-message');
  const signed = readSigned(body, from, read);
  from.end();
  return signed;
}

/** Decodes a body of signed messages, one behind the other, at most `most`. */
export function decodeSignedList<T>(
  body: Uint8Array,
  read: (from: ByteReader) => T,
  most: number,
): Signed<T>[] {
  const from = new ByteReader(body, 'bad-message');
  const list: Signed<T>[] = [];
  while (from.left > 0) {
    if (list.length === most) from.refuse(`more than ${most} messages`);
    list.push(readSigned(body, from, read));
  }
  return list;
}

export function isSignedBy<T>(verifier: Verifier, key: Uint8Array, signed: Signed<T>): boolean {
  return verifier.verify(key, signed.message, signed.signature);
}
