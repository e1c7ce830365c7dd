// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fields of administrative records:
//! [RFC 5050 §6.1](https://www.rfc-editor.org/rfc/rfc5050#section-6.1) and
//! [RFC 9171 §6.1](https://www.rfc-editor.org/rfc/rfc9171#section-6.1).

use crate::cbor;
use crate::dissect::names::{self, FlagSet, code, flags};
use crate::dissect::reader::{Outcome, Reader};
use crate::dissect::value::{Code, Value};
use crate::dissect::{Unit, v6, v7};
use crate::error::Fault;

const STATUS_REPORT: u64 = 1;
const CUSTODY_SIGNAL: u64 = 2;

/// The five times of a status report of version 6, in the order of their flags.
const TIMES: [&str; 5] = [
    "time received",
    "time custody accepted",
    "time forwarded",
    "time delivered",
    "time deleted",
];
/// The assertions of version 7 in their order.
const ASSERTIONS: [&str; 4] = ["received", "forwarded", "delivered", "deleted"];

/// Reads a record of version 6: its first octet holds a type and flags.
pub(super) fn record_6(reader: &mut Reader<'_>, field: usize) -> Outcome<()> {
    let first = reader.octet("record type and flags", |octet| Value::Flags {
        bits: octet & 0x0f,
        set: FlagSet::Record6,
    })?;
    let for_fragment = first & 0x01 != 0;
    let number = u64::from(first >> 4);
    let name = names::record_6(number);
    if let Some(group) = reader.field_mut(field) {
        group.value = Value::Code(Code { number, name });
    }
    match number {
        STATUS_REPORT => status_report_6(reader, for_fragment),
        CUSTODY_SIGNAL => custody_signal_6(reader, for_fragment),
        _ => v6::octets(reader, "record data"),
    }
}

fn status_report_6(reader: &mut Reader<'_>, for_fragment: bool) -> Outcome<()> {
    let status = reader.octet("status flags", flags(FlagSet::Status6))?;
    reader.octet("reason code", code(names::report_reason))?;
    subject_fragment_6(reader, for_fragment)?;
    for (index, name) in TIMES.into_iter().enumerate() {
        if status & (1 << index) != 0 {
            time_6(reader, name)?;
        }
    }
    v6::subject_identity(reader)
}

fn custody_signal_6(reader: &mut Reader<'_>, for_fragment: bool) -> Outcome<()> {
    // One octet: the first bit says which of the two it is, the others are the reason.
    let accepted = reader.rest().first().is_some_and(|octet| octet & 0x80 != 0);
    let name = if accepted {
        "reason of acceptance"
    } else {
        "reason of refusal"
    };
    let reason = code(names::custody_reason);
    reader.octet(name, |octet| reason(octet & 0x7f))?;
    subject_fragment_6(reader, for_fragment)?;
    time_6(reader, "time of signal")?;
    v6::subject_identity(reader)
}

fn subject_fragment_6(reader: &mut Reader<'_>, for_fragment: bool) -> Outcome<()> {
    if for_fragment {
        reader.sdnv("subject fragment offset", Value::Number)?;
        reader.sdnv("subject fragment length", Value::Length)?;
    }
    Ok(())
}

/// Reads seconds and nanoseconds.
fn time_6(reader: &mut Reader<'_>, name: &'static str) -> Outcome<()> {
    reader.group(name, |reader, field| {
        let seconds = reader.sdnv("seconds", |time| Value::Time(time, Unit::Seconds))?;
        let nanoseconds = reader.sdnv("nanoseconds", |span| {
            Value::Duration(span, Unit::Nanoseconds)
        })?;
        if nanoseconds >= Unit::Nanoseconds.per_second() {
            reader.fault(Fault::BlockMalformed);
        }
        // With a part of a second, no single number says it all.
        if nanoseconds == 0
            && let Some(group) = reader.field_mut(field)
        {
            group.value = Value::Time(seconds, Unit::Seconds);
        }
        Ok(())
    })
}

/// Reads a record of version 7: an array of a type and a content.
pub(super) fn record_7(reader: &mut Reader<'_>, field: usize) -> Outcome<()> {
    reader.array_of("record array", 2)?;
    let number = reader.uint("record type", code(names::record_7))?;
    let name = names::record_7(number);
    if let Some(group) = reader.field_mut(field) {
        group.value = Value::Code(Code { number, name });
    }
    match number {
        STATUS_REPORT => status_report_7(reader),
        _ => v6::octets(reader, "record data"),
    }
}

fn status_report_7(reader: &mut Reader<'_>) -> Outcome<()> {
    let items = reader.array("report array")?;
    if items != 4 && items != 6 {
        reader.fault(Fault::BlockMalformed);
    }
    reader.group("status assertions", |reader, _| {
        let count = reader.array("assertion array")?;
        if count < ASSERTIONS.len() as u64 {
            reader.fault(Fault::BlockMalformed);
        }
        for index in 0..count {
            let place = usize::try_from(index).ok();
            let name = place.and_then(|place| ASSERTIONS.get(place));
            assertion(reader, name.copied().unwrap_or("further assertion"))?;
        }
        Ok(())
    })?;
    reader.uint("reason code", code(names::report_reason))?;
    v7::eid(reader, "subject source")?;
    v7::creation_timestamp(reader, "subject creation timestamp")?;
    if items == 6 {
        reader.uint("subject fragment offset", Value::Number)?;
        reader.uint("subject fragment length", Value::Length)?;
    }
    Ok(())
}

/// Reads whether something happened, and when.
fn assertion(reader: &mut Reader<'_>, name: &'static str) -> Outcome<()> {
    reader.group(name, |reader, field| {
        let items = reader.array("assertion")?;
        let asserted = match reader.rest().first() {
            // What ION sent until version 4.1.2.
            Some(number @ (0 | 1)) => {
                let number = *number == 1;
                reader.octet("asserted", |_| Value::Truth(number))?;
                number
            }
            _ => reader.leaf("asserted", cbor::boolean, Value::Truth)?,
        };
        let mut value = Value::Truth(asserted);
        if items > 1 {
            let time = reader.uint("time", |time| Value::Time(time, Unit::Milliseconds))?;
            value = Value::Time(time, Unit::Milliseconds);
        }
        if let Some(group) = reader.field_mut(field) {
            group.value = value;
            let right = items == 1 || items == 2 && asserted;
            group.fault = (!right).then_some(Fault::BlockMalformed);
        }
        Ok(())
    })
}
