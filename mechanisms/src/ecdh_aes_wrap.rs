//! `CKM_ECDH_AES_KEY_WRAP` and `CKM_ECDH_COF_AES_KEY_WRAP`: an AES key by ECDH with a key pair made for this once, then the
//! payload under it (RFC 5649).
//!
//! | | What is in front of the wrapped payload |
//! |---|---|
//! | `CKM_ECDH_AES_KEY_WRAP`, deprecated in v3.2 | the uncompressed point as it is, as long as the unwrapping key's own |
//! | `CKM_ECDH_COF_AES_KEY_WRAP` | the same in a DER OCTET STRING |
//!
//! The wrapping key is a public key of anybody. The unwrapping key is outside the HSM: of an HSM key the device gives
//! the secret to HKDF only, which is no part of this.

use std::sync::Arc;

use transport::partition::Curve;
use zeroize::Zeroizing;

use crate::ck::{KeyType, MechanismType, ObjectClass};
use crate::collected::{Collected, WholeCipher};
use crate::ecdh::{self, Kdf};
use crate::error::{Code, Result};
use crate::key::{Key, Material, PublicKey, Value};
use crate::operation::CipherOp;
use crate::params::{Params, Shape};
use crate::table::{CipherInit, Row};
use crate::{ec, table, wrapping};

/// PKCS#11 v3.2, 6.3.20 and 6.3.21.
pub(crate) const ROWS: &[Row] = &[
    row(
        MechanismType::ECDH_AES_KEY_WRAP,
        "6.3.20",
        |params, key| wrap(params, key, Form::Bare),
        |params, key| unwrap(params, key, Form::Bare),
    ),
    row(
        MechanismType::ECDH_COF_AES_KEY_WRAP,
        "6.3.21",
        |params, key| wrap(params, key, Form::Der),
        |params, key| unwrap(params, key, Form::Der),
    ),
];

const fn row(kind: MechanismType, section: &'static str, wrap: CipherInit, unwrap: CipherInit) -> Row {
    Row {
        section,
        keys: &[KeyType::EC],
        min_size: 256,
        max_size: 521,
        shape: Shape::EcdhAesWrap,
        wrap: Some(wrap),
        unwrap: Some(unwrap),
        wraps: &[ObjectClass::SECRET_KEY, ObjectClass::PRIVATE_KEY],
        ..Row::none(kind)
    }
}

/// How the point is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bare,
    Der,
}

impl Form {
    fn write(self, point: &[u8]) -> Vec<u8> {
        match self {
            Self::Bare => point.to_vec(),
            Self::Der => ec::point_attribute(point),
        }
    }
}

/// What both directions know: the curve, the key's side of it, the parameter.
struct Agreement {
    curve: Curve,
    form: Form,
    aes_len: usize,
    kdf: Kdf,
    shared: Vec<u8>,
    /// Length of what is in front.
    front: usize,
}

impl Agreement {
    fn new(params: &Params, curve: Curve, point: &[u8], form: Form) -> Result<Self> {
        let Params::EcdhAesWrap { aes_bits, kdf, shared } = params else {
            return Err(Code::MechanismParamInvalid.into());
        };
        let aes_len = match aes_bits {
            128 => 16,
            192 => 24,
            256 => 32,
            other => return Err(Code::MechanismParamInvalid.because(format_args!("an AES key of {other} bits"))),
        };
        let kdf = Kdf::new(*kdf, shared)?;
        Ok(Self { curve, form, aes_len, kdf, shared: shared.clone(), front: form.write(point).len() })
    }

    /// The AES key: "the first ulAESKeyBits bits of the derived key".
    fn kek(&self, private: &Value, peer: &[u8]) -> Result<Key> {
        let secret = ecdh::agree(self.curve, private, peer)?;
        let kek = match self.kdf {
            Kdf::Null => Zeroizing::new(secret[..self.aes_len].to_vec()),
            kdf => kdf.run(&secret, &self.shared, self.aes_len),
        };
        let material = Material::Clear(Arc::new(Value::Secret(kek)));
        Ok(Key { key_type: KeyType::AES, material, public: None })
    }
}

struct Wrap {
    agreement: Agreement,
    peer: Vec<u8>,
}

