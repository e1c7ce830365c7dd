// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Expressions that are neither operators nor calls.

use std::rc::Rc;

use num_bigint::BigInt;

use crate::{
    ast::{Expr, ExprKind, Name, TypeExpr},
    diagnostic::Diagnostic,
    source::Span,
};

use super::{
    Check, Checker, Ex, Reported, Storage, Within,
    constant::{Const, wrap},
    scope::Entity,
    ty::Ty,
};

impl Checker<'_> {
    /// An expression of a type.
    pub(super) fn expr_as(&mut self, expr: &Expr, ty: &Ty) -> Check<Ex> {
        let ex = self.expr(expr)?;
        self.convert(expr.span, ex, ty)
    }

    /// A value where another type is wanted.
    pub(super) fn convert(&mut self, span: Span, mut ex: Ex, ty: &Ty) -> Check<Ex> {
        self.expect(span, &ex.ty, ty)?;
        let to = self.shallow(ty);
        if let (Some(Const::Int(value)), Ty::Bits(..)) = (&ex.value, &to) {
            if matches!(ex.ty, Ty::Int) {
                self.check_fit(span, &to, value);
            }
            ex.value = Some(Const::Int(wrap(&to, value.clone())));
        }
        if !matches!(to, Ty::Var(_) | Ty::Unknown) {
            ex.ty = to;
        }
        Ok(ex)
    }

    /// An expression.
    pub(super) fn expr(&mut self, expr: &Expr) -> Check<Ex> {
        let mut ex = self.expr_inner(expr)?;
        ex.ty = self.shallow(&ex.ty);
        Ok(ex)
    }

    fn expr_inner(&mut self, expr: &Expr) -> Check<Ex> {
        match &expr.kind {
            ExprKind::Int { value, width } => self.integer(expr.span, value, *width),
            ExprKind::Bool(value) => Ok(Ex::known(Ty::Bool, Const::Bool(*value))),
            ExprKind::Str(text) => Ok(Ex::known(Ty::Str, Const::Str(text.clone()))),
            ExprKind::Name { name, global } => self.name_value(name, *global),
            ExprKind::Type(ty) => Err(self.error(ty.span, "expected a value, found a type")),
            ExprKind::Member(base, name) => self.member(base, name),
            ExprKind::Index(base, index) => self.index(base, index),
            ExprKind::Slice(base, high, low) => self.slice(base, high, low),
            ExprKind::PlusSlice(base, start, width) => self.plus_slice(base, start, width),
            ExprKind::Unary(op, operand) => self.unary(*op, operand),
            ExprKind::Binary(op, left, right) => self.binary(expr.span, *op, left, right),
            ExprKind::Cast(ty, operand) => self.cast(expr, ty, operand),
            ExprKind::Mux(condition, then, otherwise) => {
                self.mux(expr.span, condition, then, otherwise)
            }
            ExprKind::Call {
                callee,
                type_args,
                args,
            } => self.call(expr, callee, type_args, args),
            ExprKind::List(items) => self.list(items),
            ExprKind::Record(fields) => self.record(fields),
            ExprKind::Invalid => Ok(Ex::fixed(Ty::Invalid)),
            ExprKind::Dots => Ok(Ex::fixed(Ty::Dots)),
            ExprKind::Any | ExprKind::Mask(..) | ExprKind::Range(..) => {
                Err(self.error(expr.span, "a set is not a value"))
            }
            ExprKind::This => match (&self.body.within, self.this.clone()) {
                (Within::Method, Some(ty)) => Ok(Ex::new(ty)),
                _ => Err(self.error(
                    expr.span,
                    "`this` can only be used in the definition of an abstract method",
                )),
            },
        }
    }

    fn integer(&mut self, span: Span, value: &BigInt, width: Option<(u32, bool)>) -> Check<Ex> {
        let Some((width, signed)) = width else {
            return Ok(Ex::known(Ty::Int, Const::Int(value.clone())));
        };
        if width > super::MAX_WIDTH || (signed && width == 0) {
            return Err(self.error(span, "this width is not possible"));
        }
        let ty = Ty::Bits(width, signed);
        self.check_fit(span, &ty, value);
        let value = wrap(&ty, value.clone());
        Ok(Ex::known(ty, Const::Int(value)))
    }

    fn list(&mut self, items: &[Expr]) -> Check<Ex> {
        let (mut types, mut values) = (Vec::new(), Vec::new());
        let mut fixed = true;
        for (index, item) in items.iter().enumerate() {
            let ex = self.expr(item)?;
            if matches!(ex.ty, Ty::Dots) && index + 1 != items.len() {
                return Err(self.error(item.span, "`...` must be the last element"));
            }
            self.check_element_value(item.span, &ex.ty)?;
            fixed &= ex.fixed;
            types.push(ex.ty);
            values.push(ex.value);
        }
        let mut ex = Ex::new(Ty::List(types.into()));
        ex.fixed = fixed;
        ex.value = fixed.then_some(Const::List(values));
        Ok(ex)
    }

    fn record(&mut self, fields: &[(Name, Expr)]) -> Check<Ex> {
        let mut types: Vec<(Rc<str>, Ty)> = Vec::new();
        let mut fixed = true;
        for (index, (name, value)) in fields.iter().enumerate() {
            if types.iter().any(|(other, _)| *other == name.text) {
                let message = format!("field `{}` is given twice", name.text);
                return Err(self.error(name.span, message));
            }
            if &*name.text == "..." && index + 1 != fields.len() {
                return Err(self.error(name.span, "`...` must be the last element"));
            }
            let ex = self.expr(value)?;
            self.check_element_value(value.span, &ex.ty)?;
            fixed &= ex.fixed;
            types.push((name.text.clone(), ex.ty));
        }
        let mut ex = Ex::new(Ty::Record(types.into()));
        ex.fixed = fixed;
        Ok(ex)
    }

    /// What may be in braces.
    fn check_element_value(&mut self, span: Span, ty: &Ty) -> Check<()> {
        match ty {
            Ty::Void | Ty::Applied(_) | Ty::ActionRun(_) => {
                Err(self.error(span, format!("{ty} cannot be part of a value")))
            }
            Ty::Object(..) if !matches!(self.body.within, Within::Top) => {
                Err(self.error(span, format!("{ty} cannot be part of a value")))
            }
            _ => Ok(()),
        }
    }

    fn name_value(&mut self, name: &Name, global: bool) -> Check<Ex> {
        if self.lookup(&name.text).is_none() && self.match_kinds.contains(&name.text) {
            return Ok(Ex::known(Ty::MatchKind, Const::Name(name.text.clone())));
        }
        match self.entity(name, global)? {
            Entity::Const(ty, value) => Ok(Ex {
                value,
                ..Ex::fixed(ty)
            }),
            Entity::Variable { ty, writable } => Ok(Ex::stored(ty, writable)),
            Entity::Instance(ty) => Ok(Ex::fixed(ty)),
            Entity::ValueSet(ty) => Ok(Ex::new(Ty::Set(Rc::new(ty)))),
            _ => Err(self.error(name.span, format!("`{}` is not a value", name.text))),
        }
    }

    fn member(&mut self, base: &Expr, name: &Name) -> Check<Ex> {
        if let ExprKind::Type(ty) = &base.kind {
            return self.type_member(ty, name);
        }
        if let ExprKind::Name { name: of, .. } = &base.kind
            && matches!(self.lookup(&of.text), Some(Entity::Table(_)))
        {
            let message = format!("a table has no member `{}`, only apply()", name.text);
            return Err(self.error(name.span, message));
        }
        let ex = self.expr(base)?;
        match &ex.ty {
            Ty::Unknown => Err(Reported),
            Ty::Applied(actions) => match &*name.text {
                "hit" | "miss" => Ok(Ex::new(Ty::Bool)),
                "action_run" => Ok(Ex::new(Ty::ActionRun(actions.clone()))),
                _ => Err(self.error(
                    name.span,
                    "the result of apply() has the members hit, miss and action_run",
                )),
            },
            Ty::Stack(element, size) => {
                let element = element.as_ref().clone();
                self.stack_member(&ex, name, &element, *size)
            }
            Ty::Struct(..) | Ty::Record(_) => {
                let fields = ex.ty.fields().unwrap_or_default();
                let Some(index) = fields.iter().position(|(field, _)| *field == name.text) else {
                    return Err(self.no_field(&ex.ty, name));
                };
                let value = match ex.value {
                    Some(Const::List(values)) => values.into_iter().nth(index).flatten(),
                    _ => None,
                };
                let ty = fields[index].1.clone();
                Ok(Ex { ty, value, ..ex })
            }
            _ => Err(self.no_field(&ex.ty, name)),
        }
    }

    pub(super) fn no_field(&mut self, ty: &Ty, name: &Name) -> Reported {
        let mut diagnostic =
            Diagnostic::error(name.span, format!("{ty} has no field `{}`", name.text));
        if let Some(fields) = ty.fields()
            && let Some((close, _)) = fields
                .iter()
                .find(|(field, _)| crate::spelling::distance(field, &name.text) <= 2)
        {
            diagnostic = diagnostic.help(format!("there is a field `{close}`"));
        }
        self.report(diagnostic)
    }

    /// `Enum.member` and `error.Name`.
    fn type_member(&mut self, ty: &TypeExpr, name: &Name) -> Check<Ex> {
        match self.resolve(ty)? {
            Ty::Error => {
                if !self.errors.contains(&name.text) {
                    let message = format!("error `{}` is not declared", name.text);
                    return Err(self.error(name.span, message));
                }
                Ok(Ex::known(Ty::Error, Const::Name(name.text.clone())))
            }
            Ty::Enum(of) => {
                let Some((_, number)) = of.members.iter().find(|(member, _)| *member == name.text)
                else {
                    let message = format!("enum `{}` has no member `{}`", of.name, name.text);
                    return Err(self.error(name.span, message));
                };
                let value = match number {
                    Some(number) => Const::Int(number.clone()),
                    None => Const::Name(name.text.clone()),
                };
                Ok(Ex::known(Ty::Enum(of), value))
            }
            other => Err(self.error(name.span, format!("{other} has no member `{}`", name.text))),
        }
    }

    /// `next`, `last`, `lastIndex` and `size` of a stack.
    fn stack_member(&mut self, ex: &Ex, name: &Name, element: &Ty, size: u32) -> Check<Ex> {
        let in_parser = self.in_parser();
        let headers = element.is_header() || element.is_union();
        match &*name.text {
            "size" => Ok(Ex::known(Ty::Bits(32, false), Const::Int(size.into()))),
            "next" | "last" | "lastIndex" if !headers => Err(self.error(
                name.span,
                format!("an array of {element} has no `{}`", name.text),
            )),
            "next" | "last" | "lastIndex" if !in_parser => Err(self.error(
                name.span,
                format!("`{}` can only be used in a parser", name.text),
            )),
            "lastIndex" => Ok(Ex::new(Ty::Bits(32, false))),
            "next" | "last" => Ok(Ex {
                ty: element.clone(),
                value: None,
                ..ex.clone()
            }),
            _ => Err(self.error(
                name.span,
                format!("a header stack has no member `{}`", name.text),
            )),
        }
    }

    fn index(&mut self, base: &Expr, index: &Expr) -> Check<Ex> {
        let ex = self.expr(base)?;
        match &ex.ty {
            Ty::Stack(element, size) => {
                let (element, size) = (element.as_ref().clone(), *size);
                let at = self.expr(index)?;
                self.check_index(index.span, &at, size)?;
                Ok(Ex {
                    ty: element,
                    value: None,
                    fixed: ex.fixed && at.fixed,
                    storage: ex.storage,
                })
            }
            Ty::Tuple(types) | Ty::List(types) => {
                let types = types.clone();
                let at = self.const_int(index)?;
                let found = usize::try_from(at).ok().filter(|at| *at < types.len());
                let Some(at) = found else {
                    let message = format!("the tuple has only {} parts", types.len());
                    return Err(self.error(index.span, message));
                };
                let value = match ex.value {
                    Some(Const::List(values)) => values.into_iter().nth(at).flatten(),
                    _ => None,
                };
                Ok(Ex {
                    ty: types[at].clone(),
                    value,
                    ..ex
                })
            }
            Ty::Unknown => Err(Reported),
            other => Err(self.error(base.span, format!("{other} cannot be indexed"))),
        }
    }

    fn check_index(&mut self, span: Span, at: &Ex, size: u32) -> Check<()> {
        let integer = match &at.ty {
            Ty::Int | Ty::Bits(..) | Ty::Unknown => true,
            Ty::Enum(of) => of.underlying.is_some(),
            _ => false,
        };
        if !integer {
            return Err(self.error(span, "the index must be an integer"));
        }
        match &at.value {
            Some(Const::Int(number))
                if *number < 0.into() || (*number >= size.into() && size > 0) =>
            {
                Err(self.error(
                    span,
                    format!("index {number} is outside of a stack of {size}"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// The number of bits that can be cut, if a value can be cut.
    fn sliceable(&mut self, span: Span, ex: &Ex) -> Check<u32> {
        match &ex.ty {
            Ty::Bits(width, _) => Ok(*width),
            Ty::Enum(of) => match of.underlying {
                Some(Ty::Bits(width, _)) => Ok(width),
                _ => Err(self.error(span, format!("{} has no slices", ex.ty))),
            },
            Ty::Int if ex.value.is_some() => Ok(super::MAX_WIDTH),
            Ty::Unknown => Err(Reported),
            other => Err(self.error(span, format!("{other} has no slices"))),
        }
    }

    fn slice(&mut self, base: &Expr, high: &Expr, low: &Expr) -> Check<Ex> {
        let ex = self.expr(base)?;
        let width = self.sliceable(base.span, &ex)?;
        let (h, l) = (self.const_int(high)?, self.const_int(low)?);
        match (u32::try_from(&h), u32::try_from(&l)) {
            (Ok(h), Ok(l)) if h >= l && h < width => Ok(cut(&ex, h, l)),
            _ => Err(self.error(
                high.span.to(low.span),
                format!("bits {h}:{l} are not a slice of {width} bits"),
            )),
        }
    }

    /// `x[start +: width]`
    fn plus_slice(&mut self, base: &Expr, start: &Expr, count: &Expr) -> Check<Ex> {
        let ex = self.expr(base)?;
        let width = self.sliceable(base.span, &ex)?;
        let at = self.expr(start)?;
        if !matches!(at.ty, Ty::Int | Ty::Bits(_, false) | Ty::Unknown) {
            return Err(self.error(start.span, "the first bit must be a number"));
        }
        let bits = self.const_int(count)?;
        let bits = u32::try_from(bits)
            .ok()
            .filter(|bits| (1..=width).contains(bits));
        let Some(bits) = bits else {
            return Err(self.error(count.span, "this is not a possible width"));
        };
        let Some(Const::Int(first)) = &at.value else {
            return Ok(Ex {
                ty: Ty::Bits(bits, false),
                value: None,
                fixed: false,
                storage: ex.storage,
            });
        };
        match u32::try_from(first)
            .ok()
            .filter(|first| *first <= width - bits)
        {
            Some(first) => Ok(cut(&ex, first + bits - 1, first)),
            None => Err(self.error(
                start.span,
                format!("{bits} bits from {first} on are not a slice of {width} bits"),
            )),
        }
    }
}

/// Some bits of a value.
fn cut(ex: &Ex, high: u32, low: u32) -> Ex {
    let ty = Ty::Bits(high - low + 1, false);
    let value = match &ex.value {
        Some(Const::Int(value)) => Some(Const::Int(wrap(&ty, value >> low))),
        _ => None,
    };
    Ex {
        ty,
        value,
        fixed: ex.fixed,
        storage: if matches!(ex.ty, Ty::Enum(_)) {
            Storage::No
        } else {
            ex.storage
        },
    }
}
