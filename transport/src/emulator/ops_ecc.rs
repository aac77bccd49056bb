//! EccGenerateKeyPair, EccSign and EcdhKeyExchange (semantics 6.7, 6.8).

use std::sync::Arc;

use aws_lc_rs::agreement;
use aws_lc_rs::digest::{Digest, SHA256, SHA384, SHA512};
use p521::ecdsa::signature::hazmat::PrehashSigner;
use zeroize::Zeroizing;

use super::dispatch::Reply;
use super::keys::{self, Material, NewKey};
use super::partition::{Partition, Ticket};
use crate::ddi::command::{
    EccGenerateKeyPair, EccGenerateKeyPairResponse, EccSign, EccSignResponse, EcdhKeyExchange, EcdhKeyExchangeResponse,
};
use crate::ddi::{EccCurve, HashAlgorithm, KeyType, Status, Usage, key};

impl Partition {
    pub(super) fn ecc_generate_key_pair(
        &self,
        request: &EccGenerateKeyPair<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let kind = match request.curve {
            EccCurve::P256 => KeyType::ECC_256_PRIVATE,
            EccCurve::P384 => KeyType::ECC_384_PRIVATE,
            EccCurve::P521 => KeyType::ECC_521_PRIVATE,
            _ => return Err(Status::INVALID_ARG),
        };
        let target = self.target(kind, &request.key_properties, request.key_tag)?;
        let key = NewKey::ec_generate(request.curve, target.usage)?;
        let pub_key = key.material.public_key()?.ok_or(Status::ECC_TO_DER_ERROR)?;
        let stored = self.store(ticket, &target, key, true)?;
        reply.ok(&EccGenerateKeyPairResponse { private_key_id: stored.placed.id, pub_key, masked_key: &stored.masked })
    }

    pub(super) fn ecc_sign(&self, request: &EccSign<'_>, ticket: &Ticket, reply: &mut Reply<'_>) -> Result<(), Status> {
        if request.digest.is_empty() {
            return Err(Status::INVALID_ARG);
        }
        let material = {
            let state = self.state();
            let entry = state.vault.usable(request.key_id, ticket.session, keys::is_ecc, Usage::SignVerify)?;
            Arc::clone(&entry.material)
        };
        let Material::EcSign(public, pair) = &*material else { return Err(Status::INVALID_PERMISSIONS) };
        if self.options.fips_approved {
            approved(public.curve, request.digest_algo)?;
        }
        let (algorithm, len) = match public.curve {
            EccCurve::P256 => (&SHA256, 32),
            EccCurve::P384 => (&SHA384, 48),
            _ => (&SHA512, 64),
        };
        let digest = as_number(public.curve, &request.digest);
        // The engine wants the digest at the length of its own hash. A number keeps its value under leading zeros.
        let signature = match digest.len().checked_sub(len) {
            Some(0) => Digest::import_less_safe(digest, algorithm).and_then(|digest| pair.sign_digest(&digest)),
            None => {
                let mut padded = [0; 64];
                padded[len - digest.len()..len].copy_from_slice(digest);
                Digest::import_less_safe(&padded[..len], algorithm).and_then(|digest| pair.sign_digest(&digest))
            }
            Some(_) => return oversized(pair, digest, reply),
        };
        let signature = signature.map_err(|_| Status::ECC_SIGN_FAILED)?;
        reply.ok(&EccSignResponse { signature: signature.as_ref().into() })
    }

    pub(super) fn ecdh_key_exchange(
        &self,
        request: &EcdhKeyExchange<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let material = {
            let state = self.state();
            let entry = state.vault.usable(request.priv_key_id, ticket.session, keys::is_ecc, Usage::Derive)?;
            Arc::clone(&entry.material)
        };
        let Material::EcDerive(public, private) = &*material else { return Err(Status::INVALID_PERMISSIONS) };
        let (curve, point) =
            key::point_from_spki(&request.pub_key_der).map_err(|_| Status::DER_AND_KEY_TYPE_MISMATCH)?;
        if curve != public.curve {
            return Err(Status::DER_AND_KEY_TYPE_MISMATCH);
        }
        check_point(curve, point)?;
        let kind = match curve {
            EccCurve::P256 => KeyType::SECRET_256,
            EccCurve::P384 => KeyType::SECRET_384,
            _ => KeyType::SECRET_521,
        };
        if request.key_type != kind {
            return Err(Status::INVALID_KEY_TYPE);
        }
        let target = self.target(kind, &request.key_properties, request.key_tag)?;
        let peer = agreement::UnparsedPublicKey::new(keys::ecdh(curve)?, point);
        let key = agreement::agree(private, peer, Status::ECC_POINT_VALIDATION_FAILED, |z| {
            let mut secret = Zeroizing::new(z.to_vec());
            // P-521: 66 bytes and two zero bytes are stored (semantics 6.8).
            secret.resize(keys::fixed_len(kind).ok_or(Status::ECC_DERIVE_ERROR)?, 0);
            NewKey::symmetric(kind, &secret)
        })?;
        let stored = self.store(ticket, &target, key, true)?;
        reply.ok(&EcdhKeyExchangeResponse { key_id: stored.placed.id, masked_key: &stored.masked })
    }
}