fn wrap(params: &Params, key: &Key, form: Form) -> Result<Box<dyn CipherOp>> {
    let (curve, peer) = ec::public_half(key).map_err(|_| Code::WrappingKeyTypeInconsistent)?;
    let agreement = Agreement::new(params, curve, &peer, form)?;
    Ok(wrapping::wrap(Collected::boxed(Wrap { agreement, peer }), 1))
}

impl WholeCipher for Wrap {
    fn answer_len(&self, len: usize) -> usize {
        self.agreement.front.saturating_add(len.div_ceil(8).saturating_add(1).saturating_mul(8))
    }

    fn run(&self, payload: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let ours = ec::generate_value(self.agreement.curve)?;
        let PublicKey::Ec { point, .. } = ours.public()? else { return Err(Code::GeneralError.into()) };
        let kek = self.agreement.kek(&ours, &self.peer)?;
        out.reserve_exact(self.answer_len(payload.len()));
        out.extend_from_slice(&self.agreement.form.write(&point));
        kwp(|row| row.encrypt, &kek, payload, out)
    }
}

struct Unwrap {
    agreement: Agreement,
    private: Arc<Value>,
}

fn unwrap(params: &Params, key: &Key, form: Form) -> Result<Box<dyn CipherOp>> {
    let private = match &key.material {
        Material::Clear(value) => Arc::clone(value),
        Material::Hsm(..) => {
            return Err(Code::KeyFunctionNotPermitted
                .because("the HSM gives the secret of its EC key to HKDF only: this mechanism takes sealed keys"));
        }
        Material::Public(_) => return Err(Code::UnwrappingKeyTypeInconsistent.because("a public key")),
    };
    let (curve, point) = ec::public_half(key).map_err(|_| Code::UnwrappingKeyTypeInconsistent)?;
    let agreement = Agreement::new(params, curve, &point, form)?;
    Ok(wrapping::unwrap(Collected::boxed(Unwrap { agreement, private })))
}

impl WholeCipher for Unwrap {
    fn answer_len(&self, len: usize) -> usize {
        len.saturating_sub(self.agreement.front + 8)
    }

    fn is_padded(&self) -> bool {
        true
    }

    fn run(&self, wrapped: &[u8], out: &mut Zeroizing<Vec<u8>>) -> Result<()> {
        let agreement = &self.agreement;
        let Some((front, wrapped)) = wrapped.split_at_checked(agreement.front) else {
            return Err(Code::EncryptedDataLenRange.because(format_args!("a wrapped key of {} bytes", wrapped.len())));
        };
        // In exactly the form that wrapping writes: a point has one name.
        let peer = ec::point(agreement.curve, front).ok().filter(|point| agreement.form.write(point) == front);
        let Some(peer) = peer else {
            return Err(Code::EncryptedDataInvalid.because("no point of the curve in front"));
        };
        kwp(|row| row.decrypt, &agreement.kek(&self.private, &peer)?, wrapped, out)
    }
}

