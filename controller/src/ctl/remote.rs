// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the controller itself knows and does: `nodes`, `contacts`, `override`, `watch`, `reload`.

use std::io::{self, Write as _};

use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::ctl::{
    CtlError, Format,
    http::Remote,
    report::{Section, show},
};

/// What stands in the columns of `sddtnctl nodes`, by the names of the interface.
const NODES: [&str; 9] = [
    "node",
    "connected",
    "wanted",
    "held",
    "active",
    "ack_ms",
    "standing",
    "stored_bundles",
    "refusal",
];

const SWITCHES: [&str; 5] = ["name", "address", "device_id", "status", "detail"];
const CONTACTS: [&str; 6] = [
    "from",
    "to",
    "start",
    "end",
    "bytes_per_second",
    "confidence",
];
const PEERS: [&str; 6] = [
    "cluster",
    "connected",
    "destinations",
    "windows",
    "offered",
    "until",
];
const ROUTE: [&str; 4] = ["departure", "arrival", "confidence", "plan"];
const LEGS: [&str; 4] = ["from", "to", "start", "end"];
const BACKLOG: [&str; 7] = [
    "node",
    "neighbour",
    "bulk_octets",
    "normal_octets",
    "expedited_octets",
    "reported",
    "taken",
];
const OVERRIDES: [&str; 8] = [
    "name", "switch", "table", "match", "action", "params", "priority", "reason",
];

const ADAPTERS: [&str; 6] = [
    "name",
    "file",
    "wanted",
    "acknowledged",
    "failures",
    "error",
];

