//! RSA: raw operations on one side, paddings (`crate::padding`) on the other, and one driver for each of the four
//! functions between them. The private step runs in the HSM. For clear keys it runs in AWS-LC where that knows the
//! padding, else (its safe crate has no raw RSA) in the `rsa` crate with blinding, under the same paddings as HSM keys.
//!
//! Each signature is checked with the public key before it is released (semantics 9.2 rule 15).

pub(crate) mod aes_wrap;
pub(crate) mod keys;
pub(crate) mod oaep;
pub(crate) mod pkcs1;
pub(crate) mod pss;
pub(crate) mod raw;

use std::sync::Arc;

use aws_lc_rs::signature as engine;
use once_cell::unsync::OnceCell;
use rsa::BoxedUint;
use rsa::hazmat::{rsa_decrypt_and_check, rsa_encrypt};
use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::PublicKeyParts;
use subtle::ConstantTimeEq;
use transport::partition::{FacetKind, HsmKey, Partition};
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::digest::{Hash, Message, too_long};
use crate::error::{Code, Error, Result};
use crate::key::{Key, Material, PublicKey, Value};
use crate::operation::{CipherOp, SignOp, VerifyOp};
use crate::random;
use crate::table::Row;

pub use keys::{Components, Crt, components, private_from_components, private_from_pkcs8, public};
pub(crate) use keys::{public_of, spki};

/// What all rows over RSA keys share.
pub(crate) const fn row(kind: MechanismType, section: &'static str) -> Row {
    Row { section, keys: &[KeyType::RSA], min_size: 2048, max_size: 4096, hardware: true, ..Row::none(kind) }
}

/// A public key, ready for m^e mod n.
pub(crate) struct PublicRsa {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    /// For the raw operation, which few calls need.
    raw: OnceCell<rsa::RsaPublicKey>,
}

impl PublicRsa {
    fn of(key: &Key) -> Result<Self> {
        let public = match (&key.material, &key.public) {
            (Material::Public(public), _) | (_, Some(public)) => public.as_ref().clone(),
            (Material::Clear(value), None) => value.public()?,
            (Material::Hsm(..), None) => return Err(Code::GeneralError.because("an HSM key without its public half")),
        };
        match public {
            PublicKey::Rsa { modulus, exponent } if modulus.len() >= 256 => {
                Ok(Self { modulus, exponent, raw: OnceCell::new() })
            }
            PublicKey::Rsa { .. } => Err(Code::KeySizeRange.because("an RSA key of less than 2048 bits")),
            PublicKey::Ec { .. } => Err(Code::KeyTypeInconsistent.into()),
        }
    }

    /// Length of the modulus in bytes, and so of every signature and ciphertext.
    pub(crate) fn len(&self) -> usize {
        self.modulus.len()
    }

    /// Length of the modulus in bits.
    pub(crate) fn bits(&self) -> usize {
        self.modulus.len() * 8 - self.modulus.first().map_or(0, |byte| byte.leading_zeros() as usize)
    }

    /// Whether `block`, as long as the modulus, is a number below it.
    pub(crate) fn holds(&self, block: &[u8]) -> bool {
        block.len() == self.len() && block < &self.modulus[..]
    }

    /// block^e mod n, for a block that [`PublicRsa::holds`].
    fn apply(&self, block: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let number = self.number(block)?;
        let result = rsa_encrypt(self.raw()?, &number).map_err(|_| Code::FunctionFailed.because("RSA"))?;
        Ok(self.bytes(&result))
    }

    fn raw(&self) -> Result<&rsa::RsaPublicKey> {
        self.raw.get_or_try_init(|| keys::engine_public(&self.modulus, &self.exponent))
    }

    /// Whether AWS-LC finds the signature right.
    fn verifies(&self, known: &Known, signature: &[u8]) -> Result<bool> {
        let der = keys::pkcs1_public(&self.modulus, &self.exponent)?;
        Ok(engine::UnparsedPublicKey::new(known.verify, der).verify_digest(&known.digest, signature).is_ok())
    }

    fn number(&self, block: &[u8]) -> Result<BoxedUint> {
        if !self.holds(block) {
            return Err(Code::FunctionFailed.because("an operand that is not below the modulus"));
        }
        BoxedUint::from_be_slice(block, self.raw()?.n_bits_precision())
            .map_err(|_| Code::FunctionFailed.because("an operand longer than the modulus"))
    }

