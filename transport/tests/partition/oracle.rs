//! The second opinion: `RustCrypto`.

use aes::cipher::{Block, BlockCipherEncrypt, KeyInit};
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use transport::partition::Curve;

/// Whether `signature` (`r || s`) over `digest` fits the uncompressed `point`.
pub(crate) fn ecdsa_verifies(curve: Curve, point: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    match curve {
        Curve::P256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
            key.verify_prehash(digest, &p256::ecdsa::Signature::from_slice(signature).unwrap()).is_ok()
        }
        Curve::P384 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
            key.verify_prehash(digest, &p384::ecdsa::Signature::from_slice(signature).unwrap()).is_ok()
        }
        Curve::P521 => {
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
            key.verify_prehash(digest, &p521::ecdsa::Signature::from_slice(signature).unwrap()).is_ok()
        }
    }
}

/// AES-CBC encryption, from single blocks.
pub(crate) fn cbc_encrypt(key: &[u8], iv: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut chain = iv.to_vec();
    let mut out = Vec::new();
    for block in plaintext.chunks(16) {
        let mut block: Vec<u8> = block.iter().zip(&chain).map(|(text, chain)| text ^ chain).collect();
        encrypt_block(key, &mut block);
        out.extend_from_slice(&block);
        chain = block;
    }
    out
}

fn encrypt_block(key: &[u8], block: &mut [u8]) {
    fn run<C: KeyInit + BlockCipherEncrypt>(key: &[u8], block: &mut [u8]) {
        let block: &mut Block<C> = block.try_into().unwrap();
        C::new_from_slice(key).unwrap().encrypt_block(block);
    }
    match key.len() {
        16 => run::<aes::Aes128>(key, block),
        24 => run::<aes::Aes192>(key, block),
        _ => run::<aes::Aes256>(key, block),
    }
}

/// HMAC-SHA-256, 384 or 512, chosen by the length of the tag.
pub(crate) fn hmac(tag_len: usize, key: &[u8], message: &[u8]) -> Vec<u8> {
    fn run<M: Mac + hmac::KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut mac = <M as hmac::KeyInit>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }
    match tag_len {
        32 => run::<Hmac<sha2::Sha256>>(key, message),
        48 => run::<Hmac<sha2::Sha384>>(key, message),
        _ => run::<Hmac<sha2::Sha512>>(key, message),
    }
}

/// 32 bytes of HKDF-SHA-256 (RFC 5869): one block of expansion.
pub(crate) fn hkdf_sha256(ikm: &[u8], salt: &[u8], info: &[u8]) -> Vec<u8> {
    let prk = hmac(32, salt, ikm);
    hmac(32, &prk, &[info, &[1]].concat())
}
