//! Public keys under the strict rule: canonical, of prime order; checked once, then kept.

#![forbid(unsafe_code)]

use std::collections::{HashMap, VecDeque};

use ed25519_dalek::VerifyingKey;

use crate::bounds::KEY_BYTES;

/// Decompresses `raw` if it is the canonical encoding of a point of prime order, else `None`.
pub fn check_key(raw: &[u8; KEY_BYTES]) -> Option<VerifyingKey> {
    let key = VerifyingKey::from_bytes(raw).ok()?;
    let point = key.to_edwards();
    // Compressing again finds y ≥ p and a sign on x = 0, which decompression lets pass.
    let canonical = point.compress().to_bytes() == *raw;
    (canonical && !point.is_small_order() && point.is_torsion_free()).then_some(key)
}

/// The answers of [`check_key`] for the keys seen last, refusals too: a check costs as much as two signatures.
pub struct KeyCache {
    most: usize,
    known: HashMap<[u8; KEY_BYTES], Option<VerifyingKey>>,
    oldest_first: VecDeque<[u8; KEY_BYTES]>,
}

impl KeyCache {
    /// A cache of at most `most` keys, one at least.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            known: HashMap::new(),
            oldest_first: VecDeque::new(),
        }
    }

    /// What [`check_key`] says of `raw`.
    pub fn get(&mut self, raw: &[u8; KEY_BYTES]) -> Option<VerifyingKey> {
        if let Some(answer) = self.known.get(raw) {
            return *answer;
        }
        let answer = check_key(raw);
        if self.oldest_first.len() >= self.most
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(*raw, answer);
        self.oldest_first.push_back(*raw);
        answer
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};

    use super::*;

    #[test]
    fn a_key_with_a_torsion_component_is_refused() {
        for (i, torsion) in EIGHT_TORSION.iter().enumerate() {
            let raw = (ED25519_BASEPOINT_POINT + torsion).compress().to_bytes();
            assert_eq!(check_key(&raw).is_some(), i == 0, "torsion point {i}");
            assert!(check_key(&torsion.compress().to_bytes()).is_none());
        }
    }

    #[test]
    fn a_second_encoding_of_a_point_is_refused() {
        // y = p + 3 … p + 18 with either sign: every y below 19 has a second encoding at or above p.
        for low in 0xed..=0xff {
            for top in [0x7f, 0xff] {
                let mut raw = [0xff; KEY_BYTES];
                raw[0] = low;
                raw[31] = top;
                assert!(check_key(&raw).is_none(), "{low:02x}…{top:02x}");
            }
        }
    }

    #[test]
    fn the_cache_stays_bounded_and_keeps_its_answers() {
        let mut cache = KeyCache::new(2);
        let good = ED25519_BASEPOINT_POINT.compress().to_bytes();
        for round in 0..3u8 {
            assert!(cache.get(&good).is_some());
            for bad in [[round; KEY_BYTES], [round + 100; KEY_BYTES]] {
                assert_eq!(cache.get(&bad), check_key(&bad));
                assert!(cache.known.len() <= 2 && cache.oldest_first.len() <= 2);
            }
        }
    }
}
