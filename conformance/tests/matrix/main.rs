//! Every mechanism of `C_GetMechanismList`, in both policies: what its information claims runs, with keys in the HSM and
//! outside, and what it does not claim is refused. A mechanism without a case here fails, and so does a case without its
//! mechanism.

mod cases;
mod keys;
mod oracle;
mod refusals;
mod uses;

use std::cell::Cell;
use std::collections::BTreeSet;

use conformance::raw::{Raw, token};
use conformance::{Kind, Module, call, isolated_under};
use cryptoki_sys::*;

use crate::cases::Case;
use crate::keys::{Base, Home};

#[test]
fn what_a_mechanism_claims_runs_and_what_it_does_not_is_refused() {
    isolated_under("what_a_mechanism_claims_runs_and_what_it_does_not_is_refused", &[], &[], |token| {
        check(token.module.kind(), Policy::Standard);
    });
}

#[test]
fn under_policy_strict_too() {
    if Module::under_test().kind() == Kind::Azihsm {
        isolated_under("under_policy_strict_too", &[("AZIHSM_PKCS11_POLICY", "strict")], &[], |token| {
            check(token.module.kind(), Policy::Strict);
        });
    }
}

#[test]
fn openssl_agrees_at_every_length() {
    isolated_under("openssl_agrees_at_every_length", &[], &[], |token| {
        if token.module.kind() == Kind::Azihsm {
            told(&oracle::differences(&Bench::new(Policy::Standard)));
        }
    });
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Standard,
    Strict,
}

/// A session in which the user is logged in, and what parameters are made of.
struct Bench {
    raw: Raw,
    slot: CK_SLOT_ID,
    session: CK_SESSION_HANDLE,
    policy: Policy,
    nonces: Cell<u32>,
    data_len: Cell<CK_ULONG>,
}

impl Bench {
    /// In the process of a test that [`isolated_under`] runs.
    fn new(policy: Policy) -> Self {
        let raw = Raw::load(Module::under_test().path());
        let slot = token::token_slot(&raw).expect("the token");
        let session = token::open(&raw, slot).expect("a session");
        token::login(&raw, session).expect("the user logs in");
        Self { raw, slot, session, policy, nonces: Cell::default(), data_len: Cell::default() }
    }

    /// Twelve bytes that were not there before.
    fn nonce(&self) -> [u8; 12] {
        self.nonces.set(self.nonces.get() + 1);
        let mut nonce = [0; 12];
        nonce[8..].copy_from_slice(&self.nonces.get().to_be_bytes());
        nonce
    }

    /// The length of the message that a parameter has to tell.
    fn data_len(&self) -> CK_ULONG {
        self.data_len.get()
    }

    /// A point of P-256 to agree on a key with.
    fn peer_point(&self) -> Vec<u8> {
        let pair = keys::make(self, Base::Ec, Home::Hsm, 0, &[CKA_SIGN, CKA_VERIFY]).expect("a peer");
        keys::bytes(self, pair.public, CKA_EC_POINT).expect("a point")
    }

    /// `C_GetMechanismInfo`.
    fn info(&self, kind: CK_MECHANISM_TYPE) -> CK_MECHANISM_INFO {
        let mut info = CK_MECHANISM_INFO::default();
        assert_eq!(call!(self.raw, C_GetMechanismInfo, self.slot, kind, &raw mut info), CKR_OK);
        info
    }

    fn mechanisms(&self) -> Vec<CK_MECHANISM_TYPE> {
        let mut count = 0;
        assert_eq!(call!(self.raw, C_GetMechanismList, self.slot, std::ptr::null_mut(), &raw mut count), CKR_OK);
        let mut kinds = vec![0; usize::try_from(count).expect("a list")];
        assert_eq!(call!(self.raw, C_GetMechanismList, self.slot, kinds.as_mut_ptr(), &raw mut count), CKR_OK);
        kinds
    }

    /// Where a key of this mechanism can be.
    fn homes(&self, case: &Case, info: &CK_MECHANISM_INFO) -> Vec<Home> {
        let hsm = info.flags & CKF_HW != 0;
        match (case.base, self.policy) {
            (Base::None, Policy::Standard) if !hsm => vec![Home::Sealed],
            (Base::None, _) if !hsm => vec![],
            (_, Policy::Strict) => vec![Home::Hsm],
            (_, Policy::Standard) if hsm => vec![Home::Hsm, Home::Sealed],
            (_, Policy::Standard) => vec![Home::Sealed],
        }
    }
}

fn check(kind: Kind, policy: Policy) {
    if kind == Kind::SoftHsm {
        return;
    }
    let bench = Bench::new(policy);
    let listed = bench.mechanisms();
    let mut failures = Vec::new();
    for kind in &listed {
        let Some(case) = cases::of(*kind) else {
            failures.push(format!("{kind:#x} is listed and has no case"));
            continue;
        };
        let info = bench.info(*kind);
        for home in bench.homes(&case, &info) {
            let lengths = case.lengths[usize::from(home == Home::Sealed)];
            for len in if lengths.is_empty() { &[0][..] } else { lengths } {
                failures.extend(uses::claimed(&bench, &case, &info, home, *len));
            }
        }
        failures.extend(refusals::unclaimed(&bench, &case, &info));
    }
    if policy == Policy::Standard {
        let listed: BTreeSet<_> = listed.into_iter().collect();
        let stale = cases::all().into_iter().filter(|case| !listed.contains(&case.kind));
        failures.extend(stale.map(|case| format!("{:#x} has a case and is not listed", case.kind)));
    }
    failures.extend(refusals::unlisted(&bench));
    told(&failures);
}

#[track_caller]
fn told(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
