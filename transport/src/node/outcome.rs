//! From what an ioctl returned and wrote back to one typed error with its cause (wire 5.5, 5.8, 5.9, 6.5, B.3).

use super::ioctl::{Errno, Returned};
use super::layouts::{CommandOut, FastPathOut};
use crate::channel::{ChannelError, Direction};

/// What a DDI command came to, by the criteria of wire 5.4 in their order: how many bytes of the response buffer, of
/// `room` bytes, are the answer.
pub(super) fn command(returned: Returned, out: &CommandOut, room: usize) -> Result<usize, ChannelError> {
    match returned {
        Ok(0) => {}
        Ok(_) => return Err(ChannelError::Answer("a command returned a positive number")),
        Err(errno) => return Err(command_refusal(errno, out.extended_status)),
    }
    if out.status != 0 {
        // 11 bits (wire B.2); what is wider is not a status that anybody defined.
        return Err(ChannelError::Descriptor { status: u16::try_from(out.status).unwrap_or(u16::MAX) });
    }
    match usize::try_from(out.byte_count) {
        Ok(0) => Err(ChannelError::Answer("a command succeeded without an answer")),
        Ok(count) if count <= room => Ok(count),
        _ => Err(ChannelError::Answer("the answer is longer than the buffer it is in")),
    }
}

/// Rows 1 to 19, 21 and 22 of wire 5.5.
fn command_refusal(errno: Errno, code: u32) -> ChannelError {
    match (errno, code) {
        (EACCES, _) => ChannelError::NotOwner,
        (_, SESSION_LIMIT) => ChannelError::SessionLimit,
        (_, NO_SESSION) => ChannelError::NoSession,
        (_, SESSION_MISMATCH) => ChannelError::SessionMismatch,
        (EAGAIN, NOT_READY | ABORT_IN_PROGRESS | COULD_NOT_SUBMIT) => ChannelError::NotReady,
        // 0x04000002, or nothing: the device may have run it, and what is unknown is taken for that too.
        (EAGAIN, _) => ChannelError::Aborted,
        (Errno(errno), 0) => ChannelError::Os { errno, doing: "sending a command" },
        (Errno(errno), code) => ChannelError::Driver { errno, code },
    }
}

/// The cipher of a fast-path call, as far as its outcome depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    /// The output's length is only inferred (wire 6.2, Q4): anything that is not nothing will do.
    Gcm(Direction),
    /// The output is as long as the input, or the call failed (wire 6.3).
    Xts,
}

/// Whether a fast-path call over `len` bytes, whose outputs were preset to zero, succeeded (wire 6.5). Only if the return
/// value, the result and the extended status are 0 *and* something was written: a command that was aborted or completed
/// late returns 0 as well.
pub(super) fn fast_path(returned: Returned, out: &FastPathOut, cipher: Cipher, len: usize) -> Result<(), ChannelError> {
    match returned {
        Ok(0) => {}
        // Row 22: the driver's outputs did not all arrive, so none of them is to be believed.
        Ok(_) => return Err(ChannelError::Answer("a fast-path call was not written back")),
        Err(errno) => return Err(fast_path_refusal(errno, out.extended_status)),
    }
    match (out.result, out.extended_status) {
        (0, 0) => {}
        (0, code) => return Err(not_carried_out(code)),
        (result, extended) => return Err(device_error(result, extended, cipher)),
    }
    match (usize::try_from(out.byte_count), cipher) {
        // Row 18: a timeout, and then a late completion whose output was dropped.
        (Ok(0), _) => Err(ChannelError::Aborted),
        (Ok(count), Cipher::Xts) if count == len => Ok(()),
        (Ok(count), Cipher::Gcm(_)) if count <= len => Ok(()),
        (_, Cipher::Xts) => Err(ChannelError::Answer("AES-XTS wrote another length than it read")),
        (_, Cipher::Gcm(_)) => Err(ChannelError::Answer("AES-GCM wrote more than the buffer holds")),
    }
}

/// Rows 1 to 15 of wire 6.5: the driver refused, nothing was submitted. What it says of the session keeps its code, as
/// every other refusal of this path does; the emulator says it so too.
fn fast_path_refusal(errno: Errno, code: u32) -> ChannelError {
    match (errno, code) {
        (EACCES, _) => ChannelError::NotOwner,
        (EAGAIN, FP_NOT_READY | ABORT_IN_PROGRESS | COULD_NOT_SUBMIT) => ChannelError::NotReady,
        (EAGAIN, _) => ChannelError::Aborted,
        (Errno(errno), 0) => ChannelError::Os { errno, doing: "a fast-path call" },
        (_, extended) => ChannelError::FastPath { result: 0, extended },
    }
}

