//! `CKM_ECDH1_DERIVE`. With an HSM key the secret stays inside; with a clear key AWS-LC computes it.

use aws_lc_rs::agreement as engine;
use transport::partition::Curve;
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::ec;
use crate::error::{Code, Result};
use crate::key::{Key, KeyRequest, Material, NewKey, Origin, Value};
use crate::params::{Params, Shape};
use crate::residency::Home;
use crate::secret;
use crate::table::{Derived, Row};

/// PKCS#11 v3.2, 6.3.17.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.3.17",
    keys: &[KeyType::EC],
    min_size: 256,
    max_size: 521,
    shape: Shape::Ecdh1,
    hardware: true,
    derives_for_deriving: true,
    derive: Some(|from| derive(from.params, from.base, from.request).map(Derived::Key)),
    ..Row::none(MechanismType::ECDH1_DERIVE)
}];

fn derive(params: &Params, key: &Key, request: &KeyRequest) -> Result<NewKey> {
    let Params::Ecdh1 { kdf, shared, public } = params else { return Err(Code::MechanismParamInvalid.into()) };
    if *kdf != cryptoki_sys::CKD_NULL {
        return Err(Code::MechanismParamInvalid.because(format_args!("kdf {kdf:#x}, only CKD_NULL is offered")));
    }
    if !shared.is_empty() {
        return Err(Code::MechanismParamInvalid.because("CKD_NULL takes no shared data"));
    }
    let (curve, _) = ec::public_half(key)?;
    let peer = ec::point(curve, public)
        .map_err(|_| Code::MechanismParamInvalid.because("the peer's public key is no point of the curve"))?;
    let key_type = request.key_type.unwrap_or(KeyType::GENERIC_SECRET);
    let len = derived_len(key_type, request, curve)?;
    match &key.material {
        Material::Hsm(key, partition) => {
            if request.extractable || key_type == KeyType::AES || len != curve.len() {
                return Err(Code::TemplateInconsistent.because(
                    "the secret of an HSM key stays whole in the HSM, as a generic secret to derive from: not \
                     extractable, not an AES key, not shortened",
                ));
            }
            let derived = partition.ecdh(key, &peer)?;
            Ok(secret::in_hsm(derived, partition, key_type, Some(len), Origin::Device))
        }
        Material::Clear(value) => {
            Home::Clear("it comes from a key outside the HSM").under(request.policy)?;
            let whole = agree(curve, value, &peer)?;
            // "The truncation removes bytes from the leading end of the secret value."
            let kept = Zeroizing::new(whole[whole.len() - len..].to_vec());
            Ok(secret::clear(kept, key_type, Origin::Library))
        }
        Material::Public(_) => Err(Code::KeyTypeInconsistent.because("deriving needs a private key")),
    }
}

/// Length of the derived key: what the template says, else the whole secret; an AES key needs to be told.
fn derived_len(key_type: KeyType, request: &KeyRequest, curve: Curve) -> Result<usize> {
    let len = match request.value_len {
        Some(len) => len,
        None if key_type == KeyType::AES => {
            return Err(Code::TemplateIncomplete.because("CKA_VALUE_LEN is missing"));
        }
        None => curve.len(),
    };
    if key_type != KeyType::AES && !secret::GENERIC.contains(&key_type) {
        return Err(Code::TemplateInconsistent.because(format_args!("{key_type:?} cannot be derived")));
    }
    secret::check_len(key_type, len)?;
    if len > curve.len() {
        return Err(Code::AttributeValueInvalid.because(format_args!("the secret has {} bytes only", curve.len())));
    }
    Ok(len)
}

