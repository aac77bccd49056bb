//! The carrier that answers frames in this process as the firmware does: the device's twin.
//!
//! | File | What it is |
//! |---|---|
//! | `options`, `faults` | what can be chosen, and what a test can make happen |
//! | `state_file`, `certificates` | what a chip keeps across a reboot: identity, BK_BOOT, sealed BK3 |
//! | `partition`, `lockout` | what it forgets: the life of the partition |
//! | `dispatch` | from a frame to a command and back, in the firmware's order of checks |
//! | `ceremony`, `hierarchy`, `masked` | credentials, provisioning, sessions; masking keys; the masked-key container |
//! | `vault`, `keys`, `store`, `unwrapping` | key tables; key values; keys in and out; the unwrapping key |
//! | `general`, `import`, `attest`, `ops_*`, `kdf` | the commands |
//! | `fast_path` | AES-GCM and AES-XTS on slices |
//! | `raw` | RSA without padding and XTS: the only file that calls AWS-LC itself |
//!
//! Authority: rows marked FW in semantics; where the vendor's simulator differs, [`Options`] has a switch.

mod attest;
mod ceremony;
mod certificates;
mod dispatch;
mod fast_path;
mod faults;
mod general;
mod hierarchy;
mod import;
mod kdf;
mod keys;
mod lockout;
mod masked;
mod ops_aes;
mod ops_ecc;
mod ops_kdf;
mod ops_mac;
mod ops_rsa;
mod options;
mod partition;
pub(crate) mod raw;
mod state_file;
mod store;
mod unwrapping;
mod vault;
#[cfg(test)]
mod vectors;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

pub use faults::{Action, Fault, Faults};
pub use options::{Config, Kind, Lockout, Options};

use crate::channel::{Channel, ChannelError, Control, Device, DeviceInfo, GcmCall, GcmReply, XtsCall};
use crate::ddi::{MAX_REQUEST_LEN, Opcode, SessionControl, Status};
use dispatch::Outcome;
use partition::Partition;

/// An emulated device: one partition, alive as long as the process. `Send + Sync`: see [`partition`].
///
/// It belongs to the process that opened it; a forked child gets [`ChannelError::NotOwner`] and opens its own.
pub struct Emulator {
    partition: Arc<Partition>,
    lives: Arc<AtomicU64>,
    owner: u32,
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").finish_non_exhaustive()
    }
}

impl Emulator {
    /// Powers a device on: its durable part comes from the folder, which is made if it is not there.
    pub fn open(config: Config) -> Result<Arc<Self>, ChannelError> {
        let Config { folder, options } = config;
        if options.tables == 0 || options.tables > options::MAX_TABLES {
            return Err(ChannelError::State(format!(
                "{} key tables, 1 to {} exist",
                options.tables,
                options::MAX_TABLES
            )));
        }
        let (file, durable) = state_file::StateFile::open(&folder)?;
        let partition = Arc::new(Partition::new(file, durable, options)?);
        Ok(Arc::new(Self { partition, lives: Arc::default(), owner: std::process::id() }))
    }

    /// The fault port.
    pub fn faults(&self) -> &Faults {
        &self.partition.faults
    }

    /// Fills the key tables with keys of strangers, who never give them up, until these have no more than this
    /// many bytes and bulk places left; those that were there before go first.
    pub fn fill_tables(&self, leave_bytes: usize, leave_bulk: usize) {
        let vault = &mut self.partition.state().vault;
        vault.remove_strangers();
        vault.fill(leave_bytes, leave_bulk);
    }

    /// Takes the strangers' keys out of the tables.
    pub fn empty_tables(&self) {
        self.partition.state().vault.remove_strangers();
    }

    /// Has strangers hold this many of the sessions, as far as they are free; those that they held before are closed.
    /// The answer is how many they hold.
    pub fn occupy_sessions(&self, count: usize) -> usize {
        self.partition.state().occupy_sessions(count)
    }

    /// Moves the partition to another device, as live migration does (semantics 2.6).
    pub fn migrate(&self) -> Result<(), ChannelError> {
        self.own()?;
        self.partition.migrate()
    }

    fn own(&self) -> Result<(), ChannelError> {
        if std::process::id() == self.owner { Ok(()) } else { Err(ChannelError::NotOwner) }
    }
}

impl Device for Emulator {
    fn info(&self) -> Result<DeviceInfo, ChannelError> {
        self.own()?;
        let serial = certificates::serial_number(&self.partition.state().identity.partition_id);
        Ok(DeviceInfo {
            name: "emulator".to_owned(),
            serial,
            firmware: env!("CARGO_PKG_VERSION").to_owned(),
            emulated: true,
        })
    }

