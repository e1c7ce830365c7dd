// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every captured bundle, through both codecs and the translator.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bundle::{Policy, Reason, ReasonKind, v7};

use crate::pcap;
use crate::support::{check_way_back, from_hex, reencoded, verdict};

/// How many bundles of each implementation are translated, or refused and why.
///
/// Each refusal agrees with what the index of the captures says about the bundle: security
/// blocks of both versions; custody requests; custody signals, aggregate custody signals
/// and encapsulated bundles; reports of custody, which version 7 cannot tell; multicast endpoints (`imc`); the node number 2^32-1, which `ipn`
/// reserves; and numbers at the end of the ranges, made for the purpose by pyD3TN's encoder.
const EXPECTED: &[(&str, &str, usize)] = &[
    ("bp7", "translated", 66),
    ("hardy", "eid_malformed", 2),
    ("hardy", "security", 16),
    ("hardy", "translated", 78),
    ("ion6", "admin_record", 11),
    ("ion6", "custody", 56),
    ("ion6", "report_empty", 4),
    ("ion6", "security", 18),
    ("ion6", "translated", 282),
    ("ion6noacs", "admin_record", 10),
    ("ion6noacs", "custody", 10),
    ("ion6noacs", "translated", 18),
    ("ion7", "admin_record", 7),
    ("ion7", "eid_scheme", 14),
    ("ion7", "security", 15),
    ("ion7", "translated", 251),
    ("ion7crc16all", "translated", 87),
    ("pyd3tn", "admin_record", 2),
    ("pyd3tn", "custody", 2),
    ("pyd3tn", "eid_malformed", 2),
    ("pyd3tn", "sequence_range", 2),
    ("pyd3tn", "time_range", 1),
    ("pyd3tn", "translated", 250),
    ("pyd3tn", "value_range", 1),
];

/// Bundles that a stream or an LTP block brought, in segments that a pcap file does not join.
fn bundles_of_other_layers() -> Vec<pcap::Captured> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/captures")
        .join("other-layers.jsonl");
    let lines = fs::read_to_string(path).expect("the list of bundles is readable");
    let bundle = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let text = |key: &str| line[key].as_str().expect("the line has this text");
        let (folder, _) = text("capture").split_once('/').expect("it is in a folder");
        pcap::Captured {
            name: format!(
                "{} frame {} ({})",
                text("capture"),
                line["frame"],
                text("layer")
            ),
            folder: folder.to_owned(),
            octets: from_hex(text("bundle")),
        }
    };
    lines.lines().map(bundle).collect()
}

#[test]
fn every_captured_bundle() {
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let captured = pcap::bundles().into_iter().chain(bundles_of_other_layers());
    for captured in captured {
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
