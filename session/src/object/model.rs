//! An object in memory: its attributes, and for a private or secret key where its value is.

use std::fmt;
use std::sync::Arc;

use mechanisms::ck::{KeyType, ObjectClass};
use mechanisms::key::{Key, Material, PublicKey};
use transport::partition::HsmKey;

use crate::attribute::AttributeType as A;
use crate::attribute::family::Family;
use crate::attribute::set::Attributes;
use crate::object::{public, value};
use crate::token::Token;
use crate::{Code, Result};

/// Where the value of a private or secret key is; the value of every other object is in its attributes.
#[derive(Clone)]
pub(crate) enum Holding {
    /// Not a private or secret key.
    None,
    /// In the HSM.
    Hsm(Arc<HsmKey>),
    /// Encrypted under the token's sealing key, bound to the object's `CKA_UNIQUE_ID`; opened when an operation begins.
    Sealed(Arc<[u8]>),
    /// In zeroizing memory: a session object that is not sensitive.
    Clear(Arc<mechanisms::key::Value>),
}

impl fmt::Debug for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Hsm(_) => f.write_str("Hsm"),
            Self::Sealed(bytes) => write!(f, "Sealed({} bytes)", bytes.len()),
            Self::Clear(value) => write!(f, "Clear({value:?})"),
        }
    }
}

/// An object; immutable, a change makes a new one in its place.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) family: Family,
    /// All but the hidden ones (footnote 7).
    pub(crate) attributes: Attributes,
    pub(crate) holding: Holding,
    /// A public key, or the public half of a private key.
    pub(crate) public: Option<Arc<PublicKey>>,
}

impl Object {
    /// Puts an object together; fails where the attributes are not those of a well-formed object.
    pub(crate) fn new(attributes: Attributes, holding: Holding) -> Result<Self> {
        let class = attributes.number(A::CLASS).map(ObjectClass).ok_or(Code::TemplateIncomplete)?;
        let family = Family::of(class, attributes.number(A::KEY_TYPE).map(KeyType))?;
        let public = public::of(family, &attributes)?.map(Arc::new);
        Ok(Self { family, attributes, holding, public })
    }

    /// `CKA_KEY_TYPE`.
    pub(crate) fn key_type(&self) -> Option<KeyType> {
        self.attributes.number(A::KEY_TYPE).map(KeyType)
    }

    /// `CKA_PRIVATE`.
    pub(crate) fn is_private(&self) -> bool {
        self.attributes.flag(A::PRIVATE)
    }

    /// `CKA_TOKEN`.
    pub(crate) fn is_token(&self) -> bool {
        self.attributes.flag(A::TOKEN)
    }

    /// Whether it is the private half of the partition's own unwrapping key, which is neither held nor sealed.
    pub(crate) fn is_partitions_own(&self) -> bool {
        self.family.is_hidden() && matches!(self.holding, Holding::None)
    }

    /// `CKA_UNIQUE_ID`, the context that a sealed value is bound to.
    pub(crate) fn unique_id(&self) -> &[u8] {
        self.attributes.bytes(A::UNIQUE_ID).unwrap_or_default()
    }

    /// Whether the values of footnote 7 stay inside.
    pub(crate) fn hides_value(&self) -> bool {
        self.attributes.flag(A::SENSITIVE) || !self.attributes.flag(A::EXTRACTABLE)
    }

    /// Whether only a login gives access to the value: it is in the HSM, or sealed by it.
    pub(crate) fn takes_login(&self) -> bool {
        matches!(self.holding, Holding::Hsm(_) | Holding::Sealed(_))
    }

    /// The key as a mechanism uses it; a sealed value is opened for as long as the answer lives.
    pub(crate) fn key(&self, token: &Token) -> Result<Key> {
        let key_type = self.key_type().ok_or(Code::KeyHandleInvalid)?;
        let material = match (&self.holding, &self.public) {
            (Holding::None, Some(public)) => Material::Public(public.clone()),
            (Holding::None, None) => return Err(Code::KeyHandleInvalid.into()),
            (Holding::Hsm(key), _) => Material::Hsm(key.clone(), token.partition()?),
            (Holding::Sealed(_) | Holding::Clear(_), _) => Material::Clear(value::open(self, token)?),
        };
        Ok(Key { key_type, material, public: self.public.clone() })
    }
}
