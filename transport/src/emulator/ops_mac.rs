//! Hmac (semantics 6.10).

use std::sync::Arc;

use aws_lc_rs::hmac;

use super::dispatch::Reply;
use super::keys::{self, Material};
use super::partition::{Partition, Ticket};
use crate::ddi::command::{Hmac, HmacResponse};
use crate::ddi::{Status, Usage};

impl Partition {
    pub(super) fn hmac(&self, request: &Hmac<'_>, ticket: &Ticket, reply: &mut Reply<'_>) -> Result<(), Status> {
        let material = {
            let state = self.state();
            let entry = state.vault.usable(request.key_id, ticket.session, keys::is_hmac, Usage::SignVerify)?;
            Arc::clone(&entry.material)
        };
        let Material::Hmac(key) = &*material else { return Err(Status::INVALID_KEY_TYPE) };
        let tag = hmac::sign(key, request.msg);
        reply.ok(&HmacResponse { tag: tag.as_ref() })
    }
}
