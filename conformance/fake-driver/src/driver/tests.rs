//! The driver's rules, by the rows of the protocol document. Requests here are no frames: the driver never looks inside.

use tempfile::TempDir;

use super::*;

const OWNER: i32 = 4711;

struct Rig {
    device: Arc<Device>,
    file: OpenFile,
    _folder: TempDir,
}

fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let device = Arc::new(Device::new(folder.path(), &Options::default(), 0).unwrap());
    let file = OpenFile::open(&device, OWNER).unwrap();
    Rig { device, file, _folder: folder }
}

/// A command with plausible pointers, of one request byte that is no frame.
fn command(change: impl FnOnce(&mut Vec<u8>)) -> Call {
    let mut argument = vec![0; COMMAND_LEN];
    put(&mut argument, 0, 112);
    put(&mut argument, 16, 0xC0FFEE);
    put(&mut argument, 32, 1);
    put(&mut argument, 40, 0x1000);
    put(&mut argument, 48, 8192);
    put(&mut argument, 56, 0x2000);
    change(&mut argument);
    Call { number: COMMAND, argument, source: Some(vec![0xA0]) }
}

/// Return value and driver code.
fn outcome(reply: &Reply) -> (i32, u32) {
    (reply.returned, u32::from_le_bytes(field(&reply.argument, 104)))
}

#[test]
fn the_refusals_of_a_command_in_their_order() {
    let rig = rig();
    let refusal = |change: fn(&mut Vec<u8>)| outcome(&rig.file.ioctl(OWNER, command(change)));
    let invalid = |code| (-libc::EINVAL, code);
    assert_eq!(refusal(|argument| put(argument, 24, 1 << 16)), invalid(2));
    assert_eq!(refusal(|argument| put(argument, 32, 8193)), invalid(3));
    assert_eq!(refusal(|argument| put(argument, 48, 8193)), invalid(4));
    assert_eq!(refusal(|argument| put(argument, 40, 0)), invalid(5));
    assert_eq!(refusal(|argument| put(argument, 32, 0)), invalid(5));
    assert_eq!(refusal(|argument| put(argument, 56, 0)), invalid(7));
    // Close and InSession on a handle that owns no session.
    assert_eq!(refusal(|argument| argument[64] = 0x06), invalid(12));
    assert_eq!(refusal(|argument| argument[64] = 0x07), invalid(12));
    // The command set comes before the lengths, and those before the session.
    let all = |argument: &mut Vec<u8>| {
        put(argument, 24, 1 << 16);
        put(argument, 32, 8193);
        argument[64] = 0x07;
    };
    assert_eq!(refusal(all), invalid(2));
    let unreadable = Call { source: None, ..command(|_| ()) };
    assert_eq!(outcome(&rig.file.ioctl(OWNER, unreadable)), invalid(5));
}

#[test]
fn only_the_opener_may_call() {
    let rig = rig();
    for number in [COMMAND, INFO, RESET, GCM, XTS, 0xC070_4202] {
        let reply = rig.file.ioctl(OWNER + 1, Call { number, argument: vec![0; 400], source: None });
        assert_eq!((reply.returned, reply.argument.len()), (-libc::EACCES, 0), "{number:x}");
    }
}

#[test]
fn unknown_requests_are_bad_requests() {
    let rig = rig();
    for number in [0xC070_4202, 0xC028_4205, 0x5401] {
        let reply = rig.file.ioctl(OWNER, Call { number, ..Call::default() });
        assert_eq!(reply.returned, -libc::EBADRQC, "{number:x}");
    }
}

#[test]
fn a_short_command_is_overwritten_with_zeros() {
    let rig = rig();
    let reply = rig.file.ioctl(OWNER, command(|argument| put(argument, 0, 111)));
    assert_eq!((reply.returned, reply.argument), (-libc::EINVAL, vec![0; COMMAND_LEN]));
}

#[test]
fn a_command_that_came_through_echoes_its_context() {
    let rig = rig();
    let reply = rig.file.ioctl(OWNER, command(|_| ()));
    assert_eq!(outcome(&reply), (0, 0));
    assert_eq!(u64::from_le_bytes(field(&reply.argument, 88)), 0xC0FFEE);
    let count = u32::from_le_bytes(field(&reply.argument, 100)) as usize;
    assert!(count > 0 && count == reply.destination.len(), "the device says what it thinks of that frame");
    // No more of it than there is room for.
    let reply = rig.file.ioctl(OWNER, command(|argument| put(argument, 48, 3)));
    assert_eq!((u32::from_le_bytes(field(&reply.argument, 100)), reply.destination.len()), (3, 3));
    // The driver lets 8192 bytes through, and the device 4096.
    let long = Call { source: Some(vec![0xA0; 4097]), ..command(|argument| put(argument, 32, 4097)) };
    let reply = rig.file.ioctl(OWNER, long);
    assert_eq!((reply.returned, u32::from_le_bytes(field(&reply.argument, 96))), (0, BAD_LENGTH));
}

