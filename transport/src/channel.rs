//! The carrier of frames: what a device is, what an open handle on it is, and nothing of what the frames mean.
//!
//! A carrier implements [`Device`] (what can be opened) and [`Channel`] (one open handle, at most one device session:
//! wire 5.6). A new carrier touches no other file.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use zeroize::Zeroizing;

use crate::ddi::SessionControl;

/// A device that can be opened any number of times. `Send + Sync`: it holds no per-caller state.
pub trait Device: Send + Sync + fmt::Debug {
    /// What the operating system, or the emulator's state folder, says the device is (wire 5.8).
    fn info(&self) -> Result<DeviceInfo, ChannelError>;

    /// Opens a handle of its own for the calling process.
    fn open(&self) -> Result<Box<dyn Channel>, ChannelError>;

    /// Resets the partition (NSSR, wire 5.9): keys and the credential are gone, for every client of the device.
    fn reset(&self) -> Result<(), ChannelError>;

    /// Where no other process can have the device: the counter of its partition's lives, for all its users in this one.
    fn private_lives(&self) -> Option<Arc<AtomicU64>> {
        None
    }
}

/// One open handle. `Send + Sync`: any thread of the opening process may use it, several at once (semantics 4).
/// Dropping it flushes the handle's session, as close(2) does (wire 5.6).
pub trait Channel: Send + Sync + fmt::Debug {
    /// Carries one request (at most 4096 bytes) and leaves the answer (at most 8192 bytes) in `response`, which is
    /// cleared first and keeps its capacity.
    fn exchange(&self, control: Control, request: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError>;

    /// As [`Channel::exchange`], for a thread that is in the middle of an operation of several requests. It has not forked
    /// since the first of them, so a carrier need not ask again which process this is.
    fn exchange_next(&self, control: Control, request: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        self.exchange(control, request, response)
    }

    /// AES-GCM on the fast path (wire 6.2): `call.data` is transformed in place. Answers the tag (encryption) and the
    /// IV that was used, which for an approved key is the device's own.
    fn gcm(&self, call: GcmCall<'_>) -> Result<GcmReply, ChannelError>;

    /// AES-XTS on the fast path (wire 6.3): `call.data` is transformed in place.
    fn xts(&self, call: XtsCall<'_>) -> Result<(), ChannelError>;

    /// As [`Channel::gcm`], for a bulk key id that may be another key's by now: `still` is asked after the device has
    /// looked the id up, and where it says no, `call.data` is the input still and the answer [`ChannelError::Overtaken`].
    /// A carrier that has the output elsewhere anyway needs no copy of its own for that.
    fn gcm_if(&self, call: GcmCall<'_>, still: &dyn Fn() -> bool) -> Result<GcmReply, ChannelError> {
        let mut copy = Zeroizing::new(call.data.to_vec());
        let reply = self.gcm(GcmCall { data: &mut copy, ..call })?;
        if !still() {
            return Err(ChannelError::Overtaken);
        }
        call.data.copy_from_slice(&copy);
        Ok(reply)
    }

    /// As [`Channel::xts`], with the condition of [`Channel::gcm_if`].
    fn xts_if(&self, call: XtsCall<'_>, still: &dyn Fn() -> bool) -> Result<(), ChannelError> {
        let mut copy = Zeroizing::new(call.data.to_vec());
        self.xts(XtsCall { data: &mut copy, ..call })?;
        if !still() {
            return Err(ChannelError::Overtaken);
        }
        call.data.copy_from_slice(&copy);
        Ok(())
    }
}

/// The session part of a command descriptor (wire 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// The session-control kind that belongs to the opcode.
    pub kind: SessionControl,
    /// The handle's session, for Close and `InSession`.
    pub session: Option<u16>,
}

/// Which way a cipher runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Plaintext to ciphertext.
    Encrypt,
    /// Ciphertext to plaintext.
    Decrypt,
}

/// Parameters of one fast-path AES-GCM call.
#[derive(Debug)]
pub struct GcmCall<'a> {
    /// Encrypt or decrypt.
    pub direction: Direction,
    /// The handle's session.
    pub session: u16,
    /// The session's short application id.
    pub short_app_id: u8,
    /// Bulk key id, never the ordinary key id (wire B.3).
    pub bulk_key: u16,
    /// The caller's IV; ignored by an approved key on encryption.
    pub iv: [u8; 12],
    /// The tag to verify, on decryption.
    pub tag: Option<[u8; 16]>,
    /// Additional data, unpadded; the carrier lays it out.
    pub aad: &'a [u8],
    /// Input and output, any length from 1. After [`ChannelError::NotReady`] and [`ChannelError::Aborted`] it is still the
    /// input, so that the call can be repeated; on failure its content is to be wiped by the caller.
    pub data: &'a mut [u8],
}

