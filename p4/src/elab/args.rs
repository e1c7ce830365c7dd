// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Arguments: which parameter each belongs to, and how it is passed.
//!
//! The specification passes `in`, `out` and `inout` by copying
//! ([P4_16 §6.8](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html#sec-calling-convention)). A copy is left out where nobody can tell:
//! the argument is whole storage that no other argument of the call touches, and the callee sees nothing but its parameters.

use std::{collections::HashSet, rc::Rc};

use crate::{
    ast::{Arg, Direction, Expr, ExprKind, Param},
    diagnostic::Diagnostic,
    ir::{self, SlotId},
    source::Span,
};

use super::{
    Elab, Elaborator, Entity, Reported, Scope,
    expr::has_effects,
    place::Place,
    types::Type,
    value::{Typed, Value},
};

/// How the callee sees its surroundings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Passing {
    /// It sees its parameters only, so that they may share storage with arguments.
    Shared,
    /// It sees the caller's variables, too.
    Copied,
}

/// An evaluated argument.
enum Evaluated {
    Value(Typed),
    /// Storage that is only read.
    Source(Type, Place),
    Target(Type, Place),
}

/// Parameters bound to arguments.
pub(crate) struct Bound {
    pub(crate) scope: Scope,
    /// Destination, type and source of what is written back at the end.
    pub(crate) copy_out: Vec<(Place, Type, Place)>,
}

