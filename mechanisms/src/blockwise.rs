//! Block modes in pieces of any size: only a partial block is ever kept back (and, when padding is to be removed, the
//! last whole one).

use transport::channel::Direction;
use zeroize::{Zeroize, Zeroizing};

use crate::aes::BLOCK;
use crate::error::{Code, Result};
use crate::operation::CipherOp;
use crate::padding::pkcs7;

/// A mode over whole blocks, in one direction.
pub(crate) trait BlockMode: Send {
    /// Transforms the next blocks of the message in place.
    fn run(&mut self, blocks: &mut [u8]) -> Result<()>;
}

/// A cipher made of a block mode.
pub(crate) struct Blockwise<M> {
    mode: M,
    direction: Direction,
    padded: bool,
    /// Fewer bytes than a block; when padding is to be removed, up to a whole block.
    kept: Zeroizing<Vec<u8>>,
}

impl<M: BlockMode> Blockwise<M> {
    /// `mode` runs in `direction`; `padded`: with PKCS#7 padding.
    pub(crate) fn new(mode: M, direction: Direction, padded: bool) -> Self {
        Self { mode, direction, padded, kept: Zeroizing::new(Vec::with_capacity(BLOCK)) }
    }

    /// How many of `len` bytes (with those kept) can be given out before the end of the message.
    fn ready(&self, len: usize) -> usize {
        if self.padded && self.direction == Direction::Decrypt {
            // The last whole block may be the padding.
            len.saturating_sub(1) / BLOCK * BLOCK
        } else {
            len / BLOCK * BLOCK
        }
    }

    fn length_error(&self, len: usize) -> crate::Error {
        let code = match self.direction {
            Direction::Encrypt => Code::DataLenRange,
            Direction::Decrypt => Code::EncryptedDataLenRange,
        };
        code.because(format_args!("{len} bytes are left that fill no block"))
    }

    /// Transforms what stands in `out` from `start` on; on failure nothing stays there.
    fn transform(&mut self, start: usize, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let done = self.mode.run(&mut out[start..]);
        if done.is_err() {
            out[start..].zeroize();
            out.truncate(start);
        }
        done
    }
}

impl<M: BlockMode> CipherOp for Blockwise<M> {
    fn update_len(&self, len: usize) -> usize {
        self.ready(self.kept.len().saturating_add(len))
    }

    fn final_len(&self, len: usize) -> usize {
        let total = self.kept.len().saturating_add(len);
        match (self.padded, self.direction) {
            (true, Direction::Encrypt) => (total / BLOCK).saturating_add(1).saturating_mul(BLOCK),
            // Padding takes at least one byte away; which, only decryption can tell.
            (true, Direction::Decrypt) | (false, _) => total,
        }
    }

    fn answer_is_padded(&self) -> bool {
        self.padded && self.direction == Direction::Decrypt
    }

    fn update(&mut self, part: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let ready = self.ready(self.kept.len() + part.len());
        if ready == 0 {
            self.kept.extend_from_slice(part);
            return Ok(());
        }
        let start = out.len();
        let taken = ready - self.kept.len();
        // No more than that: the caller has made room for the whole answer, and a larger request would move it.
        out.reserve(ready);
        out.extend_from_slice(&self.kept);
        out.extend_from_slice(&part[..taken]);
        self.kept.clear();
        self.kept.extend_from_slice(&part[taken..]);
        self.transform(start, out)
    }

    fn finish(mut self: Box<Self>, out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let start = out.len();
        match (self.padded, self.direction) {
            (false, _) if self.kept.is_empty() => Ok(()),
            (false, _) => Err(self.length_error(self.kept.len())),
            (true, Direction::Encrypt) => {
                let (padding, len) = pkcs7::padding::<BLOCK>(self.kept.len());
                out.extend_from_slice(&self.kept);
                out.extend_from_slice(&padding[..len]);
                self.transform(start, out)
            }
            (true, Direction::Decrypt) => {
                let Ok(mut block) = <[u8; BLOCK]>::try_from(&self.kept[..]) else {
                    return Err(self.length_error(self.kept.len()));
                };
                self.mode.run(&mut block)?;
                let len = pkcs7::unpad(&block);
                if let Ok(len) = len {
                    out.extend_from_slice(&block[..len]);
                }
                block.zeroize();
                len.map(|_| ())
            }
        }
    }
}
