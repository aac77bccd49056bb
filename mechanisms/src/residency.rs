//! Where a new key will live: the table of design 4 as pure functions of the template and the policy.
//!
//! | Key | In the HSM with these facets | Outside (sealed; strict policy refuses) |
//! |---|---|---|
//! | AES, not extractable | CBC; 32 bytes: GCM too, approved with `CKA_AZIHSM_DEVICE_IV` and, made there, also without; cut to what `CKA_ALLOWED_MECHANISMS` names | |
//! | AES-XTS, 64 bytes, not extractable | data key, tweak key | 32 bytes |
//! | generic and HMAC, generated, not extractable, for signing, not for deriving, a device length | the HMACs that fit | else |
//! | generic and HMAC, imported | | always: the device imports none |
//! | EC, not extractable | sign, derive; both only when imported or library-made | |
//! | RSA, not extractable | sign, decrypt; imported or library-made | |
//! | anything extractable | | always |

use transport::partition::FacetKind;

use crate::ck::{KeyType, MechanismType};
use crate::error::{Code, Result};
use crate::key::{KeyRequest, Policy};
use crate::table::{self, Row};

/// Where a key's value will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// In the HSM, with these facets, the first of which is made at once.
    Hsm(Vec<FacetKind>),
    /// Outside the HSM, and why.
    Clear(&'static str),
}

impl Home {
    /// Refuses what the policy in force does not allow, with `CKR_TEMPLATE_INCONSISTENT`.
    pub(crate) fn under(self, policy: Policy) -> Result<Self> {
        match (&self, policy) {
            (Self::Clear(why), Policy::Strict) => Err(Code::TemplateInconsistent
                .because(format_args!("policy strict allows no key outside the HSM, and this one would be: {why}"))),
            _ => Ok(self),
        }
    }
}

/// How a value comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// `C_GenerateKey`, or an HKDF inside the device.
    Generated,
    /// `C_CreateObject`, `C_UnwrapKey`.
    Imported,
}

/// The home of a secret key of `len` bytes.
pub fn secret(key_type: KeyType, len: usize, request: &KeyRequest, birth: Birth) -> Home {
    if request.extractable {
        return Home::Clear("it is extractable");
    }
    if key_type == KeyType::AES {
        return Home::Hsm(aes_facets(len, request));
    }
    if key_type == KeyType::AES_XTS {
        return match len {
            64 => Home::Hsm(vec![FacetKind::AesXts, FacetKind::AesXtsTweak]),
            _ => Home::Clear("the HSM has AES-XTS with keys of 64 bytes only"),
        };
    }
    if birth == Birth::Imported {
        return Home::Clear("the HSM imports no generic or HMAC secrets");
    }
    if request.derive {
        return Home::Clear("the HSM derives from ECDH secrets only");
    }
    if !request.sign {
        return Home::Clear("the HSM holds generic secrets for HMAC only");
    }
    let fitting: Vec<_> = HMACS
        .iter()
        .filter(|hmac| key_type == KeyType::GENERIC_SECRET || key_type == hmac.key)
        .filter(|hmac| (hmac.min..=hmac.max).contains(&len))
        .collect();
    let possible = |kind: &MechanismType| fitting.iter().any(|hmac| hmac.mechanisms.contains(kind));
    if request.allowed.as_ref().is_some_and(|allowed| !allowed.iter().all(possible)) {
        return Home::Clear("its allowed mechanisms are not all possible in the HSM with its length");
    }
    let facets: Vec<_> =
        fitting.iter().filter(|hmac| allows(request, &hmac.mechanisms)).map(|hmac| hmac.facet).collect();
    if facets.is_empty() { Home::Clear("the HSM has no HMAC of its type with its length") } else { Home::Hsm(facets) }
}

/// The home of an EC private key. Two facets cannot be made in the device: the value must be imported twice.
pub fn ec(request: &KeyRequest) -> Home {
    if request.extractable {
        return Home::Clear("it is extractable");
    }
    let derive =
        request.derive && allows(request, &[MechanismType::ECDH1_DERIVE, MechanismType::ECDH1_COFACTOR_DERIVE]);
    let sign = request.sign && allows(request, ECDSA);
    Home::Hsm(match (sign, derive) {
        (true, true) => vec![FacetKind::EcSign, FacetKind::EcDerive],
        (false, true) => vec![FacetKind::EcDerive],
        (_, false) => vec![FacetKind::EcSign],
    })
}

/// The home of an RSA private key.
pub fn rsa(request: &KeyRequest) -> Home {
    if request.extractable {
        return Home::Clear("it is extractable");
    }
    let allows = |can: fn(&Row) -> bool| {
        let row = |kind: &MechanismType| table::row(*kind).filter(|row| row.keys.contains(&KeyType::RSA));
        request.allowed.as_ref().is_none_or(|allowed| allowed.iter().filter_map(row).any(can))
    };
    let sign = request.sign && allows(|row| row.sign.is_some() || row.sign_recover.is_some());
    let decrypt =
        request.decrypt && allows(|row| row.decrypt.is_some() || row.unwrap.is_some() || row.decapsulate.is_some());
    Home::Hsm(match (sign, decrypt) {
        (true, true) => vec![FacetKind::RsaSign, FacetKind::RsaDecrypt],
        (false, true) => vec![FacetKind::RsaDecrypt],
        (_, false) => vec![FacetKind::RsaSign],
    })
}

