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
    pub(crate) payload_steps: Vec<PayloadStep>,
    pub(crate) first_chunk: u32,
    pub(crate) order_bits: usize,
    pub(crate) order_keep: usize,
    pub(crate) slots: Vec<Slice>,
    pub(crate) sdnv_octets: Vec<SdnvOctet>,
    pub(crate) decimal_digits: Vec<DigitState>,
    pub(crate) ihl_with_options: Vec<u8>,
    pub(crate) v6_primary: Vec<Read>,
    pub(crate) v6_fragment: Vec<Read>,
    pub(crate) v7_primary: Vec<Read>,
    pub(crate) v7_fragment: Vec<Read>,
    pub(crate) security6: &'static [u8],
    pub(crate) security7: &'static [u8],
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) writer_bits: usize,
    pub(crate) writer_words: Vec<Slice>,
    pub(crate) sdnv_forms: Vec<SdnvForm>,
    pub(crate) head_keep_1: usize,
    pub(crate) head_forms: Vec<HeadForm>,
    pub(crate) put_digits: Vec<PutDigit>,
    pub(crate) div_1000_factor: String,
    pub(crate) guards: Vec<GuardText>,
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
    pub(crate) read6: Vec<Read>,
    pub(crate) optional6: Option<OptionalRead>,
    pub(crate) read7: Vec<Read>,
    pub(crate) write6: Vec<Write>,
    pub(crate) write_optional6: Option<OptionalWrite>,
    pub(crate) write7: Vec<Write>,
}

/// A member of the metadata of a block.
pub(crate) struct FieldText {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
}

/// One item for the parser.
pub(crate) enum Read {
    Sdnv(String),
    Uint(String),
    Eid(String),
    Octet(String),
    Expect { value: String, error: String },
    Decimal { end: String, field: String },
}

/// An item behind a flag.
pub(crate) struct OptionalRead {
    pub(crate) name: &'static str,
    pub(crate) condition: String,
    pub(crate) step: Read,
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
    pub(crate) crc: Vec<Slice>,
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

/// A pair of parser states: is this header there, and if so, read it.
pub(crate) struct PayloadStep {
    pub(crate) octets: u32,
    pub(crate) bit: u32,
    pub(crate) next: String,
}

/// Bits of a number, both ends included.
pub(crate) struct Slice {
    pub(crate) high: usize,
    pub(crate) low: usize,
    pub(crate) bits: usize,
}

/// The state that reads the n-th octet of an SDNV.
pub(crate) struct SdnvOctet {
    pub(crate) state: String,
    pub(crate) next: Option<String>,
    pub(crate) checks_overflow: bool,
}

/// The state that reads one more octet of a decimal number.
pub(crate) struct DigitState {
    pub(crate) state: String,
    pub(crate) next: Option<String>,
}

/// A state that refuses the bundle.
pub(crate) struct Refusal {
    pub(crate) state: &'static str,
    pub(crate) error: String,
}

/// An SDNV of one length.
pub(crate) struct SdnvForm {
    pub(crate) octets: usize,
    pub(crate) limit: Option<String>,
    pub(crate) keep: usize,
    pub(crate) groups: Vec<Group>,
}

/// One octet of an SDNV: what stands before the bits of the number, and the bits.
pub(crate) struct Group {
    pub(crate) marker: &'static str,
    pub(crate) bits: String,
}

/// The head of a CBOR item with an argument of one size.
pub(crate) struct HeadForm {
    pub(crate) octets: usize,
    pub(crate) limit: Option<String>,
    pub(crate) keep: usize,
    pub(crate) info: u8,
    pub(crate) high: usize,
}

/// One more digit in front of those that are there.
pub(crate) struct PutDigit {
    pub(crate) high: usize,
    pub(crate) low: usize,
    pub(crate) length: usize,
}

/// A rule that joins several fields.
pub(crate) struct GuardText {
    pub(crate) condition: String,
    pub(crate) constant: String,
}
