// SPDX-License-Identifier: Apache-2.0 OR MIT
//! bp7 and hardy-bpv7, which run in the same process: verdicts, fields and octets.

use bundle::v7;
use bundle::v7::Tolerance;
use peers::samples::{self, Sample};
use peers::{Case, Difference, Tally, Theirs, bp7, hardy, ours};

use crate::{SEVEN, SPOILED};

/// A peer as the comparison needs it.
struct Peer {
    name: &'static str,
    read: fn(&[u8]) -> Theirs,
    /// Our octets of a bundle, as far as the peer's encoder can follow.
    written: fn(&v7::Bundle<'_>) -> Vec<u8>,
    explained: fn(&Case<'_>, &Difference) -> Option<&'static str>,
}

const BP7: Peer = Peer {
    name: "bp7",
    read: bp7::read,
    written: |bundle| bundle.to_vec(),
    explained: bp7::explained,
};

const HARDY: Peer = Peer {
    name: "hardy-bpv7",
    read: hardy::read,
    written: |bundle| hardy::renumbered(bundle).to_vec(),
    explained: hardy::explained,
};

fn check(peer: &Peer, what: &str, samples: &[Sample], tolerance: Tolerance) -> Tally {
    let mode = if tolerance == Tolerance::STRICT {
        "strict"
    } else {
        "lenient"
    };
    let mut tally = Tally::new(format!("{}, {what}, {mode}", peer.name));
    for sample in samples {
        let bundle = ours::read_v7(&sample.octets, tolerance);
        let ours = bundle
            .as_ref()
            .map(|bundle| (ours::fields_v7(bundle), (peer.written)(bundle)))
            .map_err(|fault| *fault);
        let theirs = (peer.read)(&sample.octets);
        tally.verdicts(ours.is_ok(), matches!(theirs, Theirs::Accepted { .. }));
        let differences = Difference::all(&ours, &theirs, |_| false);
        let lenient = ours::read_v7(&sample.octets, Tolerance::LENIENT).ok();
        let case = Case {
            octets: &sample.octets,
            bundle: lenient.as_ref(),
            theirs: &theirs,
        };
        tally.add(&sample.name, &sample.octets, &differences, |difference| {
            (peer.explained)(&case, difference)
        });
    }
    println!("{tally}");
    tally
}

#[track_caller]
fn check_all(peer: &Peer) {
    let sets = [("valid", &*SEVEN), ("mutated", &*SPOILED)];
    let mut unexplained = 0;
    for (what, samples) in sets {
        for tolerance in [Tolerance::STRICT, Tolerance::LENIENT] {
            let tally = check(peer, what, samples, tolerance);
            assert_eq!(tally.compared(), samples.len());
            assert!(tally.both_accept() > 0, "{tally}");
            unexplained += tally.unexplained();
        }
    }
    assert_eq!(
        unexplained, 0,
        "differences without a rule are printed above"
    );
}

#[test]
fn bp7_agrees() {
    check_all(&BP7);
}

#[test]
fn hardy_agrees() {
    check_all(&HARDY);
}

#[test]
fn bp7_builds_as_we_do() {
    let mut tally = Tally::new("bp7, built");
    for sample in SEVEN.iter() {
        let Ok(bundle) = ours::read_v7(&sample.octets, Tolerance::LENIENT) else {
            continue;
        };
        let Some(theirs) = bp7::build(&bundle) else {
            continue;
        };
        let preferred = ours::preferred(&bundle);
        let expected = bp7::sorted(&preferred);
        let ours = Ok((ours::fields_v7(&expected), expected.to_vec()));
        tally.verdicts(true, matches!(theirs, Theirs::Accepted { .. }));
        // What a record says is compared where bp7 reads bundles: here the payload is octets.
        let of_record = |name: &str| name.starts_with("rec") || name.starts_with("report ");
        let differences = Difference::all(&ours, &theirs, of_record);
        let case = Case {
            octets: &sample.octets,
            bundle: Some(&bundle),
            theirs: &theirs,
        };
        tally.add(&sample.name, &sample.octets, &differences, |difference| {
            bp7::explained_build(&case, difference)
        });
    }
    println!("{tally}");
    assert!(tally.both_accept() > samples::cases() / 4, "{tally}");
    assert_eq!(
        tally.unexplained(),
        0,
        "differences without a rule are printed above"
    );
}
