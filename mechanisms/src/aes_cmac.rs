//! AES-CMAC (NIST SP 800-38B, RFC 4493), whole and cut. Clear keys: AWS-LC's. In the HSM it is composed from the device's
//! CBC: one command per 1024 bytes of message, and one for the subkeys, once per key.

use aws_lc_rs::cmac as engine;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::aes::{self, BLOCK};
use crate::cbc_mac::CbcMac;
use crate::ck::MechanismType;
use crate::error::{Code, Result};
use crate::key::{Key, Material};
use crate::operation::{SignOp, VerifyOp};
use crate::params::{Params, Shape};
use crate::secret;
use crate::table::Row;

/// PKCS#11 v3.2, 6.14.
pub(crate) const ROWS: &[Row] = &[
    Row {
        section: "6.14.4",
        hardware: true,
        sign: Some(|_, key| Ok(Box::new(Cmac::new(key, BLOCK)?))),
        verify: Some(|_, key| Ok(Box::new(Cmac::new(key, BLOCK)?))),
        ..aes::cipher(MechanismType::AES_CMAC)
    },
    Row {
        section: "6.14.3",
        shape: Shape::Number,
        hardware: true,
        sign: Some(|params, key| Ok(Box::new(Cmac::new(key, cut(params)?)?))),
        verify: Some(|params, key| Ok(Box::new(Cmac::new(key, cut(params)?)?))),
        ..aes::cipher(MechanismType::AES_CMAC_GENERAL)
    },
];

/// The length that `CKM_AES_CMAC_GENERAL` is asked for: 1 byte to a block.
fn cut(params: &Params) -> Result<usize> {
    let Params::Number(len) = params else { return Err(Code::MechanismParamInvalid.into()) };
    usize::try_from(*len).ok().filter(|len| (1..=BLOCK).contains(len)).ok_or_else(|| {
        Code::MechanismParamInvalid.because(format_args!("a CMAC of {len} bytes, 1 to {BLOCK} are possible"))
    })
}

/// A CMAC in the making; the first `len` bytes of it are the tag.
struct Cmac {
    state: State,
    len: usize,
}

enum State {
    Composed(Box<CbcMac>),
    Clear(engine::Context),
}

impl Cmac {
    fn new(key: &Key, len: usize) -> Result<Self> {
        let state = match &key.material {
            Material::Clear(_) => {
                let bytes = secret::bytes(key)?;
                let algorithm = match bytes.len() {
                    16 => engine::AES_128,
                    24 => engine::AES_192,
                    32 => engine::AES_256,
                    len => return Err(Code::KeySizeRange.because(format_args!("an AES key of {len} bytes"))),
                };
                State::Clear(engine::Context::with_key(&engine::Key::new(algorithm, bytes).map_err(failed)?))
            }
            _ => State::Composed(Box::new(CbcMac::new(key)?)),
        };
        Ok(Self { state, len })
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        match &mut self.state {
            State::Composed(chain) => chain.update(part),
            State::Clear(context) => context.update(part).map_err(failed),
        }
    }

    fn finish(self) -> Result<Vec<u8>> {
        let mut tag = match self.state {
            State::Composed(chain) => composed(*chain)?.to_vec(),
            State::Clear(context) => context.sign().map_err(failed)?.as_ref().to_vec(),
        };
        tag.truncate(self.len);
        Ok(tag)
    }
}

/// SP 800-38B, 6.2: a whole last block is masked with the first subkey, a partial one ends in a bit and is masked with the
/// second.
fn composed(mut chain: CbcMac) -> Result<Zeroizing<[u8; BLOCK]>> {
    let zero = chain.zero_block()?;
    let mut mask = Zeroizing::new(double(&zero));
    let last = chain.last_len();
    if last != BLOCK {
        *mask = double(&mask);
        mask[last] ^= 0x80;
    }
    chain.mask_last(&mask);
    chain.finish()
}

/// SP 800-38B, 6.1: shifted left; where a bit falls out, it is folded back.
fn double(block: &[u8; BLOCK]) -> [u8; BLOCK] {
    let number = u128::from_be_bytes(*block);
    ((number << 1) ^ (0x87 * (number >> 127))).to_be_bytes()
}

fn failed(_: aws_lc_rs::error::Unspecified) -> crate::Error {
    Code::FunctionFailed.because("AES-CMAC")
}

impl SignOp for Cmac {
    fn signature_len(&self) -> usize {
        self.len
    }

    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.update(part)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        (*self).finish()
    }
}

impl VerifyOp for Cmac {
    fn update(&mut self, part: &[u8]) -> Result<()> {
        self.update(part)
    }

