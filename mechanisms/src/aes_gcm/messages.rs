//! AES-GCM message by message (PKCS#11 v3.2, 5.9 and 5.11): the key's engines are set up once.

use cryptoki_sys::{CKG_GENERATE, CKG_GENERATE_RANDOM};
use transport::channel::Direction;
use zeroize::{Zeroize, Zeroizing};

use super::engine::{Engines, NATIVE_IV};
use super::tag_len;
use crate::error::{Code, Result};
use crate::key::Key;
use crate::operation::{MessageOp, MessageParams};

struct Messages {
    engines: Engines,
    direction: Direction,
}

pub(super) fn start(key: &Key, direction: Direction) -> Result<Box<dyn MessageOp>> {
    Ok(Box::new(Messages { engines: Engines::new(key, true)?, direction }))
}

impl Messages {
    fn seal(&self, params: &mut MessageParams, aad: &[u8], data: &mut [u8]) -> Result<()> {
        let full = if self.chooses_iv(params) {
            let (iv, tag) = self.engines.seal_with_own_iv(aad, data)?;
            params.iv.copy_from_slice(&iv);
            tag
        } else {
            self.engines.seal(&params.iv, aad, data)?
        };
        let len = params.tag.len();
        params.tag.copy_from_slice(&full[..len]);
        Ok(())
    }

    fn open(&self, params: &MessageParams, aad: &[u8], data: &mut [u8]) -> Result<()> {
        self.engines.open(&params.iv, aad, data, &params.tag).map_err(|error| {
            // 5.11.2: what one-shot decryption calls invalid data.
            if error == Code::EncryptedDataInvalid { Code::AeadDecryptFailed.into() } else { error }
        })
    }
}

impl MessageOp for Messages {
    fn chooses_iv(&self, params: &MessageParams) -> bool {
        self.direction == Direction::Encrypt
            && matches!(params.generator, CKG_GENERATE | CKG_GENERATE_RANDOM)
            && params.fixed_bits == 0
            && params.iv.len() == NATIVE_IV
    }

    fn own_ivs_only(&self) -> bool {
        self.direction == Direction::Encrypt && self.engines.own_ivs_only()
    }

    fn check(&self, params: &MessageParams) -> Result<()> {
        let len = params.tag.len();
        tag_len(Some(len), 8 * len as u64)?;
        if self.chooses_iv(params) {
            self.engines.check_tag(len)
        } else {
            self.engines.check(params.iv.len(), len, self.direction)
        }
    }

    fn message(
        &mut self,
        params: &mut MessageParams,
        aad: &[u8],
        message: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<()> {
        self.check(params)?;
        let start = out.len();
        out.reserve(message.len());
        out.extend_from_slice(message);
        let done = match self.direction {
            Direction::Encrypt => self.seal(params, aad, &mut out[start..]),
            Direction::Decrypt => self.open(params, aad, &mut out[start..]),
        };
        if done.is_err() {
            out[start..].zeroize();
            out.truncate(start);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use cryptoki_sys::CKG_NO_GENERATE;

    use super::*;
    use crate::ck::MechanismType;
    use crate::table::row;
    use crate::testing;

    fn op(direction: Direction) -> Box<dyn MessageOp> {
        start(&testing::aes(&[7; 32]), direction).unwrap()
    }

    fn given(iv: &[u8], tag_len: usize) -> MessageParams {
        MessageParams { iv: iv.to_vec(), generator: CKG_NO_GENERATE, tag: vec![0; tag_len], ..MessageParams::default() }
    }

    #[test]
    fn a_message_is_what_one_shot_encryption_makes() {
        let key = testing::aes(&[7; 32]);
        let (mut seal, mut open) = (op(Direction::Encrypt), op(Direction::Decrypt));
        for (iv, tag_len, len) in [(&[1; 12][..], 16, 0), (&[2; 12], 16, 1000), (&[3; 12], 12, 17), (&[4; 16], 13, 33)]
        {
            let message = vec![9; len];
            let mut params = given(iv, tag_len);
            let mut out = Zeroizing::new(b"before".to_vec());
            seal.message(&mut params, b"aad", &message, &mut out).unwrap();
            let once =
                crate::params::Params::Gcm { iv: iv.to_vec(), aad: b"aad".to_vec(), tag_bits: tag_len as u64 * 8 };
            let mut expected = Zeroizing::new(b"before".to_vec());
            let whole = row(MechanismType::AES_GCM).unwrap().encrypt.unwrap()(&once, &key).unwrap();
            whole.whole(&message, &mut expected).unwrap();
            assert_eq!([&out[..], &params.tag].concat(), *expected);

            let mut plain = Zeroizing::default();
            open.message(&mut params, b"aad", &out[6..], &mut plain).unwrap();
            assert_eq!(*plain, message);
            params.tag[0] ^= 1;
            plain.clear();
            let refused = open.message(&mut params, b"aad", &out[6..], &mut plain);
            assert_eq!(refused.unwrap_err(), Code::AeadDecryptFailed);
            assert!(plain.is_empty());
        }
    }

    #[test]
    fn bad_parameters() {
        for (iv_len, tag_len) in [(0, 16), (12, 11), (12, 17), (12, 0)] {
            for direction in [Direction::Encrypt, Direction::Decrypt] {
                let mut params = given(&vec![1; iv_len], tag_len);
                let refused = op(direction).message(&mut params, b"", b"data", &mut Zeroizing::default());
                assert_eq!(refused.unwrap_err(), Code::MechanismParamInvalid, "{iv_len} {tag_len}");
            }
        }
    }
}
