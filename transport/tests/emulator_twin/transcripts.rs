//! The recorded transcripts, step by step: the same requests with this device's ids, nonces and blobs, the same answers
//! as far as the firmware and the simulator agree. Where they do not, the firmware's status stands in a table.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use transport::channel::{ChannelError, Control, Device, Direction, GcmCall, XtsCall};
use transport::ddi::command::*;
use transport::ddi::{
    DerPublicKey, Dialect, EncryptedPin, HashAlgorithm, KeyClass, Opcode, Request, decode_body, decode_request_header,
    encode_request,
};
use transport::emulator::{Kind, Options};

use crate::client::*;
use crate::malformed::status_of;
use crate::vectors::{bytes, load};

/// One replay: what stood in the transcript, and what stands for it here.
struct Replay {
    rig: Rig,
    inputs: Value,
    handles: BTreeMap<u64, Client>,
    ids: HashMap<u16, u16>,
    bulk: HashMap<u16, u16>,
    blobs: HashMap<Vec<u8>, Vec<u8>>,
    unwrapping: Vec<u8>,
    xts_keys: usize,
    pin: Vec<u8>,
}

impl Replay {
    fn run(name: &str, options: Options, firmware: &[(u64, &str)]) {
        let file = load(name);
        let inputs = file["inputs"].clone();
        let pin = bytes(&inputs["pin"]);
        let mut replay = Self {
            rig: Rig::new(Options { kind: Kind::Virtual, ..options }),
            inputs,
            handles: BTreeMap::new(),
            ids: HashMap::new(),
            bulk: HashMap::new(),
            blobs: HashMap::new(),
            unwrapping: Vec::new(),
            xts_keys: 0,
            pin,
        };
        let steps = file["steps"].as_array().unwrap();
        assert!(steps.len() > 20);
        for step in steps {
            let number = step["step"].as_u64().unwrap();
            let recorded = step["status_name"].as_str();
            let expected = firmware.iter().find(|(at, _)| *at == number).map(|(_, status)| *status).or(recorded);
            if let Some(status) = replay.step(step) {
                assert_eq!(Some(status.as_str()), expected, "{name} step {number}: {}", step["label"]);
            }
        }
    }

