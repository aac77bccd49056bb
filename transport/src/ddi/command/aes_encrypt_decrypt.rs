//! AES-CBC without padding, of at most 1024 bytes (wire 3.3).

use crate::ddi::wire::{Var, message};
use crate::ddi::{AesOp, Opcode, Request};

message! {
    /// Request of `AesEncryptDecrypt`.
    pub struct AesEncryptDecrypt<'a> {
        /// AES key, not a bulk key.
        1 key_id: u16,
        /// Encrypt or decrypt.
        2 op: AesOp,
        /// A multiple of 16 bytes, not empty.
        3 msg: &'a [u8] as Var<1024>,
        /// 16 bytes.
        4 iv: &'a [u8] as Var<16>,
    }
}

impl<'a> Request<'a> for AesEncryptDecrypt<'a> {
    const OPCODE: Opcode = Opcode::AES_ENCRYPT_DECRYPT;
    type Response<'r> = AesEncryptDecryptResponse<'r>;
}

message! {
    /// Response of `AesEncryptDecrypt`.
    pub struct AesEncryptDecryptResponse<'a> {
        /// As long as the input.
        1 msg: &'a [u8] as Var<1024>,
        /// Chaining value of the next command.
        2 iv: &'a [u8] as Var<16>,
    }
}
