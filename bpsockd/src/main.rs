// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon between Bundle Protocol sockets and bundle protocol agents.

use std::env;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use bpsockd::config::{Config, ConfigError};
use bpsockd::daemon::{self, Options};
use bpsockd::ion::worker;
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;
use tracing::error;
use tracing_subscriber::EnvFilter;

/// The daemon between Bundle Protocol sockets and bundle protocol agents.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  bpsockd check bpsockd.toml
      check a configuration, and print what it amounts to
  bpsockd run bpsockd.toml
      run until SIGTERM or SIGINT; RUST_LOG=debug says more

Exit status: 0 done, 1 the configuration is at fault or the daemon failed, 3 files are."
)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run until SIGTERM or SIGINT.
    Run {
        /// Configuration file.
        config: PathBuf,
        /// Write this file when clients may connect: JSON with the addresses that were bound.
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
    },
    /// Check a configuration, and print what it amounts to.
    Check {
        /// Configuration file.
        config: PathBuf,
        /// Form of the output.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// What the daemon starts to reach ION. It is of no use otherwise.
    #[command(hide = true)]
    IonWorker(worker::Options),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let chosen = env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    tracing_subscriber::fmt()
        .with_env_filter(filter(&chosen))
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    let done = match cli.command {
        Action::Run { config, ready_file } => run(&Options { config, ready_file }),
        Action::Check { config, format } => check(&config, format),
        Action::IonWorker(options) => worker::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            let status = error.downcast_ref().map_or(1, ConfigError::status);
            ExitCode::from(status)
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(options: &Options) -> anyhow::Result<()> {
    daemon::run(options).await
}

fn check(path: &std::path::Path, format: Format) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    let socket = config.socket.display();
    let (text, object) = if let Some(leaf) = &config.leaf {
        let (node, listen, peers) = (&leaf.node, leaf.listen, leaf.peers.len());
        (
            format!("{node}, sockets on {socket}, bundles on {listen}, {peers} neighbours"),
            json!({
                "node": node,
                "socket": socket.to_string(),
                "listen": listen,
                "peers": peers,
            }),
        )
    } else {
        let (kind, place) = config.other_agent().unwrap_or_default();
        (
            format!("sockets on {socket}, agent at {place}"),
            json!({"socket": socket.to_string(), kind: place}),
        )
    };
    match format {
        Format::Text => println!("{}: {text}", path.display()),
        Format::Json => println!("{object}"),
    }
    Ok(())
}

/// What is written to the log, unless `RUST_LOG` says otherwise: the store tells what it does to its files at
/// the level of news.
fn filter(chosen: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(format!("info,fjall=warn,lsm_tree=warn,{chosen}"))
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;

    use super::*;

    #[test]
    fn the_log_has_news_of_the_daemon_and_what_was_asked_for() {
        let level = |chosen| filter(chosen).max_level_hint();
        assert_eq!(level(""), Some(LevelFilter::INFO));
        assert!(!filter("warn").to_string().contains("info"));
        assert_eq!(level("lsm_tree=debug"), Some(LevelFilter::DEBUG));
        assert!(filter("").to_string().contains("lsm_tree=warn"));
    }
}
