// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Inference of type arguments by unification, and conversions that happen unasked.

use std::rc::Rc;

use crate::{
    ast::Decl,
    diagnostic::Diagnostic,
    ir::{Const, Expr},
    source::Span,
};

use super::{
    Elab, Elaborator, Entity, Reported, Scope, TypeDef, params_of,
    resolve::type_params_of,
    types::{StructType, Type},
    value::{HeaderValue, Typed, Value},
};

impl Elaborator<'_> {
    pub(crate) fn fresh_var(&mut self) -> Type {
        self.next_var += 1;
        Type::Var(self.next_var)
    }

    /// A type with inferred parameters replaced by what is known of them.
    pub(crate) fn substitute(&self, ty: &Type) -> Type {
        let all = |list: &[Type]| {
            list.iter()
                .map(|ty| self.substitute(ty))
                .collect::<Vec<_>>()
        };
        match ty {
            Type::Var(number) => self
                .bindings
                .get(number)
                .map_or_else(|| ty.clone(), |known| self.substitute(known)),
            Type::Stack(element, size) => Type::Stack(Rc::new(self.substitute(element)), *size),
            Type::Tuple(list) => Type::Tuple(all(list).into()),
            Type::List(list) => Type::List(all(list).into()),
            Type::ListOf(element) => Type::ListOf(Rc::new(self.substitute(element))),
            Type::Object(decl, args) => Type::Object(decl.clone(), all(args).into()),
            Type::Struct(of) if !of.args.is_empty() => Type::Struct(Rc::new(StructType {
                id: of.id,
                kind: of.kind,
                name: of.name.clone(),
                args: all(&of.args),
                fields: of
                    .fields
                    .iter()
                    .map(|field| super::types::FieldType {
                        name: field.name.clone(),
                        ty: self.substitute(&field.ty),
                        annotations: field.annotations.clone(),
                    })
                    .collect(),
                annotations: of.annotations.clone(),
            })),
            other => other.clone(),
        }
    }

    /// Makes both types equal by choosing type parameters; says whether that is possible.
    pub(crate) fn unify(&mut self, a: &Type, b: &Type) -> bool {
        let (a, b) = (self.substitute(a), self.substitute(b));
        match (&a, &b) {
            (Type::Var(x), Type::Var(y)) if x == y => true,
            (Type::Var(number), other) | (other, Type::Var(number)) => {
                if occurs(*number, other) {
                    return false;
                }
                self.bindings.insert(*number, other.clone());
                true
            }
            (Type::Stack(x, n), Type::Stack(y, m)) => n == m && self.unify(x, y),
            (Type::Tuple(x) | Type::List(x), Type::Tuple(y) | Type::List(y)) => {
                self.unify_all(x, y)
            }
            (Type::ListOf(x), Type::ListOf(y)) => self.unify(x, y),
            (Type::Struct(x), Type::Struct(y)) if x.id == y.id => self.unify_all(&x.args, &y.args),
            (Type::Object(x, xs), Type::Object(y, ys)) => {
                if x.id == y.id {
                    self.unify_all(xs, ys)
                } else {
                    self.unify_blocks(x, xs, y, ys)
                }
            }
            _ => a.same(&b),
        }
    }

    fn unify_all(&mut self, a: &[Type], b: &[Type]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.unify(a, b))
    }

    /// A parser or control agrees with a parser or control type if their parameters do.
    fn unify_blocks(
        &mut self,
        a: &Rc<Decl>,
        a_args: &[Type],
        b: &Rc<Decl>,
        b_args: &[Type],
    ) -> bool {
        use crate::ast::DeclKind::{Control, Parser};
        if !matches!(
            (&a.kind, &b.kind),
            (Parser(_), Parser(_)) | (Control(_), Control(_))
        ) {
            return false;
        }
        let (Ok(a), Ok(b)) = (self.param_types(a, a_args), self.param_types(b, b_args)) else {
            return true;
        };
        a.len() == b.len()
            && a.iter()
                .zip(&b)
                .all(|((d, x), (e, y))| d == e && self.unify(x, y))
    }

    /// Directions and types of the parameters of a declaration with its type arguments.
    pub(crate) fn param_types(
        &mut self,
        decl: &Decl,
        args: &[Type],
    ) -> Elab<Vec<(crate::ast::Direction, Type)>> {
        let mut scope = Scope::new();
        for (param, arg) in type_params_of(decl).iter().zip(args) {
            scope.insert(
                param.name.text.clone(),
                Entity::Type(TypeDef::Known(arg.clone())),
            );
        }
        self.within(vec![Rc::new(scope)], |this| {
            params_of(decl)
                .iter()
                .map(|param| Ok((param.direction, this.resolve(&param.ty)?)))
                .collect()
        })
    }

    /// Converts a value to a type if that may happen unasked.
    /// See [P4_16 §8.11.2](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html#sec-implicit-casts).
    pub(crate) fn coerce(&mut self, span: Span, typed: Typed, to: &Type) -> Elab<Typed> {
        let to = self.substitute(to);
        if let Some(value) = self.try_coerce(span, &typed, &to)? {
            Ok(Typed::new(to, value))
        } else {
            let message = format!("expected a value of type {to}, found {}", typed.ty);
            let mut diagnostic = Diagnostic::error(span, message);
            if let (Some(have), Some(want)) = (typed.ty.scalar_width(), to.scalar_width()) {
                let cast = have != want
                    || !typed.ty.base().same(to.base())
                    || matches!((&typed.ty, &to), (Type::New(_), _) | (_, Type::New(_)));
                if cast {
                    diagnostic =
                        diagnostic.help(format!("a cast says that this is meant: `({to})`"));
                }
            }
            Err(self.report(diagnostic))
        }
    }

    fn try_coerce(&mut self, span: Span, typed: &Typed, to: &Type) -> Elab<Option<Value>> {
        let from = self.substitute(&typed.ty);
        Ok(match (&from, to, &typed.value) {
            (Type::Unknown, ..) | (_, Type::Unknown, _) => return Err(Reported),
            (Type::Int, Type::Bits { width, signed }, Value::Int(value)) => {
                Some(Value::Bits(self.fit(span, value, *width, *signed)))
            }
            (Type::Int, Type::New(of), Value::Int(value)) => match of.ty.base() {
                Type::Bits { width, signed } => {
                    Some(Value::Bits(self.fit(span, value, *width, *signed)))
                }
                _ => None,
            },
            (Type::Int, Type::Var(_), _) => Some(typed.value.clone()),
            (_, Type::Var(_), _) => {
                self.unify(&from, to);
                Some(typed.value.clone())
            }
            (Type::Enum(one), Type::Bits { .. }, _)
                if one.underlying.as_ref().is_some_and(|ty| ty.same(to)) =>
            {
                Some(typed.value.clone())
            }
            (Type::Invalid, _, _) => self.invalid_value(span, to)?,
            (Type::Dots, _, _) => Some(self.default_value(span, to)?),
            (Type::List(types), Type::ListOf(element), Value::Parts(values)) => {
                let wanted = vec![element.as_ref().clone(); types.len()];
                Some(Value::Parts(
                    self.coerce_parts(span, types, values, &wanted)?,
                ))
            }
            (
                Type::List(types),
                Type::Struct(_) | Type::Tuple(_) | Type::Stack(..),
                Value::Parts(values),
            ) => {
                let wanted = wanted_parts(to);
                let (types, values) = self.fill(span, types, values, &wanted)?;
                if types.len() != wanted.len() {
                    let message = format!(
                        "{to} has {} parts, but {} values are given",
                        wanted.len(),
                        types.len()
                    );
                    return Err(self.error(span, message));
                }
                let parts = self.coerce_parts(span, &types, &values, &wanted)?;
                Some(assemble(to, parts))
            }
            (Type::Record(fields), Type::Struct(of), Value::Parts(values)) => {
                let of = of.clone();
                Some(self.coerce_record(span, fields, values, &of, to)?)
            }
            _ if self.unify(&from, to) => Some(typed.value.clone()),
            _ => None,
        })
    }

    /// A trailing `...` stands for default values of the rest.
    fn fill(
        &mut self,
        span: Span,
        types: &[Type],
        values: &[Value],
        wanted: &[Type],
    ) -> Elab<(Vec<Type>, Vec<Value>)> {
        let (mut types, mut values) = (types.to_vec(), values.to_vec());
        if matches!(types.last(), Some(Type::Dots)) {
            types.pop();
            values.pop();
            for ty in wanted.iter().skip(types.len()) {
                values.push(self.default_value(span, ty)?);
                types.push(ty.clone());
            }
        }
        Ok((types, values))
    }

    fn coerce_parts(
        &mut self,
        span: Span,
        types: &[Type],
        values: &[Value],
        wanted: &[Type],
    ) -> Elab<Rc<Vec<Value>>> {
        let mut parts = Vec::new();
        for ((ty, value), want) in types.iter().zip(values).zip(wanted) {
            parts.push(
                self.coerce(span, Typed::new(ty.clone(), value.clone()), want)?
                    .value,
            );
        }
        Ok(Rc::new(parts))
    }

    fn coerce_record(
        &mut self,
        span: Span,
        fields: &[(Rc<str>, Type)],
        values: &[Value],
        of: &StructType,
        to: &Type,
    ) -> Elab<Value> {
        if let Some((name, _)) = fields.iter().find(|(name, _)| {
            &**name != "..." && !of.fields.iter().any(|field| field.name == *name)
        }) {
            return Err(self.error(span, format!("{to} has no field `{name}`")));
        }
        let has_dots = fields.iter().any(|(name, _)| &**name == "...");
        let mut parts = Vec::new();
        for field in &of.fields {
            let given = fields.iter().position(|(name, _)| *name == field.name);
            parts.push(match given {
                Some(index) => {
                    let typed = Typed::new(fields[index].1.clone(), values[index].clone());
                    self.coerce(span, typed, &field.ty)?.value
                }
                None if has_dots => self.default_value(span, &field.ty)?,
                None => {
                    return Err(
                        self.error(span, format!("no value for field `{}` of {to}", field.name))
                    );
                }
            });
        }
        Ok(assemble(to, Rc::new(parts)))
    }

    /// A number cut to a width, with a warning if that changes it.
    pub(crate) fn fit(
        &mut self,
        span: Span,
        value: &num_bigint::BigInt,
        width: u32,
        signed: bool,
    ) -> Expr {
        let cut = Const::from_int(width.max(1), value);
        let one = num_bigint::BigInt::from(1);
        let top = if signed {
            &one << (width.max(1) - 1)
        } else {
            &one << width
        };
        if *value >= top || *value < -(&one << (width.max(1) - 1)) {
            let mut warning =
                Diagnostic::error(span, format!("value {value} does not fit in {width} bits"));
            warning.severity = crate::diagnostic::Severity::Warning;
            self.diagnostics.push(warning);
        }
        Expr::constant(cut)
    }

    /// `{#}`: an invalid header, or a union of them.
    fn invalid_value(&mut self, span: Span, to: &Type) -> Elab<Option<Value>> {
        if to.is_header() || to.is_union() {
            return Ok(Some(self.default_value(span, to)?));
        }
        Ok(None)
    }

    /// The default value of a type: zeros, and invalid headers.
    pub(crate) fn default_value(&mut self, span: Span, ty: &Type) -> Elab<Value> {
        if let Some(width) = ty.scalar_width() {
            return Ok(Value::Bits(Expr::number(width.max(1), 0)));
        }
        match ty {
            Type::Int => Ok(Value::Int(0.into())),
            Type::Varbit(width) => {
                let (value, length) = (Expr::number(*width, 0), Expr::number(32, 0));
                let pair = vec![Value::Bits(value), Value::Bits(length)];
                Ok(Value::Parts(Rc::new(pair)))
            }
            Type::Struct(_) | Type::Tuple(_) | Type::Stack(..) => {
                let mut parts = Vec::new();
                for part in wanted_parts(ty) {
                    parts.push(self.default_value(span, &part)?);
                }
                Ok(match assemble(ty, Rc::new(parts)) {
                    Value::Header(header) => Value::Header(HeaderValue {
                        valid: Expr::flag(false),
                        ..header
                    }),
                    other => other,
                })
            }
            _ => Err(self.error(span, format!("{ty} has no default value"))),
        }
    }
}

/// Types of the parts that a list has to give for a type.
fn wanted_parts(ty: &Type) -> Vec<Type> {
    match ty {
        Type::Stack(element, size) => vec![element.as_ref().clone(); *size as usize],
        _ => ty
            .parts()
            .unwrap_or_default()
            .into_iter()
            .map(|(_, ty)| ty)
            .collect(),
    }
}

/// A value of a type from its parts; a header is valid.
fn assemble(ty: &Type, parts: Rc<Vec<Value>>) -> Value {
    match ty {
        Type::Stack(..) if !ty.is_array() => Value::Stack(parts),
        _ if ty.is_header() => Value::Header(HeaderValue {
            valid: Expr::flag(true),
            fields: parts,
            source: None,
        }),
        _ => Value::Parts(parts),
    }
}

fn occurs(number: u32, ty: &Type) -> bool {
    match ty {
        Type::Var(other) => *other == number,
        Type::Stack(element, _) | Type::ListOf(element) => occurs(number, element),
        Type::Tuple(list) | Type::List(list) | Type::Object(_, list) => {
            list.iter().any(|ty| occurs(number, ty))
        }
        Type::Struct(of) => of.args.iter().any(|ty| occurs(number, ty)),
        _ => false,
    }
}
