//! `C_DeriveKey` (PKCS#11 v3.2, 5.18.5) through the raw functions: what a derived key takes over, what is not given out of a
//! hidden key, the public half, data; and keys from passwords and through encapsulation (5.18.6, 5.18.7).

mod keys;

use std::ptr::null_mut;

use conformance::call_3_2;
use conformance::raw::token::OID_P256;
use conformance::raw::{Attributes, length, mechanism, mechanism_with};
use cryptoki_sys::*;
use keys::*;

/// Clulow 2003 and after: a piece of a key that is small enough to try; and the same in two steps, over the seam of the key
/// and bytes of the attacker.
#[test]
fn no_piece_of_a_hidden_key_is_given_out() {
    under_standard("no_piece_of_a_hidden_key_is_given_out", |rig| {
        for hidden in [
            Attributes::new().flag(CKA_SENSITIVE, true).flag(CKA_EXTRACTABLE, true),
            Attributes::new().flag(CKA_SENSITIVE, false).flag(CKA_EXTRACTABLE, false),
        ] {
            let target = rig.create(base(&[0x5a; 32], hidden)).expect("the attacked key");
            let short = |len| generic().number(CKA_VALUE_LEN, len);
            let mut first = 0 as CK_ULONG;
            let extract = |first: &mut CK_ULONG| mechanism_with(CKM_EXTRACT_KEY_FROM_KEY, first);
            for len in [1, 16, 31] {
                refused(rig.derive(extract(&mut first), target, short(len)), CKR_TEMPLATE_INCONSISTENT);
            }
            let (mut known, mut one) = ([7; 15], [7; 1]);
            let (mut front, mut xor) = (string(&mut known), string(&mut one));
            let join = mechanism_with(CKM_CONCATENATE_DATA_AND_BASE, &mut front);
            refused(rig.derive(join, target, short(16)), CKR_TEMPLATE_INCONSISTENT);
            let xor = mechanism_with(CKM_XOR_BASE_AND_DATA, &mut xor);
            refused(rig.derive(xor, target, generic()), CKR_TEMPLATE_INCONSISTENT);

            // The whole key with known bytes in front is a key, as hidden as its base; but no window over the seam.
            let joined = rig.derive(join, target, generic()).expect("a key of 47 bytes");
            assert!(rig.flag(joined, CKA_SENSITIVE) || !rig.flag(target, CKA_SENSITIVE));
            assert!(!rig.flag(joined, CKA_EXTRACTABLE) || rig.flag(target, CKA_EXTRACTABLE));
            refused(rig.get(joined, CKA_VALUE), CKR_ATTRIBUTE_SENSITIVE);
            refused(rig.derive(extract(&mut first), joined, short(16)), CKR_TEMPLATE_INCONSISTENT);
        }
    });
}

/// "so does the derived key" (6.43): what the template says otherwise is refused.
#[test]
fn a_derived_key_is_as_hidden_as_its_bases() {
    under_standard("a_derived_key_is_as_hidden_as_its_bases", |rig| {
        let open = rig.create(base(b"open", shown())).expect("an open key");
        let hidden = Attributes::new().flag(CKA_SENSITIVE, true).flag(CKA_EXTRACTABLE, false);
        let hidden = rig.create(base(b"hidden", hidden)).expect("a hidden key");
        for (one, other) in [(open, hidden), (hidden, open), (hidden, hidden)] {
            let mut other = other;
            let both = mechanism_with(CKM_CONCATENATE_BASE_AND_KEY, &mut other);
            refused(rig.derive(both, one, generic().flag(CKA_SENSITIVE, false)), CKR_TEMPLATE_INCONSISTENT);
            refused(rig.derive(both, one, generic().flag(CKA_EXTRACTABLE, true)), CKR_TEMPLATE_INCONSISTENT);
            let made = rig.derive(both, one, generic()).expect("a key");
            assert!(rig.flag(made, CKA_SENSITIVE) && !rig.flag(made, CKA_EXTRACTABLE));
            assert!(
                !rig.flag(made, CKA_ALWAYS_SENSITIVE) && !rig.flag(made, CKA_NEVER_EXTRACTABLE),
                "both were imported"
            );
        }
        let mut other = open;
        let both = mechanism_with(CKM_CONCATENATE_BASE_AND_KEY, &mut other);
        let made = rig.derive(both, open, shown()).expect("a key");
        assert_eq!(rig.get(made, CKA_VALUE).expect("its value"), b"openopen");
        // A handle that is none, and a key that is not for deriving.
        let mut none = 0 as CK_OBJECT_HANDLE;
        let both = mechanism_with(CKM_CONCATENATE_BASE_AND_KEY, &mut none);
        refused(rig.derive(both, open, generic()), CKR_KEY_HANDLE_INVALID);
        let mut idle = rig
            .create(incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET).bytes(CKA_VALUE, b"idle"))
            .expect("a key without uses");
        let both = mechanism_with(CKM_CONCATENATE_BASE_AND_KEY, &mut idle);
        refused(rig.derive(both, open, generic()), CKR_KEY_FUNCTION_NOT_PERMITTED);
    });
}

