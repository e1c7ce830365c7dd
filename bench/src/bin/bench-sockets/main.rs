// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How fast bundle sockets are: with the preload library, with `bp-run` and with the daemon's native
//! client, next to UDP; and what a guest with the kernel module has measured, as the same table.

mod host;
mod native;
mod table;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use bench::page;
use bpsock::Address;
use clap::{Parser, Subcommand};

/// Measure bundle sockets: round trips, and messages each second.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  bench-sockets host --date $(date -I) --write bench/results/sockets.md
      everything that needs no kernel module, into the page
  bench-sockets guest out/kmod/console.log --title 'User-Mode Linux'
      what `make kmod-bench` has measured, as a table"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure on this host, with `bp-bench` and the native client.
    Host(Host),
    /// Show what `bp-bench` has said in a guest.
    Guest(Guest),
    /// The other end of a measurement with the native client.
    #[command(hide = true, subcommand)]
    Peer(Peer),
}

/// Where tables go.
#[derive(Debug, clap::Args)]
struct Page {
    /// Put the table into this file, between the marks of its title.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Date that the table shows.
    #[arg(long, value_name = "DATE", default_value = "no date")]
    date: String,
}

#[derive(Debug, clap::Args)]
struct Host {
    /// Sizes of messages.
    #[arg(long, value_name = "OCTETS", value_delimiter = ',', default_values_t = [64, 1024, 8192, 65_000])]
    sizes: Vec<usize>,
    /// Time for each figure.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5)]
    seconds: f64,
    /// Folder of `bpsockd`, `bp-run` and the preload library.
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    programs: PathBuf,
    /// Folder of `bp-bench`, from `make -C bpsock/suite`.
    #[arg(long, value_name = "DIR", default_value = "out/suite")]
    suite: PathBuf,
    /// Folder of a disk, for the store of the last row. The others have theirs in memory.
    #[arg(long, value_name = "DIR", default_value = "out")]
    disk: PathBuf,
    /// Measure only ways whose names contain this, and UDP.
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, clap::Args)]
struct Guest {
    /// Console of the guest.
    console: PathBuf,
    /// What the guest is.
    #[arg(long, default_value = "qemu")]
    title: String,
    #[command(flatten)]
    page: Page,
}

/// What the other process of a measurement does.
#[derive(Debug, Subcommand)]
enum Peer {
    /// Says its address, and sends back what it gets.
    Echo {
        /// Where the daemon listens.
        path: PathBuf,
    },
    /// Sends as fast as it can.
    Flood {
        /// Where the daemon listens.
        path: PathBuf,
        /// Where messages go.
        to: Address,
        /// Their size, in octets.
        size: usize,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Host(host) => host.run(),
        Command::Guest(guest) => guest.run(),
        Command::Peer(peer) => peer.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-sockets: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Host {
    fn run(&self) -> anyhow::Result<()> {
        let rows = table::rows(&host::measure(self)?)?;
        self.page.publish("on this host", &rows)
    }
}

impl Guest {
    fn run(&self) -> anyhow::Result<()> {
        let console = fs::read_to_string(&self.console)
            .with_context(|| format!("cannot read {}", self.console.display()))?;
        self.page.publish(&self.title, &table::rows(&console)?)
    }
}

impl Peer {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Echo { path } => native::echo(&path),
            Self::Flood { path, to, size } => native::flood(&path, &to, size),
        }
    }
}

impl Page {
    /// Prints a table, and puts it where the file has a mark for it.
    fn publish(&self, title: &str, rows: &str) -> anyhow::Result<()> {
        let text = format!("{}, {}\n\n{rows}", self.date, page::machine());
        println!("{text}");
        let Some(path) = &self.write else {
            return Ok(());
        };
        let before = fs::read_to_string(path).unwrap_or_default();
        fs::write(path, page::put(&before, title, &text))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
