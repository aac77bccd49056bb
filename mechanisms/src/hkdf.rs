//! `CKM_HKDF_DERIVE` (RFC 5869). From an ECDH secret in the HSM: extract and expand there, to a key that stays there.
//! From a clear key: AWS-LC, all forms.

use std::sync::Arc;

use aws_lc_rs::hkdf as engine;
use transport::partition::{self, FacetKind, Partition};
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType, ObjectClass};
use crate::digest::{Hash, with_hasher};
use crate::error::{Code, Result};
use crate::hmac::Hmac;
use crate::key::{KeyRequest, Material, NewKey, Origin};
use crate::params::{Params, Shape};
use crate::residency::{self, Birth, Home};
use crate::secret;
use crate::table::{Derivation, Derived, Row};

/// PKCS#11 v3.2, 6.62.3 to 6.62.5.
pub(crate) const ROWS: &[Row] = &[
    Row {
        section: "6.62.3",
        shape: Shape::Hkdf,
        hardware: true,
        derive: Some(|from| derive(from).map(Derived::Key)),
        ..row(MechanismType::HKDF_DERIVE)
    },
    Row {
        section: "6.62.4",
        shape: Shape::Hkdf,
        derive: Some(|from| data(from).map(Derived::Data)),
        derives: ObjectClass::DATA,
        ..row(MechanismType::HKDF_DATA)
    },
    Row {
        section: "6.62.5",
        keys: &[KeyType::HKDF],
        generate: Some(generate),
        made_in_library: true,
        ..row(MechanismType::HKDF_KEY_GEN)
    },
];

const fn row(kind: MechanismType) -> Row {
    Row { keys: &[KeyType::HKDF, KeyType::GENERIC_SECRET], min_size: 1, max_size: secret::MAX_LEN, ..Row::none(kind) }
}

/// Longest salt and info of the device in bytes (semantics 6.9).
const HSM_INPUT_LIMIT: usize = 256;

struct Hkdf<'a> {
    extract: bool,
    expand: bool,
    hash: Hash,
    salt: &'a [u8],
    info: &'a [u8],
}

impl<'a> Hkdf<'a> {
    fn parse(from: &Derivation<'a>) -> Result<Self> {
        let Params::Hkdf { extract, expand, hash, salt_type, salt, salt_key: _, info } = from.params else {
            return Err(Code::MechanismParamInvalid.into());
        };
        if !extract && !expand {
            return Err(Code::MechanismParamInvalid.because("neither extract nor expand"));
        }
        let hash = Hash::of(*hash)
            .ok_or_else(|| Code::MechanismParamInvalid.because(format_args!("{hash:?} is no hash for HKDF")))?;
        let salt: &[u8] = match (*salt_type, from.others) {
            _ if !extract => &[],
            (cryptoki_sys::CKF_HKDF_SALT_NULL, _) => &[],
            (cryptoki_sys::CKF_HKDF_SALT_DATA, _) => salt,
            (cryptoki_sys::CKF_HKDF_SALT_KEY, [salt]) => secret::outside(salt)?,
            (other, _) => return Err(Code::MechanismParamInvalid.because(format_args!("salt type {other:#x}"))),
        };
        Ok(Self { extract: *extract, expand: *expand, hash, salt, info })
    }

    /// Length of the result, where `wanted` is `CKA_VALUE_LEN`.
    fn len(&self, wanted: Option<usize>) -> Result<usize> {
        match (wanted, self.expand) {
            (Some(len), true) => Ok(len),
            (None, true) => Err(Code::TemplateIncomplete.because("CKA_VALUE_LEN is missing")),
            // Extract alone gives exactly the hash's length.
            (None, false) => Ok(self.hash.len()),
            (Some(len), false) if len == self.hash.len() => Ok(len),
            (Some(len), false) => Err(Code::TemplateInconsistent
                .because(format_args!("extract gives {} bytes, the template asks for {len}", self.hash.len()))),
        }
    }
}

