//! OpenSSL as the second opinion: random messages of all lengths around block, chunk (1024 bytes) and page limits, with
//! keys in the HSM and outside.

use std::process::Command;

use conformance::raw::length;
use conformance::raw::token::Result;
use conformance::{call, ok, to_hex};
use cryptoki_sys::*;

use crate::cases::{self, Case};
use crate::keys::{self, Base, Home, Pair};
use crate::uses::in_room;
use crate::{Bench, Policy};

/// Compares what both answer, and tells where they differ.
pub(crate) fn differences(bench: &Bench) -> Vec<String> {
    let mut failures = Vec::new();
    for kind in bench.mechanisms() {
        let case = cases::of(kind).expect("every mechanism has a case");
        let hsm = bench.info(kind).flags & CKF_HW != 0;
        let homes = [(Home::Hsm, hsm), (Home::Sealed, bench.policy == Policy::Standard)];
        for (home, _) in homes.into_iter().filter(|(_, there)| *there || case.base == Base::None) {
            let lengths = case.lengths[usize::from(home == Home::Sealed)];
            for len in if lengths.is_empty() { &[0][..] } else { lengths } {
                let compared = Compared { bench, case: &case, home, len: *len };
                if let Some(difference) = compared.difference().expect("a call succeeds") {
                    failures.push(format!("{kind:#x} {home:?} {len} bytes: {difference}"));
                }
            }
        }
    }
    failures
}

struct Compared<'a> {
    bench: &'a Bench,
    case: &'a Case,
    home: Home,
    len: usize,
}

