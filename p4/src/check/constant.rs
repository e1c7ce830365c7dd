// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Values that are known at compile time.

use std::rc::Rc;

use num_bigint::BigInt;

use crate::{ast::Binary, source::Span};

use super::{Check, Checker, Reported, ty::Ty};

/// Shifts at compile time go no further.
const MAX_SHIFT: u32 = 4096;

/// Compile-time integers have no more bits.
const MAX_BITS: u64 = 1 << 14;

/// A value.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Const {
    Int(BigInt),
    Bool(bool),
    Str(Rc<str>),
    /// A member of an enum or an error.
    Name(Rc<str>),
    List(Vec<Option<Const>>),
}

impl Const {
    pub(super) fn int(&self) -> Option<&BigInt> {
        match self {
            Self::Int(value) => Some(value),
            _ => None,
        }
    }
}

/// The value with the bits of `value` in a type; what has no width stays as it is.
pub(super) fn wrap(ty: &Ty, value: BigInt) -> BigInt {
    let Ty::Bits(width, signed) = ty else {
        return value;
    };
    let modulus = BigInt::from(1) << *width;
    let zero = BigInt::from(0);
    let mut value = value % &modulus;
    if value < zero {
        value += &modulus;
    }
    if *signed && *width > 0 && value >= BigInt::from(1) << (width - 1) {
        value -= &modulus;
    }
    value
}

/// Whether a value is one of a type.
pub(super) fn fits(ty: &Ty, value: &BigInt) -> bool {
    match ty {
        Ty::Bits(width, false) => *value >= BigInt::from(0) && value.bits() <= u64::from(*width),
        Ty::Bits(..) => wrap(ty, value.clone()) == *value,
        _ => true,
    }
}

impl Checker<'_> {
    /// The result of an operation on two integers that are known.
    pub(super) fn compute(
        &mut self,
        span: Span,
        op: Binary,
        ty: &Ty,
        x: &BigInt,
        y: &BigInt,
    ) -> Check<Option<Const>> {
        let zero = BigInt::from(0);
        let value = match op {
            Binary::Eq => return Ok(Some(Const::Bool(x == y))),
            Binary::Ne => return Ok(Some(Const::Bool(x != y))),
            Binary::Lt => return Ok(Some(Const::Bool(x < y))),
            Binary::Le => return Ok(Some(Const::Bool(x <= y))),
            Binary::Gt => return Ok(Some(Const::Bool(x > y))),
            Binary::Ge => return Ok(Some(Const::Bool(x >= y))),
            Binary::Add => x + y,
            Binary::Sub => x - y,
            Binary::Mul => x * y,
            Binary::AddSat => return Ok(Some(Const::Int(saturate(ty, x + y)))),
            Binary::SubSat => return Ok(Some(Const::Int(saturate(ty, x - y)))),
            Binary::Div | Binary::Mod => {
                if *y == zero {
                    return Err(self.error(span, "division by zero"));
                }
                if *y < zero || *x < zero {
                    return Err(self.error(span, "division is not defined for negative numbers"));
                }
                if op == Binary::Div { x / y } else { x % y }
            }
            Binary::BitAnd => x & y,
            Binary::BitOr => x | y,
            Binary::BitXor => x ^ y,
            Binary::Shl | Binary::Shr => {
                if *y < zero {
                    return Err(self.error(span, "a shift by a negative number is not possible"));
                }
                let by = u32::try_from(y).unwrap_or(u32::MAX);
                if op == Binary::Shr {
                    x >> by.min(MAX_SHIFT * 4)
                } else if by > MAX_SHIFT && matches!(ty, Ty::Int) {
                    return Err(self.error(span, "the result of this shift is too large"));
                } else if by > MAX_SHIFT {
                    zero
                } else {
                    x << by
                }
            }
            Binary::Concat | Binary::And | Binary::Or => return Ok(None),
        };
        if value.bits() > MAX_BITS {
            return Err(self.error(span, "this integer is too large"));
        }
        Ok(Some(Const::Int(wrap(ty, value))))
    }

    /// Says that a literal is cut, which is allowed but seldom meant.
    pub(super) fn check_fit(&mut self, span: Span, ty: &Ty, value: &BigInt) {
        if let Ty::Bits(width, signed) = ty
            && !fits(ty, value)
            && (*signed || *value >= BigInt::from(0))
        {
            self.warn(span, format!("value {value} does not fit in {width} bits"));
        }
    }

    /// The integer that an expression must be at compile time.
    pub(super) fn const_int(&mut self, expr: &crate::ast::Expr) -> Check<BigInt> {
        let ex = self.expr(expr)?;
        if matches!(ex.ty, Ty::Unknown) {
            return Err(Reported);
        }
        match ex.value {
            Some(Const::Int(value)) => Ok(value),
            _ => Err(self.error(
                expr.span,
                "this is not an integer that is known at compile time",
            )),
        }
    }
}

fn saturate(ty: &Ty, value: BigInt) -> BigInt {
    let Ty::Bits(width, signed) = ty else {
        return value;
    };
    let one = BigInt::from(1);
    let (low, high) = if *signed {
        let half = &one << width.saturating_sub(1);
        (-half.clone(), half - 1)
    } else {
        (BigInt::from(0), (&one << *width) - 1)
    };
    value.clamp(low, high)
}
