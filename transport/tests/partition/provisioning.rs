//! First start, cold start, and starts that must fail.

use transport::Error;
use transport::ddi::{Opcode, Status};
use transport::emulator::{Action, Fault, Kind, Options};
use transport::partition::{Curve, FacetKind, HsmKey, Partition, PartitionBlobs, probe};

use crate::rig::{Rig, both};

#[test]
fn a_probe_needs_no_credential_and_names_the_partition() {
    both(|rig| {
        let info = probe(&*rig.emulator).unwrap();
        assert_eq!(info.tables, 1);
        assert_eq!(info.identity.len(), 32);
        assert!(info.identity.bytes().all(|c| c.is_ascii_digit() || (b'A'..=b'F').contains(&c)), "{}", info.identity);
        assert_eq!(
            info,
            probe(&*rig.another_life().emulator).unwrap(),
            "the identity is the chip's, not the process's"
        );
        assert_eq!(rig.store.history(), [], "nothing was provisioned");
    });
    assert!(probe(&*Rig::new(Kind::Physical).emulator).unwrap().physical);
}

#[test]
fn host_duty_02_the_first_start_stores_every_blob_and_the_bmk_before_any_key() {
    both(|rig| {
        rig.partition().connect().unwrap();
        let blobs = rig.store.blobs();
        assert!(blobs.masked_bk3.is_some() && blobs.bmk.is_some() && blobs.muk.is_some());
        assert!(HsmKey::decode(&blobs.root.unwrap()).unwrap().can(FacetKind::Secret));
        assert!(HsmKey::decode(&blobs.seal.unwrap()).unwrap().can(FacetKind::AesGcmApproved));
        let history = rig.store.history();
        let first_bmk = history.iter().position(|blobs| blobs.bmk.is_some()).unwrap();
        assert!(history[first_bmk].root.is_none() && history[first_bmk].muk.is_none());
    });
}

#[test]
fn a_cold_start_stores_nothing_and_makes_nothing() {
    both(|rig| {
        rig.partition().connect().unwrap();
        let stored = rig.store.history().len();
        let blobs = rig.store.blobs();
        let next = rig.another_life();
        let partition = next.partition();
        partition.connect().unwrap();
        assert_eq!((next.store.history().len(), next.store.blobs()), (stored, blobs));
        let count = |opcode| next.emulator.faults().commands(opcode);
        for opcode in [
            Opcode::INIT_BK3,
            Opcode::GET_UNWRAPPING_KEY,
            Opcode::ECC_GENERATE_KEY_PAIR,
            Opcode::AES_GENERATE_KEY,
            Opcode::UNMASK_KEY,
        ] {
            assert_eq!(count(opcode), 0, "{opcode:?}");
        }
    });
}

#[test]
fn host_duty_26_a_bmk_that_does_not_open_is_kept() {
    both(|rig| {
        rig.partition().connect().unwrap();
        let mut blobs = rig.store.blobs();
        let bmk = blobs.bmk.as_mut().unwrap();
        *bmk.last_mut().unwrap() ^= 1;
        rig.store.set(blobs.clone());
        let next = rig.another_life();
        assert!(matches!(next.partition().connect(), Err(Error::BlobRejected(_))));
        assert_eq!(next.store.blobs(), blobs);
    });
}

#[test]
fn a_token_of_another_owner_does_not_open() {
    both(|rig| {
        rig.partition().connect().unwrap();
        let blobs = rig.store.blobs();
        let next = rig.another_life();
        // Another POTA key: another partition backup key (semantics 7.7).
        assert!(matches!(next.partition_of(2).connect(), Err(Error::BlobRejected(_))));
        assert_eq!(next.store.blobs(), blobs);
        next.partition().connect().unwrap();
    });
}

#[test]
fn a_damaged_unwrapping_key_is_replaced() {
    both(|rig| {
        rig.partition().connect().unwrap();
        let mut blobs = rig.store.blobs();
        *blobs.muk.as_mut().unwrap().last_mut().unwrap() ^= 1;
        rig.store.set(blobs.clone());
        let next = rig.another_life();
        next.partition().connect().unwrap();
        let now = next.store.blobs();
        assert!(now.muk.is_some() && now.muk != blobs.muk);
        assert_eq!((now.root, now.seal), (blobs.root, blobs.seal));
    });
}

#[test]
fn a_lost_masked_bk3_is_found_in_the_sealed_slot() {
    both(|rig| {
        let partition = rig.partition();
        let (key, _) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        let mut blobs = rig.store.blobs();
        blobs.masked_bk3 = None;
        rig.store.set(blobs);
        let next = rig.another_life();
        next.partition().ecc_sign(&key, &[1; 32]).unwrap();
        assert!(next.store.blobs().masked_bk3.is_some());
    });
}

