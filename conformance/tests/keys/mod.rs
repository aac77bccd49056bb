//! Keys through the raw functions: each call answers its value or its code, so that a refusal is a value to compare.

#![allow(dead_code, reason = "each suite uses a part")]

use std::ptr::null_mut;

use conformance::raw::{Attributes, Raw, length, mechanism, mechanism_with};
use conformance::{Token, call, call_3_2, isolated_under};
use cryptoki_sys::*;

pub(crate) type Handle = CK_OBJECT_HANDLE;
/// What a call answers, or its code.
pub(crate) type Answer<T> = Result<T, CK_RV>;

/// A session with the user logged in.
pub(crate) struct Rig {
    pub(crate) raw: Raw,
    pub(crate) session: CK_SESSION_HANDLE,
    pub(crate) strict: bool,
}

/// Runs a test under policy standard and under policy strict, each time with a new token.
#[track_caller]
pub(crate) fn under_both(test: &str, body: impl Fn(&Rig)) {
    under(test, &["standard", "strict"], &[], body);
}

/// Runs a test under policy standard.
#[track_caller]
pub(crate) fn under_standard(test: &str, body: impl Fn(&Rig)) {
    under(test, &["standard"], &[], body);
}

/// Runs a test under each of the policies, with more in the environment.
#[track_caller]
pub(crate) fn under(test: &str, policies: &[&str], more: &[(&str, &str)], body: impl Fn(&Rig)) {
    let inside = |token: &Token| body(&Rig::of(token));
    if std::env::var_os("AZIHSM_CONFORMANCE_INSIDE").is_some() {
        return isolated_under(test, &[], &[], inside);
    }
    for policy in policies {
        let variables = [&[("AZIHSM_PKCS11_POLICY", *policy)], more].concat();
        isolated_under(test, &variables, &[], inside);
    }
}

/// What a call puts into room for an input of `size` bytes and more.
fn answer(size: CK_ULONG, call: impl FnOnce(*mut CK_BYTE, *mut CK_ULONG) -> CK_RV) -> Answer<Vec<u8>> {
    let mut len = size + 1024;
    let mut out = vec![0; usize::try_from(len).expect("a length")];
    done(call(out.as_mut_ptr(), &raw mut len))?;
    out.truncate(usize::try_from(len).expect("a length"));
    Ok(out)
}

fn done(rv: CK_RV) -> Answer<()> {
    if rv == CKR_OK { Ok(()) } else { Err(rv) }
}

/// The code of a refusal.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Answer<T>, expected: CK_RV) {
    match answer {
        Err(rv) if rv == expected => {}
        Err(rv) => panic!("refused with {rv:#x}, not {expected:#x}"),
        Ok(value) => panic!("should have been refused with {expected:#x}: {value:?}"),
    }
}

impl Rig {
    fn of(token: &Token) -> Self {
        let raw = Raw::load(token.module.path());
        let mut session = 0;
        let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
        let rv = call!(raw, C_OpenSession, token.slot.into(), flags, null_mut(), None, &raw mut session);
        assert_eq!(rv, CKR_OK);
        let strict = std::env::var("AZIHSM_PKCS11_POLICY").is_ok_and(|policy| policy == "strict");
        let rig = Self { raw, session, strict };
        rig.login(CKU_USER).expect("a login");
        rig
    }

    pub(crate) fn login(&self, user: CK_USER_TYPE) -> Answer<()> {
        let pin = if user == CKU_SO { conformance::SO_PIN } else { conformance::USER_PIN };
        let mut pin = pin.as_bytes().to_vec();
        done(call!(self.raw, C_Login, self.session, user, pin.as_mut_ptr(), length(&pin)))
    }

    pub(crate) fn logout(&self) {
        assert_eq!(call!(self.raw, C_Logout, self.session), CKR_OK);
    }

