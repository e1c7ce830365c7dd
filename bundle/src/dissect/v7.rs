// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fields of version 7, in the order of
//! [RFC 9171 §4.3](https://www.rfc-editor.org/rfc/rfc9171#section-4.3).

use alloc::collections::BTreeSet;
use core::str;

use crate::cbor;
use crate::crc;
use crate::dissect::names::{self, FlagSet, code, flags};
use crate::dissect::reader::{Outcome, Reader};
use crate::dissect::value::{Code, Crc, Value};
use crate::dissect::{Unit, admin, block_type_name, bpsec, v6};
use crate::eid::Eid;
use crate::error::Fault;
use crate::v7::{BlockType, BundleFlags};
use crate::version::Version;

const DTN: u64 = 1;
const IPN: u64 = 2;

/// What the blocks after the primary block depend on.
struct Context {
    flags: BundleFlags,
    encrypted: BTreeSet<u64>,
}

pub(super) fn bundle(reader: &mut Reader<'_>) -> Outcome<()> {
    let input = reader.rest();
    let blocks = outer_array(reader)?;
    let flags = reader.group("primary block", |reader, _| primary(reader))?;
    let context = Context {
        flags,
        encrypted: bpsec::encrypted(input),
    };
    for index in 1.. {
        let ends = match blocks {
            Some(items) => index as u64 >= items,
            None => reader.rest().first() == Some(&cbor::BREAK),
        };
        if ends {
            break;
        }
        reader.group("block", |reader, field| {
            block(reader, &context, index, field)
        })?;
    }
    if blocks.is_none() {
        reader.octet("end of bundle", |_| Value::Break)?;
    }
    Ok(())
}

/// Reads the head of the outer array, and returns the number of its items if it is stated.
fn outer_array(reader: &mut Reader<'_>) -> Outcome<Option<u64>> {
    if reader.rest().first() == Some(&cbor::INDEFINITE_ARRAY) {
        reader.octet("bundle", |_| Value::IndefiniteArray)?;
        return Ok(None);
    }
    let items = reader.array("bundle")?;
    if items == 0 {
        return reader.broken("bundle", Fault::Expected("a primary block"));
    }
    Ok(Some(items))
}

fn primary(reader: &mut Reader<'_>) -> Outcome<BundleFlags> {
    let start = reader.at();
    let head = reader.next_index();
    let stated = reader.array("block array")?;
    reader.uint("version", Value::Number)?;
    let flags = BundleFlags(reader.uint("bundle flags", flags(FlagSet::Bundle7))?);
    let crc = crc_type(reader)?;
    let is_fragment = flags.contains(BundleFlags::FRAGMENT);
    let actual = 8 + if is_fragment { 2 } else { 0 } + u64::from(crc != 0);
    if let Some(head) = reader.field_mut(head)
        && stated != actual
    {
        head.fault = head.fault.or(Some(Fault::PrimaryLength { stated, actual }));
    }
    eid(reader, "destination")?;
    eid(reader, "source")?;
    eid(reader, "report-to")?;
    creation_timestamp(reader, "creation timestamp")?;
    reader.uint("lifetime", |time| Value::Duration(time, Unit::Milliseconds))?;
    if is_fragment {
        reader.uint("fragment offset", Value::Number)?;
        reader.uint("total ADU length", Value::Length)?;
    }
    check_crc(reader, crc, start)?;
    Ok(flags)
}

/// Reads an endpoint ID: a scheme, and what the scheme says.
pub(super) fn eid(reader: &mut Reader<'_>, name: &'static str) -> Outcome<()> {
    reader.group(name, |reader, field| {
        reader.array_of("EID array", 2)?;
        let scheme = reader.uint("scheme", code(names::scheme))?;
        let eid = match scheme {
            DTN => dtn(reader)?,
            IPN => ipn(reader)?,
            _ => {
                reader.leaf("scheme-specific part", cbor::item, Value::Octets)?;
                Err(Fault::EidScheme)
            }
        };
        if let Some(group) = reader.field_mut(field) {
            group.fault = match eid {
                Err(fault @ Fault::EidMalformed) => Some(fault),
                _ => None,
            };
            group.value = Value::Eid(eid);
        }
        Ok(())
    })
}

fn dtn<'a>(reader: &mut Reader<'a>) -> Outcome<Result<Eid<'a>, Fault>> {
    if reader
        .rest()
        .first()
        .is_some_and(|initial| initial >> 5 == 0)
    {
        let number = reader.uint("none", Value::Number)?;
        return Ok(if number == 0 {
            Ok(Eid::Null)
        } else {
            Err(Fault::EidMalformed)
        });
    }
    let length = reader.text_head("text head")?;
    let octets = reader.octets("scheme-specific part", length, v6::text_value)?;
    Ok(Eid::from_dtn_ssp(octets))
}