    fn open(&self) -> Result<Box<dyn Channel>, ChannelError> {
        self.own()?;
        Ok(Box::new(Handle {
            partition: Arc::clone(&self.partition),
            owner: self.owner,
            session: AtomicU32::new(NO_SESSION),
            opening: Mutex::new(()),
        }))
    }

    fn reset(&self) -> Result<(), ChannelError> {
        self.own()?;
        self.partition.reset()
    }

    fn private_lives(&self) -> Option<Arc<AtomicU64>> {
        Some(Arc::clone(&self.lives))
    }
}

/// One open handle: the driver's part of the checks (semantics 1.2; wire 5.5, 5.6).
struct Handle {
    partition: Arc<Partition>,
    owner: u32,
    /// The session that the handle owns, or [`NO_SESSION`].
    session: AtomicU32,
    /// Serialises OpenSession and CloseSession.
    opening: Mutex<()>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("session", &self.session()).finish_non_exhaustive()
    }
}

impl Handle {
    fn own(&self) -> Result<(), ChannelError> {
        if std::process::id() == self.owner { Ok(()) } else { Err(ChannelError::NotOwner) }
    }

    fn session(&self) -> Option<u16> {
        u16::try_from(self.session.load(Ordering::Acquire)).ok()
    }

    /// What the driver checks before it submits a command.
    fn admit(&self, control: Control) -> Result<(), ChannelError> {
        match (control.kind, self.session()) {
            (SessionControl::Open, Some(_)) => Err(ChannelError::SessionLimit),
            (SessionControl::Close | SessionControl::InSession, None) => Err(ChannelError::NoSession),
            (SessionControl::Close | SessionControl::InSession, owned) if owned != control.session => {
                Err(ChannelError::SessionMismatch)
            }
            _ => Ok(()),
        }
    }

    /// What the driver checks before it submits a fast-path call.
    fn admit_fast(&self, session: u16, short_app_id: u8) -> Result<(), ChannelError> {
        let refuse = |extended| Err(ChannelError::FastPath { result: 0, extended });
        match self.session() {
            None => refuse(109),
            Some(owned) if owned != session => refuse(107),
            Some(_) if short_app_id != ceremony::SHORT_APP_ID => refuse(108),
            Some(_) => Ok(()),
        }
    }

    /// Does what a fault wants done before the command; the status it answers instead, if it is one.
    fn suffer(&self, action: Option<Action>) -> Result<Option<Status>, ChannelError> {
        match action {
            None | Some(Action::AbortAfter | Action::DelayMilliseconds(_) | Action::Late(_)) => Ok(None),
            Some(Action::Status(status)) => Ok(Some(Status(status))),
            Some(Action::NotReady) => Err(ChannelError::NotReady),
            Some(Action::AbortBefore) => Err(ChannelError::Aborted),
            Some(Action::Reset) => self.partition.reset().map(|()| None),
            Some(Action::Migrate) => self.partition.migrate().map(|()| None),
        }
    }

    fn suffer_fast(&self, action: Option<Action>) -> Result<(), ChannelError> {
        match self.suffer(action)? {
            None => Ok(()),
            Some(status) => Err(ChannelError::FastPath { result: 3, extended: status.0 }),
        }
    }
}

impl Channel for Handle {
    fn exchange(&self, control: Control, request: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        self.own()?;
        self.exchange_next(control, request, response)
    }

    fn exchange_next(&self, control: Control, request: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        if request.is_empty() {
            return Err(ChannelError::Descriptor { status: LENGTH });
        }
        if request.len() > MAX_REQUEST_LEN {
            return Err(ChannelError::RequestTooLong { len: request.len() });
        }
        let _opening =
            matches!(control.kind, SessionControl::Open | SessionControl::Close).then(|| self.opening.lock());
        self.admit(control)?;
        let faults = &self.partition.faults;
        let passage = faults.enter();
        let frame = request;
        let request = self.partition.parse(frame);
        let opcode = request.as_ref().map_or(Opcode::INVALID, |(header, _)| header.op);
        let action = faults.strike(opcode);
        faults.take_time(Some(opcode), action, passage)?;
        for late in faults.overdue() {
            self.partition.answer(late.control, &self.partition.parse(&late.request), response);
            response.clear();
        }
        if let Some(status) = self.suffer(action)? {
            Partition::refuse(&request, status, response);
            return Ok(());
        }
        if let Some(Action::Late(commands)) = action {
            faults.postpone(commands, control, frame.to_vec());
            return Err(ChannelError::Late);
        }
        let outcome = self.partition.answer(control, &request, response);
        let aborted =
            if action == Some(Action::AbortAfter) { Err(ChannelError::Aborted) } else { faults.leave(passage) };
        if aborted.is_err() {
            // The driver has not seen the completion: a session that was opened is unknown to it (wire 5.7).
            response.clear();
            return aborted;
        }
        match outcome {
            Outcome::Unchanged => {}
            Outcome::Opened(session) => self.session.store(session.into(), Ordering::Release),
            Outcome::Closed => self.session.store(NO_SESSION, Ordering::Release),
        }
        Ok(())
    }

