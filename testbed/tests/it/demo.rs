// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the demo says when it cannot run. That it runs is a step of `make test` of its own, because
//! it needs the programs of all crates.

use std::process::Command;

#[test]
fn says_which_captures_are_missing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing");
    let output = Command::new(env!("CARGO_BIN_EXE_sddtn-demo"))
        .arg("--captures")
        .arg(&missing)
        .arg("--out")
        .arg(folder.path())
        .output()
        .expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("cannot read the captures in"), "{error}");
    assert!(error.contains(&missing.display().to_string()), "{error}");
}

#[test]
fn says_which_capture_is_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("broken.pcap"), "not a capture").expect("a temporary file");
    let output = Command::new(env!("CARGO_BIN_EXE_sddtn-demo"))
        .arg("--captures")
        .arg(folder.path())
        .arg("--out")
        .arg(folder.path())
        .output()
        .expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("broken.pcap"), "{error}");
}
