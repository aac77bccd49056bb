//! Rows 7 to 11 and 24: who may provision the partition, and what depends on what.

use std::time::Duration;

use transport::channel::Device;
use transport::ddi::command::*;
use transport::ddi::{EccCurve, Status, Usage, key};
use transport::emulator::{Kind, Lockout, Options};

use crate::client::*;

fn ready(options: Options) -> (Rig, Client, Blobs) {
    let rig = Rig::new(options);
    let client = rig.handle();
    let masked_bk3 = client.init_bk3().unwrap();
    (rig, client, Blobs { masked_bk3, ..Blobs::default() })
}

fn envelope(client: &Client, id: &[u8], pin: &[u8]) -> Envelope {
    let (device, nonce, _) = client.establish_key().unwrap();
    Envelope::new(&device, nonce, id, pin, &[])
}

#[test]
fn row_07_public_keys_are_validated() {
    for kind in [Kind::Virtual, Kind::Physical] {
        let (_rig, client, blobs) = ready(Options { kind, ..Options::default() });
        let spki = |x: &[u8], y: &[u8]| key::spki_from_point(EccCurve::P384, &[&[4], x, y].concat()).unwrap();
        let mut p = [0xff; 48];
        p[31] = 0xfe;
        p[36..44].fill(0);
        let beyond = spki(&p, &[1; 48]);
        let off_curve = spki(&[1; 48], &[1; 48]);
        for (bad, status) in
            [(beyond, Status::ECC_PUBLIC_KEY_VALIDATION_FAILED), (off_curve, Status::ECC_POINT_VALIDATION_FAILED)]
        {
            let mut sent = envelope(&client, &ID, &PIN);
            sent.client.clone_from(&bad);
            assert_eq!(client.establish_with(&blobs, &POTA, &sent), Err(status), "{kind:?}");
            let sent = envelope(&client, &ID, &PIN);
            let signature = client.pota_signature(&POTA);
            assert_eq!(client.establish_raw(&blobs, &signature, &bad, &sent), Err(status), "{kind:?}");
        }
    }
}

#[test]
fn row_08_the_endorsement_is_verified() {
    let (_rig, client, blobs) = ready(Options::default());
    let mut signature = client.pota_signature(&POTA);
    signature[95] ^= 1;
    let sent = envelope(&client, &ID, &PIN);
    let refused = client.establish_raw(&blobs, &signature, &pota_spki(&POTA), &sent);
    assert_eq!(refused, Err(Status::ECC_VERIFY_FAILED));
    // By another key than the one that is presented.
    let signature = client.pota_signature(&[0x62; 48]);
    let refused = client.establish_raw(&blobs, &signature, &pota_spki(&POTA), &sent);
    assert_eq!(refused, Err(Status::ECC_VERIFY_FAILED));
    // Neither spent the nonce.
    client.establish_with(&blobs, &POTA, &sent).unwrap();
}

#[test]
fn row_09_the_credential_is_set_once() {
    let (rig, client, blobs) = ready(Options::default());
    assert_eq!(client.session_key().unwrap_err(), Status::CREDENTIALS_NOT_ESTABLISHED);
    for (id, pin) in [(&[0; 16], &PIN), (&ID, &[0; 16])] {
        let sent = envelope(&client, id, pin);
        assert_eq!(client.establish_with(&blobs, &POTA, &sent), Err(Status::INVALID_APP_CREDENTIALS));
    }
    client.provision(&blobs).unwrap();
    assert_eq!(client.establish_key().unwrap_err(), Status::VAULT_APP_LIMIT_REACHED);
    let (device, nonce, _) = rig.handle().session_key().unwrap();
    let again = Envelope::new(&device, nonce, &ID, &PIN, &[]);
    assert_eq!(client.establish_with(&blobs, &POTA, &again), Err(Status::VAULT_APP_LIMIT_REACHED));
}

