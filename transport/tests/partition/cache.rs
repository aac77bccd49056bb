//! More keys than the device has room for, and threads that want them all at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use transport::Error;
use transport::channel::{Device, Direction};
use transport::ddi::{Opcode, Status};
use transport::emulator::{Action, Fault, Kind, Options};
use transport::partition::{Curve, FacetKind, HsmKey, ImportValue, Partition};

use crate::oracle;
use crate::rig::{Rig, both};
use crate::vectors::{bytes, list, load, rsa_key};

#[test]
fn host_duty_07_forty_keys_of_all_kinds_on_one_table_give_right_results() {
    let file = load("kat_rsa.json");
    let cases: Vec<_> = list(&file["mod_exp"]).iter().filter(|case| case["x"].is_string()).collect();
    both(|rig| {
        let partition = rig.partition();
        // 12 RSA keys of 1320 to 2600 bytes each: about twice what a table holds.
        let rsa: Vec<(u64, HsmKey)> = [2048, 2048, 3072, 4096]
            .into_iter()
            .cycle()
            .take(12)
            .map(|bits| (bits, partition.import(&ImportValue::Rsa(&rsa_key(bits).0), &[FacetKind::RsaSign]).unwrap()))
            .collect();
        let aes: Vec<([u8; 32], HsmKey)> = (0..28)
            .map(|n| ([n; 32], partition.import(&ImportValue::Aes(&[n; 32]), &[FacetKind::AesCbc]).unwrap()))
            .collect();
        for round in 0..3 {
            for (n, (bits, key)) in rsa.iter().enumerate() {
                let case = cases.iter().filter(|case| case["bits"] == *bits).nth((n + round) % 2).unwrap();
                let result = partition.rsa_mod_exp(key, FacetKind::RsaSign, &bytes(&case["y"])).unwrap();
                assert_eq!(*result, bytes(&case["x"]));
            }
            for (value, key) in &aes {
                let mut data = [0x5C; 48];
                partition.aes_cbc(key, Direction::Encrypt, &mut [1; 16], &mut data).unwrap();
                assert_eq!(data[..], oracle::cbc_encrypt(value, &[1; 16], &[0x5C; 48]));
            }
        }
        let count = |opcode| rig.emulator.faults().commands(opcode);
        assert!(count(Opcode::UNMASK_KEY) > 0 && count(Opcode::DELETE_KEY) > 0, "the test is about eviction");
    });
}

#[test]
fn more_gcm_keys_than_the_seven_bulk_places() {
    both(|rig| {
        let partition = rig.partition();
        let keys: Vec<_> =
            (0..20).map(|_| partition.generate_secret(32, &[FacetKind::AesGcm, FacetKind::AesCbc]).unwrap()).collect();
        let sealed: Vec<_> = keys
            .iter()
            .map(|key| {
                let mut data = *b"sixteen byte msg";
                let tag = partition.aes_gcm_encrypt(key, &[1; 12], b"aad", &mut data).unwrap();
                (data, tag)
            })
            .collect();
        for (n, key) in keys.iter().enumerate().rev() {
            let (mut data, tag) = sealed[n];
            partition.aes_gcm_decrypt(key, &[1; 12], b"aad", &mut data, &tag).unwrap();
            assert_eq!(&data, b"sixteen byte msg");
            let (mut data, _) = sealed[n];
            let other = &keys[(n + 1) % keys.len()];
            assert_eq!(partition.aes_gcm_decrypt(other, &[1; 12], b"aad", &mut data, &tag), Err(Error::TagMismatch));
        }
        assert_eq!(*partition.unseal(b"c", &partition.seal(b"c", b"v").unwrap()).unwrap(), b"v");
    });
}

