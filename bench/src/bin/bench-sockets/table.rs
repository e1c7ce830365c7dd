// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `bp-bench` and the native client print, as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// What a line begins with that has a figure: the console of a guest has others, too.
const MARK: &str = "bench ";

/// The way that others are compared with.
pub(crate) const UDP: &str = "UDP";

const HEAD: &str = "\
| way | octets | round trip, p50 us | p99 us | added at p50, us | messages each second | each minute |
| --- | --: | --: | --: | --: | --: | --: |
";

/// A figure, as it is printed.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Figure {
    /// By which way messages went.
    pub(crate) way: String,
    /// Octets of a message.
    pub(crate) size: usize,
    /// How many there were.
    pub(crate) count: usize,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What was measured.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "what")]
pub(crate) enum What {
    /// From sending a message to having its answer, in microseconds.
    #[serde(rename = "round trip")]
    RoundTrip { p50_us: f64, p99_us: f64 },
    /// Messages received in a second.
    #[serde(rename = "rate")]
    Rate { per_s: f64 },
}

impl Figure {
    /// The line that says it.
    pub(crate) fn line(&self) -> anyhow::Result<String> {
        Ok(format!("{MARK}{}\n", serde_json::to_string(self)?))
    }
}

/// What is known of one way and size.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    p50_us: f64,
    p99_us: f64,
    per_s: f64,
}

/// The rows of a table, for the figures in a text, in their order.
pub(crate) fn rows(text: &str) -> anyhow::Result<String> {
    let mut rows: BTreeMap<(usize, String, usize), Row> = BTreeMap::new();
    let mut ways: Vec<String> = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(MARK)) {
        let figure: Figure =
            serde_json::from_str(line).with_context(|| format!("cannot read the figure {line}"))?;
        let place = ways.iter().position(|way| *way == figure.way);
        let place = place.unwrap_or_else(|| {
            ways.push(figure.way.clone());
            ways.len() - 1
        });
        let row = rows.entry((place, figure.way, figure.size)).or_default();
        match figure.what {
            What::RoundTrip { p50_us, p99_us } => (row.p50_us, row.p99_us) = (p50_us, p99_us),
            What::Rate { per_s } => row.per_s = per_s,
        }
    }
    ensure!(!rows.is_empty(), "there is no figure");
    let udp: BTreeMap<usize, f64> = rows
        .iter()
        .filter(|((_, way, _), _)| way == UDP)
        .map(|((_, _, size), row)| (*size, row.p50_us))
        .collect();
    let mut table = HEAD.to_owned();
    for ((_, way, size), row) in &rows {
        let added = udp.get(size).map_or_else(String::new, |udp| {
            format!("{:.1}", (row.p50_us - udp) / 2.0)
        });
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {way} | {size} | {:.1} | {:.1} | {added} | {:.0} | {:.0} |",
            row.p50_us,
            row.p99_us,
            row.per_s,
            row.per_s * 60.0
        );
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_compared_with_udp() {
        let figure = |way: &str, what| Figure {
            way: way.to_owned(),
            size: 64,
            count: 9,
            what,
        };
        let round_trip = |p50_us| What::RoundTrip {
            p50_us,
            p99_us: 99.0,
        };
        let figures = [
            figure(UDP, round_trip(20.0)),
            figure("module", round_trip(80.5)),
            figure("module", What::Rate { per_s: 1000.0 }),
        ];
        let mut text = "a line of the kernel\n".to_owned();
        for figure in &figures {
            text.push_str(&figure.line().unwrap());
        }
        let table = rows(&text).unwrap();
        assert!(
            table.contains("| UDP | 64 | 20.0 | 99.0 | 0.0 | 0 | 0 |"),
            "{table}"
        );
        assert!(
            table.contains("| module | 64 | 80.5 | 99.0 | 30.2 | 1000 | 60000 |"),
            "{table}"
        );
    }

    #[test]
    fn what_is_no_figure_is_an_error() {
        assert!(rows("bench {\"way\":1}\n").is_err());
        assert!(rows("nothing\n").is_err());
    }
}
