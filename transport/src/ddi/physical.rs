//! The number format of the hardware engine (wire 4.3): raw little-endian numbers, P-521 components widened from 66 to 68
//! bytes. Forms of the fields in the table of wire 4.2; the natural form goes in and comes out.

use std::borrow::Cow;
use std::fmt;

use super::key::{self, UNCOMPRESSED};
use super::mbor::{Reader, Writer};
use super::wire::{Form, show_len};
use super::{CodecError, Dialect, EccCurve, KeyType};

/// Writes an SPKI as `x || y` or `n || e`, little-endian.
pub(super) fn put_public_key(spki: &[u8], kind: KeyType, max: usize, w: &mut Writer<'_>) -> Result<(), CodecError> {
    if let Some(modulus_len) = key::modulus_len(kind).filter(|_| is_public(kind)) {
        let (modulus, exponent) = key::rsa_from_spki(spki)?;
        if modulus.len() != modulus_len {
            return Err(CodecError::KeyKind(kind));
        }
        if exponent.len() > EXPONENT_LEN {
            return Err(CodecError::ComponentRange);
        }
        return w.variable_with(modulus_len + EXPONENT_LEN, max, |raw| {
            let (n, e) = raw.split_at_mut(modulus_len);
            reverse_into(modulus, n);
            reverse_into(exponent, e);
        });
    }
    let curve = key::curve_of(kind).filter(|_| is_public(kind)).ok_or(CodecError::KeyKind(kind))?;
    let (found, point) = key::point_from_spki(spki)?;
    if found != curve {
        return Err(CodecError::KeyKind(kind));
    }
    put_pair(&point[1..], max, w)
}

/// The SPKI of a raw public key of a type.
pub(super) fn public_key(raw: &[u8], kind: KeyType) -> Result<Vec<u8>, CodecError> {
    if !is_public(kind) {
        return Err(CodecError::KeyKind(kind));
    }
    if let Some(modulus_len) = key::modulus_len(kind) {
        if raw.len() != modulus_len + EXPONENT_LEN {
            return Err(CodecError::RawKeyLength { len: raw.len() });
        }
        let mut numbers = raw.to_vec();
        let (modulus, exponent) = numbers.split_at_mut(modulus_len);
        modulus.reverse();
        exponent.reverse();
        if modulus.first() == Some(&0) {
            return Err(CodecError::ComponentRange);
        }
        return key::spki_from_rsa(modulus, exponent);
    }
    let curve = key::curve_of(kind).ok_or(CodecError::KeyKind(kind))?;
    ec_public_key(raw, curve)
}

fn ec_public_key(raw: &[u8], curve: EccCurve) -> Result<Vec<u8>, CodecError> {
    let n = key::coordinate_len(curve).ok_or(CodecError::PublicKey("unknown curve"))?;
    if raw.len() != 2 * wide(n) {
        return Err(CodecError::RawKeyLength { len: raw.len() });
    }
    let mut point = vec![UNCOMPRESSED];
    push_pair(raw, n, &mut point)?;
    key::spki_from_point(curve, &point)
}

/// The peer key of `EcdhKeyExchange`: a plain SPKI, whose raw length tells the curve.
pub(crate) struct PeerKey;

impl<'a> Form<'a, Cow<'a, [u8]>> for PeerKey {
    fn put(value: &Cow<'a, [u8]>, w: &mut Writer<'_>) -> Result<(), CodecError> {
        match w.dialect() {
            Dialect::Virtual => w.variable(value, 192),
            Dialect::Physical => put_pair(&key::point_from_spki(value)?.1[1..], 192, w),
        }
    }

    fn take(r: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, CodecError> {
        let wire = r.variable(192)?;
        if r.dialect() == Dialect::Virtual {
            return Ok(Cow::Borrowed(wire));
        }
        let curve = match wire.len() {
            64 => EccCurve::P256,
            96 => EccCurve::P384,
            136 => EccCurve::P521,
            len => return Err(CodecError::RawKeyLength { len }),
        };
        ec_public_key(wire, curve).map(Cow::Owned)
    }

    fn show(value: &Cow<'a, [u8]>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_len(value, f)
    }
}

/// An ECDSA signature `r || s` of any of the three curves. Physical refuses everything else, the empty string too.
pub(crate) struct Signature;

