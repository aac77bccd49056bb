//! What a real chip keeps across a reboot, in one file of the state folder.
//!
//! The file is written whole: temporary file, fsync, rename, fsync of the folder; a reader sees the old or the new one.
//! Who creates or changes it holds the lock of the file beside it while doing so, and at no other time. A file that
//! cannot be understood is reported and left as it is: it is somebody's identity and BK_BOOT.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::{digest, rand};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::certificates::Identity;
use super::hierarchy::Fleet;
use crate::channel::ChannelError;

/// The durable state of one emulated partition (semantics 2.1).
#[derive(Clone)]
pub(crate) struct Durable {
    /// Keys and certificates of the device's chain and of the partition.
    pub(crate) identity: Identity,
    /// The fleet's seeds.
    pub(crate) fleet: Fleet,
    /// VM launch GUID.
    pub(crate) vm_launch_guid: [u8; 16],
    /// BK_BOOT, after InitBk3.
    pub(crate) bk_boot: Option<Zeroizing<[u8; 80]>>,
    /// The sealed-BK3 mailbox, after SetSealedBk3.
    pub(crate) sealed_bk3: Option<Vec<u8>>,
}

/// The file; holds no descriptor between calls, so that a fork inherits nothing.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    folder: PathBuf,
}

impl Durable {
    /// A chip that nobody has used.
    fn new() -> Result<Self, ChannelError> {
        let mut random = Zeroizing::new([0; 80]);
        rand::fill(&mut *random).map_err(|_| ChannelError::State("no randomness".to_owned()))?;
        let part = |from: usize| random[from..from + 32].try_into().expect("32 of 80 bytes");
        Ok(Self {
            identity: Identity::generate()?,
            fleet: Fleet { root: Zeroizing::new(part(0)), bks2: Zeroizing::new(part(32)) },
            vm_launch_guid: random[64..].try_into().expect("16 of 80 bytes"),
            bk_boot: None,
            sealed_bk3: None,
        })
    }
}

impl StateFile {
    /// The file of this folder, and its content; makes both when they are not there.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Durable), ChannelError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|cause| state(folder, &format!("cannot make the folder: {cause}")))?;
        let file = Self { folder: folder.to_owned() };
        if let Some(durable) = file.read()? {
            return Ok((file, durable));
        }
        let _lock = file.lock()?;
        if let Some(durable) = file.read()? {
            return Ok((file, durable));
        }
        let durable = Durable::new()?;
        file.write(&durable)?;
        Ok((file, durable))
    }

    /// The content as it is now.
    pub(crate) fn load(&self) -> Result<Durable, ChannelError> {
        self.read()?.ok_or_else(|| state(&self.path(), "the file has vanished"))
    }

    /// Reads, lets `change` judge and change, and writes if it answers `Ok`, all under the lock.
    pub(crate) fn update<T, E>(
        &self,
        change: impl FnOnce(&mut Durable) -> Result<T, E>,
    ) -> Result<Result<T, E>, ChannelError> {
        let _lock = self.lock()?;
        let mut durable = self.load()?;
        let outcome = change(&mut durable);
        if outcome.is_ok() {
            self.write(&durable)?;
        }
        Ok(outcome)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn lock(&self) -> Result<File, ChannelError> {
        let path = self.folder.join(LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|cause| state(&path, &format!("cannot open the lock: {cause}")))?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::INTR) => {}
                Err(cause) => return Err(state(&path, &format!("cannot lock: {cause}"))),
            }
        }
    }

    fn read(&self) -> Result<Option<Durable>, ChannelError> {
        let path = self.path();
        let mut text = Zeroizing::new(String::new());
        match File::open(&path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text)) {
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(state(&path, &format!("cannot read: {cause}"))),
        }
        let stored: Stored = serde_json::from_str(&text).map_err(|cause| state(&path, &format!("corrupt: {cause}")))?;
        stored.into_durable().map(Some).map_err(|why| state(&path, why))
    }

    fn write(&self, durable: &Durable) -> Result<(), ChannelError> {
        let path = self.path();
        let temporary = self.folder.join(format!("{FILE}.new"));
        let text = Zeroizing::new(
            serde_json::to_vec_pretty(&Stored::from_durable(durable))
                .map_err(|cause| state(&path, &format!("cannot encode: {cause}")))?,
        );
        let written = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        written.map_err(|cause| state(&path, &format!("cannot write: {cause}")))
    }
}

/// The form on disk: hexadecimal text, and a digest over all of it that finds damage.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    partition_id: String,
    pid_key: String,
    certificates: Vec<String>,
    fleet_root: String,
    bks2: String,
    vm_launch_guid: String,
    bk_boot: Option<String>,
    sealed_bk3: Option<String>,
    digest: String,
}

