//! Every kind of forgery, and that the test of the partial sums is what finds some of them.

use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::keys::KeyCache;

const SIZE: usize = FEWEST + 32;

/// A key whose owner knows its scalar, as every owner does.
struct Owner {
    a: Scalar,
    raw: [u8; 32],
}

impl Owner {
    fn new(seed: u64) -> Self {
        let a = Scalar::from(seed).invert();
        let raw = (&a * ED25519_BASEPOINT_TABLE).compress().to_bytes();
        Self { a, raw }
    }

    /// S = r + k·a for R = r·B + torsion.
    fn sign(&self, r: u64, torsion: &EdwardsPoint, message: &[u8]) -> [u8; 64] {
        let r = Scalar::from(r) * Scalar::from(0x1234_5678_9abc_def1u64).invert();
        let encoded = (&r * ED25519_BASEPOINT_TABLE + torsion)
            .compress()
            .to_bytes();
        let s = r + challenge(&encoded, &self.raw, message) * self.a;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&encoded);
        signature[32..].copy_from_slice(s.as_bytes());
        signature
    }
}

struct Sample {
    raw: Vec<[u8; 32]>,
    signed: Vec<(usize, Vec<u8>, [u8; 64])>,
}

/// `SIZE` good signatures of three keys.
fn sample() -> Sample {
    let keys: Vec<SigningKey> = (1..=3u8)
        .map(|i| SigningKey::from_bytes(&[i; 32]))
        .collect();
    let signed = (0..SIZE)
        .map(|i| {
            let message = format!("record {i}").into_bytes();
            let signature = keys[i % 3].sign(&message).to_bytes();
            (i % 3, message, signature)
        })
        .collect();
    let raw = keys
        .iter()
        .map(|key| key.verifying_key().to_bytes())
        .collect();
    Sample { raw, signed }
}

fn check(
    sample: &Sample,
    verify: impl Fn(&[Option<Arc<CheckedKey>>], &[Signed<'_>]) -> Vec<bool>,
) -> Vec<bool> {
    let cache = KeyCache::new(8);
    let keys: Vec<_> = sample.raw.iter().map(|raw| cache.get(raw, 0)).collect();
    let signed: Vec<Signed<'_>> = sample
        .signed
        .iter()
        .map(|(key, message, signature)| Signed {
            key: *key,
            message,
            signature,
        })
        .collect();
    verify(&keys, &signed)
}

fn batch(sample: &Sample) -> Vec<bool> {
    check(sample, |keys, signed| verify_batch(keys, signed).unwrap())
}

fn one_at_a_time(sample: &Sample) -> Vec<bool> {
    check(sample, |keys, signed| {
        signed
            .iter()
            .map(|one| {
                keys[one.key]
                    .as_ref()
                    .is_some_and(|key| verify_with(key, one.message, one.signature))
            })
            .collect()
    })
}

/// Whether one combination over everything holds.
fn combination(sample: &Sample, torsion_test: fn(&EdwardsPoint) -> bool) -> bool {
    check(sample, |keys, signed| {
        let terms: Vec<Term<'_>> = signed
            .iter()
            .enumerate()
            .map(|(place, one)| Term::new(keys, one, place).unwrap())
            .collect();
        vec![holds(&terms, keys, torsion_test).unwrap()]
    })[0]
}

#[test]
fn good_signatures_are_good_in_every_number() {
    let all = sample();
    for count in [0, 1, 2, FEWEST - 1, FEWEST, SIZE] {
        let part = Sample {
            raw: all.raw.clone(),
            signed: all.signed[..count].to_vec(),
        };
        assert_eq!(batch(&part), vec![true; count], "{count}");
    }
}

#[test]
fn every_kind_of_forgery_is_found_where_it_stands() {
    let owner = Owner::new(41);
    let mut kinds: Vec<(String, [u8; 64])> = EIGHT_TORSION
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, torsion)| {
            (
                format!("torsion {i} in R"),
                owner.sign(77, torsion, b"message"),
            )
        })
        .collect();
    let good = owner.sign(78, &EdwardsPoint::identity(), b"message");
    let changed = |at: usize, bit: u8| {
        let mut signature = good;
        signature[at] ^= 1 << bit;
        signature
    };
    kinds.push(("changed R".into(), changed(3, 1)));
    kinds.push(("changed sign".into(), changed(31, 7)));
    kinds.push(("changed S".into(), changed(40, 5)));
    for torsion in &EIGHT_TORSION {
        let mut signature = good;
        signature[..32].copy_from_slice(&torsion.compress().to_bytes());
        let k = challenge(&torsion.compress().to_bytes(), &owner.raw, b"message");
        signature[32..].copy_from_slice((k * owner.a).as_bytes());
        kinds.push(("R of small order".into(), signature));
    }
    for (name, signature) in kinds {
        for place in [0, 63, SIZE - 1] {
            let mut sample = sample();
            sample.raw.push(owner.raw);
            sample.signed[place] = (3, b"message".to_vec(), signature);
            let mut expected = vec![true; SIZE];
            expected[place] = false;
            assert_eq!(one_at_a_time(&sample), expected, "{name}");
            assert_eq!(batch(&sample), expected, "{name} at {place}");
        }
    }
}

