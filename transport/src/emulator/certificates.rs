//! The partition's identity: PID key, and the certificate chain from the device id over the alias to the PID
//! (semantics 6.12). The keys above the PID sign their one certificate and are forgotten.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256, digest};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use zeroize::Zeroizing;

use super::state_file::hex;
use crate::channel::ChannelError;

/// Keys and certificates of one device and its partition. Clones share the parsed key.
#[derive(Clone)]
pub(crate) struct Identity {
    /// 16-byte partition id; the PID certificate's subject serial number.
    pub(crate) partition_id: [u8; 16],
    /// PKCS#8 of the PID key.
    pub(crate) pid_pkcs8: Zeroizing<Vec<u8>>,
    /// DER certificates: device-id chain from the root, alias, PID.
    pub(crate) chain: Vec<Vec<u8>>,
    pid: Arc<EcdsaKeyPair>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.chain.len())
    }
}

impl Identity {
    /// A new device: root and device-id certificates, alias and PID keys.
    pub(crate) fn generate() -> Result<Self, ChannelError> {
        let failed = |_| ChannelError::State("the engine cannot make the identity".to_owned());
        let mut partition_id = [0; 16];
        rand::fill(&mut partition_id).map_err(failed)?;
        Self::make(partition_id).map_err(failed)
    }

    fn make(partition_id: [u8; 16]) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let root = Signer::generate("AZIHSM Emulator Root", None)?;
        let device = Signer::generate("AZIHSM Emulator Device Id", None)?;
        let alias = Signer::generate("AZIHSM Emulator Alias", None)?;
        let pid = Signer::generate("AZIHSM Emulator Partition", Some(partition_id))?;
        let chain = vec![
            certificate(&root, &root, true)?,
            certificate(&root, &device, true)?,
            certificate(&device, &alias, true)?,
            certificate(&alias, &pid, false)?,
        ];
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &pid.pkcs8)
            .map_err(|_| aws_lc_rs::error::Unspecified)?;
        Ok(Self { partition_id, pid_pkcs8: pid.pkcs8, chain, pid: Arc::new(key) })
    }

    /// The identity of these parts; `None` if the key does not parse or the last certificate is not the PID key's.
    pub(crate) fn restore(partition_id: [u8; 16], pid_pkcs8: Zeroizing<Vec<u8>>, chain: Vec<Vec<u8>>) -> Option<Self> {
        let pid = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &pid_pkcs8).ok()?;
        let point = pid.public_key().as_ref();
        let leaf = chain.last()?;
        if chain.len() < 3 || !leaf.windows(point.len()).any(|window| window == point) {
            return None;
        }
        Some(Self { partition_id, pid_pkcs8, chain, pid: Arc::new(pid) })
    }

    /// The PID key's uncompressed point, 97 bytes: what POTA signs (semantics 2.4).
    pub(crate) fn pid_point(&self) -> &[u8] {
        self.pid.public_key().as_ref()
    }

    /// ECDSA P-384 with SHA-384 by the PID key: `r || s`, 96 bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 96], aws_lc_rs::error::Unspecified> {
        let signature = self.pid.sign(&SystemRandom::new(), message)?;
        signature.as_ref().try_into().map_err(|_| aws_lc_rs::error::Unspecified)
    }

    /// SHA-256( H(device-id chain) || SHA-256(alias) || SHA-256(PID) ), H(chain) = SHA-256 over the certificates'
    /// SHA-256 values.
    pub(crate) fn thumbprint(&self) -> [u8; 32] {
        let (device, last) = self.chain.split_at(self.chain.len() - 2);
        let mut inner = digest::Context::new(&SHA256);
        for certificate in device {
            inner.update(digest(&SHA256, certificate).as_ref());
        }
        let mut outer = digest::Context::new(&SHA256);
        outer.update(inner.finish().as_ref());
        for certificate in last {
            outer.update(digest(&SHA256, certificate).as_ref());
        }
        outer.finish().as_ref().try_into().expect("SHA-256 is 32 bytes")
    }
}

/// A key with the name under which certificates speak of it.
struct Signer {
    name: Vec<u8>,
    pkcs8: Zeroizing<Vec<u8>>,
    key: EcdsaKeyPair,
}

impl Signer {
    fn generate(common_name: &str, serial: Option<[u8; 16]>) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &SystemRandom::new())?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &pkcs8)
            .map_err(|_| aws_lc_rs::error::Unspecified)?;
        let mut parts = attribute(OID_COMMON_NAME, UTF8_STRING, common_name.as_bytes());
        if let Some(id) = serial {
            parts.extend(attribute(OID_SERIAL_NUMBER, PRINTABLE_STRING, serial_number(&id).as_bytes()));
        }
        Ok(Self { name: tlv(SEQUENCE, &[&parts]), pkcs8, key })
    }

    fn point(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    fn key_id(&self) -> [u8; 20] {
        digest(&SHA256, self.point()).as_ref()[..20].try_into().expect("20 of 32 bytes")
    }
}

