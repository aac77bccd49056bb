//! RSA keys: generation, import, components, encodings.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa as engine;
use rsa::BoxedUint;
use rsa::pkcs1;
use rsa::pkcs8::EncodePrivateKey;
use rsa::pkcs8::der::Decode;
use subtle::ConstantTimeEq;
use transport::partition::{ImportValue, Partition};
use transport::raw_rsa;
use zeroize::Zeroizing;

use super::weak;
use crate::ck::{KeyType, MechanismType};
use crate::error::{Code, Error, Result};
use crate::key::{KeyRequest, Material, NewKey, Origin, Policy, PublicKey, Residency, Value};
use crate::params::Params;
use crate::residency::{self, Home};
use crate::table::Row;
use crate::{random, secret};

/// PKCS#11 v3.2, 6.1.4. The device makes no RSA keys (semantics 8.1): they are made here and imported, so no `CKF_HW`.
pub(crate) const ROWS: &[Row] = &[Row {
    hardware: false,
    made_in_library: true,
    generate_pair: Some(generate),
    ..super::row(MechanismType::RSA_PKCS_KEY_PAIR_GEN, "6.1.4")
}];

/// Sizes of private keys in bits (semantics 6.6).
const SIZES: [usize; 3] = [2048, 3072, 4096];

/// The parts of a private key, big-endian without zeros in front: the attributes of an RSA `CKO_PRIVATE_KEY`.
/// `Debug` shows none of them.
#[expect(missing_docs, reason = "named as the attributes are")]
pub struct Components {
    pub modulus: Vec<u8>,
    pub public_exponent: Vec<u8>,
    pub private_exponent: Zeroizing<Vec<u8>>,
    pub prime_1: Zeroizing<Vec<u8>>,
    pub prime_2: Zeroizing<Vec<u8>>,
    pub exponent_1: Zeroizing<Vec<u8>>,
    pub exponent_2: Zeroizing<Vec<u8>>,
    pub coefficient: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Components {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Components({} bytes)", self.modulus.len())
    }
}

/// All parts of a private key.
pub fn components(value: &Value) -> Result<Components> {
    let Value::Rsa(der) = value else { return Err(Code::KeyTypeInconsistent.into()) };
    let info = rsa::pkcs8::PrivateKeyInfoRef::from_der(der).map_err(|_| undecodable())?;
    let key = pkcs1::RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).map_err(|_| undecodable())?;
    let secret = |number: pkcs1::UintRef<'_>| Zeroizing::new(number.as_bytes().to_vec());
    Ok(Components {
        modulus: key.modulus.as_bytes().to_vec(),
        public_exponent: key.public_exponent.as_bytes().to_vec(),
        private_exponent: secret(key.private_exponent),
        prime_1: secret(key.prime1),
        prime_2: secret(key.prime2),
        exponent_1: secret(key.exponent1),
        exponent_2: secret(key.exponent2),
        coefficient: secret(key.coefficient),
    })
}

fn undecodable() -> Error {
    Code::GeneralError.because("a stored RSA key does not decode")
}

/// The optional parts of a private key that a template may give.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "named as the attributes are")]
pub struct Crt<'a> {
    pub prime_1: Option<&'a [u8]>,
    pub prime_2: Option<&'a [u8]>,
    pub exponent_1: Option<&'a [u8]>,
    pub exponent_2: Option<&'a [u8]>,
    pub coefficient: Option<&'a [u8]>,
}

