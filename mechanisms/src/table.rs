//! One row per mechanism. `C_GetMechanismList`, `C_GetMechanismInfo`, allowed key types, the documentation and the
//! conformance matrix come from the rows, and the `CKF_` flags from which constructors are `Some`, so that the token
//! cannot claim what it lacks.

use std::fmt::Write;
use std::sync::Arc;

use transport::partition::Partition;
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType, ObjectClass};
use crate::error::{Code, Result};
use crate::key::{Key, KeyRequest, NewKey, PublicKey};
use crate::operation::{CipherOp, DigestOp, MessageOp, SignOp, VerifyOp};
use crate::params::{Params, Shape};
use crate::{
    aes, aes_cbc, aes_ccm, aes_cmac, aes_ctr, aes_data, aes_ecb, aes_gcm, aes_key_wrap, aes_xts, combine, digest, ec,
    ecdh, ecdh_aes_wrap, ecdsa, hkdf, hmac, kbkdf, key_digest, pbkdf2, public_key, rsa, secret,
};

/// Starts encryption or decryption.
pub type CipherInit = fn(&Params, &Key) -> Result<Box<dyn CipherOp>>;
/// Starts encryption or decryption of messages under one key.
pub type MessageInit = fn(&Params, &Key) -> Result<Box<dyn MessageOp>>;
/// Starts signing.
pub type SignInit = fn(&Params, &Key) -> Result<Box<dyn SignOp>>;
/// Starts verifying.
pub type VerifyInit = fn(&Params, &Key) -> Result<Box<dyn VerifyOp>>;
/// Starts digesting.
pub type DigestInit = fn(&Params) -> Result<Box<dyn DigestOp>>;
/// Makes a secret key or a key pair.
pub type Generate = fn(&Params, &KeyRequest, &Arc<Partition>) -> Result<NewKey>;
/// Derives a key, or what else the mechanism makes, from a base key.
pub type Derive = fn(&Derivation<'_>) -> Result<Derived>;
/// Unwraps with the partition's own unwrapping key: `wrapped` becomes a key inside the device and is never clear on the
/// host.
pub type UnwrapInside = fn(&Params, &Arc<Partition>, wrapped: &[u8], &KeyRequest) -> Result<NewKey>;

/// What a derivation starts from.
#[derive(Clone, Copy, Debug)]
pub struct Derivation<'a> {
    /// The mechanism's parameter.
    pub params: &'a Params,
    /// The base key.
    pub base: &'a Key,
    /// The keys that [`Params::other_keys`] names, in its order.
    pub others: &'a [Key],
    /// What is to be made.
    pub request: &'a KeyRequest,
    /// The live partition; `None` where the base key is clear and nobody is logged in.
    pub partition: Option<&'a Arc<Partition>>,
}

/// What a derivation makes.
#[derive(Debug)]
pub enum Derived {
    /// A secret or private key.
    Key(NewKey),
    /// A public key.
    Public(PublicKey),
    /// The value of a data object.
    Data(Zeroizing<Vec<u8>>),
}