    /// A number below n in as many bytes as the modulus has.
    fn bytes(&self, number: &BoxedUint) -> Zeroizing<Vec<u8>> {
        let wide = Zeroizing::new(number.to_be_bytes().into_vec());
        Zeroizing::new(wide[wide.len() - self.len()..].to_vec())
    }
}

/// A private key, ready for c^d mod n with one facet.
struct PrivateRsa {
    public: PublicRsa,
    secret: Secret,
}

enum Secret {
    Hsm(Arc<HsmKey>, Arc<Partition>, FacetKind),
    Clear(Arc<Value>),
}

impl PrivateRsa {
    fn of(key: &Key, facet: FacetKind) -> Result<Self> {
        let public = PublicRsa::of(key)?;
        let secret = match &key.material {
            Material::Hsm(hsm, partition) if hsm.can(facet) => {
                Secret::Hsm(Arc::clone(hsm), Arc::clone(partition), facet)
            }
            Material::Hsm(..) => {
                return Err(Code::KeyFunctionNotPermitted
                    .because(format_args!("this HSM key has no {facet:?} facet; its template decided that")));
            }
            Material::Clear(value) => {
                pkcs8(value)?;
                Secret::Clear(Arc::clone(value))
            }
            Material::Public(_) => return Err(Code::KeyTypeInconsistent.because("this needs a private key")),
        };
        Ok(Self { public, secret })
    }

    /// block^d mod n, for a block that the public key holds.
    fn apply(&self, block: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        match &self.secret {
            // The device refuses 0, 1 and n - 1 (semantics 6.5). Each is its own power, since d is odd: no secret.
            Secret::Hsm(..) if self.trivial(block) => Ok(Zeroizing::new(block.to_vec())),
            Secret::Hsm(key, partition, facet) => {
                let result = partition.rsa_mod_exp(key, *facet, block)?;
                if self.public.holds(&result) {
                    Ok(result)
                } else {
                    Err(Code::DeviceError.because("an RSA result that is not below the modulus"))
                }
            }
            Secret::Clear(value) => {
                let key = rsa::RsaPrivateKey::from_pkcs8_der(pkcs8(value)?).map_err(|_| undecodable())?;
                let number = self.public.number(block)?;
                let result = rsa_decrypt_and_check(&key, Some(&mut SystemRandom), &number)
                    .map_err(|_| Code::FunctionFailed.because("RSA"))?;
                Ok(self.public.bytes(&result))
            }
        }
    }

    fn trivial(&self, block: &[u8]) -> bool {
        let Some((last, front)) = block.split_last() else { return true };
        let small = *last <= 1 && front.iter().all(|byte| *byte == 0);
        // n is odd, so n - 1 differs from it in the last bit only.
        let top = self.public.modulus.split_last().is_some_and(|(n, rest)| rest == front && n ^ 1 == *last);
        small || top
    }

    /// A signature over a message, or over the digest of one that was hashed; checked before it leaves.
    fn sign(&self, scheme: &impl SignatureScheme, message: &[u8]) -> Result<Vec<u8>> {
        let known = scheme.known(message);
        if let (Secret::Clear(value), Some(Known { sign: Some(padding), digest, .. })) = (&self.secret, &known) {
            let pair = aws_lc_rs::rsa::KeyPair::from_pkcs8(pkcs8(value)?).map_err(|_| undecodable())?;
            let mut signature = vec![0; self.public.len()];
            pair.sign_digest(*padding, digest, &mut signature).map_err(|_| Code::FunctionFailed.because("RSA"))?;
            return Ok(signature);
        }
        let block = scheme.encode(message, &self.public)?;
        let signature = self.apply(&block)?;
        // For a clear key the engine has made the same check.
        let good = match (&self.secret, &known) {
            (Secret::Clear(_), _) => true,
            (Secret::Hsm(..), Some(known)) => self.public.verifies(known, &signature)?,
            (Secret::Hsm(..), None) => self.public.apply(&signature)?.ct_eq(&block).into(),
        };
        if good {
            Ok(signature.to_vec())
        } else {
            Err(Code::DeviceError.because("the HSM made a wrong RSA signature; it is withheld"))
        }
    }
}

fn pkcs8(value: &Value) -> Result<&[u8]> {
    match value {
        Value::Rsa(der) => Ok(der),
        Value::Secret(_) | Value::Ec(..) => Err(Code::KeyTypeInconsistent.into()),
    }
}

fn undecodable() -> Error {
    Code::GeneralError.because("a stored RSA key does not decode")
}

