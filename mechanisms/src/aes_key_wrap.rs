//! AES key wrap (NIST SP 800-38F: KW is RFC 3394, KWP is RFC 5649), for keys and for data.
//!
//! | Mechanism | Payload | Initial value |
//! |---|---|---|
//! | `CKM_AES_KEY_WRAP` | multiples of 8 from 16 bytes; a key is padded with zeros | 8 bytes, or `A6A6A6A6A6A6A6A6` |
//! | `CKM_AES_KEY_WRAP_KWP` | 1 byte and more | 4 bytes, or `A65959A6` |
//! | `CKM_AES_KEY_WRAP_PKCS7`, `CKM_AES_KEY_WRAP_PAD` | 8 bytes and more | as the first |
//!
//! `_PAD` is deprecated, and v3.2 does not say what it does. Up to v2.40, 2.14 it pads and then wraps as RFC 3394 says,
//! which is today's `_PKCS7`; NSS and Java take it so too.
//!
//! The chain of blocks is written here: it asks the device for each block, which may fail, and takes any initial value.
//! The crate `aes-kw`, which knows neither, is the second opinion in the tests.

use subtle::{ConstantTimeEq, ConstantTimeGreater, ConstantTimeLess};
use transport::channel::Direction;
use zeroize::{Zeroize, Zeroizing};

use crate::aes::{self, BLOCK};
use crate::aes_ecb::Ecb;
use crate::ck::{MechanismType, ObjectClass};
use crate::collected::{Collected, WholeCipher};
use crate::error::{Code, Result};
use crate::key::Key;
use crate::operation::CipherOp;
use crate::padding::pkcs7;
use crate::params::{Params, Shape};
use crate::table::{Filler, Row};
use crate::wrapping;

/// PKCS#11 v3.2, 6.16.
pub(crate) const ROWS: &[Row] = &[
    Row {
        encrypt: Some(|params, key| start(params, key, Direction::Encrypt, Padding::None)),
        decrypt: Some(|params, key| start(params, key, Direction::Decrypt, Padding::None)),
        wrap: Some(|params, key| Ok(wrapping::wrap(start(params, key, Direction::Encrypt, Padding::None)?, SEMIBLOCK))),
        unwrap: Some(|params, key| Ok(wrapping::unwrap(start(params, key, Direction::Decrypt, Padding::None)?))),
        filler: Filler::ProtectedZeros,
        ..row(MechanismType::AES_KEY_WRAP)
    },
    Row {
        encrypt: Some(|params, key| start(params, key, Direction::Encrypt, Padding::Length)),
        decrypt: Some(|params, key| start(params, key, Direction::Decrypt, Padding::Length)),
        wrap: Some(|params, key| Ok(wrapping::wrap(start(params, key, Direction::Encrypt, Padding::Length)?, 1))),
        unwrap: Some(|params, key| Ok(wrapping::unwrap(start(params, key, Direction::Decrypt, Padding::Length)?))),
        ..row(MechanismType::AES_KEY_WRAP_KWP)
    },
    pkcs7_row(MechanismType::AES_KEY_WRAP_PKCS7),
    pkcs7_row(MechanismType::AES_KEY_WRAP_PAD),
];

const fn pkcs7_row(kind: MechanismType) -> Row {
    Row {
        encrypt: Some(|params, key| start(params, key, Direction::Encrypt, Padding::Pkcs7)),
        decrypt: Some(|params, key| start(params, key, Direction::Decrypt, Padding::Pkcs7)),
        wrap: Some(|params, key| Ok(wrapping::wrap(start(params, key, Direction::Encrypt, Padding::Pkcs7)?, 1))),
        unwrap: Some(|params, key| Ok(wrapping::unwrap(start(params, key, Direction::Decrypt, Padding::Pkcs7)?))),
        ..row(kind)
    }
}

const fn row(kind: MechanismType) -> Row {
    Row {
        section: "6.16.3",
        shape: Shape::OptionalIv,
        hardware: true,
        wraps: &[ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY],
        ..aes::cipher(kind)
    }
}