/// An X.509 v3 certificate (RFC 5280) in minimal DER, signed with ECDSA-SHA384.
fn certificate(issuer: &Signer, subject: &Signer, ca: bool) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
    let mut serial = [0; 20];
    rand::fill(&mut serial)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    let algorithm = tlv(SEQUENCE, &[OID_ECDSA_SHA384]);
    let validity = tlv(SEQUENCE, &[&tlv(UTC_TIME, &[NOT_BEFORE]), &tlv(GENERALIZED_TIME, &[NOT_AFTER])]);
    let spki = [SPKI_P384, subject.point()].concat();
    let mut extensions = Vec::new();
    if ca {
        extensions.extend(extension(&[0x55, 0x1d, 0x13], true, &tlv(SEQUENCE, &[&[0x01, 0x01, 0xff]])));
    }
    let usage: &[u8] = if ca { &[0x03, 0x02, 0x02, 0x04] } else { &[0x03, 0x02, 0x07, 0x80] };
    extensions.extend(extension(&[0x55, 0x1d, 0x0f], true, usage));
    extensions.extend(extension(&[0x55, 0x1d, 0x0e], false, &tlv(OCTET_STRING, &[&subject.key_id()])));
    let authority = tlv(SEQUENCE, &[&tlv(0x80, &[&issuer.key_id()])]);
    extensions.extend(extension(&[0x55, 0x1d, 0x23], false, &authority));
    let extensions = tlv(0xa3, &[&tlv(SEQUENCE, &[&extensions])]);
    let body = tlv(
        SEQUENCE,
        &[
            &[0xa0, 0x03, 0x02, 0x01, 0x02],
            &tlv(INTEGER, &[&serial]),
            &algorithm,
            &issuer.name,
            &validity,
            &subject.name,
            &spki,
            &extensions,
        ],
    );
    let signature = issuer.key.sign(&SystemRandom::new(), &body)?;
    Ok(tlv(SEQUENCE, &[&body, &algorithm, &tlv(BIT_STRING, &[&[0], signature.as_ref()])]))
}

/// A partition id as the subject serial number has it: 32 upper-case hexadecimal digits.
pub(crate) fn serial_number(partition_id: &[u8; 16]) -> String {
    hex(partition_id).to_uppercase()
}

fn attribute(oid: &[u8], string: u8, value: &[u8]) -> Vec<u8> {
    tlv(SET, &[&tlv(SEQUENCE, &[oid, &tlv(string, &[value])])])
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    tlv(SEQUENCE, &[&tlv(OBJECT_IDENTIFIER, &[oid]), critical, &tlv(OCTET_STRING, &[value])])
}

/// Tag, definite minimal length, value (X.690, 10.1).
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(len + 6);
    out.push(tag);
    match len {
        0..=0x7f => out.extend_from_slice(&len.to_be_bytes()[7..]),
        0x80..=0xff => out.extend_from_slice(&[&[0x81], &len.to_be_bytes()[7..]].concat()),
        0x100..=0xffff => out.extend_from_slice(&[&[0x82], &len.to_be_bytes()[6..]].concat()),
        _ => out.extend_from_slice(&[&[0x84], &len.to_be_bytes()[4..]].concat()),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// 2.5.4.3 and 2.5.4.5.
const OID_COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
const OID_SERIAL_NUMBER: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x05];
/// 1.2.840.10045.4.3.3, ecdsa-with-SHA384 (RFC 5758).
const OID_ECDSA_SHA384: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const NOT_BEFORE: &[u8] = b"250101000000Z";
/// "No well-defined expiration date" (RFC 5280, 4.1.2.5).
const NOT_AFTER: &[u8] = b"99991231235959Z";
/// SubjectPublicKeyInfo of P-384 up to the point.
pub(crate) const SPKI_P384: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x22, 0x03, 0x62, 0x00,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_29_the_chain_fits_the_device_limits() {
        let identity = Identity::generate().unwrap();
        assert_eq!(identity.chain.len(), 4);
        assert!(identity.chain.iter().all(|certificate| certificate.len() <= 800));
        let again =
            Identity::restore(identity.partition_id, identity.pid_pkcs8.clone(), identity.chain.clone()).unwrap();
        assert_eq!(again.thumbprint(), identity.thumbprint());
        let foreign = Identity::generate().unwrap();
        assert!(Identity::restore(identity.partition_id, identity.pid_pkcs8.clone(), foreign.chain).is_none());
    }

    #[test]
    fn lengths_are_minimal() {
        for (len, head) in [(0x7f, 2), (0x80, 3), (0xff, 3), (0x100, 4), (0xffff, 4), (0x10000, 6)] {
            assert_eq!(tlv(4, &[&vec![0; len]]).len(), len + head);
        }
    }
}
