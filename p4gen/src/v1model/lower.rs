// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decides names, widths, order and slices of a v1model program.

use bundle::Reason;

use super::parser::{Sizes, parser};
use super::text::{
    BlockText, ErrorText, FieldText, HeadChunk, PayloadChunk, PortText, ProgramText, ReasonText,
    SegmentText, Slice,
};
use super::{CURSOR_BITS, OUT_BITS, START_BITS, error_name, port_constant};
use crate::layout::{BLOCKS, Block, FieldKind};
use crate::parameters::{Parameters, UdpPorts};

/// `EtherType` for local experiments (IEEE 802): frames between the switch and its slow path.
const PUNT_ETHERTYPE: &str = "0x88b5";

/// Bits of the length of the first part of a new head.
const START_LENGTH_BITS: u32 = (START_BITS / 8).ilog2();
/// Bits of the lengths of the other parts.
const PART_LENGTH_BITS: u32 = 8;

/// Rows of the payload have 256 octets.
const ROW_LENGTH_BITS: u32 = 8;

/// What the parser can find wrong, in the order of the codes.
const PARSER_REASONS: &[Reason] = &[
    Reason::Truncated,
    Reason::IntegerTooLong,
    Reason::NotShortest,
    Reason::UnexpectedItem,
    Reason::Version,
    Reason::PrimaryLength,
    Reason::Dictionary,
    Reason::EidMalformed,
    Reason::CrcType,
    Reason::CrcMismatch,
    Reason::BlockNumber,
    Reason::PayloadMissing,
    Reason::PayloadDuplicate,
    Reason::PayloadNotLast,
    Reason::BlockMalformed,
    Reason::BlockDuplicate,
    Reason::FlagsInvalid,
    Reason::AgeMissing,
    Reason::Security,
    Reason::Custody,
    Reason::AdminRecord,
    Reason::BlockRequired,
    Reason::TimeRange,
    Reason::SequenceRange,
    Reason::ValueRange,
    Reason::EidScheme,
    Reason::PeerForm,
    Reason::ReportEmpty,
    Reason::HopLimit,
    Reason::PayloadTooLong,
    Reason::TooManyBlocks,
    Reason::EidForm,
    Reason::BlockUnsupported,
];

/// What the control finds, besides what the parser does.
const CONTROL_REASONS: &[Reason] = &[
    Reason::TrailingOctets,
    Reason::Expired,
    Reason::Encapsulation,
    Reason::BlockOrder,
    Reason::Mtu,
    Reason::Store,
    Reason::LocalDelivery,
    Reason::NoRoute,
];

/// The program for these parameters.
pub(crate) fn lower(parameters: Parameters) -> ProgramText {
    let sizes = Sizes {
        max_eid: parameters.max_eid as usize,
        max_blocks: parameters.max_blocks as usize,
        payload_bits: u32::BITS - parameters.max_payload.max(1).leading_zeros(),
        udp_ports: parameters.udp_ports.iter().count(),
    };
    ProgramText {
        parameters: parameters.to_string(),
        udp_ports: udp_ports(parameters.udp_ports),
        punt_ethertype: PUNT_ETHERTYPE,
        max_payload: parameters.max_payload,
        max_blocks: parameters.max_blocks,
        max_eid: parameters.max_eid,
        eid_bits: 8 * parameters.max_eid,
        numbers_bits: 64 * (parameters.max_blocks + 1),
        reasons: reasons(),
        errors: PARSER_REASONS
            .iter()
            .map(|&reason| error_text(reason))
            .collect(),
        blocks: BLOCKS.iter().map(block_text).collect(),
        segments: segments(),
        payload_chunks: payload_chunks(parameters.max_payload, sizes.payload_bits),
        parser: parser(sizes, parameters.profile),
        out_bits: OUT_BITS,
        start_bits: START_BITS,
        cursor_bits: CURSOR_BITS,
        out_words: slices(OUT_BITS, 64),
        div_1000_factor: format!("{:#x}", (1_u128 << 70).div_ceil(125)),
    }
}

fn udp_ports(ports: UdpPorts) -> Vec<PortText> {
    let port = |(at, number)| PortText {
        constant: port_constant(at),
        number,
    };
    ports.iter().enumerate().map(port).collect()
}

