// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lookups of each match kind: `testdata/matches.p4`.

use std::fmt::Write as _;

use proptest::prelude::*;

use crate::support::Bench;

/// A request for a table.
#[derive(Clone, Copy, Debug, Default)]
struct Request {
    table: u8,
    exact: u8,
    address: u32,
    port: u16,
    wide: u128,
}

impl Request {
    fn packet(self) -> Vec<u8> {
        let mut packet = vec![self.table, self.exact];
        packet.extend(self.address.to_be_bytes());
        packet.extend(self.port.to_be_bytes());
        packet.extend(&(self.wide << 4).to_be_bytes()[3..]);
        packet.extend([0xcc, 0xee]);
        packet
    }
}

/// Whether the lookup hits, and what the action writes; 0xee is what was there.
fn ask(bench: &mut Bench, request: Request) -> (bool, u8) {
    let out = bench.one(&request.packet());
    let at = out.len() - 2;
    (out[at] == 1, out[at + 1])
}

fn check(entries: &str, questions: &[(Request, (bool, u8))]) {
    let mut bench = Bench::with_entries("matches.p4", entries);
    for (request, expected) in questions {
        assert_eq!(ask(&mut bench, *request), *expected, "{request:?}");
    }
}

#[test]
fn exact_compares_all_keys() {
    let entries = r#"{"tables": [
        {"table": "MyIngress.exactly", "action": "MyIngress.answer", "params": {"value": "7"},
         "match": {"hdr.request.exact_key": "1", "hdr.request.wide": "0xf00000000000000000000000a"}},
        {"table": "MyIngress.exactly", "action": "MyIngress.twice",
         "params": {"high": "3", "low": "4"},
         "match": {"hdr.request.exact_key": "2", "hdr.request.wide": "0"}},
        {"table": "MyIngress.choices", "action": "MyIngress.answer", "params": {"value": "7"},
         "match": {"hdr.request.exact_key": "1"}},
        {"table": "MyIngress.choices", "action": "MyIngress.twice",
         "params": {"high": "3", "low": "4"}, "match": {"hdr.request.exact_key": "2"}}
    ]}"#;
    let wide = 0xf_0000_0000_0000_0000_0000_000a;
    let ask = |exact, wide| Request {
        exact,
        wide,
        ..Request::default()
    };
    check(
        entries,
        &[
            (ask(1, wide), (true, 7)),
            (ask(1, wide + 1), (false, 0xfd)),
            (ask(2, wide), (false, 0xfd)),
            (ask(2, 0), (true, 0x34)),
            (
                Request {
                    table: 5,
                    ..ask(1, wide)
                },
                (false, 0xa0),
            ),
            (
                Request {
                    table: 5,
                    ..ask(2, 0)
                },
                (false, 0xa1),
            ),
            (
                Request {
                    table: 5,
                    ..ask(3, 0)
                },
                (false, 0xa2),
            ),
        ],
    );
}

#[test]
fn longest_prefix_wins() {
    let entry = |prefix: &str, value: u8| {
        format!(
            r#"{{"table": "MyIngress.prefixes", "action": "MyIngress.answer",
                "params": {{"value": "{value}"}},
                "match": {{"hdr.request.exact_key": "9", "hdr.request.address": "{prefix}"}}}}"#
        )
    };
    let default = r#"{"table": "MyIngress.prefixes", "action": "MyIngress.answer",
        "params": {"value": "1"}, "match": {"hdr.request.exact_key": "9"}}"#;
    let list = [
        entry("10.0.0.0/8", 2),
        entry("10.1.0.0/16", 3),
        entry("10.1.1.1/32", 4),
    ];
    let entries = format!(r#"{{"tables": [{default}, {}]}}"#, list.join(","));
    let ask = |address: [u8; 4]| Request {
        table: 1,
        exact: 9,
        address: u32::from_be_bytes(address),
        ..Request::default()
    };
    check(
        &entries,
        &[
            (ask([10, 1, 1, 1]), (true, 4)),
            (ask([10, 1, 1, 2]), (true, 3)),
            (ask([10, 2, 1, 1]), (true, 2)),
            (ask([11, 1, 1, 1]), (true, 1)),
            (
                Request {
                    exact: 8,
                    ..ask([10, 1, 1, 1])
                },
                (false, 0xee),
            ),
        ],
    );
}

