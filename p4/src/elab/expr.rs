// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Expressions that are not calls: their types and values.

use std::rc::Rc;

use crate::{
    ast::{Binary, Expr, ExprKind, Name, TypeExpr, Unary},
    ir::{self, ExprKind as Ir, StmtKind},
};

use super::{
    Elab, Elaborator, Entity, Reported, Stage,
    place::{Place, choose, mux},
    types::Type,
    value::{Typed, Value},
};

impl Elaborator<'_> {
    /// An expression of a type, converted if it must be.
    pub(crate) fn expr_as(&mut self, expr: &Expr, ty: &Type) -> Elab<Typed> {
        let typed = self.expr(expr)?;
        self.coerce(expr.span, typed, ty)
    }

    /// A condition.
    pub(crate) fn condition(&mut self, expr: &Expr) -> Elab<ir::Expr> {
        let typed = self.expr_as(expr, &Type::Bool)?;
        self.scalar(expr, typed)
    }

    /// An expression of a type that is one string of bits.
    pub(crate) fn bits_as(&mut self, expr: &Expr, ty: &Type) -> Elab<ir::Expr> {
        let typed = self.expr_as(expr, ty)?;
        self.scalar(expr, typed)
    }

    /// The bits of a value.
    pub(crate) fn scalar(&mut self, expr: &Expr, typed: Typed) -> Elab<ir::Expr> {
        match typed.value {
            Value::Bits(bits) => Ok(bits),
            Value::Int(_) => Err(self.error(expr.span, "the width of this integer is not known")),
            _ => Err(self.error(expr.span, format!("expected bits, found {}", typed.ty))),
        }
    }

    /// An expression.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Elab<Typed> {
        match &expr.kind {
            ExprKind::Int { value, width: None } => Ok(Typed::int(value.clone())),
            ExprKind::Int {
                value,
                width: Some((width, signed)),
            } => {
                if *width == 0 || *width > super::MAX_WIDTH {
                    return Err(self.error(expr.span, "this width is not possible"));
                }
                let bits = self.fit(expr.span, value, *width, *signed);
                Ok(Typed::bits(
                    Type::Bits {
                        width: *width,
                        signed: *signed,
                    },
                    bits,
                ))
            }
            ExprKind::Bool(value) => Ok(Typed::flag(ir::Expr::flag(*value))),
            ExprKind::Str(text) => Ok(Typed::new(Type::Str, Value::Str(text.clone()))),
            ExprKind::Name { name, global } => self.name_value(name, *global),
            ExprKind::Type(ty) => Err(self.error(ty.span, "expected a value, found a type")),
            ExprKind::Member(base, name) => self.member(expr, base, name),
            ExprKind::Index(base, index) => self.index(base, index),
            ExprKind::Slice(base, high, low) => self.slice(base, high, low),
            ExprKind::PlusSlice(base, start, width) => self.plus_slice(base, start, width),
            ExprKind::Unary(op, value) => self.unary(*op, value),
            ExprKind::Binary(op, left, right) => self.binary(expr, *op, left, right),
            ExprKind::Cast(ty, value) => self.cast(expr, ty, value),
            ExprKind::Mux(condition, then, otherwise) => {
                self.mux_expr(expr, condition, then, otherwise)
            }
            ExprKind::Call {
                callee,
                type_args,
                args,
            } => self.call(expr, callee, type_args, args),
            ExprKind::List(items) => self.list(items),
            ExprKind::Record(fields) => {
                let (mut types, mut values) = (Vec::new(), Vec::new());
                for (name, value) in fields {
                    let typed = self.expr(value)?;
                    types.push((name.text.clone(), typed.ty));
                    values.push(typed.value);
                }
                Ok(Typed::new(
                    Type::Record(types.into()),
                    Value::Parts(Rc::new(values)),
                ))
            }
            ExprKind::Invalid => Ok(Typed::new(Type::Invalid, Value::None)),
            ExprKind::Dots => Ok(Typed::new(Type::Dots, Value::None)),
            ExprKind::Any | ExprKind::Mask(..) | ExprKind::Range(..) => {
                Err(self.error(expr.span, "a set is not a value"))
            }
            ExprKind::This => Err(self.unsupported(expr.span, "`this`")),
        }
    }

    fn list(&mut self, items: &[Expr]) -> Elab<Typed> {
        let (mut types, mut values) = (Vec::new(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            let typed = self.expr(item)?;
            let spill = items[index + 1..].iter().any(has_effects);
            values.push(if spill {
                self.spill(&typed.value)
            } else {
                typed.value
            });
            types.push(typed.ty);
        }
        Ok(Typed::new(
            Type::List(types.into()),
            Value::Parts(Rc::new(values)),
        ))
    }

    fn name_value(&mut self, name: &Name, global: bool) -> Elab<Typed> {
        let found = if global {
            self.globals.get(&name.text)
        } else {
            self.lookup(&name.text)
        };
        match found.cloned() {
            Some(Entity::Value(typed)) => Ok(typed),
            Some(Entity::Place { ty, place, .. }) => Ok(Typed::new(ty, self.read(&place))),
            Some(Entity::Instance(instance)) => {
                let ty = self.instance_type(&instance);
                Ok(Typed::new(ty, Value::Object(instance)))
            }
            Some(Entity::Broken) => Err(Reported),
            Some(_) => Err(self.error(name.span, format!("`{}` is not a value", name.text))),
            None => Err(self.undeclared(name)),
        }
    }

    /// Reports a name that is not declared, with a similar one if there is one.
    pub(crate) fn undeclared(&mut self, name: &Name) -> Reported {
        let mut names: Vec<Rc<str>> = self.globals.keys().cloned().collect();
        names.extend(self.env.iter().flat_map(|scope| scope.keys().cloned()));
        names.sort();
        let close = names.into_iter().filter(|other| {
            crate::spelling::distance(other, &name.text) <= 2 && name.text.len() > 2
        });
        let close = close.min_by_key(|other| crate::spelling::distance(other, &name.text));
        let mut diagnostic = crate::diagnostic::Diagnostic::error(
            name.span,
            format!("`{}` is not declared", name.text),
        );
        if let Some(close) = close {
            diagnostic = diagnostic.help(format!("there is a `{close}`"));
        }
        self.report(diagnostic)
    }

    fn member(&mut self, whole: &Expr, base: &Expr, name: &Name) -> Elab<Typed> {
        if let ExprKind::Type(ty) = &base.kind {
            return self.type_member(ty, name);
        }
        let typed = self.expr(base)?;
        match (&typed.ty, &typed.value) {
            (Type::Unknown, _) => Err(Reported),
            (Type::ApplyResult, Value::Applied { hit, run, table }) => {
                let (hit, run, table) = (*hit, *run, *table);
                self.narrow_apply(&*name.text != "action_run", &*name.text == "action_run");
                match &*name.text {
                    "hit" => Ok(Typed::flag(self.slot_expr(hit))),
                    "miss" => Ok(Typed::flag(self.slot_expr(hit).not())),
                    "action_run" => {
                        Ok(Typed::new(Type::ActionRun, Value::Run { slot: run, table }))
                    }
                    _ => Err(self.error(
                        name.span,
                        "the result of apply() has the members hit, miss and action_run",
                    )),
                }
            }
            (Type::Stack(element, size), Value::Stack(elements) | Value::Parts(elements)) => {
                let (element, size, elements) = (element.as_ref().clone(), *size, elements.clone());
                self.stack_member(whole, base, name, &element, size, &elements)
            }
            (Type::Struct(_) | Type::Record(_), value) => {
                let parts = typed.ty.parts().unwrap_or_default();
                let Some(index) = parts.iter().position(|(field, _)| *field == name.text) else {
                    return Err(self.no_field(&typed.ty, name));
                };
                let part = match value {
                    Value::Parts(values) => values.get(index),
                    Value::Header(header) => header.fields.get(index),
                    _ => None,
                };
                Ok(Typed::new(
                    parts[index].1.clone(),
                    part.cloned().unwrap_or(Value::None),
                ))
            }
            _ => Err(self.no_field(&typed.ty, name)),
        }
    }

    pub(crate) fn no_field(&mut self, ty: &Type, name: &Name) -> Reported {
        let mut diagnostic = crate::diagnostic::Diagnostic::error(
            name.span,
            format!("{ty} has no field `{}`", name.text),
        );
        if let Some(parts) = ty.parts()
            && let Some((close, _)) = parts
                .iter()
                .find(|(field, _)| crate::spelling::distance(field, &name.text) <= 2)
        {
            diagnostic = diagnostic.help(format!("there is a field `{close}`"));
        }
        self.report(diagnostic)
    }

    /// `Enum.member` and `error.Name`.
    fn type_member(&mut self, ty: &TypeExpr, name: &Name) -> Elab<Typed> {
        match self.resolve(ty)? {
            Type::Error => {
                let Some(index) = self.errors.iter().position(|error| *error == name.text) else {
                    return Err(
                        self.error(name.span, format!("error `{}` is not declared", name.text))
                    );
                };
                Ok(Typed::bits(
                    Type::Error,
                    ir::Expr::number(ir::ENUM_WIDTH, index as u64),
                ))
            }
            Type::Enum(of) => self.enum_member(&of, name),
            other => Err(self.error(name.span, format!("{other} has no member `{}`", name.text))),
        }
    }

    /// `next`, `last`, `lastIndex` and `size` of a header stack.
    fn stack_member(
        &mut self,
        whole: &Expr,
        base: &Expr,
        name: &Name,
        element: &Type,
        size: u32,
        elements: &[Value],
    ) -> Elab<Typed> {
        if &*name.text == "size" {
            return Ok(Typed::bits(
                Type::bits(32),
                ir::Expr::number(32, size.into()),
            ));
        }
        let Ok((_, Place::Stack(id, _), _)) = self.place(base) else {
            return Err(self.error(whole.span, "this needs a header stack that is a variable"));
        };
        let next = self.slot_expr(self.stacks[id.index()].next_index);
        let last = ir::Expr::binary(ir::BinaryOp::Sub, next.clone(), ir::Expr::number(32, 1));
        match &*name.text {
            "next" | "last" | "lastIndex" if self.stage != Stage::Parser => Err(self.error(
                name.span,
                format!("`{}` can only be used in a parser", name.text),
            )),
            "lastIndex" => Ok(Typed::bits(Type::bits(32), last)),
            "last" => {
                self.check_bounds(ir::Expr::binary(
                    ir::BinaryOp::Ne,
                    next,
                    ir::Expr::number(32, 0),
                ));
                Ok(Typed::new(element.clone(), choose(&last, elements)))
            }
            "next" => {
                let inside = ir::Expr::binary(
                    ir::BinaryOp::Lt,
                    next.clone(),
                    ir::Expr::number(32, size.into()),
                );
                self.check_bounds(inside);
                Ok(Typed::new(element.clone(), choose(&next, elements)))
            }
            _ => Err(self.error(
                name.span,
                format!("a header stack has no member `{}`", name.text),
            )),
        }
    }

    /// Rejects the packet with `StackOutOfBounds` unless a condition holds.
    pub(crate) fn check_bounds(&mut self, condition: ir::Expr) {
        let number = self
            .errors
            .iter()
            .position(|error| &**error == "StackOutOfBounds")
            .unwrap_or(0);
        let error = ir::Expr::number(ir::ENUM_WIDTH, number as u64);
        self.emit(StmtKind::Verify { condition, error });
    }

    fn index(&mut self, base: &Expr, index: &Expr) -> Elab<Typed> {
        let typed = self.expr(base)?;
        let at = self.expr(index)?;
        match (&typed.ty, &typed.value) {
            (Type::Stack(element, size), Value::Stack(elements) | Value::Parts(elements)) => {
                let (element, elements, size) = (element.as_ref().clone(), elements.clone(), *size);
                match self.index_value(index, at, size)? {
                    Ok(number) => Ok(Typed::new(element, elements[number as usize].clone())),
                    Err(at) => Ok(Typed::new(element, choose(&at, &elements))),
                }
            }
            (Type::Tuple(types) | Type::List(types), Value::Parts(parts)) => {
                let found = self.tuple_index(index, &at, types.len())?;
                Ok(Typed::new(types[found].clone(), parts[found].clone()))
            }
            (Type::Unknown, _) => Err(Reported),
            (other, _) => Err(self.error(base.span, format!("{other} cannot be indexed"))),
        }
    }

    /// The number of a part of a tuple.
    fn tuple_index(&mut self, index: &Expr, at: &Typed, len: usize) -> Elab<usize> {
        let Value::Int(number) = &at.value else {
            return Err(self.error(index.span, "the index of a tuple must be a constant"));
        };
        let found = usize::try_from(number).ok();
        found
            .filter(|number| *number < len)
            .ok_or_else(|| self.error(index.span, format!("the tuple has only {len} parts")))
    }

    /// A constant index inside of the size, or an expression.
    pub(crate) fn index_value(
        &mut self,
        index: &Expr,
        at: Typed,
        size: u32,
    ) -> Elab<Result<u32, ir::Expr>> {
        let number = match &at.value {
            Value::Int(number) => Some(number.clone()),
            Value::Bits(bits) => bits.as_const().map(|value| value.to_int(at.ty.is_signed())),
            _ => return Err(self.error(index.span, "the index must be an integer")),
        };
        match (number, at.value) {
            (Some(number), _) => {
                let found = u32::try_from(&number).ok().filter(|number| *number < size);
                found.map(Ok).ok_or_else(|| {
                    self.error(
                        index.span,
                        format!("index {number} is outside of a stack of {size}"),
                    )
                })
            }
            (None, Value::Bits(bits)) => Ok(Err(self.stable(&bits))),
            (None, _) => Err(Reported),
        }
    }

    /// Bounds of a slice, checked against a width.
    pub(crate) fn slice_bounds(&mut self, high: &Expr, low: &Expr, width: u32) -> Elab<(u32, u32)> {
        let (h, l) = (self.const_int(high)?, self.const_int(low)?);
        match (u32::try_from(&h), u32::try_from(&l)) {
            (Ok(h), Ok(l)) if h >= l && h < width => Ok((h, l)),
            _ => Err(self.error(
                high.span.to(low.span),
                format!("bits {h}:{l} are not a slice of {width} bits"),
            )),
        }
    }

    fn slice(&mut self, base: &Expr, high: &Expr, low: &Expr) -> Elab<Typed> {
        let typed = self.expr(base)?;
        match (&typed.ty, &typed.value) {
            (ty, Value::Bits(bits)) if matches!(ty.base(), Type::Bits { .. }) => {
                let bits = bits.clone();
                let (high, low) = self.slice_bounds(high, low, bits.width)?;
                Ok(Typed::bits(
                    Type::bits(high - low + 1),
                    bits.slice(high, low),
                ))
            }
            (Type::Int, Value::Int(value)) => {
                let value = value.clone();
                let (high, low) = self.slice_bounds(high, low, super::MAX_WIDTH)?;
                let bits = ir::Const::from_int(high - low + 1, &(value >> low));
                Ok(Typed::bits(
                    Type::bits(high - low + 1),
                    ir::Expr::constant(bits),
                ))
            }
            _ => Err(self.error(base.span, format!("{} has no slices", typed.ty))),
        }
    }

    /// `x[start +: width]`
    fn plus_slice(&mut self, base: &Expr, start: &Expr, width: &Expr) -> Elab<Typed> {
        let typed = self.expr(base)?;
        let count = self.const_int(width)?;
        let count = u32::try_from(count).unwrap_or(0);
        let at = self.expr(start)?;
        let (bits, at) = match (typed.value, at.value) {
            (Value::Bits(bits), Value::Int(at)) => {
                (bits, ir::Expr::constant(ir::Const::from_int(32, &at)))
            }
            (Value::Bits(bits), Value::Bits(at)) => (bits, at),
            _ => return Err(self.error(base.span, format!("{} has no slices", typed.ty))),
        };
        if count == 0 || count > bits.width {
            return Err(self.error(width.span, "this is not a possible width"));
        }
        let moved = ir::Expr::binary(ir::BinaryOp::Shr, bits, at);
        Ok(Typed::bits(Type::bits(count), moved.slice(count - 1, 0)))
    }

    fn unary(&mut self, op: Unary, operand: &Expr) -> Elab<Typed> {
        let typed = self.expr(operand)?;
        match (op, &typed.ty, typed.value) {
            (Unary::Not, Type::Bool, Value::Bits(bits)) => Ok(Typed::flag(bits.not())),
            (Unary::Neg, Type::Int, Value::Int(value)) => Ok(Typed::int(-value)),
            (Unary::Plus, Type::Int, Value::Int(value)) => Ok(Typed::int(value)),
            (Unary::Complement, Type::Bits { .. }, Value::Bits(bits)) => {
                Ok(Typed::bits(typed.ty, bits.not()))
            }
            (Unary::Neg, Type::Bits { .. }, Value::Bits(bits)) => {
                Ok(Typed::bits(typed.ty, bits.neg()))
            }
            (Unary::Plus, Type::Bits { .. }, Value::Bits(bits)) => Ok(Typed::bits(typed.ty, bits)),
            (Unary::Complement | Unary::Neg, Type::Enum(of), Value::Bits(bits))
                if of.underlying.is_some() =>
            {
                let bits = if op == Unary::Neg {
                    bits.neg()
                } else {
                    bits.not()
                };
                Ok(Typed::bits(Type::Enum(of.clone()).base().clone(), bits))
            }
            (_, Type::Unknown, _) => Err(Reported),
            (_, ty, _) => Err(self.error(
                operand.span,
                format!("this operator does not apply to {ty}"),
            )),
        }
    }

    fn cast(&mut self, whole: &Expr, to: &TypeExpr, operand: &Expr) -> Elab<Typed> {
        let to = self.resolve(to)?;
        let typed = self.expr(operand)?;
        let from = typed.ty.clone();
        match (from.base(), to.base(), typed.value.clone()) {
            (Type::Int, Type::Bits { width, signed }, Value::Int(value)) => {
                let bits = ir::Const::from_int((*width).max(1), &value);
                let _ = signed;
                Ok(Typed::bits(to, ir::Expr::constant(bits)))
            }
            (Type::Int, Type::Bool, Value::Int(value))
                if value == 0.into() || value == 1.into() =>
            {
                Ok(Typed::bits(to, ir::Expr::flag(value == 1.into())))
            }
            (Type::Bits { signed, .. }, Type::Bits { width, .. }, Value::Bits(bits)) => {
                Ok(Typed::bits(to.clone(), bits.resize(*width, *signed)))
            }
            (Type::Bits { width: 1, .. }, Type::Bool, Value::Bits(bits))
            | (Type::Bool, Type::Bits { width: 1, .. } | Type::Bool, Value::Bits(bits)) => {
                Ok(Typed::bits(to.clone(), bits))
            }
            (Type::Bits { signed, .. }, Type::Int, Value::Bits(bits))
                if bits.as_const().is_some() =>
            {
                let value = bits
                    .as_const()
                    .map(|value| value.to_int(*signed))
                    .unwrap_or_default();
                Ok(Typed::int(value))
            }
            _ => self.coerce(whole.span, typed, &to),
        }
    }

    fn mux_expr(
        &mut self,
        whole: &Expr,
        condition: &Expr,
        then: &Expr,
        otherwise: &Expr,
    ) -> Elab<Typed> {
        let condition = self.condition(condition)?;
        if let Some(known) = condition.as_const() {
            let chosen = if known.is_zero() { otherwise } else { then };
            let other = if known.is_zero() { then } else { otherwise };
            let typed = self.expr(chosen)?;
            if matches!(typed.ty, Type::Int) {
                let (other, _) = self.collect(|this| this.expr(other));
                let ty = other?.ty;
                return self.coerce(whole.span, typed, &ty);
            }
            return Ok(typed);
        }
        let condition = if has_effects(then) || has_effects(otherwise) {
            self.stable(&condition)
        } else {
            condition
        };
        let (a, then_block) = self.collect(|this| this.expr(then));
        let (b, else_block) = self.collect(|this| this.expr(otherwise));
        let (a, b) = (a?, b?);
        let ty = if matches!(
            a.ty,
            Type::Int | Type::List(_) | Type::Record(_) | Type::Invalid
        ) {
            b.ty.clone()
        } else {
            a.ty.clone()
        };
        if matches!(ty, Type::Int) {
            return Err(self.error(whole.span, "the width of the result is not known"));
        }
        let a = self.coerce(then.span, a, &ty)?;
        let b = self.coerce(otherwise.span, b, &ty)?;
        if then_block.is_empty() && else_block.is_empty() {
            return Ok(Typed::new(ty, mux(&condition, &a.value, &b.value)));
        }
        let place = self.allocate(whole.span, "tmp", &ty)?;
        let branch = |this: &mut Self, block: Vec<ir::Stmt>, value: &Value| {
            let ((), rest) = this.collect(|this| this.write(&place, value));
            block.into_iter().chain(rest).collect()
        };
        let then = branch(self, then_block, &a.value);
        let otherwise = branch(self, else_block, &b.value);
        self.emit(StmtKind::If {
            condition,
            then,
            otherwise,
        });
        Ok(Typed::new(ty, self.read(&place)))
    }

    /// `&&` and `||`: the second operand is computed only if it counts.
    pub(crate) fn logical(&mut self, op: Binary, left: &Expr, right: &Expr) -> Elab<Typed> {
        let a = self.condition(left)?;
        let (b, block) = self.collect(|this| this.condition(right));
        let b = b?;
        let is_and = op == Binary::And;
        if block.is_empty() {
            let op = if is_and {
                ir::BinaryOp::And
            } else {
                ir::BinaryOp::Or
            };
            return Ok(Typed::flag(ir::Expr::binary(op, a, b)));
        }
        let slot = self.temp(1);
        self.emit(StmtKind::Assign {
            dst: slot,
            value: a,
        });
        let mut then = block;
        then.push(ir::Stmt {
            kind: StmtKind::Assign {
                dst: slot,
                value: b,
            },
            span: self.span,
        });
        let value = self.slot_expr(slot);
        let condition = if is_and {
            value.clone()
        } else {
            value.clone().not()
        };
        self.emit(StmtKind::If {
            condition,
            then,
            otherwise: Vec::new(),
        });
        Ok(Typed::flag(value))
    }

    // Storage.

    /// The storage that an expression denotes: its type, the place, and whether it may be written.
    pub(crate) fn place(&mut self, expr: &Expr) -> Elab<(Type, Place, bool)> {
        match &expr.kind {
            ExprKind::Name { name, global } => {
                let found = if *global {
                    self.globals.get(&name.text)
                } else {
                    self.lookup(&name.text)
                };
                match found.cloned() {
                    Some(Entity::Place {
                        ty,
                        place,
                        writable,
                    }) => Ok((ty, place, writable)),
                    Some(Entity::Broken) => Err(Reported),
                    Some(_) => {
                        Err(self.error(expr.span, format!("`{}` cannot be written", name.text)))
                    }
                    None => Err(self.undeclared(name)),
                }
            }
            ExprKind::Member(base, name) => self.member_place(base, name),
            ExprKind::Index(base, index) => self.index_place(base, index),
            ExprKind::Slice(base, high, low) => {
                let (ty, place, writable) = self.place(base)?;
                let Some(width) = ty
                    .scalar_width()
                    .filter(|_| matches!(ty.base(), Type::Bits { .. }))
                else {
                    return Err(self.error(base.span, format!("{ty} has no slices")));
                };
                let (high, low) = self.slice_bounds(high, low, width)?;
                let Some(place) = slice_place(&place, high, low) else {
                    return Err(Reported);
                };
                Ok((Type::bits(high - low + 1), place, writable))
            }
            _ => Err(self.error(expr.span, "this cannot be written")),
        }
    }

    /// Storage of an element of a stack or an array, or of a part of a tuple.
    fn index_place(&mut self, base: &Expr, index: &Expr) -> Elab<(Type, Place, bool)> {
        let (ty, place, writable) = self.place(base)?;
        let at = self.expr(index)?;
        match &ty {
            Type::Stack(element, size) => {
                let parts = (0..*size as usize).map(|number| self.part_place(&place, number));
                let parts: Vec<Place> = parts.collect::<Option<_>>().ok_or(Reported)?;
                let place = match self.index_value(index, at, *size)? {
                    Ok(number) => parts[number as usize].clone(),
                    Err(at) => Place::Chosen(Box::new(at), Rc::new(parts)),
                };
                Ok((element.as_ref().clone(), place, writable))
            }
            Type::Tuple(types) => {
                let number = self.tuple_index(index, &at, types.len())?;
                let part = self.part_place(&place, number).ok_or(Reported)?;
                Ok((types[number].clone(), part, writable))
            }
            Type::Unknown => Err(Reported),
            other => Err(self.error(base.span, format!("{other} cannot be written by index"))),
        }
    }

    fn member_place(&mut self, base: &Expr, name: &Name) -> Elab<(Type, Place, bool)> {
        if let ExprKind::Type(_) = &base.kind {
            return Err(self.error(base.span, "this cannot be written"));
        }
        let (ty, place, writable) = self.place(base)?;
        if let (Type::Stack(element, size), Place::Stack(id, parts)) = (&ty, &place) {
            let next = self.slot_expr(self.stacks[id.index()].next_index);
            let at = match &*name.text {
                "next" => {
                    let size = ir::Expr::number(32, u64::from(*size));
                    self.check_bounds(ir::Expr::binary(ir::BinaryOp::Lt, next.clone(), size));
                    next
                }
                "last" => {
                    let zero = ir::Expr::number(32, 0);
                    self.check_bounds(ir::Expr::binary(ir::BinaryOp::Ne, next.clone(), zero));
                    ir::Expr::binary(ir::BinaryOp::Sub, next, ir::Expr::number(32, 1))
                }
                _ => {
                    return Err(self.error(
                        name.span,
                        format!("`{}` of a stack cannot be written", name.text),
                    ));
                }
            };
            if self.stage != Stage::Parser {
                return Err(self.error(
                    name.span,
                    format!("`{}` can only be used in a parser", name.text),
                ));
            }
            return Ok((
                element.as_ref().clone(),
                Place::Chosen(Box::new(at), parts.clone()),
                writable,
            ));
        }
        let parts = ty.parts().unwrap_or_default();
        let Some(index) = parts.iter().position(|(field, _)| *field == name.text) else {
            return Err(self.no_field(&ty, name));
        };
        let place = self.part_place(&place, index).ok_or(Reported)?;
        Ok((parts[index].1.clone(), place, writable))
    }

    /// Storage of a part of an aggregate.
    pub(crate) fn part_place(&self, place: &Place, index: usize) -> Option<Place> {
        match place {
            Place::Parts(parts) | Place::Union(parts) | Place::Stack(_, parts) => {
                parts.get(index).cloned()
            }
            Place::Header(id) => self.header_fields[id.index()].get(index).cloned(),
            Place::Chosen(at, places) => {
                let parts: Option<Vec<Place>> = places
                    .iter()
                    .map(|place| self.part_place(place, index))
                    .collect();
                Some(Place::Chosen(at.clone(), Rc::new(parts?)))
            }
            _ => None,
        }
    }
}

