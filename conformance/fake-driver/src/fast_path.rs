//! AES-GCM and AES-XTS (wire 6): the driver's checks, the layout of the buffers, and how failures are told.
//!
//! The driver looks at the session (rows 6 to 9 of wire 6.5) before the parameters (10 to 15); here the emulator's handle
//! looks at the session, and so after them. It matters only to a call that is wrong in both.

use transport::channel::{Channel, ChannelError, Direction, GcmCall, XtsCall};

use crate::carriage::{Call, GCM, Reply, XTS, field};
use crate::driver::{put, refused};

/// One call on an open file.
pub(crate) fn call(channel: &dyn Channel, ready: bool, call: Call) -> Reply {
    let Call { number, argument: mut out, source } = call;
    if out.len() < 400 || u32::from_le_bytes(field(&out, 0)) < 400 {
        return refused(libc::EINVAL);
    }
    let mut destination = Vec::new();
    let returned = match submit(channel, ready, number, &mut out, source) {
        Ok(output) => {
            destination = output;
            0
        }
        Err(Failure::Refused(errno, code)) => {
            put(&mut out, 272, code);
            -errno
        }
        // Returned 0, and yet it failed: `result` stays as the caller set it (rows 16, 17).
        Err(Failure::NotCarriedOut(code)) => {
            put(&mut out, 268, 0);
            put(&mut out, 272, code);
            0
        }
        Err(Failure::Device(result, secondary)) => {
            put(&mut out, 248, result);
            put(&mut out, 268, 0);
            put(&mut out, 272, secondary);
            0
        }
    };
    Reply { returned, argument: out, destination }
}

enum Failure {
    Refused(i32, u32),
    NotCarriedOut(u32),
    Device(u32, u32),
}

fn submit(
    channel: &dyn Channel,
    ready: bool,
    number: u32,
    out: &mut [u8],
    source: Option<Vec<u8>>,
) -> Result<Vec<u8>, Failure> {
    let long = |at| u32::from_le_bytes(field(out, at));
    let invalid = |code| Err(Failure::Refused(libc::EINVAL, code));
    if !ready {
        return Err(Failure::Refused(libc::EAGAIN, 106));
    }
    let [op_code, cipher] = field(out, 24);
    let direction = match op_code {
        0 => Direction::Encrypt,
        1 => Direction::Decrypt,
        _ => return invalid(114),
    };
    if (number, cipher) != (GCM, 0) && (number, cipher) != (XTS, 1) {
        return invalid(112);
    }
    let (source_len, room) = (long(40) as usize, long(56) as usize);
    let unit = match u16::from_le_bytes(field(out, 72)) {
        0 => source_len,
        1 => 512,
        2 => 4096,
        3 => 8192,
        _ => 0,
    };
    let (aad_len, aligned) = (long(104) as usize, long(108) as usize);
    if number == XTS && (room < source_len || unit == 0 || !source_len.is_multiple_of(unit)) {
        return invalid(118);
    }
    if number == GCM {
        let [workaround] = field(out, 112);
        let fits =
            aad_len < source_len && aligned >= aad_len && aligned.is_multiple_of(32) && room >= source_len - aad_len;
        // Of a layout that the hardware would compute a wrong tag from (wire 6.2) nothing good can come either.
        if !fits || workaround == 0 || aligned != aad_len.next_multiple_of(32) || aligned >= source_len {
            return invalid(117);
        }
    }
    let [frame] = field(out, 64);
    if frame != 1 {
        return invalid(113);
    }
    let Some(source) = source.filter(|source| source.len() == source_len) else { return invalid(101) };
    if room == 0 || u64::from_le_bytes(field(out, 48)) == 0 {
        return invalid(103);
    }

    let session = u16::from_le_bytes(field(out, 66));
    let [short_app_id] = field(out, 68);
    let mut output = source;
    let done = if number == GCM {
        let before = if (1..=16).contains(&(aad_len % 32)) { 16 } else { 0 };
        let (area, payload) = output.split_at_mut(aligned);
        let aad = area[before..before + aad_len].to_vec();
        // The area comes back as anything.
        area.fill(0xEE);
        let tail = payload.len() % 16 != 0 || aad_len % 32 != 0;
        let call = GcmCall {
            direction,
            session,
            short_app_id,
            bulk_key: u16::try_from(long(72)).unwrap_or(u16::MAX),
            iv: field(out, 92),
            tag: (direction == Direction::Decrypt).then(|| field(out, 76)),
            aad: &aad,
            data: payload,
        };
        channel.gcm(call).map(Some).map_err(|cause| match cause {
            // The two faces of a wrong tag.
            ChannelError::TagMismatch if tail => Failure::Device(2, 0x2A),
            ChannelError::TagMismatch => Failure::Device(3, 9),
            other => failure(&other),
        })
    } else {
        let key = |at| u16::try_from(long(at)).unwrap_or(u16::MAX);
        let call = XtsCall {
            direction,
            session,
            short_app_id,
            data_key: key(76),
            tweak_key: key(80),
            tweak: field(out, 84),
            data_unit_len: unit,
            data: &mut output,
        };
        channel.xts(call).map(|()| None).map_err(|cause| failure(&cause))
    };
    let reply = done?;
    put(out, 248, 0);
    put(out, 268, u32::try_from(source_len).unwrap_or_default());
    put(out, 272, 0);
    if let Some(reply) = reply {
        out[276] = reply.fips_approved.into();
        if direction == Direction::Encrypt {
            out[252..268].copy_from_slice(&reply.tag);
            out[280..292].copy_from_slice(&reply.iv);
        }
    }
    Ok(output)
}

fn failure(cause: &ChannelError) -> Failure {
    match *cause {
        ChannelError::FastPath { result: 0, extended: extended @ 101..=118 } => {
            Failure::Refused(libc::EINVAL, extended)
        }
        ChannelError::FastPath { result, extended } => Failure::Device(result, extended),
        ChannelError::NotReady => Failure::Refused(libc::EAGAIN, 0x0400_0001),
        // Row 18.
        ChannelError::Late => Failure::NotCarriedOut(0),
        // Aborted, and whatever else kept it from completing (row 17).
        _ => Failure::NotCarriedOut(1),
    }
}