/// The test without which a batch is not strict: with it no batch passes, without it a good part does.
#[test]
fn torsion_in_r_never_passes_and_would_without_the_test_of_the_sums() {
    const BATCHES: usize = 200;
    let owner = Owner::new(43);
    for (i, torsion) in EIGHT_TORSION.iter().enumerate().skip(1) {
        let mut passed = [0, 0];
        for round in 0..BATCHES {
            let mut sample = sample();
            sample.signed.truncate(8);
            sample.raw.push(owner.raw);
            let message = format!("message {i} {round}").into_bytes();
            sample.signed[round % 8] = (
                3,
                message.clone(),
                owner.sign(round as u64 + 1, torsion, &message),
            );
            passed[0] += usize::from(combination(&sample, is_torsion_free));
            passed[1] += usize::from(combination(&sample, |_| true));
        }
        assert_eq!(passed[0], 0, "torsion {i}");
        assert!(passed[1] > 0, "torsion {i}: the forgery is a real one");
    }
}

#[test]
fn a_key_of_two_forgers_spoils_nothing_for_the_others() {
    let owner = Owner::new(47);
    let mut sample = sample();
    sample.raw.push(owner.raw);
    let mut expected = vec![true; SIZE];
    for place in (0..SIZE).step_by(3) {
        let message = format!("message {place}").into_bytes();
        let torsion = EIGHT_TORSION[place % 8];
        sample.signed[place] = (
            3,
            message.clone(),
            owner.sign(place as u64 + 1, &torsion, &message),
        );
        expected[place] = place % 8 == 0;
    }
    assert_eq!(batch(&sample), expected);
    sample.raw[1] = EIGHT_TORSION[1].compress().to_bytes();
    for place in (0..SIZE).filter(|place| sample.signed[*place].0 == 1) {
        expected[place] = false;
    }
    assert_eq!(
        batch(&sample),
        expected,
        "no signature is good under a key that is refused"
    );
}

#[test]
fn the_border_of_reduced_encodings_is_that_of_p() {
    for low in 0..=255u8 {
        for top in [0x7f, 0xff, 0x7e] {
            let mut encoded = [0xff; 32];
            encoded[0] = low;
            encoded[31] = top;
            assert_eq!(
                is_reduced(&encoded),
                low < 0xed || top == 0x7e,
                "{low:02x}…{top:02x}"
            );
        }
    }
}

#[test]
fn the_sums_are_those_of_the_bits() {
    let sample = sample();
    check(&sample, |keys, signed| {
        let terms: Vec<Term<'_>> = signed
            .iter()
            .enumerate()
            .map(|(place, one)| Term::new(keys, one, place).unwrap())
            .collect();
        let factors = random_factors(terms.len()).unwrap();
        let sums = subset_sums(&terms, &factors);
        assert_eq!(sums.len(), Z_BITS);
        for (bit, sum) in sums.iter().enumerate() {
            let expected: EdwardsPoint = terms
                .iter()
                .zip(&factors)
                .filter(|(_, factor)| *factor >> bit & 1 == 1)
                .map(|(term, _)| term.r)
                .sum();
            assert_eq!(*sum, expected, "bit {bit}");
        }
        Vec::new()
    });
}
