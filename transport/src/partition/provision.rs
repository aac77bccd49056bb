//! From a fresh or forgotten partition to an open session (semantics 2.3 to 2.7).

use std::borrow::Cow;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::ceremony::{self, DeviceKey, Envelope};
use super::identity::Identity;
use super::life::{Life, Lives};
use super::line::Line;
use super::reaction::{Reaction, Restarts, interrupted, is, reaction};
use super::{Durable, PartitionBlobs, PartitionInfo, PartitionSecrets};
use crate::channel::Device;
use crate::ddi::command::{
    EstablishCredential, GetApiRev, GetCertChainInfo, GetCertificate, GetDeviceInfo, GetEstablishCredEncryptionKey,
    GetEstablishCredEncryptionKeyResponse, GetSealedBk3, GetSessionEncryptionKey, InitBk3, OpenSession, SetSealedBk3,
};
use crate::ddi::{
    ApiRev, DerPublicKey, DeviceKind, Dialect, EncryptedEstablishCredential, EncryptedSessionCredential, KeyType,
    Status,
};
use crate::{Error, Result};

/// What a device says of itself.
pub(super) struct Info {
    pub(super) physical: bool,
    pub(super) tables: u8,
    pub(super) fips_approved: bool,
}

/// Opens a handle and learns the dialect.
pub(super) fn open(device: &dyn Device) -> Result<(Line, Info)> {
    let mut line = Line::new(device.open()?);
    let (min, max) = line.send(None, &GetApiRev, |rev| (rev.min, rev.max))?;
    if !(min..=max).contains(&ApiRev::V1_0) {
        return Err(Error::Unsupported("a device without API revision 1.0"));
    }
    let info = line.send(None, &GetDeviceInfo, |info| Info {
        physical: info.kind == DeviceKind::PHYSICAL,
        tables: info.tables,
        fips_approved: info.fips_approved,
    })?;
    line.dialect = if info.physical { Dialect::Physical } else { Dialect::Virtual };
    Ok((line, info))
}

/// Reads the partition's identity without any credential: `GetApiRev`, `GetDeviceInfo`, the certificate chain.
pub fn probe(device: &dyn Device) -> Result<PartitionInfo> {
    let mut restarts = Restarts::new();
    loop {
        match probe_once(device) {
            Err(error) if interrupted(&error) && restarts.again() => {}
            done => return done,
        }
    }
}

fn probe_once(device: &dyn Device) -> Result<PartitionInfo> {
    let (line, info) = open(device)?;
    let identity = read_identity(&line)?.serial;
    Ok(PartitionInfo { physical: info.physical, tables: info.tables, fips_approved: info.fips_approved, identity })
}

/// The last certificate of slot 0 is the partition's (semantics 6.12); the chain's information has to be asked first.
fn read_identity(line: &Line) -> Result<Identity> {
    let count = line.send(None, &GetCertChainInfo { slot_id: 0 }, |info| info.num_certs)?;
    let cert_id = count.checked_sub(1).ok_or(Error::UnexpectedAnswer("an empty certificate chain"))?;
    line.send(None, &GetCertificate { slot_id: 0, cert_id }, |body| Identity::from_certificate(body.certificate))?
}

/// Provisions the partition unless somebody has done so since its last reset. Afterwards the blobs are those to work
/// with, and the life is the one in which the partition is.
pub(super) fn establish(
    device: &dyn Device,
    line: &Line,
    secrets: &PartitionSecrets,
    durable: &dyn Durable,
    lives: &Lives,
) -> Result<(PartitionBlobs, Life)> {
    let mut result = None;
    durable.exclusively(&mut |blobs, store| {
        let mut attempt = Attempt::new(line, secrets, blobs, lives);
        let found = attempt.run(store)?;
        if found == Found::Provisioned && attempt.blobs.bmk.is_none() {
            // Provisioned under another owner's credential, or under a BMK that was never stored: no key made now would
            // outlive the next reset. An emulated chip is ours alone, so it is reset; a real one may serve others, and
            // that is for its owner to decide (`Partition::reset`).
            if !device.info()?.emulated {
                return Err(Error::BlobRejected("the partition is provisioned by another owner; its BMK"));
            }
            device.reset()?;
            attempt.run(store)?;
        }
        // Read before the lock is let go of: no other life has begun since.
        result = Some((attempt.blobs.clone(), lives.now()?));
        Ok(())
    })?;
    result.ok_or(Error::UnexpectedAnswer("the store did not let us provision"))
}

/// How [`Attempt::run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// We provisioned the partition.
    Fresh,
    /// Somebody else had, or was faster.
    Provisioned,
}

/// One pass through the establishment, and what has been tried in it.
struct Attempt<'a> {
    line: &'a Line,
    secrets: &'a PartitionSecrets,
    blobs: &'a mut PartitionBlobs,
    lives: &'a Lives,
    identity: Option<Identity>,
    /// BK3 was masked anew in this pass.
    bk3_is_fresh: bool,
    /// The stored unwrapping key is not sent, because the device refused it.
    without_muk: bool,
}

