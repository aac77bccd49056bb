//! What a new key may be used for (wire 3.5).

use std::fmt;

use super::mbor::{Reader, Writer};
use super::{CodecError, Wire};

/// The four legal usage groups; a device key has exactly one (wire 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// Encrypt and decrypt.
    EncryptDecrypt,
    /// Sign and verify.
    SignVerify,
    /// Derive.
    Derive,
    /// Unwrap.
    Unwrap,
}

impl Usage {
    const ALL: [Self; 4] = [Self::EncryptDecrypt, Self::SignVerify, Self::Derive, Self::Unwrap];

    const fn bits(self) -> u128 {
        match self {
            Self::EncryptDecrypt => Metadata::ENCRYPT | Metadata::DECRYPT,
            Self::SignVerify => Metadata::SIGN | Metadata::VERIFY,
            Self::Derive => Metadata::DERIVE,
            Self::Unwrap => Metadata::UNWRAP,
        }
    }
}

/// The metadata bits of a key to be made: bit *b* of the number is bit *b* mod 8 of byte *b* div 8 (wire 3.5).
/// On the wire it is the map `TargetKeyMetadata`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Metadata(pub u128);

impl Metadata {
    /// The key dies with the session.
    pub const SESSION: u128 = 1;
    /// Never set by the SDK.
    pub const MODIFIABLE: u128 = 1 << 1;
    /// Encrypt.
    pub const ENCRYPT: u128 = 1 << 2;
    /// Decrypt.
    pub const DECRYPT: u128 = 1 << 3;
    /// Sign.
    pub const SIGN: u128 = 1 << 4;
    /// Verify.
    pub const VERIFY: u128 = 1 << 5;
    /// Derive.
    pub const DERIVE: u128 = 1 << 6;
    /// Wrap; in no legal group.
    pub const WRAP: u128 = 1 << 7;
    /// Unwrap.
    pub const UNWRAP: u128 = 1 << 8;

    /// A legal group, for a key that dies with the session or one of the application.
    pub const fn new(usage: Usage, session: bool) -> Self {
        Self(usage.bits() | if session { Self::SESSION } else { 0 })
    }

    /// Whether the key dies with the session.
    pub const fn is_session(self) -> bool {
        self.0 & Self::SESSION != 0
    }

    /// The group, if the bits other than session and modifiable are exactly one of the four.
    pub fn usage(self) -> Option<Usage> {
        let bits = self.0 & !(Self::SESSION | Self::MODIFIABLE);
        Usage::ALL.into_iter().find(|usage| usage.bits() == bits)
    }

    /// The 16 bytes of the blob.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.usage() {
            Some(usage) if self.is_session() => write!(f, "{usage:?}+Session"),
            Some(usage) => write!(f, "{usage:?}"),
            None => write!(f, "Metadata({:#x})", self.0),
        }
    }
}

impl<'a> Wire<'a> for Metadata {
    fn encode(&self, w: &mut Writer<'_>) -> Result<(), CodecError> {
        w.map(1)?;
        w.field(1);
        w.fixed(&self.to_bytes())
    }

    fn decode(r: &mut Reader<'a>) -> Result<Self, CodecError> {
        let mut fields = r.map()?;
        fields.mandatory(1, r)?;
        let blob = r.fixed()?;
        fields.finish()?;
        Ok(Self(u128::from_le_bytes(*blob)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_groups_have_the_bytes_of_wire_3_5() {
        for (usage, bytes) in [
            (Usage::EncryptDecrypt, [0x0C, 0]),
            (Usage::SignVerify, [0x30, 0]),
            (Usage::Derive, [0x40, 0]),
            (Usage::Unwrap, [0, 1]),
        ] {
            let app = Metadata::new(usage, false);
            assert_eq!((&app.to_bytes()[..2], &app.to_bytes()[2..]), (&bytes[..], &[0; 14][..]));
            let session = Metadata::new(usage, true);
            assert_eq!(session.to_bytes()[..2], [bytes[0] | 1, bytes[1]]);
            assert_eq!((app.usage(), app.is_session()), (Some(usage), false));
            assert_eq!((session.usage(), session.is_session()), (Some(usage), true));
        }
    }

    #[test]
    fn other_combinations_are_no_group() {
        for bits in [
            0,
            Metadata::SIGN,
            Metadata::ENCRYPT,
            Metadata::WRAP | Metadata::UNWRAP,
            Metadata::DERIVE | Metadata::UNWRAP,
            Metadata::DERIVE | 1 << 9,
            Metadata::DERIVE | 1 << 127,
        ] {
            assert_eq!(Metadata(bits).usage(), None, "{bits:#x}");
        }
        assert_eq!(Metadata(Metadata::DERIVE | Metadata::MODIFIABLE).usage(), Some(Usage::Derive));
    }
}
