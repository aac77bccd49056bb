//! The partition's blobs: what [`transport::partition`] keeps through [`Durable`].

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use transport::partition::{Durable, PartitionBlobs};

use super::lock::{Mode, lock_within};
use super::tokens::still;
use super::{Failure, Store, io};
use crate::{Error, Result};

/// The blobs of one token, as it was at login.
#[derive(Debug)]
pub(crate) struct Blobs {
    /// Where they are.
    pub(crate) store: Arc<Store>,
    /// Which token they are of.
    pub(crate) token_id: [u8; 16],
}

impl Durable for Blobs {
    /// The lock is a file of its own and the database is not locked, nor its mutex held, while `provision` talks to the
    /// device.
    fn exclusively(
        &self,
        provision: &mut dyn FnMut(
            &mut PartitionBlobs,
            &mut dyn FnMut(&PartitionBlobs) -> transport::Result<()>,
        ) -> transport::Result<()>,
    ) -> transport::Result<()> {
        let durable = |error: Error| transport::Error::Durable(error.to_string());
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.store.folder().join(LOCK))
            .map_err(|error| durable(self.store.explain(Failure::Refused(io(&error)))))?;
        let _lock = lock_within(&file, Mode::Exclusive, PATIENCE).map_err(durable)?;
        let mut stored = self.store.blobs(&self.token_id).map_err(durable)?;
        let mut blobs = stored.clone();
        let outcome = provision(&mut blobs, &mut |now| {
            self.keep(&stored, now).map_err(durable)?;
            stored = now.clone();
            Ok(())
        });
        outcome?;
        self.keep(&stored, &blobs).map_err(durable)
    }

    fn folder(&self) -> Option<&Path> {
        Some(self.store.folder())
    }
}

impl Blobs {
    /// Stores what differs; a change costs syncs, so nothing is written where nothing changed.
    fn keep(&self, stored: &PartitionBlobs, now: &PartitionBlobs) -> Result<()> {
        if stored == now { Ok(()) } else { self.store.put_blobs(&self.token_id, now) }
    }
}

impl Store {
    fn blobs(&self, token_id: &[u8; 16]) -> Result<PartitionBlobs> {
        let read = |database: &Connection| {
            still(database, token_id)?;
            let mut blobs = PartitionBlobs::default();
            let mut statement = database.prepare_cached("SELECT name, value FROM blob")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let name: String = row.get(0)?;
                if let Some((_, place)) = fields_mut(&mut blobs).into_iter().find(|(field, _)| *field == name) {
                    *place = Some(row.get(1)?);
                }
            }
            Ok(blobs)
        };
        self.read(read).map(Option::unwrap_or_default)
    }

    fn put_blobs(&self, token_id: &[u8; 16], blobs: &PartitionBlobs) -> Result<()> {
        let mut blobs = blobs.clone();
        self.write(|transaction| {
            still(transaction, token_id)?;
            for (name, value) in fields_mut(&mut blobs) {
                match value {
                    Some(value) => transaction
                        .execute("INSERT OR REPLACE INTO blob (name, value) VALUES (?1, ?2)", (name, &*value))?,
                    None => transaction.execute("DELETE FROM blob WHERE name = ?1", [name])?,
                };
            }
            Ok(())
        })
    }
}

fn fields_mut(blobs: &mut PartitionBlobs) -> [(&'static str, &mut Option<Vec<u8>>); 5] {
    let PartitionBlobs { masked_bk3, bmk, muk, root, seal } = blobs;
    [("masked_bk3", masked_bk3), ("bmk", bmk), ("muk", muk), ("root", root), ("seal", seal)]
}

const LOCK: &str = "provision.lock";
/// Provisioning waits for RSA key generation inside the chip.
const PATIENCE: Duration = Duration::from_mins(2);
