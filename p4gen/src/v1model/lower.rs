// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decides names, widths, order and slices of a v1model program.

use bundle::Reason;

use super::text::{
    BlockText, DigitState, ErrorText, FieldText, GuardText, Group, HeadChunk, HeadForm,
    OptionalRead, OptionalWrite, Part, PayloadChunk, PayloadStep, ProgramText, PutDigit, Read,
    ReasonText, Refusal, SdnvForm, SdnvOctet, Slice, Write,
};
use crate::layout::{
    BLOCKS, Block, Condition, FRAGMENT, FieldKind, GUARDS, Guard, Item, V6_PRIMARY, V6_SECURITY,
    V7_PRIMARY, V7_SECURITY, Version,
};
use crate::parameters::Parameters;

/// A writer holds the longest primary block, and separately the longest row of blocks:
/// with every number at its widest, either is below 128 octets.
const WRITER_BITS: usize = 1024;
/// Bits of the length of what a writer holds.
const WRITER_LENGTH_BITS: u32 = 7;
/// The widest field that p4c accepts, in bits.
const FIELD_BITS: u32 = 2048;
/// Digits of the order register, one for each kind of block.
const ORDER_DIGIT_BITS: usize = 4;
/// An SDNV of 64 bits has ten groups of seven.
const SDNV_OCTETS: usize = 10;
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

/// States that do nothing but refuse.
const REFUSALS: &[(&str, Reason)] = &[
    ("refuse_item", Reason::UnexpectedItem),
    ("refuse_security", Reason::Security),
    ("refuse_block", Reason::BlockUnsupported),
    ("refuse_crc", Reason::CrcUnsupported),
    ("refuse_without_payload", Reason::PayloadMissing),
    ("refuse_after_payload", Reason::PayloadNotLast),
];

/// The program for these parameters.
pub(crate) fn lower(parameters: &Parameters) -> ProgramText {
    let payload_bits = u32::BITS - parameters.max_payload.max(1).leading_zeros();
    let order_bits = ORDER_DIGIT_BITS * BLOCKS.len();
    ProgramText {
        parameters: parameters.to_string(),
        udp_port: parameters.udp_port,
        punt_ethertype: PUNT_ETHERTYPE,
        max_payload: parameters.max_payload,
        reasons: Reason::ALL.iter().map(|&reason| reason_text(reason)).collect(),
        errors: PARSER_REASONS.iter().map(|&reason| error_text(reason)).collect(),
        blocks: BLOCKS.iter().enumerate().map(|(at, block)| block_text(at + 1, block)).collect(),
        head_chunks: (0..WRITER_LENGTH_BITS).rev().map(head_chunk).collect(),
        payload_chunks: (0..payload_bits).rev().map(payload_chunk).collect(),
        payload_steps: (0..payload_bits).rev().map(payload_step).collect(),
        first_chunk: 1 << (payload_bits - 1),
        order_bits,
        order_keep: order_bits - ORDER_DIGIT_BITS - 1,
        slots: slices(order_bits, ORDER_DIGIT_BITS),
        sdnv_octets: (1..=SDNV_OCTETS).map(sdnv_octet).collect(),
        decimal_digits: (2..=DECIMAL_DIGITS + 1).map(digit_state).collect(),
        ihl_with_options: (6..=15).collect(),
        v6_primary: reads(V6_PRIMARY, Version::V6),
        v6_fragment: reads(FRAGMENT, Version::V6),
        v7_primary: reads(V7_PRIMARY, Version::V7),
        v7_fragment: reads(FRAGMENT, Version::V7),
        security6: V6_SECURITY,
        security7: V7_SECURITY,
        refusals: REFUSALS
            .iter()
            .map(|&(state, reason)| Refusal { state, error: error_name(reason) })
            .collect(),
        writer_bits: WRITER_BITS,
        writer_words: slices(WRITER_BITS, 64),
        sdnv_forms: (1..=SDNV_OCTETS).map(sdnv_form).collect(),
        head_keep_1: kept(1),
        head_forms: [(24, 8), (25, 16), (26, 32), (27, 64)].map(head_form).into(),
        put_digits: (1..DECIMAL_DIGITS).map(put_digit).collect(),
        div_1000_factor: format!("{:#x}", (1_u128 << 70).div_ceil(125)),
        guards: GUARDS.iter().map(guard_text).collect(),
    }
}

/// The name of a reason among the members of `error`.
fn error_name(reason: Reason) -> String {
    format!("{reason:?}")
}

