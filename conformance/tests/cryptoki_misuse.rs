//! Exact return values for misuse, through the Rust `cryptoki` crate: each the one that the standard names for the case.
//!
//! Login states and PINs (`C_Login`, `C_Logout`, `C_InitPIN`, `C_SetPIN`, `C_InitToken`), read-only sessions, slots, life of
//! the library, handles of what is gone, operations that were not started or are already running, wrong mechanisms, keys,
//! lengths, parameters and templates, attributes that are sensitive or fixed. Null pointers, absurd lengths and buffer
//! sizes, which this crate cannot express, are in `abi*.rs`.
//!
//! What the standard leaves open, and `SoftHSM2` decides otherwise, is asked of our own library only.

use std::fmt::Debug;

use conformance::{Kind, SO_PIN, Token, USER_PIN, isolated};
use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use cryptoki_sys::{CKA_VENDOR_DEFINED, CKM_VENDOR_DEFINED};

const IV: [u8; 16] = [7; 16];
const CBC: Mechanism<'_> = Mechanism::AesCbc(IV);
const PAD: Mechanism<'_> = Mechanism::AesCbcPad(IV);
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

// ---- the library, slots, login

#[test]
fn the_library_is_initialised_once_and_not_used_after_its_end() {
    isolated("the_library_is_initialised_once_and_not_used_after_its_end", |token| {
        let again = token.library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        refused(again, RvError::CryptokiAlreadyInitialized);
        let session = token.user();
        token.library.clone().finalize().expect("its end");
        refused(session.find_objects(&[]), RvError::CryptokiNotInitialized);
        refused(token.library.get_all_slots(), RvError::CryptokiNotInitialized);
        refused(token.library.open_ro_session(token.slot), RvError::CryptokiNotInitialized);
        token.library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).expect("a new beginning");
        refused(session.find_objects(&[]), RvError::SessionHandleInvalid);
        if !ours(token) {
            return; // SoftHSM2 has put the token into another slot.
        }
        token.user().find_objects(&[]).expect("a new session");
    });
}

#[test]
fn no_slot_that_is_not_there() {
    isolated("no_slot_that_is_not_there", |token| {
        let nowhere = Slot::try_from(0x7777_u64).expect("a number");
        refused(token.library.get_slot_info(nowhere), RvError::SlotIdInvalid);
        refused(token.library.get_token_info(nowhere), RvError::SlotIdInvalid);
        refused(token.library.get_mechanism_list(nowhere), RvError::SlotIdInvalid);
        refused(token.library.open_ro_session(nowhere), RvError::SlotIdInvalid);
        let unknown = MechanismType::new_vendor_defined(CKM_VENDOR_DEFINED | 0x7777).expect("a vendor's");
        refused(token.library.get_mechanism_info(token.slot, unknown), RvError::MechanismInvalid);
        if ours(token) {
            assert!(token.library.get_slot_event().expect("an answer").is_none(), "CKR_NO_EVENT");
        }
    });
}

#[test]
fn login_states() {
    isolated("login_states", |token| {
        let session = token.library.open_rw_session(token.slot).expect("a session");
        if ours(token) {
            refused(session.logout(), RvError::UserNotLoggedIn);
        }
        login(&session, UserType::User, USER_PIN).expect("a login");
        refused(login(&session, UserType::User, USER_PIN), RvError::UserAlreadyLoggedIn);
        refused(login(&session, UserType::So, SO_PIN), RvError::UserAnotherAlreadyLoggedIn);
        refused(login(&session, UserType::ContextSpecific, USER_PIN), RvError::OperationNotInitialized);
        refused(session.init_pin(&pin("some-new-pin")), RvError::UserNotLoggedIn);
        session.logout().expect("a logout");

        let reading = token.library.open_ro_session(token.slot).expect("a session");
        refused(login(&session, UserType::So, SO_PIN), RvError::SessionReadOnlyExists);
        reading.close().expect("it closes");
        login(&session, UserType::So, SO_PIN).expect("a login");
        refused(token.library.open_ro_session(token.slot), RvError::SessionReadWriteSoExists);
        refused(login(&session, UserType::User, USER_PIN), RvError::UserAnotherAlreadyLoggedIn);
        session.logout().expect("a logout");
        login(&session, UserType::User, USER_PIN).expect("a login");
    });
}

