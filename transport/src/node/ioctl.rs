//! The system calls of this carrier: open(2) and ioctl(2), behind [`Driver`] so that everything else runs without a device.
//!
//! They go through libc and not, as rustix does, straight to the kernel: the conformance suite puts a fake driver under
//! unmodified programs by preloading a library that answers `open`, `ioctl` and `close` for `/dev/azihsm<N>`.
//!
//! This file has all the `unsafe` of the carrier.

#![expect(unsafe_code, reason = "open(2) and ioctl(2)")]

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr;

use super::layouts::{Argument, Buffers, Command, FastPath, Gcm, InfoArgument, Reset, Xts};

/// An error number of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errno(pub(super) i32);

/// What ioctl(2) returned: an error number, or 0, or the positive values that this driver sometimes lets through.
/// The argument may have been written back in every case.
pub(super) type Returned = Result<i32, Errno>;

/// One ioctl of the client node, with the buffers that it reads and writes besides its argument.
pub(super) enum Call<'a> {
    /// DDI command (wire 5.4).
    Command { argument: &'a mut Command, source: &'a [u8], destination: &'a mut [u8] },
    /// Device info (wire 5.8).
    Info { argument: &'a mut InfoArgument },
    /// Reset (wire 5.9).
    Reset { argument: &'a mut Reset },
    /// AES-GCM on the fast path (wire 6).
    Gcm { argument: &'a mut FastPath<Gcm>, source: &'a [u8], destination: &'a mut [u8] },
    /// AES-XTS on the fast path (wire 6).
    Xts { argument: &'a mut FastPath<Xts>, source: &'a [u8], destination: &'a mut [u8] },
}

/// The kernel, or what stands in for it in tests.
pub(super) trait Driver: Send + Sync + fmt::Debug {
    /// Opens a node for reading and writing; an exec closes it.
    fn open(&self, path: &Path) -> Result<OwnedFd, Errno>;

    /// Carries out one call. It points the argument at the buffers itself.
    fn ioctl(&self, file: BorrowedFd<'_>, call: Call<'_>) -> Returned;
}

/// The kernel.
#[derive(Debug)]
pub(super) struct Linux;

impl Driver for Linux {
    fn open(&self, path: &Path) -> Result<OwnedFd, Errno> {
        // std adds O_CLOEXEC, and repeats the call after a signal.
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Ok(file.into()),
            Err(why) => Err(Errno(why.raw_os_error().unwrap_or(libc::EINVAL))),
        }
    }

    fn ioctl(&self, file: BorrowedFd<'_>, call: Call<'_>) -> Returned {
        match call {
            Call::Command { argument, source, destination } => {
                argument.aim(source, destination);
                // SAFETY: the argument was just aimed at the two slices, borrowed for this call; the driver copies
                // at most src_length bytes out of the one and dst_length bytes into the other (wire 5.4, 5.5).
                unsafe { ioctl(file, argument) }
            }
            // SAFETY: this ioctl has no memory but its argument (wire 5.8).
            Call::Info { argument } => unsafe { ioctl(file, argument) },
            // SAFETY: this ioctl has no memory but its argument (wire 5.9).
            Call::Reset { argument } => unsafe { ioctl(file, argument) },
            Call::Gcm { argument, source, destination } => {
                if !holds(source, destination) {
                    return Err(Errno(libc::EINVAL));
                }
                argument.aim(source, destination);
                // SAFETY: the argument was just aimed at the two slices, borrowed for this call. The driver writes as
                // far as src_len whatever dst_len says (wire 6.2), and the destination is at least that long.
                unsafe { ioctl(file, argument) }
            }
            Call::Xts { argument, source, destination } => {
                if !holds(source, destination) {
                    return Err(Errno(libc::EINVAL));
                }
                argument.aim(source, destination);
                // SAFETY: the argument was just aimed at the two slices, borrowed for this call; the driver writes at
                // most src_len bytes (wire 6.3), and the destination is at least that long.
                unsafe { ioctl(file, argument) }
            }
        }
    }
}

/// Whether a fast-path call stays inside its destination, and its lengths fit their fields.
fn holds(source: &[u8], destination: &[u8]) -> bool {
    destination.len() >= source.len() && u32::try_from(destination.len()).is_ok()
}

/// ioctl(2) with the number that belongs to the argument.
///
/// # Safety
///
/// Every buffer address in the argument is good for the length beside it until the call returns.
unsafe fn ioctl<A: Argument>(file: BorrowedFd<'_>, argument: &mut A) -> Returned {
    // SAFETY: the descriptor is open while it is borrowed. The number names the type and size of the argument (asserted
    // in `layouts`), which the kernel may read and write up to that size, and every bit pattern is a valid value of it.
    // The caller answers for the buffers. The file was opened by the name `azihsm<N>`: that another driver with another
    // idea of these numbers has that name is a machine whose administrator lies to it.
    let returned = unsafe { libc::ioctl(file.as_raw_fd(), libc::Ioctl::from(A::NUMBER), ptr::from_mut(argument)) };
    match returned {
        0.. => Ok(returned),
        -1 => Err(Errno(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))),
        // A negative value that libc did not take for an error number.
        _ => Err(Errno(libc::EPROTO)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn null() -> OwnedFd {
        Linux.open(Path::new("/dev/null")).unwrap()
    }

    #[test]
    fn a_command_on_another_file_is_an_error() {
        let mut destination = [0; 8];
        let call = Call::Command { argument: &mut Command::new(), source: b"x", destination: &mut destination };
        assert_eq!(Linux.ioctl(null().as_fd(), call), Err(Errno(libc::ENOTTY)));
    }

    #[test]
    fn device_info_of_another_file_is_an_error() {
        let call = Call::Info { argument: &mut InfoArgument::new() };
        assert_eq!(Linux.ioctl(null().as_fd(), call), Err(Errno(libc::ENOTTY)));
    }

    #[test]
    fn reset_of_another_file_is_an_error() {
        let call = Call::Reset { argument: &mut Reset::new() };
        assert_eq!(Linux.ioctl(null().as_fd(), call), Err(Errno(libc::ENOTTY)));
    }

    #[test]
    fn gcm_on_another_file_is_an_error() {
        let mut destination = [0; 8];
        let call = Call::Gcm { argument: &mut FastPath::new(), source: b"x", destination: &mut destination };
        assert_eq!(Linux.ioctl(null().as_fd(), call), Err(Errno(libc::ENOTTY)));
    }

    #[test]
    fn xts_on_another_file_is_an_error() {
        let mut destination = [0; 8];
        let call = Call::Xts { argument: &mut FastPath::new(), source: b"x", destination: &mut destination };
        assert_eq!(Linux.ioctl(null().as_fd(), call), Err(Errno(libc::ENOTTY)));
    }

    #[test]
    fn a_destination_that_the_driver_would_overrun_is_refused_before_the_call() {
        let (source, mut destination) = ([0; 17], [0; 16]);
        let call = Call::Gcm { argument: &mut FastPath::new(), source: &source, destination: &mut destination };
        assert_eq!(Linux.ioctl(null().as_fd(), call), Err(Errno(libc::EINVAL)));
        let call = Call::Xts { argument: &mut FastPath::new(), source: &source, destination: &mut destination };
        assert_eq!(Linux.ioctl(null().as_fd(), call), Err(Errno(libc::EINVAL)));
    }

    #[test]
    fn nodes_are_opened_for_both_ways_and_closed_on_exec() {
        let file = null();
        assert!(rustix::io::fcntl_getfd(&file).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        let mode = rustix::fs::fcntl_getfl(&file).unwrap() & rustix::fs::OFlags::RWMODE;
        assert_eq!(mode, rustix::fs::OFlags::RDWR);
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        assert_eq!(Linux.open(Path::new("/dev/azihsm-nowhere")).map(drop), Err(Errno(libc::ENOENT)));
        assert_eq!(Linux.open(Path::new("/dev")).map(drop), Err(Errno(libc::EISDIR)));
        assert_eq!(Linux.open(Path::new("/dev/a\0b")).map(drop), Err(Errno(libc::EINVAL)));
    }
}
