// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Translations: right form, same result each time, nothing shortened, and a way back.

use bundle::{Loss, Policy, Translation, Version, v6, v7, version};

use crate::{policy, way_back};

/// Translates a bundle. The first octets of the input choose the policy.
///
/// # Panics
///
/// A promise is broken.
pub fn translate(input: &[u8]) {
    let Some((policy, octets)) = policy::read(input) else {
        return;
    };
    let there = match bundle::translate(octets, &policy) {
        Ok(there) => there,
        Err(refusal) => {
            assert!(refusal.offset <= octets.len(), "{refusal:?} is outside");
            assert!(!refusal.field.is_empty(), "{refusal:?} names no field");
            assert_eq!(bundle::translate(octets, &policy), Err(refusal));
            return;
        }
    };
    assert_eq!(bundle::translate(octets, &policy).as_ref(), Ok(&there));
    assert_ne!(Some(there.version), version(octets));
    assert_eq!(Some(there.version), version(&there.octets));
    match there.version {
        Version::V7 => {
            let first = v6::Bundle::decode(octets).expect("it was translated");
            let second = v7::Bundle::decode(&there.octets, result_tolerance(&policy));
            let second = second.expect("a translation keeps the rules");
            assert_eq!(second.to_vec(), there.octets);
            Pair::new(&first, &second, &policy).check(&there);
        }
        Version::V6 => {
            let first = v7::Bundle::decode(octets, policy.tolerance).expect("it was translated");
            let second = v6::Bundle::decode(&there.octets).expect("a translation keeps the rules");
            assert_eq!(second.to_vec(), there.octets);
            Pair::new(&second, &first, &Policy::default()).check(&there);
        }
    }
    way_back::check(octets, &there, &policy);
}

/// Results keep even the strict rules, unless the policy asks for bundles that do not.
pub(crate) fn result_tolerance(policy: &Policy) -> v7::Tolerance {
    v7::Tolerance {
        unprotected_primary: policy.crcs.primary == v7::CrcType::None,
        ..v7::Tolerance::STRICT
    }
}

/// What one bundle says in both versions, in the order version 6, version 7.
struct Pair<'a> {
    expiry_ms: [u128; 2],
    payloads: [&'a [u8]; 2],
    is_admin: [bool; 2],
    fragments: [Option<(u64, u64)>; 2],
}

impl<'a> Pair<'a> {
    fn new(six: &'a v6::Bundle<'_>, seven: &'a v7::Bundle<'_>, policy: &Policy) -> Self {
        let (one, two) = (&six.primary, &seven.primary);
        let lifetime_s = policy::lifetime_s(policy, one.lifetime_s);
        let expiry_s = u128::from(one.creation.seconds) + u128::from(lifetime_s);
        Self {
            expiry_ms: [
                expiry_s * 1000,
                u128::from(two.creation.time_ms) + u128::from(two.lifetime_ms),
            ],
            payloads: [six.payload(), seven.payload()],
            is_admin: [
                one.flags.contains(v6::BundleFlags::ADMIN_RECORD),
                two.flags.contains(v7::BundleFlags::ADMIN_RECORD),
            ],
            fragments: [
                one.fragment.map(|part| (part.offset, part.adu_length)),
                two.fragment.map(|part| (part.offset, part.adu_length)),
            ],
        }
    }

    fn check(&self, there: &Translation) {
        let (before, after) = match there.version {
            Version::V7 => (self.expiry_ms[0], self.expiry_ms[1]),
            Version::V6 => (self.expiry_ms[1], self.expiry_ms[0]),
        };
        if !there.losses.contains(Loss::LifetimeCapped) {
            assert!(after >= before, "the bundle expires earlier");
            assert!(after - before < 1000, "the bundle expires much later");
        }
        assert_eq!(self.fragments[0], self.fragments[1]);
        assert_eq!(self.is_admin[0], self.is_admin[1]);
        if !self.is_admin[0] {
            assert_eq!(self.payloads[0], self.payloads[1]);
        }
    }
}