fn aes_facets(len: usize, request: &KeyRequest) -> Vec<FacetKind> {
    let native_gcm = len == 32 && allows(request, &[MechanismType::AES_GCM]);
    // Every other mode, and GCM over a shorter key, is composed from CBC calls.
    let others = |allowed: &Vec<_>| allowed.iter().any(|kind| *kind != MechanismType::AES_GCM);
    let cbc = request.allowed.as_ref().is_none_or(others) || !native_gcm;
    let mut facets = Vec::new();
    if cbc {
        facets.push(FacetKind::AesCbc);
    }
    if native_gcm {
        facets.push(if request.device_iv { FacetKind::AesGcmApproved } else { FacetKind::AesGcm });
    }
    facets
}

/// Adds the facets that cost nothing before they are used, to a key whose facets are made when they are first needed: GCM
/// with the device's IVs, for messages with generated ones.
pub(crate) fn with_lazy(mut facets: Vec<FacetKind>) -> Vec<FacetKind> {
    if facets.contains(&FacetKind::AesGcm) {
        facets.push(FacetKind::AesGcmApproved);
    }
    facets
}

/// Whether the template allows one of these mechanisms.
fn allows(request: &KeyRequest, kinds: &[MechanismType]) -> bool {
    request.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(|kind| kinds.contains(kind)))
}

/// An HMAC of the device and the lengths of its keys in bytes (semantics 6.9).
struct DeviceHmac {
    facet: FacetKind,
    /// Whole and cut.
    mechanisms: [MechanismType; 2],
    key: KeyType,
    min: usize,
    max: usize,
}

const HMACS: &[DeviceHmac] = &[
    DeviceHmac {
        facet: FacetKind::HmacSha256,
        mechanisms: [MechanismType::SHA256_HMAC, MechanismType::SHA256_HMAC_GENERAL],
        key: KeyType::SHA256_HMAC,
        min: 32,
        max: 64,
    },
    DeviceHmac {
        facet: FacetKind::HmacSha384,
        mechanisms: [MechanismType::SHA384_HMAC, MechanismType::SHA384_HMAC_GENERAL],
        key: KeyType::SHA384_HMAC,
        min: 48,
        max: 128,
    },
    DeviceHmac {
        facet: FacetKind::HmacSha512,
        mechanisms: [MechanismType::SHA512_HMAC, MechanismType::SHA512_HMAC_GENERAL],
        key: KeyType::SHA512_HMAC,
        min: 64,
        max: 128,
    },
];

