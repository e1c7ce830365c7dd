// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packet tests: `testdata/*.stf`, and tests that must fail.

use std::fs;

use switch::stf::{Script, play};

use crate::support::{Bench, path};

/// Plays a test on a program, and gives what failed.
fn failures(program: &str, script: &str) -> Vec<String> {
    let script = Script::parse(script).expect("a test");
    let report = play(&mut Bench::new(program).program, &script);
    report.failures.iter().map(ToString::to_string).collect()
}

#[test]
fn tests_pass() {
    for name in ["arrays", "constructs", "matches", "traffic"] {
        let script = fs::read_to_string(path(&format!("{name}.stf"))).expect("is in testdata");
        let found = failures(&format!("{name}.p4"), &script);
        assert_eq!(found, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn each_difference_is_reported_with_its_line() {
    let check = |script: &str, expected: &[&str]| {
        assert_eq!(failures("traffic.p4", script), expected, "{script}");
    };
    let sent = "packet 1 0000000000000000\n";
    let came = "expect 2 0000001122000101$\n";
    check(&format!("{sent}{came}"), &[]);
    check(&format!("{sent}expect 2\n"), &[]);
    check(
        &format!("{sent}expect 2 00000011220001$\n"),
        &["line 2: packet on port 2 is 0000001122000101"],
    );
    check(
        &format!("{sent}{came}{came}"),
        &["line 3: packet did not leave on port 2"],
    );
    check(
        &format!("{sent}{sent}{came}"),
        &["line 2: unexpected packet on port 2: 0000001122000101"],
    );
    check("add t k:1 a()", &["line 1: program has no table t"]);
}

#[test]
fn state_is_set_and_checked() {
    let count = "packet 1 0003 00000000 00000000\nexpect 2\n";
    let check = |script: &str, expected: &[&str]| {
        assert_eq!(failures("externs.p4", script), expected, "{script}");
    };
    check(
        &format!("{count}check_counter MyIngress.tally(3) packets == 1"),
        &[],
    );
    check(
        &format!("{count}check_counter tally(3) bytes > 10"),
        &["line 3: counter is at 10"],
    );
    check(
        "counter_write tally 1 7 700\ncheck_counter tally(1) bytes == 700",
        &[],
    );
    check(
        "check_counter tally(4)",
        &["line 1: refused: index 4 is out of range: the size is 4"],
    );
}
