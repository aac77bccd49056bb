//! An emulated chip in a temporary folder and a blob store in memory.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use transport::Result;
use transport::emulator::{Config, Emulator, Kind, Options};
use transport::partition::{Durable, Partition, PartitionBlobs, PartitionSecrets};
use zeroize::Zeroizing;

/// A chip, and what its owner keeps.
pub(crate) struct Rig {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) store: Arc<Memory>,
    options: Options,
    folder: Arc<TempDir>,
}

impl Rig {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(Options { kind, ..Options::default() })
    }

    pub(crate) fn with(options: Options) -> Self {
        Self::on(Arc::new(TempDir::new().unwrap()), options, Arc::default())
    }

    fn on(folder: Arc<TempDir>, options: Options, store: Arc<Memory>) -> Self {
        let config = Config { folder: folder.path().to_owned(), options: options.clone() };
        Self { emulator: Emulator::open(config).unwrap(), store, options, folder }
    }

    /// Another life of the same chip for the same owner: another process, or the machine after a reboot.
    pub(crate) fn another_life(&self) -> Self {
        Self::on(Arc::clone(&self.folder), self.options.clone(), Arc::clone(&self.store))
    }

    /// The same after an update of the chip.
    pub(crate) fn another_life_with(&self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = self.options.clone();
        change(&mut options);
        Self::on(Arc::clone(&self.folder), options, Arc::clone(&self.store))
    }

    pub(crate) fn partition(&self) -> Partition {
        self.partition_of(1)
    }

    /// A partition as the owner with these secrets sees it.
    pub(crate) fn partition_of(&self, owner: u8) -> Partition {
        let device = Arc::clone(&self.emulator);
        Partition::new(device, secrets(owner), Arc::clone(&self.store) as Arc<dyn Durable>)
    }
}

/// Runs a test on a virtual and on a physical device.
pub(crate) fn both(test: impl Fn(&Rig)) {
    for kind in [Kind::Virtual, Kind::Physical] {
        test(&Rig::new(kind));
    }
}

pub(crate) fn secrets(owner: u8) -> PartitionSecrets {
    PartitionSecrets {
        id: [owner; 16],
        pin: Zeroizing::new([owner ^ 0x5A; 16]),
        bk3: Zeroizing::new([owner ^ 0xA5; 48]),
        pota: Zeroizing::new([owner; 48]),
    }
}

/// A store in memory that remembers every state it was asked to store.
#[derive(Debug)]
pub(crate) struct Memory {
    blobs: Mutex<PartitionBlobs>,
    history: Mutex<Vec<PartitionBlobs>>,
    /// What the processes of a token share while they run.
    folder: TempDir,
}

impl Default for Memory {
    fn default() -> Self {
        Self { blobs: Mutex::default(), history: Mutex::default(), folder: TempDir::new().unwrap() }
    }
}

impl Memory {
    pub(crate) fn blobs(&self) -> PartitionBlobs {
        self.blobs.lock().unwrap().clone()
    }

    pub(crate) fn set(&self, blobs: PartitionBlobs) {
        *self.blobs.lock().unwrap() = blobs;
    }

    pub(crate) fn history(&self) -> Vec<PartitionBlobs> {
        self.history.lock().unwrap().clone()
    }
}

impl Durable for Memory {
    fn exclusively(
        &self,
        provision: &mut dyn FnMut(&mut PartitionBlobs, &mut dyn FnMut(&PartitionBlobs) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let mut blobs = self.blobs.lock().unwrap();
        let mut current = blobs.clone();
        let mut stored = blobs.clone();
        provision(&mut current, &mut |now| {
            stored = now.clone();
            self.history.lock().unwrap().push(now.clone());
            Ok(())
        })?;
        if current != stored {
            self.history.lock().unwrap().push(current.clone());
        }
        *blobs = current;
        Ok(())
    }

    fn folder(&self) -> Option<&Path> {
        Some(self.folder.path())
    }
}
