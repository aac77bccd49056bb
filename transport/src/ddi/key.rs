//! Public keys: `SubjectPublicKeyInfo` (RFC 5280, 4.1.2.7) to and from points (RFC 5480) and RSA numbers (RFC 8017, A.1.1).

use der::asn1::{AnyRef, BitStringRef, Null, ObjectIdentifier, UintRef};
use der::{Decode, Encode, Sequence};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::{CodecError, EccCurve, KeyType};

/// The SPKI of an uncompressed point `04 || x || y` (65, 97 or 133 bytes). Whether the point is on the curve is the
/// caller's question.
pub fn spki_from_point(curve: EccCurve, point: &[u8]) -> Result<Vec<u8>, CodecError> {
    let n = coordinate_len(curve).ok_or(CodecError::PublicKey("unknown curve"))?;
    if point.first() != Some(&UNCOMPRESSED) || point.len() != 1 + 2 * n {
        return Err(CodecError::PublicKey("not an uncompressed point of the curve"));
    }
    let oid = CURVES.iter().find(|(known, _)| *known == curve).map(|(_, oid)| oid);
    let oid = oid.ok_or(CodecError::PublicKey("unknown curve"))?;
    spki(EC_PUBLIC_KEY, AnyRef::from(oid), point)
}

/// Curve and uncompressed point `04 || x || y` of an SPKI. Compressed points and the point at infinity are refused.
pub fn point_from_spki(spki: &[u8]) -> Result<(EccCurve, &[u8]), CodecError> {
    let (algorithm, point) = parse(spki)?;
    if algorithm.oid != EC_PUBLIC_KEY {
        return Err(CodecError::PublicKey("not an EC key"));
    }
    let oid = algorithm.parameters_oid().map_err(|_| CodecError::PublicKey("not a named curve"))?;
    let curve = CURVES.iter().find(|(_, known)| *known == oid).map(|(curve, _)| *curve);
    let curve = curve.ok_or(CodecError::PublicKey("unknown curve"))?;
    let n = coordinate_len(curve).ok_or(CodecError::PublicKey("unknown curve"))?;
    if point.first() != Some(&UNCOMPRESSED) || point.len() != 1 + 2 * n {
        return Err(CodecError::PublicKey("not an uncompressed point of the curve"));
    }
    Ok((curve, point))
}

/// The SPKI (rsaEncryption, NULL parameters) of a modulus and a public exponent, both big-endian; leading zeros are
/// dropped.
pub fn spki_from_rsa(modulus: &[u8], public_exponent: &[u8]) -> Result<Vec<u8>, CodecError> {
    let number = |bytes| UintRef::new(bytes).map_err(|_| CodecError::PublicKey("not an RSA number"));
    let numbers = RsaPublicKey { modulus: number(modulus)?, public_exponent: number(public_exponent)? };
    let numbers = numbers.to_der().map_err(|_| CodecError::PublicKey("an RSA key too long for DER"))?;
    spki(RSA_ENCRYPTION, AnyRef::from(Null), &numbers)
}

/// Modulus and public exponent of an RSA SPKI, big-endian, without leading zeros.
pub fn rsa_from_spki(spki: &[u8]) -> Result<(&[u8], &[u8]), CodecError> {
    let (algorithm, numbers) = parse(spki)?;
    if algorithm.oid != RSA_ENCRYPTION {
        return Err(CodecError::PublicKey("not an RSA key"));
    }
    let numbers = RsaPublicKey::from_der(numbers).map_err(|_| CodecError::PublicKey("not an RSAPublicKey"))?;
    Ok((numbers.modulus.as_bytes(), numbers.public_exponent.as_bytes()))
}

/// Bytes of a coordinate or scalar of a known curve: 32, 48, 66.
pub const fn coordinate_len(curve: EccCurve) -> Option<usize> {
    match curve {
        EccCurve::P256 => Some(32),
        EccCurve::P384 => Some(48),
        EccCurve::P521 => Some(66),
        _ => None,
    }
}

/// The key type that `DerPublicKey` has beside an EC public key.
pub const fn public_key_type(curve: EccCurve) -> Option<KeyType> {
    match curve {
        EccCurve::P256 => Some(KeyType::ECC_256_PUBLIC),
        EccCurve::P384 => Some(KeyType::ECC_384_PUBLIC),
        EccCurve::P521 => Some(KeyType::ECC_521_PUBLIC),
        _ => None,
    }
}

