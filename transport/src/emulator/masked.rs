//! The masked-key container (semantics 7.1 to 7.3; wire 3.7): one secret, encrypted and authenticated under an 80-byte
//! masking key, with metadata in the clear.

use std::fmt;

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::{hmac, rand};
use zeroize::Zeroizing;

use super::hierarchy::Raw80;
use crate::ddi::mbor::{Reader, Writer};
use crate::ddi::{CodecError, Dialect, KeyType, Status};

/// A masking key, ready for use. `Send + Sync`: nothing changes after construction.
pub(crate) struct MaskingKey {
    encrypting: EncryptingKey,
    decrypting: DecryptingKey,
    mac: hmac::Key,
}

impl fmt::Debug for MaskingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskingKey")
    }
}

/// The clear-text description of a masked secret (semantics 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Security version of the firmware that made the blob.
    pub(crate) svn: Option<u64>,
    /// What the secret is.
    pub(crate) key_type: KeyType,
    /// Attribute blob: flag word and, for variable HMAC, the length at 24.
    pub(crate) attributes: [u8; 32],
    /// Always 0 where present.
    pub(crate) bks2_index: Option<u16>,
    /// The key's tag.
    pub(crate) key_tag: Option<u16>,
    /// The key's label, at most 128 bytes.
    pub(crate) label: Vec<u8>,
    /// Length of the secret's private part.
    pub(crate) key_length: u16,
}

/// A blob whose layout was checked and whose tag was not.
pub(crate) struct Parsed<'a> {
    /// What it says of itself; to be believed after [`MaskingKey::open`].
    pub(crate) metadata: Metadata,
    iv: &'a [u8],
    ciphertext: &'a [u8],
    authenticated: &'a [u8],
    tag: &'a [u8],
}

impl MaskingKey {
    /// The key of these 80 bytes: `AES-256 key || HMAC-SHA384 key`.
    pub(crate) fn new(raw: &Raw80) -> Self {
        let unbound = || UnboundCipherKey::new(&AES_256, &raw[..32]).expect("32 bytes are an AES-256 key");
        Self {
            encrypting: EncryptingKey::cbc(unbound()).expect("AES-256 has CBC"),
            decrypting: DecryptingKey::cbc(unbound()).expect("AES-256 has CBC"),
            mac: hmac::Key::new(hmac::HMAC_SHA384, &raw[32..]),
        }
    }

    /// Masks a secret under a fresh IV. The plaintext is padded as the firmware does: always 1 to 16 zero bytes.
    pub(crate) fn seal(&self, metadata: &Metadata, secret: &[u8]) -> Result<Vec<u8>, Status> {
        let mut iv = [0; 16];
        rand::fill(&mut iv).map_err(|_| Status::RNG_ERROR)?;
        self.seal_with(&iv, metadata, secret)
    }

    fn seal_with(&self, iv: &[u8; 16], metadata: &Metadata, secret: &[u8]) -> Result<Vec<u8>, Status> {
        let failed = Status::MASKED_KEY_ENCODE_FAILED;
        let padded = (secret.len() / 16 + 1) * 16;
        let mut blob = Vec::with_capacity(HEADER + 16 + 96 + metadata.label.len() + padded + TAG);
        blob.resize(HEADER, 0);
        blob.extend_from_slice(iv);
        metadata.encode(&mut blob).map_err(|_| Status::METADATA_ENCODE_FAILED)?;
        let metadata_len = blob.len() - HEADER - iv.len();
        let metadata_pad = metadata_len.next_multiple_of(4) - metadata_len;
        blob.resize(blob.len() + metadata_pad, 0);
        let from = blob.len();
        blob.extend_from_slice(secret);
        blob.resize(from + padded, 0);
        self.encrypting
            .less_safe_encrypt(&mut blob[from..], EncryptionContext::Iv128((*iv).into()))
            .map_err(|_| failed)?;
        let fields = [VERSION, ALGORITHM, iv.len(), 0, metadata_len, metadata_pad, padded, 0, TAG];
        for (index, field) in fields.into_iter().enumerate() {
            let field = u16::try_from(field).map_err(|_| failed)?;
            blob[2 * index..2 * index + 2].copy_from_slice(&field.to_le_bytes());
        }
        let tag = hmac::sign(&self.mac, &blob);
        blob.extend_from_slice(tag.as_ref());
        Ok(blob)
    }

