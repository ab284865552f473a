//! Many signatures at once, with the verdicts of one by one.
//!
//! A random linear combination alone is not strict: whoever owns a key can give R a torsion component that the sum
//! loses with probability 1/2 or less. Here the combination of the R is computed bit by bit of its random factors z, so
//! that it goes through 128 sums over random subsets of the R; each of them must be free of torsion. A forged R stays in
//! a random half of them.
//!
//! With A of prime order, S < L and R canonical and not of small order (all checked one by one), a signature is good if
//! and only if R has prime order and S·B = R + k·A. If an R has a torsion component w, then with all other bits fixed a
//! subset sum has torsion c or c + w as that R's bit is 0 or 1, so it passes with probability 1/2 at most, all 128 with
//! 2^-128. If none has, but some e = S·B − R − k·A is not 0, then everything is in the group of order L > 2^128, and one
//! value of z at most makes the sum 0. Public data only: nothing here is constant-time.

#![forbid(unsafe_code)]

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use std::sync::Arc;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity, VartimeMultiscalarMul};

use crate::bounds::SIGNATURE_BYTES;
use crate::keys::CheckedKey;
use crate::refusal::{Code, Refusal};
use crate::verify::{challenge, halves, verify_with};

/// One signature of a batch: the number of its key, what was signed, and R ‖ S.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// Among the keys of the batch.
    pub key: usize,
    /// The record.
    pub message: &'a [u8],
    /// R ‖ S.
    pub signature: &'a [u8; SIGNATURE_BYTES],
}

/// Signatures below which one by one is faster.
const FEWEST: usize = 256;
/// Signatures of one combination: more are hardly faster, and stall for longer.
const MOST: usize = 4_096;
/// Bits of a random factor, and so of the error: 2^-128.
const Z_BITS: usize = 128;
/// Which of the signatures are good, by the rule of [`verify_with`]. A key that is `None` has no good ones.
///
/// # Errors
/// `System` where there is no randomness.
pub fn verify_batch(
    keys: &[Option<Arc<CheckedKey>>],
    signed: &[Signed<'_>],
) -> Result<Vec<bool>, Refusal> {
    let mut good = vec![false; signed.len()];
    // A key that made a batch fail is looked at one by one for the rest of the call.
    let mut suspects = vec![false; keys.len()];
    for (from, chunk) in (0..).step_by(MOST).zip(signed.chunks(MOST)) {
        let terms: Vec<Term<'_>> = chunk
            .iter()
            .zip(from..)
            .filter_map(|(signed, place)| Term::new(keys, signed, place))
            .collect();
        settle(&terms, keys, &mut suspects, &mut good)?;
    }
    Ok(good)
}

/// A signature that passed everything that is checked one by one.
#[derive(Clone, Copy)]
struct Term<'a> {
    place: usize,
    key: usize,
    signed: Signed<'a>,
    r: EdwardsPoint,
    s: Scalar,
    k: Scalar,
}

impl<'a> Term<'a> {
    fn new(keys: &[Option<Arc<CheckedKey>>], signed: &Signed<'a>, place: usize) -> Option<Self> {
        let key = keys.get(signed.key)?.as_ref()?;
        let (r, s) = halves(signed.signature);
        let point = point_of(r)?;
        Some(Self {
            place,
            key: signed.key,
            signed: *signed,
            r: point,
            s: Option::from(Scalar::from_canonical_bytes(*s))?,
            k: challenge(r, key.raw(), signed.message),
        })
    }
}

/// The point of a canonical encoding, if it is not of small order.
fn point_of(encoded: &[u8; 32]) -> Option<EdwardsPoint> {
    if !is_reduced(encoded) {
        return None;
    }
    let point = CompressedEdwardsY(*encoded).decompress()?;
    // A sign on x = 0, the other encoding that is not canonical, is of small order.
    (!point.is_small_order()).then_some(point)
}

/// y < p = 2^255 − 19, the sign of x left out.
fn is_reduced(encoded: &[u8; 32]) -> bool {
    encoded[0] < 0xed
        || encoded[31] & 0x7f != 0x7f
        || encoded[1..31].iter().any(|byte| *byte != 0xff)
}

