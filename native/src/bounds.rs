//! What one call takes at most; `native/js/bounds.ts` holds the same numbers.

#![forbid(unsafe_code)]

/// Bytes of one signed message.
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// Bytes of one record (`MAX_RECORD_BYTES` of the formats).
pub const MAX_RECORD_BYTES: usize = 16_384;
/// Leaves of one call: their hashes fill 512 MiB.
pub const MAX_LEAVES: usize = 16_777_216;
/// Keys that have a table of multiples, 30 KB each.
pub const MAX_KEY_TABLES: usize = 256;
/// Public keys that stay checked and decompressed; the oldest goes first.
pub const MAX_CHECKED_KEYS: usize = 4_096;

/// Bytes of a public key.
pub const KEY_BYTES: usize = 32;
/// Bytes of an RFC 8032 seed.
pub const SEED_BYTES: usize = 32;
/// Bytes of a SHA-256 hash.
pub const HASH_BYTES: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
