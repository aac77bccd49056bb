//! A whole partition over the carrier: the emulator's frames under the driver's ABI, in both dialects.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};

use aes::Aes256;
use aes::cipher::KeyInit;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use tempfile::TempDir;
use xts_mode::Xts128;
use zeroize::Zeroizing;

use super::super::aad::AadPlace;
use super::super::layouts::{FastPathOut, Zeroed};
use super::*;
use crate::channel::{Channel, ChannelError, Device};
use crate::emulator::{Config, Emulator, Kind, Options};
use crate::partition::{Curve, Durable, FacetKind, ImportValue, Partition, PartitionBlobs, PartitionSecrets};
use crate::{Error, Result};

/// A driver whose device is the emulator, with a handle of the emulator for every open file.
#[derive(Debug)]
struct Hosted {
    emulator: Arc<Emulator>,
    open: Mutex<HashMap<RawFd, Arc<dyn Channel>>>,
}

impl Hosted {
    fn command(channel: &dyn Channel, argument: &mut Command, source: &[u8], destination: &mut [u8]) -> Returned {
        let flags = argument.input.session_control;
        let kind = match flags & 3 {
            0 => SessionControl::NoSession,
            1 => SessionControl::Open,
            2 => SessionControl::Close,
            _ => SessionControl::InSession,
        };
        let session = (flags & 4 != 0).then_some(argument.input.session_id);
        let mut response = Vec::new();
        let out = &mut argument.out;
        let (returned, code) = match channel.exchange(Control { kind, session }, source, &mut response) {
            Ok(()) => {
                destination[..response.len()].copy_from_slice(&response);
                out.byte_count = u32::try_from(response.len()).unwrap();
                return Ok(0);
            }
            Err(ChannelError::Descriptor { status }) => {
                out.status = status.into();
                return Ok(0);
            }
            Err(ChannelError::SessionLimit) => (libc::EINVAL, 11),
            Err(ChannelError::NoSession) => (libc::EINVAL, 12),
            Err(ChannelError::SessionMismatch) => (libc::EINVAL, 14),
            Err(ChannelError::NotReady) => (libc::EAGAIN, 0x0400_0001),
            Err(ChannelError::Aborted) => (libc::EAGAIN, 0x0400_0002),
            Err(other) => panic!("{other}"),
        };
        out.extended_status = code;
        Err(Errno(returned))
    }

    fn gcm(channel: &dyn Channel, argument: &mut FastPath<Gcm>, source: &[u8], destination: &mut [u8]) -> Returned {
        let parameters = &argument.parameters;
        let aad_len = parameters.actual_aad_len as usize;
        let place = AadPlace::of(aad_len).unwrap();
        assert_eq!(parameters.aligned_aad_len as usize, place.aligned);
        let (area, payload) = source.split_at(place.aligned);
        // The area is scratch, and comes back as anything.
        let (scratch, output) = destination.split_at_mut(place.aligned);
        scratch.fill(0xEE);
        output.copy_from_slice(payload);
        let decrypt = argument.input.op_code == 1;
        let done = channel.gcm(GcmCall {
            direction: if decrypt { Direction::Decrypt } else { Direction::Encrypt },
            session: argument.input.session_id,
            short_app_id: argument.input.short_app_id,
            bulk_key: u16::try_from(parameters.key_id).unwrap(),
            iv: parameters.iv,
            tag: decrypt.then_some(parameters.tag),
            aad: &area[place.before..place.before + aad_len],
            data: output,
        });
        let out = &mut argument.out;
        let tail = !payload.len().is_multiple_of(16) || !aad_len.is_multiple_of(32);
        match done {
            Ok(reply) => {
                out.byte_count = u32::try_from(source.len()).unwrap();
                out.fips_approved = reply.fips_approved.into();
                if !decrypt {
                    (out.command_specific, out.iv) = (reply.tag, reply.iv);
                }
                Ok(0)
            }
            Err(ChannelError::TagMismatch) => {
                (out.result, out.extended_status) = if tail { (2, 0x2A) } else { (3, 9) };
                Ok(0)
            }
            Err(other) => Self::fast_path_failure(out, &other),
        }
    }

