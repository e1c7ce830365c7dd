// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Types, as the type system sees them: names are resolved and generics are instantiated.

use std::{fmt, rc::Rc};

use crate::ast::{Aggregate, Annotations, Decl, DeclId};

/// A type.
#[derive(Clone, Debug)]
pub(crate) enum Type {
    /// The type of something that has been reported; agrees with every type.
    Unknown,
    Bool,
    /// Integers of any size, at compile time only.
    Int,
    Bits {
        width: u32,
        signed: bool,
    },
    Varbit(u32),
    Error,
    Str,
    Void,
    MatchKind,
    Enum(Rc<EnumType>),
    Struct(Rc<StructType>),
    Stack(Rc<Type>, u32),
    Tuple(Rc<[Type]>),
    /// Type of `{a, b}`.
    List(Rc<[Type]>),
    /// Type of `{x = a, y = b}`.
    Record(Rc<[(Rc<str>, Type)]>),
    /// `list<T>`
    ListOf(Rc<Type>),
    /// `type` declaration.
    New(Rc<NewType>),
    /// Extern object, parser, control or package, with its type arguments.
    Object(Rc<Decl>, Rc<[Type]>),
    /// A type parameter, to be inferred.
    Var(u32),
    /// Result of applying a table.
    ApplyResult,
    /// `action_run` of a table with so many actions.
    ActionRun,
    /// `{#}`
    Invalid,
    /// `...`
    Dots,
}

#[derive(Debug)]
pub(crate) struct EnumType {
    pub(crate) id: DeclId,
    pub(crate) name: Rc<str>,
    /// Type of a serializable enum.
    pub(crate) underlying: Option<Type>,
    pub(crate) members: Vec<(Rc<str>, num_bigint::BigInt)>,
}

#[derive(Debug)]
pub(crate) struct StructType {
    pub(crate) id: DeclId,
    pub(crate) kind: Aggregate,
    pub(crate) name: Rc<str>,
    pub(crate) args: Vec<Type>,
    pub(crate) fields: Vec<FieldType>,
    pub(crate) annotations: Annotations,
}

#[derive(Debug)]
pub(crate) struct FieldType {
    pub(crate) name: Rc<str>,
    pub(crate) ty: Type,
    pub(crate) annotations: Annotations,
}

#[derive(Debug)]
pub(crate) struct NewType {
    pub(crate) id: DeclId,
    pub(crate) name: Rc<str>,
    pub(crate) ty: Type,
    pub(crate) annotations: Annotations,
}

impl Type {
    pub(crate) fn bits(width: u32) -> Self {
        Self::Bits {
            width,
            signed: false,
        }
    }