const ECDSA: &[MechanismType] = &[
    MechanismType::ECDSA,
    MechanismType::ECDSA_SHA1,
    MechanismType::ECDSA_SHA224,
    MechanismType::ECDSA_SHA256,
    MechanismType::ECDSA_SHA384,
    MechanismType::ECDSA_SHA512,
    MechanismType::ECDSA_SHA3_224,
    MechanismType::ECDSA_SHA3_256,
    MechanismType::ECDSA_SHA3_384,
    MechanismType::ECDSA_SHA3_512,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn request(words: &str) -> KeyRequest {
        let has = |word| words.split(' ').any(|w| w == word);
        KeyRequest {
            sign: has("sign"),
            decrypt: has("decrypt"),
            derive: has("derive"),
            extractable: has("extractable"),
            ..KeyRequest::default()
        }
    }

    fn allowing(words: &str, kinds: &[MechanismType]) -> KeyRequest {
        KeyRequest { allowed: Some(kinds.to_vec()), ..request(words) }
    }

    fn facets(home: Home) -> Option<Vec<FacetKind>> {
        match home {
            Home::Hsm(facets) => Some(facets),
            Home::Clear(_) => None,
        }
    }

    #[test]
    fn aes() {
        use FacetKind::{AesCbc, AesGcm, AesGcmApproved};
        let home = |len, request: &KeyRequest| facets(secret(KeyType::AES, len, request, Birth::Generated));
        assert_eq!(home(16, &request("")), Some(vec![AesCbc]));
        assert_eq!(home(24, &request("")), Some(vec![AesCbc]));
        assert_eq!(home(32, &request("decrypt")), Some(vec![AesCbc, AesGcm]));
        assert_eq!(home(32, &request("extractable")), None);
        assert_eq!(home(32, &allowing("", &[MechanismType::AES_GCM])), Some(vec![AesGcm]));
        assert_eq!(home(16, &allowing("", &[MechanismType::AES_GCM])), Some(vec![AesCbc]));
        assert_eq!(home(32, &allowing("", &[MechanismType::AES_CBC_PAD])), Some(vec![AesCbc]));
        assert_eq!(home(32, &allowing("", &[MechanismType::RSA_PKCS])), Some(vec![AesCbc]));
        for composed in [MechanismType::AES_ECB, MechanismType::AES_CMAC, MechanismType::AES_KEY_WRAP_KWP] {
            assert_eq!(home(32, &allowing("sign", &[composed])), Some(vec![AesCbc]));
            assert_eq!(home(32, &allowing("", &[MechanismType::AES_GCM, composed])), Some(vec![AesCbc, AesGcm]));
        }
        let device_iv = |allowed| KeyRequest { device_iv: true, allowed, ..KeyRequest::default() };
        assert_eq!(home(32, &device_iv(None)), Some(vec![AesCbc, AesGcmApproved]));
        let only_gcm = device_iv(Some(vec![MechanismType::AES_GCM]));
        assert_eq!(home(32, &only_gcm), Some(vec![AesGcmApproved]));
        assert_eq!(home(16, &only_gcm), Some(vec![AesCbc]));
        assert_eq!(with_lazy(vec![AesCbc, AesGcm]), [AesCbc, AesGcm, AesGcmApproved]);
        assert_eq!(with_lazy(vec![AesCbc]), [AesCbc]);
        for birth in [Birth::Generated, Birth::Imported] {
            let home = |len, words| facets(secret(KeyType::AES_XTS, len, &request(words), birth));
            assert_eq!(home(64, ""), Some(vec![FacetKind::AesXts, FacetKind::AesXtsTweak]));
            assert_eq!((home(32, ""), home(64, "extractable")), (None, None));
        }
        let imported = secret(KeyType::AES, 32, &request(""), Birth::Imported);
        assert_eq!(facets(imported), Some(vec![AesCbc, AesGcm]));
    }

    #[test]
    fn generic_and_hmac() {
        use FacetKind::{HmacSha256, HmacSha384, HmacSha512};
        let home = |key, len, request: &KeyRequest| facets(secret(key, len, request, Birth::Generated));
        let generic = KeyType::GENERIC_SECRET;
        for (len, expected) in [
            (31, None),
            (32, Some(vec![HmacSha256])),
            (47, Some(vec![HmacSha256])),
            (48, Some(vec![HmacSha256, HmacSha384])),
            (64, Some(vec![HmacSha256, HmacSha384, HmacSha512])),
            (65, Some(vec![HmacSha384, HmacSha512])),
            (128, Some(vec![HmacSha384, HmacSha512])),
            (129, None),
        ] {
            assert_eq!(home(generic, len, &request("sign")), expected, "{len} bytes");
        }
        assert_eq!(home(KeyType::SHA384_HMAC, 64, &request("sign")), Some(vec![HmacSha384]));
        assert_eq!(home(KeyType::SHA384_HMAC, 32, &request("sign")), None);
        assert_eq!(home(KeyType::SHA_1_HMAC, 64, &request("sign")), None);
        for words in ["", "derive", "sign derive", "sign extractable"] {
            assert_eq!(home(generic, 64, &request(words)), None, "{words}");
        }
        assert_eq!(home(generic, 64, &allowing("sign", &[MechanismType::SHA512_HMAC])), Some(vec![HmacSha512]));
        assert_eq!(home(generic, 64, &allowing("sign", &[MechanismType::SHA_1_HMAC])), None);
        assert_eq!(
            home(generic, 32, &allowing("sign", &[MechanismType::SHA256_HMAC, MechanismType::SHA512_HMAC])),
            None
        );
        assert_eq!(facets(secret(generic, 64, &request("sign"), Birth::Imported)), None);
    }

    #[test]
    fn pairs() {
        use FacetKind::{EcDerive, EcSign, RsaDecrypt, RsaSign};
        for (words, ec_facets, rsa_facets) in [
            ("", vec![EcSign], vec![RsaSign]),
            ("sign", vec![EcSign], vec![RsaSign]),
            ("derive", vec![EcDerive], vec![RsaSign]),
            ("sign derive", vec![EcSign, EcDerive], vec![RsaSign]),
            ("decrypt", vec![EcSign], vec![RsaDecrypt]),
            ("sign decrypt", vec![EcSign], vec![RsaSign, RsaDecrypt]),
        ] {
            assert_eq!(facets(ec(&request(words))), Some(ec_facets), "{words}");
            assert_eq!(facets(rsa(&request(words))), Some(rsa_facets), "{words}");
        }
        let only_pss = allowing("sign decrypt", &[MechanismType::RSA_PKCS_PSS]);
        assert_eq!(facets(rsa(&only_pss)), Some(vec![RsaSign]));
        let only_ecdh = allowing("sign derive", &[MechanismType::ECDH1_DERIVE]);
        assert_eq!(facets(ec(&only_ecdh)), Some(vec![EcDerive]));
        assert_eq!(facets(ec(&request("sign extractable"))), None);
        assert_eq!(facets(rsa(&request("sign extractable"))), None);
    }

    #[test]
    fn strict_refuses_what_is_outside() {
        assert_eq!(Home::Clear("x").under(Policy::Strict).unwrap_err(), Code::TemplateInconsistent);
        assert!(Home::Clear("x").under(Policy::Standard).is_ok());
        assert!(Home::Hsm(vec![]).under(Policy::Strict).is_ok());
    }
}
