//! Public keys under the strict rule: canonical, of prime order; checked once, then kept.

#![forbid(unsafe_code)]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use curve25519_dalek::edwards::{EdwardsBasepointTable, EdwardsPoint};
use curve25519_dalek::traits::BasepointTable;
use ed25519_dalek::VerifyingKey;

use crate::bounds::{KEY_BYTES, MAX_KEY_TABLES};

/// Verifications after which a key gets a table: to build one costs as much as it saves in 90.
const USES_BEFORE_TABLE: u32 = 64;

/// Decompresses `raw` if it is the canonical encoding of a point of prime order, else `None`.
pub fn check_key(raw: &[u8; KEY_BYTES]) -> Option<VerifyingKey> {
    let key = VerifyingKey::from_bytes(raw).ok()?;
    let point = key.to_edwards();
    // Compressing again finds y ≥ p and a sign on x = 0, which decompression lets pass.
    let canonical = point.compress().to_bytes() == *raw;
    (canonical && !point.is_small_order() && point.is_torsion_free()).then_some(key)
}

/// A key that the strict rule takes.
pub struct CheckedKey {
    raw: [u8; KEY_BYTES],
    key: VerifyingKey,
    /// Multiples of −A, 30 KB.
    table: Option<Box<EdwardsBasepointTable>>,
}

impl CheckedKey {
    fn new(raw: &[u8; KEY_BYTES]) -> Option<Self> {
        check_key(raw).map(|key| Self {
            raw: *raw,
            key,
            table: None,
        })
    }

    /// As it came.
    pub fn raw(&self) -> &[u8; KEY_BYTES] {
        &self.raw
    }

    /// The parsed key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The point A.
    pub fn point(&self) -> EdwardsPoint {
        self.key.to_edwards()
    }

    /// Multiples of −A, where the cache has seen the key often enough.
    pub fn table(&self) -> Option<&EdwardsBasepointTable> {
        self.table.as_deref()
    }
}

/// What is known of a key, and how many signatures it was asked for.
struct Known {
    key: Option<Arc<CheckedKey>>,
    uses: u32,
}

/// The keys seen last, refused ones too: a check costs as much as two signatures. For all threads.
pub struct KeyCache(Mutex<Keys>);

struct Keys {
    most: usize,
    known: HashMap<[u8; KEY_BYTES], Known>,
    oldest_first: VecDeque<[u8; KEY_BYTES]>,
    /// Keys with a table, the oldest table first.
    with_table: VecDeque<[u8; KEY_BYTES]>,
}

impl KeyCache {
    /// A cache of at most `most` keys, one at least.
    pub fn new(most: usize) -> Self {
        Self(Mutex::new(Keys {
            most: most.max(1),
            known: HashMap::new(),
            oldest_first: VecDeque::new(),
            with_table: VecDeque::new(),
        }))
    }

    /// What the strict rule says of `raw`: the key, or `None` where it is refused.
    ///
    /// `uses` is how many signatures are about to be verified one by one: a key that is used often gets a table.
    pub fn get(&self, raw: &[u8; KEY_BYTES], uses: u32) -> Option<Arc<CheckedKey>> {
        // A thread that panicked while it held the keys may have left one out; what is there is right.
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(raw, uses)
    }
}

impl Keys {
    fn get(&mut self, raw: &[u8; KEY_BYTES], uses: u32) -> Option<Arc<CheckedKey>> {
        if !self.known.contains_key(raw) {
            self.insert(raw);
        }
        let known = self.known.get_mut(raw)?;
        known.uses = known.uses.saturating_add(uses);
        let key = known.key.clone()?;
        if key.table.is_some() || known.uses < USES_BEFORE_TABLE {
            return Some(key);
        }
        self.add_table(raw, &key);
        self.known.get(raw)?.key.clone()
    }

    fn insert(&mut self, raw: &[u8; KEY_BYTES]) {
        if self.oldest_first.len() >= self.most
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
            self.with_table.retain(|key| *key != oldest);
        }
        let key = CheckedKey::new(raw).map(Arc::new);
        self.known.insert(*raw, Known { key, uses: 0 });
        self.oldest_first.push_back(*raw);
    }

    fn add_table(&mut self, raw: &[u8; KEY_BYTES], key: &CheckedKey) {
        if self.with_table.len() >= MAX_KEY_TABLES
            && let Some(oldest) = self.with_table.pop_front()
        {
            self.set_table(&oldest, None);
        }
        let table = EdwardsBasepointTable::create(&-key.point());
        self.set_table(raw, Some(Box::new(table)));
        self.with_table.push_back(*raw);
    }

    fn set_table(&mut self, raw: &[u8; KEY_BYTES], table: Option<Box<EdwardsBasepointTable>>) {
        if let Some(known) = self.known.get_mut(raw)
            && let Some(key) = &known.key
        {
            let CheckedKey { raw, key, .. } = **key;
            known.uses = 0;
            known.key = Some(Arc::new(CheckedKey { raw, key, table }));
        }
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::scalar::Scalar;

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
        let cache = KeyCache::new(2);
        let good = ED25519_BASEPOINT_POINT.compress().to_bytes();
        for round in 0..3u8 {
            assert!(cache.get(&good, 1).is_some());
            for bad in [[round; KEY_BYTES], [round + 100; KEY_BYTES]] {
                assert_eq!(cache.get(&bad, 1).is_some(), check_key(&bad).is_some());
                let keys = cache.0.lock().unwrap();
                assert!(keys.known.len() <= 2 && keys.oldest_first.len() <= 2);
            }
        }
    }

    #[test]
    fn tables_are_for_keys_that_are_used_often_and_for_so_many_only() {
        let cache = KeyCache::new(2 * MAX_KEY_TABLES);
        let raw: Vec<[u8; KEY_BYTES]> = (1..=MAX_KEY_TABLES as u64 + 2)
            .map(|i| {
                (ED25519_BASEPOINT_POINT * Scalar::from(i))
                    .compress()
                    .to_bytes()
            })
            .collect();
        for key in &raw {
            assert!(
                cache
                    .get(key, USES_BEFORE_TABLE - 1)
                    .unwrap()
                    .table()
                    .is_none()
            );
            assert!(cache.get(key, 1).unwrap().table().is_some());
        }
        assert_eq!(cache.0.lock().unwrap().with_table.len(), MAX_KEY_TABLES);
        assert!(
            cache.get(&raw[0], 0).unwrap().table().is_none(),
            "the oldest went"
        );
        assert!(cache.get(&raw[2], 0).unwrap().table().is_some());
    }
}
