//! One live HSM partition: credential ceremony and provisioning, the device session, the cache of live keys.
//!
//! Everything above says *what* it wants done with *which* [`HsmKey`]; only this room knows key ids, and none leaves it.
//! [`Partition`] is `Send + Sync`; all its methods take `&self` and may run on several threads at once.
//!
//! | File | What it is |
//! |---|---|
//! | `kinds`, `owner` | the words of the contract: facets, curves, secrets, blobs |
//! | `hsm_key` | a key as masked blobs and a recipe, and its stored form |
//! | `line` | one open handle: typed request out, typed answer back |
//! | `identity`, `ceremony`, `provision` | from a fresh partition to an open session |
//! | `life` | which life of the partition this is, and why no id is ever another key's |
//! | `ledger`, `turn` | what processes leave behind in the device; how they share its eight sessions |
//! | `live`, `sync` | which keys are in the device now, and who uses them |
//! | `connection` | one device session: live ids, room for more, recovery's unit |
//! | `reaction` | what a status means to the host, in one table |
//! | `keys`, `import`, `wrap`, `ops` | making keys, bringing them in, wrapping them to the device, using them |
//!
//! The path of a signature: [`Partition::ecc_sign`] finds the connection, `ops::ecc_sign` builds the request,
//! `Connection::with_key` pins the live key (`UnmaskKey` where it is not live), `Line::send` carries the frame.

mod ceremony;
mod connection;
mod hsm_key;
mod identity;
mod import;
mod keys;
mod kinds;
mod ledger;
mod life;
mod line;
mod live;
#[cfg(test)]
mod live_tests;
mod ops;
mod owner;
mod provision;
mod reaction;
mod sync;
mod turn;
mod wrap;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use zeroize::{Zeroize, Zeroizing};

use self::connection::Connection;
use self::life::Lives;
use self::reaction::{Reaction, Restarts, interrupted, reaction};
use self::turn::{LetGo, Turns};
use crate::channel::{Device, Direction};
use crate::{Error, Result};

pub use self::hsm_key::HsmKey;
pub use self::kinds::{Curve, FacetKind, Hash, ImportValue, ImportedKey, WrappedClass};
pub use self::owner::{Durable, PartitionBlobs, PartitionSecrets};
pub use self::provision::probe;

/// What the partition says of itself (wire 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    /// `true` for a physical device.
    pub physical: bool,
    /// Key tables.
    pub tables: u8,
    /// Module approval state.
    pub fips_approved: bool,
    /// Serial number from the partition identity: 32 upper-case hex digits of the PID certificate's subject serial
    /// number, or of the certificate's hash where it has none.
    pub identity: String,
}

/// One live partition; see the module's text.
pub struct Partition {
    device: Arc<dyn Device>,
    secrets: PartitionSecrets,
    durable: Arc<dyn Durable>,
    /// Held for a moment only; who works holds the connection itself, so it ends when its last command has.
    current: RwLock<Option<Arc<Connection>>>,
    /// One thread connects, the others wait for it.
    connecting: Mutex<()>,
    /// Counts the connections.
    epoch: AtomicU64,
    shared: Arc<Shared>,
    /// When the chip was last reset to make room.
    reclaimed: Mutex<Option<Instant>>,
}

/// What the processes of one partition tell one another.
#[derive(Debug)]
struct Shared {
    lives: Lives,
    turns: Turns,
    /// For places in the tables, and bulk places.
    tables: Turns,
    bulk: Turns,
    /// For their ledgers; `None` where no other process has the device.
    folder: Option<PathBuf>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Partition").field(&self.device).finish()
    }
}

impl Partition {
    /// A partition that provisions itself, and opens its device session, when first used.
    pub fn new(device: Arc<dyn Device>, secrets: PartitionSecrets, durable: Arc<dyn Durable>) -> Self {
        let (current, connecting, epoch) = (RwLock::new(None), Mutex::new(()), AtomicU64::new(0));
        let lives = Lives::new(&*device, durable.folder());
        let folder = durable.folder().filter(|_| device.private_lives().is_none()).map(Path::to_owned);
        let turns = Turns::new(folder.as_deref());
        let [tables, bulk] = [false, true].map(|bulk| Turns::of_places(folder.as_deref(), bulk));
        let shared = Arc::new(Shared { lives, turns, tables, bulk, folder });
        let reclaimed = Mutex::new(None);
        Self { device, secrets, durable, current, connecting, epoch, shared, reclaimed }
    }