/// What a fast-path AES-GCM call answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcmReply {
    /// The authentication tag; zeros on decryption.
    pub tag: [u8; 16],
    /// The IV of this message: on encryption what the device reports, on decryption the caller's.
    pub iv: [u8; 12],
    /// Whether the call ran in approved mode.
    pub fips_approved: bool,
}

/// Parameters of one fast-path AES-XTS call.
#[derive(Debug)]
pub struct XtsCall<'a> {
    /// Encrypt or decrypt.
    pub direction: Direction,
    /// The handle's session.
    pub session: u16,
    /// The session's short application id.
    pub short_app_id: u8,
    /// Bulk key id of the data key.
    pub data_key: u16,
    /// Bulk key id of the tweak key.
    pub tweak_key: u16,
    /// Little-endian number of the first data unit.
    pub tweak: [u8; 16],
    /// Length of a data unit: 512, 4096, 8192 or the whole of `data`.
    pub data_unit_len: usize,
    /// Input and output.
    pub data: &'a mut [u8],
}

/// What a device says of itself before any frame (wire 5.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Stable name, for people: `/dev/azihsm0`, `emulator`.
    pub name: String,
    /// Serial number, NULs and spaces trimmed; may be empty.
    pub serial: String,
    /// Firmware revision, NULs and spaces trimmed.
    pub firmware: String,
    /// Whether this is the emulator: the token's model and the log say so.
    pub emulated: bool,
}

/// Why a frame was not carried, or the device failed below the message level.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelError {
    /// The handle already owns a session (driver code 11).
    SessionLimit,
    /// The handle owns no session (driver code 12).
    NoSession,
    /// The session id is not the handle's (driver code 14).
    SessionMismatch,
    /// The handle belongs to another process (EACCES): it was inherited over a fork.
    NotOwner,
    /// The device is resetting or not ready; nothing was submitted (EAGAIN with 10, 0x04000001, 0x0400000A).
    NotReady,
    /// The command was aborted; it may or may not have run (EAGAIN with 0x04000002 or nothing).
    Aborted,
    /// The driver stopped waiting for the command, which the device still runs, now or later. Only the emulator tells it
    /// from [`ChannelError::Aborted`].
    Late,
    /// Request longer than 4096 bytes: refused before sending (wire 1.6).
    RequestTooLong {
        /// The request's length.
        len: usize,
    },
    /// The device failed the command at descriptor level (wire B.2).
    Descriptor {
        /// The 11-bit status.
        status: u16,
    },
    /// A fast-path call failed (wire B.3).
    FastPath {
        /// Device status.
        result: u32,
        /// Secondary error or driver code.
        extended: u32,
    },
    /// The driver refused or failed the call for a reason that has no variant of its own (wire 5.5, 5.9).
    Driver {
        /// errno, 0 where the call itself returned success.
        errno: i32,
        /// The driver's code: `extended_status` of a command, `abort_status` of a reset.
        code: u32,
    },
    /// What the driver wrote back contradicts itself; none of it was used. The command may have run.
    Answer(&'static str),
    /// AES-GCM: the tag does not fit; the data must be wiped.
    TagMismatch,
    /// The caller's own condition on the call did not hold any more when the device had answered ([`Channel::gcm_if`]).
    Overtaken,
    /// The operating system's error.
    Os {
        /// errno.
        errno: i32,
        /// What was being done, for the log.
        doing: &'static str,
    },
    /// The emulator's state folder or file cannot be used.
    State(String),
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionLimit => f.write_str("the handle already owns a session"),
            Self::NoSession => f.write_str("the handle owns no session"),
            Self::SessionMismatch => f.write_str("the session is not the handle's"),
            Self::NotOwner => f.write_str("the handle belongs to another process"),
            Self::NotReady => f.write_str("the device is not ready"),
            Self::Aborted => f.write_str("the command was aborted"),
            Self::Late => f.write_str("the command was given up, and may still run"),
            Self::RequestTooLong { len } => write!(f, "request of {len} bytes, the limit is 4096"),
            Self::Descriptor { status } => write!(f, "descriptor status {status:#x}"),
            Self::FastPath { result, extended } => write!(f, "fast path result {result}, extended {extended:#x}"),
            Self::Driver { errno, code } => write!(f, "the driver failed the call: errno {errno}, code {code:#x}"),
            Self::Answer(what) => write!(f, "the driver's answer is not usable: {what}"),
            Self::TagMismatch => f.write_str("GCM tag mismatch"),
            Self::Overtaken => f.write_str("the partition was provisioned anew during the call"),
            Self::Os { errno, doing } => write!(f, "{doing}: errno {errno}"),
            Self::State(why) => write!(f, "emulator state: {why}"),
        }
    }
}

impl std::error::Error for ChannelError {}
