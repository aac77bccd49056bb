//! Elliptic-curve keys: curve names, points, validation, generation, import.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::signature as engine;
use der::{Decode, Encode};
use p256::elliptic_curve::sec1::ToSec1Point;
use pkcs8::EncodePrivateKey;
use transport::partition::{Curve, ImportValue, Partition};
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::error::{Code, Result};
use crate::key::{Key, KeyRequest, Material, NewKey, Origin, Policy, PublicKey, Residency, Value};
use crate::params::Params;
use crate::residency::{self, Home};
use crate::secret;
use crate::table::Row;

/// PKCS#11 v3.2, 6.3.9.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.3.9",
    keys: &[KeyType::EC],
    min_size: 256,
    max_size: 521,
    hardware: true,
    generate_pair: Some(generate),
    ..Row::none(MechanismType::EC_KEY_PAIR_GEN)
}];

/// Runs an expression with `$module` naming the curve's crate.
macro_rules! on_curve {
    ($curve:expr, $module:ident => $body:expr) => {
        match $curve {
            Curve::P256 => {
                use p256 as $module;
                $body
            }
            Curve::P384 => {
                use p384 as $module;
                $body
            }
            Curve::P521 => {
                use p521 as $module;
                $body
            }
        }
    };
}

/// `CKA_EC_PARAMS` of a curve: the DER of its named-curve OID (RFC 5480).
pub fn params_of(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        Curve::P384 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
        Curve::P521 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23],
    }
}

/// The curve that `CKA_EC_PARAMS` names. Another OID, or the printable name of an Edwards or Montgomery curve, is
/// `CKR_CURVE_NOT_SUPPORTED`; another name, explicit parameters and nonsense are `CKR_DOMAIN_PARAMS_INVALID`
/// (PKCS#11 v3.2, 6.3: "an unsupported representation").
pub fn curve_from_params(params: &[u8]) -> Result<Curve> {
    if let Some(curve) = CURVES.into_iter().find(|curve| params_of(*curve) == params) {
        return Ok(curve);
    }
    let Ok(any) = der::AnyRef::from_der(params) else {
        return Err(Code::DomainParamsInvalid.because("CKA_EC_PARAMS is not DER"));
    };
    match der::Tagged::tag(&any) {
        der::Tag::ObjectIdentifier => match any.decode_as::<der::oid::ObjectIdentifier>() {
            Ok(oid) => Err(Code::CurveNotSupported.because(format_args!("curve {oid}"))),
            Err(_) => Err(Code::DomainParamsInvalid.because("CKA_EC_PARAMS holds a broken OID")),
        },
        der::Tag::PrintableString if OTHER_FORMS.contains(&any.value()) => {
            Err(Code::CurveNotSupported.because("an Edwards or Montgomery curve"))
        }
        der::Tag::PrintableString => Err(Code::DomainParamsInvalid.because("a curve by name; give its OID")),
        der::Tag::Sequence => Err(Code::DomainParamsInvalid.because("explicit curve parameters; give the curve's OID")),
        tag => Err(Code::DomainParamsInvalid.because(format_args!("CKA_EC_PARAMS is a {tag}"))),
    }
}

/// The uncompressed, validated point in `CKA_EC_POINT` or `pPublicData`, which may be bare or in a DER OCTET STRING,
/// compressed or not: consumers differ, and all four are told apart by their first byte and length.
pub fn point(curve: Curve, encoded: &[u8]) -> Result<Vec<u8>> {
    let len = curve.len();
    let shaped = |point: &[u8]| match point.first() {
        Some(4) => point.len() == 1 + 2 * len,
        Some(2 | 3) => point.len() == 1 + len,
        _ => false,
    };
    // Bare first: 04 is also the tag of OCTET STRING, and a coordinate may begin like a length.
    let bare = if shaped(encoded) {
        Some(encoded)
    } else {
        <&der::asn1::OctetStringRef>::from_der(encoded)
            .ok()
            .map(der::asn1::OctetStringRef::as_bytes)
            .filter(|inner| shaped(inner))
    };
    bare.and_then(|bare| {
        on_curve!(curve, ec => {
            ec::PublicKey::from_sec1_bytes(bare).ok().map(|key| key.to_sec1_point(false).as_bytes().to_vec())
        })
    })
    .ok_or_else(|| Code::AttributeValueInvalid.because("not a point of the curve"))
}

/// A validated public key from `CKA_EC_PARAMS`' curve and `CKA_EC_POINT`.
pub fn public(curve: Curve, encoded_point: &[u8]) -> Result<PublicKey> {
    Ok(PublicKey::Ec { curve, point: point(curve, encoded_point)? })
}

