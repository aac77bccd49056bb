//! Key wrapping with a cipher: what the standard does differently from encryption (PKCS#11 v3.2, 6.10.4, 6.10.5, 6.16).

use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};
use crate::operation::CipherOp;

/// Wrapping with the encryption `op`: the payload is "padded on the trailing end with up to block size minus one null
/// bytes" to a multiple of `unit` bytes; 1 pads nothing. What is wrong with the payload is wrong with the key.
pub(crate) fn wrap(op: Box<dyn CipherOp>, unit: usize) -> Box<dyn CipherOp> {
    Box::new(Wrap { op, unit, len: 0 })
}

/// Unwrapping with the decryption `op`. The zeros of [`wrap`] are still there: the new key's type and template say where
/// the key ends.
pub(crate) fn unwrap(op: Box<dyn CipherOp>) -> Box<dyn CipherOp> {
    Box::new(Unwrap(op))
}

struct Wrap {
    op: Box<dyn CipherOp>,
    unit: usize,
    /// Of the payload so far.
    len: usize,
}

impl Wrap {
    /// How many zeros follow a payload of `len` bytes.
    fn zeros(&self, len: usize) -> usize {
        len.next_multiple_of(self.unit) - len
    }
}

impl CipherOp for Wrap {
    fn update_len(&self, len: usize) -> usize {
        self.op.update_len(len)
    }

    fn final_len(&self, len: usize) -> usize {
        // No payload comes near the end of the address space.
        let zeros = self.zeros(self.len.saturating_add(len).min(usize::MAX / 2));
        self.op.final_len(len.saturating_add(zeros))
    }

    fn answer_is_padded(&self) -> bool {
        self.op.answer_is_padded()
    }

    fn update(&mut self, part: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        self.len += part.len();
        self.op.update(part, out).map_err(of_key)
    }

    fn finish(mut self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let zeros = vec![0; self.zeros(self.len)];
        self.op.update(&zeros, out).map_err(of_key)?;
        self.op.finish(out).map_err(of_key)
    }
}

struct Unwrap(Box<dyn CipherOp>);

impl CipherOp for Unwrap {
    fn update_len(&self, len: usize) -> usize {
        self.0.update_len(len)
    }

    fn final_len(&self, len: usize) -> usize {
        self.0.final_len(len)
    }

    fn answer_is_padded(&self) -> bool {
        self.0.answer_is_padded()
    }

    fn update(&mut self, part: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        self.0.update(part, out).map_err(of_wrapped)
    }

    fn finish(self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        self.0.finish(out).map_err(of_wrapped)
    }

    fn whole(self: Box<Self>, message: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        self.0.whole(message, out).map_err(of_wrapped)
    }
}

/// The codes of `C_WrapKey` (5.18.3).
fn of_key(error: Error) -> Error {
    if error == Code::DataLenRange { recoded(Code::KeySizeRange, &error) } else { error }
}

/// The codes of `C_UnwrapKey` (5.18.4).
pub(crate) fn of_wrapped(error: Error) -> Error {
    match error.code() {
        Code::EncryptedDataInvalid => recoded(Code::WrappedKeyInvalid, &error),
        Code::EncryptedDataLenRange => recoded(Code::WrappedKeyLenRange, &error),
        _ => error,
    }
}

fn recoded(code: Code, error: &Error) -> Error {
    error.cause().map_or_else(|| code.into(), |cause| code.because(cause))
}