/// Key encapsulation.
#[derive(Clone, Copy, Debug)]
pub struct Encapsulate {
    /// Length of the ciphertext in bytes, without making one.
    pub ciphertext_len: fn(&Params, public: &Key) -> Result<usize>,
    /// Makes the ciphertext and the key that it holds; the base is the public key.
    pub run: fn(&Derivation<'_>) -> Result<Encapsulated>,
}

/// A ciphertext and the key that it holds.
#[derive(Debug)]
pub struct Encapsulated {
    /// For the owner of the private key.
    pub ciphertext: Vec<u8>,
    /// For this side.
    pub key: NewKey,
}

/// Takes the key out of a ciphertext; the base is the private key.
pub type Decapsulate = fn(&Derivation<'_>, ciphertext: &[u8]) -> Result<NewKey>;

/// What a payload that is to be wrapped is filled up with to whole blocks of AES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filler {
    /// Nothing, or what the mechanism checks as it checks the payload.
    Protected,
    /// Zeros to half a block, which unwrapping leaves in place; the mechanism protects them and the payload (6.16.3).
    ProtectedZeros,
    /// Zeros, which unwrapping leaves in place; nothing protects the payload (PKCS#11 v3.2, 6.10.4 and 6.10.5).
    Zeros,
    /// PKCS#7; nothing protects the payload.
    Pkcs7,
}

/// A mechanism: what it is called, what it needs, what it can do.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing to know of a mechanism")]
pub struct Row {
    /// The standard's number.
    pub kind: MechanismType,
    /// Section of PKCS#11 v3.2 that describes it.
    pub section: &'static str,
    /// Key types that it takes or makes; empty for digests.
    pub keys: &'static [KeyType],
    /// Smallest key, in the standard's unit: bits for RSA, EC, generic secret generation and SP 800-108, else bytes; 0
    /// where there is no key.
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
    /// The class of what it derives.
    pub derives: ObjectClass,
    /// `CKF_SIGN_RECOVER`: from the data to the signature, in one part.
    pub sign_recover: Option<CipherInit>,
    /// `CKF_VERIFY_RECOVER`: from the signature to the data, in one part.
    pub verify_recover: Option<CipherInit>,
    /// `CKF_WRAP`: from a key's payload (the value of a secret key; PKCS#8 DER of a private key) to its wrapped form.
    pub wrap: Option<CipherInit>,
    /// `CKF_UNWRAP`: from the wrapped form to the payload.
    pub unwrap: Option<CipherInit>,
    /// Unwrapping with the partition's own unwrapping key.
    pub unwrap_inside: Option<UnwrapInside>,
    /// Classes of keys that it can wrap and unwrap.
    pub wraps: &'static [ObjectClass],
    /// What wrapping fills the payload's last block with.
    pub filler: Filler,
    /// Whether it wraps in counter mode, in which to encrypt is to decrypt.
    pub wraps_by_counter: bool,
    /// `CKF_MESSAGE_ENCRYPT`.
    pub message_encrypt: Option<MessageInit>,
    /// `CKF_MESSAGE_DECRYPT`.
    pub message_decrypt: Option<MessageInit>,
    /// `CKF_ENCAPSULATE`.
    pub encapsulate: Option<Encapsulate>,
    /// `CKF_DECAPSULATE`.
    pub decapsulate: Option<Decapsulate>,
    /// Whether it makes its key in the library on every device: what policy strict refuses (design 4).
    pub made_in_library: bool,
    /// Whether a derived generic secret is itself for deriving where its template says of no use.
    pub derives_for_deriving: bool,
    /// Whether it derives by encrypting data that the caller chooses.
    pub derives_by_encrypting: bool,
    /// Whether a derived key consists of bits of its base keys, and bits that the caller knows (PKCS#11 v3.2, 6.43). The
    /// session has to see that the derived key is sensitive where a base key is, and not extractable where one is not;
    /// and that no such key comes of one that wraps or unwraps, for it could be given the permission to decrypt what
    /// its twin wrapped (Delaune, Kremer, Steel 2008). The mechanism sees that no fewer bits come out than went in,
    /// but for [`KeyRequest::base_is_open`].
    pub derives_bits_of_base: bool,
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
            derives: ObjectClass::SECRET_KEY,
            sign_recover: None,
            verify_recover: None,
            wrap: None,
            unwrap: None,
            unwrap_inside: None,
            wraps: &[],
            filler: Filler::Protected,
            wraps_by_counter: false,
            message_encrypt: None,
            message_decrypt: None,
            encapsulate: None,
            decapsulate: None,
            made_in_library: false,
            derives_for_deriving: false,
            derives_by_encrypting: false,
            derives_bits_of_base: false,
        }
    }

    /// Whether policy strict has it. It refuses keys that the library makes, and keys outside the HSM (design 4), without
    /// which a mechanism that runs in the library has no key to run with.
    pub fn is_strict(&self) -> bool {
        !self.made_in_library && (self.takes_hsm_keys() || self.keys.is_empty())
    }

    /// Whether it works with keys in the HSM: there, or with their public halves; or makes pairs for it.
    fn takes_hsm_keys(&self) -> bool {
        self.hardware || self.derives == ObjectClass::PUBLIC_KEY || self.generate_pair.is_some()
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
            (self.sign_recover.is_some(), "sign recover"),
            (self.verify_recover.is_some(), "verify recover"),
            (self.message_encrypt.is_some(), "encrypt messages"),
            (self.message_decrypt.is_some(), "decrypt messages"),
            (self.wrap.is_some(), "wrap"),
            (self.unwrap.is_some(), "unwrap"),
            (self.encapsulate.is_some(), "encapsulate"),
            (self.decapsulate.is_some(), "decapsulate"),
            (self.derive.is_some(), "derive"),
            (self.digest.is_some(), "digest"),
        ]
        .into_iter()
        .filter_map(|(present, word)| present.then_some(word))
    }

    /// `CK_MECHANISM_INFO.flags`.
    pub fn flags(&self) -> u64 {
        let on = |present: bool, flag| if present { flag } else { 0 };
        let messages = self.message_encrypt.is_some()
            || self.message_decrypt.is_some()
            || self.sign.is_some()
            || self.verify.is_some();
        on(self.hardware, cryptoki_sys::CKF_HW)
            | on(self.encrypt.is_some(), cryptoki_sys::CKF_ENCRYPT)
            | on(self.decrypt.is_some(), cryptoki_sys::CKF_DECRYPT)
            | on(self.sign.is_some(), cryptoki_sys::CKF_SIGN)
            | on(self.verify.is_some(), cryptoki_sys::CKF_VERIFY)
            | on(self.digest.is_some(), cryptoki_sys::CKF_DIGEST)
            | on(self.generate.is_some(), cryptoki_sys::CKF_GENERATE)
            | on(self.generate_pair.is_some(), cryptoki_sys::CKF_GENERATE_KEY_PAIR)
            | on(self.derive.is_some(), cryptoki_sys::CKF_DERIVE)
            | on(self.sign_recover.is_some(), cryptoki_sys::CKF_SIGN_RECOVER)
            | on(self.verify_recover.is_some(), cryptoki_sys::CKF_VERIFY_RECOVER)
            | on(self.wrap.is_some(), cryptoki_sys::CKF_WRAP)
            | on(self.unwrap.is_some(), cryptoki_sys::CKF_UNWRAP)
            | on(self.message_encrypt.is_some(), cryptoki_sys::CKF_MESSAGE_ENCRYPT)
            | on(self.message_decrypt.is_some(), cryptoki_sys::CKF_MESSAGE_DECRYPT)
            // Whatever signs one message signs many, and each may come in parts.
            | on(self.sign.is_some(), cryptoki_sys::CKF_MESSAGE_SIGN)
            | on(self.verify.is_some(), cryptoki_sys::CKF_MESSAGE_VERIFY)
            | on(messages, cryptoki_sys::CKF_MULTI_MESSAGE)
            | on(self.encapsulate.is_some(), cryptoki_sys::CKF_ENCAPSULATE)
            | on(self.decapsulate.is_some(), cryptoki_sys::CKF_DECAPSULATE)
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
    rsa::aes_wrap::ROWS,
    ec::ROWS,
    ecdsa::ROWS,
    ecdh::ROWS,
    ecdh_aes_wrap::ROWS,
    public_key::ROWS,
    aes::ROWS,
    aes_ecb::ROWS,
    aes_cbc::ROWS,
    aes_ctr::ROWS,
    aes_gcm::ROWS,
    aes_ccm::ROWS,
    aes_cmac::ROWS,
    aes_xts::ROWS,
    aes_key_wrap::ROWS,
    aes_data::ROWS,
    secret::ROWS,
    hmac::ROWS,
    hkdf::ROWS,
    kbkdf::ROWS,
    pbkdf2::ROWS,
    combine::ROWS,
    key_digest::ROWS,
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

/// The README's table: mechanism, section, functions, key types, sizes, where its keys may live, whether policy strict
/// has it.
pub fn markdown() -> String {
    let mut out = String::from(
        "| Mechanism | Section | Functions | Keys | Sizes | Residency | Strict |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows() {
        let functions: Vec<_> = row.functions().collect();
        let keys: Vec<_> = row.keys.iter().map(|key| format!("`{key:?}`")).collect();
        let bits = matches!(row.kind, MechanismType::GENERIC_SECRET_KEY_GEN | MechanismType::SP800_108_COUNTER_KDF)
            || row.keys.iter().any(|key| matches!(*key, KeyType::RSA | KeyType::EC));
        let unit = if bits { "bits" } else { "bytes" };
        let sizes = match (row.min_size, row.max_size) {
            (0, 0) => String::new(),
            (min, max) => format!("{min} to {max} {unit}"),
        };
        let residency = match (row.keys.is_empty(), row.takes_hsm_keys()) {
            (true, _) => "",
            (false, true) => "HSM, sealed",
            (false, false) => "sealed",
        };
        let strict = if row.is_strict() { "yes" } else { "no" };
        let (functions, keys) = (functions.join(", "), keys.join(", "));
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| `{:?}` | {} | {functions} | {keys} | {sizes} | {residency} | {strict} |",
            row.kind, row.section
        );
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
        const MESSAGES: u64 =
            cryptoki_sys::CKF_MESSAGE_SIGN | cryptoki_sys::CKF_MESSAGE_VERIFY | cryptoki_sys::CKF_MULTI_MESSAGE;
        let flags = |kind| row(kind).unwrap().flags();
        assert_eq!(flags(MechanismType::SHA256), cryptoki_sys::CKF_DIGEST);
        assert_eq!(
            flags(MechanismType::RSA_PKCS),
            cryptoki_sys::CKF_HW
                | cryptoki_sys::CKF_SIGN
                | cryptoki_sys::CKF_VERIFY
                | cryptoki_sys::CKF_SIGN_RECOVER
                | cryptoki_sys::CKF_VERIFY_RECOVER
                | cryptoki_sys::CKF_ENCRYPT
                | cryptoki_sys::CKF_DECRYPT
                | cryptoki_sys::CKF_WRAP
                | cryptoki_sys::CKF_UNWRAP
                | cryptoki_sys::CKF_ENCAPSULATE
                | cryptoki_sys::CKF_DECAPSULATE
                | MESSAGES
        );
        assert_eq!(flags(MechanismType::AES_KEY_GEN), cryptoki_sys::CKF_HW | cryptoki_sys::CKF_GENERATE);
        assert_eq!(flags(MechanismType::SHA_1_HMAC), cryptoki_sys::CKF_SIGN | cryptoki_sys::CKF_VERIFY | MESSAGES);
        assert_eq!(
            flags(MechanismType::ECDH1_DERIVE),
            cryptoki_sys::CKF_HW
                | cryptoki_sys::CKF_DERIVE
                | cryptoki_sys::CKF_ENCAPSULATE
                | cryptoki_sys::CKF_DECAPSULATE
                | ec::FLAGS
        );
        assert!(row(MechanismType(0xdead_beef)).is_none());
    }

    #[test]
    fn markdown_has_a_line_for_each() {
        let text = markdown();
        assert_eq!(text.lines().count(), rows().count() + 2);
        assert!(
            text.contains("| `CKM_ECDSA` | 6.3.12 | sign, verify | `CKK_EC` | 256 to 521 bits | HSM, sealed | yes |"),
            "{text}"
        );
    }
}