/// Delaune, Kremer, Steel 2008: the same value with another permission.
#[test]
fn a_key_that_wraps_gets_no_twin() {
    under_standard("a_key_that_wraps_gets_no_twin", |rig| {
        let kek = aes_in().bytes(CKA_VALUE, &[3; 32]).flag(CKA_SENSITIVE, true).flag(CKA_EXTRACTABLE, true);
        let kek = rig.create(kek.flag(CKA_WRAP, true).flag(CKA_DERIVE, true)).expect("a wrapping key");
        let mut zeros = [0; 32];
        let mut zeros = string(&mut zeros);
        let twin = aes_in().number(CKA_VALUE_LEN, 32).flag(CKA_DECRYPT, true);
        let xor = mechanism_with(CKM_XOR_BASE_AND_DATA, &mut zeros);
        refused(rig.derive(xor, kek, twin), CKR_KEY_FUNCTION_NOT_PERMITTED);
    });
}

#[test]
fn a_public_key_comes_of_its_private_key() {
    under_standard("a_public_key_comes_of_its_private_key", |rig| {
        for (uses, not) in [([CKA_DERIVE, CKA_SIGN], CKA_ENCRYPT), ([CKA_DERIVE, CKA_DERIVE], CKA_VERIFY)] {
            let private = Attributes::new().bytes(CKA_ID, b"seven").flag(CKA_SIGN, uses.contains(&CKA_SIGN));
            let private = private.flag(CKA_DERIVE, true);
            let public = Attributes::new().bytes(CKA_EC_PARAMS, OID_P256);
            let (public, private) = rig.pair(CKM_EC_KEY_PAIR_GEN, public, private).expect("a pair");
            let made = rig.derive(mechanism(CKM_PUB_KEY_FROM_PRIV_KEY), private, Attributes::new()).expect("a key");
            for kind in [CKA_EC_POINT, CKA_EC_PARAMS, CKA_ID, CKA_PUBLIC_KEY_INFO] {
                assert_eq!(rig.get(made, kind), rig.get(public, kind), "{kind:#x}");
            }
            assert_eq!(rig.get(made, CKA_CLASS).expect("a class"), CKO_PUBLIC_KEY.to_ne_bytes());
            assert_eq!(rig.flag(made, CKA_VERIFY), uses.contains(&CKA_SIGN), "as the private key signs");
            assert!(!rig.flag(made, not) && !rig.flag(made, CKA_LOCAL) && !rig.flag(made, CKA_TOKEN));
        }
        let public = Attributes::new().bytes(CKA_EC_PARAMS, OID_P256);
        let (_, private) =
            rig.pair(CKM_EC_KEY_PAIR_GEN, public, Attributes::new().flag(CKA_DERIVE, false)).expect("a pair");
        let derived = rig.derive(mechanism(CKM_PUB_KEY_FROM_PRIV_KEY), private, Attributes::new());
        refused(derived, CKR_KEY_FUNCTION_NOT_PERMITTED);
    });
}

