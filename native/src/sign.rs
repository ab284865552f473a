//! Private keys that can be used but not seen.

#![forbid(unsafe_code)]

use std::fmt;

use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::bounds::{KEY_BYTES, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, SEED_BYTES, SIGNATURE_BYTES};
use crate::refusal::{Code, Refusal};
use crate::verify::challenge;

/// An Ed25519 private key. Its memory is overwritten when it is dropped; it is boxed, so that moving it leaves
/// no copy behind.
pub struct SecretKey(Box<SigningKey>);

impl SecretKey {
    /// A fresh key from the system's randomness.
    ///
    /// # Errors
    /// `System` where there is no randomness.
    pub fn generate() -> Result<Self, Refusal> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(seed.as_mut_slice())
            .map_err(|error| Refusal::new(Code::System, error.to_string()))?;
        Ok(Self(Box::new(SigningKey::from_bytes(&seed))))
    }

    /// The key of an RFC 8032 seed.
    ///
    /// # Errors
    /// `BadKey` for anything but 32 bytes.
    pub fn from_seed(seed: &[u8]) -> Result<Self, Refusal> {
        let bytes = <&[u8; SEED_BYTES]>::try_from(seed).map_err(|_| {
            let message = format!("{} bytes where {SEED_BYTES} belong", seed.len());
            Refusal::new(Code::BadKey, message)
        })?;
        Ok(Self(Box::new(SigningKey::from_bytes(bytes))))
    }

    /// The raw public key.
    pub fn public_key(&self) -> [u8; KEY_BYTES] {
        self.0.verifying_key().to_bytes()
    }

    /// Ed25519 signature of `message` (RFC 8032, section 5.1.6).
    ///
    /// # Errors
    /// `TooLarge` above [`MAX_MESSAGE_BYTES`].
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], Refusal> {
        bounded(message, MAX_MESSAGE_BYTES)?;
        Ok(self.0.sign(message).to_bytes())
    }

    /// Signature ‖ record, the layout of NaCl's `crypto_sign`.
    ///
    /// # Errors
    /// `TooLarge` above [`MAX_RECORD_BYTES`].
    pub fn seal(&self, record: &[u8]) -> Result<Vec<u8>, Refusal> {
        bounded(record, MAX_RECORD_BYTES)?;
        Ok([&self.0.sign(record).to_bytes()[..], record].concat())
    }

    /// Signature ‖ record of many records, one behind the other: the bytes of [`SecretKey::seal`] each, for less,
    /// because the points R are encoded together.
    ///
    /// # Errors
    /// `TooLarge` where a record is above [`MAX_RECORD_BYTES`].
    pub fn seal_batch(&self, records: &[&[u8]]) -> Result<Vec<u8>, Refusal> {
        for record in records {
            bounded(record, MAX_RECORD_BYTES)?;
        }
        let public_key = self.public_key();
        let secret = ExpandedSecretKey::from(self.0.as_bytes());
        // RFC 8032, section 5.1.6, step 2: r and R.
        let nonces: Zeroizing<Vec<Scalar>> = Zeroizing::new(
            records
                .iter()
                .map(|record| {
                    let hash = Sha512::new()
                        .chain_update(secret.hash_prefix)
                        .chain_update(record)
                        .finalize();
                    Scalar::from_bytes_mod_order_wide(&hash.into())
                })
                .collect(),
        );
        let points: Vec<EdwardsPoint> = nonces
            .iter()
            .map(|nonce| nonce * ED25519_BASEPOINT_TABLE)
            .collect();
        let encoded = EdwardsPoint::compress_batch_alloc(&points);
        let bytes = records.iter().map(|record| SIGNATURE_BYTES + record.len());
        let mut sealed = Vec::with_capacity(bytes.sum());
        for ((record, nonce), r) in records.iter().zip(nonces.iter()).zip(encoded) {
            let k = challenge(r.as_bytes(), &public_key, record);
            sealed.extend_from_slice(r.as_bytes());
            sealed.extend_from_slice((nonce + k * secret.scalar).as_bytes());
            sealed.extend_from_slice(record);
        }
        Ok(sealed)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[signing key]")
    }
}

fn bounded(bytes: &[u8], most: usize) -> Result<(), Refusal> {
    if bytes.len() > most {
        let message = format!("{} bytes, at most {most} allowed", bytes.len());
        return Err(Refusal::new(Code::TooLarge, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_print_its_secret() {
        let key = SecretKey::from_seed(&[7; SEED_BYTES]).unwrap();
        assert_eq!(format!("{key:?} {key:#?}"), "[signing key] [signing key]");
    }

    #[test]
    fn two_generated_keys_differ() {
        let [a, b] = [(); 2].map(|()| SecretKey::generate().unwrap().public_key());
        assert_ne!(a, b);
    }

    #[test]
    fn records_sealed_together_are_those_sealed_alone() {
        let key = SecretKey::from_seed(&[9; SEED_BYTES]).unwrap();
        let records: Vec<Vec<u8>> = (0..40usize).map(|i| vec![i as u8; i * 13]).collect();
        for count in [0, 1, 2, 40] {
            let part: Vec<&[u8]> = records[..count].iter().map(Vec::as_slice).collect();
            let alone: Vec<u8> = part
                .iter()
                .flat_map(|record| key.seal(record).unwrap())
                .collect();
            assert_eq!(key.seal_batch(&part).unwrap(), alone, "{count}");
        }
        let large = vec![0; MAX_RECORD_BYTES + 1];
        let refused = key.seal_batch(&[&records[3], &large]).unwrap_err();
        assert_eq!(refused.code, Code::TooLarge);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let key = SecretKey::from_seed(&[7; SEED_BYTES]).unwrap();
        assert_eq!(
            SecretKey::from_seed(&[7; 31]).unwrap_err().code,
            Code::BadKey
        );
        assert_eq!(
            key.seal(&[0; MAX_RECORD_BYTES + 1]).unwrap_err().code,
            Code::TooLarge
        );
        assert_eq!(
            key.sign(&vec![0; MAX_MESSAGE_BYTES + 1]).unwrap_err().code,
            Code::TooLarge
        );
    }
}
