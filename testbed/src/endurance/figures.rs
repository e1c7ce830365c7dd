// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a run has shown.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;

use crate::sampler::Seen;

/// The figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Kills, by program.
    pub kills: BTreeMap<String, u32>,
    /// How long it took.
    pub took_s: u64,
    /// Bundles sent, also to switches that had just been killed.
    pub sent: u64,
    /// Bundles of which the node said that they are stored.
    pub stored: usize,
    /// Those among them that never arrived.
    pub lost: usize,
    /// Bundles that arrived.
    pub arrived: usize,
    /// Bundles that arrived once more.
    pub again: u64,
    /// How often the switch was looked at.
    pub looks: u64,
    /// Rules for neighbours that were there, in all looks.
    pub rules: u64,
    /// Those among them whose contact had ended.
    pub outlived: u64,
    /// Times.
    pub times: Vec<Row>,
}

/// Times of one kind, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// From what to what.
    pub what: &'static str,
    /// How many were taken.
    pub count: usize,
    /// Half of them are shorter.
    pub median_ms: f64,
    /// The longest.
    pub longest_ms: f64,
}

/// Times that were taken.
#[derive(Debug)]
pub(super) struct Times {
    origin_s: u64,
    /// How often a contact begins, and how long it lasts.
    contacts_s: (u64, u64),
    pub(super) digest: Vec<Duration>,
    pub(super) edge: Vec<Duration>,
    pub(super) acknowledged: Vec<Duration>,
    pub(super) fail_over: Vec<Duration>,
    pub(super) switch: Vec<Duration>,
    pub(super) node: Vec<Duration>,
    pub(super) controller: Vec<Duration>,
}

impl Times {
    pub(super) fn new(origin_s: u64, contacts_s: (u64, u64)) -> Self {
        Self {
            origin_s,
            contacts_s,
            digest: Vec::new(),
            edge: Vec::new(),
            acknowledged: Vec::new(),
            fail_over: Vec::new(),
            switch: Vec::new(),
            node: Vec::new(),
            controller: Vec::new(),
        }
    }

    /// From the beginning of each planned contact until its rule was seen. Contacts that begin while
    /// the switch does not answer say nothing about that.
    pub(super) fn edges_of(&mut self, seen: &Seen) {
        // The first contact begins two seconds after the origin.
        let first = (self.origin_s + 2) * 1_000_000;
        let period = self.contacts_s.0 * 1_000_000;
        for (number, missing, present) in &seen.appeared {
            let Some(since) = present.micros().checked_sub(first).filter(|_| *number == 1) else {
                continue;
            };
            let late = since % period;
            let start = present.micros() - late;
            if missing.micros() < start && start - missing.micros() < LOOKED_MICROS {
                self.edge.push(Duration::from_micros(late));
            }
        }
    }

    pub(super) fn rows(self) -> Vec<Row> {
        [
            ("bundle of an unknown neighbour to rule for it", self.digest),
            ("beginning of a planned contact to its rule", self.edge),
            (
                "change to the node's last acknowledgement",
                self.acknowledged,
            ),
            ("controller killed to node in charge", self.fail_over),
            ("controller started to node following it", self.controller),
            ("switch killed to switch with all routes", self.switch),
            ("node killed to node with its plan", self.node),
        ]
        .into_iter()
        .map(|(what, times)| Row::new(what, times))
        .collect()
    }
}

/// How long before its beginning the rule of a contact was seen to be missing.
const LOOKED_MICROS: u64 = 50_000;

impl Row {
    fn new(what: &'static str, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
        Self {
            what,
            count: times.len(),
            median_ms: ms(times.get(times.len() / 2)),
            longest_ms: ms(times.last()),
        }
    }
}

impl Figures {
    /// Whether nothing was lost, and no rule outlived its contact.
    #[must_use]
    pub fn good(&self) -> bool {
        self.lost == 0 && self.outlived == 0
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills: Vec<_> = self
            .kills
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let total: u32 = self.kills.values().sum();
        writeln!(f, "| count | |\n| --- | ---: |")?;
        for (what, count) in [
            ("kills -9", format!("{total} ({})", kills.join(", "))),
            ("time", format!("{} s", self.took_s)),
            ("bundles sent", self.sent.to_string()),
            ("bundles stored", self.stored.to_string()),
            ("stored bundles lost", self.lost.to_string()),
            ("bundles arrived", self.arrived.to_string()),
            ("arrived once more", self.again.to_string()),
            ("looks at the switch", self.looks.to_string()),
            ("rules seen", self.rules.to_string()),
            (
                "rules that outlived their contact",
                self.outlived.to_string(),
            ),
        ] {
            writeln!(f, "| {what} | {count} |")?;
        }
        writeln!(
            f,
            "\n| time from | times | median | longest |\n| --- | ---: | ---: | ---: |"
        )?;
        for row in &self.times {
            let Row {
                what,
                count,
                median_ms,
                longest_ms,
            } = row;
            writeln!(
                f,
                "| {what} | {count} | {median_ms:.1} ms | {longest_ms:.1} ms |"
            )?;
        }
        Ok(())
    }
}
