//! AES-CCM (NIST SP 800-38C, RFC 3610), composed from the CBC chain and the key stream of a counter, which AWS-LC runs for
//! clear keys and the device for its own: one command per 1024 bytes of additional data and message, and one per block
//! of message.
//!
//! The first block of the chain holds the message's length, so `ulDataLen` must be right. Decryption gives nothing out
//! before the MAC is verified, so messages in parts are collected.

mod messages;

use subtle::ConstantTimeEq;
use transport::channel::Direction;
use zeroize::Zeroizing;

use crate::aes::{self, BLOCK};
use crate::aes_ctr::KeyStream;
use crate::cbc_mac::CbcMac;
use crate::ck::MechanismType;
use crate::collected::{Collected, WholeCipher};
use crate::error::{Code, Result};
use crate::key::Key;
use crate::operation::CipherOp;
use crate::params::{Params, Shape};
use crate::table::Row;

/// PKCS#11 v3.2, 6.13.4.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.13.4",
    shape: Shape::Ccm,
    hardware: true,
    encrypt: Some(|params, key| start(params, key, Direction::Encrypt)),
    decrypt: Some(|params, key| start(params, key, Direction::Decrypt)),
    message_encrypt: Some(|_, key| Ok(messages::start(key, Direction::Encrypt))),
    message_decrypt: Some(|_, key| Ok(messages::start(key, Direction::Decrypt))),
    ..aes::cipher(MechanismType::AES_CCM)
}];

struct Ccm {
    key: Key,
    stream: KeyStream,
    direction: Direction,
    data_len: usize,
    nonce: Vec<u8>,
    aad: Vec<u8>,
    mac_len: usize,
}

fn start(params: &Params, key: &Key, direction: Direction) -> Result<Box<dyn CipherOp>> {
    let Params::Ccm { data_len, nonce, aad, mac_len } = params else { return Err(Code::MechanismParamInvalid.into()) };
    if !(7..=13).contains(&nonce.len()) {
        return Err(
            Code::MechanismParamInvalid.because(format_args!("a nonce of {} bytes, 7 to 13 are possible", nonce.len()))
        );
    }
    if !matches!(mac_len, 4 | 6 | 8 | 10 | 12 | 14 | 16) {
        return Err(Code::MechanismParamInvalid
            .because(format_args!("a MAC of {mac_len} bytes; 4, 6, 8, 10, 12, 14 and 16 are possible")));
    }
    let bits = 8 * (15 - nonce.len());
    if bits < 64 && data_len >> bits != 0 {
        return Err(Code::MechanismParamInvalid
            .because(format_args!("a nonce of {} bytes leaves no room for {data_len} bytes of data", nonce.len())));
    }
    let data_len = usize::try_from(*data_len).map_err(|_| Code::MechanismParamInvalid)?;
    let mac_len = usize::try_from(*mac_len).unwrap_or(BLOCK);
    let stream = KeyStream::new(key)?;
    let (key, nonce, aad) = (key.clone(), nonce.clone(), aad.clone());
    Ok(Collected::boxed(Ccm { key, stream, direction, data_len, nonce, aad, mac_len }))
}

impl WholeCipher for Ccm {
    fn answer_len(&self, len: usize) -> usize {
        match self.direction {
            Direction::Encrypt => len.saturating_add(self.mac_len),
            Direction::Decrypt => len.saturating_sub(self.mac_len),
        }
    }

    fn run(&self, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let (code, len) = match self.direction {
            Direction::Encrypt => (Code::DataLenRange, Some(message.len())),
            Direction::Decrypt => (Code::EncryptedDataLenRange, message.len().checked_sub(self.mac_len)),
        };
        if len != Some(self.data_len) {
            return Err(code.because(format_args!("{} bytes came, ulDataLen is {}", message.len(), self.data_len)));
        }
        let (data, sent) = message.split_at(self.data_len);
        // The blocks from 1 on are for the data.
        let first = self.counter();
        out.reserve_exact(message.len() + BLOCK);
        out.extend_from_slice(data);
        match self.direction {
            Direction::Encrypt => {
                let mac = self.mac(data)?;
                self.stream.xor(first + 1, out)?;
                out.extend_from_slice(&mac[..self.mac_len]);
                Ok(())
            }
            Direction::Decrypt => {
                self.stream.xor(first + 1, out)?;
                let mac = self.mac(out)?;
                if bool::from(mac[..self.mac_len].ct_eq(sent)) {
                    Ok(())
                } else {
                    Err(Code::EncryptedDataInvalid.into())
                }
            }
        }
    }
}