/// A private key from its parts, big-endian. What `crt` leaves out is computed, what it gives must agree. Sizes other
/// than 2048, 3072 and 4096 bits, parts that do not fit together, and weak keys are `CKR_ATTRIBUTE_VALUE_INVALID`.
pub fn private_from_components(
    modulus: &[u8],
    public_exponent: &[u8],
    private_exponent: &[u8],
    crt: Crt<'_>,
) -> Result<Value> {
    let bad = |why: &str| Code::AttributeValueInvalid.because(format_args!("RSA private key: {why}"));
    let (modulus, public_exponent) = (trimmed(modulus), trimmed(public_exponent));
    check_size(modulus)?;
    weak::public(modulus, public_exponent).map_err(bad)?;
    if public_exponent.len() > 4 {
        return Err(bad("a public exponent of more than 4 bytes, which the HSM does not take"));
    }
    let wide = u32::try_from(modulus.len() * 8).map_err(|_| bad("modulus too long"))?;
    let number = |bytes: &[u8]| BoxedUint::from_be_slice(trimmed(bytes), wide).map_err(|_| bad("a part is too long"));
    let exponent = BoxedUint::from_be_slice_vartime(public_exponent);
    let primes = match (crt.prime_1, crt.prime_2) {
        (Some(p), Some(q)) => vec![number(p)?, number(q)?],
        // Without both primes they are found from d (NIST SP 800-56B, C.2).
        _ => Vec::new(),
    };
    let key = rsa::RsaPrivateKey::from_components(number(modulus)?, exponent, number(private_exponent)?, primes)
        .map_err(|_| bad("its parts do not fit together"))?;
    let der = key.to_pkcs8_der().map_err(|_| bad("it cannot be encoded"))?.to_bytes();
    let value = Value::Rsa(der);
    let computed = components(&value)?;
    for (given, computed) in [
        (crt.prime_1, &computed.prime_1),
        (crt.prime_2, &computed.prime_2),
        (crt.exponent_1, &computed.exponent_1),
        (crt.exponent_2, &computed.exponent_2),
        (crt.coefficient, &computed.coefficient),
    ] {
        // A single prime or exponent may name the factors in the other order only if all the others are left out.
        if given.is_some_and(|given| !bool::from(trimmed(given).ct_eq(computed))) {
            return Err(bad("its CRT values do not fit together"));
        }
    }
    weak::private(&computed.modulus, &computed.private_exponent, &computed.prime_1, &computed.prime_2).map_err(bad)?;
    check_pair(&value).map_err(|_| bad("it does not undo its public half"))?;
    Ok(value)
}

/// A private operation, which AWS-LC checks with the public half: numbers that are no primes fit together too.
fn check_pair(value: &Value) -> Result<()> {
    let Value::Rsa(der) = value else { return Err(Code::KeyTypeInconsistent.into()) };
    let key = raw_rsa::PrivateKey::from_pkcs8(der)?;
    let mut block = Zeroizing::new(vec![0; public_len(&value.public()?)]);
    random::fill(&mut block[1..])?;
    key.apply(&block)?;
    Ok(())
}

fn public_len(public: &PublicKey) -> usize {
    match public {
        PublicKey::Rsa { modulus, .. } => modulus.len(),
        PublicKey::Ec { point, .. } => point.len(),
    }
}

/// A private key from PKCS#8 DER (RFC 5958), brought into the form that the device takes.
pub fn private_from_pkcs8(der: &[u8]) -> Result<Value> {
    let bad = |_| Code::AttributeValueInvalid.because("not an RSA private key in PKCS#8");
    let info = rsa::pkcs8::PrivateKeyInfoRef::from_der(der).map_err(bad)?;
    if info.algorithm.oid != pkcs1::ALGORITHM_OID {
        return Err(Code::AttributeValueInvalid.because("PKCS#8 of another algorithm than rsaEncryption"));
    }
    let key = pkcs1::RsaPrivateKeyRef::from_der(info.private_key.as_bytes())
        .map_err(|_| Code::AttributeValueInvalid.because("not an RSA private key in PKCS#8"))?;
    private_from_components(
        key.modulus.as_bytes(),
        key.public_exponent.as_bytes(),
        key.private_exponent.as_bytes(),
        Crt {
            prime_1: Some(key.prime1.as_bytes()),
            prime_2: Some(key.prime2.as_bytes()),
            exponent_1: Some(key.exponent1.as_bytes()),
            exponent_2: Some(key.exponent2.as_bytes()),
            coefficient: Some(key.coefficient.as_bytes()),
        },
    )
}