/// How a payload is brought to whole semiblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    /// Not at all.
    None,
    /// PKCS#7 to 8 bytes.
    Pkcs7,
    /// Zeros, with the true length in the initial value (RFC 5649, 3).
    Length,
}

struct KeyWrap {
    ecb: Ecb,
    direction: Direction,
    padding: Padding,
    /// The initial value; with [`Padding::Length`] its first half.
    iv: [u8; SEMIBLOCK],
}

fn start(params: &Params, key: &Key, direction: Direction, padding: Padding) -> Result<Box<dyn CipherOp>> {
    let mut iv = if padding == Padding::Length { KWP_IV } else { KW_IV };
    let iv_len = if padding == Padding::Length { SEMIBLOCK / 2 } else { SEMIBLOCK };
    match params {
        Params::None => {}
        Params::Iv(given) if given.len() == iv_len => iv[..iv_len].copy_from_slice(given),
        _ => {
            return Err(Code::MechanismParamInvalid.because(format_args!("the initial value has {iv_len} bytes here")));
        }
    }
    Ok(Collected::boxed(KeyWrap { ecb: Ecb::new(key, direction)?, direction, padding, iv }))
}

impl WholeCipher for KeyWrap {
    fn answer_len(&self, len: usize) -> usize {
        let payload = match (self.direction, self.padding) {
            (Direction::Decrypt, _) => return len.saturating_sub(SEMIBLOCK),
            (Direction::Encrypt, Padding::None) => len,
            (Direction::Encrypt, Padding::Pkcs7) => (len / SEMIBLOCK).saturating_add(1).saturating_mul(SEMIBLOCK),
            (Direction::Encrypt, Padding::Length) => len.div_ceil(SEMIBLOCK).saturating_mul(SEMIBLOCK),
        };
        payload.saturating_add(SEMIBLOCK)
    }

    fn is_padded(&self) -> bool {
        self.direction == Direction::Decrypt && self.padding != Padding::None
    }

    fn run(&self, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        self.check_len(message.len())?;
        match self.direction {
            Direction::Encrypt => self.wrap(message, out),
            Direction::Decrypt => self.unwrap(message, out),
        }
    }
}

impl KeyWrap {
    /// SP 800-38F wants two semiblocks and more of KW; RFC 5649 takes from 1 byte to 2^32 - 1 bytes.
    fn check_len(&self, len: usize) -> Result<()> {
        let max = if self.ecb.is_remote() { MAX_REMOTE } else { MAX };
        let (code, payload) = match self.direction {
            Direction::Encrypt => (Code::DataLenRange, Some(len)),
            Direction::Decrypt => (Code::EncryptedDataLenRange, len.checked_sub(SEMIBLOCK)),
        };
        let (unit, min) = match (self.direction, self.padding) {
            (_, Padding::None) | (Direction::Decrypt, Padding::Pkcs7) => (SEMIBLOCK, 2 * SEMIBLOCK),
            (Direction::Encrypt, Padding::Pkcs7) => (1, SEMIBLOCK),
            (Direction::Encrypt, Padding::Length) => (1, 1),
            (Direction::Decrypt, Padding::Length) => (SEMIBLOCK, SEMIBLOCK),
        };
        if payload.is_some_and(|len| (min..=max).contains(&len) && len.is_multiple_of(unit)) {
            return Ok(());
        }
        Err(code.because(format_args!(
            "key wrap of {len} bytes: a payload has {min} to {max} bytes here, in units of {unit}"
        )))
    }

