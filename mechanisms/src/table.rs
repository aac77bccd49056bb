//! One row per mechanism. `C_GetMechanismList`, `C_GetMechanismInfo`, allowed key types, the documentation and the
//! conformance matrix come from the rows, and the `CKF_` flags from which constructors are `Some`, so that the token
//! cannot claim what it lacks.

use std::fmt::Write;
use std::sync::Arc;

use transport::partition::Partition;

use crate::ck::{KeyType, MechanismType};
use crate::error::{Code, Result};
use crate::key::{Key, KeyRequest, NewKey};
use crate::operation::{CipherOp, DigestOp, SignOp, VerifyOp};
use crate::params::{Params, Shape};
use crate::{aes, aes_cbc, aes_gcm, digest, ec, ecdh, ecdsa, hkdf, hmac, rsa, secret};

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
    /// Smallest key, in the standard's unit: bits for RSA, EC and generic secret generation, else bytes; 0 where there
    /// is no key.
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

    /// `CKR_KEY_TYPE_INCONSISTENT` unless this mechanism takes keys of `key`'s type.
    pub fn accepts(&self, key: &Key) -> Result<()> {
        if self.keys.contains(&key.key_type) {
            return Ok(());
        }
        Err(Code::KeyTypeInconsistent.because(format_args!("{:?} with a {:?} key", self.kind, key.key_type)))
    }

    /// What it can do, in the words of the standard's functions.
    fn functions(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.generate.is_some(), "generate"),
            (self.generate_pair.is_some(), "generate pair"),
            (self.encrypt.is_some(), "encrypt"),
            (self.decrypt.is_some(), "decrypt"),
            (self.sign.is_some(), "sign"),
            (self.verify.is_some(), "verify"),
            (self.derive.is_some(), "derive"),
            (self.digest.is_some(), "digest"),
        ]
        .into_iter()
        .filter_map(|(present, word)| present.then_some(word))
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
            | on(self.keys.contains(&KeyType::EC), ec::FLAGS)
    }
}

/// The families, in the order of `C_GetMechanismList`.
const FAMILIES: &[&[Row]] = &[
    rsa::keys::ROWS,
    rsa::pkcs1::ROWS,
    rsa::raw::ROWS,
    rsa::oaep::ROWS,
    rsa::pss::ROWS,
    ec::ROWS,
    ecdsa::ROWS,
    ecdh::ROWS,
    aes::ROWS,
    aes_cbc::ROWS,
    aes_gcm::ROWS,
    secret::ROWS,
    hmac::ROWS,
    hkdf::ROWS,
    digest::ROWS,
];

/// All rows, in the order of `C_GetMechanismList`.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The row of a mechanism.
pub fn row(kind: MechanismType) -> Option<&'static Row> {
    rows().find(|row| row.kind == kind)
}

/// The README's table: mechanism, section, functions, key types, sizes, where the private or secret step runs.
pub fn markdown() -> String {
    let mut out =
        String::from("| Mechanism | Section | Functions | Keys | Sizes | Runs in |\n|---|---|---|---|---|---|\n");
    for row in rows() {
        let functions: Vec<_> = row.functions().collect();
        let keys: Vec<_> = row.keys.iter().map(|key| format!("`{key:?}`")).collect();
        let bits = row.kind == MechanismType::GENERIC_SECRET_KEY_GEN
            || row.keys.iter().any(|key| matches!(*key, KeyType::RSA | KeyType::EC));
        let unit = if bits { "bits" } else { "bytes" };
        let sizes = match (row.min_size, row.max_size) {
            (0, 0) => String::new(),
            (min, max) => format!("{min} to {max} {unit}"),
        };
        let place = if row.hardware { "HSM; library for sealed keys" } else { "library" };
        let (functions, keys) = (functions.join(", "), keys.join(", "));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| `{:?}` | {} | {functions} | {keys} | {sizes} | {place} |", row.kind, row.section);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_are_complete_and_unique() {
        let kinds: HashSet<_> = rows().map(|row| row.kind).collect();
        assert_eq!(kinds.len(), rows().count(), "no mechanism twice");
        assert_eq!(kinds.len(), 35, "a new mechanism updates this number on purpose");
        for row in rows() {
            assert!(row.kind.name().is_some(), "{:#x} has a name", row.kind.0);
            assert!(row.section.starts_with("6."), "{:?} has a section", row.kind);
            assert!(row.functions().next().is_some(), "{:?} can do something", row.kind);
            assert_eq!(row.keys.is_empty(), row.digest.is_some(), "{:?}: digests alone have no keys", row.kind);
            assert!(row.min_size <= row.max_size);
            assert_eq!(super::row(row.kind).unwrap().kind, row.kind);
        }
    }

    #[test]
    fn flags_come_from_constructors() {
        let flags = |kind| row(kind).unwrap().flags();
        assert_eq!(flags(MechanismType::SHA256), cryptoki_sys::CKF_DIGEST);
        assert_eq!(
            flags(MechanismType::RSA_PKCS),
            cryptoki_sys::CKF_HW
                | cryptoki_sys::CKF_SIGN
                | cryptoki_sys::CKF_VERIFY
                | cryptoki_sys::CKF_ENCRYPT
                | cryptoki_sys::CKF_DECRYPT
        );
        assert_eq!(flags(MechanismType::AES_KEY_GEN), cryptoki_sys::CKF_HW | cryptoki_sys::CKF_GENERATE);
        assert_eq!(flags(MechanismType::SHA_1_HMAC), cryptoki_sys::CKF_SIGN | cryptoki_sys::CKF_VERIFY);
        assert_eq!(flags(MechanismType::ECDH1_DERIVE), cryptoki_sys::CKF_HW | cryptoki_sys::CKF_DERIVE | ec::FLAGS);
        assert!(row(MechanismType(0xdead_beef)).is_none());
    }

    #[test]
    fn markdown_has_a_line_for_each() {
        let text = markdown();
        assert_eq!(text.lines().count(), rows().count() + 2);
        assert!(
            text.contains("| `CKM_AES_GCM` | 6.13.2 | encrypt, decrypt | `CKK_AES` | 16 to 32 bytes | HSM"),
            "{text}"
        );
    }
}
