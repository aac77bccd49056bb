//! The carrier over drivers that are not there: one that replays what the SDK's Linux client did, one that misbehaves.

mod emulated;
mod hostile;
mod processes;
mod replay;

use std::fmt;
use std::io::{self, PipeReader};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::Node;
use super::handle::Handle;
use super::ioctl::{Call, Driver, Errno, Returned};
use super::layouts::{Command, FastPath, Gcm, InfoArgument, Reset, Xts};
use crate::channel::{Control, Direction, GcmCall, XtsCall};
use crate::ddi::SessionControl;

/// A driver that does what the test says, and counts.
struct Puppet {
    answer: Box<Answer>,
    calls: AtomicUsize,
    open: Option<Errno>,
    /// Of the pipe that the last open file is the other end of: at its end once the file is closed.
    pipe: Mutex<Option<PipeReader>>,
}

type Answer = dyn Fn(Call<'_>) -> Returned + Send + Sync;

impl Puppet {
    fn new(answer: impl Fn(Call<'_>) -> Returned + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), calls: AtomicUsize::new(0), open: None, pipe: Mutex::default() })
    }

    /// Answers commands only.
    fn commands(answer: impl Fn(&mut Command, &[u8], &mut [u8]) -> Returned + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |call| match call {
            Call::Command { argument, source, destination } => answer(argument, source, destination),
            _ => panic!("not a command"),
        })
    }

    fn gcm(answer: impl Fn(&mut FastPath<Gcm>, &[u8], &mut [u8]) -> Returned + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |call| match call {
            Call::Gcm { argument, source, destination } => answer(argument, source, destination),
            _ => panic!("not GCM"),
        })
    }

    fn xts(answer: impl Fn(&mut FastPath<Xts>, &[u8], &mut [u8]) -> Returned + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |call| match call {
            Call::Xts { argument, source, destination } => answer(argument, source, destination),
            _ => panic!("not XTS"),
        })
    }

    fn info(answer: impl Fn(&mut InfoArgument) -> Returned + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |call| match call {
            Call::Info { argument } => answer(argument),
            _ => panic!("not the device info"),
        })
    }

    fn reset(answer: impl Fn(&mut Reset) -> Returned + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |call| match call {
            Call::Reset { argument } => answer(argument),
            _ => panic!("not a reset"),
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Puppet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Puppet")
    }
}

impl Driver for Puppet {
    fn open(&self, _: &Path) -> Result<OwnedFd, Errno> {
        if let Some(errno) = self.open {
            return Err(errno);
        }
        let (reader, writer) = io::pipe().unwrap();
        *self.pipe.lock() = Some(reader);
        Ok(writer.into())
    }

    fn ioctl(&self, _: BorrowedFd<'_>, call: Call<'_>) -> Returned {
        self.calls.fetch_add(1, Ordering::SeqCst);
        (self.answer)(call)
    }
}

fn node(driver: Arc<dyn Driver>) -> Node {
    Node { path: PathBuf::from("/dev/azihsm7"), number: 7, driver }
}

fn handle(driver: &Arc<Puppet>) -> Handle {
    Handle::open(Arc::clone(driver) as Arc<dyn Driver>, Path::new("/dev/azihsm7")).unwrap()
}

const PLAIN: Control = Control { kind: SessionControl::NoSession, session: None };

fn gcm_call<'a>(direction: Direction, aad: &'a [u8], data: &'a mut [u8]) -> GcmCall<'a> {
    GcmCall { direction, session: 1, short_app_id: 2, bulk_key: 3, iv: [4; 12], tag: Some([5; 16]), aad, data }
}

fn xts_call(data_unit_len: usize, data: &mut [u8]) -> XtsCall<'_> {
    XtsCall {
        direction: Direction::Encrypt,
        session: 1,
        short_app_id: 2,
        data_key: 3,
        tweak_key: 4,
        tweak: [5; 16],
        data_unit_len,
        data,
    }
}