    fn fast_path_failure(out: &mut FastPathOut, cause: &ChannelError) -> Returned {
        *out = FastPathOut::ZEROED;
        match *cause {
            ChannelError::FastPath { result: 0, extended: extended @ 101..=118 } => {
                out.extended_status = extended;
                Err(Errno(libc::EINVAL))
            }
            ChannelError::FastPath { result, extended } => {
                (out.result, out.extended_status) = (result, extended);
                Ok(0)
            }
            ref other => panic!("{other}"),
        }
    }

    fn xts(channel: &dyn Channel, argument: &mut FastPath<Xts>, source: &[u8], destination: &mut [u8]) {
        let parameters = &argument.parameters;
        assert_eq!(parameters.data_unit_len, 0, "one unit is the whole buffer");
        destination.copy_from_slice(source);
        let done = channel.xts(XtsCall {
            direction: if argument.input.op_code == 1 { Direction::Decrypt } else { Direction::Encrypt },
            session: argument.input.session_id,
            short_app_id: argument.input.short_app_id,
            data_key: u16::try_from(parameters.key_id1).unwrap(),
            tweak_key: u16::try_from(parameters.key_id2).unwrap(),
            tweak: parameters.tweak,
            data_unit_len: source.len(),
            data: destination,
        });
        done.unwrap();
        argument.out.byte_count = u32::try_from(source.len()).unwrap();
    }
}

impl Driver for Hosted {
    fn open(&self, _: &Path) -> Result<OwnedFd, Errno> {
        let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        self.open.lock().insert(file.as_raw_fd(), self.emulator.open().unwrap().into());
        Ok(file)
    }

    fn ioctl(&self, file: BorrowedFd<'_>, call: Call<'_>) -> Returned {
        let channel = Arc::clone(&self.open.lock()[&file.as_raw_fd()]);
        match call {
            Call::Command { argument, source, destination } => Self::command(&*channel, argument, source, destination),
            Call::Gcm { argument, source, destination } => Self::gcm(&*channel, argument, source, destination),
            Call::Xts { argument, source, destination } => {
                Self::xts(&*channel, argument, source, destination);
                Ok(0)
            }
            Call::Info { argument } => {
                let serial = self.emulator.info().unwrap().serial;
                argument.serial_num[..serial.len().min(32)].copy_from_slice(&serial.as_bytes()[..serial.len().min(32)]);
                Ok(0)
            }
            Call::Reset { .. } => {
                self.emulator.reset().unwrap();
                Ok(0)
            }
        }
    }
}

/// A store that keeps nothing but the last state.
#[derive(Debug, Default)]
struct Memory(Mutex<PartitionBlobs>);

impl Durable for Memory {
    fn exclusively(
        &self,
        provision: &mut dyn FnMut(&mut PartitionBlobs, &mut dyn FnMut(&PartitionBlobs) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        provision(&mut self.0.lock(), &mut |_| Ok(()))
    }
}

struct Rig {
    node: Arc<Node>,
    partition: Partition,
    _folder: TempDir,
}

fn rig(kind: Kind) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { folder: folder.path().to_owned(), options: Options { kind, ..Options::default() } };
    let driver = Hosted { emulator: Emulator::open(config).unwrap(), open: Mutex::default() };
    let node = Arc::new(node(Arc::new(driver)));
    let secrets = PartitionSecrets {
        id: [1; 16],
        pin: Zeroizing::new([2; 16]),
        bk3: Zeroizing::new([3; 48]),
        pota: Zeroizing::new([4; 48]),
    };
    let device = Arc::clone(&node) as Arc<dyn Device>;
    Rig { node, partition: Partition::new(device, secrets, Arc::new(Memory::default())), _folder: folder }
}

