// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs the program, and finds the data that tests give to it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Version 6, ipn:1.1 to ipn:2.1, with previous hop and age: "hello".
pub(crate) const SIX: &str =
    "06811011020101010101000082febbfa40079c100005100869706e00312e300014010387d04801090568656c6c6f";
/// Its translation, with a CRC-16 on the primary block.
pub(crate) const SEVEN: &str = "9f89070001820282020182028201018202820101821b000000bac08d4207001a0036ee7942b7eb8506021000458202820100850703010042187d85010101004568656c6c6fff";

/// What a run printed, and how it ended.
pub(crate) struct Run {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: i32,
}

impl Run {
    /// Everything, for a snapshot.
    pub(crate) fn page(&self) -> String {
        let mut page = self.out.clone();
        if !self.err.is_empty() {
            page.push_str("--- standard error\n");
            page.push_str(&self.err);
        }
        writeln!(page, "--- status {}", self.status).expect("a string takes any text");
        page
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bpdump"));
    command.args(arguments).current_dir(testdata("captures"));
    command
}

fn finished(output: Output) -> Run {
    Run {
        out: String::from_utf8(output.stdout).expect("the output is text"),
        err: String::from_utf8(output.stderr).expect("the messages are text"),
        status: output.status.code().expect("the program ends by itself"),
    }
}

/// Runs the program in the folder of the captures.
pub(crate) fn run(arguments: &[&str]) -> Run {
    finished(command(arguments).output().expect("the program runs"))
}

/// The same, with standard input.
pub(crate) fn run_with(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin.write_all(input).expect("the program reads its input");
    drop(stdin);
    finished(child.wait_with_output().expect("the program ends"))
}

/// The objects of a run with `--format json`.
pub(crate) fn objects(run: &Run) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).expect("each line is an object");
    run.out.lines().map(parse).collect()
}

pub(crate) fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata")
        .join(path)
}

/// The captures, relative to their folder, in the order of their names.
pub(crate) fn captures() -> Vec<String> {
    let entries = |folder: &Path| {
        let listed = fs::read_dir(folder).expect("the folder is readable");
        let mut paths: Vec<_> = listed
            .map(|entry| entry.expect("an entry is readable").path())
            .collect();
        paths.sort();
        paths
    };
    let root = testdata("captures");
    let folders = entries(&root).into_iter().filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| entries(&folder));
    let captures = files.filter(|file| file.extension().is_some_and(|it| it == "pcap"));
    captures
        .map(|file| {
            let inside = file.strip_prefix(&root).expect("it is inside");
            inside.to_str().expect("names are text").to_owned()
        })
        .collect()
}