    fn finish(self: Box<Self>, signature: &[u8]) -> Result<()> {
        if signature.len() != self.len {
            return Err(Code::SignatureLenRange.because(format_args!("a CMAC of {} bytes", signature.len())));
        }
        let computed = (*self).finish()?;
        if bool::from(computed.ct_eq(signature)) { Ok(()) } else { Err(Code::SignatureInvalid.into()) }
    }
}

#[cfg(test)]
mod tests {
    use cmac::{KeyInit, Mac};

    use super::*;
    use crate::table::row;
    use crate::testing::{self, hex};

    /// With AWS-LC, and composed as over a key in the HSM, in parts of `size`.
    fn both(key: &Key, message: &[u8], size: usize) -> Vec<u8> {
        let mut tags = Vec::new();
        for state in [Cmac::new(key, BLOCK).unwrap().state, State::Composed(Box::new(CbcMac::new(key).unwrap()))] {
            let mut cmac = Cmac { state, len: BLOCK };
            for part in message.chunks(size) {
                cmac.update(part).unwrap();
            }
            tags.push(cmac.finish().unwrap());
        }
        assert_eq!(tags[0], tags[1], "{} bytes in parts of {size}", message.len());
        tags.remove(0)
    }

    /// NIST SP 800-38B, D.1 to D.3.
    #[test]
    fn known_answers() {
        let message =
            hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef\
                           f69f2445df4f9b17ad2b417be66c3710");
        for (bytes, tags) in [
            (
                "2b7e151628aed2a6abf7158809cf4f3c",
                [
                    (0, "bb1d6929e95937287fa37d129b756746"),
                    (16, "070a16b46b4d4144f79bdd9dd04a287c"),
                    (40, "dfa66747de9ae63030ca32611497c827"),
                    (64, "51f0bebf7e3b9d92fc49741779363cfe"),
                ],
            ),
            (
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                [
                    (0, "d17ddf46adaacde531cac483de7a9367"),
                    (16, "9e99a7bf31e710900662f65e617c5184"),
                    (40, "8a1de5be2eb31aad089a82e6ee908b0e"),
                    (64, "a1d5df0eed790f794d77589659f39a11"),
                ],
            ),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                [
                    (0, "028962f61b7bf89efc6b551f4667d983"),
                    (16, "28a7023f452e8f82bd4bf28d8c37c35c"),
                    (40, "aaf3d8f1de5640c232f5b169b9c911e6"),
                    (64, "e1992190549f6ed5696a2c056c315410"),
                ],
            ),
        ] {
            for (len, tag) in tags {
                for size in [1, 7, 16, 64] {
                    assert_eq!(both(&testing::aes(&hex(bytes)), &message[..len], size), hex(tag));
                }
            }
        }
    }

    #[test]
    fn agrees_with_rustcrypto_at_all_sizes() {
        let bytes = [0x5a; 32];
        for len in (0..=64).chain(1008..=1040).chain(2040..=2056).chain(4080..=4112) {
            let message: Vec<u8> = (0..len).map(|i| u8::try_from(i % 256).unwrap()).collect();
            let mut other = cmac::Cmac::<::aes::Aes256>::new(&bytes.into());
            other.update(&message);
            let expected = other.finalize().into_bytes().to_vec();
            for size in [1000, 1024, 5000] {
                assert_eq!(both(&testing::aes(&bytes), &message, size), expected, "{len} bytes");
            }
        }
    }

    #[test]
    fn cut_and_verified() {
        let key = testing::aes(&[1; 24]);
        let row = row(MechanismType::AES_CMAC_GENERAL).unwrap();
        let full = both(&key, b"message", 7);
        for len in 1..=16 {
            let params = Params::Number(len as u64);
            let op = row.sign.unwrap()(&params, &key).unwrap();
            assert_eq!(op.signature_len(), len);
            let tag = op.sign(b"message").unwrap();
            assert_eq!(tag, full[..len]);
            let verify = |message: &[u8], tag: &[u8]| row.verify.unwrap()(&params, &key).unwrap().verify(message, tag);
            verify(b"message", &tag).unwrap();
            assert_eq!(verify(b"massage", &full[..len]).unwrap_err(), Code::SignatureInvalid);
            assert_eq!(verify(b"message", &[&tag[..], &[0]].concat()).unwrap_err(), Code::SignatureLenRange);
            assert_eq!(verify(b"message", &tag[1..]).unwrap_err(), Code::SignatureLenRange);
        }
        for params in [Params::Number(0), Params::Number(17), Params::Number(u64::MAX), Params::None] {
            assert_eq!(row.sign.unwrap()(&params, &key).err().unwrap(), Code::MechanismParamInvalid);
        }
    }
}
