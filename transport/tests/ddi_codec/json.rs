//! Decoded values as the JSON of the vectors: every member of every structure by name, so that none goes unseen.

use std::borrow::Cow;

use serde_json::{Value, json};
use transport::ddi::command::*;
use transport::ddi::*;

use crate::vectors::hex;

pub(crate) trait Json {
    fn json(&self) -> Value;
}

macro_rules! plain {
    ($($type:ty),+) => {
        $(impl Json for $type {
            fn json(&self) -> Value {
                json!(self)
            }
        })+
    };
}
plain!(u8, u16, u32, bool);

macro_rules! numbers {
    ($($type:ty),+) => {
        $(impl Json for $type {
            fn json(&self) -> Value {
                json!(self.0)
            }
        })+
    };
}
numbers!(
    Opcode,
    Status,
    DeviceKind,
    KeyClass,
    KeyType,
    AesKeySize,
    AesOp,
    EccCurve,
    HashAlgorithm,
    RsaOpType,
    RsaCryptoPadding
);

impl Json for &[u8] {
    fn json(&self) -> Value {
        json!(hex(self))
    }
}

impl<const N: usize> Json for &[u8; N] {
    fn json(&self) -> Value {
        json!(hex(*self))
    }
}

impl Json for Cow<'_, [u8]> {
    fn json(&self) -> Value {
        json!(hex(self))
    }
}

impl Json for Metadata {
    fn json(&self) -> Value {
        json!({ "blob": hex(&self.to_bytes()) })
    }
}

impl<T: Json> Json for Option<T> {
    fn json(&self) -> Value {
        self.as_ref().map_or(Value::Null, Json::json)
    }
}

// Destructuring makes the compiler refuse a list that lacks a member.
macro_rules! structures {
    ($($type:ident $(<$life:lifetime>)? { $($field:ident),* })+) => {
        $(impl Json for $type $(<$life>)? {
            fn json(&self) -> Value {
                let $type { $($field),* } = self;
                json!({ $(stringify!($field): $field.json()),* })
            }
        })+
    };
}

structures! {
    ApiRev { major, minor }
    DerPublicKey<'_> { der, key_kind }
    TargetKeyProperties<'_> { key_metadata, key_label }
    EncryptedEstablishCredential<'_> { encrypted_id, encrypted_pin, iv, nonce, tag }
    EncryptedSessionCredential<'_> { encrypted_id, encrypted_pin, encrypted_seed, iv, nonce, tag }
    EncryptedPin<'_> { encrypted_pin, iv, nonce, tag }

    GetApiRev {}
    GetApiRevResponse { min, max }
    GetDeviceInfo {}
    GetDeviceInfoResponse { kind, tables, fips_approved }
    DeleteKey { key_id }
    DeleteKeyResponse {}
    OpenKey { key_tag }
    OpenKeyResponse<'_> { key_id, key_kind, pub_key, bulk_key_id }
    AttestKey<'_> { key_id, report_data }
    AttestKeyResponse<'_> { report }
    RsaModExp<'_> { key_id, y, op_type }
    RsaModExpResponse<'_> { x }
    RsaUnwrap<'_> {
        key_id, wrapped_blob, wrapped_blob_key_class, wrapped_blob_padding, wrapped_blob_hash_algorithm, key_tag,
        key_properties
    }
    RsaUnwrapResponse<'_> { key_id, pub_key, bulk_key_id, kind, masked_key }
    GetUnwrappingKey {}
    GetUnwrappingKeyResponse<'_> { key_id, pub_key, masked_key }
    EccGenerateKeyPair<'_> { curve, key_tag, key_properties }
    EccGenerateKeyPairResponse<'_> { private_key_id, pub_key, masked_key }
    EccSign<'_> { key_id, digest, digest_algo }
    EccSignResponse<'_> { signature }
    AesGenerateKey<'_> { key_size, key_tag, key_properties }
    AesGenerateKeyResponse<'_> { key_id, bulk_key_id, masked_key }
    AesEncryptDecrypt<'_> { key_id, op, msg, iv }
    AesEncryptDecryptResponse<'_> { msg, iv }
    EcdhKeyExchange<'_> { priv_key_id, pub_key_der, key_type, key_tag, key_properties }
    EcdhKeyExchangeResponse<'_> { key_id, masked_key }
    HkdfDerive<'_> { key_id, hash_algorithm, salt, info, key_type, key_tag, key_properties, key_length }
    HkdfDeriveResponse<'_> { key_id, masked_key, bulk_key_id }
    KbkdfCounterHmacDerive<'_> { key_id, hash_algorithm, label, context, key_type, key_tag, key_properties, key_length }
    Hmac<'_> { key_id, msg }
    HmacResponse<'_> { tag }
    GetEstablishCredEncryptionKey {}
    GetEstablishCredEncryptionKeyResponse<'_> { pub_key, nonce, pub_key_signature }
    EstablishCredential<'_> {
        encrypted_credential, pub_key, masked_bk3, bmk, masked_unwrapping_key, pota_sig, pota_pub_key
    }
    EstablishCredentialResponse<'_> { bmk }
    GetSessionEncryptionKey {}
    OpenSession<'_> { encrypted_credential, pub_key }
    OpenSessionResponse<'_> { sess_id, short_app_id, bmk_session }
    CloseSession {}
    CloseSessionResponse {}
    ChangePin<'_> { new_pin, pub_key }
    ChangePinResponse {}
    UnmaskKey<'_> { masked_key }
    GetCertChainInfo { slot_id }
    GetCertChainInfoResponse<'_> { num_certs, thumbprint }
    GetCertificate { slot_id, cert_id }
    GetCertificateResponse<'_> { certificate }
    ReopenSession<'_> { encrypted_credential, pub_key, bmk_session }
    InitBk3<'_> { bk3 }
    InitBk3Response<'_> { masked_bk3, vm_launch_guid }
    GetSealedBk3 {}
    GetSealedBk3Response<'_> { sealed_bk3 }
    SetSealedBk3<'_> { sealed_bk3 }
    SetSealedBk3Response {}
}

impl Json for RequestHeader {
    fn json(&self) -> Value {
        let Self { rev, op, session } = self;
        json!({ "rev": rev.json(), "op": op.json(), "sess_id": session.json() })
    }
}

impl Json for ResponseHeader {
    fn json(&self) -> Value {
        let Self { rev, op, session, status, fips_approved } = self;
        json!({
            "rev": rev.json(), "op": op.json(), "sess_id": session.json(), "status": status.json(),
            "fips_approved": fips_approved,
        })
    }
}