    fn gcm(&self, call: GcmCall<'_>) -> Result<GcmReply, ChannelError> {
        self.gcm_if(call, &|| true)
    }

    fn gcm_if(&self, mut call: GcmCall<'_>, still: &dyn Fn() -> bool) -> Result<GcmReply, ChannelError> {
        self.own()?;
        self.admit_fast(call.session, call.short_app_id)?;
        let faults = &self.partition.faults;
        let passage = faults.enter();
        let action = faults.strike_gcm();
        faults.take_time(None, action, passage)?;
        self.suffer_fast(action)?;
        let dropped = match action {
            Some(Action::AbortAfter) => ChannelError::Aborted,
            Some(Action::Late(_)) => ChannelError::Late,
            _ => {
                let done = self.partition.gcm(&mut call, still)?;
                return faults.leave(passage).map(|()| done);
            }
        };
        let mut elsewhere = call.data.to_vec();
        self.partition.gcm(&mut GcmCall { data: &mut elsewhere, ..call }, still)?;
        Err(dropped)
    }

    fn xts(&self, call: XtsCall<'_>) -> Result<(), ChannelError> {
        self.xts_if(call, &|| true)
    }

    fn xts_if(&self, mut call: XtsCall<'_>, still: &dyn Fn() -> bool) -> Result<(), ChannelError> {
        self.own()?;
        self.admit_fast(call.session, call.short_app_id)?;
        let faults = &self.partition.faults;
        let passage = faults.enter();
        let action = faults.strike_xts();
        faults.take_time(None, action, passage)?;
        self.suffer_fast(action)?;
        let dropped = match action {
            Some(Action::AbortAfter) => ChannelError::Aborted,
            Some(Action::Late(_)) => ChannelError::Late,
            _ => {
                self.partition.xts(&mut call, still)?;
                return faults.leave(passage);
            }
        };
        let mut elsewhere = call.data.to_vec();
        self.partition.xts(&mut XtsCall { data: &mut elsewhere, ..call }, still)?;
        Err(dropped)
    }
}

impl Drop for Handle {
    /// The driver's flush. In a forked child the handle is dead and nothing happens.
    fn drop(&mut self) {
        if self.own().is_ok()
            && let Some(session) = self.session().and_then(|id| u8::try_from(id).ok())
        {
            self.partition.close(session);
        }
    }
}

const NO_SESSION: u32 = u32::MAX;
/// Request length not 1 to 4096 (wire B.2).
const LENGTH: u16 = 0xc1;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a forked child holds: the parent's handle under another process id.
    #[test]
    fn an_inherited_handle_is_dead_and_its_drop_closes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { folder: folder.path().to_owned(), options: Options::default() };
        let emulator = Emulator::open(config).unwrap();
        let partition = Arc::clone(&emulator.partition);
        let child = Emulator { partition, lives: Arc::default(), owner: emulator.owner + 1 };
        assert_eq!(child.open().unwrap_err(), ChannelError::NotOwner);
        assert_eq!(child.info().unwrap_err(), ChannelError::NotOwner);
        assert_eq!(child.reset().unwrap_err(), ChannelError::NotOwner);
        assert_eq!(child.migrate().unwrap_err(), ChannelError::NotOwner);
        let closed = partition::Session { rev: dispatch::REVISION, serial: 1, smk: None, entry: None };
        emulator.partition.state().sessions[0] = Some(closed);
        let handle = |owner| Handle {
            partition: Arc::clone(&emulator.partition),
            owner,
            session: AtomicU32::new(0),
            opening: Mutex::new(()),
        };
        let inherited = handle(emulator.owner + 1);
        let control = Control { kind: SessionControl::NoSession, session: None };
        assert_eq!(inherited.exchange(control, &[0xa0], &mut Vec::new()), Err(ChannelError::NotOwner));
        drop(inherited);
        assert!(emulator.partition.state().sessions[0].is_some());
        drop(handle(emulator.owner));
        assert!(emulator.partition.state().sessions[0].is_none());
    }

    #[test]
    fn a_number_of_tables_that_no_device_has_is_refused() {
        for tables in [0, 66] {
            let config = Config { folder: "/nowhere".into(), options: Options { tables, ..Options::default() } };
            assert!(matches!(Emulator::open(config), Err(ChannelError::State(_))));
        }
    }

    #[test]
    fn an_unusable_folder_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"not a folder").unwrap();
        let config = Config { folder: file.clone(), options: Options::default() };
        let Err(ChannelError::State(why)) = Emulator::open(config) else { panic!("accepted") };
        assert!(why.contains("file"), "{why}");
    }
}
