//! The Node addon of meterseal: a thin binding over a core that does not know Node.
//!
//! Every exported function runs on the calling thread, borrows its arguments for the length of the call only,
//! and catches panics: none may end the process.

#![deny(missing_docs, unsafe_code)]

pub mod bounds;
pub mod digest;
pub mod keys;
pub mod lanes;
pub mod merkle;
pub mod refusal;
pub mod sign;
pub mod verify;

use std::cell::RefCell;

use napi::bindgen_prelude::{Env, Uint8ArraySlice};
use napi_derive::napi;

use crate::keys::KeyCache;
use crate::refusal::{Code, Refusal};
use crate::sign::SecretKey;

/// An error whose `code` property is the refusal's code.
type Error = napi::Error<Code>;

fn refused(refusal: Refusal) -> Error {
    Error::new(refusal.code, refusal.message)
}

/// Copies an answer into memory of JavaScript's own: cheaper for the few bytes of a signature than lending ours,
/// and free again without a turn of the event loop.
fn answer<'env>(env: &'env Env, bytes: &[u8]) -> Result<Uint8ArraySlice<'env>, Error> {
    Uint8ArraySlice::copy_from(env, bytes).map_err(|error| Error::new(Code::System, error.reason))
}

thread_local! {
    static KEYS: RefCell<KeyCache> = RefCell::new(KeyCache::new(bounds::MAX_CHECKED_KEYS));
}

/// Rises with every change of what is exported here; `native/js/addon.ts` asks for its own number.
#[napi(catch_unwind)]
pub fn interface_version() -> u32 {
    2
}

/// RFC 6962 leaf hashes of the leaves that `offsets` cut out of `packed`.
#[napi(catch_unwind)]
pub fn hash_leaves<'env>(
    env: &'env Env,
    packed: &[u8],
    offsets: &[u32],
) -> Result<Uint8ArraySlice<'env>, Error> {
    answer(env, &digest::hash_leaves(packed, offsets).map_err(refused)?)
}

/// SHA-256 of the slices that pairs of `bounds` cut out of `packed`, each with a byte before it if one is given.
#[napi(catch_unwind)]
pub fn hash_slices<'env>(
    env: &'env Env,
    packed: &[u8],
    bounds: &[u32],
    prefix: Option<u8>,
) -> Result<Uint8ArraySlice<'env>, Error> {
    answer(
        env,
        &digest::hash_slices(packed, bounds, prefix).map_err(refused)?,
    )
}

/// RFC 6962 Merkle tree hash over leaf hashes.
#[napi(catch_unwind)]
pub fn merkle_root<'env>(
    env: &'env Env,
    leaf_hashes: &[u8],
) -> Result<Uint8ArraySlice<'env>, Error> {
    answer(env, &merkle::merkle_root(leaf_hashes).map_err(refused)?)
}

/// Strict Ed25519; anything malformed is false.
#[napi(catch_unwind)]
pub fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    KEYS.with_borrow_mut(|keys| verify::verify(keys, public_key, message, signature))
}

/// The record of a sealed reading, or null.
#[napi(catch_unwind)]
pub fn open_seal<'env>(
    env: &'env Env,
    public_key: &[u8],
    sealed: &[u8],
) -> Result<Option<Uint8ArraySlice<'env>>, Error> {
    KEYS.with_borrow_mut(|keys| verify::open_seal(keys, public_key, sealed))
        .map(|record| answer(env, record))
        .transpose()
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
    pub fn public_key<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Error> {
        answer(env, &self.secret()?.public_key())
    }

    /// Ed25519 signature.
    #[napi(catch_unwind)]
    pub fn sign<'env>(
        &self,
        env: &'env Env,
        message: &[u8],
    ) -> Result<Uint8ArraySlice<'env>, Error> {
        answer(env, &self.secret()?.sign(message).map_err(refused)?)
    }

    /// Signature ‖ record.
    #[napi(catch_unwind)]
    pub fn seal<'env>(
        &self,
        env: &'env Env,
        record: &[u8],
    ) -> Result<Uint8ArraySlice<'env>, Error> {
        answer(env, &self.secret()?.seal(record).map_err(refused)?)
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
