//! Public keys in attributes: of public keys, and the public halves of private keys.

use mechanisms::ec;
use mechanisms::key::PublicKey;
use transport::partition::Curve;

use crate::attribute::AttributeType as A;
use crate::attribute::family::Family;
use crate::attribute::set::Attributes;
use crate::object::template::about;
use crate::{Code, Result};

/// The public key in an object's attributes; `None` in families that have none.
pub(crate) fn of(family: Family, attributes: &Attributes) -> Result<Option<PublicKey>> {
    let bytes = |kind| attributes.bytes(kind).ok_or_else(|| about(Code::TemplateIncomplete, kind));
    Ok(match family {
        Family::RsaPublic | Family::RsaPrivate => {
            Some(PublicKey::Rsa { modulus: bytes(A::MODULUS)?.to_vec(), exponent: bytes(A::PUBLIC_EXPONENT)?.to_vec() })
        }
        Family::EcPublic | Family::EcPrivate => Some(ec::public(curve(attributes)?, bytes(A::EC_POINT)?)?),
        Family::Data | Family::Certificate | Family::Fact | Family::Secret => None,
    })
}

/// The curve that `CKA_EC_PARAMS` names.
pub(crate) fn curve(attributes: &Attributes) -> Result<Curve> {
    let params = attributes.bytes(A::EC_PARAMS).ok_or_else(|| about(Code::TemplateIncomplete, A::EC_PARAMS))?;
    ec::curve_from_params(params)
}

/// Writes a public key into the attributes of `family`, with its `CKA_PUBLIC_KEY_INFO`. What a template gave must say the
/// same: `CKR_ATTRIBUTE_VALUE_INVALID` (4.10).
pub(crate) fn describe(attributes: &mut Attributes, family: Family, public: &PublicKey) -> Result<()> {
    let mut facts = vec![(A::PUBLIC_KEY_INFO, public.to_spki()?)];
    match public {
        PublicKey::Rsa { modulus, exponent } => {
            facts.push((A::MODULUS, modulus.clone()));
            facts.push((A::PUBLIC_EXPONENT, exponent.clone()));
            if family == Family::RsaPublic {
                facts.push((A::MODULUS_BITS, bits(modulus).to_le_bytes().to_vec()));
            }
        }
        PublicKey::Ec { curve, point } => {
            if let Some((params, encoded)) = public.ec_attributes() {
                facts.push((A::EC_PARAMS, params));
                // A template may give the point in another of its forms.
                if let Some(given) = attributes.remove(A::EC_POINT)
                    && ec::point(*curve, &given)? != *point
                {
                    return Err(about(Code::AttributeValueInvalid, A::EC_POINT));
                }
                facts.push((A::EC_POINT, encoded));
            }
        }
    }
    for (kind, value) in facts {
        if attributes.bytes(kind).is_some_and(|given| !given.is_empty() && given != value) {
            return Err(about(Code::AttributeValueInvalid, kind));
        }
        attributes.set(kind, value);
    }
    Ok(())
}

/// Length of a big integer in bits.
fn bits(integer: &[u8]) -> u64 {
    integer.first().map_or(0, |first| integer.len() as u64 * 8 - u64::from(first.leading_zeros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rsa_public_key_is_described() {
        let public = PublicKey::Rsa { modulus: [&[0x80][..], &[1; 255]].concat(), exponent: vec![1, 0, 1] };
        let mut attributes = Attributes::default();
        describe(&mut attributes, Family::RsaPublic, &public).unwrap();
        assert_eq!(attributes.number(A::MODULUS_BITS), Some(2048));
        assert_eq!(of(Family::RsaPublic, &attributes).unwrap(), Some(public.clone()));
        assert!(attributes.bytes(A::PUBLIC_KEY_INFO).is_some_and(|info| info.starts_with(&[0x30, 0x82])));
        attributes.set(A::PUBLIC_EXPONENT, vec![3]);
        assert_eq!(describe(&mut attributes, Family::RsaPublic, &public).unwrap_err(), Code::AttributeValueInvalid);
        assert_eq!(bits(&[0x01, 0xff]), 9);
    }
}
