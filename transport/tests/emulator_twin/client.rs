//! A client of the device that shares the codec with it and nothing else: its cryptography is RustCrypto's.

use std::path::Path;
use std::sync::Arc;

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use hmac::{Hmac, Mac};
use p384::ecdsa::signature::Signer;
use sha2::Sha384;
use transport::channel::{Channel, ChannelError, Control, Device};
use transport::ddi::command::*;
use transport::ddi::{
    ApiRev, DerPublicKey, Dialect, EccCurve, EncryptedEstablishCredential, EncryptedPin, EncryptedSessionCredential,
    HashAlgorithm, KeyClass, KeyType, Metadata, Opcode, Request, RsaCryptoPadding, Status, TargetKeyProperties, Usage,
    decode_response, encode_request, key,
};
use transport::emulator::{Config, Emulator, Kind, Options};

pub(crate) const REV: ApiRev = ApiRev { major: 1, minor: 0 };
pub(crate) const ID: [u8; 16] = *b"credential ident";
pub(crate) const PIN: [u8; 16] = *b"credential pin 1";
pub(crate) const BK3: [u8; 48] = [0xb3; 48];
pub(crate) const SEED: [u8; 48] = [0x5e; 48];
pub(crate) const POTA: [u8; 48] = [0x61; 48];

/// A device in a folder of its own.
pub(crate) struct Rig {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) device: Arc<Emulator>,
    pub(crate) kind: Kind,
}

impl Rig {
    pub(crate) fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kind = options.kind;
        let device = power_on(folder.path(), options);
        Self { folder, device, kind }
    }

    pub(crate) fn virtual_device() -> Self {
        Self::new(Options { kind: Kind::Virtual, ..Options::default() })
    }

    pub(crate) fn handle(&self) -> Client {
        Client { channel: self.device.open().unwrap(), dialect: self.kind.dialect(), session: None }
    }

    /// A provisioned device and an open session on it.
    pub(crate) fn with_session(options: Options) -> (Self, Client) {
        let rig = Self::new(options);
        let mut client = rig.handle();
        client.provision(&Blobs::default()).unwrap();
        client.open_session(&PIN, &SEED).unwrap();
        (rig, client)
    }
}

pub(crate) fn power_on(folder: &Path, options: Options) -> Arc<Emulator> {
    Emulator::open(Config { folder: folder.to_owned(), options }).unwrap()
}

/// What a host keeps (semantics 2.7).
#[derive(Clone, Debug, Default)]
pub(crate) struct Blobs {
    pub masked_bk3: Vec<u8>,
    pub(crate) bmk: Vec<u8>,
    pub(crate) muk: Vec<u8>,
}

/// What a key-creating command answered.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) id: u16,
    pub(crate) bulk: Option<u16>,
    pub(crate) masked: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    pub(crate) kind: Option<KeyType>,
}

/// Public key as SPKI, nonce, signature by the PID key.
pub(crate) type DeviceKey = (Vec<u8>, [u8; 32], Vec<u8>);

pub(crate) struct Client {
    pub(crate) channel: Box<dyn Channel>,
    pub(crate) dialect: Dialect,
    pub(crate) session: Option<u16>,
}

/// Parts of an envelope, to be tampered with.
pub(crate) struct Envelope {
    pub(crate) id: Vec<u8>,
    pub(crate) pin: Vec<u8>,
    pub(crate) seed: Vec<u8>,
    pub(crate) iv: Vec<u8>,
    pub(crate) nonce: [u8; 32],
    pub(crate) tag: [u8; 48],
    pub(crate) client: Vec<u8>,
}

impl Envelope {
    pub(crate) fn new(device: &[u8], nonce: [u8; 32], id: &[u8], pin: &[u8], seed: &[u8]) -> Self {
        let secret = p384::SecretKey::from_slice(&[0x31; 48]).unwrap();
        let (_, point) = key::point_from_spki(device).unwrap();
        let peer = p384::PublicKey::from_sec1_bytes(point).unwrap();
        let z = p384::ecdh::diffie_hellman(secret.to_nonzero_scalar(), peer.as_affine());
        let okm = hkdf_sha384(z.raw_secret_bytes(), &nonce, 80);
        let iv = vec![0x17; 16];
        let plain = [id, pin, seed].concat();
        let sent = cbc(okm[..32].try_into().unwrap(), &iv, &plain);
        let tag = mac_sha384(&okm[32..], &[&sent, &iv, &nonce]);
        let client = secret.public_key().to_sec1_bytes();
        Self {
            id: sent[..id.len()].to_vec(),
            pin: sent[id.len()..id.len() + pin.len()].to_vec(),
            seed: sent[id.len() + pin.len()..].to_vec(),
            iv,
            nonce,
            tag,
            client: key::spki_from_point(EccCurve::P384, &client).unwrap(),
        }
    }