/// 30 EC keys, and RSA keys that fill the table, so that four threads evict each other's keys all the time. Every signature
/// must fit the public key of the key that was asked for.
#[test]
fn four_threads_never_sign_with_the_wrong_key() {
    for kind in [Kind::Virtual, Kind::Physical] {
        let rig = Rig::with(Options { kind, busy_keys: true, ..Options::default() });
        let partition = rig.partition();
        let keys: Vec<_> = (0..30).map(|_| partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap()).collect();
        let fill: Vec<_> = (0..10)
            .map(|_| partition.import(&ImportValue::Rsa(&rsa_key(2048).0), &[FacetKind::RsaSign]).unwrap())
            .collect();
        thread::scope(|scope| {
            for worker in 0..4_usize {
                let (partition, keys, fill) = (&partition, &keys, &fill);
                scope.spawn(move || {
                    for round in 0..60_usize {
                        let (key, point) = &keys[(round * 7 + worker * 11) % keys.len()];
                        let digest: [u8; 32] =
                            std::array::from_fn(|n| u8::try_from((n * round + worker) % 251).unwrap());
                        let signature = partition.ecc_sign(key, &digest).unwrap();
                        assert!(oracle::ecdsa_verifies(Curve::P256, point, &digest, &signature));
                        let operand = [0x21; 256];
                        partition
                            .rsa_mod_exp(&fill[(round + worker * 3) % fill.len()], FacetKind::RsaSign, &operand)
                            .unwrap();
                    }
                });
            }
        });
        assert!(rig.emulator.faults().commands(Opcode::DELETE_KEY) > 50, "keys were evicted while others signed");
    }
}

#[test]
fn host_duty_08_threads_that_make_and_forget_keys_leave_nothing_behind() {
    let rig = Rig::new(Kind::Physical);
    let partition = rig.partition();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..40 {
                    let key = partition.generate_secret(32, &[FacetKind::AesCbc, FacetKind::AesGcm]).unwrap();
                    let mut data = [0; 16];
                    partition.aes_cbc(&key, Direction::Encrypt, &mut [0; 16], &mut data).unwrap();
                    partition.aes_gcm_encrypt(&key, &[0; 12], &[], &mut data).unwrap();
                    partition.forget(&key);
                }
            });
        }
    });
    // Nothing of the 320 keys is left, so no eviction was ever needed for lack of ids.
    let count = |opcode| rig.emulator.faults().commands(opcode);
    partition.disconnect();
    // The root secret and the two keys of its making; the sealing key ends with the session.
    assert_eq!(count(Opcode::DELETE_KEY), count(Opcode::HKDF_DERIVE) - 1 + count(Opcode::UNMASK_KEY) + 1 + 2);
}

