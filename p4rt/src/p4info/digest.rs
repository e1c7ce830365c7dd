// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Types and samples of digests.

use crate::{
    Bits,
    p4info::{Digest, Field, bit_width, format},
    proto::p4::{
        config::v1::{self as config, P4TypeInfo, p4_data_type_spec::TypeSpec},
        v1::{P4Data, p4_data::Data},
    },
    value::MatchKind,
};

/// Deepest nesting of structs that is looked at; a type that contains itself ends here.
const MAX_DEPTH: usize = 8;

/// A sample that is not of the type of its digest.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("sample of digest {digest:?} has {found} values, expected {expected}")]
pub struct DigestError {
    /// Name of the digest.
    pub digest: String,
    /// Values in the sample that can be read.
    pub found: usize,
    /// Members of the type.
    pub expected: usize,
}

/// The members of a digest; `None` if the protocol can carry a type but this crate cannot.
pub(super) fn members(digest: &config::Digest, types: Option<&P4TypeInfo>) -> Option<Vec<Field>> {
    let mut members = Vec::new();
    collect(digest.type_spec.as_ref()?, "", types, 0, &mut members)?;
    Some(members)
}

pub(super) fn sample<'a>(
    digest: &'a Digest,
    data: &P4Data,
) -> Result<Vec<(&'a Field, Bits)>, DigestError> {
    let mut values = Vec::new();
    flatten(data, 0, &mut values);
    if values.len() != digest.members.len() {
        return Err(DigestError {
            digest: digest.name.clone(),
            found: values.len(),
            expected: digest.members.len(),
        });
    }
    Ok(digest.members.iter().zip(values).collect())
}

fn collect(
    spec: &config::P4DataTypeSpec,
    name: &str,
    types: Option<&P4TypeInfo>,
    depth: usize,
    members: &mut Vec<Field>,
) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    let inner = |part: &str| {
        if name.is_empty() {
            part.to_owned()
        } else {
            format!("{name}.{part}")
        }
    };
    let width_bits = match spec.type_spec.as_ref()? {
        TypeSpec::Bitstring(spec) => bit_width(spec)?,
        TypeSpec::Bool(_) => 1,
        TypeSpec::SerializableEnum(named) => {
            let bit = types?
                .serializable_enums
                .get(&named.name)?
                .underlying_type
                .as_ref()?;
            u32::try_from(bit.bitwidth).ok()?
        }
        TypeSpec::NewType(named) => {
            use config::p4_new_type_spec::Representation;
            return match types?.new_types.get(&named.name)?.representation.as_ref()? {
                Representation::OriginalType(spec) => {
                    collect(spec, name, types, depth + 1, members)
                }
                Representation::TranslatedType(_) => None,
            };
        }
        TypeSpec::Struct(named) => {
            return types?
                .structs
                .get(&named.name)?
                .members
                .iter()
                .try_for_each(|member| {
                    let spec = member.type_spec.as_ref()?;
                    collect(spec, &inner(&member.name), types, depth + 1, members)
                });
        }
        TypeSpec::Tuple(tuple) => {
            return tuple
                .members
                .iter()
                .enumerate()
                .try_for_each(|(place, spec)| {
                    collect(spec, &inner(&place.to_string()), types, depth + 1, members)
                });
        }
        _ => return None,
    };
    members.push(Field {
        id: u32::try_from(members.len() + 1).ok()?,
        name: if name.is_empty() {
            "value".to_owned()
        } else {
            name.to_owned()
        },
        width_bits,
        kind: MatchKind::Exact,
        format: format(name, width_bits, &[]),
    });
    Some(())
}

fn flatten(data: &P4Data, depth: usize, values: &mut Vec<Bits>) {
    match data.data.as_ref() {
        Some(Data::Bitstring(bytes) | Data::EnumValue(bytes)) => {
            values.push(Bits::from_wire(bytes));
        }
        Some(Data::Bool(value)) => values.push(Bits::from(u32::from(*value))),
        Some(Data::Struct(parts) | Data::Tuple(parts)) if depth < MAX_DEPTH => {
            parts
                .members
                .iter()
                .for_each(|part| flatten(part, depth + 1, values));
        }
        _ => {}
    }
}
