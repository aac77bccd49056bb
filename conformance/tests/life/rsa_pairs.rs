//! RSA pairs: made, used for signatures and encryption, destroyed.

use crate::{HSM, LIBRARY, MADE, MESSAGE, facts, in_pieces, lives};
use conformance::{Kind, isolated};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use rsa::signature::Verifier;
use sha2::{Digest, Sha256, Sha512};

#[test]
fn an_rsa_pair_from_birth_to_death() {
    isolated("rsa_pairs::an_rsa_pair_from_birth_to_death", |token| {
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
        assert_eq!(session.find_objects(&MADE).expect("a search"), []);
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
