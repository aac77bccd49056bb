//! AES mechanisms other than GCM with keys in the (emulated) HSM, in both dialects, against the same mechanism on a clear
//! key of the same value (which its own tests hold against other implementations).

mod common;

use mechanisms::ck::{KeyType, MechanismType};
use mechanisms::error::{Code, Result};
use mechanisms::key::{Key, KeyRequest, Material, Policy, Residency};
use mechanisms::params::Params;
use mechanisms::table::{self, CipherInit};
use transport::ddi::Opcode;
use transport::emulator::Kind;
use zeroize::Zeroizing;

use common::{Hsm, asking, clear_secret, decrypt, derive, encrypt, key, on_both, secret, sign, verify};

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// The same value in the HSM and in memory.
fn pair(hsm: &Hsm, value: &[u8]) -> (Key, Key) {
    let strict = KeyRequest { key_type: Some(KeyType::AES), policy: Policy::Strict, ..asking("sign decrypt derive") };
    let inside = hsm.import(secret(value), &strict).unwrap();
    assert!(matches!(inside.material, Material::Hsm(..)));
    (key(&inside), clear_secret(KeyType::AES, value))
}

fn run(init: Option<CipherInit>, params: &Params, key: &Key, message: &[u8]) -> Result<Vec<u8>> {
    let mut out = Zeroizing::default();
    init.unwrap()(params, key)?.whole(message, &mut out)?;
    Ok(out.to_vec())
}

/// In parts that fill no block.
fn in_parts(init: Option<CipherInit>, params: &Params, key: &Key, message: &[u8]) -> Result<Vec<u8>> {
    let mut out = Zeroizing::default();
    let mut op = init.unwrap()(params, key)?;
    for part in message.chunks(333) {
        op.update(part, &mut out)?;
    }
    op.finish(&mut out)?;
    Ok(out.to_vec())
}

/// Around the block, and around what a command of the device takes.
const SIZES: [usize; 14] = [0, 1, 15, 16, 17, 31, 32, 33, 1008, 1023, 1024, 1025, 1040, 2064];

#[test]
fn ciphers_agree_with_clear_keys() {
    on_both(|hsm| {
        for value in [&[1; 16][..], &[2; 24], &[3; 32]] {
            let (inside, outside) = pair(hsm, value);
            for len in SIZES.into_iter().chain([4080, 4096, 4112]) {
                let message = bytes(len);
                let ccm = Params::Ccm { data_len: len as u64, nonce: bytes(12), aad: bytes(len / 3), mac_len: 16 };
                for (kind, params) in [
                    (MechanismType::AES_ECB, Params::None),
                    (MechanismType::AES_CBC, Params::Iv16([9; 16])),
                    (MechanismType::AES_CBC_PAD, Params::Iv16([9; 16])),
                    (MechanismType::AES_CTR, Params::Ctr { bits: 32, block: [0x77; 16] }),
                    (MechanismType::AES_CCM, ccm),
                ] {
                    let row = table::row(kind).unwrap();
                    if len % 16 != 0 && matches!(kind, MechanismType::AES_ECB | MechanismType::AES_CBC) {
                        let refused = encrypt(kind, &params, &inside, &message);
                        assert_eq!(refused.unwrap_err(), Code::DataLenRange);
                        continue;
                    }
                    let expected = encrypt(kind, &params, &outside, &message).unwrap();
                    assert_eq!(encrypt(kind, &params, &inside, &message).unwrap(), expected, "{kind:?} {len}");
                    assert_eq!(in_parts(row.encrypt, &params, &inside, &message).unwrap(), expected);
                    assert_eq!(decrypt(kind, &params, &inside, &expected).unwrap(), message);
                    assert_eq!(in_parts(row.decrypt, &params, &inside, &expected).unwrap(), message);
                }
            }
        }
    });
}

