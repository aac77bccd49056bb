//! The published attacks on RSA, and keys that attackers would like: each test shows one failing.

mod common;

use std::sync::Arc;

use common::rsa::{WRAP, multiplied, oaep, pair, sha256, unwrap, wrap};
use common::{Hsm, decrypt, encrypt, key, on_both, public, verify};
use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::error::Code;
use mechanisms::key::{Key, Material, PublicKey};
use mechanisms::params::Params;
use mechanisms::{ec, rsa as ours, table};
use transport::emulator::Kind;
use transport::partition::Curve;

/// Bleichenbacher 1998, Bardou and others 2012: multiply a ciphertext and ask whether the product is well padded.
/// Nothing answers: a product has a message as a good ciphertext has, the same each time, through both functions.
#[test]
fn a_multiplied_ciphertext_tells_nothing() {
    on_both(|hsm| {
        for words in ["decrypt", "decrypt extractable"] {
            let pair = pair(hsm, words);
            let kind = MechanismType::RSA_PKCS;
            let ciphertext = wrap(kind, &Params::None, &public(&pair), &[0x5a; 16]).unwrap();
            let mut lengths = std::collections::BTreeSet::new();
            for factor in 2..30u8 {
                let product = multiplied(&pair, &ciphertext, factor);
                let message = decrypt(kind, &Params::None, &key(&pair), &product).unwrap();
                assert_eq!(decrypt(kind, &Params::None, &key(&pair), &product).unwrap(), message);
                assert_eq!(unwrap(kind, &Params::None, &key(&pair), &product).unwrap(), message);
                lengths.insert(message.len());
            }
            assert!(lengths.len() > 10, "the lengths are spread: {lengths:?}");
            assert_eq!(decrypt(kind, &Params::None, &key(&pair), &ciphertext).unwrap(), [0x5a; 16]);
        }
    });
}

/// Manger 2001: OAEP's first byte, its hash and its separator are one error.
#[test]
fn manger_asks_in_vain() {
    on_both(|hsm| {
        let pair = pair(hsm, "decrypt");
        let (kind, params) = (MechanismType::RSA_PKCS_OAEP, oaep());
        let ciphertext = encrypt(kind, &params, &public(&pair), &[0x5a; 16]).unwrap();
        let mut words = Vec::new();
        for factor in 2..20u8 {
            let product = multiplied(&pair, &ciphertext, factor);
            let error = decrypt(kind, &params, &key(&pair), &product).unwrap_err();
            words.push(format!("{error}"));
            assert_eq!(unwrap(kind, &params, &key(&pair), &product).unwrap_err(), Code::WrappedKeyInvalid);
        }
        // A block with a first byte of zero, and one with another.
        for block in [[vec![0], vec![7; 255]].concat(), [vec![1], vec![7; 255]].concat()] {
            let ciphertext = encrypt(MechanismType::RSA_X_509, &Params::None, &public(&pair), &block).unwrap();
            words.push(format!("{}", decrypt(kind, &params, &key(&pair), &ciphertext).unwrap_err()));
        }
        words.sort();
        words.dedup();
        assert_eq!(words, ["CKR_ENCRYPTED_DATA_INVALID"]);
    });
}

