// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtnctl explain`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use contact::{NodeNumber, UtcTime};
use control::{
    desired::{Item, ItemKey},
    orders::Orders,
    rules::Note,
    supervise::now,
    wire,
};
use p4rt::{
    client::Client,
    p4info::{Index, Table},
    proto::p4::v1::{Entity, TableEntry, entity},
};

use crate::{
    ctl::{
        CtlError, Format,
        http::Remote,
        remote,
        report::{Section, show},
        tables::action,
    },
    kept, plan, planner,
    routing::Leg,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the route of a bundle, and which contacts it does not take because of what waits for them.
    Route(RouteArgs),
    /// Show what put the entries of a switch there, and when they end.
    Entries(EntriesArgs),
}

/// Arguments of `sddtnctl explain route`.
#[derive(Debug, clap::Args)]
pub(super) struct RouteArgs {
    /// Configuration of the controller, to go by its contact plan alone; absent, the controller is
    /// asked, which knows what was learned, what other clusters announce, and what waits at nodes.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number of the node where the bundle is.
    #[arg(long, value_name = "NODE")]
    from: u64,
    /// Number of the node to which it goes.
    #[arg(long, value_name = "NODE")]
    to: u64,
    /// When it departs, such as 2026-11-28T06:00:00Z; now if absent.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<UtcTime>,
}

/// Arguments of `sddtnctl explain entries`.
#[derive(Debug, clap::Args)]
pub(super) struct EntriesArgs {
    /// Configuration of the controller, to say why; absent shows what the entries say themselves.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Table to show, by name or alias; all if absent.
    table: Option<String>,
}

fn time(text: &str) -> Result<UtcTime, String> {
    UtcTime::from_text(text).ok_or_else(|| "no time of the form 2026-11-28T06:00:00Z".to_owned())
}

impl RouteArgs {
    pub(super) fn run(&self, remote: &Remote, format: Format) -> Result<String, CtlError> {
        let Some(config) = &self.config else {
            let at = self.at.map(UtcTime::to_text);
            return remote::route(remote, (self.from, self.to), at.as_deref(), format);
        };
        let site = plan::load(config, now())?;
        let network = site.network.ok_or(CtlError::NoContacts)?;
        let at = self.at.unwrap_or_else(now);
        let (from, to) = (NodeNumber(self.from), NodeNumber(self.to));
        let route = network.itinerary(from, to, at);
        let route = route.ok_or_else(|| CtlError::NoRoute {
            from: self.from,
            to: self.to,
            at: at.to_text(),
        })?;
        let row = |leg: &Leg| {
            let numbers = [leg.from, leg.to].map(|node| node.to_string());
            let times = [leg.start, leg.end].map(UtcTime::to_text);
            numbers.into_iter().chain(times).collect()
        };
        let legs = Section {
            title: "contacts".to_owned(),
            note: String::new(),
            columns: texts(&["from", "to", "start", "end"]),
            rows: route.legs.iter().map(row).collect(),
        };
        let confidence = route.confidence.probability().to_string();
        let summary = Section {
            title: "route".to_owned(),
            note: String::new(),
            columns: texts(&["departure", "arrival", "contacts", "confidence", "plan"]),
            rows: vec![vec![
                at.to_text(),
                route.arrival.to_text(),
                route.legs.len().to_string(),
                confidence,
                network.version.to_string(),
            ]],
        };
        Ok(show(&[summary, legs], format))
    }
}

impl EntriesArgs {
    pub(super) async fn run(
        &self,
        client: &Client,
        index: &Index,
        address: &str,
        format: Format,
    ) -> Result<String, CtlError> {
        let orders = self.orders(address).await?;
        let tables: Vec<&Table> = match &self.table {
            Some(name) => {
                let table = index.table(name).ok_or_else(|| CtlError::NoSuch {
                    kind: "table",
                    name: name.clone(),
                });
                vec![table?]
            }
            None => index.tables().collect(),
        };
        let mut sections = Vec::new();
        for table in tables {
            let wanted = Entity {
                entity: Some(entity::Entity::TableEntry(TableEntry {
                    table_id: table.id,
                    ..TableEntry::default()
                })),
            };
            let found = client.read(vec![wanted]).await?;
            let items = found
                .into_iter()
                .filter_map(|entity| wire::to_item(entity, index));
            let rows: Vec<_> = items
                .filter_map(|item| row(&item.ok()?, orders.as_ref(), index))
                .collect();
            if !rows.is_empty() {
                sections.push(Section {
                    title: table.name.clone(),
                    note: String::new(),
                    columns: texts(&["entry", "action", "plan", "until", "why"]),
                    rows,
                });
            }
        }
        Ok(show(&sections, format))
    }

    /// What the controller orders for this switch now, if its configuration is given.
    async fn orders(&self, address: &str) -> Result<Option<Orders>, CtlError> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        let site = plan::load(path, now())?;
        let mut switches = site.switches.iter();
        let switch = switches.find(|plan| plan.switch.address == address);
        let switch = switch.ok_or_else(|| CtlError::NoSwitch(address.to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let overrides = kept::overrides_of(&site, folder).await?;
        Ok(Some(planner::orders(&site, switch, &overrides, now())?))
    }
}

fn row(item: &Item, orders: Option<&Orders>, index: &Index) -> Option<Vec<String>> {
    let Item::Entry(entry) = item else {
        return None;
    };
    let key = ItemKey::Entry(entry.key.clone());
    let shown = key.to_string();
    let shown = shown
        .split_once('[')
        .map_or(shown.as_str(), |(_, rest)| rest);
    let note = Note::decode(&entry.metadata);
    let (version, until) = note.map_or((String::new(), String::new()), |note| {
        (note.version.to_string(), note.until.to_text())
    });
    let why = orders.and_then(|orders| orders.origin(&key, now()));
    let why = why.map_or(String::new(), |why| why.to_string());
    Some(vec![
        shown.replace(']', ""),
        action(entry, index),
        version,
        until,
        why,
    ])
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