impl Compared<'_> {
    /// Where the two differ; `None` too where OpenSSL's command line does not have the mechanism.
    fn difference(&self) -> Result<Option<String>> {
        let (kind, bits) = (self.case.kind, self.len * 8);
        if let Some((_, mode, padded)) = CIPHERS.iter().find(|(cipher, ..)| *cipher == kind) {
            return self.cipher(&format!("-aes-{bits}-{mode}"), *padded);
        }
        if let Some((_, name)) = DIGESTS.iter().find(|(digest, _)| *digest == kind) {
            return self.digest(name);
        }
        if kind == CKM_AES_CMAC {
            return self.mac(&["-cipher", &format!("AES-{bits}-CBC")], "CMAC");
        }
        // The value of an HMAC key in the HSM is nobody's to know.
        if let Some((_, name)) = HMACS.iter().find(|(hmac, _)| *hmac == kind)
            && self.home == Home::Sealed
        {
            return self.mac(&["-digest", name], "HMAC");
        }
        if let Some((_, name, options)) = SIGNATURES.iter().find(|(signature, ..)| *signature == kind) {
            return self.signature(name, options);
        }
        Ok(None)
    }

    fn mechanism(&self) -> CK_MECHANISM {
        let (parameter, len) = (self.case.parameter)(self.bench, self.home);
        CK_MECHANISM { mechanism: self.case.kind, pParameter: parameter, ulParameterLen: len }
    }

    fn keys(&self, uses: &[CK_ATTRIBUTE_TYPE]) -> Result<Pair> {
        keys::make(self.bench, self.case.base, self.home, self.len, uses)
    }

    fn cipher(&self, name: &str, padding: Padding) -> Result<Option<String>> {
        let (bench, pair, mut mechanism) = (self.bench, self.keys(&[CKA_ENCRYPT, CKA_DECRYPT])?, self.mechanism());
        let key = to_hex(&keys::pattern(self.len));
        let mut arguments = vec!["enc", name, "-K", &key];
        if self.case.kind != CKM_AES_ECB {
            arguments.extend(["-iv", IV]);
        }
        if padding == Padding::WholeBlocks {
            arguments.push("-nopad");
        }
        for len in LENGTHS.iter().filter(|len| padding != Padding::WholeBlocks || len.is_multiple_of(16)) {
            let message = random(bench, *len)?;
            ok!(bench.raw, C_EncryptInit, bench.session, &raw mut mechanism, pair.public);
            let ours = in_room(|out, room| {
                call!(bench.raw, C_Encrypt, bench.session, message.as_ptr().cast_mut(), length(&message), out, room)
            })?;
            if ours != openssl(&arguments, &message) {
                return Ok(Some(format!("the ciphertext of {len} bytes differs")));
            }
            ok!(bench.raw, C_DecryptInit, bench.session, &raw mut mechanism, pair.hidden);
            let back = in_room(|out, room| {
                call!(bench.raw, C_Decrypt, bench.session, ours.as_ptr().cast_mut(), length(&ours), out, room)
            })?;
            if back != message {
                return Ok(Some(format!("decryption of {len} bytes differs")));
            }
        }
        Ok(None)
    }

    fn digest(&self, name: &str) -> Result<Option<String>> {
        let (bench, mut mechanism) = (self.bench, self.mechanism());
        for len in LENGTHS {
            let message = random(bench, *len)?;
            ok!(bench.raw, C_DigestInit, bench.session, &raw mut mechanism);
            let ours = in_room(|out, room| {
                call!(bench.raw, C_Digest, bench.session, message.as_ptr().cast_mut(), length(&message), out, room)
            })?;
            if ours != openssl(&["dgst", name, "-binary"], &message) {
                return Ok(Some(format!("the digest of {len} bytes differs")));
            }
        }
        Ok(None)
    }

    fn mac(&self, of: &[&str], name: &str) -> Result<Option<String>> {
        let (bench, pair, mut mechanism) = (self.bench, self.keys(&[CKA_SIGN, CKA_VERIFY])?, self.mechanism());
        let key = format!("hexkey:{}", to_hex(&keys::pattern(self.len)));
        let arguments = [&["mac"], of, &["-macopt", &key, "-binary", "-in", "-", name]].concat();
        for len in LENGTHS {
            let message = random(bench, *len)?;
            ok!(bench.raw, C_SignInit, bench.session, &raw mut mechanism, pair.hidden);
            let ours = in_room(|out, room| {
                call!(bench.raw, C_Sign, bench.session, message.as_ptr().cast_mut(), length(&message), out, room)
            })?;
            if ours != openssl(&arguments, &message) {
                return Ok(Some(format!("the MAC of {len} bytes differs")));
            }
        }
        Ok(None)
    }

    fn signature(&self, name: &str, options: &[&str]) -> Result<Option<String>> {
        let (bench, pair, mut mechanism) = (self.bench, self.keys(&[CKA_SIGN, CKA_VERIFY])?, self.mechanism());
        let folder = tempfile::tempdir().expect("a folder");
        let [public, file] = ["public.der", "signature"].map(|name| folder.path().join(name));
        std::fs::write(&public, keys::bytes(bench, pair.public, CKA_PUBLIC_KEY_INFO)?).expect("a file");
        let (public, path) = (public.to_str().expect("text"), file.to_str().expect("text"));
        let arguments = [&["dgst", name, "-keyform", "DER", "-verify", public, "-signature", path], options].concat();
        for len in LENGTHS {
            let message = random(bench, *len)?;
            ok!(bench.raw, C_SignInit, bench.session, &raw mut mechanism, pair.hidden);
            let ours = in_room(|out, room| {
                call!(bench.raw, C_Sign, bench.session, message.as_ptr().cast_mut(), length(&message), out, room)
            })?;
            let encoded = if self.case.base == Base::Ec { der(&ours) } else { ours };
            std::fs::write(&file, encoded).expect("a file");
            if openssl(&arguments, &message) != b"Verified OK\n" {
                return Ok(Some(format!("OpenSSL does not verify the signature of {len} bytes")));
            }
        }
        Ok(None)
    }
}

/// Whether a cipher takes any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    Any,
    WholeBlocks,
}

/// What `openssl` answers; its complaints are in the test's output.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut file = tempfile::tempfile().expect("a file");
    std::io::Write::write_all(&mut file, input).expect("a file");
    std::io::Seek::rewind(&mut file).expect("a file");
    Command::new("openssl").args(arguments).stdin(file).output().expect("Debian's package openssl").stdout
}

fn random(bench: &Bench, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    ok!(bench.raw, C_GenerateRandom, bench.session, bytes.as_mut_ptr(), length(&bytes));
    Ok(bytes)
}

/// `ECDSA-Sig-Value` (RFC 3279) of `r || s`, 32 bytes each.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let sign = if number[zeros] & 0x80 == 0 { &[][..] } else { &[0] };
        let value = [sign, &number[zeros..]].concat();
        [&[2, u8::try_from(value.len()).expect("33 at most")], &value[..]].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).expect("70 at most")], &both[..]].concat()
}