impl Ccm {
    /// The encrypted MAC (SP 800-38C, 6.1 steps 1 to 4, and 8).
    fn mac(&self, data: &[u8]) -> Result<Zeroizing<[u8; BLOCK]>> {
        let mut chain = CbcMac::new(&self.key)?;
        chain.update(&self.head())?;
        if !self.aad.is_empty() {
            chain.update(&aad_len(self.aad.len() as u64))?;
            chain.update(&self.aad)?;
            chain.fill();
        }
        chain.update(data)?;
        chain.fill();
        let mut mac = chain.finish()?;
        self.stream.xor(self.counter(), &mut *mac)?;
        Ok(mac)
    }

    /// The first block of the chain (SP 800-38C, A.2.1): flags, nonce, length.
    fn head(&self) -> [u8; BLOCK] {
        let mut head = (self.data_len as u128).to_be_bytes();
        head[0] = self.length_flag() | u8::from(!self.aad.is_empty()) << 6;
        // 4 to 16, so 1 to 7.
        head[0] |= u8::try_from((self.mac_len - 2) / 2).unwrap_or(7) << 3;
        head[1..=self.nonce.len()].copy_from_slice(&self.nonce);
        head
    }

    /// The counter block 0 (SP 800-38C, A.3).
    fn counter(&self) -> u128 {
        let mut block = [0; BLOCK];
        block[0] = self.length_flag();
        block[1..=self.nonce.len()].copy_from_slice(&self.nonce);
        u128::from_be_bytes(block)
    }

    /// How long the length and the counter are, less one: 1 to 7.
    fn length_flag(&self) -> u8 {
        u8::try_from(14 - self.nonce.len()).unwrap_or(7)
    }
}

