//! The credential ceremony, byte exact (semantics 3): what `EstablishCredential` and `OpenSession` carry encrypted, and the
//! two P-384 signatures around it.

use aws_lc_rs::agreement::{self, ECDH_P384, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hkdf::{self, HKDF_SHA384, KeyType};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{self, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use aws_lc_rs::{hmac, signature::KeyPair as _};
use zeroize::Zeroizing;

use super::PartitionSecrets;
use crate::{Error, Result};

/// What the device answers to a query for a ceremony key.
pub(super) struct DeviceKey<'a> {
    /// P-384 public key, SPKI DER.
    pub(super) spki: &'a [u8],
    /// The partition's nonce; spent by the first good ceremony.
    pub(super) nonce: &'a [u8; 32],
}

/// An encrypted credential, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) id: [u8; 16],
    pub(super) pin: [u8; 16],
    /// Empty for `EstablishCredential`.
    pub(super) seed: Vec<u8>,
    pub(super) iv: [u8; 16],
    pub(super) nonce: [u8; 32],
    pub(super) tag: [u8; 48],
    /// The client's ephemeral public key, SPKI DER.
    pub(super) spki: Vec<u8>,
}

/// Encrypts id, pin and, to open a session, the seed to the device (semantics 3.2 to 3.4).
pub(super) fn encrypt(device: &DeviceKey<'_>, secrets: &PartitionSecrets, seed: Option<&[u8; 48]>) -> Result<Envelope> {
    let client = PrivateKey::generate(&ECDH_P384).map_err(|_| failed("ephemeral key"))?;
    let mut iv = [0; 16];
    rand::fill(&mut iv).map_err(|_| failed("random"))?;
    envelope(&client, device, secrets, seed, iv)
}

fn envelope(
    client: &PrivateKey,
    device: &DeviceKey<'_>,
    secrets: &PartitionSecrets,
    seed: Option<&[u8; 48]>,
    iv: [u8; 16],
) -> Result<Envelope> {
    let keys = agree(client, device)?;
    let mut text = Zeroizing::new(Vec::with_capacity(80));
    text.extend_from_slice(&secrets.id);
    text.extend_from_slice(secrets.pin.as_ref());
    text.extend_from_slice(seed.map_or(&[], |seed| &seed[..]));
    // One CBC run over the concatenation is the chained-IV run over the fields.
    UnboundCipherKey::new(&AES_256, &keys[..32])
        .and_then(EncryptingKey::cbc)
        .and_then(|key| key.less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from(&iv))))
        .map_err(|_| failed("credential encryption"))?;

    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA384, &keys[32..]));
    mac.update(&text);
    mac.update(&iv);
    mac.update(device.nonce);
    let mut tag = [0; 48];
    tag.copy_from_slice(mac.sign().as_ref());

    let public = client.compute_public_key().map_err(|_| failed("ephemeral key"))?;
    let spki: PublicKeyX509Der<'_> = public.as_der().map_err(|_| failed("ephemeral key"))?;
    let (mut id, mut pin) = ([0; 16], [0; 16]);
    id.copy_from_slice(&text[..16]);
    pin.copy_from_slice(&text[16..32]);
    Ok(Envelope { id, pin, seed: text[32..].to_vec(), iv, nonce: *device.nonce, tag, spki: spki.as_ref().to_vec() })
}

/// AES-256 key and HMAC-SHA-384 key, 32 + 48 bytes.
fn agree(client: &PrivateKey, device: &DeviceKey<'_>) -> Result<Zeroizing<[u8; 80]>> {
    let peer = UnparsedPublicKey::new(&ECDH_P384, device.spki);
    agreement::agree(client, peer, failed("ceremony key"), |shared| {
        let mut keys = Zeroizing::new([0; 80]);
        hkdf::Salt::new(HKDF_SHA384, &[])
            .extract(shared)
            .expand(&[device.nonce], Keys)
            .and_then(|okm| okm.fill(keys.as_mut()))
            .map_err(|_| failed("ceremony key derivation"))?;
        Ok(keys)
    })
}

/// The length of the ceremony's key material, for HKDF.
struct Keys;

impl KeyType for Keys {
    fn len(&self) -> usize {
        80
    }
}

