//! The whole life of an object through the Rust `cryptoki` crate: made, found, used, looked at, changed, copied, destroyed.
//!
//! Reaches `C_GenerateKey`, `C_GenerateKeyPair`, `C_CreateObject`, `C_CopyObject`, `C_DestroyObject`, `C_FindObjects`,
//! `C_GetAttributeValue`, `C_SetAttributeValue`, `C_DeriveKey`, `C_Encrypt`, `C_Decrypt`, `C_Sign`, `C_Verify`, `C_Digest`
//! in one shot and in pieces, `C_GenerateRandom`, `C_SeedRandom`, `C_OpenSession`, `C_CloseSession`, `C_GetSessionInfo`. The
//! second opinion is the `RustCrypto` crates'.

use conformance::{Kind, Token, isolated};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::hkdf::{HkdfParams, HkdfSalt};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, CertificateType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState};
use cryptoki_sys::CKA_VENDOR_DEFINED;
use hmac::{Hmac, KeyInit, Mac};
use p256::elliptic_curve::sec1::ToSec1Point;
use rsa::signature::Verifier;
use rsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};

const MESSAGE: &[u8] = b"the whole life of a key";
const IV: [u8; 16] = [7; 16];
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
const RESIDENCY: AttributeType = AttributeType::VendorDefined(CKA_VENDOR_DEFINED | 0x415A_0001);
const ORIGIN: AttributeType = AttributeType::VendorDefined(CKA_VENDOR_DEFINED | 0x415A_0002);
/// The values of [`RESIDENCY`] and [`ORIGIN`].
const HSM: u64 = 1;
const SEALED: u64 = 2;
const DEVICE: u64 = 1;
const LIBRARY: u64 = 2;
const IMPORTED: u64 = 3;

#[test]
fn an_aes_key_from_birth_to_death() {
    isolated("an_aes_key_from_birth_to_death", |token| {
        let session = token.user();
        let key = generate_aes(&session, 32, &[Attribute::Token(true), Attribute::Label("born".into())]);
        assert_eq!(
            facts(&session, key),
            [true, true, true, true],
            "local, sensitive always, never extractable, private"
        );
        let wanted =
            [AttributeType::Class, AttributeType::KeyType, AttributeType::ValueLen, AttributeType::KeyGenMechanism];
        assert_eq!(
            session.get_attributes(key, &wanted).expect("attributes"),
            [
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                Attribute::ValueLen(32.into()),
                Attribute::KeyGenMechanism(MechanismType::AES_KEY_GEN),
            ]
        );
        lives(token, &session, key, (HSM, DEVICE));

        let cipher = session.encrypt(&Mechanism::AesCbcPad(IV), key, MESSAGE).expect("a ciphertext");
        assert_eq!(session.decrypt(&Mechanism::AesCbcPad(IV), key, &cipher).expect("the plaintext"), MESSAGE);

        session
            .update_attributes(key, &[Attribute::Label("renamed".into()), Attribute::Id(vec![1])])
            .expect("a new name");
        assert_eq!(session.find_objects(&[Attribute::Label("born".into())]).expect("a search"), []);
        assert_eq!(session.find_objects(&[Attribute::Id(vec![1])]).expect("a search"), [key]);

        let copy =
            session.copy_object(key, &[Attribute::Token(false), Attribute::Label("copy".into())]).expect("a copy");
        assert_ne!(copy, key);
        assert_eq!(session.decrypt(&Mechanism::AesCbcPad(IV), copy, &cipher).expect("the same key"), MESSAGE);
        lives(token, &session, copy, (HSM, DEVICE));
        assert_eq!(session.find_objects(&[Attribute::KeyType(KeyType::AES)]).expect("a search").len(), 2);

        session.destroy_object(key).expect("its end");
        assert_eq!(session.find_objects(&[Attribute::KeyType(KeyType::AES)]).expect("a search"), [copy]);
        assert_eq!(session.decrypt(&Mechanism::AesCbcPad(IV), copy, &cipher).expect("a copy stands alone"), MESSAGE);
    });
}

