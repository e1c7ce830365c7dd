// SPDX-License-Identifier: Apache-2.0 OR MIT
//! C programs, linked dynamically and statically, under the supervisor, and a daemon behind it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "../../../bpsock-preload/tests/it/site.rs"]
mod site;

use site::Site;

/// Tests of the suite that need no scripted daemon and no kernel module.
const PASSED: usize = 55;
const STATIC: &str = "-static";

/// The program under the supervisor.
fn under(program: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bp-run"));
    command.arg(program);
    command
}

/// The program, with sockets that have the lowest free numbers.
fn under_with_low_numbers(program: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bp-run"));
    command.arg("--all-descriptors").arg(program);
    command
}

/// Whether a program is linked statically: it has no segment that names an interpreter.
fn is_static(program: &Path) -> bool {
    const INTERPRETER: [u8; 4] = 3_u32.to_ne_bytes();
    let octets = fs::read(program).expect("it is built");
    let number = |at: usize, size: usize| {
        let digits = octets[at..at + size].iter().rev();
        digits.fold(0, |value, octet| value << 8 | usize::from(*octet))
    };
    let (first, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let mut segments = (0..count).map(|at| &octets[first + at * size..]);
    count > 0 && !segments.any(|segment| segment.starts_with(&INTERPRETER))
}

/// The suite of the kernel module, linked statically: the same calls, the same errno values.
#[test]
fn the_suite_passes() {
    let site = Site::new("bp-suite", STATIC);
    assert!(is_static(&site.at("bp-suite")));
    let outcome = site.suite(under);
    assert_eq!(outcome.failed, [""; 0], "{}", outcome.said);
    assert_eq!(outcome.passed, PASSED, "{}", outcome.said);
}

#[test]
fn a_ported_echo_program_answers() {
    Site::new("echo", "").check_echo(under);
}

#[test]
fn a_static_program_has_low_numbers_if_asked() {
    let site = Site::new("echo", STATIC);
    assert!(is_static(&site.at("echo")));
    site.check_echo(under_with_low_numbers);
}

/// The status is that of the program, and what it wrote is where it should be.
#[test]
fn programs_run_as_without_it() {
    let run = |way: fn(&Path) -> Command, script: &str| {
        let mut shell = way(Path::new("sh"));
        shell.args(["-c", script]).stdin(Stdio::null());
        let output = shell.output().expect("it is built");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (text, output.status.code())
    };
    for way in [under, under_with_low_numbers] {
        let expected = ("one\n2\n".to_owned(), Some(3));
        assert_eq!(run(way, "echo one; echo 2 | cat; exit 3"), expected);
        // It waits for what the program has started.
        let expected = ("late\n".to_owned(), Some(0));
        assert_eq!(run(way, "(sleep 0.1; echo late) & exit 0"), expected);
        assert_eq!(run(way, "kill -9 $$"), (String::new(), Some(137)));
    }
    let missing = under(Path::new("/nowhere/at/all")).output();
    assert_eq!(missing.expect("it is built").status.code(), Some(127));
}
