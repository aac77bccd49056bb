//! AES-XTS (IEEE 1619, NIST SP 800-38E), its keys included. One operation is one data unit, so messages in parts are
//! collected; the parameter is the unit's number, 16 bytes, little-endian.
//!
//! | Key | Bytes | Data unit |
//! |---|---|---|
//! | in the HSM: two device keys | 64 | multiples of 16, because the device steals no ciphertext |
//! | clear | 32, 64 | any length |
//!
//! A unit has 16 bytes to 16 MiB (SP 800-38E: 2^20 blocks). The vendor's simulator drops the tweak's high 64 bits; what
//! the hardware does with them is not documented (wire 6.3, Q6). Unit numbers below 2^64 are safe everywhere.

use std::sync::Arc;

use ::aes::cipher::KeyInit;
use ::aes::{Aes128, Aes256};
use transport::channel::Direction;
use transport::partition::{FacetKind, HsmKey, Partition};
use xts_mode::Xts128;
use zeroize::Zeroizing;

use crate::aes::BLOCK;
use crate::ck::{KeyType, MechanismType};
use crate::collected::{Collected, WholeCipher};
use crate::error::{Code, Result};
use crate::key::{Key, KeyRequest, Material, NewKey};
use crate::operation::CipherOp;
use crate::params::{Params, Shape};
use crate::secret;
use crate::table::Row;

/// PKCS#11 v3.2, 6.15. Its table ticks wrapping too, but the text says nothing of it, and XTS protects no key: anybody may
/// garble 16 bytes of it unnoticed.
pub(crate) const ROWS: &[Row] = &[
    Row { section: "6.15.3", generate: Some(generate), ..xts(MechanismType::AES_XTS_KEY_GEN) },
    Row {
        section: "6.15.4",
        shape: Shape::Iv16,
        encrypt: Some(|params, key| start(params, key, Direction::Encrypt)),
        decrypt: Some(|params, key| start(params, key, Direction::Decrypt)),
        ..xts(MechanismType::AES_XTS)
    },
];

const fn xts(kind: MechanismType) -> Row {
    Row { keys: &[KeyType::AES_XTS], min_size: 32, max_size: 64, hardware: true, ..Row::none(kind) }
}

fn generate(_params: &Params, request: &KeyRequest, partition: &Arc<Partition>) -> Result<NewKey> {
    match request.key_type {
        None | Some(KeyType::AES_XTS) => secret::generate(KeyType::AES_XTS, request, partition),
        Some(other) => Err(Code::TemplateInconsistent.because(format_args!("{other:?} is not CKK_AES_XTS"))),
    }
}

struct Xts {
    engine: Engine,
    direction: Direction,
    tweak: [u8; BLOCK],
}

enum Engine {
    Hsm(Arc<HsmKey>, Arc<Partition>),
    Aes128(Box<Xts128<Aes128>>),
    Aes256(Box<Xts128<Aes256>>),
}

fn start(params: &Params, key: &Key, direction: Direction) -> Result<Box<dyn CipherOp>> {
    let Params::Iv16(tweak) = params else {
        return Err(Code::MechanismParamInvalid.because("a data unit sequence number has 16 bytes"));
    };
    Ok(Collected::boxed(Xts { engine: Engine::new(key)?, direction, tweak: *tweak }))
}

impl Engine {
    fn new(key: &Key) -> Result<Self> {
        match &key.material {
            Material::Hsm(key, partition) => {
                if !(key.can(FacetKind::AesXts) && key.can(FacetKind::AesXtsTweak)) {
                    return Err(Code::KeyFunctionNotPermitted.because("this HSM key was made without XTS"));
                }
                Ok(Self::Hsm(Arc::clone(key), Arc::clone(partition)))
            }
            Material::Clear(_) => {
                let bytes = secret::bytes(key)?;
                let (data_key, tweak_key) = bytes.split_at(bytes.len() / 2);
                match bytes.len() {
                    32 => Ok(Self::Aes128(Box::new(Xts128::new(cipher(data_key)?, cipher(tweak_key)?)))),
                    64 => Ok(Self::Aes256(Box::new(Xts128::new(cipher(data_key)?, cipher(tweak_key)?)))),
                    len => Err(Code::KeySizeRange.because(format_args!("an AES-XTS key of {len} bytes"))),
                }
            }
            Material::Public(_) => Err(Code::KeyTypeInconsistent.into()),
        }
    }
}

fn cipher<C: KeyInit>(half: &[u8]) -> Result<C> {
    C::new_from_slice(half).map_err(|_| Code::KeySizeRange.into())
}

impl WholeCipher for Xts {
    fn answer_len(&self, len: usize) -> usize {
        len
    }