#[test]
fn wrong_pins_and_bad_pins() {
    isolated("wrong_pins_and_bad_pins", |token| {
        let session = token.library.open_rw_session(token.slot).expect("a session");
        refused(login(&session, UserType::User, "wrong-pin"), RvError::PinIncorrect);
        refused(login(&session, UserType::User, SO_PIN), RvError::PinIncorrect);
        refused(login(&session, UserType::So, USER_PIN), RvError::PinIncorrect);
        login(&session, UserType::User, USER_PIN).expect("a login");
        refused(session.set_pin(&pin("wrong-pin"), &pin("some-new-pin")), RvError::PinIncorrect);
        refused(session.set_pin(&pin(USER_PIN), &pin("123")), RvError::PinLenRange);
        refused(session.set_pin(&pin(USER_PIN), &pin(&"9".repeat(256))), RvError::PinLenRange);
        session.set_pin(&pin(USER_PIN), &pin(&"9".repeat(255))).expect("the longest PIN");
        session.logout().expect("a logout");
        login(&session, UserType::User, &"9".repeat(255)).expect("a login");
        session.close().expect("it closes");
        let reading = token.library.open_ro_session(token.slot).expect("a session");
        refused(reading.set_pin(&pin(USER_PIN), &pin("some-new-pin")), RvError::SessionReadOnly);
    });
}

#[test]
fn the_user_pin_locks_after_ten_wrong_ones_and_the_so_unlocks_it() {
    isolated("the_user_pin_locks_after_ten_wrong_ones_and_the_so_unlocks_it", |token| {
        if !ours(token) {
            return; // SoftHSM2 never locks.
        }
        let session = token.library.open_rw_session(token.slot).expect("a session");
        let flags = || {
            let info = token.library.get_token_info(token.slot).expect("the token");
            [info.user_pin_count_low(), info.user_pin_final_try(), info.user_pin_locked()]
        };
        assert_eq!(flags(), [false, false, false]);
        refused(login(&session, UserType::User, "wrong-pin"), RvError::PinIncorrect);
        assert_eq!(flags(), [true, false, false]);
        login(&session, UserType::User, USER_PIN).expect("a login forgives");
        session.logout().expect("a logout");
        assert_eq!(flags(), [false, false, false]);
        for _ in 0..9 {
            refused(login(&session, UserType::User, "wrong-pin"), RvError::PinIncorrect);
        }
        assert_eq!(flags(), [true, true, false]);
        let last = login(&session, UserType::User, "wrong-pin").expect_err("the last one");
        assert!(matches!(last, Error::Pkcs11(RvError::PinIncorrect | RvError::PinLocked, _)), "{last}");
        assert!(flags()[2], "locked");
        refused(login(&session, UserType::User, USER_PIN), RvError::PinLocked);
        login(&session, UserType::So, SO_PIN).expect("the SO is not locked");
        session.init_pin(&pin("another-pin")).expect("a new PIN");
        session.logout().expect("a logout");
        assert_eq!(flags(), [false, false, false]);
        login(&session, UserType::User, "another-pin").expect("unlocked");
    });
}

#[test]
fn no_initialisation_under_an_open_session() {
    isolated("no_initialisation_under_an_open_session", |token| {
        let session = token.library.open_ro_session(token.slot).expect("a session");
        refused(token.library.init_token(token.slot, &pin(SO_PIN), "again"), RvError::SessionExists);
        session.close().expect("it closes");
        refused(token.library.init_token(token.slot, &pin("wrong-so-pin"), "again"), RvError::PinIncorrect);
        token.library.init_token(token.slot, &pin(SO_PIN), "again").expect("a new token");
        let session = token.library.open_rw_session(token.slot).expect("a session");
        refused(login(&session, UserType::User, USER_PIN), RvError::UserPinNotInitialized);
    });
}

#[test]
fn what_takes_a_login() {
    isolated("what_takes_a_login", |token| {
        let session = token.library.open_rw_session(token.slot).expect("a session");
        for kept in [true, false] {
            let private = [Attribute::Token(kept), Attribute::Private(true)];
            let aes = [Attribute::ValueLen(32.into()), Attribute::Encrypt(true)];
            let made = session.generate_key(&Mechanism::AesKeyGen, &[&private[..], &aes].concat());
            refused(made, RvError::UserNotLoggedIn);
            let data = [Attribute::Class(ObjectClass::DATA), Attribute::Value(vec![1])];
            refused(session.create_object(&[&private[..], &data].concat()), RvError::UserNotLoggedIn);
        }
        let data = [Attribute::Class(ObjectClass::DATA), Attribute::Token(true), Attribute::Private(false)];
        session.create_object(&data).expect("a public object takes none");
        session.digest(&Mechanism::Sha256, b"neither does a digest").expect("a digest");
    });
}

