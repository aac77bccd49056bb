//! What the right answer is, by implementations that have nothing to do with the library: the RustCrypto crates.

use aes::Aes256;
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use cbc::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::signature::Verifier;
use sha2::{Digest, Sha256};

/// Whether the `r || s` is the signature of the digest by the key of the point (`04 || x || y`, as DER or not).
pub(crate) fn ecdsa(point: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    let point = point.strip_prefix(&[0x04, 0x41]).or(point.strip_prefix(&[0x04, 0x61])).unwrap_or(point);
    match point.len() {
        65 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok();
            let signature = p256::ecdsa::Signature::from_slice(signature).ok();
            key.zip(signature).is_some_and(|(key, signature)| key.verify_prehash(digest, &signature).is_ok())
        }
        97 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok();
            let signature = p384::ecdsa::Signature::from_slice(signature).ok();
            key.zip(signature).is_some_and(|(key, signature)| key.verify_prehash(digest, &signature).is_ok())
        }
        _ => false,
    }
}

/// Whether it is the PKCS #1 v1.5 signature of the message's SHA-256 by the key of this modulus and exponent 65537.
pub(crate) fn rsa(modulus: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (n, e) = (rsa::BoxedUint::from_be_slice_vartime(modulus), rsa::BoxedUint::from(65537_u32));
    let Ok(key) = rsa::RsaPublicKey::new(n, e) else { return false };
    let key = rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key);
    rsa::pkcs1v15::Signature::try_from(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

/// Ciphertext and tag.
pub(crate) fn gcm(key: &[u8; 32], iv: &[u8; 12], aad: &[u8], data: &[u8]) -> Vec<u8> {
    Aes256Gcm::new(key.into()).encrypt(iv.into(), Payload { msg: data, aad }).expect("a short message")
}

/// CBC with the padding of PKCS #7.
pub(crate) fn cbc(key: &[u8; 32], iv: &[u8; 16], data: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes256>::new(key.into(), iv.into()).encrypt_padded_vec::<Pkcs7>(data)
}

pub(crate) fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn sha256(data: &[u8]) -> Vec<u8> {
    Sha256::digest(data).to_vec()
}