fn derive(from: &Derivation<'_>) -> Result<NewKey> {
    let hkdf = Hkdf::parse(from)?;
    let request = from.request;
    let key_type = request.key_type.unwrap_or(KeyType::HKDF);
    if key_type != KeyType::AES && !secret::GENERIC.contains(&key_type) {
        return Err(Code::TemplateInconsistent.because(format_args!("{key_type:?} cannot be derived")));
    }
    let len = hkdf.len(request.value_len)?;
    secret::check_len(key_type, len)?;
    match &from.base.material {
        Material::Hsm(base, partition) => in_hsm(&hkdf, key_type, len, request, base, partition),
        Material::Clear(_) => {
            let value = in_software(&hkdf, secret::bytes(from.base)?, len)?;
            secret::derived_here(value, key_type, request)
        }
        Material::Public(_) => Err(Code::KeyTypeInconsistent.into()),
    }
}

/// The same as bytes that the caller sees. A base key that is to stay hidden gives away nothing of itself, but all that
/// [`derive`] would make of it with the same parameters.
fn data(from: &Derivation<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let hkdf = Hkdf::parse(from)?;
    let len = hkdf.len(from.request.value_len)?;
    secret::check_len(KeyType::GENERIC_SECRET, len)?;
    in_software(&hkdf, secret::outside(from.base)?, len)
}

fn generate(_params: &Params, request: &KeyRequest, partition: &Arc<Partition>) -> Result<NewKey> {
    match request.key_type {
        None | Some(KeyType::HKDF) => secret::generate(KeyType::HKDF, request, partition),
        Some(other) => Err(Code::TemplateInconsistent.because(format_args!("{other:?} is not CKK_HKDF"))),
    }
}

fn in_hsm(
    hkdf: &Hkdf<'_>,
    key_type: KeyType,
    len: usize,
    request: &KeyRequest,
    base: &partition::HsmKey,
    partition: &Arc<Partition>,
) -> Result<NewKey> {
    if !base.can(FacetKind::Secret) {
        return Err(Code::KeyFunctionNotPermitted.because("the HSM derives from ECDH secrets only"));
    }
    if !(hkdf.extract && hkdf.expand) {
        return Err(Code::MechanismParamInvalid.because("the HSM extracts and expands in one step only"));
    }
    if hkdf.salt.len() > HSM_INPUT_LIMIT || hkdf.info.len() > HSM_INPUT_LIMIT {
        return Err(Code::MechanismParamInvalid.because("the HSM takes salt and info of at most 256 bytes each"));
    }
    let hash = match hkdf.hash {
        Hash::Sha1 => partition::Hash::Sha1,
        Hash::Sha256 => partition::Hash::Sha256,
        Hash::Sha384 => partition::Hash::Sha384,
        Hash::Sha512 => partition::Hash::Sha512,
        other => return Err(Code::MechanismParamInvalid.because(format_args!("the HSM has no HKDF with {other:?}"))),
    };
    match residency::secret(key_type, len, request, Birth::Generated) {
        Home::Hsm(facets) => {
            let key = partition.hkdf(base, hash, hkdf.salt, hkdf.info, len, &facets)?;
            Ok(secret::in_hsm(key, partition, key_type, Some(len), Origin::Device))
        }
        Home::Clear(why) => Err(Code::TemplateInconsistent
            .because(format_args!("what the HSM derives stays in the HSM, but this key could not: {why}"))),
    }
}

