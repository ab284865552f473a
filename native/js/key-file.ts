/**
 * Identity keys on disk: PKCS#8 PEM as RFC 8410 section 7 writes an Ed25519 seed. Whoever calls this owns the
 * file and its permissions (0600). Session keys never pass through here.
 */

import { randomBytes } from 'node:crypto';
import { fromBase64, MetersealError } from '@meterseal/protocol';
import { isStableBytes } from './arguments.js';
import { SEED_BYTES } from './bounds.js';

/** DER in front of the seed. */
export const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

const BEGIN = '-----BEGIN PRIVATE KEY-----\n';
const END = '\n-----END PRIVATE KEY-----\n';

/** 32 random bytes from the system. */
export function generateSeed(): Uint8Array {
  return new Uint8Array(randomBytes(SEED_BYTES));
}

/**
 * @param seed 32 bytes
 * @throws MetersealError `bad-key`
 */
export function toPkcs8Pem(seed: Uint8Array): string {
  if (!isStableBytes(seed) || seed.length !== SEED_BYTES) {
    throw new MetersealError('bad-key', `couldn't write key file: the seed is not ${SEED_BYTES} bytes`);
  }
  return BEGIN + Buffer.concat([PKCS8_PREFIX, seed]).toString('base64') + END;
}

/**
 * Reads what `toPkcs8Pem` and `openssl genpkey -algorithm ed25519` write, and nothing else.
 *
 * @returns the seed, 32 bytes
 * @throws MetersealError `bad-key`, without any part of the text in it
 */
export function fromPkcs8Pem(pem: string): Uint8Array {
  const refuse = (what: string): never => {
    throw new MetersealError('bad-key', `couldn't read key file: ${what}`, {
      hint: 'the file must hold one Ed25519 private key as unencrypted PKCS#8 PEM; restore it from its backup',
    });
  };
  if (typeof pem !== 'string' || !pem.startsWith(BEGIN) || !pem.endsWith(END)) {
    return refuse('not a PKCS#8 PEM private key');
  }
  const der = fromBase64(pem.slice(BEGIN.length, -END.length), 'bad-key');
  if (der.length !== PKCS8_PREFIX.length + SEED_BYTES || !PKCS8_PREFIX.every((byte, i) => byte === der[i])) {
    return refuse('not an Ed25519 seed');
  }
  const seed = der.slice(PKCS8_PREFIX.length);
  der.fill(0);
  return seed;
}