    fn step(&mut self, step: &Value) -> Option<String> {
        let number = step["handle"].as_u64().unwrap_or_default();
        if !self.handles.contains_key(&number) {
            self.handles.insert(number, self.rig.handle());
        }
        if !step["fast_path"].is_null() {
            self.fast_path(step, number);
            return None;
        }
        if step["command"].is_null() {
            self.rig.device.reset().unwrap();
            return None;
        }
        let recorded = bytes(&step["request"]);
        let (header, body) = decode_request_header(&recorded, Dialect::Virtual).unwrap();
        let label = step["label"].as_str().unwrap();
        macro_rules! plain {
            ($request:ty) => {
                self.send(number, &decode_body::<$request>(body).unwrap())
            };
            ($request:ty, $($id:ident),+) => {{
                let mut request: $request = decode_body(body).unwrap();
                $(request.$id = self.id(request.$id);)+
                self.send(number, &request)
            }};
        }
        let answer = match header.op {
            Opcode::GET_API_REV => plain!(GetApiRev),
            Opcode::GET_DEVICE_INFO => plain!(GetDeviceInfo),
            Opcode::GET_SEALED_BK3 => plain!(GetSealedBk3),
            Opcode::SET_SEALED_BK3 => plain!(SetSealedBk3<'_>),
            Opcode::INIT_BK3 => plain!(InitBk3<'_>),
            Opcode::GET_CERT_CHAIN_INFO => plain!(GetCertChainInfo),
            Opcode::GET_CERTIFICATE => plain!(GetCertificate),
            Opcode::GET_ESTABLISH_CRED_ENCRYPTION_KEY => plain!(GetEstablishCredEncryptionKey),
            Opcode::GET_SESSION_ENCRYPTION_KEY => plain!(GetSessionEncryptionKey),
            Opcode::CLOSE_SESSION => plain!(CloseSession),
            Opcode::GET_UNWRAPPING_KEY => plain!(GetUnwrappingKey),
            Opcode::ECC_GENERATE_KEY_PAIR => plain!(EccGenerateKeyPair<'_>),
            Opcode::AES_GENERATE_KEY => plain!(AesGenerateKey<'_>),
            Opcode::OPEN_KEY => plain!(OpenKey),
            Opcode::ECC_SIGN => plain!(EccSign<'_>, key_id),
            Opcode::AES_ENCRYPT_DECRYPT => plain!(AesEncryptDecrypt<'_>, key_id),
            Opcode::RSA_MOD_EXP => plain!(RsaModExp<'_>, key_id),
            Opcode::HMAC => plain!(Hmac<'_>, key_id),
            Opcode::HKDF_DERIVE => plain!(HkdfDerive<'_>, key_id),
            Opcode::KBKDF_COUNTER_HMAC_DERIVE => plain!(KbkdfCounterHmacDerive<'_>, key_id),
            Opcode::ECDH_KEY_EXCHANGE => plain!(EcdhKeyExchange<'_>, priv_key_id),
            Opcode::ATTEST_KEY => plain!(AttestKey<'_>, key_id),
            Opcode::DELETE_KEY => plain!(DeleteKey, key_id),
            Opcode::UNMASK_KEY => {
                let mut request: UnmaskKey<'_> = decode_body(body).unwrap();
                let masked = self.blob(request.masked_key);
                request.masked_key = &masked;
                self.send(number, &request)
            }
            Opcode::RSA_UNWRAP => {
                let mut request: RsaUnwrap<'_> = decode_body(body).unwrap();
                request.key_id = self.id(request.key_id);
                request.wrapped_blob = self.wrapped(&request, step).into();
                self.send(number, &request)
            }
            Opcode::ESTABLISH_CREDENTIAL => self.establish(number, &decode_body(body).unwrap(), label),
            Opcode::OPEN_SESSION | Opcode::REOPEN_SESSION => {
                let envelope = self.session_envelope(number, label);
                let blob = step["request_fields"]["bmk_session"].as_str().map(crate::vectors::unhex);
                match blob {
                    None => self.send(
                        number,
                        &OpenSession { encrypted_credential: envelope.session(), pub_key: envelope.pub_key() },
                    ),
                    Some(blob) => {
                        let blob = self.blob(&blob);
                        let encrypted_credential = envelope.session();
                        let pub_key = envelope.pub_key();
                        self.send(number, &ReopenSession { encrypted_credential, pub_key, bmk_session: &blob })
                    }
                }
            }
            Opcode::CHANGE_PIN => {
                let (device, nonce, _) = self.handles[&number].session_key().unwrap();
                self.pin = bytes(&self.inputs["new_pin"]);
                let envelope = Envelope::new(&device, nonce, &[], &self.pin, &[]);
                let new_pin = EncryptedPin {
                    encrypted_pin: &envelope.pin,
                    iv: &envelope.iv,
                    nonce: &envelope.nonce,
                    tag: &envelope.tag,
                };
                self.send(number, &ChangePin { new_pin, pub_key: envelope.pub_key() })
            }
            other => panic!("{other:?} is in no transcript"),
        };
        Some(match answer {
            Err(refused) => format!("{refused:?}"),
            Ok(frame) => {
                let status = status_of(&frame);
                if status.is_success() {
                    self.learn(header.op, number, step, &frame);
                }
                status.name().unwrap().to_owned()
            }
        })
    }

    fn send<'a, R: Request<'a>>(&self, number: u64, request: &R) -> Result<Vec<u8>, ChannelError> {
        use transport::ddi::SessionControl::{NoSession, Open};
        let client = &self.handles[&number];
        let session = client.session.filter(|_| !matches!(R::CONTROL, NoSession | Open));
        let rev = (R::OPCODE != Opcode::GET_API_REV).then_some(REV);
        let mut frame = Vec::new();
        encode_request(rev, session, request, client.dialect, &mut frame).unwrap();
        client.exchange(Control { kind: R::CONTROL, session }, &frame)
    }

    /// Notes what this device calls what the transcript names, and compares what must be equal.
    fn learn(&mut self, op: Opcode, number: u64, step: &Value, frame: &[u8]) {
        let old = &step["response_fields"];
        let recorded = bytes(&step["response"]);
        macro_rules! both {
            ($request:ty) => {{
                let read =
                    |frame| transport::ddi::decode_response::<$request>(frame, Dialect::Virtual).unwrap().1.unwrap();
                (read(&recorded), read(frame))
            }};
        }
        match op {
            Opcode::GET_UNWRAPPING_KEY => {
                let (was, is) = both!(GetUnwrappingKey);
                self.note(was.key_id, is.key_id, (None, None), was.masked_key, is.masked_key);
                self.unwrapping = is.pub_key.der.to_vec();
            }
            Opcode::ECC_GENERATE_KEY_PAIR => {
                let (was, is) = both!(EccGenerateKeyPair<'_>);
                self.note(was.private_key_id, is.private_key_id, (None, None), was.masked_key, is.masked_key);
            }
            Opcode::AES_GENERATE_KEY => {
                let (was, is) = both!(AesGenerateKey<'_>);
                let bulk = (was.bulk_key_id, is.bulk_key_id);
                self.note(was.key_id, is.key_id, bulk, was.masked_key, is.masked_key);
            }
            Opcode::RSA_UNWRAP | Opcode::UNMASK_KEY => {
                let (was, is) = both!(RsaUnwrap<'_>);
                assert_eq!(was.kind, is.kind);
                if op == Opcode::RSA_UNWRAP {
                    assert_eq!(was.pub_key, is.pub_key);
                }
                let bulk = (was.bulk_key_id, is.bulk_key_id);
                self.note(was.key_id, is.key_id, bulk, was.masked_key, is.masked_key);
            }
            Opcode::ECDH_KEY_EXCHANGE => {
                let (was, is) = both!(EcdhKeyExchange<'_>);
                self.note(was.key_id, is.key_id, (None, None), was.masked_key, is.masked_key);
            }
            Opcode::HKDF_DERIVE | Opcode::KBKDF_COUNTER_HMAC_DERIVE => {
                let (was, is) = both!(HkdfDerive<'_>);
                self.note(was.key_id, is.key_id, (None, None), was.masked_key, is.masked_key);
            }
            Opcode::OPEN_KEY => {
                let (was, is) = both!(OpenKey);
                assert_eq!((self.id(was.key_id), was.key_kind), (is.key_id, is.key_kind));
            }
            Opcode::HMAC => {
                let (was, is) = both!(Hmac<'_>);
                assert_eq!(was.tag, is.tag);
            }
            Opcode::RSA_MOD_EXP => {
                let (was, is) = both!(RsaModExp<'_>);
                assert_eq!(was.x, is.x);
            }
            Opcode::INIT_BK3 => {
                let (was, is) = both!(InitBk3<'_>);
                self.blobs.insert(was.masked_bk3.to_vec(), is.masked_bk3.to_vec());
            }
            Opcode::GET_SEALED_BK3 => {
                let (was, is) = both!(GetSealedBk3);
                assert_eq!(was.sealed_bk3, is.sealed_bk3);
            }
            Opcode::ESTABLISH_CREDENTIAL => {
                let (was, is) = both!(EstablishCredential<'_>);
                self.blobs.insert(was.bmk.to_vec(), is.bmk.to_vec());
            }
            Opcode::OPEN_SESSION | Opcode::REOPEN_SESSION => {
                let (was, is) = both!(OpenSession<'_>);
                assert_eq!((was.sess_id, was.short_app_id), (is.sess_id, is.short_app_id));
                assert_eq!(old["sess_id"], u64::from(is.sess_id));
                self.blobs.insert(was.bmk_session.to_vec(), is.bmk_session.to_vec());
                self.handles.get_mut(&number).unwrap().session = Some(is.sess_id);
            }
            _ => {}
        }
        // Imported and derived keys answer the same; generated ones cannot.
        if op == Opcode::AES_ENCRYPT_DECRYPT && IMPORTED_AES.contains(&step["request_fields"]["key_id"].as_u64()) {
            let (was, is) = both!(AesEncryptDecrypt<'_>);
            assert_eq!((was.msg, was.iv), (is.msg, is.iv));
        }
    }

    fn note(&mut self, was: u16, is: u16, bulk: (Option<u16>, Option<u16>), old: &[u8], new: &[u8]) {
        self.ids.insert(was, is);
        assert_eq!(bulk.0.is_some(), bulk.1.is_some());
        if let (Some(was), Some(is)) = bulk {
            self.bulk.insert(was, is);
        }
        self.blobs.insert(old.to_vec(), new.to_vec());
    }

    /// An id that the transcript never had stays as it is.
    fn id(&self, recorded: u16) -> u16 {
        self.ids.get(&recorded).copied().unwrap_or(recorded)
    }

    fn blob(&self, recorded: &[u8]) -> Vec<u8> {
        self.blobs.get(recorded).cloned().unwrap_or_else(|| recorded.to_vec())
    }

    /// The wrapped blob of a step, to this device's key, with the damage that the step is about.
    fn wrapped(&mut self, request: &RsaUnwrap<'_>, step: &Value) -> Vec<u8> {
        let input = match request.wrapped_blob_key_class {
            KeyClass::RSA | KeyClass::RSA_CRT => "import_rsa2048_pkcs8",
            KeyClass::ECC => "import_ec_p256_pkcs8",
            KeyClass::AES_XTS_BULK if self.xts_keys == 0 => "import_xts_key1",
            KeyClass::AES_XTS_BULK => "import_xts_key2",
            _ => "import_aes256",
        };
        self.xts_keys += usize::from(input == "import_xts_key1");
        let value = bytes(&self.inputs[input]);
        let kek = bytes(&self.inputs["import_kek"]);
        let status = step["status_name"].as_str().unwrap();
        let hash = match status {
            "RsaUnwrapOaepDecodeFailed" => HashAlgorithm::SHA384,
            _ => request.wrapped_blob_hash_algorithm,
        };
        let mut blob = wrap(&self.unwrapping, hash, &kek, &value);
        match status {
            "RsaUnwrapAesUnwrapFailed" => *blob.last_mut().unwrap() ^= 1,
            "RsaUnwrapInvalidRequest" => blob.truncate(255),
            _ => {}
        }
        blob
    }

    fn establish(&self, number: u64, request: &EstablishCredential<'_>, label: &str) -> Result<Vec<u8>, ChannelError> {
        let client = &self.handles[&number];
        // When a credential is set there is no key to ask for any more.
        let (device, nonce) = match client.establish_key() {
            Ok((device, nonce, _)) => (device, nonce),
            Err(_) => client.session_key().map(|(device, _, _)| (device, [0; 32])).unwrap(),
        };
        let id = bytes(&self.inputs["credential_id"]);
        let mut envelope = Envelope::new(&device, nonce, &id, &self.pin, &[]);
        spoil(&mut envelope, label);
        let pota = {
            let info =
                p384::pkcs8::PrivateKeyInfoRef::try_from(&bytes(&self.inputs["owner_key_pkcs8"])[..]).map(|info| {
                    let inner = info.private_key.as_bytes();
                    inner[8..56].to_vec()
                });
            <[u8; 48]>::try_from(info.unwrap()).unwrap()
        };
        assert_eq!(pota_spki(&pota), request.pota_pub_key.der.to_vec());
        let mut pota_sig = client.pota_signature(&pota);
        if label.contains("endorsement") {
            pota_sig[50] ^= 1;
        }
        let masked_bk3 = self.blob(request.masked_bk3);
        let bmk = self.blob(request.bmk);
        let muk = self.blob(request.masked_unwrapping_key);
        let fresh = EstablishCredential {
            encrypted_credential: transport::ddi::EncryptedEstablishCredential {
                encrypted_id: &envelope.id,
                encrypted_pin: &envelope.pin,
                iv: &envelope.iv,
                nonce: &envelope.nonce,
                tag: &envelope.tag,
            },
            pub_key: envelope.pub_key(),
            masked_bk3: &masked_bk3,
            bmk: &bmk,
            masked_unwrapping_key: &muk,
            pota_sig: pota_sig.into(),
            pota_pub_key: DerPublicKey { der: request.pota_pub_key.der.clone(), ..request.pota_pub_key },
        };
        self.send(number, &fresh)
    }

    fn session_envelope(&self, number: u64, label: &str) -> Envelope {
        let (device, nonce, _) = self.handles[&number].session_key().unwrap();
        let mut id = bytes(&self.inputs["credential_id"]);
        let mut pin = self.pin.clone();
        if label.contains("wrong id") {
            id[0] ^= 1;
        }
        // After ChangePin, an opening that does not say "new PIN" tries the old one.
        let changed = pin != bytes(&self.inputs["pin"]);
        if label.contains("wrong PIN") {
            pin[0] ^= 1;
        } else if changed && !label.contains("new PIN") {
            pin = bytes(&self.inputs["pin"]);
        }
        let mut envelope = Envelope::new(&device, nonce, &id, &pin, &bytes(&self.inputs["session_seed"]));
        spoil(&mut envelope, label);
        envelope
    }

    fn fast_path(&self, step: &Value, number: u64) {
        let client = &self.handles[&number];
        let direction = if step["encrypt"] == Value::Bool(true) { Direction::Encrypt } else { Direction::Decrypt };
        let bulk = |name: &str| self.bulk[&u16::try_from(step[name].as_u64().unwrap()).unwrap()];
        let mut data = bytes(&step["input"]);
        let session = client.session.unwrap();
        let done = if step["fast_path"] == "gcm" {
            let call = GcmCall {
                direction,
                session,
                short_app_id: 0,
                bulk_key: bulk("key_id"),
                iv: bytes(&step["iv"]).try_into().unwrap(),
                tag: step["tag_in"].as_str().map(|tag| crate::vectors::unhex(tag).try_into().unwrap()),
                aad: &bytes(&step["aad"]),
                data: &mut data,
            };
            client.channel.gcm(call).map(|reply| {
                if direction == Direction::Encrypt {
                    assert_eq!(reply.tag[..], bytes(&step["tag_out"]));
                }
            })
        } else {
            client.channel.xts(XtsCall {
                direction,
                session,
                short_app_id: 0,
                data_key: bulk("key_id1"),
                tweak_key: bulk("key_id2"),
                // The simulator uses the low half of the tweak only, and says so in kat_aes.json.
                tweak: [&bytes(&step["tweak"])[..8], &[0; 8]].concat().try_into().unwrap(),
                data_unit_len: usize::try_from(step["data_unit_len"].as_u64().unwrap()).unwrap(),
                data: &mut data,
            })
        };
        match step["error"].as_str() {
            None => {
                done.unwrap();
                assert_eq!(data, bytes(&step["output"]), "{}", step["label"]);
            }
            Some(_) => assert!(done.is_err(), "{}", step["label"]),
        }
    }
}

fn spoil(envelope: &mut Envelope, label: &str) {
    if label.contains("wrong nonce") {
        envelope.nonce[0] ^= 1;
    }
    if label.contains("wrong tag") {
        envelope.tag[0] ^= 1;
    }
}

/// Key ids of the lifecycle transcript whose AES keys were imported or derived from imported ones.
const IMPORTED_AES: &[Option<u64>] = &[Some(9), Some(19)];

#[test]
fn the_recorded_life_of_a_partition() {
    let firmware = [
        (7, "SealedBk3AlreadySet"),
        (14, "EccVerifyFailed"),
        (16, "VaultAppLimitReached"),
        (17, "NonceMismatch"),
        (44, "InvalidArg"),
        // Symmetric keys are attested too.
        (45, "Success"),
        // The driver is asked first.
        (87, "NoSession"),
    ];
    // One approved key is used with the caller's IV, as the simulator allows.
    Replay::run("transcript_lifecycle.json", Options { device_iv: false, ..Options::default() }, &firmware);
}

#[test]
fn the_recorded_recovery_from_a_reset() {
    let firmware = [(28, "ProcessedIoEventInInvalidState")];
    Replay::run("transcript_reset_recovery.json", Options::default(), &firmware);
}

#[test]
fn the_recorded_sessions() {
    Replay::run("transcript_sessions.json", Options::default(), &[]);
}
