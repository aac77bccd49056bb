//! The server under the preloaded library: the kernel's driver, and chips that are the emulator, for any number of
//! processes.
//!
//! ```text
//! fake-driver FOLDER [--kind virtual|physical] [--devices N] [--options JSON]
//! ```
//!
//! It makes `FOLDER/dev` (what a program with `LD_PRELOAD` and `AZIHSM_FAKE_DRIVER=FOLDER` finds in `/dev`), keeps what
//! the chips keep in `FOLDER/chip<N>`, prints `ready`, and serves until its standard input ends, so that it never outlives
//! a test. `FOLDER/control.sock` takes orders, a JSON object per line, and answers with one: see `control`.

#[allow(dead_code, reason = "each end uses its half")]
mod carriage;
mod control;
mod driver;
mod fast_path;

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use transport::emulator::{Kind, Options};

use carriage::{CALL, Call, DEV, OPEN, SOCKET};
use driver::{Device, OpenFile};

/// Why the server cannot run.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let (folder, options, devices) = arguments(std::env::args().skip(1))?;
    // A socket's address is the name that it was bound to, and clients know the folder by an absolute one.
    let folder = std::path::absolute(folder)?;
    let machine = Arc::new(Machine::new(&folder, &options, devices)?);
    let (driver, control) = (listen(&folder.join(SOCKET))?, listen(&folder.join("control.sock"))?);
    serve(driver, Arc::clone(&machine), |machine, stream| machine.connection(&stream));
    serve(control, machine, |machine, stream| {
        for line in BufReader::new(&stream).lines() {
            writeln!(&stream, "{}", control::obey(&machine.devices, &line?))?;
        }
        Ok(())
    });
    writeln!(io::stdout(), "ready")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<(PathBuf, Options, u32), Failure> {
    let folder = PathBuf::from(words.next().ok_or("usage: fake-driver FOLDER [--kind K] [--devices N] [--options J]")?);
    let (mut options, mut kind, mut devices) = (Options::default(), None, 1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        match (&*word, &*value) {
            ("--kind", "virtual") => kind = Some(Kind::Virtual),
            ("--kind", "physical") => kind = Some(Kind::Physical),
            ("--devices", number) => devices = number.parse()?,
            ("--options", json) => options = serde_json::from_str(json)?,
            _ => return Err(format!("{word} {value} is not understood").into()),
        }
    }
    options.kind = kind.unwrap_or(options.kind);
    Ok((folder, options, devices))
}

/// A socket for everybody, as a node under a generous udev rule.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// A thread for every connection. What goes wrong with one is the end of that one.
fn serve(
    listener: UnixListener,
    machine: Arc<Machine>,
    serve: impl Fn(&Machine, UnixStream) -> io::Result<()> + Copy + Send + 'static,
) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let machine = Arc::clone(&machine);
            std::thread::spawn(move || serve(&machine, stream));
        }
    });
}

/// All devices, and the files that are open on them by their connections' addresses.
struct Machine {
    devices: Vec<Arc<Device>>,
    open: Mutex<HashMap<Vec<u8>, Arc<OpenFile>>>,
}

impl Machine {
    fn new(folder: &Path, options: &Options, devices: u32) -> Result<Self, Failure> {
        let dev = folder.join(DEV);
        fs::create_dir_all(&dev)?;
        for entry in fs::read_dir("/dev")? {
            let entry = entry?;
            // What is there already, from an earlier life, is as good.
            let _ = symlink(entry.path(), dev.join(entry.file_name()));
        }
        let devices = (0..devices).map(|number| {
            fs::write(dev.join(format!("azihsm{number}")), b"")?;
            // The management node that a client must leave alone (wire 5.1).
            fs::write(dev.join(format!("azihsm-mgmt{number}")), b"")?;
            Device::new(&folder.join(format!("chip{number}")), options, number).map(Arc::new)
        });
        Ok(Self { devices: devices.collect::<Result<_, Failure>>()?, open: Mutex::default() })
    }

    fn connection(&self, stream: &UnixStream) -> io::Result<()> {
        let mut first = [0];
        (&*stream).read_exact(&mut first)?;
        match first {
            [OPEN] => self.open_file(stream),
            [CALL] => self.call(stream),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// open(2), and then the life of the open file, which ends with its last descriptor.
    fn open_file(&self, mut stream: &UnixStream) -> io::Result<()> {
        let number = carriage::read_u32(stream)? as usize;
        let opened = match self.devices.get(number) {
            None => Err(libc::ENOENT),
            Some(device) => OpenFile::open(device, caller(stream)?),
        };
        let file = match opened {
            Ok(file) => Arc::new(file),
            Err(errno) => return stream.write_all(&errno.to_le_bytes()),
        };
        let name = stream.peer_addr()?.as_abstract_name().unwrap_or_default().to_vec();
        self.open.lock().insert(name.clone(), Arc::clone(&file));
        stream.write_all(&0_i32.to_le_bytes())?;
        // Nobody sends anything here: what is heard is the end.
        let _ = stream.read(&mut [0]);
        let mut open = self.open.lock();
        // The address may be another file's by now.
        if open.get(&name).is_some_and(|now| Arc::ptr_eq(now, &file)) {
            open.remove(&name);
        }
        Ok(())
    }

    fn call(&self, stream: &UnixStream) -> io::Result<()> {
        let caller = caller(stream)?;
        let mut reader = BufReader::new(stream);
        let name = carriage::read_bytes(&mut reader)?;
        let call = Call::read(&mut reader)?;
        let file = self.open.lock().get(&name).cloned().ok_or(io::ErrorKind::NotFound)?;
        let reply = file.ioctl(caller, call);
        let mut bytes = Vec::new();
        reply.write(&mut bytes)?;
        (&*stream).write_all(&bytes)
    }
}

/// The process at the other end when it connected, as the kernel says.
#[allow(unsafe_code, reason = "the standard library does not have SO_PEERCRED yet")]
fn caller(stream: &UnixStream) -> io::Result<i32> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = u32::try_from(size_of::<libc::ucred>()).map_err(io::Error::other)?;
    // SAFETY: the option's value is a ucred of that many bytes, and it is ours.
    let returned = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut len,
        )
    };
    if returned == 0 { Ok(credentials.pid) } else { Err(io::Error::last_os_error()) }
}