#[test]
fn host_duty_25_a_blob_of_a_newer_firmware_replaces_the_bmk() {
    let rig = Rig::with(Options { svn: 3, ..Options::default() });
    let (key, _) = rig.partition().generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
    let before = rig.store.blobs();
    let next = rig.another_life_with(|options| options.svn = 4);
    next.partition().ecc_sign(&key, &[1; 32]).unwrap();
    assert_ne!(next.store.blobs().bmk, before.bmk);
}

#[test]
fn a_provisioned_partition_is_entered_and_not_provisioned_again() {
    both(|rig| {
        rig.partition().connect().unwrap();
        rig.partition().connect().unwrap();
        assert_eq!(rig.emulator.faults().commands(Opcode::ESTABLISH_CREDENTIAL), 1);
    });
}

#[test]
fn a_new_token_on_a_provisioned_chip_resets_it() {
    both(|rig| {
        let old = rig.partition();
        let (key, _) = old.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        drop(old);
        rig.store.set(PartitionBlobs::default());
        let new = rig.partition_of(2);
        let (mine, _) = new.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        new.ecc_sign(&mine, &[1; 32]).unwrap();
        assert!(matches!(new.ecc_sign(&key, &[1; 32]), Err(Error::BlobRejected(_))), "the old token's keys are gone");
    });
}

#[test]
fn host_duty_04_the_ceremonies_are_repeated_when_somebody_else_spends_the_nonce() {
    both(|rig| {
        for opcode in [Opcode::ESTABLISH_CREDENTIAL, Opcode::OPEN_SESSION] {
            let action = Action::status(Status::NONCE_MISMATCH);
            rig.emulator.faults().plan(Fault { opcode: Some(opcode.0), nth: 1, times: 3, action });
        }
        rig.partition().connect().unwrap();
        assert_eq!(rig.emulator.faults().commands(Opcode::OPEN_SESSION), 4);
    });
}

#[test]
fn host_duty_12_an_unwrapping_key_that_is_still_being_made_is_waited_for() {
    let rig = Rig::with(Options { pending_unwrapping_key_polls: 3, ..Options::default() });
    let partition = rig.partition();
    partition.connect().unwrap();
    assert!(rig.store.blobs().muk.is_none());
    let (pkcs8, _) = crate::vectors::rsa_key(2048);
    let value = transport::partition::ImportValue::Rsa(&pkcs8);
    partition.import(&value, &[FacetKind::RsaSign]).unwrap();
}

#[test]
fn host_duty_23_a_wrong_credential_is_told_and_not_retried() {
    both(|rig| {
        rig.partition().connect().unwrap();
        let wrong = rig.partition_of(2);
        let refused = wrong.connect().unwrap_err();
        assert!(
            matches!(refused, Error::Device { status: Status::INVALID_APP_CREDENTIALS, .. }),
            "the stored blobs are there, so this is another's credential: {refused}"
        );
        assert_eq!(rig.emulator.faults().commands(Opcode::OPEN_SESSION), 2);
    });
}

/// Every switch the other way than the firmware's (semantics 9.1).
#[test]
fn a_device_with_the_simulator_s_ways_works_too() {
    let rig = Rig::with(Options {
        kind: Kind::Virtual,
        init_bk3_once: false,
        provisioning_rolls_back: false,
        bulk_id_is_key_id: true,
        device_iv: false,
        hkdf_absent_salt_quirk: true,
        kbkdf_production_quirk: true,
        unmask_echo: true,
        bmk_echo: true,
        attest_opcode_quirk: false,
        certificate_needs_info: false,
        ..Options::default()
    });
    let partition = rig.partition();
    let key = partition.generate_secret(32, &[FacetKind::AesGcm, FacetKind::AesCbc]).unwrap();
    let encrypt = |partition: &Partition| {
        let mut data = [5; 40];
        (partition.aes_gcm_encrypt(&key, &[1; 12], b"aad", &mut data).unwrap(), data)
    };
    let sealed = partition.seal(b"c", b"v").unwrap();
    let next = rig.another_life();
    let again = next.partition();
    assert_eq!(encrypt(&partition), encrypt(&again));
    assert_eq!(*again.unseal(b"c", &sealed).unwrap(), b"v");
    again.attest(&key, FacetKind::AesCbc, &[0; 128]).unwrap();
}

#[test]
fn host_duty_09_the_ninth_session_waits_and_then_says_so() {
    let rig = Rig::new(Kind::Physical);
    let eight: Vec<_> = (0..8).map(|_| rig.partition()).collect();
    for partition in &eight {
        partition.connect().unwrap();
    }
    let ninth = rig.partition();
    assert_eq!(ninth.connect(), Err(Error::SessionsExhausted));
    eight[3].disconnect();
    ninth.connect().unwrap();
}
