//! The credential ceremonies, byte exact (semantics 3), and what they lead to: provisioning and sessions.

use std::sync::Arc;

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use aws_lc_rs::{agreement, hmac, rand};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::dispatch::Reply;
use super::hierarchy;
use super::kdf;
use super::masked::{MaskingKey, Metadata, Parsed};
use super::partition::{CeremonyKey, Credential, Partition, Provisioned, Session, State, Ticket};
use super::unwrapping;
use crate::ddi::command::{
    ChangePin, ChangePinResponse, EstablishCredential, EstablishCredentialResponse,
    GetEstablishCredEncryptionKeyResponse, OpenSession, OpenSessionResponse, ReopenSession,
};
use crate::ddi::{ApiRev, DerPublicKey, Dialect, EccCurve, HashAlgorithm, KeyType, Status, key};

impl Partition {
    pub(super) fn get_establish_key(&self, reply: &mut Reply<'_>) -> Result<(), Status> {
        let mut state = self.state();
        if state.credential.is_some() {
            return Err(Status::VAULT_APP_LIMIT_REACHED);
        }
        if state.establish_key.is_none() {
            let failed = Status::ESTABLISH_CRED_ENCRYPTION_KEY_GENERATE_FAILED;
            state.establish_key = Some(CeremonyKey::generate(&mut state, failed)?);
        }
        let key = state.establish_key.clone().expect("made above");
        let nonce = state.nonce;
        drop(state);
        answer_key(&key, &nonce, reply)
    }

    pub(super) fn get_session_key(&self, reply: &mut Reply<'_>) -> Result<(), Status> {
        let mut state = self.state();
        if state.credential.is_none() {
            return Err(Status::CREDENTIALS_NOT_ESTABLISHED);
        }
        if state.session_key.is_none() {
            let failed = Status::SESSION_ENCRYPTION_KEY_GENERATE_FAILED;
            state.session_key = Some(CeremonyKey::generate(&mut state, failed)?);
        }
        let key = state.session_key.clone().expect("made above");
        let nonce = state.nonce;
        drop(state);
        answer_key(&key, &nonce, reply)
    }