    /// Checks the tag (constant time) and answers the plaintext with its zero padding.
    pub(crate) fn open(&self, parsed: &Parsed<'_>) -> Result<Zeroizing<Vec<u8>>, Status> {
        let failed = Status::MASKED_KEY_DECODE_FAILED;
        hmac::verify(&self.mac, parsed.authenticated, parsed.tag).map_err(|_| failed)?;
        let mut plain = Zeroizing::new(parsed.ciphertext.to_vec());
        let iv: [u8; 16] = parsed.iv.try_into().map_err(|_| failed)?;
        self.decrypting.decrypt(&mut plain, DecryptionContext::Iv128(iv.into())).map_err(|_| failed)?;
        Ok(plain)
    }

    /// [`MaskingKey::open`] for a secret of a fixed length.
    pub(crate) fn open_exact<const N: usize>(&self, parsed: &Parsed<'_>) -> Result<Zeroizing<[u8; N]>, Status> {
        let plain = self.open(parsed)?;
        let secret = plain.first_chunk::<N>().ok_or(Status::MASKED_KEY_DECODE_FAILED)?;
        Ok(Zeroizing::new(*secret))
    }
}

impl<'a> Parsed<'a> {
    /// Checks the layout of a blob and reads its metadata. Any failure is `MaskedKeyDecodeFailed`.
    pub(crate) fn new(blob: &'a [u8]) -> Result<Self, Status> {
        Self::layout(blob).ok_or(Status::MASKED_KEY_DECODE_FAILED)
    }

    fn layout(blob: &'a [u8]) -> Option<Self> {
        let (header, rest) = blob.split_at_checked(HEADER)?;
        let field = |index: usize| usize::from(u16::from_le_bytes([header[2 * index], header[2 * index + 1]]));
        let [iv, iv_pad, metadata, metadata_pad, key, key_pad, tag] = [2, 3, 4, 5, 6, 7, 8].map(field);
        let aligned = [iv + iv_pad, metadata + metadata_pad, key + key_pad];
        if field(1) != ALGORITHM
            || metadata == 0
            || key == 0
            || key % 16 != 0
            || tag != TAG
            || iv != 16
            || aligned.iter().any(|len| len % 4 != 0)
            || aligned.iter().sum::<usize>() + tag != rest.len()
        {
            return None;
        }
        let metadata_from = iv + iv_pad;
        let key_from = metadata_from + metadata + metadata_pad;
        let (authenticated, tag) = blob.split_at(blob.len() - TAG);
        Some(Self {
            metadata: Metadata::decode(&rest[metadata_from..metadata_from + metadata]).ok()?,
            iv: &rest[..iv],
            ciphertext: &rest[key_from..key_from + key],
            authenticated,
            tag,
        })
    }
}

impl Metadata {
    /// The description of one of the device's own blobs: attributes zero, no tag.
    pub(crate) fn internal(svn: u64, key_type: KeyType, label: &[u8], key_length: u16, bks2: bool) -> Self {
        Self {
            svn: Some(svn),
            key_type,
            attributes: [0; 32],
            bks2_index: bks2.then_some(0),
            key_tag: None,
            label: label.to_vec(),
            key_length,
        }
    }

    /// The attribute blob's flag word (semantics 5.4).
    pub(crate) fn flags(&self) -> u64 {
        u64::from_le_bytes(self.attributes[..8].try_into().expect("8 of 32 bytes"))
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        // The padding origin is the map's own first byte (wire 1.3); no field depends on the dialect.
        let mut w = Writer::new(out, Dialect::Virtual);
        let present =
            [self.svn.is_some(), self.bks2_index.is_some(), self.key_tag.is_some()].map(u8::from).iter().sum::<u8>();
        w.map(4 + present)?;
        if let Some(svn) = self.svn {
            w.field(1);
            w.u64(svn);
        }
        w.field(2);
        w.u32(self.key_type.0);
        w.field(3);
        w.map(1)?;
        w.field(1);
        w.fixed(&self.attributes)?;
        if let Some(index) = self.bks2_index {
            w.field(4);
            w.u16(index);
        }
        if let Some(tag) = self.key_tag {
            w.field(5);
            w.u16(tag);
        }
        w.field(6);
        w.variable(&self.label, MAX_LABEL)?;
        w.field(7);
        w.u16(self.key_length);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, Dialect::Virtual);
        let mut fields = r.map()?;
        let svn = if fields.optional(1, &mut r)? { Some(r.u64()?) } else { None };
        fields.mandatory(2, &mut r)?;
        let key_type = KeyType(r.u32()?);
        fields.mandatory(3, &mut r)?;
        let mut inner = r.map()?;
        inner.mandatory(1, &mut r)?;
        let attributes = *r.fixed::<32>()?;
        inner.finish()?;
        let bks2_index = if fields.optional(4, &mut r)? { Some(r.u16()?) } else { None };
        let key_tag = if fields.optional(5, &mut r)? { Some(r.u16()?) } else { None };
        fields.mandatory(6, &mut r)?;
        let label = r.variable(MAX_LABEL)?.to_vec();
        fields.mandatory(7, &mut r)?;
        let key_length = r.u16()?;
        fields.finish()?;
        r.finish()?;
        Ok(Self { svn, key_type, attributes, bks2_index, key_tag, label, key_length })
    }
}

