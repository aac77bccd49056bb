//! ECDH: key agreement (`C_DeriveKey`) and, with a key pair made for it, encapsulation. With an HSM key the secret stays
//! inside, whole and for deriving from; with a clear key AWS-LC computes it, and all key derivation functions are there.
//!
//! Why no key derivation function on the secret of an HSM key: the device has HKDF only, and what it does not compute
//! it does not give out.

use std::sync::Arc;

use aws_lc_rs::agreement as engine;
use transport::partition::{Curve, FacetKind, Partition};
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::digest::Hash;
use crate::ec;
use crate::error::{Code, Result};
use crate::key::{Key, KeyRequest, Material, NewKey, Origin, PublicKey, Value};
use crate::params::{Params, Shape};
use crate::secret;
use crate::table::{Derivation, Derived, Encapsulate, Encapsulated, Row};

/// PKCS#11 v3.2, 6.3.17 and 6.3.18. The cofactor of the three curves is 1, so both are the same.
pub(crate) const ROWS: &[Row] =
    &[row(MechanismType::ECDH1_DERIVE, "6.3.17"), row(MechanismType::ECDH1_COFACTOR_DERIVE, "6.3.18")];

const fn row(kind: MechanismType, section: &'static str) -> Row {
    Row {
        section,
        keys: &[KeyType::EC],
        min_size: 256,
        max_size: 521,
        shape: Shape::Ecdh1,
        hardware: true,
        derives_for_deriving: true,
        derive: Some(|from| derive(from).map(Derived::Key)),
        encapsulate: Some(Encapsulate { ciphertext_len, run: encapsulate }),
        decapsulate: Some(decapsulate),
        ..Row::none(kind)
    }
}

/// How the shared secret becomes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kdf {
    /// It is the key.
    Null,
    /// ANSI X9.63: hash(secret || counter || shared data), from 1.
    X963(Hash),
    /// NIST SP 800-56A, 5.8.1.1 (in revision 3: SP 800-56C, 4.1): hash(counter || secret || shared data), from 1.
    Sp800(Hash),
}

impl Kdf {
    /// A `CKD_` number and its shared data.
    pub(crate) fn new(kdf: u64, shared: &[u8]) -> Result<Self> {
        let kdf = match kdf {
            cryptoki_sys::CKD_NULL if shared.is_empty() => Self::Null,
            cryptoki_sys::CKD_NULL => {
                return Err(Code::MechanismParamInvalid.because("CKD_NULL takes no shared data"));
            }
            cryptoki_sys::CKD_SHA1_KDF => Self::X963(Hash::Sha1),
            cryptoki_sys::CKD_SHA224_KDF => Self::X963(Hash::Sha224),
            cryptoki_sys::CKD_SHA256_KDF => Self::X963(Hash::Sha256),
            cryptoki_sys::CKD_SHA384_KDF => Self::X963(Hash::Sha384),
            cryptoki_sys::CKD_SHA512_KDF => Self::X963(Hash::Sha512),
            cryptoki_sys::CKD_SHA3_224_KDF => Self::X963(Hash::Sha3_224),
            cryptoki_sys::CKD_SHA3_256_KDF => Self::X963(Hash::Sha3_256),
            cryptoki_sys::CKD_SHA3_384_KDF => Self::X963(Hash::Sha3_384),
            cryptoki_sys::CKD_SHA3_512_KDF => Self::X963(Hash::Sha3_512),
            cryptoki_sys::CKD_SHA1_KDF_SP800 => Self::Sp800(Hash::Sha1),
            cryptoki_sys::CKD_SHA224_KDF_SP800 => Self::Sp800(Hash::Sha224),
            cryptoki_sys::CKD_SHA256_KDF_SP800 => Self::Sp800(Hash::Sha256),
            cryptoki_sys::CKD_SHA384_KDF_SP800 => Self::Sp800(Hash::Sha384),
            cryptoki_sys::CKD_SHA512_KDF_SP800 => Self::Sp800(Hash::Sha512),
            cryptoki_sys::CKD_SHA3_224_KDF_SP800 => Self::Sp800(Hash::Sha3_224),
            cryptoki_sys::CKD_SHA3_256_KDF_SP800 => Self::Sp800(Hash::Sha3_256),
            cryptoki_sys::CKD_SHA3_384_KDF_SP800 => Self::Sp800(Hash::Sha3_384),
            cryptoki_sys::CKD_SHA3_512_KDF_SP800 => Self::Sp800(Hash::Sha3_512),
            other => return Err(Code::MechanismParamInvalid.because(format_args!("kdf {other:#x} is not offered"))),
        };
        Ok(kdf)
    }

