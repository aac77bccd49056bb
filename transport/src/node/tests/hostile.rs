//! Short, long, torn and hostile answers, and what is refused before a call.

use std::fs;

use proptest::prelude::*;

use super::super::layouts::Zeroed;
use super::super::{devices, devices_in, node_number, text};
use super::*;
use crate::channel::{Channel, ChannelError, Device};

#[test]
fn a_request_of_4096_bytes_is_sent_and_one_more_is_not() {
    let driver = Puppet::commands(|argument, source, destination| {
        assert_eq!((source.len(), destination.len()), (4096, 8192));
        argument.out.byte_count = 1;
        Ok(0)
    });
    let handle = handle(&driver);
    let mut response = b"old".to_vec();
    let found = handle.exchange(PLAIN, &[0; 4097], &mut response);
    assert_eq!(found, Err(ChannelError::RequestTooLong { len: 4097 }));
    assert_eq!(handle.exchange(PLAIN, &[], &mut response), Err(ChannelError::Descriptor { status: 0xC1 }));
    assert!(response.is_empty());
    assert_eq!(driver.calls(), 0);
    assert_eq!(handle.exchange(PLAIN, &[0; 4096], &mut response), Ok(()));
}

/// However the driver lies, the answer is an error and nothing of the buffer gets out.
#[test]
fn a_command_that_is_short_long_or_torn_leaves_no_answer() {
    type Lie = fn(&mut Command) -> Returned;
    let lies: [(&str, Lie, ChannelError); 8] = [
        ("nothing written back", |_| Ok(0), ChannelError::Answer("a command succeeded without an answer")),
        (
            "longer than the room",
            |argument| {
                argument.out.byte_count = 8193;
                Ok(0)
            },
            ChannelError::Answer("the answer is longer than the buffer it is in"),
        ),
        (
            "absurdly long",
            |argument| {
                argument.out.byte_count = u32::MAX;
                Ok(0)
            },
            ChannelError::Answer("the answer is longer than the buffer it is in"),
        ),
        (
            "positive",
            |argument| {
                argument.out.byte_count = 10;
                Ok(3)
            },
            ChannelError::Answer("a command returned a positive number"),
        ),
        (
            // Row 2 of wire 5.5: the whole argument comes back as zeros.
            "torn",
            |argument| {
                *argument = Command::ZEROED;
                Err(Errno(libc::EINVAL))
            },
            ChannelError::Os { errno: libc::EINVAL, doing: "sending a command" },
        ),
        (
            "aborted with an answer in the buffer",
            |argument| {
                (argument.out.byte_count, argument.out.extended_status) = (10, 0x0400_0002);
                Err(Errno(libc::EAGAIN))
            },
            ChannelError::Aborted,
        ),
        (
            "failed with an answer in the buffer",
            |argument| {
                (argument.out.byte_count, argument.out.status) = (10, 7);
                Ok(0)
            },
            ChannelError::Descriptor { status: 7 },
        ),
        ("gone", |_| Err(Errno(libc::ENODEV)), ChannelError::Os { errno: libc::ENODEV, doing: "sending a command" }),
    ];
    for (what, lie, wanted) in lies {
        let driver = Puppet::commands(move |argument, _, destination| {
            destination.fill(0xEE);
            lie(argument)
        });
        let mut response = Vec::with_capacity(10_000);
        assert_eq!(handle(&driver).exchange(PLAIN, b"x", &mut response), Err(wanted), "{what}");
        assert!(response.is_empty() && response.capacity() == 10_000, "{what}");
        assert_eq!(driver.calls(), 1, "{what}: the carrier does not repeat");
    }
}

#[test]
fn the_buffer_is_clean_before_every_command() {
    let driver = Puppet::commands(|argument, _, destination| {
        assert!(destination.iter().all(|&byte| byte == 0));
        destination.fill(0xEE);
        argument.out.byte_count = 5000;
        Ok(0)
    });
    let handle = handle(&driver);
    let mut response = Vec::new();
    for _ in 0..2 {
        handle.exchange(PLAIN, b"x", &mut response).unwrap();
        assert_eq!(response, [0xEE; 5000]);
    }
}