fn in_software(hkdf: &Hkdf<'_>, ikm: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let prk = if hkdf.extract {
        // An absent salt is a hash's length of zeros, which HMAC cannot tell from an empty one (RFC 5869, 2.2).
        let mut hmac = Hmac::new(hkdf.hash, hkdf.salt);
        hmac.update(ikm);
        hmac.finish()
    } else {
        // "a pseudorandom key of at least HashLen octets" (RFC 5869, 2.3).
        if ikm.len() < hkdf.hash.len() {
            return Err(Code::KeySizeRange.because(format_args!("expanding a key of {} bytes", ikm.len())));
        }
        Zeroizing::new(ikm.to_vec())
    };
    if !hkdf.expand {
        return Ok(prk);
    }
    let algorithm = match hkdf.hash {
        Hash::Sha1 => Some(engine::HKDF_SHA1_FOR_LEGACY_USE_ONLY),
        Hash::Sha256 => Some(engine::HKDF_SHA256),
        Hash::Sha384 => Some(engine::HKDF_SHA384),
        Hash::Sha512 => Some(engine::HKDF_SHA512),
        _ => None,
    };
    let mut out = Zeroizing::new(vec![0; len]);
    let done = match algorithm {
        Some(algorithm) => engine::Prk::new_less_safe(algorithm, &prk)
            .expand(&[hkdf.info], Len(len))
            .and_then(|okm| okm.fill(&mut out))
            .is_ok(),
        None => with_hasher!(hkdf.hash, Hasher => {
            hkdf::SimpleHkdf::<Hasher>::from_prk(&prk).is_ok_and(|prk| prk.expand(hkdf.info, &mut out).is_ok())
        }),
    };
    if done { Ok(out) } else { Err(Code::AttributeValueInvalid.because("HKDF gives at most 255 hashes")) }
}

struct Len(usize);