#[test]
fn cmac_agrees_with_clear_keys() {
    on_both(|hsm| {
        for value in [&[1; 16][..], &[2; 24], &[3; 32]] {
            let (inside, outside) = pair(hsm, value);
            for len in SIZES.into_iter().chain([4080, 4096, 4112]) {
                let message = bytes(len);
                for (kind, params) in
                    [(MechanismType::AES_CMAC, Params::None), (MechanismType::AES_CMAC_GENERAL, Params::Number(9))]
                {
                    let tag = sign(kind, &params, &outside, &message).unwrap();
                    assert_eq!(sign(kind, &params, &inside, &message).unwrap(), tag, "{len} bytes");
                    verify(kind, &params, &inside, &message, &tag).unwrap();
                    let mut spoiled = tag.clone();
                    spoiled[0] ^= 1;
                    let refused = verify(kind, &params, &inside, &message, &spoiled);
                    assert_eq!(refused.unwrap_err(), Code::SignatureInvalid);
                }
            }
        }
    });
}

/// The subkeys are computed once per key: a short message is one command.
#[test]
fn a_warm_key_needs_one_command_per_message() {
    let hsm = Hsm::new(Kind::Physical);
    let (inside, _) = pair(&hsm, &[3; 32]);
    sign(MechanismType::AES_CMAC, &Params::None, &inside, b"first").unwrap();
    for (len, commands) in [(0, 1), (16, 1), (1024, 1), (1025, 2), (4096, 4)] {
        let before = hsm.commands(Opcode::AES_ENCRYPT_DECRYPT);
        sign(MechanismType::AES_CMAC, &Params::None, &inside, &bytes(len)).unwrap();
        assert_eq!(hsm.commands(Opcode::AES_ENCRYPT_DECRYPT) - before, commands, "{len} bytes");
        let (before, cipher) = (hsm.commands(Opcode::AES_ENCRYPT_DECRYPT), bytes(len / 16 * 16));
        decrypt(MechanismType::AES_ECB, &Params::None, &inside, &cipher).unwrap();
        let expected = cipher.len().div_ceil(1024) as u64;
        assert_eq!(hsm.commands(Opcode::AES_ENCRYPT_DECRYPT) - before, expected, "ECB decryption in chains");
    }
}

const WRAPPING: [(MechanismType, Params); 7] = [
    (MechanismType::AES_KEY_WRAP, Params::None),
    (MechanismType::AES_KEY_WRAP_KWP, Params::None),
    (MechanismType::AES_KEY_WRAP_PKCS7, Params::None),
    (MechanismType::AES_KEY_WRAP_PAD, Params::None),
    (MechanismType::AES_ECB, Params::None),
    (MechanismType::AES_CBC, Params::Iv16([5; 16])),
    (MechanismType::AES_CBC_PAD, Params::Iv16([5; 16])),
];

#[test]
fn keys_are_wrapped_as_with_clear_keys() {
    on_both(|hsm| {
        for value in [&[1; 16][..], &[2; 24], &[3; 32]] {
            let (inside, outside) = pair(hsm, value);
            for (kind, params) in WRAPPING {
                let row = table::row(kind).unwrap();
                for len in [1, 8, 16, 17, 24, 31, 32, 64, 138, 1217] {
                    let payload = bytes(len);
                    let wrapped = match run(row.wrap, &params, &outside, &payload) {
                        Ok(wrapped) => wrapped,
                        Err(error) => {
                            assert_eq!(run(row.wrap, &params, &inside, &payload).unwrap_err(), error.code());
                            continue;
                        }
                    };
                    assert_eq!(run(row.wrap, &params, &inside, &payload).unwrap(), wrapped, "{kind:?} {len}");
                    let unwrapped = run(row.unwrap, &params, &inside, &wrapped).unwrap();
                    assert_eq!(unwrapped, run(row.unwrap, &params, &outside, &wrapped).unwrap());
                    assert_eq!(unwrapped[..len], payload);
                    assert!(unwrapped[len..].iter().all(|byte| *byte == 0), "the zeros of the wrapping");
                }
            }
        }
    });
}

