//! Ciphers that need the whole message, or must not give anything out before all of it is checked.

use zeroize::{Zeroize, Zeroizing};

use crate::error::Result;
use crate::operation::CipherOp;

/// A cipher over whole messages.
pub(crate) trait WholeCipher: Send {
    /// An upper bound of the answer to `len` bytes; exact unless [`WholeCipher::is_padded`].
    fn answer_len(&self, len: usize) -> usize;

    /// Whether the answer may be shorter than that by a padding that only the work shows.
    fn is_padded(&self) -> bool {
        false
    }

    /// Transforms a message into `out`, which is empty.
    fn run(&self, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()>;
}

/// Collects the parts of a message for a [`WholeCipher`].
pub(crate) struct Collected<C> {
    cipher: C,
    message: Zeroizing<Vec<u8>>,
}

impl<C: WholeCipher + 'static> Collected<C> {
    pub(crate) fn boxed(cipher: C) -> Box<dyn CipherOp> {
        Box::new(Self { cipher, message: Zeroizing::default() })
    }
}

impl<C: WholeCipher> CipherOp for Collected<C> {
    fn update_len(&self, _len: usize) -> usize {
        0
    }

    fn final_len(&self, len: usize) -> usize {
        self.cipher.answer_len(self.message.len().saturating_add(len))
    }

    fn answer_is_padded(&self) -> bool {
        self.cipher.is_padded()
    }

    fn update(&mut self, part: &[u8], _out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        append(&mut self.message, part);
        Ok(())
    }

    fn finish(self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        self.whole(&[], out)
    }

    fn whole(mut self: Box<Self>, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let message = if self.message.is_empty() {
            message
        } else {
            append(&mut self.message, message);
            &self.message
        };
        if out.is_empty() {
            let done = self.cipher.run(message, out);
            if done.is_err() {
                out.zeroize();
            }
            return done;
        }
        let mut answer = Zeroizing::new(Vec::with_capacity(self.cipher.answer_len(message.len())));
        self.cipher.run(message, &mut answer)?;
        append(out, &answer);
        Ok(())
    }
}

/// Appends, growing by doubling, without leaving the old allocation's content behind.
pub(crate) fn append(buffer: &mut Zeroizing<Vec<u8>>, part: &[u8]) {
    let need = buffer.len() + part.len();
    if need > buffer.capacity() {
        let mut bigger = Zeroizing::new(Vec::with_capacity(need.max(2 * buffer.capacity())));
        bigger.extend_from_slice(buffer);
        *buffer = bigger;
    }
    buffer.extend_from_slice(part);
}
