// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sends a message as a bundle.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use bpsock::Address;
use bpsockd::tool::{Common, end};
use clap::Parser;
use serde_json::json;

/// Send a file, standard input or a text as one bundle, and wait until the agent has taken it.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  bpsend ipn:2.7 --text hello
      a few words to service 7 of node 2
  bpsend ipn:2.7 picture.jpg --from ipn:0.9 --lifetime 3600
      a file from service 9 of this node, to arrive within an hour
  date | bpsend dtn://mars/log -
      what another program prints

Exit status: 0 the agent has it, 2 the command line is at fault, 3 files or the daemon are."
)]
struct Cli {
    /// Where it goes: an endpoint ID.
    destination: Address,
    /// The file to send; `-` is standard input.
    #[arg(required_unless_present = "text")]
    file: Option<PathBuf>,
    /// Send this text instead of a file.
    #[arg(long, conflicts_with = "file")]
    text: Option<String>,
    /// Send from this address. By default from a free service of this node.
    #[arg(long, value_name = "ADDRESS", default_value = "ipn:0.0")]
    from: Address,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    end(run(&Cli::parse()))
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let data = match (&cli.text, &cli.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(file)) => contents(file)?,
        (None, None) => Vec::new(),
    };
    let endpoint = cli.common.bind(&cli.from)?;
    let to = &cli.destination;
    let bundle = endpoint.send(&data, to);
    let bundle = bundle.with_context(|| format!("cannot send to {to}"))?;
    let from = endpoint.local_address();
    let identity = bundle.map(|it| json!({"creation_ms": it.creation_ms, "sequence": it.sequence}));
    cli.common.print(
        &format!("{} octets from {from} to {to}", data.len()),
        &json!({
            "source": from.to_string(),
            "destination": to.to_string(),
            "octets": data.len(),
            "bundle": identity,
        }),
    );
    Ok(ExitCode::SUCCESS)
}

fn contents(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut data = Vec::new();
        let read = io::stdin().read_to_end(&mut data);
        read.context("cannot read standard input")?;
        return Ok(data);
    }
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
