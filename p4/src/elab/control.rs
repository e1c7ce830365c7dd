// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Controls: applied inside of other controls by inlining.
//!
//! The tables of a control exist once, however often it is applied, and their keys and actions name its parameters.
//! A control with tables that is applied at several places therefore keeps its parameters in storage of its own;
//! any other is lowered anew at each place, with its parameters bound to the arguments.

use std::rc::Rc;

use crate::{
    ast::{
        Arg, Block, ControlDecl, Decl, DeclKind, Direction, Expr, ExprKind, Param, Stmt, StmtKind,
        TypeKind,
    },
    source::Span,
};

use super::{
    Elab, Elaborator, Entity, Env, Frame, FrameKind, Instance, InstanceKind, Owner, Reported,
    Scope, args::Passing, place::Place, types::Type, value::Typed,
};

/// Storage of each parameter that is no extern.
type Kept = Vec<Option<(Type, Place)>>;

/// A control that has been applied and may be applied again.
#[derive(Clone)]
pub(crate) struct Applied {
    /// Its scopes, with locals.
    env: Env,
    /// Storage of its parameters.
    params: Kept,
}

/// The owner of what is declared in an instance.
pub(crate) fn owner(name: &str, order: Vec<u32>) -> Owner {
    Owner {
        name: name.to_owned(),
        order,
        multiple: false,
        in_parser: false,
    }
}