    /// The key of `len` bytes; without a function "the truncation removes bytes from the leading end" (6.3.17).
    pub(crate) fn run(self, secret: &[u8], shared: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
        let (hash, counter_first) = match self {
            Self::Null => return Zeroizing::new(secret[secret.len() - len..].to_vec()),
            Self::X963(hash) => (hash, false),
            Self::Sp800(hash) => (hash, true),
        };
        let mut out = Zeroizing::new(Vec::with_capacity(len.next_multiple_of(hash.len())));
        let mut counter = 0_u32;
        while out.len() < len {
            counter += 1;
            let mut context = hash.context();
            if counter_first {
                context.update(&counter.to_be_bytes());
            }
            context.update(secret);
            if !counter_first {
                context.update(&counter.to_be_bytes());
            }
            context.update(shared);
            out.extend_from_slice(&Zeroizing::new(context.finish().to_vec()));
        }
        out.truncate(len);
        out
    }

    /// The type and length of the key: what the template says, else of a generic secret the whole shared secret.
    fn key(self, request: &KeyRequest, curve: Curve) -> Result<(KeyType, usize)> {
        match self {
            Self::Null => secret::derived(request, Some(curve.len()), curve.len()),
            Self::X963(_) | Self::Sp800(_) => secret::derived(request, None, secret::MAX_LEN),
        }
    }
}

/// The parameter, read.
struct Agreement<'a> {
    kdf: Kdf,
    shared: &'a [u8],
    public: &'a [u8],
}

impl<'a> Agreement<'a> {
    fn parse(params: &'a Params) -> Result<Self> {
        let Params::Ecdh1 { kdf, shared, public } = params else { return Err(Code::MechanismParamInvalid.into()) };
        Ok(Self { kdf: Kdf::new(*kdf, shared)?, shared, public })
    }

    /// The parameter of encapsulation, which has no public key of the other side.
    fn without_peer(params: &'a Params) -> Result<Self> {
        let agreement = Self::parse(params)?;
        if agreement.public.is_empty() {
            return Ok(agreement);
        }
        Err(Code::MechanismParamInvalid.because("encapsulation takes no public key in its parameter"))
    }

    /// The key that `key` and the point of the other side have in common.
    fn with(&self, key: &Key, peer: &[u8], request: &KeyRequest) -> Result<NewKey> {
        let (curve, _) = ec::public_half(key)?;
        let (key_type, len) = self.kdf.key(request, curve)?;
        match &key.material {
            Material::Hsm(key, partition) => {
                if self.kdf != Kdf::Null {
                    return Err(Code::MechanismParamInvalid.because(
                        "the HSM gives its secret to HKDF only: CKD_NULL, and CKM_HKDF_DERIVE from what that makes",
                    ));
                }
                if !stays_inside(request, key_type, len, curve) {
                    return Err(Code::TemplateInconsistent.because(
                        "the secret of an HSM key stays whole in the HSM, as a generic secret to derive from: not \
                         extractable, not an AES key, not shortened",
                    ));
                }
                let derived = partition.ecdh(key, peer)?;
                Ok(secret::in_hsm(derived, partition, key_type, Some(len), Origin::Device))
            }
            Material::Clear(value) => {
                let whole = agree(curve, value, peer)?;
                secret::derived_here(self.kdf.run(&whole, self.shared, len), key_type, request)
            }
            Material::Public(_) => Err(Code::KeyTypeInconsistent.because("deriving needs a private key")),
        }
    }
}

