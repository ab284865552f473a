//! The Node addon of meterseal: a thin binding over a core that does not know Node.
//!
//! Functions run on the calling thread and borrow their arguments for the length of the call only; those that end in
//! `_async` copy them first and work on threads that end with the work. All catch panics: none may end the process.

#![deny(missing_docs, unsafe_code)]

pub mod batch;
pub mod bounds;
pub mod digest;
pub mod keys;
pub mod lanes;
pub mod merkle;
pub mod refusal;
pub mod seals;
pub mod sign;
mod tasks;
pub mod verify;

use std::sync::LazyLock;

use napi::bindgen_prelude::{AsyncTask, Env, Uint8Array, Uint8ArraySlice};
use napi_derive::napi;

use crate::digest::slice;
use crate::keys::KeyCache;
use crate::refusal::{Code, Refusal};
use crate::seals::Seals;
use crate::sign::SecretKey;
use crate::tasks::{HashTask, OpenTask};

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

static KEYS: LazyLock<KeyCache> = LazyLock::new(|| KeyCache::new(bounds::MAX_CHECKED_KEYS));

/// Rises with every change of what is exported here; `native/js/addon.ts` asks for its own number.
#[napi(catch_unwind)]
pub fn interface_version() -> u32 {
    3
}

/// RFC 6962 leaf hashes of the leaves that `offsets` cut out of `packed`.
///
/// The answer is lent to JavaScript as it is: to copy 10,000 hashes takes a fifth as long as to make them.
#[napi(catch_unwind)]
pub fn hash_leaves(packed: &[u8], offsets: &[u32]) -> Result<Uint8Array, Error> {
    digest::hash_leaves(packed, offsets)
        .map(Uint8Array::from)
        .map_err(refused)
}

/// SHA-256 of the slices that pairs of `bounds` cut out of `packed`, each with a byte before it if one is given.
#[napi(catch_unwind)]
pub fn hash_slices(packed: &[u8], bounds: &[u32], prefix: Option<u8>) -> Result<Uint8Array, Error> {
    digest::hash_slices(packed, bounds, prefix)
        .map(Uint8Array::from)
        .map_err(refused)
}

/// RFC 6962 Merkle tree hash over leaf hashes.
#[napi(catch_unwind)]
pub fn merkle_root<'env>(
    env: &'env Env,
    leaf_hashes: &[u8],
) -> Result<Uint8ArraySlice<'env>, Error> {
    answer(env, &merkle::merkle_root(leaf_hashes).map_err(refused)?)
}

/// [`hash_slices`] on other threads.
#[napi(catch_unwind)]
pub fn hash_slices_async(
    packed: &[u8],
    bounds: &[u32],
    prefix: Option<u8>,
) -> Result<AsyncTask<HashTask>, Error> {
    HashTask::new(packed, bounds, prefix)
        .map(AsyncTask::new)
        .map_err(refused)
}

/// Strict Ed25519; anything malformed is false.
#[napi(catch_unwind)]
pub fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    verify::verify(&KEYS, public_key, message, signature)
}

/// The record of a sealed reading, or null.
#[napi(catch_unwind)]
pub fn open_seal<'env>(
    env: &'env Env,
    public_key: &[u8],
    sealed: &[u8],
) -> Result<Option<Uint8ArraySlice<'env>>, Error> {
    verify::open_seal(&KEYS, public_key, sealed)
        .map(|record| answer(env, record))
        .transpose()
}

/// A byte for each sealed reading that pairs of `bounds` cut out of `packed`: 1 where it is good under its key.
///
/// `key_of` names each one's key by its place in `keys`, 32 bytes each.
#[napi(catch_unwind)]
pub fn open_batch<'env>(
    env: &'env Env,
    keys: &[u8],
    key_of: &[u32],
    packed: &[u8],
    bounds: &[u32],
) -> Result<Uint8ArraySlice<'env>, Error> {
    let seals = Seals::new(keys, key_of, packed, bounds).map_err(refused)?;
    answer(env, &seals.open(&KEYS, 1).map_err(refused)?)
}

/// [`open_batch`] on other threads.
#[napi(catch_unwind)]
pub fn open_batch_async(
    keys: &[u8],
    key_of: &[u32],
    packed: &[u8],
    bounds: &[u32],
) -> Result<AsyncTask<OpenTask>, Error> {
    OpenTask::new(keys, key_of, packed, bounds)
        .map(AsyncTask::new)
        .map_err(refused)
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

    /// Signature ‖ record of each record that pairs of `bounds` cut out of `packed`, one behind the other.
    #[napi(catch_unwind)]
    pub fn seal_batch<'env>(
        &self,
        env: &'env Env,
        packed: &[u8],
        bounds: &[u32],
    ) -> Result<Uint8ArraySlice<'env>, Error> {
        let pairs = digest::slices_of(packed, bounds).map_err(refused)?;
        let records: Vec<&[u8]> = pairs.iter().map(|pair| slice(packed, pair)).collect();
        answer(env, &self.secret()?.seal_batch(&records).map_err(refused)?)
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
