// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Values while a program is elaborated.

use std::rc::Rc;

use num_bigint::BigInt;

use crate::ir::{Expr, HeaderId};

use super::{Instance, types::Type};

/// A value and its type.
#[derive(Clone)]
pub(crate) struct Typed {
    pub(crate) ty: Type,
    pub(crate) value: Value,
}

/// A value; its form follows from its type.
#[derive(Clone)]
pub(crate) enum Value {
    /// Of something that has been reported, or of no interest.
    None,
    /// A string of bits.
    Bits(Expr),
    /// An `int`.
    Int(BigInt),
    Str(Rc<str>),
    /// Parts of a struct, tuple, list, record, or of a union (its headers).
    Parts(Rc<Vec<Value>>),
    Header(HeaderValue),
    /// Elements, and the next index.
    Stack(Rc<Vec<Value>>),
    /// A mask or a range of a set.
    Object(Rc<Instance>),
    /// Result of applying a table.
    Applied {
        hit: crate::ir::SlotId,
        run: crate::ir::SlotId,
        table: usize,
    },
    /// `action_run`: which table's.
    Run {
        slot: crate::ir::SlotId,
        table: usize,
    },
}

/// A header value.
#[derive(Clone)]
pub(crate) struct HeaderValue {
    pub(crate) valid: Expr,
    pub(crate) fields: Rc<Vec<Value>>,
    /// The instance it is read from, if it is read as a whole.
    pub(crate) source: Option<HeaderId>,
}

impl Typed {
    pub(crate) fn new(ty: Type, value: Value) -> Self {
        Self { ty, value }
    }

    pub(crate) fn bits(ty: Type, value: Expr) -> Self {
        Self {
            ty,
            value: Value::Bits(value),
        }
    }

    pub(crate) fn flag(value: Expr) -> Self {
        Self::bits(Type::Bool, value)
    }

    pub(crate) fn int(value: impl Into<BigInt>) -> Self {
        Self {
            ty: Type::Int,
            value: Value::Int(value.into()),
        }
    }

    pub(crate) fn void() -> Self {
        Self {
            ty: Type::Void,
            value: Value::None,
        }
    }
}

impl Value {
    /// Calls `visit` with every expression in it.
    pub(crate) fn each_expr(&self, visit: &mut impl FnMut(&Expr)) {
        match self {
            Self::Bits(expr) => visit(expr),
            Self::Parts(parts) | Self::Stack(parts) => {
                for part in parts.iter() {
                    part.each_expr(visit);
                }
            }
            Self::Header(header) => {
                visit(&header.valid);
                for field in header.fields.iter() {
                    field.each_expr(visit);
                }
            }
            _ => {}
        }
    }

    /// Whether it is known at compile time.
    pub(crate) fn is_const(&self) -> bool {
        let mut all = true;
        self.each_expr(&mut |expr| all &= expr.as_const().is_some());
        all
    }
}
