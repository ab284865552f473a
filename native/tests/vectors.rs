//! The vector files that the TypeScript tests read, through the core alone.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use meterseal_native::digest::{hash_leaves, leaf_hash};
use meterseal_native::keys::KeyCache;
use meterseal_native::merkle::merkle_root;
use meterseal_native::sign::SecretKey;
use meterseal_native::verify::{open_seal, verify};
use serde_json::Value;

fn vectors(name: &str) -> Value {
    let path = format!("{}/../test/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn rfc_8032_keys_signatures_and_seals_come_out_byte_for_byte() {
    let file = vectors("ed25519-rfc8032.json");
    let tests = file["vectors"].as_array().unwrap();
    assert_eq!(tests.len(), 5);
    let keys = KeyCache::new(8);
    for test in tests {
        let [seed, public_key, message, signature] =
            ["seed", "pub", "msg", "sig"].map(|field| hex(&test[field]));
        let key = SecretKey::from_seed(&seed).unwrap();
        assert_eq!(key.public_key()[..], public_key);
        assert_eq!(key.sign(&message).unwrap()[..], signature);
        assert!(verify(&keys, &public_key, &message, &signature));
        let sealed = key.seal(&message).unwrap();
        assert_eq!(sealed, [signature, message.clone()].concat());
        assert_eq!(open_seal(&keys, &public_key, &sealed), Some(&message[..]));
    }
}

#[test]
fn wycheproof_verdicts_are_met() {
    let file = vectors("ed25519-wycheproof.json");
    let keys = KeyCache::new(8);
    let mut seen = 0;
    let groups = file["testGroups"].as_array().unwrap();
    // Once as keys seen for the first time, once as keys with a table of multiples.
    for group in groups.iter().chain(groups) {
        let public_key = hex(&group["pk"]);
        if seen >= 151 {
            keys.get(public_key[..].try_into().unwrap(), 1_000);
        }
        for test in group["tests"].as_array().unwrap() {
            let good = verify(&keys, &public_key, &hex(&test["msg"]), &hex(&test["sig"]));
            assert_eq!(good, test["result"] == "valid", "{}", test["tcId"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 2 * 151);
}

#[test]
fn roots_of_the_sample_log_are_met() {
    let file = vectors("chain.json");
    for (size, root) in file["roots"].as_object().unwrap() {
        let leaves: Vec<String> = (0..size.parse().unwrap())
            .map(|i: u32| format!("reading {i}"))
            .collect();
        let mut offsets = vec![0];
        for leaf in &leaves {
            offsets.push(offsets[offsets.len() - 1] + leaf.len() as u32);
        }
        let hashes = hash_leaves(leaves.concat().as_bytes(), &offsets).unwrap();
        assert_eq!(
            merkle_root(&hashes).unwrap()[..],
            hex(root),
            "{size} leaves"
        );
        for (i, leaf) in leaves.iter().enumerate() {
            assert_eq!(hashes[32 * i..32 * (i + 1)], leaf_hash(leaf.as_bytes()));
        }
    }
}

#[test]
fn small_order_keys_and_r_are_refused_with_every_message() {
    let mut encodings: Vec<[u8; 32]> = EIGHT_TORSION
        .iter()
        .map(|point| point.compress().to_bytes())
        .collect();
    for (low, top) in [
        (0x01, 0x80),
        (0xec, 0xff),
        (0xed, 0x7f),
        (0xed, 0xff),
        (0xee, 0x7f),
        (0xee, 0xff),
    ] {
        let mut raw = if low == 0x01 { [0; 32] } else { [0xff; 32] };
        raw[0] = low;
        raw[31] = top;
        encodings.push(raw);
    }
    assert_eq!(encodings.len(), 14);
    let keys = KeyCache::new(32);
    let good = SecretKey::from_seed(&[9; 32]).unwrap().public_key();
    let tabled = SecretKey::from_seed(&[8; 32]).unwrap().public_key();
    keys.get(&tabled, 1_000);
    for r in &encodings {
        assert!(CompressedEdwardsY(*r).decompress().is_some());
        for message in 0..16u8 {
            let signature = [&r[..], &[0; 32]].concat();
            for key in encodings.iter().chain([&good, &tabled]) {
                assert!(!verify(&keys, key, &[message], &signature));
            }
        }
    }
}

#[test]
fn one_changed_bit_anywhere_closes_a_seal() {
    let key = SecretKey::from_seed(&[3; 32]).unwrap();
    let keys = KeyCache::new(1);
    let sealed = key.seal(b"reading").unwrap();
    // From the 64th on the key has a table.
    for at in 0..8 * sealed.len() {
        let mut changed = sealed.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert_eq!(open_seal(&keys, &key.public_key(), &changed), None);
    }
    for length in 0..sealed.len() {
        assert_eq!(open_seal(&keys, &key.public_key(), &sealed[..length]), None);
    }
}