/// Whether the secret of an HSM key can be what the template asks for.
fn stays_inside(request: &KeyRequest, key_type: KeyType, len: usize, curve: Curve) -> bool {
    !request.extractable && key_type != KeyType::AES && len == curve.len()
}

fn derive(from: &Derivation<'_>) -> Result<NewKey> {
    let agreement = Agreement::parse(from.params)?;
    let (curve, _) = ec::public_half(from.base)?;
    let peer = ec::point(curve, agreement.public)
        .map_err(|_| Code::MechanismParamInvalid.because("the peer's public key is no point of the curve"))?;
    agreement.with(from.base, &peer, from.request)
}

fn ciphertext_len(params: &Params, public: &Key) -> Result<usize> {
    Agreement::without_peer(params)?;
    let (_, point) = ec::public_half(public)?;
    Ok(point.len())
}

/// A key pair for this once: its public point is the ciphertext. What stays in the HSM on the other side may do so here
/// too: then the device makes the pair.
fn encapsulate(from: &Derivation<'_>) -> Result<Encapsulated> {
    let agreement = Agreement::without_peer(from.params)?;
    let Material::Public(_) = from.base.material else {
        return Err(Code::KeyTypeInconsistent.because("encapsulation needs a public key"));
    };
    let (curve, peer) = ec::public_half(from.base)?;
    let (key_type, len) = agreement.kdf.key(from.request, curve)?;
    let for_deriving = from.request.derive && !from.request.sign && !from.request.decrypt;
    if let Some(partition) = from.partition
        && agreement.kdf == Kdf::Null
        && for_deriving
        && stays_inside(from.request, key_type, len, curve)
    {
        return encapsulate_inside(curve, &peer, key_type, partition);
    }
    let ours = ec::generate_value(curve)?;
    let PublicKey::Ec { point, .. } = ours.public()? else { return Err(Code::KeyTypeInconsistent.into()) };
    let ours = Key { key_type: KeyType::EC, material: Material::Clear(Arc::new(ours)), public: None };
    Ok(Encapsulated { ciphertext: point, key: agreement.with(&ours, &peer, from.request)? })
}

fn encapsulate_inside(
    curve: Curve,
    peer: &[u8],
    key_type: KeyType,
    partition: &Arc<Partition>,
) -> Result<Encapsulated> {
    let (ours, point) = partition.generate_ec(curve, FacetKind::EcDerive)?;
    let derived = partition.ecdh(&ours, peer);
    // It has done what it was made for.
    partition.forget(&ours);
    let ciphertext =
        ec::point(curve, &point).map_err(|_| Code::DeviceError.because("a point that is not on its curve"))?;
    let key = secret::in_hsm(derived?, partition, key_type, Some(curve.len()), Origin::Device);
    Ok(Encapsulated { ciphertext, key })
}

fn decapsulate(from: &Derivation<'_>, ciphertext: &[u8]) -> Result<NewKey> {
    let agreement = Agreement::without_peer(from.params)?;
    let (curve, _) = ec::public_half(from.base)?;
    let peer = ec::point(curve, ciphertext)
        .map_err(|_| Code::WrappedKeyInvalid.because("the ciphertext is no point of the curve"))?;
    agreement.with(from.base, &peer, from.request)
}

