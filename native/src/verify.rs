//! Ed25519 by the one strict rule of meterseal, and seals opened by it.

#![forbid(unsafe_code)]

use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable;
use ed25519_dalek::Signature;
use sha2::{Digest, Sha512};

use crate::bounds::{KEY_BYTES, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, SIGNATURE_BYTES};
use crate::keys::{CheckedKey, KeyCache};

/// Whether `signature` is good: key canonical and of prime order, S < L, R canonical and not of small order,
/// S·B = R + k·A without a cofactor. Anything malformed is false.
pub fn verify(keys: &KeyCache, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(raw) = <&[u8; KEY_BYTES]>::try_from(public_key) else {
        return false;
    };
    let Ok(signature) = <&[u8; SIGNATURE_BYTES]>::try_from(signature) else {
        return false;
    };
    message.len() <= MAX_MESSAGE_BYTES
        && keys
            .get(raw, 1)
            .is_some_and(|key| verify_with(&key, message, signature))
}

/// The rule for a key that was checked before.
///
/// Both ways compare the *encoding* of S·B − k·A with R. Since A has prime order, so has that point: an R that is not
/// canonical, or has a torsion component, never equals it, and of the points of small order only the identity could.
pub fn verify_with(key: &CheckedKey, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    let Some(table) = key.table() else {
        let signature = Signature::from_bytes(signature);
        return key.key().verify_strict(message, &signature).is_ok();
    };
    let (r, s) = halves(signature);
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(*s)) else {
        return false;
    };
    let k = challenge(r, key.raw(), message);
    let expected = ED25519_BASEPOINT_TABLE.mul_base(&s) + table.mul_base(&k);
    *r != IDENTITY && expected.compress().to_bytes() == *r
}

/// The encoding of the identity.
const IDENTITY: [u8; KEY_BYTES] = {
    let mut bytes = [0; KEY_BYTES];
    bytes[0] = 1;
    bytes
};

/// R and S.
pub(crate) fn halves(signature: &[u8; SIGNATURE_BYTES]) -> (&[u8; 32], &[u8; 32]) {
    let (halves, _) = signature.as_chunks::<32>();
    (&halves[0], &halves[1])
}

/// k = SHA-512(R ‖ A ‖ message) mod L.
pub(crate) fn challenge(r: &[u8; 32], public_key: &[u8; KEY_BYTES], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(public_key)
        .chain_update(message)
        .finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// Signature and record of `sealed`, or `None` where it cannot be a seal.
pub fn split_seal(sealed: &[u8]) -> Option<(&[u8; SIGNATURE_BYTES], &[u8])> {
    let (signature, record) = sealed.split_first_chunk()?;
    (record.len() <= MAX_RECORD_BYTES).then_some((signature, record))
}

/// The record of `sealed` = signature ‖ record, or `None` where the seal is not good.
pub fn open_seal<'a>(keys: &KeyCache, public_key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (signature, record) = split_seal(sealed)?;
    verify(keys, public_key, record, signature).then_some(record)
}
