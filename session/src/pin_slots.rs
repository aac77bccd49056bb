//! Token secrets T, and the PIN slots that seal them (design 5).
//!
//! T is made once, by `C_InitToken`, and sealed as a disk encryptor does: once per PIN slot, under a key that Argon2id
//! (RFC 9106) makes of that slot's PIN. So a PIN is changed without touching any object, the SO can set the user's PIN,
//! and the device never sees one.
//!
//! One try, release build, 2 vCPU: 19456 KiB and 2 passes 13.9 ms, 12288 and 3 12.0 ms, 9216 and 4
//! 11.2 ms, 7168 and 5 10.8 ms (medians of 15).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P384, PrivateKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use transport::partition::PartitionSecrets;
use zeroize::Zeroizing;

use crate::config::Argon2;
use crate::{Code, Result};

/// Whose PIN it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// `CKU_SO`.
    SecurityOfficer = 0,
    /// `CKU_USER`.
    User = 1,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SecurityOfficer => "SO",
            Self::User => "USER",
        }
    }
}

/// T: what a login opens.
#[derive(Clone)]
pub(crate) struct Secrets {
    /// Device credential id.
    credential_id: Zeroizing<[u8; 16]>,
    /// Device credential pin.
    credential_pin: Zeroizing<[u8; 16]>,
    /// Owner backup key.
    bk3: Zeroizing<[u8; 48]>,
    /// POTA private key, a P-384 scalar.
    pota: Zeroizing<[u8; 48]>,
    /// What the keys of the stored records are derived from.
    record_key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Fresh secrets; with the owner backup key of the token that was here before, where there was one: a chip takes BK3
    /// once in its life between two boots (semantics 2.3), so a new one could not be given to it.
    pub(crate) fn new(before: Option<&Self>) -> Result<Self> {
        Ok(Self {
            credential_id: random()?,
            credential_pin: random()?,
            bk3: before.map_or_else(random, |before| Ok(before.bk3.clone()))?,
            pota: p384_scalar()?,
            record_key: random()?,
        })
    }

    /// What the partition is provisioned and entered with.
    pub(crate) fn partition(&self) -> PartitionSecrets {
        PartitionSecrets {
            id: *self.credential_id,
            pin: self.credential_pin.clone(),
            bk3: self.bk3.clone(),
            pota: self.pota.clone(),
        }
    }

    /// What the keys of the stored records are derived from.
    pub(crate) fn record_key(&self) -> &[u8; 32] {
        &self.record_key
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(ENCODED_LEN + 16));
        bytes.push(FORMAT);
        bytes.extend_from_slice(&*self.credential_id);
        bytes.extend_from_slice(&*self.credential_pin);
        bytes.extend_from_slice(&*self.bk3);
        bytes.extend_from_slice(&*self.pota);
        bytes.extend_from_slice(&*self.record_key);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[FORMAT]).filter(|_| bytes.len() == ENCODED_LEN)?;
        let (credential_id, rest) = take(rest)?;
        let (credential_pin, rest) = take(rest)?;
        let (bk3, rest) = take(rest)?;
        let (pota, rest) = take(rest)?;
        let (record_key, _) = take(rest)?;
        Some(Self { credential_id, credential_pin, bk3, pota, record_key })
    }
}

/// T, sealed under one PIN; what the store keeps of a PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PinSlot {
    pub(crate) salt: [u8; 16],
    pub(crate) cost: Argon2,
    /// `nonce (12) || ciphertext || tag (16)`.
    pub(crate) sealed: Vec<u8>,
}

impl PinSlot {
    /// Seals T under a PIN of 4 to 255 bytes.
    pub(crate) fn seal(token: &[u8; 16], role: Role, pin: &[u8], cost: Argon2, secrets: &Secrets) -> Result<Self> {
        if !PIN_LEN.contains(&pin.len()) {
            return Err(Code::PinLenRange.because(format_args!("a PIN of {} bytes, 4 to 255 are allowed", pin.len())));
        }
        let salt = *random::<16>()?;
        let key = key(pin, &salt, cost)?;
        let nonce = *random::<12>()?;
        let mut sealed = secrets.encode();
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound_to(token, role, &salt, cost)),
                &mut sealed,
            )
            .map_err(|_| Code::FunctionFailed.because("sealing a PIN slot failed"))?;
        Ok(Self { salt, cost, sealed: [&nonce, &sealed[..], tag.as_ref()].concat() })
    }

    /// Opens the slot; `None` where the PIN is wrong, which cannot be told from a slot that was changed.
    pub(crate) fn open(&self, token: &[u8; 16], role: Role, pin: &[u8]) -> Result<Option<Secrets>> {
        if let Some(why) = self.cost.flaw() {
            return Err(Code::DeviceError.because(format_args!("the {} PIN slot is corrupt: {why}", role.name())));
        }
        // A PIN of a length that cannot have been set is as wrong as any.
        let Some((nonce, sealed)) = self.sealed.split_first_chunk::<12>().filter(|_| PIN_LEN.contains(&pin.len()))
        else {
            return Ok(None);
        };
        let key = key(pin, &self.salt, self.cost)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let aad = Aad::from(bound_to(token, role, &self.salt, self.cost));
        let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut bytes);
        Ok(plain.ok().and_then(|plain| Secrets::decode(plain)))
    }
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| Code::FunctionFailed.because("no random bytes"))?;
    Ok(bytes)
}

