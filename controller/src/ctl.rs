// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line tool: what a switch holds, by name.
//!
//! It reads over P4Runtime without a session, so it disturbs no controller.

use std::{fs, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use p4rt::{
    Target,
    client::{CallError, Client, ConnectError, ConnectOptions},
    p4info::{Index, IndexError},
    proto::p4::{config::v1::P4Info, v1::get_forwarding_pipeline_config_request::ResponseType},
    text::TextError,
};

use crate::{etcd::EtcdError, plan::PlanError};

mod counters;
mod digests;
mod explain;
mod groups;
mod http;
mod pipeline;
mod remote;
mod report;
mod tables;

pub use report::Format;

/// Show what a switch holds, and why.
#[derive(Debug, Parser)]
#[command(name = "sddtnctl", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// Address of the switch, as host:port.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9559",
        global = true
    )]
    switch: String,
    /// Number of the device behind the address.
    #[arg(long, value_name = "N", default_value_t = 1, global = true)]
    device_id: u64,
    /// P4Info of its program in text format; asked from the switch if absent.
    #[arg(long, value_name = "FILE", global = true)]
    p4info: Option<PathBuf>,
    /// Kind of server.
    #[arg(long, value_enum, default_value_t = ServerKind::Sddtn, global = true)]
    target: ServerKind,
    #[command(flatten)]
    remote: http::Remote,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the entries of all tables, or of one.
    Tables(tables::Args),
    /// Show the counters that have counted.
    Counters(counters::Args),
    /// Show the digests and their subscriptions.
    Digests,
    /// Show which program the switch runs.
    Pipeline,
    /// Show multicast groups and clone sessions.
    Groups,
    /// Show why an entry is there, or where a bundle goes.
    #[command(subcommand)]
    Explain(explain::Command),
    /// Ask the controller for its nodes: which plans they have, and how they stand.
    Nodes,
    /// Ask the controller how it stands with its switches.
    Switches,
    /// Ask the controller for the contacts of its plan, with those that were learned.
    Contacts,
    /// Ask the controller for its contact plan as a file for other implementations.
    #[command(subcommand)]
    Plan(remote::PlanCommand),
    /// Ask the controller how it stands with nodes of other implementations: which plan they have.
    Adapters,
    /// Ask the controller how it stands with other clusters, and how much they have announced.
    Peers,
    /// Ask the controller what waits at nodes for their neighbours, and what that takes of contacts.
    Backlog,
    /// Show, set and remove entries that nothing which is computed or learned removes.
    #[command(subcommand)]
    Override(remote::OverrideCommand),
    /// Show what changes, as it does: switches, nodes, contacts, overrides.
    Watch {
        /// What to show; all if absent.
        #[arg(value_parser = ["switches", "nodes", "contacts", "overrides"])]
        what: Vec<String>,
        /// End after so many changes.
        #[arg(long, value_name = "N")]
        count: Option<usize>,
    },
    /// Make the controller read its configuration again; on an error it keeps what it has.
    Reload {
        /// Only show what would be written to switches.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ServerKind {
    Bmv2,
    Sddtn,
    TofinoPi,
    Stratum,
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The switch did not answer as hoped.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The P4Info file cannot be read.
    #[error("cannot read {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The P4Info file is not of its form.
    #[error("{} is not a P4Info", .path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: TextError,
    },
    /// The P4Info contradicts itself.
    #[error("the P4Info cannot be used")]
    Index(#[from] IndexError),
    /// The switch has no program to take names from.
    #[error("the switch runs no program; start a controller, or give --p4info")]
    NoProgram,
    /// The controller does not answer.
    #[error("cannot ask the controller at {address}")]
    Api {
        /// Where it was asked.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The controller does not do what it was asked for.
    #[error("the controller refuses: {0}")]
    Refused(String),
    /// The configuration cannot be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The configuration has no contact plan.
    #[error("the configuration has no [contacts]")]
    NoContacts,
    /// The configuration has no such switch.
    #[error("no switch of the configuration is at {0}")]
    NoSwitch(String),
    /// The contact plan has no way.
    #[error("no route from node {from} to node {to} at {at}")]
    NoRoute {
        /// Where the bundle is.
        from: u64,
        /// Where it goes.
        to: u64,
        /// When.
        at: String,
    },
    /// A name that the program does not have.
    #[error("the program has no {kind} {name:?}")]
    NoSuch {
        /// Kind of the object.
        kind: &'static str,
        /// What was asked for.
        name: String,
    },
}

impl CtlError {
    /// The status of the process: 1 the input is at fault, 3 files or network are.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Connect(ConnectError::Unreachable { .. })
            | Self::Call(_)
            | Self::Api { .. }
            | Self::File { .. }
            | Self::Plan(PlanError::File { .. } | PlanError::Etcd(EtcdError::Unreachable { .. })) => {
                3
            }
            _ => 1,
        }
    }
}

