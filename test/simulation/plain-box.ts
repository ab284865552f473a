import type { Box, Random } from '@meterseal/protocol';
import { concat, equalBytes } from '@meterseal/protocol';
import { engine } from './seeded-engine.js';

/** A box that only the two can open, and that hides nothing from anybody who reads this: curve arithmetic costs too much here. */
export function plainBox(random: Random): Box {
  const publicOf = (secret: Uint8Array): Uint8Array => engine.sha256(secret);
  const shared = (a: Uint8Array, b: Uint8Array): Uint8Array =>
    engine.sha256(...(Buffer.compare(a, b) < 0 ? [a, b] : [b, a]));
  const tag = (message: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array =>
    engine.sha256(key, nonce, message).subarray(0, 16);
  return {
    keyPair: () => {
      const secretKey = random(32);
      return { publicKey: publicOf(secretKey), secretKey };
    },
    seal: (message, nonce, to, secretKey) =>
      concat(tag(message, nonce, shared(publicOf(secretKey), to)), message),
    open: (box, nonce, from, secretKey) => {
      const message = box.slice(16);
      const expected = tag(message, nonce, shared(publicOf(secretKey), from));
      return equalBytes(box.subarray(0, 16), expected) ? message : null;
    },
  };
}