    fn wrap(&self, payload: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let mut a = self.iv;
        out.reserve_exact(self.answer_len(payload.len()));
        out.extend_from_slice(&a);
        out.extend_from_slice(payload);
        match self.padding {
            Padding::None => {}
            Padding::Pkcs7 => {
                let (padding, len) = pkcs7::padding::<SEMIBLOCK>(payload.len() % SEMIBLOCK);
                out.extend_from_slice(&padding[..len]);
            }
            Padding::Length => {
                let len = u32::try_from(payload.len()).map_err(|_| Code::DataLenRange)?;
                a[SEMIBLOCK / 2..].copy_from_slice(&len.to_be_bytes());
                out.resize(self.answer_len(payload.len()), 0);
            }
        }
        if out.len() == BLOCK {
            out[..SEMIBLOCK].copy_from_slice(&a);
            return self.ecb.blocks(out);
        }
        let (head, semiblocks) = out.split_at_mut(SEMIBLOCK);
        let (mut t, mut block) = (0u64, Zeroizing::new([0; BLOCK]));
        for _ in 0..6 {
            for semiblock in semiblocks.chunks_exact_mut(SEMIBLOCK) {
                t += 1;
                block[..SEMIBLOCK].copy_from_slice(&a);
                block[SEMIBLOCK..].copy_from_slice(semiblock);
                self.ecb.blocks(&mut *block)?;
                a.copy_from_slice(&block[..SEMIBLOCK]);
                semiblock.copy_from_slice(&block[SEMIBLOCK..]);
                count(&mut a, t);
            }
        }
        head.copy_from_slice(&a);
        Ok(())
    }

    /// Nothing tells apart, in time or in words, why a wrapped form is refused.
    fn unwrap(&self, wrapped: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let mut a = [0; SEMIBLOCK];
        out.reserve_exact(wrapped.len());
        if wrapped.len() == BLOCK {
            out.extend_from_slice(wrapped);
            self.ecb.blocks(out)?;
            a.copy_from_slice(&out[..SEMIBLOCK]);
            out.copy_within(SEMIBLOCK.., 0);
            out[SEMIBLOCK..].zeroize();
            out.truncate(SEMIBLOCK);
        } else {
            a.copy_from_slice(&wrapped[..SEMIBLOCK]);
            out.extend_from_slice(&wrapped[SEMIBLOCK..]);
            let (mut t, mut block) = (6 * (out.len() / SEMIBLOCK) as u64, Zeroizing::new([0; BLOCK]));
            for _ in 0..6 {
                for semiblock in out.chunks_exact_mut(SEMIBLOCK).rev() {
                    count(&mut a, t);
                    block[..SEMIBLOCK].copy_from_slice(&a);
                    block[SEMIBLOCK..].copy_from_slice(semiblock);
                    self.ecb.blocks(&mut *block)?;
                    a.copy_from_slice(&block[..SEMIBLOCK]);
                    semiblock.copy_from_slice(&block[SEMIBLOCK..]);
                    t -= 1;
                }
            }
        }
        let last = out.last_chunk::<SEMIBLOCK>().expect("a whole semiblock, as the length was checked");
        let (good, padding_len) = match self.padding {
            Padding::None => (a.ct_eq(&self.iv), 0),
            Padding::Pkcs7 => {
                let (good, len) = pkcs7::check(last);
                (a.ct_eq(&self.iv) & good, len)
            }
            Padding::Length => {
                let half = SEMIBLOCK / 2;
                let claimed = a[half..].iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
                let full = out.len() as u64;
                let mut good = a[..half].ct_eq(&self.iv[..half]);
                good &= !claimed.ct_gt(&full) & claimed.ct_gt(&(full - SEMIBLOCK as u64));
                for (at, byte) in (full - SEMIBLOCK as u64..).zip(last) {
                    good &= at.ct_lt(&claimed) | byte.ct_eq(&0);
                }
                (good, usize::try_from(full.wrapping_sub(claimed)).unwrap_or(0))
            }
        };
        if !bool::from(good) {
            return Err(Code::EncryptedDataInvalid.into());
        }
        let len = out.len() - padding_len;
        out.truncate(len);
        Ok(())
    }
}

fn count(a: &mut [u8; SEMIBLOCK], t: u64) {
    a.iter_mut().zip(t.to_be_bytes()).for_each(|(byte, t)| *byte ^= t);
}