/// A validated public key, 1024 to 4096 bits; `CKR_ATTRIBUTE_VALUE_INVALID` for what can be no RSA key, and for keys that
/// are known to be weak. Below 2048 bits it verifies signatures, and does nothing else.
pub fn public(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey> {
    let (modulus, exponent) = (trimmed(modulus), trimmed(exponent));
    weak::public(modulus, exponent)
        .map_err(|why| Code::AttributeValueInvalid.because(format_args!("RSA public key: {why}")))?;
    Ok(PublicKey::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
}

/// The public half of PKCS#8 DER.
pub(crate) fn public_of(der: &[u8]) -> Result<PublicKey> {
    let info = rsa::pkcs8::PrivateKeyInfoRef::from_der(der).map_err(|_| undecodable())?;
    let key = pkcs1::RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).map_err(|_| undecodable())?;
    Ok(PublicKey::Rsa { modulus: key.modulus.as_bytes().to_vec(), exponent: key.public_exponent.as_bytes().to_vec() })
}

/// `SubjectPublicKeyInfo` DER (RFC 8017, A.1).
pub(crate) fn spki(modulus: &[u8], exponent: &[u8]) -> Result<Vec<u8>> {
    transport::ddi::key::spki_from_rsa(modulus, exponent).map_err(|error| Code::AttributeValueInvalid.because(error))
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    &bytes[first..]
}

fn check_size(modulus: &[u8]) -> Result<()> {
    let bits = weak::bits(modulus);
    if SIZES.contains(&bits) {
        Ok(())
    } else {
        Err(Code::AttributeValueInvalid.because(format_args!("an RSA modulus of {bits} bits; 2048, 3072, 4096 are")))
    }
}

fn generate(_params: &Params, request: &KeyRequest, partition: &Arc<Partition>) -> Result<NewKey> {
    if request.policy == Policy::Strict {
        return Err(Code::MechanismInvalid
            .because("policy strict allows no library-made key, and the HSM makes no RSA keys; import one instead"));
    }
    let bits = request.modulus_bits.ok_or_else(|| Code::TemplateIncomplete.because("CKA_MODULUS_BITS is missing"))?;
    if request.public_exponent.as_ref().is_some_and(|exponent| trimmed(exponent) != [1, 0, 1]) {
        // The standard names this code for it.
        return Err(Code::TemplateInconsistent.because("CKA_PUBLIC_EXPONENT other than 65537"));
    }
    let home = residency::rsa(request);
    settle(generate_value(bits)?, &home, Some(partition), Origin::Library)
}

/// A fresh private key with e = 65537, made by AWS-LC.
pub(crate) fn generate_value(bits: usize) -> Result<Value> {
    let size = match bits {
        2048 => engine::KeySize::Rsa2048,
        3072 => engine::KeySize::Rsa3072,
        4096 => engine::KeySize::Rsa4096,
        _ => {
            return Err(Code::AttributeValueInvalid
                .because(format_args!("CKA_MODULUS_BITS {bits}; 2048, 3072 and 4096 are offered")));
        }
    };
    let failed = |_| Code::FunctionFailed.because("RSA key generation failed");
    let pair = engine::KeyPair::generate(size).map_err(failed)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    Ok(Value::Rsa(Zeroizing::new(der.as_ref().to_vec())))
}

/// Takes a private key that came from outside, PKCS#8 DER.
pub(crate) fn import(
    der: Zeroizing<Vec<u8>>,
    request: &KeyRequest,
    partition: Option<&Arc<Partition>>,
) -> Result<NewKey> {
    let value = Value::Rsa(der);
    match residency::rsa(request).under(request.policy)? {
        home @ Home::Hsm(_) => settle(value, &home, secret::entry(request, partition)?, Origin::Imported),
        home @ Home::Clear(_) => settle(value, &home, None, Origin::Imported),
    }
}

fn settle(value: Value, home: &Home, partition: Option<&Arc<Partition>>, origin: Origin) -> Result<NewKey> {
    let public = Some(value.public()?);
    if let (Home::Hsm(facets), Some(partition), Value::Rsa(der)) = (home, partition, &value) {
        let key = partition.import(&ImportValue::Rsa(der), facets)?;
        return Ok(NewKey { public, ..secret::in_hsm(key, partition, KeyType::RSA, None, origin) });
    }
    Ok(NewKey {
        material: Material::Clear(Arc::new(value)),
        residency: Residency::Sealed,
        origin,
        public,
        key_type: KeyType::RSA,
        value_len: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crt(parts: &Components) -> Crt<'_> {
        Crt {
            prime_1: Some(&parts.prime_1),
            prime_2: Some(&parts.prime_2),
            exponent_1: Some(&parts.exponent_1),
            exponent_2: Some(&parts.exponent_2),
            coefficient: Some(&parts.coefficient),
        }
    }

    fn rebuilt(parts: &Components, crt: Crt<'_>) -> Result<Value> {
        private_from_components(&parts.modulus, &parts.public_exponent, &parts.private_exponent, crt)
    }

    #[test]
    fn components_and_back() {
        for bits in [2048, 3072] {
            let value = generate_value(bits).unwrap();
            let parts = components(&value).unwrap();
            assert_eq!((parts.modulus.len(), &parts.public_exponent[..]), (bits / 8, &[1, 0, 1][..]));
            for crt in [
                crt(&parts),
                Crt { coefficient: None, ..crt(&parts) },
                Crt { prime_1: Some(&parts.prime_1), prime_2: Some(&parts.prime_2), ..Crt::default() },
            ] {
                let again = rebuilt(&parts, crt).unwrap();
                assert_eq!(components(&again).unwrap().coefficient, parts.coefficient);
                assert_eq!(again.public().unwrap(), value.public().unwrap());
            }
            let Value::Rsa(der) = &value else { panic!("an RSA key") };
            let again = private_from_pkcs8(der).unwrap();
            assert_eq!(components(&again).unwrap().private_exponent, parts.private_exponent);
            let Value::Rsa(again) = again else { panic!("an RSA key") };
            assert!(engine::KeyPair::from_pkcs8(&again).is_ok(), "AWS-LC accepts what we encode");
        }
    }

    #[test]
    fn primes_are_found_from_the_private_exponent() {
        let value = generate_value(2048).unwrap();
        let parts = components(&value).unwrap();
        let again = rebuilt(&parts, Crt::default()).unwrap();
        let found = components(&again).unwrap();
        assert!(found.prime_1 == parts.prime_1 || found.prime_1 == parts.prime_2);
    }

    #[test]
    fn inconsistent_components_are_refused() {
        let parts = components(&generate_value(2048).unwrap()).unwrap();
        let other = components(&generate_value(2048).unwrap()).unwrap();
        let good = || crt(&parts);
        for bad in [
            Crt { prime_1: Some(&other.prime_1), ..good() },
            Crt { exponent_1: Some(&other.exponent_1), ..good() },
            Crt { exponent_2: Some(&[]), ..good() },
            Crt { coefficient: Some(&other.coefficient), ..good() },
            Crt { prime_1: good().prime_2, prime_2: good().prime_1, ..good() },
        ] {
            assert_eq!(rebuilt(&parts, bad).unwrap_err(), Code::AttributeValueInvalid);
        }
        for (n, e, d) in [
            (&other.modulus[..], &parts.public_exponent[..], &parts.private_exponent[..]),
            (&parts.modulus[..128], &parts.public_exponent[..], &parts.private_exponent[..]),
            (&parts.modulus[..], &[3][..], &parts.private_exponent[..]),
            (&parts.modulus[..], &[][..], &parts.private_exponent[..]),
            (&parts.modulus[..], &parts.public_exponent[..], &other.private_exponent[..]),
            (&[][..], &parts.public_exponent[..], &parts.private_exponent[..]),
            (&parts.modulus[..], &parts.public_exponent[..], &[1; 300][..]),
        ] {
            assert_eq!(private_from_components(n, e, d, good()).unwrap_err(), Code::AttributeValueInvalid);
        }
        assert_eq!(private_from_pkcs8(b"junk").unwrap_err(), Code::AttributeValueInvalid);
    }

    #[test]
    fn public_keys() {
        let value = generate_value(2048).unwrap();
        let Ok(PublicKey::Rsa { modulus, exponent }) = value.public() else { panic!("an RSA key") };
        assert_eq!(public(&[&[0][..], &modulus].concat(), &[0, 1, 0, 1]).unwrap(), value.public().unwrap());
        let spki = value.public().unwrap().to_spki().unwrap();
        assert!(aws_lc_rs::rsa::PublicEncryptingKey::from_der(&spki).is_ok());
        let mut even = modulus.clone();
        even[255] ^= 1;
        for (n, e) in [
            (&even[..], &exponent[..]),
            (&modulus[..127], &exponent[..]),
            (&modulus[..], &[2][..]),
            (&modulus[..], &[1][..]),
            (&modulus[..], &[0][..]),
            (&modulus[..], &[0xff; 9][..]),
        ] {
            assert_eq!(public(n, e).unwrap_err(), Code::AttributeValueInvalid);
        }
    }

    #[test]
    fn sizes_and_exponents_of_generation() {
        for bits in [0, 1024, 2047, 2049, 8192] {
            assert_eq!(generate_value(bits).unwrap_err(), Code::AttributeValueInvalid);
        }
    }
}
