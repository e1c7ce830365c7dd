// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text model of a v1model program: what its templates loop over.

use askama::Template;

/// The whole program.
#[derive(Template)]
#[template(path = "v1model/main.p4")]
pub(crate) struct ProgramText {
    pub(crate) parameters: String,
    pub(crate) udp_port: u16,
    pub(crate) punt_ethertype: &'static str,
    pub(crate) max_payload: u32,
    pub(crate) reasons: Vec<ReasonText>,
    pub(crate) errors: Vec<ErrorText>,
    pub(crate) blocks: Vec<BlockText>,
    pub(crate) head_chunks: Vec<HeadChunk>,
    pub(crate) payload_chunks: Vec<PayloadChunk>,
    pub(crate) order_bits: usize,
    pub(crate) order_keep: usize,
    pub(crate) slots: Vec<Slice>,
    pub(crate) parser: ParserText,
    pub(crate) writer_bits: usize,
    pub(crate) low_words: Vec<Slice>,
    pub(crate) high_words: Vec<Slice>,
    pub(crate) sdnv_groups: Vec<Group>,
    pub(crate) head_forms: Vec<Form>,
    pub(crate) decimal_digits: Vec<Slice>,
    pub(crate) crc_groups: Vec<CrcGroup>,
    pub(crate) div_1000_factor: String,
    pub(crate) guards6: Vec<GuardText>,
    pub(crate) guards7: Vec<GuardText>,
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
    pub(crate) constant: String,
    pub(crate) code: usize,
    pub(crate) title: &'static str,
    pub(crate) fields: Vec<FieldText>,
    pub(crate) type6: u8,
    pub(crate) type7: u8,
    pub(crate) contents: String,
    pub(crate) write6: Vec<Write>,
    pub(crate) write_optional6: Option<OptionalWrite>,
    pub(crate) write7: Vec<Write>,
}

/// A member of the metadata of a block.
pub(crate) struct FieldText {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
}

/// One item for a writer.
pub(crate) enum Write {
    Sdnv(String),
    Uint(String),
    Eid(String),
    Octet(String),
    Decimal { value: String, end: String },
}

/// A number behind a flag.
pub(crate) struct OptionalWrite {
    pub(crate) condition: String,
    pub(crate) value: String,
}

/// A header of the new head: the octets that one bit of the head's length stands for.
pub(crate) struct HeadChunk {
    pub(crate) octets: u32,
    pub(crate) bits: u32,
    pub(crate) bit: u32,
    pub(crate) primary: String,
    pub(crate) blocks: String,
}

/// A header of the payload, in fields that the compiler can hold.
pub(crate) struct PayloadChunk {
    pub(crate) octets: u32,
    pub(crate) parts: Vec<Part>,
}

/// A field of a payload header.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) bits: u32,
}

/// Bits of a number, both ends included.
#[derive(Clone)]
pub(crate) struct Slice {
    pub(crate) high: usize,
    pub(crate) low: usize,
}

/// A head of a CBOR item with an argument of one size, for numbers below a limit.
pub(crate) struct Form {
    pub(crate) limit: Option<String>,
    pub(crate) bits: usize,
    pub(crate) information: usize,
}

/// An octet of an SDNV that is there for numbers from some least one.
pub(crate) struct Group {
    pub(crate) least: String,
    pub(crate) bits: String,
}

/// Octets that count for a CRC if a block is longer than that.
pub(crate) struct CrcGroup {
    pub(crate) above: usize,
    pub(crate) octets: Vec<Slice>,
}

/// The parser.
pub(crate) struct ParserText {
    pub(crate) states: Vec<StateText>,
    pub(crate) numbers: Vec<PointText>,
    pub(crate) eids: Vec<PointText>,
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

/// A rule that joins several fields.
pub(crate) struct GuardText {
    pub(crate) condition: String,
    pub(crate) constant: String,
}
