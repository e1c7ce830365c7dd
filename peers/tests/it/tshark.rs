// SPDX-License-Identifier: Apache-2.0 OR MIT
//! tshark: fields of both versions, and translations.

use bundle::v7::Tolerance;
use bundle::{Policy, Version, v6};
use peers::samples::{self, Sample};
use peers::{Case, Difference, Tally, Theirs, ours, tshark};

use crate::{NARROW_SIX, SEVEN, SIX};

#[test]
fn tshark_reads_version_7_as_we_do() {
    let tally = check_v7("valid", &SEVEN);
    assert_eq!(
        tally.unexplained(),
        0,
        "differences without a rule are printed above"
    );
}

#[test]
fn tshark_reads_version_6_as_we_do() {
    let sets = [("valid", &*SIX), ("31 bits", &*NARROW_SIX)];
    let tallies = sets.map(|(what, samples)| check_v6(what, samples));
    let unexplained: usize = tallies.iter().map(Tally::unexplained).sum();
    assert_eq!(
        unexplained, 0,
        "differences without a rule are printed above"
    );
}

#[test]
fn tshark_reads_translations_as_we_do() {
    let from_six: Vec<_> = translated(&SIX).chain(translated(&NARROW_SIX)).collect();
    let from_seven: Vec<_> = translated(&SEVEN).collect();
    let tallies = [
        check_v7("translated", &from_six),
        check_v6("translated", &from_seven),
    ];
    for tally in &tallies {
        assert!(tally.compared() > samples::cases() / 10, "{tally}");
    }
    let unexplained: usize = tallies.iter().map(Tally::unexplained).sum();
    assert_eq!(
        unexplained, 0,
        "differences without a rule are printed above"
    );
}

/// The translations of those samples that have one.
fn translated(samples: &[Sample]) -> impl Iterator<Item = Sample> {
    samples.iter().filter_map(|sample| {
        let translation = bundle::translate(&sample.octets, &Policy::default()).ok()?;
        Some(Sample {
            name: sample.name.clone(),
            octets: translation.octets,
        })
    })
}

fn check_v7(what: &str, samples: &[Sample]) -> Tally {
    let octets = samples.iter().map(|sample| sample.octets.as_slice());
    let rows = tshark::dissect(Version::V7, octets).expect("tshark reads the bundles");
    let mut tally = Tally::new(format!("tshark, version 7, {what}"));
    for (sample, row) in samples.iter().zip(&rows) {
        let bundle = ours::read_v7(&sample.octets, Tolerance::LENIENT);
        let ours = bundle
            .as_ref()
            .map(|bundle| (tshark::ours_v7(bundle), Vec::new()))
            .map_err(|fault| *fault);
        let theirs = tshark::theirs_v7(row);
        tally.verdicts(ours.is_ok(), matches!(theirs, Theirs::Accepted { .. }));
        let differences = Difference::all(&ours, &theirs, |_| false);
        let case = Case {
            octets: &sample.octets,
            bundle: bundle.as_ref().ok(),
            theirs: &theirs,
        };
        tally.add(&sample.name, &sample.octets, &differences, |difference| {
            tshark::explained_v7(&case, difference)
        });
    }
    println!("{tally}");
    tally
}

fn check_v6(what: &str, samples: &[Sample]) -> Tally {
    let octets = samples.iter().map(|sample| sample.octets.as_slice());
    let rows = tshark::dissect(Version::V6, octets).expect("tshark reads the bundles");
    let mut tally = Tally::new(format!("tshark, version 6, {what}"));
    for (sample, row) in samples.iter().zip(&rows) {
        let bundle = v6::Bundle::decode(&sample.octets).expect("it is a bundle");
        let ours = Ok((tshark::ours_v6(&bundle), Vec::new()));
        let theirs = tshark::theirs_v6(row);
        tally.verdicts(true, matches!(theirs, Theirs::Accepted { .. }));
        let differences = Difference::all(&ours, &theirs, |_| false);
        tally.add(&sample.name, &sample.octets, &differences, |difference| {
            tshark::explained_v6(&bundle, difference)
        });
    }
    println!("{tally}");
    tally
}
