//! RSA keys, ready for their raw operation.

use std::sync::Arc;

use once_cell::unsync::OnceCell;
use transport::partition::{FacetKind, HsmKey, Partition};
use transport::raw_rsa;
use zeroize::Zeroizing;

use crate::digest::Hash;
use crate::error::{Code, Error, Result};
use crate::key::{Key, Material, PublicKey, Value};

/// A public key, ready for m^e mod n.
pub(crate) struct PublicRsa {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    raw: OnceCell<raw_rsa::PublicKey>,
}

impl PublicRsa {
    /// For private keys, and to encrypt and wrap: 2048 bits at least (NIST SP 800-131A).
    pub(crate) fn of(key: &Key) -> Result<Self> {
        Self::at_least(key, 2048)
    }

    /// To verify signatures, also those of the past: 1024 bits at least.
    pub(crate) fn of_verifier(key: &Key) -> Result<Self> {
        Self::at_least(key, super::weak::MIN_PUBLIC_BITS)
    }

    fn at_least(key: &Key, min_bits: usize) -> Result<Self> {
        let public = match (&key.material, &key.public) {
            (Material::Public(public), _) | (_, Some(public)) => public.as_ref().clone(),
            (Material::Clear(value), None) => value.public()?,
            (Material::Hsm(..), None) => return Err(Code::GeneralError.because("an HSM key without its public half")),
        };
        let PublicKey::Rsa { modulus, exponent } = public else { return Err(Code::KeyTypeInconsistent.into()) };
        let key = Self { modulus, exponent, raw: OnceCell::new() };
        if key.bits() < min_bits {
            return Err(Code::KeySizeRange.because(format_args!("an RSA key of less than {min_bits} bits")));
        }
        Ok(key)
    }

    /// Length of the modulus in bytes, and so of every signature and ciphertext.
    pub(crate) fn len(&self) -> usize {
        self.modulus.len()
    }

    /// Length of the modulus in bits.
    pub(crate) fn bits(&self) -> usize {
        self.modulus.len() * 8 - self.modulus.first().map_or(0, |byte| byte.leading_zeros() as usize)
    }

    /// Whether the public exponent is below 65537.
    pub(crate) fn has_small_exponent(&self) -> bool {
        self.exponent.len() < 3
    }

    /// Whether `block`, as long as the modulus, is a number below it.
    pub(crate) fn holds(&self, block: &[u8]) -> bool {
        block.len() == self.len() && block < &self.modulus[..]
    }

    /// block^e mod n, for a block that [`PublicRsa::holds`].
    pub(crate) fn apply(&self, block: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let raw = self.raw.get_or_try_init(|| raw_rsa::PublicKey::new(&self.modulus, &self.exponent));
        raw.and_then(|raw| raw.apply(block)).map_err(|error| Code::FunctionFailed.because(error))
    }
}

/// A private key, ready for c^d mod n with one facet.
pub(crate) struct PrivateRsa {
    pub(crate) public: PublicRsa,
    secret: Secret,
}

enum Secret {
    Hsm(Arc<HsmKey>, Arc<Partition>, FacetKind),
    Clear(raw_rsa::PrivateKey),
}

