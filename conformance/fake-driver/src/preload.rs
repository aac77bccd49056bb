//! The library to preload (`LD_PRELOAD`): open(2), ioctl(2) and opendir(3) for `/dev/azihsm<N>`, and everything else as it
//! was. The rules of the driver are not here; they are in the server, which knows callers by what the kernel says of them.
//!
//! An open file is a socket, so close, dup, fork, exec and the death of a process need no help. Nothing is kept here:
//! whether a descriptor is one of ours is what its peer's address says. `/dev` is listed from a folder that has links to
//! what is really there, and the nodes.

#![allow(unsafe_code, reason = "this library stands in for functions of libc")]

#[allow(dead_code, reason = "each end uses its half")]
mod carriage;

use std::ffi::{CStr, OsStr, c_char, c_int, c_ulong, c_void};
use std::io::{self, Read, Write};
use std::mem::{self, size_of};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{ptr, slice};

use carriage::{Buffers, CALL, COMMAND, Call, DEV, FOLDER, MAX_BYTES, OPEN, Reply, SOCKET};
use libc::{AF_UNIX, AT_FDCWD, DIR, O_CLOEXEC, SOCK_CLOEXEC, SOCK_STREAM, mode_t, sa_family_t, sockaddr_un};

/// open(2).
///
/// # Safety
/// As open(2): `path` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { openat(AT_FDCWD, path, flags, mode) }
}

/// open(2) by its other name.
///
/// # Safety
/// As open(2): `path` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { openat(AT_FDCWD, path, flags, mode) }
}

/// openat(2). The third argument is there only where a file is made; the register is readable in any case, and the kernel
/// ignores it.
///
/// # Safety
/// As openat(2): `path` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    if !path.is_null() {
        // SAFETY: not null, and a C string by the caller's promise.
        let name = unsafe { CStr::from_ptr(path) };
        if let Some(number) = node_number(name)
            && let Some(place) = place()
        {
            return answer(open_node(&place, number, flags));
        }
    }
    // SAFETY: the system call, with what the caller gave.
    let returned = unsafe { libc::syscall(libc::SYS_openat, folder, path, flags, mode) };
    c_int::try_from(returned).unwrap_or(-1)
}

/// openat(2) by its other name.
///
/// # Safety
/// As openat(2): `path` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { openat(folder, path, flags, mode) }
}

/// opendir(3): `/dev` is listed with the nodes.
///
/// # Safety
/// As opendir(3): `path` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn opendir(path: *const c_char) -> *mut DIR {
    // SAFETY: opendir(3) has this type.
    let real = unsafe { next::<unsafe extern "C" fn(*const c_char) -> *mut DIR>(c"opendir") };
    let Some(real) = real else {
        set_errno(libc::ENOSYS);
        return ptr::null_mut();
    };
    if !path.is_null() {
        // SAFETY: not null, and a C string by the caller's promise.
        let name = unsafe { CStr::from_ptr(path) }.to_bytes();
        if matches!(name, b"/dev" | b"/dev/")
            && let Some(place) = place()
            && let Ok(fake) = std::ffi::CString::new(place.join(DEV).as_os_str().as_bytes())
        {
            // SAFETY: a C string.
            return unsafe { real(fake.as_ptr()) };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { real(path) }
}

/// dlopen(3), without `RTLD_DEEPBIND`: a library that is bound so looks for `open` in libc before it looks here.
/// (OpenSSL's pkcs11-provider loads modules so.)
///
/// # Safety
/// As dlopen(3): `path` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void {
    // SAFETY: dlopen(3) has this type.
    let real = unsafe { next::<unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void>(c"dlopen") };
    // SAFETY: the caller's promise.
    real.map_or(ptr::null_mut(), |real| unsafe { real(path, flags & !libc::RTLD_DEEPBIND) })
}

/// ioctl(2). It is variadic in C; every request has at most one argument, which is where a third parameter is.
///
/// # Safety
/// As ioctl(2): `argument` is what `request` wants.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(file: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    if let Some(place) = place()
        && let Some(name) = file_name(file, &place.join(SOCKET))
    {
        // The kernel takes the number as 32 bits.
        let number = u32::try_from(request & 0xFFFF_FFFF).unwrap_or_default();
        return answer(call_node(&place, &name, number, argument as u64));
    }
    // SAFETY: the system call, with what the caller gave.
    let returned = unsafe { libc::syscall(libc::SYS_ioctl, file, request, argument) };
    c_int::try_from(returned).unwrap_or(-1)
}