impl Elaborator<'_> {
    /// The argument of each parameter; none for a parameter that is left out and optional.
    pub(crate) fn match_args<'e>(
        &mut self,
        params: &'e [Param],
        args: &'e [Arg],
        span: Span,
    ) -> Elab<Vec<Option<&'e Expr>>> {
        let mut found: Vec<Option<&Expr>> = vec![None; params.len()];
        for (index, arg) in args.iter().enumerate() {
            let at = match &arg.name {
                Some(name) => match params.iter().position(|param| param.name.text == name.text) {
                    Some(at) => at,
                    None => {
                        return Err(
                            self.error(name.span, format!("there is no parameter `{}`", name.text))
                        );
                    }
                },
                None => index,
            };
            let Some(slot) = found.get_mut(at) else { break };
            if slot.is_some() {
                return Err(self.error(
                    arg.value.span,
                    format!("parameter `{}` is given twice", params[at].name.text),
                ));
            }
            *slot = Some(&arg.value);
        }
        let missing = params.iter().zip(&found).find(|(param, arg)| {
            let optional = param
                .annotations
                .iter()
                .any(|one| &*one.name.text == "optional");
            arg.is_none() && param.default.is_none() && !optional
        });
        if missing.is_some() || args.len() > params.len() {
            let message = format!(
                "{} arguments are needed, but {} are given",
                params.len(),
                args.len()
            );
            let mut diagnostic = Diagnostic::error(span, message);
            if let Some((param, _)) = missing {
                diagnostic = diagnostic.note(param.name.span, "no argument for this parameter");
            }
            return Err(self.report(diagnostic));
        }
        for (arg, param) in found.iter_mut().zip(params) {
            if arg.is_none() {
                *arg = param.default.as_ref();
            }
        }
        Ok(found)
    }

    /// Evaluates arguments, and binds parameters to them. `types` are the parameters' types.
    pub(crate) fn bind(
        &mut self,
        params: &[Param],
        types: &[Type],
        args: &[Option<&Expr>],
        passing: Passing,
    ) -> Elab<Bound> {
        let mut evaluated = Vec::new();
        for (index, param) in params.iter().enumerate() {
            let Some(arg) = args[index] else { continue };
            let later_effects = args[index + 1..]
                .iter()
                .flatten()
                .any(|arg| has_effects(arg));
            evaluated.push((
                param,
                self.evaluate(param, &types[index], arg, later_effects)?,
            ));
        }
        let written: Vec<HashSet<SlotId>> = evaluated
            .iter()
            .map(|(_, arg)| match arg {
                Evaluated::Target(_, place) => self.slots_of(place),
                _ => HashSet::new(),
            })
            .collect();
        let mut bound = Bound {
            scope: Scope::new(),
            copy_out: Vec::new(),
        };
        for (index, (param, arg)) in evaluated.into_iter().enumerate() {
            let others = written
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index);
            let others: HashSet<SlotId> = others
                .flat_map(|(_, slots)| slots.iter().copied())
                .collect();
            let entity = self.pass(param, arg, &others, passing, &mut bound)?;
            bound.scope.insert(param.name.text.clone(), entity);
        }
        Ok(bound)
    }

    fn evaluate(
        &mut self,
        param: &Param,
        ty: &Type,
        arg: &Expr,
        later_effects: bool,
    ) -> Elab<Evaluated> {
        if matches!(param.direction, Direction::Out | Direction::InOut) {
            let (found, place) = self.target(param.direction, ty, arg)?;
            return Ok(Evaluated::Target(found, place));
        }
        if param.direction == Direction::In && is_place(arg) && !later_effects {
            let errors = self.diagnostics.list.len();
            if let Ok((found, place, _)) = self.place(arg)
                && place.is_plain()
                && self.unify(ty, &found)
            {
                return Ok(Evaluated::Source(found, place));
            }
            self.diagnostics.list.truncate(errors);
        }
        let mut typed = self.expr_as(arg, ty)?;
        if later_effects {
            typed.value = self.spill(&typed.value);
        }
        Ok(Evaluated::Value(typed))
    }

    /// The storage that an `out` or `inout` argument denotes.
    pub(crate) fn target(
        &mut self,
        direction: Direction,
        ty: &Type,
        arg: &Expr,
    ) -> Elab<(Type, Place)> {
        if matches!(arg.kind, ExprKind::Any) && direction == Direction::Out {
            return Ok((self.substitute(ty), Place::Nowhere));
        }
        let (found, place, writable) = self.place(arg)?;
        if !writable {
            return Err(self.error(
                arg.span,
                "this is read-only and cannot be an `out` or `inout` argument",
            ));
        }
        if !self.unify(ty, &found) {
            let wanted = self.substitute(ty);
            return Err(self.error(
                arg.span,
                format!("expected storage of type {wanted}, found {found}"),
            ));
        }
        Ok((found, place))
    }

    fn pass(
        &mut self,
        param: &Param,
        arg: Evaluated,
        others: &HashSet<SlotId>,
        passing: Passing,
        bound: &mut Bound,
    ) -> Elab<Entity> {
        let shared = passing == Passing::Shared;
        match arg {
            Evaluated::Value(Typed {
                value: Value::Object(instance),
                ..
            }) => Ok(Entity::Instance(instance)),
            Evaluated::Value(mut typed) => {
                let mut simple = true;
                typed.value.each_expr(&mut |expr| {
                    simple &= match &expr.kind {
                        ir::ExprKind::Const(_) => true,
                        ir::ExprKind::Slot(slot) => shared && !others.contains(slot),
                        _ => false,
                    };
                });
                if !simple {
                    typed.value = self.spill(&typed.value);
                }
                Ok(Entity::Value(typed))
            }
            Evaluated::Source(ty, place) => {
                if shared && self.slots_of(&place).is_disjoint(others) {
                    return Ok(Entity::Place {
                        ty,
                        place,
                        writable: false,
                    });
                }
                let value = self.read(&place);
                let copy = self.allocate(param.name.span, &param.name.text, &ty)?;
                self.write(&copy, &value);
                Ok(Entity::Place {
                    ty,
                    place: copy,
                    writable: false,
                })
            }
            Evaluated::Target(ty, place) => {
                let mut target = place.clone();
                if !shared || !place.is_plain() || !self.slots_of(&place).is_disjoint(others) {
                    target = self.allocate(param.name.span, &param.name.text, &ty)?;
                    if param.direction == Direction::InOut {
                        let value = self.read(&place);
                        self.write(&target, &value);
                    }
                    bound.copy_out.push((place, ty.clone(), target.clone()));
                }
                if param.direction == Direction::Out {
                    self.invalidate(&target);
                }
                Ok(Entity::Place {
                    ty,
                    place: target,
                    writable: true,
                })
            }
        }
    }

    fn slots_of(&self, place: &Place) -> HashSet<SlotId> {
        let mut slots = HashSet::new();
        place.each_slot(self, &mut |slot| {
            slots.insert(slot);
        });
        slots
    }

    /// Writes back what a call has changed.
    pub(crate) fn copy_out(&mut self, list: &[(Place, Type, Place)]) {
        for (destination, _, source) in list {
            let value = self.read(source);
            self.write(destination, &value);
        }
    }

    /// Types of parameters; names of types are looked up in the current scopes.
    pub(crate) fn resolve_params(&mut self, params: &[Param]) -> Elab<Vec<Type>> {
        params.iter().map(|param| self.resolve(&param.ty)).collect()
    }

    /// A scope in which type parameters stand for types.
    pub(crate) fn type_scope(&mut self, params: &[crate::ast::TypeParam], args: &[Type]) -> Scope {
        let mut scope = Scope::new();
        for (index, param) in params.iter().enumerate() {
            let ty = match args.get(index) {
                Some(ty) => ty.clone(),
                None => self.fresh_var(),
            };
            scope.insert(
                param.name.text.clone(),
                Entity::Type(super::TypeDef::Known(ty)),
            );
        }
        scope
    }

    /// Type arguments as written; as many as there are parameters, or none.
    pub(crate) fn explicit_types(
        &mut self,
        params: &[crate::ast::TypeParam],
        args: &[crate::ast::TypeExpr],
        span: Span,
    ) -> Elab<Vec<Type>> {
        if !args.is_empty() && args.len() != params.len() {
            let message = format!(
                "{} type arguments are needed, but {} are given",
                params.len(),
                args.len()
            );
            return Err(self.error(span, message));
        }
        args.iter().map(|arg| self.resolve(arg)).collect()
    }

    /// What is known of inferred types, put into a scope.
    pub(crate) fn settle(&self, scope: &mut Scope) {
        let settled: Vec<(Rc<str>, Entity)> = scope
            .iter()
            .filter_map(|(name, entity)| match entity {
                Entity::Type(super::TypeDef::Known(ty)) => Some((
                    name.clone(),
                    Entity::Type(super::TypeDef::Known(self.substitute(ty))),
                )),
                _ => None,
            })
            .collect();
        scope.extend(settled);
    }
}

fn is_place(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Name { .. } => true,
        ExprKind::Member(base, _) => is_place(base),
        ExprKind::Index(base, index) => {
            is_place(base) && matches!(index.kind, ExprKind::Int { .. })
        }
        _ => false,
    }
}

/// Keeps the type of errors in one place.
pub(crate) fn given<T>(value: Option<T>) -> Elab<T> {
    value.ok_or(Reported)
}
