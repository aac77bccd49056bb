//! Built-in objects that state a fact of the token: `CKO_PROFILE` (PKCS#11 v3.2, 4.13) and `CKO_MECHANISM` (4.14).
//!
//! There is no `CKO_VALIDATION` (4.15): the number of the chip's certificate is not known here, and the library has none.
//! There is no `CKO_HW_FEATURE` (4.3): the chip has neither a clock nor a counter that a program could ask.

use cryptoki_sys::{CKP_AUTHENTICATION_TOKEN, CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER, CKP_HKDF_TLS_TOKEN};
use mechanisms::ck::{MechanismType, ObjectClass};
use mechanisms::key::Policy;
use mechanisms::table;

use crate::attribute::AttributeType as A;
use crate::attribute::set::Attributes;
use crate::object::builtin::Builtin;
use crate::slot::allowed;

/// The profiles that the token conforms to (Cryptographic Token Interface Profiles v3.2, 5); `conformance/tests/abi/profiles.rs`
/// runs their test cases.
///
/// | Not claimed | Because |
/// |---|---|
/// | Public Certificates Token | nobody but the user can see to it that certificates are public and have the ID of their key |
/// | Complete Provider | it is all that the standard has |
pub(crate) fn profiles(policy: Policy) -> Vec<Builtin> {
    let has = |kind| table::row(kind).is_some_and(|row| allowed(row, policy));
    let claims = [
        (CKP_BASELINE_PROVIDER, "Baseline Provider", true),
        (CKP_EXTENDED_PROVIDER, "Extended Provider", true),
        (CKP_AUTHENTICATION_TOKEN, "Authentication Token", true),
        (CKP_HKDF_TLS_TOKEN, "HKDF TLS Token", has(MechanismType::HKDF_DATA)),
    ];
    let profile = |(id, name, claimed): (u64, &str, bool)| {
        let mut known = Attributes::default();
        known.set_number(A::CLASS, ObjectClass::PROFILE.0);
        known.set_number(A::PROFILE_ID, id);
        known.set(A::LABEL, name.as_bytes());
        known.set(A::UNIQUE_ID, format!("azihsm-profile-{id}"));
        known.set_flag(A::TOKEN, true);
        known.set_flag(A::PRIVATE, false);
        claimed.then(|| Builtin::new(known))
    };
    claims.into_iter().filter_map(profile).collect()
}

/// One for each mechanism of `C_GetMechanismList`.
pub(crate) fn mechanisms(policy: Policy) -> impl Iterator<Item = Builtin> {
    table::rows().filter(move |row| allowed(row, policy)).map(|row| {
        let mut known = Attributes::default();
        known.set_number(A::CLASS, ObjectClass::MECHANISM.0);
        known.set_number(A::MECHANISM_TYPE, row.kind.0);
        Builtin::bare(known)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_forbids_is_no_fact() {
        for policy in [Policy::Standard, Policy::Strict] {
            let listed = table::rows().filter(|row| allowed(row, policy)).count();
            assert_eq!(mechanisms(policy).count(), listed);
            let hkdf = allowed(table::row(MechanismType::HKDF_DATA).unwrap(), policy);
            assert_eq!(profiles(policy).len(), 3 + usize::from(hkdf));
        }
    }

    #[test]
    fn facts_are_seen_by_all_and_changed_by_nobody() {
        for fact in profiles(Policy::Standard).into_iter().chain(mechanisms(Policy::Standard)) {
            assert!(!fact.is_private() && fact.is_known() && !fact.known.flag(A::MODIFIABLE));
        }
    }
}
