// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Operators and casts.

use num_bigint::BigInt;

use crate::{
    ast::{Binary, Expr, TypeExpr, Unary},
    source::Span,
};

use super::{
    Check, Checker, Ex, Reported,
    constant::{Const, wrap},
    ty::Ty,
};

impl Checker<'_> {
    pub(super) fn unary(&mut self, op: Unary, operand: &Expr) -> Check<Ex> {
        let mut ex = self.expr(operand)?;
        if let Ty::Enum(of) = &ex.ty
            && let Some(ty) = &of.underlying
        {
            ex.ty = ty.clone();
        }
        let result = match (op, &ex.ty) {
            (_, Ty::Unknown) => return Err(Reported),
            (Unary::Not, Ty::Bool) => match ex.value {
                Some(Const::Bool(value)) => Some(Const::Bool(!value)),
                _ => None,
            },
            (Unary::Complement, Ty::Bits(..)) => ex
                .value
                .as_ref()
                .and_then(Const::int)
                .map(|value| Const::Int(wrap(&ex.ty, -value - 1))),
            (Unary::Neg, Ty::Bits(..) | Ty::Int) => ex
                .value
                .as_ref()
                .and_then(Const::int)
                .map(|value| Const::Int(wrap(&ex.ty, -value))),
            (Unary::Plus, Ty::Bits(..) | Ty::Int) => ex.value.clone(),
            (_, ty) => {
                let message = format!("this operator does not apply to {ty}");
                return Err(self.error(operand.span, message));
            }
        };
        Ok(Ex {
            value: result,
            storage: super::Storage::No,
            ..ex
        })
    }

    pub(super) fn binary(
        &mut self,
        span: Span,
        op: Binary,
        left: &Expr,
        right: &Expr,
    ) -> Check<Ex> {
        let a = self.expr(left);
        let b = self.expr(right);
        self.operate(span, op, (left.span, a?), (right.span, b?))
    }

    /// The operation on two operands.
    pub(super) fn operate(
        &mut self,
        span: Span,
        op: Binary,
        (left, a): (Span, Ex),
        (right, b): (Span, Ex),
    ) -> Check<Ex> {
        if matches!(a.ty, Ty::Unknown) || matches!(b.ty, Ty::Unknown) {
            return Err(Reported);
        }
        if matches!(a.ty, Ty::Dots) || matches!(b.ty, Ty::Dots) {
            return Err(self.error(span, "`...` has no type here"));
        }
        match op {
            Binary::And | Binary::Or => self.logical(op, (left, a), (right, b)),
            Binary::Eq | Binary::Ne => self.equality(span, op, a, b),
            Binary::Shl | Binary::Shr => self.shift(span, op, (left, a), (right, b)),
            Binary::Concat => self.concat(span, a, b),
            _ => self.arithmetic(span, op, (left, a), (right, b)),
        }
    }

    fn logical(&mut self, op: Binary, (left, a): (Span, Ex), (right, b): (Span, Ex)) -> Check<Ex> {
        self.expect(left, &a.ty, &Ty::Bool)?;
        self.expect(right, &b.ty, &Ty::Bool)?;
        let value = match (op, &a.value, &b.value) {
            (Binary::And, Some(Const::Bool(x)), Some(Const::Bool(y))) => Some(*x && *y),
            (Binary::Or, Some(Const::Bool(x)), Some(Const::Bool(y))) => Some(*x || *y),
            _ => None,
        };
        Ok(result(Ty::Bool, value.map(Const::Bool), &a, &b))
    }

    /// `==` and `!=`: of one type, or of types of which one converts to the other.
    fn equality(&mut self, span: Span, op: Binary, a: Ex, b: Ex) -> Check<Ex> {
        let fits = if a.ty.is_literal() && !b.ty.is_literal() {
            self.converts(&a.ty, &b.ty)
        } else {
            let (x, y) = (underlying(&a.ty), underlying(&b.ty));
            self.converts(&b.ty, &a.ty)
                || self.converts(&a.ty, &b.ty)
                || (matches!(x, Ty::Bits(..)) && self.converts(&y, &x))
        };
        let open = |ty: &Ty| match ty {
            Ty::Record(_) => true,
            Ty::List(list) => list.iter().any(Ty::is_literal),
            _ => false,
        };
        let both_open =
            matches!((&a.ty, &b.ty), (Ty::Invalid, Ty::Invalid)) || (open(&a.ty) && open(&b.ty));
        if !fits || both_open || !comparable(&a.ty) || !comparable(&b.ty) {
            let message = format!("values of type {} and {} cannot be compared", a.ty, b.ty);
            return Err(self.error(span, message));
        }
        let value = match (&a.value, &b.value) {
            (Some(x), Some(y)) => {
                let same = match (x, y) {
                    (Const::List(_), _) | (_, Const::List(_)) => None,
                    (Const::Int(x), Const::Int(y)) => {
                        let ty = if matches!(a.ty, Ty::Int) {
                            &b.ty
                        } else {
                            &a.ty
                        };
                        Some(wrap(ty, x.clone()) == wrap(ty, y.clone()))
                    }
                    _ => Some(x == y),
                };
                same.map(|same| Const::Bool(same == (op == Binary::Eq)))
            }
            _ => None,
        };
        Ok(result(Ty::Bool, value, &a, &b))
    }

    fn concat(&mut self, span: Span, a: Ex, b: Ex) -> Check<Ex> {
        let (x, y) = (underlying(&a.ty), underlying(&b.ty));
        match (&x, &y) {
            (Ty::Bits(w, signed), Ty::Bits(v, _)) => {
                if w + v > super::MAX_WIDTH {
                    return Err(self.error(span, format!("{} bits are too wide", w + v)));
                }
                let ty = Ty::Bits(w + v, *signed);
                let value = match (&a.value, &b.value) {
                    (Some(Const::Int(x)), Some(Const::Int(y))) => {
                        let low = wrap(&Ty::Bits(*v, false), y.clone());
                        Some(Const::Int(wrap(&ty, (x << *v) + low)))
                    }
                    _ => None,
                };
                Ok(result(ty, value, &a, &b))
            }
            (Ty::Str, Ty::Str) => {
                let value = match (&a.value, &b.value) {
                    (Some(Const::Str(x)), Some(Const::Str(y))) => {
                        Some(Const::Str(format!("{x}{y}").into()))
                    }
                    _ => None,
                };
                Ok(result(Ty::Str, value, &a, &b))
            }
            _ => Err(self.error(span, "`++` joins values of known width, or strings")),
        }
    }

    fn shift(
        &mut self,
        span: Span,
        op: Binary,
        (left, a): (Span, Ex),
        (right, b): (Span, Ex),
    ) -> Check<Ex> {
        let (ty, by) = (underlying(&a.ty), underlying(&b.ty));
        if !matches!(ty, Ty::Bits(..) | Ty::Int) {
            return Err(self.error(left, format!("{ty} cannot be shifted")));
        }
        let possible = match by {
            Ty::Bits(_, false) => true,
            Ty::Int | Ty::Bits(_, true) => b.fixed,
            _ => false,
        };
        if !possible {
            return Err(self.error(right, format!("a shift by {} is not possible", b.ty)));
        }
        if matches!(ty, Ty::Int) && !b.fixed {
            return Err(self.error(
                span,
                "an integer of unknown width can only be shifted by a constant",
            ));
        }
        let zero = BigInt::from(0);
        if b.value
            .as_ref()
            .and_then(Const::int)
            .is_some_and(|value| *value < zero)
        {
            return Err(self.error(span, "a shift by a negative number is not possible"));
        }
        let value = match (&a.value, &b.value) {
            (Some(Const::Int(x)), Some(Const::Int(y))) => {
                let (x, y) = (x.clone(), y.clone());
                self.compute(span, op, &ty, &x, &y)?
            }
            _ => None,
        };
        Ok(result(ty, value, &a, &b))
    }

    /// Operators whose operands have one type; an `int` takes the type of the other.
    fn arithmetic(
        &mut self,
        span: Span,
        op: Binary,
        (left, a): (Span, Ex),
        (right, b): (Span, Ex),
    ) -> Check<Ex> {
        let (x, y) = (underlying(&a.ty), underlying(&b.ty));
        let ty = match (&x, &y) {
            (Ty::Int, Ty::Bits(..)) => y,
            (Ty::Bits(..), Ty::Int) => x,
            (Ty::Bits(..) | Ty::Int, _) => {
                self.expect(right, &y, &x)?;
                x
            }
            _ => {
                let message = format!("this operator does not apply to {}", a.ty);
                return Err(self.error(left, message));
            }
        };
        if matches!(ty, Ty::Int) && matches!(op, Binary::AddSat | Binary::SubSat) {
            return Err(self.error(
                span,
                "this operator does not apply to integers of unknown width",
            ));
        }
        if matches!(op, Binary::Div | Binary::Mod) {
            self.check_division(span, &ty, &b)?;
        }
        let value = match (&a.value, &b.value) {
            (Some(Const::Int(x)), Some(Const::Int(y))) => {
                let (x, y) = (wrap(&ty, x.clone()), wrap(&ty, y.clone()));
                self.compute(span, op, &ty, &x, &y)?
            }
            _ => None,
        };
        let ordered = matches!(op, Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge);
        Ok(result(if ordered { Ty::Bool } else { ty }, value, &a, &b))
    }

    /// Division is for numbers that are not negative.
    fn check_division(&mut self, span: Span, ty: &Ty, b: &Ex) -> Check<()> {
        if matches!(ty, Ty::Bits(_, true)) {
            return Err(self.error(span, "signed division is not defined"));
        }
        let zero = BigInt::from(0);
        match b.value.as_ref().and_then(Const::int) {
            Some(value) if *value == zero => Err(self.error(span, "division by zero")),
            Some(value) if *value < zero => {
                Err(self.error(span, "division is not defined for negative numbers"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn mux(
        &mut self,
        span: Span,
        condition: &Expr,
        then: &Expr,
        otherwise: &Expr,
    ) -> Check<Ex> {
        let condition = self.expr_as(condition, &Ty::Bool)?;
        let a = self.expr(then);
        let b = self.expr(otherwise);
        let (a, b) = (a?, b?);
        let enum_first = matches!((&a.ty, &b.ty), (Ty::Enum(_), Ty::Bits(..)));
        let ty = if enum_first || (a.ty.is_literal() && !b.ty.is_literal()) {
            self.expect(then.span, &a.ty, &b.ty)?;
            b.ty.clone()
        } else {
            self.expect(otherwise.span, &b.ty, &a.ty)?;
            a.ty.clone()
        };
        if matches!(ty, Ty::Int) && !condition.fixed {
            return Err(self.error(span, "the width of the result is not known"));
        }
        if matches!(ty, Ty::Void | Ty::Object(..) | Ty::Applied(_) | Ty::Dots) {
            return Err(self.error(span, format!("{ty} cannot be chosen by a condition")));
        }
        let value = match condition.value {
            Some(Const::Bool(true)) => a.value.clone(),
            Some(Const::Bool(false)) => b.value.clone(),
            _ => None,
        };
        let mut ex = result(ty, value, &a, &b);
        ex.fixed &= condition.fixed;
        Ok(ex)
    }

    pub(super) fn cast(&mut self, whole: &Expr, to: &TypeExpr, operand: &Expr) -> Check<Ex> {
        let to = self.resolve_whole(to)?;
        if to.any(&mut |ty| matches!(ty, Ty::Var(_))) {
            return Err(self.error(whole.span, "a cast needs a type without `_`"));
        }
        let ex = self.expr(operand)?;
        if matches!(
            to,
            Ty::Void | Ty::MatchKind | Ty::Varbit(_) | Ty::Object(..) | Ty::Str | Ty::Error
        ) {
            let from = &ex.ty;
            let same = self.settle(from);
            let (same, to_name) = (same.to_string(), to.to_string());
            if same != to_name || matches!(to, Ty::Void | Ty::Object(..)) {
                return Err(self.error(whole.span, format!("a cast to {to} is not possible")));
            }
        }
        if cast_allowed(&ex.ty, &to) {
            return self.cast_scalar(whole.span, ex, to);
        }
        let ex = self.convert(whole.span, ex, &to)?;
        Ok(Ex {
            ty: to,
            storage: super::Storage::No,
            ..ex
        })
    }

    fn cast_scalar(&mut self, span: Span, ex: Ex, to: Ty) -> Check<Ex> {
        let target = base(&to);
        let value = match (&ex.value, &target) {
            (Some(Const::Int(value)), Ty::Bool) => match u32::try_from(value) {
                Ok(number @ 0..=1) => Some(Const::Bool(number == 1)),
                _ => return Err(self.error(span, "only 0 and 1 can be cast to bool")),
            },
            (Some(Const::Int(value)), ty) => Some(Const::Int(wrap(ty, value.clone()))),
            (Some(Const::Bool(value)), Ty::Bits(..) | Ty::Int) => {
                Some(Const::Int(i32::from(*value).into()))
            }
            (value, _) => value.clone(),
        };
        Ok(Ex {
            ty: to,
            value,
            fixed: ex.fixed,
            storage: super::Storage::No,
        })
    }
}

/// The type and value of an operation on two operands.
fn result(ty: Ty, value: Option<Const>, a: &Ex, b: &Ex) -> Ex {
    Ex {
        ty,
        value,
        fixed: a.fixed && b.fixed,
        storage: super::Storage::No,
    }
}

/// What a `type` is made of.
fn base(ty: &Ty) -> Ty {
    match ty {
        Ty::New(of) => base(&of.ty),
        Ty::Enum(of) => of.underlying.clone().unwrap_or_else(|| ty.clone()),
        _ => ty.clone(),
    }
}

/// A serializable enum counts as its underlying type in arithmetic.
fn underlying(ty: &Ty) -> Ty {
    match ty {
        Ty::Enum(of) => of.underlying.clone().unwrap_or_else(|| ty.clone()),
        _ => ty.clone(),
    }
}

/// Whether values of a type have `==`.
fn comparable(ty: &Ty) -> bool {
    match ty {
        Ty::Void | Ty::Object(..) | Ty::Applied(_) | Ty::ActionRun(_) => false,
        Ty::Param(..) | Ty::Var(_) | Ty::Set(_) | Ty::ListOf(_) => false,
        Ty::Struct(..) => ty
            .fields()
            .is_some_and(|fields| fields.iter().all(|(_, ty)| comparable(ty))),
        Ty::Stack(element, _) => comparable(element),
        Ty::Tuple(list) | Ty::List(list) => list.iter().all(comparable),
        _ => true,
    }
}

/// Whether a type is the `type` of that number.
fn is_new(ty: &Ty, id: crate::ast::DeclId) -> bool {
    matches!(ty, Ty::New(of) if of.id == id)
}

/// Whether both are the same type of single values.
fn same_scalar(a: &Ty, b: &Ty) -> bool {
    match (a, b) {
        (Ty::Bits(w, s), Ty::Bits(v, t)) => w == v && s == t,
        (Ty::Bool, Ty::Bool) => true,
        _ => false,
    }
}

/// Which casts between single values are possible.
/// See [P4_16 §8.11.1](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html#sec-explicit-casts).
pub(super) fn cast_allowed(from: &Ty, to: &Ty) -> bool {
    match (from, to) {
        (Ty::Enum(x), Ty::Enum(y)) => {
            x.id == y.id || (x.underlying.is_some() && y.underlying.is_some())
        }
        (Ty::New(x), Ty::New(y)) if x.id == y.id || is_new(&y.ty, x.id) || is_new(&x.ty, y.id) => {
            true
        }
        (Ty::New(of), to) => {
            same_scalar(&of.ty, to) || matches!(of.ty, Ty::New(_)) && cast_allowed(&of.ty, to)
        }
        (from, Ty::New(of)) => {
            same_scalar(from, &of.ty)
                || (matches!(from, Ty::Int) && cast_allowed(from, &of.ty))
                || matches!(of.ty, Ty::New(_)) && cast_allowed(from, &of.ty)
        }
        (Ty::Enum(of), to) => of
            .underlying
            .as_ref()
            .is_some_and(|ty| cast_allowed(ty, to)),
        (from, Ty::Enum(of)) => of
            .underlying
            .as_ref()
            .is_some_and(|ty| cast_allowed(from, ty)),
        (Ty::Bits(w, s), Ty::Bits(v, t)) => s == t || w == v,
        (Ty::Int, Ty::Bits(..) | Ty::Bool | Ty::Int) => true,
        (Ty::Bits(1, false), Ty::Bool) | (Ty::Bool, Ty::Bits(1, false) | Ty::Bool) => true,
        (Ty::Bits(..), Ty::Int) => true,
        _ => false,
    }
}
