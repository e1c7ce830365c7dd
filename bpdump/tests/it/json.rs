// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The objects of `--format json`.

use serde_json::Value;

use crate::support::{SEVEN, SIX, captures, objects, run};

/// The leaves of an object cover the bundle.
#[track_caller]
fn check(object: &Value) {
    let number = |value: &Value| value.as_u64().expect("it is a number");
    let mut at = 0;
    for field in object["fields"].as_array().expect("it is a list") {
        if field["leaf"] == true && number(&field["octets"]) > 0 {
            assert_eq!(number(&field["offset"]), at, "{field}");
            at += number(&field["octets"]);
        }
    }
    assert_eq!(at, number(&object["octets"]));
    let digits = object["hex"].as_str().expect("it is text");
    assert_eq!(digits.len() as u64, 2 * at);
}

#[test]
fn fields_cover_every_captured_bundle() {
    for capture in captures() {
        let run = run(&["show", "--format", "json", &capture]);
        for object in objects(&run) {
            check(&object);
        }
    }
}

#[test]
fn members_of_a_bundle() {
    let run = run(&["show", "--format", "json", SIX, SEVEN]);
    let objects = objects(&run);
    assert_eq!(objects.len(), 2);
    for (object, version) in objects.iter().zip([6, 7]) {
        check(object);
        assert_eq!(object["version"], version);
        assert_eq!(object["source"], "ipn:1.1");
        assert_eq!(object["destination"], "ipn:2.1");
        assert_eq!(object["payload_octets"], 5);
        assert_eq!(object["error"], Value::Null);
    }
    assert_eq!(objects[1]["creation_time"], 802_094_400_007_u64);
    assert_eq!(objects[1]["crcs"], 1);
    assert_eq!(objects[1]["crcs_wrong"], 0);
}

/// Numbers that readers of JSON would round are texts.
#[test]
fn large_numbers_are_texts() {
    let run = run(&[
        "show",
        "--format",
        "json",
        "--frame",
        "10",
        "pyd3tn/bpv7_times.pcap",
    ]);
    assert_eq!(objects(&run)[0]["sequence_number"], "9223372036854775808");
}

#[test]
fn totals() {
    let run = run(&[
        "stats",
        "--format",
        "json",
        "ion7/udp_bpsec_bcb_payload.pcap",
    ]);
    insta::assert_snapshot!(run.page());
}
