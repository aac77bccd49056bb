//! What a host must take care of, a test per row of device-semantics 9.2 and of 9.3, named after it.
//!
//! | Row of 9.2 | Test |
//! |---|---|
//! | 1 codec by device kind | `duties::host_duty_01`; all others run on both kinds, or on the physical one |
//! | 2 blobs stored before keys are made | `provisioning::host_duty_02`; killed in between: `conformance/tests/device_mode.rs` |
//! | 3 one process provisions | `processes::host_duty_03` |
//! | 4 the whole ceremony again | `provisioning::host_duty_04` |
//! | 5 the ceremony key is the partition's | `recovery::host_duty_05` |
//! | 6 endorsed anew after a migration | `duties::host_duty_06` |
//! | 7 slots are a cache | `cache::host_duty_07`, `cache::more_gcm_keys_than_the_seven_bulk_places`, `transport/model` |
//! | 8 nothing is left behind | `cache::host_duty_08`; by a killed process: `conformance/tests/shared_device.rs` |
//! | 9 eight sessions for all | `provisioning::host_duty_09`; 64 processes: `conformance/tests/shared_device.rs` |
//! | 10 forks | `transport/src/node/tests/processes.rs` `host_duty_10`, `conformance/tests/abi/processes.rs` |
//! | 11 recovery, and no stale id | `cache::host_duty_11` (two), `recovery`, `conformance/tests/shared_device.rs`, `transport/model` |
//! | 12 `PendingKeyGeneration` | `provisioning::host_duty_12` |
//! | 13 attributes bound to blobs | `cache::host_duty_13`; the records: `session/src/token/records.rs` |
//! | 14 hashing, cutting and padding | `duties::host_duty_14`; paddings: `mechanisms/src/padding`, `mechanisms/src/rsa` |
//! | 15 RSA signatures are verified | `mechanisms/src/rsa` |
//! | 16 CBC is chunked and chained | `symmetric::host_duty_16` |
//! | 17 GCM: bulk ids, additional data, IVs | `symmetric::host_duty_17`, `symmetric::recorded_gcm_messages_in_both_directions` |
//! | 18 an explicit salt | `duties::host_duty_18` |
//! | 19 one usage group per device key | `duties::host_duty_19` |
//! | 20 made and wrapped keys are erased | by type: `wrap.rs` holds nothing that is not `Zeroizing` |
//! | 21 `AttestKey`'s answer | `asymmetric::host_duty_21` |
//! | 22 the chain's information first | `duties::host_duty_22` |
//! | 23 PINs and the lockout | `provisioning::host_duty_23`; the device never sees a PIN (design 5) |
//! | 24 sessions are closed | `cache::host_duty_24`, `duties::host_duty_24` |
//! | 25 later blobs are stored | `provisioning::host_duty_25` |
//! | 26 an unopenable BMK is kept | `provisioning::host_duty_26` |
//! | 27 the approval state is asked | `duties::host_duty_27` |
//!
//! | Row of 9.3 | Test |
//! |---|---|
//! | 1, 2 session or partition forgotten | `duties::reaction_01`, `duties::reaction_02` |
//! | 3 `KeyNotFound` | `cache::reaction_03` |
//! | 4 `NonceMismatch` | `duties::reaction_04` |
//! | 5 to 7 credentials | `duties::reaction_05` |
//! | 8 `VaultSessionLimitReached` | `duties::reaction_08` |
//! | 9 no room | `duties::reaction_09` |
//! | 10 `KeyTagAlreadyExists` | `duties::reaction_10`: no key has a tag (why: `ledger.rs`) |
//! | 11 key in use | `duties::reaction_11` |
//! | 12 `PendingKeyGeneration` | `duties::reaction_12` |
//! | 13 a blob that does not open | `duties::reaction_13` |
//! | 14 BK3 | `duties::reaction_14` |
//! | 15 `EccVerifyFailed` | `duties::reaction_15` |
//! | 16, 17 errors that are final | `duties::reaction_16` |
//! | 18 aborted, not ready | `duties::reaction_18`, and `recovery` at every command |

use transport::channel::{Device, Direction};
use transport::ddi::{Opcode, Status};
use transport::emulator::{Action, Fault, Kind, Options};
use transport::partition::{Curve, FacetKind, Hash, HsmKey, ImportValue, Partition, probe};
use transport::{Error, Result};

use crate::asymmetric::ec_key;
use crate::oracle;
use crate::rig::{Rig, both};

/// The next command of this kind answers this status, once or more often.
fn answers(rig: &Rig, opcode: Opcode, status: Status, times: u64) {
    rig.emulator.faults().plan(Fault { opcode: Some(opcode.0), nth: 1, times, action: Action::status(status) });
}

fn count(rig: &Rig, opcode: Opcode) -> u64 {
    rig.emulator.faults().commands(opcode)
}