#[test]
fn a_session_object_dies_with_its_session_and_a_token_object_does_not() {
    isolated("a_session_object_dies_with_its_session_and_a_token_object_does_not", |token| {
        let (first, second) = (token.user(), token.library.open_rw_session(token.slot).expect("a session"));
        generate_aes(&first, 16, &[Attribute::Token(false), Attribute::Label("brief".into())]);
        generate_aes(&first, 16, &[Attribute::Token(true), Attribute::Label("lasting".into())]);
        let found = |label: &str| second.find_objects(&[Attribute::Label(label.into())]).expect("a search").len();
        assert_eq!([found("brief"), found("lasting")], [1, 1]);
        first.close().expect("it closes");
        assert_eq!([found("brief"), found("lasting")], [0, 1]);
        second.close().expect("it closes");

        // With the last session the login is gone, and with it the private objects.
        let third = token.library.open_ro_session(token.slot).expect("a session");
        assert_eq!(third.get_session_info().expect("its state").session_state(), SessionState::RoPublic);
        assert_eq!(third.find_objects(&[]).expect("a search"), []);
        let fourth = token.user();
        assert_eq!(third.get_session_info().expect("its state").session_state(), SessionState::RoUser);
        assert_eq!(third.find_objects(&[Attribute::Label("lasting".into())]).expect("a search").len(), 1);
        fourth.logout().expect("all sessions are logged out");
        assert_eq!(third.find_objects(&[]).expect("a search"), []);
    });
}

#[test]
fn aes_cbc_in_pieces_is_aes_cbc() {
    isolated("aes_cbc_in_pieces_is_aes_cbc", |token| {
        let session = token.user();
        let plain: Vec<u8> = (0..100_000u32).map(|at| at.to_le_bytes()[0]).collect();
        for key_len in [16, 24, 32] {
            let key = generate_aes(&session, key_len, &[]);
            for piece in [1, 15, 16, 17, 1024, 1025, 65_536] {
                let some = if piece < 15 { &plain[..1000] } else { &plain[..] };
                let whole = session.encrypt(&Mechanism::AesCbcPad(IV), key, some).expect("a ciphertext");
                session.encrypt_init(&Mechanism::AesCbcPad(IV), key).expect("a start");
                let mut pieces = Vec::new();
                for piece in some.chunks(piece) {
                    pieces.extend(session.encrypt_update(piece).expect("a piece"));
                }
                pieces.extend(session.encrypt_final().expect("the end"));
                assert!(pieces == whole, "in pieces of {piece}");
                session.decrypt_init(&Mechanism::AesCbcPad(IV), key).expect("a start");
                let mut back = Vec::new();
                for piece in whole.chunks(piece) {
                    back.extend(session.decrypt_update(piece).expect("a piece"));
                }
                back.extend(session.decrypt_final().expect("the end"));
                assert!(back == some, "in pieces of {piece}");
            }
        }
    });
}

