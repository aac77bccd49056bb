//! `CKM_PKCS5_PBKD2`: a secret key from a password (PBKDF2, RFC 8018, 5.2). The key is made in this library, so policy
//! strict refuses it.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2 as engine;
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType};
use crate::digest::Hash;
use crate::error::{Code, Result};
use crate::key::{KeyRequest, NewKey, Origin};
use crate::params::{Params, Shape};
use crate::residency::Home;
use crate::secret;
use crate::table::Row;

/// PKCS#11 v3.2, 6.37.4. Generic secrets first: what is made where the template names no type.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.37.4",
    keys: &[KeyType::GENERIC_SECRET, KeyType::AES, KeyType::HKDF],
    min_size: 1,
    max_size: secret::MAX_LEN,
    shape: Shape::Pbkdf2,
    generate: Some(|params, request, _| generate(params, request)),
    made_in_library: true,
    ..Row::none(MechanismType::PKCS5_PBKD2)
}];

/// Most iterations: a call takes seconds then, and no recommendation comes near (OWASP 2023: 1.3 million of SHA-1).
const MAX_ITERATIONS: u32 = 10_000_000;

fn generate(params: &Params, request: &KeyRequest) -> Result<NewKey> {
    let Params::Pbkdf2 { salt_source, salt, iterations, prf, password } = params else {
        return Err(Code::MechanismParamInvalid.into());
    };
    if *salt_source != cryptoki_sys::CKZ_SALT_SPECIFIED {
        return Err(Code::MechanismParamInvalid.because(format_args!("salt source {salt_source:#x}")));
    }
    let iterations = u32::try_from(*iterations)
        .ok()
        .and_then(NonZeroU32::new)
        .filter(|iterations| iterations.get() <= MAX_ITERATIONS)
        .ok_or_else(|| {
            Code::MechanismParamInvalid
                .because(format_args!("{iterations} iterations, 1 to {MAX_ITERATIONS} are taken"))
        })?;
    let hash = match *prf {
        cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA1 => Hash::Sha1,
        cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA224 => Hash::Sha224,
        cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA256 => Hash::Sha256,
        cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA384 => Hash::Sha384,
        cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA512 => Hash::Sha512,
        cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA512_224 => Hash::Sha512_224,
        cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA512_256 => Hash::Sha512_256,
        other => return Err(Code::MechanismParamInvalid.because(format_args!("prf {other:#x} is not offered"))),
    };
    let (key_type, len) = secret::derived(request, None, secret::MAX_LEN)?;
    Home::Clear("it is made of a password in this library").under(request.policy)?;
    let value = run(hash, iterations, salt, &password.0, len);
    Ok(secret::clear(value, key_type, Origin::Library))
}