/// Rows 16, 17 and 20 of wire 6.5: returned 0, and yet failed in the driver. In row 17 the numbers are the driver's
/// completion codes; the ones with a source byte are what the SDK expects in their place (wire 8, D5).
fn not_carried_out(code: u32) -> ChannelError {
    match code {
        FP_COMPLETION_ABORT_IN_PROGRESS | FP_COMPLETION_NO_QUEUE | ABORT_IN_PROGRESS | COULD_NOT_SUBMIT => {
            ChannelError::NotReady
        }
        FP_COMPLETION_ABORTED | FP_COMPLETION_QUEUE_DISABLED | FP_COMPLETION_NEVER | COMMAND_ABORTED => {
            ChannelError::Aborted
        }
        extended => ChannelError::FastPath { result: 0, extended },
    }
}

/// Row 19 of wire 6.5: the device's own status and secondary error (wire B.3).
fn device_error(result: u32, extended: u32, cipher: Cipher) -> ChannelError {
    match (result, extended) {
        // A wrong tag has two faces: of the crypto engine, and of the processor that finishes odd lengths.
        (RESULT_ENGINE, ENGINE_TAG_MISMATCH) | (RESULT_GCM, GCM_TAG_MISMATCH)
            if cipher == Cipher::Gcm(Direction::Decrypt) =>
        {
            ChannelError::TagMismatch
        }
        (RESULT_QUEUE_DELETED | RESULT_ABORTED, _) => ChannelError::Aborted,
        (result, extended) => ChannelError::FastPath { result, extended },
    }
}

/// What a device-info call came to (wire 5.8). Its argument has no place for a code.
pub(super) fn info(returned: Returned) -> Result<(), ChannelError> {
    match returned {
        Ok(0) => Ok(()),
        Ok(_) => Err(ChannelError::Answer("the device info returned a positive number")),
        Err(EACCES) => Err(ChannelError::NotOwner),
        // ENOTTY is this driver's word for a controller that is not ready.
        Err(EAGAIN | ENOTTY) => Err(ChannelError::NotReady),
        Err(Errno(errno)) => Err(ChannelError::Os { errno, doing: "asking for the device info" }),
    }
}

/// What a reset came to: `abort_status` decides even where the call itself succeeded (wire 5.9).
pub(super) fn reset(returned: Returned, abort_status: u32) -> Result<(), ChannelError> {
    match (returned, abort_status) {
        (Ok(0), RESET_DONE) => Ok(()),
        (Ok(_), RESET_DONE) => Err(ChannelError::Answer("a reset returned a positive number")),
        (Err(EACCES), _) => Err(ChannelError::NotOwner),
        (_, RESET_IN_PROGRESS) | (Err(EAGAIN), RESET_DONE) => Err(ChannelError::NotReady),
        (Ok(_), code) => Err(ChannelError::Driver { errno: 0, code }),
        (Err(Errno(errno)), RESET_DONE) => Err(ChannelError::Os { errno, doing: "resetting the device" }),
        (Err(Errno(errno)), code) => Err(ChannelError::Driver { errno, code }),
    }
}

/// Why a node could not be opened, with what an administrator can do about it.
pub(super) fn open(Errno(errno): Errno) -> ChannelError {
    let doing = match errno {
        libc::EACCES => {
            "opening the device node: no permission. It needs a udev rule such as KERNEL==\"azihsm[0-9]*\", \
             GROUP=\"azihsm\", MODE=\"0660\", and this account needs that group"
        }
        libc::EPERM => {
            "opening the device node: forbidden. In a container or a service, the node has to be passed in or allowed \
             (--device, DeviceAllow=); elsewhere a udev rule such as KERNEL==\"azihsm[0-9]*\", GROUP=\"azihsm\", \
             MODE=\"0660\" gives it to a group"
        }
        libc::ENOENT => {
            "opening the device node: it is not there. The azihsm kernel module makes it when it finds the PCI function \
             1414:c003, and a container sees it only when it is passed in (--device)"
        }
        libc::ENXIO | libc::ENODEV => "opening the device node: no device behind it, was it removed?",
        _ => "opening the device node",
    };
    ChannelError::Os { errno, doing }
}

const EACCES: Errno = Errno(libc::EACCES);
const EAGAIN: Errno = Errno(libc::EAGAIN);
const ENOTTY: Errno = Errno(libc::ENOTTY);

