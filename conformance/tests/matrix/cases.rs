//! One line per mechanism: its key, its parameter, a message that it takes, what it derives.

use conformance::raw::{Attributes, length};
use cryptoki_sys::*;

use crate::Bench;
use crate::keys::{self, Base, Home};

/// How a mechanism is used.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) kind: CK_MECHANISM_TYPE,
    pub(crate) base: Base,
    /// The lengths in bytes of keys to use it with, in the HSM and outside.
    pub(crate) lengths: [&'static [usize]; 2],
    pub(crate) parameter: fn(&Bench, Home) -> Parameter,
    /// Length of a message that it takes.
    pub(crate) message: usize,
    /// The template of what it derives, unwraps or generates.
    pub(crate) makes: fn(Home) -> Attributes,
}

/// `pParameter` and `ulParameterLen`; what it points at is never freed.
pub(crate) type Parameter = (CK_VOID_PTR, CK_ULONG);

/// The case of a mechanism.
pub(crate) fn of(kind: CK_MECHANISM_TYPE) -> Option<Case> {
    all().into_iter().find(|case| case.kind == kind)
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    let mut all = Vec::new();
    let mut add =
        |kinds: &[CK_MECHANISM_TYPE], like: Case| all.extend(kinds.iter().map(|kind| Case { kind: *kind, ..like }));
    let plain = Case {
        kind: 0,
        base: Base::None,
        lengths: [&[], &[]],
        parameter: nothing,
        message: 64,
        makes: |_| Attributes::new(),
    };

    // Generation: the sizes come from the mechanism's own information.
    add(
        &[
            CKM_RSA_PKCS_KEY_PAIR_GEN,
            CKM_EC_KEY_PAIR_GEN,
            CKM_AES_KEY_GEN,
            CKM_AES_XTS_KEY_GEN,
            CKM_GENERIC_SECRET_KEY_GEN,
        ],
        plain,
    );
    add(
        &[
            CKM_SHA_1_KEY_GEN,
            CKM_SHA224_KEY_GEN,
            CKM_SHA256_KEY_GEN,
            CKM_SHA384_KEY_GEN,
            CKM_SHA512_KEY_GEN,
            CKM_SHA512_224_KEY_GEN,
            CKM_SHA512_256_KEY_GEN,
            CKM_SHA3_224_KEY_GEN,
            CKM_SHA3_256_KEY_GEN,
            CKM_SHA3_384_KEY_GEN,
            CKM_SHA3_512_KEY_GEN,
            CKM_HKDF_KEY_GEN,
        ],
        plain,
    );
    add(&[CKM_PKCS5_PBKD2], Case { parameter: pbkdf2, makes: |home| generic(home, 32), ..plain });

    let rsa = Case { base: Base::Rsa, lengths: [&[256], &[256]], message: 32, ..plain };
    add(&[CKM_RSA_PKCS], Case { makes: aes_16, ..rsa });
    add(&[CKM_RSA_X_509], Case { message: 256, makes: aes_16, ..rsa });
    add(&[CKM_RSA_PKCS_OAEP], Case { parameter: oaep, makes: aes_16, ..rsa });
    add(&[CKM_RSA_AES_KEY_WRAP], Case { parameter: rsa_aes, makes: aes_16, ..rsa });
    add(
        &[
            CKM_SHA1_RSA_PKCS,
            CKM_SHA224_RSA_PKCS,
            CKM_SHA256_RSA_PKCS,
            CKM_SHA384_RSA_PKCS,
            CKM_SHA512_RSA_PKCS,
            CKM_SHA3_224_RSA_PKCS,
            CKM_SHA3_256_RSA_PKCS,
            CKM_SHA3_384_RSA_PKCS,
            CKM_SHA3_512_RSA_PKCS,
        ],
        rsa,
    );
    add(&[CKM_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA256, CKG_MGF1_SHA256), ..rsa });
    add(&[CKM_SHA1_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA_1, CKG_MGF1_SHA1), ..rsa });
    add(&[CKM_SHA224_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA224, CKG_MGF1_SHA224), ..rsa });
    add(&[CKM_SHA256_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA256, CKG_MGF1_SHA256), ..rsa });
    add(&[CKM_SHA384_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA384, CKG_MGF1_SHA384), ..rsa });
    add(&[CKM_SHA512_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA512, CKG_MGF1_SHA512), ..rsa });
    add(&[CKM_SHA3_224_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA3_224, CKG_MGF1_SHA3_224), ..rsa });
    add(&[CKM_SHA3_256_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA3_256, CKG_MGF1_SHA3_256), ..rsa });
    add(&[CKM_SHA3_384_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA3_384, CKG_MGF1_SHA3_384), ..rsa });
    add(&[CKM_SHA3_512_RSA_PKCS_PSS], Case { parameter: |_, _| pss(CKM_SHA3_512, CKG_MGF1_SHA3_512), ..rsa });

    let ec = Case { base: Base::Ec, lengths: [&[32], &[32]], message: 32, ..plain };
    add(
        &[
            CKM_ECDSA,
            CKM_ECDSA_SHA1,
            CKM_ECDSA_SHA224,
            CKM_ECDSA_SHA256,
            CKM_ECDSA_SHA384,
            CKM_ECDSA_SHA512,
            CKM_ECDSA_SHA3_224,
            CKM_ECDSA_SHA3_256,
            CKM_ECDSA_SHA3_384,
            CKM_ECDSA_SHA3_512,
        ],
        ec,
    );
    add(
        &[CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE],
        Case { parameter: ecdh, makes: |home| generic(home, 32), ..ec },
    );
    add(&[CKM_ECDH_AES_KEY_WRAP, CKM_ECDH_COF_AES_KEY_WRAP], Case { parameter: ecdh_aes, makes: aes_16, ..ec });
    add(&[CKM_PUB_KEY_FROM_PRIV_KEY], Case { makes: |_| Attributes::new().number(CKA_CLASS, CKO_PUBLIC_KEY), ..ec });

    let aes = Case { base: Base::Aes, lengths: [&[16, 24, 32], &[16, 24, 32]], makes: aes_16, ..plain };
    add(&[CKM_AES_ECB, CKM_AES_CMAC], aes);
    add(&[CKM_AES_CBC, CKM_AES_CBC_PAD], Case { parameter: iv_16, ..aes });
    add(&[CKM_AES_CTR], Case { parameter: ctr, ..aes });
    add(&[CKM_AES_GCM], Case { parameter: gcm, ..aes });
    add(&[CKM_AES_CCM], Case { parameter: ccm, ..aes });
    add(&[CKM_AES_CMAC_GENERAL], Case { parameter: |_, _| leak(8 as CK_ULONG), ..aes });
    add(&[CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_PKCS7], aes);
    add(&[CKM_AES_XTS], Case { base: Base::Xts, lengths: [&[64], &[32, 64]], parameter: iv_16, ..aes });
    let data = Case { makes: |home| generic(home, 32), ..aes };
    add(&[CKM_AES_ECB_ENCRYPT_DATA], Case { parameter: |_, _| string_data(), ..data });
    add(&[CKM_AES_CBC_ENCRYPT_DATA], Case { parameter: cbc_data, ..data });

    for (key, hmac, general, hsm) in [
        (CKK_SHA_1_HMAC, CKM_SHA_1_HMAC, CKM_SHA_1_HMAC_GENERAL, &[][..]),
        (CKK_SHA224_HMAC, CKM_SHA224_HMAC, CKM_SHA224_HMAC_GENERAL, &[]),
        (CKK_SHA256_HMAC, CKM_SHA256_HMAC, CKM_SHA256_HMAC_GENERAL, &[32, 64]),
        (CKK_SHA384_HMAC, CKM_SHA384_HMAC, CKM_SHA384_HMAC_GENERAL, &[48, 128]),
        (CKK_SHA512_HMAC, CKM_SHA512_HMAC, CKM_SHA512_HMAC_GENERAL, &[64, 128]),
        (CKK_SHA512_224_HMAC, CKM_SHA512_224_HMAC, CKM_SHA512_224_HMAC_GENERAL, &[]),
        (CKK_SHA512_256_HMAC, CKM_SHA512_256_HMAC, CKM_SHA512_256_HMAC_GENERAL, &[]),
        (CKK_SHA3_224_HMAC, CKM_SHA3_224_HMAC, CKM_SHA3_224_HMAC_GENERAL, &[]),
        (CKK_SHA3_256_HMAC, CKM_SHA3_256_HMAC, CKM_SHA3_256_HMAC_GENERAL, &[]),
        (CKK_SHA3_384_HMAC, CKM_SHA3_384_HMAC, CKM_SHA3_384_HMAC_GENERAL, &[]),
        (CKK_SHA3_512_HMAC, CKM_SHA3_512_HMAC, CKM_SHA3_512_HMAC_GENERAL, &[]),
    ] {
        let case = Case { base: Base::Secret(key), lengths: [hsm, &[32, 200]], ..plain };
        add(&[hmac], case);
        add(&[general], Case { parameter: |_, _| leak(10 as CK_ULONG), ..case });
    }

    let root = Case {
        base: Base::Root(CKK_GENERIC_SECRET),
        lengths: [&[32], &[32]],
        makes: |home| generic(home, 32),
        ..plain
    };
    add(&[CKM_HKDF_DERIVE], Case { parameter: hkdf, makes: aes_32, ..root });
    add(&[CKM_HKDF_DATA], Case { parameter: hkdf, makes: |_| Attributes::new().number(CKA_VALUE_LEN, 32), ..root });
    add(&[CKM_SP800_108_COUNTER_KDF], Case { parameter: counter_kdf, ..root });
    add(&[CKM_CONCATENATE_BASE_AND_KEY], Case { parameter: other_key, ..root });
    add(
        &[CKM_CONCATENATE_BASE_AND_DATA, CKM_CONCATENATE_DATA_AND_BASE, CKM_XOR_BASE_AND_DATA],
        Case { parameter: |_, _| string_data(), ..root },
    );
    add(&[CKM_EXTRACT_KEY_FROM_KEY], Case { parameter: |_, _| leak(0 as CK_ULONG), ..root });
    add(
        &[
            CKM_SHA1_KEY_DERIVATION,
            CKM_SHA224_KEY_DERIVATION,
            CKM_SHA256_KEY_DERIVATION,
            CKM_SHA384_KEY_DERIVATION,
            CKM_SHA512_KEY_DERIVATION,
            CKM_SHA512_224_KEY_DERIVATION,
            CKM_SHA512_256_KEY_DERIVATION,
            CKM_SHA3_224_KEY_DERIVATION,
            CKM_SHA3_256_KEY_DERIVATION,
            CKM_SHA3_384_KEY_DERIVATION,
            CKM_SHA3_512_KEY_DERIVATION,
        ],
        Case { makes: |home| generic(home, 20), ..root },
    );

    add(
        &[
            CKM_SHA_1,
            CKM_SHA224,
            CKM_SHA256,
            CKM_SHA384,
            CKM_SHA512,
            CKM_SHA512_224,
            CKM_SHA512_256,
            CKM_SHA3_224,
            CKM_SHA3_256,
            CKM_SHA3_384,
            CKM_SHA3_512,
        ],
        plain,
    );
    all
}

