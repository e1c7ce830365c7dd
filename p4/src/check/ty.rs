// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Types of the type checker. Unlike those of the elaborator, they may hold type parameters.

use std::{collections::HashMap, fmt, rc::Rc};

use num_bigint::BigInt;

use crate::{
    ast::{Aggregate, DeclId, Direction},
    source::Span,
};

/// A type.
#[derive(Clone, Debug)]
pub(crate) enum Ty {
    /// The type of something that has been reported; agrees with every type.
    Unknown,
    Bool,
    /// Integers of any size, at compile time only.
    Int,
    Bits(u32, bool),
    Varbit(u32),
    Error,
    Str,
    Void,
    MatchKind,
    Enum(Rc<EnumTy>),
    Struct(Rc<StructTy>, Rc<[Ty]>),
    Stack(Rc<Ty>, u32),
    Tuple(Rc<[Ty]>),
    /// Type of `{a, b}`.
    List(Rc<[Ty]>),
    /// Type of `{x = a, y = b}`.
    Record(Rc<[(Rc<str>, Ty)]>),
    /// `list<T>`
    ListOf(Rc<Ty>),
    /// `type` declaration.
    New(Rc<NewTy>),
    /// Extern, parser, control or package with its type arguments.
    Object(Rc<ObjectTy>, Rc<[Ty]>),
    /// A type parameter inside of its declaration.
    Param(u32, Rc<str>),
    /// A type argument that is to be inferred.
    Var(u32),
    Set(Rc<Ty>),
    /// Result of `apply()`, and its `action_run`, with the actions of the table.
    Applied(Rc<[Rc<str>]>),
    ActionRun(Rc<[Rc<str>]>),
    /// `{#}`
    Invalid,
    /// `...`
    Dots,
}

#[derive(Debug)]
pub(crate) struct EnumTy {
    pub(crate) id: DeclId,
    pub(crate) name: Rc<str>,
    /// Type of a serializable enum.
    pub(crate) underlying: Option<Ty>,
    pub(crate) members: Vec<(Rc<str>, Option<BigInt>)>,
}

#[derive(Debug)]
pub(crate) struct StructTy {
    pub(crate) id: DeclId,
    pub(crate) kind: Aggregate,
    pub(crate) name: Rc<str>,
    pub(crate) params: Vec<u32>,
    pub(crate) fields: Vec<(Rc<str>, Ty, Span)>,
}

#[derive(Debug)]
pub(crate) struct NewTy {
    pub(crate) id: DeclId,
    pub(crate) name: Rc<str>,
    pub(crate) ty: Ty,
}

/// What can be instantiated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ObjectKind {
    Extern,
    Parser,
    Control,
    Package,
    /// A parser or control type: it has no body.
    ParserType,
    ControlType,
}

impl ObjectKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Extern => "extern",
            Self::Parser | Self::ParserType => "parser",
            Self::Control | Self::ControlType => "control",
            Self::Package => "package",
        }
    }

    /// Whether both are parsers, or both are controls.
    pub(crate) fn agrees(self, other: Self) -> bool {
        self.word() == other.word()
    }
}

#[derive(Debug)]
pub(crate) struct ObjectTy {
    pub(crate) id: DeclId,
    pub(crate) kind: ObjectKind,
    pub(crate) name: Rc<str>,
    pub(crate) params: Vec<u32>,
    pub(crate) constructors: Vec<Rc<Sig>>,
    /// Methods of an extern; of a parser or control, `apply`.
    pub(crate) methods: Vec<Rc<Sig>>,
}

/// What can be called.
#[derive(Debug)]
pub(crate) struct Sig {
    pub(crate) name: Rc<str>,
    pub(crate) span: Span,
    /// Type parameters of its own.
    pub(crate) type_params: Vec<(u32, Rc<str>)>,
    pub(crate) params: Vec<SigParam>,
    /// What `_` stands for in the types of parameters: another type in each call.
    pub(crate) wild: Vec<u32>,
    pub(crate) ret: Ty,
    pub(crate) kind: SigKind,
    /// An extern function whose result follows from its arguments.
    pub(crate) pure: bool,
    /// An abstract method that may stay undefined.
    pub(crate) optional: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SigKind {
    Function,
    ExternFunction,
    Action,
    Method,
    Abstract,
    Constructor,
    Apply,
}

#[derive(Clone, Debug)]
pub(crate) struct SigParam {
    pub(crate) name: Rc<str>,
    pub(crate) span: Span,
    pub(crate) direction: Direction,
    pub(crate) ty: Ty,
    /// Has a default value, or is marked `@optional`.
    pub(crate) optional: bool,
    /// Type of the default value.
    pub(crate) default: Option<Ty>,
}

impl SigParam {
    /// Whether it may be left out, and has no value then.
    pub(crate) fn marked_optional(&self) -> bool {
        self.optional && self.default.is_none()
    }
}

/// What type parameters stand for.
pub(crate) type Binding = HashMap<u32, Ty>;

impl Ty {
    pub(crate) fn is_header(&self) -> bool {
        matches!(self, Self::Struct(of, _) if of.kind == Aggregate::Header)
    }

    pub(crate) fn is_union(&self) -> bool {
        matches!(self, Self::Struct(of, _) if of.kind == Aggregate::Union)
    }

