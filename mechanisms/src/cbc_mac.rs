//! The CBC chain as a checksum, for the MACs that are made of it: all that is kept of a message is the last block of its
//! encryption. Over a key in the HSM that is one command per 1024 bytes (semantics 8.1).

use transport::channel::Direction;
use zeroize::{Zeroize, Zeroizing};

use crate::aes::BLOCK;
use crate::aes_cbc::Chain;
use crate::error::Result;
use crate::key::Key;

/// CBC encryption with IV 0 of which only the last block is wanted.
pub(crate) struct CbcMac {
    chain: Chain,
    state: Zeroizing<[u8; BLOCK]>,
    /// What did not go through the chain yet, up to [`COMMAND`] bytes. The last block of what came is always here.
    pending: Zeroizing<Vec<u8>>,
}

impl CbcMac {
    pub(crate) fn new(key: &Key) -> Result<Self> {
        Ok(Self {
            chain: Chain::new(key, Direction::Encrypt)?,
            state: Zeroizing::default(),
            pending: Zeroizing::new(Vec::with_capacity(COMMAND)),
        })
    }

    /// Adds a part.
    pub(crate) fn update(&mut self, mut part: &[u8]) -> Result<()> {
        while !part.is_empty() {
            if self.pending.len() == COMMAND {
                self.run()?;
            }
            let (now, later) = part.split_at(part.len().min(COMMAND - self.pending.len()));
            self.pending.extend_from_slice(now);
            part = later;
        }
        Ok(())
    }

    /// Fills the last block with zeros.
    pub(crate) fn fill(&mut self) {
        // Never beyond the capacity, which is a multiple of the block.
        let len = self.pending.len().next_multiple_of(BLOCK);
        self.pending.resize(len, 0);
    }

    /// How many bytes the last block has; 0 where there is none.
    pub(crate) fn last_len(&self) -> usize {
        match self.pending.len() {
            0 => 0,
            len => (len - 1) % BLOCK + 1,
        }
    }

    /// Fills the last block with zeros, makes one where there is none, and xors `mask` into it.
    pub(crate) fn mask_last(&mut self, mask: &[u8; BLOCK]) {
        if self.pending.is_empty() {
            self.pending.resize(BLOCK, 0);
        }
        self.fill();
        let start = self.pending.len() - BLOCK;
        self.pending[start..].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }

    /// The last block of the chain. What came is a multiple of the block.
    pub(crate) fn finish(mut self) -> Result<Zeroizing<[u8; BLOCK]>> {
        self.run()?;
        Ok(self.state)
    }

    /// See [`Chain::zero_block`].
    pub(crate) fn zero_block(&self) -> Result<Zeroizing<[u8; BLOCK]>> {
        self.chain.zero_block()
    }

    fn run(&mut self) -> Result<()> {
        self.chain.run(&mut self.state, &mut self.pending)?;
        self.pending.zeroize();
        Ok(())
    }
}

/// What one CBC command of the device takes (semantics 6.2).
const COMMAND: usize = 1024;