#[test]
fn aes_gcm_gives_the_known_answer() {
    isolated("aes_gcm_gives_the_known_answer", |token| {
        let session = token.user();
        // McGrew and Viega, test cases 2 and 14: key, IV and plaintext of zeros.
        for (key_len, expected) in [
            (16, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"),
            (32, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
        ] {
            let key =
                import(&session, KeyType::AES, vec![0; key_len], &[Attribute::Encrypt(true), Attribute::Decrypt(true)]);
            let cipher = gcm(&session, key, &[], Some(&[0; 16]), None).expect("a ciphertext");
            assert_eq!(to_hex(&cipher), expected);
            assert_eq!(gcm(&session, key, &[], None, Some(&cipher)).expect("the plaintext"), [0; 16]);
            if key_len == 32 {
                lives(token, &session, key, (HSM, IMPORTED));
            }
        }
        let key = generate_aes(&session, 32, &[]);
        for len in [0, 1, 16, 1000, 100_000] {
            let plain = vec![0x55; len];
            let mut cipher = gcm(&session, key, b"header", Some(&plain), None).expect("a ciphertext");
            assert_eq!(cipher.len(), len + 16);
            assert!(gcm(&session, key, b"header", None, Some(&cipher)).expect("the plaintext") == plain, "{len} bytes");
            assert!(gcm(&session, key, b"Header", None, Some(&cipher)).is_err(), "another header");
            cipher[0] ^= 1;
            assert!(gcm(&session, key, b"header", None, Some(&cipher)).is_err(), "another ciphertext");
        }
    });
}

#[test]
fn an_rsa_pair_from_birth_to_death() {
    isolated("an_rsa_pair_from_birth_to_death", |token| {
        let session = token.user();
        let public = [
            Attribute::Token(true),
            Attribute::ModulusBits(2048.into()),
            Attribute::PublicExponent(vec![1, 0, 1]),
            Attribute::Verify(true),
            Attribute::Encrypt(true),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Decrypt(true),
        ];
        let (public, private) =
            session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private).expect("a pair");
        assert_eq!(facts(&session, private), [true, true, true, true]);
        lives(token, &session, private, (HSM, LIBRARY));
        for half in [AttributeType::PrivateExponent, AttributeType::Prime1, AttributeType::Coefficient] {
            let info = session.get_attribute_info(private, &[half]).expect("an answer");
            assert!(matches!(info[..], [AttributeInfo::Sensitive]), "{half}: {info:?}");
        }
        let values = session.get_attributes(public, &[AttributeType::Modulus, AttributeType::PublicExponent]);
        let [Attribute::Modulus(n), Attribute::PublicExponent(e)] = &values.expect("a public key")[..] else {
            panic!("a modulus and an exponent")
        };
        let (n, e) = (rsa::BoxedUint::from_be_slice_vartime(n), rsa::BoxedUint::from_be_slice_vartime(e));
        let openly = rsa::RsaPublicKey::new(n, e).expect("a valid public key");

        rsa_signatures(&session, public, private, &openly);
        let encrypted = [
            Mechanism::RsaPkcs,
            Mechanism::RsaPkcsOaep(PkcsOaepParams::new(
                MechanismType::SHA1,
                PkcsMgfType::MGF1_SHA1,
                PkcsOaepSource::empty(),
            )),
        ];
        for mechanism in encrypted {
            let cipher = session.encrypt(&mechanism, public, MESSAGE).expect("a ciphertext");
            assert_eq!(session.decrypt(&mechanism, private, &cipher).expect("the plaintext"), MESSAGE);
        }
        if token.module.kind() == Kind::Azihsm {
            for (hash, mgf) in [
                (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
                (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
                (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
            ] {
                let with = |label| {
                    Mechanism::RsaPkcsOaep(PkcsOaepParams::new(hash, mgf, PkcsOaepSource::data_specified(label)))
                };
                let cipher = session.encrypt(&with(b"label"), public, MESSAGE).expect("a ciphertext");
                assert_eq!(session.decrypt(&with(b"label"), private, &cipher).expect("the plaintext"), MESSAGE);
                assert!(session.decrypt(&with(b"other"), private, &cipher).is_err(), "another label");
            }
        }
        let mut block = vec![0x11; 256];
        block[0] = 0;
        let raw = session.encrypt(&Mechanism::RsaX509, public, &block).expect("a ciphertext");
        assert_eq!(session.decrypt(&Mechanism::RsaX509, private, &raw).expect("the block"), block);

        session.destroy_object(private).expect("its end");
        session.destroy_object(public).expect("its end");
        assert_eq!(session.find_objects(&[Attribute::KeyType(KeyType::RSA)]).expect("a search"), []);
    });
}

fn rsa_signatures(session: &Session, public: ObjectHandle, private: ObjectHandle, openly: &rsa::RsaPublicKey) {
    let pss = |hash_alg, mgf, len: u64| PkcsPssParams { hash_alg, mgf, s_len: len.into() };
    let (sha256, sha512) = (
        pss(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32),
        pss(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
    );
    let digest = Sha256::digest(MESSAGE);
    for (mechanism, data) in [
        (Mechanism::RsaPkcs, MESSAGE),
        (Mechanism::RsaPkcsPss(sha256), &digest[..]),
        (Mechanism::Sha1RsaPkcs, MESSAGE),
        (Mechanism::Sha256RsaPkcs, MESSAGE),
        (Mechanism::Sha384RsaPkcs, MESSAGE),
        (Mechanism::Sha512RsaPkcs, MESSAGE),
        (Mechanism::Sha256RsaPkcsPss(sha256), MESSAGE),
        (Mechanism::Sha512RsaPkcsPss(sha512), MESSAGE),
    ] {
        let name = mechanism.mechanism_type();
        let signature = session.sign(&mechanism, private, data).expect("a signature");
        session.verify(&mechanism, public, data, &signature).unwrap_or_else(|code| panic!("{name}: {code}"));
        session.verify(&mechanism, public, &[data, b"!"].concat(), &signature).expect_err("another message");
        let second_opinion = match mechanism {
            Mechanism::Sha256RsaPkcs => {
                let signature = rsa::pkcs1v15::Signature::try_from(&signature[..]).expect("256 bytes");
                rsa::pkcs1v15::VerifyingKey::<Sha256>::new(openly.clone()).verify(data, &signature)
            }
            Mechanism::Sha256RsaPkcsPss(_) => {
                let signature = rsa::pss::Signature::try_from(&signature[..]).expect("256 bytes");
                rsa::pss::VerifyingKey::<Sha256>::new(openly.clone()).verify(data, &signature)
            }
            Mechanism::Sha512RsaPkcsPss(_) => {
                let signature = rsa::pss::Signature::try_from(&signature[..]).expect("256 bytes");
                rsa::pss::VerifyingKey::<Sha512>::new(openly.clone()).verify(data, &signature)
            }
            _ => Ok(()),
        };
        second_opinion.unwrap_or_else(|cause| panic!("{name}: {cause}"));
    }
    in_pieces(session, &Mechanism::Sha256RsaPkcs, private, public);
}

#[test]
fn ec_pairs_from_birth_to_death() {
    isolated("ec_pairs_from_birth_to_death", |token| {
        let session = token.user();
        for (curve, len) in [(P256, 32), (P384, 48), (P521, 66)] {
            let (public, private) = generate_ec(&session, curve, &[Attribute::Sign(true)]);
            assert_eq!(facts(&session, private), [true, true, true, true]);
            lives(token, &session, private, (HSM, DEVICE));
            let point = point(&session, public);
            let (d256, d384, d512) = (Sha256::digest(MESSAGE), Sha384::digest(MESSAGE), Sha512::digest(MESSAGE));
            for (mechanism, digest) in [
                (Mechanism::EcdsaSha256, &d256[..]),
                (Mechanism::EcdsaSha384, &d384[..]),
                (Mechanism::EcdsaSha512, &d512[..]),
            ] {
                let raw = session.sign(&Mechanism::Ecdsa, private, digest).expect("a signature");
                assert_eq!(raw.len(), 2 * len, "r || s");
                session.verify(&Mechanism::Ecdsa, public, digest, &raw).expect("it verifies");
                assert!(second_opinion(curve, &point, digest, &raw), "ECDSA");
                if token.module.kind() == Kind::Azihsm {
                    let signature = session.sign(&mechanism, private, MESSAGE).expect("a signature");
                    session.verify(&mechanism, public, MESSAGE, &signature).expect("it verifies");
                    session.verify(&mechanism, public, b"another", &signature).expect_err("another message");
                    assert!(second_opinion(curve, &point, digest, &signature), "{}", mechanism.mechanism_type());
                    in_pieces(&session, &mechanism, private, public);
                }
            }
            session.destroy_object(private).expect("its end");
            session.destroy_object(public).expect("its end");
        }
    });
}

#[test]
fn an_agreed_secret_stays_inside_and_becomes_a_key() {
    isolated("an_agreed_secret_stays_inside_and_becomes_a_key", |token| {
        if token.module.kind() == Kind::SoftHsm {
            return; // SoftHSM2 has no HKDF.
        }
        let session = token.user();
        let (public, private) = generate_ec(&session, P256, &[Attribute::Derive(true), Attribute::Sign(false)]);
        let peer = p256::SecretKey::from_slice(&[0x11; 32]).expect("a private key");
        let peer_point = peer.public_key().to_sec1_point(false);
        let ecdh = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), peer_point.as_bytes()));
        let secret = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Derive(true),
        ];
        let secret = session.derive_key(&ecdh, private, &secret).expect("a secret");
        lives(token, &session, secret, (HSM, DEVICE));

        let (salt, info) = (b"salt".as_slice(), b"info".as_slice());
        let hkdf = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Data(salt)), Some(info));
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(32.into()),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ];
        let inside = session.derive_key(&Mechanism::HkdfDerive(hkdf), secret, &template).expect("an AES key");
        lives(token, &session, inside, (HSM, DEVICE));
        let cipher = session.encrypt(&Mechanism::AesCbcPad(IV), inside, MESSAGE).expect("a ciphertext");

        // The other side, which has no HSM: RFC 5869 with one block of output.
        let ours = p256::PublicKey::from_sec1_bytes(&point(&session, public)).expect("a point");
        let shared = p256::ecdh::diffie_hellman(peer.to_nonzero_scalar(), ours.as_affine());
        let mac = |key: &[u8], data: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        };
        let value = mac(&mac(salt, shared.raw_secret_bytes()), &[info, &[1]].concat());
        let outside = import(&session, KeyType::AES, value, &[Attribute::Decrypt(true), Attribute::Encrypt(true)]);
        assert_eq!(session.decrypt(&Mechanism::AesCbcPad(IV), outside, &cipher).expect("the same key"), MESSAGE);
    });
}