/// Where the smallest number wins, and numbers are ten apart: 20, 5, 15, 25.
#[test]
fn priorities_are_given_or_computed() {
    let ask = |port| Request {
        table: 6,
        port,
        ..Request::default()
    };
    check(
        "{}",
        &[
            (ask(0x0101), (true, 2)),
            (ask(0x0102), (true, 3)),
            (ask(0x0202), (true, 4)),
        ],
    );
}

#[test]
fn constant_entries_are_ordered() {
    let ask = |port| Request {
        table: 4,
        port,
        ..Request::default()
    };
    check(
        "{}",
        &[
            (ask(0x0155), (true, 1)),
            (ask(0x0101), (true, 1)),
            (ask(0x0277), (true, 3)),
            (ask(0x0300), (false, 0xff)),
        ],
    );
}

#[derive(Clone, Debug)]
struct Ternary {
    address: (u32, u32),
    wide: (u128, u128),
    priority: i32,
}

fn ternary() -> impl Strategy<Value = Ternary> {
    // Few values and masks, so that entries overlap and packets hit.
    let mask = prop::sample::select(vec![0_u32, 0xff, 0xff00_0000, u32::MAX]);
    let wide = prop::sample::select(vec![0_u128, 3, 3 << 98]);
    (mask, wide, 0..4_u32, 0..4_u128, 1..6_i32).prop_map(|(mask, wide, value, high, priority)| {
        let value = value | value << 24;
        let high = high | high << 98;
        Ternary {
            address: (value & mask, mask),
            wide: (high & wide, wide),
            priority,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Of the entries that match, one with the highest priority runs.
    #[test]
    fn ternary_lookup_agrees_with_a_scan(
        given in prop::collection::vec(ternary(), 0..20),
        packets in prop::collection::vec((0..4_u32, 0..4_u128), 1..20),
    ) {
        let mut entries: Vec<Ternary> = Vec::new();
        for entry in given {
            let same = |old: &Ternary| {
                (old.address, old.wide, old.priority) == (entry.address, entry.wide, entry.priority)
            };
            if !entries.iter().any(same) {
                entries.push(entry);
            }
        }
        let mut json = String::new();
        for (number, entry) in entries.iter().enumerate() {
            let mut matches = Vec::new();
            if entry.address.1 != 0 {
                let (value, mask) = entry.address;
                matches.push(format!(r#""hdr.request.address": "{value:#x}&&&{mask:#x}""#));
            }
            if entry.wide.1 != 0 {
                let (value, mask) = entry.wide;
                matches.push(format!(r#""hdr.request.wide": "{value:#x}&&&{mask:#x}""#));
            }
            let comma = if number == 0 { "" } else { "," };
            write!(
                json,
                r#"{comma}{{"table": "MyIngress.ternaries", "action": "MyIngress.answer",
                "params": {{"value": "{number}"}}, "priority": {}, "match": {{{}}}}}"#,
                entry.priority,
                matches.join(",")
            )?;
        }
        let entries_json = format!(r#"{{"tables": [{json}]}}"#);
        let mut bench = Bench::with_entries("matches.p4", &entries_json);
        for (address, wide) in packets {
            let (address, wide) = (address | address << 24, wide | wide << 98);
            let found = ask(&mut bench, Request { table: 2, address, wide, ..Request::default() });
            let matching = entries.iter().enumerate().filter(|(_, entry)| {
                address & entry.address.1 == entry.address.0 && wide & entry.wide.1 == entry.wide.0
            });
            // Of equal priorities, the older entry wins.
            let best = matching.max_by_key(|(number, e)| (e.priority, std::cmp::Reverse(*number)));
            let expected = best.map_or((false, 0xee), |(number, _)| (true, number as u8));
            prop_assert_eq!(found, expected);
        }
    }
}

#[test]
fn ranges_and_optional_keys() {
    let entry = |matches: &str, priority: i32, value: u8| {
        format!(
            r#"{{"table": "MyIngress.ranges", "action": "MyIngress.answer", "priority": {priority},
                "params": {{"value": "{value}"}}, "match": {{{matches}}}}}"#
        )
    };
    let list = [
        entry(r#""hdr.request.port": "100..200""#, 1, 1),
        entry(r#""hdr.request.port": "150..160""#, 5, 2),
        entry(
            r#""hdr.request.port": "150..160", "hdr.request.exact_key": "3""#,
            9,
            3,
        ),
        entry(r#""hdr.request.exact_key": "4""#, 2, 4),
    ];
    let entries = format!(r#"{{"tables": [{}]}}"#, list.join(","));
    let ask = |port, exact| Request {
        table: 3,
        port,
        exact,
        ..Request::default()
    };
    check(
        &entries,
        &[
            (ask(99, 0), (false, 0xee)),
            (ask(100, 0), (true, 1)),
            (ask(200, 0), (true, 1)),
            (ask(201, 0), (false, 0xee)),
            (ask(155, 0), (true, 2)),
            (ask(155, 3), (true, 3)),
            (ask(155, 4), (true, 2)),
            (ask(199, 4), (true, 4)),
        ],
    );
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Ranged {
    low: u16,
    high: u16,
    /// `None` matches anything.
    exact: Option<u8>,
    priority: i32,
}

impl Ranged {
    fn json(self, value: usize) -> String {
        let Self {
            low,
            high,
            exact,
            priority,
        } = self;
        let optional = exact.map_or(String::new(), |key| {
            format!(r#", "hdr.request.exact_key": "{key}""#)
        });
        format!(
            r#"{{"table": "MyIngress.ranges", "action": "MyIngress.answer", "priority": {priority},
                "params": {{"value": "{value}"}},
                "match": {{"hdr.request.port": "{low}..{high}"{optional}}}}}"#
        )
    }

    fn matches(self, port: u16, key: u8) -> bool {
        (self.low..=self.high).contains(&port) && self.exact.is_none_or(|exact| exact == key)
    }
}

fn ranged() -> impl Strategy<Value = Ranged> {
    let edge = || prop::sample::select(vec![0_u16, 1, 7, 8, 255, 256, 300, 0x7fff, 0xffff]);
    (edge(), edge(), prop::option::of(0..3_u8), 1..6_i32).prop_map(|(a, b, exact, priority)| {
        Ranged {
            low: a.min(b),
            high: a.max(b),
            exact,
            priority,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Ranges of all lengths, next to each other and in each other, with and without the optional
    /// key: of the entries that match, the oldest one with the highest priority runs.
    #[test]
    fn range_lookup_agrees_with_a_scan(
        given in prop::collection::vec(ranged(), 0..40),
        packets in prop::collection::vec((0..70_u32, 0..4_u8), 1..30),
    ) {
        let mut entries: Vec<Ranged> = Vec::new();
        for entry in given {
            // A range of everything is left out of an entry, so that it is another way to say so.
            if entry.low < entry.high && (entry.low, entry.high) != (0, 0xffff)
                && !entries.contains(&entry)
            {
                entries.push(entry);
            }
        }
        let list: Vec<_> = entries.iter().enumerate().map(|(at, entry)| entry.json(at)).collect();
        let json = format!(r#"{{"tables": [{}]}}"#, list.join(","));
        let mut bench = Bench::with_entries("matches.p4", &json);
        for (port, exact) in packets {
            // Around the edges, and far from them.
            let port = if port < 64 { [0, 7, 256, 0x7fff][port as usize % 4] + port / 16 } else { port << 9 };
            let port = port as u16;
            let found = ask(&mut bench, Request { table: 3, port, exact, ..Request::default() });
            let matching = entries.iter().enumerate().filter(|(_, entry)| entry.matches(port, exact));
            let best = matching.max_by_key(|(at, entry)| (entry.priority, std::cmp::Reverse(*at)));
            let expected = best.map_or((false, 0xee), |(at, _)| (true, at as u8));
            prop_assert_eq!(found, expected);
        }
    }
}

#[test]
fn full_table_refuses_entries() {
    let entry = |key: u8| {
        format!(
            r#"{{"table": "MyIngress.exactly", "action": "MyIngress.none",
                "match": {{"hdr.request.exact_key": "{key}", "hdr.request.wide": "0"}}}}"#
        )
    };
    let mut bench = Bench::new("matches.p4");
    let entries = format!(
        r#"{{"tables": [{}, {}, {}]}}"#,
        entry(1),
        entry(2),
        entry(3)
    );
    let error = bench
        .program
        .install(&entries)
        .expect_err("the table holds two");
    assert_eq!(
        error.to_string(),
        "entry 3 is refused: table is full: its size is 2"
    );
}