#[test]
fn reaction_03_a_key_that_vanished_from_the_device_is_brought_in_again() {
    both(|rig| {
        let partition = rig.partition();
        let (key, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        let action = Action::status(Status::KEY_NOT_FOUND);
        rig.emulator.faults().plan(Fault { opcode: Some(Opcode::ECC_SIGN.0), nth: 1, times: 1, action });
        let signature = partition.ecc_sign(&key, &[3; 32]).unwrap();
        assert!(oracle::ecdsa_verifies(Curve::P256, &point, &[3; 32], &signature));
        assert_eq!(rig.emulator.faults().commands(Opcode::UNMASK_KEY), 1);
    });
}

#[test]
fn a_device_that_is_not_ready_is_waited_for() {
    both(|rig| {
        let partition = rig.partition();
        let (key, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        rig.emulator.faults().plan(Fault { opcode: None, nth: 1, times: 3, action: Action::NotReady });
        let signature = partition.ecc_sign(&key, &[3; 32]).unwrap();
        assert!(oracle::ecdsa_verifies(Curve::P256, &point, &[3; 32], &signature));
        let secret = partition.generate_secret(32, &[FacetKind::AesGcm]).unwrap();
        rig.emulator.faults().plan(Fault { opcode: None, nth: 1, times: 3, action: Action::NotReady });
        partition.aes_gcm_encrypt(&secret, &[1; 12], b"", &mut [0; 5]).unwrap();
    });
}

#[test]
fn a_reset_in_the_middle_of_an_operation_is_invisible() {
    let rig = Rig::new(Kind::Physical);
    let partition = rig.partition();
    let value = [0x42; 32];
    let key = partition.import(&ImportValue::Aes(&value), &[FacetKind::AesCbc]).unwrap();
    for action in [Action::Reset, Action::Migrate] {
        rig.emulator.faults().plan(Fault { opcode: Some(Opcode::AES_ENCRYPT_DECRYPT.0), nth: 3, times: 1, action });
        let mut data = [0x5C; 5000 / 16 * 16];
        partition.aes_cbc(&key, Direction::Encrypt, &mut [1; 16], &mut data).unwrap();
        assert_eq!(data[..], oracle::cbc_encrypt(&value, &[1; 16], &[0x5C; 5000 / 16 * 16]), "{action:?}");
    }
    // While a key is made, while one is imported.
    for opcode in [Opcode::HKDF_DERIVE, Opcode::RSA_UNWRAP, Opcode::ECC_GENERATE_KEY_PAIR, Opcode::ECDH_KEY_EXCHANGE] {
        for action in [Action::Reset, Action::Migrate] {
            rig.emulator.faults().plan(Fault { opcode: Some(opcode.0), nth: 1, times: 1, action });
            let generated = partition.generate_secret(32, &[FacetKind::AesCbc]).unwrap();
            partition.aes_cbc(&generated, Direction::Encrypt, &mut [1; 16], &mut [0; 16]).unwrap();
            partition.import(&ImportValue::Aes(&value), &[FacetKind::AesCbc]).unwrap();
            let (private, point) = partition.generate_ec(Curve::P256, FacetKind::EcDerive).unwrap();
            partition.ecdh(&private, &point).unwrap();
        }
    }
}

#[test]
fn a_reset_is_invisible() {
    both(|rig| {
        let partition = rig.partition();
        let (key, point) = partition.generate_ec(Curve::P384, FacetKind::EcSign).unwrap();
        let secret = partition.generate_secret(32, &[FacetKind::AesCbc]).unwrap();
        let block = |partition: &Partition| {
            let mut data = [7; 2048];
            partition.aes_cbc(&secret, Direction::Encrypt, &mut [0; 16], &mut data).unwrap();
            data
        };
        let before = block(&partition);
        rig.emulator.reset().unwrap();
        assert_eq!(block(&partition), before);
        rig.emulator.reset().unwrap();
        let signature = partition.ecc_sign(&key, &[5; 48]).unwrap();
        assert!(oracle::ecdsa_verifies(Curve::P384, &point, &[5; 48], &signature));
    });
}

#[test]
fn a_reset_is_invisible_on_the_fast_path() {
    both(|rig| {
        let partition = rig.partition();
        let key = partition.generate_secret(32, &[FacetKind::AesGcm]).unwrap();
        let encrypt = || {
            let mut data = [7; 100];
            partition.aes_gcm_encrypt(&key, &[1; 12], b"aad", &mut data).map(|tag| (data, tag))
        };
        let before = encrypt().unwrap();
        rig.emulator.reset().unwrap();
        assert_eq!(encrypt().unwrap(), before);
    });
}

/// The fast path does not look at the session of an App key: after a reset, and when another process has provisioned the
/// partition, the id of an imported key may be another key of that process, which the device would gladly use.
#[test]
fn host_duty_11_an_id_that_is_another_process_s_key_now_is_not_used() {
    both(|rig| {
        let (one, other) = (rig.partition(), rig.partition());
        let import = |partition: &Partition, value: u8| {
            partition.import(&ImportValue::Aes(&[value; 32]), &[FacetKind::AesGcm]).unwrap()
        };
        let mine: Vec<_> = (0..3).map(|n| import(&one, n)).collect();
        let encrypt = |partition: &Partition, key: &HsmKey| {
            let mut data = [7; 64];
            partition.aes_gcm_encrypt(key, &[1; 12], b"aad", &mut data).map(|tag| (data, tag))
        };
        let right: Vec<_> = mine.iter().map(|key| encrypt(&one, key).unwrap()).collect();
        for round in 0..4 {
            rig.emulator.reset().unwrap();
            // As many as the chip has places for, so that every id that `one` remembers is a key again.
            let theirs: Vec<_> = (0..5).map(|n| import(&other, 100 + n)).collect();
            let (mut data, tag) = right[round % mine.len()];
            one.aes_gcm_decrypt(&mine[round % mine.len()], &[1; 12], b"aad", &mut data, &tag).unwrap();
            assert_eq!(data, [7; 64]);
            for (key, right) in mine.iter().zip(&right) {
                assert_eq!(encrypt(&one, key).unwrap(), *right);
            }
            for key in &theirs {
                other.forget(key);
            }
        }
    });
}

/// Generated keys, which the device itself protects, and imported ones, which it does not.
#[test]
fn host_duty_11_threads_encrypt_under_their_own_key_through_resets() {
    let rig = Rig::new(Kind::Physical);
    let partition = rig.partition();
    let generated = (0..3).map(|_| partition.generate_secret(32, &[FacetKind::AesGcm]).unwrap());
    let imported = (0..3).map(|n| partition.import(&ImportValue::Aes(&[n; 32]), &[FacetKind::AesGcm]).unwrap());
    let keys: Vec<_> = generated.chain(imported).collect();
    let encrypt = |key: &HsmKey| {
        let mut data = [7; 64];
        partition.aes_gcm_encrypt(key, &[1; 12], b"", &mut data).map(|tag| (data, tag))
    };
    let right: Vec<_> = keys.iter().map(|key| encrypt(key).unwrap()).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..3 {
            let (done, keys, right, encrypt) = (&done, &keys, &right, &encrypt);
            scope.spawn(move || {
                let mut n = worker;
                while !done.load(Ordering::Relaxed) {
                    n += 1;
                    // A reset may hit a call twice; a result is right or there is none.
                    if let Ok(made) = encrypt(&keys[n % keys.len()]) {
                        assert_eq!(made, right[n % keys.len()], "key {}", n % keys.len());
                    }
                }
            });
        }
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(15));
            rig.emulator.reset().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    for (key, right) in keys.iter().zip(&right) {
        assert_eq!(encrypt(key).unwrap(), *right);
    }
}

#[test]
fn host_duty_24_a_disconnected_partition_closes_its_session_and_connects_again() {
    both(|rig| {
        let partition = rig.partition();
        let (key, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        for _ in 0..10 {
            partition.disconnect();
            let signature = partition.ecc_sign(&key, &[5; 32]).unwrap();
            assert!(oracle::ecdsa_verifies(Curve::P256, &point, &[5; 32], &signature));
        }
        assert_eq!(rig.emulator.faults().commands(Opcode::CLOSE_SESSION), 10);
    });
}

#[test]
fn a_cached_key_costs_one_command() {
    let rig = Rig::new(Kind::Physical);
    let partition = rig.partition();
    let (key, _) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
    for _ in 0..5 {
        partition.ecc_sign(&key, &[5; 32]).unwrap();
    }
    let count = |opcode| rig.emulator.faults().commands(opcode);
    assert_eq!((count(Opcode::ECC_SIGN), count(Opcode::UNMASK_KEY)), (5, 0));
    let secret = partition.generate_secret(32, &[FacetKind::AesCbc]).unwrap();
    partition.aes_cbc(&secret, Direction::Encrypt, &mut [0; 16], &mut [0; 16]).unwrap();
    assert_eq!((count(Opcode::HKDF_DERIVE), count(Opcode::UNMASK_KEY)), (2, 0), "this one, and the sealing key");
}

#[test]
fn host_duty_13_a_blob_of_another_kind_is_refused() {
    both(|rig| {
        let partition = rig.partition();
        let (key, _) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        let mut stored = key.encode();
        stored[3] = FacetKind::AesCbc as u8;
        let forged = HsmKey::decode(&stored).unwrap();
        let refused = partition.aes_cbc(&forged, Direction::Encrypt, &mut [0; 16], &mut [0; 16]);
        assert!(matches!(refused, Err(Error::BlobRejected(_))), "{refused:?}");
        *stored.iter_mut().rev().nth(1).unwrap() ^= 1;
        stored[3] = FacetKind::EcSign as u8;
        let damaged = HsmKey::decode(&stored).unwrap();
        assert!(matches!(partition.ecc_sign(&damaged, &[0; 32]), Err(Error::BlobRejected(_))));
    });
}