#[test]
fn macs_of_generated_and_known_secrets() {
    isolated("macs_of_generated_and_known_secrets", |token| {
        let session = token.user();
        let usage =
            [Attribute::Sign(true), Attribute::Verify(true), Attribute::Sensitive(true), Attribute::Extractable(false)];
        for (len, mechanism) in [
            (32, Mechanism::Sha256Hmac),
            (48, Mechanism::Sha384Hmac),
            (64, Mechanism::Sha512Hmac),
            (64, Mechanism::Sha1Hmac),
        ] {
            let allowed = Attribute::AllowedMechanisms(vec![mechanism.mechanism_type()]);
            let template = [&usage[..], &[Attribute::ValueLen(len.into()), allowed]].concat();
            let key = session.generate_key(&Mechanism::GenericSecretKeyGen, &template).expect("a secret");
            assert_eq!(facts(&session, key), [true, true, true, true]);
            let tag = session.sign(&mechanism, key, MESSAGE).expect("a tag");
            session.verify(&mechanism, key, MESSAGE, &tag).expect("it verifies");
            session.verify(&mechanism, key, b"another", &tag).expect_err("another message");
            in_pieces(&session, &mechanism, key, key);
        }
        let key = import(&session, KeyType::GENERIC_SECRET, vec![9; 32], &usage[..2]);
        lives(token, &session, key, (SEALED, IMPORTED));
        let mut expected = Hmac::<Sha256>::new_from_slice(&[9; 32]).expect("any length");
        expected.update(MESSAGE);
        let tag = session.sign(&Mechanism::Sha256Hmac, key, MESSAGE).expect("a tag");
        assert_eq!(tag, expected.finalize().into_bytes().to_vec());
    });
}