/// Clulow 2003: the attacker brings the wrapping key along. A weak one is refused where it is made or where it wraps;
/// a strong one of unknown owner is a matter of `CKA_WRAP_WITH_TRUSTED`.
#[test]
fn weak_keys_wrap_nothing() {
    let hsm = Hsm::new(Kind::Virtual);
    let strong = pair(&hsm, "decrypt");
    let Some(PublicKey::Rsa { modulus, .. }) = &strong.public else { panic!("an RSA key") };
    let mut even = modulus.clone();
    even[255] &= 0xfe;
    for (n, e) in [
        (&modulus[..], &[1][..]),
        (modulus, &[2]),
        (modulus, &[1; 6]),
        (&even, &[1, 0, 1]),
        (&modulus[..127], &[1, 0, 1]),
    ] {
        assert_eq!(ours::public(n, e).unwrap_err(), Code::AttributeValueInvalid);
    }
    let kinds = [(MechanismType::RSA_PKCS, Params::None), (MechanismType::RSA_PKCS_OAEP, oaep()), (WRAP, sha256())];
    let mut short = modulus[..192].to_vec();
    short[191] |= 1;
    // Without its checks, as an old store might hold them.
    for (n, e) in [(modulus.clone(), vec![3]), (modulus.clone(), vec![0xff, 0xff]), (short, vec![1, 0, 1])] {
        let public = PublicKey::Rsa { modulus: n, exponent: e };
        let weak = Key { key_type: KeyType::RSA, material: Material::Public(Arc::new(public)), public: None };
        for (kind, params) in &kinds {
            let error = wrap(*kind, params, &weak, &[1; 16]).unwrap_err();
            assert_eq!(error, Code::WrappingKeySizeRange, "{kind:?}");
        }
    }
    for (kind, params) in &kinds {
        let secret = common::clear_secret(KeyType::AES, &[1; 16]);
        assert!(table::row(*kind).unwrap().accepts(&secret).is_err());
        let ec = ec::private_from_scalar(Curve::P256, &[5; 32]).unwrap().public().unwrap();
        let ec = Key { key_type: KeyType::EC, material: Material::Public(Arc::new(ec)), public: None };
        assert_eq!(wrap(*kind, params, &ec, &[1; 16]).unwrap_err(), Code::WrappingKeyTypeInconsistent);
        let mine = wrap(*kind, params, &key(&strong), &[1; 16]).unwrap();
        assert_eq!(unwrap(*kind, params, &key(&strong), &mine).unwrap(), [1; 16], "a private key has a public half");
    }
}

/// Signatures of the past verify, and their keys do nothing else.
#[test]
fn a_key_of_1024_bits_verifies_only() {
    // Made for this test with OpenSSL: `openssl genrsa 1024`, then `openssl dgst -sha256 -sign`.
    let modulus = hex(MODULUS_1024);
    let public = ours::public(&modulus, &[1, 0, 1]).unwrap();
    let key = Key { key_type: KeyType::RSA, material: Material::Public(Arc::new(public)), public: None };
    let signature = hex(SIGNATURE_1024);
    verify(MechanismType::SHA256_RSA_PKCS, &Params::None, &key, b"message", &signature).unwrap();
    let refused = verify(MechanismType::SHA256_RSA_PKCS, &Params::None, &key, b"messagf", &signature);
    assert_eq!(refused.unwrap_err(), Code::SignatureInvalid);
    assert_eq!(encrypt(MechanismType::RSA_PKCS, &Params::None, &key, b"x").unwrap_err(), Code::KeySizeRange);
    assert_eq!(encrypt(MechanismType::RSA_PKCS_OAEP, &oaep(), &key, b"x").unwrap_err(), Code::KeySizeRange);
    assert_eq!(wrap(WRAP, &sha256(), &key, &[1; 16]).unwrap_err(), Code::WrappingKeySizeRange);
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

const MODULUS_1024: &str = "e1ccd794244ff2520346c42dbb4c9f1f5a269619c57e6f1696409546ca418af630dd59a1359c851a179bf5c86a6f621751db\
    5fbeeb911531c2227fd746de49928c23385c782692f517c749c9409b39a62a966bce341bcfc3025d114b5f6c5745c8f774b7\
    6b7931643644a3a1b6747839e8338765cf147955d3c4cc8cdb3504e9";
const SIGNATURE_1024: &str = "de7c4b31b2d96db6a39b470de61584c7aef95038ac7b431b5fc2c6b93e6ef38cad81f1041dc58178a1ef4fd5165079995311\
    ba0767ff2c753a2ed290c8b99101a40ffb20f880220ab63465e8e1ae7087d0b2eaad91fd007fe062672b6317d5e7f99be31d\
    3b25388cab5eb86fa2bcf6b4c599cde75169f19eedc8d273d7b7ac53";
