//! One open handle: a typed request out, the typed answer back.

use std::mem;

use parking_lot::Mutex;

use super::reaction::{READY_WAIT, Reaction, repeat};
use crate::channel::{Channel, ChannelError, Control};
use crate::ddi::{
    ApiRev, Dialect, MAX_REQUEST_LEN, MAX_RESPONSE_LEN, Opcode, Request, RequestHeader, Status, decode_response,
    encode_request,
};
use crate::{Error, Result};

/// An open handle and the dialect that its device speaks. `Send + Sync`: no lock is held while the device works.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) channel: Box<dyn Channel>,
    pub(super) dialect: Dialect,
    frames: Frames,
}

impl Line {
    /// A handle whose device is not known yet: the first two commands are the same in both dialects (wire 4.1).
    pub(super) fn new(channel: Box<dyn Channel>) -> Self {
        Self { channel, dialect: Dialect::Virtual, frames: Frames::default() }
    }

    /// Sends one request and hands the body of the answer to `read`; a status other than success is an error.
    pub(super) fn send<'a, R: Request<'a>, T>(
        &self,
        session: Option<u16>,
        request: &R,
        read: impl FnOnce(R::Response<'_>) -> T,
    ) -> Result<T> {
        let mut frame = self.frame();
        self.carry(session, request, &mut frame)?;
        self.read::<R, T>(session, &frame, read)
    }

    /// Buffers for one operation, to be dropped at its end.
    pub(super) fn frame(&self) -> Frame<'_> {
        self.frames.take()
    }

    /// The first half of [`Line::send`]: the answer is in the frame, not read yet, and the request's borrows have ended.
    pub(super) fn carry<'a, R: Request<'a>>(
        &self,
        session: Option<u16>,
        request: &R,
        frame: &mut Frame<'_>,
    ) -> Result<()> {
        encode_request(revision::<R>(), session, request, self.dialect, &mut frame.request)?;
        let control = Control { kind: R::CONTROL, session };
        repeat(Reaction::Later, READY_WAIT, || {
            let carried = if frame.sent > 0 {
                self.channel.exchange_next(control, &frame.request, &mut frame.response)
            } else {
                self.channel.exchange(control, &frame.request, &mut frame.response)
            };
            carried.map_err(|cause| refusal(R::OPCODE, cause))
        })?;
        frame.sent = frame.sent.max(frame.request.len());
        frame.received = frame.received.max(frame.response.len());
        Ok(())
    }

    /// The second half of [`Line::send`].
    pub(super) fn read<'a, R: Request<'a>, T>(
        &self,
        session: Option<u16>,
        frame: &Frame<'_>,
        read: impl FnOnce(R::Response<'_>) -> T,
    ) -> Result<T> {
        let (header, body) = decode_response::<R>(&frame.response, self.dialect)?;
        header.check_echo(&RequestHeader { rev: revision::<R>(), op: R::OPCODE, session })?;
        match body {
            Some(body) => Ok(read(body)),
            None => Err(Error::Device { command: R::OPCODE, status: header.status }),
        }
    }
}

/// Every request but the one that asks for the revision carries it (wire 2.5).
fn revision<'a, R: Request<'a>>() -> Option<ApiRev> {
    (R::OPCODE != Opcode::GET_API_REV).then_some(ApiRev::V1_0)
}

/// The driver's refusals that concern the session are the statuses that the protocol has for them (wire 3.6).
fn refusal(command: Opcode, cause: ChannelError) -> Error {
    let status = match cause {
        ChannelError::SessionLimit => Status::FILE_HANDLE_SESSION_LIMIT_REACHED,
        ChannelError::NoSession => Status::FILE_HANDLE_NO_EXISTING_SESSION,
        ChannelError::SessionMismatch => Status::FILE_HANDLE_SESSION_ID_DOES_NOT_MATCH,
        other => return other.into(),
    };
    Error::Device { command, status }
}

/// Buffers for requests and answers, as many as commands ever ran at once.
#[derive(Debug, Default)]
struct Frames(Mutex<Vec<(Vec<u8>, Vec<u8>)>>);

/// A request and its answer, one after another of the same operation, in buffers that go back to where they came from.
/// They may hold plaintext, so they are overwritten then, as far as the longest ones reached.
pub(super) struct Frame<'l> {
    request: Vec<u8>,
    response: Vec<u8>,
    /// The longest request and the longest answer that were in it.
    sent: usize,
    received: usize,
    frames: &'l Frames,
}

impl Frames {
    fn take(&self) -> Frame<'_> {
        let buffers = self.0.lock().pop();
        let (request, response) =
            buffers.unwrap_or_else(|| (Vec::with_capacity(MAX_REQUEST_LEN), Vec::with_capacity(MAX_RESPONSE_LEN)));
        Frame { request, response, sent: 0, received: 0, frames: self }
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        // A plain fill: the buffers live on in the pool, so the compiler cannot see it as dead, and a volatile one would
        // cost more than the command on the bulk path.
        for (buffer, longest) in [(&mut self.request, self.sent), (&mut self.response, self.received)] {
            let len = longest.max(buffer.len());
            buffer.clear();
            buffer.resize(len, 0);
        }
        self.frames.0.lock().push((mem::take(&mut self.request), mem::take(&mut self.response)));
    }
}