    /// Semantics 2.5, in the firmware's order.
    pub(super) fn establish_credential(
        &self,
        request: &EstablishCredential<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let mut state = self.state();
        let sent = &request.encrypted_credential;
        check_nonce(&state, sent.nonce)?;
        let (id, pin): ([u8; 16], [u8; 16]) = (exact(sent.encrypted_id)?, exact(sent.encrypted_pin)?);
        let iv = exact(sent.iv)?;
        if state.credential.is_some() {
            return Err(Status::VAULT_APP_LIMIT_REACHED);
        }
        let client = p384_point(&request.pub_key)?;
        let pota = p384_point(&request.pota_pub_key)?;
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, pota)
            .verify(state.identity.pid_point(), &request.pota_sig)
            .map_err(|_| Status::ECC_VERIFY_FAILED)?;
        let key = state.establish_key.clone().ok_or(Status::ESTABLISH_CRED_ENCRYPTION_KEY_GENERATE_FAILED)?;
        let keys = EnvelopeKeys::agree(&key.key, client, sent.nonce)?;
        keys.verify(&[sent.encrypted_id, sent.encrypted_pin, sent.iv, sent.nonce], sent.tag)?;
        state.renew_nonce()?;
        let plain = keys.decrypt(&iv, &[&id, &pin])?;
        let (id, pin) = plain.split_at(16);
        let credential = Credential { id: exact(id)?, pin: Zeroizing::new(exact(pin)?) };
        if is_zero(id) || is_zero(pin) {
            return Err(Status::INVALID_APP_CREDENTIALS);
        }
        state.credential = Some(credential);
        state.establish_key = None;
        state.vault.remove(key.entry);
        match self.provision(&mut state, request, pota, reply.dialect()) {
            Ok(bmk) => {
                drop(state);
                reply.ok(&EstablishCredentialResponse { bmk: &bmk })
            }
            Err(status) => {
                if self.options.provisioning_rolls_back {
                    state.credential = None;
                    state.provisioned = None;
                }
                Err(status)
            }
        }
    }

    fn provision(
        &self,
        state: &mut State,
        request: &EstablishCredential<'_>,
        pota_point: &[u8],
        dialect: Dialect,
    ) -> Result<Vec<u8>, Status> {
        if state.provisioned.is_some() {
            return Err(Status::PARTITION_ALREADY_PROVISIONED);
        }
        if request.masked_bk3.is_empty() {
            return Err(Status::INVALID_ARG);
        }
        let current = self.options.svn;
        let durable = self.file.load().map_err(|_| Status::INTERNAL_ERROR)?;
        let bk_boot = durable.bk_boot.ok_or(Status::MASKED_BK_BOOT_NOT_PRESENT)?;
        let masked_bk3 = Parsed::new(request.masked_bk3)?;
        let svn = masked_bk3.metadata.svn.ok_or(Status::MASKED_KEY_DECODE_FAILED)?;
        state.fleet.bks1(svn, current).ok_or(Status::UNMASKING_BK3_FAILED)?;
        let bk3 = MaskingKey::new(&bk_boot).open_exact::<48>(&masked_bk3).map_err(|_| Status::UNMASKING_BK3_FAILED)?;
        let pota = match dialect {
            Dialect::Virtual => request.pota_pub_key.der.to_vec(),
            Dialect::Physical => little_endian(pota_point),
        };
        let partition_key = |svn: u64, state: &State| {
            let bks1 = state.fleet.bks1(svn, current)?;
            Some(MaskingKey::new(&hierarchy::bk_partition(&bk3, &pota, &bks1, &state.fleet.bks2)))
        };
        let mk = if request.bmk.is_empty() {
            hierarchy::masking_key(&*random48()?)
        } else {
            let parsed = Parsed::new(request.bmk)?;
            let svn = parsed.metadata.svn.ok_or(Status::MASKED_KEY_DECODE_FAILED)?;
            partition_key(svn, state).ok_or(Status::MASKING_BK_BOOT_FAILED)?.open_exact::<80>(&parsed)?
        };
        let masking = MaskingKey::new(&mk);
        let unwrapping = if request.masked_unwrapping_key.is_empty() {
            None
        } else {
            Some(unwrapping::open(&masking, request.masked_unwrapping_key)?)
        };
        let bmk = if self.options.bmk_echo && !request.bmk.is_empty() {
            request.bmk.to_vec()
        } else {
            let metadata = Metadata::internal(current, KeyType::AES_CBC_256_HMAC_384, b"MK", 80, true);
            partition_key(current, state).ok_or(Status::MASKING_BK_BOOT_FAILED)?.seal(&metadata, &mk[..])?
        };
        state.reserve(KeyType::AES_CBC_256_HMAC_384, MASKING_KEY_RAW)?;
        if let Some(unwrapping) = unwrapping {
            state.unwrapping = Some(unwrapping);
            state.pending_polls = 0;
        }
        state.provisioned = Some(Provisioned { mk: Arc::new(masking), bk3_session: hierarchy::bk3_session(&bk3) });
        Ok(bmk)
    }

    /// Semantics 3.6; answers the session's id.
    pub(super) fn open_session(
        &self,
        request: &OpenSession<'_>,
        rev: ApiRev,
        reply: &mut Reply<'_>,
    ) -> Result<u16, Status> {
        let seed = self.login(&request.encrypted_credential, &request.pub_key)?;
        let smk = hierarchy::masking_key(&*random48()?);
        let mut state = self.state();
        let bmk_session = self.mask_smk(&state, &smk, &seed)?;
        let slot = state.sessions.iter().position(Option::is_none).ok_or(Status::VAULT_SESSION_LIMIT_REACHED)?;
        let entry = state.reserve(KeyType::AES_CBC_256_HMAC_384, SESSION_RAW)?;
        state.next_serial += 1;
        let serial = state.next_serial;
        let smk = Some(Arc::new(MaskingKey::new(&smk)));
        state.sessions[slot] = Some(Session { rev, serial, smk, entry: Some(entry) });
        drop(state);
        let sess_id = u16::try_from(slot).expect("eight slots");
        reply.set_session(sess_id);
        reply.ok(&OpenSessionResponse { sess_id, short_app_id: SHORT_APP_ID, bmk_session: &bmk_session })?;
        Ok(sess_id)
    }

    /// Semantics 4, "Needs renegotiation".
    pub(super) fn reopen_session(
        &self,
        request: &ReopenSession<'_>,
        session: u8,
        rev: Option<ApiRev>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let rev = rev.filter(|rev| *rev == super::dispatch::REVISION).ok_or(Status::UNSUPPORTED_REVISION)?;
        let flagged =
            |state: &State| state.sessions[usize::from(session)].as_ref().is_some_and(|session| session.smk.is_none());
        if !flagged(&self.state()) || request.bmk_session.is_empty() {
            return Err(Status::PROCESSED_IO_EVENT_IN_INVALID_STATE);
        }
        let seed = self.login(&request.encrypted_credential, &request.pub_key)?;
        let mut state = self.state();
        if !flagged(&state) {
            return Err(Status::PROCESSED_IO_EVENT_IN_INVALID_STATE);
        }
        let parsed = Parsed::new(request.bmk_session)?;
        let svn = parsed.metadata.svn.ok_or(Status::MASKED_KEY_DECODE_FAILED)?;
        let smk = self.bk_session(&state, svn, &seed)?.open_exact::<80>(&parsed)?;
        let bmk_session =
            if self.options.bmk_echo { request.bmk_session.to_vec() } else { self.mask_smk(&state, &smk, &seed)? };
        let entry = state.reserve(KeyType::AES_CBC_256_HMAC_384, SESSION_RAW)?;
        state.next_serial += 1;
        let serial = state.next_serial;
        let smk = Some(Arc::new(MaskingKey::new(&smk)));
        state.sessions[usize::from(session)] = Some(Session { rev, serial, smk, entry: Some(entry) });
        drop(state);
        let sess_id = u16::from(session);
        reply.set_session(sess_id);
        reply.ok(&OpenSessionResponse { sess_id, short_app_id: SHORT_APP_ID, bmk_session: &bmk_session })
    }

    pub(super) fn change_pin(
        &self,
        request: &ChangePin<'_>,
        ticket: &Ticket,
        reply: &mut Reply<'_>,
    ) -> Result<(), Status> {
        let sent = &request.new_pin;
        let (pin, iv): ([u8; 16], [u8; 16]) = (
            sent.encrypted_pin.try_into().map_err(|_| Status::DDI_DECODE_FAILED)?,
            sent.iv.try_into().map_err(|_| Status::DDI_DECODE_FAILED)?,
        );
        let key = {
            let state = self.state();
            check_nonce(&state, sent.nonce)?;
            state.session_key.clone().ok_or(Status::SESSION_ENCRYPTION_KEY_GENERATE_FAILED)?
        };
        let keys = EnvelopeKeys::agree(&key.key, p384_point(&request.pub_key)?, sent.nonce)?;
        let mut state = self.state();
        Self::confirm(&state, ticket)?;
        check_nonce(&state, sent.nonce)?;
        keys.verify(&[sent.encrypted_pin, sent.iv, sent.nonce], sent.tag)?;
        state.renew_nonce()?;
        let plain = keys.decrypt(&iv, &[&pin])?;
        if is_zero(&plain) {
            return Err(Status::INVALID_APP_CREDENTIALS);
        }
        let credential = state.credential.as_mut().ok_or(Status::CREDENTIALS_NOT_ESTABLISHED)?;
        credential.pin = Zeroizing::new(exact(&plain)?);
        drop(state);
        reply.ok(&ChangePinResponse)
    }

    /// Judges an envelope for a session; answers its seed.
    fn login(
        &self,
        sent: &crate::ddi::EncryptedSessionCredential<'_>,
        client: &DerPublicKey<'_>,
    ) -> Result<Zeroizing<[u8; 48]>, Status> {
        let now = self.faults.now();
        let state = self.state();
        if state.credential.is_none() {
            return Err(Status::CREDENTIALS_NOT_ESTABLISHED);
        }
        let (id, pin): ([u8; 16], [u8; 16]) = (exact(sent.encrypted_id)?, exact(sent.encrypted_pin)?);
        let (seed, iv): ([u8; 48], [u8; 16]) = (exact(sent.encrypted_seed)?, exact(sent.iv)?);
        if state.lockout.refuses(now) {
            return Err(Status::LOGIN_FAILED);
        }
        let client = p384_point(client)?;
        let key = state.session_key.clone().ok_or(Status::SESSION_ENCRYPTION_KEY_GENERATE_FAILED)?;
        drop(state);
        let keys = EnvelopeKeys::agree(&key.key, client, sent.nonce)?;
        let mut state = self.state();
        check_nonce(&state, sent.nonce)?;
        let fields = [sent.encrypted_id, sent.encrypted_pin, sent.encrypted_seed, sent.iv, sent.nonce];
        keys.verify(&fields, sent.tag)?;
        state.renew_nonce()?;
        let plain = keys.decrypt(&iv, &[&id, &pin, &seed])?;
        let (id, pin) = (&plain[..16], &plain[16..32]);
        if is_zero(id) || is_zero(pin) {
            return Err(Status::INVALID_APP_CREDENTIALS);
        }
        let credential = state.credential.as_ref().ok_or(Status::CREDENTIALS_NOT_ESTABLISHED)?;
        let right = credential.id.ct_eq(id) & credential.pin.ct_eq(pin);
        if !bool::from(right) {
            state.lockout.wrong(&self.options.lockout, now);
            return Err(Status::INVALID_APP_CREDENTIALS);
        }
        state.lockout.right();
        Ok(Zeroizing::new(exact(&plain[32..])?))
    }

    fn bk_session(&self, state: &State, svn: u64, seed: &[u8; 48]) -> Result<MaskingKey, Status> {
        let provisioned = state.provisioned.as_ref().ok_or(Status::PARTITION_NOT_PROVISIONED)?;
        let bks1 = state.fleet.bks1(svn, self.options.svn).ok_or(Status::MASKING_BK_BOOT_FAILED)?;
        let key = hierarchy::bk_session(&provisioned.bk3_session, &bks1, &state.fleet.bks2, seed);
        Ok(MaskingKey::new(&key))
    }

    fn mask_smk(&self, state: &State, smk: &hierarchy::Raw80, seed: &[u8; 48]) -> Result<Vec<u8>, Status> {
        let current = self.options.svn;
        let metadata = Metadata::internal(current, KeyType::AES_CBC_256_HMAC_384, b"SMK", 80, false);
        self.bk_session(state, current, seed)?.seal(&metadata, &smk[..])
    }
}

