// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The story of a packet in words: states, headers, tables, and where it ended.

use std::fmt::Write as _;

use p4::ir::{Match, MatchKind, Program, limb_count};

use crate::engine::{
    decimal,
    event::{Event, Recorder},
};

/// Writes one line for each event. The place at the end of a line is the statement it comes from.
#[must_use]
pub fn render(program: &Program, recorder: &Recorder) -> String {
    let mut text = String::new();
    for (span, event) in &recorder.events {
        let line = describe(program, event);
        let indent = match event {
            Event::Pass { .. } => "",
            Event::Block(_) => "  ",
            _ => "    ",
        };
        // Writing to a string does not fail.
        _ = match event {
            Event::Apply { .. }
            | Event::Extract { .. }
            | Event::ParserError { .. }
            | Event::Log(_)
            | Event::AssertionFailed => {
                writeln!(
                    text,
                    "{indent}{line}  [{}]",
                    program.sources.describe(*span)
                )
            }
            Event::State(state) => {
                let span = program.parser.states[state.index()].span;
                writeln!(text, "{indent}{line}  [{}]", program.sources.describe(span))
            }
            _ => writeln!(text, "{indent}{line}"),
        };
    }
    text
}

fn describe(program: &Program, event: &Event) -> String {
    match event {
        Event::Pass {
            port,
            len,
            instance,
        } => {
            format!(
                "packet on port {port}, {len} octets, {}",
                instance_name(*instance)
            )
        }
        Event::State(state) => format!("state {}", program.parser.states[state.index()].name),
        Event::Extract {
            header,
            at_bits,
            fields,
        } => {
            let header = &program.headers[header.index()];
            let names = header
                .fields
                .iter()
                .map(|slot| &program.slots[slot.index()].name);
            let names = names.map(|name| name.rsplit('.').next().unwrap_or(name));
            let pairs: Vec<String> = names
                .zip(fields)
                .map(|(name, value)| format!("{name}={}", hex(value)))
                .collect();
            format!(
                "extract {} at octet {}: {}",
                header.name,
                at_bits / 8,
                pairs.join(" ")
            )
        }
        Event::ParserError { error } => {
            let name = program
                .errors
                .get(*error as usize)
                .map_or("?", String::as_str);
            format!("parser stops: error.{name}")
        }
        Event::Block(name) => (*name).to_owned(),
        Event::Apply {
            table,
            keys,
            entry,
            action,
            args,
        } => {
            let table = &program.tables[table.index()];
            let keys: Vec<String> = table
                .keys
                .iter()
                .filter(|key| key.match_kind != MatchKind::Selector)
                .zip(keys)
                .map(|(key, value)| format!("{}={}", key.name, hex(value)))
                .collect();
            let outcome = match entry {
                Some(entry) => format!("hit {}", entry_text(entry)),
                None => "miss".to_owned(),
            };
            let action = call(program, *action, args);
            format!(
                "table {} ({}): {outcome}, {action}",
                table.name,
                keys.join(" ")
            )
        }
        Event::ChecksumError => "checksum is wrong".to_owned(),
        Event::Log(line) => format!("log: {line}"),
        Event::AssertionFailed => "assertion failed".to_owned(),
        Event::Digest { digest } => format!("digest {}", program.digests[*digest].name),
        Event::Clone { session, copies } => format!("clone session {session}: {copies} copies"),
        Event::Multicast { group, copies } => format!("multicast group {group}: {copies} copies"),
        Event::Resubmit => "resubmit".to_owned(),
        Event::Recirculate => "recirculate".to_owned(),
        Event::Drop(reason) => format!("drop: {reason}"),
        Event::Transmit { port, packet } => format!("send {} octets on port {port}", packet.len()),
    }
}

/// An entry as its patterns in the order of the keys, with the priority if there is one.
fn entry_text((matches, priority): &(Vec<Match>, i32)) -> String {
    let patterns: Vec<String> = matches.iter().map(pattern).collect();
    match priority {
        0 => format!("[{}]", patterns.join(" ")),
        _ => format!("[{}] priority {priority}", patterns.join(" ")),
    }
}

fn pattern(pattern: &Match) -> String {
    match pattern {
        Match::Any => "*".to_owned(),
        Match::Exact(value) => hex(&value.limbs),
        Match::Lpm { value, prefix_len } => format!("{}/{prefix_len}", hex(&value.limbs)),
        Match::Ternary { value, mask } => format!("{}&{}", hex(&value.limbs), hex(&mask.limbs)),
        Match::Range { low, high } => format!("{}..{}", hex(&low.limbs), hex(&high.limbs)),
    }
}

fn call(program: &Program, action: usize, args: &[u64]) -> String {
    let action = &program.actions[action];
    let mut rest = args;
    let mut pairs = Vec::new();
    for param in &action.params {
        let limbs = limb_count(program.slots[param.slot.index()].width).min(rest.len());
        let (value, after) = rest.split_at(limbs);
        pairs.push(format!("{}={}", param.name, hex(value)));
        rest = after;
    }
    format!("{}({})", action.name, pairs.join(", "))
}

fn hex(limbs: &[u64]) -> String {
    match limbs {
        [value @ 0..=9] => value.to_string(),
        [value] => format!("{value:#x}"),
        _ => decimal(limbs),
    }
}

fn instance_name(instance: u32) -> &'static str {
    match instance {
        4 => "recirculated",
        6 => "resubmitted",
        _ => "new",
    }
}