impl<'a> Form<'a, Cow<'a, [u8]>> for Signature {
    fn put(value: &Cow<'a, [u8]>, w: &mut Writer<'_>) -> Result<(), CodecError> {
        match (w.dialect(), value.len()) {
            (Dialect::Virtual, _) => w.variable(value, 192),
            (Dialect::Physical, 64 | 96 | 132) => put_pair(value, 192, w),
            (Dialect::Physical, len) => Err(CodecError::SignatureLength { len }),
        }
    }

    fn take(r: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, CodecError> {
        let wire = r.variable(192)?;
        if r.dialect() == Dialect::Virtual {
            return Ok(Cow::Borrowed(wire));
        }
        let n = match wire.len() {
            64 => 32,
            96 => 48,
            136 => 66,
            len => return Err(CodecError::SignatureLength { len }),
        };
        let mut natural = Vec::with_capacity(2 * n);
        push_pair(wire, n, &mut natural)?;
        Ok(Cow::Owned(natural))
    }

    fn show(value: &Cow<'a, [u8]>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_len(value, f)
    }
}

/// The P-384 endorsement of `EstablishCredential`; physical: exactly 96 bytes.
pub(crate) struct PotaSignature;

impl<'a> Form<'a, Cow<'a, [u8]>> for PotaSignature {
    fn put(value: &Cow<'a, [u8]>, w: &mut Writer<'_>) -> Result<(), CodecError> {
        match (w.dialect(), value.len()) {
            (Dialect::Virtual, _) => w.variable(value, 1024),
            (Dialect::Physical, 96) => put_pair(value, 1024, w),
            (Dialect::Physical, len) => Err(CodecError::SignatureLength { len }),
        }
    }

    fn take(r: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, CodecError> {
        let wire = r.variable(1024)?;
        match (r.dialect(), wire.len()) {
            (Dialect::Virtual, _) => Ok(Cow::Borrowed(wire)),
            (Dialect::Physical, 96) => {
                let mut natural = Vec::with_capacity(96);
                push_pair(wire, 48, &mut natural)?;
                Ok(Cow::Owned(natural))
            }
            (Dialect::Physical, len) => Err(CodecError::SignatureLength { len }),
        }
    }

    fn show(value: &Cow<'a, [u8]>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_len(value, f)
    }
}

/// An RSA operand or result of at most 512 bytes.
pub(crate) struct Operand;

impl<'a> Form<'a, Cow<'a, [u8]>> for Operand {
    fn put(value: &Cow<'a, [u8]>, w: &mut Writer<'_>) -> Result<(), CodecError> {
        match w.dialect() {
            Dialect::Virtual => w.variable(value, 512),
            Dialect::Physical => w.variable_with(value.len(), 512, |raw| reverse_into(value, raw)),
        }
    }

    fn take(r: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, CodecError> {
        let wire = r.variable(512)?;
        Ok(match r.dialect() {
            Dialect::Virtual => Cow::Borrowed(wire),
            Dialect::Physical => Cow::Owned(wire.iter().rev().copied().collect()),
        })
    }

    fn show(value: &Cow<'a, [u8]>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_len(value, f)
    }
}

/// The blob of `RsaUnwrap`: physical reverses its first 256 bytes, the RSA-2048 ciphertext. A shorter blob cannot be
/// sent; one that was received stays as it is, for the device to refuse (semantics 6.6).
pub(crate) struct WrappedBlob;

impl<'a> Form<'a, Cow<'a, [u8]>> for WrappedBlob {
    fn put(value: &Cow<'a, [u8]>, w: &mut Writer<'_>) -> Result<(), CodecError> {
        match (w.dialect(), value.split_at_checked(256)) {
            (Dialect::Virtual, _) => w.variable(value, 3072),
            (Dialect::Physical, Some((number, rest))) => w.variable_with(value.len(), 3072, |raw| {
                let (head, tail) = raw.split_at_mut(256);
                reverse_into(number, head);
                tail.copy_from_slice(rest);
            }),
            (Dialect::Physical, None) => Err(CodecError::BlobTooShort { len: value.len() }),
        }
    }

    fn take(r: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, CodecError> {
        let wire = r.variable(3072)?;
        if r.dialect() == Dialect::Virtual || wire.len() < 256 {
            return Ok(Cow::Borrowed(wire));
        }
        let mut blob = wire.to_vec();
        blob[..256].reverse();
        Ok(Cow::Owned(blob))
    }

    fn show(value: &Cow<'a, [u8]>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_len(value, f)
    }
}

