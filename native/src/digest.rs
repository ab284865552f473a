//! SHA-256 with the prefixes of RFC 6962, section 2.1.

#![forbid(unsafe_code)]

use sha2::{Digest, Sha256};

use crate::bounds::{HASH_BYTES, MAX_LEAVES};
use crate::lanes::hash_each;
use crate::refusal::{Code, Refusal};

/// A SHA-256 hash.
pub type Hash = [u8; HASH_BYTES];

/// Stands before a leaf when it is hashed.
pub const LEAF_PREFIX: u8 = 0;
/// Stands before the two hashes of an inner node.
pub const NODE_PREFIX: u8 = 1;

/// SHA-256 of nothing: the root of the empty tree.
pub fn empty_hash() -> Hash {
    Sha256::digest([]).into()
}

/// SHA-256(0x00 ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([LEAF_PREFIX])
        .chain_update(leaf)
        .finalize()
        .into()
}

/// SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([NODE_PREFIX])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// Leaf hashes of many leaves, one after the other.
///
/// `offsets` are n + 1 byte offsets that never fall; leaf i is `packed[offsets[i]..offsets[i + 1]]`.
///
/// # Errors
/// `BadArgument` for offsets that are missing, fall or leave `packed`; `TooLarge` above [`MAX_LEAVES`].
pub fn hash_leaves(packed: &[u8], offsets: &[u32]) -> Result<Vec<u8>, Refusal> {
    let bad = |what: String| Refusal::new(Code::BadArgument, format!("bad offsets, {what}"));
    let Some(last) = offsets.last() else {
        return Err(bad("none given, one more than leaves belong".into()));
    };
    let count = offsets.len() - 1;
    if count > MAX_LEAVES {
        return Err(too_many_leaves(count));
    }
    if let Some(at) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        return Err(bad(format!("offset {} is below the one before it", at + 1)));
    }
    if *last as usize > packed.len() {
        return Err(bad("the last one lies beyond the leaves".into()));
    }
    let mut hashes = Vec::with_capacity(count * HASH_BYTES);
    let leaves = offsets.windows(2).map(|pair| slice(packed, pair));
    hash_each(Some(LEAF_PREFIX), leaves, &mut hashes);
    Ok(hashes)
}

/// SHA-256 of many slices of one buffer, one after the other.
///
/// `bounds` are n pairs of byte offsets; slice i is `packed[bounds[2 * i]..bounds[2 * i + 1]]`. With a `prefix` that
/// byte is hashed before each.
///
/// # Errors
/// `BadArgument` for bounds that are torn, fall or leave `packed`; `TooLarge` above [`MAX_LEAVES`].
pub fn hash_slices(packed: &[u8], bounds: &[u32], prefix: Option<u8>) -> Result<Vec<u8>, Refusal> {
    let pairs = slices_of(packed, bounds)?;
    let mut hashes = Vec::with_capacity(pairs.len() * HASH_BYTES);
    let slices = pairs.iter().map(|pair| slice(packed, pair));
    hash_each(prefix, slices, &mut hashes);
    Ok(hashes)
}

/// The pairs of `bounds`, all within `packed`.
///
/// # Errors
/// As of [`hash_slices`].
pub fn slices_of<'a>(packed: &[u8], bounds: &'a [u32]) -> Result<&'a [[u32; 2]], Refusal> {
    let bad = |what: String| Refusal::new(Code::BadArgument, format!("bad bounds, {what}"));
    let (pairs, rest) = bounds.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(bad("a slice without an end".into()));
    }
    if pairs.len() > MAX_LEAVES {
        return Err(too_many_leaves(pairs.len()));
    }
    if let Some(at) = pairs
        .iter()
        .position(|[from, to]| to < from || *to as usize > packed.len())
    {
        return Err(bad(format!("slice {at} does not lie within the bytes")));
    }
    Ok(pairs)
}

/// One slice that [`slices_of`] has checked.
pub(crate) fn slice<'a>(packed: &'a [u8], pair: &[u32]) -> &'a [u8] {
    &packed[pair[0] as usize..pair[1] as usize]
}

pub(crate) fn too_many_leaves(count: usize) -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("{count} of them, at most {MAX_LEAVES} allowed"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_what_lies_between_two_offsets() {
        let hashes = hash_leaves(b"-abcc", &[1, 3, 3, 4]).unwrap();
        let expected = [leaf_hash(b"ab"), leaf_hash(b""), leaf_hash(b"c")].concat();
        assert_eq!(hashes, expected);
        assert_eq!(hash_leaves(b"", &[0]).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn slices_may_stand_anywhere() {
        let hashes = hash_slices(b"-abcc", &[4, 5, 1, 3, 2, 2], Some(LEAF_PREFIX)).unwrap();
        let expected = [leaf_hash(b"c"), leaf_hash(b"ab"), leaf_hash(b"")].concat();
        assert_eq!(hashes, expected);
        let bare: Hash = Sha256::digest(b"ab").into();
        assert_eq!(hash_slices(b"-abcc", &[1, 3], None).unwrap(), bare);
        assert_eq!(hash_slices(b"", &[], None).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn bad_bounds_are_refused() {
        for bounds in [
            &[0][..],
            &[0, 1, 2],
            &[2, 1],
            &[0, 4],
            &[u32::MAX, u32::MAX],
        ] {
            assert_eq!(
                hash_slices(b"abc", bounds, None).unwrap_err().code,
                Code::BadArgument
            );
        }
    }

    #[test]
    fn bad_offsets_are_refused() {
        for offsets in [&[][..], &[0, 2, 1], &[0, 4], &[4], &[u32::MAX, 0]] {
            assert_eq!(
                hash_leaves(b"abc", offsets).unwrap_err().code,
                Code::BadArgument
            );
        }
    }
}