// ---- parameters

fn leak<T>(value: T) -> Parameter {
    let size = CK_ULONG::try_from(size_of::<T>()).expect("a structure is small");
    (std::ptr::from_mut(Box::leak(Box::new(value))).cast(), size)
}

fn kept(bytes: &[u8]) -> &'static mut [u8] {
    bytes.to_vec().leak()
}

fn nothing(_: &Bench, _: Home) -> Parameter {
    (std::ptr::null_mut(), 0)
}

fn iv_16(_: &Bench, _: Home) -> Parameter {
    leak([7_u8; 16])
}

fn ctr(_: &Bench, _: Home) -> Parameter {
    leak(CK_AES_CTR_PARAMS { ulCounterBits: 128, cb: [7; 16] })
}

fn gcm(bench: &Bench, _: Home) -> Parameter {
    let iv = kept(&bench.nonce());
    leak(CK_GCM_PARAMS {
        pIv: iv.as_mut_ptr(),
        ulIvLen: 12,
        ulIvBits: 96,
        pAAD: std::ptr::null_mut(),
        ulAADLen: 0,
        ulTagBits: 128,
    })
}

fn ccm(bench: &Bench, _: Home) -> Parameter {
    let nonce = kept(&bench.nonce());
    leak(CK_CCM_PARAMS {
        ulDataLen: bench.data_len(),
        pNonce: nonce.as_mut_ptr(),
        ulNonceLen: 12,
        pAAD: std::ptr::null_mut(),
        ulAADLen: 0,
        ulMACLen: 16,
    })
}