/// SP 800-38F, 5.2.
const SEMIBLOCK: usize = BLOCK / 2;
/// RFC 3394, 2.2.3.1.
const KW_IV: [u8; SEMIBLOCK] = [0xa6; SEMIBLOCK];
/// RFC 5649, 3; the length follows.
const KWP_IV: [u8; SEMIBLOCK] = [0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, 0];
/// RFC 5649, 1.
const MAX: usize = u32::MAX as usize;
/// Each 8 bytes are six commands to the device: enough for every key there is (RSA-4096 has 2.4 kB), and for no more.
const MAX_REMOTE: usize = 4096;

#[cfg(test)]
mod tests {
    use aes_kw::{KeyInit, KwAes128, KwAes192, KwAes256, KwpAes128, KwpAes192, KwpAes256};

    use super::*;
    use crate::table::{CipherInit, row};
    use crate::testing::{self, hex};

    fn run(init: Option<CipherInit>, params: &Params, key: &Key, message: &[u8]) -> Result<Vec<u8>> {
        let op = init.unwrap()(params, key)?;
        let (promised, padded) = (op.final_len(message.len()), op.answer_is_padded());
        let mut out = Zeroizing::default();
        op.whole(message, &mut out)?;
        assert!(out.len() == promised || padded && out.len() < promised);
        let mut op = init.unwrap()(params, key)?;
        let mut again = Zeroizing::new(b"before".to_vec());
        for part in message.chunks(5) {
            assert_eq!(op.update_len(part.len()), 0);
            op.update(part, &mut again)?;
        }
        assert!(op.final_len(0) >= out.len());
        op.finish(&mut again)?;
        assert_eq!(again[6..], out[..], "in parts as in one");
        Ok(out.to_vec())
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from(at % 251).unwrap() + 1).collect()
    }

    const KINDS: [MechanismType; 4] = [
        MechanismType::AES_KEY_WRAP,
        MechanismType::AES_KEY_WRAP_KWP,
        MechanismType::AES_KEY_WRAP_PKCS7,
        MechanismType::AES_KEY_WRAP_PAD,
    ];

    /// RFC 3394, 4.1 to 4.6.
    #[test]
    fn known_answers_of_key_wrap() {
        let kek = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        let data = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f";
        for (kek_len, data_len, wrapped) in [
            (16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
            (24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"),
            (32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
            (24, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"),
            (32, 24, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"),
            (32, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"),
        ] {
            let (key, data, wrapped) = (testing::aes(&hex(kek)[..kek_len]), &hex(data)[..data_len], hex(wrapped));
            let row = row(MechanismType::AES_KEY_WRAP).unwrap();
            for (there, back) in [(row.encrypt, row.decrypt), (row.wrap, row.unwrap)] {
                assert_eq!(run(there, &Params::None, &key, data).unwrap(), wrapped);
                assert_eq!(run(back, &Params::None, &key, &wrapped).unwrap(), data);
                let default = Params::Iv(KW_IV.to_vec());
                assert_eq!(run(there, &default, &key, data).unwrap(), wrapped);
            }
        }
    }

    /// RFC 5649, 6.
    #[test]
    fn known_answers_of_key_wrap_with_padding() {
        let key = testing::aes(&hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"));
        for (data, wrapped) in [
            (
                "c37b7e6492584340bed12207808941155068f738",
                "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
            ),
            ("466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"),
        ] {
            let row = row(MechanismType::AES_KEY_WRAP_KWP).unwrap();
            for (there, back) in [(row.encrypt, row.decrypt), (row.wrap, row.unwrap)] {
                assert_eq!(run(there, &Params::None, &key, &hex(data)).unwrap(), hex(wrapped));
                assert_eq!(run(back, &Params::None, &key, &hex(wrapped)).unwrap(), hex(data));
            }
        }
    }

    #[test]
    fn agrees_with_aes_kw_at_all_lengths() {
        let (kw, kwp) = (row(MechanismType::AES_KEY_WRAP).unwrap(), row(MechanismType::AES_KEY_WRAP_KWP).unwrap());
        let none = &Params::None;
        for len in (1..=64).chain(1008..=1040).chain(4080..=4112) {
            let data = bytes(len);
            let (k128, k192, k256) = ([1; 16], [2; 24], [3; 32]);
            for (at, bytes) in [&k128[..], &k192, &k256].into_iter().enumerate() {
                let key = testing::aes(bytes);
                let mut room = vec![0; len + 16];
                let expected = match at {
                    0 => KwpAes128::new(&k128.into()).wrap_key(&data, &mut room),
                    1 => KwpAes192::new(&k192.into()).wrap_key(&data, &mut room),
                    _ => KwpAes256::new(&k256.into()).wrap_key(&data, &mut room),
                };
                let wrapped = run(kwp.wrap, none, &key, &data).unwrap();
                assert_eq!(wrapped, expected.unwrap(), "KWP of {len} bytes");
                assert_eq!(run(kwp.unwrap, none, &key, &wrapped).unwrap(), data);
                if len <= 8 {
                    continue;
                }
                // A key of any length is padded with zeros.
                let padded = [&data[..], &vec![0; len.next_multiple_of(8) - len]].concat();
                let expected = match at {
                    0 => KwAes128::new(&k128.into()).wrap_key(&padded, &mut room),
                    1 => KwAes192::new(&k192.into()).wrap_key(&padded, &mut room),
                    _ => KwAes256::new(&k256.into()).wrap_key(&padded, &mut room),
                };
                let expected = expected.unwrap();
                assert_eq!(run(kw.wrap, none, &key, &data).unwrap(), expected, "KW of {len} bytes");
                assert_eq!(run(kw.unwrap, none, &key, expected).unwrap(), padded);
                assert_eq!(run(kw.encrypt, none, &key, &padded).unwrap(), expected);
            }
        }
    }

    #[test]
    fn pkcs7_is_key_wrap_of_the_padded_payload() {
        let key = testing::aes(&[5; 32]);
        for kind in [MechanismType::AES_KEY_WRAP_PKCS7, MechanismType::AES_KEY_WRAP_PAD] {
            let row = row(kind).unwrap();
            for len in (8..40).chain([1023, 1024, 1025, 4096]) {
                let data = bytes(len);
                let pad = 8 - len % 8;
                let padded = [&data[..], &vec![u8::try_from(pad).unwrap(); pad]].concat();
                let mut room = vec![0; len + 16];
                let expected = KwAes256::new(&[5; 32].into()).wrap_key(&padded, &mut room).unwrap();
                let wrapped = run(row.wrap, &Params::None, &key, &data).unwrap();
                assert_eq!(wrapped, expected);
                assert_eq!(run(row.unwrap, &Params::None, &key, &wrapped).unwrap(), data);
            }
            let unpadded = run(table(MechanismType::AES_KEY_WRAP).wrap, &Params::None, &key, &[9; 16]).unwrap();
            assert_eq!(
                run(row.unwrap, &Params::None, &key, &unpadded).unwrap_err(),
                Code::WrappedKeyInvalid,
                "9 is no padding of 8-byte blocks"
            );
        }
    }

    fn table(kind: MechanismType) -> &'static Row {
        row(kind).unwrap()
    }

    #[test]
    fn initial_values() {
        let key = testing::aes(&[7; 16]);
        for kind in KINDS {
            let row = table(kind);
            let right = if kind == MechanismType::AES_KEY_WRAP_KWP { 4 } else { 8 };
            for len in 1..=17 {
                let started = row.wrap.unwrap()(&Params::Iv(vec![1; len]), &key);
                if len != right {
                    assert_eq!(started.err().unwrap(), Code::MechanismParamInvalid, "{kind:?} {len}");
                    continue;
                }
                for message in [&[3; 16][..], &[3; 24]] {
                    let own = Params::Iv(bytes(len));
                    let wrapped = run(row.wrap, &own, &key, message).unwrap();
                    assert_ne!(wrapped, run(row.wrap, &Params::None, &key, message).unwrap());
                    assert_eq!(run(row.unwrap, &own, &key, &wrapped).unwrap(), message);
                    let other = run(row.unwrap, &Params::None, &key, &wrapped);
                    assert_eq!(other.unwrap_err(), Code::WrappedKeyInvalid);
                }
            }
            assert_eq!(row.wrap.unwrap()(&Params::Number(1), &key).err().unwrap(), Code::MechanismParamInvalid);
        }
    }

    #[test]
    fn every_spoiled_bit_gives_the_one_error() {
        let key = testing::aes(&[7; 24]);
        for kind in KINDS {
            let row = table(kind);
            for len in [8, 16, 20, 24] {
                let Ok(wrapped) = run(row.wrap, &Params::None, &key, &bytes(len)) else {
                    assert_eq!((kind, len), (MechanismType::AES_KEY_WRAP, 8));
                    continue;
                };
                for bit in 0..wrapped.len() * 8 {
                    let mut spoiled = wrapped.clone();
                    spoiled[bit / 8] ^= 1 << (bit % 8);
                    let refused = |init, code: Code| {
                        let error = run(init, &Params::None, &key, &spoiled).unwrap_err();
                        assert_eq!((error.code(), error.cause()), (code, None));
                    };
                    refused(row.unwrap, Code::WrappedKeyInvalid);
                    refused(row.decrypt, Code::EncryptedDataInvalid);
                }
            }
        }
    }

    /// RFC 5649, 3: the length and the zeros are checked too. What is wrapped here has A65959A6, but a wrong rest.
    #[test]
    fn lengths_and_zeros_of_kwp_are_checked() {
        let key = testing::aes(&[7; 16]);
        let kwp = table(MechanismType::AES_KEY_WRAP_KWP);
        let forged = |len: u32, payload: &[u8]| {
            let iv = [&KWP_IV[..4], &len.to_be_bytes()].concat();
            run(table(MechanismType::AES_KEY_WRAP).encrypt, &Params::Iv(iv), &key, payload).unwrap()
        };
        let unwrapped = |wrapped: &[u8]| run(kwp.unwrap, &Params::None, &key, wrapped);
        assert_eq!(unwrapped(&forged(24, &[1; 24])).unwrap(), [1; 24]);
        let mut zeros = [1; 24];
        zeros[17..].fill(0);
        assert_eq!(unwrapped(&forged(17, &zeros)).unwrap(), zeros[..17]);
        for len in [0, 1, 16, 17, 23, 25, 32, 0x8000_0018, u32::MAX] {
            assert_eq!(unwrapped(&forged(len, &[1; 24])).unwrap_err(), Code::WrappedKeyInvalid, "{len}");
        }
        assert_eq!(unwrapped(&forged(16, &zeros)).unwrap_err(), Code::WrappedKeyInvalid);
    }

    #[test]
    fn lengths() {
        let key = testing::aes(&[7; 32]);
        for kind in KINDS {
            let row = table(kind);
            for len in 0..48 {
                let (encrypted, wrapped) = (
                    run(row.encrypt, &Params::None, &key, &bytes(len)),
                    run(row.wrap, &Params::None, &key, &bytes(len)),
                );
                let (encrypts, wraps) = match kind {
                    MechanismType::AES_KEY_WRAP => (len >= 16 && len % 8 == 0, len > 8),
                    MechanismType::AES_KEY_WRAP_KWP => (len > 0, len > 0),
                    _ => (len >= 8, len >= 8),
                };
                assert_eq!(encrypted.as_ref().err().map(crate::Error::code), (!encrypts).then_some(Code::DataLenRange));
                assert_eq!(wrapped.as_ref().err().map(crate::Error::code), (!wraps).then_some(Code::KeySizeRange));
                let min = if kind == MechanismType::AES_KEY_WRAP_KWP { 16 } else { 24 };
                let lengths = len % 8 == 0 && len >= min;
                let unwrapped = run(row.unwrap, &Params::None, &key, &bytes(len)).unwrap_err();
                assert_eq!(unwrapped, if lengths { Code::WrappedKeyInvalid } else { Code::WrappedKeyLenRange });
                let decrypted = run(row.decrypt, &Params::None, &key, &bytes(len)).unwrap_err();
                assert_eq!(decrypted, if lengths { Code::EncryptedDataInvalid } else { Code::EncryptedDataLenRange });
            }
        }
    }
}
