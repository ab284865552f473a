import type { Box, Random } from '@meterseal/protocol';
import nacl from 'tweetnacl';

/** The box that carries an issued identity key to its meter: once in the life of a meter, so speed is no matter. */
export function createBox(random: Random): Box {
  return {
    keyPair: () => nacl.box.keyPair.fromSecretKey(random(nacl.box.secretKeyLength)),
    seal: (message, nonce, publicKey, secretKey) => nacl.box(message, nonce, publicKey, secretKey),
    open: (box, nonce, publicKey, secretKey) => nacl.box.open(box, nonce, publicKey, secretKey),
  };
}
