// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages of `bpdump explain`.

use bundle::ReasonKind;

use crate::support::{SEVEN, SIX, captures, objects, run};

#[track_caller]
fn reasons(page: &str, reason: &str) {
    assert!(page.contains(reason), "{page}");
}

#[test]
fn custody() {
    insta::assert_snapshot!(run(&["explain", "--frame", "2", "ion6/udp_custody.pcap"]).page());
}

#[test]
fn reserved_node_number() {
    insta::assert_snapshot!(run(&["explain", "hardy/bpv7_eids.pcap"]).page());
}

#[test]
fn security_block() {
    let run = run(&["explain", "--frame", "1", "ion7/udp_bpsec_bcb_payload.pcap"]);
    insta::assert_snapshot!(run.page());
}

#[test]
fn sequence_number() {
    insta::assert_snapshot!(run(&["explain", "--frame", "8", "pyd3tn/bpv7_times.pcap"]).page());
}

/// Two faults: the first one is the reason, and the other one is told, too.
#[test]
fn several_faults() {
    let damaged = SEVEN
        .replace("42b7eb", "42b7ec")
        .replace("850703010042187d", "850703010043187dff");
    insta::assert_snapshot!(run(&["explain", &damaged]).page());
}

#[test]
fn cut_off() {
    insta::assert_snapshot!(run(&["explain", &SIX[..SIX.len() - 4]]).page());
}

#[test]
fn nothing_to_explain() {
    insta::assert_snapshot!(run(&["explain", SEVEN]).page());
}

#[test]
fn broken_rules_of_version_7() {
    let cases = [
        ("not_shortest", SEVEN.replacen("07", "1807", 1)),
        ("version", SEVEN.replacen("07", "08", 1)),
        ("primary_length", SEVEN.replacen("89", "88", 1)),
        ("crc_type", SEVEN.replacen("0001", "0003", 1)),
        ("trailing_octets", format!("{SEVEN}00")),
        ("block_number", SEVEN.replace("8507030100", "8507020100")),
        (
            "payload_missing",
            SEVEN.replace("85010101004568656c6c6f", ""),
        ),
    ];
    for (reason, digits) in cases {
        let run = run(&["explain", &digits]);
        assert_eq!(run.status, 1);
        reasons(&run.out, &format!("malformed: {reason} (code"));
        reasons(&run.out, "  rule    RFC ");
        reasons(&run.out, "^^");
    }
}

/// Every bundle of the captures that is not translated has a place, a rule and a remedy.
#[test]
fn every_captured_bundle() {
    let mut explained = 0;
    for capture in captures() {
        for object in objects(&run(&["explain", "--format", "json", &capture])) {
            if object["outcome"] == "translated" {
                continue;
            }
            explained += 1;
            let name = object["refusal"]["reason"]["name"]
                .as_str()
                .expect("a name");
            let known = bundle::Reason::ALL
                .iter()
                .find(|reason| reason.name() == name);
            let kind = known.expect("the reason is known").kind();
            let expected = if kind == ReasonKind::Malformed {
                "malformed"
            } else {
                "refused"
            };
            assert_eq!(object["outcome"], expected);
            for member in ["rule", "remedy"] {
                assert!(!object[member].as_str().expect("it is text").is_empty());
            }
            assert!(!object["path"].as_array().expect("a list").is_empty());
        }
    }
    assert!(explained > 100);
}
