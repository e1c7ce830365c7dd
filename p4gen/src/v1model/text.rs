// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text model of a v1model program: what its templates loop over.

use askama::Template;

/// The whole program.
#[derive(Template)]
#[template(path = "v1model/main.p4")]
pub(crate) struct ProgramText {
    pub(crate) parameters: String,
    pub(crate) udp_ports: Vec<PortText>,
    pub(crate) punt_ethertype: &'static str,
    pub(crate) max_payload: u32,
    pub(crate) max_blocks: u32,
    pub(crate) max_eid: u32,
    pub(crate) eid_bits: u32,
    pub(crate) numbers_bits: u32,
    pub(crate) reasons: Vec<ReasonText>,
    pub(crate) errors: Vec<ErrorText>,
    pub(crate) blocks: Vec<BlockText>,
    pub(crate) segments: Vec<SegmentText>,
    pub(crate) payload_chunks: Vec<PayloadChunk>,
    pub(crate) parser: ParserText,
    pub(crate) out_bits: usize,
    pub(crate) start_bits: usize,
    pub(crate) cursor_bits: usize,
    pub(crate) out_words: Vec<Slice>,
    pub(crate) div_1000_factor: String,
}

/// A UDP port of the convergence layer as a constant.
pub(crate) struct PortText {
    pub(crate) constant: String,
    pub(crate) number: u16,
}

/// A reason code as a constant.
pub(crate) struct ReasonText {
    pub(crate) constant: String,
    pub(crate) code: u8,
    pub(crate) text: &'static str,
}

/// A reason that the parser can find, as a member of `error`.
pub(crate) struct ErrorText {
    pub(crate) error: String,
    pub(crate) constant: String,
}

/// An extension block.
pub(crate) struct BlockText {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) fields: Vec<FieldText>,
}

/// A member of the metadata of a block.
pub(crate) struct FieldText {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
}

/// A part of the new head, which the bits of its length cut into headers.
pub(crate) struct SegmentText {
    pub(crate) name: &'static str,
    pub(crate) comment: &'static str,
    pub(crate) bits: usize,
    pub(crate) chunks: Vec<HeadChunk>,
}

/// The octets that one bit of a length stands for.
pub(crate) struct HeadChunk {
    pub(crate) octets: u32,
    pub(crate) bits: u32,
    pub(crate) bit: u32,
    pub(crate) cut: String,
}

/// Headers of the payload of one size.
pub(crate) struct PayloadChunk {
    pub(crate) octets: u32,
    pub(crate) bits: u32,
    /// How many there are, if that is not one at most.
    pub(crate) rows: Option<u32>,
}

/// Bits of a number, both ends included.
#[derive(Clone)]
pub(crate) struct Slice {
    pub(crate) high: usize,
    pub(crate) low: usize,
}

/// The parser.
pub(crate) struct ParserText {
    pub(crate) states: Vec<StateText>,
    pub(crate) routines: Vec<RoutineText>,
}

/// States that others call, by the places from which they do.
pub(crate) struct RoutineText {
    /// When they are at their end.
    pub(crate) when: &'static str,
    pub(crate) points: Vec<PointText>,
}

/// A parser state.
pub(crate) struct StateText {
    pub(crate) comment: Vec<String>,
    pub(crate) name: String,
    pub(crate) body: Vec<String>,
    pub(crate) next: Next,
}

/// Where a state goes.
pub(crate) enum Next {
    Goto(String),
    Select {
        key: String,
        cases: Vec<(String, String)>,
    },
}

/// Where the parser goes on after a shared state.
pub(crate) struct PointText {
    pub(crate) constant: String,
    pub(crate) code: usize,
    pub(crate) state: String,
}

impl PointText {
    pub(crate) fn new(after: &str, code: usize) -> Self {
        Self {
            constant: format!("AFTER_{}", after.to_uppercase()),
            code,
            state: format!("after_{after}"),
        }
    }
}
