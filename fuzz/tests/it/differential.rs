// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generated programs against the reference, on as many bundles as are run each time.

use fuzz::differential::{
    Class,
    campaign::{Plan, run},
    tshark::Capture,
};
use testbed::verdict::Outcome;

/// Few, because nothing is optimised here. `make test` runs 2,000 with the optimised program, and
/// `make fuzz` 200,000 of a new seed.
const BUNDLES: u64 = 400;

/// Program and reference agree on octets or on the reason, and tshark finds nothing malformed in
/// what left the switch.
#[test]
fn programs_and_reference_agree() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut capture = Capture::new(&folder.path().join("results.pcap")).expect("it is writable");
    let plan = Plan {
        bundles: BUNDLES,
        seed: 1,
        threads: 1,
        machine_code: false,
    };
    let results = run(
        plan,
        &[],
        |_, passed| {
            if passed.outcome == Outcome::Translated {
                capture.add(&passed.frame).expect("it is writable");
            }
        },
        |_| {},
    );
    assert!(results.differences.is_empty(), "{:?}", results.differences);
    assert_eq!(results.total(), BUNDLES);
    let of = |class| {
        let outcomes = results.outcomes.iter();
        let found = outcomes.filter(|((of, _), _)| *of == class);
        found.map(|(_, count)| count).sum::<u64>()
    };
    for class in [
        Class::Valid,
        Class::Boundary,
        Class::Mutated,
        Class::Refused,
    ] {
        assert!(of(class) >= 100, "{class}: {}", of(class));
    }
    let complaints = capture.finish().expect("tshark runs: `make setup`");
    assert!(complaints.frames > 50, "{complaints:?}");
    assert!(complaints.malformed.is_empty(), "{complaints:?}");
}