/// The function that a program would have without this library.
///
/// # Safety
/// The function of that name has the type `F`, a function pointer.
unsafe fn next<F: Copy>(name: &CStr) -> Option<F> {
    // SAFETY: a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    // SAFETY: not null, so the address of the function, which has this type by the caller's promise.
    (!found.is_null()).then(|| unsafe { mem::transmute_copy::<*mut c_void, F>(&found) })
}

/// A result as C functions give it.
fn answer(outcome: io::Result<c_int>) -> c_int {
    outcome.unwrap_or_else(|why| {
        // A driver that has gone is a device that has gone.
        set_errno(why.raw_os_error().unwrap_or(libc::ENODEV));
        -1
    })
}

fn set_errno(errno: c_int) {
    // SAFETY: the calling thread's own errno.
    unsafe { *libc::__errno_location() = errno }
}

/// The fake driver's folder, if this process is to see one.
fn place() -> Option<PathBuf> {
    let name = std::ffi::CString::new(FOLDER).ok()?;
    // SAFETY: a C string. Nobody who runs under this library changes the variable while it runs.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: not null, and then a C string of the environment.
    let value = (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })?;
    (!value.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(value.to_bytes())))
}

fn node_number(path: &CStr) -> Option<u32> {
    let digits = path.to_str().ok()?.strip_prefix("/dev/azihsm")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn open_node(place: &Path, number: u32, flags: c_int) -> io::Result<c_int> {
    let mut stream = connect(&place.join(SOCKET)).map_err(|_| io::Error::from_raw_os_error(libc::ENXIO))?;
    stream.write_all(&[&[OPEN][..], &number.to_le_bytes()].concat())?;
    let refusal = carriage::read_u32(&mut stream)?.cast_signed();
    if refusal != 0 {
        return Err(io::Error::from_raw_os_error(refusal));
    }
    let file = std::os::fd::IntoRawFd::into_raw_fd(stream);
    if flags & O_CLOEXEC == 0 {
        // SAFETY: our descriptor; the call has no memory.
        unsafe { libc::fcntl(file, libc::F_SETFD, 0) };
    }
    Ok(file)
}

/// One ioctl on an open file.
fn call_node(place: &Path, name: &[u8], number: u32, address: u64) -> io::Result<c_int> {
    let len = usize::try_from((number >> 16) & 0x3FFF).unwrap_or_default();
    let argument = fetch(address, len).unwrap_or_default();
    let buffers = Buffers::of(number, &argument);
    let source = buffers.as_ref().and_then(|buffers| {
        let (pointer, len) = buffers.source;
        // What a driver would refuse by its length it does not fetch.
        let most = if number == COMMAND { 8192 } else { MAX_BYTES };
        (pointer != 0 && len != 0 && len <= most).then(|| fetch(pointer, usize::try_from(len).ok()?).ok())?
    });

    let mut stream = connect(&place.join(SOCKET))?;
    let mut request = vec![CALL];
    carriage::write_bytes(&mut request, name)?;
    Call { number, argument, source }.write(&mut request)?;
    stream.write_all(&request)?;
    let mut reply = Reply::read(Whole(&stream))?;

    if let Some(Buffers { destination: (pointer, room), .. }) = buffers
        && !reply.destination.is_empty()
    {
        reply.destination.truncate(usize::try_from(room).unwrap_or_default());
        if store(pointer, &reply.destination).is_err() {
            // Row 21 of wire 5.5, row 20 of wire 6.5.
            let (returned, count, code, why) =
                if number == COMMAND { (-libc::EINVAL, 100, 104, 7) } else { (0, 268, 272, 106_u32) };
            reply.returned = returned;
            for (at, value) in [(count, 0), (code, why)] {
                if let Some(field) = reply.argument.get_mut(at..at + 4) {
                    field.copy_from_slice(&value.to_le_bytes());
                }
            }
        }
    }
    if !reply.argument.is_empty() && store(address, &reply.argument).is_err() {
        return Err(io::Error::from_raw_os_error(libc::EFAULT));
    }
    if reply.returned < 0 { Err(io::Error::from_raw_os_error(-reply.returned)) } else { Ok(reply.returned) }
}

/// Reads from a stream without giving up at a signal: the driver's wait is not interruptible (wire 5.7).
struct Whole<'a>(&'a UnixStream);

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }
}

