//! Work that leaves Node's thread. Arguments are checked and copied before it starts; the threads end with it.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, available_parallelism};

use napi::bindgen_prelude::Uint8Array;
use napi::{Env, Result, Task};

use crate::KEYS;
use crate::digest::{hash_slices, slices_of};
use crate::refusal::{Code, Refusal};
use crate::seals::Seals;

/// Slices of one share: fewer are not worth a thread.
const FEWEST_SLICES: usize = 2_048;

/// Runs `work` and turns whatever goes wrong, a panic too, into a rejection.
fn caught(work: impl FnOnce() -> std::result::Result<Vec<u8>, Refusal>) -> Result<Vec<u8>> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(refusal)) => Err(napi::Error::from_reason(refusal.message)),
        Err(_) => Err(napi::Error::from_reason("a panic")),
    }
}

fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Hashes slices.
pub struct HashTask {
    packed: Vec<u8>,
    bounds: Vec<u32>,
    prefix: Option<u8>,
}

impl HashTask {
    /// # Errors
    /// As of [`hash_slices`].
    pub fn new(
        packed: &[u8],
        bounds: &[u32],
        prefix: Option<u8>,
    ) -> std::result::Result<Self, Refusal> {
        slices_of(packed, bounds)?;
        let (packed, bounds) = (packed.to_vec(), bounds.to_vec());
        Ok(Self {
            packed,
            bounds,
            prefix,
        })
    }

    fn run(&self) -> std::result::Result<Vec<u8>, Refusal> {
        let pairs = self.bounds.len() / 2;
        let share = 2 * pairs.div_ceil(cores()).max(FEWEST_SLICES);
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .bounds
                .chunks(share)
                .map(|bounds| scope.spawn(|| hash_slices(&self.packed, bounds, self.prefix)))
                .collect();
            let mut hashes = Vec::with_capacity(32 * pairs);
            for thread in threads {
                let failed = |_| Err(Refusal::new(Code::System, "a thread has failed"));
                hashes.extend(thread.join().unwrap_or_else(failed)?);
            }
            Ok(hashes)
        })
    }
}

impl Task for HashTask {
    type Output = Vec<u8>;
    type JsValue = Uint8Array;

    fn compute(&mut self) -> Result<Vec<u8>> {
        caught(|| self.run())
    }

    fn resolve(&mut self, _env: Env, hashes: Vec<u8>) -> Result<Uint8Array> {
        Ok(hashes.into())
    }
}

/// Opens sealed readings.
pub struct OpenTask {
    keys: Vec<u8>,
    key_of: Vec<u32>,
    packed: Vec<u8>,
    bounds: Vec<u32>,
}

impl OpenTask {
    /// # Errors
    /// As of [`Seals::new`].
    pub fn new(
        keys: &[u8],
        key_of: &[u32],
        packed: &[u8],
        bounds: &[u32],
    ) -> std::result::Result<Self, Refusal> {
        Seals::new(keys, key_of, packed, bounds)?;
        Ok(Self {
            keys: keys.to_vec(),
            key_of: key_of.to_vec(),
            packed: packed.to_vec(),
            bounds: bounds.to_vec(),
        })
    }
}

impl Task for OpenTask {
    type Output = Vec<u8>;
    type JsValue = Uint8Array;

    fn compute(&mut self) -> Result<Vec<u8>> {
        let Self {
            keys,
            key_of,
            packed,
            bounds,
        } = self;
        caught(|| Seals::new(keys, key_of, packed, bounds)?.open(&KEYS, cores()))
    }

    fn resolve(&mut self, _env: Env, opened: Vec<u8>) -> Result<Uint8Array> {
        Ok(opened.into())
    }
}