fn oaep_params() -> CK_RSA_PKCS_OAEP_PARAMS {
    CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        source: CKZ_DATA_SPECIFIED,
        pSourceData: std::ptr::null_mut(),
        ulSourceDataLen: 0,
    }
}

fn oaep(_: &Bench, _: Home) -> Parameter {
    leak(oaep_params())
}

fn rsa_aes(_: &Bench, _: Home) -> Parameter {
    leak(CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 256, pOAEPParams: Box::leak(Box::new(oaep_params())) })
}

fn pss(hash: CK_MECHANISM_TYPE, mgf: CK_RSA_PKCS_MGF_TYPE) -> Parameter {
    leak(CK_RSA_PKCS_PSS_PARAMS { hashAlg: hash, mgf, sLen: 20 })
}

/// Key agreement with the public key of the HSM key that this suite has for it.
fn ecdh(bench: &Bench, _: Home) -> Parameter {
    let point = kept(&bench.peer_point());
    leak(CK_ECDH1_DERIVE_PARAMS {
        kdf: CKD_NULL,
        ulSharedDataLen: 0,
        pSharedData: std::ptr::null_mut(),
        ulPublicDataLen: length(point),
        pPublicData: point.as_mut_ptr(),
    })
}

fn ecdh_aes(_: &Bench, _: Home) -> Parameter {
    leak(CK_ECDH_AES_KEY_WRAP_PARAMS {
        ulAESKeyBits: 256,
        kdf: CKD_SHA256_KDF,
        ulSharedDataLen: 0,
        pSharedData: std::ptr::null_mut(),
    })
}