#[test]
fn a_spoiled_wrapped_key_is_refused_with_one_error() {
    let hsm = Hsm::new(Kind::Physical);
    let (inside, _) = pair(&hsm, &[7; 32]);
    for (kind, params) in &WRAPPING[..4] {
        let row = table::row(*kind).unwrap();
        for len in [16, 21] {
            let wrapped = run(row.wrap, params, &inside, &bytes(len)).unwrap();
            for at in 0..wrapped.len() {
                let mut spoiled = wrapped.clone();
                spoiled[at] ^= 0x40;
                let error = run(row.unwrap, params, &inside, &spoiled).unwrap_err();
                assert_eq!((error.code(), error.cause()), (Code::WrappedKeyInvalid, None));
            }
        }
    }
}

/// Six commands for 8 bytes: what is no key is refused before the first.
#[test]
fn key_wrap_in_the_hsm_is_for_keys() {
    let hsm = Hsm::new(Kind::Virtual);
    let (inside, outside) = pair(&hsm, &[7; 16]);
    for (kind, params) in &WRAPPING[..4] {
        let row = table::row(*kind).unwrap();
        assert!(run(row.wrap, params, &inside, &bytes(2400)).is_ok(), "an RSA-4096 key");
        assert_eq!(run(row.wrap, params, &inside, &bytes(4104)).unwrap_err(), Code::KeySizeRange);
        assert_eq!(run(row.encrypt, params, &inside, &bytes(4104)).unwrap_err(), Code::DataLenRange);
        assert_eq!(run(row.decrypt, params, &inside, &bytes(5000)).unwrap_err(), Code::EncryptedDataLenRange);
        assert!(run(row.encrypt, params, &outside, &bytes(4104)).is_ok());
    }
}

#[test]
fn derived_by_encryption() {
    on_both(|hsm| {
        let (inside, outside) = pair(hsm, &[7; 32]);
        for (kind, params) in [
            (MechanismType::AES_ECB_ENCRYPT_DATA, Params::StringData(bytes(64))),
            (MechanismType::AES_CBC_ENCRYPT_DATA, Params::CbcData { iv: [4; 16], data: bytes(64) }),
        ] {
            for len in [1, 16, 24, 33, 64] {
                let request = KeyRequest { value_len: Some(len), ..asking("sign") };
                let made = derive(kind, &params, &inside, &request).unwrap();
                let expected = derive(kind, &params, &outside, &request).unwrap();
                assert_eq!(made.residency, Residency::Sealed, "the value left the HSM");
                let tag = |new| sign(MechanismType::SHA256_HMAC, &Params::None, &key(new), b"x").unwrap();
                assert_eq!(tag(&made), tag(&expected));
            }
            let strict = KeyRequest { policy: Policy::Strict, ..asking("sign") };
            assert_eq!(derive(kind, &params, &inside, &strict).unwrap_err(), Code::TemplateInconsistent);
        }
    });
}

#[test]
fn a_key_made_without_cbc_can_do_gcm_only() {
    let hsm = Hsm::new(Kind::Physical);
    let request = KeyRequest {
        value_len: Some(32),
        allowed: Some(vec![MechanismType::AES_GCM]),
        policy: Policy::Strict,
        ..asking("decrypt")
    };
    let gcm = key(&hsm.generate(MechanismType::AES_KEY_GEN, &request).unwrap());
    for (kind, params) in WRAPPING {
        let row = table::row(kind).unwrap();
        for init in [row.wrap, row.unwrap, row.encrypt, row.decrypt] {
            assert_eq!(run(init, &params, &gcm, &bytes(32)).unwrap_err(), Code::KeyFunctionNotPermitted);
        }
    }
    assert_eq!(sign(MechanismType::AES_CMAC, &Params::None, &gcm, b"x").unwrap_err(), Code::KeyFunctionNotPermitted);
}

fn xts_request(words: &str) -> KeyRequest {
    KeyRequest { key_type: Some(KeyType::AES_XTS), policy: Policy::Strict, ..asking(words) }
}

