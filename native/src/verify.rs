//! Ed25519 by the one strict rule of meterseal, and seals opened by it.

#![forbid(unsafe_code)]

use ed25519_dalek::Signature;

use crate::bounds::{KEY_BYTES, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, SIGNATURE_BYTES};
use crate::keys::KeyCache;

/// Whether `signature` is good: key canonical and of prime order, S < L, R canonical and not of small order,
/// S·B = R + k·A without a cofactor. Anything malformed is false.
///
/// `verify_strict` refuses an unreduced S and an R of small order, and compares the *encoding* of S·B − k·A with
/// R; since A has prime order, an R that is not canonical or has a torsion component never equals it.
pub fn verify(keys: &mut KeyCache, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(raw) = <&[u8; KEY_BYTES]>::try_from(public_key) else {
        return false;
    };
    let Ok(signature) = Signature::from_slice(signature) else {
        return false;
    };
    message.len() <= MAX_MESSAGE_BYTES
        && keys
            .get(raw)
            .is_some_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// The record of `sealed` = signature ‖ record, or `None` where the seal is not good.
pub fn open_seal<'a>(keys: &mut KeyCache, public_key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (signature, record) = sealed.split_at_checked(SIGNATURE_BYTES)?;
    (record.len() <= MAX_RECORD_BYTES && verify(keys, public_key, record, signature))
        .then_some(record)
}
