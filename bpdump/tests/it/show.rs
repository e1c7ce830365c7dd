// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages of `bpdump show`.

use crate::support::{SEVEN, SIX, run, run_with};

#[test]
fn version_6() {
    insta::assert_snapshot!(run(&["show", SIX]).page());
}

#[test]
fn version_7() {
    insta::assert_snapshot!(run(&["show", SEVEN]).page());
}

#[test]
fn octets_beside_the_fields() {
    insta::assert_snapshot!(run(&["show", "--hex", SEVEN]).page());
}

/// A dictionary, and the previous hop as text.
#[test]
fn ion_6_dictionary() {
    let run = run(&["show", "--frame", "1", "ion6/udp_dtn_scheme.pcap"]);
    insta::assert_snapshot!(run.page());
}

#[test]
fn ion_7_status_report() {
    let run = run(&["show", "--frame", "2", "ion7/udp_status_reports.pcap"]);
    insta::assert_snapshot!(run.page());
}

#[test]
fn hardy_security_blocks() {
    let run = run(&["show", "--frame", "2", "hardy/bpv7_bcb_aesgcm.pcap"]);
    insta::assert_snapshot!(run.page());
}

#[test]
fn bp7_without_crc() {
    let run = run(&["show", "--frame", "1", "bp7/bpv7_encode.pcap"]);
    insta::assert_snapshot!(run.page());
}

#[test]
fn brief_lines() {
    insta::assert_snapshot!(run(&["show", "--brief", "ion6/ltp_red_agg6000.pcap"]).page());
}

/// The CRC is wrong, and the blocks behind it are shown.
#[test]
fn wrong_crc() {
    let damaged = SEVEN.replace("42b7eb", "42b7ec");
    insta::assert_snapshot!(run(&["show", &damaged]).page());
}

#[test]
fn cut_off() {
    insta::assert_snapshot!(run(&["show", "--hex", &SIX[..SIX.len() - 4]]).page());
}

/// Digits from standard input, as `xxd -p` wraps them, and as several bundles.
#[test]
fn digits_from_standard_input() {
    let wrapped = format!("{}\n{}\n", &SIX[..60], &SIX[60..]);
    let two = format!("{SIX}  # the old one\n\n0x{SEVEN}\n");
    let brief = |input: String| run_with(&["show", "--brief", "-"], input.as_bytes());
    assert_eq!(brief(wrapped).out.lines().count(), 2);
    insta::assert_snapshot!(brief(two).page());
}

#[test]
fn raw_octets_from_standard_input() {
    let octets: Vec<u8> = (0..SEVEN.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&SEVEN[at..at + 2], 16).expect("two digits"))
        .collect();
    let raw = run_with(&["show", "-"], &octets);
    let digits = run(&["show", SEVEN]);
    assert_eq!(
        raw.out.replace("standard input", "argument"),
        digits.out.as_str()
    );
}
