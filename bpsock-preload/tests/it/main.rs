// SPDX-License-Identifier: Apache-2.0 OR MIT
//! C programs with the library in front of their system calls, and a daemon behind it.

use std::{path::Path, process::Command};

mod site;

use site::{Site, built, socket};

/// A descriptor that a child inherits is no socket for it: the connection is that of its parent.
const NOT_HERE: [&str; 1] = ["data_returned_on_death"];
/// Tests of the suite that need no scripted daemon and no kernel module, and pass.
const PASSED: usize = 54;

/// The program with the library.
fn with_library(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", built("libbpsock_preload.so"));
    command
}

/// The suite of the kernel module: the same calls, the same errno values.
#[test]
fn the_suite_passes() {
    let suite = Site::new("bp-suite", "").suite(with_library);
    assert_eq!(suite.failed, NOT_HERE, "{}", suite.said);
    assert_eq!(suite.passed, PASSED, "{}", suite.said);
}

#[test]
fn a_ported_echo_program_answers() {
    Site::new("echo", "").check_echo(with_library);
}

/// The package for Python: addresses, messages, time-outs and errors.
#[test]
fn the_python_package_sends_and_receives() {
    let site = Site::new("echo", "");
    let _daemon = site.daemon();
    // When it can be reached, the interpreter can reach it.
    drop(socket(&site.at("s")));
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpsock/python");
    let mut python = site.program(Path::new("python3"), with_library);
    python.arg("-B").arg(package.join("check.py"));
    let output = python.env("PYTHONPATH", &package).output();
    let output = output.expect("there is a python3");
    assert!(output.status.success(), "{output:?}");
}