/// The bytes that a key would have, in a data object; from the secret of an HSM key there are none.
#[test]
fn hkdf_makes_data() {
    under_standard("hkdf_makes_data", |rig| {
        let root = rig.create(base(&[9; 32], shown())).expect("a key to derive from");
        let salt = rig.create(base(b"salt", shown())).expect("a salt");
        let mut info = *b"info";
        let mut hkdf = |salt_type, salt_key| CK_HKDF_PARAMS {
            bExtract: CK_TRUE,
            bExpand: CK_TRUE,
            prfHashMechanism: CKM_SHA3_256,
            ulSaltType: salt_type,
            pSalt: null_mut(),
            ulSaltLen: 0,
            hSaltKey: salt_key,
            pInfo: info.as_mut_ptr(),
            ulInfoLen: 4,
        };
        for mut params in [hkdf(CKF_HKDF_SALT_NULL, 0), hkdf(CKF_HKDF_SALT_KEY, salt)] {
            for len in [1, 32, 33, 512] {
                let template = Attributes::new().number(CKA_VALUE_LEN, len);
                let key =
                    rig.derive(mechanism_with(CKM_HKDF_DERIVE, &mut params), root, shown().number(CKA_VALUE_LEN, len));
                let data =
                    rig.derive(mechanism_with(CKM_HKDF_DATA, &mut params), root, template.bytes(CKA_LABEL, b"x"));
                let (key, data) = (key.expect("a key"), data.expect("data"));
                assert_eq!(rig.get(key, CKA_VALUE), rig.get(data, CKA_VALUE));
                assert_eq!(rig.get(data, CKA_CLASS).expect("a class"), CKO_DATA.to_ne_bytes());
                assert_eq!(rig.get(data, CKA_LABEL).expect("a label"), b"x");
            }
        }
        let mut params = hkdf(CKF_HKDF_SALT_NULL, 0);
        let hkdf = mechanism_with(CKM_HKDF_DATA, &mut params);
        refused(rig.derive(hkdf, root, Attributes::new()), CKR_TEMPLATE_INCOMPLETE);
        let key = Attributes::new().number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_VALUE_LEN, 16);
        refused(rig.derive(hkdf, root, key), CKR_TEMPLATE_INCONSISTENT);
        let (public, private) = agreeing(rig);
        let mut point = rig.get(public, CKA_EC_POINT).expect("a point");
        let mut params = ecdh(CKD_NULL, &mut point);
        let inside = generic().flag(CKA_SENSITIVE, true).flag(CKA_EXTRACTABLE, false);
        let secret = rig.derive(mechanism_with(CKM_ECDH1_DERIVE, &mut params), private, inside).expect("a secret");
        let len = Attributes::new().number(CKA_VALUE_LEN, 16);
        refused(rig.derive(hkdf, secret, len), CKR_KEY_FUNCTION_NOT_PERMITTED);
    });
}

/// Functions on the secret of an HSM key: the device has none, and nobody computes one elsewhere.
#[test]
fn the_secret_of_an_hsm_key_is_for_hkdf_only() {
    under_both("the_secret_of_an_hsm_key_is_for_hkdf_only", |rig| {
        let (public, private) = agreeing(rig);
        let mut point = rig.get(public, CKA_EC_POINT).expect("a point");
        let template = || generic().number(CKA_VALUE_LEN, 32).flag(CKA_EXTRACTABLE, false);
        for kdf in [CKD_SHA1_KDF, CKD_SHA256_KDF, CKD_SHA512_KDF_SP800, CKD_SHA3_256_KDF, 99] {
            let mut params = ecdh(kdf, &mut point);
            let derived = rig.derive(mechanism_with(CKM_ECDH1_DERIVE, &mut params), private, template());
            refused(derived, CKR_MECHANISM_PARAM_INVALID);
        }
        let mut params = ecdh(CKD_NULL, &mut point);
        let null = mechanism_with(CKM_ECDH1_DERIVE, &mut params);
        refused(rig.derive(null, private, shown().flag(CKA_EXTRACTABLE, true)), CKR_TEMPLATE_INCONSISTENT);
        rig.derive(null, private, template()).expect("a secret");
    });
}