/// Neither the caller's data nor the next call's buffer ever shows what a failed decryption produced.
#[test]
fn a_failed_decryption_shows_no_plaintext() {
    type Failure = fn(&mut FastPath<Gcm>) -> Returned;
    let failures: [(&str, Failure, ChannelError); 6] = [
        (
            "tag mismatch of the engine",
            |argument| {
                (argument.out.result, argument.out.extended_status) = (3, 9);
                Ok(0)
            },
            ChannelError::TagMismatch,
        ),
        (
            "tag mismatch of the correction",
            |argument| {
                (argument.out.result, argument.out.extended_status) = (2, 0x2A);
                Ok(0)
            },
            ChannelError::TagMismatch,
        ),
        ("late completion", |_| Ok(0), ChannelError::Aborted),
        (
            "more than there is room for",
            |argument| {
                argument.out.byte_count = 81;
                Ok(0)
            },
            ChannelError::Answer("AES-GCM wrote more than the buffer holds"),
        ),
        (
            "not written back",
            |argument| {
                argument.out.byte_count = 80;
                Ok(400)
            },
            ChannelError::Answer("a fast-path call was not written back"),
        ),
        (
            // Wire 6.5, after the table.
            "lengths reduced, pointers gone",
            |argument| {
                *argument = FastPath::ZEROED;
                argument.out.extended_status = 1;
                Ok(0)
            },
            ChannelError::Aborted,
        ),
    ];
    for (what, failure, wanted) in failures {
        let driver = Puppet::gcm(move |argument, source, destination| {
            assert_eq!((source.len(), destination.len()), (32 + 48, 32 + 48));
            assert!(destination.iter().all(|&byte| byte == 0), "{what}: a buffer was not clean");
            destination.fill(0xEE);
            failure(argument)
        });
        let handle = handle(&driver);
        for _ in 0..2 {
            let mut data = [0xC1; 48];
            let found = handle.gcm(gcm_call(Direction::Decrypt, &[7; 20], &mut data));
            assert_eq!(found, Err(wanted.clone()), "{what}");
            assert_eq!(data, [0xC1; 48], "{what}");
        }
        assert_eq!(driver.calls(), 2);
    }
}

/// An approved key takes an IV of its own, and that one is the message's (wire 6.2).
#[test]
fn the_iv_of_an_encryption_is_the_one_that_the_device_reports() {
    let driver = Puppet::gcm(|argument, source, destination| {
        assert_eq!(argument.parameters.tag, [0; 16], "no tag goes into an encryption");
        assert_eq!(argument.parameters.iv, [4; 12]);
        destination.fill(0xEE);
        argument.out.byte_count = u32::try_from(source.len()).unwrap();
        (argument.out.command_specific, argument.out.iv) = ([8; 16], [9; 12]);
        argument.out.fips_approved = 1;
        Ok(0)
    });
    let mut data = [0; 5];
    let reply = handle(&driver).gcm(gcm_call(Direction::Encrypt, b"bound", &mut data)).unwrap();
    assert_eq!((reply.tag, reply.iv, reply.fips_approved), ([8; 16], [9; 12], true));
    assert_eq!(data, [0xEE; 5]);
    // Decryption: what stands in those places is not looked at.
    let driver = Puppet::gcm(|argument, _, _| {
        assert_eq!(argument.parameters.tag, [5; 16]);
        argument.out.byte_count = 5;
        (argument.out.command_specific, argument.out.iv) = ([8; 16], [9; 12]);
        Ok(0)
    });
    let reply = handle(&driver).gcm(gcm_call(Direction::Decrypt, b"", &mut data)).unwrap();
    assert_eq!((reply.tag, reply.iv), ([0; 16], [4; 12]));
}

#[test]
fn the_device_writes_to_page_aligned_memory_that_is_not_the_callers() {
    let check = |source: &[u8], destination: &[u8]| {
        assert_eq!(destination.as_ptr().addr() % 4096, 0);
        assert_ne!(source.as_ptr(), destination.as_ptr());
    };
    let driver = Puppet::new(move |call| match call {
        Call::Gcm { argument, source, destination } => {
            check(source, destination);
            argument.out.byte_count = 1;
            Ok(0)
        }
        Call::Xts { argument, source, destination } => {
            check(source, destination);
            argument.out.byte_count = u32::try_from(source.len()).unwrap();
            Ok(0)
        }
        _ => panic!("unexpected call"),
    });
    let handle = handle(&driver);
    for len in [1, 16, 5000, 2 << 20] {
        let mut data = vec![0; len];
        handle.gcm(gcm_call(Direction::Encrypt, b"", &mut data)).unwrap();
        handle.gcm(gcm_call(Direction::Encrypt, &[1; 100], &mut data)).unwrap();
        handle.xts(xts_call(len, &mut data)).unwrap();
    }
}