// Driver codes of a DDI command (wire 5.5).
const NOT_READY: u32 = 10;
const SESSION_LIMIT: u32 = 11;
const NO_SESSION: u32 = 12;
const SESSION_MISMATCH: u32 = 14;
const ABORT_IN_PROGRESS: u32 = 0x0400_0001;
const COMMAND_ABORTED: u32 = 0x0400_0002;
const COULD_NOT_SUBMIT: u32 = 0x0400_000A;

// Driver codes of a fast-path call that was refused (wire 6.6).
const FP_NOT_READY: u32 = 106;
/// AES-GCM parameters that the driver refuses; also said of those that are refused here.
pub(super) const FP_GCM_INVALID: u32 = 117;
/// AES-XTS parameters that the driver refuses; also said of those that are refused here.
pub(super) const FP_XTS_INVALID: u32 = 118;

// The driver's completion codes of a fast-path call (wire 6.5, row 17).
const FP_COMPLETION_ABORTED: u32 = 1;
const FP_COMPLETION_ABORT_IN_PROGRESS: u32 = 2;
const FP_COMPLETION_NO_QUEUE: u32 = 3;
const FP_COMPLETION_QUEUE_DISABLED: u32 = 4;
const FP_COMPLETION_NEVER: u32 = 5;

// The device's status of a fast-path call, and the secondary errors that matter (wire B.3).
const RESULT_GCM: u32 = 2;
const RESULT_ENGINE: u32 = 3;
const RESULT_QUEUE_DELETED: u32 = 7;
const RESULT_ABORTED: u32 = 8;
const GCM_TAG_MISMATCH: u32 = 0x2A;
const ENGINE_TAG_MISMATCH: u32 = 9;

// What a reset says of itself (wire 5.9).
const RESET_DONE: u32 = 0;
const RESET_IN_PROGRESS: u32 = 1;

#[cfg(test)]
mod tests {
    use super::super::layouts::Zeroed;
    use super::*;

    fn command_out(status: u32, byte_count: u32, extended_status: u32) -> CommandOut {
        CommandOut { status, byte_count, extended_status, ..CommandOut::ZEROED }
    }

    fn fast_path_out(result: u32, extended_status: u32, byte_count: u32) -> FastPathOut {
        FastPathOut { result, byte_count, extended_status, ..FastPathOut::ZEROED }
    }

    /// Wire 5.5, row by row.
    #[test]
    fn the_result_matrix_of_a_command() {
        let driver = |errno, code| Err(ChannelError::Driver { errno, code });
        let os = |errno| Err(ChannelError::Os { errno, doing: "sending a command" });
        for (row, errno, code, wanted) in [
            (1, libc::EACCES, 0, Err(ChannelError::NotOwner)),
            (2, libc::EINVAL, 0, os(libc::EINVAL)),
            (3, libc::EAGAIN, 0x0400_0001, Err(ChannelError::NotReady)),
            (4, libc::EAGAIN, 10, Err(ChannelError::NotReady)),
            (5, libc::EINVAL, 2, driver(libc::EINVAL, 2)),
            (6, libc::EINVAL, 3, driver(libc::EINVAL, 3)),
            (7, libc::EINVAL, 4, driver(libc::EINVAL, 4)),
            (8, libc::EINVAL, 5, driver(libc::EINVAL, 5)),
            (9, libc::EINVAL, 7, driver(libc::EINVAL, 7)),
            (10, libc::EINVAL, 12, Err(ChannelError::NoSession)),
            (11, libc::EINVAL, 14, Err(ChannelError::SessionMismatch)),
            (12, libc::EINVAL, 11, Err(ChannelError::SessionLimit)),
            (13, libc::EINVAL, 5, driver(libc::EINVAL, 5)),
            (14, libc::ENOMEM, 1, driver(libc::ENOMEM, 1)),
            (15, libc::EINVAL, 5, driver(libc::EINVAL, 5)),
            (16, libc::EAGAIN, 0x0400_0001, Err(ChannelError::NotReady)),
            (17, libc::EAGAIN, 0x0400_000A, Err(ChannelError::NotReady)),
            (18, libc::EAGAIN, 0x0400_0002, Err(ChannelError::Aborted)),
            (19, libc::EAGAIN, 0, Err(ChannelError::Aborted)),
            (21, libc::EINVAL, 7, driver(libc::EINVAL, 7)),
            (22, libc::EFAULT, 0, os(libc::EFAULT)),
        ] {
            let found = command(Err(Errno(errno)), &command_out(0, 0, code), 8192);
            assert_eq!(found, wanted, "row {row}");
        }
        assert_eq!(command(Ok(0), &command_out(0, 46, 0), 8192), Ok(46), "row 20");
        assert_eq!(command(Ok(0), &command_out(0, 8192, 0), 8192), Ok(8192), "row 20");
    }