    /// A type whose parameter values replace `params`.
    pub(crate) fn subst(&self, binding: &Binding) -> Self {
        if binding.is_empty() {
            return self.clone();
        }
        let all = |list: &[Self]| list.iter().map(|ty| ty.subst(binding)).collect::<Rc<[_]>>();
        match self {
            Self::Param(id, _) => binding.get(id).cloned().unwrap_or_else(|| self.clone()),
            Self::Struct(of, args) => Self::Struct(of.clone(), all(args)),
            Self::Stack(element, size) => Self::Stack(Rc::new(element.subst(binding)), *size),
            Self::Tuple(list) => Self::Tuple(all(list)),
            Self::List(list) => Self::List(all(list)),
            Self::Record(fields) => Self::Record(
                fields
                    .iter()
                    .map(|(name, ty)| (name.clone(), ty.subst(binding)))
                    .collect(),
            ),
            Self::ListOf(ty) => Self::ListOf(Rc::new(ty.subst(binding))),
            Self::Set(ty) => Self::Set(Rc::new(ty.subst(binding))),
            Self::Object(of, args) => Self::Object(of.clone(), all(args)),
            other => other.clone(),
        }
    }

    /// Fields of a struct, header or union.
    pub(crate) fn fields(&self) -> Option<Vec<(Rc<str>, Self)>> {
        match self {
            Self::Struct(of, args) => {
                let binding = bind(&of.params, args);
                Some(
                    of.fields
                        .iter()
                        .map(|(name, ty, _)| (name.clone(), ty.subst(&binding)))
                        .collect(),
                )
            }
            Self::Record(fields) => Some(fields.to_vec()),
            _ => None,
        }
    }

    /// Types of the parts of an aggregate that a list can give.
    pub(crate) fn parts(&self) -> Option<Vec<Self>> {
        match self {
            Self::Tuple(list) | Self::List(list) => Some(list.to_vec()),
            Self::Stack(element, size) => Some(vec![element.as_ref().clone(); *size as usize]),
            Self::Struct(..) => self
                .fields()
                .map(|fields| fields.into_iter().map(|(_, ty)| ty).collect()),
            _ => None,
        }
    }

    /// Whether a type parameter occurs.
    pub(crate) fn mentions(&self, param: u32) -> bool {
        self.any(&mut |ty| matches!(ty, Self::Param(id, _) if *id == param))
    }

    /// Whether a test holds for the type or anything inside.
    pub(crate) fn any(&self, test: &mut impl FnMut(&Self) -> bool) -> bool {
        if test(self) {
            return true;
        }
        match self {
            Self::Struct(_, list)
            | Self::Tuple(list)
            | Self::List(list)
            | Self::Object(_, list) => list.iter().any(|ty| ty.any(test)),
            Self::Stack(ty, _) | Self::ListOf(ty) | Self::Set(ty) => ty.any(test),
            Self::Record(fields) => fields.iter().any(|(_, ty)| ty.any(test)),
            _ => false,
        }
    }

    /// A value in braces, or another one that takes the type of what it meets.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(
            self,
            Self::Int | Self::List(_) | Self::Record(_) | Self::Invalid | Self::Dots
        )
    }
}

/// Type parameters with their arguments.
pub(crate) fn bind(params: &[u32], args: &[Ty]) -> Binding {
    params.iter().copied().zip(args.iter().cloned()).collect()
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("an unknown type"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Bits(width, false) => write!(f, "bit<{width}>"),
            Self::Bits(width, true) => write!(f, "int<{width}>"),
            Self::Varbit(width) => write!(f, "varbit<{width}>"),
            Self::Error => f.write_str("error"),
            Self::Str => f.write_str("string"),
            Self::Void => f.write_str("void"),
            Self::MatchKind => f.write_str("match_kind"),
            Self::Enum(of) => f.write_str(&of.name),
            Self::Struct(of, args) => applied(f, &of.name, args),
            Self::Object(of, args) => applied(f, &of.name, args),
            Self::Stack(element, size) => write!(f, "{element}[{size}]"),
            Self::Tuple(list) => applied(f, "tuple", list),
            Self::List(list) => {
                f.write_str("{")?;
                separated(f, list)?;
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
            Self::New(of) => f.write_str(&of.name),
            Self::Param(_, name) => f.write_str(name),
            Self::Var(_) => f.write_str("a type that is not known yet"),
            Self::Set(ty) => write!(f, "set<{ty}>"),
            Self::Applied(_) => f.write_str("result of apply()"),
            Self::ActionRun(_) => f.write_str("action_run"),
            Self::Invalid => f.write_str("{#}"),
            Self::Dots => f.write_str("..."),
        }
    }
}

fn applied(f: &mut fmt::Formatter<'_>, name: &str, args: &[Ty]) -> fmt::Result {
    f.write_str(name)?;
    if args.is_empty() && name != "tuple" {
        return Ok(());
    }
    f.write_str("<")?;
    separated(f, args)?;
    f.write_str(">")
}

fn separated(f: &mut fmt::Formatter<'_>, types: &[Ty]) -> fmt::Result {
    for (index, ty) in types.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{ty}")?;
    }
    Ok(())
}
