//! SHA-256 of many messages at once: two of them side by side through the processor's SHA instructions, which
//! wait for their own results longer than they take. FIPS 180-4; the order of the instructions is that of the
//! "Intel SHA Extensions" paper of 2013.

use sha2::{Digest, Sha256};

use crate::bounds::HASH_BYTES;

/// SHA-256(prefix ‖ message) of each message, one behind the other in `out`.
pub fn hash_each<'a>(
    prefix: Option<u8>,
    messages: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("sse4.1")
        && is_x86_feature_detected!("ssse3")
    {
        #[allow(unsafe_code)]
        // SAFETY: the three features that it is compiled for were just detected.
        return unsafe { x86::hash_each(prefix, messages, out) };
    }
    hash_one_by_one(prefix, messages, out);
}

fn hash_one_by_one<'a>(
    prefix: Option<u8>,
    messages: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) {
    for message in messages {
        let mut hasher = Sha256::new();
        if let Some(byte) = prefix {
            hasher.update([byte]);
        }
        hasher.update(message);
        out.extend_from_slice(&<[u8; HASH_BYTES]>::from(hasher.finalize()));
    }
}

/// The blocks of one padded message. Only its first and its last ones are copied.
#[cfg(target_arch = "x86_64")]
struct Blocks<'a> {
    message: &'a [u8],
    /// 1 with a prefix, else 0: bytes by which the message stands behind its blocks.
    shift: usize,
    /// The first block of a message with a prefix.
    head: [u8; 64],
    /// What is left behind the whole blocks, and the padding.
    tail: [u8; 128],
    whole: usize,
    count: usize,
    next: usize,
}

#[cfg(target_arch = "x86_64")]
impl<'a> Blocks<'a> {
    fn new(prefix: Option<u8>) -> Self {
        let mut blocks = Self {
            message: &[],
            shift: usize::from(prefix.is_some()),
            head: [0; 64],
            tail: [0; 128],
            whole: 0,
            count: 0,
            next: 0,
        };
        blocks.head[0] = prefix.unwrap_or(0);
        blocks
    }

    #[inline(always)]
    fn start(&mut self, message: &'a [u8]) {
        let length = self.shift + message.len();
        let rest = length % 64;
        // Messages that stand together are mostly of one length, and then so is their padding.
        if message.len() != self.message.len() || self.count == 0 {
            let padded = if rest < 56 { 64 } else { 128 };
            self.whole = length / 64;
            self.count = self.whole + padded / 64;
            let tail = &mut self.tail[..padded];
            tail[0] = self.head[0];
            tail[rest] = 0x80;
            tail[rest + 1..padded - 8].fill(0);
            tail[padded - 8..].copy_from_slice(&(8 * length as u64).to_be_bytes());
        }
        self.message = message;
        self.next = 0;
        if self.whole == 0 {
            self.tail[self.shift..rest].copy_from_slice(message);
        } else {
            self.tail[..rest].copy_from_slice(&message[message.len() - rest..]);
            if self.shift == 1 {
                self.head[1..].copy_from_slice(&message[..63]);
            }
        }
    }

    #[inline(always)]
    fn take(&mut self) -> &[u8; 64] {
        let at = self.next;
        self.next += 1;
        let bytes = if at >= self.whole {
            &self.tail[64 * (at - self.whole)..]
        } else if at == 0 && self.shift == 1 {
            &self.head
        } else {
            &self.message[64 * at - self.shift..]
        };
        bytes.first_chunk().expect("a block has 64 bytes")
    }

    fn is_over(&self) -> bool {
        self.next == self.count
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi64, _mm_set_epi8, _mm_set_epi32,
        _mm_set_epi64x, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
        _mm_shuffle_epi8, _mm_shuffle_epi32,
    };

    use super::Blocks;

    #[rustfmt::skip]
    const K: [u32; 64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];

