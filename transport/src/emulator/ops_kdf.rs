//! HkdfDerive and KbkdfCounterHmacDerive (semantics 6.9).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::dispatch::Reply;
use super::kdf;
use super::keys::{self, Material, NewKey};
use super::partition::{Partition, Ticket};
use super::store::Target;
use crate::ddi::command::{HkdfDerive, HkdfDeriveResponse, KbkdfCounterHmacDerive};
use crate::ddi::{HashAlgorithm, KeyType, Status, Usage};

impl Partition {
    pub(super) fn hkdf_derive(
        &self,
        request: &HkdfDerive<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let material = self.secret(request.key_id, ticket)?;
        let Material::Secret(secret) = &*material else { return Err(Status::INVALID_KEY_TYPE) };
        let len = output_len(request.key_type, request.key_length)?;
        let target = self.target(request.key_type, &request.key_properties, request.key_tag)?;
        let absent: &[u8] = if self.options.hkdf_absent_salt_quirk { &[0; 256] } else { &[] };
        let salt = request.salt.unwrap_or(absent);
        let value = kdf::hkdf(request.hash_algorithm, secret, salt, request.info.unwrap_or_default(), len)?;
        self.derived(request.key_type, &value, &target, ticket, reply)
    }

    pub(super) fn kbkdf_derive(
        &self,
        request: &KbkdfCounterHmacDerive<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let material = self.secret(request.key_id, ticket)?;
        let Material::Secret(secret) = &*material else { return Err(Status::INVALID_KEY_TYPE) };
        let len = output_len(request.key_type, request.key_length)?;
        let target = self.target(request.key_type, &request.key_properties, request.key_tag)?;
        let prf = kdf::hmac_of(request.hash_algorithm).ok_or(Status::KBKDF_INVALID_INPUT_PARAM)?;
        let context = request.context.unwrap_or_default();
        let inner = self.inner_key(request.hash_algorithm, secret, context)?;
        let key: &[u8] = inner.as_ref().map_or(secret, |inner| inner);
        let mut value = Zeroizing::new(vec![0; len]);
        kdf::kbkdf(prf, key, request.label.unwrap_or_default(), &[context], &mut value);
        self.derived(request.key_type, &value, &target, ticket, reply)
    }

    /// Production firmware runs KBKDF over an HKDF of the secret.
    fn inner_key(
        &self,
        hash: HashAlgorithm,
        secret: &[u8],
        context: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Status> {
        if self.options.kbkdf_production_quirk { kdf::hkdf(hash, secret, &[], context, 32).map(Some) } else { Ok(None) }
    }

    fn secret(&self, id: u16, ticket: &Ticket) -> Result<Arc<Material>, Status> {
        let state = self.state();
        let entry = state.vault.usable(id, ticket.session, keys::is_secret, Usage::Derive)?;
        Ok(Arc::clone(&entry.material))
    }

    fn derived(
        &self,
        kind: KeyType,
        value: &[u8],
        target: &Target<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let stored = self.store(ticket, target, NewKey::symmetric(kind, value)?, true)?;
        reply.ok(&HkdfDeriveResponse {
            key_id: stored.placed.id,
            masked_key: &stored.masked,
            bulk_key_id: stored.placed.bulk,
        })
    }
}

/// The output table of semantics 6.9: AES, HMAC and bulk AES have one length each, variable HMAC needs `key_length`.
fn output_len(kind: KeyType, key_length: Option<u8>) -> Result<usize, Status> {
    if let Some(range) = keys::variable_range(kind) {
        let len = usize::from(key_length.ok_or(Status::INVALID_KEY_TYPE)?);
        return if range.contains(&len) { Ok(len) } else { Err(Status::INVALID_KEY_LENGTH) };
    }
    let derivable = keys::is_aes(kind) || keys::is_hmac(kind) || super::vault::is_bulk(kind);
    keys::fixed_len(kind).filter(|_| derivable).ok_or(Status::INVALID_KEY_TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_20_the_output_table() {
        let len = |kind, key_length| output_len(kind, key_length);
        assert_eq!(len(KeyType::AES_192, Some(1)), Ok(24));
        assert_eq!(len(KeyType::HMAC_SHA512, None), Ok(64));
        assert_eq!(len(KeyType::AES_GCM_BULK_256, None), Ok(32));
        for kind in [KeyType::SECRET_256, KeyType::RSA_2K_PRIVATE, KeyType::ECC_256_PRIVATE, KeyType(0)] {
            assert_eq!(len(kind, Some(32)), Err(Status::INVALID_KEY_TYPE));
        }
        assert_eq!(len(KeyType::VAR_HMAC_256, None), Err(Status::INVALID_KEY_TYPE));
        for (kind, least, most) in
            [(KeyType::VAR_HMAC_256, 32, 64), (KeyType::VAR_HMAC_384, 48, 128), (KeyType::VAR_HMAC_512, 64, 128)]
        {
            assert_eq!(len(kind, Some(least)), Ok(usize::from(least)));
            assert_eq!(len(kind, Some(most)), Ok(usize::from(most)));
            assert_eq!(len(kind, Some(least - 1)), Err(Status::INVALID_KEY_LENGTH));
            assert_eq!(len(kind, Some(most + 1)), Err(Status::INVALID_KEY_LENGTH));
        }
    }
}
