//! RsaModExp (semantics 6.5).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::dispatch::Reply;
use super::keys::{self, Material};
use super::partition::{Partition, Ticket};
use crate::ddi::command::{RsaModExp, RsaModExpResponse};
use crate::ddi::{RsaOpType, Status, Usage};

impl Partition {
    pub(super) fn rsa_mod_exp(
        &self,
        request: &RsaModExp<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        if request.y.is_empty() {
            return Err(Status::INVALID_ARG);
        }
        let usage = match request.op_type {
            RsaOpType::SIGN => Usage::SignVerify,
            RsaOpType::DECRYPT => Usage::EncryptDecrypt,
            _ => return Err(Status::INVALID_ARG),
        };
        let material = {
            let state = self.state();
            let entry = state.vault.usable(request.key_id, ticket.session, keys::is_rsa, usage)?;
            Arc::clone(&entry.material)
        };
        let Material::Rsa(key) = &*material else { return Err(Status::INVALID_KEY_TYPE) };
        if !in_range(&request.y, key.modulus()) {
            return Err(Status::INVALID_ARG);
        }
        let x = key.private_op(&request.y).map_err(|_| Status::RSA_DECRYPT_FAILED)?;
        reply.ok(&RsaModExpResponse { x: (&x[..]).into() })
    }
}

/// 1 < m < n - 1, at the modulus's length.
fn in_range(m: &[u8], n: &[u8]) -> bool {
    let Some((last, head)) = m.split_last() else { return false };
    let tiny = *last <= 1 && head.iter().all(|byte| *byte == 0);
    // The modulus is odd, so n - 1 differs in its last bit only.
    let mut limit = Zeroizing::new(n.to_vec());
    if let Some(last) = limit.last_mut() {
        *last &= 0xfe;
    }
    m.len() == n.len() && !tiny && m < &limit[..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_16_the_range_of_the_operand() {
        let n = [0xc1, 0x00, 0x05];
        for (m, good) in [
            (&[0, 0, 0][..], false),
            (&[0, 0, 1], false),
            (&[0, 0, 2], true),
            (&[0xc1, 0, 3], true),
            (&[0xc1, 0, 4], false),
            (&[0xc1, 0, 5], false),
            (&[0xff, 0, 0], false),
            (&[0, 2], false),
            (&[0, 0, 0, 2], false),
            (&[], false),
        ] {
            assert_eq!(in_range(m, &n), good, "{m:?}");
        }
    }
}
