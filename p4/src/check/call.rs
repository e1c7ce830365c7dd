// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls of functions, actions and constructors: which one is meant, and what its arguments may be.

use std::rc::Rc;

use crate::{
    ast::{Arg, Direction, Expr, ExprKind, Name, TypeExpr},
    diagnostic::Diagnostic,
    source::Span,
};

use super::{
    Check, Checker, Ex, Reported, Storage, Within,
    constant::Const,
    scope::{ActionEntity, Entity},
    ty::{Binding, ObjectKind, Sig, SigKind, SigParam, Ty},
};

impl Checker<'_> {
    /// A call expression.
    pub(super) fn call(
        &mut self,
        whole: &Expr,
        callee: &Expr,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Check<Ex> {
        match &callee.kind {
            ExprKind::Name { name, global } => match self.entity(name, *global)? {
                Entity::Functions(list) => {
                    self.function_call(whole.span, &list, name, type_args, args)
                }
                Entity::Action(action) => {
                    if !type_args.is_empty() {
                        return Err(self.error(whole.span, "an action takes no type arguments"));
                    }
                    self.action_call(whole.span, &action, args)
                }
                Entity::Struct(_) | Entity::Object(_) | Entity::Type(_) => {
                    self.error(name.span, format!("`{}` cannot be called", name.text));
                    Err(Reported)
                }
                _ => Err(self.error(name.span, format!("`{}` cannot be called", name.text))),
            },
            ExprKind::Member(base, method) => self.method(whole, base, method, type_args, args),
            ExprKind::Type(ty) => self.constructor_call(whole.span, ty, type_args, args),
            _ => Err(self.error(callee.span, "this cannot be called")),
        }
    }

    fn function_call(
        &mut self,
        span: Span,
        list: &[Rc<Sig>],
        name: &Name,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Check<Ex> {
        let sig = self.overload(list, name, args, span)?;
        if &*sig.name == "verify"
            && sig.kind == SigKind::ExternFunction
            && self.body.within != Within::ParserState
        {
            return Err(self.error(span, "`verify` can only be called in a state of a parser"));
        }
        let ret = self.sig_call(span, &sig, &Binding::new(), type_args, args)?;
        if &*sig.name == "static_assert" && sig.kind == SigKind::ExternFunction {
            return self.static_assert(span, args);
        }
        let mut ex = Ex::new(ret);
        if sig.pure {
            ex.fixed = true;
            for arg in args {
                ex.fixed &= self.expr(&arg.value)?.fixed;
            }
        }
        Ok(ex)
    }

    /// `static_assert(condition, message)`
    fn static_assert(&mut self, span: Span, args: &[Arg]) -> Check<Ex> {
        let Some(condition) = args.first() else {
            return Err(Reported);
        };
        match self.expr(&condition.value)?.value {
            Some(Const::Bool(true)) => Ok(Ex::known(Ty::Bool, Const::Bool(true))),
            Some(Const::Bool(false)) => {
                let message = match args.get(1).map(|arg| &arg.value.kind) {
                    Some(ExprKind::Str(text)) => format!("assertion failed: {text}"),
                    _ => "assertion failed".to_owned(),
                };
                Err(self.error(span, message))
            }
            _ => Err(self.error(
                condition.value.span,
                "the condition of `static_assert` must be known at compile time",
            )),
        }
    }

    /// The function of a name that takes these arguments.
    pub(super) fn overload(
        &mut self,
        list: &[Rc<Sig>],
        name: &Name,
        args: &[Arg],
        span: Span,
    ) -> Check<Rc<Sig>> {
        let fitting: Vec<&Rc<Sig>> = list.iter().filter(|sig| accepts(sig, args)).collect();
        match (&fitting[..], list) {
            ([one], _) => Ok(Rc::clone(one)),
            ([], [one]) => Ok(one.clone()),
            ([], _) => Err(self.error(
                span,
                format!(
                    "no function `{}` takes these {} arguments",
                    name.text,
                    args.len()
                ),
            )),
            ([first, second, ..], _) => {
                let (a, b) = (first.span, second.span);
                let message = format!("it is not clear which `{}` is meant", name.text);
                Err(self.report(
                    Diagnostic::error(span, message)
                        .note(a, "this one")
                        .note(b, "or this one"),
                ))
            }
        }
    }

    fn action_call(&mut self, span: Span, action: &ActionEntity, args: &[Arg]) -> Check<Ex> {
        if !matches!(self.body.within, Within::Apply | Within::Action) {
            return Err(self.error(
                span,
                "an action can only be called by a control or an action",
            ));
        }
        self.action_args += 1;
        let result = self.sig_call(span, &action.sig, &Binding::new(), &[], args);
        self.action_args -= 1;
        result.map(Ex::new)
    }

    /// Checks a call, and gives the type of its result.
    pub(super) fn sig_call(
        &mut self,
        span: Span,
        sig: &Rc<Sig>,
        outer: &Binding,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Check<Ty> {
        if !type_args.is_empty() && type_args.len() != sig.type_params.len() {
            let message = format!(
                "{} type arguments are needed, but {} are given",
                sig.type_params.len(),
                type_args.len()
            );
            return Err(self.error(span, message));
        }
        let mut binding = outer.clone();
        let mut own = Vec::new();
        for (index, (id, name)) in sig.type_params.iter().enumerate() {
            let ty = match type_args.get(index) {
                Some(arg) => {
                    let ty = self.resolve_whole(arg)?;
                    self.check_type_arg(&ty, arg.span)?;
                    ty
                }
                None => self.fresh(),
            };
            own.push((name.clone(), ty.clone(), *id));
            binding.insert(*id, ty);
        }
        self.arguments(span, sig, &binding, args)?;
        let left_out = |id: u32| {
            let given = sig.params.iter().take(args.len());
            sig.params.iter().any(|param| param.ty.mentions(id))
                && !given.clone().any(|param| param.ty.mentions(id))
        };
        for (name, ty, id) in own {
            if !left_out(id) {
                self.decide(span, sig, &name, &ty)?;
            }
        }
        self.check_inferred(span, sig, &binding)?;
        Ok(self.settle(&sig.ret.subst(&binding)))
    }

    /// What an inferred type parameter stands for, when all arguments are known.
    fn decide(&mut self, span: Span, sig: &Sig, name: &str, ty: &Ty) -> Check<()> {
        let settled = self.settle(ty);
        self.check_type_arg(&settled, span)?;
        match settled {
            Ty::Var(number) if self.weak.contains(&number) && sig.kind != SigKind::Function => {
                self.inferred[number as usize] = Some(Ty::Int);
                Ok(())
            }
            Ty::Var(_) => Err(self.error(
                span,
                format!("type argument `{name}` of this call cannot be inferred"),
            )),
            _ => self.check_fields(&settled, span),
        }
    }

    /// Types that parameters cannot have, once they are inferred.
    fn check_inferred(&mut self, span: Span, sig: &Sig, binding: &Binding) -> Check<()> {
        for param in &sig.params {
            if param.direction == Direction::None || !matches!(param.ty, Ty::Param(..)) {
                if !matches!(param.ty, Ty::Param(..)) {
                    let ty = self.settle(&param.ty.subst(binding));
                    self.check_fields(&ty, span)?;
                }
                continue;
            }
            let ty = self.settle(&param.ty.subst(binding));
            let unsized_int = match &ty {
                Ty::Int => true,
                Ty::Var(number) => self.weak.contains(number),
                Ty::List(list) => list.iter().any(|ty| matches!(ty, Ty::Int)),
                Ty::Record(_) => {
                    let message = format!("the type of argument `{}` is not known", param.name);
                    return Err(self.error(span, message));
                }
                _ => false,
            };
            if unsized_int {
                let message = format!("the width of argument `{}` is not known", param.name);
                return Err(self.error(span, message));
            }
            if matches!(
                ty,
                Ty::Str | Ty::Void | Ty::Object(..) | Ty::Dots | Ty::Invalid
            ) {
                let message = format!("argument `{}` cannot have the type {ty}", param.name);
                return Err(self.error(span, message));
            }
        }
        Ok(())
    }

    /// Arguments: which parameter each belongs to, and whether it fits.
    pub(super) fn arguments(
        &mut self,
        span: Span,
        sig: &Sig,
        binding: &Binding,
        args: &[Arg],
    ) -> Check<()> {
        let matched = self.match_args(span, sig, args)?;
        let mut binding = binding.clone();
        for id in &sig.wild {
            let open = self.fresh();
            binding.insert(*id, open);
        }
        let mut result = Ok(());
        for (param, arg) in sig.params.iter().zip(matched) {
            let ty = param.ty.subst(&binding);
            let Some(arg) = arg else {
                if let Some(default) = &param.default {
                    self.unify(&ty, &default.subst(&binding));
                }
                continue;
            };
            if self.argument(sig.kind, param, &ty, arg).is_err() {
                result = Err(Reported);
            }
        }
        result
    }

    fn match_args<'e>(
        &mut self,
        span: Span,
        sig: &Sig,
        args: &'e [Arg],
    ) -> Check<Vec<Option<&'e Expr>>> {
        let mut found: Vec<Option<&Expr>> = vec![None; sig.params.len()];
        if args.iter().any(|arg| arg.name.is_some()) && args.iter().any(|arg| arg.name.is_none()) {
            return Err(self.error(span, "either all or none of the arguments have names"));
        }
        for (index, arg) in args.iter().enumerate() {
            let at = match &arg.name {
                None => index,
                Some(name) => {
                    if let Some(at) = sig.params.iter().position(|param| param.name == name.text) {
                        at
                    } else {
                        let message = format!("there is no parameter `{}`", name.text);
                        return Err(self.error(name.span, message));
                    }
                }
            };
            let Some(slot) = found.get_mut(at) else { break };
            if slot.replace(&arg.value).is_some() {
                let message = format!("parameter `{}` is given twice", sig.params[at].name);
                return Err(self.error(arg.value.span, message));
            }
        }
        let mut missing = sig.params.iter().zip(&found);
        let missing = missing.find(|(param, arg)| arg.is_none() && !param.optional);
        if missing.is_some() || args.len() > sig.params.len() {
            let message = format!(
                "{} arguments are needed, but {} are given",
                sig.params.len(),
                args.len()
            );
            let mut diagnostic = Diagnostic::error(span, message);
            if let Some((param, _)) = missing {
                diagnostic = diagnostic.note(param.span, "no argument for this parameter");
            }
            return Err(self.report(diagnostic));
        }
        Ok(found)
    }

    /// One argument for one parameter.
    fn argument(&mut self, kind: SigKind, param: &SigParam, ty: &Ty, arg: &Expr) -> Check<()> {
        if matches!(arg.kind, ExprKind::Any) {
            return if param.direction == Direction::Out || param.optional {
                Ok(())
            } else {
                Err(self.error(arg.span, "`_` can only stand for an `out` argument"))
            };
        }
        let ex = self.expr(arg)?;
        if let Ty::Object(of, _) = &ex.ty {
            let ctor = kind == SigKind::Constructor;
            if of.kind != ObjectKind::Extern && !ctor {
                let message = format!("a {} cannot be an argument", of.kind.word());
                return Err(self.error(arg.span, message));
            }
        }
        if super::writable(param.direction) {
            if ex.storage != Storage::Writable {
                return Err(self.error(
                    arg.span,
                    "this is read-only and cannot be an `out` or `inout` argument",
                ));
            }
            if !self.unify(ty, &ex.ty) {
                let wanted = self.settle(ty);
                let message = format!("expected storage of type {wanted}, found {}", ex.ty);
                return Err(self.error(arg.span, message));
            }
            return Ok(());
        }
        let fixed = ex.fixed;
        self.convert(arg.span, ex, ty)?;
        let constant = match kind {
            SigKind::Constructor => true,
            SigKind::Function | SigKind::ExternFunction | SigKind::Method | SigKind::Abstract => {
                param.direction == Direction::None
            }
            SigKind::Action | SigKind::Apply => false,
        };
        if constant && !fixed && !matches!(ty, Ty::Object(..)) {
            return Err(self.error(
                arg.span,
                "this argument must be known at compile time, because the parameter has no direction",
            ));
        }
        Ok(())
    }
}

/// Whether a call can have these arguments, by their number and names.
pub(super) fn accepts(sig: &Sig, args: &[Arg]) -> bool {
    if args.len() > sig.params.len() {
        return false;
    }
    if args.iter().any(|arg| arg.name.is_some()) {
        let given = |param: &SigParam| {
            args.iter().any(|arg| {
                arg.name
                    .as_ref()
                    .is_some_and(|name| name.text == param.name)
            })
        };
        let known = args.iter().all(|arg| {
            arg.name
                .as_ref()
                .is_none_or(|name| sig.params.iter().any(|param| param.name == name.text))
        });
        return known
            && sig
                .params
                .iter()
                .all(|param| param.optional || given(param));
    }
    sig.params[args.len()..].iter().all(|param| param.optional)
}