    /// The same partition, with another patience while other processes have all of the chip's sessions than half a second.
    #[must_use]
    pub fn waiting_for_sessions(mut self, patience: Duration) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.turns.patience = patience;
        }
        self
    }

    /// Provisions the partition (or finds it provisioned) and opens the device session, if that has not happened yet.
    /// Makes and stores BMK, MUK, root secret and sealing key where the store has none. Called by `C_InitToken` and
    /// `C_Login`; every other method calls it by itself.
    pub fn connect(&self) -> Result<()> {
        self.connection(&mut Restarts::new()).map(|_| ())
    }

    /// Makes a secret of `len` bytes inside the device: HKDF of the token's root secret with a fresh random salt, so
    /// that every facet holds the same bytes and none ever left. The first of `facets` is made now, the others when
    /// they are first needed. AES: `len` 16, 24, 32; AES-XTS: 32, of each of its two different keys; HMAC: the lengths of wire 3.3 `HkdfDerive`, else
    /// [`Error::Unsupported`].
    pub fn generate_secret(&self, len: usize, facets: &[FacetKind]) -> Result<HsmKey> {
        self.run(|connection| keys::generate_secret(connection, len, facets))
    }

    /// Makes an EC key pair inside the device, for [`FacetKind::EcSign`] or [`FacetKind::EcDerive`]. The public key is
    /// the uncompressed point `04 || x || y`.
    pub fn generate_ec(&self, curve: Curve, facet: FacetKind) -> Result<(HsmKey, Vec<u8>)> {
        self.run(|connection| keys::generate_ec(connection, curve, facet))
    }

    /// Wraps a value to the partition's unwrapping key and imports it, once per facet.
    pub fn import(&self, value: &ImportValue<'_>, facets: &[FacetKind]) -> Result<HsmKey> {
        self.run(|connection| import::import(connection, value, facets))
    }

    /// The public half of the partition's own unwrapping key, RSA-2048, `SubjectPublicKeyInfo` DER: what others wrap keys
    /// to. It lives as long as the token's blobs do; another device has another one after a migration. Waits while the
    /// device still makes it.
    pub fn unwrapping_key(&self) -> Result<Vec<u8>> {
        self.run(|connection| Ok(connection.unwrapping_key()?.spki.clone()))
    }

    /// Imports a value that somebody else wrapped to [`Partition::unwrapping_key`], once per facet: it is never clear on
    /// the host. The blob is `RSA-OAEP(AES key) || RFC 5649(value)` with an empty label and MGF1 of the same hash, 272 to
    /// 3072 bytes (else [`Error::InvalidArgument`]). Whatever the device does not like inside is
    /// [`Error::WrappedKeyRejected`].
    pub fn import_wrapped(
        &self,
        blob: &[u8],
        class: WrappedClass,
        hash: Hash,
        facets: &[FacetKind],
    ) -> Result<ImportedKey> {
        self.run(|connection| import::import_wrapped(connection, blob, class, hash, facets))
    }

    /// ECDSA over a digest that is already cut to the curve's length; answers `r || s`, 64, 96 or 132 bytes.
    pub fn ecc_sign(&self, key: &HsmKey, digest: &[u8]) -> Result<Vec<u8>> {
        self.run(|connection| ops::ecc_sign(connection, key, digest))
    }

    /// RSA private operation on a modulus-sized operand, 1 < m < n - 1, with the [`FacetKind::RsaSign`] or
    /// [`FacetKind::RsaDecrypt`] facet. Padding is the caller's, and so is checking a signature with the public key
    /// before it is released (semantics 9.2 rule 15).
    pub fn rsa_mod_exp(&self, key: &HsmKey, facet: FacetKind, operand: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.run(|connection| ops::rsa_mod_exp(connection, key, facet, operand))
    }

    /// AES-CBC without padding over any multiple of 16 bytes, in place; `iv` is left at the chaining value. On failure
    /// `data` is in part transformed.
    pub fn aes_cbc(&self, key: &HsmKey, direction: Direction, iv: &mut [u8; 16], data: &mut [u8]) -> Result<()> {
        if !data.len().is_multiple_of(16) {
            return Err(Error::InvalidArgument("AES-CBC data that is not a multiple of 16 bytes"));
        }
        let mut done = 0;
        self.run(|connection| ops::aes_cbc(connection, key, direction, iv, data, &mut done))
    }

    /// AES-256-GCM encryption in place with the caller's IV; answers the tag. `data` is at least one byte, because the
    /// device refuses none, and is wiped on failure.
    pub fn aes_gcm_encrypt(&self, key: &HsmKey, iv: &[u8; 12], aad: &[u8], data: &mut [u8]) -> Result<[u8; 16]> {
        let data = something(data)?;
        let made = self.run(|connection| ops::gcm_encrypt(connection, key, FacetKind::AesGcm, iv, aad, data));
        made.map(|(_, tag)| tag).inspect_err(|_| data.zeroize())
    }

    /// AES-256-GCM encryption in place with an IV that the device chooses ([`FacetKind::AesGcmApproved`]); answers the IV
    /// and the tag. As for [`Partition::aes_gcm_encrypt`], `data` is at least one byte, and is wiped on failure.
    pub fn aes_gcm_encrypt_approved(&self, key: &HsmKey, aad: &[u8], data: &mut [u8]) -> Result<([u8; 12], [u8; 16])> {
        let data = something(data)?;
        let made = self.run(|connection| ops::gcm_encrypt_approved(connection, key, aad, data));
        made.inspect_err(|_| data.zeroize())
    }

    /// AES-256-GCM decryption in place, with either GCM facet: the device takes the caller's IV for both. On
    /// [`Error::TagMismatch`], as on any failure, `data` is wiped.
    pub fn aes_gcm_decrypt(
        &self,
        key: &HsmKey,
        iv: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<()> {
        let data = something(data)?;
        let facet = if key.can(FacetKind::AesGcm) { FacetKind::AesGcm } else { FacetKind::AesGcmApproved };
        let opened = self.run(|connection| ops::gcm_decrypt(connection, key, facet, iv, aad, data, tag));
        opened.inspect_err(|_| data.zeroize())
    }

    /// AES-256-XTS of one data unit in place: a multiple of 16 bytes, 16 to 16 MiB, because the device steals no
    /// ciphertext; `tweak` is the unit's number, little-endian. The key has [`FacetKind::AesXts`] and
    /// [`FacetKind::AesXtsTweak`]. On failure `data` is wiped.
    pub fn aes_xts(&self, key: &HsmKey, direction: Direction, tweak: [u8; 16], data: &mut [u8]) -> Result<()> {
        if data.is_empty() || !data.len().is_multiple_of(16) || data.len() > XTS_MAX {
            return Err(Error::InvalidArgument("AES-XTS data that is not a multiple of 16 bytes, 16 bytes to 16 MiB"));
        }
        let done = self.run(|connection| ops::aes_xts(connection, key, direction, tweak, data));
        done.inspect_err(|_| data.zeroize())
    }

    /// HMAC of a message of at most 1024 bytes with one of the HMAC facets; 32, 48 or 64 bytes.
    pub fn hmac(&self, key: &HsmKey, facet: FacetKind, message: &[u8]) -> Result<Vec<u8>> {
        self.run(|connection| ops::hmac(connection, key, facet, message))
    }

    /// ECDH with a peer's uncompressed point on the same curve; the result stays inside, with the one facet
    /// [`FacetKind::Secret`].
    pub fn ecdh(&self, key: &HsmKey, peer: &[u8]) -> Result<HsmKey> {
        self.run(|connection| keys::ecdh(connection, key, peer))
    }

    /// HKDF (RFC 5869, extract and expand) of a [`FacetKind::Secret`] key. `salt` and `info` at most 256 bytes each.
    pub fn hkdf(
        &self,
        key: &HsmKey,
        hash: Hash,
        salt: &[u8],
        info: &[u8],
        len: usize,
        facets: &[FacetKind],
    ) -> Result<HsmKey> {
        self.run(|connection| keys::hkdf(connection, key, hash, salt, info, len, facets))
    }

    /// Encrypts a value under the token's sealing key, bound to `context` (any length, also none):
    /// `iv (12) || ciphertext || tag (16)`, 29 bytes longer than the value.
    pub fn seal(&self, context: &[u8], value: &[u8]) -> Result<Vec<u8>> {
        self.run(|connection| ops::seal(connection, context, value))
    }

    /// Opens what [`Partition::seal`] made; [`Error::TagMismatch`] for another context or an altered value.
    pub fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.run(|connection| ops::unseal(connection, context, sealed))
    }

    /// `COSE_Sign1` attestation report of a key's facet over 128 bytes of report data (semantics 6.11).
    pub fn attest(&self, key: &HsmKey, facet: FacetKind, report_data: &[u8; 128]) -> Result<Vec<u8>> {
        self.run(|connection| ops::attest(connection, key, facet, report_data))
    }

    /// Forgets the live device keys of `key`, because its object was destroyed. Never fails: a left-over is evicted
    /// later.
    pub fn forget(&self, key: &HsmKey) {
        let connection = self.current.read().clone();
        if let Some(connection) = connection {
            connection.forget(key);
        }
    }

    /// Deletes this process's device keys and closes the device session, when the last running command has ended; the
    /// next call opens a new one.
    pub fn disconnect(&self) {
        let connection = self.current.write().take();
        drop(connection);
    }

    /// Resets the partition: its credential and all keys in it are gone, for every client of the device, who then
    /// recover from their blobs (semantics 2.6). For an owner who replaces the token of a provisioned partition.
    pub fn reset(&self) -> Result<()> {
        let connection = self.current.write().take();
        if let Some(connection) = &connection {
            connection.abandon();
        }
        Ok(self.device.reset()?)
    }

    /// Runs an operation, and again in a new connection where the device was reset in the meantime or aborted a command,
    /// a bounded number of times. After a reset that is safe because the device refused the command: one of a session
    /// that a reset flagged does nothing. An aborted command may have run, but no operation hurts if it runs twice: its
    /// input is still there, and a key that was made for nobody is a place in the device's tables until the next reset.
    /// Every operation is made to start again where the failure left it.
    fn run<T>(&self, mut operation: impl FnMut(&Connection) -> Result<T>) -> Result<T> {
        let mut restarts = Restarts::new();
        loop {
            let connection = self.connection(&mut restarts)?;
            let error = match operation(&connection) {
                Err(error) => error,
                done => {
                    self.give_way(&connection);
                    return done;
                }
            };
            match reaction(&error) {
                Reaction::Recover => connection.abandon(),
                Reaction::Reconnect => {}
                Reaction::MakeRoom { .. } if connection.starved() && self.may_reclaim() => {
                    self.device.reset()?;
                    connection.abandon();
                }
                _ => {
                    self.give_way(&connection);
                    return Err(error);
                }
            }
            self.leave(&connection);
            drop(connection);
            if !restarts.again() {
                return Err(error);
            }
        }
    }

    /// Whether to reset the chip, which is full of keys of which none is ours and none can be found: of processes that were
    /// killed while the device made them a key, or that are idle. The partition is our own token's, so everybody who
    /// works with it recovers, and brings back only what is needed. Not again and again, where that does not help.
    fn may_reclaim(&self) -> bool {
        let now = Instant::now();
        let mut reclaimed = self.reclaimed.lock();
        let may = reclaimed.is_none_or(|last| now.duration_since(last) > BETWEEN_RECLAIMS);
        if may {
            *reclaimed = Some(now);
        }
        may
    }

    /// Gives the session up after an operation, where other processes need it (see `turn`).
    fn give_way(&self, connection: &Arc<Connection>) {
        match connection.let_go() {
            LetGo::No => {}
            LetGo::Now => self.leave(connection),
            LetGo::WhenIdle => {
                let mut current = self.current.write();
                let ours = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection));
                // Two of them: the one that is current, and the caller's.
                if ours && Arc::strong_count(connection) == 2 {
                    *current = None;
                }
            }
        }
    }

    /// The next call opens another connection than this.
    fn leave(&self, connection: &Arc<Connection>) {
        let mut current = self.current.write();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            *current = None;
        }
    }

    fn connection(&self, restarts: &mut Restarts) -> Result<Arc<Connection>> {
        loop {
            match self.connection_once() {
                Err(error) if interrupted(&error) && restarts.again() => {}
                Err(error) if matches!(reaction(&error), Reaction::MakeRoom { .. }) && self.may_reclaim() => {
                    self.device.reset()?;
                }
                done => return done,
            }
        }
    }

    fn connection_once(&self) -> Result<Arc<Connection>> {
        if let Some(connection) = self.current.read().as_ref() {
            return Ok(Arc::clone(connection));
        }
        let _one = self.connecting.lock();
        if let Some(connection) = self.current.read().as_ref() {
            return Ok(Arc::clone(connection));
        }
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let connection = Arc::new(Connection::open(&*self.device, &self.secrets, &*self.durable, &self.shared, epoch)?);
        *self.current.write() = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

/// Longest data unit of the device (wire 6.4), and of SP 800-38E.
const XTS_MAX: usize = 16 << 20;

/// How often one process may reset the chip for want of room.
const BETWEEN_RECLAIMS: Duration = Duration::from_secs(10);

/// The fast path takes no empty data (wire 6.5).
fn something(data: &mut [u8]) -> Result<&mut [u8]> {
    if data.is_empty() { Err(Error::Unsupported("AES-GCM of no data")) } else { Ok(data) }
}
