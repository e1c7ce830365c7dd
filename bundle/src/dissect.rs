// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every field of a bundle, valid or not: what it is called, where it is, and what it says.
//!
//! A decoder stops at the first broken rule. [`dissect()`] goes on as far as the octets can be
//! told apart: a wrong CRC is a remark on the CRC, and a block whose data makes no sense does not
//! hide the next block. Only where the structure itself breaks does it stop, and say why.
//!
//! # Guarantees
//!
//! * The leaves (fields without members) cover the input from its first octet to its last, in
//!   order and without overlap. What was not understood is a leaf too: [`Value::Unread`].
//! * [`Dissection::error`] is the answer of the decoder. Without it, no field outside the data of
//!   blocks has a fault.
//! * The work and the number of fields are linear in the length of the input.

mod admin;
mod bpsec;
mod names;
mod reader;
mod time;
mod v6;
mod v7;
mod value;

use alloc::vec::Vec;
use core::ops::Range;

pub use names::{FlagSet, block_type_name};
pub use time::{Unit, Utc};
pub use value::{Code, Crc, Value};

use crate::error::{DecodeError, Fault};
use crate::v7::Tolerance;
use crate::version::{Version, version};
use reader::Reader;

/// One field of a bundle, or a group of fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Field<'a> {
    /// What the standard calls it, in lower case.
    pub name: &'static str,
    /// The octets in the input, those of its members included.
    pub range: Range<usize>,
    /// How many groups it is in.
    pub depth: usize,
    /// What it says.
    pub value: Value<'a>,
    /// Octets of an SDNV that carry nothing.
    pub padding: usize,
    /// A rule that the field breaks.
    pub fault: Option<Fault>,
}

/// The fields of a bundle in the order of the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dissection<'a> {
    /// The version that the first octet announces.
    pub version: Option<Version>,
    /// The fields. A group stands before its members, which are deeper by one.
    pub fields: Vec<Field<'a>>,
    /// Why the decoder of the version does not accept the input; `None` if it does.
    pub error: Option<DecodeError>,
}

impl<'a> Dissection<'a> {
    /// Whether the field at this index has no members.
    #[must_use]
    pub fn is_leaf(&self, index: usize) -> bool {
        let depth = |at: usize| self.fields.get(at).map(|field| field.depth);
        match (depth(index), depth(index + 1)) {
            (Some(own), Some(next)) => next <= own,
            _ => true,
        }
    }

    /// The fields without members.
    pub fn leaves(&self) -> impl Iterator<Item = &Field<'a>> {
        let numbered = self.fields.iter().enumerate();
        numbered.filter_map(|(index, field)| self.is_leaf(index).then_some(field))
    }

    /// The groups around a field from the outside in, and the field itself.
    #[must_use]
    pub fn path(&self, index: usize) -> Vec<&Field<'a>> {
        let mut path: Vec<&Field<'a>> = self.fields.get(index).into_iter().collect();
        for field in self.fields[..index.min(self.fields.len())].iter().rev() {
            if path.last().is_some_and(|inner| field.depth < inner.depth) {
                path.push(field);
            }
        }
        path.reverse();
        path
    }

    /// The index of the innermost field that holds an octet, or that begins at it.
    ///
    /// At the end of the input that is the field that the input ends in.
    #[must_use]
    pub fn field_at(&self, offset: usize) -> Option<usize> {
        let holds = |field: &Field<'_>| field.range.contains(&offset);
        let inside = self.fields.iter().rposition(holds);
        let ends = |field: &Field<'_>| field.range.end == offset;
        inside.or_else(|| self.fields.iter().rposition(ends))
    }

    /// The value of the first field of this name, looked for in the primary block.
    #[must_use]
    pub fn primary(&self, name: &str) -> Option<&Value<'a>> {
        let in_primary = |field: &&Field<'_>| !matches!(field.value, Value::Block { .. });
        let mut fields = self.fields.iter().take_while(in_primary);
        fields
            .find(|field| field.name == name)
            .map(|field| &field.value)
    }

    /// Puts the decoder's fault on the field that it is about, unless it is there already.
    fn mark_error(&mut self) {
        let Some(error) = &self.error else { return };
        if self
            .fields
            .iter()
            .any(|field| field.fault == Some(error.fault))
        {
            return;
        }
        let named = self.fields.iter().position(|field| {
            field.name == error.field && field.range.start >= error.offset.min(field.range.end)
        });
        if let Some(index) = named.or_else(|| self.field_at(error.offset)) {
            let fault = &mut self.fields[index].fault;
            *fault = fault.or(Some(error.fault));
        }
    }
}

/// Names every octet of a bundle.
///
/// The tolerance is that of the decoder, and changes nothing but its answer.
#[must_use]
pub fn dissect(input: &[u8], tolerance: Tolerance) -> Dissection<'_> {
    let version = version(input);
    let mut reader = Reader::new(input);
    let (outcome, error) = match version {
        Some(Version::V6) => {
            let decoded = crate::v6::Bundle::decode(input);
            (v6::bundle(&mut reader), decoded.err())
        }
        Some(Version::V7) => {
            let decoded = crate::v7::Bundle::decode(input, tolerance);
            (v7::bundle(&mut reader), decoded.err())
        }
        None => {
            let fault = input
                .first()
                .map_or(Fault::Truncated, |octet| Fault::Version(u64::from(*octet)));
            let error = DecodeError {
                offset: 0,
                field: "version",
                fault,
            };
            (Err(error.clone()), Some(error))
        }
    };
    let mut dissection = Dissection {
        version,
        fields: reader.finish(outcome),
        error,
    };
    dissection.mark_error();
    dissection
}