#[test]
fn a_key_found_before_logout_is_gone_after_it() {
    isolated("a_key_found_before_logout_is_gone_after_it", |token| {
        let session = token.user();
        let key = aes(&session, &[Attribute::Token(true)]);
        session.logout().expect("a logout");
        let refused = session.encrypt(&PAD, key, b"text").expect_err("no private key without login");
        assert!(
            matches!(refused, Error::Pkcs11(RvError::KeyHandleInvalid | RvError::UserNotLoggedIn, _)) || !ours(token),
            "no other code is right: {refused}"
        );
        if ours(token) {
            // "All handles to private objects become invalid" (5.6.9), and stay so.
            login(&session, UserType::User, USER_PIN).expect("a login");
            assert!(session.get_attributes(key, &[AttributeType::Label]).is_err(), "the old handle");
        }
    });
}

// ---- sessions and handles

#[test]
fn a_read_only_session_changes_nothing_of_the_token() {
    isolated("a_read_only_session_changes_nothing_of_the_token", |token| {
        let writing = token.user();
        let kept = aes(&writing, &[Attribute::Token(true)]);
        let reading = token.library.open_ro_session(token.slot).expect("a session");
        let template = [Attribute::ValueLen(32.into()), Attribute::Encrypt(true), Attribute::Token(true)];
        refused(reading.generate_key(&Mechanism::AesKeyGen, &template), RvError::SessionReadOnly);
        let data = [Attribute::Class(ObjectClass::DATA), Attribute::Token(true)];
        refused(reading.create_object(&data), RvError::SessionReadOnly);
        refused(reading.copy_object(kept, &[Attribute::Label("copy".into())]), RvError::SessionReadOnly);
        refused(reading.update_attributes(kept, &[Attribute::Label("new".into())]), RvError::SessionReadOnly);
        refused(reading.destroy_object(kept), RvError::SessionReadOnly);
        let brief = aes(&reading, &[Attribute::Token(false)]);
        for key in [kept, brief] {
            let cipher = reading.encrypt(&PAD, key, b"text").expect("a ciphertext");
            assert_eq!(reading.decrypt(&PAD, key, &cipher).expect("the plaintext"), b"text");
        }
        reading.destroy_object(brief).expect("its own session object");
    });
}

#[test]
fn handles_of_what_is_gone() {
    isolated("handles_of_what_is_gone", |token| {
        let session = token.user();
        let key = aes(&session, &[]);
        session.destroy_object(key).expect("its end");
        refused(session.destroy_object(key), RvError::ObjectHandleInvalid);
        refused(session.get_attributes(key, &[AttributeType::Label]), RvError::ObjectHandleInvalid);
        refused(session.update_attributes(key, &[Attribute::Label("x".into())]), RvError::ObjectHandleInvalid);
        refused(session.copy_object(key, &[]), RvError::ObjectHandleInvalid);
        if ours(token) {
            refused(session.encrypt_init(&PAD, key), RvError::KeyHandleInvalid);
            refused(session.decrypt_init(&PAD, key), RvError::KeyHandleInvalid);
            refused(session.sign_init(&Mechanism::Ecdsa, key), RvError::KeyHandleInvalid);
            refused(session.verify_init(&Mechanism::Ecdsa, key), RvError::KeyHandleInvalid);
        }
        let next = aes(&session, &[]);
        assert_ne!(next, key, "a handle is not given out again");
    });
}

// ---- operations

#[test]
fn operations_that_were_not_started() {
    isolated("operations_that_were_not_started", |token| {
        let session = token.user();
        refused(session.encrypt_update(b"text"), RvError::OperationNotInitialized);
        refused(session.encrypt_final(), RvError::OperationNotInitialized);
        refused(session.decrypt_update(b"text"), RvError::OperationNotInitialized);
        refused(session.decrypt_final(), RvError::OperationNotInitialized);
        refused(session.sign_update(b"text"), RvError::OperationNotInitialized);
        refused(session.sign_final(), RvError::OperationNotInitialized);
        refused(session.verify_update(b"text"), RvError::OperationNotInitialized);
        refused(session.verify_final(b"signature"), RvError::OperationNotInitialized);
        refused(session.digest_update(b"text"), RvError::OperationNotInitialized);
        refused(session.digest_final(), RvError::OperationNotInitialized);
    });
}

