//! The message functions through raw pointers, in both policies, with keys in the HSM and sealed ones: PKCS#11 v3.2, 5.9,
//! 5.11, 5.14 and 5.16. RustCrypto says what the ciphertexts should be.
//!
//! | File | Functions |
//! |---|---|
//! | `ciphers` | `C_MessageEncryptInit` to `C_MessageDecryptFinal`, whole and in parts |
//! | `generators` | who chooses an IV; `C_Encrypt` under IVs of the token |
//! | `reuse` | no IV twice under one key |
//! | `refusals` | null pointers, wrong lengths, tampered tags, the wrong moment |
//! | `signatures` | `C_MessageSignInit` to `C_MessageVerifyFinal` |

mod ciphers;
mod generators;
mod refusals;
mod reuse;
mod signatures;

use std::ptr::null_mut;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use conformance::raw::{Attributes, Raw, length, mechanism, token};
use conformance::{Kind, Module, call, call_3_2, isolated_under};
use cryptoki_sys::*;

/// Runs a body under the standard policy and under the strict one; each in a process of its own.
macro_rules! in_both_policies {
    ($($(#[$meta:meta])* $name:ident($bench:ident) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "not every body needs the standard's constants")]
            use super::*;

            fn body($bench: &crate::Bench) $body

            #[test]
            fn standard() {
                crate::run(concat!(module_path!(), "::standard"), &[], false, body);
            }

            #[test]
            fn strict() {
                crate::run(concat!(module_path!(), "::strict"), &[("AZIHSM_PKCS11_POLICY", "strict")], true, body);
            }
        }
    )*};
}
pub(crate) use in_both_policies;

/// A session in which the user is logged in.
struct Bench {
    raw: Raw,
    slot: CK_SLOT_ID,
    session: CK_SESSION_HANDLE,
    strict: bool,
}

fn run(test: &str, variables: &[(&str, &str)], strict: bool, body: fn(&Bench)) {
    if Module::under_test().kind() == Kind::SoftHsm {
        return;
    }
    // The name of a test has no crate in it.
    let (_, test) = test.split_once("::").expect("a module's path");
    isolated_under(test, variables, &[], |_| {
        let raw = Raw::load(Module::under_test().path());
        let slot = token::token_slot(&raw).expect("the token");
        let session = token::open(&raw, slot).expect("a session");
        token::login(&raw, session).expect("the user logs in");
        body(&Bench { raw, slot, session, strict });
    });
}

/// The value of the keys that are imported.
const VALUE: [u8; 32] = *b"an AES-256 key of a known value.";
const DEVICE_IV: CK_ATTRIBUTE_TYPE = CKA_VENDOR_DEFINED | 0x415A_0003;

impl Bench {
    fn aes(&self, extractable: bool, more: Attributes) -> CK_OBJECT_HANDLE {
        let template = more
            .number(CKA_CLASS, CKO_SECRET_KEY)
            .number(CKA_KEY_TYPE, CKK_AES)
            .flag(CKA_SENSITIVE, true)
            .flag(CKA_EXTRACTABLE, extractable)
            .flag(CKA_ENCRYPT, true)
            .flag(CKA_DECRYPT, true);
        self.create(template.bytes(CKA_VALUE, &VALUE)).expect("a key")
    }

    fn create(&self, mut template: Attributes) -> Result<CK_OBJECT_HANDLE, CK_RV> {
        let (mut list, mut key) = (template.list(), 0);
        match call!(self.raw, C_CreateObject, self.session, list.as_mut_ptr(), length(&list), &raw mut key) {
            CKR_OK => Ok(key),
            rv => Err(rv),
        }
    }

    /// Keys of [`VALUE`]: in the HSM, and sealed where the policy has such keys.
    fn known(&self) -> Vec<CK_OBJECT_HANDLE> {
        self.known_with(&Attributes::new())
    }

