// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the node counts, and the text in which Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bundle::{Reason, Version};
use contact::NodeNumber;

use crate::core::NOBODY;
use crate::store::Backlog;

/// What happened since the start.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Frames from the link, whatever they are.
    pub received: u64,
    /// Frames without a punt header that this node can read.
    pub not_punted: u64,
    /// Punted frames, by what the switch program says of them.
    pub punted: BTreeMap<Reason, u64>,
    /// Bundles that were translated into version 6.
    pub translated_to_v6: u64,
    /// Bundles that were translated into version 7.
    pub translated_to_v7: u64,
    /// Bundles whose receiver reads them as they are.
    pub relayed: u64,
    /// Bundles that were divided.
    pub fragmented: u64,
    /// Bundles that were dropped, by reason.
    pub dropped: BTreeMap<Reason, u64>,
    /// Frames that the link took.
    pub injected: u64,
    /// Frames that the link did not take.
    pub send_failed: u64,
    /// Times that the switch did not say that it has handed out what was sent.
    pub unconfirmed: u64,
    /// Frames that arrived while the queue was full.
    pub overrun: u64,
    /// Bundles that are or were in the store.
    pub stored: u64,
    /// Bundles that left the store for their receiver.
    pub forwarded: u64,
    /// Bundles that expired in the store, or on their way into it.
    pub expired: u64,
    /// Bundles for which the store had no room, or had to make room for others.
    pub over_quota: u64,
    /// Bundles that could not be stored because the store failed.
    pub store_failed: u64,
}

/// What is in the store at this time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Level {
    /// Bundles.
    pub bundles: u64,
    /// Octets of their frames.
    pub octets: u64,
    /// Octets that fit.
    pub quota_octets: u64,
}

impl Counters {
    /// Counts a punted frame.
    pub fn punt(&mut self, reason: Reason) {
        *self.punted.entry(reason).or_default() += 1;
    }

    /// Counts a bundle that is dropped.
    pub fn drop(&mut self, reason: Reason) {
        *self.dropped.entry(reason).or_default() += 1;
    }

    /// Counts a bundle that was translated into this version.
    pub fn translated(&mut self, into: Version) {
        match into {
            Version::V6 => self.translated_to_v6 += 1,
            Version::V7 => self.translated_to_v7 += 1,
        }
    }

    /// The text format of Prometheus, version 0.0.4. Every reason has a line, even at zero.
    #[must_use]
    pub fn to_prometheus(&self, level: Level, backlog: &Backlog) -> String {
        let mut text = String::new();
        for (name, help, value) in SINGLE {
            let samples = [(String::new(), value(self))];
            metric(&mut text, name, "counter", help, &samples);
        }
        let into = [("6", self.translated_to_v6), ("7", self.translated_to_v7)];
        let into = into.map(|(version, count)| (format!("{{version=\"{version}\"}}"), count));
        let help = "Bundles translated into a version.";
        metric(&mut text, "translated_total", "counter", help, &into);
        for (name, help, counts) in [
            (
                "punted_total",
                "Punted frames by the reason of the switch.",
                &self.punted,
            ),
            (
                "dropped_total",
                "Bundles dropped, by reason.",
                &self.dropped,
            ),
        ] {
            metric(&mut text, name, "counter", help, &by_reason(counts));
        }
        for (name, help, value) in [
            ("store_bundles", "Bundles in the store.", level.bundles),
            (
                "store_octets",
                "Octets of frames in the store.",
                level.octets,
            ),
            (
                "store_quota_octets",
                "Octets that fit into the store.",
                level.quota_octets,
            ),
        ] {
            metric(&mut text, name, "gauge", help, &[(String::new(), value)]);
        }
        let help = "Octets of frames in the store for a neighbour, by class of service.";
        metric(
            &mut text,
            "backlog_octets",
            "gauge",
            help,
            &by_class(backlog),
        );
        text
    }
}

/// A counter without labels: its name, what it counts, and where it is.
type Single = (&'static str, &'static str, fn(&Counters) -> u64);

#[rustfmt::skip]
const SINGLE: [Single; 13] = [
    ("frames_received_total", "Frames from the link.", |all| all.received),
    ("frames_not_punted_total", "Frames without a known punt header.", |all| all.not_punted),
    ("frames_overrun_total", "Frames that found the queue full.", |all| all.overrun),
    ("frames_injected_total", "Frames given to the link.", |all| all.injected),
    ("frames_send_failed_total", "Frames the link did not take.", |all| all.send_failed),
    ("unconfirmed_total", "Batches for the switch without an echo.", |all| all.unconfirmed),
    ("relayed_total", "Bundles passed on in their version.", |all| all.relayed),
    ("fragmented_total", "Bundles divided for the path.", |all| all.fragmented),
    ("stored_total", "Bundles put into the store.", |all| all.stored),
    ("forwarded_total", "Bundles sent out of the store.", |all| all.forwarded),
    ("expired_total", "Bundles that expired while they waited.", |all| all.expired),
    ("over_quota_total", "Bundles dropped for lack of room.", |all| all.over_quota),
    ("store_failed_total", "Bundles lost to a failing store.", |all| all.store_failed),
];

fn by_class(backlog: &Backlog) -> Vec<(String, u64)> {
    let of = |(neighbour, octets): (&NodeNumber, &[u64; 3])| {
        let name = match *neighbour {
            NOBODY => "none".to_owned(),
            number => number.to_string(),
        };
        let label = |class| format!("{{neighbour=\"{name}\",class=\"{class}\"}}");
        let classes = ["bulk", "normal", "expedited"].into_iter();
        let samples = classes.zip(*octets);
        samples
            .map(|(class, octets)| (label(class), octets))
            .collect::<Vec<_>>()
    };
    backlog.iter().flat_map(of).collect()
}

fn by_reason(counts: &BTreeMap<Reason, u64>) -> Vec<(String, u64)> {
    let count = |reason: &Reason| {
        let labels = format!("{{reason=\"{}\"}}", reason.name());
        (labels, counts.get(reason).copied().unwrap_or(0))
    };
    Reason::ALL.iter().map(count).collect()
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, samples: &[(String, u64)]) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP sddtn_node_{name} {help}");
    let _ = writeln!(text, "# TYPE sddtn_node_{name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(text, "sddtn_node_{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_its_line() {
        let mut counters = Counters {
            received: 7,
            ..Counters::default()
        };
        counters.drop(Reason::NoRoute);
        counters.drop(Reason::NoRoute);
        counters.punt(Reason::PayloadTooLong);
        counters.translated(Version::V7);
        let level = Level {
            bundles: 3,
            ..Level::default()
        };
        let backlog = [(NodeNumber(3), [0, 40, 2]), (NOBODY, [1, 0, 0])].into();
        let text = counters.to_prometheus(level, &backlog);
        for line in [
            "# TYPE sddtn_node_frames_received_total counter",
            "sddtn_node_frames_received_total 7",
            "sddtn_node_dropped_total{reason=\"no_route\"} 2",
            "sddtn_node_dropped_total{reason=\"security\"} 0",
            "sddtn_node_punted_total{reason=\"payload_too_long\"} 1",
            "sddtn_node_translated_total{version=\"7\"} 1",
            "sddtn_node_store_bundles 3",
            "sddtn_node_backlog_octets{neighbour=\"3\",class=\"normal\"} 40",
            "sddtn_node_backlog_octets{neighbour=\"none\",class=\"bulk\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
