// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parser states under construction, and states that others call.

use std::collections::BTreeMap;

use bundle::Reason;

use crate::v1model::text::{Next, PointText, RoutineText, StateText};
use crate::v1model::{CURSOR_BITS, OUT_BITS, error_name};

/// States that exist once, and go on where their caller says.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Routine {
    /// Reads a number.
    Number,
    /// Reads an endpoint ID of version 7.
    Eid,
    /// Reads octets into the string register.
    Load,
    /// Reads the name in the string register.
    Name,
    /// Finds the endpoint ID that a reference of version 6 means.
    Resolve,
    /// Reads octets that nobody looks at.
    Skip,
    /// Adds octets to a CRC.
    Crc,
    /// Ends a block of version 7 with its CRC.
    Seal,
    /// Reads the CRC of a block of version 7.
    Check,
    /// Writes the head of the payload block of version 7.
    PayloadHead,
    /// Writes a number.
    Put,
    /// Writes an endpoint ID in version 7.
    PutEid,
    /// Writes a number in decimal digits.
    PutDecimal,
    /// Writes the scheme-specific part of an endpoint ID.
    PutSsp,
    /// Writes a block around its data.
    PutBlock,
    /// Moves creation time and sequence number into version 7.
    Identity7,
    /// Moves creation time and sequence number into version 6.
    Identity6,
}

impl Routine {
    /// What it does, the part of the metadata that it works with, and the state at its end.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Number => ("it has read a number", "number", "number_read"),
            Self::Eid => ("it has read an endpoint ID of version 7", "eid", "eid_read"),
            Self::Load => ("it has read a string", "load", "loaded"),
            Self::Name => ("it has read a name in a string", "name", "name_read"),
            Self::Resolve => ("it knows what a reference means", "resolve", "resolved"),
            Self::Skip => ("it has skipped octets", "skip", "skipped"),
            Self::Crc => ("octets are in the CRC", "crc", "crc_done"),
            Self::Seal => ("a block of version 7 has its CRC", "seal", "sealed"),
            Self::PayloadHead => (
                "it has written the head of a payload",
                "payload_head",
                "payload_head_done",
            ),
            Self::Check => ("the CRC of a block is right", "check", "checked"),
            Self::Put => ("it has written a number", "put", "put_done"),
            Self::PutEid => ("it has written an endpoint ID", "put_eid", "put_eid_done"),
            Self::PutDecimal => (
                "it has written decimal digits",
                "decimal",
                "put_decimal_done",
            ),
            Self::PutSsp => ("it has written a name as text", "put_ssp", "put_ssp_done"),
            Self::PutBlock => ("it has written a block", "put_block", "put_block_done"),
            Self::Identity7 => (
                "an identity is that of version 7",
                "to_7",
                "identity_7_done",
            ),
            Self::Identity6 => (
                "an identity is that of version 6",
                "to_6",
                "identity_6_done",
            ),
        }
    }

    fn then(self) -> String {
        format!("meta.{}.then", self.names().1)
    }
}

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

    pub(super) fn set(self, place: &str, value: impl AsRef<str>) -> Self {
        self.add(format!("meta.{place} = {};", value.as_ref()))
    }

    /// Copies an endpoint ID between two places.
    pub(super) fn copy_eid(mut self, to: &str, from: &str) -> Self {
        for member in ["node", "service", "text", "length"] {
            self = self.set(&format!("{to}.{member}"), format!("meta.{from}.{member}"));
        }
        self
    }

    /// Puts the node ID of this node in a place.
    pub(super) fn node_eid(self, to: &str) -> Self {
        self.set(&format!("{to}.node"), "meta.again.node")
            .set(&format!("{to}.service"), "meta.again.service")
            .set(&format!("{to}.text"), "meta.again.name")
            .set(&format!("{to}.length"), "meta.again.name_length")
    }

    /// Reads one octet into `meta.octet`.
    pub(super) fn octet_6(mut self) -> Self {
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
        self.octet_6().add(format!(
            "meta.cursor.octets = meta.cursor.octets[{}:0] ++ meta.octet;",
            CURSOR_BITS - 9
        ))
    }

    /// Reads an even number of octets into a place, where a CRC may cover them.
    pub(super) fn words(self, place: &str, octets: usize) -> Self {
        let bits = 8 * octets;
        self.add(format!("{place} = pkt.lookahead<bit<{bits}>>();"))
            .add(format!("pkt.advance({bits});"))
            .add(sums(place, octets))
            .add(format!(
                "meta.cursor.length = meta.cursor.length + {octets};"
            ))
            .add(format!(
                "meta.cursor.octets = meta.cursor.octets[{}:0] ++ {place};",
                CURSOR_BITS - bits - 1
            ))
    }

    /// Writes an expression of this many octets behind what was written.
    pub(super) fn append(self, expression: &str, octets: usize) -> Self {
        self.add(format!(
            "meta.written.octets = meta.written.octets[{}:0] ++ {expression};",
            OUT_BITS - 8 * octets - 1
        ))
        .add(format!(
            "meta.written.length = meta.written.length + {octets};"
        ))
    }

    /// Writes octets whose number is known at run time only, from a narrower register.
    ///
    /// BMv2 shifts by 255 bits at most, so a quarter is shifted four times: 127 octets at most.
    pub(super) fn append_register(self, octets: &str, length: &str) -> Self {
        self.add(format!("meta.shift = (bit<8>)({length} << 1);"))
            .add("meta.written.octets = meta.written.octets << meta.shift << meta.shift << meta.shift << meta.shift;")
            .add(format!("meta.written.octets = meta.written.octets | (bit<{OUT_BITS}>){octets};"))
            .add(format!("meta.written.length = meta.written.length + {length};"))
    }

    /// The same for 31 octets at most.
    pub(super) fn append_short(self, octets: &str, length: &str) -> Self {
        self.add(format!("meta.shift = (bit<8>)({length} << 3);"))
            .add("meta.written.octets = meta.written.octets << meta.shift;")
            .add(format!(
                "meta.written.octets = meta.written.octets | (bit<{OUT_BITS}>){octets};"
            ))
            .add(format!(
                "meta.written.length = meta.written.length + {length};"
            ))
    }

    /// Puts aside what was written, to write something that is needed by itself.
    pub(super) fn hold(self) -> Self {
        self.set("held.octets", "meta.written.octets")
            .set("held.length", "meta.written.length")
            .set("written.octets", "0")
            .set("written.length", "0")
    }

    /// Forgets what was written since the last `hold`, and begins to write the data of a block.
    pub(super) fn rewrite(self) -> Self {
        self.set("written.octets", "0").set("written.length", "0")
    }

    /// Keeps what was written as a part of the new head, and begins the next part.
    pub(super) fn keep(self, part: &str, bits: usize) -> Self {
        let octets = if bits == OUT_BITS {
            "meta.written.octets".to_owned()
        } else {
            format!("meta.written.octets[{}:0]", bits - 1)
        };
        self.set(&format!("{part}.octets"), octets)
            .set(&format!("{part}.length"), "meta.written.length")
            .set("written.octets", "0")
            .set("written.length", "0")
    }

    pub(super) fn verify(self, condition: &str, reason: Reason) -> Self {
        self.add(format!(
            "verify({condition}, error.{});",
            error_name(reason)
        ))
    }
}