    fn known_with(&self, more: &Attributes) -> Vec<CK_OBJECT_HANDLE> {
        let mut keys = vec![self.aes(false, more.clone())];
        if !self.strict {
            keys.push(self.aes(true, more.clone()));
        }
        keys
    }

    /// A key that was made in the HSM.
    fn made(&self, more: Attributes) -> CK_OBJECT_HANDLE {
        let template = more.number(CKA_VALUE_LEN, 32).flag(CKA_ENCRYPT, true).flag(CKA_DECRYPT, true);
        token::generate(&self.raw, self.session, CKM_AES_KEY_GEN, template).expect("a key")
    }

    fn encrypt_init(&self, kind: CK_MECHANISM_TYPE, key: CK_OBJECT_HANDLE) -> CK_RV {
        call_3_2!(self.raw, C_MessageEncryptInit, self.session, &mut mechanism(kind), key)
    }

    fn decrypt_init(&self, kind: CK_MECHANISM_TYPE, key: CK_OBJECT_HANDLE) -> CK_RV {
        call_3_2!(self.raw, C_MessageDecryptInit, self.session, &mut mechanism(kind), key)
    }

    fn encrypt_final(&self) -> CK_RV {
        call_3_2!(self.raw, C_MessageEncryptFinal, self.session)
    }

    fn decrypt_final(&self) -> CK_RV {
        call_3_2!(self.raw, C_MessageDecryptFinal, self.session)
    }

    /// `C_EncryptMessage` with room enough.
    fn encrypt(&self, message: &mut Message, aad: &[u8], text: &[u8]) -> Result<Vec<u8>, CK_RV> {
        let (pointer, size) = message.parameter();
        let (aad_at, text_at) = (aad.as_ptr().cast_mut(), text.as_ptr().cast_mut());
        let mut out = vec![0; text.len() + 32];
        let mut len = length(&out);
        let rv = call_3_2!(
            self.raw,
            C_EncryptMessage,
            self.session,
            pointer,
            size,
            aad_at,
            length(aad),
            text_at,
            length(text),
            out.as_mut_ptr(),
            &raw mut len
        );
        filled(rv, out, len)
    }

    /// `C_DecryptMessage` with room enough.
    fn decrypt(&self, message: &mut Message, aad: &[u8], text: &[u8]) -> Result<Vec<u8>, CK_RV> {
        let (pointer, size) = message.parameter();
        let (aad_at, text_at) = (aad.as_ptr().cast_mut(), text.as_ptr().cast_mut());
        let mut out = vec![0xee; text.len() + 32];
        let mut len = length(&out);
        let rv = call_3_2!(
            self.raw,
            C_DecryptMessage,
            self.session,
            pointer,
            size,
            aad_at,
            length(aad),
            text_at,
            length(text),
            out.as_mut_ptr(),
            &raw mut len
        );
        assert!(rv == CKR_OK || out.iter().all(|byte| *byte == 0xee), "a failure gives nothing out");
        filled(rv, out, len)
    }

    /// `C_EncryptInit` and `C_Encrypt` with `CKM_AES_GCM`.
    fn encrypt_once(&self, key: CK_OBJECT_HANDLE, iv: &mut [u8], text: &[u8]) -> Result<Vec<u8>, CK_RV> {
        match self.gcm_init(key, iv) {
            CKR_OK => {}
            rv => return Err(rv),
        }
        let mut out = vec![0; text.len() + 16];
        let mut len = length(&out);
        let text_at = text.as_ptr().cast_mut();
        let rv = call!(self.raw, C_Encrypt, self.session, text_at, length(text), out.as_mut_ptr(), &raw mut len);
        filled(rv, out, len)
    }

