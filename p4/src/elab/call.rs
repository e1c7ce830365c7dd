// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls: which thing is called, and the inlining of functions.

use std::rc::Rc;

use crate::{
    ast::{Arg, Block, Decl, DeclKind, Expr, ExprKind, Name, StmtKind, TypeExpr},
    ir,
    source::Span,
};

use super::{
    Elab, Elaborator, Entity, Frame, FrameKind, Instance, InstanceKind, Reported,
    args::{Passing, given},
    params_of,
    types::Type,
    value::{Typed, Value},
};

impl Elaborator<'_> {
    /// A call expression.
    pub(crate) fn call(
        &mut self,
        whole: &Expr,
        callee: &Expr,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Elab<Typed> {
        match &callee.kind {
            ExprKind::Name { name, global } => {
                let found = if *global {
                    self.globals.get(&name.text)
                } else {
                    self.lookup(&name.text)
                };
                match found.cloned() {
                    Some(Entity::Functions(list)) => {
                        let decl = self.overload(&list, name, args, whole.span)?;
                        if matches!(decl.kind, DeclKind::ExternFunction(_)) {
                            return self.extern_function(whole.span, &decl, type_args, args);
                        }
                        self.function(whole.span, &decl, type_args, args)
                    }
                    Some(Entity::Action(action)) => self.action_call(whole.span, &action, args),
                    Some(Entity::Broken) => Err(Reported),
                    Some(_) => {
                        Err(self.error(name.span, format!("`{}` cannot be called", name.text)))
                    }
                    None => Err(self.undeclared(name)),
                }
            }
            ExprKind::Member(base, method) => self.method(whole, base, method, type_args, args),
            ExprKind::Type(ty) => {
                let name = format!("{}.$anonymous{}", self.owner.name, whole.id);
                let id = crate::ast::DeclId(u32::MAX / 2 + whole.id);
                let annotations = Rc::default();
                let instance = self.instance(id, ty, args, name, &annotations, whole.span)?;
                let ty = self.instance_type(&instance);
                Ok(Typed::new(ty, Value::Object(instance)))
            }
            _ => Err(self.error(callee.span, "this cannot be called")),
        }
    }

    /// The function of a name that takes these arguments.
    pub(crate) fn overload(
        &mut self,
        list: &[Rc<Decl>],
        name: &Name,
        args: &[Arg],
        span: Span,
    ) -> Elab<Rc<Decl>> {
        let fits = |decl: &&Rc<Decl>| {
            let params = params_of(decl);
            let needed = params
                .iter()
                .filter(|param| param.default.is_none())
                .count();
            (needed..=params.len()).contains(&args.len())
                && args.iter().all(|arg| {
                    arg.name
                        .as_ref()
                        .is_none_or(|name| params.iter().any(|param| param.name.text == name.text))
                })
        };
        match list
            .iter()
            .find(fits)
            .or(if list.len() == 1 { list.first() } else { None })
        {
            Some(decl) => Ok(decl.clone()),
            None => Err(self.error(
                span,
                format!(
                    "no function `{}` takes these {} arguments",
                    name.text,
                    args.len()
                ),
            )),
        }
    }

    fn method(
        &mut self,
        whole: &Expr,
        base: &Expr,
        method: &Name,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Elab<Typed> {
        if let ExprKind::Type(ty) = &base.kind {
            return self.type_method(whole, ty, method, args);
        }
        if let ExprKind::Name { name, global } = &base.kind {
            let found = if *global {
                self.globals.get(&name.text)
            } else {
                self.lookup(&name.text)
            };
            match found.cloned() {
                Some(Entity::Instance(instance)) => {
                    return self.instance_method(whole, &instance, method, type_args, args);
                }
                Some(Entity::Table(table)) => {
                    if &*method.text != "apply" || !args.is_empty() {
                        return Err(
                            self.error(method.span, "a table has only the method `apply()`")
                        );
                    }
                    return self.apply_table(whole.span, &table);
                }
                Some(Entity::Broken) => return Err(Reported),
                _ => {}
            }
        }
        self.value_method(whole, base, method, args)
    }

    fn instance_method(
        &mut self,
        whole: &Expr,
        instance: &Rc<Instance>,
        method: &Name,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Elab<Typed> {
        match &instance.kind {
            InstanceKind::Block { decl, .. } => {
                if &*method.text != "apply" {
                    return Err(self.error(
                        method.span,
                        "a parser or control has only the method `apply`",
                    ));
                }
                if matches!(decl.kind, DeclKind::Parser(_)) {
                    self.apply_parser(whole.span, instance, args)
                } else {
                    self.apply_control(whole.span, instance, args)
                }
            }
            _ => self.extern_method(whole.span, instance, method, type_args, args),
        }
    }

    /// `Control.apply(...)`, and sizes of types.
    fn type_method(
        &mut self,
        whole: &Expr,
        ty: &TypeExpr,
        method: &Name,
        args: &[Arg],
    ) -> Elab<Typed> {
        let resolved = self.resolve(ty)?;
        if let Type::Object(decl, _) = &resolved
            && &*method.text == "apply"
        {
            let id = crate::ast::DeclId(u32::MAX / 2 + whole.id);
            let name = Name {
                text: decl.name.text.clone(),
                span: ty.span,
            };
            let name = self.anonymous_name(&name, id);
            let instance = self.instance(id, ty, &[], name, &Rc::default(), whole.span)?;
            return self.instance_method(whole, &instance, method, &[], args);
        }
        self.size_method(method, &resolved)
    }

    /// Name of an instance without a name: that of its type, with a number if another place has taken it.
    fn anonymous_name(&mut self, name: &Name, id: crate::ast::DeclId) -> String {
        let first = self.qualified(name, &Rc::default());
        let mut tried = first.clone();
        let mut count = 0;
        while self
            .instances
            .keys()
            .any(|(known, other)| *known == tried && *other != id)
        {
            tried = format!("{first}_{count}");
            count += 1;
        }
        tried
    }

    /// A function of the program: its body takes the place of the call.
    fn function(
        &mut self,
        span: Span,
        decl: &Rc<Decl>,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Elab<Typed> {
        let DeclKind::Function { signature, body } = &decl.kind else {
            return Err(Reported);
        };
        self.visited.insert(decl.id);
        if self.calling.contains(&decl.id) {
            let name = &decl.name.text;
            return Err(self.error(
                span,
                format!("`{name}` calls itself, which P4 does not have"),
            ));
        }
        let explicit = self.explicit_types(&signature.type_params, type_args, span)?;
        let args = self.match_args(&signature.params, args, span)?;
        let mut types = self.type_scope(&signature.type_params, &explicit);
        let scope = Rc::new(types.clone());
        let (params, ret) = self.within(vec![scope], |this| {
            Ok((
                this.resolve_params(&signature.params)?,
                this.resolve(&signature.ret)?,
            ))
        })?;
        let bound = self.bind(&signature.params, &params, &args, Passing::Shared)?;
        self.settle(&mut types);
        types.extend(bound.scope);
        let ret = self.substitute(&ret);
        self.calling.push(decl.id);
        let result = self.inline(
            span,
            body,
            vec![Rc::new(types)],
            ret,
            bound.copy_out,
            FrameKind::Function,
        );
        self.calling.pop();
        result
    }

    /// Lowers a body in place of a call.
    pub(crate) fn inline(
        &mut self,
        span: Span,
        body: &Block,
        env: super::Env,
        ret: Type,
        copy_out: Vec<(super::place::Place, Type, super::place::Place)>,
        kind: FrameKind,
    ) -> Elab<Typed> {
        let label = self.new_label();
        let direct = kind == FrameKind::Function && returns_at_end_only(body);
        let result = if matches!(ret, Type::Void) || direct {
            None
        } else {
            Some((ret.clone(), self.allocate(span, "result", &ret)?))
        };
        let place = result.as_ref().map(|(_, place)| place.clone());
        let frame = Frame {
            label,
            result,
            copy_out: copy_out.clone(),
            loops: Vec::new(),
            kind,
        };
        let outer_span = self.span;
        let (typed, stmts) = self.collect(|this| {
            this.framed(span, frame, |this| {
                this.within(env, |this| {
                    this.scoped(|this| {
                        let (last, rest) = match body.stmts.split_last() {
                            Some((last, rest)) if direct => (Some(last), rest),
                            _ => (None, &body.stmts[..]),
                        };
                        for stmt in rest {
                            this.stmt(stmt);
                        }
                        let Some(StmtKind::Return(Some(value))) = last.map(|last| &last.kind)
                        else {
                            return Ok(None);
                        };
                        this.expr_as(value, &ret).map(Some)
                    })
                })
            })
        });
        let typed = typed?;
        self.span = outer_span;
        let stmts = super::stmt::finish_scope(label, stmts, self.span);
        self.block.extend(stmts);
        let typed = match (typed, place) {
            (Some(mut typed), _) => {
                if !copy_out.is_empty() {
                    typed.value = self.spill(&typed.value);
                }
                typed
            }
            (None, Some(place)) => Typed::new(ret.clone(), self.read(&place)),
            (None, None) => Typed::void(),
        };
        self.copy_out(&copy_out);
        Ok(typed)
    }

    /// The type of an instance.
    pub(crate) fn instance_type(&mut self, instance: &Rc<Instance>) -> Type {
        match &instance.kind {
            InstanceKind::Block {
                decl, type_args, ..
            } => Type::Object(decl.clone(), type_args.clone()),
            InstanceKind::Package { decl, .. } => Type::Object(decl.clone(), Rc::new([])),
            kind => {
                let name = match kind {
                    InstanceKind::PacketIn => "packet_in",
                    InstanceKind::PacketOut => "packet_out",
                    InstanceKind::Counter(_) => "counter",
                    InstanceKind::DirectCounter(_) => "direct_counter",
                    InstanceKind::Meter(_) => "meter",
                    InstanceKind::DirectMeter(_) => "direct_meter",
                    InstanceKind::Register(..) => "register",
                    _ => return Type::Unknown,
                };
                match self.globals.get(name) {
                    Some(Entity::Type(super::TypeDef::Known(ty))) => ty.clone(),
                    Some(Entity::Type(super::TypeDef::Generic(decl))) => {
                        let decl = decl.clone();
                        let count = super::resolve::type_params_of(&decl).len();
                        let args: Vec<Type> = (0..count).map(|_| self.fresh_var()).collect();
                        Type::Object(decl, args.into())
                    }
                    _ => Type::Unknown,
                }
            }
        }
    }

    /// The only argument of a call.
    pub(crate) fn only<'e>(&mut self, args: &'e [Arg], span: Span) -> Elab<&'e Expr> {
        if args.len() != 1 {
            return Err(self.error(
                span,
                format!("one argument is needed, but {} are given", args.len()),
            ));
        }
        given(args.first().map(|arg| &arg.value))
    }

    /// Whether an IR statement list is of any use (used where only diagnostics count).
    pub(crate) fn discard(&mut self, part: impl FnOnce(&mut Self)) {
        let ((), _stmts): ((), Vec<ir::Stmt>) = self.collect(|this| part(this));
    }
}

/// Whether the only `return` is the last statement.
fn returns_at_end_only(body: &Block) -> bool {
    match body.stmts.split_last() {
        Some((last, rest)) => {
            matches!(last.kind, StmtKind::Return(Some(_)))
                && !rest.iter().any(super::stmt::has_return)
        }
        None => false,
    }
}