/// AES key wrap with padding, of this crate's own table.
fn kwp(
    direction: impl Fn(&Row) -> Option<CipherInit>,
    kek: &Key,
    message: &[u8],
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<()> {
    let start = table::row(MechanismType::AES_KEY_WRAP_KWP).and_then(direction).ok_or(Code::GeneralError)?;
    start(&Params::None, kek)?.whole(message, out)
}

#[cfg(test)]
mod tests {
    use aes_kw::{KeyInit, KwpAes192};

    use super::*;
    use crate::testing::message;

    const KINDS: [MechanismType; 2] = [MechanismType::ECDH_AES_KEY_WRAP, MechanismType::ECDH_COF_AES_KEY_WRAP];

    /// A private key and its public half.
    fn pair(curve: Curve) -> (Key, Key) {
        let value = ec::generate_value(curve).unwrap();
        let public = Arc::new(value.public().unwrap());
        let key = |material| Key { key_type: KeyType::EC, material, public: None };
        (key(Material::Clear(Arc::new(value))), key(Material::Public(public)))
    }

    fn params(aes_bits: u64, kdf: u64, shared: &[u8]) -> Params {
        Params::EcdhAesWrap { aes_bits, kdf, shared: shared.to_vec() }
    }

    fn run(init: Option<CipherInit>, params: &Params, key: &Key, message: &[u8]) -> Result<Vec<u8>> {
        let op = init.unwrap()(params, key)?;
        let room = op.final_len(message.len());
        let mut out = Zeroizing::default();
        op.whole(message, &mut out)?;
        assert!(out.len() <= room);
        Ok(out.to_vec())
    }

    #[test]
    fn there_and_back() {
        for row in KINDS.map(|kind| table::row(kind).unwrap()) {
            for curve in ec::CURVES {
                let (private, public) = pair(curve);
                for (bits, kdf, shared) in [
                    (128, cryptoki_sys::CKD_NULL, &b""[..]),
                    (192, cryptoki_sys::CKD_SHA1_KDF, b"shared"),
                    (256, cryptoki_sys::CKD_SHA3_512_KDF_SP800, b""),
                ] {
                    let params = params(bits, kdf, shared);
                    for len in [1, 8, 15, 16, 17, 1024, 4096] {
                        let payload = message(len);
                        let wrapped = run(row.wrap, &params, &public, &payload).unwrap();
                        assert_ne!(wrapped, run(row.wrap, &params, &public, &payload).unwrap());
                        assert_eq!(run(row.unwrap, &params, &private, &wrapped).unwrap(), payload);
                        let other = self::params(bits, cryptoki_sys::CKD_SHA384_KDF, b"other");
                        let refused = run(row.unwrap, &other, &private, &wrapped).unwrap_err();
                        assert_eq!(refused, Code::WrappedKeyInvalid);
                    }
                }
            }
        }
    }

    /// Opened step by step with RustCrypto.
    #[test]
    fn the_other_side_is_somebody_else() {
        for (kind, front) in [(KINDS[0], 0), (KINDS[1], 2)] {
            let (private, public) = pair(Curve::P256);
            let Material::Clear(value) = &private.material else { panic!("clear") };
            let params = params(192, cryptoki_sys::CKD_SHA256_KDF, b"info");
            let wrapped = run(table::row(kind).unwrap().wrap, &params, &public, b"payload").unwrap();
            let (point, wrapped) = wrapped[front..].split_at(65);
            let ours = p256::SecretKey::from_slice(&ec::scalar(value).unwrap()).unwrap();
            let theirs = p256::PublicKey::from_sec1_bytes(point).unwrap();
            let secret = p256::ecdh::diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());
            let secret = secret.raw_secret_bytes();
            let kek = <sha2::Sha256 as digest::Digest>::digest([&secret[..], &[0, 0, 0, 1], b"info"].concat());
            let mut room = [0; 16];
            let opened = KwpAes192::new_from_slice(&kek[..24]).unwrap().unwrap_key(wrapped, &mut room).unwrap();
            assert_eq!(opened, b"payload");
        }
    }

    #[test]
    fn spoiled_blobs_and_misuse() {
        for row in KINDS.map(|kind| table::row(kind).unwrap()) {
            let (private, public) = pair(Curve::P384);
            let good = params(256, cryptoki_sys::CKD_SHA256_KDF, b"");
            let wrapped = run(row.wrap, &good, &public, &message(20)).unwrap();
            for at in 0..wrapped.len() {
                let mut spoiled = wrapped.clone();
                spoiled[at] ^= 1;
                assert_eq!(run(row.unwrap, &good, &private, &spoiled).unwrap_err(), Code::WrappedKeyInvalid, "{at}");
            }
            for len in [0, 1, wrapped.len() - 1, wrapped.len() - 32] {
                let refused = run(row.unwrap, &good, &private, &wrapped[..len]).unwrap_err();
                assert_eq!(refused, Code::WrappedKeyLenRange, "{len}");
            }
            let invalid = Code::MechanismParamInvalid;
            for (params, code) in [
                (params(160, cryptoki_sys::CKD_SHA256_KDF, b""), invalid),
                (params(256, cryptoki_sys::CKD_NULL, b"shared"), invalid),
                (params(256, 99, b""), invalid),
                (Params::None, invalid),
            ] {
                assert_eq!(run(row.wrap, &params, &public, b"x").unwrap_err(), code);
                assert_eq!(run(row.unwrap, &params, &private, &wrapped).unwrap_err(), code);
            }
            let refused = run(row.unwrap, &good, &public, &wrapped).unwrap_err();
            assert_eq!(refused, Code::UnwrappingKeyTypeInconsistent);
            assert_eq!(run(row.wrap, &good, &public, b"").unwrap_err(), Code::KeySizeRange);
        }
    }
}