#[test]
fn every_key_says_truly_where_it_lives_and_what_it_was() {
    isolated("every_key_says_truly_where_it_lives_and_what_it_was", |token| {
        let session = token.user();
        let open = generate_aes(&session, 32, &[Attribute::Extractable(true), Attribute::Sensitive(false)]);
        assert_eq!(facts(&session, open), [true, false, false, true]);
        lives(token, &session, open, (SEALED, LIBRARY));
        let values = session.get_attributes(open, &[AttributeType::Value]).expect("its value");
        assert!(matches!(&values[..], [Attribute::Value(value)] if value.len() == 32), "it may be read");

        // Once sensitive and unextractable, for good; and it remembers that it was not always.
        session
            .update_attributes(open, &[Attribute::Sensitive(true), Attribute::Extractable(false)])
            .expect("stricter");
        assert_eq!(facts(&session, open), [true, false, false, true]);
        let info = session.get_attribute_info(open, &[AttributeType::Value]).expect("an answer");
        assert!(matches!(info[..], [AttributeInfo::Sensitive]), "{info:?}");

        let imported =
            import(&session, KeyType::AES, vec![1; 32], &[Attribute::Encrypt(true), Attribute::Sensitive(true)]);
        assert_eq!(facts(&session, imported), [false, false, false, true]);
        lives(token, &session, imported, (HSM, IMPORTED));
    });
}