/// A point in its DER OCTET STRING: `CKA_EC_POINT`.
pub(crate) fn point_attribute(point: &[u8]) -> Vec<u8> {
    let [.., high, low] = point.len().to_be_bytes();
    let header: &[u8] = match (high, low) {
        (0, 0..0x80) => &[0x04, low],
        (0, _) => &[0x04, 0x81, low],
        _ => &[0x04, 0x82, high, low],
    };
    [header, point].concat()
}

/// `SubjectPublicKeyInfo` DER (RFC 5480).
pub(crate) fn spki(curve: Curve, point: &[u8]) -> Result<Vec<u8>> {
    on_curve!(curve, ec => {
        let key = ec::PublicKey::from_sec1_bytes(point).ok();
        key.and_then(|key| pkcs8::EncodePublicKey::to_public_key_der(&key).ok()).map(|der| der.as_bytes().to_vec())
    })
    .ok_or_else(|| Code::AttributeValueInvalid.because("not a point of the curve"))
}

/// A private key from its scalar, big-endian; longer or shorter than the curve's length by zeros at the front only.
pub fn private_from_scalar(curve: Curve, scalar: &[u8]) -> Result<Value> {
    let bad = || Code::AttributeValueInvalid.because("not a private scalar of the curve");
    let first = scalar.iter().position(|byte| *byte != 0).unwrap_or(scalar.len());
    let digits = &scalar[first..];
    let mut padded = Zeroizing::new(vec![0; curve.len()]);
    let start = padded.len().checked_sub(digits.len()).ok_or_else(bad)?;
    padded[start..].copy_from_slice(digits);
    let der = on_curve!(curve, ec => {
        ec::SecretKey::from_slice(&padded).map_err(|_| bad())?.to_pkcs8_der().map_err(|_| bad())?.to_bytes()
    });
    Ok(Value::Ec(curve, der))
}

/// A private key from PKCS#8 DER; the public key inside, if there is one, must fit.
pub fn private_from_pkcs8(der: &[u8]) -> Result<Value> {
    let bad = || Code::AttributeValueInvalid.because("not an EC private key on P-256, P-384 or P-521");
    let info = pkcs8::PrivateKeyInfoRef::from_der(der).map_err(|_| bad())?;
    let params = info.algorithm.parameters.and_then(|any| any.to_der().ok()).ok_or_else(bad)?;
    let curve = curve_from_params(&params)?;
    let inner = sec1::EcPrivateKey::from_der(info.private_key.as_bytes()).map_err(|_| bad())?;
    let value = private_from_scalar(curve, inner.private_key)?;
    match inner.public_key {
        Some(given) if public(curve, given)? != value.public()? => Err(bad()),
        _ => Ok(value),
    }
}

/// The scalar of a private key, big-endian, as long as the curve.
pub fn scalar(value: &Value) -> Result<Zeroizing<Vec<u8>>> {
    let Value::Ec(curve, der) = value else { return Err(Code::KeyTypeInconsistent.into()) };
    let scalar = Zeroizing::new(inner(der)?.private_key.to_vec());
    if scalar.len() == curve.len() { Ok(scalar) } else { Err(undecodable()) }
}

/// The public half of PKCS#8 DER on `curve`.
pub(crate) fn public_of(curve: Curve, der: &[u8]) -> Result<PublicKey> {
    // It was validated when the value was made.
    let point = inner(der)?.public_key.ok_or_else(undecodable)?.to_vec();
    Ok(PublicKey::Ec { curve, point })
}

/// The `ECPrivateKey` (RFC 5915) in PKCS#8 DER.
fn inner(der: &[u8]) -> Result<sec1::EcPrivateKey<'_>> {
    let info = pkcs8::PrivateKeyInfoRef::from_der(der).map_err(|_| undecodable())?;
    sec1::EcPrivateKey::from_der(info.private_key.as_bytes()).map_err(|_| undecodable())
}

fn undecodable() -> crate::Error {
    Code::GeneralError.because("a stored EC key does not decode")
}

fn pkcs8_of(value: &Value) -> Result<Zeroizing<Vec<u8>>> {
    match value {
        Value::Ec(_, der) => Ok(der.clone()),
        Value::Secret(_) | Value::Rsa(_) => Err(Code::KeyTypeInconsistent.into()),
    }
}

/// The curve and point that a key, private or public, has.
pub(crate) fn public_half(key: &Key) -> Result<(Curve, Vec<u8>)> {
    let public = match (&key.material, &key.public) {
        (Material::Public(public), _) | (_, Some(public)) => public.as_ref().clone(),
        (Material::Clear(value), None) => value.public()?,
        (Material::Hsm(..), None) => return Err(Code::GeneralError.because("an HSM key without its public half")),
    };
    match public {
        PublicKey::Ec { curve, point } => Ok((curve, point)),
        PublicKey::Rsa { .. } => Err(Code::KeyTypeInconsistent.into()),
    }
}