    pub(crate) fn session(&self) -> EncryptedSessionCredential<'_> {
        EncryptedSessionCredential {
            encrypted_id: &self.id,
            encrypted_pin: &self.pin,
            encrypted_seed: &self.seed,
            iv: &self.iv,
            nonce: &self.nonce,
            tag: &self.tag,
        }
    }

    pub(crate) fn pub_key(&self) -> DerPublicKey<'_> {
        p384_key(&self.client)
    }
}

pub(crate) fn p384_key(spki: &[u8]) -> DerPublicKey<'_> {
    DerPublicKey { der: spki.into(), key_kind: KeyType::ECC_384_PUBLIC }
}

impl Client {
    /// Sends a request and reads its answer; every echo and every trailing byte is checked.
    pub(crate) fn call<'a, R: Request<'a>, T>(
        &self,
        request: &R,
        read: impl for<'r> FnOnce(R::Response<'r>) -> T,
    ) -> Result<T, Status> {
        let (rev, session) = match R::CONTROL {
            transport::ddi::SessionControl::NoSession | transport::ddi::SessionControl::Open => (Some(REV), None),
            _ => (Some(REV), self.session),
        };
        let rev = rev.filter(|_| R::OPCODE != Opcode::GET_API_REV);
        let mut frame = Vec::new();
        encode_request(rev, session, request, self.dialect, &mut frame).unwrap();
        let answer = self.exchange(Control { kind: R::CONTROL, session }, &frame).unwrap();
        let (header, body) = decode_response::<R>(&answer, self.dialect).unwrap();
        let sent = transport::ddi::RequestHeader { rev, op: R::OPCODE, session };
        header.check_echo(&sent).unwrap();
        if header.status.is_success() { Ok(read(body.unwrap())) } else { Err(header.status) }
    }

    /// Sends bytes.
    pub(crate) fn exchange(&self, control: Control, frame: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let mut answer = Vec::new();
        self.channel.exchange(control, frame, &mut answer)?;
        Ok(answer)
    }

    pub(crate) fn establish_key(&self) -> Result<DeviceKey, Status> {
        self.call(&GetEstablishCredEncryptionKey, |r| (r.pub_key.der.to_vec(), *r.nonce, r.pub_key_signature.to_vec()))
    }

    pub(crate) fn session_key(&self) -> Result<DeviceKey, Status> {
        self.call(&GetSessionEncryptionKey, |r| (r.pub_key.der.to_vec(), *r.nonce, r.pub_key_signature.to_vec()))
    }

    pub(crate) fn init_bk3(&self) -> Result<Vec<u8>, Status> {
        self.call(&InitBk3 { bk3: &BK3 }, |r| r.masked_bk3.to_vec())
    }

    /// The certificate chain.
    pub(crate) fn chain(&self) -> Vec<Vec<u8>> {
        let count = self.call(&GetCertChainInfo { slot_id: 0 }, |r| r.num_certs).unwrap();
        (0..count)
            .map(|cert_id| self.call(&GetCertificate { slot_id: 0, cert_id }, |r| r.certificate.to_vec()).unwrap())
            .collect()
    }

    /// The PID key's point, from the last certificate.
    pub(crate) fn pid_point(&self) -> Vec<u8> {
        point_of(self.chain().last().unwrap())
    }

    pub(crate) fn pota_signature(&self, pota: &[u8; 48]) -> Vec<u8> {
        let key = p384::ecdsa::SigningKey::from_slice(pota).unwrap();
        let signature: p384::ecdsa::Signature = key.sign(&self.pid_point());
        signature.to_bytes().to_vec()
    }

    /// EstablishCredential with the blobs as they are; answers the BMK.
    pub(crate) fn establish_with(
        &self,
        blobs: &Blobs,
        pota: &[u8; 48],
        envelope: &Envelope,
    ) -> Result<Vec<u8>, Status> {
        let pota_sig = self.pota_signature(pota);
        self.establish_raw(blobs, &pota_sig, &pota_spki(pota), envelope)
    }

    pub(crate) fn establish_raw(
        &self,
        blobs: &Blobs,
        pota_sig: &[u8],
        pota_spki: &[u8],
        envelope: &Envelope,
    ) -> Result<Vec<u8>, Status> {
        let request = EstablishCredential {
            encrypted_credential: EncryptedEstablishCredential {
                encrypted_id: &envelope.id,
                encrypted_pin: &envelope.pin,
                iv: &envelope.iv,
                nonce: &envelope.nonce,
                tag: &envelope.tag,
            },
            pub_key: envelope.pub_key(),
            masked_bk3: &blobs.masked_bk3,
            bmk: &blobs.bmk,
            masked_unwrapping_key: &blobs.muk,
            pota_sig: pota_sig.into(),
            pota_pub_key: p384_key(pota_spki),
        };
        self.call(&request, |r| r.bmk.to_vec())
    }

    /// The whole ceremony; InitBk3 where there is no masked BK3 yet. Answers the blobs to keep.
    pub(crate) fn provision(&self, blobs: &Blobs) -> Result<Blobs, Status> {
        let mut blobs = blobs.clone();
        if blobs.masked_bk3.is_empty() {
            blobs.masked_bk3 = self.init_bk3()?;
        }
        let (device, nonce, _) = self.establish_key()?;
        let envelope = Envelope::new(&device, nonce, &ID, &PIN, &[]);
        blobs.bmk = self.establish_with(&blobs, &POTA, &envelope)?;
        Ok(blobs)
    }

    pub(crate) fn envelope(&self, pin: &[u8], seed: &[u8; 48]) -> Result<Envelope, Status> {
        let (device, nonce, _) = self.session_key()?;
        Ok(Envelope::new(&device, nonce, &ID, pin, seed))
    }

    /// OpenSession; answers `bmk_session`.
    pub(crate) fn open_session(&mut self, pin: &[u8], seed: &[u8; 48]) -> Result<Vec<u8>, Status> {
        let envelope = self.envelope(pin, seed)?;
        self.open_with(&envelope)
    }

    pub(crate) fn open_with(&mut self, envelope: &Envelope) -> Result<Vec<u8>, Status> {
        let request = OpenSession { encrypted_credential: envelope.session(), pub_key: envelope.pub_key() };
        let (session, blob) = self.call(&request, |r| (r.sess_id, r.bmk_session.to_vec()))?;
        self.session = Some(session);
        Ok(blob)
    }

    pub(crate) fn reopen_session(&self, seed: &[u8; 48], bmk_session: &[u8]) -> Result<Vec<u8>, Status> {
        let envelope = self.envelope(&PIN, seed)?;
        let request =
            ReopenSession { encrypted_credential: envelope.session(), pub_key: envelope.pub_key(), bmk_session };
        self.call(&request, |r| r.bmk_session.to_vec())
    }

    pub(crate) fn close_session(&mut self) -> Result<(), Status> {
        self.call(&CloseSession, |_| ())?;
        self.session = None;
        Ok(())
    }

    pub(crate) fn change_pin(&self, pin: &[u8; 16]) -> Result<(), Status> {
        let (device, nonce, _) = self.session_key()?;
        let envelope = Envelope::new(&device, nonce, &[], pin, &[]);
        let new_pin =
            EncryptedPin { encrypted_pin: &envelope.pin, iv: &envelope.iv, nonce: &envelope.nonce, tag: &envelope.tag };
        self.call(&ChangePin { new_pin, pub_key: envelope.pub_key() }, |_| ())
    }

    pub(crate) fn ecc_generate(&self, curve: EccCurve, metadata: Metadata, tag: Option<u16>) -> Result<Made, Status> {
        let request = EccGenerateKeyPair { curve, key_tag: tag, key_properties: properties(metadata, b"label") };
        self.call(&request, |r| Made {
            id: r.private_key_id,
            bulk: None,
            masked: r.masked_key.to_vec(),
            spki: r.pub_key.der.to_vec(),
            kind: None,
        })
    }

    pub(crate) fn aes_generate(&self, size: transport::ddi::AesKeySize, metadata: Metadata) -> Result<Made, Status> {
        self.aes_generate_tagged(size, metadata, None)
    }

    pub(crate) fn aes_generate_tagged(
        &self,
        key_size: transport::ddi::AesKeySize,
        metadata: Metadata,
        key_tag: Option<u16>,
    ) -> Result<Made, Status> {
        let request = AesGenerateKey { key_size, key_tag, key_properties: properties(metadata, b"") };
        self.call(&request, |r| Made {
            id: r.key_id,
            bulk: r.bulk_key_id,
            masked: r.masked_key.to_vec(),
            spki: vec![],
            kind: None,
        })
    }

    pub(crate) fn cbc(
        &self,
        id: u16,
        op: transport::ddi::AesOp,
        iv: &[u8],
        msg: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), Status> {
        self.call(&AesEncryptDecrypt { key_id: id, op, msg, iv }, |r| (r.msg.to_vec(), r.iv.to_vec()))
    }

    pub(crate) fn ecc_sign(&self, id: u16, digest: &[u8], hash: HashAlgorithm) -> Result<Vec<u8>, Status> {
        let request = EccSign { key_id: id, digest: digest.into(), digest_algo: hash };
        self.call(&request, |r| r.signature.to_vec())
    }

    pub(crate) fn hmac(&self, id: u16, msg: &[u8]) -> Result<Vec<u8>, Status> {
        self.call(&Hmac_ { key_id: id, msg }, |r| r.tag.to_vec())
    }

    pub(crate) fn mod_exp(&self, id: u16, op: transport::ddi::RsaOpType, y: &[u8]) -> Result<Vec<u8>, Status> {
        self.call(&RsaModExp { key_id: id, y: y.into(), op_type: op }, |r| r.x.to_vec())
    }

    pub(crate) fn ecdh(&self, id: u16, peer: &[u8], kind: KeyType, metadata: Metadata) -> Result<Made, Status> {
        let request = EcdhKeyExchange {
            priv_key_id: id,
            pub_key_der: peer.into(),
            key_type: kind,
            key_tag: None,
            key_properties: properties(metadata, b""),
        };
        self.call(&request, |r| Made {
            id: r.key_id,
            bulk: None,
            masked: r.masked_key.to_vec(),
            spki: vec![],
            kind: None,
        })
    }

    pub(crate) fn hkdf(&self, request: &HkdfDerive<'_>) -> Result<Made, Status> {
        self.call(request, |r| Made {
            id: r.key_id,
            bulk: r.bulk_key_id,
            masked: r.masked_key.to_vec(),
            spki: vec![],
            kind: None,
        })
    }

    pub(crate) fn kbkdf(&self, request: &KbkdfCounterHmacDerive<'_>) -> Result<Made, Status> {
        self.call(request, |r| Made {
            id: r.key_id,
            bulk: r.bulk_key_id,
            masked: r.masked_key.to_vec(),
            spki: vec![],
            kind: None,
        })
    }

    /// Id, SPKI and MUK.
    pub(crate) fn unwrapping_key(&self) -> Result<Made, Status> {
        self.call(&GetUnwrappingKey, |r| Made {
            id: r.key_id,
            bulk: None,
            masked: r.masked_key.to_vec(),
            spki: r.pub_key.der.to_vec(),
            kind: None,
        })
    }

    pub(crate) fn unmask(&self, masked_key: &[u8]) -> Result<Made, Status> {
        self.call(&UnmaskKey { masked_key }, made)
    }

    pub(crate) fn unwrap_blob(
        &self,
        key_id: u16,
        blob: &[u8],
        class: KeyClass,
        hash: HashAlgorithm,
        metadata: Metadata,
    ) -> Result<Made, Status> {
        let request = RsaUnwrap {
            key_id,
            wrapped_blob: blob.into(),
            wrapped_blob_key_class: class,
            wrapped_blob_padding: RsaCryptoPadding::OAEP,
            wrapped_blob_hash_algorithm: hash,
            key_tag: None,
            key_properties: properties(metadata, b"imported"),
        };
        self.call(&request, made)
    }

    /// Wraps a value to the device's unwrapping key (OAEP-SHA-256, AES-256) and imports it.
    pub(crate) fn import(&self, class: KeyClass, value: &[u8], metadata: Metadata) -> Result<Made, Status> {
        let unwrapping = self.unwrapping_key()?;
        let blob = wrap(&unwrapping.spki, HashAlgorithm::SHA256, &[0x4b; 32], value);
        self.unwrap_blob(unwrapping.id, &blob, class, HashAlgorithm::SHA256, metadata)
    }

    pub(crate) fn delete(&self, key_id: u16) -> Result<(), Status> {
        self.call(&DeleteKey { key_id }, |_| ())
    }

    pub(crate) fn open_key(&self, key_tag: u16) -> Result<Made, Status> {
        self.call(&OpenKey { key_tag }, |r| Made {
            id: r.key_id,
            bulk: r.bulk_key_id,
            masked: vec![],
            spki: r.pub_key.map(|key| key.der.to_vec()).unwrap_or_default(),
            kind: Some(r.key_kind),
        })
    }

    pub(crate) fn attest(&self, key_id: u16, report_data: &[u8]) -> Result<Vec<u8>, Status> {
        self.call(&AttestKey { key_id, report_data }, |r| r.report.to_vec())
    }
}