#[test]
fn certificates_and_data_objects() {
    isolated("certificates_and_data_objects", |token| {
        let session = token.user();
        let certificate = session
            .create_object(&[
                Attribute::Class(ObjectClass::CERTIFICATE),
                Attribute::CertificateType(CertificateType::X_509),
                Attribute::Token(true),
                Attribute::Private(false),
                Attribute::Subject(vec![0x30, 0x00]),
                Attribute::Value(vec![0x30, 0x00]),
                Attribute::Id(vec![5]),
            ])
            .expect("a certificate");
        let data = session
            .create_object(&[
                Attribute::Class(ObjectClass::DATA),
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Label("note".into()),
                Attribute::Value(MESSAGE.into()),
            ])
            .expect("a note");
        let values = session.get_attributes(data, &[AttributeType::Value]).expect("its text");
        assert_eq!(values, [Attribute::Value(MESSAGE.into())]);
        session.logout().expect("a logout");
        assert_eq!(session.find_objects(&[]).expect("a search"), [certificate], "the private note is out of sight");
        let values = session.get_attributes(certificate, &[AttributeType::Id]).expect("its id");
        assert_eq!(values, [Attribute::Id(vec![5])]);
    });
}

#[test]
fn a_search_finds_all_of_many() {
    isolated("a_search_finds_all_of_many", |token| {
        let session = token.user();
        for number in 0..100u8 {
            let label = Attribute::Label(if number % 2 == 0 { "even" } else { "odd" }.into());
            let data = [Attribute::Class(ObjectClass::DATA), Attribute::Value(vec![number]), label];
            session.create_object(&data).expect("an object");
        }
        assert_eq!(session.find_objects(&[Attribute::Class(ObjectClass::DATA)]).expect("a search").len(), 100);
        let even = [Attribute::Label("even".into()), Attribute::Class(ObjectClass::DATA)];
        assert_eq!(session.find_objects(&even).expect("a search").len(), 50);
        for size in [1, 7, 100, 1000] {
            let size = std::num::NonZeroUsize::new(size).expect("not zero");
            let found = session.iter_objects_with_cache_size(&even, size).expect("a search");
            let found = found.collect::<Result<Vec<_>, _>>().expect("objects");
            assert_eq!(found.len(), 50, "{size} at a time");
        }
        assert_eq!(session.find_objects(&[Attribute::Value(vec![42])]).expect("a search").len(), 1);
        assert_eq!(session.find_objects(&[Attribute::Label("neither".into())]).expect("a search"), []);
    });
}

#[test]
fn digests_and_random_bytes() {
    isolated("digests_and_random_bytes", |token| {
        let session = token.library.open_ro_session(token.slot).expect("a session");
        for (mechanism, expected) in [
            (Mechanism::Sha256, Sha256::digest(MESSAGE).to_vec()),
            (Mechanism::Sha384, Sha384::digest(MESSAGE).to_vec()),
            (Mechanism::Sha512, Sha512::digest(MESSAGE).to_vec()),
        ] {
            assert_eq!(session.digest(&mechanism, MESSAGE).expect("a digest"), expected);
            session.digest_init(&mechanism).expect("a start");
            for piece in MESSAGE.chunks(5) {
                session.digest_update(piece).expect("a piece");
            }
            assert_eq!(session.digest_final().expect("the end"), expected);
        }
        session.seed_random(b"a little more").expect("a seed");
        let (one, two) = (session.generate_random_vec(64), session.generate_random_vec(64));
        assert_ne!(one.expect("random bytes"), two.expect("random bytes"));
    });
}

// ---- helpers

fn generate_aes(session: &Session, len: u64, more: &[Attribute]) -> ObjectHandle {
    let mut template = vec![Attribute::ValueLen(len.into()), Attribute::Encrypt(true), Attribute::Decrypt(true)];
    template.extend_from_slice(more);
    if !more.iter().any(|attribute| attribute.attribute_type() == AttributeType::Sensitive) {
        template.extend([Attribute::Sensitive(true), Attribute::Extractable(false)]);
    }
    session.generate_key(&Mechanism::AesKeyGen, &template).expect("an AES key")
}