fn generate(_params: &Params, request: &KeyRequest, partition: &Arc<Partition>) -> Result<NewKey> {
    let curve = request.curve.ok_or_else(|| Code::TemplateIncomplete.because("CKA_EC_PARAMS is missing"))?;
    match residency::ec(request).under(request.policy)? {
        Home::Hsm(facets) => {
            if let [facet] = facets[..] {
                let (key, point) = partition.generate_ec(curve, facet)?;
                let point =
                    self::point(curve, &point).map_err(|_| Code::DeviceError.because("a point off its curve"))?;
                let new = secret::in_hsm(key, partition, KeyType::EC, None, Origin::Device);
                return Ok(NewKey { public: Some(PublicKey::Ec { curve, point }), ..new });
            }
            // The device makes a key for one use; both uses of one value are possible only by importing it twice.
            if request.policy == Policy::Strict {
                return Err(Code::TemplateInconsistent
                    .because("policy strict allows no library-made key, and the HSM makes EC keys for one use only"));
            }
            settle(generate_value(curve)?, &Home::Hsm(facets), Some(partition), Origin::Library)
        }
        home @ Home::Clear(_) => settle(generate_value(curve)?, &home, None, Origin::Library),
    }
}

/// A fresh private key made in this library.
pub(crate) fn generate_value(curve: Curve) -> Result<Value> {
    let algorithm = match curve {
        Curve::P256 => &engine::ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &engine::ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &engine::ECDSA_P521_SHA512_FIXED_SIGNING,
    };
    let failed = |_| Code::FunctionFailed.because("EC key generation failed");
    let pair = engine::EcdsaKeyPair::generate(algorithm).map_err(failed)?;
    let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(failed)?;
    private_from_scalar(curve, scalar.as_ref())
}

/// Takes a private key that came from outside.
pub(crate) fn import(value: Value, request: &KeyRequest, partition: Option<&Arc<Partition>>) -> Result<NewKey> {
    match residency::ec(request).under(request.policy)? {
        home @ Home::Hsm(_) => settle(value, &home, secret::entry(request, partition)?, Origin::Imported),
        home @ Home::Clear(_) => settle(value, &home, None, Origin::Imported),
    }
}

fn settle(value: Value, home: &Home, partition: Option<&Arc<Partition>>, origin: Origin) -> Result<NewKey> {
    let public = Some(value.public()?);
    if let (Home::Hsm(facets), Some(partition)) = (home, partition) {
        let key = partition.import(&ImportValue::Ec(&pkcs8_of(&value)?), facets)?;
        return Ok(NewKey { public, ..secret::in_hsm(key, partition, KeyType::EC, None, origin) });
    }
    Ok(NewKey {
        material: Material::Clear(Arc::new(value)),
        residency: Residency::Sealed,
        origin,
        public,
        key_type: KeyType::EC,
        value_len: None,
    })
}

/// What the standard has a mechanism over EC keys say of them: prime fields, curves by OID, points in both forms.
pub(crate) const FLAGS: u64 = cryptoki_sys::CKF_EC_F_P
    | cryptoki_sys::CKF_EC_OID
    | cryptoki_sys::CKF_EC_UNCOMPRESS
    | cryptoki_sys::CKF_EC_COMPRESS;

/// Names under which the standard has curves that are not in Weierstrass form (PKCS#11 v3.2, 6.3.10 and 6.3.11).
const OTHER_FORMS: [&[u8]; 4] = [b"edwards25519", b"edwards448", b"curve25519", b"curve448"];

