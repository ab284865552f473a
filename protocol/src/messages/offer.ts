import { ByteReader, concat } from '../bytes.js';
import type { Random } from '../crypto.js';
import { MetersealError } from '../errors.js';

/*
 * The issued identity key on its way to the meter:  ephemeral X25519[32] | nonce[24] | box(seed[32])[48]
 * `nacl.box` to the one-time key `sealTo` that the meter sent with its request.
 */

/** X25519 + XSalsa20-Poly1305, as `nacl.box` defines it. */
export interface Box {
  keyPair(): { publicKey: Uint8Array; secretKey: Uint8Array };
  seal(message: Uint8Array, nonce: Uint8Array, publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array;
  open(box: Uint8Array, nonce: Uint8Array, publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array | null;
}

export const OFFER_BYTES = 104;

export function sealOffer(box: Box, random: Random, seed: Uint8Array, sealTo: Uint8Array): Uint8Array {
  const ephemeral = box.keyPair();
  const nonce = random(24);
  const sealed = box.seal(seed, nonce, sealTo, ephemeral.secretKey);
  ephemeral.secretKey.fill(0);
  return concat(ephemeral.publicKey, nonce, sealed);
}

/**
 * The seed of the identity key that the platform issued.
 *
 * @throws MetersealError `bad-message` when the offer is malformed or was made for another key
 */
export function openOffer(box: Box, offer: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const from = new ByteReader(offer, 'bad-message');
  const ephemeral = from.bytes(32);
  const nonce = from.bytes(24);
  const sealed = from.bytes(48);
  from.end();
  const seed = box.open(sealed, nonce, ephemeral, secretKey);
  if (seed === null) {
    throw new MetersealError(
      'bad-message',
      "couldn't open offer: it was not made for this meter's one-time key",
    );
  }
  return seed;
}