/// The reasons that the program knows, in the order of the codes.
fn reasons() -> Vec<ReasonText> {
    let mut known: Vec<_> = PARSER_REASONS
        .iter()
        .chain(CONTROL_REASONS)
        .copied()
        .collect();
    known.sort_unstable();
    known.dedup();
    known.into_iter().map(reason_text).collect()
}

fn error_text(reason: Reason) -> ErrorText {
    ErrorText {
        error: error_name(reason),
        constant: reason.name().to_uppercase(),
    }
}

fn reason_text(reason: Reason) -> ReasonText {
    ReasonText {
        constant: reason.name().to_uppercase(),
        code: reason.code(),
        text: reason.text(),
    }
}

fn block_text(block: &Block) -> BlockText {
    BlockText {
        name: block.name,
        title: block.title,
        fields: block
            .fields
            .iter()
            .map(|&(name, kind)| FieldText {
                name,
                kind: match kind {
                    FieldKind::Number => "bit<64>",
                    FieldKind::Eid => "eid_t",
                },
            })
            .collect(),
    }
}

fn segments() -> Vec<SegmentText> {
    let segment = |name, comment, length_bits: u32| SegmentText {
        name,
        comment,
        bits: 8 << length_bits,
        chunks: (0..length_bits)
            .rev()
            .map(|bit| head_chunk(name, bit))
            .collect(),
    };
    vec![
        segment(
            "start",
            "the primary block up to its endpoint IDs, or up to its dictionary",
            START_LENGTH_BITS,
        ),
        segment("names", "endpoint IDs, or the dictionary", PART_LENGTH_BITS),
        segment(
            "tail",
            "the rest of the primary block, other blocks, the head of the payload",
            PART_LENGTH_BITS,
        ),
        segment(
            "report",
            "a status report instead of the payload",
            PART_LENGTH_BITS,
        ),
    ]
}

/// Cuts a number into slices of equal width, the highest first.
fn slices(bits: usize, width: usize) -> Vec<Slice> {
    (0..bits)
        .step_by(width)
        .rev()
        .map(|low| Slice {
            high: low + width - 1,
            low,
        })
        .collect()
}

/// The octets of the shorter headers stand behind those of this one. BMv2 shifts by 255 bits at
/// most, so that a long shift is four times a quarter.
fn head_chunk(segment: &str, bit: u32) -> HeadChunk {
    let octets = 1_u32 << bit;
    let bits = 8 * octets;
    // What is cut out stands in the octets that have room for it twice: the rest need not move.
    let high = bits - 1;
    let octets_of = format!("meta.{segment}.octets[{}:0]", 2 * bits - 1);
    let length = format!("meta.{segment}.length");
    let cut = match bit {
        0 => format!("meta.{segment}.octets[7:0]"),
        1..=5 => format!(
            "({octets_of} >> ({length}[{}:0] ++ 3w0))[{high}:0]",
            bit - 1
        ),
        _ => {
            let quarter = format!(" >> ({length}[{}:0] ++ 1w0)", bit - 1);
            format!("({octets_of}{})[{high}:0]", quarter.repeat(4))
        }
    };
    HeadChunk {
        octets,
        bits,
        bit,
        cut,
    }
}

/// Rows of 256 octets, and a header for each bit of what is left. A field has 2048 bits at most.
fn payload_chunks(max_payload: u32, bits: u32) -> Vec<PayloadChunk> {
    let rows = (bits > ROW_LENGTH_BITS).then_some(PayloadChunk {
        octets: 1 << ROW_LENGTH_BITS,
        bits: 8 << ROW_LENGTH_BITS,
        rows: Some(max_payload >> ROW_LENGTH_BITS),
    });
    let rest = (0..bits.min(ROW_LENGTH_BITS))
        .rev()
        .map(|bit| PayloadChunk {
            octets: 1 << bit,
            bits: 8 << bit,
            rows: None,
        });
    rows.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::{CONTROL_REASONS, PARSER_REASONS};
    use crate::limits::{SLOW_PATH, goes_to_the_slow_path};

    /// What people are told about the slow path is what programs do.
    #[test]
    fn every_limit_is_explained() {
        let mut given: Vec<_> = PARSER_REASONS
            .iter()
            .chain(CONTROL_REASONS)
            .filter(|reason| goes_to_the_slow_path(**reason))
            .collect();
        given.sort();
        let explained: Vec<_> = SLOW_PATH.iter().map(|(reason, _)| reason).collect();
        assert_eq!(given, explained);
    }
}
