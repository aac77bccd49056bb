//! One open handle on a node.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::{fmt, mem};

use parking_lot::Mutex;

use super::aad::AadPlace;
use super::ioctl::{Call, Driver, Errno};
use super::layouts::{Argument, Command, FastPath, FastPathIn, Gcm, InfoArgument, Reset, Xts};
use super::outcome::{self, Cipher};
use super::scratch::Pool;
use crate::channel::{Channel, ChannelError, Control, Direction, GcmCall, GcmReply, XtsCall};
use crate::ddi::{MAX_REQUEST_LEN, MAX_RESPONSE_LEN, SessionControl};

/// An open file on a node: at most one device session, and good only in the process that opened it (wire 5.6).
///
/// `Send + Sync`: any thread may call, the driver queues the commands. While this is dropped the driver flushes the
/// session that is left; a device that does not answer the flush blocks the thread for good (wire 5.6), so who can
/// closes the session first.
pub(super) struct Handle {
    /// There until the drop.
    file: Option<OwnedFd>,
    /// The file's inode, by which a number that now belongs to another file is recognised.
    inode: Option<Inode>,
    /// The process that opened the file.
    opener: u32,
    driver: Arc<dyn Driver>,
    /// Held while a session is opened or closed: nothing in the driver protects the slot, and a second session of a handle
    /// would be lost to everybody (wire 5.6).
    session_change: Mutex<()>,
    buffers: Pool,
}

impl Handle {
    /// Opens the node at `path`.
    pub(super) fn open(driver: Arc<dyn Driver>, path: &Path) -> Result<Self, ChannelError> {
        let file = driver.open(path).map_err(outcome::open)?;
        Ok(Self {
            inode: Inode::of(file.as_fd()),
            file: Some(file),
            opener: process::id(),
            driver,
            session_change: Mutex::default(),
            buffers: Pool::default(),
        })
    }

    /// Asks the driver what the device is (wire 5.8).
    pub(super) fn info(&self) -> Result<InfoArgument, ChannelError> {
        let mut argument = InfoArgument::new();
        outcome::info(self.driver.ioctl(self.file()?, Call::Info { argument: &mut argument }))?;
        Ok(argument)
    }

    /// Resets the subsystem, for every client of the device (wire 5.9).
    pub(super) fn reset(&self) -> Result<(), ChannelError> {
        let mut argument = Reset::new();
        argument.abort_type = SUBSYSTEM_RESET;
        let returned = self.driver.ioctl(self.file()?, Call::Reset { argument: &mut argument });
        outcome::reset(returned, argument.abort_status)
    }

    /// The file, if this is the process that opened it. In another one the driver would refuse every call (wire 5.6), so
    /// none is made.
    fn file(&self) -> Result<BorrowedFd<'_>, ChannelError> {
        if process::id() != self.opener {
            return Err(ChannelError::NotOwner);
        }
        self.file.as_ref().map(OwnedFd::as_fd).ok_or(ChannelError::NotOwner)
    }

    /// In another process than the opener's: whether `file` is for certain the file that was inherited. The inode tells it
    /// from other files that have got its number since, and the driver's refusal from the handles of this process on the
    /// same node.
    fn is_inherited(&self, file: BorrowedFd<'_>) -> bool {
        let same_node = self.inode.is_some() && Inode::of(file) == self.inode;
        same_node
            && self.driver.ioctl(file, Call::Info { argument: &mut InfoArgument::new() }) == Err(Errno(libc::EACCES))
    }
}

impl Drop for Handle {
    /// In the opener, closes the file, and with it the session.
    ///
    /// A forked child must not close a number that it closed long ago and that has become some other file of the program.
    /// So it closes only what is still the inherited file and leaks the number otherwise. Closing that one flushes nothing:
    /// the parent has the file too. It is also wanted: as long as a child keeps the file, the parent's close is not the
    /// last, and a last close by anyone but the opener leaves the session occupied until a reset (wire 5.6).
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        if process::id() != self.opener && !self.is_inherited(file.as_fd()) {
            mem::forget(file);
        }
    }
}

impl Channel for Handle {
    fn exchange(&self, control: Control, request: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        let file = self.file()?;
        let mut argument = Command::new();
        (argument.input.session_control, argument.input.session_id) = session_fields(control)?;
        match request.len() {
            1..=MAX_REQUEST_LEN => {}
            0 => return Err(ChannelError::Descriptor { status: BAD_REQUEST_LENGTH }),
            len => return Err(ChannelError::RequestTooLong { len }),
        }

        let turn = match control.kind {
            SessionControl::Open | SessionControl::Close => Some(self.session_change.lock()),
            SessionControl::NoSession | SessionControl::InSession => None,
        };
        // Always the whole room: the device does not compare its answer with what was announced (wire B.2).
        response.resize(MAX_RESPONSE_LEN, 0);
        let call = Call::Command { argument: &mut argument, source: request, destination: response };
        let returned = self.driver.ioctl(file, call);
        drop(turn);

        match outcome::command(returned, &argument.out, MAX_RESPONSE_LEN) {
            Ok(count) => response.truncate(count),
            Err(cause) => {
                response.fill(0);
                response.clear();
                return Err(cause);
            }
        }
        Ok(())
    }