impl Stored {
    fn from_durable(durable: &Durable) -> Self {
        let mut stored = Self {
            version: VERSION,
            partition_id: hex(&durable.identity.partition_id),
            pid_key: hex(&durable.identity.pid_pkcs8),
            certificates: durable.identity.chain.iter().map(|certificate| hex(certificate)).collect(),
            fleet_root: hex(&*durable.fleet.root),
            bks2: hex(&*durable.fleet.bks2),
            vm_launch_guid: hex(&durable.vm_launch_guid),
            bk_boot: durable.bk_boot.as_ref().map(|key| hex(&key[..])),
            sealed_bk3: durable.sealed_bk3.as_deref().map(hex),
            digest: String::new(),
        };
        stored.digest = stored.digest();
        stored
    }

    fn into_durable(self) -> Result<Durable, &'static str> {
        if self.version != VERSION {
            return Err("unknown version");
        }
        if self.digest != self.digest() {
            return Err("corrupt: the digest does not fit");
        }
        let chain = self.certificates.iter().map(|text| unhex(text)).collect::<Option<Vec<_>>>();
        let identity = Identity::restore(
            array(&self.partition_id).ok_or(CORRUPT)?,
            Zeroizing::new(unhex(&self.pid_key).ok_or(CORRUPT)?),
            chain.ok_or(CORRUPT)?,
        )
        .ok_or("corrupt: identity key or certificates")?;
        let bk_boot = self.bk_boot.as_deref().map(|text| array(text).map(Zeroizing::new).ok_or(CORRUPT)).transpose()?;
        let sealed_bk3 = self.sealed_bk3.as_deref().map(|text| unhex(text).ok_or(CORRUPT)).transpose()?;
        Ok(Durable {
            identity,
            fleet: Fleet {
                root: Zeroizing::new(array(&self.fleet_root).ok_or(CORRUPT)?),
                bks2: Zeroizing::new(array(&self.bks2).ok_or(CORRUPT)?),
            },
            vm_launch_guid: array(&self.vm_launch_guid).ok_or(CORRUPT)?,
            bk_boot,
            sealed_bk3,
        })
    }

    fn digest(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut field = |text: &str| {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        };
        field(&self.partition_id);
        field(&self.pid_key);
        self.certificates.iter().for_each(|certificate| field(certificate));
        field(&self.fleet_root);
        field(&self.bks2);
        field(&self.vm_launch_guid);
        field(self.bk_boot.as_deref().unwrap_or("none"));
        field(self.sealed_bk3.as_deref().unwrap_or("none"));
        hex(context.finish().as_ref())
    }
}

fn state(path: &Path, why: &str) -> ChannelError {
    ChannelError::State(format!("{}: {why}", path.display()))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]));
    bytes.iter().flat_map(digits).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    unhex(text)?.try_into().ok()
}

const FILE: &str = "partition.json";
const LOCK: &str = "partition.lock";
const VERSION: u32 = 1;
const MAX_FILE: u64 = 1 << 20;
const CORRUPT: &str = "corrupt: a field has the wrong form";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_modes_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let (file, first) = StateFile::open(&path).unwrap();
        let stored: Result<(), ()> = file
            .update(|durable| {
                durable.bk_boot = Some(Zeroizing::new([7; 80]));
                durable.sealed_bk3 = Some(vec![1, 2, 3]);
                Ok(())
            })
            .unwrap();
        stored.unwrap();
        let (_, second) = StateFile::open(&path).unwrap();
        assert_eq!(first.identity.chain, second.identity.chain);
        assert_eq!(second.bk_boot.unwrap()[..], [7; 80]);
        assert_eq!(second.sealed_bk3.unwrap(), [1, 2, 3]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(path.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_refused_change_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = StateFile::open(folder.path()).unwrap();
        let refused: Result<(), u8> = file
            .update(|durable| {
                durable.sealed_bk3 = Some(vec![1]);
                Err(9)
            })
            .unwrap();
        assert_eq!(refused, Err(9));
        assert!(file.load().unwrap().sealed_bk3.is_none());
    }

    #[test]
    fn a_damaged_file_is_reported_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        StateFile::open(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        let good = fs::read_to_string(&path).unwrap();
        let at = good.find("bks2").unwrap() + 10;
        let mut flipped = good.clone().into_bytes();
        flipped[at] = if flipped[at] == b'0' { b'1' } else { b'0' };
        for bad in [&flipped[..], &good.as_bytes()[..good.len() / 2], b""] {
            fs::write(&path, bad).unwrap();
            let Err(ChannelError::State(why)) = StateFile::open(folder.path()) else { panic!("accepted") };
            assert!(why.contains(FILE), "{why}");
            assert_eq!(fs::read(&path).unwrap(), bad);
        }
    }

    #[test]
    fn two_creators_agree_on_one_identity() {
        let folder = tempfile::tempdir().unwrap();
        let chains: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| StateFile::open(folder.path()).unwrap().1.identity.chain)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(chains.iter().all(|chain| *chain == chains[0]));
    }
}