#[test]
fn row_09_a_failed_provisioning_rolls_back() {
    let (_rig, client, good) = ready(Options::default());
    let mut bad = good.clone();
    bad.masked_bk3[100] ^= 1;
    assert_eq!(client.provision(&bad).unwrap_err(), Status::UNMASKING_BK3_FAILED);
    bad.masked_bk3 = vec![1; 20];
    assert_eq!(client.provision(&bad).unwrap_err(), Status::MASKED_KEY_DECODE_FAILED);
    let bad = Blobs { bmk: good.masked_bk3.clone(), ..good.clone() };
    assert_eq!(client.provision(&bad).unwrap_err(), Status::MASKED_KEY_DECODE_FAILED);
    client.provision(&good).unwrap();
}

#[test]
fn row_09_without_rollback_the_credential_stays() {
    let (rig, client, good) = ready(Options { provisioning_rolls_back: false, ..Options::default() });
    let bad = Blobs { bmk: good.masked_bk3.clone(), ..good.clone() };
    assert_eq!(client.provision(&bad).unwrap_err(), Status::MASKED_KEY_DECODE_FAILED);
    assert_eq!(client.provision(&good).unwrap_err(), Status::VAULT_APP_LIMIT_REACHED);
    rig.device.reset().unwrap();
    client.provision(&good).unwrap();
}

#[test]
fn row_10_bk3_once_and_the_sealed_slot_once() {
    let rig = Rig::new(Options::default());
    let client = rig.handle();
    let init = |bk3: &[u8]| client.call(&InitBk3 { bk3 }, |r| r.masked_bk3.len());
    assert_eq!(init(&BK3[..47]), Err(Status::INVALID_ARG));
    assert_eq!(init(&BK3), Ok(260));
    assert_eq!(init(&BK3), Err(Status::BK3_ALREADY_INITIALIZED));
    // Asked before the body is looked at.
    assert_eq!(init(&BK3[..47]), Err(Status::BK3_ALREADY_INITIALIZED));
    let get = || client.call(&GetSealedBk3, |r| r.sealed_bk3.to_vec());
    let set = |sealed_bk3: &[u8]| client.call(&SetSealedBk3 { sealed_bk3 }, |_| ());
    assert_eq!(get(), Err(Status::SEALED_BK3_NOT_PRESENT));
    assert_eq!(set(&[7; 513]), Err(Status::SEALED_BK3_TOO_LARGE));
    assert_eq!(set(&[7; 512]), Ok(()));
    assert_eq!(set(&[7; 513]), Err(Status::SEALED_BK3_ALREADY_SET));
    rig.device.reset().unwrap();
    assert_eq!(get(), Ok(vec![7; 512]));
    assert_eq!(init(&BK3), Err(Status::BK3_ALREADY_INITIALIZED));
}

#[test]
fn row_10_bk3_many_times() {
    let (rig, client, first) = ready(Options { init_bk3_once: false, ..Options::default() });
    let second = client.init_bk3().unwrap();
    assert_ne!(second, first.masked_bk3);
    assert_eq!(client.provision(&first).unwrap_err(), Status::UNMASKING_BK3_FAILED);
    drop(rig);
}

#[test]
fn row_11_wrong_pins_lock_the_partition() {
    let lockout = Lockout { attempts: 3, ..Lockout::default() };
    let (rig, _first) = Rig::with_session(Options { lockout, ..Options::default() });
    let mut client = rig.handle();
    let wrong = b"another pin, 16b";
    for _ in 0..3 {
        assert_eq!(client.open_session(wrong, &SEED), Err(Status::INVALID_APP_CREDENTIALS));
    }
    assert_eq!(client.open_session(&PIN, &SEED), Err(Status::LOGIN_FAILED));
    rig.device.faults().advance_clock(Duration::from_secs(59));
    assert_eq!(client.open_session(&PIN, &SEED), Err(Status::LOGIN_FAILED));
    rig.device.faults().advance_clock(Duration::from_secs(2));
    client.open_session(&PIN, &SEED).unwrap();
    client.close_session().unwrap();
    // Neither stale nonces nor bad tags count.
    for _ in 0..5 {
        let mut envelope = client.envelope(wrong, &SEED).unwrap();
        envelope.tag[0] ^= 1;
        assert_eq!(client.open_with(&envelope), Err(Status::PIN_DECRYPTION_FAILED));
    }
    client.open_session(&PIN, &SEED).unwrap();
}

