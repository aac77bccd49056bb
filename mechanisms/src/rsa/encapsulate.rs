//! `C_EncapsulateKey` and `C_DecapsulateKey` with a padding: "the secret key is generated ... and then wrapped", and
//! decapsulation "is exactly equivalent to C_UnwrapKey" (PKCS#11 v3.2, 6.1.6 and 6.1.8).
//!
//! `CKM_RSA_X_509` does neither: what it decapsulates would be the decryption of any ciphertext.

use transport::partition::FacetKind;
use zeroize::Zeroizing;

use super::cipher::{self, Pad, Unpad};
use super::engine::{PrivateRsa, PublicRsa};
use crate::ck::KeyType;
use crate::error::{Code, Result};
use crate::key::{Key, Material, NewKey, Origin};
use crate::table::{Derivation, Encapsulated};
use crate::{random, secret, wrapping};

/// The length of the ciphertext is that of the modulus.
pub(crate) fn ciphertext_len(public: &Key) -> Result<usize> {
    Ok(encapsulating_key(public)?.len())
}

/// A new secret of `CKA_VALUE_LEN` bytes, and its ciphertext.
pub(crate) fn encapsulate(from: &Derivation<'_>, scheme: &impl Pad) -> Result<Encapsulated> {
    let public = encapsulating_key(from.base)?;
    let len = from.request.value_len.ok_or_else(|| Code::TemplateIncomplete.because("CKA_VALUE_LEN is missing"))?;
    secret::check_len(from.request.key_type.unwrap_or(KeyType::GENERIC_SECRET), len)?;
    let limit = scheme.limit(&public);
    if len > limit {
        return Err(Code::KeySizeRange.because(format_args!("{len} bytes; this key encapsulates at most {limit}")));
    }
    let mut value = Zeroizing::new(vec![0; len]);
    random::fill(&mut value)?;
    let ciphertext = cipher::encrypted(&public, scheme, &value)?.to_vec();
    let key = secret::import(value, from.request, from.partition)?;
    Ok(Encapsulated { ciphertext, key: NewKey { origin: Origin::Library, ..key } })
}

/// The secret in a ciphertext.
pub(crate) fn decapsulate<S: Unpad>(
    from: &Derivation<'_>,
    ciphertext: &[u8],
    scheme: impl FnOnce(&PrivateRsa) -> Result<S>,
) -> Result<NewKey> {
    let private = PrivateRsa::of(from.base, FacetKind::RsaDecrypt).map_err(cipher::of_unwrapping_key)?;
    let value = cipher::decrypted(&private, &scheme(&private)?, ciphertext).map_err(wrapping::of_wrapped)?;
    // One error for a length that is not the key's, as for a bad ciphertext.
    let request = from.request;
    let len = value.len();
    if secret::check_len(request.key_type.unwrap_or(KeyType::GENERIC_SECRET), len).is_err()
        || request.value_len.is_some_and(|wanted| wanted != len)
    {
        return Err(Code::WrappedKeyInvalid.into());
    }
    secret::import(value, request, from.partition)
}

fn encapsulating_key(public: &Key) -> Result<PublicRsa> {
    if !matches!(public.material, Material::Public(_)) {
        return Err(Code::KeyTypeInconsistent.because("encapsulation needs a public key"));
    }
    let key = PublicRsa::of(public)?;
    if key.has_small_exponent() {
        return Err(Code::KeySizeRange.because("a public exponent below 65537"));
    }
    Ok(key)
}
