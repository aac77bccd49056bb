//! EC pairs: signatures, and what two of them agree on.

use crate::{DEVICE, HSM, IV, MESSAGE, P256, P384, P521, facts, generate_ec, import, in_pieces, lives};
use conformance::{Kind, isolated};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::hkdf::{HkdfParams, HkdfSalt};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use hmac::{Hmac, KeyInit, Mac};
use p256::elliptic_curve::sec1::ToSec1Point;
use rsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};

#[test]
fn ec_pairs_from_birth_to_death() {
    isolated("ec_pairs::ec_pairs_from_birth_to_death", |token| {
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
    isolated("ec_pairs::an_agreed_secret_stays_inside_and_becomes_a_key", |token| {
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
