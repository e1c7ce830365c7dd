// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fields of version 6, in the order of
//! [RFC 5050 §4.5](https://www.rfc-editor.org/rfc/rfc5050#section-4.5).

use core::ops::Range;
use core::str;

use crate::dissect::names::{FlagSet, code, flags};
use crate::dissect::reader::{Outcome, Reader};
use crate::dissect::value::{Code, Value};
use crate::dissect::{Unit, admin, block_type_name};
use crate::eid::Eid;
use crate::error::Fault;
use crate::v6::{BlockFlags, BlockType, BundleFlags};
use crate::version::Version;

/// The longest string of a dictionary that is looked up, with its end.
///
/// [RFC 5050 §4.4](https://www.rfc-editor.org/rfc/rfc5050#section-4.4) allows 1023 octets. A
/// hostile bundle has many references to one long string: a limit keeps the work linear.
const STRING_MAX: usize = 1024;

/// What the primary block says about the blocks after it.
struct Context<'a> {
    flags: BundleFlags,
    dictionary: &'a [u8],
    is_fragment: bool,
}

/// Where a reference and its numbers stand among the fields.
struct Reference {
    index: usize,
    scheme: u64,
    ssp: u64,
}

pub(super) fn bundle(reader: &mut Reader<'_>) -> Outcome<()> {
    let context = reader.group("primary block", |reader, _| primary(reader))?;
    for index in 1.. {
        let last = reader.group("block", |reader, field| {
            block(reader, &context, index, field)
        })?;
        if last {
            break;
        }
    }
    Ok(())
}

fn primary<'a>(reader: &mut Reader<'a>) -> Outcome<Context<'a>> {
    reader.octet("version", Value::Number)?;
    let flags = BundleFlags(reader.sdnv("bundle flags", flags(FlagSet::Bundle6))?);
    let stated_at = reader.next_index();
    let stated = reader.sdnv("primary block length", Value::Length)?;
    let fields_at = reader.at();
    let mut references = [const { None }; 4];
    for (place, name) in ["destination", "source", "report-to", "custodian"]
        .into_iter()
        .enumerate()
    {
        references[place] = Some(reference(reader, name)?);
    }
    reader.group("creation timestamp", |reader, _| {
        reader.sdnv("creation time", |time| Value::Time(time, Unit::Seconds))?;
        reader.sdnv("sequence number", Value::Number)
    })?;
    reader.sdnv("lifetime", |time| Value::Duration(time, Unit::Seconds))?;
    let dictionary = reader.group("dictionary", |reader, _| {
        let length = reader.sdnv("dictionary length", Value::Length)?;
        dictionary(reader, length)
    })?;
    for reference in references.into_iter().flatten() {
        resolve(reader, &reference, dictionary);
    }
    let is_fragment = flags.contains(BundleFlags::FRAGMENT);
    if is_fragment {
        reader.sdnv("fragment offset", Value::Number)?;
        reader.sdnv("total ADU length", Value::Length)?;
    }
    let actual = (reader.at() - fields_at) as u64;
    if let Some(length) = reader.field_mut(stated_at)
        && stated != actual
    {
        length.fault = Some(Fault::PrimaryLength { stated, actual });
    }
    Ok(Context {
        flags,
        dictionary,
        is_fragment,
    })
}

/// Reads the strings one by one, so that each has its place.
fn dictionary<'a>(reader: &mut Reader<'a>, length: u64) -> Outcome<&'a [u8]> {
    let start = reader.at();
    let known = usize::try_from(length).ok();
    let Some(mut left) = known.and_then(|length| reader.rest().get(..length)) else {
        return reader.broken("dictionary", Fault::Truncated);
    };
    while !left.is_empty() {
        let end = left.iter().position(|octet| *octet == 0);
        let octets = end.map_or(left.len(), |end| end + 1);
        reader.octets("string", octets as u64, string_value)?;
        left = &left[octets..];
    }
    Ok(reader.since(start))
}

