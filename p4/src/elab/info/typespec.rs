// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Types as the control plane sees them.

use crate::{
    ast::Aggregate,
    ir::Const,
    p4info::{Bitstring, NewType, SerializableEnum, TypeInfo, TypeSpec},
};

use super::{super::types::Type, annotations::Writer};

/// What the control plane sees of the types that the objects of P4Info have.
pub(super) struct Types<'v> {
    pub(super) info: TypeInfo,
    pub(super) annotations: Writer<'v>,
}

/// The form of a type in P4Info; types with a name are added to `types`.
pub(super) fn convert(ty: &Type, types: &mut Types<'_>) -> Option<TypeSpec> {
    Some(match ty {
        Type::Bool => TypeSpec::Bool,
        Type::Bits {
            width,
            signed: false,
        } => TypeSpec::Bitstring(Bitstring::Bit(*width)),
        Type::Bits {
            width,
            signed: true,
        } => TypeSpec::Bitstring(Bitstring::Int(*width)),
        Type::Varbit(width) => TypeSpec::Bitstring(Bitstring::Varbit(*width)),
        Type::Error => {
            // The names are filled in when all types are known.
            types.info.errors = vec![String::new()];
            TypeSpec::Error
        }
        Type::Tuple(members) | Type::List(members) => TypeSpec::Tuple(
            members
                .iter()
                .map(|ty| convert(ty, types))
                .collect::<Option<_>>()?,
        ),
        Type::Stack(element, size) => match convert(element, types)? {
            TypeSpec::Header(name) => TypeSpec::HeaderStack(name, *size),
            _ => return None,
        },
        Type::Struct(of) if of.kind == Aggregate::Struct => {
            let mut members = Vec::new();
            for field in &of.fields {
                members.push((field.name.to_string(), convert(&field.ty, types)?));
            }
            types.info.structs.insert(of.name.to_string(), members);
            TypeSpec::Struct(of.name.to_string())
        }
        Type::Struct(of) if of.kind == Aggregate::Header => {
            let mut members = Vec::new();
            for field in &of.fields {
                if let TypeSpec::Bitstring(bits) = convert(field.ty.base(), types)? {
                    members.push((field.name.to_string(), bits));
                }
            }
            types.info.headers.insert(of.name.to_string(), members);
            TypeSpec::Header(of.name.to_string())
        }
        Type::Enum(of) => match &of.underlying {
            None => {
                let members = of
                    .members
                    .iter()
                    .map(|(name, _)| name.to_string())
                    .collect();
                types.info.enums.insert(of.name.to_string(), members);
                TypeSpec::Enum(of.name.to_string())
            }
            Some(underlying) => {
                types
                    .info
                    .serializable_enums
                    .insert(of.name.to_string(), serializable(of, underlying)?);
                TypeSpec::SerializableEnum(of.name.to_string())
            }
        },
        Type::New(of) => {
            let form = match translation(of) {
                Some(form) => form,
                None => NewType::Original(convert(original(&of.ty), types)?),
            };
            let mut annotations = types.annotations.write(&of.annotations);
            annotations
                .texts
                .retain(|text| !text.starts_with("@p4runtime_translation("));
            types
                .info
                .new_types
                .insert(of.name.to_string(), (form, annotations));
            TypeSpec::NewType(of.name.to_string())
        }
        _ => return None,
    })
}

/// An enum with an underlying type.
fn serializable(of: &super::super::types::EnumType, underlying: &Type) -> Option<SerializableEnum> {
    let width = underlying.scalar_width()?;
    let member = |(name, value): &(std::rc::Rc<str>, num_bigint::BigInt)| {
        (
            name.to_string(),
            Const::from_int(width, value).to_be_bytes(),
        )
    };
    Some(SerializableEnum {
        bitwidth: width,
        members: of.members.iter().map(member).collect(),
    })
}

/// What a `type` of a `type` is made of.
fn original(ty: &Type) -> &Type {
    match ty {
        Type::New(of) => original(&of.ty),
        other => other,
    }
}

/// `@p4runtime_translation(uri, type)`
fn translation(of: &super::super::types::NewType) -> Option<NewType> {
    let one = of
        .annotations
        .iter()
        .find(|one| &*one.name.text == "p4runtime_translation")?;
    let uri = one.body.first()?.text.to_string();
    let rest: String = one.body.iter().skip(2).map(|token| &*token.text).collect();
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let width = if rest == "string" {
        None
    } else {
        Some(digits.parse().ok()?)
    };
    Some(NewType::Translated(uri, width))
}

/// Name of a user-defined type, and its width for the control plane.
pub(super) fn name_and_width(ty: &Type, types: &mut Types<'_>) -> (Option<String>, u32) {
    convert(ty, types);
    let width = ty.scalar_width().unwrap_or(0);
    match ty {
        Type::New(of) => {
            let width = match translation(of) {
                Some(NewType::Translated(_, Some(width))) => width,
                Some(NewType::Translated(_, None)) => 0,
                _ => width,
            };
            (Some(of.name.to_string()), width)
        }
        Type::Enum(of) if of.underlying.is_none() => (Some(of.name.to_string()), 0),
        _ => (None, width),
    }
}
