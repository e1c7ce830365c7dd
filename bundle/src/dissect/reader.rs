// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads fields one after another and notes what was read.

use alloc::vec::Vec;

use crate::cbor;
use crate::dissect::Field;
use crate::dissect::value::Value;
use crate::error::{DecodeError, Fault, Parsed, fail};
use crate::sdnv;

/// What reading gives: a value, or the place and rule where the structure breaks.
pub(super) type Outcome<T> = Result<T, DecodeError>;

/// The input, how far it was read, and the fields that were found.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    /// Where the octets end that may be read now: the end of the input, or of a block's data.
    end: usize,
    depth: usize,
    fields: Vec<Field<'a>>,
    /// Whether the place where the structure breaks is noted.
    broken: bool,
}

/// The first octet of a CBOR item with the argument that follows it.
struct Head {
    argument: u64,
    octets: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            at: 0,
            end: input.len(),
            depth: 0,
            fields: Vec::new(),
            broken: false,
        }
    }

    /// The fields. What is left is noted as not read, with the reason.
    pub(super) fn finish(mut self, outcome: Outcome<()>) -> Vec<Field<'a>> {
        self.note_end(outcome);
        self.fields
    }

    /// What may be read now and was not.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.input[self.at..self.end]
    }

    /// Where reading is.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The octets from a place up to here.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        &self.input[start..self.at]
    }

    /// The number of fields: the index of the one that comes next.
    pub(super) const fn next_index(&self) -> usize {
        self.fields.len()
    }

    /// Changes fields that were noted before their meaning was known.
    pub(super) fn field_mut(&mut self, index: usize) -> Option<&mut Field<'a>> {
        self.fields.get_mut(index)
    }

    /// Puts a fault on the field that was noted last.
    pub(super) fn fault(&mut self, fault: Fault) {
        if let Some(last) = self.fields.last_mut() {
            last.fault = last.fault.or(Some(fault));
        }
    }

    /// Puts a fault on the field that was noted last, if it is a wrong CRC.
    pub(super) fn note_wrong_crc(&mut self) {
        if let Some(Value::Crc(crc)) = self.fields.last().map(|last| &last.value)
            && !crc.is_right()
        {
            self.fault(Fault::CrcMismatch);
        }
    }

    /// A failure at the place where reading is.
    pub(super) fn broken<T>(&self, field: &'static str, fault: Fault) -> Outcome<T> {
        Err(DecodeError {
            offset: self.at,
            field,
            fault,
        })
    }

    /// Notes a field of so many octets, which must be there.
    fn push(&mut self, name: &'static str, octets: usize, value: Value<'a>) {
        let range = self.at..self.at + octets;
        self.at = range.end;
        self.fields.push(Field {
            name,
            range,
            depth: self.depth,
            value,
            padding: 0,
            fault: None,
        });
    }

    /// Reads a field with one of the parsers of this crate.
    pub(super) fn leaf<T: Copy>(
        &mut self,
        name: &'static str,
        parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
        value: impl FnOnce(T) -> Value<'a>,
    ) -> Outcome<T> {
        let rest = self.rest();
        match parser(rest) {
            Ok((after, parsed)) => {
                self.push(name, rest.len() - after.len(), value(parsed));
                Ok(parsed)
            }
            Err(error) => {
                let error = DecodeError::locate(error, rest);
                Err(DecodeError {
                    offset: self.at + error.offset,
                    field: name,
                    fault: error.fault,
                })
            }
        }
    }

    /// Reads an octet.
    pub(super) fn octet(
        &mut self,
        name: &'static str,
        value: impl FnOnce(u64) -> Value<'a>,
    ) -> Outcome<u8> {
        let Some(octet) = self.rest().first() else {
            return self.broken(name, Fault::Truncated);
        };
        self.push(name, 1, value(u64::from(*octet)));
        Ok(*octet)
    }

    /// Reads so many octets.
    pub(super) fn octets(
        &mut self,
        name: &'static str,
        length: u64,
        value: impl FnOnce(&'a [u8]) -> Value<'a>,
    ) -> Outcome<&'a [u8]> {
        let length = usize::try_from(length).ok();
        match length.and_then(|length| self.rest().get(..length)) {
            Some(octets) => {
                if !octets.is_empty() {
                    self.push(name, octets.len(), value(octets));
                }
                Ok(octets)
            }
            None => self.broken(name, Fault::Truncated),
        }
    }

    /// Reads an SDNV.
    pub(super) fn sdnv(
        &mut self,
        name: &'static str,
        value: impl FnOnce(u64) -> Value<'a>,
    ) -> Outcome<u64> {
        let start = self.at;
        let number = self.leaf(name, sdnv::sdnv, value)?;
        if let Some(last) = self.fields.last_mut() {
            last.padding = self.at - start - sdnv::encoded_len(number);
        }
        Ok(number)
    }

    /// Reads a CBOR integer.
    pub(super) fn uint(
        &mut self,
        name: &'static str,
        value: impl FnOnce(u64) -> Value<'a>,
    ) -> Outcome<u64> {
        self.head(name, cbor::uint, value)
    }

    /// Reads the head of a CBOR array.
    pub(super) fn array(&mut self, name: &'static str) -> Outcome<u64> {
        self.head(name, cbor::array, Value::Array)
    }

    /// Reads the head of an array of so many items. Another number is a fault, and no obstacle.
    pub(super) fn array_of(&mut self, name: &'static str, items: u64) -> Outcome<()> {
        if self.array(name)? != items {
            self.fault(Fault::Expected("an array of another number of items"));
        }
        Ok(())
    }

    /// Reads the head of a CBOR byte string, and returns the length that it states.
    pub(super) fn bytes_head(&mut self, name: &'static str) -> Outcome<u64> {
        self.head(name, bytes_length, Value::Length)
    }

    /// Reads the head of a CBOR text string, and returns the length that it states.
    pub(super) fn text_head(&mut self, name: &'static str) -> Outcome<u64> {
        self.head(name, text_length, Value::Length)
    }

    /// Reads the head of an item. One in more octets than it needs is a fault, and no obstacle.
    fn head(
        &mut self,
        name: &'static str,
        parser: impl FnOnce(&'a [u8]) -> Parsed<'a, u64>,
        value: impl FnOnce(u64) -> Value<'a>,
    ) -> Outcome<u64> {
        let rest = self.rest();
        let fault = match parser(rest) {
            Ok((after, argument)) => {
                self.push(name, rest.len() - after.len(), value(argument));
                return Ok(argument);
            }
            Err(error) => DecodeError::locate(error, rest).fault,
        };
        match Head::read(rest) {
            Some(head) if fault == Fault::NotShortest => {
                self.push(name, head.octets, value(head.argument));
                self.fault(fault);
                Ok(head.argument)
            }
            _ => self.broken(name, fault),
        }
    }

    /// Reads fields as the members of a group. The value is set by the body, through the index.
    pub(super) fn group<T>(
        &mut self,
        name: &'static str,
        body: impl FnOnce(&mut Self, usize) -> Outcome<T>,
    ) -> Outcome<T> {
        let index = self.next_index();
        self.push(name, 0, Value::Group);
        self.depth += 1;
        let outcome = body(self, index);
        if let Err(error) = &outcome {
            self.note_broken(error);
        }
        self.depth -= 1;
        if self.next_index() == index + 1 {
            self.fields.pop();
        } else {
            self.fields[index].range.end = self.at;
        }
        outcome
    }

    /// Reads the data of a block as the members of a group.
    ///
    /// Data that is not what it should be is noted, and ends nothing but itself.
    pub(super) fn data(
        &mut self,
        length: u64,
        body: impl FnOnce(&mut Self) -> Outcome<()>,
    ) -> Outcome<()> {
        let length = usize::try_from(length).ok();
        let Some(length) = length.filter(|length| *length <= self.rest().len()) else {
            return self.broken("block data", Fault::Truncated);
        };
        let outer = self.end;
        self.end = self.at + length;
        let noted = self.group("data", |reader, _| {
            let outcome = body(reader);
            reader.note_end(outcome);
            Ok(())
        });
        self.end = outer;
        noted
    }

    /// Notes what was not read of the octets that may be read now, and why.
    fn note_end(&mut self, outcome: Outcome<()>) {
        let rest = self.rest();
        match outcome {
            Ok(()) if rest.is_empty() => {}
            Ok(()) => {
                self.push("trailing octets", rest.len(), Value::Unread(rest));
                self.fault(Fault::TrailingOctets(rest.len()));
            }
            Err(error) => {
                self.note_broken(&error);
                self.broken = false;
                if !rest.is_empty() {
                    self.push("unread octets", rest.len(), Value::Unread(rest));
                }
            }
        }
    }

    /// Notes where the structure breaks, in the innermost group.
    fn note_broken(&mut self, error: &DecodeError) {
        if !self.broken {
            self.push(error.field, 0, Value::Broken);
            self.fault(error.fault);
            if let Some(broken) = self.fields.last_mut() {
                broken.range = error.offset..error.offset;
            }
            self.broken = true;
        }
    }
}