use transport::ddi::command::Hmac as Hmac_;

fn made(r: RsaUnwrapResponse<'_>) -> Made {
    Made {
        id: r.key_id,
        bulk: r.bulk_key_id,
        masked: r.masked_key.to_vec(),
        spki: r.pub_key.map(|key| key.der.to_vec()).unwrap_or_default(),
        kind: Some(r.kind),
    }
}

pub(crate) fn properties(key_metadata: Metadata, key_label: &[u8]) -> TargetKeyProperties<'_> {
    TargetKeyProperties { key_metadata, key_label }
}

pub(crate) fn app(usage: Usage) -> Metadata {
    Metadata::new(usage, false)
}

pub(crate) fn own(usage: Usage) -> Metadata {
    Metadata::new(usage, true)
}

pub(crate) fn pota_spki(pota: &[u8; 48]) -> Vec<u8> {
    let point = p384::SecretKey::from_slice(pota).unwrap().public_key().to_sec1_bytes();
    key::spki_from_point(EccCurve::P384, &point).unwrap()
}

/// The only P-384 SPKI inside a certificate.
pub(crate) fn point_of(certificate: &[u8]) -> Vec<u8> {
    let prefix = [0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00];
    let at = certificate.windows(prefix.len()).position(|window| window == prefix).unwrap() + prefix.len();
    certificate[at..at + 97].to_vec()
}

