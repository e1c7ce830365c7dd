// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4switch` on Linux interfaces, in a network namespace of its own.
//!
//! These tests need root, `ip` of iproute2 and what `make setup` installs, and so they run only when
//! they are asked for: `make test-interfaces`. Then they fail if something is missing.

use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs one story of `veth.py` in a new namespace, which ends with the process.
fn check(story: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new("unshare")
        .arg("--net")
        .arg(folder.join("../target/p4runtime/bin/python"))
        .arg("-B")
        .arg(folder.join("tests/interfaces/veth.py"))
        .arg(story)
        .env("P4SWITCH", env!("CARGO_BIN_EXE_p4switch"))
        .env("TESTDATA", folder.join("testdata"))
        .output()
        .expect("unshare of util-linux is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        status.success() && text(&stdout).ends_with("done\n"),
        "{story}: {status}\n{}{}",
        text(&stdout),
        text(&stderr)
    );
}

#[test]
#[ignore = "needs root: make test-interfaces"]
fn frames_pass_between_interfaces() {
    check("frames");
}

#[test]
#[ignore = "needs root: make test-interfaces"]
fn flows_keep_their_order_over_threads() {
    check("flows");
}

#[test]
#[ignore = "needs root: make test-interfaces"]
fn tags_and_long_frames_pass_as_they_are() {
    check("shapes");
}

#[test]
#[ignore = "needs root: make test-interfaces"]
fn hosts_talk_through_the_switch() {
    check("hosts");
}

#[test]
#[ignore = "needs root: make test-interfaces"]
fn members_behind_a_dead_link_are_left_out() {
    check("links");
}