fn generate_ec(session: &Session, curve: &[u8], usage: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let public = [Attribute::EcParams(curve.into()), Attribute::Verify(true)];
    let private = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false)];
    let private = [&private[..], usage].concat();
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).expect("an EC pair")
}

fn import(session: &Session, key_type: KeyType, value: Vec<u8>, more: &[Attribute]) -> ObjectHandle {
    let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(key_type), Attribute::Value(value)];
    let closed = [Attribute::Extractable(false)];
    session.create_object(&[&template[..], &closed, more].concat()).expect("an imported key")
}

fn gcm(
    session: &Session,
    key: ObjectHandle,
    header: &[u8],
    plain: Option<&[u8]>,
    cipher: Option<&[u8]>,
) -> cryptoki::error::Result<Vec<u8>> {
    let mut iv = [0; 12];
    let mechanism = Mechanism::AesGcm(GcmParams::new(&mut iv, header, 128.into()).expect("parameters"));
    match (plain, cipher) {
        (Some(plain), _) => session.encrypt(&mechanism, key, plain),
        (None, cipher) => session.decrypt(&mechanism, key, cipher.unwrap_or_default()),
    }
}

/// Signs and verifies in pieces, and mixes with one shot.
fn in_pieces(session: &Session, mechanism: &Mechanism<'_>, private: ObjectHandle, public: ObjectHandle) {
    session.sign_init(mechanism, private).expect("a start");
    for piece in MESSAGE.chunks(7) {
        session.sign_update(piece).expect("a piece");
    }
    let signature = session.sign_final().expect("the end");
    session.verify(mechanism, public, MESSAGE, &signature).expect("it verifies");
    session.verify_init(mechanism, public).expect("a start");
    for piece in MESSAGE.chunks(3) {
        session.verify_update(piece).expect("a piece");
    }
    session.verify_final(&signature).expect("it verifies");
}

/// `CKA_LOCAL`, `CKA_ALWAYS_SENSITIVE`, `CKA_NEVER_EXTRACTABLE`, `CKA_PRIVATE`.
fn facts(session: &Session, key: ObjectHandle) -> [bool; 4] {
    let wanted =
        [AttributeType::Local, AttributeType::AlwaysSensitive, AttributeType::NeverExtractable, AttributeType::Private];
    match session.get_attributes(key, &wanted).expect("attributes")[..] {
        [
            Attribute::Local(local),
            Attribute::AlwaysSensitive(sensitive),
            Attribute::NeverExtractable(never),
            Attribute::Private(private),
        ] => [local, sensitive, never, private],
        ref other => panic!("{other:?}"),
    }
}

/// The key says that it lives and was made as `expected`: residency, origin. `SoftHSM2` says nothing.
#[track_caller]
fn lives(token: &Token, session: &Session, key: ObjectHandle, expected: (u64, u64)) {
    if token.module.kind() == Kind::SoftHsm {
        return;
    }
    match &session.get_attributes(key, &[RESIDENCY, ORIGIN]).expect("attributes")[..] {
        [Attribute::VendorDefined((RESIDENCY, lives)), Attribute::VendorDefined((ORIGIN, made))] => {
            let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("a CK_ULONG"));
            assert_eq!((number(lives), number(made)), expected, "residency, origin");
        }
        other => panic!("{other:?}"),
    }
}

/// The SEC 1 encoding of a public key.
fn point(session: &Session, public: ObjectHandle) -> Vec<u8> {
    let values = session.get_attributes(public, &[AttributeType::EcPoint]).expect("a point");
    let [Attribute::EcPoint(octets)] = &values[..] else { panic!("{values:?}") };
    // An OCTET STRING, with a length of one byte or of two.
    octets[if octets[1] == 0x81 { 3 } else { 2 }..].to_vec()
}

fn second_opinion(curve: &[u8], point: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    macro_rules! verify {
        ($curve:ident) => {{
            let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(point).expect("a point of the curve");
            let signature = $curve::ecdsa::Signature::from_slice(signature).expect("r || s");
            key.verify_prehash(digest, &signature).is_ok()
        }};
    }
    match curve {
        P256 => verify!(p256),
        P384 => verify!(p384),
        _ => verify!(p521),
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
