//! Using keys.

use std::borrow::Cow;

use aws_lc_rs::{digest, rand};
use zeroize::Zeroizing;

use super::FacetKind;
use super::connection::Connection;
use super::hsm_key::HsmKey;
use crate::channel::Direction;
use crate::ddi::command::{AesEncryptDecrypt, AttestKey, EccSign, Hmac, RsaModExp};
use crate::ddi::{AesOp, HashAlgorithm, RsaOpType};
use crate::{Error, Result};

pub(super) fn ecc_sign(connection: &Connection, key: &HsmKey, digest: &[u8]) -> Result<Vec<u8>> {
    let (digest, digest_algo) = natural(digest)?;
    connection.with_key(key, FacetKind::EcSign, |live| {
        let request = EccSign { key_id: live.id, digest: Cow::Borrowed(&digest), digest_algo };
        connection.send(&request, |body| body.signature.into_owned())
    })
}

/// The device takes a digest with the name of its hash. A digest of another length is a number all the same, so zeros in
/// front change nothing.
fn natural(digest: &[u8]) -> Result<(Cow<'_, [u8]>, HashAlgorithm)> {
    let (len, name) = match digest.len() {
        0 => return Err(Error::InvalidArgument("an empty digest")),
        20 => (20, HashAlgorithm::SHA1),
        1..=32 => (32, HashAlgorithm::SHA256),
        33..=48 => (48, HashAlgorithm::SHA384),
        49..=64 => (64, HashAlgorithm::SHA512),
        _ => return Err(Error::Unsupported("ECDSA over digests of more than 64 bytes")),
    };
    if digest.len() == len {
        return Ok((Cow::Borrowed(digest), name));
    }
    let mut padded = vec![0; len];
    padded[len - digest.len()..].copy_from_slice(digest);
    Ok((Cow::Owned(padded), name))
}

pub(super) fn rsa_mod_exp(
    connection: &Connection,
    key: &HsmKey,
    facet: FacetKind,
    operand: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let op_type = match facet {
        FacetKind::RsaSign => RsaOpType::SIGN,
        FacetKind::RsaDecrypt => RsaOpType::DECRYPT,
        other => return Err(Error::NoFacet(other)),
    };
    if !matches!(operand.len(), 256 | 384 | 512) {
        return Err(Error::InvalidArgument("an RSA operand that is not 256, 384 or 512 bytes"));
    }
    let result = connection.with_key(key, facet, |live| {
        let request = RsaModExp { key_id: live.id, y: Cow::Borrowed(operand), op_type };
        connection.send(&request, |body| Zeroizing::new(body.x.into_owned()))
    })?;
    if result.len() == operand.len() {
        Ok(result)
    } else {
        Err(Error::UnexpectedAnswer("an RSA result of another length"))
    }
}

/// AES-CBC in place, from `done` on; `done` and `iv` move on with every command, so that a repetition starts where the
/// last one ended.
pub(super) fn aes_cbc(
    connection: &Connection,
    key: &HsmKey,
    direction: Direction,
    iv: &mut [u8; 16],
    data: &mut [u8],
    done: &mut usize,
) -> Result<()> {
    let op = match direction {
        Direction::Encrypt => AesOp::ENCRYPT,
        Direction::Decrypt => AesOp::DECRYPT,
    };
    connection.with_key(key, FacetKind::AesCbc, |live| {
        let mut frame = connection.frame();
        while *done < data.len() {
            let end = data.len().min(*done + CBC_CHUNK);
            let chunk = &mut data[*done..end];
            // Encoded straight from the caller's memory, and the answer is copied there.
            connection.carry(&AesEncryptDecrypt { key_id: live.id, op, msg: chunk, iv }, &mut frame)?;
            let next = connection.read::<AesEncryptDecrypt<'_>, _>(&frame, |body| {
                if body.msg.len() != chunk.len() {
                    return None;
                }
                chunk.copy_from_slice(body.msg);
                <[u8; 16]>::try_from(body.iv).ok()
            })?;
            *iv = next.ok_or(Error::UnexpectedAnswer("an AES-CBC result of another length"))?;
            *done = end;
        }
        Ok(())
    })
}

/// AES-256-GCM encryption in place; answers the IV that was used, and the tag.
pub(super) fn gcm_encrypt(
    connection: &Connection,
    key: &HsmKey,
    facet: FacetKind,
    iv: &[u8; 12],
    aad: &[u8],
    data: &mut [u8],
) -> Result<([u8; 12], [u8; 16])> {
    let reply =
        connection.with_key(key, facet, |live| connection.gcm(live, Direction::Encrypt, iv, None, aad, data))?;
    Ok((reply.iv, reply.tag))
}