    /// The state as the instructions take it: words a b e f and c d g h, the first in the highest lane.
    #[derive(Clone, Copy)]
    struct State(__m128i, __m128i);

    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn initial() -> State {
        let [a, b, c, d, e, f, g, h]: [u32; 8] = [
            0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
            0x5be0cd19,
        ];
        let four = |a: u32, b: u32, c: u32, d: u32| _mm_set_epi32(a as _, b as _, c as _, d as _);
        State(four(a, b, e, f), four(c, d, g, h))
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn bytes(State(abef, cdgh): State) -> [u8; 32] {
        let words = [
            _mm_extract_epi64::<1>(abef),
            _mm_extract_epi64::<1>(cdgh),
            _mm_extract_epi64::<0>(abef),
            _mm_extract_epi64::<0>(cdgh),
        ];
        let mut out = [0; 32];
        for (two, place) in words.into_iter().zip(out.as_chunks_mut::<8>().0) {
            *place = two.to_be_bytes();
        }
        out
    }

    /// Four big-endian words of a block.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn words(block: &[u8; 64], at: usize) -> __m128i {
        let half = |from: usize| {
            i64::from_le_bytes(*block[from..].first_chunk().expect("a block has 64 bytes"))
        };
        let swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
        _mm_shuffle_epi8(_mm_set_epi64x(half(16 * at + 8), half(16 * at)), swap)
    }

    /// One block for each of `N` states, their instructions in turn.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn compress<const N: usize>(states: &mut [State; N], blocks: [&[u8; 64]; N]) {
        let before = *states;
        let mut w = blocks.map(|block| {
            [
                words(block, 0),
                words(block, 1),
                words(block, 2),
                words(block, 3),
            ]
        });
        macro_rules! four_rounds {
            ($($group:literal)*) => {$(
                let k = _mm_set_epi32(
                    K[4 * $group + 3] as i32,
                    K[4 * $group + 2] as i32,
                    K[4 * $group + 1] as i32,
                    K[4 * $group] as i32,
                );
                for lane in 0..N {
                    if $group >= 4 {
                        let [w16, w12, w8, w4] = w[lane];
                        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w16, w12), _mm_alignr_epi8::<4>(w4, w8));
                        w[lane] = [w12, w8, w4, _mm_sha256msg2_epu32(sum, w4)];
                    }
                    let State(abef, cdgh) = states[lane];
                    let wk = _mm_add_epi32(w[lane][if $group < 4 { $group } else { 3 }], k);
                    let next = _mm_sha256rnds2_epu32(cdgh, abef, wk);
                    let last = _mm_sha256rnds2_epu32(abef, next, _mm_shuffle_epi32::<0x0e>(wk));
                    states[lane] = State(last, next);
                }
            )*};
        }
        four_rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for lane in 0..N {
            let State(abef, cdgh) = states[lane];
            states[lane] = State(
                _mm_add_epi32(abef, before[lane].0),
                _mm_add_epi32(cdgh, before[lane].1),
            );
        }
    }

    /// See [`super::hash_each`].
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub fn hash_each<'a>(
        prefix: Option<u8>,
        mut messages: impl Iterator<Item = &'a [u8]>,
        out: &mut Vec<u8>,
    ) {
        let mut a = Blocks::new(prefix);
        let mut b = Blocks::new(prefix);
        while let Some(first) = messages.next() {
            a.start(first);
            let mut states = [initial(); 2];
            let second = messages.next();
            if let Some(message) = second {
                b.start(message);
                for _ in 0..a.count.min(b.count) {
                    compress(&mut states, [a.take(), b.take()]);
                }
            }
            // The longer of the two goes on alone: messages that stand together are mostly of one length.
            let [mut state_a, mut state_b] = states.map(|state| [state]);
            while !a.is_over() {
                compress(&mut state_a, [a.take()]);
            }
            out.extend_from_slice(&bytes(state_a[0]));
            if second.is_some() {
                while !b.is_over() {
                    compress(&mut state_b, [b.take()]);
                }
                out.extend_from_slice(&bytes(state_b[0]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length around the borders of blocks, with a neighbour of another length.
    #[test]
    fn hashes_are_those_of_one_message_at_a_time() {
        let bytes: Vec<u8> = (0..700u32).map(|i| (i * 7 + i / 256) as u8).collect();
        for prefix in [None, Some(0), Some(1)] {
            for length in 0..260 {
                for other in [0, 55, 64, 128, 129, 300, length] {
                    let messages = [
                        &bytes[..length],
                        &bytes[1..1 + other],
                        &bytes[2..2 + length],
                    ];
                    for count in 0..=3 {
                        let mut side_by_side = Vec::new();
                        hash_each(prefix, messages[..count].iter().copied(), &mut side_by_side);
                        let mut expected = Vec::new();
                        hash_one_by_one(prefix, messages[..count].iter().copied(), &mut expected);
                        assert_eq!(
                            side_by_side, expected,
                            "{prefix:?} {length} {other} {count}"
                        );
                    }
                }
            }
        }
    }
}
