// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The checks on generated bundles, under any policy.

use bundle::arbitrary::{Shape, mutated, v6_octets, v6_padded_octets, v7_octets};
use fuzz::{TARGETS, checks};
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;

proptest! {
    // `PROPTEST_CASES` asks for more cases.
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    /// Both profiles, all receivers, with and without a node: right form, the same result each
    /// time, no earlier expiry, and a way back.
    #[test]
    fn translations(
        policy in any::<[u8; 4]>(),
        octets in prop_oneof![
            v6_octets(Shape::ANY),
            v7_octets(Shape::ANY),
            v6_padded_octets(Shape::ANY).prop_map(|(padded, _)| padded),
        ],
    ) {
        checks::translate(&[&policy[..], &octets].concat());
    }

    #[test]
    fn bundles_of_version_6(octets in prop_oneof![
        v6_octets(Shape::ANY),
        v6_padded_octets(Shape::ANY).prop_map(|(padded, _)| padded),
        mutated(v6_octets(Shape::ANY)),
    ]) {
        checks::v6_decode(&octets);
    }

    #[test]
    fn bundles_of_version_7(
        octets in prop_oneof![v7_octets(Shape::ANY), mutated(v7_octets(Shape::ANY))],
    ) {
        checks::v7_decode(&octets);
    }

    #[test]
    fn any_octets(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        for target in TARGETS {
            (target.check)(&octets);
        }
    }
}