fn hkdf(_: &Bench, _: Home) -> Parameter {
    let (salt, info) = (kept(b"salt"), kept(b"info"));
    leak(CK_HKDF_PARAMS {
        bExtract: CK_TRUE,
        bExpand: CK_TRUE,
        prfHashMechanism: CKM_SHA256,
        ulSaltType: CKF_HKDF_SALT_DATA,
        pSalt: salt.as_mut_ptr(),
        ulSaltLen: length(salt),
        hSaltKey: 0,
        pInfo: info.as_mut_ptr(),
        ulInfoLen: length(info),
    })
}

fn string_data() -> Parameter {
    let data = kept(&[9; 32]);
    leak(CK_KEY_DERIVATION_STRING_DATA { pData: data.as_mut_ptr(), ulLen: length(data) })
}

fn cbc_data(_: &Bench, _: Home) -> Parameter {
    let data = kept(&[9; 32]);
    leak(CK_AES_CBC_ENCRYPT_DATA_PARAMS { iv: [7; 16], pData: data.as_mut_ptr(), length: length(data) })
}

fn counter_kdf(_: &Bench, _: Home) -> Parameter {
    let label = kept(b"label");
    let counter = Box::leak(Box::new(CK_SP800_108_COUNTER_FORMAT { bLittleEndian: CK_FALSE, ulWidthInBits: 32 }));
    let pieces = [
        CK_PRF_DATA_PARAM {
            type_: CK_SP800_108_ITERATION_VARIABLE,
            pValue: std::ptr::from_mut(counter).cast(),
            ulValueLen: CK_ULONG::try_from(size_of::<CK_SP800_108_COUNTER_FORMAT>()).expect("small"),
        },
        CK_PRF_DATA_PARAM {
            type_: CK_SP800_108_BYTE_ARRAY,
            pValue: label.as_mut_ptr().cast(),
            ulValueLen: length(label),
        },
    ];
    let pieces = Box::leak(Box::new(pieces));
    leak(CK_SP800_108_KDF_PARAMS {
        prfType: CKM_SHA256_HMAC,
        ulNumberOfDataParams: 2,
        pDataParams: pieces.as_mut_ptr(),
        ulAdditionalDerivedKeys: 0,
        pAdditionalDerivedKeys: std::ptr::null_mut(),
    })
}

fn pbkdf2(_: &Bench, _: Home) -> Parameter {
    let (salt, password) = (kept(b"0123456789abcdef"), kept(b"correct horse"));
    leak(CK_PKCS5_PBKD2_PARAMS2 {
        saltSource: CKZ_SALT_SPECIFIED,
        pSaltSourceData: salt.as_mut_ptr().cast(),
        ulSaltSourceDataLen: length(salt),
        iterations: 1000,
        prf: CKP_PKCS5_PBKD2_HMAC_SHA256,
        pPrfData: std::ptr::null_mut(),
        ulPrfDataLen: 0,
        pPassword: password.as_mut_ptr(),
        ulPasswordLen: length(password),
    })
}

fn other_key(bench: &Bench, home: Home) -> Parameter {
    let other = keys::secret(bench, CKK_GENERIC_SECRET, home, &[3; 16], &[CKA_DERIVE]);
    leak(other.expect("another key"))
}

// ---- what is made

fn aes_16(home: Home) -> Attributes {
    aes(home, 16)
}

fn aes_32(home: Home) -> Attributes {
    aes(home, 32)
}

fn aes(home: Home, len: CK_ULONG) -> Attributes {
    let hidden = home == Home::Hsm;
    let template = Attributes::new().number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES);
    template.flag(CKA_SENSITIVE, hidden).flag(CKA_EXTRACTABLE, !hidden).number(CKA_VALUE_LEN, len)
}

fn generic(home: Home, len: CK_ULONG) -> Attributes {
    let hidden = home == Home::Hsm;
    let template = Attributes::new().number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
    let template = template.flag(CKA_SENSITIVE, hidden).flag(CKA_EXTRACTABLE, !hidden);
    template.number(CKA_VALUE_LEN, len).flag(CKA_DERIVE, true).flag(CKA_SIGN, false).flag(CKA_VERIFY, false)
}