/// AWS-LC's random generator, as the `rsa` crate asks for one.
struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = Error;

    fn try_next_u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        random::fill(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        random::fill(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<()> {
        random::fill(dst)
    }
}

impl TryCryptoRng for SystemRandom {}

/// How a message becomes a block as long as the modulus, and how a block is known to be of a message.
trait SignatureScheme: Send + 'static {
    /// The longest message in bytes; not asked where the message is hashed.
    fn limit(&self, key: &PublicRsa) -> usize;

    /// The block to sign.
    fn encode(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>>;

    /// Whether a recovered block is of this message.
    fn matches(&self, message: &[u8], key: &PublicRsa, block: &[u8]) -> Result<bool>;

    /// The scheme as AWS-LC knows it, where it does: its verification takes a ninth of the time of the raw operation
    /// in the `rsa` crate, its signing a quarter.
    fn known(&self, message: &[u8]) -> Option<Known>;
}

/// A padding that AWS-LC has under a name, and the digest that it pads.
struct Known {
    digest: aws_lc_rs::digest::Digest,
    verify: &'static dyn engine::VerificationAlgorithm,
    sign: Option<&'static dyn engine::RsaEncoding>,
}

struct Signing<S> {
    key: PrivateRsa,
    message: Message,
    scheme: S,
}

fn sign<S: SignatureScheme>(key: &Key, hash: Option<Hash>, scheme: S) -> Result<Box<dyn SignOp>> {
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
        self.key.sign(&self.scheme, &self.message.finish())
    }
}

struct Verifying<S> {
    key: PublicRsa,
    message: Message,
    scheme: S,
}

fn verify<S: SignatureScheme>(key: &Key, hash: Option<Hash>, scheme: S) -> Result<Box<dyn VerifyOp>> {
    let key = PublicRsa::of(key)?;
    let message = Message::new(hash, scheme.limit(&key));
    Ok(Box::new(Verifying { key, message, scheme }))
}

impl<S: SignatureScheme> VerifyOp for Verifying<S> {
    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.message.update(part)
    }

    fn finish(self: Box<Self>, signature: &[u8]) -> Result<()> {
        if signature.len() != self.key.len() {
            return Err(Code::SignatureLenRange.because(format_args!(
                "a signature of {} bytes for a modulus of {}",
                signature.len(),
                self.key.len()
            )));
        }
        if !self.key.holds(signature) {
            return Err(Code::SignatureInvalid.because("the signature is not below the modulus"));
        }
        let message = self.message.finish();
        let good = match self.scheme.known(&message) {
            Some(known) => self.key.verifies(&known, signature)?,
            None => self.scheme.matches(&message, &self.key, &self.key.apply(signature)?)?,
        };
        if good { Ok(()) } else { Err(Code::SignatureInvalid.into()) }
    }
}

/// How a short message becomes a block to encrypt, and back.
trait CipherScheme: Send + 'static {
    /// The longest message in bytes.
    fn limit(&self, key: &PublicRsa) -> usize;

    /// The block to encrypt.
    fn pad(&self, message: &[u8], key: &PublicRsa) -> Result<Zeroizing<Vec<u8>>>;

    /// What a decrypted block holds.
    fn unpad(&self, block: Zeroizing<Vec<u8>>, key: &PublicRsa, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>>;
}

struct Encrypting<S> {
    key: PublicRsa,
    message: Zeroizing<Vec<u8>>,
    scheme: S,
}

fn encrypt<S: CipherScheme>(key: &Key, scheme: S) -> Result<Box<dyn CipherOp>> {
    let key = PublicRsa::of(key)?;
    let message = Zeroizing::new(Vec::with_capacity(key.len()));
    Ok(Box::new(Encrypting { key, message, scheme }))
}

impl<S: CipherScheme> CipherOp for Encrypting<S> {
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
        let block = self.scheme.pad(&self.message, &self.key)?;
        out.extend_from_slice(&self.key.apply(&block)?);
        Ok(())
    }
}

struct Decrypting<S> {
    key: PrivateRsa,
    ciphertext: Vec<u8>,
    scheme: S,
}

fn decrypt<S: CipherScheme>(key: &Key, scheme: S) -> Result<Box<dyn CipherOp>> {
    let key = PrivateRsa::of(key, FacetKind::RsaDecrypt)?;
    Ok(Box::new(Decrypting { key, ciphertext: Vec::new(), scheme }))
}