    fn gcm(&self, call: GcmCall<'_>) -> Result<GcmReply, ChannelError> {
        self.gcm_if(call, &|| true)
    }

    fn gcm_if(&self, call: GcmCall<'_>, still: &dyn Fn() -> bool) -> Result<GcmReply, ChannelError> {
        let file = self.file()?;
        let invalid = ChannelError::FastPath { result: 0, extended: outcome::FP_GCM_INVALID };
        if call.data.is_empty() || (call.direction == Direction::Decrypt && call.tag.is_none()) {
            return Err(invalid);
        }
        let place = AadPlace::of(call.aad.len()).ok_or(invalid.clone())?;
        let len = place.aligned.checked_add(call.data.len()).ok_or(invalid.clone())?;
        if u32::try_from(len).is_err() {
            return Err(invalid);
        }

        let mut argument = FastPath::<Gcm>::new();
        fill(&mut argument.input, CIPHER_GCM, call.direction, call.session, call.short_app_id);
        let parameters = &mut argument.parameters;
        parameters.key_id = call.bulk_key.into();
        parameters.tag = match call.direction {
            Direction::Decrypt => call.tag.unwrap_or_default(),
            Direction::Encrypt => [0; 16],
        };
        parameters.iv = call.iv;
        parameters.actual_aad_len = u32::try_from(call.aad.len()).map_err(|_| invalid.clone())?;
        parameters.aligned_aad_len = u32::try_from(place.aligned).map_err(|_| invalid)?;
        parameters.enable_workaround = 1;

        // The device reads the caller's data where it lies unless additional data has to go before it, and never writes
        // there: what comes out is handed over only when it is known to be good.
        let source = (place.aligned > 0).then(|| {
            let mut source = self.buffers.take(len);
            let (area, payload) = source.bytes_mut().split_at_mut(place.aligned);
            area[place.before..place.before + call.aad.len()].copy_from_slice(call.aad);
            payload.copy_from_slice(call.data);
            source
        });
        let mut destination = self.buffers.take(len);
        let returned = self.driver.ioctl(
            file,
            Call::Gcm {
                argument: &mut argument,
                source: source.as_ref().map_or(&*call.data, |source| source.bytes()),
                destination: destination.bytes_mut(),
            },
        );
        outcome::fast_path(returned, &argument.out, Cipher::Gcm(call.direction), len)?;
        if !still() {
            return Err(ChannelError::Overtaken);
        }

        call.data.copy_from_slice(&destination.bytes()[place.aligned..]);
        self.buffers.give_back(destination);
        if let Some(source) = source {
            self.buffers.give_back(source);
        }
        // Decryption leaves both places as they were (wire 6.2).
        let (tag, iv) = match call.direction {
            Direction::Encrypt => (argument.out.command_specific, argument.out.iv),
            Direction::Decrypt => ([0; 16], call.iv),
        };
        Ok(GcmReply { tag, iv, fips_approved: argument.out.fips_approved != 0 })
    }

    fn xts(&self, call: XtsCall<'_>) -> Result<(), ChannelError> {
        self.xts_if(call, &|| true)
    }

    fn xts_if(&self, call: XtsCall<'_>, still: &dyn Fn() -> bool) -> Result<(), ChannelError> {
        let file = self.file()?;
        let invalid = ChannelError::FastPath { result: 0, extended: outcome::FP_XTS_INVALID };
        let len = call.data.len();
        if len == 0 || u32::try_from(len).is_err() {
            return Err(invalid);
        }

        let mut argument = FastPath::<Xts>::new();
        fill(&mut argument.input, CIPHER_XTS, call.direction, call.session, call.short_app_id);
        argument.parameters.data_unit_len = data_unit_code(call.data_unit_len, len).ok_or(invalid)?;
        argument.parameters.key_id1 = call.data_key.into();
        argument.parameters.key_id2 = call.tweak_key.into();
        argument.parameters.tweak = call.tweak;

        let mut destination = self.buffers.take(len);
        let returned = self.driver.ioctl(
            file,
            Call::Xts { argument: &mut argument, source: call.data, destination: destination.bytes_mut() },
        );
        outcome::fast_path(returned, &argument.out, Cipher::Xts, len)?;
        if !still() {
            return Err(ChannelError::Overtaken);
        }

        call.data.copy_from_slice(destination.bytes());
        self.buffers.give_back(destination);
        Ok(())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("file", &self.file).field("opener", &self.opener).finish_non_exhaustive()
    }
}