    fn run(&self, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        self.check_len(message.len())?;
        out.reserve_exact(message.len());
        out.extend_from_slice(message);
        match (&self.engine, self.direction) {
            (Engine::Hsm(key, partition), direction) => partition.aes_xts(key, direction, self.tweak, out)?,
            (Engine::Aes128(xts), Direction::Encrypt) => xts.encrypt_sector(out, self.tweak.into()),
            (Engine::Aes128(xts), Direction::Decrypt) => xts.decrypt_sector(out, self.tweak.into()),
            (Engine::Aes256(xts), Direction::Encrypt) => xts.encrypt_sector(out, self.tweak.into()),
            (Engine::Aes256(xts), Direction::Decrypt) => xts.decrypt_sector(out, self.tweak.into()),
        }
        Ok(())
    }
}

impl Xts {
    fn check_len(&self, len: usize) -> Result<()> {
        let code = match self.direction {
            Direction::Encrypt => Code::DataLenRange,
            Direction::Decrypt => Code::EncryptedDataLenRange,
        };
        if !(BLOCK..=MAX).contains(&len) {
            return Err(code.because(format_args!("a data unit of {len} bytes, 16 bytes to 16 MiB are possible")));
        }
        if matches!(self.engine, Engine::Hsm(..)) && !len.is_multiple_of(BLOCK) {
            return Err(code.because(format_args!(
                "the HSM takes data units of whole blocks, this one has {len} bytes; a sealed key would do"
            )));
        }
        Ok(())
    }
}

/// SP 800-38E, 4; the device has the same limit (wire 6.4).
const MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::row;
    use crate::testing::{hex, secret};

    fn key(bytes: &[u8]) -> Key {
        secret(KeyType::AES_XTS, bytes)
    }

    fn run(tweak: &[u8], key: &Key, direction: Direction, message: &[u8], size: usize) -> Result<Vec<u8>> {
        let row = row(MechanismType::AES_XTS).unwrap();
        let init = if direction == Direction::Encrypt { row.encrypt } else { row.decrypt }.unwrap();
        let mut op = init(&Params::Iv16(tweak.try_into().unwrap()), key)?;
        assert_eq!(op.final_len(message.len()), message.len());
        let mut out: Zeroizing<Vec<u8>> = Zeroizing::default();
        for part in message.chunks(size) {
            op.update(part, &mut out)?;
            assert!(out.is_empty(), "a data unit is transformed as a whole");
        }
        op.finish(&mut out)?;
        Ok(out.to_vec())
    }

    /// IEEE 1619, annex B: vectors 2, 3 and 15 to 18.
    #[test]
    fn known_answers() {
        let stolen = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0";
        let plain = "000102030405060708090a0b0c0d0e0f10111213";
        for (key_hex, tweak, plain, cipher) in [
            (
                "1111111111111111111111111111111122222222222222222222222222222222",
                "3333333333",
                "4444444444444444444444444444444444444444444444444444444444444444",
                "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
            ),
            (
                "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222",
                "3333333333",
                "4444444444444444444444444444444444444444444444444444444444444444",
                "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89",
            ),
            (stolen, "9a78563412", &plain[..34], "6c1625db4671522d3d7599601de7ca09ed"),
            (stolen, "9a78563412", &plain[..36], "d069444b7a7e0cab09e24447d24deb1fedbf"),
            (stolen, "9a78563412", &plain[..38], "e5df1351c0544ba1350b3363cd8ef4beedbf9d"),
            (stolen, "9a78563412", plain, "9d84c813f719aa2c7be3f66171c7c5c2edbf9dac"),
        ] {
            let tweak = [hex(tweak), vec![0; 11]].concat();
            let key = key(&hex(key_hex));
            for size in [1, 16, 33] {
                assert_eq!(run(&tweak, &key, Direction::Encrypt, &hex(plain), size).unwrap(), hex(cipher));
                assert_eq!(run(&tweak, &key, Direction::Decrypt, &hex(cipher), size).unwrap(), hex(plain));
            }
        }
    }

    #[test]
    fn lengths_and_parameters() {
        let key = key(&hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
        for len in [0, 1, 15, MAX + 1] {
            let refused = |direction| run(&[0; 16], &key, direction, &vec![0; len], MAX).unwrap_err();
            assert_eq!(refused(Direction::Encrypt), Code::DataLenRange);
            assert_eq!(refused(Direction::Decrypt), Code::EncryptedDataLenRange);
        }
        assert!(run(&[0; 16], &key, Direction::Encrypt, &vec![0; MAX], MAX).is_ok());
        let encrypt = row(MechanismType::AES_XTS).unwrap().encrypt.unwrap();
        assert_eq!(encrypt(&Params::None, &key).err().unwrap(), Code::MechanismParamInvalid);
    }
}