#[test]
fn what_cannot_be_said_to_the_driver_is_refused_before_the_call() {
    let driver = Puppet::new(|_| panic!("called"));
    let handle = handle(&driver);
    let gcm = Err(ChannelError::FastPath { result: 0, extended: 117 });
    assert_eq!(handle.gcm(gcm_call(Direction::Encrypt, b"aad", &mut [])), gcm);
    let mut data = [0; 16];
    let call = GcmCall { tag: None, ..gcm_call(Direction::Decrypt, b"aad", &mut data) };
    assert_eq!(handle.gcm(call), gcm);
    let xts = Err(ChannelError::FastPath { result: 0, extended: 118 });
    assert_eq!(handle.xts(xts_call(0, &mut [])), xts);
    assert_eq!(handle.xts(xts_call(32, &mut [0; 64])), xts);
    assert_eq!(handle.xts(xts_call(0, &mut [0; 64])), xts);
}

#[test]
fn an_xts_call_that_wrote_less_leaves_the_data_alone() {
    for byte_count in [0, 1, 511, 513] {
        let driver = Puppet::xts(move |argument, _, destination| {
            destination.fill(0xEE);
            argument.out.byte_count = byte_count;
            Ok(0)
        });
        let mut data = [7; 512];
        assert!(handle(&driver).xts(xts_call(512, &mut data)).is_err(), "{byte_count}");
        assert_eq!(data, [7; 512]);
    }
}

#[test]
fn a_reset_asks_for_the_subsystem_and_reads_its_status() {
    for (status, returned, works) in [(0, Ok(0), true), (3, Ok(3), false), (3, Ok(0), false), (0, Ok(1), false)] {
        let driver = Puppet::reset(move |argument| {
            assert_eq!(argument.abort_type, 1);
            argument.abort_status = status;
            returned
        });
        assert_eq!(node(driver).reset().is_ok(), works, "{status} {returned:?}");
    }
}

/// Wire 5.8: neither UTF-8 nor an end is promised.
#[test]
fn device_texts_are_trimmed_and_survive_any_bytes() {
    let driver = Puppet::info(|argument| {
        assert_eq!(argument.argsz, 176);
        argument.serial_num[..32].copy_from_slice(b"  AB\xff1234567890123456789012345  ");
        argument.firmware_rev = [b' '; 33];
        argument.pci_info[..12].copy_from_slice(b"0000:65:00.0");
        Ok(0)
    });
    let info = node(driver.clone()).info().unwrap();
    assert_eq!(info.name, "/dev/azihsm7");
    assert_eq!(info.serial, "AB\u{fffd}1234567890123456789012345");
    assert_eq!(info.firmware, "");
    assert!(!info.emulated);
    assert_eq!(node(driver).details().unwrap().pci_address, "0000:65:00.0");
    assert_eq!(text(b"\0\0 a\nb\0c \0"), "a\u{fffd}b\u{fffd}c");
    assert_eq!(text(&[0; 33]), "");
}

#[test]
fn the_entropy_is_not_in_debug_output() {
    let driver = Puppet::info(|argument| {
        argument.device_entropy = [0xA7; 32];
        Ok(0)
    });
    let details = node(driver).details().unwrap();
    assert_eq!(details.entropy, [0xA7; 32]);
    assert!(!format!("{details:?}").contains("167"));
}

#[test]
fn a_node_that_does_not_open_says_why() {
    let driver = Arc::new(Puppet {
        answer: Box::new(|_| panic!("called")),
        calls: AtomicUsize::new(0),
        open: Some(Errno(libc::EACCES)),
        pipe: Mutex::default(),
    });
    for found in
        [node(driver.clone()).info().map(drop), node(driver.clone()).open().map(drop), node(driver.clone()).reset()]
    {
        let Err(ChannelError::Os { errno: libc::EACCES, doing }) = found else { panic!("{found:?}") };
        assert!(doing.contains("udev rule"), "{doing}");
    }
}

/// Wire 5.1: `azihsm` and digits, in the order of the numbers.
#[test]
fn nodes_are_found_by_name_and_ordered_by_number() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "azihsm10",
        "azihsm2",
        "azihsm0",
        "azihsm-mgmt0",
        "azihsm",
        "azihsm1a",
        "azihsm01",
        "azihsm+3",
        "azihsm-1",
        "azihsm99999999999",
        "xazihsm4",
        "AZIHSM5",
        "azihsm 6",
        "null",
    ] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let found = devices_in(folder.path());
    let paths: Vec<_> = found.iter().map(|node| node.path().to_owned()).collect();
    assert_eq!(paths, ["azihsm0", "azihsm2", "azihsm10"].map(|name| folder.path().join(name)));
    assert_eq!(found.iter().map(|node| node.number()).collect::<Vec<_>>(), [0, 2, 10]);
    // They are not devices, and say so.
    assert_eq!(found[0].info(), Err(ChannelError::NotReady));
    assert!(devices_in(&folder.path().join("missing")).is_empty());
    assert!(devices().iter().all(|node| node.path().parent() == Some(Path::new("/dev"))));
    assert_eq!(node_number("azihsm1039"), Some(1039));
}

