// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Properties of generated bundles, and of octets that are no bundles.

use bundle::arbitrary::{
    Shape, integer, mutated, v6_bundle, v6_octets, v6_padded_octets, v7_bundle, v7_octets,
};
use bundle::translate::{Identity6, Identity7, Node, Profile, lifetime_to_v6, lifetime_to_v7};
use bundle::{Eid, Policy, Reason, translate, v6, v7};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::Config;

use crate::support::{check_way_back, verdict, wide};

/// Any number, small ones and those where an encoding grows as often as all others.
fn any_integer() -> impl Strategy<Value = u64> {
    prop_oneof![integer(), any::<u64>()]
}

/// The profiles and capabilities that a policy combines.
fn policies() -> impl Strategy<Value = Policy> {
    (any::<u8>(), integer()).prop_map(|(bits, residence_ms)| {
        let mut policy = Policy::default();
        let on = |bit: u8| bits & (1 << bit) != 0;
        policy.profile = if on(0) { Profile::N } else { Profile::A };
        policy.hdtn_priority = on(1);
        policy.peer_v6.cbhe = on(2);
        policy.peer_v6.dictionary = on(3);
        policy.peer_v6.sequence32 = on(4);
        policy.peer_v6.lifetime32 = on(5);
        policy.crcs.blocks = if on(6) {
            v7::CrcType::Crc32c
        } else {
            v7::CrcType::None
        };
        policy.node = on(7).then_some(Node {
            id: Eid::ipn(7, 0),
            residence_ms,
        });
        policy
    })
}

/// Bundles of both versions and of every shape, and spoiled ones.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        v6_octets(Shape::ANY),
        v7_octets(Shape::ANY),
        mutated(v6_octets(Shape::ANY)),
        mutated(v7_octets(Shape::ANY)),
        proptest::collection::vec(any::<u8>(), 0..200),
        proptest::collection::vec(any::<u8>(), 0..100).prop_map(|mut octets| {
            octets.splice(0..0, [6]);
            octets
        }),
        proptest::collection::vec(any::<u8>(), 0..100).prop_map(|mut octets| {
            octets.splice(0..0, [0x9f, 0x89, 7]);
            octets
        }),
    ]
}

