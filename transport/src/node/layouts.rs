//! The arguments of the ioctls, byte for byte (wire 5.3 to 5.9, 6.1), and their numbers (wire 5.2).
//!
//! Offsets are those of the protocol document, counted from the start of the whole argument. Padding bytes are fields
//! here, so that no byte of an argument is ever left to chance: a value starts as `ZEROED` and is filled from there.
//! Both 64-bit architectures lay these out alike, and the assertions below are compiled for whichever one it is.

use std::mem::{offset_of, size_of};

/// A value whose bytes are all zero.
pub(super) trait Zeroed {
    const ZEROED: Self;
}

macro_rules! zeroed_integers {
    ($($type:ty),+) => { $(impl Zeroed for $type { const ZEROED: Self = 0; })+ };
}
zeroed_integers!(u8, u16, u32, u64);

impl<const N: usize> Zeroed for [u8; N] {
    const ZEROED: Self = [0; N];
}

/// Name, offset in the whole argument and size of a field, for the tests.
#[cfg(test)]
pub(super) type Field = (&'static str, usize, usize);

/// A piece of an argument that starts at `$base` of it: the structure, its zero value, and the proof that every field is
/// at the offset that is written before it, that there are no gaps between them, and that the size is as promised.
macro_rules! layout {
    ($(#[$doc:meta])* struct $name:ident: $base:literal, $size:literal bytes {
        $($offset:literal $field:ident: $type:ty,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub(super) struct $name { $(pub(super) $field: $type),+ }

        impl Zeroed for $name {
            const ZEROED: Self = Self { $($field: <$type>::ZEROED),+ };
        }

        #[cfg(test)]
        impl $name {
            pub(super) const FIELDS: &[Field] = &[$((stringify!($field), $offset, size_of::<$type>())),+];
        }

        const _: () = {
            let mut end = $base;
            $(
                assert!(end == $offset);
                assert!($base + offset_of!($name, $field) == $offset);
                end += size_of::<$type>();
            )+
            assert!(end == $base + $size);
            assert!(size_of::<$name>() == $size);
        };
    };
}

layout! {
    /// The header that starts every argument but that of the device info (wire 5.3).
    struct Header: 0, 16 bytes {
        0 size: u32,
        4 app_cmd_id: u32,
        8 timeout: u32,
        12 flags: u32,
    }
}

impl Header {
    /// The header of an argument of `size` bytes, with the two values that the driver ignores as the SDK writes them.
    const fn of(size: u32) -> Self {
        Self { size, app_cmd_id: APP_CMD_ID, timeout: TIMEOUT_MS, flags: 0 }
    }
}

layout! {
    /// What a DDI command says (wire 5.4).
    struct CommandIn: 16, 72 bytes {
        16 context: u64,
        24 opcode: u16,
        26 cmdset: u16,
        28 psdt: u8,
        29 pad_29: [u8; 3],
        32 src_length: u32,
        36 pad_36: [u8; 4],
        40 src_buf: u64,
        48 dst_length: u32,
        52 pad_52: [u8; 4],
        56 dst_buf: u64,
        64 session_control: u8,
        65 reserved_65: u8,
        66 session_id: u16,
        68 reserved_68: [u8; 16],
        84 pad_84: [u8; 4],
    }
}

layout! {
    /// What the driver answers to a DDI command (wire 5.4).
    struct CommandOut: 88, 24 bytes {
        88 context: u64,
        96 status: u32,
        100 byte_count: u32,
        104 extended_status: u32,
        108 pad_108: [u8; 4],
    }
}

layout! {
    /// The argument of a DDI command (wire 5.4).
    struct Command: 0, 112 bytes {
        0 hdr: Header,
        16 input: CommandIn,
        88 out: CommandOut,
    }
}

layout! {
    /// The argument of the device info (wire 5.8).
    struct InfoArgument: 0, 176 bytes {
        0 argsz: u32,
        4 id: u16,
        6 pci_info: [u8; 33],
        39 serial_num: [u8; 33],
        72 model_num: [u8; 5],
        77 firmware_rev: [u8; 33],
        110 driver_rev: [u8; 16],
        126 reserved_126: [u8; 17],
        143 device_entropy: [u8; 32],
        175 pad_175: u8,
    }
}

layout! {
    /// The argument of a reset (wire 5.9).
    struct Reset: 0, 272 bytes {
        0 hdr: Header,
        16 context: u64,
        24 abort_type: u32,
        28 reserved_28: [u8; 80],
        108 abort_status: u32,
        112 reserved_112: [u8; 80],
        192 reserved_192: [u8; 80],
    }
}

layout! {
    /// What a fast-path call says, whatever the cipher (wire 6.1).
    struct FastPathIn: 16, 56 bytes {
        16 context: u64,
        24 op_code: u8,
        25 cipher: u8,
        26 reserved_26: u16,
        28 pad_28: [u8; 4],
        32 src_ptr: u64,
        40 src_len: u32,
        44 pad_44: [u8; 4],
        48 dst_ptr: u64,
        56 dst_len: u32,
        60 pad_60: [u8; 4],
        64 frame_type: u8,
        65 pad_65: u8,
        66 session_id: u16,
        68 short_app_id: u8,
        69 pad_69: [u8; 3],
    }
}

layout! {
    /// What is AES-GCM's own (wire 6.1).
    struct Gcm: 72, 44 bytes {
        72 key_id: u32,
        76 tag: [u8; 16],
        92 iv: [u8; 12],
        104 actual_aad_len: u32,
        108 aligned_aad_len: u32,
        112 enable_workaround: u8,
        113 reserved_113: [u8; 3],
    }
}

layout! {
    /// What is AES-XTS's own (wire 6.1).
    struct Xts: 72, 44 bytes {
        72 data_unit_len: u16,
        74 reserved_74: u16,
        76 key_id1: u32,
        80 key_id2: u32,
        84 tweak: [u8; 16],
        100 unused_100: [u8; 16],
    }
}

layout! {
    /// What the driver answers to a fast-path call (wire 6.1).
    struct FastPathOut: 240, 160 bytes {
        240 context: u64,
        248 result: u32,
        252 command_specific: [u8; 16],
        268 byte_count: u32,
        272 extended_status: u32,
        276 fips_approved: u8,
        277 reserved_277: [u8; 3],
        280 iv: [u8; 12],
        292 reserved_292: [u8; 104],
        396 pad_396: [u8; 4],
    }
}

/// The argument of a fast-path call with the parameters of one cipher (wire 6.1). The driver's union of the two ciphers is
/// two types here, so nothing has to be read from a union.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct FastPath<P> {
    pub(super) hdr: Header,
    pub(super) input: FastPathIn,
    pub(super) parameters: P,
    pub(super) reserved_116: [u8; 120],
    pub(super) pad_236: [u8; 4],
    pub(super) out: FastPathOut,
}

impl<P: Zeroed> Zeroed for FastPath<P> {
    const ZEROED: Self = Self {
        hdr: Header::ZEROED,
        input: FastPathIn::ZEROED,
        parameters: P::ZEROED,
        reserved_116: Zeroed::ZEROED,
        pad_236: Zeroed::ZEROED,
        out: FastPathOut::ZEROED,
    };
}

macro_rules! assert_fast_path {
    ($($parameters:ty),+) => { $(const _: () = {
        assert!(size_of::<FastPath<$parameters>>() == 400);
        assert!(offset_of!(FastPath<$parameters>, hdr) == 0);
        assert!(offset_of!(FastPath<$parameters>, input) == 16);
        assert!(offset_of!(FastPath<$parameters>, parameters) == 72);
        assert!(offset_of!(FastPath<$parameters>, reserved_116) == 116);
        assert!(offset_of!(FastPath<$parameters>, pad_236) == 236);
        assert!(offset_of!(FastPath<$parameters>, out) == 240);
    };)+ };
}
assert_fast_path!(Gcm, Xts);

// The driver has no entry for 32-bit processes (wire 5.1), and buffers travel as 64-bit addresses.
const _: () = assert!(size_of::<usize>() == size_of::<u64>());

/// An ioctl of the client node: its number, and an argument that is ready to be filled.
pub(super) trait Argument: Zeroed {
    /// The request number (wire 5.2).
    const NUMBER: u32;

    /// A zero-filled argument that says how long it is.
    fn new() -> Self;
}

/// `_IOWR(kind, sequence, size)`, the same on `x86_64` and `aarch64` (wire 5.2).
const fn iowr(kind: u8, sequence: u8, size: u32) -> u32 {
    const READ_WRITE: u32 = 3;
    (READ_WRITE << 30) | (size << 16) | ((kind as u32) << 8) | sequence as u32
}

/// The ioctls of the client node under the names of the protocol document's table (wire 5.2), the number of each built
/// from its sequence and its argument, and asserted against the document's.
macro_rules! ioctls {
    ($($(#[$doc:meta])* $constant:ident = $sequence:literal, $argument:ty, $size:literal bytes, $number:literal;)+) => { $(
        $(#[$doc])*
        pub(super) const $constant: u32 = iowr(NODE_TYPE, $sequence, $size);
        const _: () = assert!($constant == $number && size_of::<$argument>() == $size);
    )+ };
}

/// 'B', the ioctl type of the client node.
const NODE_TYPE: u8 = 0x42;

ioctls! {
    /// DDI command, the "generic command with session".
    GENERIC_COMMAND = 0x03, Command, 112 bytes, 0xC070_4203;
    /// Get device info.
    GET_DEVICE_INFO = 0x04, InfoArgument, 176 bytes, 0xC0B0_4204;
    /// Reset device.
    RESET_DEVICE = 0x06, Reset, 272 bytes, 0xC110_4206;
    /// AES-XTS fast path.
    AES_XTS = 0x0B, FastPath<Xts>, 400 bytes, 0xC190_420B;
    /// AES-GCM fast path.
    AES_GCM = 0x0C, FastPath<Gcm>, 400 bytes, 0xC190_420C;
}

impl Argument for Command {
    const NUMBER: u32 = GENERIC_COMMAND;

    fn new() -> Self {
        Self { hdr: Header::of(112), ..Self::ZEROED }
    }
}

impl Argument for InfoArgument {
    const NUMBER: u32 = GET_DEVICE_INFO;

    fn new() -> Self {
        Self { argsz: 176, ..Self::ZEROED }
    }
}

impl Argument for Reset {
    const NUMBER: u32 = RESET_DEVICE;

    fn new() -> Self {
        Self { hdr: Header::of(272), ..Self::ZEROED }
    }
}

impl Argument for FastPath<Gcm> {
    const NUMBER: u32 = AES_GCM;

    fn new() -> Self {
        Self { hdr: Header::of(400), ..Self::ZEROED }
    }
}

impl Argument for FastPath<Xts> {
    const NUMBER: u32 = AES_XTS;

    fn new() -> Self {
        Self { hdr: Header::of(400), ..Self::ZEROED }
    }
}

/// Where the lengths and addresses of a call's two buffers go.
pub(super) trait Buffers {
    /// Points the argument at the buffers.
    fn aim(&mut self, source: &[u8], destination: &mut [u8]);
}

impl Buffers for Command {
    fn aim(&mut self, source: &[u8], destination: &mut [u8]) {
        (self.input.src_buf, self.input.src_length) = (address(source.as_ptr()), length(source));
        (self.input.dst_buf, self.input.dst_length) = (address(destination.as_mut_ptr()), length(destination));
    }
}

impl<P> Buffers for FastPath<P> {
    fn aim(&mut self, source: &[u8], destination: &mut [u8]) {
        (self.input.src_ptr, self.input.src_len) = (address(source.as_ptr()), length(source));
        (self.input.dst_ptr, self.input.dst_len) = (address(destination.as_mut_ptr()), length(destination));
    }
}

/// The address as the driver takes it. The kernel reads and writes through it, so its provenance is exposed.
fn address(pointer: *const u8) -> u64 {
    pointer.expose_provenance() as u64
}

/// The length as the driver takes it: never more than there is, whatever the caller let through.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Ignored by the driver (wire 5.3).
const APP_CMD_ID: u32 = 0xCD1D_DEAD;
/// Ignored by the driver, which waits `abort_timeout_in_sec` (wire 5.7).
const TIMEOUT_MS: u32 = 100;