/// Which file a descriptor stands for.
#[derive(PartialEq, Eq)]
struct Inode {
    filesystem: u64,
    number: u64,
    device: u64,
}

impl Inode {
    fn of(file: BorrowedFd<'_>) -> Option<Self> {
        let status = rustix::fs::fstat(file).ok()?;
        Some(Self { filesystem: status.st_dev, number: status.st_ino, device: status.st_rdev })
    }
}

/// The session flags and the session id of a descriptor (wire 5.4). A session id where none belongs, or none where one
/// does, is refused as the driver would refuse it: it would drop the one silently (wire 8, D16).
fn session_fields(control: Control) -> Result<(u8, u16), ChannelError> {
    let kind = control.kind as u8;
    match (control.kind, control.session) {
        (SessionControl::NoSession | SessionControl::Open, None) => Ok((kind, 0)),
        (SessionControl::Close | SessionControl::InSession, Some(session)) => Ok((kind | SESSION_VALID, session)),
        (SessionControl::NoSession | SessionControl::Open, Some(_)) => Err(ChannelError::SessionMismatch),
        (SessionControl::Close | SessionControl::InSession, None) => Err(ChannelError::NoSession),
    }
}

/// What both ciphers say alike.
fn fill(input: &mut FastPathIn, cipher: u8, direction: Direction, session: u16, short_app_id: u8) {
    input.op_code = match direction {
        Direction::Encrypt => 0,
        Direction::Decrypt => 1,
    };
    input.cipher = cipher;
    input.frame_type = FRAME_AES;
    input.session_id = session;
    input.short_app_id = short_app_id;
}

/// The code of a data unit (wire 6.1): the whole buffer as one unit goes first, whatever its length (wire 6.3). No other
/// length than these can be said.
fn data_unit_code(unit: usize, len: usize) -> Option<u16> {
    match unit {
        _ if unit == len => Some(0),
        512 => Some(1),
        4096 => Some(2),
        8192 => Some(3),
        _ => None,
    }
}

/// Bit 2 of the session flags: the session id is valid (wire 5.4).
const SESSION_VALID: u8 = 0x04;
/// `abort_type` of an NVM subsystem reset (wire 5.9).
const SUBSYSTEM_RESET: u32 = 1;
/// The device's status for a request of no bytes (wire B.2); the driver would call it an invalid buffer.
const BAD_REQUEST_LENGTH: u16 = 0xC1;
// Wire 6.1.
const CIPHER_GCM: u8 = 0;
const CIPHER_XTS: u8 = 1;
const FRAME_AES: u8 = 1;

#[cfg(test)]
impl Handle {
    /// As if another process had opened this.
    pub(super) fn inherited(mut self) -> Self {
        self.opener = self.opener.wrapping_add(1);
        self
    }

    /// The file, whoever opened it.
    pub(super) fn raw_file(&self) -> BorrowedFd<'_> {
        self.file.as_ref().unwrap().as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wire 5.4: "Session flag byte by kind".
    #[test]
    fn the_session_flags_by_kind() {
        let fields = |kind, session| session_fields(Control { kind, session });
        assert_eq!(fields(SessionControl::NoSession, None), Ok((0x00, 0)));
        assert_eq!(fields(SessionControl::Open, None), Ok((0x01, 0)));
        assert_eq!(fields(SessionControl::Close, Some(3)), Ok((0x06, 3)));
        assert_eq!(fields(SessionControl::InSession, Some(0)), Ok((0x07, 0)));
        assert_eq!(fields(SessionControl::NoSession, Some(0)), Err(ChannelError::SessionMismatch));
        assert_eq!(fields(SessionControl::Open, Some(0)), Err(ChannelError::SessionMismatch));
        assert_eq!(fields(SessionControl::Close, None), Err(ChannelError::NoSession));
        assert_eq!(fields(SessionControl::InSession, None), Err(ChannelError::NoSession));
    }

    /// Wire 6.1 and 6.3.
    #[test]
    fn the_data_unit_codes() {
        for (unit, len, code) in [
            (512, 512, Some(0)),
            (64, 64, Some(0)),
            (1 << 20, 1 << 20, Some(0)),
            (8192, 8192, Some(0)),
            (512, 1024, Some(1)),
            (4096, 8192, Some(2)),
            (8192, 16384, Some(3)),
            (1024, 2048, None),
            (0, 512, None),
        ] {
            assert_eq!(data_unit_code(unit, len), code, "{unit} of {len}");
        }
    }
}