/// All curves.
pub const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        if content.len() > 127 {
            out.push(0x81);
        }
        out.push(u8::try_from(content.len()).unwrap());
        out.extend_from_slice(content);
        out
    }

    #[test]
    fn curve_names() {
        for curve in CURVES {
            assert_eq!(curve_from_params(params_of(curve)).unwrap(), curve);
        }
        for (params, code) in [
            (der(6, &[0x2b, 0x81, 0x04, 0x00, 0x0a]), Code::CurveNotSupported), // secp256k1
            (der(0x13, b"edwards25519"), Code::CurveNotSupported),
            (der(0x13, b"secp256r1"), Code::DomainParamsInvalid),
            (der(0x30, &[2, 1, 1]), Code::DomainParamsInvalid),
            (der(5, &[]), Code::DomainParamsInvalid),
            (vec![], Code::DomainParamsInvalid),
            (vec![6, 8, 0x2a], Code::DomainParamsInvalid),
            ([params_of(Curve::P256), &[0]].concat(), Code::DomainParamsInvalid),
        ] {
            assert_eq!(curve_from_params(&params).unwrap_err(), code, "{params:02x?}");
        }
    }

    #[test]
    fn points_in_four_encodings() {
        for curve in CURVES {
            let value = generate_value(curve).unwrap();
            let PublicKey::Ec { point: uncompressed, .. } = value.public().unwrap() else { panic!("an EC key") };
            let len = curve.len();
            let sign = 2 + (uncompressed[2 * len] & 1);
            let compressed = [&[sign][..], &uncompressed[1..=len]].concat();
            for encoded in [uncompressed.clone(), der(4, &uncompressed), compressed.clone(), der(4, &compressed)] {
                assert_eq!(point(curve, &encoded).unwrap(), uncompressed);
            }
            let mut off = uncompressed.clone();
            off[2 * len] ^= 1;
            for encoded in [off, vec![], vec![0], uncompressed[..2 * len].to_vec(), vec![4; 1 + 2 * len]] {
                assert_eq!(point(curve, &encoded).unwrap_err(), Code::AttributeValueInvalid);
            }
        }
        let p256 = generate_value(Curve::P256).unwrap().public().unwrap();
        let PublicKey::Ec { point: other, .. } = p256 else { panic!("an EC key") };
        assert_eq!(point(Curve::P384, &other).unwrap_err(), Code::AttributeValueInvalid);
    }

    #[test]
    fn attributes_read_back() {
        for curve in CURVES {
            let public = generate_value(curve).unwrap().public().unwrap();
            let (params, point) = public.ec_attributes().unwrap();
            assert_eq!(super::public(curve_from_params(&params).unwrap(), &point).unwrap(), public);
            assert_eq!(point.len(), if curve == Curve::P521 { 136 } else { 3 + 2 * curve.len() });
            let spki = public.to_spki().unwrap();
            assert!(spki.ends_with(&point[point.len() - 1 - 2 * curve.len()..]));
        }
    }

    /// x begins with 3f: the bare point is also a DER OCTET STRING of 63 bytes.
    #[test]
    fn a_bare_point_that_looks_like_der() {
        let looks_like_der = (1u32..).map(u32::to_be_bytes).find_map(|scalar| {
            let value = private_from_scalar(Curve::P256, &scalar).unwrap();
            let PublicKey::Ec { point, .. } = value.public().unwrap() else { panic!("an EC key") };
            (point[1] == 0x3f).then_some(point)
        });
        let bare = looks_like_der.unwrap();
        assert_eq!(point(Curve::P256, &bare).unwrap(), bare);
        assert_eq!(point(Curve::P256, &der(4, &bare)).unwrap(), bare);
    }

    #[test]
    fn scalars_and_their_range() {
        for curve in CURVES {
            let value = generate_value(curve).unwrap();
            let scalar = scalar(&value).unwrap();
            assert_eq!(scalar.len(), curve.len());
            let same = private_from_scalar(curve, &[&[0, 0][..], &scalar].concat()).unwrap();
            assert_eq!(same.public().unwrap(), value.public().unwrap());
            let one = private_from_scalar(curve, &[1]).unwrap();
            assert_eq!(super::scalar(&one).unwrap().last(), Some(&1));
            for bad in [vec![], vec![0; curve.len()], vec![0xff; curve.len()], vec![1; curve.len() + 1]] {
                assert_eq!(private_from_scalar(curve, &bad).unwrap_err(), Code::AttributeValueInvalid);
            }
        }
    }

    #[test]
    fn pkcs8_round_trip_has_public_key_and_no_inner_parameters() {
        for curve in CURVES {
            let value = generate_value(curve).unwrap();
            let der = pkcs8_of(&value).unwrap();
            let info = pkcs8::PrivateKeyInfoRef::from_der(&der).unwrap();
            let inner = sec1::EcPrivateKey::from_der(info.private_key.as_bytes()).unwrap();
            assert!(inner.public_key.is_some() && inner.parameters.is_none(), "semantics 6.6 asks for this form");
            let again = private_from_pkcs8(&der).unwrap();
            assert_eq!(scalar(&again).unwrap(), scalar(&value).unwrap());
        }
        assert_eq!(private_from_pkcs8(b"junk").unwrap_err(), Code::AttributeValueInvalid);
    }

    #[test]
    fn extractable_import_stays_outside() {
        let request = KeyRequest { extractable: true, ..KeyRequest::default() };
        let new = import(generate_value(Curve::P256).unwrap(), &request, None).unwrap();
        assert_eq!((new.residency, new.origin, new.key_type), (Residency::Sealed, Origin::Imported, KeyType::EC));
        assert!(matches!(new.public, Some(PublicKey::Ec { curve: Curve::P256, .. })));
    }
}
