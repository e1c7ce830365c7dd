// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parser of a v1model program, as a graph of states. It reads a bundle, and writes it in the
//! other version as it reads.
//!
//! P4 parsers have no subroutines that stay small: a sub-parser is copied to each of its uses, and
//! p4c takes minutes and gigabytes for the hundred uses that a bundle needs. So the states that
//! read or write a number or an endpoint ID exist once, and a field leaves a code in the metadata
//! that says where to go on. The graph, and with it the time of a compiler, grows with the number
//! of fields and not with their product with the widths. And a parser has loops, which a control
//! has not: blocks in any order and number, names, CRCs and decimal digits are a few states each.

mod blocks;
mod crc;
mod fields;
mod graph;
mod hop;
mod identity;
mod names;
mod packet;
mod payload;
mod primary;
mod readers;
mod report;
mod writers;

use bundle::{Reason, translate::Profile};

pub(super) use self::graph::Sizes;
use self::graph::{Graph, Open};
use super::text::ParserText;

/// States that do nothing but refuse.
const REFUSALS: &[(&str, Reason)] = &[
    ("refuse_item", Reason::UnexpectedItem),
    ("refuse_eid_form", Reason::EidForm),
    ("refuse_eid_scheme", Reason::EidScheme),
    ("refuse_local_node", Reason::EidMalformed),
    ("refuse_security", Reason::Security),
    ("refuse_block_data", Reason::BlockMalformed),
];

/// The parser of a program with these sizes.
pub(super) fn parser(sizes: Sizes, profile: Profile) -> ParserText {
    let mut graph = Graph::new(sizes);
    graph.packet();
    graph.primary();
    graph.identities(profile);
    graph.blocks();
    graph.payload();
    graph.reports();
    graph.hops();
    graph.readers();
    graph.names();
    graph.writers();
    graph.crc();
    let routines = graph.returns();
    for &(name, reason) in REFUSALS {
        graph.goto(Open::new(name).verify("false", reason), "accept");
    }
    ParserText {
        states: graph.states,
        routines,
    }
}
