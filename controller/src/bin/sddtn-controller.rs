// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps the switches of a cluster programmed.

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use control::supervise::now;
use controller::{
    daemon::{self, Failure, Options, Run},
    dry_run, plan,
};
use tracing::{error, level_filters::LevelFilter};
use tracing_subscriber::EnvFilter;

/// Keep the switches of a cluster programmed.
#[derive(Debug, Parser)]
#[command(name = "sddtn-controller", version, arg_required_else_help = true)]
struct Args {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and all files that it names, and exit.
    #[arg(long)]
    check_config: bool,
    /// Read what the switches hold, show what would be written, write nothing, and exit.
    #[arg(long, conflicts_with = "check_config")]
    dry_run: bool,
    /// Append one JSON line for each bundle that a switch reports.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Write this file when all switches are programmed.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Exit when all switches are programmed.
    #[arg(long)]
    once: bool,
    /// Exit with status 3 if a switch does not answer in time; 10 with --once, else never.
    #[arg(long, value_name = "SECONDS")]
    connect_timeout: Option<u32>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let status = failure.status();
            error!("{:#}", anyhow::Error::new(failure));
            ExitCode::from(status)
        }
    }
}

#[tokio::main]
async fn run(args: Args) -> Result<(), Failure> {
    let folder = args.config.parent().unwrap_or(Path::new(""));
    if args.check_config {
        let site = plan::load(&args.config, now())?;
        plan::check_certificates(&site, folder)?;
        for plan in site.switches {
            let items = plan.intent.state.len();
            println!(
                "{}: {items} items, cookie {:#018x}",
                plan.switch.name,
                plan.pipeline.cookie().0
            );
        }
        return Ok(());
    }
    if args.dry_run {
        let site = plan::load(&args.config, now())?;
        print!("{}", dry_run::run(&site, folder, now()).await?);
        return Ok(());
    }
    let seconds = args.connect_timeout.or(args.once.then_some(10));
    let options = Options {
        config: args.config,
        events: args.events,
        ready_file: args.ready_file,
        run: if args.once { Run::Once } else { Run::Forever },
        connect_timeout: seconds.map(|seconds| Duration::from_secs(seconds.into())),
        backoff: None,
    };
    daemon::run(&options).await
}