/// The partition owner's endorsement of the partition: ECDSA P-384 with SHA-384 over the partition identity's
/// uncompressed point, `r || s`; and the owner's public key as SPKI DER (semantics 2.4).
pub(super) fn endorse(secrets: &PartitionSecrets, identity: &[u8; 97]) -> Result<(Vec<u8>, Vec<u8>)> {
    let scalar = PrivateKey::from_private_key(&ECDH_P384, secrets.pota.as_ref())
        .map_err(|_| Error::InvalidArgument("the POTA key is no P-384 scalar"))?;
    let point = scalar.compute_public_key().map_err(|_| failed("POTA key"))?;
    let pair = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P384_SHA384_FIXED_SIGNING,
        secrets.pota.as_ref(),
        point.as_ref(),
    )
    .map_err(|_| failed("POTA key"))?;
    let signature = pair.sign(&SystemRandom::new(), identity).map_err(|_| failed("POTA signature"))?;
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| failed("POTA key"))?;
    Ok((signature.as_ref().to_vec(), spki.as_ref().to_vec()))
}

/// Verifies the signature of a ceremony key, so that the credential goes to the partition and to nobody in between. The
/// signed bytes are the key's hardware form, `x LE || y LE` (semantics 3.1); a virtual device sends no signature.
pub(super) fn verify_device_key(identity: &[u8; 97], spki: &[u8], signature: &[u8]) -> Result<()> {
    let point = spki.strip_prefix(&P384_SPKI_PREFIX[..]).filter(|point| point.len() == 97);
    let point = point.ok_or(Error::UnexpectedAnswer("ceremony key is no P-384 key"))?;
    let mut message = [0; 96];
    message[..48].copy_from_slice(&point[1..49]);
    message[48..].copy_from_slice(&point[49..]);
    message[..48].reverse();
    message[48..].reverse();
    signature::UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, identity)
        .verify(&message, signature)
        .map_err(|_| NOT_SIGNED)
}

/// Said of a forged key, and of a true one where the partition was migrated after its certificate was read.
pub(super) const NOT_SIGNED: Error =
    Error::UnexpectedAnswer("the ceremony key is not signed by the partition identity");

/// A failure of the host's own engine; nothing that a caller could mend.
fn failed(what: &'static str) -> Error {
    Error::UnexpectedAnswer(what)
}