/// A partition with a key, connected and warm.
fn signer(rig: &Rig) -> (Partition, HsmKey, Vec<u8>) {
    let partition = rig.partition();
    let (key, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
    (partition, key, point)
}

#[track_caller]
fn signs(partition: &Partition, key: &HsmKey, point: &[u8]) {
    let signature = partition.ecc_sign(key, &[3; 32]).unwrap();
    assert!(oracle::ecdsa_verifies(Curve::P256, point, &[3; 32], &signature));
}

#[track_caller]
fn is(result: Result<impl Sized>, wanted: Status) {
    assert!(matches!(result.err(), Some(Error::Device { status, .. }) if status == wanted), "{wanted:?}");
}

#[test]
fn host_duty_01_the_codec_follows_the_device_kind() {
    both(|rig| {
        let (partition, key, point) = signer(rig);
        // In the wrong dialect neither the point nor the signature would be one.
        signs(&partition, &key, &point);
    });
    for (kind, physical) in [(Kind::Virtual, false), (Kind::Physical, true)] {
        assert_eq!(probe(&*Rig::new(kind).emulator).unwrap().physical, physical);
    }
}

#[test]
fn host_duty_06_a_new_identity_is_endorsed_anew() {
    both(|rig| {
        let (partition, key, point) = signer(rig);
        let before = probe(&*rig.emulator).unwrap().identity;
        rig.emulator.migrate().unwrap();
        assert_ne!(probe(&*rig.emulator).unwrap().identity, before);
        signs(&partition, &key, &point);
        assert_eq!(
            count(rig, Opcode::ESTABLISH_CREDENTIAL),
            2,
            "accepted at once: with the new identity's endorsement"
        );
    });
}

#[test]
fn host_duty_14_a_digest_of_any_length_is_made_what_the_device_takes() {
    both(|rig| {
        let partition = rig.partition();
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let (key, point) = partition.generate_ec(curve, FacetKind::EcSign).unwrap();
            for len in [20, 28, 32, 48, 64].into_iter().filter(|len| *len <= curve.len()) {
                let digest = vec![0xC3; len];
                let signature = partition.ecc_sign(&key, &digest).unwrap();
                assert!(oracle::ecdsa_verifies(curve, &point, &digest, &signature), "{curve:?} {len}");
            }
        }
        let key = partition.import(&ImportValue::Rsa(&crate::vectors::rsa_key(2048).0), &[FacetKind::RsaSign]).unwrap();
        let sent = count(rig, Opcode::RSA_MOD_EXP);
        assert!(partition.rsa_mod_exp(&key, FacetKind::RsaSign, &[1; 255]).is_err());
        assert_eq!(count(rig, Opcode::RSA_MOD_EXP), sent, "not even sent");
    });
}

/// On a device where no salt means 256 zero bytes.
#[test]
fn host_duty_18_no_salt_is_sent_as_an_empty_one() {
    let rig = Rig::with(Options { hkdf_absent_salt_quirk: true, ..Options::default() });
    let partition = rig.partition();
    let (key, _) = partition.generate_ec(Curve::P256, FacetKind::EcDerive).unwrap();
    let (_, peer) = partition.generate_ec(Curve::P256, FacetKind::EcDerive).unwrap();
    let secret = partition.ecdh(&key, &peer).unwrap();
    // RFC 5869, 2.2: no salt is as many zeros as the hash is long, which HMAC cannot tell from none.
    let blocks = [&[][..], &[0; 32]].map(|salt| {
        let key = partition.hkdf(&secret, Hash::Sha256, salt, b"info", 32, &[FacetKind::AesCbc]).unwrap();
        let mut block = [7; 16];
        partition.aes_cbc(&key, Direction::Encrypt, &mut [0; 16], &mut block).unwrap();
        block
    });
    assert_eq!(blocks[0], blocks[1]);
}

