/**
 * Hashing and signatures come in as arguments: the daemon passes the Rust addon, the collector its
 * JavaScript twin, a browser something of its own. All of them keep the one strict rule of docs/formats.md.
 */

export interface Hasher {
  /** SHA-256 of the parts, one after the other; 32 bytes. */
  sha256(...parts: Uint8Array[]): Uint8Array;
}

export interface BulkHasher extends Hasher {
  /**
   * RFC 6962 leaf hashes, SHA-256(0x00 ‖ leaf), of many leaves in one call.
   *
   * @param packed the leaves, one after the other
   * @param offsets n + 1 rising byte offsets; leaf i is `packed[offsets[i], offsets[i + 1])`
   * @returns n × 32 bytes
   */
  hashLeaves(packed: Uint8Array, offsets: Uint32Array): Uint8Array;
  /**
   * SHA-256 of many slices of one buffer in one call.
   *
   * @param packed where the slices lie, with anything between them
   * @param bounds 2n byte offsets; slice i is `packed[bounds[2i], bounds[2i + 1])`
   * @param prefix a byte that is hashed before each slice, 0 for RFC 6962 leaves; none if not given
   * @returns n × 32 bytes
   */
  hashSlices(packed: Uint8Array, bounds: Uint32Array, prefix?: number): Uint8Array;
  /** The same while others get their turn, over a copy of the arguments; rejects with what `hashSlices` throws. */
  hashSlicesAsync(packed: Uint8Array, bounds: Uint32Array, prefix?: number): Promise<Uint8Array>;
  /** RFC 6962 Merkle tree hash over n × 32 bytes of leaf hashes; SHA-256("") for none. */
  merkleRoot(leafHashes: Uint8Array): Uint8Array;
}

export interface Verifier {
  /**
   * Strict Ed25519: canonical S, canonical points, key of prime order, R not of small order, cofactorless.
   * Never throws: anything malformed is simply false.
   */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

export interface BulkVerifier extends Verifier {
  /**
   * Many sealed readings by the same rule, while others get their turn: works on a copy of the arguments.
   *
   * @returns a byte for each seal: 1 where it is good, else 0
   * @throws MetersealError (rejects) `bad-argument`, `too-large`
   */
  openBatch(seals: SealBatch): Promise<Uint8Array>;
}

/** Sealed readings of many sessions, packed. */
export type SealBatch = {
  /** n public keys, 32 bytes each. */
  readonly keys: Uint8Array;
  /** For each seal the place of its key in `keys`. */
  readonly keyOf: Uint32Array;
  /** Where the seals lie, signature[64] ‖ record each, with anything between them. */
  readonly packed: Uint8Array;
  /** Seal i is `packed[bounds[2i], bounds[2i + 1])`. */
  readonly bounds: Uint32Array;
};

export interface Crypto extends BulkHasher, BulkVerifier {}

/** A private key that can be used but not seen. */
export interface Signer {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** Random bytes; the only source of randomness that pure code ever sees. */
export type Random = (length: number) => Uint8Array;
