//! MACs, digests and random bytes.

use crate::{IMPORTED, MESSAGE, SEALED, facts, import, in_pieces, lives};
use conformance::isolated;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384, Sha512};

#[test]
fn macs_of_generated_and_known_secrets() {
    isolated("macs::macs_of_generated_and_known_secrets", |token| {
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
fn digests_and_random_bytes() {
    isolated("macs::digests_and_random_bytes", |token| {
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