/// Reads two numbers, or three with the allocator in front.
fn ipn(reader: &mut Reader<'_>) -> Outcome<Result<Eid<'static>, Fault>> {
    const NAMES: [&str; 3] = ["allocator", "node number", "service number"];
    let items = reader.array("number array")?;
    let names = match items {
        2 => &NAMES[1..],
        3 => &NAMES[..],
        _ => return reader.broken("number array", Fault::EidMalformed),
    };
    let mut numbers = [0; 3];
    let mut fits = true;
    for (place, name) in names.iter().enumerate() {
        let number = reader.uint(name, Value::Number)?;
        numbers[place] = number;
        fits &= items == 2 || u32::try_from(number).is_ok();
    }
    let eid = match numbers {
        [allocator, node, service] if items == 3 => {
            Eid::ipn(allocator.wrapping_shl(32) | node, service)
        }
        [node, service, _] => Eid::ipn(node, service),
    };
    if fits && !eid.is_local_node() {
        Ok(Ok(eid))
    } else {
        Ok(Err(Fault::EidMalformed))
    }
}

/// Reads a time and a sequence number.
pub(super) fn creation_timestamp(reader: &mut Reader<'_>, name: &'static str) -> Outcome<()> {
    reader.group(name, |reader, _| {
        reader.array_of("timestamp array", 2)?;
        reader.uint("creation time", |time| {
            Value::Time(time, Unit::Milliseconds)
        })?;
        reader.uint("sequence number", Value::Number).map(drop)
    })
}

fn block(reader: &mut Reader<'_>, context: &Context, index: usize, field: usize) -> Outcome<()> {
    let start = reader.at();
    let head = reader.next_index();
    let stated = reader.array("block array")?;
    let name = |kind| block_type_name(Version::V7, kind);
    let number = reader.uint("block type", code(name))?;
    let kind = Code {
        number,
        name: name(number),
    };
    if let Some(group) = reader.field_mut(field) {
        group.value = Value::Block { index, kind };
    }
    let block_number = reader.uint("block number", Value::Number)?;
    reader.uint("block flags", flags(FlagSet::Block7))?;
    let crc = crc_type(reader)?;
    if let Some(head) = reader.field_mut(head)
        && stated != 5 + u64::from(crc != 0)
    {
        let fault = Fault::Expected("an array of five items, or of six with a CRC");
        head.fault = head.fault.or(Some(fault));
    }
    let length = reader.bytes_head("data head")?;
    reader.data(length, |reader| {
        if context.encrypted.contains(&block_number) {
            return v6::octets(reader, "encrypted data");
        }
        content(reader, context, BlockType(number))
    })?;
    check_crc(reader, crc, start)
}

/// Reads the data of a block as its type says.
fn content(reader: &mut Reader<'_>, context: &Context, kind: BlockType) -> Outcome<()> {
    match kind {
        BlockType::PAYLOAD => {
            let flags = context.flags;
            let is_record = flags.contains(BundleFlags::ADMIN_RECORD);
            if is_record && !flags.contains(BundleFlags::FRAGMENT) {
                return reader.group("administrative record", |reader, field| {
                    admin::record_7(reader, field)
                });
            }
            v6::octets(reader, "payload")
        }
        BlockType::PREVIOUS_NODE => eid(reader, "previous node"),
        BlockType::AGE => reader
            .uint("bundle age", |age| Value::Duration(age, Unit::Milliseconds))
            .map(drop),
        BlockType::HOP_COUNT => hop_count(reader),
        BlockType::QOS => qos(reader),
        BlockType::PERMITS => reader.uint("permits", Value::Number).map(drop),
        kind if kind.is_security() => bpsec::security_block(reader),
        _ => v6::octets(reader, "octets"),
    }
}

fn hop_count(reader: &mut Reader<'_>) -> Outcome<()> {
    reader.array_of("hop count array", 2)?;
    let limit = reader.uint("hop limit", Value::Number)?;
    if !(1..=255).contains(&limit) {
        reader.fault(Fault::BlockMalformed);
    }
    reader.uint("hop count", Value::Number).map(drop)
}

fn qos(reader: &mut Reader<'_>) -> Outcome<()> {
    reader.array_of("quality of service array", 4)?;
    reader.uint("QoS flags", flags(FlagSet::Qos))?;
    reader.uint("class of service", code(class_of_service))?;
    reader.uint("ordinal", Value::Number)?;
    reader.uint("data label", Value::Number).map(drop)
}

const fn class_of_service(number: u64) -> Option<&'static str> {
    Some(match number {
        0 => "bulk",
        1 => "normal",
        2 => "expedited",
        _ => return None,
    })
}

fn crc_type(reader: &mut Reader<'_>) -> Outcome<u64> {
    let kind = reader.uint("CRC type", code(names::crc_type))?;
    if names::crc_type(kind).is_none() {
        reader.fault(Fault::CrcType(kind));
    }
    Ok(kind)
}

/// Reads the CRC of the block that begins at `start`, and computes what it should be: that of the
/// block with zeros in its place.
fn check_crc(reader: &mut Reader<'_>, kind: u64, start: usize) -> Outcome<()> {
    let width = match kind {
        0 => return Ok(()),
        1 => 2,
        2 => 4,
        _ => return reader.leaf("CRC", cbor::item, Value::Octets).map(drop),
    };
    if reader.bytes_head("CRC head")? != width {
        let fault = Fault::Expected("a CRC of the length that its type has");
        return reader.broken("CRC", fault);
    }
    let mut covered = reader.since(start).to_vec();
    reader.octets("CRC", width, |found| {
        covered.resize(covered.len() + found.len(), 0);
        let computed = if found.len() == 2 {
            u32::from(crc::x25(&covered))
        } else {
            crc::castagnoli(&covered)
        };
        let number = |all: u32, octet: &u8| all << 8 | u32::from(*octet);
        Value::Crc(Crc {
            found: found.iter().fold(0, number),
            computed,
            octets: found.len(),
        })
    })?;
    reader.note_wrong_crc();
    Ok(())
}