/// What the parser has room for.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Octets of a name.
    pub(crate) max_eid: usize,
    /// Extension blocks.
    pub(crate) max_blocks: usize,
    /// Bits of the length of the payload.
    pub(crate) payload_bits: u32,
    /// UDP ports.
    pub(crate) udp_ports: usize,
}

pub(super) struct Graph {
    pub(super) sizes: Sizes,
    pub(super) states: Vec<StateText>,
    points: BTreeMap<Routine, Vec<PointText>>,
}

impl Graph {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            sizes,
            states: Vec::new(),
            points: BTreeMap::new(),
        }
    }

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

    /// Ends a state by a choice between two.
    pub(super) fn branch(&mut self, open: Open, key: &str, value: &str, yes: &str, no: &str) {
        self.select(open, key, &[(value, yes), ("default", no)]);
    }

    /// Ends a state by a choice: a bundle is read for the next hop, or for a translation.
    pub(super) fn branch_hop(&mut self, open: Open, hop: &str, translation: &str) {
        self.branch(open, "meta.again.look", "2", hop, translation);
    }

    /// Ends a state by going to another one, and opens the state to which that returns.
    pub(super) fn call(&mut self, open: Open, routine: Routine, entry: &str, after: &str) -> Open {
        let points = self.points.entry(routine).or_default();
        let point = PointText::new(after, points.len() + 1);
        let open = open.add(format!("{} = {};", routine.then(), point.constant));
        let next = Open::new(point.state.clone());
        points.push(point);
        self.goto(open, entry);
        next
    }

    /// The ends of all routines, when every caller is known.
    pub(super) fn returns(&mut self) -> Vec<RoutineText> {
        let mut texts = Vec::new();
        for (routine, points) in std::mem::take(&mut self.points) {
            let mut cases: Vec<_> = points
                .iter()
                .map(|point| (point.constant.clone(), point.state.clone()))
                .collect();
            cases.push(("default".to_owned(), "refuse_item".to_owned()));
            let (when, _, done) = routine.names();
            self.states.push(StateText {
                comment: Vec::new(),
                name: done.to_owned(),
                body: Vec::new(),
                next: Next::Select {
                    key: routine.then(),
                    cases,
                },
            });
            texts.push(RoutineText { when, points });
        }
        texts
    }
}

/// Adds an even number of octets to the two sums.
fn sums(place: &str, octets: usize) -> String {
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

/// Terms with an operator between them, as a tree that is as low as it can be: p4c's output nests as
/// expressions do, and readers of it have limits.
pub(super) fn balanced(terms: &[String], operator: &str) -> String {
    match terms {
        [] => "0".to_owned(),
        [term] => term.clone(),
        _ => {
            let (left, right) = terms.split_at(terms.len() / 2);
            let side = |terms| balanced(terms, operator);
            format!("({}{operator} {})", side(left), side(right))
        }
    }
}