impl PrivateRsa {
    pub(crate) fn of(key: &Key, facet: FacetKind) -> Result<Self> {
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
                Secret::Clear(raw_rsa::PrivateKey::from_pkcs8(pkcs8(value)?).map_err(undecodable)?)
            }
            Material::Public(_) => return Err(Code::KeyTypeInconsistent.because("this needs a private key")),
        };
        Ok(Self { public, secret })
    }

    /// block^d mod n, for a block that the public key holds.
    pub(crate) fn apply(&self, block: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        // The device and AWS-LC refuse 0, 1 and n - 1 (semantics 6.5). Each is its own power, since d is odd: no secret.
        if self.trivial(block) {
            return Ok(Zeroizing::new(block.to_vec()));
        }
        match &self.secret {
            Secret::Hsm(key, partition, facet) => {
                let result = partition.rsa_mod_exp(key, *facet, block)?;
                if self.public.holds(&result) {
                    Ok(result)
                } else {
                    Err(Code::DeviceError.because("an RSA result that is not below the modulus"))
                }
            }
            Secret::Clear(key) => key.apply(block).map_err(|error| Code::FunctionFailed.because(error)),
        }
    }

    /// Whether the private step runs in the device, whose results are to be checked; AWS-LC checks its own.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.secret, Secret::Hsm(..))
    }

    fn trivial(&self, block: &[u8]) -> bool {
        let Some((last, front)) = block.split_last() else { return true };
        let small = *last <= 1 && front.iter().all(|byte| *byte == 0);
        // n is odd, so n - 1 differs from it in the last bit only.
        let top = self.public.modulus.split_last().is_some_and(|(n, rest)| rest == front && n ^ 1 == *last);
        small || top
    }

    /// A secret of this key from which the synthetic messages of bad ciphertexts are made, the same for the key's life.
    ///
    /// For a clear key it is that of draft-irtf-cfrg-rsa-guidance, 7.2: the hash of the private exponent. An HSM key does
    /// not show its exponent. There it is the hash of the private operation on one block that is fixed by the modulus:
    /// who could ask for that can decrypt every ciphertext anyway. It is computed when the first decryption starts,
    /// before any ciphertext is seen, and kept with the key.
    pub(crate) fn rejection_secret(&self) -> Result<Zeroizing<[u8; 32]>> {
        let hash = |parts: &[&[u8]]| {
            let mut context = Hash::Sha256.context();
            for part in parts {
                context.update(part);
            }
            let mut out = Zeroizing::new([0; 32]);
            out.copy_from_slice(&context.finish());
            out
        };
        match &self.secret {
            Secret::Clear(key) => Ok(hash(&[&key.private_exponent().map_err(undecodable)?])),
            Secret::Hsm(key, ..) => {
                let secret = key.memo(|| {
                    let mut block = vec![0; self.public.len()];
                    for (index, chunk) in (0u8..).zip(block[1..].chunks_mut(32)) {
                        let bytes = hash(&[REJECTION, b"block", &[index], &self.public.modulus]);
                        chunk.copy_from_slice(&bytes[..chunk.len()]);
                    }
                    Ok::<_, Error>(hash(&[REJECTION, b"secret", &self.apply(&block)?]))
                })?;
                Ok(Zeroizing::new(*secret))
            }
        }
    }
}

fn pkcs8(value: &Value) -> Result<&[u8]> {
    match value {
        Value::Rsa(der) => Ok(der),
        Value::Secret(_) | Value::Ec(..) => Err(Code::KeyTypeInconsistent.into()),
    }
}

fn undecodable<E>(_: E) -> Error {
    Code::GeneralError.because("a stored RSA key does not decode")
}

/// What the hashes of [`PrivateRsa::rejection_secret`] begin with.
const REJECTION: &[u8] = b"azihsm-pkcs11 implicit rejection v1";

#[cfg(test)]
mod tests {
    use super::super::tests::{modulus, private, theirs};
    use super::*;

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
    fn the_raw_operations_are_those_of_rustcrypto() {
        let key = PrivateRsa::of(&private(), FacetKind::RsaSign).unwrap();
        for byte in [1, 2, 0x7f, 0x80] {
            let block = [vec![0], vec![byte; 255]].concat();
            let number = rsa::BoxedUint::from_be_slice(&block, 2048).unwrap();
            let powered = rsa::hazmat::rsa_encrypt(&theirs(), &number).unwrap();
            assert_eq!(*key.public.apply(&block).unwrap(), *powered.to_be_bytes());
            assert_eq!(*key.apply(&key.public.apply(&block).unwrap()).unwrap(), block);
        }
    }
}
