//! Sealed readings of many sessions, opened together.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::thread;

use crate::batch::{Signed, verify_batch};
use crate::bounds::KEY_BYTES;
use crate::digest::{slice, slices_of};
use crate::keys::{CheckedKey, KeyCache};
use crate::refusal::{Code, Refusal};
use crate::verify::split_seal;

/// Seals of one part: fewer are not worth a thread, and more in a row are hardly faster.
const PART: usize = 1_024;

/// Arguments of a batch, checked.
pub struct Seals<'a> {
    keys: &'a [[u8; KEY_BYTES]],
    key_of: &'a [u32],
    packed: &'a [u8],
    bounds: &'a [[u32; 2]],
}

impl<'a> Seals<'a> {
    /// `bounds` are pairs of offsets in `packed`, one for each sealed reading, signature ‖ record; `key_of` has the
    /// place of its session key in `keys`.
    ///
    /// # Errors
    /// `BadArgument` for torn keys, a key that is not there, or bounds that leave `packed`; `TooLarge`.
    pub fn new(
        keys: &'a [u8],
        key_of: &'a [u32],
        packed: &'a [u8],
        bounds: &'a [u32],
    ) -> Result<Self, Refusal> {
        let bad = |what: &str| Refusal::new(Code::BadArgument, what);
        let (keys, rest) = keys.as_chunks();
        if !rest.is_empty() {
            return Err(bad("keys that are not whole"));
        }
        let bounds = slices_of(packed, bounds)?;
        if key_of.len() != bounds.len() {
            return Err(bad("another number of keys than of seals"));
        }
        if key_of.iter().any(|place| *place as usize >= keys.len()) {
            return Err(bad("a seal of a key that is not there"));
        }
        Ok(Self {
            keys,
            key_of,
            packed,
            bounds,
        })
    }

    /// A byte for each seal: 1 where it is good, else 0.
    ///
    /// # Errors
    /// `System` where there is no randomness, or a thread has failed.
    pub fn open(&self, cache: &KeyCache, threads: usize) -> Result<Vec<u8>, Refusal> {
        let keys: Vec<_> = self
            .keys
            .iter()
            .map(|raw| cache.get(raw, self.uses()))
            .collect();
        let places: Vec<usize> = (0..self.bounds.len()).collect();
        let parts: Vec<&[usize]> = places.chunks(PART).collect();
        let mut opened = vec![0; places.len()];
        let share = parts.len().div_ceil(threads.max(1)).max(1);
        let answers = thread::scope(|scope| {
            let mut shares = parts.chunks(share);
            let first = shares.next().unwrap_or_default();
            let others: Vec<_> = shares
                .map(|share| scope.spawn(|| self.open_parts(&keys, share)))
                .collect();
            // This thread has its own share.
            let mut answers = vec![self.open_parts(&keys, first)];
            answers.extend(others.into_iter().map(|other| {
                other
                    .join()
                    .unwrap_or_else(|_| Err(Refusal::new(Code::System, "a thread has failed")))
            }));
            answers
        });
        for place in answers.into_iter().collect::<Result<Vec<_>, _>>()?.concat() {
            opened[place] = 1;
        }
        Ok(opened)
    }

    /// How many signatures a key of this call has on average: what decides whether it is worth a table.
    fn uses(&self) -> u32 {
        let each = self.bounds.len() / self.keys.len().max(1);
        u32::try_from(each).unwrap_or(u32::MAX)
    }

    /// The places of good seals.
    fn open_parts(
        &self,
        keys: &[Option<Arc<CheckedKey>>],
        parts: &[&[usize]],
    ) -> Result<Vec<usize>, Refusal> {
        let mut good = Vec::new();
        for part in parts {
            let (places, signed): (Vec<usize>, Vec<Signed<'_>>) = part
                .iter()
                .filter_map(|place| {
                    let (signature, message) =
                        split_seal(slice(self.packed, &self.bounds[*place]))?;
                    let key = self.key_of[*place] as usize;
                    let signed = Signed {
                        key,
                        message,
                        signature,
                    };
                    Some((*place, signed))
                })
                .unzip();
            let verdicts = verify_batch(keys, &signed)?;
            good.extend(
                places
                    .into_iter()
                    .zip(verdicts)
                    .filter_map(|(place, is_good)| is_good.then_some(place)),
            );
        }
        Ok(good)
    }
}