/// `SubjectPublicKeyInfo` of a P-384 key up to its 97-byte point (RFC 5480).
pub(super) const P384_SPKI_PREFIX: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00,
    0x22, 0x03, 0x62, 0x00,
];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn array<const N: usize>(text: &str) -> [u8; N] {
        hex(text).try_into().unwrap()
    }

    fn secrets(id: &str, pin: &str) -> PartitionSecrets {
        PartitionSecrets {
            id: array(id),
            pin: Zeroizing::new(array(pin)),
            bk3: Zeroizing::new([3; 48]),
            pota: Zeroizing::new([4; 48]),
        }
    }

    fn recorded() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/credential_ceremony.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Semantics 11.1.
    #[test]
    fn known_answers_of_the_semantics_document() {
        let client = "3132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f50
                      5152535455565758595a5b5c5d5e5f60";
        let client = PrivateKey::from_private_key(&ECDH_P384, &hex(client)).unwrap();
        let spki = hex("3076301006072a8648ce3d020106052b8104002203620004c76f2283dda95cd4
                        9b0ed9e733d2904474e37216f124e13d2c9ab4cf01021c49ad9cabb3d0b97499
                        aef2f0ab313fa02826bc1f83451b5c8962a75caff73588d4400a6296436154fb
                        343c393e91048a6c7bcbadc83cd8a5f26feae883156f92a1");
        let nonce = array("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let device = DeviceKey { spki: &spki, nonce: &nonce };
        let secrets = secrets("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf");
        let seed: [u8; 48] = array(
            "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf
                                    e0e1e2e3e4e5e6e7e8e9eaebecedeeef",
        );
        let iv = array("101112131415161718191a1b1c1d1e1f");

        let open = envelope(&client, &device, &secrets, Some(&seed), iv).unwrap();
        assert_eq!(open.id, array("6535fe14425700da66f4c755d3ff11c7"));
        assert_eq!(open.pin, array("98a88d659b8e7ee5e3e5840948a91a41"));
        let seed = "b095fadfda396cdcd5e5e457ebd65a46a4cac184da73263ed58f4cf32ef5d18235ae86770f5cc4572a006f65144f56fb";
        assert_eq!(open.seed, hex(seed));
        let tag = "f5ecb5f64bae2224e4d48b5a76fa27a2fe2031a39aaab7b8b4cf80f670faa544fb89192db789fb8d8d7ca4d4bdb31d64";
        assert_eq!(open.tag, array(tag));
        assert_eq!(open.spki[..23], P384_SPKI_PREFIX);

        let establish = envelope(&client, &device, &secrets, None, iv).unwrap();
        let tag = "9ba3dbb2f3c7e0b1827b4bd4731777d30feda8ede3a2bef5e5b28633027341d7a190c38f7b14a5b3f76cc370b22486eb";
        assert_eq!(establish.tag, array(tag));
        assert!(establish.seed.is_empty());
    }

    /// `vectors/credential_ceremony.json`: every case of the two ceremonies that this layer performs.
    #[test]
    fn recorded_ceremonies() {
        let file = recorded();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let client = PrivateKey::from_private_key(&ECDH_P384, &hex(&text(&file["client_key"]["d"]))).unwrap();
        let (spki, nonce) = (hex(&text(&file["device_key"]["spki_der"])), array(&text(&file["nonce"])));
        let device = DeviceKey { spki: &spki, nonce: &nonce };
        let mut seen = 0;
        for case in file["cases"].as_array().unwrap() {
            if case["operation"] == "change_pin" {
                continue;
            }
            let session_seed = case["seed"].as_str().map(array);
            let secrets = secrets(&text(&case["id"]), &text(&case["pin"]));
            let made = envelope(&client, &device, &secrets, session_seed.as_ref(), array(&text(&case["iv"]))).unwrap();
            assert_eq!(made.id.to_vec(), hex(&text(&case["encrypted_id"])));
            assert_eq!(made.pin.to_vec(), hex(&text(&case["encrypted_pin"])));
            assert_eq!(made.seed, case["encrypted_seed"].as_str().map(hex).unwrap_or_default());
            assert_eq!(made.tag.to_vec(), hex(&text(&case["tag"])));
            assert_eq!(made.spki, hex(&text(&file["client_key"]["spki_der"])));
            seen += 1;
        }
        assert!(seen >= 4, "the file holds establish and open cases");
    }

    #[test]
    fn the_endorsement_verifies_over_the_recorded_message() {
        let file = recorded();
        let endorsement = &file["owner_endorsement"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let message: [u8; 97] = array(&text(&endorsement["signed_message"]));
        let mut secrets = secrets(&"01".repeat(16), &"02".repeat(16));
        secrets.pota = Zeroizing::new(array(&text(&endorsement["owner_key"]["d"])));
        let (signature, spki) = endorse(&secrets, &message).unwrap();
        assert_eq!(spki, hex(&text(&endorsement["owner_key"]["spki_der"])));
        let key = signature::UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &spki[23..]);
        key.verify(&message, &signature).unwrap();
        key.verify(&message, &hex(&text(&endorsement["signature_r_s"]))).unwrap();
    }

    #[test]
    fn a_ceremony_key_signed_by_somebody_else_is_refused() {
        let identity = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let point: [u8; 97] = identity.public_key().as_ref().try_into().unwrap();
        let device = PrivateKey::generate(&ECDH_P384).unwrap().compute_public_key().unwrap();
        let spki: PublicKeyX509Der<'_> = device.as_der().unwrap();
        let mut message = device.as_ref()[1..].to_vec();
        message[..48].reverse();
        message[48..].reverse();
        let signature = identity.sign(&SystemRandom::new(), &message).unwrap();
        verify_device_key(&point, spki.as_ref(), signature.as_ref()).unwrap();
        let mut other = signature.as_ref().to_vec();
        other[5] ^= 1;
        assert!(verify_device_key(&point, spki.as_ref(), &other).is_err());
        assert!(verify_device_key(&point, &spki.as_ref()[1..], signature.as_ref()).is_err());
    }
}
