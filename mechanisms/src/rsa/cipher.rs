//! Drives RSA encryption and key wrapping.

use transport::partition::FacetKind;
use zeroize::Zeroizing;

use super::engine::{PrivateRsa, PublicRsa};
use crate::digest::too_long;
use crate::error::{Code, Error, Result};
use crate::key::Key;
use crate::operation::CipherOp;
use crate::wrapping;

/// How a short message becomes a block to encrypt.
pub(crate) trait Pad: Send + 'static {
    /// The longest message in bytes.
    fn limit(&self, key: &PublicRsa) -> usize;

    /// The block to encrypt.
    fn pad(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>>;
}

/// What a decrypted block holds.
pub(crate) trait Unpad: Send + 'static {
    /// The longest message in bytes.
    fn limit(&self, key: &PublicRsa) -> usize;

    /// The message in a block.
    fn unpad(&self, block: Zeroizing<Vec<u8>>, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>>;
}

/// `block(message) ^ e`, as long as the modulus.
pub(crate) fn encrypted(key: &PublicRsa, scheme: &impl Pad, message: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    key.apply(&scheme.pad(message, key)?)
}

/// The message in a ciphertext; what the scheme says where there is none.
pub(crate) fn decrypted(key: &PrivateRsa, scheme: &impl Unpad, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    if ciphertext.len() != key.public.len() {
        return Err(Code::EncryptedDataLenRange.because(format_args!(
            "{} bytes for a modulus of {}",
            ciphertext.len(),
            key.public.len()
        )));
    }
    if !key.public.holds(ciphertext) {
        return Err(Code::EncryptedDataInvalid.because("the ciphertext is not below the modulus"));
    }
    scheme.unpad(key.apply(ciphertext)?, ciphertext)
}

struct Encrypting<S> {
    key: PublicRsa,
    message: Zeroizing<Vec<u8>>,
    scheme: S,
}

pub(crate) fn encrypt<S: Pad>(key: &Key, scheme: S) -> Result<Box<dyn CipherOp>> {
    Ok(encrypting(PublicRsa::of(key)?, scheme))
}

fn encrypting<S: Pad>(key: PublicRsa, scheme: S) -> Box<dyn CipherOp> {
    let message = Zeroizing::new(Vec::with_capacity(key.len()));
    Box::new(Encrypting { key, message, scheme })
}

impl<S: Pad> CipherOp for Encrypting<S> {
    fn update_len(&self, _len: usize) -> usize {
        0
    }

    fn final_len(&self, _len: usize) -> usize {
        self.key.len()
    }

    fn update(&mut self, part: &[u8], _out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let limit = self.scheme.limit(&self.key);
        if part.len() > limit - self.message.len() {
            return Err(too_long(self.message.len().saturating_add(part.len()), limit));
        }
        self.message.extend_from_slice(part);
        Ok(())
    }

    fn finish(self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        out.extend_from_slice(&encrypted(&self.key, &self.scheme, &self.message)?);
        Ok(())
    }
}

struct Decrypting<S> {
    key: PrivateRsa,
    ciphertext: Vec<u8>,
    scheme: S,
}

/// `scheme` may be made from the key.
pub(crate) fn decrypt<S: Unpad>(key: &Key, scheme: impl FnOnce(&PrivateRsa) -> Result<S>) -> Result<Box<dyn CipherOp>> {
    let key = PrivateRsa::of(key, FacetKind::RsaDecrypt)?;
    let scheme = scheme(&key)?;
    Ok(Box::new(Decrypting { key, ciphertext: Vec::new(), scheme }))
}

impl<S: Unpad> CipherOp for Decrypting<S> {
    fn update_len(&self, _len: usize) -> usize {
        0
    }

    fn final_len(&self, _len: usize) -> usize {
        self.scheme.limit(&self.key.public)
    }

    fn answer_is_padded(&self) -> bool {
        self.scheme.limit(&self.key.public) < self.key.public.len()
    }

    fn update(&mut self, part: &[u8], _out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let limit = self.key.public.len();
        if part.len() > limit - self.ciphertext.len() {
            return Err(Code::EncryptedDataLenRange.because(format_args!("more than the modulus' {limit} bytes")));
        }
        self.ciphertext.extend_from_slice(part);
        Ok(())
    }

    fn finish(self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        out.extend_from_slice(&decrypted(&self.key, &self.scheme, &self.ciphertext)?);
        Ok(())
    }
}

/// `C_WrapKey`: encryption of the key's value.
pub(crate) fn wrap<S: Pad>(key: &Key, scheme: S) -> Result<Box<dyn CipherOp>> {
    Ok(wrapping::wrap(encrypting(wrapping_key(key)?, scheme), 1))
}

/// `C_UnwrapKey`: decryption to the key's value.
pub(crate) fn unwrap<S: Unpad>(key: &Key, scheme: impl FnOnce(&PrivateRsa) -> Result<S>) -> Result<Box<dyn CipherOp>> {
    decrypt(key, scheme).map(wrapping::unwrap).map_err(of_unwrapping_key)
}

/// A public key that keys may be wrapped with: 2048 bits and an exponent of 65537 at least (NIST SP 800-56B, 6.2.1).
/// Clulow 2003, 3.1: who may choose the wrapping key chooses a weak one.
pub(crate) fn wrapping_key(key: &Key) -> Result<PublicRsa> {
    let key = PublicRsa::of(key).map_err(|error| match error.code() {
        Code::KeySizeRange => recoded(Code::WrappingKeySizeRange, &error),
        Code::KeyTypeInconsistent => recoded(Code::WrappingKeyTypeInconsistent, &error),
        _ => error,
    })?;
    if key.has_small_exponent() {
        return Err(Code::WrappingKeySizeRange.because("a wrapping key with a public exponent below 65537"));
    }
    Ok(key)
}

/// The codes of `C_UnwrapKey` (5.18.4).
pub(crate) fn of_unwrapping_key(error: Error) -> Error {
    match error.code() {
        Code::KeySizeRange => recoded(Code::UnwrappingKeySizeRange, &error),
        Code::KeyTypeInconsistent => recoded(Code::UnwrappingKeyTypeInconsistent, &error),
        _ => error,
    }
}

fn recoded(code: Code, error: &Error) -> Error {
    error.cause().map_or_else(|| code.into(), |cause| code.because(cause))
}
