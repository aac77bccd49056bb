//! `AZIHSM_PKCS11_POLICY=strict`, through the Rust `cryptoki` crate: no key that the library made, none outside the HSM, and
//! a log line that says why; what the HSM makes itself works as ever.
//!
//! `C_GetMechanismList`, `C_GetMechanismInfo`, `C_GenerateKey`, `C_GenerateKeyPair`, `C_CreateObject`, and a use of each key.

use std::fmt::Debug;

use conformance::{Kind, Module, isolated, isolated_under};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki_sys::CKA_VENDOR_DEFINED;

const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

#[test]
fn strict_makes_no_rsa_key_in_the_library() {
    strict("strict_makes_no_rsa_key_in_the_library", "allows no library-made key", |token| {
        let listed = token.library.get_mechanism_list(token.slot).expect("a list");
        assert!(!listed.contains(&MechanismType::RSA_PKCS_KEY_PAIR_GEN), "{listed:?}");
        // An RSA key that comes from elsewhere is allowed, so its uses are listed.
        assert!(listed.contains(&MechanismType::SHA256_RSA_PKCS), "{listed:?}");
        let info = token.library.get_mechanism_info(token.slot, MechanismType::RSA_PKCS_KEY_PAIR_GEN);
        refused(info, RvError::MechanismInvalid);
        let public = [Attribute::ModulusBits(2048.into()), Attribute::PublicExponent(vec![1, 0, 1])];
        let pair = token.user().generate_key_pair(
            &Mechanism::RsaPkcsKeyPairGen,
            &public,
            &[Attribute::Sign(true), Attribute::Sensitive(true), Attribute::Extractable(false)],
        );
        refused(pair, RvError::MechanismInvalid);
    });
}

#[test]
fn strict_keeps_no_key_outside_the_hsm() {
    strict("strict_keeps_no_key_outside_the_hsm", "allows no key outside the HSM", |token| {
        let session = token.user();
        refused(aes(&session, true), RvError::TemplateInconsistent);
        refused(ec(&session, &[Attribute::Sign(true), Attribute::Extractable(true)]), RvError::TemplateInconsistent);
        let value = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::Value(vec![7; 32]),
            Attribute::Sign(true),
        ];
        refused(session.create_object(&value), RvError::TemplateInconsistent);
        assert_eq!(
            session.find_objects(&[Attribute::Token(false)]).expect("a search"),
            [],
            "nothing is left of what was refused"
        );
    });
}

#[test]
fn strict_uses_the_keys_of_the_hsm() {
    isolated_under("strict_uses_the_keys_of_the_hsm", &STRICT, &[], |token| {
        if token.module.kind() == Kind::SoftHsm {
            return;
        }
        let session = token.user();
        let closed = [Attribute::Sign(true), Attribute::Sensitive(true), Attribute::Extractable(false)];
        let (public, private) = ec(&session, &closed).expect("an EC pair");
        let signature = session.sign(&Mechanism::EcdsaSha256, private, b"text").expect("a signature");
        session.verify(&Mechanism::EcdsaSha256, public, b"text", &signature).expect("it verifies");
        let key = aes(&session, false).expect("an AES key");
        let cipher = Mechanism::AesCbcPad([7; 16]);
        let secret = session.encrypt(&cipher, key, b"text").expect("a ciphertext");
        assert_eq!(session.decrypt(&cipher, key, &secret).expect("a plaintext"), b"text");
        for key in [private, key] {
            assert_eq!(residency(&session, key), 1, "in the HSM");
        }
    });
}

#[test]
fn standard_allows_both() {
    isolated("standard_allows_both", |token| {
        aes(&token.user(), true).expect("an extractable key");
        let listed = token.library.get_mechanism_list(token.slot).expect("a list");
        assert!(listed.contains(&MechanismType::RSA_PKCS_KEY_PAIR_GEN), "{listed:?}");
    });
}

// ---- helpers

/// The body under policy strict, where `SoftHSM2` has nothing like it; the log then holds `why`.
#[track_caller]
fn strict(test: &str, why: &str, body: impl FnOnce(&conformance::Token)) {
    if Module::under_test().kind() == Kind::Azihsm {
        isolated_under(test, &STRICT, &["policy strict", why], body);
    }
}

#[track_caller]
fn refused<T: Debug>(result: Result<T, Error>, expected: RvError) {
    match result {
        Err(Error::Pkcs11(code, _)) if code == expected => {}
        other => panic!("should have been refused with {expected:?}: {other:?}"),
    }
}

fn aes(session: &Session, extractable: bool) -> Result<ObjectHandle, Error> {
    let usage = [Attribute::ValueLen(32.into()), Attribute::Encrypt(true), Attribute::Decrypt(true)];
    let kept = [Attribute::Sensitive(true), Attribute::Extractable(extractable)];
    session.generate_key(&Mechanism::AesKeyGen, &[&usage[..], &kept].concat())
}

fn ec(session: &Session, private: &[Attribute]) -> Result<(ObjectHandle, ObjectHandle), Error> {
    let public = [Attribute::EcParams(P256.into()), Attribute::Verify(true)];
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, private)
}

/// `CKA_AZIHSM_RESIDENCY`.
fn residency(session: &Session, key: ObjectHandle) -> u64 {
    let kind = AttributeType::VendorDefined(CKA_VENDOR_DEFINED | 0x415A_0001);
    match &session.get_attributes(key, &[kind]).expect("an attribute")[..] {
        [Attribute::VendorDefined((_, value))] => u64::from_ne_bytes(value[..].try_into().expect("a CK_ULONG")),
        other => panic!("{other:?}"),
    }
}

const STRICT: [(&str, &str); 2] = [("AZIHSM_PKCS11_POLICY", "strict"), ("AZIHSM_PKCS11_LOG", "info")];
