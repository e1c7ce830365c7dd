// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Type expressions to types.

use std::rc::Rc;

use num_bigint::BigInt;

use crate::{
    ast::{Aggregate, Decl, DeclKind, Expr, TypeExpr, TypeKind, TypeParam},
    diagnostic::Diagnostic,
    source::Span,
};

use super::{
    Elab, Elaborator, Entity, MAX_WIDTH, Reported, TypeDef,
    types::{FieldType, StructType, Type},
    value::Value,
};

/// Most elements of a header stack.
const MAX_STACK: u32 = 1024;

/// Most parts of an array, with those of its elements: arrays of arrays grow fast.
const MAX_PARTS: u32 = 1 << 14;

impl Elaborator<'_> {
    /// A stack of headers, or an array of something else.
    fn stack(&mut self, span: Span, element: &TypeExpr, size: &Expr) -> Elab<Type> {
        let element = self.resolve(element)?;
        let count = self.const_int(size)?;
        let count = u32::try_from(count)
            .ok()
            .filter(|count| (1..=MAX_STACK).contains(count));
        let Some(count) = count else {
            return Err(self.error(size.span, format!("a stack has 1 to {MAX_STACK} elements")));
        };
        let stack = Type::Stack(Rc::new(element), count);
        let mut left = MAX_PARTS;
        if stack.is_array() && !stack.has_at_most(&mut left) {
            let message =
                format!("an array has at most {MAX_PARTS} parts, with those of its elements");
            return Err(self.error(span, message));
        }
        Ok(stack)
    }

    /// The type that an expression of types denotes.
    pub(crate) fn resolve(&mut self, ty: &TypeExpr) -> Elab<Type> {
        Ok(match &ty.kind {
            TypeKind::Bool => Type::Bool,
            TypeKind::Error => Type::Error,
            TypeKind::String => Type::Str,
            TypeKind::Void => Type::Void,
            TypeKind::MatchKind => Type::MatchKind,
            TypeKind::Int => Type::Int,
            TypeKind::DontCare => {
                self.next_var += 1;
                Type::Var(self.next_var)
            }
            TypeKind::Bits { width, signed } => Type::Bits {
                width: self.width(width)?,
                signed: *signed,
            },
            TypeKind::Varbit(width) => Type::Varbit(self.width(width)?),
            TypeKind::Stack(element, size) => self.stack(ty.span, element, size)?,
            TypeKind::Tuple(list) => {
                let mut types = Vec::new();
                for ty in list {
                    types.push(self.resolve(ty)?);
                }
                Type::Tuple(types.into())
            }
            TypeKind::List(element) => Type::ListOf(Rc::new(self.resolve(element)?)),
            TypeKind::Name { name, global, args } => {
                let found = if *global {
                    self.globals.get(&name.text)
                } else {
                    self.lookup(&name.text)
                };
                let found = found.cloned();
                match found {
                    Some(Entity::Type(TypeDef::Known(known))) => {
                        if !args.is_empty() {
                            return Err(self.error(
                                ty.span,
                                format!("`{}` takes no type arguments", name.text),
                            ));
                        }
                        known
                    }
                    Some(Entity::Type(TypeDef::Generic(decl))) => {
                        let mut types = Vec::new();
                        for arg in args {
                            types.push(self.resolve(arg)?);
                        }
                        self.instantiate(&decl, types, ty)?
                    }
                    Some(Entity::Broken) => return Err(Reported),
                    Some(_) => {
                        return Err(self.error(name.span, format!("`{}` is not a type", name.text)));
                    }
                    None => {
                        return Err(
                            self.error(name.span, format!("type `{}` is not declared", name.text))
                        );
                    }
                }
            }
        })
    }

    /// A generic declaration with type arguments. None at all are inferred later for objects.
    fn instantiate(&mut self, decl: &Rc<Decl>, mut args: Vec<Type>, ty: &TypeExpr) -> Elab<Type> {
        let params = type_params_of(decl);
        let object = !matches!(decl.kind, DeclKind::Aggregate { .. });
        if args.is_empty() && object {
            for _ in params {
                self.next_var += 1;
                args.push(Type::Var(self.next_var));
            }
        }
        if args.len() != params.len() {
            let message = format!(
                "`{}` takes {} type arguments, but {} are given",
                decl.name.text,
                params.len(),
                args.len()
            );
            return Err(self.report(
                Diagnostic::error(ty.span, message).note(decl.name.span, "declared here"),
            ));
        }
        if object {
            return Ok(Type::Object(decl.clone(), args.into()));
        }
        self.aggregate(decl, args)
    }

    /// A struct, header or union.
    pub(crate) fn aggregate(&mut self, decl: &Rc<Decl>, args: Vec<Type>) -> Elab<Type> {
        let DeclKind::Aggregate {
            kind,
            type_params,
            fields,
        } = &decl.kind
        else {
            return Err(Reported);
        };
        let mut scope = super::Scope::new();
        for (param, arg) in type_params.iter().zip(&args) {
            scope.insert(
                param.name.text.clone(),
                Entity::Type(TypeDef::Known(arg.clone())),
            );
        }
        let mut list: Vec<FieldType> = Vec::new();
        let mut result = Ok(());
        self.within(vec![Rc::new(scope)], |this| {
            for field in fields {
                if let Some(first) = fields
                    .iter()
                    .find(|other| other.name.text == field.name.text)
                    && first.name.span != field.name.span
                {
                    let message = format!("field `{}` is declared twice", field.name.text);
                    this.report(
                        Diagnostic::error(field.name.span, message)
                            .note(first.name.span, "first here"),
                    );
                    continue;
                }
                match this.resolve(&field.ty) {
                    Ok(ty) => {
                        this.check_field(*kind, &ty, field.ty.span);
                        let annotations = field.annotations.clone();
                        list.push(FieldType {
                            name: field.name.text.clone(),
                            ty,
                            annotations,
                        });
                    }
                    Err(reported) => result = Err(reported),
                }
            }
        });
        result?;
        Ok(Type::Struct(Rc::new(StructType {
            id: decl.id,
            kind: *kind,
            name: decl.name.text.clone(),
            args,
            fields: list,
            annotations: decl.annotations.clone(),
        })))
    }

    /// Which types a header, struct or union may have inside.
    /// See [P4_16 §7.2.8](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html#sec-type-nesting).
    fn check_field(&mut self, kind: Aggregate, ty: &Type, span: crate::source::Span) {
        let base = ty.base();
        let allowed = match kind {
            Aggregate::Union => ty.is_header() || matches!(ty, Type::Var(_)),
            Aggregate::Header => match base {
                Type::Bits { .. } | Type::Bool | Type::Varbit(_) | Type::Var(_) | Type::Unknown => {
                    true
                }
                Type::Struct(of) => of.kind == Aggregate::Struct,
                Type::Stack(..) => base.is_array(),
                _ => false,
            },
            Aggregate::Struct => !matches!(
                base,
                Type::Int
                    | Type::Void
                    | Type::Str
                    | Type::MatchKind
                    | Type::Object(..)
                    | Type::ListOf(_)
            ),
        };
        if !allowed {
            let what = match kind {
                Aggregate::Union => "a header union",
                Aggregate::Header => "a header",
                Aggregate::Struct => "a struct",
            };
            self.error(span, format!("{what} cannot have a field of type {ty}"));
        }
    }

    fn width(&mut self, expr: &Expr) -> Elab<u32> {
        let value = self.const_int(expr)?;
        match u32::try_from(value) {
            Ok(width) if width <= MAX_WIDTH => Ok(width),
            _ => Err(self.report(
                Diagnostic::error(expr.span, "this is not a possible width")
                    .help(format!("widths from 0 to {MAX_WIDTH} bits are supported")),
            )),
        }
    }

    /// The value of an integer that is known at compile time.
    pub(crate) fn const_int(&mut self, expr: &Expr) -> Elab<BigInt> {
        let typed = self.expr(expr)?;
        let number = match &typed.value {
            Value::Int(value) => Some(value.clone()),
            Value::Bits(bits) => bits
                .as_const()
                .map(|value| value.to_int(typed.ty.is_signed())),
            _ => None,
        };
        number.ok_or_else(|| {
            self.error(
                expr.span,
                "this is not an integer that is known at compile time",
            )
        })
    }
}

/// Type parameters of a declaration.
pub(crate) fn type_params_of(decl: &Decl) -> &[TypeParam] {
    match &decl.kind {
        DeclKind::Aggregate { type_params, .. }
        | DeclKind::ExternObject { type_params, .. }
        | DeclKind::Package { type_params, .. } => type_params,
        DeclKind::Parser(parser) => &parser.type_params,
        DeclKind::Control(control) => &control.type_params,
        DeclKind::Function { signature, .. } | DeclKind::ExternFunction(signature) => {
            &signature.type_params
        }
        _ => &[],
    }
}