impl CeremonyKey {
    /// A new key, signed by the PID key, with its entry in the vault.
    fn generate(state: &mut State, failed: Status) -> Result<Self, Status> {
        let key = agreement::PrivateKey::generate(&agreement::ECDH_P384).map_err(|_| failed)?;
        let point = key.compute_public_key().map_err(|_| failed)?.as_ref().to_vec();
        let signature = state.identity.sign(&little_endian(&point)).map_err(|_| failed)?;
        let entry = state.reserve(KeyType::ECC_384_PRIVATE, CEREMONY_RAW)?;
        Ok(Self { key: Arc::new(key), point, signature, entry })
    }
}

fn answer_key(key: &CeremonyKey, nonce: &[u8; 32], reply: &mut Reply<'_>) -> Result<(), Status> {
    let der = key::spki_from_point(EccCurve::P384, &key.point).map_err(|_| Status::ECC_TO_DER_ERROR)?;
    let signature: &[u8] = match reply.dialect() {
        Dialect::Virtual => &[],
        Dialect::Physical => &key.signature,
    };
    reply.ok(&GetEstablishCredEncryptionKeyResponse {
        pub_key: DerPublicKey { der: der.into(), key_kind: KeyType::ECC_384_PUBLIC },
        nonce,
        pub_key_signature: signature.into(),
    })
}

