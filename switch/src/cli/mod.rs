// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line.

mod check;
mod run;
mod test;
mod trace;

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use switch::{ProgramError, offline::Offline};

/// Software switch for P4 programs, with a P4Runtime server.
#[derive(Debug, Parser)]
#[command(name = "p4switch", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  p4switch run router.p4 -i 1@veth1 -i 2@veth2
      Run a program on two interfaces; controllers connect to 127.0.0.1:9559.
  p4switch run --grpc-addr 127.0.0.1:0 --grpc-addr-file addr -i 1@udp:127.0.0.1:5001=127.0.0.1:6001
      Wait for a controller to push a program; needs no privileges.
  p4switch run -i 1@veth1 --tls-cert switch.pem --tls-key switch.key --tls-client-ca controllers.pem
      Speak TLS, and let only controllers in that have a certificate.
  p4switch run router.p4 -i 1@veth1 '--trace=port=1 and udp.dst=4556'
      Show what happens to some packets; fields are port, type, mac, ip and udp, with .src and .dst.
  p4switch check router.p4 --p4info-out router.p4info.txtpb
      Check a program, and write what a controller needs to know about it.
  p4switch trace router.p4 --entries router.entries.json --pcap in.pcap
      Show what happens to each packet of a capture.
  p4switch test router.stf acl.stf
      Run packet tests on router.p4 and acl.p4.

Exit status: 0 done, 1 the program, the entries or a test fail, 2 the command line has, 3 a file or the
network cannot be used.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a switch until SIGTERM or SIGINT.
    Run(run::Run),
    /// Check a program, and print what is wrong with it.
    Check(check::Check),
    /// Show what happens to the packets of a capture.
    Trace(trace::Trace),
    /// Run packet tests in STF, the format of the P4 compiler's tests.
    Test(test::Test),
}

/// Whose fault it is that a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The program or the entries.
    Input(anyhow::Error),
    /// Files or the network.
    System(anyhow::Error),
}

impl Cli {
    pub(crate) fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Run(run) => run.run(),
            Command::Check(check) => check.run(),
            Command::Trace(trace) => trace.run(),
            Command::Test(test) => test.run(),
        };
        let (status, error) = match outcome {
            Ok(()) => return ExitCode::SUCCESS,
            Err(Failure::Input(error)) => (1, error),
            Err(Failure::System(error)) => (3, error),
        };
        eprintln!("p4switch: {error:#}");
        ExitCode::from(status)
    }
}

/// Reads a file; `-` is standard input.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let done = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        fs::read(path).map(|read| bytes = read)
    };
    done.map_err(|error| system(error, &format!("cannot read {}", path.display())))?;
    Ok(bytes)
}

/// Checks and compiles the program of a file.
fn load(path: &Path) -> Result<Result<Offline, ProgramError>, Failure> {
    with_source(path, load_source)
}

/// Checks and compiles a program. Warnings go to standard error.
fn load_source(source: &p4::Source<'_>) -> Result<Offline, ProgramError> {
    let program = Offline::load(source)?;
    eprint!("{}", program.warnings());
    Ok(program)
}

/// Reads a program. Included files are looked for next to the file that includes them.
fn with_source<T>(path: &Path, then: impl FnOnce(&p4::Source<'_>) -> T) -> Result<T, Failure> {
    let text = String::from_utf8(read(path)?).map_err(input)?;
    let name = path.display().to_string();
    let include = |wanted: &str, from: &str| {
        let path = Path::new(from).parent()?.join(wanted);
        Some((path.display().to_string(), fs::read_to_string(&path).ok()?))
    };
    let source = p4::Source {
        name: &name,
        text: &text,
        defines: &[],
        include: &include,
    };
    Ok(then(&source))
}

/// Loads a program, and installs the entries of several files.
fn load_with(path: &Path, entries: &[PathBuf]) -> Result<Offline, Failure> {
    let mut program = load(path)?.map_err(input)?;
    for path in entries {
        let json = String::from_utf8(read(path)?).map_err(input)?;
        let installed = program.install(&json);
        installed
            .with_context(|| path.display().to_string())
            .map_err(Failure::Input)?;
    }
    Ok(program)
}

fn system(error: impl Into<anyhow::Error>, context: &str) -> Failure {
    Failure::System(error.into().context(context.to_owned()))
}

fn input(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Input(error.into())
}
