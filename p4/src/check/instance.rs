// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Instances of externs, parsers, controls and packages.

use std::rc::Rc;

use crate::{
    ast::{Arg, Decl, DeclKind, TypeExpr, TypeKind},
    source::Span,
};

use super::{
    Check, Checker, Ex, Reported, Within,
    scope::Entity,
    ty::{ObjectKind, ObjectTy, Sig, SigKind, Ty, bind},
};

impl Checker<'_> {
    /// `T(args) name;`, with definitions of abstract methods in `init`.
    pub(super) fn instance_decl(
        &mut self,
        decl: &Rc<Decl>,
        ty: &TypeExpr,
        args: &[Arg],
        init: Option<&[Rc<Decl>]>,
    ) -> Check<Entity> {
        let mut count = None;
        let mut ty = ty;
        if let TypeKind::Stack(element, size) = &ty.kind {
            let found = self.const_int(size)?;
            count = Some(u32::try_from(found).unwrap_or(0));
            ty = element;
        }
        let resolved = self.resolve(ty)?;
        let Ty::Object(of, _) = &resolved else {
            return Err(self.error(ty.span, format!("{resolved} cannot be instantiated")));
        };
        let of = of.clone();
        self.check_instance_place(of.kind, decl.span)?;
        let is_main = &*decl.name.text == "main" && self.body.within == Within::Top;
        if is_main && of.kind != ObjectKind::Package {
            return Err(self.error(decl.name.span, "`main` must be an instance of a package"));
        }
        let built = self.construct(decl.span, ty.span, &resolved, args, true)?;
        self.abstract_methods(decl, &built, init)?;
        if is_main {
            self.main = Some(decl.span);
        }
        Ok(Entity::Instance(match count {
            Some(count) => Ty::Stack(Rc::new(built), count),
            None => built,
        }))
    }

    /// What may be instantiated where.
    fn check_instance_place(&mut self, kind: ObjectKind, span: Span) -> Check<()> {
        let fault = match (&self.body.within, kind) {
            (Within::Top, ObjectKind::Extern | ObjectKind::Package) => None,
            (Within::Top, _) => Some("a parser or control cannot be instantiated at the top level"),
            (_, ObjectKind::Package) => Some("a package can only be instantiated at the top level"),
            (Within::Parser, ObjectKind::Control) => {
                Some("a control cannot be instantiated in a parser")
            }
            (Within::Control, ObjectKind::Parser) => {
                Some("a parser cannot be instantiated in a control")
            }
            (Within::Parser | Within::Control, _) => None,
            _ => Some("instances are declared in the body of a parser or a control"),
        };
        match fault {
            None => Ok(()),
            Some(fault) => Err(self.error(span, fault)),
        }
    }

    /// The type of a new instance.
    pub(super) fn construct(
        &mut self,
        span: Span,
        type_span: Span,
        ty: &Ty,
        args: &[Arg],
        closed: bool,
    ) -> Check<Ty> {
        let Ty::Object(of, types) = ty else {
            return Err(self.error(type_span, format!("{ty} cannot be instantiated")));
        };
        let of = self.overloaded(of, args);
        if matches!(of.kind, ObjectKind::ParserType | ObjectKind::ControlType) {
            let message = format!("`{}` is only a type and cannot be instantiated", of.name);
            return Err(self.error(type_span, message));
        }
        let inferred = types.is_empty() && !of.params.is_empty();
        let types: Vec<Ty> = if inferred {
            of.params.iter().map(|_| self.fresh()).collect()
        } else {
            types.to_vec()
        };
        let sig = self.constructor(&of, args, span)?;
        let binding = bind(&of.params, &types);
        self.arguments(span, &sig, &binding, args)?;
        let given = sig
            .params
            .iter()
            .zip(0..)
            .filter(|(_, index)| *index < args.len());
        let given: Vec<_> = given.map(|(param, _)| param).collect();
        for (id, ty) in of.params.iter().zip(&types) {
            let settled = self.settle(ty);
            let mut omitted = sig.params.iter().filter(|param| param.default.is_none());
            let left_out = omitted.any(|param| param.ty.mentions(*id))
                && !given.iter().any(|param| param.ty.mentions(*id));
            let open = matches!(settled, Ty::Var(_)) && !left_out && closed;
            if inferred && open {
                let message = format!("the type arguments of `{}` cannot be inferred", of.name);
                return Err(self.error(type_span, message));
            }
            self.check_fields(&settled, type_span)?;
        }
        let types: Vec<Ty> = types.iter().map(|ty| self.settle(ty)).collect();
        self.check_specialized(&of, &types, span)?;
        Ok(Ty::Object(of, types.into()))
    }

    /// Of several blocks or packages of one name, the one whose constructor takes these arguments.
    fn overloaded(&self, of: &Rc<ObjectTy>, args: &[Arg]) -> Rc<ObjectTy> {
        let takes = |of: &Rc<ObjectTy>| {
            of.constructors
                .iter()
                .any(|sig| super::call::accepts(sig, args))
        };
        let others = self.overloads.get(&of.id).into_iter().flatten();
        let mut others = others.filter(|other| takes(other));
        if takes(of) {
            return of.clone();
        }
        others.next().unwrap_or(of).clone()
    }

    /// Methods must be possible with the types that are chosen.
    fn check_specialized(&mut self, of: &Rc<ObjectTy>, types: &[Ty], span: Span) -> Check<()> {
        if of.kind != ObjectKind::Extern {
            return Ok(());
        }
        let binding = bind(&of.params, types);
        for method in &of.methods {
            for param in &method.params {
                let was_param = matches!(param.ty, Ty::Param(..));
                let ty = param.ty.subst(&binding);
                let runtime = param.direction != crate::ast::Direction::None;
                if was_param && runtime && matches!(ty, Ty::Int | Ty::Str | Ty::MatchKind) {
                    let message = format!(
                        "parameter `{}` of `{}` cannot have the type {ty}",
                        param.name, method.name
                    );
                    return Err(self.error(span, message));
                }
            }
        }
        Ok(())
    }

    fn constructor(&mut self, of: &Rc<ObjectTy>, args: &[Arg], span: Span) -> Check<Rc<Sig>> {
        let fitting = of
            .constructors
            .iter()
            .find(|sig| super::call::accepts(sig, args));
        let only = match &of.constructors[..] {
            [one] => Some(one),
            _ => None,
        };
        match fitting.or(only) {
            Some(sig) => Ok(sig.clone()),
            None => Err(self.error(
                span,
                format!("`{}` has no constructor with these arguments", of.name),
            )),
        }
    }

    /// Definitions of abstract methods.
    fn abstract_methods(&mut self, decl: &Decl, ty: &Ty, init: Option<&[Rc<Decl>]>) -> Check<()> {
        let Ty::Object(of, types) = ty else {
            return Err(Reported);
        };
        let wanted: Vec<Rc<Sig>> = of
            .methods
            .iter()
            .filter(|sig| sig.kind == SigKind::Abstract)
            .cloned()
            .collect();
        let Some(init) = init else {
            return match wanted.first() {
                None => Ok(()),
                Some(sig) => Err(self.error(
                    decl.span,
                    format!("abstract method `{}` is not defined", sig.name),
                )),
            };
        };
        if of.kind != ObjectKind::Extern || wanted.is_empty() {
            return Err(self.error(decl.span, "there is no abstract method to define"));
        }
        let binding = bind(&of.params, types);
        let this_type = self.this.replace(ty.clone());
        let mut found: Vec<Rc<str>> = Vec::new();
        self.scoped(|this| {
            for part in init {
                if let DeclKind::Function { signature, body } = &part.kind {
                    let Ok(sig) =
                        this.scoped(|this| this.signature_here(signature, SigKind::Function))
                    else {
                        continue;
                    };
                    let target = wanted.iter().find(|one| {
                        one.name == sig.name
                            && one.params.len() >= sig.params.len()
                            && one.params[sig.params.len()..]
                                .iter()
                                .all(|param| param.optional)
                    });
                    match target {
                        Some(target) if this.same_signature(target, &binding, &sig) => {
                            found.push(sig.name.clone());
                        }
                        _ => {
                            let message = format!("`{}` has no such abstract method", of.name);
                            this.error(sig.span, message);
                            continue;
                        }
                    }
                    this.scoped(|this| {
                        this.declare_params(&sig.params, false);
                        this.function_body(&sig, body, Within::Method);
                    });
                } else {
                    let within = this.body.clone();
                    this.local(part);
                    this.body = within;
                }
            }
        });
        self.this = this_type;
        for sig in &wanted {
            if !found.contains(&sig.name) && !sig.optional {
                let message = format!("abstract method `{}` is not defined", sig.name);
                return Err(self.error(decl.span, message));
            }
        }
        Ok(())
    }

    fn same_signature(&mut self, wanted: &Sig, binding: &super::ty::Binding, given: &Sig) -> bool {
        let own: super::ty::Binding = wanted
            .type_params
            .iter()
            .zip(&given.type_params)
            .map(|((id, _), (other, name))| (*id, Ty::Param(*other, name.clone())))
            .collect();
        let real = |ty: &Ty| ty.subst(binding).subst(&own);
        self.unify(&real(&wanted.ret), &given.ret)
            && wanted.params.iter().zip(&given.params).all(|(want, have)| {
                want.direction == have.direction && self.unify(&real(&want.ty), &have.ty)
            })
    }

    /// `T(args)` as an argument.
    pub(super) fn constructor_call(
        &mut self,
        span: Span,
        ty: &TypeExpr,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Check<Ex> {
        let resolved = self.resolve(ty)?;
        if !type_args.is_empty() {
            return Err(self.error(ty.span, "type arguments belong to the type"));
        }
        if let Ty::Object(of, _) = &resolved
            && of.methods.iter().any(|sig| sig.kind == SigKind::Abstract)
        {
            return Err(self.error(
                span,
                "an extern with abstract methods needs a declaration that defines them",
            ));
        }
        let is_extern = matches!(&resolved, Ty::Object(of, _) if of.kind == ObjectKind::Extern);
        let place = match self.body.within {
            Within::Top | Within::Parser | Within::Control | Within::Table => true,
            Within::Function | Within::Method => false,
            _ => is_extern,
        };
        if !place {
            return Err(self.error(span, "an instance cannot be made by a statement"));
        }
        let built = self.construct(span, ty.span, &resolved, args, false)?;
        Ok(Ex::fixed(built))
    }
}
