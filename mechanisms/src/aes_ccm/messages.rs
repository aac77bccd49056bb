//! AES-CCM message by message (PKCS#11 v3.2, 5.9 and 5.11): each message is one whole encryption, whose MAC goes into the
//! message's parameter.

use transport::channel::Direction;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Code, Result};
use crate::key::Key;
use crate::operation::{CipherOp, MessageOp, MessageParams};
use crate::params::Params;

struct Messages {
    key: Key,
    direction: Direction,
}

/// Messages under a key, each encrypted or decrypted as [`super::start`] does it.
pub(crate) fn start(key: &Key, direction: Direction) -> Box<dyn MessageOp> {
    Box::new(Messages { key: key.clone(), direction })
}

impl Messages {
    fn one(&self, params: &MessageParams, aad: &[u8]) -> Result<Box<dyn CipherOp>> {
        let data_len = params.data_len.ok_or(Code::MechanismParamInvalid)?;
        let (nonce, mac_len) = (params.iv.clone(), params.tag.len() as u64);
        super::start(&Params::Ccm { data_len, nonce, aad: aad.to_vec(), mac_len }, &self.key, self.direction)
    }

    fn run(&self, params: &mut MessageParams, aad: &[u8], message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let (op, start) = (self.one(params, aad)?, out.len());
        match self.direction {
            Direction::Encrypt => {
                op.whole(message, out)?;
                let end = out.len().min(start + message.len());
                let mac = out.split_off(end);
                let len = (mac.len(), params.tag.len());
                if len.0 != len.1 {
                    return Err(Code::GeneralError.because(format_args!("a MAC of {} bytes, not {}", len.0, len.1)));
                }
                params.tag = mac;
                Ok(())
            }
            Direction::Decrypt => op.whole(&[message, &params.tag].concat(), out).map_err(|error| {
                // 5.11.2: what one-shot decryption calls invalid data.
                if error == Code::EncryptedDataInvalid { Code::AeadDecryptFailed.into() } else { error }
            }),
        }
    }
}

impl MessageOp for Messages {
    fn check(&self, params: &MessageParams) -> Result<()> {
        self.one(params, &[]).map(drop)
    }

    fn message(
        &mut self,
        params: &mut MessageParams,
        aad: &[u8],
        message: &[u8],
        out: &mut Zeroizing<Vec<u8>>,
    ) -> Result<()> {
        let start = out.len();
        let done = self.run(params, aad, message, out);
        if done.is_err() {
            out[start..].zeroize();
            out.truncate(start);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ck::MechanismType;
    use crate::table::row;
    use crate::testing;

    /// RFC 3610, packet vector #1, whose first eight bytes are additional data.
    #[test]
    fn a_known_message() {
        let key: Vec<u8> = (0xc0..=0xcf).collect();
        let key = testing::aes(&key);
        let nonce = vec![0, 0, 0, 3, 2, 1, 0, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5];
        let (aad, text): (Vec<u8>, Vec<u8>) = ((0..8).collect(), (8..=0x1e).collect());
        let cipher = [
            0x58, 0x8c, 0x97, 0x9a, 0x61, 0xc6, 0x63, 0xd2, 0xf0, 0x66, 0xd0, 0xc2, 0xc0, 0xf9, 0x89, 0x80, 0x6d, 0x5f,
            0x6b, 0x61, 0xda, 0xc3, 0x84,
        ];
        let mac = [0x17, 0xe8, 0xd1, 0x2c, 0xfd, 0xf9, 0x26, 0xe0];
        let row = row(MechanismType::AES_CCM).unwrap();
        let mut seal = row.message_encrypt.unwrap()(&Params::None, &key).unwrap();
        let mut open = row.message_decrypt.unwrap()(&Params::None, &key).unwrap();
        for _ in 0..2 {
            let mut params =
                MessageParams { iv: nonce.clone(), tag: vec![0; 8], data_len: Some(23), ..MessageParams::default() };
            let mut out = Zeroizing::default();
            seal.message(&mut params, &aad, &text, &mut out).unwrap();
            assert_eq!((&out[..], &params.tag[..]), (&cipher[..], &mac[..]));
            let mut plain = Zeroizing::new(b"before".to_vec());
            open.message(&mut params, &aad, &out, &mut plain).unwrap();
            assert_eq!(plain[6..], text);
            params.tag[7] ^= 1;
            let refused = open.message(&mut params, &aad, &out, &mut plain);
            assert_eq!(refused.unwrap_err(), Code::AeadDecryptFailed);
            assert_eq!(plain[6..], text);
        }
        for (iv_len, tag_len, data_len) in [(6, 8, Some(1)), (14, 8, Some(1)), (12, 5, Some(1)), (12, 8, None)] {
            let params =
                MessageParams { iv: vec![0; iv_len], tag: vec![0; tag_len], data_len, ..MessageParams::default() };
            assert_eq!(seal.check(&params).unwrap_err(), Code::MechanismParamInvalid, "{iv_len} {tag_len}");
        }
        let mut params = MessageParams { iv: nonce, tag: vec![0; 8], data_len: Some(22), ..MessageParams::default() };
        let refused = seal.message(&mut params, &aad, &text, &mut Zeroizing::default());
        assert_eq!(refused.unwrap_err(), Code::DataLenRange);
    }
}
