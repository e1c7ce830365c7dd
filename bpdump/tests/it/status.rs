// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the shell is told, and what the user.

use crate::support::{SEVEN, SIX, run, run_with};

/// The status of a run, and a word of its message.
#[track_caller]
fn check(arguments: &[&str], status: i32, message: &str) {
    let run = run(arguments);
    assert_eq!(run.status, status, "{}", run.err);
    assert!(run.err.contains(message), "{}", run.err);
}

#[test]
fn fine() {
    check(&["show", SIX], 0, "");
    check(&["explain", SIX, SEVEN], 0, "");
    check(&["stats", SIX], 0, "");
    check(&["translate", SIX], 0, "nothing lost");
}

#[test]
fn bundles_at_fault() {
    let cut = &SIX[..40];
    check(&["explain", cut], 1, "");
    check(&["translate", cut], 1, "truncated (code 1)");
    // Showing what is wrong is what `show` is for.
    check(&["show", cut], 0, "");
    let empty = run_with(&["show", "-"], &[]);
    assert_eq!(empty.status, 1);
    assert!(empty.err.contains("empty"), "{}", empty.err);
}

#[test]
fn wrong_command_line() {
    check(&["show"], 2, "FILE|HEX|-");
    check(&["shwo", SIX], 2, "unrecognized subcommand");
    check(&["show", "--hex", "--brief", SIX], 2, "cannot be used with");
    check(&["translate", "--node", "imc:1.1", SIX], 2, "ipn:7.0");
    check(
        &["translate", "--node", "dtn:none", SIX],
        2,
        "null endpoint",
    );
    check(
        &["translate", "--output", "x", SIX, SEVEN],
        2,
        "--frame chooses one",
    );
}

#[test]
fn files_that_cannot_be_used() {
    check(&["show", "no-such-file.pcap"], 3, "no such file");
    check(&["show", "ion6"], 3, "cannot read ion6");
    check(
        &["translate", "--output", "no-such-folder/x", SIX],
        3,
        "cannot write",
    );
    let damaged = [&[0xd4, 0xc3, 0xb2, 0xa1][..], &[0xff; 40]].concat();
    let run = run_with(&["show", "-"], &damaged);
    assert!(
        run.status == 3 || run.err.contains("inside a frame"),
        "{}",
        run.err
    );
}

#[test]
fn frames_without_a_bundle() {
    check(
        &["show", "--frame", "999", "ion6/udp_sizes.pcap"],
        1,
        "--brief",
    );
}