fn error_text(reason: Reason) -> ErrorText {
    ErrorText { error: error_name(reason), constant: reason.name().to_uppercase() }
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
        read6: reads(block.v6.items, Version::V6),
        optional6: optional.map(|optional| OptionalRead {
            name: "optional",
            condition: condition(optional.flags, optional.bit),
            step: read(optional.item, Version::V6),
        }),
        read7: reads(block.v7.items, Version::V7),
        write6: block.v6.items.iter().map(|&item| write(item, Version::V6)).collect(),
        write_optional6: optional.map(|optional| OptionalWrite {
            condition: condition(optional.flags, optional.bit),
            value: format!("meta.{}", place(optional.item)),
        }),
        write7: block.v7.items.iter().map(|&item| write(item, Version::V7)).collect(),
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

fn reads(items: &[Item], version: Version) -> Vec<Read> {
    items
        .iter()
        .flat_map(|&item| match (item, version) {
            // RFC 6260: an endpoint ID is two numbers.
            (Item::Eid(field), Version::V6) => vec![
                Read::Sdnv(format!("meta.{field}.node")),
                Read::Sdnv(format!("meta.{field}.service")),
            ],
            _ => vec![read(item, version)],
        })
        .collect()
}

fn read(item: Item, version: Version) -> Read {
    let field = format!("meta.{}", place(item));
    match (item, version) {
        (Item::Number(_), Version::V6) => Read::Sdnv(field),
        (Item::Number(_), Version::V7) => Read::Uint(field),
        (Item::Eid(_), _) => Read::Eid(field),
        (Item::Octet(_), _) => Read::Octet(field),
        (Item::Expect(value, reason), _) => {
            Read::Expect { value: format!("{value:#04x}"), error: error_name(reason) }
        }
        (Item::Decimal(_, end), _) => Read::Decimal { end: format!("{end:#04x}"), field },
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
        (Item::Decimal(_, end), _) => Write::Decimal { value, end: format!("{end:#04x}") },
    }
}

/// The highest bit that stays in a writer when this many octets are appended.
fn kept(octets: usize) -> usize {
    WRITER_BITS - 8 * octets - 1
}

/// Cuts a number into slices of equal width, the highest first.
fn slices(bits: usize, width: usize) -> Vec<Slice> {
    (0..bits)
        .step_by(width)
        .rev()
        .map(|low| Slice { high: low + width - 1, low, bits: width })
        .collect()
}

fn head_chunk(bit: u32) -> HeadChunk {
    let octets = 1_u32 << bit;
    let bits = 8 * octets;
    // The octets of the shorter headers stand behind those of this one.
    let cut = |writer: &str| match bit {
        0 => format!("{writer}.octets[7:0]"),
        _ => format!(
            "({writer}.octets >> ((bit<16>){writer}.length[{}:0] << 3))[{}:0]",
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
        crc: slices(bits as usize, bits.min(64) as usize),
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
                name: if parts == 1 { "octets".to_owned() } else { format!("octets_{at}") },
                bits,
            })
            .collect(),
    }
}

fn payload_step(bit: u32) -> PayloadStep {
    let next = match bit {
        0 => "parse_end".to_owned(),
        _ => format!("parse_payload_{}", 1_u32 << (bit - 1)),
    };
    PayloadStep { octets: 1 << bit, bit, next }
}

fn sdnv_octet(octet: usize) -> SdnvOctet {
    let state = |octet: usize| match octet {
        1 => "start".to_owned(),
        _ => format!("octet_{octet}"),
    };
    SdnvOctet {
        state: state(octet),
        next: match octet {
            SDNV_OCTETS => None,
            _ if octet + 1 == SDNV_OCTETS => Some("overflow".to_owned()),
            _ => Some(state(octet + 1)),
        },
        checks_overflow: octet + 1 == SDNV_OCTETS,
    }
}

fn digit_state(digit: usize) -> DigitState {
    DigitState {
        state: format!("digit_{digit}"),
        next: (digit <= DECIMAL_DIGITS).then(|| format!("digit_{}", digit + 1)),
    }
}

fn sdnv_form(octets: usize) -> SdnvForm {
    let group = |at: usize| {
        let low = 7 * at;
        let marker = if at == 0 { "1w0" } else { "1w1" };
        // The tenth group holds one bit of the number, and zeros.
        if low + 6 < 64 {
            Group { marker, bits: format!("value[{}:{low}]", low + 6) }
        } else {
            Group { marker: "7w0x40", bits: "value[63:63]".to_owned() }
        }
    };
    SdnvForm {
        octets,
        limit: (octets < SDNV_OCTETS).then(|| format!("{:#x}", 1_u128 << (7 * octets))),
        keep: kept(octets),
        groups: (0..octets).rev().map(group).collect(),
    }
}

fn head_form((info, bits): (u8, u32)) -> HeadForm {
    let octets = 1 + bits as usize / 8;
    HeadForm {
        octets,
        limit: (bits < 64).then(|| format!("{:#x}", 1_u128 << bits)),
        keep: kept(octets),
        info,
        high: bits as usize - 1,
    }
}

fn put_digit(at: usize) -> PutDigit {
    PutDigit { high: 8 * at + 7, low: 8 * at, length: at + 1 }
}

fn guard_text(guard: &Guard) -> GuardText {
    let condition = condition(guard.condition);
    GuardText {
        condition: match guard.version {
            None => condition,
            Some(Version::V6) => format!("meta.version == 6 && {condition}"),
            Some(Version::V7) => format!("meta.version == 7 && {condition}"),
        },
        constant: guard.reason.name().to_uppercase(),
    }
}

fn condition(condition: Condition) -> String {
    match condition {
        Condition::Flag(flag) => format!("(meta.primary.flags & {flag}) != 0"),
        Condition::BlockNumbers => block_numbers(),
        Condition::AnonymousReport => {
            let flags: Vec<_> =
                BLOCKS.iter().map(|block| format!("meta.{}.flags", block.name)).collect();
            format!(
                "(meta.primary.source.node == 0\n            && ((meta.payload.flags | {}) & BLOCK_FLAG_REPORT) != 0)",
                flags.join(" | ")
            )
        }
        Condition::AgeMissing => {
            "(meta.primary.time == 0 && meta.bundle_age.present == 0)".to_owned()
        }
        Condition::ServiceRange => any(EIDS, |eid| format!("meta.{eid}.service[63:32] != 0")),
        Condition::LocalNode => any(EIDS, |eid| format!("meta.{eid}.node == 0xffffffff")),
        Condition::PreviousNodeNull => {
            "(meta.previous_node.present == 1 && meta.previous_node.eid.node == 0)".to_owned()
        }
    }
}

/// The endpoint IDs that cross into the other version.
const EIDS: &[&str] =
    &["primary.destination", "primary.source", "primary.report_to", "previous_node.eid"];

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