fn p384_scalar() -> Result<Zeroizing<[u8; 48]>> {
    let failed = |_| Code::FunctionFailed.because("making a P-384 key failed");
    let key = PrivateKey::generate(&ECDH_P384).map_err(failed)?;
    let scalar: EcPrivateKeyBin<'_> = key.as_be_bytes().map_err(failed)?;
    let mut bytes = Zeroizing::new([0; 48]);
    let start = 48usize.checked_sub(scalar.as_ref().len()).ok_or(Code::FunctionFailed)?;
    bytes[start..].copy_from_slice(scalar.as_ref());
    Ok(bytes)
}

/// The key of a slot.
fn key(pin: &[u8], salt: &[u8; 16], cost: Argon2) -> Result<LessSafeKey> {
    let failed = |error: argon2::Error| Code::FunctionFailed.because(format_args!("Argon2id: {error}"));
    let params = argon2::Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(pin, salt, &mut *key)
        .map_err(failed)?;
    let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| Code::FunctionFailed)?;
    Ok(LessSafeKey::new(key))
}

/// What a sealed slot is bound to: the token, whose slot it is, how its key was made.
fn bound_to(token: &[u8; 16], role: Role, salt: &[u8; 16], cost: Argon2) -> Vec<u8> {
    let mut aad = b"azihsm-pkcs11 pin slot 1 ".to_vec();
    aad.extend_from_slice(role.name().as_bytes());
    aad.extend_from_slice(token);
    aad.extend_from_slice(salt);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        aad.extend_from_slice(&number.to_be_bytes());
    }
    aad
}

fn take<const N: usize>(bytes: &[u8]) -> Option<(Zeroizing<[u8; N]>, &[u8])> {
    bytes.split_first_chunk().map(|(head, rest)| (Zeroizing::new(*head), rest))
}

/// Lengths of a PIN in bytes.
pub(crate) const PIN_LEN: std::ops::RangeInclusive<usize> = 4..=255;
/// Of the encoding of T, its first byte.
const FORMAT: u8 = 1;
const ENCODED_LEN: usize = 1 + 16 + 16 + 48 + 48 + 32;

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Argon2 = Argon2 { memory_kib: 8, passes: 1, lanes: 1 };
    const TOKEN: [u8; 16] = [7; 16];

    fn sealed(pin: &[u8]) -> (Secrets, PinSlot) {
        let secrets = Secrets::new(None).unwrap();
        let slot = PinSlot::seal(&TOKEN, Role::User, pin, CHEAP, &secrets).unwrap();
        (secrets, slot)
    }

    #[test]
    fn the_right_pin_opens_and_any_other_does_not() {
        let (secrets, slot) = sealed(b"1234");
        let opened = slot.open(&TOKEN, Role::User, b"1234").unwrap().unwrap();
        assert_eq!(opened.encode(), secrets.encode());
        for wrong in [&b"1235"[..], b"", b"123", b"12345", &[b'1'; 256]] {
            assert!(slot.open(&TOKEN, Role::User, wrong).unwrap().is_none());
        }
    }

    #[test]
    fn a_slot_is_bound_to_token_role_and_cost() {
        let (_, slot) = sealed(b"1234");
        assert!(slot.open(&[8; 16], Role::User, b"1234").unwrap().is_none());
        assert!(slot.open(&TOKEN, Role::SecurityOfficer, b"1234").unwrap().is_none());
        let dearer = PinSlot { cost: Argon2 { passes: 2, ..CHEAP }, ..slot.clone() };
        assert!(dearer.open(&TOKEN, Role::User, b"1234").unwrap().is_none());
        let absurd = PinSlot { cost: Argon2 { memory_kib: u32::MAX, ..CHEAP }, ..slot.clone() };
        assert_eq!(absurd.open(&TOKEN, Role::User, b"1234").unwrap_err(), Code::DeviceError);
        let short = PinSlot { sealed: vec![0; 11], ..slot };
        assert!(short.open(&TOKEN, Role::User, b"1234").unwrap().is_none());
    }

    #[test]
    fn pins_have_4_to_255_bytes() {
        let secrets = Secrets::new(None).unwrap();
        for len in [0, 3, 256] {
            let refused = PinSlot::seal(&TOKEN, Role::User, &vec![b'1'; len], CHEAP, &secrets).unwrap_err();
            assert_eq!(refused, Code::PinLenRange);
        }
        for len in [4, 255] {
            PinSlot::seal(&TOKEN, Role::User, &vec![b'1'; len], CHEAP, &secrets).unwrap();
        }
    }

    #[test]
    fn a_new_token_on_the_same_chip_keeps_only_the_owner_backup_key() {
        let before = Secrets::new(None).unwrap();
        let after = Secrets::new(Some(&before)).unwrap();
        assert_eq!(before.bk3, after.bk3);
        assert_ne!(before.credential_id, after.credential_id);
        assert_ne!(before.credential_pin, after.credential_pin);
        assert_ne!(before.pota, after.pota);
        assert_ne!(before.record_key, after.record_key);
    }

    #[test]
    fn secrets_print_nothing() {
        assert_eq!(format!("{:?}", Secrets::new(None).unwrap()), "Secrets");
    }
}