proptest! {
    // `PROPTEST_CASES` asks for more cases.
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn identities_go_there_and_back(seconds in any_integer(), sequence in any_integer()) {
        let six = Identity6 { seconds, sequence };
        match Profile::A.to_v7(six) {
            Ok(seven) => prop_assert_eq!(Profile::A.to_v6(seven, u64::MAX), Ok(six)),
            Err(reason) => {
                prop_assert_eq!(reason, Reason::TimeRange);
                let time = u128::from(seconds) * 1000 + u128::from(sequence % 1000);
                prop_assert!(time > u128::from(u64::MAX));
            }
        }
        let seven = Identity7 { time_ms: seconds, sequence };
        if let Ok(six) = Profile::A.to_v6(seven, u64::MAX) {
            prop_assert_eq!(Profile::A.to_v7(six), Ok(seven));
        }
    }

    /// The other profile restores what came from version 6, and keeps the second of the rest.
    #[test]
    fn identities_of_the_natural_profile(seconds in any_integer(), sequence in any_integer()) {
        let six = Identity6 { seconds, sequence };
        match Profile::N.to_v7(six) {
            Ok(seven) => prop_assert_eq!(Profile::N.to_v6(seven, u64::MAX), Ok(six)),
            Err(reason) => {
                prop_assert_eq!(reason, Reason::TimeRange);
                prop_assert!(u128::from(seconds) * 1000 > u128::from(u64::MAX));
            }
        }
        let seven = Identity7 { time_ms: seconds, sequence };
        match Profile::N.to_v6(seven, u64::MAX) {
            Ok(six) => {
                let kept = Identity7 { time_ms: seconds / 1000 * 1000, sequence };
                prop_assert_eq!(Profile::N.to_v7(six), Ok(kept));
            }
            Err(reason) => {
                prop_assert_eq!(reason, Reason::TimeRange);
                prop_assert!((1..1000).contains(&seconds));
            }
        }
    }

    #[test]
    fn lifetimes_never_end_early(time_ms in any_integer(), lifetime_ms in any_integer()) {
        let expiry_ms = u128::from(time_ms) + u128::from(lifetime_ms);
        let seconds = u128::from(time_ms / 1000) + u128::from(lifetime_to_v6(time_ms, lifetime_ms));
        prop_assert!(seconds * 1000 >= expiry_ms);
        prop_assert!(seconds * 1000 < expiry_ms + 1000);
    }

    #[test]
    fn lifetimes_keep_their_end(
        natural in any::<bool>(),
        seconds in any_integer(),
        sequence in any_integer(),
        lifetime_s in any_integer(),
    ) {
        let profile = if natural { Profile::N } else { Profile::A };
        let six = Identity6 { seconds, sequence };
        let Ok(seven) = profile.to_v7(six) else { return Ok(()) };
        let lifetime_ms = lifetime_to_v7(profile, six, lifetime_s);
        let fits = (1..=u64::MAX / 1000).contains(&lifetime_s);
        if fits {
            let expiry = u128::from(seven.time_ms) + u128::from(lifetime_ms);
            prop_assert_eq!(expiry, (u128::from(seconds) + u128::from(lifetime_s)) * 1000);
            prop_assert_eq!(lifetime_to_v6(seven.time_ms, lifetime_ms), lifetime_s);
        }
    }

    #[test]
    fn v6_is_decoded_as_it_was_encoded(bundle in v6_bundle(Shape::ANY)) {
        let octets = bundle.to_vec();
        let decoded = v6::Bundle::decode(&octets);
        prop_assert_eq!(decoded.as_ref(), Ok(&bundle));
    }

    #[test]
    fn padding_does_not_matter((padded, shortest) in v6_padded_octets(Shape::ANY)) {
        let decoded = v6::Bundle::decode(&padded);
        prop_assert_eq!(decoded.as_ref(), Ok(&v6::Bundle::decode(&shortest).expect("it is valid")));
        let reason = |octets| translate(octets, &Policy::default()).map_err(|refusal| refusal.reason);
        prop_assert_eq!(reason(&padded), reason(&shortest));
    }

    #[test]
    fn v7_is_decoded_as_it_was_encoded(bundle in v7_bundle(Shape::ANY)) {
        let octets = bundle.to_vec();
        let decoded = v7::Bundle::decode(&octets, v7::Tolerance::LENIENT);
        prop_assert_eq!(decoded.as_ref(), Ok(&bundle));
    }

    #[test]
    fn bundles_for_the_fast_path_are_translated(
        octets in prop_oneof![v6_octets(Shape::FAST_PATH), v7_octets(Shape::FAST_PATH)],
    ) {
        let there = match verdict(&octets, &wide()) {
            Ok(there) => there,
            // The age of version 6 has other units, so the largest ones of version 7 do not fit.
            Err(reason) => { prop_assert_eq!(reason, "value_range"); return Ok(()) }
        };
        check_way_back(&octets, &there);
    }

    #[test]
    fn translations_keep_their_promises(octets in anything(), policy in policies()) {
        // Translations into forms that a policy forbids are refused, and the others are checked.
        verdict(&octets, &policy).ok();
    }

    #[test]
    fn the_way_back_restores_what_was_not_lost(
        octets in prop_oneof![v6_octets(Shape::ANY), v7_octets(Shape::ANY)],
    ) {
        if let Ok(there) = verdict(&octets, &wide()) {
            check_way_back(&octets, &there);
        }
    }

    /// Data of blocks of any type, and payloads that are no records.
    #[test]
    fn octets_that_are_no_data_are_no_panic(
        kind in any::<u8>(),
        octets in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let six = v6::Block::new(v6::BlockType(kind), v6::BlockFlags::default(), (&octets).into());
        let kind = v7::BlockType(kind.into());
        let seven = v7::Block::new(kind, 2, v7::BlockFlags::default(), (&octets).into());
        let errors = [
            six.content().err(),
            seven.content().err(),
            seven.hdtn_priority().err(),
            v6::AdminRecord::decode(&octets).err(),
            v7::AdminRecord::decode(&octets, v7::Tolerance::LENIENT).err(),
            v7::AdminRecord::decode(&octets, v7::Tolerance::STRICT).err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert!(error.offset <= octets.len());
            prop_assert!(!error.field.is_empty());
        }
    }

    #[test]
    fn octets_that_are_no_bundle_are_no_panic(octets in anything()) {
        for tolerance in [v7::Tolerance::LENIENT, v7::Tolerance::STRICT] {
            if let Err(error) = v7::Bundle::decode(&octets, tolerance) {
                prop_assert!(error.offset <= octets.len());
                prop_assert!(!error.field.is_empty());
            }
        }
        if let Err(error) = v6::Bundle::decode(&octets) {
            prop_assert!(error.offset <= octets.len());
            prop_assert!(!error.field.is_empty());
        }
        translate(&octets, &Policy::default()).ok();
    }
}