#[test]
fn operations_that_are_already_running() {
    isolated("operations_that_are_already_running", |token| {
        let session = token.user();
        let key = aes(&session, &[]);
        let (_, private) = ec(&session, &[Attribute::Sign(true)]);
        session.encrypt_init(&PAD, key).expect("a start");
        refused(session.encrypt_init(&PAD, key), RvError::OperationActive);
        session.encrypt_update(b"text").expect("it goes on");
        session.encrypt_final().expect("the end");
        session.digest_init(&Mechanism::Sha256).expect("a start");
        refused(session.digest_init(&Mechanism::Sha256), RvError::OperationActive);
        session.digest_final().expect("the end");
        session.sign_init(&Mechanism::Ecdsa, private).expect("a start");
        refused(session.sign_init(&Mechanism::Ecdsa, private), RvError::OperationActive);
        // Another session of the same process has operations of its own.
        let other = token.library.open_ro_session(token.slot).expect("a session");
        other.sign(&Mechanism::Ecdsa, private, &[1; 32]).expect("a signature");
    });
}

#[test]
fn a_failed_operation_is_over() {
    isolated("a_failed_operation_is_over", |token| {
        let session = token.user();
        let key = aes(&session, &[]);
        refused(session.encrypt(&CBC, key, &[0; 15]), RvError::DataLenRange);
        session.encrypt(&CBC, key, &[0; 16]).expect("the session is free again");
        refused(session.decrypt(&CBC, key, &[0; 15]), RvError::EncryptedDataLenRange);
        session.decrypt(&CBC, key, &[0; 16]).expect("the session is free again");
        session.encrypt_init(&CBC, key).expect("a start");
        session.encrypt_update(&[0; 17]).expect("a block and a byte");
        refused(session.encrypt_final(), RvError::DataLenRange);
        refused(session.encrypt_final(), RvError::OperationNotInitialized);
    });
}

#[test]
fn mechanisms_that_do_not_fit() {
    isolated("mechanisms_that_do_not_fit", |token| {
        let session = token.user();
        let key = aes(&session, &[]);
        let (public, private) = ec(&session, &[Attribute::Sign(true)]);
        refused(session.digest_init(&CBC), RvError::MechanismInvalid);
        refused(session.encrypt_init(&Mechanism::Sha256, key), RvError::MechanismInvalid);
        refused(session.sign_init(&CBC, private), RvError::MechanismInvalid);
        refused(session.generate_key(&Mechanism::Ecdsa, &[]), RvError::MechanismInvalid);
        let unknown = MechanismType::new_vendor_defined(CKM_VENDOR_DEFINED | 0x7777).expect("a vendor's");
        let unknown = Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(unknown, None));
        refused(session.encrypt_init(&unknown, key), RvError::MechanismInvalid);
        refused(session.digest_init(&unknown), RvError::MechanismInvalid);
        if ours(token) {
            refused(session.sign_init(&Mechanism::Sha256RsaPkcs, private), RvError::KeyTypeInconsistent);
            refused(session.verify_init(&Mechanism::Sha256RsaPkcs, public), RvError::KeyTypeInconsistent);
            let by_public = session.sign_init(&Mechanism::Ecdsa, public);
            oneof(by_public, &[RvError::KeyTypeInconsistent, RvError::KeyFunctionNotPermitted]);
        }
    });
}

#[test]
fn keys_that_may_not() {
    isolated("keys_that_may_not", |token| {
        let session = token.user();
        let (_, private) = ec(&session, &[Attribute::Sign(false), Attribute::Derive(true)]);
        refused(session.sign_init(&Mechanism::Ecdsa, private), RvError::KeyFunctionNotPermitted);
        let template = [Attribute::ValueLen(32.into()), Attribute::Encrypt(true), Attribute::Decrypt(false)];
        let key = session.generate_key(&Mechanism::AesKeyGen, &template).expect("a key");
        session.encrypt(&PAD, key, b"text").expect("this it may");
        refused(session.decrypt_init(&PAD, key), RvError::KeyFunctionNotPermitted);
        if ours(token) {
            let only = [Attribute::AllowedMechanisms(vec![MechanismType::AES_GCM])];
            let key = aes(&session, &only);
            refused(session.decrypt_init(&PAD, key), RvError::MechanismInvalid);
            let mut iv = [0; 12];
            let gcm = Mechanism::AesGcm(GcmParams::new(&mut iv, &[], 128.into()).expect("parameters"));
            session.decrypt_init(&gcm, key).expect("this it may");
        }
    });
}

