// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Measures the way to an endpoint that sends back what it receives.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bpsock::Address;
use bpsockd::tool::{Common, Endpoint, end};
use clap::Parser;
use serde_json::json;

/// Send messages to an endpoint that sends them back, and measure how long that takes; or be that
/// endpoint.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  bpping --answer ipn:0.7
      send back whatever comes to service 7 of this node, until the program is ended
  bpping ipn:2.7 --count 3
      three messages to service 7 of node 2
  bpping ipn:2.7 --count 1 --size 1048576 --timeout 60 --format json
      one of 1 MiB: an object for each message, and one for all

Exit status: 0 an answer came to each message, 1 not to all, 2 the command line is at fault,
3 the daemon is."
)]
struct Cli {
    /// The endpoint ID that answers; with --answer, the own one. Node 0 is this node.
    address: Address,
    /// Send back what arrives.
    #[arg(long)]
    answer: bool,
    /// End after so many messages. Default: no end.
    #[arg(short, long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Octets of each message.
    #[arg(short, long, value_name = "OCTETS", default_value_t = 64)]
    size: u32,
    /// Milliseconds between messages.
    #[arg(short, long, value_name = "MS", default_value_t = 1000)]
    interval: u32,
    /// Seconds to wait for an answer.
    #[arg(short, long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u32,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    end(if cli.answer { answer(&cli) } else { ask(&cli) })
}

fn answer(cli: &Cli) -> anyhow::Result<ExitCode> {
    let endpoint = cli.common.bind(&cli.address)?;
    eprintln!("answering at {}", endpoint.local_address());
    let mut left = cli.count;
    while left != Some(0) {
        left = left.map(|left| left - 1);
        let Some(received) = endpoint.receive(None).context("cannot receive")? else {
            continue;
        };
        // The sender may be nobody, or out of reach: the others still want their answers.
        if let Err(error) = endpoint.send(&received.data, &received.source) {
            eprintln!("cannot answer {}: {error}", received.source);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(cli: &Cli) -> anyhow::Result<ExitCode> {
    let endpoint = cli.common.bind(&"ipn:0.0".parse()?)?;
    let (mut sent, mut times) = (0, Vec::new());
    while cli.count.is_none_or(|count| sent < count) {
        if sent > 0 {
            thread::sleep(Duration::from_millis(cli.interval.into()));
        }
        sent += 1;
        let took = once(cli, &endpoint, sent)?;
        let (octets, to) = (cli.size, &cli.address);
        let text = match took {
            Some(ms) => format!("{octets} octets from {to}: number {sent}, {ms:.3} ms"),
            None => format!("no answer from {to}: number {sent}"),
        };
        cli.common.print(
            &text,
            &json!({"number": sent, "octets": octets, "ms": took}),
        );
        times.extend(took);
    }
    summary(cli, sent, &times);
    Ok(ExitCode::from(u8::from(times.len() as u64 != sent)))
}

/// Sends a message and waits until it comes back. Returns the milliseconds.
fn once(cli: &Cli, endpoint: &Endpoint, number: u64) -> anyhow::Result<Option<f64>> {
    let data = message(number, cli.size);
    let start = Instant::now();
    let sent = endpoint.send(&data, &cli.address);
    sent.with_context(|| format!("cannot send to {}", cli.address))?;
    let deadline = start + Duration::from_secs(cli.timeout.into());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(received) = endpoint.receive(Some(left)).context("cannot receive")? else {
            return Ok(None);
        };
        // Others are late answers to earlier messages, or from somebody else.
        if received.data == data {
            return Ok(Some(start.elapsed().as_secs_f64() * 1000.0));
        }
    }
}

/// The number, and octets that differ from message to message.
fn message(number: u64, size: u32) -> Vec<u8> {
    let head = number.to_be_bytes();
    let octet = |at: u32| {
        let known = usize::try_from(at).ok().and_then(|at| head.get(at));
        let [.., low] = (u64::from(at) * 7 + u64::from(at / 251) + number).to_be_bytes();
        known.copied().unwrap_or(low)
    };
    let head_first = size >= 8;
    (0..size)
        .map(|at| octet(if head_first { at } else { at + 8 }))
        .collect()
}

fn summary(cli: &Cli, sent: u64, times: &[f64]) {
    let least = times.iter().copied().reduce(f64::min);
    let most = times.iter().copied().reduce(f64::max);
    let text = match (least, most) {
        (Some(least), Some(most)) => {
            format!(
                "{sent} sent, {} answered, {least:.3} to {most:.3} ms",
                times.len()
            )
        }
        _ => format!("{sent} sent, none answered"),
    };
    cli.common.print(
        &text,
        &json!({"sent": sent, "answered": times.len(), "least_ms": least, "most_ms": most}),
    );
}
