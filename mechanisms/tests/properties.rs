//! What holds for all inputs: parsers of caller bytes never panic and never take nonsense; pieces make the whole.

use std::sync::Arc;

use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::key::{Key, Material, Value};
use mechanisms::operation::CipherOp;
use mechanisms::params::Params;
use mechanisms::{ec, rsa, table};
use proptest::prelude::*;
use zeroize::Zeroizing;

fn aes(bytes: &[u8]) -> Key {
    let value = Value::Secret(Zeroizing::new(bytes.to_vec()));
    Key { key_type: KeyType::AES, material: Material::Clear(Arc::new(value)), public: None }
}

/// Feeds `message` in parts of the given lengths, over and over.
fn in_parts(mut op: Box<dyn CipherOp>, message: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut out = Zeroizing::default();
    let mut rest = message;
    for len in lengths.iter().cycle() {
        let (part, more) = rest.split_at((*len).min(rest.len()));
        op.update(part, &mut out).unwrap();
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    op.finish(&mut out).unwrap();
    out.to_vec()
}

fn cipher(kind: MechanismType, params: &Params, key: &Key, encrypt: bool) -> Box<dyn CipherOp> {
    let row = table::row(kind).unwrap();
    if encrypt { row.encrypt } else { row.decrypt }.unwrap()(params, key).unwrap()
}

proptest! {
    #[test]
    fn key_parsers_take_no_nonsense(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(rsa::private_from_pkcs8(&bytes).is_err());
        prop_assert!(ec::private_from_pkcs8(&bytes).is_err());
        let (front, back) = bytes.split_at(bytes.len() / 2);
        prop_assert!(rsa::private_from_components(front, back, &bytes, rsa::Crt::default()).is_err());
        let _ = rsa::public(&bytes, &[1, 0, 1]);
        let _ = ec::curve_from_params(&bytes);
        for curve in ec::CURVES {
            let _ = ec::point(curve, &bytes);
            let _ = ec::private_from_scalar(curve, &bytes);
        }
    }

    #[test]
    fn a_damaged_ec_key_is_refused_or_the_same(at in 0usize..138, bit in 0u8..8) {
        let Value::Ec(curve, der) = ec::private_from_scalar(ec::CURVES[0], &[7; 32]).unwrap() else { unreachable!() };
        let mut damaged = der.to_vec();
        let at = at % damaged.len();
        damaged[at] ^= 1 << bit;
        if let Ok(value) = ec::private_from_pkcs8(&damaged) {
            // What no reader looks at may differ; the scalar and the point may not.
            let original = Value::Ec(curve, der);
            prop_assert_eq!(value.public().unwrap(), original.public().unwrap());
        }
    }

    #[test]
    fn cipher_pieces_make_the_whole(
        message in proptest::collection::vec(any::<u8>(), 0..300),
        lengths in proptest::collection::vec(1usize..70, 1..6),
        iv in any::<[u8; 16]>(),
        iv_len in 1usize..40,
        key in prop_oneof![Just(16usize), Just(24), Just(32)],
        tag_bytes in 12u64..=16,
    ) {
        let key = aes(&vec![0x42; key]);
        let gcm = Params::Gcm { iv: iv.iter().copied().cycle().take(iv_len).collect(), aad: message.clone(), tag_bits: tag_bytes * 8 };
        for (kind, params) in [(MechanismType::AES_CBC_PAD, Params::Iv16(iv)), (MechanismType::AES_GCM, gcm)] {
            let ciphertext = in_parts(cipher(kind, &params, &key, true), &message, &lengths);
            let mut whole = Zeroizing::default();
            cipher(kind, &params, &key, true).whole(&message, &mut whole).unwrap();
            prop_assert_eq!(&ciphertext, &*whole);
            prop_assert_eq!(in_parts(cipher(kind, &params, &key, false), &ciphertext, &lengths), message.clone());
        }
    }
}