    /// The descriptor's status goes before the byte count, which is filled even on failure (wire 5.4, B.2).
    #[test]
    fn a_descriptor_status_is_kept() {
        for status in [0x01, 0x07, 0xC1, 0xC9, 0x7FF] {
            let found = command(Ok(0), &command_out(u32::from(status), 9000, 0), 8192);
            assert_eq!(found, Err(ChannelError::Descriptor { status }));
        }
        let found = command(Ok(0), &command_out(0x1_0000, 10, 0), 8192);
        assert_eq!(found, Err(ChannelError::Descriptor { status: u16::MAX }));
    }

    #[test]
    fn a_command_with_no_or_too_long_an_answer_failed() {
        for (returned, byte_count) in [(0, 0), (0, 8193), (0, u32::MAX), (1, 46), (i32::MAX, 46)] {
            let found = command(Ok(returned), &command_out(0, byte_count, 0), 8192);
            assert!(matches!(found, Err(ChannelError::Answer(_))), "{returned} {byte_count}: {found:?}");
        }
    }

    /// Wire 6.5, row by row.
    #[test]
    fn the_result_matrix_of_the_fast_path() {
        let fp = |extended| Err(ChannelError::FastPath { result: 0, extended });
        let cipher = Cipher::Gcm(Direction::Encrypt);
        for (row, errno, code, wanted) in [
            (1, libc::EACCES, 0, Err(ChannelError::NotOwner)),
            (2, libc::EINVAL, 0, Err(ChannelError::Os { errno: libc::EINVAL, doing: "a fast-path call" })),
            (3, libc::EAGAIN, 0x0400_0001, Err(ChannelError::NotReady)),
            (4, libc::EAGAIN, 106, Err(ChannelError::NotReady)),
            (5, libc::EINVAL, 111, fp(111)),
            (6, libc::EINVAL, 109, fp(109)),
            (7, libc::EINVAL, 110, fp(110)),
            (8, libc::EINVAL, 107, fp(107)),
            (9, libc::EINVAL, 108, fp(108)),
            (10, libc::EINVAL, 114, fp(114)),
            (11, libc::EINVAL, 112, fp(112)),
            (12, libc::EINVAL, 118, fp(118)),
            (13, libc::EINVAL, 117, fp(117)),
            (14, libc::EINVAL, 113, fp(113)),
            (15, libc::EINVAL, 101, fp(101)),
        ] {
            let found = fast_path(Err(Errno(errno)), &fast_path_out(0, code, 0), cipher, 64);
            assert_eq!(found, wanted, "row {row}");
        }
        for (row, code, wanted) in [
            (16, 100, fp(100)),
            (17, 1, Err(ChannelError::Aborted)),
            (17, 2, Err(ChannelError::NotReady)),
            (17, 3, Err(ChannelError::NotReady)),
            (17, 4, Err(ChannelError::Aborted)),
            (17, 5, Err(ChannelError::Aborted)),
            (18, 0, Err(ChannelError::Aborted)),
            (20, 106, fp(106)),
        ] {
            assert_eq!(fast_path(Ok(0), &fast_path_out(0, code, 0), cipher, 64), wanted, "row {row}, code {code}");
            assert_eq!(fast_path(Ok(0), &fast_path_out(0, code, 0), Cipher::Xts, 64), wanted, "row {row}, code {code}");
        }
        let found = fast_path(Ok(0), &fast_path_out(2, 1, 0), cipher, 64);
        assert_eq!(found, Err(ChannelError::FastPath { result: 2, extended: 1 }), "row 19");
        assert_eq!(fast_path(Ok(0), &fast_path_out(0, 0, 64), cipher, 64), Ok(()), "row 21");
        let found = fast_path(Ok(8), &fast_path_out(0, 0, 64), cipher, 64);
        assert!(matches!(found, Err(ChannelError::Answer(_))), "row 22: {found:?}");
    }

    /// An error is an error even where the outputs look like a success (wire 6.5).
    #[test]
    fn a_fast_path_result_or_code_beside_a_byte_count_is_a_failure() {
        for cipher in [Cipher::Xts, Cipher::Gcm(Direction::Encrypt), Cipher::Gcm(Direction::Decrypt)] {
            for (result, extended) in [(1, 0), (0, 100), (4, 4), (0x7FFF, 0xFFFF)] {
                let found = fast_path(Ok(0), &fast_path_out(result, extended, 64), cipher, 64);
                assert_eq!(found, Err(ChannelError::FastPath { result, extended }));
            }
        }
    }