/// The blob of `CKM_RSA_AES_KEY_WRAP`.
pub(crate) fn wrap(spki: &[u8], hash: HashAlgorithm, kek: &[u8], value: &[u8]) -> Vec<u8> {
    [oaep(spki, hash, kek), kwp(kek, value)].concat()
}

/// RSA-OAEP of a key-encryption key.
pub(crate) fn oaep(spki: &[u8], hash: HashAlgorithm, kek: &[u8]) -> Vec<u8> {
    use aws_lc_rs::rsa::{
        OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
        OaepPublicEncryptingKey, PublicEncryptingKey,
    };
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(spki).unwrap()).unwrap();
    let algorithm = match hash {
        HashAlgorithm::SHA1 => &OAEP_SHA1_MGF1SHA1,
        HashAlgorithm::SHA384 => &OAEP_SHA384_MGF1SHA384,
        HashAlgorithm::SHA512 => &OAEP_SHA512_MGF1SHA512,
        _ => &OAEP_SHA256_MGF1SHA256,
    };
    let mut blob = vec![0; key.ciphertext_size()];
    key.encrypt(algorithm, kek, &mut blob, None).unwrap();
    blob
}

/// AES key wrap with padding, RFC 5649.
pub(crate) fn kwp(kek: &[u8], value: &[u8]) -> Vec<u8> {
    use aes_kw::{KwpAes128, KwpAes192, KwpAes256};
    let mut out = vec![0; value.len().next_multiple_of(8) + 8];
    match kek.len() {
        16 => KwpAes128::new_from_slice(kek).unwrap().wrap_key(value, &mut out).map(<[u8]>::len),
        24 => KwpAes192::new_from_slice(kek).unwrap().wrap_key(value, &mut out).map(<[u8]>::len),
        _ => KwpAes256::new_from_slice(kek).unwrap().wrap_key(value, &mut out).map(<[u8]>::len),
    }
    .unwrap();
    out
}

pub(crate) fn mac_sha384(key: &[u8], parts: &[&[u8]]) -> [u8; 48] {
    let mut mac = <Hmac<Sha384> as hmac::KeyInit>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// RFC 5869 with an empty salt.
fn hkdf_sha384(ikm: &[u8], info: &[u8], len: usize) -> Vec<u8> {
    let prk = mac_sha384(&[], &[ikm]);
    let mut okm: Vec<u8> = Vec::new();
    for block in 1u8.. {
        let last = okm.len().saturating_sub(48);
        let previous = okm[last..].to_vec();
        okm.extend(mac_sha384(&prk, &[&previous, info, &[block]]));
        if okm.len() >= len {
            break;
        }
    }
    okm.truncate(len);
    okm
}

/// AES-256-CBC without padding.
pub(crate) fn cbc(key: [u8; 32], iv: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = Aes256::new(&key.into());
    let mut chain: [u8; 16] = iv.try_into().unwrap();
    let mut out = Vec::new();
    for block in plain.chunks(16) {
        chain.iter_mut().zip(block).for_each(|(chain, byte)| *chain ^= byte);
        let mut block = chain.into();
        cipher.encrypt_block(&mut block);
        chain = block.into();
        out.extend(chain);
    }
    out
}