/// The digest of `EccSign`, written: physical is always 68 bytes, the reversed digest and zeros. As in the reference, a
/// digest over 68 bytes loses its leftmost bytes; no caller has one (wire 4.3).
pub(super) fn put_digest(digest: &[u8], w: &mut Writer<'_>) -> Result<(), CodecError> {
    match w.dialect() {
        Dialect::Virtual => w.variable(digest, MAX_DIGEST),
        Dialect::Physical if digest.len() > MAX_DIGEST => {
            Err(CodecError::TooLong { len: digest.len(), max: MAX_DIGEST })
        }
        Dialect::Physical => w.variable_with(RAW_DIGEST, MAX_DIGEST, |raw| reverse_into(digest, raw)),
    }
}

/// The digest of `EccSign`, read from 68 bytes: as many bytes as the hash has, or all where that would lose any.
pub(super) fn digest(raw: &[u8], digest_len: Option<usize>) -> Result<Vec<u8>, CodecError> {
    if raw.len() != RAW_DIGEST {
        return Err(CodecError::DigestLength { len: raw.len() });
    }
    let significant = digest_len.filter(|&len| raw[len..].iter().all(|&byte| byte == 0)).unwrap_or(RAW_DIGEST);
    Ok(raw[..significant].iter().rev().copied().collect())
}

/// Writes two big-endian components of equal length as two little-endian ones, widened for P-521.
fn put_pair(pair: &[u8], max: usize, w: &mut Writer<'_>) -> Result<(), CodecError> {
    let (first, second) = pair.split_at(pair.len() / 2);
    let n = wide(first.len());
    w.variable_with(2 * n, max, |raw| {
        let (left, right) = raw.split_at_mut(n);
        reverse_into(first, left);
        reverse_into(second, right);
    })
}

/// Appends two little-endian components as two big-endian ones of `n` bytes.
fn push_pair(raw: &[u8], n: usize, natural: &mut Vec<u8>) -> Result<(), CodecError> {
    let (first, second) = raw.split_at(raw.len() / 2);
    for component in [first, second] {
        let (low, high) = component.split_at(n);
        if high.iter().any(|&byte| byte != 0) {
            return Err(CodecError::ComponentRange);
        }
        natural.extend(low.iter().rev());
    }
    Ok(())
}

/// Length on the wire of a component of `n` bytes.
const fn wide(n: usize) -> usize {
    if n == 66 { 68 } else { n }
}

/// `bytes` reversed, from the start of `raw`; the rest of `raw` stays zero, and what does not fit is left out.
fn reverse_into(bytes: &[u8], raw: &mut [u8]) {
    for (to, from) in raw.iter_mut().zip(bytes.iter().rev()) {
        *to = *from;
    }
}

const fn is_public(kind: KeyType) -> bool {
    matches!(
        kind,
        KeyType::RSA_2K_PUBLIC
            | KeyType::RSA_3K_PUBLIC
            | KeyType::RSA_4K_PUBLIC
            | KeyType::ECC_256_PUBLIC
            | KeyType::ECC_384_PUBLIC
            | KeyType::ECC_521_PUBLIC
    )
}

const EXPONENT_LEN: usize = 4;
/// Limit of the field (wire 3.3).
pub(super) const MAX_DIGEST: usize = 96;
const RAW_DIGEST: usize = 68;

#[cfg(test)]
mod tests {
    use super::*;

    fn reader_of(raw: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Writer::new(&mut out, Dialect::Physical).variable(raw, 3072).expect("short");
        out
    }