fn agree(curve: Curve, value: &Value, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let algorithm = match curve {
        Curve::P256 => &engine::ECDH_P256,
        Curve::P384 => &engine::ECDH_P384,
        Curve::P521 => &engine::ECDH_P521,
    };
    let private = engine::PrivateKey::from_private_key(algorithm, &ec::scalar(value)?)
        .map_err(|_| Code::GeneralError.because("a stored EC key does not decode"))?;
    let peer = engine::UnparsedPublicKey::new(algorithm, peer);
    engine::agree(&private, peer, Code::FunctionFailed.because("ECDH failed"), |secret| {
        Ok(Zeroizing::new(secret.to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::key::{Policy, PublicKey};

    fn key(value: Value) -> Key {
        Key { key_type: KeyType::EC, material: Material::Clear(Arc::new(value)), public: None }
    }

    fn point_of(value: &Value) -> Vec<u8> {
        let PublicKey::Ec { point, .. } = value.public().unwrap() else { panic!("an EC key") };
        point
    }

    fn params(public: Vec<u8>) -> Params {
        Params::Ecdh1 { kdf: cryptoki_sys::CKD_NULL, shared: vec![], public }
    }

    fn run(value: Value, peer: Vec<u8>, request: &KeyRequest) -> Result<Vec<u8>> {
        let new = derive(&params(peer), &key(value), request)?;
        let derived = Key { key_type: new.key_type, material: new.material, public: None };
        Ok(secret::bytes(&derived)?.to_vec())
    }

    #[test]
    fn agrees_with_rustcrypto_and_cuts_the_front() {
        for curve in ec::CURVES {
            let (one, two) = (ec::generate_value(curve).unwrap(), ec::generate_value(curve).unwrap());
            let (point_one, point_two) = (point_of(&one), point_of(&two));
            let scalar = ec::scalar(&one).unwrap();
            let expected = match curve {
                Curve::P256 => {
                    let key = p256::SecretKey::from_slice(&scalar).unwrap();
                    let peer = p256::PublicKey::from_sec1_bytes(&point_two).unwrap();
                    p256::ecdh::diffie_hellman(key.to_nonzero_scalar(), peer.as_affine()).raw_secret_bytes().to_vec()
                }
                Curve::P384 => {
                    let key = p384::SecretKey::from_slice(&scalar).unwrap();
                    let peer = p384::PublicKey::from_sec1_bytes(&point_two).unwrap();
                    p384::ecdh::diffie_hellman(key.to_nonzero_scalar(), peer.as_affine()).raw_secret_bytes().to_vec()
                }
                Curve::P521 => {
                    let key = p521::SecretKey::from_slice(&scalar).unwrap();
                    let peer = p521::PublicKey::from_sec1_bytes(&point_two).unwrap();
                    p521::ecdh::diffie_hellman(key.to_nonzero_scalar(), peer.as_affine()).raw_secret_bytes().to_vec()
                }
            };
            assert_eq!(run(two, point_one, &KeyRequest::default()).unwrap(), expected);
            let aes = KeyRequest { key_type: Some(KeyType::AES), value_len: Some(16), ..KeyRequest::default() };
            assert_eq!(run(one, point_two, &aes).unwrap(), expected[curve.len() - 16..]);
        }
    }

    #[test]
    fn misuse() {
        let value = || ec::generate_value(Curve::P256).unwrap();
        let peer = point_of(&value());
        let generic = KeyRequest::default();
        let with = |kdf, shared: &[u8], public: &[u8]| {
            let params = Params::Ecdh1 { kdf, shared: shared.to_vec(), public: public.to_vec() };
            derive(&params, &key(value()), &generic).unwrap_err()
        };
        assert_eq!(with(2, &[], &peer), Code::MechanismParamInvalid);
        assert_eq!(with(cryptoki_sys::CKD_NULL, b"x", &peer), Code::MechanismParamInvalid);
        assert_eq!(with(cryptoki_sys::CKD_NULL, &[], &peer[..64]), Code::MechanismParamInvalid);
        assert_eq!(derive(&Params::None, &key(value()), &generic).unwrap_err(), Code::MechanismParamInvalid);
        for (request, code) in [
            (KeyRequest { key_type: Some(KeyType::AES), ..generic.clone() }, Code::TemplateIncomplete),
            (KeyRequest { value_len: Some(33), ..generic.clone() }, Code::AttributeValueInvalid),
            (KeyRequest { key_type: Some(KeyType::RSA), ..generic.clone() }, Code::TemplateInconsistent),
            (KeyRequest { policy: Policy::Strict, ..generic.clone() }, Code::TemplateInconsistent),
        ] {
            assert_eq!(run(value(), peer.clone(), &request).unwrap_err(), code);
        }
    }
}