fn run(hash: Hash, iterations: NonZeroU32, salt: &[u8], password: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; len]);
    let algorithm = match hash {
        Hash::Sha1 => Some(engine::PBKDF2_HMAC_SHA1),
        Hash::Sha256 => Some(engine::PBKDF2_HMAC_SHA256),
        Hash::Sha384 => Some(engine::PBKDF2_HMAC_SHA384),
        Hash::Sha512 => Some(engine::PBKDF2_HMAC_SHA512),
        _ => None,
    };
    match (algorithm, hash) {
        (Some(algorithm), _) => engine::derive(algorithm, iterations, salt, password, &mut out),
        (None, Hash::Sha512_224) => {
            ::pbkdf2::pbkdf2_hmac::<sha2::Sha512_224>(password, salt, iterations.get(), &mut out);
        }
        (None, Hash::Sha512_256) => {
            ::pbkdf2::pbkdf2_hmac::<sha2::Sha512_256>(password, salt, iterations.get(), &mut out);
        }
        (None, _) => ::pbkdf2::pbkdf2_hmac::<sha2::Sha224>(password, salt, iterations.get(), &mut out),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Policy, Residency};
    use crate::params::Password;
    use crate::testing::{bytes_of, hex};

    fn params(prf: u64, password: &[u8], salt: &[u8], iterations: u64) -> Params {
        let password = Password(password.to_vec().into());
        Params::Pbkdf2 { salt_source: cryptoki_sys::CKZ_SALT_SPECIFIED, salt: salt.to_vec(), iterations, prf, password }
    }

    fn asking(value_len: usize) -> KeyRequest {
        KeyRequest { value_len: Some(value_len), ..KeyRequest::default() }
    }

    /// RFC 6070, 1 to 5; RFC 7914, 11.
    #[test]
    fn known_answers() {
        let sha1 = cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA1;
        let sha256 = cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA256;
        for (prf, password, salt, iterations, expected) in [
            (sha1, "password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
            (sha1, "password", "salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
            (sha1, "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
            (
                sha1,
                "passwordPASSWORDpassword",
                "saltSALTsaltSALTsaltSALTsaltSALTsalt",
                4096,
                "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
            ),
            (sha1, "pass\0word", "sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"),
            (
                sha256,
                "passwd",
                "salt",
                1,
                "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
                 49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
            ),
            (
                sha256,
                "Password",
                "NaCl",
                80000,
                "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56\
                 a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
            ),
        ] {
            let expected = hex(expected);
            let params = params(prf, password.as_bytes(), salt.as_bytes(), iterations);
            assert_eq!(bytes_of(generate(&params, &asking(expected.len())).unwrap()), expected);
        }
    }

    /// AWS-LC, or the crate for what that lacks, against the definition over our HMAC.
    #[test]
    fn every_function_by_its_definition() {
        for (prf, hash) in [
            (cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA1, Hash::Sha1),
            (cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA224, Hash::Sha224),
            (cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA256, Hash::Sha256),
            (cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA384, Hash::Sha384),
            (cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA512, Hash::Sha512),
            (cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA512_224, Hash::Sha512_224),
            (cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA512_256, Hash::Sha512_256),
        ] {
            for (password, salt, iterations, len) in
                [(&b"password"[..], &b"salt"[..], 3, 100), (b"", b"", 1, 1), (&[8; 200], &[9; 200], 5, hash.len())]
            {
                let hmac = |message: &[u8]| {
                    let mut hmac = crate::hmac::Hmac::new(hash, password);
                    hmac.update(message);
                    hmac.finish().to_vec()
                };
                let mut expected = Vec::new();
                for block in 1..=u32::try_from(len.div_ceil(hash.len())).unwrap() {
                    let mut u = hmac(&[salt, &block.to_be_bytes()].concat());
                    let mut sum = u.clone();
                    for _ in 1..iterations {
                        u = hmac(&u);
                        sum.iter_mut().zip(&u).for_each(|(sum, u)| *sum ^= u);
                    }
                    expected.extend(sum);
                }
                let made = generate(&params(prf, password, salt, iterations), &asking(len)).unwrap();
                assert_eq!((made.residency, made.origin), (Residency::Sealed, Origin::Library));
                assert_eq!(bytes_of(made), expected[..len], "{hash:?}");
            }
        }
    }

    #[test]
    fn misuse() {
        let sha256 = cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_SHA256;
        let good = params(sha256, b"password", b"salt", 2);
        let other_source = match good.clone() {
            Params::Pbkdf2 { salt, iterations, prf, password, .. } => {
                Params::Pbkdf2 { salt_source: 2, salt, iterations, prf, password }
            }
            other => other,
        };
        for (params, request, code) in [
            (params(sha256, b"p", b"s", 0), asking(16), Code::MechanismParamInvalid),
            (params(sha256, b"p", b"s", 10_000_001), asking(16), Code::MechanismParamInvalid),
            (params(sha256, b"p", b"s", u64::MAX), asking(16), Code::MechanismParamInvalid),
            (
                params(cryptoki_sys::CKP_PKCS5_PBKD2_HMAC_GOSTR3411, b"p", b"s", 1),
                asking(16),
                Code::MechanismParamInvalid,
            ),
            (other_source, asking(16), Code::MechanismParamInvalid),
            (Params::None, asking(16), Code::MechanismParamInvalid),
            (good.clone(), KeyRequest::default(), Code::TemplateIncomplete),
            (good.clone(), KeyRequest { key_type: Some(KeyType::AES), ..asking(17) }, Code::AttributeValueInvalid),
            (good.clone(), asking(secret::MAX_LEN + 1), Code::AttributeValueInvalid),
            (good, KeyRequest { policy: Policy::Strict, ..asking(16) }, Code::TemplateInconsistent),
        ] {
            assert_eq!(generate(&params, &request).unwrap_err(), code);
        }
    }
}