fn slice_place(place: &Place, high: u32, low: u32) -> Option<Place> {
    match place {
        Place::Slot(slot) => Some(Place::Slice(*slot, high, low)),
        Place::Slice(slot, _, base) => Some(Place::Slice(*slot, high + base, low + base)),
        Place::Chosen(at, places) => {
            let parts: Option<Vec<Place>> = places
                .iter()
                .map(|place| slice_place(place, high, low))
                .collect();
            Some(Place::Chosen(at.clone(), Rc::new(parts?)))
        }
        _ => None,
    }
}

/// Whether an expression may change something, so that the order of evaluation matters.
pub(crate) fn has_effects(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { callee, args, .. } => {
            let pure = matches!(&callee.kind, ExprKind::Member(_, name)
                if matches!(&*name.text, "isValid" | "minSizeInBits" | "minSizeInBytes" | "maxSizeInBits" | "maxSizeInBytes" | "length"));
            !pure || args.iter().any(|arg| has_effects(&arg.value))
        }
        ExprKind::Member(base, _) => has_effects(base),
        ExprKind::Unary(_, a) | ExprKind::Cast(_, a) => has_effects(a),
        ExprKind::Binary(_, a, b)
        | ExprKind::Index(a, b)
        | ExprKind::Mask(a, b)
        | ExprKind::Range(a, b) => has_effects(a) || has_effects(b),
        ExprKind::Mux(a, b, c) | ExprKind::Slice(a, b, c) => {
            has_effects(a) || has_effects(b) || has_effects(c)
        }
        ExprKind::List(items) => items.iter().any(has_effects),
        ExprKind::Record(fields) => fields.iter().any(|(_, value)| has_effects(value)),
        _ => false,
    }
}

/// Whether an expression reads a member of a value by a slot or is a literal.
pub(crate) fn is_literal(expr: &ir::Expr) -> bool {
    matches!(expr.kind, Ir::Const(_))
}