    #[test]
    fn both_faces_of_a_wrong_tag_are_one_error_and_only_on_decryption() {
        for (result, extended) in [(3, 9), (2, 0x2A)] {
            let out = fast_path_out(result, extended, 0);
            let decrypt = fast_path(Ok(0), &out, Cipher::Gcm(Direction::Decrypt), 64);
            assert_eq!(decrypt, Err(ChannelError::TagMismatch));
            for cipher in [Cipher::Xts, Cipher::Gcm(Direction::Encrypt)] {
                assert_eq!(fast_path(Ok(0), &out, cipher, 64), Err(ChannelError::FastPath { result, extended }));
            }
        }
        // The neighbours are other things.
        for (result, extended) in [(3, 0x2A), (2, 9), (2, 0x29), (3, 8)] {
            let found = fast_path(Ok(0), &fast_path_out(result, extended, 0), Cipher::Gcm(Direction::Decrypt), 64);
            assert_eq!(found, Err(ChannelError::FastPath { result, extended }));
        }
    }

    #[test]
    fn a_queue_that_goes_away_aborts() {
        for result in [7, 8] {
            let found = fast_path(Ok(0), &fast_path_out(result, 0, 0), Cipher::Xts, 64);
            assert_eq!(found, Err(ChannelError::Aborted));
        }
    }

    /// XTS demands its length; GCM takes any that is possible (wire 6.5).
    #[test]
    fn the_length_that_was_written_is_checked() {
        for (byte_count, xts, gcm) in [(64, true, true), (63, false, true), (1, false, true), (65, false, false)] {
            let out = fast_path_out(0, 0, byte_count);
            assert_eq!(fast_path(Ok(0), &out, Cipher::Xts, 64).is_ok(), xts, "{byte_count}");
            assert_eq!(fast_path(Ok(0), &out, Cipher::Gcm(Direction::Decrypt), 64).is_ok(), gcm, "{byte_count}");
        }
    }

    /// Wire 5.9.
    #[test]
    fn a_reset_is_judged_by_its_status() {
        let (einval, eio) = (Err(Errno(libc::EINVAL)), Err(Errno(libc::EIO)));
        assert_eq!(reset(Ok(0), 0), Ok(()));
        assert_eq!(reset(einval, 1), Err(ChannelError::NotReady));
        assert_eq!(reset(einval, 2), Err(ChannelError::Driver { errno: libc::EINVAL, code: 2 }));
        assert_eq!(reset(eio, 3), Err(ChannelError::Driver { errno: libc::EIO, code: 3 }));
        // The positive return that looks like success, and the success that is none.
        assert_eq!(reset(Ok(3), 3), Err(ChannelError::Driver { errno: 0, code: 3 }));
        assert_eq!(reset(Ok(0), 3), Err(ChannelError::Driver { errno: 0, code: 3 }));
        assert_eq!(reset(einval, 4), Err(ChannelError::Driver { errno: libc::EINVAL, code: 4 }));
        assert_eq!(reset(Err(Errno(libc::EACCES)), 0), Err(ChannelError::NotOwner));
        assert_eq!(reset(Err(Errno(libc::EAGAIN)), 0), Err(ChannelError::NotReady));
        assert!(matches!(reset(einval, 0), Err(ChannelError::Os { errno: libc::EINVAL, .. })));
        assert!(matches!(reset(Ok(3), 0), Err(ChannelError::Answer(_))));
    }

    /// Wire 5.8.
    #[test]
    fn a_device_info_that_fails_says_how() {
        assert_eq!(info(Ok(0)), Ok(()));
        assert!(matches!(info(Ok(1)), Err(ChannelError::Answer(_))));
        for (errno, wanted) in [
            (libc::EACCES, ChannelError::NotOwner),
            (libc::EAGAIN, ChannelError::NotReady),
            (libc::ENOTTY, ChannelError::NotReady),
            (libc::EBADRQC, ChannelError::Os { errno: libc::EBADRQC, doing: "asking for the device info" }),
        ] {
            assert_eq!(info(Err(Errno(errno))), Err(wanted));
        }
    }

    #[test]
    fn who_may_not_open_a_node_is_told_what_is_missing() {
        for (errno, word) in [
            (libc::EACCES, "udev rule"),
            (libc::EACCES, "group"),
            (libc::EPERM, "udev rule"),
            (libc::EPERM, "container"),
            (libc::ENOENT, "kernel module"),
            (libc::ENODEV, "no device"),
        ] {
            let text = open(Errno(errno)).to_string();
            assert!(text.contains(word) && text.contains(&format!("errno {errno}")), "{text}");
        }
        assert_eq!(open(Errno(libc::EMFILE)).to_string(), format!("opening the device node: errno {}", libc::EMFILE));
    }
}