    pub(crate) fn create(&self, mut template: Attributes) -> Answer<Handle> {
        let (mut list, mut key) = (template.list(), 0);
        done(call!(self.raw, C_CreateObject, self.session, list.as_mut_ptr(), length(&list), &raw mut key))?;
        Ok(key)
    }

    pub(crate) fn generate(&self, kind: CK_MECHANISM_TYPE, mut template: Attributes) -> Answer<Handle> {
        let (mut list, mut key, mut mechanism) = (template.list(), 0, mechanism(kind));
        let (list, len) = (list.as_mut_ptr(), length(&list));
        done(call!(self.raw, C_GenerateKey, self.session, &raw mut mechanism, list, len, &raw mut key))?;
        Ok(key)
    }

    pub(crate) fn pair(
        &self,
        kind: CK_MECHANISM_TYPE,
        public: Attributes,
        private: Attributes,
    ) -> Answer<(Handle, Handle)> {
        let made = conformance::raw::token::generate_pair(&self.raw, self.session, kind, public, private);
        made.map_err(|failure| failure.1)
    }

    pub(crate) fn copy(&self, key: Handle, mut template: Attributes) -> Answer<Handle> {
        let (mut list, mut copy) = (template.list(), 0);
        done(call!(self.raw, C_CopyObject, self.session, key, list.as_mut_ptr(), length(&list), &raw mut copy))?;
        Ok(copy)
    }

    pub(crate) fn set(&self, key: Handle, mut template: Attributes) -> Answer<()> {
        let mut list = template.list();
        done(call!(self.raw, C_SetAttributeValue, self.session, key, list.as_mut_ptr(), length(&list)))
    }

    pub(crate) fn destroy(&self, key: Handle) -> Answer<()> {
        done(call!(self.raw, C_DestroyObject, self.session, key))
    }

    /// An attribute's value.
    pub(crate) fn get(&self, key: Handle, kind: CK_ATTRIBUTE_TYPE) -> Answer<Vec<u8>> {
        let mut value = vec![0xee; 4096];
        let mut asked = CK_ATTRIBUTE { type_: kind, pValue: value.as_mut_ptr().cast(), ulValueLen: length(&value) };
        let rv = call!(self.raw, C_GetAttributeValue, self.session, key, &raw mut asked, 1);
        if rv != CKR_OK {
            assert!(value.iter().all(|byte| *byte == 0xee), "what is refused is not written");
            return Err(rv);
        }
        value.truncate(usize::try_from(asked.ulValueLen).expect("a length"));
        Ok(value)
    }

    /// A `CK_BBOOL` attribute.
    pub(crate) fn flag(&self, key: Handle, kind: CK_ATTRIBUTE_TYPE) -> bool {
        self.get(key, kind).expect("an attribute") == [1]
    }

    /// Handles of all that match.
    pub(crate) fn find(&self, mut template: Attributes) -> Vec<Handle> {
        let (mut list, mut found, mut count) = (template.list(), vec![0; 100], 0);
        assert_eq!(call!(self.raw, C_FindObjectsInit, self.session, list.as_mut_ptr(), length(&list)), CKR_OK);
        assert_eq!(call!(self.raw, C_FindObjects, self.session, found.as_mut_ptr(), 100, &raw mut count), CKR_OK);
        assert_eq!(call!(self.raw, C_FindObjectsFinal, self.session), CKR_OK);
        found.truncate(usize::try_from(count).expect("few"));
        found
    }