impl<'a> Attempt<'a> {
    fn new(line: &'a Line, secrets: &'a PartitionSecrets, blobs: &'a mut PartitionBlobs, lives: &'a Lives) -> Self {
        Self { line, secrets, blobs, lives, identity: None, bk3_is_fresh: false, without_muk: false }
    }

    fn run(&mut self, store: &mut dyn FnMut(&PartitionBlobs) -> Result<()>) -> Result<Found> {
        let mut failure = None;
        for _ in 0..CEREMONY_ATTEMPTS {
            let error = match self.once(store) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            match reaction(&error) {
                Reaction::AlreadyProvisioned => return Ok(Found::Provisioned),
                Reaction::RepeatCeremony => {}
                Reaction::EndorseAgain => self.identity = None,
                Reaction::MaskBk3Again if !self.bk3_is_fresh => self.mask_bk3(store)?,
                // One status for three blobs. The unwrapping key first: it only carries imports, and can be replaced.
                _ if self.muk_may_be_refused(&error) => self.without_muk = true,
                Reaction::BlobRejected if !self.bk3_is_fresh => self.mask_bk3(store)?,
                Reaction::BlobRejected | Reaction::MaskBk3Again if self.blobs.bmk.is_some() => {
                    return Err(Error::BlobRejected("the backup of the partition's masking key (BMK)"));
                }
                _ => return Err(error),
            }
            failure = Some(error);
        }
        Err(failure.unwrap_or(Error::UnexpectedAnswer("no ceremony was tried")))
    }

    fn muk_may_be_refused(&self, error: &Error) -> bool {
        let sent = self.blobs.muk.is_some() && !self.without_muk;
        sent && (is(error, Status::MASKED_KEY_DECODE_FAILED) || is(error, Status::PROCESSED_IO_EVENT_IN_INVALID_STATE))
    }

    fn once(&mut self, store: &mut dyn FnMut(&PartitionBlobs) -> Result<()>) -> Result<Found> {
        let line = self.line;
        let key = match line.send(None, &GetEstablishCredEncryptionKey, CeremonyKey::from_answer) {
            Ok(key) => key?,
            // The simulator's word for a key that was deleted when the credential was set.
            Err(error) if is(&error, Status::KEY_NOT_FOUND) => return Ok(Found::Provisioned),
            Err(error) => return Err(error),
        };
        if self.blobs.masked_bk3.is_none() {
            self.mask_bk3(store)?;
        }
        let identity = match &self.identity {
            Some(identity) => identity,
            None => self.identity.insert(read_identity(line)?),
        };
        key.verify(identity)?;
        let (pota_sig, pota_key) = ceremony::endorse(self.secrets, &identity.point)?;
        let envelope = ceremony::encrypt(&key.device_key(), self.secrets, None)?;
        let muk = self.blobs.muk.as_deref().filter(|_| !self.without_muk);
        let request = EstablishCredential {
            encrypted_credential: EncryptedEstablishCredential {
                encrypted_id: &envelope.id,
                encrypted_pin: &envelope.pin,
                iv: &envelope.iv,
                nonce: &envelope.nonce,
                tag: &envelope.tag,
            },
            pub_key: p384(&envelope.spki),
            masked_bk3: self.blobs.masked_bk3.as_deref().unwrap_or_default(),
            bmk: self.blobs.bmk.as_deref().unwrap_or_default(),
            masked_unwrapping_key: muk.unwrap_or_default(),
            pota_sig: Cow::Owned(pota_sig),
            pota_pub_key: p384(&pota_key),
        };
        // Marked before, and for nothing where the ceremony fails.
        self.lives.begin()?;
        let bmk = line.send(None, &request, |body| body.bmk.to_vec())?;

        // The device returns another BMK each time: the same masking key under a fresh IV. Storing it costs a synced
        // write at every start, so it is stored only where it says more than the stored one: none was there, or it is
        // for another security version (semantics 7.5), which keeps the stored one within the device's window.
        if self.without_muk {
            self.blobs.muk = None;
        }
        let stored = self.blobs.bmk.as_deref();
        if stored.is_none_or(|stored| security_version(stored) != security_version(&bmk)) {
            self.blobs.bmk = Some(bmk);
            store(self.blobs)?;
        }
        Ok(Found::Fresh)
    }

