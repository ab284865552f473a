//! The Merkle tree hash of RFC 6962, section 2.1.

#![forbid(unsafe_code)]

use crate::bounds::{HASH_BYTES, MAX_LEAVES};
use crate::digest::{Hash, NODE_PREFIX, empty_hash, too_many_leaves};
use crate::lanes::hash_each;
use crate::refusal::{Code, Refusal};

/// Root over n × 32 bytes of leaf hashes.
///
/// Works level by level: a node without a partner moves up as it is, which is the same tree as splitting at the
/// largest power of two below n.
///
/// # Errors
/// `BadArgument` where the bytes are not whole hashes; `TooLarge` above [`MAX_LEAVES`].
pub fn merkle_root(leaf_hashes: &[u8]) -> Result<Hash, Refusal> {
    let (leaves, rest) = leaf_hashes.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() {
        return Err(Refusal::new(
            Code::BadArgument,
            format!("{} bytes are not whole hashes", leaf_hashes.len()),
        ));
    }
    if leaves.len() > MAX_LEAVES {
        return Err(too_many_leaves(leaves.len()));
    }
    let mut level = leaf_hashes.to_vec();
    while level.len() > HASH_BYTES {
        let mut above = Vec::with_capacity(level.len() / 2 + HASH_BYTES);
        let pairs = level.chunks_exact(2 * HASH_BYTES);
        let alone = pairs.remainder();
        hash_each(Some(NODE_PREFIX), pairs, &mut above);
        above.extend_from_slice(alone);
        level = above;
    }
    Ok(level.first_chunk().copied().unwrap_or_else(empty_hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{leaf_hash, node_hash};

    /// The definition as the RFC writes it.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_hash(),
            [only] => *only,
            _ => {
                let split = 1 << (leaves.len() - 1).ilog2();
                node_hash(&defined(&leaves[..split]), &defined(&leaves[split..]))
            }
        }
    }

    #[test]
    fn every_small_tree_has_the_root_of_the_definition() {
        let leaves: Vec<Hash> = (0..140u8).map(|i| leaf_hash(&[i])).collect();
        for size in 0..=leaves.len() {
            let part = &leaves[..size];
            assert_eq!(
                merkle_root(part.as_flattened()),
                Ok(defined(part)),
                "{size} leaves"
            );
        }
    }

    #[test]
    fn a_torn_hash_is_refused() {
        assert_eq!(merkle_root(&[0; 33]).unwrap_err().code, Code::BadArgument);
    }
}