#[derive(Debug, Subcommand)]
pub(super) enum PlanCommand {
    /// Write what is not over of the plan in the form of another implementation.
    Export {
        /// The form. With `--format json` the answer has the version of the plan, too.
        #[arg(value_name = "FORM", value_parser = ["ion", "hdtn", "tvg-util"])]
        form: String,
        /// From when the times of hdtn and tvg-util count, as 2026-11-28T00:00:00Z; default 1970.
        #[arg(long, value_name = "TIME")]
        origin: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum OverrideCommand {
    /// Show the overrides.
    List,
    /// Ask for an entry that nothing which is computed or learned removes.
    Set(SetArgs),
    /// Take an override back.
    Remove {
        /// Its name.
        name: String,
        /// Only show what would be written.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Arguments of `sddtnctl override set`.
#[derive(Debug, clap::Args)]
pub(super) struct SetArgs {
    /// A name of your choice; an override with that name is replaced.
    name: String,
    /// Name of the switch in the configuration of the controller.
    #[arg(long, value_name = "NAME")]
    on: String,
    /// Name of the table.
    #[arg(long)]
    table: String,
    /// A field and what it matches, as in entries files; as often as there are fields.
    #[arg(long = "match", value_name = "FIELD=MATCH", value_parser = pair)]
    fields: Vec<(String, String)>,
    /// Name of the action; `none` keeps the entry out of the table.
    #[arg(long)]
    action: String,
    /// A parameter of the action and its value; as often as there are parameters.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,
    /// Larger wins, in tables that have priorities.
    #[arg(long)]
    priority: Option<i32>,
    /// Why, for people.
    #[arg(long, default_value = "")]
    reason: String,
    /// Only show what would be written.
    #[arg(long)]
    dry_run: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("no = between name and value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Shows the nodes.
pub(super) fn nodes(remote: &Remote, format: Format) -> Result<String, CtlError> {
    let nodes = remote.request("GET", "/v1/nodes", None)?;
    Ok(table("nodes", &NODES, &nodes, format))
}

/// Shows how the controller stands with its switches.
pub(super) fn switches(remote: &Remote, format: Format) -> Result<String, CtlError> {
    let switches = remote.request("GET", "/v1/switches", None)?;
    Ok(table("switches", &SWITCHES, &switches, format))
}

/// Shows the contacts of the plan.
pub(super) fn contacts(remote: &Remote, format: Format) -> Result<String, CtlError> {
    let contacts = remote.request("GET", "/v1/contacts", None)?;
    Ok(table("contacts", &CONTACTS, &contacts, format))
}

/// Shows how the controller stands with other clusters.
pub(super) fn peers(remote: &Remote, format: Format) -> Result<String, CtlError> {
    let peers = remote.request("GET", "/v1/peers", None)?;
    Ok(table("peers", &PEERS, &peers, format))
}

/// Shows what waits at nodes.
pub(super) fn backlog(remote: &Remote, format: Format) -> Result<String, CtlError> {
    let backlog = remote.request("GET", "/v1/backlog", None)?;
    Ok(table("backlog", &BACKLOG, &backlog, format))
}

/// Shows the route of a bundle by what the controller knows.
pub(super) fn route(
    remote: &Remote,
    (from, to): (u64, u64),
    at: Option<&str>,
    format: Format,
) -> Result<String, CtlError> {
    let at = at.map_or_else(String::new, |at| format!("&at={at}"));
    let path = format!("/v1/routes?from={from}&to={to}{at}");
    let route = remote.request("GET", &path, None)?;
    let summary = Value::Array(vec![route.clone()]);
    let mut sections = vec![
        section("route", &ROUTE, &summary),
        section("contacts", &LEGS, &route["contacts"]),
    ];
    if route["left_out"]
        .as_array()
        .is_some_and(|all| !all.is_empty())
    {
        sections.push(section("left out", &["why"], &route["left_out"]));
    }
    Ok(show(&sections, format))
}

/// Shows how it stands with nodes of other implementations.
pub(super) fn adapters(remote: &Remote, format: Format) -> Result<String, CtlError> {
    let adapters = remote.request("GET", "/v1/adapters", None)?;
    Ok(table("adapters", &ADAPTERS, &adapters, format))
}

/// Shows the contact plan in the form of another implementation.
pub(super) fn plan(
    remote: &Remote,
    command: PlanCommand,
    format: Format,
) -> Result<String, CtlError> {
    let PlanCommand::Export { form, origin } = command;
    let origin = origin.map_or_else(String::new, |origin| format!("&origin={origin}"));
    let path = format!("/v1/plan?format={form}{origin}");
    let plan = remote.request("GET", &path, None)?;
    Ok(match format {
        Format::Json => format!("{plan:#}\n"),
        Format::Text => plan["text"].as_str().unwrap_or_default().to_owned(),
    })
}

/// Makes the controller read its configuration again.
pub(super) fn reload(remote: &Remote, dry_run: bool) -> Result<String, CtlError> {
    let done = remote.request("POST", &with(dry_run, "/v1/reload"), None)?;
    Ok(format!("{done:#}\n"))
}

/// Shows and changes overrides.
pub(super) fn overrides(
    remote: &Remote,
    command: OverrideCommand,
    format: Format,
) -> Result<String, CtlError> {
    let done = match command {
        OverrideCommand::List => {
            let found = remote.request("GET", "/v1/overrides", None)?;
            return Ok(table("overrides", &OVERRIDES, &rows(&found), format));
        }
        OverrideCommand::Set(args) => {
            let texts = |pairs: Vec<(String, String)>| {
                let pairs = pairs.into_iter();
                Value::Object(pairs.map(|(name, value)| (name, value.into())).collect())
            };
            let mut body = json!({"switch": args.on, "table": args.table,
                "match": texts(args.fields), "action": args.action,
                "params": texts(args.params), "reason": args.reason});
            if let Some(priority) = args.priority {
                body["priority"] = priority.into();
            }
            let path = format!("/v1/overrides/{}", args.name);
            remote.request("PUT", &with(args.dry_run, &path), Some(&body))?
        }
        OverrideCommand::Remove { name, dry_run } => {
            let path = format!("/v1/overrides/{name}");
            remote.request("DELETE", &with(dry_run, &path), None)?
        }
    };
    Ok(format!("{done:#}\n"))
}

/// Shows what changes, as it does.
pub(super) fn watch(
    remote: &Remote,
    wanted: &[String],
    count: Option<usize>,
    format: Format,
) -> Result<String, CtlError> {
    let mut left = count;
    remote.follow(|name, data| {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            return Ok(true);
        }
        let state: Value = serde_json::from_str(data).map_err(io::Error::other)?;
        let shown = match (format, name) {
            (Format::Json, _) => format!("{}\n", json!({"event": name, "state": state})),
            (_, "switches") => table(name, &SWITCHES, &state, format),
            (_, "nodes") => table(name, &NODES, &state, format),
            (_, "contacts") => table(name, &CONTACTS, &state, format),
            _ => table(name, &OVERRIDES, &rows(&state), format),
        };
        let mut out = io::stdout().lock();
        out.write_all(shown.as_bytes())?;
        out.flush()?;
        left = left.map(|left| left.saturating_sub(1));
        Ok(left != Some(0))
    })?;
    Ok(String::new())
}

fn with(dry_run: bool, path: &str) -> String {
    format!("{path}?dry_run={dry_run}")
}

/// The rows of an object: what it has by name.
fn rows(found: &Value) -> Value {
    let named = found.as_object().into_iter().flatten();
    let row = |(name, value): (&String, &Value)| {
        let mut row = value.as_object().cloned().unwrap_or_else(Map::new);
        row.insert("name".to_owned(), name.as_str().into());
        Value::Object(row)
    };
    named.map(row).collect()
}

fn table(title: &str, columns: &[&str], found: &Value, format: Format) -> String {
    show(&[section(title, columns, found)], format)
}

fn section(title: &str, columns: &[&str], found: &Value) -> Section {
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().map(|item| item.as_str().unwrap_or_default());
            items.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let row = |row: &Value| columns.iter().map(|name| cell(&row[*name])).collect();
    Section {
        title: title.to_owned(),
        note: String::new(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: found.as_array().into_iter().flatten().map(row).collect(),
    }
}
