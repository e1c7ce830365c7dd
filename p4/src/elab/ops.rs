// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Binary operators.

use num_bigint::BigInt;

use crate::{
    ast::{Binary, Expr},
    ir::{BinaryOp, Expr as Ir},
    source::Span,
};

use super::{
    Elab, Elaborator, Reported,
    expr::has_effects,
    types::Type,
    value::{Typed, Value},
};

/// Compile-time shifts go no further.
const MAX_SHIFT: u32 = 4096;

impl Elaborator<'_> {
    /// A binary operation.
    pub(crate) fn binary(
        &mut self,
        whole: &Expr,
        op: Binary,
        left: &Expr,
        right: &Expr,
    ) -> Elab<Typed> {
        if matches!(op, Binary::And | Binary::Or) {
            return self.logical(op, left, right);
        }
        let mut a = self.expr(left)?;
        if has_effects(right) {
            a.value = self.spill(&a.value);
        }
        let b = self.expr(right)?;
        self.apply_operator(whole.span, op, (left.span, a), (right.span, b))
    }

    /// The operation on values.
    pub(crate) fn apply_operator(
        &mut self,
        span: Span,
        op: Binary,
        (left_span, a): (Span, Typed),
        (right_span, b): (Span, Typed),
    ) -> Elab<Typed> {
        if matches!(a.ty, Type::Unknown) || matches!(b.ty, Type::Unknown) {
            return Err(Reported);
        }
        let a = Self::underlying(op, a);
        let b = Self::underlying(op, b);
        match op {
            Binary::Shl | Binary::Shr => self.shift(span, op, a, b),
            Binary::Eq | Binary::Ne => {
                let same = self.equal(span, (left_span, a), (right_span, b))?;
                Ok(Typed::flag(if op == Binary::Eq {
                    same
                } else {
                    same.not()
                }))
            }
            Binary::Concat => match (&a.ty, &b.ty, a.value, b.value) {
                (
                    Type::Bits { width: w, signed },
                    Type::Bits { width: v, .. },
                    Value::Bits(x),
                    Value::Bits(y),
                ) => {
                    if w + v > super::MAX_WIDTH {
                        return Err(self.error(span, format!("{} bits are too wide", w + v)));
                    }
                    Ok(Typed::bits(
                        Type::Bits {
                            width: w + v,
                            signed: *signed,
                        },
                        Ir::concat(x, y),
                    ))
                }
                _ => Err(self.error(span, "`++` joins values of known width")),
            },
            _ => {
                if let (Type::Int, Type::Int, Value::Int(x), Value::Int(y)) =
                    (&a.ty, &b.ty, &a.value, &b.value)
                {
                    return self.int_operator(span, op, x, y);
                }
                let (a, b) = self.balance((left_span, a), (right_span, b))?;
                self.bits_operator(span, op, a, b)
            }
        }
    }

    /// A serializable enum counts as its underlying type, except in comparisons with itself.
    fn underlying(op: Binary, typed: Typed) -> Typed {
        match &typed.ty {
            Type::Enum(of) if !matches!(op, Binary::Eq | Binary::Ne) => match &of.underlying {
                Some(ty) => Typed::new(ty.clone(), typed.value),
                None => typed,
            },
            _ => typed,
        }
    }

    /// Gives integers of unknown width the type of the other operand.
    fn balance(
        &mut self,
        (left_span, a): (Span, Typed),
        (right_span, b): (Span, Typed),
    ) -> Elab<(Typed, Typed)> {
        match (&a.ty, &b.ty) {
            (Type::Int, _) => {
                let ty = b.ty.clone();
                Ok((self.coerce(left_span, a, &ty)?, b))
            }
            (Type::Enum(of), Type::Bits { .. }) if of.underlying.is_some() => {
                let ty = b.ty.clone();
                Ok((self.coerce(left_span, a, &ty)?, b))
            }
            _ => {
                let ty = a.ty.clone();
                let b = self.coerce(right_span, b, &ty)?;
                Ok((a, b))
            }
        }
    }

    fn bits_operator(&mut self, span: Span, op: Binary, a: Typed, b: Typed) -> Elab<Typed> {
        let (Type::Bits { signed, .. }, Value::Bits(x), Value::Bits(y)) = (&a.ty, a.value, b.value)
        else {
            return Err(self.error(span, format!("this operator does not apply to {}", a.ty)));
        };
        let signed = *signed;
        if signed && matches!(op, Binary::Div | Binary::Mod) {
            return Err(self.error(span, "signed division is not defined"));
        }
        let order = |strict: bool| match (strict, signed) {
            (true, false) => BinaryOp::Lt,
            (true, true) => BinaryOp::LtSigned,
            (false, false) => BinaryOp::Le,
            (false, true) => BinaryOp::LeSigned,
        };
        let flag = |op, x, y| Ok(Typed::flag(Ir::binary(op, x, y)));
        let op = match op {
            Binary::Lt => return flag(order(true), x, y),
            Binary::Le => return flag(order(false), x, y),
            Binary::Gt => return flag(order(true), y, x),
            Binary::Ge => return flag(order(false), y, x),
            Binary::Add => BinaryOp::Add,
            Binary::Sub => BinaryOp::Sub,
            Binary::Mul => BinaryOp::Mul,
            Binary::Div => BinaryOp::Div,
            Binary::Mod => BinaryOp::Mod,
            Binary::AddSat if signed => BinaryOp::AddSatSigned,
            Binary::AddSat => BinaryOp::AddSat,
            Binary::SubSat if signed => BinaryOp::SubSatSigned,
            Binary::SubSat => BinaryOp::SubSat,
            Binary::BitAnd => BinaryOp::And,
            Binary::BitOr => BinaryOp::Or,
            _ => BinaryOp::Xor,
        };
        if matches!(op, BinaryOp::Div | BinaryOp::Mod)
            && y.as_const().is_some_and(crate::ir::Const::is_zero)
        {
            return Err(self.error(span, "division by zero"));
        }
        Ok(Typed::bits(a.ty, Ir::binary(op, x, y)))
    }

    fn int_operator(&mut self, span: Span, op: Binary, x: &BigInt, y: &BigInt) -> Elab<Typed> {
        let zero = BigInt::from(0);
        Ok(match op {
            Binary::Lt => Typed::flag(Ir::flag(x < y)),
            Binary::Le => Typed::flag(Ir::flag(x <= y)),
            Binary::Gt => Typed::flag(Ir::flag(x > y)),
            Binary::Ge => Typed::flag(Ir::flag(x >= y)),
            Binary::Add => Typed::int(x + y),
            Binary::Sub => Typed::int(x - y),
            Binary::Mul if x.bits() + y.bits() <= u64::from(MAX_SHIFT) => Typed::int(x * y),
            Binary::Div | Binary::Mod if *y <= zero || *x < zero => {
                return Err(self.error(
                    span,
                    "division needs a positive divisor and a dividend that is not negative",
                ));
            }
            Binary::Div => Typed::int(x / y),
            Binary::Mod => Typed::int(x % y),
            Binary::BitAnd => Typed::int(x & y),
            Binary::BitOr => Typed::int(x | y),
            Binary::BitXor => Typed::int(x ^ y),
            _ => {
                return Err(self.error(
                    span,
                    "this operator does not apply to integers of unknown width",
                ));
            }
        })
    }

    fn shift(&mut self, span: Span, op: Binary, a: Typed, b: Typed) -> Elab<Typed> {
        let amount = match (&b.ty, &b.value) {
            (Type::Int, Value::Int(value)) if *value < BigInt::from(0) => {
                return Err(self.error(span, "a shift by a negative number is not possible"));
            }
            (Type::Int, Value::Int(value)) => {
                let value = value.clone().min(BigInt::from(u32::MAX));
                Ir::constant(crate::ir::Const::from_int(32, &value))
            }
            (Type::Bits { signed: false, .. }, Value::Bits(bits)) => bits.clone(),
            (Type::Bits { signed: true, .. }, Value::Bits(bits)) if bits.as_const().is_some() => {
                bits.clone()
            }
            (ty, _) => return Err(self.error(span, format!("a shift by {ty} is not possible"))),
        };
        match (&a.ty, a.value) {
            (Type::Int, Value::Int(value)) => {
                let Some(amount) = amount.as_const().and_then(crate::ir::Const::to_u64) else {
                    return Err(self.error(
                        span,
                        "an integer of unknown width can only be shifted by a constant",
                    ));
                };
                let by = u32::try_from(amount).unwrap_or(u32::MAX);
                if op == Binary::Shl && by > MAX_SHIFT {
                    return Err(self.error(span, "the result of this shift is too large"));
                }
                let by = by.min(MAX_SHIFT * 4);
                Ok(Typed::int(if op == Binary::Shl {
                    value << by
                } else {
                    value >> by
                }))
            }
            (Type::Bits { signed, .. }, Value::Bits(bits)) => {
                let op = match (op, signed) {
                    (Binary::Shl, _) => BinaryOp::Shl,
                    (_, false) => BinaryOp::Shr,
                    (_, true) => BinaryOp::ShrSigned,
                };
                Ok(Typed::bits(a.ty, Ir::binary(op, bits, amount)))
            }
            (ty, _) => Err(self.error(span, format!("{ty} cannot be shifted"))),
        }
    }

    /// Whether two values are equal, part by part.
    fn equal(
        &mut self,
        span: Span,
        (left_span, a): (Span, Typed),
        (right_span, b): (Span, Typed),
    ) -> Elab<Ir> {
        if let (Value::Int(x), Value::Int(y)) = (&a.value, &b.value) {
            return Ok(Ir::flag(x == y));
        }
        let literal = |ty: &Type| {
            matches!(
                ty,
                Type::Int | Type::List(_) | Type::Record(_) | Type::Invalid
            )
        };
        let (a, b) = if literal(&a.ty) && !literal(&b.ty) {
            let ty = b.ty.clone();
            (self.coerce(left_span, a, &ty)?, b)
        } else {
            self.balance((left_span, a), (right_span, b))?
        };
        if let (Type::Str, Value::Str(x), Value::Str(y)) = (&a.ty, &a.value, &b.value) {
            return Ok(Ir::flag(x == y));
        }
        equal_values(&a.value, &b.value)
            .ok_or_else(|| self.error(span, format!("values of type {} cannot be compared", a.ty)))
    }
}

/// Two headers are equal if both are invalid, or both are valid with equal fields.
fn equal_values(a: &Value, b: &Value) -> Option<Ir> {
    let all = |a: &[Value], b: &[Value]| {
        let mut whole = Ir::flag(true);
        for (a, b) in a.iter().zip(b) {
            whole = Ir::and(whole, equal_values(a, b)?);
        }
        Some(whole)
    };
    match (a, b) {
        (Value::Bits(a), Value::Bits(b)) if a.width == b.width => {
            Some(Ir::binary(BinaryOp::Eq, a.clone(), b.clone()))
        }
        (Value::Int(a), Value::Int(b)) => Some(Ir::flag(a == b)),
        (Value::Parts(a), Value::Parts(b)) | (Value::Stack(a), Value::Stack(b)) => all(a, b),
        (Value::Header(a), Value::Header(b)) => {
            let both_invalid = Ir::and(a.valid.clone().not(), b.valid.clone().not());
            let both_valid = Ir::and(a.valid.clone(), b.valid.clone());
            let fields = all(&a.fields, &b.fields)?;
            Some(Ir::binary(
                BinaryOp::Or,
                both_invalid,
                Ir::and(both_valid, fields),
            ))
        }
        _ => None,
    }
}