#[test]
fn wrong_lengths_and_wrong_bytes() {
    isolated("wrong_lengths_and_wrong_bytes", |token| {
        let session = token.user();
        let key = aes(&session, &[]);
        let random = session.generate_random_vec(16).expect("random bytes");
        let padded = session.encrypt(&CBC, key, &[0; 16]).expect("a block that is no padding");
        if ours(token) {
            refused(session.decrypt(&PAD, key, &padded), RvError::EncryptedDataInvalid);
        }
        refused(session.decrypt(&PAD, key, &random[..15]), RvError::EncryptedDataLenRange);

        let (public, private) = ec(&session, &[Attribute::Sign(true)]);
        let signature = session.sign(&Mechanism::Ecdsa, private, &[1; 32]).expect("a signature");
        refused(session.verify(&Mechanism::Ecdsa, public, &[2; 32], &signature), RvError::SignatureInvalid);
        refused(session.verify(&Mechanism::Ecdsa, public, &[1; 32], &[1; 65]), RvError::SignatureLenRange);

        let (public, private) = rsa(&session);
        let signature = session.sign(&Mechanism::Sha256RsaPkcs, private, b"text").expect("a signature");
        let verify = |text: &[u8], signature: &[u8]| session.verify(&Mechanism::Sha256RsaPkcs, public, text, signature);
        refused(verify(b"other", &signature), RvError::SignatureInvalid);
        refused(verify(b"text", &signature[1..]), RvError::SignatureLenRange);
        session.sign(&Mechanism::RsaPkcs, private, &[0; 256 - 11]).expect("the longest that fits");
        if ours(token) {
            refused(session.sign(&Mechanism::RsaPkcs, private, &[0; 256 - 10]), RvError::DataLenRange);
            refused(session.encrypt(&Mechanism::RsaPkcs, public, &[0; 256 - 10]), RvError::DataLenRange);
            refused(session.decrypt(&Mechanism::RsaPkcs, private, &[0; 255]), RvError::EncryptedDataLenRange);
            let unpadded = session.encrypt(&Mechanism::RsaX509, public, &[&[0; 1][..], &[0x11; 255]].concat());
            let unpadded = unpadded.expect("a ciphertext");
            // What is not padded gives bytes that mean nothing, the same each time, and no error to learn from.
            let nothing = session.decrypt(&Mechanism::RsaPkcs, private, &unpadded).expect("implicit rejection");
            assert_eq!(session.decrypt(&Mechanism::RsaPkcs, private, &unpadded).expect("implicit rejection"), nothing);
            refused(session.sign(&Mechanism::RsaX509, private, &[0xff; 256]), RvError::DataInvalid);
            refused(session.sign(&Mechanism::RsaX509, private, &[0; 257]), RvError::DataLenRange);
        }
    });
}

#[test]
fn wrong_gcm_parameters_and_tags() {
    isolated("wrong_gcm_parameters_and_tags", |token| {
        let session = token.user();
        let key = aes(&session, &[]);
        let start = |iv_len: usize, tag_bits: u64| {
            let mut iv = vec![3; iv_len];
            session
                .decrypt_init(&Mechanism::AesGcm(GcmParams::new(&mut iv, &[], tag_bits.into()).expect("params")), key)
        };
        if ours(token) {
            refused(start(12, 129), RvError::MechanismParamInvalid);
            refused(start(12, 7), RvError::MechanismParamInvalid);
            refused(start(0, 128), RvError::MechanismParamInvalid);
        }
        let mut iv = [3; 12];
        let mechanism = Mechanism::AesGcm(GcmParams::new(&mut iv, &[], 128.into()).expect("parameters"));
        let mut cipher = session.encrypt(&mechanism, key, b"text").expect("a ciphertext");
        *cipher.last_mut().expect("a tag") ^= 1;
        if ours(token) {
            refused(session.decrypt(&mechanism, key, &cipher), RvError::EncryptedDataInvalid);
            refused(session.decrypt(&mechanism, key, &cipher[..15]), RvError::EncryptedDataLenRange);
        } else {
            session.decrypt(&mechanism, key, &cipher).expect_err("a wrong tag");
        }
        *cipher.last_mut().expect("a tag") ^= 1;
        assert_eq!(session.decrypt(&mechanism, key, &cipher).expect("the plaintext"), b"text");
    });
}

