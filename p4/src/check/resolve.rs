// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Type expressions to types, and which types may stand where.

use std::rc::Rc;

use crate::{
    ast::{Aggregate, Expr, Name, TypeExpr, TypeKind, TypeParam},
    diagnostic::Diagnostic,
    source::Span,
};

use super::{
    Check, Checker, MAX_WIDTH, Reported,
    scope::Entity,
    ty::{ObjectKind, Ty, bind},
};

/// Most elements of a stack.
const MAX_STACK: u32 = 1 << 16;

/// Types are nested no deeper.
const MAX_DEPTH: usize = 64;

impl Checker<'_> {
    /// The type that an expression of types denotes.
    pub(super) fn resolve(&mut self, ty: &TypeExpr) -> Check<Ty> {
        Ok(match &ty.kind {
            TypeKind::Bool => Ty::Bool,
            TypeKind::Error => Ty::Error,
            TypeKind::String => Ty::Str,
            TypeKind::Void => Ty::Void,
            TypeKind::MatchKind => Ty::MatchKind,
            TypeKind::Int => Ty::Int,
            TypeKind::DontCare => self.dont_care(),
            TypeKind::Bits { width, signed } => {
                let bits = self.width(width)?;
                if *signed && bits == 0 {
                    return Err(self.error(ty.span, "the width of a signed type cannot be zero"));
                }
                Ty::Bits(bits, *signed)
            }
            TypeKind::Varbit(width) => Ty::Varbit(self.width(width)?),
            TypeKind::Stack(element, size) => self.stack(ty.span, element, size)?,
            TypeKind::Tuple(list) => {
                let types = self.resolve_all(list)?;
                for (of, expr) in types.iter().zip(list) {
                    self.check_part(of, expr.span, "a tuple")?;
                }
                Ty::Tuple(types.into())
            }
            TypeKind::List(element) => {
                let of = self.resolve(element)?;
                self.check_element(&of, element.span)?;
                Ty::ListOf(Rc::new(of))
            }
            TypeKind::Name { name, global, args } => self.named(ty.span, name, *global, args)?,
        })
    }

    /// `_`: to be inferred here, or in each call of what is being declared.
    fn dont_care(&mut self) -> Ty {
        let Some(wild) = &mut self.wild else {
            return self.fresh();
        };
        self.next_param += 1;
        wild.push(self.next_param);
        Ty::Param(self.next_param, "_".into())
    }

    /// A type of which there can be values: no parameters are left out, and no `_`.
    pub(super) fn resolve_whole(&mut self, ty: &TypeExpr) -> Check<Ty> {
        let resolved = self.resolve(ty)?;
        self.check_whole(&resolved, ty.span)?;
        Ok(resolved)
    }

    pub(super) fn check_whole(&mut self, ty: &Ty, span: Span) -> Check<()> {
        if let Ty::Struct(of, args) = ty
            && args.len() != of.params.len()
        {
            return Err(self.error(
                span,
                format!("`{}` needs {} type arguments", of.name, of.params.len()),
            ));
        }
        if let Ty::Object(of, args) = ty
            && args.len() != of.params.len()
        {
            return Err(self.error(
                span,
                format!("`{}` needs {} type arguments", of.name, of.params.len()),
            ));
        }
        if let Ty::Stack(element, _) | Ty::ListOf(element) = ty {
            self.check_whole(element, span)?;
        }
        Ok(())
    }

    fn resolve_all(&mut self, list: &[TypeExpr]) -> Check<Vec<Ty>> {
        list.iter().map(|ty| self.resolve_whole(ty)).collect()
    }

    fn stack(&mut self, span: Span, element: &TypeExpr, size: &Expr) -> Check<Ty> {
        let of = self.resolve_whole(element)?;
        let count = self.const_int(size)?;
        let found = u32::try_from(&count)
            .ok()
            .filter(|count| *count <= MAX_STACK);
        let Some(count) = found else {
            let message = format!("{count} is not a possible number of elements");
            return Err(self.error(size.span, message));
        };
        let possible = !matches!(
            of,
            Ty::Int
                | Ty::Void
                | Ty::Str
                | Ty::MatchKind
                | Ty::ListOf(_)
                | Ty::Object(..)
                | Ty::Varbit(_)
        );
        if !possible {
            return Err(self.error(span, format!("an array of {of} is not possible")));
        }
        Ok(Ty::Stack(Rc::new(of), count))
    }

    fn named(&mut self, span: Span, name: &Name, global: bool, args: &[TypeExpr]) -> Check<Ty> {
        let found = if global {
            self.lookup_global(&name.text)
        } else {
            self.lookup(&name.text)
        };
        match found.cloned() {
            Some(Entity::Type(known)) => {
                if !args.is_empty() {
                    let message = format!("`{}` takes no type arguments", name.text);
                    return Err(self.error(span, message));
                }
                Ok(known)
            }
            Some(Entity::Struct(of)) => {
                let types = self.type_args(span, name, of.params.len(), args)?;
                let inside = types.iter().any(|ty| {
                    ty.any(&mut |ty| matches!(ty, Ty::Struct(other, _) if other.id == of.id))
                });
                self.check_inside(span, name, inside)?;
                let ty = Ty::Struct(of, types.into());
                self.check_fields(&ty, span)?;
                Ok(ty)
            }
            Some(Entity::Object(of)) => {
                let types = self.type_args(span, name, of.params.len(), args)?;
                let inside = types.iter().any(|ty| {
                    ty.any(&mut |ty| matches!(ty, Ty::Object(other, _) if other.id == of.id))
                });
                self.check_inside(span, name, inside)?;
                if self.open.contains(&of.id) {
                    let message = format!("`{}` cannot contain itself", name.text);
                    return Err(self.error(span, message));
                }
                Ok(Ty::Object(of, types.into()))
            }
            Some(Entity::Broken) => Err(Reported),
            Some(_) => Err(self.error(name.span, format!("`{}` is not a type", name.text))),
            None => Err(self.error(name.span, format!("type `{}` is not declared", name.text))),
        }
    }

    fn check_inside(&mut self, span: Span, name: &Name, inside: bool) -> Check<()> {
        if !inside {
            return Ok(());
        }
        let message = format!("`{}` cannot be a type argument of itself", name.text);
        Err(self.error(span, message))
    }

    /// Type arguments of a declaration with so many parameters; none at all may be inferred later.
    fn type_args(
        &mut self,
        span: Span,
        name: &Name,
        params: usize,
        args: &[TypeExpr],
    ) -> Check<Vec<Ty>> {
        if args.is_empty() {
            return Ok(Vec::new());
        }
        if args.len() != params {
            let message = format!(
                "`{}` takes {params} type arguments, but {} are given",
                name.text,
                args.len()
            );
            return Err(self.error(span, message));
        }
        let mut types = Vec::new();
        for arg in args {
            let ty = self.resolve_whole(arg)?;
            self.check_type_arg(&ty, arg.span)?;
            types.push(ty);
        }
        Ok(types)
    }

    /// Which types can be type arguments.
    pub(super) fn check_type_arg(&mut self, ty: &Ty, span: Span) -> Check<()> {
        match ty {
            Ty::Object(of, _) if of.kind != ObjectKind::Extern => Err(self.error(
                span,
                format!("a {} cannot be a type argument", of.kind.word()),
            )),
            _ => Ok(()),
        }
    }

    fn width(&mut self, expr: &Expr) -> Check<u32> {
        let value = self.const_int(expr)?;
        match u32::try_from(value) {
            Ok(width) if width <= MAX_WIDTH => Ok(width),
            _ => Err(self.report(
                Diagnostic::error(expr.span, "this is not a possible width")
                    .help(format!("widths from 0 to {MAX_WIDTH} bits are supported")),
            )),
        }
    }

    /// New type parameters, declared in the innermost scope.
    pub(super) fn type_params(&mut self, params: &[TypeParam]) -> Vec<(u32, Rc<str>)> {
        params
            .iter()
            .map(|param| {
                self.next_param += 1;
                let id = self.next_param;
                let ty = Ty::Param(id, param.name.text.clone());
                self.declare(&param.name, Entity::Type(ty));
                (id, param.name.text.clone())
            })
            .collect()
    }

    /// Whether the fields of a generic type are possible with these arguments.
    pub(super) fn check_fields(&mut self, ty: &Ty, span: Span) -> Check<()> {
        let Ty::Struct(of, args) = ty else {
            return Ok(());
        };
        if args.is_empty() {
            return Ok(());
        }
        let binding = bind(&of.params, args);
        for (name, field, _) in &of.fields {
            let field = field.subst(&binding);
            if !field_allowed(of.kind, &field, 0) {
                let message = format!("{ty} cannot have a field `{name}` of type {field}");
                return Err(self.error(span, message));
            }
            self.check_nested(&field, span)?;
        }
        Ok(())
    }

    /// Rules that hold for what is inside of a type after its parameters are replaced.
    fn check_nested(&mut self, ty: &Ty, span: Span) -> Check<()> {
        match ty {
            Ty::Struct(..) => self.check_fields(ty, span),
            Ty::Stack(element, _) => self.check_nested(element, span),
            _ => Ok(()),
        }
    }

    /// Types that may be inside of a struct or a tuple.
    /// See [P4_16 §7.2.8](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html#sec-type-nesting).
    pub(super) fn check_part(&mut self, ty: &Ty, span: Span, whole: &str) -> Check<()> {
        let allowed = match ty {
            Ty::Void | Ty::Object(..) | Ty::ListOf(_) => false,
            Ty::MatchKind => whole == "a tuple",
            Ty::Var(_) => false,
            Ty::Str | Ty::Int => whole == "a tuple",
            _ => true,
        };
        if allowed {
            Ok(())
        } else {
            Err(self.error(span, format!("{whole} cannot have a field of type {ty}")))
        }
    }

    fn check_element(&mut self, ty: &Ty, span: Span) -> Check<()> {
        match ty {
            Ty::Object(..) | Ty::Void => {
                Err(self.error(span, format!("a list of {ty} is not possible")))
            }
            _ => Ok(()),
        }
    }
}

/// Which types a header, struct or union may have inside.
pub(super) fn field_allowed(kind: Aggregate, ty: &Ty, depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    match kind {
        Aggregate::Union => matches!(ty, Ty::Param(..) | Ty::Unknown) || ty.is_header(),
        Aggregate::Header => match ty {
            Ty::Bits(..) | Ty::Bool | Ty::Varbit(_) | Ty::Param(..) | Ty::Unknown => true,
            Ty::Enum(of) => of.underlying.is_some(),
            Ty::New(of) => field_allowed(kind, &of.ty, depth + 1),
            Ty::Struct(of, _) => {
                of.kind == Aggregate::Struct
                    && ty.fields().is_some_and(|fields| {
                        fields
                            .iter()
                            .all(|(_, ty)| field_allowed(kind, ty, depth + 1))
                    })
            }
            Ty::Stack(element, _) => {
                !element.is_header() && field_allowed(kind, element, depth + 1)
            }
            _ => false,
        },
        Aggregate::Struct => !matches!(
            ty,
            Ty::Int
                | Ty::Void
                | Ty::Str
                | Ty::MatchKind
                | Ty::Object(..)
                | Ty::ListOf(_)
                | Ty::Var(_)
        ),
    }
}