#[test]
fn host_duty_19_a_key_of_two_uses_is_two_device_keys() {
    both(|rig| {
        let partition = rig.partition();
        let (signing, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        assert!(matches!(partition.ecdh(&signing, &point), Err(Error::NoFacet(FacetKind::EcDerive))));
        let (pkcs8, point) = ec_key(Curve::P256);
        let both = partition.import(&ImportValue::Ec(&pkcs8), &[FacetKind::EcSign, FacetKind::EcDerive]).unwrap();
        assert_eq!(count(rig, Opcode::RSA_UNWRAP), 2);
        signs(&partition, &both, &point);
        partition.ecdh(&both, &point).unwrap();
    });
}

#[test]
fn host_duty_22_the_chain_is_asked_for_before_a_certificate() {
    let rig = Rig::with(Options { certificate_needs_info: true, ..Options::default() });
    probe(&*rig.emulator).unwrap();
    rig.emulator.migrate().unwrap();
    let (partition, key, point) = signer(&rig);
    signs(&partition, &key, &point);
    assert!(count(&rig, Opcode::GET_CERT_CHAIN_INFO) >= count(&rig, Opcode::GET_CERTIFICATE));
}

#[test]
fn host_duty_24_a_session_whose_keys_are_in_use_is_closed_again() {
    both(|rig| {
        let (partition, ..) = signer(rig);
        answers(rig, Opcode::CLOSE_SESSION, Status::CANNOT_DELETE_SOME_KEYS_IN_USE, 2);
        partition.disconnect();
        assert_eq!(count(rig, Opcode::CLOSE_SESSION), 3);
    });
}

#[test]
fn host_duty_27_the_approval_state_is_what_the_device_says() {
    for fips_approved in [false, true] {
        let rig = Rig::with(Options { fips_approved, ..Options::default() });
        assert_eq!(probe(&*rig.emulator).unwrap().fips_approved, fips_approved);
    }
}

#[test]
fn reaction_01_and_02_a_session_or_partition_that_is_forgotten_is_recovered() {
    for status in [
        Status::SESSION_NEEDS_RENEGOTIATION,
        Status::PARTITION_NOT_PROVISIONED,
        Status::CREDENTIALS_NOT_ESTABLISHED,
        Status::SESSION_NOT_FOUND,
        Status::FILE_HANDLE_NO_EXISTING_SESSION,
    ] {
        both(|rig| {
            let (partition, key, point) = signer(rig);
            answers(rig, Opcode::ECC_SIGN, status, 1);
            signs(&partition, &key, &point);
            assert_eq!(count(rig, Opcode::OPEN_SESSION), 2, "{status:?}");
            assert_eq!(count(rig, Opcode::UNMASK_KEY), 1, "under a new id");
        });
    }
}

#[test]
fn reaction_04_a_spent_nonce_repeats_the_ceremony() {
    both(|rig| {
        for opcode in [Opcode::ESTABLISH_CREDENTIAL, Opcode::OPEN_SESSION] {
            answers(rig, opcode, Status::NONCE_MISMATCH, 2);
        }
        let (partition, key, point) = signer(rig);
        signs(&partition, &key, &point);
        assert_eq!(count(rig, Opcode::GET_SESSION_ENCRYPTION_KEY), 3);
    });
}

#[test]
fn reaction_05_to_07_a_refused_credential_is_told_and_never_tried_again() {
    for status in [Status::INVALID_APP_CREDENTIALS, Status::LOGIN_FAILED, Status::PIN_DECRYPTION_FAILED] {
        both(|rig| {
            answers(rig, Opcode::OPEN_SESSION, status, 1);
            is(rig.partition().connect(), status);
            assert_eq!(count(rig, Opcode::OPEN_SESSION), 1);
        });
    }
}

#[test]
fn reaction_08_a_session_is_waited_for() {
    both(|rig| {
        answers(rig, Opcode::OPEN_SESSION, Status::VAULT_SESSION_LIMIT_REACHED, 3);
        let (partition, key, point) = signer(rig);
        signs(&partition, &key, &point);
        assert_eq!(count(rig, Opcode::OPEN_SESSION), 4);
    });
}

#[test]
fn reaction_09_a_full_device_makes_room_and_one_without_is_told() {
    for status in [Status::NOT_ENOUGH_SPACE, Status::DEFRAGMENTATION_NEEDED] {
        both(|rig| {
            let (partition, key, point) = signer(rig);
            answers(rig, Opcode::ECC_GENERATE_KEY_PAIR, status, 1);
            let before = count(rig, Opcode::DELETE_KEY);
            partition.generate_ec(Curve::P384, FacetKind::EcSign).unwrap();
            assert!(count(rig, Opcode::DELETE_KEY) > before);
            signs(&partition, &key, &point);
            // Whatever is taken out does not help, nor does a reset.
            answers(rig, Opcode::ECC_GENERATE_KEY_PAIR, status, 1000);
            is(partition.generate_ec(Curve::P384, FacetKind::EcSign), status);
            rig.emulator.faults().clear();
            signs(&partition, &key, &point);
        });
    }
    both(|rig| {
        let partition = rig.partition();
        let secrets = [(); 2].map(|()| partition.generate_secret(32, &[FacetKind::AesGcm]).unwrap());
        answers(rig, Opcode::HKDF_DERIVE, Status::REACHED_MAX_AES_BULK_KEYS, 1);
        let third = partition.generate_secret(32, &[FacetKind::AesGcm]).unwrap();
        for key in secrets.iter().chain([&third]) {
            partition.aes_gcm_encrypt(key, &[1; 12], b"", &mut [0; 20]).unwrap();
        }
    });
}

/// Nobody's tag can be ours, and ours nobody's.
#[test]
fn reaction_10_a_tag_is_never_asked_for() {
    both(|rig| {
        let (partition, key, _) = signer(rig);
        answers(rig, Opcode::ECC_SIGN, Status::KEY_TAG_ALREADY_EXISTS, 1);
        is(partition.ecc_sign(&key, &[3; 32]), Status::KEY_TAG_ALREADY_EXISTS);
        partition.disconnect();
        let other = rig.partition();
        // The same blob twice in the device, which a tag would not allow (semantics 7.6).
        for partition in [&partition, &other] {
            partition.ecc_sign(&key, &[3; 32]).unwrap();
        }
        assert_eq!(count(rig, Opcode::OPEN_KEY), 0);
    });
}

#[test]
fn reaction_11_a_key_in_use_is_deleted_a_little_later() {
    for status in [Status::CANNOT_DELETE_KEY_IN_USE, Status::CANNOT_DELETE_SOME_KEYS_IN_USE] {
        both(|rig| {
            let (partition, key, _) = signer(rig);
            let before = count(rig, Opcode::DELETE_KEY);
            answers(rig, Opcode::DELETE_KEY, status, 3);
            partition.forget(&key);
            assert_eq!(count(rig, Opcode::DELETE_KEY), before + 4);
        });
    }
}

#[test]
fn reaction_12_a_key_that_is_being_made_is_polled_for() {
    both(|rig| {
        let partition = rig.partition();
        partition.connect().unwrap();
        rig.emulator.reset().unwrap();
        answers(rig, Opcode::GET_UNWRAPPING_KEY, Status::PENDING_KEY_GENERATION, 4);
        partition.import(&ImportValue::Aes(&[1; 32]), &[FacetKind::AesCbc]).unwrap();
        assert!(count(rig, Opcode::GET_UNWRAPPING_KEY) >= 5);
    });
}

#[test]
fn reaction_13_a_blob_that_does_not_open_is_told_and_kept() {
    both(|rig| {
        let (partition, key, point) = signer(rig);
        partition.disconnect();
        answers(rig, Opcode::UNMASK_KEY, Status::MASKED_KEY_DECODE_FAILED, 1);
        assert!(matches!(partition.ecc_sign(&key, &[3; 32]), Err(Error::BlobRejected(_))));
        signs(&partition, &key, &point);
    });
}

#[test]
fn reaction_14_bk3_is_masked_again() {
    for status in [Status::MASKING_BK_BOOT_FAILED, Status::UNMASKING_BK3_FAILED, Status::MASKED_BK_BOOT_NOT_PRESENT] {
        both(|rig| {
            let (partition, key, point) = signer(rig);
            rig.emulator.reset().unwrap();
            let before = count(rig, Opcode::INIT_BK3);
            answers(rig, Opcode::ESTABLISH_CREDENTIAL, status, 1);
            signs(&partition, &key, &point);
            assert_eq!(count(rig, Opcode::INIT_BK3), before + 1, "{status:?}");
        });
    }
}

#[test]
fn reaction_15_a_refused_endorsement_is_made_anew_over_the_chain_as_it_is() {
    both(|rig| {
        let (partition, key, point) = signer(rig);
        rig.emulator.reset().unwrap();
        let before = count(rig, Opcode::GET_CERTIFICATE);
        answers(rig, Opcode::ESTABLISH_CREDENTIAL, Status::ECC_VERIFY_FAILED, 1);
        signs(&partition, &key, &point);
        assert!(count(rig, Opcode::GET_CERTIFICATE) >= before + 2);
    });
}

#[test]
fn reaction_16_and_17_what_nothing_mends_is_told_at_once() {
    for status in [
        Status::INVALID_PERMISSIONS,
        Status::INVALID_KEY_TYPE,
        Status::NON_FIPS_APPROVED_DIGEST,
        Status::DIGEST_HASH_MISMATCH_WITH_ECC_CURVE,
    ] {
        both(|rig| {
            let (partition, key, point) = signer(rig);
            answers(rig, Opcode::ECC_SIGN, status, 1);
            is(partition.ecc_sign(&key, &[3; 32]), status);
            assert_eq!(count(rig, Opcode::ECC_SIGN), 1);
            signs(&partition, &key, &point);
        });
    }
}

#[test]
fn reaction_18_an_aborted_command_and_a_device_that_is_not_ready_are_seen_through() {
    for action in [Action::NotReady, Action::AbortBefore, Action::AbortAfter] {
        both(|rig| {
            let (partition, key, point) = signer(rig);
            rig.emulator.faults().plan(Fault { opcode: Some(Opcode::ECC_SIGN.0), nth: 1, times: 2, action });
            signs(&partition, &key, &point);
            assert_eq!(count(rig, Opcode::ESTABLISH_CREDENTIAL), 1, "there was no reset");
        });
    }
}
