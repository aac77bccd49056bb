//! RSA without padding, for keys that are not in the HSM: AWS-LC's raw operations, which its safe crate does not offer.
//! Paddings and their constant time are the caller's.

use std::fmt;

use pkcs8::PrivateKeyInfoRef;
use rsa::pkcs1::RsaPrivateKeyRef;
use zeroize::Zeroizing;

use crate::emulator::raw::{CrtParts, RsaKey, RsaPublic};
use crate::{Error, Result};

/// An RSA private key with its CRT values. `Send + Sync`; erased when dropped; `Debug` shows its size only.
#[derive(Debug)]
pub struct PrivateKey(RsaKey);

impl PrivateKey {
    /// From PKCS#8 DER of a two-prime key with all CRT values; AWS-LC checks that they belong together.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let bad = Error::InvalidArgument("not an RSA private key in PKCS#8, or its numbers do not fit together");
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| bad.clone())?;
        let key = RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).map_err(|_| bad.clone())?;
        let parts = CrtParts {
            n: key.modulus.as_bytes(),
            e: key.public_exponent.as_bytes(),
            d: key.private_exponent.as_bytes(),
            p: key.prime1.as_bytes(),
            q: key.prime2.as_bytes(),
            dp: key.exponent1.as_bytes(),
            dq: key.exponent2.as_bytes(),
            q_inv: key.coefficient.as_bytes(),
        };
        RsaKey::from_crt(&parts).map(Self).map_err(|_| bad)
    }

    /// `operand ^ d mod n`, both big-endian and as long as the modulus, 1 < operand < n - 1; blinded, and checked with the
    /// public exponent before it is answered.
    pub fn apply(&self, operand: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.0.private_op(operand).map_err(|_| Error::InvalidArgument("an RSA operand that is out of range"))
    }

    /// The private exponent, big-endian, as long as the modulus.
    pub fn private_exponent(&self) -> Result<Zeroizing<Vec<u8>>> {
        self.0.private_exponent().map_err(|_| Error::InvalidArgument("an RSA key without a private exponent"))
    }
}

/// An RSA public key. `Send + Sync`.
pub struct PublicKey(RsaPublic);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey")
    }
}

impl PublicKey {
    /// From modulus and exponent, big-endian: both odd, the exponent of 2 to 33 bits.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self> {
        RsaPublic::new(modulus, exponent).map(Self).map_err(|_| Error::InvalidArgument("not an RSA public key"))
    }

    /// `operand ^ e mod n`, both as long as the modulus and below it, big-endian.
    pub fn apply(&self, operand: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.0.public_op(operand).map_err(|_| Error::InvalidArgument("an RSA operand that is not below the modulus"))
    }
}