    /// The half of the partition's own unwrapping key that is of this class.
    pub(crate) fn unwrapping_key(&self, class: CK_OBJECT_CLASS) -> Handle {
        let found = self.find(Attributes::new().number(CKA_CLASS, class).bytes(CKA_LABEL, b"AZIHSM unwrapping key"));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]
    }

    pub(crate) fn wrap(&self, mut mechanism: CK_MECHANISM, by: Handle, key: Handle) -> Answer<Vec<u8>> {
        let mechanism = &raw mut mechanism;
        let mut len = 0;
        done(call!(self.raw, C_WrapKey, self.session, mechanism, by, key, null_mut(), &raw mut len))?;
        let mut out = vec![0; usize::try_from(len).expect("a length")];
        let exact = len;
        if len > 0 {
            len -= 1;
            let rv = call!(self.raw, C_WrapKey, self.session, mechanism, by, key, out.as_mut_ptr(), &raw mut len);
            assert_eq!((rv, len), (CKR_BUFFER_TOO_SMALL, exact));
        }
        done(call!(self.raw, C_WrapKey, self.session, mechanism, by, key, out.as_mut_ptr(), &raw mut len))?;
        assert_eq!(len, exact, "a size query of a wrapping is exact");
        Ok(out)
    }

    pub(crate) fn unwrap(
        &self,
        mut mechanism: CK_MECHANISM,
        by: Handle,
        wrapped: &[u8],
        mut template: Attributes,
    ) -> Answer<Handle> {
        let (mut wrapped, mut list, mut key) = (wrapped.to_vec(), template.list(), 0);
        done(call!(
            self.raw,
            C_UnwrapKey,
            self.session,
            &raw mut mechanism,
            by,
            wrapped.as_mut_ptr(),
            length(&wrapped),
            list.as_mut_ptr(),
            length(&list),
            &raw mut key
        ))?;
        Ok(key)
    }

    pub(crate) fn derive(&self, mut mechanism: CK_MECHANISM, base: Handle, mut template: Attributes) -> Answer<Handle> {
        let (mut list, mut key) = (template.list(), 0);
        let (list, len) = (list.as_mut_ptr(), length(&list));
        done(call!(self.raw, C_DeriveKey, self.session, &raw mut mechanism, base, list, len, &raw mut key))?;
        Ok(key)
    }

    pub(crate) fn encrypt(&self, mut mechanism: CK_MECHANISM, key: Handle, text: &[u8]) -> Answer<Vec<u8>> {
        done(call!(self.raw, C_EncryptInit, self.session, &raw mut mechanism, key))?;
        let (mut text, size) = (text.to_vec(), length(text));
        let text = text.as_mut_ptr();
        answer(size, |out, len| call!(self.raw, C_Encrypt, self.session, text, size, out, len))
    }

    pub(crate) fn decrypt(&self, mut mechanism: CK_MECHANISM, key: Handle, text: &[u8]) -> Answer<Vec<u8>> {
        done(call!(self.raw, C_DecryptInit, self.session, &raw mut mechanism, key))?;
        let (mut text, size) = (text.to_vec(), length(text));
        let text = text.as_mut_ptr();
        answer(size, |out, len| call!(self.raw, C_Decrypt, self.session, text, size, out, len))
    }

    pub(crate) fn sign(&self, mut mechanism: CK_MECHANISM, key: Handle, text: &[u8]) -> Answer<Vec<u8>> {
        done(call!(self.raw, C_SignInit, self.session, &raw mut mechanism, key))?;
        let (mut text, size) = (text.to_vec(), length(text));
        let text = text.as_mut_ptr();
        answer(size, |out, len| call!(self.raw, C_Sign, self.session, text, size, out, len))
    }

    /// `C_WrapKeyAuthenticated`.
    pub(crate) fn wrap_authenticated(
        &self,
        mut mechanism: CK_MECHANISM,
        by: Handle,
        key: Handle,
        aad: &[u8],
    ) -> Answer<Vec<u8>> {
        let (mechanism, mut aad, mut len) = (&raw mut mechanism, aad.to_vec(), 0);
        let (aad, aad_len, session) = (aad.as_mut_ptr(), length(&aad), self.session);
        let raw = &self.raw;
        let out = null_mut();
        done(call_3_2!(raw, C_WrapKeyAuthenticated, session, mechanism, by, key, aad, aad_len, out, &raw mut len))?;
        let mut out = vec![0; usize::try_from(len).expect("a length")];
        let place = out.as_mut_ptr();
        done(call_3_2!(raw, C_WrapKeyAuthenticated, session, mechanism, by, key, aad, aad_len, place, &raw mut len))?;
        assert_eq!(len, length(&out));
        Ok(out)
    }

    /// `C_UnwrapKeyAuthenticated`.
    pub(crate) fn unwrap_authenticated(
        &self,
        mut mechanism: CK_MECHANISM,
        by: Handle,
        wrapped: &[u8],
        mut template: Attributes,
        aad: &[u8],
    ) -> Answer<Handle> {
        let (mut wrapped, mut list, mut aad, mut key) = (wrapped.to_vec(), template.list(), aad.to_vec(), 0);
        done(call_3_2!(
            self.raw,
            C_UnwrapKeyAuthenticated,
            self.session,
            &raw mut mechanism,
            by,
            wrapped.as_mut_ptr(),
            length(&wrapped),
            list.as_mut_ptr(),
            length(&list),
            aad.as_mut_ptr(),
            length(&aad),
            &raw mut key
        ))?;
        Ok(key)
    }

    /// An AES key made in the token.
    pub(crate) fn aes(&self, len: CK_ULONG, template: Attributes) -> Answer<Handle> {
        self.generate(CKM_AES_KEY_GEN, template.number(CKA_VALUE_LEN, len))
    }

    /// An AES key that wraps and unwraps.
    pub(crate) fn kek(&self) -> Handle {
        self.aes(32, Attributes::new().flag(CKA_WRAP, true).flag(CKA_UNWRAP, true)).expect("a wrapping key")
    }

    /// An AES key that may go out, under policy standard.
    pub(crate) fn target(&self) -> Handle {
        self.aes(32, Attributes::new().flag(CKA_EXTRACTABLE, true)).expect("an extractable key")
    }

    /// Whether two AES keys have one value.
    pub(crate) fn same(&self, one: Handle, other: Handle) -> bool {
        self.get(one, CKA_CHECK_VALUE).expect("a check value")
            == self.get(other, CKA_CHECK_VALUE).expect("a check value")
    }
}

