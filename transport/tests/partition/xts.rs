//! AES-XTS, whose key is two keys of the device.

use std::thread;

use aes::Aes256;
use aes::cipher::KeyInit;
use transport::Error;
use transport::channel::Direction;
use transport::ddi::Opcode;
use transport::emulator::{Action, Fault, Kind, Options};
use transport::partition::{FacetKind, Hash, HsmKey, ImportValue, Partition};
use xts_mode::Xts128;

use crate::rig::{Rig, both};
use crate::vectors::{bytes, list, load};

const FACETS: [FacetKind; 2] = [FacetKind::AesXts, FacetKind::AesXtsTweak];

fn run(partition: &Partition, key: &HsmKey, direction: Direction, tweak: [u8; 16], data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    partition.aes_xts(key, direction, tweak, &mut data).unwrap();
    data
}

/// Another implementation.
fn oracle(value: &[u8], tweak: [u8; 16], data: &[u8]) -> Vec<u8> {
    let cipher = |half: &[u8]| Aes256::new_from_slice(half).unwrap();
    let mut data = data.to_vec();
    Xts128::new(cipher(&value[..32]), cipher(&value[32..])).encrypt_sector(&mut data, tweak.into());
    data
}

#[test]
fn recorded_units_in_both_directions() {
    let file = load("kat_aes.json");
    let one_unit = |case: &&serde_json::Value| {
        // The simulator that recorded them cuts some tweaks to 64 bits (wire 6.3).
        let standard = case["equals_standard_with_128_bit_tweak"] == true;
        standard && case["data_unit_len"] == bytes(&case["plaintext"]).len()
    };
    let cases: Vec<_> = list(&file["xts"]).iter().filter(one_unit).collect();
    assert!(cases.len() >= 6);
    both(|rig| {
        let partition = rig.partition();
        for case in &cases {
            let value = [bytes(&case["key1"]), bytes(&case["key2"])].concat();
            let key = partition.import(&ImportValue::AesXts(&value), &FACETS).unwrap();
            let (plain, cipher) = (bytes(&case["plaintext"]), bytes(&case["ciphertext"]));
            let tweak = bytes(&case["tweak"]).try_into().unwrap();
            assert_eq!(run(&partition, &key, Direction::Encrypt, tweak, &plain), cipher);
            assert_eq!(run(&partition, &key, Direction::Decrypt, tweak, &cipher), plain);
        }
    });
}

#[test]
fn agrees_with_another_implementation() {
    both(|rig| {
        let partition = rig.partition();
        let value: Vec<u8> = (100..164).collect();
        let key = partition.import(&ImportValue::AesXts(&value), &FACETS).unwrap();
        for len in (16..=64).step_by(16).chain([512, 1008, 1024, 1040, 4080, 4096, 4112, 8192, 1 << 20]) {
            let plain: Vec<u8> = (0..len).map(|n: u32| n.to_le_bytes()[0] ^ 0x1f).collect();
            for tweak in [[0; 16], [0xff; 16], *b"any data unit no"] {
                let cipher = run(&partition, &key, Direction::Encrypt, tweak, &plain);
                assert_eq!(cipher, oracle(&value, tweak, &plain), "{len} bytes");
                assert_eq!(run(&partition, &key, Direction::Decrypt, tweak, &cipher), plain);
            }
        }
    });
}

#[test]
fn a_key_made_inside_is_two_different_keys_and_is_stored() {
    both(|rig| {
        let partition = rig.partition();
        let key = partition.generate_secret(32, &FACETS).unwrap();
        let other = partition.generate_secret(32, &FACETS).unwrap();
        let cipher = run(&partition, &key, Direction::Encrypt, [7; 16], &[3; 512]);
        assert_ne!(run(&partition, &other, Direction::Encrypt, [7; 16], &[3; 512]), cipher);
        let stored = key.encode();
        drop(partition);
        let partition = rig.another_life().partition();
        let key = HsmKey::decode(&stored).unwrap();
        assert_eq!(run(&partition, &key, Direction::Decrypt, [7; 16], &cipher), [3; 512]);
    });
}

#[test]
fn what_is_no_xts_key_or_unit_is_refused() {
    both(|rig| {
        let partition = rig.partition();
        for value in [&[7; 64][..], &[7; 63], &[7; 32], &[]] {
            let refused = partition.import(&ImportValue::AesXts(value), &FACETS);
            assert!(matches!(refused, Err(Error::Unsupported(_))), "equal halves, or no halves");
        }
        let single = partition.import(&ImportValue::Aes(&[7; 32]), &[FacetKind::AesXts]);
        assert!(matches!(single, Err(Error::Unsupported(_))));
        let value: Vec<u8> = (0..64).collect();
        let wrong = partition.import(&ImportValue::AesXts(&value), &[FacetKind::AesCbc]);
        assert!(matches!(wrong, Err(Error::Unsupported(_))));

        let (private, point) = partition.generate_ec(transport::partition::Curve::P256, FacetKind::EcDerive).unwrap();
        let shared = partition.ecdh(&private, &point).unwrap();
        let twins = partition.hkdf(&shared, Hash::Sha256, b"", b"", 32, &FACETS);
        assert!(matches!(twins, Err(Error::Unsupported(_))), "both would be the same key");

        let key = partition.import(&ImportValue::AesXts(&value), &FACETS).unwrap();
        for len in [0, 1, 15, 17, 31, (16 << 20) + 16] {
            let refused = partition.aes_xts(&key, Direction::Encrypt, [0; 16], &mut vec![1; len]);
            assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{len} bytes");
        }
        let half = partition.generate_secret(32, &[FacetKind::AesXts]).unwrap();
        let refused = partition.aes_xts(&half, Direction::Encrypt, [0; 16], &mut [0; 16]);
        assert_eq!(refused, Err(Error::NoFacet(FacetKind::AesXtsTweak)));
    });
}

/// One table has seven places for bulk keys; each thread needs two of them at once.
#[test]
fn threads_with_more_keys_than_places_do_not_wait_for_each_other_for_ever() {
    let rig = Rig::with(Options { kind: Kind::Physical, tables: 1, ..Options::default() });
    let partition = rig.partition();
    let keys: Vec<_> = (0..8).map(|_| partition.generate_secret(32, &FACETS).unwrap()).collect();
    let ciphers: Vec<_> = keys.iter().map(|key| run(&partition, key, Direction::Encrypt, [1; 16], &[5; 512])).collect();
    thread::scope(|scope| {
        for turn in 0..8 {
            let (partition, keys, ciphers) = (&partition, &keys, &ciphers);
            scope.spawn(move || {
                for round in 0..20 {
                    let at = (turn + round) % keys.len();
                    let plain = run(partition, &keys[at], Direction::Decrypt, [1; 16], &ciphers[at]);
                    assert_eq!(plain, [5; 512]);
                }
            });
        }
    });
    assert!(rig.emulator.faults().commands(Opcode::DELETE_KEY) > 0, "the test is about eviction");
}

#[test]
fn a_failed_call_leaves_nothing_behind() {
    let rig = Rig::new(Kind::Physical);
    let partition = rig.partition();
    let key = partition.generate_secret(32, &FACETS).unwrap();
    run(&partition, &key, Direction::Encrypt, [1; 16], &[5; 32]);
    rig.emulator.faults().plan(Fault { opcode: None, nth: 1, times: 1000, action: Action::AbortBefore });
    let mut data = [5; 32];
    assert!(partition.aes_xts(&key, Direction::Decrypt, [1; 16], &mut data).is_err());
    assert_eq!(data, [0; 32]);
}
