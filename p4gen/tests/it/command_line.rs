// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4gen` as its users meet it: files, messages and exit statuses.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn p4gen(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_p4gen"))
        .args(args)
        .output()
        .expect("the program starts")
}

/// Checks an exit status, and that all of a message stands in the one error that is printed.
fn check_failure(args: &[&str], status: i32, message: &[&str]) {
    let output = p4gen(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {error}");
    for part in message {
        assert!(
            error.contains(part),
            "{args:?} does not say {part:?}: {error}"
        );
    }
    assert!(!error.contains("panicked"), "{error}");
}

fn path(folder: &Path) -> &str {
    folder
        .to_str()
        .expect("temporary folders have names in UTF-8")
}

#[test]
fn writes_a_program_and_what_belongs_to_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("new");
    let options = [
        "--target",
        "bmv2",
        "--max-payload",
        "13",
        "--slow-path-port",
        "3",
        "-o",
        path(&out),
    ];
    let output = p4gen(&options);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("parser states"));
    let read = |ending: &str| {
        fs::read_to_string(out.join(format!("bundle_translator.{ending}")))
            .unwrap_or_else(|error| panic!("{ending}: {error}"))
    };
    assert!(read("p4").starts_with("// SPDX-License-Identifier: Apache-2.0 OR MIT\n"));
    assert!(read("p4info.txtpb").contains("name: \"ingress.peer\""));
    assert!(read("entries.json").contains("\"port\": \"3\""));
    assert!(read("resources.json").contains("\"parser_states\""));
    let program = out.join("bundle_translator.p4");
    assert!(p4gen(&["check", path(&program)]).status.success());
}

#[test]
fn refuses_a_payload_that_no_datagram_holds() {
    check_failure(
        &[
            "--target",
            "bmv2",
            "--max-payload",
            "70000",
            "-o",
            "nowhere",
        ],
        2,
        &["--max-payload 70000", "65507"],
    );
}

#[test]
fn refuses_an_unknown_target() {
    check_failure(
        &["--target", "abacus", "--max-payload", "13", "-o", "nowhere"],
        2,
        &["abacus", "bmv2"],
    );
}

#[test]
fn needs_a_target() {
    check_failure(&["--max-payload", "13", "-o", "nowhere"], 2, &["--target"]);
}

#[test]
fn says_which_folder_it_cannot_make() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a temporary file");
    let below = file.join("below");
    check_failure(
        &[
            "--target",
            "bmv2",
            "--max-payload",
            "13",
            "-o",
            path(&below),
        ],
        3,
        &["cannot make the folder", path(&below)],
    );
}

#[test]
fn shows_where_a_program_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("wrong.p4");
    fs::write(&program, "#include <core.p4>\nconst bit<8> x = y;\n").expect("a temporary file");
    check_failure(&["check", path(&program)], 1, &["wrong.p4", "y"]);
}

#[test]
fn says_which_program_is_missing() {
    check_failure(&["check", "missing.p4"], 3, &["cannot read missing.p4"]);
}

#[test]
fn help() {
    let output = p4gen(&["--help"]);
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout));
}

/// Layouts, what is left to the slow path, and costs of the parameters.
#[test]
fn explains_itself() {
    let output = p4gen(&["explain", "--max-payload", "13", "--max-blocks", "4"]);
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout));
    check_failure(
        &["explain", "--max-blocks", "0"],
        2,
        &["--max-blocks 0 is out of range", "choose 1 to 20"],
    );
}