impl engine::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Policy;
    use crate::testing::{self, hex};

    fn params(extract: bool, expand: bool, salt: Option<&str>, info: &str) -> Params {
        Params::Hkdf {
            extract,
            expand,
            hash: MechanismType::SHA256,
            salt_type: if salt.is_some() { cryptoki_sys::CKF_HKDF_SALT_DATA } else { cryptoki_sys::CKF_HKDF_SALT_NULL },
            salt: hex(salt.unwrap_or("")),
            salt_key: 0,
            info: hex(info),
        }
    }

    fn run(params: &Params, base: &[u8], request: &KeyRequest) -> Result<Vec<u8>> {
        let base = testing::secret(KeyType::HKDF, base);
        let others = [testing::secret(KeyType::GENERIC_SECRET, b"salt")];
        let others = if params.other_keys(MechanismType::HKDF_DERIVE).is_empty() { &[][..] } else { &others };
        testing::derive(MechanismType::HKDF_DERIVE, params, &base, others, request).map(testing::bytes_of)
    }

    fn len(value_len: usize) -> KeyRequest {
        KeyRequest { value_len: Some(value_len), ..KeyRequest::default() }
    }

    /// RFC 5869, A.1 and A.3.
    #[test]
    fn known_answers() {
        let ikm = [0x0b; 22];
        let prk = hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
        let okm = hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
        let salt = Some("000102030405060708090a0b0c");
        let info = "f0f1f2f3f4f5f6f7f8f9";
        assert_eq!(run(&params(true, false, salt, info), &ikm, &KeyRequest::default()).unwrap(), prk);
        assert_eq!(run(&params(true, true, salt, info), &ikm, &len(42)).unwrap(), okm);
        assert_eq!(run(&params(false, true, None, info), &prk, &len(42)).unwrap(), okm);
        let okm = hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
        assert_eq!(run(&params(true, true, None, ""), &ikm, &len(42)).unwrap(), okm);
    }

    #[test]
    fn misuse() {
        let good = params(true, true, None, "");
        let aes = KeyRequest { key_type: Some(KeyType::AES), ..len(17) };
        for (params, request, code) in [
            (params(false, false, None, ""), len(16), Code::MechanismParamInvalid),
            (Params::None, len(16), Code::MechanismParamInvalid),
            (good.clone(), KeyRequest::default(), Code::TemplateIncomplete),
            (good.clone(), len(0), Code::AttributeValueInvalid),
            (good.clone(), aes, Code::AttributeValueInvalid),
            (good.clone(), KeyRequest { policy: Policy::Strict, ..len(16) }, Code::TemplateInconsistent),
            (good, KeyRequest { key_type: Some(KeyType::EC), ..len(16) }, Code::TemplateInconsistent),
            (params(true, false, None, ""), len(16), Code::TemplateInconsistent),
        ] {
            assert_eq!(run(&params, b"base", &request).unwrap_err(), code);
        }
    }

    fn with_salt_key(params: Params) -> Params {
        let Params::Hkdf { extract, expand, hash, salt, info, .. } = params else { panic!("for HKDF") };
        Params::Hkdf { extract, expand, hash, salt_type: cryptoki_sys::CKF_HKDF_SALT_KEY, salt, salt_key: 5, info }
    }

    #[test]
    fn a_key_as_the_salt() {
        let by_data = run(&params(true, true, Some("73616c74"), "01"), b"base", &len(40)).unwrap();
        let by_key = run(&with_salt_key(params(true, true, Some("ffff"), "01")), b"base", &len(40)).unwrap();
        assert_eq!(by_data, by_key);
        // There, but not given: the session resolves the handle.
        let (params, base) = (with_salt_key(params(true, true, None, "")), testing::secret(KeyType::HKDF, b"base"));
        let refused = testing::derive(MechanismType::HKDF_DERIVE, &params, &base, &[], &len(16));
        assert_eq!(refused.unwrap_err(), Code::MechanismParamInvalid);
    }

    #[test]
    fn data_is_what_the_key_would_be() {
        let base = testing::secret(KeyType::HKDF, &[7; 32]);
        for (params, request) in [
            (params(true, true, Some("00"), "01"), len(33)),
            (params(false, true, None, "01"), len(1)),
            (params(true, false, None, ""), KeyRequest::default()),
        ] {
            let expected = run(&params, &[7; 32], &request).unwrap();
            let from = Derivation { params: &params, base: &base, others: &[], request: &request, partition: None };
            let row = crate::table::row(MechanismType::HKDF_DATA).unwrap();
            let Derived::Data(data) = row.derive.unwrap()(&from).unwrap() else { panic!("data") };
            assert_eq!(*data, expected);
        }
    }

    /// AWS-LC, where it has the hash, against RustCrypto.
    #[test]
    fn engines_agree() {
        for kind in [
            MechanismType::SHA_1,
            MechanismType::SHA224,
            MechanismType::SHA256,
            MechanismType::SHA384,
            MechanismType::SHA512,
            MechanismType::SHA512_224,
            MechanismType::SHA512_256,
            MechanismType::SHA3_224,
            MechanismType::SHA3_256,
            MechanismType::SHA3_384,
            MechanismType::SHA3_512,
        ] {
            let hash = Hash::of(kind).unwrap();
            for (salt, wanted) in [(&b""[..], 1), (b"salt", hash.len()), (&[9; 300], 512)] {
                let salt_type = cryptoki_sys::CKF_HKDF_SALT_DATA;
                let (salt, info) = (salt.to_vec(), b"info".to_vec());
                let mut expected = vec![0; wanted];
                with_hasher!(hash, Hasher => {
                    let (prk, hkdf) = hkdf::SimpleHkdf::<Hasher>::extract(Some(&salt), b"base");
                    hkdf.expand(&info, &mut expected).unwrap();
                    let params = Params::Hkdf {
                        extract: true, expand: false, hash: kind, salt_type, salt: salt.clone(), salt_key: 0, info: vec![],
                    };
                    assert_eq!(run(&params, b"base", &KeyRequest::default()).unwrap(), prk.to_vec(), "{kind:?}");
                });
                let params =
                    Params::Hkdf { extract: true, expand: true, hash: kind, salt_type, salt, salt_key: 0, info };
                assert_eq!(run(&params, b"base", &len(wanted)).unwrap(), expected, "{kind:?}");
            }
            // A short key is no pseudorandom key.
            let short = vec![1; hash.len() - 1];
            let salt_type = cryptoki_sys::CKF_HKDF_SALT_NULL;
            let expand = Params::Hkdf {
                extract: false,
                expand: true,
                hash: kind,
                salt_type,
                salt: vec![],
                salt_key: 0,
                info: vec![],
            };
            assert_eq!(run(&expand, &short, &len(16)).unwrap_err(), Code::KeySizeRange);
        }
    }
}
