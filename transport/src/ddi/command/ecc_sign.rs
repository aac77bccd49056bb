//! ECDSA over a digest (wire 3.3).

use std::borrow::Cow;
use std::fmt;

use crate::ddi::mbor::{Reader, Writer};
use crate::ddi::physical::{self, Signature};
use crate::ddi::wire::{message, show_len};
use crate::ddi::{CodecError, Dialect, HashAlgorithm, Opcode, Request, Wire};

/// Request of `EccSign`.
#[derive(Clone, PartialEq, Eq)]
pub struct EccSign<'a> {
    /// ECC key for signing.
    pub key_id: u16,
    /// The digest, cut to the curve's length, big-endian; at most 66 bytes make sense.
    ///
    /// Physical has 68 bytes on the wire whatever the digest's length (wire 4.3). A device then sees as many bytes as
    /// [`EccSign::digest_algo`] has, with leading zeros before a digest that was cut further, or 68 where more are in
    /// use: it must treat the digest as a number, aligned to the right.
    pub digest: Cow<'a, [u8]>,
    /// The hash that made the digest.
    pub digest_algo: HashAlgorithm,
}

impl<'a> Request<'a> for EccSign<'a> {
    const OPCODE: Opcode = Opcode::ECC_SIGN;
    type Response<'r> = EccSignResponse<'r>;
}

// By hand: the physical form of the digest is read with the hash, which follows it.
impl<'a> Wire<'a> for EccSign<'a> {
    fn encode(&self, w: &mut Writer<'_>) -> Result<(), CodecError> {
        w.map(3)?;
        w.field(1);
        w.u16(self.key_id);
        w.field(2);
        physical::put_digest(&self.digest, w)?;
        w.field(3);
        self.digest_algo.encode(w)
    }

    fn decode(r: &mut Reader<'a>) -> Result<Self, CodecError> {
        let mut fields = r.map()?;
        fields.mandatory(1, r)?;
        let key_id = r.u16()?;
        fields.mandatory(2, r)?;
        let wire = r.variable(physical::MAX_DIGEST)?;
        fields.mandatory(3, r)?;
        let digest_algo = HashAlgorithm::decode(r)?;
        fields.finish()?;
        let digest = match r.dialect() {
            Dialect::Virtual => Cow::Borrowed(wire),
            Dialect::Physical => Cow::Owned(physical::digest(wire, digest_algo.digest_len())?),
        };
        Ok(Self { key_id, digest, digest_algo })
    }
}

impl fmt::Debug for EccSign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EccSign")
            .field("key_id", &self.key_id)
            .field("digest", &fmt::from_fn(|f| show_len(&self.digest, f)))
            .field("digest_algo", &self.digest_algo)
            .finish()
    }
}

message! {
    /// Response of `EccSign`.
    pub struct EccSignResponse<'a> {
        /// `r || s`, 64, 96 or 132 bytes, big-endian.
        1 signature: Cow<'a, [u8]> as Signature,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_request_is_read_without_copying() {
        let request = EccSign { key_id: 7, digest: Cow::Borrowed(&[1; 32]), digest_algo: HashAlgorithm::SHA256 };
        let mut out = Vec::new();
        request.encode(&mut Writer::new(&mut out, Dialect::Virtual)).expect("fits");
        let read = EccSign::decode(&mut Reader::new(&out, Dialect::Virtual)).expect("own bytes");
        assert_eq!(read, request);
        assert!(matches!(read.digest, Cow::Borrowed(_)));
    }
}