/// The IV of `cases`, and its first counter block.
const IV: &str = "07070707070707070707070707070707";

const LENGTHS: &[usize] =
    &[0, 1, 15, 16, 17, 31, 32, 33, 64, 127, 128, 1008, 1023, 1024, 1025, 1040, 2048, 4095, 4096, 4097];

const CIPHERS: &[(CK_MECHANISM_TYPE, &str, Padding)] = &[
    (CKM_AES_ECB, "ecb", Padding::WholeBlocks),
    (CKM_AES_CBC, "cbc", Padding::WholeBlocks),
    (CKM_AES_CBC_PAD, "cbc", Padding::Any),
    (CKM_AES_CTR, "ctr", Padding::Any),
];

const DIGESTS: &[(CK_MECHANISM_TYPE, &str)] = &[
    (CKM_SHA_1, "-sha1"),
    (CKM_SHA224, "-sha224"),
    (CKM_SHA256, "-sha256"),
    (CKM_SHA384, "-sha384"),
    (CKM_SHA512, "-sha512"),
    (CKM_SHA512_224, "-sha512-224"),
    (CKM_SHA512_256, "-sha512-256"),
    (CKM_SHA3_224, "-sha3-224"),
    (CKM_SHA3_256, "-sha3-256"),
    (CKM_SHA3_384, "-sha3-384"),
    (CKM_SHA3_512, "-sha3-512"),
];

const HMACS: &[(CK_MECHANISM_TYPE, &str)] = &[
    (CKM_SHA_1_HMAC, "SHA1"),
    (CKM_SHA224_HMAC, "SHA224"),
    (CKM_SHA256_HMAC, "SHA256"),
    (CKM_SHA384_HMAC, "SHA384"),
    (CKM_SHA512_HMAC, "SHA512"),
    (CKM_SHA512_224_HMAC, "SHA512-224"),
    (CKM_SHA512_256_HMAC, "SHA512-256"),
    (CKM_SHA3_224_HMAC, "SHA3-224"),
    (CKM_SHA3_256_HMAC, "SHA3-256"),
    (CKM_SHA3_384_HMAC, "SHA3-384"),
    (CKM_SHA3_512_HMAC, "SHA3-512"),
];

/// What follows is the padding of `cases`: salts of 20 bytes.
const PSS: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"];

const SIGNATURES: &[(CK_MECHANISM_TYPE, &str, &[&str])] = &[
    (CKM_SHA1_RSA_PKCS, "-sha1", &[]),
    (CKM_SHA224_RSA_PKCS, "-sha224", &[]),
    (CKM_SHA256_RSA_PKCS, "-sha256", &[]),
    (CKM_SHA384_RSA_PKCS, "-sha384", &[]),
    (CKM_SHA512_RSA_PKCS, "-sha512", &[]),
    (CKM_SHA3_224_RSA_PKCS, "-sha3-224", &[]),
    (CKM_SHA3_256_RSA_PKCS, "-sha3-256", &[]),
    (CKM_SHA3_384_RSA_PKCS, "-sha3-384", &[]),
    (CKM_SHA3_512_RSA_PKCS, "-sha3-512", &[]),
    (CKM_SHA1_RSA_PKCS_PSS, "-sha1", PSS),
    (CKM_SHA224_RSA_PKCS_PSS, "-sha224", PSS),
    (CKM_SHA256_RSA_PKCS_PSS, "-sha256", PSS),
    (CKM_SHA384_RSA_PKCS_PSS, "-sha384", PSS),
    (CKM_SHA512_RSA_PKCS_PSS, "-sha512", PSS),
    (CKM_ECDSA_SHA1, "-sha1", &[]),
    (CKM_ECDSA_SHA224, "-sha224", &[]),
    (CKM_ECDSA_SHA256, "-sha256", &[]),
    (CKM_ECDSA_SHA384, "-sha384", &[]),
    (CKM_ECDSA_SHA512, "-sha512", &[]),
    (CKM_ECDSA_SHA3_224, "-sha3-224", &[]),
    (CKM_ECDSA_SHA3_256, "-sha3-256", &[]),
    (CKM_ECDSA_SHA3_384, "-sha3-384", &[]),
    (CKM_ECDSA_SHA3_512, "-sha3-512", &[]),
];