/// What both sides derive from the exchange (semantics 3.2).
struct EnvelopeKeys {
    encryption: Zeroizing<[u8; 32]>,
    mac: hmac::Key,
}

impl EnvelopeKeys {
    fn agree(key: &agreement::PrivateKey, client: &[u8], nonce: &[u8; 32]) -> Result<Self, Status> {
        let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P384, client);
        agreement::agree(key, peer, Status::ECC_POINT_VALIDATION_FAILED, |z| {
            let okm = kdf::hkdf(HashAlgorithm::SHA384, z, &[], nonce, 80)?;
            let (encryption, mac) = okm.split_at(32);
            Ok(Self { encryption: Zeroizing::new(exact(encryption)?), mac: hmac::Key::new(hmac::HMAC_SHA384, mac) })
        })
    }

    fn verify(&self, fields: &[&[u8]], tag: &[u8; 48]) -> Result<(), Status> {
        let mut context = hmac::Context::with_key(&self.mac);
        for field in fields {
            context.update(field);
        }
        let good = context.sign().as_ref().ct_eq(&tag[..]);
        if bool::from(good) { Ok(()) } else { Err(Status::PIN_DECRYPTION_FAILED) }
    }

    /// One CBC run over the concatenated fields.
    fn decrypt(&self, iv: &[u8; 16], fields: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Status> {
        let mut plain = Zeroizing::new(fields.concat());
        UnboundCipherKey::new(&AES_256, &*self.encryption)
            .and_then(DecryptingKey::cbc)
            .and_then(|key| key.decrypt(&mut plain, DecryptionContext::Iv128((*iv).into())).map(|_| ()))
            .map_err(|_| Status::PIN_DECRYPTION_FAILED)?;
        Ok(plain)
    }
}