impl Head {
    fn read(input: &[u8]) -> Option<Self> {
        let (initial, after) = input.split_first()?;
        let width = match initial & 0x1f {
            0..=23 => 0,
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        let argument = match width {
            0 => u64::from(initial & 0x1f),
            _ => after
                .get(..width)?
                .iter()
                .fold(0, |all, octet| all << 8 | u64::from(*octet)),
        };
        Some(Self {
            argument,
            octets: 1 + width,
        })
    }
}

/// Parses the head of a byte string alone: whether its octets are there is a question of their own.
fn bytes_length(input: &[u8]) -> Parsed<'_, u64> {
    string_length(input, cbor::bytes)
}

/// Parses the head of a text string alone.
fn text_length(input: &[u8]) -> Parsed<'_, u64> {
    string_length(input, cbor::text)
}

fn string_length<'a>(
    input: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Parsed<'a, &'a [u8]>,
) -> Parsed<'a, u64> {
    let outcome = parser(input);
    let Some(head) = Head::read(input) else {
        return outcome.map(|(after, _)| (after, 0));
    };
    let after_head = &input[head.octets..];
    if let Err(error) = outcome {
        let error = DecodeError::locate(error, input);
        // The head of a string that is cut off is a good head.
        if error.fault != Fault::Truncated || error.offset != head.octets {
            return fail(&input[error.offset..], error.fault);
        }
    }
    Ok((after_head, head.argument))
}