    fn gcm_init(&self, key: CK_OBJECT_HANDLE, iv: &mut [u8]) -> CK_RV {
        let mut params = CK_GCM_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: length(iv),
            ulIvBits: 0,
            pAAD: null_mut(),
            ulAADLen: 0,
            ulTagBits: 128,
        };
        let mut mechanism = conformance::raw::mechanism_with(CKM_AES_GCM, &mut params);
        call!(self.raw, C_EncryptInit, self.session, &raw mut mechanism, key)
    }
}

fn filled(rv: CK_RV, mut out: Vec<u8>, len: CK_ULONG) -> Result<Vec<u8>, CK_RV> {
    if rv != CKR_OK {
        return Err(rv);
    }
    out.truncate(usize::try_from(len).expect("a length"));
    Ok(out)
}

/// The structure of a message, and what it points at.
struct Message {
    iv: Vec<u8>,
    tag: Vec<u8>,
    fixed_bits: CK_ULONG,
    generator: CK_ULONG,
    /// `ulDataLen`: then it is the structure of CCM.
    data_len: Option<CK_ULONG>,
    gcm: CK_GCM_MESSAGE_PARAMS,
    ccm: CK_CCM_MESSAGE_PARAMS,
}

impl Message {
    /// The caller's IV.
    fn with_iv(iv: &[u8]) -> Self {
        Self {
            iv: iv.to_vec(),
            tag: vec![0; 16],
            fixed_bits: 0,
            generator: CKG_NO_GENERATE,
            data_len: None,
            gcm: CK_GCM_MESSAGE_PARAMS::default(),
            ccm: CK_CCM_MESSAGE_PARAMS::default(),
        }
    }

    /// An IV of 12 bytes of which the token makes all but `fixed_bits`.
    fn generated(generator: CK_ULONG, iv: &[u8], fixed_bits: CK_ULONG) -> Self {
        Self { fixed_bits, generator, ..Self::with_iv(iv) }
    }

    /// `pParameter` and `ulParameterLen`, valid until the message changes.
    fn parameter(&mut self) -> (CK_VOID_PTR, CK_ULONG) {
        if let Some(data_len) = self.data_len {
            self.ccm = CK_CCM_MESSAGE_PARAMS {
                ulDataLen: data_len,
                pNonce: self.iv.as_mut_ptr(),
                ulNonceLen: length(&self.iv),
                ulNonceFixedBits: self.fixed_bits,
                nonceGenerator: self.generator,
                pMAC: self.tag.as_mut_ptr(),
                ulMACLen: length(&self.tag),
            };
            return ((&raw mut self.ccm).cast(), size_of::<CK_CCM_MESSAGE_PARAMS>() as CK_ULONG);
        }
        self.gcm = CK_GCM_MESSAGE_PARAMS {
            pIv: self.iv.as_mut_ptr(),
            ulIvLen: length(&self.iv),
            ulIvFixedBits: self.fixed_bits,
            ivGenerator: self.generator,
            pTag: self.tag.as_mut_ptr(),
            ulTagBits: 8 * length(&self.tag),
        };
        ((&raw mut self.gcm).cast(), size_of::<CK_GCM_MESSAGE_PARAMS>() as CK_ULONG)
    }
}

/// RustCrypto's AES-256-GCM with [`VALUE`]: ciphertext and tag.
fn expected(iv: &[u8], aad: &[u8], msg: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let cipher = aes_gcm::Aes256Gcm::new_from_slice(&VALUE).expect("a key");
    let iv = iv.try_into().expect("12 bytes");
    let mut sealed = cipher.encrypt(iv, Payload { msg, aad }).expect("a ciphertext");
    let tag = sealed.split_off(msg.len());
    (sealed, tag)
}

/// Around a block, the device's 1024 bytes, and a page.
const LENS: [usize; 8] = [1, 15, 16, 17, 1024, 1025, 4095, 4097];

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).expect("below 251")).collect()
}

/// An IV of 12 bytes with a number in it.
fn iv(number: u32) -> Vec<u8> {
    [&[0x11; 8][..], &number.to_be_bytes()].concat()
}
