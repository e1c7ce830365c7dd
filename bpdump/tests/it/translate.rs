// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bpdump translate`, against the worked examples.

use std::fs;

use serde_json::Value;

use crate::support::{SEVEN, SIX, objects, run, run_with, testdata};

#[test]
fn result_and_losses() {
    insta::assert_snapshot!(run(&["translate", SIX]).page());
    insta::assert_snapshot!(run(&["translate", "--frame", "1", "hardy/bpv7_ext.pcap"]).page());
}

/// Every worked example whose policy has an option gives the octets of the example.
#[test]
fn worked_examples() {
    let text = fs::read_to_string(testdata("vectors/worked-examples.json")).expect("it is there");
    let examples: Vec<Value> = serde_json::from_str(&text).expect("it is JSON");
    let mut checked = 0;
    for example in &examples {
        let member = |name: &str| example[name].as_str().expect("it is text");
        let Some(options) = options(&example["policy"]) else {
            continue;
        };
        let mut arguments = vec!["translate", member("input")];
        arguments.extend(options.iter().map(String::as_str));
        let run = run(&arguments);
        assert_eq!(run.out.trim_end(), member("output"), "{}", member("name"));
        assert_eq!(run.status, 0);
        checked += 1;
    }
    assert!(checked > 5, "{checked} of {} examples", examples.len());
}

/// The options for a policy of the vectors. `None` if it says something that is read elsewhere.
fn options(policy: &Value) -> Option<Vec<String>> {
    let mut options = Vec::new();
    for (key, value) in policy.as_object().expect("it is an object") {
        let option = match (key.as_str(), value.as_str()) {
            ("profile", Some(profile)) => format!("--profile={profile}"),
            _ => return None,
        };
        options.push(option);
    }
    Some(options)
}

#[test]
fn policy_options_change_the_result() {
    let plain = run(&["translate", SIX]).out;
    for option in [
        "--profile=n",
        "--crc=crc32c",
        "--block-crc=crc16",
        "--node=ipn:7.0",
        "--priority=qos",
    ] {
        let other = run(&["translate", option, SIX]);
        assert_eq!(other.status, 0, "{}", other.err);
        assert_ne!(other.out, plain, "{option}");
    }
    for option in ["--peer=dictionary", "--peer-age-block=10"] {
        assert_ne!(
            run(&["translate", option, SEVEN]).out,
            run(&["translate", SEVEN]).out,
            "{option}"
        );
    }
}

/// The way there and back, through a pipe and through a file.
#[test]
fn there_and_back() {
    let there = run(&["translate", SIX]);
    assert_eq!(there.out.trim_end(), SEVEN);
    let back = run_with(&["translate", "-"], there.out.as_bytes());
    assert_eq!(back.out.trim_end(), SIX);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bundle.bin");
    let name = path.to_str().expect("the name is text");
    let written = run(&["translate", "--output", name, SIX]);
    assert_eq!((written.out.as_str(), written.status), ("", 0));
    assert_eq!(run(&["translate", name]).out.trim_end(), SIX);
}

#[test]
fn objects_have_result_or_refusal() {
    let run = run(&["translate", "--format", "json", "ion6/udp_custody.pcap"]);
    assert_eq!(run.status, 1);
    let objects = objects(&run);
    assert!(objects.len() > 4);
    for object in &objects {
        assert_ne!(object["result"].is_null(), object["refusal"].is_null());
    }
    let refused = |object: &&Value| object["refusal"]["reason"]["name"] == "custody";
    assert!(objects.iter().any(|object| refused(&object)));
}