prop_compose! {
    fn returned()(kind in 0..4, errno in prop_oneof![Just(libc::EAGAIN), Just(libc::EINVAL), 1..200], any in 1..i32::MAX)
        -> Returned {
        match kind {
            0 => Err(Errno(errno)),
            1 => Ok(any),
            _ => Ok(0),
        }
    }
}

fn code() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0), 2 => 0..130_u32, 1 => 0x0400_0000..0x0400_0010_u32, 1 => any::<u32>()]
}

proptest! {
    /// Whatever a driver writes, a command is either a success by the criteria of wire 5.4 or an error without an answer.
    #[test]
    fn no_command_outcome_panics_or_passes(
        returned in returned(),
        status in code(),
        byte_count in prop_oneof![0..10_000_u32, any::<u32>()],
        extended in code(),
    ) {
        let driver = Puppet::commands(move |argument, _, destination| {
            destination.fill(0xEE);
            (argument.out.status, argument.out.byte_count) = (status, byte_count);
            argument.out.extended_status = extended;
            returned
        });
        let mut response = Vec::new();
        let found = handle(&driver).exchange(PLAIN, b"x", &mut response);
        let good = returned == Ok(0) && status == 0 && (1..=8192).contains(&byte_count);
        prop_assert_eq!(found.is_ok(), good);
        prop_assert_eq!(response.len(), if good { byte_count as usize } else { 0 });
    }

    /// Whatever a driver writes, a fast-path call is either a success by wire 6.5 or an error that leaves the data alone.
    #[test]
    fn no_fast_path_outcome_panics_or_passes(
        returned in returned(),
        result in code(),
        byte_count in prop_oneof![0..200_u32, any::<u32>()],
        extended in code(),
        aad in 0..70_usize,
        len in 1..100_usize,
        decrypt in any::<bool>(),
    ) {
        let driver = Puppet::new(move |call| {
            let (out, destination) = match call {
                Call::Gcm { argument, destination, .. } => (&mut argument.out, destination),
                Call::Xts { argument, destination, .. } => (&mut argument.out, destination),
                _ => panic!("unexpected call"),
            };
            destination.fill(0xEE);
            (out.result, out.byte_count, out.extended_status) = (result, byte_count, extended);
            returned
        });
        let handle = handle(&driver);
        let direction = if decrypt { Direction::Decrypt } else { Direction::Encrypt };
        let clean = returned == Ok(0) && result == 0 && extended == 0;
        let total = aad.next_multiple_of(32) + len;

        let mut data = vec![7; len];
        let found = handle.gcm(gcm_call(direction, &vec![1; aad], &mut data));
        let good = clean && (1..=total).contains(&(byte_count as usize));
        prop_assert_eq!(found.is_ok(), good);
        prop_assert_eq!(data, vec![if good { 0xEE } else { 7 }; len]);

        let mut data = vec![7; len];
        let found = handle.xts(xts_call(len, &mut data));
        let good = clean && byte_count as usize == len;
        prop_assert_eq!(found.is_ok(), good);
        prop_assert_eq!(data, vec![if good { 0xEE } else { 7 }; len]);
    }

    /// The layout of every buffer that leaves: additional data in its place, zeros around it, then the payload (wire 6.2).
    #[test]
    fn a_gcm_buffer_is_laid_out(aad in proptest::collection::vec(1..=255_u8, 0..200), len in 1..200_usize) {
        let wanted = aad.clone();
        let driver = Puppet::gcm(move |argument, source, destination| {
            let (area, payload) = source.split_at(wanted.len().next_multiple_of(32));
            assert_eq!(argument.parameters.actual_aad_len as usize, wanted.len());
            assert_eq!(argument.parameters.aligned_aad_len as usize, area.len());
            assert_eq!(argument.parameters.enable_workaround, 1);
            let start = if (1..=16).contains(&(wanted.len() % 32)) { 16 } else { 0 };
            assert_eq!(&area[start..start + wanted.len()], &wanted[..]);
            assert!(area[..start].iter().chain(&area[start + wanted.len()..]).all(|&byte| byte == 0));
            assert_eq!(payload, vec![7; len]);
            destination.copy_from_slice(source);
            argument.out.byte_count = u32::try_from(source.len()).unwrap();
            Ok(0)
        });
        let mut data = vec![7; len];
        handle(&driver).gcm(gcm_call(Direction::Encrypt, &aad, &mut data)).unwrap();
        prop_assert_eq!(data, vec![7; len]);
    }
}
