import { isCanonicalScalar, isPrimeOrderPoint, isSmallOrderEncoding } from '@meterseal/protocol';
import nacl from 'tweetnacl';

/** tweetnacl as it is, without the strict rule. */
export function laxVerify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return (
    publicKey.length === 32 &&
    signature.length === 64 &&
    nacl.sign.detached.verify(message, signature, publicKey)
  );
}

/** The strict rule over tweetnacl: arithmetic that shares nothing with either engine. */
export function oracleVerify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return (
    publicKey.length === 32 &&
    signature.length === 64 &&
    isPrimeOrderPoint(publicKey) &&
    !isSmallOrderEncoding(signature.subarray(0, 32)) &&
    isCanonicalScalar(signature.subarray(32)) &&
    nacl.sign.detached.verify(message, signature, publicKey)
  );
}
