// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parser states under construction, and how a field is read.

use bundle::Reason;

use crate::layout::{Item, Version};
use crate::v1model::text::{Next, PointText, StateText};
use crate::v1model::{WRITER_BITS, error_name};

/// A state whose end is not known yet.
pub(super) struct Open {
    name: String,
    comment: Vec<String>,
    body: Vec<String>,
}

impl Open {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            comment: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(super) fn comment(mut self, lines: &[&str]) -> Self {
        self.comment
            .extend(lines.iter().map(|&line| line.to_owned()));
        self
    }

    pub(super) fn add(mut self, statement: impl Into<String>) -> Self {
        self.body.push(statement.into());
        self
    }

    /// Reads one octet into `meta.octet`.
    pub(super) fn octet(mut self) -> Self {
        self.body.extend(
            [
                "meta.octet = pkt.lookahead<bit<8>>();",
                "pkt.advance(8);",
                "meta.cursor.sums = meta.cursor.sums[31:0]",
                "    ++ (meta.cursor.sums[63:32] + (bit<32>)meta.octet);",
                "meta.cursor.length = meta.cursor.length + 1;",
            ]
            .map(str::to_owned),
        );
        self
    }

    /// Reads one octet that a CRC may cover.
    pub(super) fn octet_7(self) -> Self {
        self.octet().add(format!(
            "meta.cursor.octets = meta.cursor.octets[{}:0] ++ meta.octet;",
            WRITER_BITS - 9
        ))
    }

    pub(super) fn verify(self, condition: &str, reason: Reason) -> Self {
        self.add(format!(
            "verify({condition}, error.{});",
            error_name(reason)
        ))
    }
}

#[derive(Default)]
pub(super) struct Graph {
    pub(super) states: Vec<StateText>,
    pub(super) numbers: Vec<PointText>,
    pub(super) eids: Vec<PointText>,
}

impl Graph {
    pub(super) fn close(&mut self, open: Open, next: Next) {
        let Open {
            name,
            comment,
            body,
        } = open;
        self.states.push(StateText {
            comment,
            name,
            body,
            next,
        });
    }

    pub(super) fn goto(&mut self, open: Open, target: &str) {
        self.close(open, Next::Goto(target.to_owned()));
    }

    pub(super) fn select(&mut self, open: Open, key: &str, cases: &[(&str, &str)]) {
        let cases = cases
            .iter()
            .map(|&(value, target)| (value.to_owned(), target.to_owned()));
        self.close(
            open,
            Next::Select {
                key: key.to_owned(),
                cases: cases.collect(),
            },
        );
    }

    /// Ends a state by reading a number, and opens the state that has it.
    pub(super) fn number(&mut self, open: Open, reader: &str, after: &str) -> Open {
        let point = PointText::new(after, self.numbers.len() + 1);
        self.goto(
            open.add(format!("meta.number.then = {};", point.constant)),
            reader,
        );
        let next = Open::new(point.state.clone());
        self.numbers.push(point);
        next
    }

    /// Ends a state by reading the head of a CBOR item of a major type.
    pub(super) fn head(&mut self, open: Open, major: u8, after: &str) -> Open {
        let open = open.add(format!("meta.number.major = {major};"));
        self.number(open, "read_head", after)
    }

    /// Ends a state by reading an endpoint ID of version 7.
    pub(super) fn eid(&mut self, open: Open, after: &str) -> Open {
        let point = PointText::new(after, self.eids.len() + 1);
        self.goto(
            open.add(format!("meta.eid.then = {};", point.constant)),
            "read_eid",
        );
        let next = Open::new(point.state.clone());
        self.eids.push(point);
        next
    }

    /// Reads an item into its field.
    pub(super) fn item(&mut self, open: Open, item: Item, version: Version) -> Open {
        let prefix = match version {
            Version::V6 => "v6",
            Version::V7 => "v7",
        };
        let after = |field: &str| format!("{prefix}_{}", field.replace('.', "_"));
        let store = |field: &str| format!("meta.{field} = meta.number.value;");
        match (item, version) {
            (Item::Number(field), Version::V6) => self
                .number(open, "read_sdnv_1", &after(field))
                .add(store(field)),
            (Item::Number(field), Version::V7) => {
                self.head(open, 0, &after(field)).add(store(field))
            }
            // RFC 6260: an endpoint ID is two numbers.
            (Item::Eid(field), Version::V6) => {
                let (node, service) = (format!("{field}.node"), format!("{field}.service"));
                let open = self
                    .number(open, "read_sdnv_1", &after(&node))
                    .add(store(&node));
                self.number(open, "read_sdnv_1", &after(&service))
                    .add(store(&service))
            }
            (Item::Eid(field), Version::V7) => self
                .eid(open, &after(field))
                .add(format!("meta.{field}.node = meta.eid.node;"))
                .add(format!("meta.{field}.service = meta.eid.service;")),
            (Item::Octet(field), _) => open
                .octet()
                .add(format!("meta.{field} = (bit<64>)meta.octet;")),
            (Item::Expect(value, reason), Version::V6) => open
                .octet()
                .verify(&format!("meta.octet == {value:#04x}"), reason),
            (Item::Expect(value, reason), Version::V7) => open
                .octet_7()
                .verify(&format!("meta.octet == {value:#04x}"), reason),
            (Item::Decimal(field, end), _) => {
                let open = open.add(format!("meta.number.end = {end:#04x};"));
                self.number(open, "read_decimal", &after(field))
                    .add(store(field))
            }
        }
    }

    pub(super) fn items(&mut self, mut open: Open, items: &[Item], version: Version) -> Open {
        for &item in items {
            open = self.item(open, item, version);
        }
        open
    }
}

/// Adds an even number of octets to the two sums.
pub(super) fn sums(place: &str, octets: usize) -> String {
    let words: Vec<_> = (0..octets / 2)
        .map(|word| {
            let low = 16 * word;
            format!(
                "(24w0 ++ {place}[{}:{}] ++ 24w0 ++ {place}[{}:{low}])",
                low + 15,
                low + 8,
                low + 7
            )
        })
        .collect();
    format!(
        "meta.cursor.sums = meta.cursor.sums + {};",
        words.join(" + ")
    )
}
