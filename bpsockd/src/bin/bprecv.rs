// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Receives messages that came as bundles.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bpsock::Address;
use bpsockd::tool::{Common, Format, Received, end};
use clap::Parser;

/// Receive messages at an endpoint: to standard output, or into files.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  bprecv ipn:0.7
      what arrives at service 7 of this node, as it is, until the program is ended
  bprecv ipn:0.7 --count 1 --timeout 60 --output .
      one message into the file 1, if it comes within a minute
  bprecv ipn:0.7 --format json
      an object for each message: source, octets, version, and text or hex

Exit status: 0 done, 1 fewer messages than wanted came in time, 2 the command line is at fault,
3 files or the daemon are."
)]
struct Cli {
    /// The endpoint ID. Node 0 is this node.
    address: Address,
    /// End after so many messages.
    #[arg(short, long, value_name = "NUMBER")]
    count: Option<u64>,
    /// End after so many seconds.
    #[arg(short, long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Write each message into a file of this folder: 1, 2, 3 and so on.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    end(run(&Cli::parse()))
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let endpoint = cli.common.bind(&cli.address)?;
    eprintln!("listening at {}", endpoint.local_address());
    let deadline = cli
        .timeout
        .map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
    let mut number = 0;
    while cli.count.is_none_or(|count| number < count) {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let received = endpoint.receive(left).context("cannot receive")?;
        let Some(received) = received else {
            let is_enough = cli.count.is_none();
            return Ok(ExitCode::from(u8::from(!is_enough)));
        };
        number += 1;
        show(cli, number, &received)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(cli: &Cli, number: u64, received: &Received) -> anyhow::Result<()> {
    if let Some(folder) = &cli.output {
        let path = folder.join(number.to_string());
        let written = fs::write(&path, &received.data);
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = io::stdout().lock();
    let written = match (cli.common.format, &cli.output) {
        (Format::Json, None) => writeln!(out, "{}", received.object()),
        (Format::Json, Some(_)) => {
            let mut object = received.object();
            if let Some(fields) = object.as_object_mut() {
                fields.retain(|name, _| name != "text" && name != "hex");
                fields.insert("file".to_owned(), number.into());
            }
            writeln!(out, "{object}")
        }
        (Format::Text, None) => out.write_all(&received.data),
        (Format::Text, Some(_)) => {
            let (octets, source) = (received.data.len(), &received.source);
            writeln!(out, "{number}: {octets} octets from {source}")
        }
    };
    written.and_then(|()| out.flush()).context("cannot write")
}
