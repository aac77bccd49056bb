//! `CKM_PUB_KEY_FROM_PRIV_KEY`: the public half of a private key, wherever that lives.

use crate::ck::{KeyType, MechanismType, ObjectClass};
use crate::error::{Code, Result};
use crate::key::{Key, Material, PublicKey};
use crate::table::{Derived, Row};

/// PKCS#11 v3.2, 6.43.8.
pub(crate) const ROWS: &[Row] = &[Row {
    section: "6.43.8",
    keys: &[KeyType::RSA, KeyType::EC],
    min_size: 256,
    max_size: 4096,
    derive: Some(|from| derive(from.base).map(Derived::Public)),
    derives: ObjectClass::PUBLIC_KEY,
    ..Row::none(MechanismType::PUB_KEY_FROM_PRIV_KEY)
}];

fn derive(key: &Key) -> Result<PublicKey> {
    match (&key.material, &key.public) {
        (Material::Public(_), _) => Err(Code::KeyTypeInconsistent.because("this is a public key already")),
        (_, Some(public)) => Ok(public.as_ref().clone()),
        (Material::Clear(value), None) => value.public(),
        (Material::Hsm(..), None) => Err(Code::GeneralError.because("an HSM key without its public half")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ec;

    #[test]
    fn the_public_half() {
        for curve in ec::CURVES {
            let value = Arc::new(ec::generate_value(curve).unwrap());
            let public = value.public().unwrap();
            let key = Key { key_type: KeyType::EC, material: Material::Clear(value), public: None };
            assert_eq!(derive(&key).unwrap(), public);
            let known = Key { public: Some(Arc::new(public.clone())), ..key };
            assert_eq!(derive(&known).unwrap(), public);
            let other = Key { key_type: KeyType::EC, material: Material::Public(Arc::new(public)), public: None };
            assert_eq!(derive(&other).unwrap_err(), Code::KeyTypeInconsistent);
        }
    }
}
