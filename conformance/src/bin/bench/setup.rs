//! The keys of the table.

#![allow(clippy::wildcard_imports, reason = "the standard's constants, by the dozen")]

use conformance::raw::token::{self, Result, generate, generate_pair};
use conformance::raw::{Attributes, Raw};
use cryptoki_sys::*;

/// Keys by what signs or encrypts with them; their labels are the keys' ids too.
pub(crate) const RSA: &[u8] = b"bench-rsa";
pub(crate) const P256: &[u8] = b"bench-p256";
pub(crate) const P384: &[u8] = b"bench-p384";
pub(crate) const AES: &[u8] = b"bench-aes";
pub(crate) const HMAC: &[u8] = b"bench-hmac";

/// `secp384r1` as a DER object identifier.
const OID_P384: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x22];

/// All keys of the table, on the token.
pub(crate) fn make_keys(raw: &Raw, session: CK_SESSION_HANDLE) -> Result<()> {
    let pair = |kind, public: Attributes, label: &[u8]| {
        let public = public.flag(CKA_TOKEN, true).flag(CKA_VERIFY, true).bytes(CKA_ID, label).bytes(CKA_LABEL, label);
        let private = guarded(label).flag(CKA_SIGN, true);
        generate_pair(raw, session, kind, public, private).map(|_| ())
    };
    let bits = Attributes::new().number(CKA_MODULUS_BITS, 2048).bytes(CKA_PUBLIC_EXPONENT, &[1, 0, 1]);
    pair(CKM_RSA_PKCS_KEY_PAIR_GEN, bits, RSA)?;
    pair(CKM_EC_KEY_PAIR_GEN, Attributes::new().bytes(CKA_EC_PARAMS, token::OID_P256), P256)?;
    pair(CKM_EC_KEY_PAIR_GEN, Attributes::new().bytes(CKA_EC_PARAMS, OID_P384), P384)?;
    let aes = guarded(AES).number(CKA_VALUE_LEN, 32).flag(CKA_ENCRYPT, true).flag(CKA_DECRYPT, true);
    generate(raw, session, CKM_AES_KEY_GEN, aes)?;
    let hmac = guarded(HMAC).number(CKA_VALUE_LEN, 32).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
    generate(raw, session, CKM_GENERIC_SECRET_KEY_GEN, hmac.flag(CKA_SIGN, true).flag(CKA_VERIFY, true))?;
    Ok(())
}

fn guarded(label: &[u8]) -> Attributes {
    Attributes::new()
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, true)
        .flag(CKA_SENSITIVE, true)
        .flag(CKA_EXTRACTABLE, false)
        .bytes(CKA_ID, label)
        .bytes(CKA_LABEL, label)
}