// ---- templates and attributes

#[test]
fn templates_that_do_not_hold_together() {
    isolated("templates_that_do_not_hold_together", |token| {
        let session = token.user();
        let generate = |template: &[Attribute]| session.generate_key(&Mechanism::AesKeyGen, template);
        refused(generate(&[Attribute::Encrypt(true)]), RvError::TemplateIncomplete);
        refused(session.create_object(&[Attribute::Value(vec![1])]), RvError::TemplateIncomplete);
        let secret = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
        refused(session.create_object(&secret), RvError::TemplateIncomplete);
        let len = Attribute::ValueLen(32.into());
        if !ours(token) {
            return;
        }
        refused(generate(&[len.clone(), Attribute::KeyType(KeyType::RSA)]), RvError::TemplateInconsistent);
        refused(generate(&[len.clone(), Attribute::Class(ObjectClass::DATA)]), RvError::TemplateInconsistent);
        refused(generate(&[len.clone(), Attribute::Local(true)]), RvError::AttributeReadOnly);
        refused(generate(&[len.clone(), Attribute::NeverExtractable(true)]), RvError::AttributeReadOnly);
        refused(generate(&[len.clone(), Attribute::Modulus(vec![1])]), RvError::TemplateInconsistent);
        let foreign = AttributeType::VendorDefined(CKA_VENDOR_DEFINED | 0x7777);
        refused(generate(&[len, Attribute::VendorDefined((foreign, vec![1]))]), RvError::AttributeTypeInvalid);
        for len in [0, 15, 17, 33, u64::from(u32::MAX)] {
            oneof(
                generate(&[Attribute::ValueLen(len.into())]),
                &[RvError::AttributeValueInvalid, RvError::KeySizeRange],
            );
        }
        for len in [15, 17, 33] {
            let value = [&secret[..], &[Attribute::Value(vec![1; len])]].concat();
            oneof(session.create_object(&value), &[RvError::AttributeValueInvalid, RvError::KeySizeRange]);
        }
        for bits in [1024, 2047, 8192] {
            let public = [Attribute::ModulusBits(bits.into()), Attribute::PublicExponent(vec![1, 0, 1])];
            let made = session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &[]);
            oneof(made, &[RvError::AttributeValueInvalid, RvError::KeySizeRange]);
        }
        // secp256k1, and something that is no object identifier.
        let curve = |params: &[u8]| {
            session.generate_key_pair(&Mechanism::EccKeyPairGen, &[Attribute::EcParams(params.into())], &[])
        };
        refused(curve(&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a]), RvError::CurveNotSupported);
        oneof(
            curve(b"no curve"),
            &[RvError::CurveNotSupported, RvError::DomainParamsInvalid, RvError::AttributeValueInvalid],
        );
        let public = session.generate_key_pair(&Mechanism::EccKeyPairGen, &[], &[]);
        refused(public, RvError::TemplateIncomplete);
    });
}

#[test]
fn attributes_that_are_not_there_or_not_shown() {
    isolated("attributes_that_are_not_there_or_not_shown", |token| {
        let session = token.user();
        let key = aes(&session, &[]);
        let foreign = AttributeType::VendorDefined(CKA_VENDOR_DEFINED | 0x7777);
        let wanted = [AttributeType::Value, AttributeType::Modulus, foreign, AttributeType::ValueLen];
        let infos = session.get_attribute_info(key, &wanted).expect("answers");
        let [secret, of_another_kind, unknown, shown] = &infos[..] else { panic!("{infos:?}") };
        assert!(matches!(secret, AttributeInfo::Sensitive), "{secret:?}");
        assert!(matches!(of_another_kind, AttributeInfo::TypeInvalid), "{of_another_kind:?}");
        assert!(matches!(unknown, AttributeInfo::TypeInvalid), "{unknown:?}");
        assert!(matches!(shown, AttributeInfo::Available(8)), "{shown:?}");
        // All in one call: the one that can be shown is shown.
        let values = session.get_attributes(key, &wanted).expect("what can be shown");
        assert_eq!(values, [Attribute::ValueLen(32.into())]);
        let (_, private) = ec(&session, &[Attribute::Sign(true)]);
        let infos = session.get_attribute_info(private, &[AttributeType::Value]).expect("an answer");
        assert!(matches!(infos[..], [AttributeInfo::Sensitive]), "{infos:?}");
    });
}