/// What the emulator computes with AWS-LC against the other engine of clear keys.
#[test]
fn xts_agrees_with_clear_keys() {
    on_both(|hsm| {
        let value = bytes(64);
        let inside = key(&hsm.import(secret(&value), &xts_request("decrypt")).unwrap());
        assert!(matches!(inside.material, Material::Hsm(..)));
        let outside = clear_secret(KeyType::AES_XTS, &value);
        let row = table::row(MechanismType::AES_XTS).unwrap();
        for tweak in [[0; 16], [0xff; 16]] {
            let params = Params::Iv16(tweak);
            for len in (16..=64).chain(1008..=1040).chain(4080..=4112) {
                let message = bytes(len);
                let expected = encrypt(MechanismType::AES_XTS, &params, &outside, &message).unwrap();
                assert_eq!(decrypt(MechanismType::AES_XTS, &params, &outside, &expected).unwrap(), message);
                if len % 16 != 0 {
                    let refused = encrypt(MechanismType::AES_XTS, &params, &inside, &message).unwrap_err();
                    assert_eq!(refused, Code::DataLenRange);
                    let refused = decrypt(MechanismType::AES_XTS, &params, &inside, &message).unwrap_err();
                    assert_eq!(refused, Code::EncryptedDataLenRange);
                    continue;
                }
                assert_eq!(encrypt(MechanismType::AES_XTS, &params, &inside, &message).unwrap(), expected);
                assert_eq!(in_parts(row.encrypt, &params, &inside, &message).unwrap(), expected);
                assert_eq!(decrypt(MechanismType::AES_XTS, &params, &inside, &expected).unwrap(), message);
                assert_eq!(in_parts(row.decrypt, &params, &inside, &expected).unwrap(), message);
            }
        }
    });
}

#[test]
fn xts_keys_are_made_where_they_can_be() {
    on_both(|hsm| {
        let generate = |request: &KeyRequest| hsm.generate(MechanismType::AES_XTS_KEY_GEN, request);
        let len = |len, request: KeyRequest| KeyRequest { value_len: Some(len), ..request };
        let standard = |words| KeyRequest { policy: Policy::Standard, ..xts_request(words) };
        let made = generate(&len(64, xts_request("decrypt"))).unwrap();
        assert_eq!((made.residency, made.value_len), (Residency::Hsm, Some(64)));
        for request in [len(32, standard("decrypt")), len(64, standard("decrypt extractable"))] {
            let made = generate(&request).unwrap();
            assert_eq!(made.residency, Residency::Sealed);
            let strict = KeyRequest { policy: Policy::Strict, ..request };
            assert_eq!(generate(&strict).unwrap_err(), Code::TemplateInconsistent);
        }
        for bad in [0, 16, 24, 48, 65, 128] {
            assert_eq!(generate(&len(bad, standard("decrypt"))).unwrap_err(), Code::AttributeValueInvalid);
        }
        assert_eq!(generate(&standard("decrypt")).unwrap_err(), Code::TemplateIncomplete);
        let aes = KeyRequest { key_type: Some(KeyType::AES), ..len(32, standard("decrypt")) };
        assert_eq!(generate(&aes).unwrap_err(), Code::TemplateInconsistent);

        let (key, params) = (key(&made), Params::Iv16([1; 16]));
        let cipher = encrypt(MechanismType::AES_XTS, &params, &key, &[5; 512]).unwrap();
        assert_eq!(decrypt(MechanismType::AES_XTS, &params, &key, &cipher).unwrap(), [5; 512]);
        assert_ne!(encrypt(MechanismType::AES_XTS, &Params::Iv16([2; 16]), &key, &[5; 512]).unwrap(), cipher);
        let twins = hsm.import(secret(&[7; 64]), &xts_request("decrypt"));
        assert_eq!(twins.unwrap_err(), Code::AttributeValueInvalid);
        let row = table::row(MechanismType::AES_CBC).unwrap();
        assert_eq!(row.accepts(&key).unwrap_err(), Code::KeyTypeInconsistent);
    });
}
