// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a field says, in words.

use std::fmt::Write as _;

use bundle::dissect::{Code, FlagSet, Unit, Utc, Value};

/// Octets and characters of a long value that are shown.
const SHOWN: usize = 16;
const TEXT_SHOWN: usize = 60;

/// What a value says, in one line without styles.
pub(crate) fn describe(value: &Value<'_>) -> String {
    match value {
        Value::Block { index, kind } => format!("{index}: {}", code_of_block(*kind)),
        Value::Number(number) => number.to_string(),
        Value::Length(1) => "1 octet".to_owned(),
        Value::Length(length) => format!("{length} octets"),
        Value::Array(1) => "array of 1 item".to_owned(),
        Value::Array(items) => format!("array of {items} items"),
        Value::IndefiniteArray => "array of indefinite length".to_owned(),
        Value::Break => "break".to_owned(),
        Value::Code(code) => describe_code(*code),
        Value::Flags { bits, set } => describe_flags(*bits, *set),
        Value::Eid(Ok(eid)) => shortened(&eid.to_string()),
        Value::Eid(Err(_)) => "no endpoint ID".to_owned(),
        Value::Time(time, unit) => describe_time(*time, *unit),
        Value::Duration(span, unit) => describe_span(*span, *unit),
        Value::Truth(truth) => if *truth { "yes" } else { "no" }.to_owned(),
        Value::Text(text) => format!("\"{}\"", shortened(&text.escape_debug().to_string())),
        Value::Octets(octets) | Value::Unread(octets) => describe_octets(octets),
        Value::Crc(crc) => {
            let digits = 2 * crc.octets;
            if crc.is_right() {
                format!("{:0digits$x}, right", crc.found)
            } else {
                format!("{:0digits$x}, wrong: {:0digits$x}", crc.found, crc.computed)
            }
        }
        // Groups and the place where reading stopped: their members and faults speak.
        _ => String::new(),
    }
}

fn code_of_block(code: Code) -> String {
    match code.name {
        Some(name) => format!("{name} (type {})", code.number),
        None => format!("unknown (type {})", code.number),
    }
}

fn describe_code(code: Code) -> String {
    match code.name {
        Some(name) => format!("{} ({name})", code.number),
        None => format!("{} (unknown)", code.number),
    }
}

fn describe_flags(bits: u64, set: FlagSet) -> String {
    let mut text = format!("{bits:#x}");
    let mut separator = ": ";
    for name in set.names(bits) {
        text.push_str(separator);
        text.push_str(name);
        separator = ", ";
    }
    let unknown = set.unknown(bits);
    if unknown != 0 {
        let _ = write!(text, "{separator}reserved {unknown:#x}");
    }
    text
}

fn describe_time(time: u64, unit: Unit) -> String {
    if time == 0 {
        return "0 (no clock)".to_owned();
    }
    match Utc::since_2000(time, unit) {
        Some(utc) => format!("{time} {} = {utc}", unit.symbol()),
        None => format!("{time} {} = after the year 9999", unit.symbol()),
    }
}

/// A span in the unit of the wire, and in the one that people would choose.
fn describe_span(span: u64, unit: Unit) -> String {
    const STEPS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let text = format!("{span} {}", unit.symbol());
    let seconds = span / unit.per_second();
    let rest = span % unit.per_second();
    let Some((step, symbol)) = STEPS.into_iter().find(|(step, _)| seconds >= *step) else {
        return text;
    };
    if unit == Unit::Seconds && step == 1 {
        return text;
    }
    let exact = rest == 0 && seconds.is_multiple_of(step);
    let sign = if exact { "=" } else { "about" };
    format!("{text} ({sign} {} {symbol})", seconds / step).replace("(= ", "(")
}

/// The first octets as digits, and as characters if all of them are some.
fn describe_octets(octets: &[u8]) -> String {
    let length = octets.len();
    let mut text = if length == 1 {
        "1 octet: ".to_owned()
    } else {
        format!("{length} octets: ")
    };
    let shown = &octets[..length.min(SHOWN)];
    text.push_str(&hex(shown));
    let more = if length > SHOWN { "..." } else { "" };
    text.push_str(more);
    let printable = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ';
    if !shown.is_empty() && shown.iter().all(printable) {
        let characters: String = shown.iter().map(|octet| char::from(*octet)).collect();
        let _ = write!(text, " \"{characters}\"{more}");
    }
    text
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Octets as digits.
pub(crate) fn hex(octets: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * octets.len());
    for octet in octets {
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

/// Octets as digits with a space between them.
pub(crate) fn spaced_hex(octets: &[u8]) -> String {
    let pairs: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    pairs.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Unit, Value, describe};

    #[track_caller]
    fn check(value: &Value<'_>, text: &str) {
        assert_eq!(describe(value), text);
    }

    #[test]
    fn spans_of_time() {
        check(&Value::Duration(0, Unit::Seconds), "0 s");
        check(&Value::Duration(7, Unit::Seconds), "7 s");
        check(
            &Value::Duration(300_000, Unit::Milliseconds),
            "300000 ms (5 min)",
        );
        check(&Value::Duration(86_400, Unit::Seconds), "86400 s (1 d)");
        check(
            &Value::Duration(3_599_993, Unit::Milliseconds),
            "3599993 ms (about 59 min)",
        );
        check(&Value::Duration(999, Unit::Milliseconds), "999 ms");
    }

    #[test]
    fn octets_with_and_without_characters() {
        check(&Value::Octets(b"hello"), "5 octets: 68656c6c6f \"hello\"");
        check(
            &Value::Octets(&[0; 17]),
            &format!("17 octets: {}...", "00".repeat(16)),
        );
        check(&Value::Octets(&[7]), "1 octet: 07");
    }
}
