//! The Node addon of meterseal: a thin binding over a core that does not know Node.
//!
//! Every exported function runs on the calling thread, borrows its arguments for the length of the call only,
//! and catches panics: none may end the process.

#![deny(missing_docs, unsafe_code)]

pub mod bounds;
pub mod digest;
pub mod keys;
pub mod merkle;
pub mod refusal;
pub mod sign;
pub mod verify;

use std::cell::RefCell;

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::keys::KeyCache;
use crate::refusal::{Code, Refusal};
use crate::sign::SecretKey;

/// An error whose `code` property is the refusal's code.
type Error = napi::Error<Code>;

fn refused(refusal: Refusal) -> Error {
    Error::new(refusal.code, refusal.message)
}

thread_local! {
    static KEYS: RefCell<KeyCache> = RefCell::new(KeyCache::new(bounds::MAX_CHECKED_KEYS));
}

/// Rises with every change of what is exported here; `native/js/addon.ts` asks for its own number.
#[napi(catch_unwind)]
pub fn interface_version() -> u32 {
    1
}

/// RFC 6962 leaf hashes of the leaves that `offsets` cut out of `packed`.
#[napi(catch_unwind)]
pub fn hash_leaves(packed: &[u8], offsets: &[u32]) -> Result<Uint8Array, Error> {
    digest::hash_leaves(packed, offsets)
        .map(Uint8Array::new)
        .map_err(refused)
}

/// RFC 6962 Merkle tree hash over leaf hashes.
#[napi(catch_unwind)]
pub fn merkle_root(leaf_hashes: &[u8]) -> Result<Uint8Array, Error> {
    merkle::merkle_root(leaf_hashes)
        .map(|root| Uint8Array::new(root.to_vec()))
        .map_err(refused)
}

/// Strict Ed25519; anything malformed is false.
#[napi(catch_unwind)]
pub fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    KEYS.with_borrow_mut(|keys| verify::verify(keys, public_key, message, signature))
}

/// The record of a sealed reading, or null.
#[napi(catch_unwind)]
pub fn open_seal(public_key: &[u8], sealed: &[u8]) -> Option<Uint8Array> {
    KEYS.with_borrow_mut(|keys| {
        verify::open_seal(keys, public_key, sealed).map(|record| Uint8Array::new(record.to_vec()))
    })
}

/// A private key as an opaque handle.
#[napi]
pub struct SigningKey(Option<SecretKey>);

#[napi]
impl SigningKey {
    /// A fresh key; its seed cannot be read back.
    #[napi(factory, catch_unwind)]
    pub fn generate() -> Result<Self, Error> {
        SecretKey::generate()
            .map(|key| Self(Some(key)))
            .map_err(refused)
    }

    /// The key of a 32-byte seed.
    #[napi(factory, catch_unwind)]
    pub fn from_seed(seed: &[u8]) -> Result<Self, Error> {
        SecretKey::from_seed(seed)
            .map(|key| Self(Some(key)))
            .map_err(refused)
    }

    /// The raw public key.
    #[napi(catch_unwind)]
    pub fn public_key(&self) -> Result<Uint8Array, Error> {
        Ok(Uint8Array::new(self.secret()?.public_key().to_vec()))
    }

    /// Ed25519 signature.
    #[napi(catch_unwind)]
    pub fn sign(&self, message: &[u8]) -> Result<Uint8Array, Error> {
        let signature = self.secret()?.sign(message).map_err(refused)?;
        Ok(Uint8Array::new(signature.to_vec()))
    }

    /// Signature ‖ record.
    #[napi(catch_unwind)]
    pub fn seal(&self, record: &[u8]) -> Result<Uint8Array, Error> {
        self.secret()?
            .seal(record)
            .map(Uint8Array::new)
            .map_err(refused)
    }

    /// Overwrites the secret at once instead of when the handle is collected.
    #[napi(catch_unwind)]
    pub fn destroy(&mut self) {
        self.0 = None;
    }

    fn secret(&self) -> Result<&SecretKey, Error> {
        self.0
            .as_ref()
            .ok_or_else(|| Error::new(Code::BadKey, "the key was destroyed"))
    }
}
