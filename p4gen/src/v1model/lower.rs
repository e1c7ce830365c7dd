// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decides names, widths, order and slices of a v1model program.

use bundle::Reason;

use super::text::{
    BlockText, CrcGroup, ErrorText, FieldText, Form, Group, GuardText, HeadChunk, OptionalWrite,
    Part, PayloadChunk, ProgramText, ReasonText, Slice, Write,
};
use super::{ORDER_DIGIT_BITS, WRITER_BITS, error_name, parser};
use crate::layout::{BLOCKS, Block, Condition, FieldKind, GUARDS, Guard, Item, Version};
use crate::parameters::Parameters;

/// Bits of the length of what a writer holds.
const WRITER_LENGTH_BITS: u32 = 7;
/// The widest field that p4c accepts, in bits.
const FIELD_BITS: u32 = 2048;
/// Groups of seven bits that an SDNV of a number of 63 bits has.
const SDNV_GROUPS: usize = 9;
/// 2^64-1 has twenty decimal digits.
const DECIMAL_DIGITS: usize = 20;
/// `EtherType` for local experiments (IEEE 802): frames between the switch and its slow path.
const PUNT_ETHERTYPE: &str = "0x88b5";

/// What the parser can find wrong, in the order of the codes.
const PARSER_REASONS: &[Reason] = &[
    Reason::IntegerTooLong,
    Reason::NotShortest,
    Reason::UnexpectedItem,
    Reason::Version,
    Reason::PrimaryLength,
    Reason::EidMalformed,
    Reason::CrcType,
    Reason::CrcMismatch,
    Reason::PayloadMissing,
    Reason::PayloadNotLast,
    Reason::BlockMalformed,
    Reason::BlockDuplicate,
    Reason::Security,
    Reason::PayloadTooLong,
    Reason::EidForm,
    Reason::BlockUnsupported,
    Reason::BlockOrder,
    Reason::CrcUnsupported,
];

/// What the guards and the translation find, besides what the parser does.
const CONTROL_REASONS: &[Reason] = &[
    Reason::Truncated,
    Reason::TrailingOctets,
    Reason::TimeRange,
    Reason::SequenceRange,
    Reason::ValueRange,
    Reason::Encapsulation,
    Reason::Framing,
];

/// The program for these parameters.
pub(crate) fn lower(parameters: Parameters) -> ProgramText {
    let payload_bits = u32::BITS - parameters.max_payload.max(1).leading_zeros();
    let order_bits = ORDER_DIGIT_BITS * BLOCKS.len();
    ProgramText {
        parameters: parameters.to_string(),
        udp_port: parameters.udp_port,
        punt_ethertype: PUNT_ETHERTYPE,
        max_payload: parameters.max_payload,
        reasons: reasons(),
        errors: PARSER_REASONS
            .iter()
            .map(|&reason| error_text(reason))
            .collect(),
        blocks: BLOCKS
            .iter()
            .enumerate()
            .map(|(at, block)| block_text(at + 1, block))
            .collect(),
        head_chunks: (0..WRITER_LENGTH_BITS).rev().map(head_chunk).collect(),
        payload_chunks: (0..payload_bits).rev().map(payload_chunk).collect(),
        order_bits,
        order_keep: order_bits - ORDER_DIGIT_BITS - 1,
        slots: slices(order_bits, ORDER_DIGIT_BITS),
        parser: parser::parser(payload_bits),
        writer_bits: WRITER_BITS,
        low_words: slices(WRITER_BITS / 2, 64),
        high_words: slices(WRITER_BITS, 64)
            .into_iter()
            .take(WRITER_BITS / 128)
            .collect(),
        sdnv_groups: (1..SDNV_GROUPS).rev().map(sdnv_group).collect(),
        head_forms: [(24, 8), (25, 16), (26, 32), (27, 64)]
            .map(head_form)
            .into(),
        decimal_digits: slices(8 * DECIMAL_DIGITS, 8).into_iter().rev().collect(),
        crc_groups: crc_groups(),
        div_1000_factor: format!("{:#x}", (1_u128 << 70).div_ceil(125)),
        guards6: guards(Version::V6),
        guards7: guards(Version::V7),
    }
}

/// The reasons that the program knows, in the order of the codes.
fn reasons() -> Vec<ReasonText> {
    let mut known: Vec<_> = PARSER_REASONS
        .iter()
        .chain(CONTROL_REASONS)
        .copied()
        .collect();
    known.extend(GUARDS.iter().map(|guard| guard.reason));
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

fn block_text(code: usize, block: &Block) -> BlockText {
    let optional = block.v6.optional;
    let condition = |flags: &str, bit: u8| format!("meta.{flags}[{bit}:{bit}]");
    BlockText {
        name: block.name,
        constant: block.name.to_uppercase(),
        code,
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
        type6: block.v6.code,
        type7: block.v7.code,
        contents: format!("contents.{}", block.name),
        write6: block
            .v6
            .items
            .iter()
            .map(|&item| write(item, Version::V6))
            .collect(),
        write_optional6: optional.map(|optional| OptionalWrite {
            condition: condition(optional.flags, optional.bit),
            value: format!("meta.{}", place(optional.item)),
        }),
        write7: block
            .v7
            .items
            .iter()
            .map(|&item| write(item, Version::V7))
            .collect(),
    }
}

/// The field that an item is about.
fn place(item: Item) -> &'static str {
    match item {
        Item::Number(field) | Item::Eid(field) | Item::Octet(field) | Item::Decimal(field, _) => {
            field
        }
        Item::Expect(..) => "octet",
    }
}