/// Copies from an address of this process as the kernel does: what cannot be read is an error.
fn fetch(address: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let here = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: len };
    let there = libc::iovec { iov_base: address as *mut c_void, iov_len: len };
    // SAFETY: `here` is a buffer of `len` bytes of our own; `there` is looked at by the kernel, which refuses what is not
    // readable.
    copied(unsafe { libc::process_vm_readv(libc::getpid(), &raw const here, 1, &raw const there, 1, 0) }, len)?;
    Ok(bytes)
}

/// Copies to an address of this process as the kernel does: what cannot be written is an error.
fn store(address: u64, bytes: &[u8]) -> io::Result<()> {
    let here = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let there = libc::iovec { iov_base: address as *mut c_void, iov_len: bytes.len() };
    // SAFETY: `here` is only read. What is written is the memory that the caller of ioctl(2) named for that: its
    // argument, or the destination in it and no more than the room that it says is there.
    copied(unsafe { libc::process_vm_writev(libc::getpid(), &raw const here, 1, &raw const there, 1, 0) }, bytes.len())
}

fn copied(returned: isize, len: usize) -> io::Result<()> {
    if usize::try_from(returned) == Ok(len) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EFAULT)) }
}

/// A connection whose own address the kernel makes up, by which the server knows an open file.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    // SAFETY: no memory.
    let file = unsafe { libc::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    let stream = unsafe { UnixStream::from_raw_fd(file) };
    let mut address = unix(socket)?;
    let family = u32::try_from(size_of::<sa_family_t>()).map_err(io::Error::other)?;
    // SAFETY: an address of that many bytes. The family alone asks for an address of the kernel's choice.
    if unsafe { libc::bind(stream.as_raw_fd(), (&raw mut address).cast(), family) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let whole = u32::try_from(size_of::<sockaddr_un>()).map_err(io::Error::other)?;
    loop {
        // SAFETY: an address of that many bytes, zero-terminated.
        if unsafe { libc::connect(stream.as_raw_fd(), (&raw const address).cast(), whole) } == 0 {
            return Ok(stream);
        }
        let why = io::Error::last_os_error();
        if why.kind() != io::ErrorKind::Interrupted {
            return Err(why);
        }
    }
}

fn unix(socket: &Path) -> io::Result<sockaddr_un> {
    // SAFETY: all zero is a value of it.
    let mut address: sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = sa_family_t::try_from(AF_UNIX).map_err(io::Error::other)?;
    let bytes = socket.as_os_str().as_bytes();
    if bytes.len() >= address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = from.cast_signed();
    }
    Ok(address)
}

/// The address of an open file of ours, and `None` for every other descriptor.
fn file_name(file: RawFd, socket: &Path) -> Option<Vec<u8>> {
    let wanted = unix(socket).ok()?;
    let (peer, _) = address_by(file, libc::getpeername)?;
    if peer.sun_family != wanted.sun_family || peer.sun_path != wanted.sun_path {
        return None;
    }
    let (own, len) = address_by(file, libc::getsockname)?;
    let len = len.checked_sub(size_of::<sa_family_t>())?;
    // SAFETY: `sun_path` is this long.
    let path = unsafe { slice::from_raw_parts(own.sun_path.as_ptr().cast::<u8>(), own.sun_path.len()) };
    // Its first byte is the zero that marks an address without a file.
    path.get(1..len).map(<[u8]>::to_vec)
}

type AddressOf = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int;

fn address_by(file: RawFd, function: AddressOf) -> Option<(sockaddr_un, usize)> {
    // SAFETY: all zero is a value of it.
    let mut address: sockaddr_un = unsafe { mem::zeroed() };
    let mut len = u32::try_from(size_of::<sockaddr_un>()).ok()?;
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or_default();
    // SAFETY: an address and its length, both ours.
    let found = unsafe { function(file, (&raw mut address).cast(), &raw mut len) } == 0;
    // Every ioctl of the program comes by here: it must not see that it was looked at.
    set_errno(errno);
    found.then_some((address, len as usize))
}