    /// Gets a masked BK3 from the device: `InitBk3`, or what an earlier owner of this partition life left in the sealed
    /// slot (semantics 2.3). In the latter case BK3 is not ours: it works as long as the chip keeps its boot key.
    fn mask_bk3(&mut self, store: &mut dyn FnMut(&PartitionBlobs) -> Result<()>) -> Result<()> {
        self.bk3_is_fresh = true;
        let init = InitBk3 { bk3: self.secrets.bk3.as_ref() };
        let masked = match self.line.send(None, &init, |body| body.masked_bk3.to_vec()) {
            Ok(masked) => {
                // Best effort: a host that lost its store finds the blob there. The slot takes one value per life.
                let _ = self.line.send(None, &SetSealedBk3 { sealed_bk3: &masked }, |_| ());
                masked
            }
            Err(error) if is(&error, Status::BK3_ALREADY_INITIALIZED) => {
                self.line.send(None, &GetSealedBk3, |body| body.sealed_bk3.to_vec())?
            }
            Err(error) => return Err(error),
        };
        self.blobs.masked_bk3 = Some(masked);
        store(self.blobs)
    }
}

/// An open device session.
pub(super) struct Session {
    pub(super) id: u16,
    pub(super) short_app_id: u8,
}

/// Opens a session with the established credential, where one is free.
pub(super) fn open_session(line: &Line, secrets: &PartitionSecrets) -> Result<Session> {
    let mut result = session_ceremony(line, secrets);
    for _ in 1..CEREMONY_ATTEMPTS {
        match &result {
            Err(error) if reaction(error) == Reaction::RepeatCeremony => result = session_ceremony(line, secrets),
            _ => break,
        }
    }
    result
}

fn session_ceremony(line: &Line, secrets: &PartitionSecrets) -> Result<Session> {
    let key = line.send(None, &GetSessionEncryptionKey, CeremonyKey::from_answer)??;
    if !key.signature.is_empty() {
        key.verify(&read_identity(line)?)?;
    }
    let mut seed = Zeroizing::new([0; 48]);
    rand::fill(seed.as_mut()).map_err(|_| Error::UnexpectedAnswer("random"))?;
    let envelope: Envelope = ceremony::encrypt(&key.device_key(), secrets, Some(&seed))?;
    let request = OpenSession {
        encrypted_credential: EncryptedSessionCredential {
            encrypted_id: &envelope.id,
            encrypted_pin: &envelope.pin,
            encrypted_seed: &envelope.seed,
            iv: &envelope.iv,
            nonce: &envelope.nonce,
            tag: &envelope.tag,
        },
        pub_key: p384(&envelope.spki),
    };
    line.send(None, &request, |body| Session { id: body.sess_id, short_app_id: body.short_app_id })
}

/// The device's half of a ceremony.
struct CeremonyKey {
    spki: Vec<u8>,
    nonce: [u8; 32],
    signature: Vec<u8>,
}

impl CeremonyKey {
    fn from_answer(body: GetEstablishCredEncryptionKeyResponse<'_>) -> Result<Self> {
        if body.pub_key.key_kind != KeyType::ECC_384_PUBLIC {
            return Err(Error::UnexpectedAnswer("the ceremony key is no P-384 key"));
        }
        Ok(Self {
            spki: body.pub_key.der.into_owned(),
            nonce: *body.nonce,
            signature: body.pub_key_signature.into_owned(),
        })
    }

    /// A virtual device signs nothing; a physical one always does, the codec sees to that (wire 4.3).
    fn verify(&self, identity: &Identity) -> Result<()> {
        if self.signature.is_empty() {
            return Ok(());
        }
        ceremony::verify_device_key(&identity.point, &self.spki, &self.signature)
    }

    fn device_key(&self) -> DeviceKey<'_> {
        DeviceKey { spki: &self.spki, nonce: &self.nonce }
    }
}

fn p384(spki: &[u8]) -> DerPublicKey<'_> {
    DerPublicKey { der: Cow::Borrowed(spki), key_kind: KeyType::ECC_384_PUBLIC }
}

/// The security version in the clear part of a masked blob, whose metadata begin at byte 68 with a map whose first
/// field, if present, is a u64 (semantics 7.1, 7.2).
fn security_version(blob: &[u8]) -> Option<u64> {
    let (head, rest) = blob.get(69..)?.split_first_chunk::<3>()?;
    let version = rest.first_chunk::<8>().copied().map(u64::from_be_bytes);
    version.filter(|_| *head == [0x18, 0x01, 0x1B])
}

/// Other processes' ceremonies can spend our nonce; each repetition costs one more round trip for everybody.
const CEREMONY_ATTEMPTS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// The BMKs of semantics 11.2 begin with svn 1.
    #[test]
    fn the_security_version_of_a_blob() {
        let mut blob = vec![0; 68];
        blob.extend_from_slice(&[0xA6, 0x18, 0x01, 0x1B, 0, 0, 0, 0, 0, 0, 0, 1, 0x18, 0x02]);
        assert_eq!(security_version(&blob), Some(1));
        blob[70] = 0x02;
        assert_eq!(security_version(&blob), None);
        assert_eq!(security_version(&blob[..72]), None);
        assert_eq!(security_version(&[]), None);
    }
}
