//! Forks and threads (wire 5.6).

#![expect(unsafe_code, reason = "fork(2)")]

use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};

use super::*;
use crate::channel::{Channel, ChannelError};

/// Held by the test that forks and by those that look at what is closed: for a moment, the child has their files too.
static FORK: Mutex<()> = Mutex::new(());

/// Whether the file that the driver opened last is closed.
fn closed(driver: &Puppet) -> bool {
    let mut pipe = driver.pipe.lock();
    let pipe = pipe.as_mut().unwrap();
    fcntl_setfl(&*pipe, OFlags::NONBLOCK).unwrap();
    match pipe.read(&mut [0]) {
        Ok(0) => true,
        Err(why) if why.kind() == ErrorKind::WouldBlock => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_opener_closes_its_file() {
    let _turn = FORK.lock();
    let driver = Puppet::new(|_| panic!("no call is needed"));
    drop(handle(&driver));
    assert!(closed(&driver));
}

#[test]
fn a_handle_of_another_process_makes_no_call() {
    let driver = Puppet::new(|_| panic!("called"));
    let handle = handle(&driver).inherited();
    let mut response = b"old".to_vec();
    assert_eq!(handle.exchange(PLAIN, b"x", &mut response), Err(ChannelError::NotOwner));
    assert!(response.is_empty());
    assert_eq!(handle.gcm(gcm_call(Direction::Encrypt, b"", &mut [0; 16])), Err(ChannelError::NotOwner));
    assert_eq!(handle.xts(xts_call(16, &mut [0; 16])), Err(ChannelError::NotOwner));
    assert_eq!(handle.info().map(drop), Err(ChannelError::NotOwner));
    assert_eq!(handle.reset(), Err(ChannelError::NotOwner));
    assert_eq!(driver.calls(), 0);
    std::mem::forget(handle);
}

#[test]
fn a_child_closes_what_is_for_certain_inherited() {
    let _turn = FORK.lock();
    let driver = Puppet::info(|_| Err(Errno(libc::EACCES)));
    drop(handle(&driver).inherited());
    assert!(closed(&driver));
}

#[test]
fn a_child_keeps_a_handle_that_turns_out_to_be_its_own() {
    let _turn = FORK.lock();
    for answer in [Ok(0), Err(Errno(libc::EAGAIN)), Err(Errno(libc::ENOTTY))] {
        let driver = Puppet::info(move |_| answer);
        drop(handle(&driver).inherited());
        assert!(!closed(&driver), "{answer:?}");
    }
}

/// A daemon closes every descriptor after its fork, and opens files of its own that get the same numbers.
#[test]
fn a_child_leaves_alone_a_number_that_is_another_file_now() {
    let driver = Puppet::new(|_| panic!("another file got an ioctl"));
    let handle = handle(&driver).inherited();
    let number = handle.raw_file().as_raw_fd();
    let other = std::fs::File::open("/dev/null").unwrap();
    // SAFETY: both numbers are open; the second one becomes the first one's file.
    assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
    drop(handle);
    // SAFETY: asks for the flags of a number, which may be any.
    assert_ne!(unsafe { libc::fcntl(number, libc::F_GETFD) }, -1, "closed a file of the program");
    // SAFETY: the number is open and nobody owns it any more.
    unsafe { libc::close(number) };
}

/// The thing itself: a real child, which may not use the handle and whose drop costs the parent nothing.
#[test]
fn host_duty_10_a_forked_child_is_refused_and_the_parent_notices_nothing() {
    let _turn = FORK.lock();
    let parent = std::process::id();
    let driver = Puppet::new(move |call| match call {
        Call::Command { argument, destination, .. } => {
            destination[..2].copy_from_slice(b"ok");
            argument.out.byte_count = 2;
            Ok(0)
        }
        Call::Info { .. } if std::process::id() != parent => Err(Errno(libc::EACCES)),
        _ => panic!("unexpected call"),
    });
    let handle = handle(&driver);
    let mut response = Vec::with_capacity(8192);
    // SAFETY: the child runs only what follows, allocates nothing but through glibc, whose allocator survives a fork, and
    // leaves by _exit.
    match unsafe { libc::fork() } {
        0 => {
            let refused = handle.exchange(PLAIN, b"x", &mut response) == Err(ChannelError::NotOwner);
            let untouched = driver.calls() == 0;
            drop(handle);
            let asked = driver.calls() == 1;
            // SAFETY: ends the child without running anything else.
            unsafe { libc::_exit(i32::from(!(refused && untouched && asked))) }
        }
        child => {
            assert!(child > 0);
            let mut status = 0;
            // SAFETY: the child is ours, and the status is a place for its status.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
        }
    }
    assert_eq!(handle.exchange(PLAIN, b"x", &mut response), Ok(()));
    assert_eq!(response, b"ok");
    assert!(!closed(&driver));
}

/// "Serialise OpenSession/CloseSession per handle" (wire 5.6), and nothing else.
#[test]
fn sessions_are_opened_and_closed_one_at_a_time() {
    let (changing, working, most_working) = (AtomicUsize::new(0), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most_working);
    let driver = Puppet::commands(move |argument, _, _| {
        let kind = argument.input.session_control & 3;
        let (counter, limit) = if kind == 3 { (&working, 8) } else { (&changing, 1) };
        let now = counter.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now <= limit, "{now} at once");
        if kind == 3 {
            most_working.fetch_max(now, Ordering::SeqCst);
        }
        thread::sleep(Duration::from_millis(20));
        counter.fetch_sub(1, Ordering::SeqCst);
        argument.out.byte_count = 1;
        Ok(0)
    });
    let handle = handle(&driver);
    let controls = [
        Control { kind: SessionControl::Open, session: None },
        Control { kind: SessionControl::Close, session: Some(1) },
        Control { kind: SessionControl::InSession, session: Some(1) },
        Control { kind: SessionControl::InSession, session: Some(1) },
    ];
    thread::scope(|scope| {
        for control in controls.into_iter().cycle().take(8) {
            let handle = &handle;
            scope.spawn(move || handle.exchange(control, b"x", &mut Vec::new()).unwrap());
        }
    });
    assert_eq!(driver.calls(), 8);
    assert!(seen.load(Ordering::SeqCst) > 1, "commands in a session waited for each other");
}
