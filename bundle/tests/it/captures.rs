// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every bundle over UDP of the captures, through both codecs and the translator.

use std::collections::BTreeMap;

use bundle::{Policy, Reason, ReasonKind, v7};

use crate::pcap;
use crate::support::{check_way_back, reencoded, verdict};

/// How many bundles of each implementation are translated, or refused and why.
///
/// Each refusal agrees with what the index of the captures says about the bundle: security
/// blocks of both versions; custody requests; custody signals, aggregate custody signals
/// and encapsulated bundles; multicast endpoints (`imc`); the node number 2^32-1, which `ipn`
/// reserves; and numbers at the end of the ranges, made for the purpose by pyD3TN's encoder.
const EXPECTED: &[(&str, &str, usize)] = &[
    ("bp7", "translated", 66),
    ("hardy", "eid_malformed", 2),
    ("hardy", "security", 16),
    ("hardy", "translated", 78),
    ("ion6", "admin_record", 8),
    ("ion6", "custody", 50),
    ("ion6", "security", 18),
    ("ion6", "translated", 200),
    ("ion6noacs", "admin_record", 10),
    ("ion6noacs", "custody", 10),
    ("ion6noacs", "translated", 18),
    ("ion7", "admin_record", 7),
    ("ion7", "eid_scheme", 14),
    ("ion7", "security", 15),
    ("ion7", "translated", 176),
    ("ion7crc16all", "translated", 87),
    ("pyd3tn", "admin_record", 2),
    ("pyd3tn", "custody", 2),
    ("pyd3tn", "eid_malformed", 2),
    ("pyd3tn", "sequence_range", 2),
    ("pyd3tn", "time_range", 1),
    ("pyd3tn", "translated", 250),
    ("pyd3tn", "value_range", 1),
];

#[test]
fn every_captured_bundle() {
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for captured in pcap::bundles() {
        println!("{}", captured.name);
        let outcome = check(&captured.octets);
        *counts.entry((captured.folder, outcome)).or_default() += 1;
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|((folder, outcome), count)| (folder.as_str(), *outcome, *count))
        .collect();
    assert_eq!(counts, EXPECTED);
}

/// Takes a bundle through everything, and says what became of it.
fn check(octets: &[u8]) -> &'static str {
    let outcome = verdict(octets, &Policy::default());
    let is_malformed = |name: &&str| {
        let reason = Reason::ALL.iter().find(|reason| reason.name() == *name);
        reason.is_some_and(|reason| reason.kind() == ReasonKind::Malformed)
    };
    if !outcome.as_ref().is_err_and(is_malformed) {
        assert_eq!(reencoded(octets, v7::Tolerance::LENIENT), octets);
    }
    match outcome {
        Ok(there) => {
            check_way_back(octets, &there);
            "translated"
        }
        Err(reason) => reason,
    }
}
