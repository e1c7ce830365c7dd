// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two people talk: each line is a bundle.

use std::io::{self, BufRead as _};
use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;
use bpsock::Address;
use bpsockd::tool::{Common, Endpoint, end};
use clap::Parser;

/// Talk with somebody: each line of standard input goes to the other one, and what comes is printed.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  bpchat ipn:0.10 ipn:2.10
      here at service 10, with service 10 of node 2
  bpchat ipn:0.10 ipn:2.10 --path /tmp/two.sock --via door
      through the daemon that listens at that path

Ends with standard input. Exit status: 0 done, 2 the command line is at fault, 3 the daemon is."
)]
struct Cli {
    /// The own endpoint ID. Node 0 is this node.
    own: Address,
    /// Who is at the other end.
    other: Address,
    /// Stay so many seconds after the end of standard input, for what is still to come.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    linger: u32,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    end(run(&Cli::parse()))
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let endpoint = cli.common.bind(&cli.own)?;
    eprintln!("{} talks with {}", endpoint.local_address(), cli.other);
    let (listener, common) = (endpoint.clone(), cli.common.clone());
    // It ends with the process: nothing of it is left to do then.
    thread::spawn(move || listen(&listener, &common));
    for line in io::stdin().lock().lines() {
        let line = line.context("cannot read standard input")?;
        let sent = endpoint.send(line.as_bytes(), &cli.other);
        sent.with_context(|| format!("cannot send to {}", cli.other))?;
    }
    thread::sleep(std::time::Duration::from_secs(cli.linger.into()));
    Ok(ExitCode::SUCCESS)
}

fn listen(endpoint: &Endpoint, common: &Common) {
    loop {
        match endpoint.receive(None) {
            Ok(Some(received)) => {
                let said = String::from_utf8_lossy(&received.data);
                // Control characters could do more to a terminal than print.
                let said = said.replace(|it: char| it.is_control(), " ");
                common.print(&format!("{}: {said}", received.source), &received.object());
            }
            Ok(None) => {}
            Err(error) => {
                eprintln!("cannot receive: {error}");
                return;
            }
        }
    }
}
