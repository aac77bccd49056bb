//! One row per mechanism. `C_GetMechanismList`, `C_GetMechanismInfo`, allowed key types, the documentation and the
//! conformance matrix come from the rows, and the `CKF_` flags from which constructors are `Some`, so that the token
//! cannot claim what it lacks.

use std::sync::Arc;

use transport::partition::Partition;

use crate::Result;
use crate::ck::{KeyType, MechanismType};
use crate::key::{Key, KeyRequest, NewKey};
use crate::operation::{CipherOp, DigestOp, SignOp, VerifyOp};
use crate::params::{Params, Shape};

/// Starts encryption or decryption.
pub type CipherInit = fn(&Params, &Key) -> Result<Box<dyn CipherOp>>;
/// Starts signing.
pub type SignInit = fn(&Params, &Key) -> Result<Box<dyn SignOp>>;
/// Starts verifying.
pub type VerifyInit = fn(&Params, &Key) -> Result<Box<dyn VerifyOp>>;
/// Starts digesting.
pub type DigestInit = fn(&Params) -> Result<Box<dyn DigestOp>>;
/// Makes a secret key or a key pair.
pub type Generate = fn(&Params, &KeyRequest, &Arc<Partition>) -> Result<NewKey>;
/// Derives a key from a base key; `None` for the partition where the base key is clear and nobody is logged in.
pub type Derive = fn(&Params, &Key, &KeyRequest, Option<&Arc<Partition>>) -> Result<NewKey>;

/// A mechanism: what it is called, what it needs, what it can do.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The standard's number.
    pub kind: MechanismType,
    /// Section of PKCS#11 v3.2 that describes it.
    pub section: &'static str,
    /// Key types that it takes or makes; empty for digests.
    pub keys: &'static [KeyType],
    /// Smallest key: bits for RSA and EC, bytes for secret keys; 0 where there is no key.
    pub min_size: usize,
    /// Largest key, in the same unit.
    pub max_size: usize,
    /// Which parameter structure it reads.
    pub shape: Shape,
    /// Whether the private-key or secret-key step runs in the HSM (`CKF_HW`).
    pub hardware: bool,
    /// `CKF_ENCRYPT`.
    pub encrypt: Option<CipherInit>,
    /// `CKF_DECRYPT`.
    pub decrypt: Option<CipherInit>,
    /// `CKF_SIGN`.
    pub sign: Option<SignInit>,
    /// `CKF_VERIFY`.
    pub verify: Option<VerifyInit>,
    /// `CKF_DIGEST`.
    pub digest: Option<DigestInit>,
    /// `CKF_GENERATE`.
    pub generate: Option<Generate>,
    /// `CKF_GENERATE_KEY_PAIR`.
    pub generate_pair: Option<Generate>,
    /// `CKF_DERIVE`.
    pub derive: Option<Derive>,
}

impl Row {
    /// A row that can do nothing yet; families fill in with `..Row::none(kind)`.
    pub const fn none(kind: MechanismType) -> Self {
        Self {
            kind,
            section: "",
            keys: &[],
            min_size: 0,
            max_size: 0,
            shape: Shape::None,
            hardware: false,
            encrypt: None,
            decrypt: None,
            sign: None,
            verify: None,
            digest: None,
            generate: None,
            generate_pair: None,
            derive: None,
        }
    }

    /// `CK_MECHANISM_INFO.flags`.
    pub fn flags(&self) -> u64 {
        let on = |present: bool, flag| if present { flag } else { 0 };
        on(self.hardware, cryptoki_sys::CKF_HW)
            | on(self.encrypt.is_some(), cryptoki_sys::CKF_ENCRYPT)
            | on(self.decrypt.is_some(), cryptoki_sys::CKF_DECRYPT)
            | on(self.sign.is_some(), cryptoki_sys::CKF_SIGN)
            | on(self.verify.is_some(), cryptoki_sys::CKF_VERIFY)
            | on(self.digest.is_some(), cryptoki_sys::CKF_DIGEST)
            | on(self.generate.is_some(), cryptoki_sys::CKF_GENERATE)
            | on(self.generate_pair.is_some(), cryptoki_sys::CKF_GENERATE_KEY_PAIR)
            | on(self.derive.is_some(), cryptoki_sys::CKF_DERIVE)
    }
}

/// All rows, in the order of `C_GetMechanismList`.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [].into_iter()
}

/// The row of a mechanism.
pub fn row(kind: MechanismType) -> Option<&'static Row> {
    rows().find(|row| row.kind == kind)
}
