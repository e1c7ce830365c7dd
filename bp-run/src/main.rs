// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sockets of family 28 for any program, without the kernel module: seccomp user notification.
//!
//! The program runs under a filter that sends some of its system calls to this one, which does them
//! with [`bpsock_calls`]. It may be linked statically, and its children are under the filter, too.
//!
//! ```text
//! program --system calls--> filter -- family 28, or a high descriptor? --> supervisor -- bpsock_calls --> bpsockd
//!                              |                                              | not a socket of the family
//!                              +---- others ----> Linux <---------------------+
//! ```
#![allow(
    unsafe_code,
    reason = "seccomp, memory of other processes and their descriptors are interfaces of the system"
)]

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

mod filter;
mod launch;
mod listener;
mod process;
mod sockets;
mod supervisor;

/// Run a program with sockets of family 28, without the kernel module.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  bp-run ./echo 9
      the example of this project, as it is
  bp-run --path /run/user/1000/bpsock.sock python3 chat.py
      with the daemon of a user
  bp-run --all-descriptors inetd-like-program
      for programs that make a socket their standard input

Exit status: that of the program, 128 and the signal that ended it, 2 the command line is at fault,
125 the system does not allow it, 127 the program cannot be started."
)]
struct Cli {
    /// Where the daemon listens; by default what the environment says, or /run/bpsockd/bpsock.sock.
    #[arg(long, value_name = "PATH")]
    path: Option<PathBuf>,
    /// Sockets have the lowest free number, as they should; each read and write of the program,
    /// whatever of, costs some microseconds then.
    #[arg(long)]
    all_descriptors: bool,
    /// Program to run.
    program: OsString,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// The number of the first socket: so low that `select` has room for as many, and so high that few
/// programs have other descriptors there.
const FIRST: u32 = 512;

/// FIRST, or less where the program may not have so many descriptors.
fn first_descriptor() -> u32 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let half = limit.map_or(FIRST.into(), |limit| limit / 2);
    u32::try_from(half).unwrap_or(FIRST).clamp(1, FIRST)
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(path) = &cli.path {
        // SAFETY: there is no other thread yet.
        unsafe { std::env::set_var(bpsock_calls::PATH_VARIABLE, path) };
    }
    let first = if cli.all_descriptors {
        0
    } else {
        first_descriptor()
    };
    match launch::run(&cli.program, &cli.arguments, first) {
        Ok(status) => {
            let signal = || 128 + status.signal().unwrap_or_default();
            let code = status.code().unwrap_or_else(signal);
            ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
        }
        Err(error) => {
            eprintln!("bp-run: {error:#}");
            let is_missing = error.downcast_ref::<launch::CannotStart>().is_some();
            ExitCode::from(if is_missing { 127 } else { 125 })
        }
    }
}