#[test]
fn attributes_that_do_not_change() {
    isolated("attributes_that_do_not_change", |token| {
        let session = token.user();
        let key = aes(&session, &[]);
        let update = |attribute| session.update_attributes(key, &[attribute]);
        refused(update(Attribute::Sensitive(false)), RvError::AttributeReadOnly);
        refused(update(Attribute::Extractable(true)), RvError::AttributeReadOnly);
        for fixed in [
            Attribute::Class(ObjectClass::DATA),
            Attribute::KeyType(KeyType::RSA),
            Attribute::Local(false),
            Attribute::Value(vec![1; 32]),
            Attribute::Token(true),
            Attribute::Private(false),
        ] {
            refused(update(fixed), RvError::AttributeReadOnly);
        }
        if ours(token) {
            refused(update(Attribute::Modulus(vec![1])), RvError::TemplateInconsistent);
        }
        // All or nothing.
        let both = [Attribute::Label("changed".into()), Attribute::Sensitive(false)];
        refused(session.update_attributes(key, &both), RvError::AttributeReadOnly);
        if ours(token) {
            assert_eq!(session.find_objects(&[Attribute::Label("changed".into())]).expect("a search"), []);
        }
        refused(session.copy_object(key, &[Attribute::Sensitive(false)]), RvError::AttributeReadOnly);
        refused(session.copy_object(key, &[Attribute::Extractable(true)]), RvError::AttributeReadOnly);
    });
}

#[test]
fn objects_that_may_not_be_changed_copied_or_destroyed() {
    isolated("objects_that_may_not_be_changed_copied_or_destroyed", |token| {
        let session = token.user();
        let fixed = aes(&session, &[Attribute::Modifiable(false)]);
        refused(session.update_attributes(fixed, &[Attribute::Label("new".into())]), RvError::ActionProhibited);
        let single = aes(&session, &[Attribute::Copyable(false)]);
        refused(session.copy_object(single, &[]), RvError::ActionProhibited);
        let lasting = aes(&session, &[Attribute::Destroyable(false)]);
        refused(session.destroy_object(lasting), RvError::ActionProhibited);
        session.encrypt(&PAD, lasting, b"text").expect("it is still there");
    });
}

// ---- helpers

fn ours(token: &Token) -> bool {
    token.module.kind() == Kind::Azihsm
}

#[track_caller]
fn refused<T: Debug>(result: Result<T, Error>, expected: RvError) {
    oneof(result, &[expected]);
}

/// The standard names more than one for the case.
#[track_caller]
fn oneof<T: Debug>(result: Result<T, Error>, expected: &[RvError]) {
    match result {
        Err(Error::Pkcs11(code, _)) if expected.contains(&code) => {}
        other => panic!("should have been refused with {expected:?}: {other:?}"),
    }
}

fn pin(text: &str) -> AuthPin {
    AuthPin::new(text.into())
}

fn login(session: &Session, user: UserType, text: &str) -> Result<(), Error> {
    session.login(user, Some(&pin(text)))
}

fn aes(session: &Session, more: &[Attribute]) -> ObjectHandle {
    let template = [
        Attribute::ValueLen(32.into()),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ];
    session.generate_key(&Mechanism::AesKeyGen, &[&template[..], more].concat()).expect("an AES key")
}

fn ec(session: &Session, usage: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let public = [Attribute::EcParams(P256.into()), Attribute::Verify(true)];
    let private = [&[Attribute::Sensitive(true), Attribute::Extractable(false)][..], usage].concat();
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).expect("an EC pair")
}

fn rsa(session: &Session) -> (ObjectHandle, ObjectHandle) {
    let public = [
        Attribute::ModulusBits(2048.into()),
        Attribute::PublicExponent(vec![1, 0, 1]),
        Attribute::Verify(true),
        Attribute::Encrypt(true),
    ];
    let private = [Attribute::Sign(true), Attribute::Decrypt(true)];
    session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private).expect("an RSA pair")
}