#[test]
fn row_24_what_must_match_for_a_blob_to_open() {
    let rig = Rig::new(Options::default());
    let mut client = rig.handle();
    let mut blobs = client.provision(&Blobs::default()).unwrap();
    client.open_session(&PIN, &SEED).unwrap();
    blobs.muk = client.unwrapping_key().unwrap().masked;
    assert_eq!((blobs.bmk.len(), blobs.muk.len()), (292, 724));
    let key = client.ecc_generate(EccCurve::P256, app(Usage::SignVerify), None).unwrap();
    drop(client);

    // Another POTA key: BK_PARTITION is another, so the BMK does not open.
    rig.device.reset().unwrap();
    let client = rig.handle();
    let sent = envelope(&client, &ID, &PIN);
    assert_eq!(client.establish_with(&blobs, &[0x62; 48], &sent), Err(Status::MASKED_KEY_DECODE_FAILED));
    // No BMK: a new MK, under which neither MUK nor keys open.
    let without = Blobs { bmk: vec![], ..blobs.clone() };
    assert_eq!(client.provision(&without).unwrap_err(), Status::MASKED_KEY_DECODE_FAILED);
    let fresh = Blobs { bmk: vec![], muk: vec![], ..blobs.clone() };
    client.provision(&fresh).unwrap();
    let mut session = rig.handle();
    session.open_session(&PIN, &SEED).unwrap();
    assert_eq!(session.unmask(&key.masked).unwrap_err(), Status::MASKED_KEY_DECODE_FAILED);
    drop(session);

    // Everything as it was, with another credential: FW does not bind blobs to the credential.
    rig.device.reset().unwrap();
    let sent = envelope(&client, b"another ident 16", &PIN);
    let renewed = client.establish_with(&blobs, &POTA, &sent).unwrap();
    assert_ne!(renewed, blobs.bmk);
    let (device, nonce, _) = client.session_key().unwrap();
    let mut session = rig.handle();
    session.open_with(&Envelope::new(&device, nonce, b"another ident 16", &PIN, &SEED)).unwrap();
    assert_eq!(session.unmask(&key.masked).unwrap().spki, key.spki);
}

#[test]
fn row_24_security_versions() {
    let folder = tempfile::tempdir().unwrap();
    let provision = |svn, blobs: &Blobs| {
        let device = power_on(folder.path(), Options { svn, ..Options::default() });
        let client = Client { channel: device.open().unwrap(), dialect: Kind::Physical.dialect(), session: None };
        client.provision(blobs)
    };
    let first = provision(3, &Blobs::default()).unwrap();
    let updated = provision(13, &first).unwrap();
    // Eleven versions back is not listed any more; the renewed blob is of the current version.
    assert_eq!(provision(14, &first).unwrap_err(), Status::UNMASKING_BK3_FAILED);
    assert_eq!(provision(2, &first).unwrap_err(), Status::UNMASKING_BK3_FAILED);
    let newer = Blobs { bmk: updated.bmk, ..first };
    assert_eq!(provision(12, &newer).unwrap_err(), Status::MASKING_BK_BOOT_FAILED);
    provision(13, &newer).unwrap();
}

#[test]
fn row_24_blobs_are_echoed_where_wanted() {
    let rig = Rig::new(Options { bmk_echo: true, ..Options::default() });
    let client = rig.handle();
    let blobs = client.provision(&Blobs::default()).unwrap();
    rig.device.reset().unwrap();
    assert_eq!(client.provision(&blobs).unwrap().bmk, blobs.bmk);
}

#[test]
fn provisioning_needs_bk_boot() {
    let rig = Rig::virtual_device();
    let client = rig.handle();
    let blobs = Blobs { masked_bk3: vec![1; 260], ..Blobs::default() };
    assert_eq!(client.provision(&blobs).unwrap_err(), Status::MASKED_BK_BOOT_NOT_PRESENT);
}
