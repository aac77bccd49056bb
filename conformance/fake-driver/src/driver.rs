//! The driver's part: what an open file may do, in the order in which the driver looks at it (wire 5.5 to 5.9).
//!
//! The chip itself is the emulator, whose handle also has the driver's session rules (rows 10 to 12 of wire 5.5); their
//! numbers are given here. Offsets are written here once more, and on purpose do not come from the carrier that they test.
//!
//! What is not enforced: a session whose last descriptor is closed by another process than the opener is flushed all the
//! same (the driver leaks it), and the flush happens a moment after close(2) instead of in it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use parking_lot::Mutex;
use transport::channel::{Channel, ChannelError, Control, Device as _};
use transport::ddi::SessionControl;
use transport::emulator::{Config, Emulator, Options};

use crate::Failure;
use crate::carriage::{COMMAND, Call, GCM, Reply, XTS, field};

/// A device: a chip, and what the driver knows of it.
pub(crate) struct Device {
    pub(crate) emulator: Arc<Emulator>,
    number: u32,
    ready: AtomicBool,
    open_error: AtomicI32,
    files: AtomicUsize,
    /// Drawn at each initialisation of the controller (wire 5.8).
    entropy: Mutex<[u8; 32]>,
}

impl Device {
    pub(crate) fn new(folder: &Path, options: &Options, number: u32) -> Result<Self, Failure> {
        let config = Config { folder: folder.to_owned(), options: options.clone() };
        Ok(Self {
            emulator: Emulator::open(config)?,
            number,
            ready: AtomicBool::new(true),
            open_error: AtomicI32::new(0),
            files: AtomicUsize::new(0),
            entropy: Mutex::new(entropy()?),
        })
    }

    /// NSSR.
    pub(crate) fn reset(&self) -> Result<(), ChannelError> {
        self.emulator.reset()?;
        if let Ok(fresh) = entropy() {
            *self.entropy.lock() = fresh;
        }
        Ok(())
    }

    /// Whether the controller answers.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Which error every open(2) fails with; 0 is none.
    pub(crate) fn refuse_open(&self, errno: i32) {
        self.open_error.store(errno, Ordering::Release);
    }