/// The uncompressed point of a P-384 key, checked as the firmware checks it (semantics 3.6).
fn p384_point<'k>(sent: &'k DerPublicKey<'_>) -> Result<&'k [u8], Status> {
    if sent.key_kind != KeyType::ECC_384_PUBLIC {
        return Err(Status::INVALID_ARG);
    }
    match key::point_from_spki(&sent.der) {
        Ok((EccCurve::P384, point)) => {
            super::ops_ecc::check_point(EccCurve::P384, point)?;
            Ok(point)
        }
        _ => Err(Status::INVALID_ARG),
    }
}

fn check_nonce(state: &State, nonce: &[u8; 32]) -> Result<(), Status> {
    if bool::from(state.nonce.ct_eq(nonce)) { Ok(()) } else { Err(Status::NONCE_MISMATCH) }
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Status> {
    bytes.try_into().map_err(|_| Status::INVALID_ARG)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) == 0
}

fn random48() -> Result<Zeroizing<[u8; 48]>, Status> {
    let mut bytes = Zeroizing::new([0; 48]);
    rand::fill(&mut *bytes).map_err(|_| Status::RNG_ERROR)?;
    Ok(bytes)
}

/// The raw form of a point: `x || y`, each little-endian.
fn little_endian(point: &[u8]) -> Vec<u8> {
    let (x, y) = point[1..].split_at((point.len() - 1) / 2);
    x.iter().rev().chain(y.iter().rev()).copied().collect()
}

/// The only application's (semantics 1).
pub(crate) const SHORT_APP_ID: u8 = 0;
/// Raw sizes of internal entries (semantics 5.1).
const MASKING_KEY_RAW: usize = 80;
const SESSION_RAW: usize = 88;
const CEREMONY_RAW: usize = 144;

#[cfg(test)]
mod tests {
    use aws_lc_rs::agreement::PrivateKey;

    use super::super::hierarchy::tests::unhex;
    use super::super::vectors;
    use super::*;

    struct Case {
        id: Vec<u8>,
        pin: Vec<u8>,
        seed: Vec<u8>,
        iv: Vec<u8>,
        sent: Vec<Vec<u8>>,
        tag: Vec<u8>,
    }

    fn check(keys: &EnvelopeKeys, nonce: &[u8], case: &Case) {
        let mut fields: Vec<&[u8]> = case.sent.iter().map(Vec::as_slice).collect();
        let iv: [u8; 16] = exact(&case.iv).unwrap();
        assert_eq!(keys.decrypt(&iv, &fields).unwrap()[..], [&case.id[..], &case.pin, &case.seed].concat());
        fields.extend([&case.iv[..], nonce]);
        let tag = exact(&case.tag).unwrap();
        keys.verify(&fields, &tag).unwrap();
        for bit in 0..8 {
            let mut bad = tag;
            bad[47] ^= 1 << bit;
            assert_eq!(keys.verify(&fields, &bad), Err(Status::PIN_DECRYPTION_FAILED));
        }
    }