const VERSION: usize = 1;
/// AES-256-CBC with HMAC-SHA384.
const ALGORITHM: usize = 1;
const HEADER: usize = 52;
const TAG: usize = 48;
const MAX_LABEL: usize = 128;

#[cfg(test)]
mod tests {
    use super::super::hierarchy::masking_key;
    use super::super::hierarchy::tests::{partition_key_of_section_11_2, unhex};
    use super::super::vectors;
    use super::*;

    const BMK: &str = "01000100100000004f0001006000000030000000000000000000000000000000
        0000000000000000000000000000000000000000404142434445464748494a4b
        4c4d4e4fa618011b000000000000000118021a0000001c1803a1180180002000
        0000000000000000000000000000000000000000000000000000000000000018
        0419000018068300020000004d4b180719005000f7540ed2303ddad440c15928
        ce5735110259b721ee05622d93d6f9a84a3a2bd7a01859f283e57bd782ea3257
        440fc52b268dadeece4793b616ae4b6fc21c64f8a467d0b4438d5734b3e917d0
        2e9145cd2a5731e4d6e6ae160194c0cd64e3f91880b1810bfbb71c35b7c008e5
        b77205350fa0c92c1f37e65dcf7d1053516231b878687a49deba3ee4a475e853
        79666c84";

    fn bmk() -> (MaskingKey, Metadata, Raw80) {
        let metadata = Metadata::internal(1, KeyType::AES_CBC_256_HMAC_384, b"MK", 80, true);
        (MaskingKey::new(&partition_key_of_section_11_2()), metadata, masking_key(&[0x33; 48]))
    }

    #[test]
    fn row_22_the_bmk_of_section_11_2() {
        let (key, metadata, mk) = bmk();
        let iv = std::array::from_fn(|i| 0x40 + u8::try_from(i).unwrap());
        assert_eq!(key.seal_with(&iv, &metadata, &mk[..]).unwrap(), unhex(BMK));
        let blob = unhex(BMK);
        let parsed = Parsed::new(&blob).unwrap();
        assert_eq!(parsed.metadata, metadata);
        assert_eq!(key.open_exact::<80>(&parsed).unwrap()[..], mk[..]);
    }

    #[test]
    fn row_23_any_flipped_bit_and_any_truncation_is_refused() {
        let (key, metadata, mk) = bmk();
        let blob = key.seal(&metadata, &mk[..]).unwrap();
        assert_eq!(blob.len(), 292);
        let opens = |blob: &[u8]| Parsed::new(blob).and_then(|parsed| key.open(&parsed)).is_ok();
        assert!(opens(&blob));
        for bit in 0..blob.len() * 8 {
            let mut bad = blob.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&bad), "bit {bit}");
        }
        for len in 0..blob.len() {
            assert!(!opens(&blob[..len]), "length {len}");
        }
    }

    /// `masked_keys.json` holds the simulator's blobs: same container and metadata, other plaintexts.
    #[test]
    fn row_22_containers_of_the_recorded_vectors() {
        let file = vectors::load("masked_keys.json");
        let blobs = file["blobs"].as_array().unwrap();
        assert!(blobs.len() > 30);
        for entry in blobs {
            let hex = |name: &str| unhex(entry[name].as_str().unwrap());
            let blob = hex("blob");
            let parsed = Parsed::new(&blob).unwrap();
            let raw: [u8; 80] = hex("masking_key").try_into().unwrap();
            let plain = MaskingKey::new(&Zeroizing::new(raw)).open(&parsed).unwrap();
            let expected = hex("plaintext");
            assert_eq!(plain[..expected.len()], expected[..]);
            let metadata = &entry["metadata"];
            assert_eq!(u64::from(parsed.metadata.key_type.0), metadata["key_type"].as_u64().unwrap());
            assert_eq!(u64::from(parsed.metadata.key_length), metadata["key_length"].as_u64().unwrap());
            let mut again = Vec::new();
            parsed.metadata.encode(&mut again).unwrap();
            assert_eq!(again, hex("metadata_mbor"));
        }
    }
}