    /// Whether both are the same type.
    pub(crate) fn same(&self, other: &Self) -> bool {
        use Type::{
            ActionRun, ApplyResult, Bits, Bool, Dots, Enum, Error, Int, Invalid, List, ListOf,
            MatchKind, New, Object, Record, Stack, Str, Struct, Tuple, Unknown, Var, Varbit, Void,
        };
        let all =
            |a: &[Type], b: &[Type]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b));
        match (self, other) {
            (Unknown, _)
            | (_, Unknown)
            | (Bool, Bool)
            | (Int, Int)
            | (Error, Error)
            | (Str, Str)
            | (Void, Void)
            | (MatchKind, MatchKind)
            | (ApplyResult, ApplyResult)
            | (ActionRun, ActionRun)
            | (Invalid, Invalid)
            | (Dots, Dots) => true,
            (
                Bits {
                    width: a,
                    signed: s,
                },
                Bits {
                    width: b,
                    signed: t,
                },
            ) => a == b && s == t,
            (Varbit(a), Varbit(b)) | (Var(a), Var(b)) => a == b,
            (Enum(a), Enum(b)) => a.id == b.id,
            (Struct(a), Struct(b)) => a.id == b.id && all(&a.args, &b.args),
            (Stack(a, n), Stack(b, m)) => n == m && a.same(b),
            (Tuple(a) | List(a), Tuple(b) | List(b)) => all(a, b),
            (Record(a), Record(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b.iter())
                        .all(|((n, a), (m, b))| n == m && a.same(b))
            }
            (ListOf(a), ListOf(b)) => a.same(b),
            (New(a), New(b)) => a.id == b.id,
            (Object(a, x), Object(b, y)) => a.id == b.id && all(x, y),
            _ => false,
        }
    }

    /// What a `type` or a serializable enum is made of.
    pub(crate) fn base(&self) -> &Self {
        match self {
            Self::New(new) => new.ty.base(),
            Self::Enum(one) => one.underlying.as_ref().map_or(self, Self::base),
            _ => self,
        }
    }

    pub(crate) fn is_header(&self) -> bool {
        matches!(self, Self::Struct(ty) if ty.kind == Aggregate::Header)
    }

    pub(crate) fn is_union(&self) -> bool {
        matches!(self, Self::Struct(ty) if ty.kind == Aggregate::Union)
    }

    /// Whether it is a stack of something that is not a header: without a next element.
    pub(crate) fn is_array(&self) -> bool {
        matches!(self, Self::Stack(element, _) if !element.is_header() && !element.is_union())
    }

    /// Whether it has no more parts, at all depths, than are left; takes them off.
    pub(crate) fn has_at_most(&self, left: &mut u32) -> bool {
        let Some(rest) = left.checked_sub(1) else {
            return false;
        };
        *left = rest;
        match self.base() {
            Self::Stack(element, size) => (0..*size).all(|_| element.has_at_most(left)),
            Self::Struct(of) => of.fields.iter().all(|field| field.ty.has_at_most(left)),
            Self::Tuple(list) => list.iter().all(|ty| ty.has_at_most(left)),
            _ => true,
        }
    }

    /// Width of a value that is one string of bits.
    pub(crate) fn scalar_width(&self) -> Option<u32> {
        match self.base() {
            Self::Bool => Some(1),
            Self::Bits { width, .. } => Some(*width),
            Self::Error | Self::Enum(_) | Self::ActionRun => Some(crate::ir::ENUM_WIDTH),
            _ => None,
        }
    }

    pub(crate) fn is_signed(&self) -> bool {
        matches!(self.base(), Self::Bits { signed: true, .. })
    }

    /// Sum of the widths of all fields.
    pub(crate) fn total_width(&self) -> u64 {
        match self {
            Self::Struct(ty) if ty.kind == Aggregate::Union => ty
                .fields
                .iter()
                .map(|field| field.ty.total_width())
                .max()
                .unwrap_or(0),
            Self::Struct(ty) => ty.fields.iter().map(|field| field.ty.total_width()).sum(),
            Self::Stack(ty, size) => ty.total_width() * u64::from(*size),
            Self::Tuple(list) | Self::List(list) => list.iter().map(Self::total_width).sum(),
            Self::Varbit(width) => u64::from(*width),
            _ => self.scalar_width().map_or(0, u64::from),
        }
    }

    /// Types of the parts of an aggregate, with names where they have names.
    pub(crate) fn parts(&self) -> Option<Vec<(Rc<str>, Type)>> {
        match self {
            Self::Struct(ty) => Some(
                ty.fields
                    .iter()
                    .map(|field| (field.name.clone(), field.ty.clone()))
                    .collect(),
            ),
            Self::Tuple(list) | Self::List(list) => Some(
                list.iter()
                    .enumerate()
                    .map(|(index, ty)| (format!("f{index}").into(), ty.clone()))
                    .collect(),
            ),
            Self::Record(list) => Some(list.to_vec()),
            Self::Stack(element, size) if self.is_array() => Some(
                (0..*size)
                    .map(|index| (format!("{index}").into(), element.as_ref().clone()))
                    .collect(),
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, types: &[Type]| {
            for (index, ty) in types.iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{ty}")?;
            }
            Ok(())
        };
        match self {
            Self::Unknown => f.write_str("an unknown type"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Bits {
                width,
                signed: false,
            } => write!(f, "bit<{width}>"),
            Self::Bits {
                width,
                signed: true,
            } => write!(f, "int<{width}>"),
            Self::Varbit(width) => write!(f, "varbit<{width}>"),
            Self::Error => f.write_str("error"),
            Self::Str => f.write_str("string"),
            Self::Void => f.write_str("void"),
            Self::MatchKind => f.write_str("match_kind"),
            Self::Enum(ty) => f.write_str(&ty.name),
            Self::Struct(ty) if ty.args.is_empty() => f.write_str(&ty.name),
            Self::Struct(ty) => {
                write!(f, "{}<", ty.name)?;
                list(f, &ty.args)?;
                f.write_str(">")
            }
            Self::Stack(ty, size) => write!(f, "{ty}[{size}]"),
            Self::Tuple(types) => {
                f.write_str("tuple<")?;
                list(f, types)?;
                f.write_str(">")
            }
            Self::List(types) => {
                f.write_str("{")?;
                list(f, types)?;
                f.write_str("}")
            }
            Self::Record(fields) => {
                f.write_str("{")?;
                for (index, (name, ty)) in fields.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{name} = {ty}")?;
                }
                f.write_str("}")
            }
            Self::ListOf(ty) => write!(f, "list<{ty}>"),
            Self::New(ty) => f.write_str(&ty.name),
            Self::Object(decl, _) => f.write_str(&decl.name.text),
            Self::Var(_) => f.write_str("a type parameter"),
            Self::ApplyResult => f.write_str("result of apply()"),
            Self::ActionRun => f.write_str("action_run"),
            Self::Invalid => f.write_str("{#}"),
            Self::Dots => f.write_str("..."),
        }
    }
}