impl Cli {
    /// Carries out the command, and returns what to print.
    ///
    /// # Errors
    /// See [`CtlError`].
    pub async fn run(self) -> Result<String, CtlError> {
        if let Command::Explain(explain::Command::Route(args)) = &self.command {
            return args.run(&self.remote, self.format);
        }
        let (remote, format) = (&self.remote, self.format);
        let command = match self.command {
            Command::Nodes => return remote::nodes(remote, format),
            Command::Switches => return remote::switches(remote, format),
            Command::Contacts => return remote::contacts(remote, format),
            Command::Plan(command) => return remote::plan(remote, command, format),
            Command::Adapters => return remote::adapters(remote, format),
            Command::Peers => return remote::peers(remote, format),
            Command::Backlog => return remote::backlog(remote, format),
            Command::Override(command) => return remote::overrides(remote, command, format),
            Command::Watch { what, count } => return remote::watch(remote, &what, count, format),
            Command::Reload { dry_run } => return remote::reload(remote, dry_run),
            of_switch => of_switch,
        };
        let address = self.switch.clone();
        let mut options = ConnectOptions::new(self.switch, self.device_id);
        options.connect_timeout = CONNECT_TIMEOUT;
        options.target = match self.target {
            ServerKind::Bmv2 => Target::Bmv2,
            ServerKind::Sddtn => Target::Sddtn,
            ServerKind::TofinoPi => Target::TofinoPi,
            ServerKind::Stratum => Target::Stratum,
        };
        let client = Client::connect(&options).await?;
        if let Command::Pipeline = command {
            return pipeline::run(&client, self.format).await;
        }
        let p4info = match self.p4info {
            Some(path) => read_p4info(path)?,
            None => fetch_p4info(&client).await?,
        };
        let index = Index::new(&p4info)?;
        match command {
            Command::Tables(args) => args.run(&client, &index, self.format).await,
            Command::Counters(args) => args.run(&client, &index, self.format).await,
            Command::Digests => digests::run(&client, &index, self.format).await,
            Command::Groups => groups::run(&client, &index, self.format).await,
            Command::Explain(explain::Command::Entries(args)) => {
                args.run(&client, &index, &address, self.format).await
            }
            // These are done by now.
            _ => Ok(String::new()),
        }
    }
}

fn read_p4info(path: PathBuf) -> Result<P4Info, CtlError> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(CtlError::File { path, source }),
    };
    p4rt::text::parse(&text).map_err(|source| CtlError::Text { path, source })
}

async fn fetch_p4info(client: &Client) -> Result<P4Info, CtlError> {
    let config = client.pipeline(ResponseType::P4infoAndCookie).await?;
    config
        .and_then(|config| config.p4info)
        .ok_or(CtlError::NoProgram)
}

const EXAMPLES: &str = "\
Examples:
  sddtnctl tables peer
  sddtnctl --switch 10.0.0.1:9559 --format json counters
  sddtnctl explain route --from 10 --to 3
  sddtnctl backlog
  sddtnctl explain route --config controller.toml --from 10 --to 3 --at 2026-11-28T06:00:00Z
  sddtnctl explain entries --config controller.toml endpoint
  sddtnctl --api 127.0.0.1:9561 nodes
  sddtnctl watch contacts
  sddtnctl plan export ion
  sddtnctl override set quiet --on relay --table endpoint \\
      --match meta.primary.destination.node=3 --priority 1000 --action none --dry-run
  sddtnctl --ca ca.pem --certificate me.pem --key me.key override list";

/// A person is waiting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