/// Checks an uncompressed point as the firmware does (semantics 3.6): coordinates below p, then on the curve.
pub(super) fn check_point(curve: EccCurve, point: &[u8]) -> Result<(), Status> {
    let n = (point.len() - 1) / 2;
    let (x, y) = point[1..].split_at(n);
    let below = match curve {
        EccCurve::P256 => x < &P256[..] && y < &P256[..],
        EccCurve::P384 => x < &P384[..] && y < &P384[..],
        _ => x < &P521[..] && y < &P521[..],
    };
    if !below {
        return Err(Status::ECC_PUBLIC_KEY_VALIDATION_FAILED);
    }
    let point = agreement::UnparsedPublicKey::new(keys::ecdh(curve)?, point);
    agreement::ParsedPublicKey::try_from(&point).map(|_| ()).map_err(|_| Status::ECC_POINT_VALIDATION_FAILED)
}

/// The digest as the integer that ECDSA signs, without zeros that say nothing: a right-aligned number in up to 68 bytes
/// is the physical form of any digest (wire 4.3); a longer virtual one is cut to its leftmost bits.
fn as_number(curve: EccCurve, digest: &[u8]) -> &[u8] {
    let order = match curve {
        EccCurve::P256 => 32,
        EccCurve::P384 => 48,
        _ => 66,
    };
    let zeros = digest.iter().take_while(|byte| **byte == 0).count();
    let significant = &digest[zeros.min(digest.len().saturating_sub(order))..];
    if significant.len() > order { &digest[..order] } else { significant }
}

/// P-521 with more bytes than SHA-512 has, which the engine's API cannot express; no hash makes such a digest.
fn oversized(pair: &aws_lc_rs::signature::EcdsaKeyPair, digest: &[u8], reply: &mut Reply<'_>) -> Result<(), Status> {
    use aws_lc_rs::encoding::AsBigEndian;
    let failed = Status::ECC_SIGN_FAILED;
    let scalar = pair.private_key().as_be_bytes().map_err(|_| failed)?;
    let key = p521::ecdsa::SigningKey::from_slice(scalar.as_ref()).map_err(|_| failed)?;
    let signature: p521::ecdsa::Signature = key.sign_prehash(digest).map_err(|_| failed)?;
    reply.ok(&EccSignResponse { signature: signature.to_bytes().to_vec().into() })
}

/// The digests of the approved state (semantics 6.7).
fn approved(curve: EccCurve, hash: HashAlgorithm) -> Result<(), Status> {
    match (curve, hash) {
        (_, HashAlgorithm::SHA1) => Err(Status::NON_FIPS_APPROVED_DIGEST),
        (EccCurve::P256, HashAlgorithm::SHA256)
        | (EccCurve::P384, HashAlgorithm::SHA256 | HashAlgorithm::SHA384)
        | (EccCurve::P521, HashAlgorithm::SHA256 | HashAlgorithm::SHA384 | HashAlgorithm::SHA512) => Ok(()),
        _ => Err(Status::DIGEST_HASH_MISMATCH_WITH_ECC_CURVE),
    }
}

/// Field primes (FIPS 186-5 through SP 800-186, 3.2.1), big-endian.
const P256: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];
const P384: [u8; 48] = {
    let mut p = [0xff; 48];
    p[31] = 0xfe;
    let mut i = 36;
    while i < 44 {
        p[i] = 0;
        i += 1;
    }
    p
};
const P521: [u8; 66] = {
    let mut p = [0xff; 66];
    p[0] = 0x01;
    p
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primes_are_those_of_sp_800_186() {
        let hex = super::super::hierarchy::tests::unhex;
        assert_eq!(P256[..], hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"));
        let p384 = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff";
        assert_eq!(P384[..], hex(p384));
        assert_eq!(P521[..], hex(&format!("01{}", "ff".repeat(65))));
    }

    #[test]
    fn digests_are_numbers() {
        assert_eq!(as_number(EccCurve::P256, &[1; 20]), [1; 20]);
        assert_eq!(as_number(EccCurve::P256, &[1; 48]), [1; 32]);
        let cut = [&[0; 16][..], &[7; 32]].concat();
        assert_eq!(as_number(EccCurve::P256, &cut), [7; 32]);
        assert_eq!(as_number(EccCurve::P384, &[0; 48]), [0; 48]);
        assert_eq!(as_number(EccCurve::P521, &[1; 64]), [1; 64]);
    }
}