impl Elaborator<'_> {
    /// `control.apply(args)`
    pub(crate) fn apply_control(
        &mut self,
        span: Span,
        instance: &Rc<Instance>,
        args: &[Arg],
    ) -> Elab<Typed> {
        let InstanceKind::Block {
            decl,
            type_args,
            ctor,
            owner,
        } = &instance.kind
        else {
            return Err(Reported);
        };
        let DeclKind::Control(control) = &decl.kind else {
            return Err(Reported);
        };
        if self.owner.in_parser {
            return Err(self.error(span, "a control cannot be applied in a parser"));
        }
        let in_action = |frame: &Frame| frame.kind != FrameKind::Control;
        if self.frames.iter().any(in_action) {
            return Err(self.error(
                span,
                "a control cannot be applied in an action or a function",
            ));
        }
        let args = self.match_args(&control.params, args, span)?;
        let mut types = self.type_scope(&control.type_params, type_args);
        let scope = vec![Rc::new(types.clone())];
        let params = self.within(scope, |this| this.resolve_params(&control.params))?;
        let repeated = self.owner.multiple || self.apply_count(instance) > 1;
        let keep = repeated && self.has_tables(decl, 0);
        let mut owner = owner.as_ref().clone();
        owner.multiple = keep;
        let owner = Rc::new(owner);
        if keep {
            return self.apply_kept(span, instance, control, (&params, types), &args, owner);
        }
        let bound = self.bind(&control.params, &params, &args, Passing::Shared)?;
        self.settle(&mut types);
        types.extend(ctor.clone());
        types.extend(bound.scope);
        self.run_control(
            span,
            decl,
            control,
            vec![Rc::new(types)],
            owner,
            bound.copy_out,
            None,
        )
    }

    /// Applies a control whose parameters are in storage of its own.
    fn apply_kept(
        &mut self,
        span: Span,
        instance: &Rc<Instance>,
        control: &ControlDecl,
        (params, mut types): (&[Type], Scope),
        args: &[Option<&Expr>],
        owner: Rc<Owner>,
    ) -> Elab<Typed> {
        let InstanceKind::Block { decl, ctor, .. } = &instance.kind else {
            return Err(Reported);
        };
        let known = self.controls.get(&instance.name).cloned();
        let bound = self.bind(&control.params, params, args, Passing::Copied)?;
        self.settle(&mut types);
        let mut kept = Vec::new();
        let mut copy_out: Vec<(Place, Type, Place)> = Vec::new();
        let mut scope = types;
        scope.extend(ctor.clone());
        for (index, param) in control.params.iter().enumerate() {
            let Some(entity) = bound.scope.get(&param.name.text) else {
                continue;
            };
            let old = known
                .as_ref()
                .and_then(|known| known.params.get(index).cloned().flatten());
            let (entity, place) = self.keep_param(&instance.name, param, entity, old)?;
            if let (Some((ty, place)), Some((destination, ..))) = (
                &place,
                bound
                    .copy_out
                    .iter()
                    .find(|(.., source)| same_entity(entity_place(&bound.scope, param), source)),
            ) {
                copy_out.push((destination.clone(), ty.clone(), place.clone()));
            }
            kept.push(place);
            scope.insert(param.name.text.clone(), entity);
        }
        let env = known.map_or_else(|| vec![Rc::new(scope)], |known| known.env);
        let name = instance.name.clone();
        self.run_control(
            span,
            decl,
            control,
            env,
            owner,
            copy_out,
            Some((name, kept)),
        )
    }

    /// A parameter in storage that lasts, with the value it is bound to now.
    fn keep_param(
        &mut self,
        control: &str,
        param: &Param,
        entity: &Entity,
        old: Option<(Type, Place)>,
    ) -> Elab<(Entity, Option<(Type, Place)>)> {
        let (ty, value) = match entity {
            Entity::Place { ty, place, .. } => (ty.clone(), self.read(place)),
            Entity::Value(typed) => (typed.ty.clone(), typed.value.clone()),
            other => return Ok((other.clone(), None)),
        };
        let place = match old {
            Some((_, place)) => place,
            None => self.allocate(
                param.name.span,
                &format!("{control}.{}", param.name.text),
                &ty,
            )?,
        };
        if param.direction == Direction::Out {
            self.invalidate(&place);
        } else {
            self.write(&place, &value);
        }
        let writable = matches!(param.direction, Direction::Out | Direction::InOut);
        Ok((
            Entity::Place {
                ty: ty.clone(),
                place: place.clone(),
                writable,
            },
            Some((ty, place)),
        ))
    }

    /// Locals and body of a control. `keep` says under which name to remember the scopes.
    #[expect(clippy::too_many_arguments, reason = "the parts of one application")]
    pub(super) fn run_control(
        &mut self,
        span: Span,
        decl: &Rc<Decl>,
        control: &ControlDecl,
        mut env: Env,
        owner: Rc<Owner>,
        copy_out: Vec<(Place, Type, Place)>,
        keep: Option<(String, Kept)>,
    ) -> Elab<Typed> {
        let Some(body) = control.body.clone() else {
            return Err(Reported);
        };
        self.visited.insert(decl.id);
        let again = keep
            .as_ref()
            .is_some_and(|(name, _)| self.controls.contains_key(name));
        let outer = std::mem::replace(&mut self.owner, owner);
        let label = self.new_label();
        let frame = Frame {
            label,
            result: None,
            copy_out: copy_out.clone(),
            loops: Vec::new(),
            kind: FrameKind::Control,
        };
        let (result, stmts) = self.collect(|this| {
            this.framed(span, frame, |this| {
                if again {
                    this.within(env.clone(), |this| this.reset_locals(&body.locals));
                } else {
                    this.within(env.clone(), |this| {
                        for local in &body.locals {
                            this.span = local.span;
                            this.local(local);
                        }
                        std::mem::swap(&mut env, &mut this.env);
                    });
                }
                if let Some((name, params)) = keep {
                    this.controls.insert(
                        name,
                        Applied {
                            env: env.clone(),
                            params,
                        },
                    );
                }
                this.within(env, |this| this.block_stmts(&body.apply));
                Ok(())
            })
        });
        self.owner = outer;
        self.span = span;
        result?;
        let stmts = super::stmt::finish_scope(label, stmts, span);
        self.block.extend(stmts);
        self.copy_out(&copy_out);
        Ok(Typed::void())
    }

    /// Initial values of variables, when a control is applied again.
    fn reset_locals(&mut self, locals: &[Rc<Decl>]) {
        for local in locals {
            let DeclKind::Variable { value, .. } = &local.kind else {
                continue;
            };
            let Some(Entity::Place { ty, place, .. }) = self.lookup(&local.name.text).cloned()
            else {
                continue;
            };
            match value {
                Some(value) => {
                    if let Ok(typed) = self.expr_as(value, &ty) {
                        self.write(&place, &typed.value);
                    }
                }
                None => self.invalidate(&place),
            }
        }
    }

    /// At how many places the control that owns an instance applies it.
    fn apply_count(&mut self, instance: &Rc<Instance>) -> usize {
        let own = instance
            .name
            .rsplit('.')
            .next()
            .unwrap_or(&instance.name)
            .to_owned();
        self.globals
            .values()
            .filter_map(|entity| match entity {
                Entity::Type(
                    super::TypeDef::Known(Type::Object(decl, _)) | super::TypeDef::Generic(decl),
                ) => Some(decl),
                _ => None,
            })
            .filter_map(|decl| match &decl.kind {
                DeclKind::Control(ControlDecl {
                    body: Some(body), ..
                }) => Some(body),
                _ => None,
            })
            .map(|body| {
                let mut count = 0;
                each_apply(&body.apply, &mut |callee| {
                    count += usize::from(
                        matches!(&callee.kind, ExprKind::Name { name, .. } if *name.text == *own),
                    );
                });
                count
            })
            .max()
            .unwrap_or(0)
    }

    /// Whether a control has tables, or applies one that has.
    fn has_tables(&self, decl: &Decl, depth: usize) -> bool {
        let DeclKind::Control(ControlDecl {
            body: Some(body), ..
        }) = &decl.kind
        else {
            return false;
        };
        if depth > super::MAX_CALLS {
            return true;
        }
        let named = |ty: &crate::ast::TypeExpr| {
            let TypeKind::Name { name, .. } = &ty.kind else {
                return false;
            };
            match self.globals.get(&name.text) {
                Some(Entity::Type(
                    super::TypeDef::Known(Type::Object(decl, _)) | super::TypeDef::Generic(decl),
                )) => self.has_tables(decl, depth + 1),
                _ => false,
            }
        };
        let mut found = body.locals.iter().any(|local| match &local.kind {
            DeclKind::Table(_) => true,
            DeclKind::Instance { ty, .. } => named(ty),
            _ => false,
        });
        each_apply(&body.apply, &mut |callee| {
            if let ExprKind::Type(ty) = &callee.kind {
                found |= named(ty);
            }
        });
        found
    }
}

