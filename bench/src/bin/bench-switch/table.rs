// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What was measured, as tables of a page.

use std::fmt::Write as _;

use bench::page;

use super::{
    bmv2::Bmv2,
    measure::Measurement,
    ports::{BMV2, OURS, Row},
    scenario::Scenario,
};

/// Name of the engine without ports in the table.
pub(crate) const ENGINE: &str = "engine of `p4switch`, in memory";

/// Head of the table of the engine alone.
pub(crate) const IN_MEMORY: &str = "\
| program | packets | octets each | cores | ns of a core for a packet | packets each second of a core |
| --- | --: | --: | --: | --: | --: |
";

/// A line of the table of the engine alone.
pub(crate) fn line(name: &str, scenario: &Scenario, measured: Measurement) -> String {
    let lengths = scenario.packets.iter().map(|(_, packet)| packet.len());
    let octets: usize = lengths.sum();
    format!(
        "| {name} | {} | {} | {} | {:.0} | {:.0} |\n",
        scenario.packets.len(),
        octets / scenario.packets.len().max(1),
        measured.cores,
        measured.ns_each(),
        measured.rate(),
    )
}

/// Whole switches, and the engine next to them, compared with BMv2.
pub(crate) fn through_ports(engine: &[Row], rows: &[Row]) -> String {
    let mut text = "| program | cores | switch | ns of a core for a frame | times BMv2 | frames each second | times BMv2 |\n\
                    | --- | --: | --- | --: | --: | --: | --: |\n"
        .to_owned();
    for row in rows.iter().filter(|row| row.switch == OURS) {
        let same = |other: &&Row| (&other.program, other.cores) == (&row.program, row.cores);
        let bmv2 = rows.iter().filter(same).find(|row| row.switch == BMV2);
        let engine = engine.iter().filter(same);
        for row in bmv2.into_iter().chain([row]).chain(engine) {
            text.push_str(&compared(row, bmv2));
        }
    }
    text
}

/// A row, with how many times it is better than BMv2.
fn compared(row: &Row, bmv2: Option<&Row>) -> String {
    let times = |times: fn(&Row, &Row) -> f64| match bmv2 {
        Some(bmv2) => format!("{:.1}", times(row, bmv2)),
        None => "not measured".to_owned(),
    };
    // The engine in memory has no clock on the wall: its rate is that of a core.
    let [rate, times_rate] = if row.switch == ENGINE {
        [String::new(), String::new()]
    } else {
        [
            format!("{:.0}", row.rate),
            times(|row, bmv2| row.rate / bmv2.rate),
        ]
    };
    format!(
        "| {} | {} | {} | {:.0} | {} | {rate} | {times_rate} |\n",
        row.program,
        row.cores,
        row.switch,
        row.ns_each,
        times(|row, bmv2| bmv2.ns_each / row.ns_each),
    )
}

/// How many times faster than BMv2 the switch is to be.
const TIMES_BMV2: f64 = 20.0;

/// Translated bundles in a second of a core that the engine is to reach.
const BUNDLES: f64 = 1e6;

/// The aims, and what was reached on one core.
pub(crate) fn aims(engine: &[Row], rows: &[Row]) -> String {
    let mut text = format!(
        "| program, one core | times BMv2 through interfaces, aim {TIMES_BMV2} | in memory | \
         bundles each second of a core in memory, aim {BUNDLES} |\n\
         | --- | --: | --: | --: |\n"
    );
    for row in engine.iter().filter(|row| row.cores == 1) {
        let of = |switch: &str| {
            let mut rows = rows.iter().filter(|other| other.switch == switch);
            rows.find(|other| (&other.program, other.cores) == (&row.program, 1))
        };
        let bmv2 = of(BMV2);
        let times = |other: Option<&Row>| match (bmv2, other) {
            (Some(bmv2), Some(other)) => format!("{:.1}", bmv2.ns_each / other.ns_each),
            _ => "not measured".to_owned(),
        };
        let bundles = if row.program.starts_with("translator") {
            format!("{:.0}", row.rate)
        } else {
            String::new()
        };
        _ = writeln!(
            text,
            "| {} | {} | {} | {bundles} |",
            row.program,
            times(of(OURS)),
            times(Some(row))
        );
    }
    text
}

/// Where and when the tables were made, and with which BMv2.
pub(crate) fn machine(date: &str) -> String {
    let mut text = format!("{date}, {}", page::machine());
    match Bmv2::find() {
        Some(bmv2) => _ = write!(text, ", BMv2 {}", bmv2.version()),
        None => text.push_str(", without BMv2"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_stand_next_to_what_was_reached() {
        let row = |program: &str, switch: &str, ns_each| Row {
            program: program.to_owned(),
            switch: switch.to_owned(),
            cores: 1,
            ns_each,
            rate: 1e9 / ns_each,
        };
        let engine = [row("l2", ENGINE, 10.0), row("translator", ENGINE, 500.0)];
        let rows = [
            row("translator", OURS, 1000.0),
            row("translator", BMV2, 40_000.0),
        ];
        let text = aims(&engine, &rows);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| l2 | not measured | not measured |  |",
                "| translator | 40.0 | 80.0 | 2000000 |",
            ]
        );
    }

    #[test]
    fn rows_are_compared_with_bmv2_on_as_many_cores() {
        let row = |switch: &str, cores, ns_each, rate| Row {
            program: "p".to_owned(),
            switch: switch.to_owned(),
            cores,
            ns_each,
            rate,
        };
        let rows = [
            row(OURS, 1, 100.0, 30.0),
            row(BMV2, 1, 1000.0, 10.0),
            row(OURS, 2, 100.0, 30.0),
        ];
        let text = through_ports(&[row(ENGINE, 1, 50.0, 99.0)], &rows);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| p | 1 | BMv2 | 1000 | 1.0 | 10 | 1.0 |",
                "| p | 1 | `p4switch` | 100 | 10.0 | 30 | 3.0 |",
                "| p | 1 | engine of `p4switch`, in memory | 50 | 20.0 |  |  |",
                "| p | 2 | `p4switch` | 100 | not measured | 30 | not measured |",
            ]
        );
    }
}
