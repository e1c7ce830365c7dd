// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tools, between two daemons.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::exchange::{octets, pair};
use crate::support::Daemon;

/// A tool that talks to this daemon.
fn tool(program: &str, daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).arg("--path").arg(daemon.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn bpsend(daemon: &Daemon, args: &[&str]) -> Command {
    tool(env!("CARGO_BIN_EXE_bpsend"), daemon, args)
}

fn bprecv(daemon: &Daemon, args: &[&str]) -> Command {
    tool(env!("CARGO_BIN_EXE_bprecv"), daemon, args)
}

fn bpping(daemon: &Daemon, args: &[&str]) -> Command {
    tool(env!("CARGO_BIN_EXE_bpping"), daemon, args)
}

/// A program that is ended with this value.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("the program is built"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The objects that a program prints, and whether it ended well.
fn objects(mut command: Command) -> (Vec<Value>, bool) {
    let output = command.output().expect("the program is built");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let parse = |line| serde_json::from_str(line).expect("each line is an object");
    (text.lines().map(parse).collect(), output.status.success())
}

/// Files cross, unchanged, and each side is told who and how much.
fn files_cross(speaks: u8) {
    let (first, second) = pair(speaks);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let sizes = [1_usize, 1400, 100_000, 1 << 20];
    for (from, to, node) in [(&first, &second, 2), (&second, &first, 1)] {
        // The daemon keeps what arrives before anybody listens.
        for size in sizes {
            let data = octets(size);
            fs::write(at("in"), &data).expect("the folder is writable");
            let destination = format!("ipn:{node}.9");
            let args = [&destination, &at("in"), "--format", "json"];
            let (said, is_well) = objects(bpsend(from, &args));
            assert!(is_well);
            assert_eq!(said[0]["octets"], size);
            assert_eq!(said[0]["destination"], destination);
            let out = at("");
            let receive = ["ipn:0.9", "--count", "1", "--timeout", "30"];
            let more = ["--output", &out, "--format", "json"];
            let (said, is_well) = objects(bprecv(to, &[&receive[..], &more].concat()));
            assert!(is_well, "{size} octets did not come");
            assert_eq!(said[0]["octets"], size);
            assert_eq!(said[0]["version"], speaks);
            let got = fs::read(Path::new(&out).join("1")).expect("it has been written");
            assert!(got == data, "{size} octets are others");
        }
    }
}

#[test]
fn files_cross_in_version_6() {
    files_cross(6);
}

#[test]
fn files_cross_in_version_7() {
    files_cross(7);
}

#[test]
fn ping_measures_and_misses() {
    let (first, second) = pair(7);
    let answering = Running::start(bpping(&second, &["--answer", "ipn:0.7"]));
    let args = [
        "ipn:2.7",
        "--count",
        "3",
        "--interval",
        "1",
        "--timeout",
        "30",
    ];
    let (said, is_well) = objects(bpping(&first, &[&args[..], &["--format", "json"]].concat()));
    assert!(is_well);
    assert_eq!(said.len(), 4);
    assert!(said[2]["ms"].as_f64().is_some_and(|ms| ms > 0.0));
    assert_eq!(said[3]["answered"], 3);
    drop(answering);
    let args = [
        "ipn:2.7",
        "--count",
        "1",
        "--timeout",
        "1",
        "--format",
        "json",
    ];
    let (said, is_well) = objects(bpping(&first, &args));
    assert!(!is_well && said[0]["ms"].is_null());
}

#[test]
fn two_people_chat() {
    let (first, second) = pair(6);
    let program = env!("CARGO_BIN_EXE_bpchat");
    let chat = |daemon: &Daemon, args: &[&str]| {
        let mut command = tool(program, daemon, args);
        command.stdin(Stdio::piped());
        Running::start(command)
    };
    let mut one = chat(&first, &["ipn:0.10", "ipn:2.10"]);
    let mut two = chat(&second, &["ipn:0.10", "ipn:1.10"]);
    let talks = [
        (&mut one, "hello, two\n"),
        (&mut two, "hello\u{1b}[2J, one\n"),
    ];
    for (who, line) in talks {
        let input = who.0.stdin.as_mut().expect("it is a pipe");
        input.write_all(line.as_bytes()).expect("it reads");
    }
    for (who, expected) in [
        (&mut one, "ipn:2.10: hello [2J, one\n"),
        (&mut two, "ipn:1.10: hello, two\n"),
    ] {
        let mut said = String::new();
        let output = who.0.stdout.take().expect("it is a pipe");
        BufReader::new(output)
            .read_line(&mut said)
            .expect("it prints");
        assert_eq!(said, expected);
    }
}

/// Mistakes are told by the exit status, and in words.
#[test]
fn tools_say_what_is_wrong() {
    let (daemon, _) = pair(7);
    let status = |mut command: Command| {
        let output = command.output().expect("the program is built");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = status(bpsend(&daemon, &["ipn:9.9", "--text", "x"]));
    assert_eq!(code, Some(3));
    assert!(said.contains("cannot send to ipn:9.9"), "{said}");
    let (code, said) = status(bprecv(&daemon, &["ipn:7.9", "--count", "1"]));
    assert_eq!(code, Some(3));
    assert!(said.contains("cannot bind ipn:7.9"), "{said}");
    let (code, _) = status(bprecv(&daemon, &["no address"]));
    assert_eq!(code, Some(2));
    let args = ["ipn:0.9", "--count", "1", "--timeout", "0"];
    assert_eq!(status(bprecv(&daemon, &args)).0, Some(1));
}
