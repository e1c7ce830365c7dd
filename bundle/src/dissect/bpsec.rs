// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fields of an abstract security block, and which blocks are encrypted.
//!
//! See [RFC 9172 §3.6](https://www.rfc-editor.org/rfc/rfc9172#section-3.6).

use alloc::collections::BTreeSet;

use crate::cbor::{self, array, bytes, item, uint};
use crate::dissect::names::{self, FlagSet, code, flags};
use crate::dissect::reader::{Outcome, Reader};
use crate::dissect::v7;
use crate::dissect::value::Value;
use crate::error::Parsed;
use crate::v7::BlockType;

const PARAMETERS_PRESENT: u64 = 0x01;

/// Reads the items of an abstract security block, which follow each other without an array.
pub(super) fn security_block(reader: &mut Reader<'_>) -> Outcome<()> {
    reader.group("security targets", |reader, _| {
        let count = reader.array("target array")?;
        for _ in 0..count {
            reader.uint("target", Value::Number)?;
        }
        Ok(())
    })?;
    let is_number = |initial: &u8| initial >> 5 == 0;
    let context = if reader.rest().first().is_some_and(is_number) {
        reader.uint("security context", code(names::security_context))?
    } else {
        // Contexts of private use are negative numbers.
        reader.leaf("security context", item, Value::Octets)?;
        0
    };
    let flags = reader.uint("security flags", flags(FlagSet::Security))?;
    v7::eid(reader, "security source")?;
    if flags & PARAMETERS_PRESENT != 0 {
        let name = |number| names::parameter(context, number);
        pairs(reader, "security parameters", "parameter", name)?;
    }
    reader.group("security results", |reader, _| {
        let count = reader.array("result array")?;
        for _ in 0..count {
            let name = |number| names::result(context, number);
            pairs(reader, "results of a target", "result", name)?;
        }
        Ok(())
    })
}

/// Reads an array of pairs: a number and an item.
fn pairs(
    reader: &mut Reader<'_>,
    name: &'static str,
    pair: &'static str,
    id_name: impl Fn(u64) -> Option<&'static str>,
) -> Outcome<()> {
    reader.group(name, |reader, _| {
        let count = reader.array("array")?;
        for _ in 0..count {
            reader.group(pair, |reader, _| {
                reader.array_of("pair", 2)?;
                reader.uint("id", code(&id_name))?;
                value(reader)
            })?;
        }
        Ok(())
    })
}

/// Reads the value of a parameter or result: a number, a byte string, or any other item.
fn value(reader: &mut Reader<'_>) -> Outcome<()> {
    match reader.rest().first().map(|initial| initial >> 5) {
        Some(0) => reader.uint("value", Value::Number).map(drop),
        Some(2) => {
            let length = reader.bytes_head("value head")?;
            reader.octets("value", length, Value::Octets).map(drop)
        }
        _ => reader.leaf("value", item, Value::Octets).map(drop),
    }
}

/// The numbers of the blocks whose data is encrypted, as far as the bundle can be read.
///
/// A confidentiality block may follow its target, so this is asked before anything is noted.
pub(super) fn encrypted(input: &[u8]) -> BTreeSet<u64> {
    let mut encrypted = BTreeSet::new();
    // What breaks here breaks again, and is noted, when the fields are read.
    let Ok((mut rest, _)) = primary(input) else {
        return encrypted;
    };
    while let Ok((after, (kind, data))) = block(rest) {
        if kind == BlockType::CONFIDENTIALITY.0
            && let Ok((mut targets, count)) = array(data)
        {
            for _ in 0..count {
                let Ok((after, target)) = uint(targets) else {
                    break;
                };
                encrypted.insert(target);
                targets = after;
            }
        }
        rest = after;
    }
    encrypted
}

fn primary(input: &[u8]) -> Parsed<'_, &[u8]> {
    match input.split_first() {
        Some((&cbor::INDEFINITE_ARRAY, rest)) => item(rest),
        _ => item(array(input)?.0),
    }
}

/// Parses the type and the data of a block.
fn block(input: &[u8]) -> Parsed<'_, (u64, &[u8])> {
    let (rest, items) = array(input)?;
    let (rest, kind) = uint(rest)?;
    let (rest, _number) = uint(rest)?;
    let (rest, _flags) = uint(rest)?;
    let (rest, _crc_type) = uint(rest)?;
    let (rest, data) = bytes(rest)?;
    let rest = if items > 5 { bytes(rest)?.0 } else { rest };
    Ok((rest, (kind, data)))
}
