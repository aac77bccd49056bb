//! AesGenerateKey and AesEncryptDecrypt (semantics 6.1, 6.2).

use std::sync::Arc;

use aws_lc_rs::cipher::{DecryptionContext, EncryptionContext};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::dispatch::Reply;
use super::keys::{self, Material, NewKey};
use super::partition::{Partition, Ticket};
use super::store::Target;
use super::vault::is_bulk;
use crate::channel::Direction;
use crate::ddi::command::{AesEncryptDecrypt, AesEncryptDecryptResponse, AesGenerateKey, AesGenerateKeyResponse};
use crate::ddi::{AesKeySize, AesOp, KeyType, Status, Usage};

impl Partition {
    pub(super) fn aes_generate_key(
        &self,
        request: &AesGenerateKey<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let kind = match request.key_size {
            AesKeySize::AES_128 => KeyType::AES_128,
            AesKeySize::AES_192 => KeyType::AES_192,
            AesKeySize::AES_256 => KeyType::AES_256,
            AesKeySize::AES_XTS_BULK_256 => KeyType::AES_XTS_BULK_256,
            AesKeySize::AES_GCM_BULK_256 => KeyType::AES_GCM_BULK_256,
            AesKeySize::AES_GCM_BULK_256_UNAPPROVED => KeyType::AES_GCM_BULK_256_UNAPPROVED,
            _ => return Err(Status::INVALID_ARG),
        };
        let mut target = Target::new(&request.key_properties, request.key_tag)?;
        if is_bulk(kind) {
            // The firmware accepts any legal group here and makes an EncryptDecrypt key (semantics 5.3).
            target.usage = Usage::EncryptDecrypt;
        }
        target.fits(kind)?;
        self.check_tag(&target)?;
        let mut value = Zeroizing::new([0; 32]);
        let value = &mut value[..keys::fixed_len(kind).ok_or(Status::AES_GENERATE_ERROR)?];
        rand::fill(value).map_err(|_| Status::RNG_ERROR)?;
        let stored = self.store(ticket, &target, NewKey::symmetric(kind, value)?, true)?;
        reply.ok(&AesGenerateKeyResponse {
            key_id: stored.placed.id,
            bulk_key_id: stored.placed.bulk,
            masked_key: &stored.masked,
        })
    }

    pub(super) fn aes_encrypt_decrypt(
        &self,
        request: &AesEncryptDecrypt<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        if request.msg.is_empty() || !request.msg.len().is_multiple_of(BLOCK) {
            return Err(Status::INVALID_ARG);
        }
        let iv: [u8; BLOCK] = request.iv.try_into().map_err(|_| Status::INVALID_ARG)?;
        let direction = match request.op {
            AesOp::ENCRYPT => Direction::Encrypt,
            AesOp::DECRYPT => Direction::Decrypt,
            _ => return Err(Status::INVALID_ARG),
        };
        let material = {
            let state = self.state();
            let entry = state.vault.usable(request.key_id, ticket.session, keys::is_aes, Usage::EncryptDecrypt)?;
            Arc::clone(&entry.material)
        };
        let Material::Aes { encrypting, decrypting } = &*material else { return Err(Status::INVALID_KEY_TYPE) };
        let last = |bytes: &[u8]| *bytes.last_chunk::<BLOCK>().expect("at least one block");
        // The message is transformed where it stands in the answer, so it is copied once and leaves no trace elsewhere.
        reply.ok(&AesEncryptDecryptResponse { msg: request.msg, iv: &last(request.msg) })?;
        let (data, iv_out) = fields(reply.frame(), request.msg.len()).ok_or(Status::DDI_ENCODE_FAILED)?;
        match direction {
            Direction::Encrypt => {
                encrypting
                    .less_safe_encrypt(data, EncryptionContext::Iv128(iv.into()))
                    .map_err(|_| Status::AES_ENCRYPT_FAILED)?;
                *iv_out = last(data);
            }
            Direction::Decrypt => {
                decrypting
                    .decrypt(data, DecryptionContext::Iv128(iv.into()))
                    .map_err(|_| Status::AES_DECRYPT_FAILED)?;
            }
        }
        Ok(())
    }
}

/// Where message and IV stand at the end of an answer's frame.
fn fields(frame: &mut [u8], len: usize) -> Option<(&mut [u8], &mut [u8; BLOCK])> {
    let (before, iv) = frame.split_last_chunk_mut()?;
    let end = before.len().checked_sub(IV_HEAD)?;
    Some((before.get_mut(end.checked_sub(len)?..end)?, iv))
}

const BLOCK: usize = 16;
/// From the end of a message of whole blocks to the IV: a field id of 2 bytes, marker and length of 3, and a pad of 3,
/// because message and IV both start at a multiple of four (wire 1.3).
const IV_HEAD: usize = 8;