    fn take<'a, F: Form<'a, Cow<'a, [u8]>>>(wire: &'a [u8]) -> Result<Cow<'a, [u8]>, CodecError> {
        F::take(&mut Reader::new(wire, Dialect::Physical))
    }

    fn put<F: for<'a> Form<'a, Cow<'a, [u8]>>>(natural: &[u8]) -> Result<(), CodecError> {
        F::put(&Cow::Borrowed(natural), &mut Writer::new(&mut Vec::new(), Dialect::Physical))
    }

    #[test]
    fn a_signature_has_one_of_three_lengths() {
        for len in [0, 63, 65, 132, 135, 137, 192] {
            let refused = Err(CodecError::SignatureLength { len });
            assert_eq!(take::<Signature>(&reader_of(&vec![0; len])), refused, "{len}");
        }
        for len in [0, 63, 136, 192] {
            assert_eq!(put::<Signature>(&vec![0; len]), Err(CodecError::SignatureLength { len }), "{len}");
        }
        for len in [95, 64, 0] {
            assert_eq!(put::<PotaSignature>(&vec![0; len]), Err(CodecError::SignatureLength { len }), "{len}");
            let wire = reader_of(&vec![0; len]);
            assert_eq!(take::<PotaSignature>(&wire), Err(CodecError::SignatureLength { len }), "{len}");
        }
    }

    #[test]
    fn p521_components_end_in_two_zero_bytes() {
        for at in [66, 67, 134, 135] {
            let mut raw = [0; 136];
            raw[at] = 1;
            assert_eq!(take::<Signature>(&reader_of(&raw)), Err(CodecError::ComponentRange), "{at}");
            assert_eq!(take::<PeerKey>(&reader_of(&raw)), Err(CodecError::ComponentRange), "{at}");
            assert_eq!(public_key(&raw, KeyType::ECC_521_PUBLIC), Err(CodecError::ComponentRange), "{at}");
        }
    }

    #[test]
    fn raw_keys_have_the_length_of_their_type() {
        for (kind, len) in [
            (KeyType::ECC_256_PUBLIC, 64),
            (KeyType::ECC_384_PUBLIC, 96),
            (KeyType::ECC_521_PUBLIC, 136),
            (KeyType::RSA_2K_PUBLIC, 260),
            (KeyType::RSA_3K_PUBLIC, 388),
            (KeyType::RSA_4K_PUBLIC, 516),
        ] {
            for wrong in [0, len - 1, len + 1] {
                let refused = Err(CodecError::RawKeyLength { len: wrong });
                assert_eq!(public_key(&vec![0; wrong], kind), refused, "{kind:?}");
            }
        }
        assert_eq!(public_key(&[0; 64], KeyType::ECC_256_PRIVATE), Err(CodecError::KeyKind(KeyType::ECC_256_PRIVATE)));
    }

    #[test]
    fn rsa_numbers_fit_their_places() {
        let mut raw = vec![0xC5; 260];
        raw[256..].copy_from_slice(&[1, 0, 1, 0]);
        let spki = public_key(&raw, KeyType::RSA_2K_PUBLIC).expect("a key's shape");
        assert_eq!(key::rsa_from_spki(&spki), Ok((&[0xC5; 256][..], &[1, 0, 1][..])));
        raw[255] = 0;
        assert_eq!(public_key(&raw, KeyType::RSA_2K_PUBLIC), Err(CodecError::ComponentRange));

        let wide = key::spki_from_rsa(&[0xC5; 256], &[1, 0, 0, 0, 1]).expect("numbers");
        let mut out = Vec::new();
        let written = put_public_key(&wide, KeyType::RSA_2K_PUBLIC, 768, &mut Writer::new(&mut out, Dialect::Physical));
        assert_eq!(written, Err(CodecError::ComponentRange));
    }

    #[test]
    fn a_digest_is_as_long_as_its_hash_or_all_there_is() {
        let mut raw = [0; 68];
        raw[..3].copy_from_slice(&[3, 2, 1]);
        let natural = digest(&raw, Some(32)).expect("68 bytes");
        assert_eq!((natural.len(), &natural[29..]), (32, &[1, 2, 3][..]));
        assert_eq!(digest(&raw, None).expect("68 bytes").len(), 68);
        // A 66-byte number under SHA-512, for P-521.
        raw[65] = 1;
        let natural = digest(&raw, Some(64)).expect("68 bytes");
        assert_eq!((natural.len(), &natural[..3]), (68, &[0, 0, 1][..]));
        assert_eq!(digest(&raw[..67], Some(32)), Err(CodecError::DigestLength { len: 67 }));
    }

    #[test]
    fn a_short_wrapped_blob_is_not_sent_but_received_as_it_is() {
        assert_eq!(put::<WrappedBlob>(&[1; 255]), Err(CodecError::BlobTooShort { len: 255 }));
        let raw: Vec<u8> = (0..255).collect();
        assert_eq!(take::<WrappedBlob>(&reader_of(&raw)).as_deref(), Ok(&raw[..]));
    }
}