pub(crate) fn agree(curve: Curve, value: &Value, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
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
    use super::*;
    use crate::key::Policy;
    use crate::table;
    use crate::testing::{self, bytes_of, hex};

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
        run_with(&params(peer), value, request)
    }

    fn run_with(params: &Params, value: Value, request: &KeyRequest) -> Result<Vec<u8>> {
        testing::derive(MechanismType::ECDH1_DERIVE, params, &key(value), &[], request).map(bytes_of)
    }

    fn asking(key_type: KeyType, value_len: usize) -> KeyRequest {
        KeyRequest { key_type: Some(key_type), value_len: Some(value_len), ..KeyRequest::default() }
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
            assert_eq!(run(one, point_two, &asking(KeyType::AES, 16)).unwrap(), expected[curve.len() - 16..]);
        }
    }

    /// NIST CAVP, component testing, ANS X9.63-2001; the others with Python's hashlib, and both are the definition.
    #[test]
    fn known_answers_of_the_key_derivation_functions() {
        for (kdf, secret, shared, expected) in [
            (
                cryptoki_sys::CKD_SHA1_KDF,
                "1c7d7b5f0597b03d06a018466ed1a93e30ed4b04dc64ccdd",
                "",
                "bf71dffd8f4d99223936beb46fee8ccc",
            ),
            (
                cryptoki_sys::CKD_SHA256_KDF,
                "96c05619d56c328ab95fe84b18264b08725b85e33fd34f08",
                "",
                "443024c3dae66b95e6f5670601558f71",
            ),
            (
                cryptoki_sys::CKD_SHA256_KDF,
                "22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d",
                "75eef81aa3041e33b80971203d2c0c52",
                "c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e\
                 52a13d9c7c6fc878c50c5ea0bc7b00e0da2447cfd874f6cf92f30d0097111485\
                 500c90c3af8b487872d04685d14c8d1dc8d7fa08beb0ce0ababc11f0bd496269\
                 142d43525a78e5bc79a17f59676a5706dc54d54d4d1f0bd7e386128ec26afc21",
            ),
            (
                cryptoki_sys::CKD_SHA256_KDF_SP800,
                "96c05619d56c328ab95fe84b18264b08725b85e33fd34f08",
                "75eef81aa3041e33b80971203d2c8c52",
                "cf4872839942d9ac07363e62cc562798",
            ),
        ] {
            let (secret, shared, expected) = (hex(secret), hex(shared), hex(expected));
            let kdf = Kdf::new(kdf, &shared).unwrap();
            assert_eq!(*kdf.run(&secret, &shared, expected.len()), expected);
        }
    }

    #[test]
    fn the_key_derivation_functions_by_their_definition() {
        for (x963, sp800, hash) in [
            (cryptoki_sys::CKD_SHA1_KDF, cryptoki_sys::CKD_SHA1_KDF_SP800, Hash::Sha1),
            (cryptoki_sys::CKD_SHA224_KDF, cryptoki_sys::CKD_SHA224_KDF_SP800, Hash::Sha224),
            (cryptoki_sys::CKD_SHA256_KDF, cryptoki_sys::CKD_SHA256_KDF_SP800, Hash::Sha256),
            (cryptoki_sys::CKD_SHA384_KDF, cryptoki_sys::CKD_SHA384_KDF_SP800, Hash::Sha384),
            (cryptoki_sys::CKD_SHA512_KDF, cryptoki_sys::CKD_SHA512_KDF_SP800, Hash::Sha512),
            (cryptoki_sys::CKD_SHA3_224_KDF, cryptoki_sys::CKD_SHA3_224_KDF_SP800, Hash::Sha3_224),
            (cryptoki_sys::CKD_SHA3_256_KDF, cryptoki_sys::CKD_SHA3_256_KDF_SP800, Hash::Sha3_256),
            (cryptoki_sys::CKD_SHA3_384_KDF, cryptoki_sys::CKD_SHA3_384_KDF_SP800, Hash::Sha3_384),
            (cryptoki_sys::CKD_SHA3_512_KDF, cryptoki_sys::CKD_SHA3_512_KDF_SP800, Hash::Sha3_512),
        ] {
            let (one, two) = (
                || ec::private_from_scalar(Curve::P256, &[5]).unwrap(),
                point_of(&ec::generate_value(Curve::P256).unwrap()),
            );
            let secret = run(one(), two.clone(), &KeyRequest::default()).unwrap();
            for len in [1, 16, hash.len(), hash.len() + 1, 2 * hash.len(), 512] {
                for (kdf, counter_first) in [(x963, false), (sp800, true)] {
                    let whole: Vec<u8> = (1..=len.div_ceil(hash.len()))
                        .flat_map(|counter| {
                            let counter = u32::try_from(counter).unwrap().to_be_bytes();
                            let (front, back) =
                                if counter_first { (&counter[..], &secret[..]) } else { (&secret[..], &counter[..]) };
                            hash.digest(&[front, back, b"shared"].concat()).to_vec()
                        })
                        .collect();
                    let params = Params::Ecdh1 { kdf, shared: b"shared".to_vec(), public: two.clone() };
                    let made = run_with(&params, one(), &asking(KeyType::GENERIC_SECRET, len)).unwrap();
                    assert_eq!(made, whole[..len], "{hash:?} {len} {counter_first}");
                }
            }
        }
    }

    #[test]
    fn encapsulated_for_both_sides() {
        for kind in [MechanismType::ECDH1_DERIVE, MechanismType::ECDH1_COFACTOR_DERIVE] {
            let row = table::row(kind).unwrap();
            let (encapsulate, decapsulate) = (row.encapsulate.unwrap(), row.decapsulate.unwrap());
            for curve in ec::CURVES {
                let private = key(ec::generate_value(curve).unwrap());
                let (_, point) = ec::public_half(&private).unwrap();
                let public = Material::Public(Arc::new(ec::public(curve, &point).unwrap()));
                let public = Key { key_type: KeyType::EC, material: public, public: None };
                for (kdf, request) in [
                    (cryptoki_sys::CKD_NULL, KeyRequest::default()),
                    (cryptoki_sys::CKD_NULL, asking(KeyType::AES, 32)),
                    (cryptoki_sys::CKD_SHA512_KDF, asking(KeyType::GENERIC_SECRET, 100)),
                ] {
                    let params = Params::Ecdh1 { kdf, shared: vec![], public: vec![] };
                    let from =
                        |base| Derivation { params: &params, base, others: &[], request: &request, partition: None };
                    let made = (encapsulate.run)(&from(&public)).unwrap();
                    assert_eq!((encapsulate.ciphertext_len)(&params, &public).unwrap(), made.ciphertext.len());
                    assert_ne!(made.ciphertext, point);
                    let there = decapsulate(&from(&private), &made.ciphertext).unwrap();
                    assert_eq!(bytes_of(made.key), bytes_of(there));

                    let refused = decapsulate(&from(&private), &made.ciphertext[1..]).unwrap_err();
                    assert_eq!(refused, Code::WrappedKeyInvalid);
                    let outcome = (encapsulate.run)(&from(&private)).unwrap_err();
                    assert_eq!(outcome, Code::KeyTypeInconsistent);
                }
                let with_peer = Params::Ecdh1 { kdf: cryptoki_sys::CKD_NULL, shared: vec![], public: point };
                let refused = (encapsulate.ciphertext_len)(&with_peer, &public).unwrap_err();
                assert_eq!(refused, Code::MechanismParamInvalid);
            }
        }
    }

    #[test]
    fn misuse() {
        let value = || ec::generate_value(Curve::P256).unwrap();
        let peer = point_of(&value());
        let generic = KeyRequest::default();
        let with = |kdf, shared: &[u8], public: &[u8]| {
            let params = Params::Ecdh1 { kdf, shared: shared.to_vec(), public: public.to_vec() };
            run_with(&params, value(), &generic).unwrap_err()
        };
        assert_eq!(with(cryptoki_sys::CKD_SHA1_KDF_ASN1, &[], &peer), Code::MechanismParamInvalid);
        assert_eq!(with(cryptoki_sys::CKD_NULL, b"x", &peer), Code::MechanismParamInvalid);
        assert_eq!(with(cryptoki_sys::CKD_NULL, &[], &peer[..64]), Code::MechanismParamInvalid);
        assert_eq!(with(cryptoki_sys::CKD_SHA1_KDF, &[], &peer), Code::TemplateIncomplete, "no length of its own");
        assert_eq!(run_with(&Params::None, value(), &generic).unwrap_err(), Code::MechanismParamInvalid);
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