/// A string without the zero octet at its end.
fn string_value(octets: &[u8]) -> Value<'_> {
    let string = octets.strip_suffix(&[0]).unwrap_or(octets);
    text_value(string)
}

/// Octets as text, if that is what they are.
pub(super) fn text_value(octets: &[u8]) -> Value<'_> {
    str::from_utf8(octets).map_or(Value::Octets(octets), Value::Text)
}

/// Reads two numbers. What they name is known when the dictionary is.
fn reference(reader: &mut Reader<'_>, name: &'static str) -> Outcome<Reference> {
    reader.group(name, |reader, index| {
        let scheme = reader.sdnv("node number", Value::Number)?;
        let ssp = reader.sdnv("service number", Value::Number)?;
        Ok(Reference { index, scheme, ssp })
    })
}

/// Says what a reference names: by number pairs without a dictionary, by offsets with one.
fn resolve<'a>(reader: &mut Reader<'a>, reference: &Reference, dictionary: &'a [u8]) {
    let eid = if dictionary.is_empty() {
        Ok(Eid::ipn(reference.scheme, reference.ssp))
    } else {
        for (offset, name) in [(1, "scheme offset"), (2, "SSP offset")] {
            if let Some(number) = reader.field_mut(reference.index + offset) {
                number.name = name;
            }
        }
        string(dictionary, reference.scheme)
            .and_then(|scheme| Eid::from_parts(scheme, string(dictionary, reference.ssp)?))
    };
    if let Some(group) = reader.field_mut(reference.index) {
        group.fault = match eid {
            Err(fault @ Fault::Dictionary(_)) => Some(fault),
            _ => None,
        };
        group.value = Value::Eid(eid);
    }
}

fn string(dictionary: &[u8], offset: u64) -> Result<&[u8], Fault> {
    let start = usize::try_from(offset).ok();
    let tail = start
        .and_then(|start| dictionary.get(start..))
        .ok_or(Fault::Dictionary(offset))?;
    let end = tail.iter().take(STRING_MAX).position(|octet| *octet == 0);
    match end {
        Some(end) => Ok(&tail[..end]),
        None if tail.len() > STRING_MAX => Err(Fault::EidMalformed),
        None => Err(Fault::Dictionary(offset)),
    }
}

/// Reads a block, and says whether it is the last one.
fn block<'a>(
    reader: &mut Reader<'a>,
    context: &Context<'a>,
    index: usize,
    field: usize,
) -> Outcome<bool> {
    let name = |kind| block_type_name(Version::V6, kind);
    let number = reader.octet("block type", code(name))?;
    let kind = Code {
        number: u64::from(number),
        name: name(u64::from(number)),
    };
    if let Some(group) = reader.field_mut(field) {
        group.value = Value::Block { index, kind };
    }
    let flags = BlockFlags(reader.sdnv("block flags", flags(FlagSet::Block6))?);
    let mut references = 0;
    if flags.contains(BlockFlags::EID_REFERENCES) {
        references = reader.sdnv("EID reference count", Value::Number)?;
        for _ in 0..references {
            let reference = reference(reader, "EID reference")?;
            resolve(reader, &reference, context.dictionary);
        }
    }
    let length = reader.sdnv("data length", Value::Length)?;
    reader.data(length, |reader| {
        content(reader, context, BlockType(number), references)
    })?;
    Ok(flags.contains(BlockFlags::LAST))
}

