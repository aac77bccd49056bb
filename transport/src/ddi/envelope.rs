//! Whole frames: an outer map of two fields, header and body (wire 2).

use super::mbor::{Reader, Writer};
use super::wire::{Opt, Plain, message};
use super::{ApiRev, CodecError, Dialect, Opcode, Request, Status, Wire};

/// The device's limit for a request, in bytes (wire 1.6).
pub const MAX_REQUEST_LEN: usize = 4096;
/// The limit of a response, in bytes (wire 1.6).
pub const MAX_RESPONSE_LEN: usize = 8192;

message! {
    /// The header of a request (wire 2.2).
    #[derive(Copy)]
    pub struct RequestHeader {
        /// Absent for `GetApiRev`, present for everything else.
        1 rev: Option<ApiRev> as Opt<Plain>,
        /// The command.
        2 op: Opcode,
        /// Present for the session-control kinds Close and `InSession`.
        3 session: Option<u16> as Opt<Plain>,
    }
}

message! {
    /// The header of a response (wire 2.3).
    #[derive(Copy)]
    pub struct ResponseHeader {
        /// Echo of the request's.
        1 rev: Option<ApiRev> as Opt<Plain>,
        /// Echo of the request's; [`Opcode::INVALID`] if the request header was unparsable.
        2 op: Opcode,
        /// Echo of the request's; the new session's after a successful `OpenSession`.
        3 session: Option<u16> as Opt<Plain>,
        /// Success or an error.
        4 status: Status,
        /// Whether the operation ran in approved mode.
        5 fips_approved: bool,
    }
}

impl ResponseHeader {
    /// The header of an answer to a request: everything echoed, not approved.
    pub fn answering(request: &RequestHeader, status: Status) -> Self {
        Self { rev: request.rev, op: request.op, session: request.session, status, fips_approved: false }
    }

    /// The header of the answer to a request whose own header is unparsable (wire 2.4, step 1).
    pub fn unparsable() -> Self {
        Self { rev: None, op: Opcode::INVALID, session: None, status: Status::DDI_DECODE_FAILED, fips_approved: false }
    }

    /// Checks that this header answers `request`: same opcode, revision and session.
    ///
    /// Exceptions: the firmware answers `AttestKey` as `EccSign` (semantics 6.11); a successful `OpenSession` has the new
    /// session's id; an error may leave the session out (wire B.1), and the answer to an unparsable request everything.
    pub fn check_echo(&self, request: &RequestHeader) -> Result<(), CodecError> {
        if *self == Self::unparsable() {
            return Ok(());
        }
        let attestation = request.op == Opcode::ATTEST_KEY && self.op == Opcode::ECC_SIGN;
        if self.op != request.op && !attestation {
            return Err(CodecError::NotAnEcho("opcode"));
        }
        if self.rev != request.rev {
            return Err(CodecError::NotAnEcho("revision"));
        }
        let session = match (self.status.is_success(), request.op) {
            (true, Opcode::OPEN_SESSION) => self.session.is_some(),
            (true, _) => self.session == request.session,
            (false, _) => self.session.is_none() || self.session == request.session,
        };
        if session { Ok(()) } else { Err(CodecError::NotAnEcho("session")) }
    }
}

/// Client: writes a request frame to `out`, which is cleared first and empty after an error. Refuses more than [`MAX_REQUEST_LEN`] bytes.
pub fn encode_request<'a, R: Request<'a>>(
    rev: Option<ApiRev>,
    session: Option<u16>,
    request: &R,
    dialect: Dialect,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let header = RequestHeader { rev, op: R::OPCODE, session };
    encode_frame(&header, request, dialect, MAX_REQUEST_LEN, out)
}

/// Client: reads a response frame. An error has no body, and what stands in its place is not read; a success is read to
/// its last byte. The caller then calls [`ResponseHeader::check_echo`].
pub fn decode_response<'a, 'r, R: Request<'a>>(
    bytes: &'r [u8],
    dialect: Dialect,
) -> Result<(ResponseHeader, Option<R::Response<'r>>), CodecError> {
    let (header, body) = decode_header::<ResponseHeader>(bytes, dialect)?;
    if !header.status.is_success() {
        return Ok((header, None));
    }
    Ok((header, Some(decode_body(body)?)))
}

/// Device: reads the header of a request frame (wire 2.4, step 1); the reader is for [`decode_body`].
pub fn decode_request_header(bytes: &[u8], dialect: Dialect) -> Result<(RequestHeader, Reader<'_>), CodecError> {
    decode_header(bytes, dialect)
}

/// Reads a body (outer field 1), which must end exactly where the frame ends (wire 2.4, step 5).
pub fn decode_body<'a, T: Wire<'a>>(mut body: Reader<'a>) -> Result<T, CodecError> {
    body.field(BODY)?;
    let value = T::decode(&mut body)?;
    body.finish()?;
    Ok(value)
}

/// Device: writes a response frame to `out`, which is cleared first and empty after an error. Refuses more than [`MAX_RESPONSE_LEN`] bytes.
pub fn encode_response<'a, T: Wire<'a>>(
    header: &ResponseHeader,
    body: &T,
    dialect: Dialect,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    encode_frame(header, body, dialect, MAX_RESPONSE_LEN, out)
}

/// Device: writes an error response, whose body is the empty map, to `out`, which is cleared first.
pub fn encode_error(header: &ResponseHeader, out: &mut Vec<u8>) {
    encode_frame(header, &(), Dialect::Virtual, MAX_RESPONSE_LEN, out).expect("a header and an empty map fit");
}

fn encode_frame<'h, 'b>(
    header: &impl Wire<'h>,
    body: &impl Wire<'b>,
    dialect: Dialect,
    max: usize,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    out.clear();
    let mut w = Writer::new(out, dialect);
    let written = put_frame(header, body, &mut w).and_then(|()| match w.offset() {
        len if len > max => Err(CodecError::FrameTooLong { len, max }),
        _ => Ok(()),
    });
    if written.is_err() {
        out.clear();
    }
    written
}

fn put_frame<'h, 'b>(header: &impl Wire<'h>, body: &impl Wire<'b>, w: &mut Writer<'_>) -> Result<(), CodecError> {
    w.map(2)?;
    w.field(HEADER);
    header.encode(w)?;
    w.field(BODY);
    body.encode(w)
}

fn decode_header<'a, H: Wire<'a>>(bytes: &'a [u8], dialect: Dialect) -> Result<(H, Reader<'a>), CodecError> {
    let mut r = Reader::new(bytes, dialect);
    match r.map()?.left() {
        2 => r.field(HEADER)?,
        found => return Err(CodecError::OuterCount { found }),
    }
    let header = H::decode(&mut r)?;
    Ok((header, r))
}

const HEADER: u8 = 0;
const BODY: u8 = 1;