/// The curve of an EC key type, private or public.
pub const fn curve_of(kind: KeyType) -> Option<EccCurve> {
    match kind {
        KeyType::ECC_256_PRIVATE | KeyType::ECC_256_PUBLIC => Some(EccCurve::P256),
        KeyType::ECC_384_PRIVATE | KeyType::ECC_384_PUBLIC => Some(EccCurve::P384),
        KeyType::ECC_521_PRIVATE | KeyType::ECC_521_PUBLIC => Some(EccCurve::P521),
        _ => None,
    }
}

/// Bytes of the modulus of an RSA key type, private or public: 256, 384, 512.
pub const fn modulus_len(kind: KeyType) -> Option<usize> {
    match kind {
        KeyType::RSA_2K_PRIVATE | KeyType::RSA_2K_PRIVATE_CRT | KeyType::RSA_2K_PUBLIC => Some(256),
        KeyType::RSA_3K_PRIVATE | KeyType::RSA_3K_PRIVATE_CRT | KeyType::RSA_3K_PUBLIC => Some(384),
        KeyType::RSA_4K_PRIVATE | KeyType::RSA_4K_PRIVATE_CRT | KeyType::RSA_4K_PUBLIC => Some(512),
        _ => None,
    }
}

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

fn parse(spki: &[u8]) -> Result<(AlgorithmIdentifierRef<'_>, &[u8]), CodecError> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| CodecError::PublicKey("not an SPKI"))?;
    let key = spki.subject_public_key.as_bytes().ok_or(CodecError::PublicKey("a key with unused bits"))?;
    Ok((spki.algorithm, key))
}

fn spki(oid: ObjectIdentifier, parameters: AnyRef<'_>, key: &[u8]) -> Result<Vec<u8>, CodecError> {
    let algorithm = AlgorithmIdentifierRef { oid, parameters: Some(parameters) };
    BitStringRef::from_bytes(key)
        .and_then(|subject_public_key| SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der())
        .map_err(|_| CodecError::PublicKey("a key too long for DER"))
}

/// SEC 1, 2.3.3.
pub(super) const UNCOMPRESSED: u8 = 4;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const CURVES: [(EccCurve, ObjectIdentifier); 3] = [
    (EccCurve::P256, ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7")),
    (EccCurve::P384, ObjectIdentifier::new_unwrap("1.3.132.0.34")),
    (EccCurve::P521, ObjectIdentifier::new_unwrap("1.3.132.0.35")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uncompressed_points_of_the_curve_are_taken() {
        let refused = Err(CodecError::PublicKey("not an uncompressed point of the curve"));
        for point in [&[0][..], &[2; 33], &[4; 64], &[4; 66], &[4; 97], &[]] {
            assert_eq!(spki_from_point(EccCurve::P256, point), refused);
            let compressed = spki(EC_PUBLIC_KEY, AnyRef::from(&CURVES[0].1), point).expect("DER");
            assert_eq!(point_from_spki(&compressed).map(|(_, point)| point.to_vec()), refused);
        }
        assert_eq!(spki_from_point(EccCurve(9), &[4; 65]), Err(CodecError::PublicKey("unknown curve")));
    }

    #[test]
    fn other_algorithms_and_curves_are_refused() {
        let rsa = spki_from_rsa(&[0xC5; 256], &[1, 0, 1]).expect("numbers");
        assert_eq!(point_from_spki(&rsa), Err(CodecError::PublicKey("not an EC key")));
        let point = [[4; 33], [4; 33]].concat();
        let ec = spki_from_point(EccCurve::P256, &point[..65]).expect("shape");
        assert_eq!(rsa_from_spki(&ec), Err(CodecError::PublicKey("not an RSA key")));
        // secp256k1.
        let other = ObjectIdentifier::new_unwrap("1.3.132.0.10");
        let other = spki(EC_PUBLIC_KEY, AnyRef::from(&other), &point[..65]).expect("DER");
        assert_eq!(point_from_spki(&other), Err(CodecError::PublicKey("unknown curve")));
        assert_eq!(point_from_spki(&ec[..ec.len() - 1]), Err(CodecError::PublicKey("not an SPKI")));
    }

    #[test]
    fn rsa_numbers_lose_their_leading_zeros() {
        let spki = spki_from_rsa(&[&[0; 2][..], &[0xC5; 256]].concat(), &[0, 1, 0, 1]).expect("numbers");
        assert_eq!(rsa_from_spki(&spki), Ok((&[0xC5; 256][..], &[1, 0, 1][..])));
    }
}