/// The template of an AES key that comes in.
pub(crate) fn incoming(class: CK_OBJECT_CLASS, key_type: CK_KEY_TYPE) -> Attributes {
    Attributes::new().number(CKA_CLASS, class).number(CKA_KEY_TYPE, key_type)
}

/// The template of an AES key that comes in.
pub(crate) fn aes_in() -> Attributes {
    incoming(CKO_SECRET_KEY, CKK_AES)
}

/// A mechanism with an IV of 16 bytes.
pub(crate) fn with_iv(kind: CK_MECHANISM_TYPE, iv: &mut [u8; 16]) -> CK_MECHANISM {
    mechanism_with(kind, iv)
}

/// `CKM_RSA_AES_KEY_WRAP` with OAEP of one hash; its parameters live as long as this.
pub(crate) struct RsaAesWrap {
    oaep: Box<CK_RSA_PKCS_OAEP_PARAMS>,
    params: Box<CK_RSA_AES_KEY_WRAP_PARAMS>,
}

impl RsaAesWrap {
    pub(crate) fn new(hash: CK_MECHANISM_TYPE, mgf: CK_RSA_PKCS_MGF_TYPE) -> Self {
        let mut oaep = Box::new(CK_RSA_PKCS_OAEP_PARAMS {
            hashAlg: hash,
            mgf,
            source: CKZ_DATA_SPECIFIED,
            pSourceData: null_mut(),
            ulSourceDataLen: 0,
        });
        let params = Box::new(CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 256, pOAEPParams: &raw mut *oaep });
        Self { oaep, params }
    }

    pub(crate) fn mechanism(&mut self) -> CK_MECHANISM {
        let _ = &self.oaep;
        mechanism_with(CKM_RSA_AES_KEY_WRAP, &mut *self.params)
    }
}