/// Reads the data of a block as its type says.
fn content(
    reader: &mut Reader<'_>,
    context: &Context<'_>,
    kind: BlockType,
    references: u64,
) -> Outcome<()> {
    match kind {
        BlockType::PAYLOAD => {
            let is_record = context.flags.contains(BundleFlags::ADMIN_RECORD);
            if is_record && !context.is_fragment {
                return reader.group("administrative record", |reader, field| {
                    admin::record_6(reader, field)
                });
            }
            octets(reader, "payload")
        }
        BlockType::PREVIOUS_HOP if references == 0 => previous_hop(reader),
        BlockType::AGE => age(reader),
        BlockType::CUSTODY_OR_AGE => custody_or_age(reader),
        BlockType::ECOS => ecos(reader),
        BlockType::PERMITS => reader.sdnv("permits", Value::Number).map(drop),
        kind if kind.is_security() => octets(reader, "security data"),
        _ => octets(reader, "octets"),
    }
}

/// Takes what is left as one field.
pub(super) fn octets(reader: &mut Reader<'_>, name: &'static str) -> Outcome<()> {
    let left = reader.rest().len() as u64;
    reader.octets(name, left, Value::Octets).map(drop)
}

fn age(reader: &mut Reader<'_>) -> Outcome<()> {
    let value = |age| Value::Duration(age, Unit::Microseconds);
    reader.sdnv("bundle age", value).map(drop)
}

/// Two strings, each with a zero octet at its end. The last one may have none.
fn previous_hop(reader: &mut Reader<'_>) -> Outcome<()> {
    reader.group("previous hop", |reader, field| {
        let start = reader.at();
        let parts = split_strings(reader.rest());
        for (name, part) in [("scheme name", parts.0), ("scheme-specific part", parts.1)] {
            reader.octets(name, part.len() as u64, string_value)?;
        }
        let data = reader.since(start);
        let string = |range: Range<usize>| {
            let octets = data.get(range).unwrap_or_default();
            octets.strip_suffix(&[0]).unwrap_or(octets)
        };
        let scheme_octets = parts.0.len();
        let eid = Eid::from_parts(string(0..scheme_octets), string(scheme_octets..data.len()));
        if let Some(group) = reader.field_mut(field) {
            group.fault = eid.as_ref().err().copied();
            group.value = Value::Eid(eid);
        }
        Ok(())
    })
}

/// The first two strings, with the zero octets that end them.
fn split_strings(octets: &[u8]) -> (&[u8], &[u8]) {
    let after = |octets: &[u8]| {
        let zero = octets.iter().position(|octet| *octet == 0);
        zero.map_or(octets.len(), |zero| zero + 1)
    };
    let (scheme, rest) = octets.split_at(after(octets));
    (scheme, &rest[..after(rest)])
}

/// The block that two meanings share: one SDNV alone is an age in microseconds.
fn custody_or_age(reader: &mut Reader<'_>) -> Outcome<()> {
    let alone = crate::sdnv::decode(reader.rest()).is_ok_and(|(_, rest)| rest.is_empty());
    if alone {
        return age(reader);
    }
    reader.sdnv("custody ID", Value::Number)?;
    let left = reader.rest().len() as u64;
    reader.octets("custodian", left, text_value).map(drop)
}

fn ecos(reader: &mut Reader<'_>) -> Outcome<()> {
    let flags = reader.octet("ECOS flags", flags(FlagSet::Qos))?;
    reader.octet("ordinal", Value::Number)?;
    if flags & 0x04 != 0 {
        reader.sdnv("data label", Value::Number)?;
    }
    Ok(())
}

/// Reads the creation timestamp and source of the bundle that a record is about.
pub(super) fn subject_identity(reader: &mut Reader<'_>) -> Outcome<()> {
    reader.sdnv("subject creation time", |time| {
        Value::Time(time, Unit::Seconds)
    })?;
    reader.sdnv("subject sequence number", Value::Number)?;
    let length = reader.sdnv("subject source length", Value::Length)?;
    reader
        .octets("subject source", length, source_value)
        .map(drop)
}

/// A source as text. An endpoint ID if it is one.
fn source_value(octets: &[u8]) -> Value<'_> {
    match str::from_utf8(octets) {
        Ok(text) => Value::Eid(Eid::parse(text)),
        Err(_) => Value::Octets(octets),
    }
}