/// AES-256-GCM encryption in place with the device's IV, which is in the answer. A virtual device takes the caller's IV
/// even for an approved key (semantics 6.3), so what is sent is fresh and random: whichever of the two is used, it is a
/// good one.
pub(super) fn gcm_encrypt_approved(
    connection: &Connection,
    key: &HsmKey,
    aad: &[u8],
    data: &mut [u8],
) -> Result<([u8; 12], [u8; 16])> {
    let mut iv = [0; 12];
    rand::fill(&mut iv).map_err(|_| Error::UnexpectedAnswer("random"))?;
    gcm_encrypt(connection, key, FacetKind::AesGcmApproved, &iv, aad, data)
}

/// AES-256-GCM decryption in place. What a failure leaves in `data` is unauthenticated and has to be wiped.
pub(super) fn gcm_decrypt(
    connection: &Connection,
    key: &HsmKey,
    facet: FacetKind,
    iv: &[u8; 12],
    aad: &[u8],
    data: &mut [u8],
    tag: &[u8; 16],
) -> Result<()> {
    connection.with_key(key, facet, |live| connection.gcm(live, Direction::Decrypt, iv, Some(tag), aad, data))?;
    Ok(())
}

/// AES-256-XTS of one data unit, in place.
pub(super) fn aes_xts(
    connection: &Connection,
    key: &HsmKey,
    direction: Direction,
    tweak: [u8; 16],
    data: &mut [u8],
) -> Result<()> {
    connection.with_xts_keys(key, |data_key, tweak_key| connection.xts(data_key, tweak_key, direction, tweak, data))
}

pub(super) fn hmac(connection: &Connection, key: &HsmKey, facet: FacetKind, message: &[u8]) -> Result<Vec<u8>> {
    let len = match facet {
        FacetKind::HmacSha256 => 32,
        FacetKind::HmacSha384 => 48,
        FacetKind::HmacSha512 => 64,
        other => return Err(Error::NoFacet(other)),
    };
    if message.len() > HMAC_MAX {
        return Err(Error::Unsupported("HMAC of more than 1024 bytes"));
    }
    let tag = connection.with_key(key, facet, |live| {
        connection.send(&Hmac { key_id: live.id, msg: message }, |body| body.tag.to_vec())
    })?;
    if tag.len() == len { Ok(tag) } else { Err(Error::UnexpectedAnswer("an HMAC of another length")) }
}

pub(super) fn attest(
    connection: &Connection,
    key: &HsmKey,
    facet: FacetKind,
    report_data: &[u8; 128],
) -> Result<Vec<u8>> {
    connection.with_key(key, facet, |live| {
        connection.send(&AttestKey { key_id: live.id, report_data }, |body| body.report.to_vec())
    })
}

/// `iv || ciphertext of (version || value) || tag`; the version byte also makes an empty value something to encrypt,
/// which the device wants (semantics 6.3).
pub(super) fn seal(connection: &Connection, context: &[u8], value: &[u8]) -> Result<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(value.len() + 1));
    text.push(SEAL_VERSION);
    text.extend_from_slice(value);
    let (iv, tag) = gcm_encrypt_approved(connection, connection.sealing_key(), bound(context).as_ref(), &mut text)?;
    Ok([&iv[..], &text, &tag].concat())
}

pub(super) fn unseal(connection: &Connection, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (iv, rest) = sealed.split_first_chunk::<12>().ok_or(Error::BlobRejected("a sealed value"))?;
    let (text, tag) = rest.split_last_chunk::<16>().ok_or(Error::BlobRejected("a sealed value"))?;
    if text.is_empty() {
        return Err(Error::BlobRejected("a sealed value"));
    }
    let mut text = Zeroizing::new(text.to_vec());
    let key = connection.sealing_key();
    gcm_decrypt(connection, key, FacetKind::AesGcmApproved, iv, bound(context).as_ref(), &mut text, tag)?;
    match text.first() {
        Some(&SEAL_VERSION) => {
            // Shifted in place, so that the value is in one zeroizing buffer only.
            text.remove(0);
            Ok(text)
        }
        _ => Err(Error::BlobRejected("a sealed value of a later version")),
    }
}

/// A context of any length as additional data of one length, which fits every carrier.
fn bound(context: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA384, context)
}

/// One AES-CBC command (semantics 6.2).
const CBC_CHUNK: usize = 1024;
/// One HMAC command (semantics 6.10).
const HMAC_MAX: usize = 1024;
/// What a sealed text begins with.
const SEAL_VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_goes_out_at_a_natural_length_and_the_same_number() {
        for (len, wire, name) in [
            (20, 20, HashAlgorithm::SHA1),
            (28, 32, HashAlgorithm::SHA256),
            (32, 32, HashAlgorithm::SHA256),
            (33, 48, HashAlgorithm::SHA384),
            (64, 64, HashAlgorithm::SHA512),
        ] {
            let digest = vec![0xA5; len];
            let (sent, sent_name) = natural(&digest).unwrap();
            assert_eq!((sent.len(), sent_name), (wire, name));
            assert_eq!(&sent[wire - len..], &digest[..]);
            assert!(sent[..wire - len].iter().all(|byte| *byte == 0));
        }
        assert!(natural(&[]).is_err());
        assert!(natural(&[1; 65]).is_err());
    }
}