impl<S: CipherScheme> CipherOp for Decrypting<S> {
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
        if self.ciphertext.len() != self.key.public.len() {
            return Err(Code::EncryptedDataLenRange.because(format_args!(
                "{} bytes for a modulus of {}",
                self.ciphertext.len(),
                self.key.public.len()
            )));
        }
        if !self.key.public.holds(&self.ciphertext) {
            return Err(Code::EncryptedDataInvalid.because("the ciphertext is not below the modulus"));
        }
        let block = self.key.apply(&self.ciphertext)?;
        let message = self.scheme.unpad(block, &self.key.public, &self.ciphertext)?;
        out.extend_from_slice(&message);
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use once_cell::sync::Lazy;

    use super::*;
    use crate::params::Params;
    use crate::table;

    /// Key generation is slow; one key serves all tests.
    static PAIR: Lazy<Arc<Value>> = Lazy::new(|| Arc::new(keys::generate_value(2048).unwrap()));

    pub(crate) fn private() -> Key {
        Key { key_type: KeyType::RSA, material: Material::Clear(Arc::clone(&PAIR)), public: None }
    }

    pub(crate) fn public() -> Key {
        let public = Arc::new(PAIR.public().unwrap());
        Key { key_type: KeyType::RSA, material: Material::Public(public), public: None }
    }

    pub(crate) fn modulus() -> Vec<u8> {
        match PAIR.public().unwrap() {
            PublicKey::Rsa { modulus, .. } => modulus,
            PublicKey::Ec { .. } => panic!("an RSA key"),
        }
    }

    pub(crate) fn signature(kind: MechanismType, params: &Params, message: &[u8]) -> Result<Vec<u8>> {
        let op = table::row(kind).unwrap().sign.unwrap()(params, &private())?;
        assert_eq!(op.signature_len(), 256);
        op.sign(message)
    }

    pub(crate) fn verified(kind: MechanismType, params: &Params, message: &[u8], signature: &[u8]) -> Result<()> {
        table::row(kind).unwrap().verify.unwrap()(params, &public())?.verify(message, signature)
    }

    pub(crate) fn encrypted(kind: MechanismType, params: &Params, message: &[u8]) -> Result<Vec<u8>> {
        let op = table::row(kind).unwrap().encrypt.unwrap()(params, &public())?;
        let promised = op.final_len(message.len());
        let mut out = Zeroizing::default();
        op.whole(message, &mut out)?;
        assert_eq!(out.len(), promised);
        Ok(out.to_vec())
    }

    pub(crate) fn decrypted(kind: MechanismType, params: &Params, ciphertext: &[u8]) -> Result<Vec<u8>> {
        let op = table::row(kind).unwrap().decrypt.unwrap()(params, &private())?;
        let promised = op.final_len(ciphertext.len());
        let mut out = Zeroizing::default();
        op.whole(ciphertext, &mut out)?;
        assert!(out.len() <= promised);
        Ok(out.to_vec())
    }

    /// The public key in AWS-LC, for a second opinion.
    pub(crate) fn spki() -> Vec<u8> {
        PAIR.public().unwrap().to_spki().unwrap()
    }

    #[test]
    fn trivial_operands_are_known_without_the_device() {
        let key = PrivateRsa::of(&private(), FacetKind::RsaSign).unwrap();
        let n = modulus();
        let number = |last: u8| [vec![0; 255], vec![last]].concat();
        let mut top = n.clone();
        top[255] ^= 1;
        for block in [number(0), number(1), top] {
            assert!(key.trivial(&block));
            assert_eq!(*key.apply(&block).unwrap(), block, "each is its own power");
        }
        assert!(!key.trivial(&number(2)));
        let mut near = n;
        near[255] ^= 3;
        assert!(!key.trivial(&near));
    }

    #[test]
    fn lengths_and_ranges_of_signatures_and_ciphertexts() {
        let kind = MechanismType::SHA256_RSA_PKCS;
        for len in [0, 255, 257] {
            let refused = verified(kind, &Params::None, b"x", &vec![1; len]);
            assert_eq!(refused.unwrap_err(), Code::SignatureLenRange);
            let refused = decrypted(MechanismType::RSA_PKCS, &Params::None, &vec![1; len]);
            assert_eq!(refused.unwrap_err(), Code::EncryptedDataLenRange);
        }
        for block in [modulus(), vec![0xff; 256]] {
            assert_eq!(verified(kind, &Params::None, b"x", &block).unwrap_err(), Code::SignatureInvalid);
            let refused = decrypted(MechanismType::RSA_PKCS, &Params::None, &block);
            assert_eq!(refused.unwrap_err(), Code::EncryptedDataInvalid);
        }
        let row = table::row(kind).unwrap();
        assert_eq!(row.sign.unwrap()(&Params::None, &public()).err().unwrap(), Code::KeyTypeInconsistent);
    }
}