/// SP 800-38C, A.2.2.
fn aad_len(len: u64) -> Vec<u8> {
    match (u16::try_from(len), u32::try_from(len)) {
        (Ok(len @ ..0xff00), _) => len.to_be_bytes().to_vec(),
        (_, Ok(len)) => [&[0xff, 0xfe][..], &len.to_be_bytes()].concat(),
        (_, Err(_)) => [&[0xff, 0xff][..], &len.to_be_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use ccm::aead::{Aead, KeyInit, Payload};
    use ccm::consts::{U4, U7, U8, U10, U12, U13, U16};

    use super::*;
    use crate::table::row;
    use crate::testing::{self, hex};

    fn params(data_len: usize, nonce: &[u8], aad: &[u8], mac_len: u64) -> Params {
        Params::Ccm { data_len: data_len as u64, nonce: nonce.to_vec(), aad: aad.to_vec(), mac_len }
    }

    fn run(params: &Params, key: &Key, direction: Direction, message: &[u8], size: usize) -> Result<Vec<u8>> {
        let row = row(MechanismType::AES_CCM).unwrap();
        let init = if direction == Direction::Encrypt { row.encrypt } else { row.decrypt };
        let mut op = init.unwrap()(params, key)?;
        let promised = op.final_len(message.len());
        let mut out = Zeroizing::new(b"before".to_vec());
        for part in message.chunks(size) {
            op.update(part, &mut out)?;
        }
        assert_eq!(*out, b"before", "nothing leaves before the end");
        let done = op.finish(&mut out);
        assert_eq!(out.len(), if done.is_ok() { 6 + promised } else { 6 });
        done.map(|()| out[6..].to_vec())
    }

    /// NIST SP 800-38C, C.1 to C.4.
    #[test]
    fn known_answers() {
        let key = testing::aes(&hex("404142434445464748494a4b4c4d4e4f"));
        let count = |from: u8, len: usize| -> Vec<u8> { (0..=255).cycle().skip(from.into()).take(len).collect() };
        let long: Vec<u8> = count(0, 256).repeat(256);
        for (nonce, aad, plain, cipher) in [
            (7, count(0, 8), 4, "7162015b4dac255d"),
            (8, count(0, 16), 16, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"),
            (12, count(0, 20), 24, "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951"),
            (
                13,
                long,
                32,
                "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b",
            ),
        ] {
            let (plain, cipher) = (count(0x20, plain), hex(cipher));
            let params = params(plain.len(), &count(0x10, nonce), &aad, (cipher.len() - plain.len()) as u64);
            for size in [1, 16, 100] {
                assert_eq!(run(&params, &key, Direction::Encrypt, &plain, size).unwrap(), cipher);
                assert_eq!(run(&params, &key, Direction::Decrypt, &cipher, size).unwrap(), plain);
            }
        }
    }

    #[test]
    fn agrees_with_rustcrypto() {
        macro_rules! check {
            ($($aes:ident $key_len:literal, $mac:ident $mac_len:literal, $nonce:ident $nonce_len:literal;)*) => {$(
                let (bytes, nonce) = ([0x11; $key_len], [0x22; $nonce_len]);
                let other = ccm::Ccm::<::aes::$aes, $mac, $nonce>::new(&bytes.into());
                for len in (0..=64).chain(1008..=1040).chain(4080..=4112) {
                    let message: Vec<u8> = (0..len).map(|i| u8::try_from(i % 256).unwrap()).collect();
                    for aad_len in [0, 1, 14, 15, 30, 1000] {
                        let aad = vec![0x33; aad_len];
                        let payload = Payload { msg: &message, aad: &aad };
                        let expected = other.encrypt(&nonce.into(), payload).unwrap();
                        let params = params(len, &nonce, &aad, $mac_len);
                        let made = run(&params, &testing::aes(&bytes), Direction::Encrypt, &message, 5000).unwrap();
                        assert_eq!(made, expected, "{len} bytes, additional {aad_len}");
                        let back = run(&params, &testing::aes(&bytes), Direction::Decrypt, &made, 5000).unwrap();
                        assert_eq!(back, message);
                    }
                }
            )*};
        }
        check! {
            Aes128 16, U4 4, U7 7;
            Aes192 24, U10 10, U12 12;
            Aes256 32, U16 16, U13 13;
            Aes256 32, U8 8, U8 8;
        }
    }

    #[test]
    fn long_additional_data_has_another_length_field() {
        let (bytes, nonce) = ([0x11; 16], [0x22; 12]);
        let other = ccm::Ccm::<::aes::Aes128, U16, U12>::new(&bytes.into());
        for aad_len in [0xfeff, 0xff00, 0x1_0000, 0x1_0001] {
            let aad = vec![0x33; aad_len];
            let expected = other.encrypt(&nonce.into(), Payload { msg: b"message", aad: &aad }).unwrap();
            let made =
                run(&params(7, &nonce, &aad, 16), &testing::aes(&bytes), Direction::Encrypt, b"message", 7).unwrap();
            assert_eq!(made, expected);
        }
        assert_eq!(aad_len(0x1_0000_0000), [0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn spoiled_messages_release_nothing() {
        let key = testing::aes(&[1; 32]);
        for mac_len in [4, 16] {
            let params = params(7, &[2; 13], b"aad", mac_len);
            let good = run(&params, &key, Direction::Encrypt, b"message", 7).unwrap();
            for bit in 0..good.len() * 8 {
                let mut spoiled = good.clone();
                spoiled[bit / 8] ^= 1 << (bit % 8);
                let refused = run(&params, &key, Direction::Decrypt, &spoiled, 7);
                assert_eq!(refused.unwrap_err(), Code::EncryptedDataInvalid);
            }
        }
    }

    #[test]
    fn misuse() {
        let key = testing::aes(&[1; 16]);
        let started = |params: &Params| start(params, &key, Direction::Encrypt).err().map(|error| error.code());
        for mac_len in 0..=20 {
            let good = (4..=16).contains(&mac_len) && mac_len % 2 == 0;
            assert_eq!(started(&params(1, &[0; 12], b"", mac_len)).is_none(), good);
        }
        for nonce_len in 0..=16 {
            let good = (7..=13).contains(&nonce_len);
            assert_eq!(started(&params(1, &vec![0; nonce_len], b"", 16)).is_none(), good);
        }
        assert_eq!(started(&params(0xffff, &[0; 13], b"", 16)), None);
        assert_eq!(started(&params(0x1_0000, &[0; 13], b"", 16)), Some(Code::MechanismParamInvalid));
        assert_eq!(started(&Params::None), Some(Code::MechanismParamInvalid));
        let seven = params(7, &[0; 12], b"", 16);
        for len in [0, 6, 8] {
            let refused = run(&seven, &key, Direction::Encrypt, &vec![0; len], 100);
            assert_eq!(refused.unwrap_err(), Code::DataLenRange);
        }
        for len in [0, 7, 15, 22, 24] {
            let refused = run(&seven, &key, Direction::Decrypt, &vec![0; len], 100);
            assert_eq!(refused.unwrap_err(), Code::EncryptedDataLenRange);
        }
    }
}