/// Both sides have the same secret in the HSM, without a key of the library's, so under policy strict too.
#[test]
fn encapsulation_stays_in_the_hsm() {
    under_both("encapsulation_stays_in_the_hsm", |rig| {
        let public = Attributes::new().bytes(CKA_EC_PARAMS, OID_P256).flag(CKA_ENCAPSULATE, true);
        let private = Attributes::new().flag(CKA_DECAPSULATE, true).flag(CKA_DERIVE, true).flag(CKA_SIGN, false);
        let (public, private) = rig.pair(CKM_EC_KEY_PAIR_GEN, public, private).expect("a pair");
        let mut params = ecdh(CKD_NULL, &mut []);
        let mut kem = mechanism_with(CKM_ECDH1_DERIVE, &mut params);
        let mut template = generic().flag(CKA_SENSITIVE, true).flag(CKA_EXTRACTABLE, false);
        let mut list = template.list();
        let (attributes, count) = (list.as_mut_ptr(), length(&list));
        let (mut text, mut len, mut ours, mut theirs) = ([0; 65], 65, 0, 0);
        let (raw, session, kem, place) = (&rig.raw, rig.session, &raw mut kem, text.as_mut_ptr());
        let (len, our) = (&raw mut len, &raw mut ours);
        let rv = call_3_2!(raw, C_EncapsulateKey, session, kem, public, attributes, count, place, len, our);
        assert_eq!(rv, CKR_OK);
        let their = &raw mut theirs;
        let rv = call_3_2!(raw, C_DecapsulateKey, session, kem, private, attributes, count, place, 65, their);
        assert_eq!(rv, CKR_OK);
        let tags = [ours, theirs].map(|secret| {
            assert_eq!(rig.get(secret, CKA_VENDOR_DEFINED | 0x415A_0001).expect("its residency")[0], 1);
            let mut params = CK_HKDF_PARAMS {
                bExtract: CK_TRUE,
                bExpand: CK_TRUE,
                prfHashMechanism: CKM_SHA256,
                ulSaltType: CKF_HKDF_SALT_NULL,
                pSalt: null_mut(),
                ulSaltLen: 0,
                hSaltKey: 0,
                pInfo: null_mut(),
                ulInfoLen: 0,
            };
            let aes = aes_in().number(CKA_VALUE_LEN, 32).flag(CKA_EXTRACTABLE, false);
            let key = rig.derive(mechanism_with(CKM_HKDF_DERIVE, &mut params), secret, aes).expect("an AES key");
            rig.encrypt(with_iv(CKM_AES_CBC, &mut [7; 16]), key, &[1; 16]).expect("a ciphertext")
        });
        assert_eq!(tags[0], tags[1]);
    });
}

/// A key for agreement that the device made.
fn agreeing(rig: &Rig) -> (Handle, Handle) {
    let public = Attributes::new().bytes(CKA_EC_PARAMS, OID_P256);
    let private = Attributes::new().flag(CKA_DERIVE, true).flag(CKA_SIGN, false);
    rig.pair(CKM_EC_KEY_PAIR_GEN, public, private).expect("a pair")
}

fn ecdh(kdf: CK_EC_KDF_TYPE, point: &mut [u8]) -> CK_ECDH1_DERIVE_PARAMS {
    CK_ECDH1_DERIVE_PARAMS {
        kdf,
        ulSharedDataLen: 0,
        pSharedData: null_mut(),
        ulPublicDataLen: length(point),
        pPublicData: if point.is_empty() { null_mut() } else { point.as_mut_ptr() },
    }
}

fn string(data: &mut [u8]) -> CK_KEY_DERIVATION_STRING_DATA {
    CK_KEY_DERIVATION_STRING_DATA { pData: data.as_mut_ptr(), ulLen: length(data) }
}

/// The template of a generic secret for deriving.
fn generic() -> Attributes {
    incoming(CKO_SECRET_KEY, CKK_GENERIC_SECRET).flag(CKA_DERIVE, true)
}

/// The same with a value that everybody may see.
fn shown() -> Attributes {
    generic().flag(CKA_SENSITIVE, false).flag(CKA_EXTRACTABLE, true)
}

/// The template of a generic secret that comes in.
fn base(value: &[u8], visibility: Attributes) -> Attributes {
    let template = visibility.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
    template.flag(CKA_DERIVE, true).bytes(CKA_VALUE, value)
}
