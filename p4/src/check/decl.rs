// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Declarations of types, constants, variables, functions and actions.

use std::rc::Rc;

use num_bigint::BigInt;

use crate::{
    ast::{
        Aggregate, Block, Decl, DeclKind, Direction, Expr, Field, Name, Param, Signature, TypeExpr,
        TypeParam,
    },
    diagnostic::Diagnostic,
};

use super::{
    Check, Checker, Made, Reported, Within,
    constant::{Const, wrap},
    resolve::field_allowed,
    scope::{ActionEntity, Entity},
    ty::{EnumTy, NewTy, ObjectKind, Sig, SigKind, SigParam, StructTy, Ty},
};

impl Checker<'_> {
    /// A declaration of the top level.
    pub(super) fn top(&mut self, decl: &Rc<Decl>) {
        self.check_annotations(&decl.annotations);
        if &*decl.name.text == "main" && matches!(decl.kind, DeclKind::ExternObject { .. }) {
            self.error(decl.name.span, "`main` must be an instance of a package");
        }
        match &decl.kind {
            DeclKind::Errors(names) => {
                for name in names {
                    if self.errors.contains(&name.text) {
                        let message = format!("error `{}` is declared twice", name.text);
                        self.error(name.span, message);
                    } else {
                        self.errors.push(name.text.clone());
                    }
                }
            }
            DeclKind::MatchKinds(names) => {
                for name in names {
                    if self.match_kinds.contains(&name.text) {
                        let message = format!("match kind `{}` is declared twice", name.text);
                        self.error(name.span, message);
                    } else {
                        self.match_kinds.push(name.text.clone());
                    }
                }
            }
            DeclKind::Variable { .. } => {
                self.error(
                    decl.span,
                    "there are no global variables; declare a `const`, or a variable in a control",
                );
                self.declare(&decl.name, Entity::Broken);
            }
            _ => self.local(decl),
        }
    }

    /// A declaration anywhere. A broken one is declared as such, so that its uses are not reported again.
    pub(super) fn local(&mut self, decl: &Rc<Decl>) {
        self.check_annotations(&decl.annotations);
        let entity = match self.made(decl) {
            Ok(Some(entity)) => entity,
            Ok(None) => return,
            Err(Reported) => {
                if self.lookup(&decl.name.text).is_none() {
                    self.declare(&decl.name, Entity::Broken);
                }
                return;
            }
        };
        self.declare(&decl.name, entity);
    }

    fn made(&mut self, decl: &Rc<Decl>) -> Made {
        Ok(Some(match &decl.kind {
            DeclKind::Const { ty, value } => self.constant(decl, ty, value)?,
            DeclKind::Variable { ty, value } => self.variable(ty, value.as_ref())?,
            DeclKind::Typedef { ty, new } => self.typedef(decl, ty, *new)?,
            DeclKind::Aggregate {
                kind,
                type_params,
                fields,
            } => self.aggregate(decl, *kind, type_params, fields)?,
            DeclKind::Enum {
                underlying,
                members,
            } => {
                return self
                    .enumeration(decl, underlying.as_ref(), members)
                    .map(Some);
            }
            DeclKind::ExternFunction(signature) => {
                let mut sig = self.signature(signature, SigKind::ExternFunction)?;
                sig.pure = decl.annotations.iter().any(|one| &*one.name.text == "pure");
                Entity::Functions(vec![Rc::new(sig)])
            }
            DeclKind::Function { signature, body } => {
                return self.function(signature, body).map(|()| None);
            }
            DeclKind::Action { params, body } => {
                return self.action(decl, params, body).map(|()| None);
            }
            DeclKind::ExternObject { .. } => return self.extern_object(decl),
            DeclKind::Parser(parser) => return self.parser_decl(decl, parser),
            DeclKind::Control(control) => return self.control_decl(decl, control),
            DeclKind::Package {
                type_params,
                params,
            } => self.package_decl(decl, type_params, params)?,
            DeclKind::Instance { ty, args, init } => {
                self.instance_decl(decl, ty, args, init.as_deref().map(Vec::as_slice))?
            }
            DeclKind::ValueSet { ty, size } => self.value_set(ty, size)?,
            DeclKind::Table(table) => return self.table(decl, table).map(|()| None),
            DeclKind::Errors(_) | DeclKind::MatchKinds(_) | DeclKind::State(_) => return Ok(None),
        }))
    }

    fn constant(&mut self, decl: &Decl, ty: &TypeExpr, value: &Expr) -> Check<Entity> {
        let ty = self.resolve_whole(ty)?;
        let possible = match &ty {
            Ty::Object(..) | Ty::Void | Ty::Var(_) => false,
            _ => !ty.any(&mut |ty| matches!(ty, Ty::Var(_))),
        };
        if !possible {
            return Err(self.error(decl.span, format!("a constant cannot have the type {ty}")));
        }
        let ex = self.expr_as(value, &ty)?;
        if !ex.fixed {
            return Err(self.error(
                value.span,
                "the value of a constant must be known at compile time",
            ));
        }
        Ok(Entity::Const(ty, ex.value))
    }

    fn variable(&mut self, ty: &TypeExpr, value: Option<&Expr>) -> Check<Entity> {
        let resolved = self.resolve_whole(ty)?;
        self.check_storable(&resolved, ty.span)?;
        if let Some(value) = value {
            self.expr_as(value, &resolved)?;
        }
        Ok(Entity::Variable {
            ty: resolved,
            writable: true,
        })
    }

    /// Which types a variable may have.
    pub(super) fn check_storable(&mut self, ty: &Ty, span: crate::source::Span) -> Check<()> {
        let possible = !matches!(
            ty,
            Ty::Int
                | Ty::Void
                | Ty::Str
                | Ty::MatchKind
                | Ty::Object(..)
                | Ty::ListOf(_)
                | Ty::Var(_)
                | Ty::Set(_)
                | Ty::Applied(_)
                | Ty::ActionRun(_)
        );
        if possible {
            Ok(())
        } else {
            Err(self.error(span, format!("a variable cannot have the type {ty}")))
        }
    }

    fn typedef(&mut self, decl: &Decl, ty: &TypeExpr, new: bool) -> Check<Entity> {
        let resolved = self.resolve(ty)?;
        if !new {
            if let Ty::Struct(of, args) = &resolved
                && args.len() != of.params.len()
            {
                self.check_whole(&resolved, ty.span)?;
            }
            return Ok(Entity::Type(resolved));
        }
        if !matches!(resolved, Ty::Bits(..) | Ty::Bool | Ty::New(_) | Ty::Unknown) {
            let message = format!("`type` cannot be based on {resolved}");
            return Err(self.error(ty.span, message));
        }
        Ok(Entity::Type(Ty::New(Rc::new(NewTy {
            id: decl.id,
            name: decl.name.text.clone(),
            ty: resolved,
        }))))
    }

    fn aggregate(
        &mut self,
        decl: &Decl,
        kind: Aggregate,
        type_params: &[TypeParam],
        fields: &[Field],
    ) -> Check<Entity> {
        let what = match kind {
            Aggregate::Union => "a header union",
            Aggregate::Header => "a header",
            Aggregate::Struct => "a struct",
        };
        let mut list: Vec<(Rc<str>, Ty, crate::source::Span)> = Vec::new();
        let (params, result) = self.scoped(|this| {
            let params = this.type_params(type_params);
            let mut result = Ok(());
            for field in fields {
                this.check_annotations(&field.annotations);
                if let Some((.., first)) = list.iter().find(|(name, ..)| *name == field.name.text) {
                    let (first, message) = (
                        *first,
                        format!("field `{}` is declared twice", field.name.text),
                    );
                    this.report(
                        Diagnostic::error(field.name.span, message).note(first, "first here"),
                    );
                    continue;
                }
                this.check_length(field, &list);
                match this.resolve_whole(&field.ty) {
                    Ok(ty) => {
                        if !field_allowed(kind, &ty, 0) {
                            let message = format!("{what} cannot have a field of type {ty}");
                            result = Err(this.error(field.ty.span, message));
                        }
                        list.push((field.name.text.clone(), ty, field.name.span));
                    }
                    Err(Reported) => result = Err(Reported),
                }
            }
            (params, result)
        });
        result?;
        Ok(Entity::Struct(Rc::new(StructTy {
            id: decl.id,
            kind,
            name: decl.name.text.clone(),
            params: params.into_iter().map(|(id, _)| id).collect(),
            fields: list,
        })))
    }

    /// `@length(field)` names a field that comes before.
    fn check_length(&mut self, field: &Field, before: &[(Rc<str>, Ty, crate::source::Span)]) {
        let length = field
            .annotations
            .iter()
            .find(|one| &*one.name.text == "length");
        if let Some([name]) = length.map(|one| &one.body[..])
            && name.kind == crate::lexer::Kind::Ident
            && !before.iter().any(|(other, ..)| *other == name.text)
            && self.lookup(&name.text).is_none()
        {
            let message = format!("there is no field `{}` before this one", name.text);
            self.error(name.span, message);
        }
    }

    fn enumeration(
        &mut self,
        decl: &Decl,
        underlying: Option<&TypeExpr>,
        members: &[(Name, Option<Expr>)],
    ) -> Check<Entity> {
        let base = match underlying {
            Some(ty) => {
                let base = self.resolve(ty)?;
                if !matches!(base, Ty::Bits(..)) {
                    let message = format!("an enum cannot be based on {base}");
                    return Err(self.error(ty.span, message));
                }
                Some(base)
            }
            None => None,
        };
        let mut list: Vec<(Rc<str>, Option<BigInt>)> = Vec::new();
        self.scopes.push(super::scope::Scope::default());
        let result = self.members(base.as_ref(), members, &mut list);
        self.scopes.pop();
        result?;
        Ok(Entity::Type(Ty::Enum(Rc::new(EnumTy {
            id: decl.id,
            name: decl.name.text.clone(),
            underlying: base,
            members: list,
        }))))
    }

    /// Members of an enum; the values of later ones may name earlier ones.
    fn members(
        &mut self,
        base: Option<&Ty>,
        members: &[(Name, Option<Expr>)],
        list: &mut Vec<(Rc<str>, Option<BigInt>)>,
    ) -> Check<()> {
        for (name, value) in members {
            if list.iter().any(|(other, _)| *other == name.text) {
                let message = format!("member `{}` is declared twice", name.text);
                self.error(name.span, message);
                continue;
            }
            let number = match (base, value) {
                (None, None) => None,
                (Some(ty), Some(value)) => Some(self.member_value(ty, value)?),
                (Some(_), None) => {
                    return Err(self.error(
                        name.span,
                        "a member of an enum with an underlying type needs a value",
                    ));
                }
                (None, Some(value)) => {
                    return Err(self.report(
                        Diagnostic::error(
                            value.span,
                            "an enum without an underlying type cannot have values",
                        )
                        .help("write `enum bit<W> Name { ... }`"),
                    ));
                }
            };
            if let (Some(ty), Some(number)) = (base, &number) {
                let value = Some(Const::Int(number.clone()));
                self.declare(name, Entity::Const(ty.clone(), value));
            }
            list.push((name.text.clone(), number));
        }
        Ok(())
    }

    fn member_value(&mut self, ty: &Ty, value: &Expr) -> Check<BigInt> {
        match self.expr_as(value, ty)?.value {
            Some(Const::Int(number)) => Ok(wrap(ty, number)),
            _ => Err(self.error(value.span, "this must be known at compile time")),
        }
    }

    /// Type parameters, parameters and result of a callable.
    pub(super) fn signature(&mut self, signature: &Signature, kind: SigKind) -> Check<Sig> {
        self.scoped(|this| this.signature_here(signature, kind))
    }

    /// The same, with type parameters declared in the current scope.
    pub(super) fn signature_here(&mut self, signature: &Signature, kind: SigKind) -> Check<Sig> {
        let type_params = self.type_params(&signature.type_params);
        let ret = self.resolve(&signature.ret)?;
        let possible = match &ret {
            Ty::Int | Ty::Str => matches!(kind, SigKind::Function),
            Ty::Object(of, args) => {
                of.kind == ObjectKind::Extern && (args.len() == of.params.len())
            }
            Ty::Var(_) | Ty::MatchKind | Ty::ListOf(_) => false,
            Ty::Tuple(list) => !list.iter().any(|ty| matches!(ty, Ty::Var(_))),
            _ => true,
        };
        if kind != SigKind::Constructor && !possible {
            let message = format!("a value of type {ret} cannot be returned");
            return Err(self.error(signature.ret.span, message));
        }
        self.check_whole(&ret, signature.ret.span)?;
        let outer = self.wild.replace(Vec::new());
        let params = self.params(&signature.params, kind);
        let wild = std::mem::replace(&mut self.wild, outer).unwrap_or_default();
        let params = params?;
        Ok(Sig {
            name: signature.name.text.clone(),
            span: signature.name.span,
            type_params,
            params,
            ret,
            kind,
            wild,
            optional: false,
            pure: false,
        })
    }

    /// Parameters: their types and what their directions allow.
    pub(super) fn params(&mut self, params: &[Param], kind: SigKind) -> Check<Vec<SigParam>> {
        let mut list: Vec<SigParam> = Vec::new();
        let mut result = Ok(());
        for param in params {
            self.check_annotations(&param.annotations);
            if let Some(first) = list.iter().find(|other| other.name == param.name.text) {
                let note = first.span;
                let message = format!("parameter `{}` is declared twice", param.name.text);
                result = Err(self
                    .report(Diagnostic::error(param.name.span, message).note(note, "first here")));
                continue;
            }
            match self.param(param, kind) {
                Ok(one) => list.push(one),
                Err(Reported) => result = Err(Reported),
            }
        }
        result.map(|()| list)
    }

    fn param(&mut self, param: &Param, kind: SigKind) -> Check<SigParam> {
        let ty = self.resolve(&param.ty)?;
        self.check_whole(&ty, param.ty.span)?;
        self.check_param(param, &ty, kind)?;
        let mut default_ty = None;
        let marked = param
            .annotations
            .iter()
            .any(|one| &*one.name.text == "optional");
        if let Some(default) = &param.default {
            if super::writable(param.direction) {
                return Err(self.error(
                    param.name.span,
                    "an `out` or `inout` parameter cannot have a default value",
                ));
            }
            let open = self.opened(&ty);
            let ex = self.expr_as(default, &open)?;
            if !ex.fixed {
                return Err(self.error(
                    default.span,
                    "a default value must be known at compile time",
                ));
            }
            default_ty = Some(self.settle(&ex.ty));
        }
        if marked
            && !matches!(
                kind,
                SigKind::ExternFunction
                    | SigKind::Method
                    | SigKind::Abstract
                    | SigKind::Constructor
                    | SigKind::Apply
            )
        {
            return Err(self.error(param.name.span, "this parameter cannot be optional"));
        }
        if marked && param.default.is_some() {
            return Err(self.error(
                param.name.span,
                "an optional parameter cannot have a default value",
            ));
        }
        Ok(SigParam {
            name: param.name.text.clone(),
            span: param.name.span,
            direction: param.direction,
            ty,
            optional: marked || param.default.is_some(),
            default: default_ty,
        })
    }

    /// Which parameters of a callable may have which type.
    fn check_param(&mut self, param: &Param, ty: &Ty, kind: SigKind) -> Check<()> {
        let directed = param.direction != Direction::None;
        if kind == SigKind::Constructor && directed {
            return Err(self.error(
                param.name.span,
                "a parameter of a constructor cannot have a direction",
            ));
        }
        let fault = match ty {
            Ty::Void | Ty::Applied(_) => Some("is not possible"),
            Ty::Int | Ty::Str | Ty::MatchKind | Ty::ListOf(_) if directed => {
                Some("cannot have a direction")
            }
            Ty::Int | Ty::Str if kind == SigKind::Action => Some("is not possible for an action"),
            Ty::Object(of, _) => match of.kind {
                ObjectKind::Extern if kind == SigKind::Action => {
                    Some("is not possible for an action")
                }
                ObjectKind::Extern if directed => Some("cannot have a direction"),
                ObjectKind::Extern => None,
                ObjectKind::Parser | ObjectKind::Control => Some("is not possible"),
                ObjectKind::Package if kind != SigKind::Constructor => Some("is not possible"),
                _ if kind == SigKind::Constructor => None,
                _ => Some("is only possible in a constructor"),
            },
            _ => None,
        };
        match fault {
            None => Ok(()),
            Some(fault) => {
                let message = format!("a parameter of type {ty} {fault}");
                Err(self.error(param.name.span, message))
            }
        }
    }

    /// Parameters as names in the innermost scope.
    pub(super) fn declare_params(&mut self, params: &[SigParam], fixed: bool) {
        for param in params {
            let entity = match &param.ty {
                Ty::Object(..) => Entity::Instance(param.ty.clone()),
                _ if fixed => Entity::Const(param.ty.clone(), None),
                ty if param.direction == Direction::None => Entity::Const(ty.clone(), None),
                ty => Entity::Variable {
                    ty: ty.clone(),
                    writable: super::writable(param.direction),
                },
            };
            self.declare_as(&param.name, param.span, entity);
        }
    }

    fn function(&mut self, signature: &Signature, body: &Block) -> Check<()> {
        let outer = self.scopes.len();
        self.scopes.push(super::scope::Scope::default());
        let sig = self.signature_here(signature, SigKind::Function);
        let Ok(sig) = sig else {
            self.scopes.truncate(outer);
            return Err(Reported);
        };
        let types = self.scopes.pop().unwrap_or_default();
        let sig = Rc::new(sig);
        // A function does not see itself: there is no recursion.
        self.scopes.push(types);
        self.declare_params(&sig.params, false);
        let outer_function = self.function.replace(sig.name.clone());
        self.function_body(&sig, body, Within::Function);
        self.function = outer_function;
        self.scopes.truncate(outer);
        self.declare(&signature.name, Entity::Functions(vec![sig]));
        Ok(())
    }

    /// The body of a function or of an abstract method.
    pub(super) fn function_body(&mut self, sig: &Sig, body: &Block, within: Within) {
        self.inside(within, sig.ret.clone(), |this| this.block(body));
        if !matches!(sig.ret, Ty::Void) && !super::rules::always_returns(&body.stmts) {
            self.error(body.span, "this function may end without returning a value");
        }
    }

    fn action(&mut self, decl: &Rc<Decl>, params: &[Param], body: &Block) -> Check<()> {
        let list = self.params(params, SigKind::Action)?;
        let mut control_plane = false;
        for param in &list {
            if param.direction == Direction::None {
                control_plane = true;
            } else if control_plane {
                return Err(self.error(
                    param.span,
                    "parameters without a direction must be the last ones of an action",
                ));
            }
        }
        let sig = Rc::new(Sig {
            name: decl.name.text.clone(),
            span: decl.name.span,
            type_params: Vec::new(),
            params: list,
            ret: Ty::Void,
            kind: SigKind::Action,
            wild: Vec::new(),
            optional: false,
            pure: false,
        });
        self.control_name(decl, false);
        self.scoped(|this| {
            this.declare_params(&sig.params, false);
            this.inside(Within::Action, Ty::Void, |this| this.block(body));
        });
        let action = ActionEntity { sig, id: decl.id };
        self.declare(&decl.name, Entity::Action(Rc::new(action)));
        Ok(())
    }

    fn value_set(&mut self, ty: &TypeExpr, size: &Expr) -> Check<Entity> {
        let resolved = self.resolve_whole(ty)?;
        let possible = match &resolved {
            Ty::Bits(..) | Ty::Bool | Ty::Enum(_) | Ty::New(_) | Ty::Error | Ty::Tuple(_) => true,
            Ty::Struct(of, _) => of.kind == Aggregate::Struct,
            _ => false,
        };
        if !possible {
            let message = format!("a value set cannot hold values of type {resolved}");
            return Err(self.error(ty.span, message));
        }
        let ex = self.expr(size)?;
        if !ex.fixed || !matches!(ex.ty, Ty::Int | Ty::Bits(..) | Ty::Unknown) {
            return Err(self.error(
                size.span,
                "this is not an integer that is known at compile time",
            ));
        }
        Ok(Entity::ValueSet(resolved))
    }
}