fn write(item: Item, version: Version) -> Write {
    let value = format!("meta.{}", place(item));
    match (item, version) {
        (Item::Number(_), Version::V6) => Write::Sdnv(value),
        (Item::Number(_), Version::V7) => Write::Uint(value),
        (Item::Eid(_), _) => Write::Eid(value),
        (Item::Octet(_), _) => Write::Octet(format!("{value}[7:0]")),
        (Item::Expect(octet, _), _) => Write::Octet(format!("{octet:#04x}")),
        (Item::Decimal(_, end), _) => Write::Decimal {
            value,
            end: format!("{end:#04x}"),
        },
    }
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

fn head_chunk(bit: u32) -> HeadChunk {
    let octets = 1_u32 << bit;
    let bits = 8 * octets;
    // The octets of the shorter headers stand behind those of this one. BMv2 shifts by 255 bits at
    // most, so that the longest header takes two shifts of half as much.
    let cut = |writer: &str| match bit {
        0 => format!("{writer}.octets[7:0]"),
        _ if bit == WRITER_LENGTH_BITS - 1 => {
            let half = format!("({writer}.length[{}:0] ++ 2w0)", bit - 1);
            format!("({writer}.octets >> {half} >> {half})[{}:0]", bits - 1)
        }
        _ => format!(
            "({writer}.octets >> ({writer}.length[{}:0] ++ 3w0))[{}:0]",
            bit - 1,
            bits - 1
        ),
    };
    HeadChunk {
        octets,
        bits,
        bit,
        primary: cut("primary"),
        blocks: cut("blocks"),
    }
}

fn payload_chunk(bit: u32) -> PayloadChunk {
    let octets = 1_u32 << bit;
    let bits = (8 * octets).min(FIELD_BITS);
    let parts = 8 * octets / bits;
    PayloadChunk {
        octets,
        parts: (0..parts)
            .map(|at| Part {
                name: if parts == 1 {
                    "octets".to_owned()
                } else {
                    format!("octets_{at}")
                },
                bits,
            })
            .collect(),
    }
}

fn sdnv_group(at: usize) -> Group {
    Group {
        least: format!("{:#x}", 1_u128 << (7 * at)),
        bits: format!("value[{}:{}]", 7 * at + 6, 7 * at),
    }
}

fn head_form((information, bits): (usize, usize)) -> Form {
    let limit = (bits < 64).then(|| format!("{:#x}", 1_u128 << bits));
    Form {
        limit,
        bits,
        information,
    }
}

/// Eight octets of a writer at a time, and how long a block is that reaches into them; the first
/// octet is on its own.
fn crc_groups() -> Vec<CrcGroup> {
    let octets = slices(WRITER_BITS, 8);
    let (first, rest) = octets.split_at(1);
    let group = |octets: &[Slice]| CrcGroup {
        above: octets[octets.len() - 1].low / 8,
        octets: octets.to_vec(),
    };
    let (second, others) = rest.split_at(7);
    [first, second]
        .into_iter()
        .chain(others.chunks(8))
        .map(group)
        .collect()
}

fn guards(version: Version) -> Vec<GuardText> {
    GUARDS
        .iter()
        .filter(|guard| guard.version.is_none_or(|only| only == version))
        .map(guard_text)
        .collect()
}

fn guard_text(guard: &Guard) -> GuardText {
    GuardText {
        condition: condition(guard.condition),
        constant: guard.reason.name().to_uppercase(),
    }
}

fn condition(condition: Condition) -> String {
    match condition {
        Condition::Flag(flag) => format!("(meta.primary.flags & {flag}) != 0"),
        Condition::BlockNumbers => block_numbers(),
        Condition::AnonymousReport => {
            let flags: Vec<_> = BLOCKS
                .iter()
                .map(|block| format!("meta.{}.flags", block.name))
                .collect();
            format!(
                "(meta.primary.source.node == 0\n            && ((meta.payload.flags | {}) & BLOCK_FLAG_REPORT) != 0)",
                flags.join(" | ")
            )
        }
        Condition::AgeMissing => {
            "(meta.primary.time == 0 && meta.bundle_age.present == 0)".to_owned()
        }
        Condition::ServiceRange => any(EIDS, |eid| {
            format!("(meta.{eid}.service[63:32] != 0 && meta.{eid}.node != 0)")
        }),
        Condition::LocalNode => any(EIDS, |eid| format!("meta.{eid}.node == 0xffffffff")),
        Condition::PreviousNodeNull => {
            "(meta.previous_node.present == 1 && meta.previous_node.eid.node == 0)".to_owned()
        }
    }
}

/// The endpoint IDs that cross into the other version.
const EIDS: &[&str] = &[
    "primary.destination",
    "primary.source",
    "primary.report_to",
    "previous_node.eid",
];

fn any<T: Copy>(of: &[T], condition: impl Fn(T) -> String) -> String {
    let conditions: Vec<_> = of.iter().map(|&one| condition(one)).collect();
    format!("({})", conditions.join("\n            || "))
}

/// Number 1 is the payload's alone; the others differ, unless they are 0, as ION's fragments have it.
fn block_numbers() -> String {
    let mut conditions = vec!["meta.payload.number != 1".to_owned()];
    for (at, block) in BLOCKS.iter().enumerate() {
        conditions.push(format!("meta.{}.number == 1", block.name));
        for other in &BLOCKS[at + 1..] {
            conditions.push(format!(
                "(meta.{0}.number != 0 && meta.{0}.number == meta.{1}.number)",
                block.name, other.name
            ));
        }
    }
    format!("({})", conditions.join("\n            || "))
}
