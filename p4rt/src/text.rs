// SPDX-License-Identifier: Apache-2.0 OR MIT
//! P4Info in the text format of protocol buffers, as `.p4info.txtpb` files hold it.

use std::{fmt::Write as _, sync::LazyLock};

use miette::Diagnostic as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value, text_format::ParseError,
};

use crate::proto::{DESCRIPTORS, p4::config::v1::P4Info};

/// Why a text is not a P4Info.
#[derive(Debug, thiserror::Error)]
#[error("cannot read P4Info text at line {line}, column {column}")]
pub struct TextError {
    /// Line of the fault, from 1.
    pub line: usize,
    /// Column of the fault, from 1.
    pub column: usize,
    /// The rule of the format that the text breaks.
    #[source]
    pub fault: Box<ParseError>,
}

/// Reads a P4Info.
///
/// # Errors
/// Says where the text is not a P4Info, and why.
#[expect(
    clippy::missing_panics_doc,
    reason = "the build checks the description"
)]
pub fn parse(text: &str) -> Result<P4Info, TextError> {
    let message = DynamicMessage::parse_text_format(MESSAGE.clone(), text).map_err(|fault| {
        let offset = fault_offset(&fault, text.len());
        let before = text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        TextError {
            line: before.matches('\n').count() + 1,
            column: offset - line_start + 1,
            fault: Box::new(fault),
        }
    })?;
    Ok(message
        .transcode_to()
        .expect("both types come from one description"))
}

/// Writes a P4Info. Equal messages give equal texts.
#[must_use]
#[expect(
    clippy::missing_panics_doc,
    reason = "the build checks the description"
)]
pub fn print(p4info: &P4Info) -> String {
    let mut message = DynamicMessage::new(MESSAGE.clone());
    message
        .transcode_from(p4info)
        .expect("both types come from one description");
    let mut text = String::new();
    print_fields(&message, 0, &mut text);
    text
}

static MESSAGE: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("the build wrote valid descriptors");
    pool.get_message_by_name("p4.config.v1.P4Info")
        .expect("the description has this message")
});

/// The writer of `prost-reflect` prints maps in hash order, and so cannot be used here.
fn print_fields(message: &DynamicMessage, indent: usize, text: &mut String) {
    for field in message
        .descriptor()
        .fields()
        .filter(|field| message.has_field(field))
    {
        match message.get_field(&field).as_ref() {
            Value::List(items) => {
                for item in items {
                    print_field(&field, item, indent, text);
                }
            }
            Value::Map(items) => {
                let mut sorted: Vec<_> = items.iter().collect();
                sorted.sort_by(|left, right| left.0.cmp(right.0));
                for (key, value) in sorted {
                    print_map_item(&field, key, value, indent, text);
                }
            }
            value => print_field(&field, value, indent, text),
        }
    }
}

fn print_map_item(
    field: &FieldDescriptor,
    key: &MapKey,
    value: &Value,
    indent: usize,
    text: &mut String,
) {
    let Kind::Message(entry) = field.kind() else {
        return;
    };
    line(indent, &format!("{} {{", field.name()), text);
    print_field(
        &entry.map_entry_key_field(),
        &Value::from(key.clone()),
        indent + 1,
        text,
    );
    print_field(&entry.map_entry_value_field(), value, indent + 1, text);
    line(indent, "}", text);
}

fn print_field(field: &FieldDescriptor, value: &Value, indent: usize, text: &mut String) {
    let name = field.name();
    match value {
        Value::Message(message) => {
            line(indent, &format!("{name} {{"), text);
            print_fields(message, indent + 1, text);
            line(indent, "}", text);
        }
        Value::EnumNumber(number) => {
            let known = field
                .kind()
                .as_enum()
                .and_then(|kind| kind.get_value(*number));
            let shown = known.map_or_else(|| number.to_string(), |value| value.name().to_owned());
            line(indent, &format!("{name}: {shown}"), text);
        }
        // Strings, bytes and numbers look the same with and without a message around them.
        value => line(indent, &format!("{name}: {value}"), text),
    }
}

fn line(indent: usize, content: &str, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:width$}{content}", "", width = indent * 2);
}

fn fault_offset(fault: &ParseError, end: usize) -> usize {
    let label = fault.labels().and_then(|mut labels| labels.next());
    // Only "the text ends too early" has no label.
    label.map_or(end, |label| label.offset().min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"pkg_info {
  name: "demo \"quoted\""
  arch: "v1model"
}
tables {
  preamble {
    id: 33554433
    name: "ingress.peer"
    alias: "peer"
  }
  match_fields {
    id: 1
    name: "hdr.ipv4.dst"
    bitwidth: 32
    match_type: LPM
  }
  size: 1024
}
type_info {
  structs {
    key: "a_t"
    value {
    }
  }
  structs {
    key: "b_t"
    value {
      members {
        name: "port"
        type_spec {
          bitstring {
            bit {
              bitwidth: 9
            }
          }
        }
      }
    }
  }
}
"#;

    #[test]
    fn text_is_read_and_written_in_one_form() {
        let p4info = parse(TEXT).expect("the text is a P4Info");
        let field = &p4info.tables[0].match_fields[0];
        assert_eq!((field.name.as_str(), field.bitwidth), ("hdr.ipv4.dst", 32));
        assert_eq!(print(&p4info), TEXT);
    }

    #[test]
    fn faults_have_a_place() {
        let error = parse("tables {\n  prefix {}\n}\n").expect_err("no such field");
        assert_eq!((error.line, error.column), (2, 3));
        let error = parse("tables {").expect_err("no closing brace");
        assert_eq!((error.line, error.column), (1, 9));
    }
}
