//! How the preloaded library and the server speak: a Unix socket in the folder that `AZIHSM_FAKE_DRIVER` names.
//!
//! A connection begins with one byte. [`OPEN`] and the node's number (u32) is an open(2): the answer is an error number
//! (i32) or 0, and from then on the connection *is* the open file. Its own address, which the kernel made up, is the name
//! of the file for calls; when the last descriptor on it is closed, by whomever and however, the server is told by the
//! end of the stream. [`CALL`] is one ioctl(2) on a connection of its own, so that threads need not wait for one another:
//! the address of the open file, then a [`Call`]; the answer is a [`Reply`]. Numbers are little-endian. Who calls is
//! what the kernel says of the connection (`SO_PEERCRED`).

use std::io::{self, Read, Write};

/// The environment variable with the folder of the fake driver.
pub(crate) const FOLDER: &str = "AZIHSM_FAKE_DRIVER";
/// The socket in the folder.
pub(crate) const SOCKET: &str = "driver.sock";
/// The folder in the folder that stands for `/dev`.
pub(crate) const DEV: &str = "dev";
/// First byte: open(2).
pub(crate) const OPEN: u8 = b'O';
/// First byte: ioctl(2).
pub(crate) const CALL: u8 = b'C';

/// One ioctl, with what the driver would fetch from the caller's memory.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// The request number.
    pub(crate) number: u32,
    /// The argument; empty where it could not be read.
    pub(crate) argument: Vec<u8>,
    /// What the argument's source pointer points to; `None` where it could not be read, or need not be.
    pub(crate) source: Option<Vec<u8>>,
}

/// What an ioctl does to the caller.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// The return value; an error number where it is negative.
    pub(crate) returned: i32,
    /// What is written back to the argument, if anything.
    pub(crate) argument: Vec<u8>,
    /// What is written to where the argument's destination pointer points.
    pub(crate) destination: Vec<u8>,
}

impl Call {
    pub(crate) fn write(&self, mut to: impl Write) -> io::Result<()> {
        to.write_all(&self.number.to_le_bytes())?;
        write_bytes(&mut to, &self.argument)?;
        to.write_all(&[self.source.is_some().into()])?;
        write_bytes(&mut to, self.source.as_deref().unwrap_or_default())
    }

    pub(crate) fn read(mut from: impl Read) -> io::Result<Self> {
        let number = read_u32(&mut from)?;
        let argument = read_bytes(&mut from)?;
        let mut there = [0];
        from.read_exact(&mut there)?;
        let source = read_bytes(&mut from)?;
        Ok(Self { number, argument, source: (there != [0]).then_some(source) })
    }
}

impl Reply {
    pub(crate) fn write(&self, mut to: impl Write) -> io::Result<()> {
        to.write_all(&self.returned.to_le_bytes())?;
        write_bytes(&mut to, &self.argument)?;
        write_bytes(&mut to, &self.destination)
    }

    pub(crate) fn read(mut from: impl Read) -> io::Result<Self> {
        let returned = read_u32(&mut from)?.cast_signed();
        Ok(Self { returned, argument: read_bytes(&mut from)?, destination: read_bytes(&mut from)? })
    }
}

/// Writes a byte string with its length before it.
pub(crate) fn write_bytes(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&len.to_le_bytes())?;
    to.write_all(bytes)
}

/// Reads what [`write_bytes`] wrote.
pub(crate) fn read_bytes(mut from: impl Read) -> io::Result<Vec<u8>> {
    let len = read_u32(&mut from)?;
    if len > MAX_BYTES {
        return Err(io::Error::other("longer than anything that is sent"));
    }
    let mut bytes = Vec::new();
    from.take(len.into()).read_to_end(&mut bytes)?;
    if bytes.len() == len as usize { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reads a number.
pub(crate) fn read_u32(mut from: impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Reads a field of an argument; 0 where the argument ends before it.
pub(crate) fn field<const N: usize>(argument: &[u8], at: usize) -> [u8; N] {
    argument.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

/// Where the two buffers are said to be in an argument: source pointer and length, destination pointer and length
/// (wire 5.4, 6.1). Only for the ioctls that have buffers.
pub(crate) struct Buffers {
    pub(crate) source: (u64, u32),
    pub(crate) destination: (u64, u32),
}

impl Buffers {
    pub(crate) fn of(number: u32, argument: &[u8]) -> Option<Self> {
        let [source_len, source, destination_len, destination] = match number {
            COMMAND => [32, 40, 48, 56],
            XTS | GCM => [40, 32, 56, 48],
            _ => return None,
        };
        let buffer =
            |pointer, len| (u64::from_le_bytes(field(argument, pointer)), u32::from_le_bytes(field(argument, len)));
        Some(Self { source: buffer(source, source_len), destination: buffer(destination, destination_len) })
    }
}

// Wire 5.2.
pub(crate) const COMMAND: u32 = 0xC070_4203;
pub(crate) const XTS: u32 = 0xC190_420B;
pub(crate) const GCM: u32 = 0xC190_420C;

/// More than any call carries.
pub(crate) const MAX_BYTES: u32 = 256 << 20;