/// Takes a batch that fails apart until it is small enough for one by one.
fn settle(
    terms: &[Term<'_>],
    keys: &[Option<Arc<CheckedKey>>],
    suspects: &mut [bool],
    good: &mut [bool],
) -> Result<(), Refusal> {
    let (apart, together): (Vec<Term<'_>>, Vec<Term<'_>>) =
        terms.iter().partition(|term| suspects[term.key]);
    one_by_one(&apart, keys, suspects, good);
    if together.len() < FEWEST {
        one_by_one(&together, keys, suspects, good);
        return Ok(());
    }
    if holds(&together, keys, is_torsion_free)? {
        for term in &together {
            good[term.place] = true;
        }
        return Ok(());
    }
    let (left, right) = together.split_at(together.len() / 2);
    settle(left, keys, suspects, good)?;
    settle(right, keys, suspects, good)
}

fn one_by_one(
    terms: &[Term<'_>],
    keys: &[Option<Arc<CheckedKey>>],
    suspects: &mut [bool],
    good: &mut [bool],
) {
    for term in terms {
        let Some(key) = &keys[term.key] else {
            continue;
        };
        good[term.place] = verify_with(key, term.signed.message, term.signed.signature);
        // It would make every batch fail that it sits in.
        suspects[term.key] |= !good[term.place];
    }
}

/// Whether all of them are good; a batch with a bad one passes with probability 2^-128 at most.
fn holds(
    terms: &[Term<'_>],
    keys: &[Option<Arc<CheckedKey>>],
    is_torsion_free: fn(&EdwardsPoint) -> bool,
) -> Result<bool, Refusal> {
    let factors = random_factors(terms.len())?;
    let sums = subset_sums(terms, &factors);
    if !sums.iter().all(is_torsion_free) {
        return Ok(false);
    }
    let mut base = Scalar::ZERO;
    let mut by_key = vec![Scalar::ZERO; keys.len()];
    for (term, factor) in terms.iter().zip(&factors) {
        let z = Scalar::from(*factor);
        base += z * term.s;
        by_key[term.key] += z * term.k;
    }
    let (mut scalars, mut points) = (vec![base], vec![ED25519_BASEPOINT_POINT]);
    for (key, sum) in keys.iter().zip(by_key) {
        if let Some(key) = key {
            scalars.push(-sum);
            points.push(key.point());
        }
    }
    let left = EdwardsPoint::vartime_multiscalar_mul(scalars, points);
    // Σ 2^j · sums[j], from the highest bit down.
    let right = sums
        .iter()
        .rev()
        .fold(EdwardsPoint::identity(), |sum, bit| sum + sum + bit);
    Ok((left - right).is_identity())
}

/// Fresh random factors, drawn when everything that they multiply is fixed.
fn random_factors(count: usize) -> Result<Vec<u128>, Refusal> {
    let mut bytes = vec![0; count * Z_BITS / 8];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::new(Code::System, error.to_string()))?;
    let (factors, _) = bytes.as_chunks();
    Ok(factors
        .iter()
        .map(|factor| u128::from_le_bytes(*factor))
        .collect())
}

/// For each bit of the factors the sum of the R whose factor has it.
///
/// The bits are taken in windows: each R is added to the bucket of its window's bits, and the buckets are then folded
/// into the bits of their numbers.
fn subset_sums(terms: &[Term<'_>], factors: &[u128]) -> Vec<EdwardsPoint> {
    let width = window_width(terms.len());
    let mut sums = Vec::with_capacity(Z_BITS);
    for low in (0..Z_BITS).step_by(width) {
        let bits = width.min(Z_BITS - low);
        let mut buckets = vec![EdwardsPoint::identity(); 1 << bits];
        for (term, factor) in terms.iter().zip(factors) {
            let number = (factor >> low) as usize & ((1 << bits) - 1);
            if number != 0 {
                buckets[number] += term.r;
            }
        }
        let mut window: Vec<EdwardsPoint> = Vec::with_capacity(bits);
        for bit in (0..bits).rev() {
            let (lower, upper) = buckets.split_at_mut(1 << bit);
            window.push(upper.iter().sum());
            for (to, from) in lower.iter_mut().zip(upper.iter()) {
                *to += from;
            }
            buckets.truncate(1 << bit);
        }
        sums.extend(window.into_iter().rev());
    }
    sums
}

/// The width that needs the fewest additions: n for each window, and two for each of its buckets.
fn window_width(count: usize) -> usize {
    (1..=12)
        .min_by_key(|width| Z_BITS.div_ceil(*width) * (count + (2 << width)))
        .unwrap_or(1)
}

/// Whether L · P = 0, by (L − 1) · P = −P.
fn is_torsion_free(point: &EdwardsPoint) -> bool {
    let product =
        EdwardsPoint::vartime_double_scalar_mul_basepoint(&-Scalar::ONE, point, &Scalar::ZERO);
    (product + point).is_identity()
}

#[cfg(test)]
mod tests;
