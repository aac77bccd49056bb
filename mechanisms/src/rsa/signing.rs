//! Drives RSA signatures, with and without recovery of the message.

use subtle::ConstantTimeEq;
use transport::partition::FacetKind;
use zeroize::Zeroizing;

use super::engine::{PrivateRsa, PublicRsa};
use crate::collected::{Collected, WholeCipher};
use crate::digest::{Hash, Message};
use crate::error::{Code, Result};
use crate::key::Key;
use crate::operation::{CipherOp, SignOp, VerifyOp};

/// How a message becomes a block as long as the modulus, and how a block is known to be of a message.
pub(crate) trait SignatureScheme: Send + 'static {
    /// The longest message in bytes; not asked where the message is hashed.
    fn limit(&self, key: &PublicRsa) -> usize;

    /// The block to sign.
    fn encode(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>>;

    /// Whether a recovered block is of this message.
    fn matches(&self, message: &[u8], key: &PublicRsa, block: &[u8]) -> Result<bool>;
}

/// A scheme whose blocks hold the message itself.
pub(crate) trait Recoverable: SignatureScheme {
    /// The message in a recovered block; `None` where the block is not of the scheme.
    fn recover<'a>(&self, block: &'a [u8]) -> Option<&'a [u8]>;
}

/// A signature over a message, or over the digest of one that was hashed; checked before it leaves.
fn signature(key: &PrivateRsa, scheme: &impl SignatureScheme, message: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let block = scheme.encode(message, &key.public)?;
    let signature = key.apply(&block)?;
    if !key.is_remote() || bool::from(key.public.apply(&signature)?.ct_eq(&block)) {
        Ok(signature)
    } else {
        Err(Code::DeviceError.because("the HSM made a wrong RSA signature; it is withheld"))
    }
}

/// The block in a signature.
fn opened(key: &PublicRsa, signature: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    if signature.len() != key.len() {
        return Err(Code::SignatureLenRange.because(format_args!(
            "a signature of {} bytes for a modulus of {}",
            signature.len(),
            key.len()
        )));
    }
    if !key.holds(signature) {
        return Err(Code::SignatureInvalid.because("the signature is not below the modulus"));
    }
    key.apply(signature)
}

struct Signing<S> {
    key: PrivateRsa,
    message: Message,
    scheme: S,
}

pub(crate) fn sign<S: SignatureScheme>(key: &Key, hash: Option<Hash>, scheme: S) -> Result<Box<dyn SignOp>> {
    let key = PrivateRsa::of(key, FacetKind::RsaSign)?;
    let message = Message::new(hash, scheme.limit(&key.public));
    Ok(Box::new(Signing { key, message, scheme }))
}

impl<S: SignatureScheme> SignOp for Signing<S> {
    fn signature_len(&self) -> usize {
        self.key.public.len()
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.message.update(part)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        Ok(signature(&self.key, &self.scheme, &self.message.finish())?.to_vec())
    }
}

struct Verifying<S> {
    key: PublicRsa,
    message: Message,
    scheme: S,
}

pub(crate) fn verify<S: SignatureScheme>(key: &Key, hash: Option<Hash>, scheme: S) -> Result<Box<dyn VerifyOp>> {
    let key = PublicRsa::of_verifier(key)?;
    let message = Message::new(hash, scheme.limit(&key));
    Ok(Box::new(Verifying { key, message, scheme }))
}

impl<S: SignatureScheme> VerifyOp for Verifying<S> {
    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.message.update(part)
    }

    fn finish(self: Box<Self>, signature: &[u8]) -> Result<()> {
        let block = opened(&self.key, signature)?;
        if self.scheme.matches(&self.message.finish(), &self.key, &block)? {
            Ok(())
        } else {
            Err(Code::SignatureInvalid.into())
        }
    }
}

struct SigningRecoverably<S> {
    key: PrivateRsa,
    scheme: S,
}

/// `C_SignRecover`: from the data to the signature.
pub(crate) fn sign_recover<S: Recoverable>(key: &Key, scheme: S) -> Result<Box<dyn CipherOp>> {
    let key = PrivateRsa::of(key, FacetKind::RsaSign)?;
    Ok(Collected::boxed(SigningRecoverably { key, scheme }))
}

impl<S: Recoverable> WholeCipher for SigningRecoverably<S> {
    fn answer_len(&self, _len: usize) -> usize {
        self.key.public.len()
    }

    fn run(&self, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        *out = signature(&self.key, &self.scheme, message)?;
        Ok(())
    }
}

struct Recovering<S> {
    key: PublicRsa,
    scheme: S,
}

/// `C_VerifyRecover`: from the signature to the data.
pub(crate) fn verify_recover<S: Recoverable>(key: &Key, scheme: S) -> Result<Box<dyn CipherOp>> {
    Ok(Collected::boxed(Recovering { key: PublicRsa::of_verifier(key)?, scheme }))
}

impl<S: Recoverable> WholeCipher for Recovering<S> {
    fn answer_len(&self, _len: usize) -> usize {
        self.scheme.limit(&self.key)
    }

    fn is_padded(&self) -> bool {
        self.scheme.limit(&self.key) < self.key.len()
    }

    fn run(&self, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let block = opened(&self.key, message)?;
        let data = self.scheme.recover(&block).ok_or(Code::SignatureInvalid)?;
        out.extend_from_slice(data);
        Ok(())
    }
}