    #[test]
    fn row_06_known_answers_of_section_11_1() {
        let device: Vec<u8> = (1..=0x30).collect();
        let client = unhex(
            "04db89855d1980b2aacdec0752249bea9e0630c16b69c095f6c752b2547b520d8109511d9088814917
             80594f03cfee8a0a8ca0eb1e634971e4c6fc551ca684edc32994c9068fc83964
             eb7ada3bbb9b1f2469d57da6460ba7462d4d3b9e9a4fe421",
        );
        let nonce: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let key = PrivateKey::from_private_key(&agreement::ECDH_P384, &device).unwrap();
        let keys = EnvelopeKeys::agree(&key, &client, &nonce).unwrap();
        assert_eq!(keys.encryption[..], unhex("0aa098acf175464dd124b5a422a581d4e7c3f58212e00427e5fc039af0b3bbfb"));
        let (id, pin): (Vec<u8>, Vec<u8>) = ((0xa0..=0xaf).collect(), (0xb0..=0xbf).collect());
        let iv: Vec<u8> = (0x10..=0x1f).collect();
        let (enc_id, enc_pin) = (unhex("6535fe14425700da66f4c755d3ff11c7"), unhex("98a88d659b8e7ee5e3e5840948a91a41"));
        let establish =
            unhex("9ba3dbb2f3c7e0b1827b4bd4731777d30feda8ede3a2bef5e5b28633027341d7a190c38f7b14a5b3f76cc370b22486eb");
        check(
            &keys,
            &nonce,
            &Case {
                id: id.clone(),
                pin: pin.clone(),
                seed: vec![],
                iv: iv.clone(),
                sent: vec![enc_id.clone(), enc_pin.clone()],
                tag: establish,
            },
        );
        let enc_seed =
            unhex("b095fadfda396cdcd5e5e457ebd65a46a4cac184da73263ed58f4cf32ef5d18235ae86770f5cc4572a006f65144f56fb");
        let open =
            unhex("f5ecb5f64bae2224e4d48b5a76fa27a2fe2031a39aaab7b8b4cf80f670faa544fb89192db789fb8d8d7ca4d4bdb31d64");
        let seed: Vec<u8> = (0xc0..=0xef).collect();
        let sent = vec![enc_id, enc_pin, enc_seed];
        check(&keys, &nonce, &Case { id, pin: pin.clone(), seed, iv: iv.clone(), sent, tag: open });
        let change =
            unhex("63f95d85988021c6ccbbdf21436098ac53c492081e0970dee5026a8243dd568ceb604500eab6429fe781e6e67e3696e5");
        let sent = vec![unhex("c83f1015c457673dce8b8ba315ff067d")];
        check(&keys, &nonce, &Case { id: vec![], pin, seed: vec![], iv, sent, tag: change });
    }

    #[test]
    fn row_06_the_recorded_ceremonies() {
        let file = vectors::load("credential_ceremony.json");
        let hex = |value: &serde_json::Value| value.as_str().map(unhex).unwrap_or_default();
        let key = PrivateKey::from_private_key(&agreement::ECDH_P384, &hex(&file["device_key"]["d"])).unwrap();
        let client = [vec![4], hex(&file["client_key"]["x"]), hex(&file["client_key"]["y"])].concat();
        let nonce: [u8; 32] = exact(&hex(&file["nonce"])).unwrap();
        let keys = EnvelopeKeys::agree(&key, &client, &nonce).unwrap();
        assert_eq!(keys.encryption[..], hex(&file["aes_256_key"]));
        let cases = file["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let part = |name: &str| hex(&case[name]);
            let sent = ["encrypted_id", "encrypted_pin", "encrypted_seed"].map(part);
            let case = Case {
                id: part("id"),
                pin: if case["pin"].is_null() { part("new_pin") } else { part("pin") },
                seed: part("seed"),
                iv: part("iv"),
                sent: sent.into_iter().filter(|field| !field.is_empty()).collect(),
                tag: part("tag"),
            };
            check(&keys, &nonce, &case);
        }
    }
}
