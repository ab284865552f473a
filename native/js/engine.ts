import type { Crypto, Signer } from '@meterseal/protocol';

/**
 * A private Ed25519 key that can be used but not seen: it refuses to be printed, compared or serialised.
 * Session keys live here only; an identity key is made from a seed that its owner keeps in a key file.
 */
export interface SigningKey extends Signer {
  /**
   * Signature with message recovery, in the NaCl `crypto_sign` layout.
   *
   * @param record at most 16 KiB
   * @returns signature[64] ‖ record
   * @throws MetersealError `bad-argument`, `too-large`, `bad-key` (the key was destroyed)
   */
  seal(record: Uint8Array): Uint8Array;
  /**
   * Seals many records, for less each than alone.
   *
   * @param packed where the records lie; record i is `packed[bounds[2i], bounds[2i + 1])`
   * @returns (signature[64] ‖ record)*, in order
   * @throws MetersealError `bad-argument`, `too-large`, `bad-key` (the key was destroyed)
   */
  sealBatch(packed: Uint8Array, bounds: Uint32Array): Uint8Array;
  /** Forgets the secret; afterwards only `publicKey` answers. May be called twice. */
  destroy(): void;
}

/** Everything that meterseal computes with hashes and keys, by the Rust addon or by node:crypto: same answers. */
export interface Engine extends Crypto {
  readonly name: 'addon' | 'javascript';
  /** A fresh key from the system's randomness; its seed cannot be read back. */
  generateKey(): SigningKey;
  /**
   * The key of an RFC 8032 seed. The seed is copied; the caller overwrites its own.
   *
   * @param seed 32 bytes
   * @throws MetersealError `bad-argument`, `bad-key` (not 32 bytes)
   */
  keyFromSeed(seed: Uint8Array): SigningKey;
  /**
   * Opens a sealed reading by the strict rule. Anything malformed is null, without an error.
   *
   * @param publicKey session key, 32 bytes
   * @param sealed signature[64] ‖ record, the record at most 16 KiB
   * @returns a copy of the record, or null where the seal is not good
   */
  openSeal(publicKey: Uint8Array, sealed: Uint8Array): Uint8Array | null;
}