fn entity_place<'s>(scope: &'s Scope, param: &Param) -> Option<&'s Place> {
    match scope.get(&param.name.text) {
        Some(Entity::Place { place, .. }) => Some(place),
        _ => None,
    }
}

/// Whether a parameter's storage is that place; both were made by the same call.
fn same_entity(place: Option<&Place>, other: &Place) -> bool {
    match (place, other) {
        (Some(Place::Slot(a)), Place::Slot(b)) => a == b,
        (Some(Place::Header(a)), Place::Header(b)) => a == b,
        (Some(Place::Parts(a) | Place::Union(a)), Place::Parts(b) | Place::Union(b)) => {
            Rc::ptr_eq(a, b)
        }
        (Some(Place::Stack(a, _)), Place::Stack(b, _)) => a == b,
        _ => false,
    }
}

/// Calls `visit` with `x` for each `x.apply(...)` in a block.
fn each_apply(block: &Block, visit: &mut impl FnMut(&Expr)) {
    for stmt in &block.stmts {
        stmt_applies(stmt, visit);
    }
}

fn stmt_applies(stmt: &Stmt, visit: &mut impl FnMut(&Expr)) {
    match &stmt.kind {
        StmtKind::Call(call) => expr_applies(call, visit),
        StmtKind::If {
            condition,
            then,
            otherwise,
        } => {
            expr_applies(condition, visit);
            stmt_applies(then, visit);
            if let Some(otherwise) = otherwise {
                stmt_applies(otherwise, visit);
            }
        }
        StmtKind::Switch { key, cases } => {
            expr_applies(key, visit);
            for case in cases {
                if let Some(body) = &case.body {
                    each_apply(body, visit);
                }
            }
        }
        StmtKind::Block(block) => each_apply(block, visit),
        StmtKind::For { body, .. } | StmtKind::ForIn { body, .. } => stmt_applies(body, visit),
        _ => {}
    }
}

fn expr_applies(expr: &Expr, visit: &mut impl FnMut(&Expr)) {
    match &expr.kind {
        ExprKind::Call { callee, .. } => {
            if let ExprKind::Member(base, name) = &callee.kind
                && &*name.text == "apply"
            {
                visit(base);
            }
        }
        ExprKind::Member(base, _) | ExprKind::Unary(_, base) => expr_applies(base, visit),
        ExprKind::Binary(_, a, b) => {
            expr_applies(a, visit);
            expr_applies(b, visit);
        }
        _ => {}
    }
}
