/** What the benchmarks call of it. */
declare module 'sodium-native' {
  const sodium: {
    crypto_hash_sha256(out: Buffer, input: Buffer): void;
    crypto_sign_verify_detached(signature: Buffer, message: Buffer, publicKey: Buffer): boolean;
  };
  export default sodium;
}
