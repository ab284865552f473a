/** What one call of an engine takes at most; `native/src/bounds.rs` holds the same numbers. */

/** Bytes of one signed message: thirty times the largest that docs/formats.md knows, and no long stall. */
export const MAX_MESSAGE_BYTES = 1_048_576;
/** Leaves of one call: their hashes fill 512 MiB. Larger trees are put together from compact ranges. */
export const MAX_LEAVES = 16_777_216;
/** Public keys that an engine keeps checked and parsed; the oldest goes first. */
export const MAX_CHECKED_KEYS = 4_096;

export const KEY_BYTES = 32;
export const SEED_BYTES = 32;
export const HASH_BYTES = 32;
export const SIGNATURE_BYTES = 64;