    /// How many files are open.
    pub(crate) fn files(&self) -> usize {
        self.files.load(Ordering::Acquire)
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

fn entropy() -> std::io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// An open file: at most one session, and one owner. Its drop is the driver's release, which flushes the session.
pub(crate) struct OpenFile {
    device: Arc<Device>,
    /// The thread group that opened it.
    owner: i32,
    channel: Box<dyn Channel>,
}

impl OpenFile {
    pub(crate) fn open(device: &Arc<Device>, owner: i32) -> Result<Self, i32> {
        match device.open_error.load(Ordering::Acquire) {
            0 => {}
            errno => return Err(errno),
        }
        let channel = device.emulator.open().map_err(|_| libc::ENODEV)?;
        device.files.fetch_add(1, Ordering::AcqRel);
        Ok(Self { device: Arc::clone(device), owner, channel })
    }

    /// ioctl(2).
    pub(crate) fn ioctl(&self, caller: i32, call: Call) -> Reply {
        if caller != self.owner {
            return refused(libc::EACCES);
        }
        match call.number {
            COMMAND => self.command(call),
            INFO => self.info(call.argument),
            RESET => self.reset(call.argument),
            GCM | XTS => crate::fast_path::call(self.channel.as_ref(), self.device.is_ready(), call),
            _ => refused(libc::EBADRQC),
        }
    }

    /// Wire 5.5.
    fn command(&self, call: Call) -> Reply {
        let Call { argument, source, .. } = call;
        if argument.len() < COMMAND_LEN || u32::from_le_bytes(field(&argument, 0)) < 112 {
            // The driver writes its own zeros back.
            return Reply { returned: -libc::EINVAL, argument: vec![0; COMMAND_LEN], destination: Vec::new() };
        }
        let mut out = argument;
        let context: [u8; 8] = field(&out, 16);
        out[88..96].copy_from_slice(&context);
        let mut destination = Vec::new();
        let returned = match self.submit(&mut out, source, &mut destination) {
            Ok(()) => 0,
            Err((errno, code)) => {
                if let Some(code) = code {
                    put(&mut out, 104, code);
                }
                -errno
            }
        };
        Reply { returned, argument: out, destination }
    }

    /// Rows 3 to 20; what is refused has an error number, and a driver code where one is written.
    fn submit(&self, out: &mut [u8], source: Option<Vec<u8>>, answer: &mut Vec<u8>) -> Result<(), (i32, Option<u32>)> {
        let number = |at| u32::from_le_bytes(field(out, at));
        let short = |at| u16::from_le_bytes(field(out, at));
        let pointer = |at| u64::from_le_bytes(field(out, at));
        let (source_len, room) = (number(32), number(48));
        let [flags] = field(out, 64);
        let invalid = |code| Err((libc::EINVAL, Some(code)));
        if !self.device.is_ready() {
            return Err((libc::EAGAIN, Some(10)));
        }
        if short(26) != 0 {
            return invalid(2);
        }
        if source_len > 8192 {
            return invalid(3);
        }
        if room > 8192 {
            return invalid(4);
        }
        if (pointer(40) == 0) != (source_len == 0) {
            return invalid(5);
        }
        if (pointer(56) == 0) != (room == 0) {
            return invalid(7);
        }
        let session = (flags & 4 != 0).then_some(short(66));
        let control = match flags & 3 {
            // The session id is ignored and not forwarded.
            0 => Control { kind: SessionControl::NoSession, session: None },
            1 => Control { kind: SessionControl::Open, session },
            2 => Control { kind: SessionControl::Close, session },
            _ => Control { kind: SessionControl::InSession, session },
        };
        // The driver never looks into the message, and the device knows its own limit.
        let request = match (source, source_len) {
            (Some(request), _) => request,
            (None, 0) => Vec::new(),
            (None, _) => return invalid(5),
        };
        let (status, count) = match self.channel.exchange(control, &request, answer) {
            Ok(()) => {
                answer.truncate(room as usize);
                (0, u32::try_from(answer.len()).unwrap_or_default())
            }
            Err(ChannelError::Descriptor { status }) => (status.into(), 0),
            Err(ChannelError::RequestTooLong { .. }) => (BAD_LENGTH, 0),
            Err(ChannelError::SessionLimit) => return invalid(11),
            Err(ChannelError::NoSession) => return invalid(12),
            Err(ChannelError::SessionMismatch) => return invalid(14),
            Err(ChannelError::NotReady) => return Err((libc::EAGAIN, Some(0x0400_0001))),
            Err(ChannelError::Aborted) => return Err((libc::EAGAIN, Some(0x0400_0002))),
            // A late completion: unchanged (row 19).
            Err(_) => return Err((libc::EAGAIN, None)),
        };
        put(out, 96, status);
        put(out, 100, count);
        Ok(())
    }

    /// Wire 5.8: no header, and 175 bytes each way.
    fn info(&self, mut argument: Vec<u8>) -> Reply {
        if argument.len() < INFO_LEN {
            return refused(libc::EFAULT);
        }
        if u32::from_le_bytes(field(&argument, 0)) < 176 {
            return refused(libc::EINVAL);
        }
        if !self.device.is_ready() {
            return refused(libc::ENOTTY);
        }
        let Ok(info) = self.device.emulator.info() else { return refused(libc::ENOTTY) };
        // A controller's id begins somewhere; texts are padded with spaces, as NVMe's are.
        let [low, high, ..] = self.device.number.to_le_bytes();
        argument[4..6].copy_from_slice(&[low, high]);
        write_text(&mut argument[6..39], &format!("{:04x}:65:00.0\0", self.device.number));
        for (at, text) in [(39, &info.serial), (77, &info.firmware)] {
            argument[at..at + 32].fill(b' ');
            write_text(&mut argument[at..at + 32], text);
            argument[at + 32] = 0;
        }
        argument[72..77].fill(0);
        argument[110..126].fill(0);
        write_text(&mut argument[110..126], "3.2.0");
        argument[143..175].copy_from_slice(&*self.device.entropy.lock());
        argument.truncate(175);
        Reply { returned: 0, argument, destination: Vec::new() }
    }

    /// Wire 5.9.
    fn reset(&self, mut argument: Vec<u8>) -> Reply {
        if argument.len() < RESET_LEN || u32::from_le_bytes(field(&argument, 0)) < 272 {
            return refused(libc::EINVAL);
        }
        let (returned, status) = match u32::from_le_bytes(field(&argument, 24)) {
            1 | 2 if self.device.reset().is_ok() => (0, 0),
            1 | 2 => (-libc::EIO, 3),
            _ => (-libc::EINVAL, 4),
        };
        put(&mut argument, 108, status);
        Reply { returned, argument, destination: Vec::new() }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.device.files.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An error number, and nothing written back.
pub(crate) fn refused(errno: i32) -> Reply {
    Reply { returned: -errno, ..Reply::default() }
}

/// Writes a u32 field of an argument.
pub(crate) fn put(argument: &mut [u8], at: usize, value: u32) {
    argument[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn write_text(to: &mut [u8], text: &str) {
    for (to, from) in to.iter_mut().zip(text.bytes()) {
        *to = from;
    }
}

// Wire 5.2.
const INFO: u32 = 0xC0B0_4204;
const RESET: u32 = 0xC110_4206;
const COMMAND_LEN: usize = 112;
const INFO_LEN: usize = 176;
const RESET_LEN: usize = 272;
/// The device's status for a request over 4096 bytes (wire B.2).
const BAD_LENGTH: u32 = 0xC1;

#[cfg(test)]
mod tests;