#[test]
fn a_partition_works_over_the_node_in_both_dialects() {
    for kind in [Kind::Virtual, Kind::Physical] {
        let Rig { node, partition, _folder } = rig(kind);
        assert_eq!(node.info().unwrap().serial.len(), 32);
        let (key, point) = partition.generate_ec(Curve::P256, FacetKind::EcSign).unwrap();
        assert_eq!(point.len(), 65);
        let signed = partition.ecc_sign(&key, &[7; 32]).unwrap();
        assert_eq!(signed.len(), 64);

        // The chip loses everything, and nobody above notices.
        node.reset().unwrap();
        assert_eq!(partition.ecc_sign(&key, &[7; 32]).unwrap().len(), 64);
        let sealed = partition.seal(b"context", b"value").unwrap();
        assert_eq!(*partition.unseal(b"context", &sealed).unwrap(), b"value");
        assert_eq!(partition.unseal(b"other", &sealed).err(), Some(Error::TagMismatch));
    }
}

#[test]
fn gcm_over_the_node_is_gcm() {
    let Rig { partition, _folder, .. } = rig(Kind::Virtual);
    let (value, iv) = ([0x42; 32], [0x24; 12]);
    let key = partition.import(&ImportValue::Aes(&value), &[FacetKind::AesGcm]).unwrap();
    let other = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &value).unwrap());
    for aad_len in [0, 1, 15, 16, 17, 31, 32, 33, 48, 49, 64, 300] {
        for len in [1, 15, 16, 17, 1000, 100_000] {
            let aad = vec![0xA0; aad_len];
            let plain: Vec<u8> = (0..len).map(|n: u32| n.to_le_bytes()[0]).collect();
            let mut wanted = plain.clone();
            let nonce = || Nonce::assume_unique_for_key(iv);
            let wanted_tag = other.seal_in_place_separate_tag(nonce(), Aad::from(&aad), &mut wanted).unwrap();

            let mut data = plain.clone();
            let tag = partition.aes_gcm_encrypt(&key, &iv, &aad, &mut data).unwrap();
            assert_eq!((&data, &tag[..]), (&wanted, wanted_tag.as_ref()), "{aad_len} {len}");
            let mut wrong = data.clone();
            partition.aes_gcm_decrypt(&key, &iv, &aad, &mut data, &tag).unwrap();
            assert_eq!(data, plain, "{aad_len} {len}");
            wrong[0] ^= 1;
            let refused = partition.aes_gcm_decrypt(&key, &iv, &aad, &mut wrong, &tag);
            assert_eq!(refused, Err(Error::TagMismatch), "{aad_len} {len}");
        }
    }
}

#[test]
fn xts_over_the_node_is_xts() {
    let Rig { partition, _folder, .. } = rig(Kind::Physical);
    let value: Vec<u8> = (0..64).collect();
    let key = partition.import(&ImportValue::AesXts(&value), &[FacetKind::AesXts, FacetKind::AesXtsTweak]).unwrap();
    let cipher = |half: &[u8]| Aes256::new_from_slice(half).unwrap();
    let other = Xts128::new(cipher(&value[..32]), cipher(&value[32..]));
    for len in [16, 512, 1008, 100_000] {
        let plain: Vec<u8> = (0..len).map(|n: u32| n.to_le_bytes()[0]).collect();
        let (mut data, mut wanted) = (plain.clone(), plain.clone());
        other.encrypt_sector(&mut wanted, [9; 16].into());
        partition.aes_xts(&key, Direction::Encrypt, [9; 16], &mut data).unwrap();
        assert_eq!(data, wanted, "{len}");
        partition.aes_xts(&key, Direction::Decrypt, [9; 16], &mut data).unwrap();
        assert_eq!(data, plain, "{len}");
    }
}