#[test]
fn a_device_that_is_not_ready_says_so_in_three_ways() {
    let rig = rig();
    rig.device.set_ready(false);
    assert_eq!(outcome(&rig.file.ioctl(OWNER, command(|_| ()))), (-libc::EAGAIN, 10));
    let mut info = vec![0; INFO_LEN];
    put(&mut info, 0, 176);
    assert_eq!(rig.file.ioctl(OWNER, Call { number: INFO, argument: info, source: None }).returned, -libc::ENOTTY);
    let mut fast = vec![0; 400];
    put(&mut fast, 0, 400);
    let reply = rig.file.ioctl(OWNER, Call { number: GCM, argument: fast, source: None });
    assert_eq!((reply.returned, u32::from_le_bytes(field(&reply.argument, 272))), (-libc::EAGAIN, 106));
    rig.device.set_ready(true);
    assert_eq!(rig.file.ioctl(OWNER, command(|_| ())).returned, 0);
}

#[test]
fn the_refusals_of_a_fast_path_call() {
    let rig = rig();
    let refusal = |number, change: fn(&mut Vec<u8>)| {
        let mut argument = vec![0; 400];
        put(&mut argument, 0, 400);
        argument[25] = (number == XTS).into();
        put(&mut argument, 32, 0x1000);
        put(&mut argument, 40, 64);
        put(&mut argument, 48, 0x2000);
        put(&mut argument, 56, 64);
        argument[64] = 1;
        argument[112] = (number == GCM).into();
        change(&mut argument);
        let reply = rig.file.ioctl(OWNER, Call { number, argument, source: Some(vec![0; 64]) });
        (reply.returned, u32::from_le_bytes(field(&reply.argument, 272)))
    };
    let invalid = |code| (-libc::EINVAL, code);
    for number in [GCM, XTS] {
        assert_eq!(refusal(number, |_| ()), invalid(109), "no session");
        assert_eq!(refusal(number, |argument| argument[24] = 2), invalid(114));
        assert_eq!(refusal(number, |argument| argument[25] ^= 1), invalid(112));
        assert_eq!(refusal(number, |argument| argument[64] = 0), invalid(113));
        assert_eq!(refusal(number, |argument| put(argument, 48, 0)), invalid(103));
    }
    // Additional data as long as everything; an alignment that is none; a destination that is too small.
    assert_eq!(refusal(GCM, |argument| put(argument, 104, 64)), invalid(117));
    assert_eq!(refusal(GCM, |argument| put(argument, 108, 33)), invalid(117));
    assert_eq!(refusal(GCM, |argument| put(argument, 56, 63)), invalid(117));
    assert_eq!(refusal(XTS, |argument| put(argument, 56, 63)), invalid(118));
    assert_eq!(refusal(XTS, |argument| put(argument, 72, 4)), invalid(118));
    // 64 bytes are no number of units of 512.
    assert_eq!(refusal(XTS, |argument| put(argument, 72, 1)), invalid(118));
}

#[test]
fn device_info_and_reset_look_at_their_arguments() {
    let rig = rig();
    let info = |size: u32| {
        let mut argument = vec![0xEE; INFO_LEN];
        put(&mut argument, 0, size);
        rig.file.ioctl(OWNER, Call { number: INFO, argument, source: None })
    };
    assert_eq!(info(175).returned, -libc::EINVAL);
    let (before, reset) = (info(176), |kind| {
        let mut argument = vec![0; RESET_LEN];
        put(&mut argument, 0, 272);
        put(&mut argument, 24, kind);
        let reply = rig.file.ioctl(OWNER, Call { number: RESET, argument, source: None });
        (reply.returned, u32::from_le_bytes(field(&reply.argument, 108)))
    });
    assert_eq!(before.argument.len(), 175);
    assert!(before.argument[6..].starts_with(b"0000:65:00.0\0"));
    // What the driver does not touch stays the caller's.
    assert_eq!(before.argument[126..143], [0xEE; 17]);
    assert_eq!(reset(0), (-libc::EINVAL, 4));
    assert_eq!(info(176).argument, before.argument);
    assert_eq!(reset(1), (0, 0));
    assert_ne!(info(176).argument[143..], before.argument[143..], "the entropy is drawn anew");
    assert_eq!(info(176).argument[..143], before.argument[..143]);
}

#[test]
fn open_files_are_counted_and_can_be_refused() {
    let Rig { device, file, _folder } = rig();
    let other = OpenFile::open(&device, OWNER).unwrap();
    assert_eq!(device.files(), 2);
    drop((file, other));
    assert_eq!(device.files(), 0);
    device.refuse_open(libc::EACCES);
    assert_eq!(OpenFile::open(&device, OWNER).err(), Some(libc::EACCES));
}
