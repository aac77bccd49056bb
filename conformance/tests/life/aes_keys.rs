//! AES keys: made, used, looked at, copied, destroyed.

use crate::{DEVICE, HSM, IMPORTED, IV, MESSAGE, facts, generate_aes, import, lives};
use conformance::{isolated, to_hex};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

#[test]
fn an_aes_key_from_birth_to_death() {
    isolated("aes_keys::an_aes_key_from_birth_to_death", |token| {
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
fn aes_cbc_in_pieces_is_aes_cbc() {
    isolated("aes_keys::aes_cbc_in_pieces_is_aes_cbc", |token| {
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
    isolated("aes_keys::aes_gcm_gives_the_known_answer", |token| {
        let session = token.user();
        // McGrew and Viega, test cases 2 and 14: key, IV and plaintext of zeros.
        for (key_len, expected) in [
            (16, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"),
            (32, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
        ] {
            let key =
                import(&session, KeyType::AES, vec![0; key_len], &[Attribute::Encrypt(true), Attribute::Decrypt(true)]);
            let cipher = gcm(&session, key, 0, &[], Some(&[0; 16]), None).expect("a ciphertext");
            assert_eq!(to_hex(&cipher), expected);
            assert_eq!(gcm(&session, key, 0, &[], None, Some(&cipher)).expect("the plaintext"), [0; 16]);
            if key_len == 32 {
                lives(token, &session, key, (HSM, IMPORTED));
            }
        }
        let key = generate_aes(&session, 32, &[]);
        // An IV that was used once encrypts nothing else.
        for (iv, len) in (1..).zip([0, 1, 16, 1000, 100_000]) {
            let plain = vec![0x55; len];
            let mut cipher = gcm(&session, key, iv, b"header", Some(&plain), None).expect("a ciphertext");
            assert_eq!(cipher.len(), len + 16);
            assert!(
                gcm(&session, key, iv, b"header", None, Some(&cipher)).expect("the plaintext") == plain,
                "{len} bytes"
            );
            assert!(gcm(&session, key, iv, b"Header", None, Some(&cipher)).is_err(), "another header");
            cipher[0] ^= 1;
            assert!(gcm(&session, key, iv, b"header", None, Some(&cipher)).is_err(), "another ciphertext");
        }
    });
}

fn gcm(
    session: &Session,
    key: ObjectHandle,
    iv: u8,
    header: &[u8],
    plain: Option<&[u8]>,
    cipher: Option<&[u8]>,
) -> cryptoki::error::Result<Vec<u8>> {
    let mut iv = [iv; 12];
    let mechanism = Mechanism::AesGcm(GcmParams::new(&mut iv, header, 128.into()).expect("parameters"));
    match (plain, cipher) {
        (Some(plain), _) => session.encrypt(&mechanism, key, plain),
        (None, cipher) => session.decrypt(&mechanism, key, cipher.unwrap_or_default()),
    }
}
