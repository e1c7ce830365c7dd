// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Declarations of what can be instantiated: externs, parsers, controls, packages.

use std::{collections::HashMap, rc::Rc};

use crate::{
    ast::{Block, ControlDecl, Decl, DeclKind, Param, ParserDecl, StmtKind, TypeParam},
    diagnostic::Diagnostic,
    source::Span,
};

use super::{
    Check, Checker, Made, Reported, Within,
    scope::Entity,
    ty::{ObjectKind, ObjectTy, Sig, SigKind, Ty},
};

/// What a parser and a control have in common.
struct BlockDecl<'a> {
    kind: ObjectKind,
    type_params: &'a [TypeParam],
    params: &'a [Param],
    ctor_params: &'a [Param],
}

impl Checker<'_> {
    pub(super) fn extern_object(&mut self, decl: &Rc<Decl>) -> Made {
        let DeclKind::ExternObject {
            type_params,
            constructors,
            methods,
        } = &decl.kind
        else {
            return Err(Reported);
        };
        let mut result = Ok(());
        let (params, ctors, list) = self.scoped(|this| {
            let params = this.type_params(type_params);
            let ctors = this.signatures(constructors, |_| SigKind::Constructor, &mut result);
            let kind = |is_abstract| {
                if is_abstract {
                    SigKind::Abstract
                } else {
                    SigKind::Method
                }
            };
            let list = this.signatures(methods, kind, &mut result);
            (params, ctors, list)
        });
        let mut blocks = ctors.iter().flat_map(|sig| &sig.params).filter(
            |param| matches!(&param.ty, Ty::Object(of, _) if of.kind != ObjectKind::Extern),
        );
        if let Some(param) = blocks.next_back() {
            let message = format!("a parameter of type {} is not possible", param.ty);
            result = Err(self.error(param.span, message));
        }
        for method in &list {
            if method.name == decl.name.text {
                result = Err(self.error(
                    method.span,
                    format!("constructor `{}` cannot have a return type", method.name),
                ));
            }
        }
        result?;
        Ok(Some(Entity::Object(Rc::new(ObjectTy {
            id: decl.id,
            kind: ObjectKind::Extern,
            name: decl.name.text.clone(),
            params: params.into_iter().map(|(id, _)| id).collect(),
            constructors: ctors,
            methods: list,
        }))))
    }

    fn signatures(
        &mut self,
        signatures: &[crate::ast::Signature],
        kind: impl Fn(bool) -> SigKind,
        result: &mut Check<()>,
    ) -> Vec<Rc<Sig>> {
        let mut list: Vec<Rc<Sig>> = Vec::new();
        for signature in signatures {
            self.check_annotations(&signature.annotations);
            match self.signature(signature, kind(signature.is_abstract)) {
                Ok(mut sig) => {
                    sig.optional = signature
                        .annotations
                        .iter()
                        .any(|one| &*one.name.text == "optional");
                    let same = |old: &&Rc<Sig>| old.name == sig.name && !super::distinct(old, &sig);
                    if let Some(first) = list.iter().find(same) {
                        let note = first.span;
                        let message = format!("`{}` is declared twice", sig.name);
                        *result = Err(self
                            .report(Diagnostic::error(sig.span, message).note(note, "first here")));
                    } else {
                        list.push(Rc::new(sig));
                    }
                }
                Err(Reported) => *result = Err(Reported),
            }
        }
        list
    }

    pub(super) fn package_decl(
        &mut self,
        decl: &Decl,
        type_params: &[TypeParam],
        params: &[Param],
    ) -> Check<Entity> {
        let (types, list) = self.scoped(|this| {
            let types = this.type_params(type_params);
            (types, this.params(params, SigKind::Constructor))
        });
        let constructor = Sig {
            name: decl.name.text.clone(),
            span: decl.name.span,
            type_params: Vec::new(),
            params: list?,
            ret: Ty::Void,
            kind: SigKind::Constructor,
            wild: Vec::new(),
            optional: false,
            pure: false,
        };
        Ok(Entity::Object(Rc::new(ObjectTy {
            id: decl.id,
            kind: ObjectKind::Package,
            name: decl.name.text.clone(),
            params: types.into_iter().map(|(id, _)| id).collect(),
            constructors: vec![Rc::new(constructor)],
            methods: Vec::new(),
        })))
    }

    pub(super) fn parser_decl(&mut self, decl: &Rc<Decl>, parser: &ParserDecl) -> Made {
        let block = BlockDecl {
            kind: if parser.body.is_some() {
                ObjectKind::Parser
            } else {
                ObjectKind::ParserType
            },
            type_params: &parser.type_params,
            params: &parser.params,
            ctor_params: &parser.ctor_params,
        };
        self.block_decl(decl, &block, |this| {
            let Some(body) = &parser.body else { return };
            this.scoped(|this| {
                for local in &body.locals {
                    this.local(local);
                }
                this.parser_states(decl, &body.states);
            });
        })
    }

    pub(super) fn control_decl(&mut self, decl: &Rc<Decl>, control: &ControlDecl) -> Made {
        let block = BlockDecl {
            kind: if control.body.is_some() {
                ObjectKind::Control
            } else {
                ObjectKind::ControlType
            },
            type_params: &control.type_params,
            params: &control.params,
            ctor_params: &control.ctor_params,
        };
        self.block_decl(decl, &block, |this| {
            let Some(body) = &control.body else { return };
            this.scoped(|this| {
                for local in &body.locals {
                    this.local(local);
                }
                this.check_shadows(&control.params, &body.apply);
                this.inside(Within::Apply, Ty::Void, |this| this.block(&body.apply));
            });
        })
    }

    /// A variable of the body of a control does not take the name of a parameter.
    fn check_shadows(&mut self, params: &[Param], body: &Block) {
        for stmt in &body.stmts {
            let StmtKind::Decl(decl) = &stmt.kind else {
                continue;
            };
            if let Some(param) = params
                .iter()
                .find(|param| param.name.text == decl.name.text)
            {
                let message = format!("`{}` is the name of a parameter", decl.name.text);
                self.report(
                    Diagnostic::error(decl.name.span, message).note(param.name.span, "this one"),
                );
            }
        }
    }

    /// A parser or a control: its signatures, then its body.
    fn block_decl(
        &mut self,
        decl: &Rc<Decl>,
        block: &BlockDecl<'_>,
        body: impl FnOnce(&mut Self),
    ) -> Made {
        let outer = self.scopes.len();
        let names = std::mem::take(&mut self.control_names);
        self.scopes.push(super::scope::Scope::default());
        let made = self.block_signature(decl, block);
        if made.is_ok() {
            let within = if block.kind.word() == "parser" {
                Within::Parser
            } else {
                Within::Control
            };
            self.open.push(decl.id);
            self.inside(within, Ty::Void, body);
            self.open.pop();
        }
        self.scopes.truncate(outer);
        self.control_names = names;
        made.map(|object| Some(Entity::Object(Rc::new(object))))
    }

    fn block_signature(&mut self, decl: &Rc<Decl>, block: &BlockDecl<'_>) -> Check<ObjectTy> {
        let types = self.type_params(block.type_params);
        let params = self.params(block.params, SigKind::Apply);
        let ctor = self.params(block.ctor_params, SigKind::Constructor);
        let (params, ctor) = (params?, ctor?);
        self.declare_params(&params, false);
        self.declare_params(&ctor, true);
        let has_body = !matches!(block.kind, ObjectKind::ParserType | ObjectKind::ControlType);
        if has_body && let Some(param) = ctor.iter().find(|param| param.marked_optional()) {
            return Err(self.error(
                param.span,
                "a parameter of this constructor cannot be optional: nothing says what it is without an argument",
            ));
        }
        if has_body && !types.is_empty() && self.body.within != Within::Top {
            return Err(self.error(
                decl.span,
                "a generic block must be declared at the top level",
            ));
        }
        let sig = |name: Rc<str>, params, kind| {
            Rc::new(Sig {
                name,
                span: decl.name.span,
                type_params: Vec::new(),
                params,
                ret: Ty::Void,
                kind,
                wild: Vec::new(),
                optional: false,
                pure: false,
            })
        };
        Ok(ObjectTy {
            id: decl.id,
            kind: block.kind,
            name: decl.name.text.clone(),
            params: types.into_iter().map(|(id, _)| id).collect(),
            constructors: vec![sig(decl.name.text.clone(), ctor, SigKind::Constructor)],
            methods: vec![sig("apply".into(), params, SigKind::Apply)],
        })
    }

    /// The states of a parser: they see each other.
    fn parser_states(&mut self, decl: &Decl, states: &[Rc<Decl>]) {
        let mut first: HashMap<Rc<str>, Span> = HashMap::new();
        for state in states {
            let name = &state.name;
            if matches!(&*name.text, "accept" | "reject") {
                let message = format!("state `{}` cannot be declared again", name.text);
                self.error(name.span, message);
            } else if let Some(span) = first.insert(name.text.clone(), name.span) {
                let message = format!("state `{}` is declared twice", name.text);
                self.report(Diagnostic::error(name.span, message).note(span, "first here"));
            } else {
                self.declare(name, Entity::State);
            }
        }
        if !first.contains_key("start") {
            let message = format!("parser `{}` has no state `start`", decl.name.text);
            self.error(decl.name.span, message);
        }
        for state in states {
            let DeclKind::State(body) = &state.kind else {
                continue;
            };
            self.check_annotations(&state.annotations);
            self.inside(Within::ParserState, Ty::Void, |this| {
                this.scoped(|this| {
                    for stmt in &body.body {
                        this.stmt(stmt);
                    }
                    this.transition(&body.transition);
                });
            });
        }
        self.check_ends(decl, states);
    }

    /// A name of the control plane must be taken once in each block.
    pub(super) fn control_name(&mut self, decl: &Decl, table: bool) {
        let given = decl
            .annotations
            .iter()
            .find(|one| &*one.name.text == "name");
        let name = given
            .and_then(|one| one.body.first())
            .filter(|token| token.kind == crate::lexer::Kind::Str)
            .map_or_else(
                || decl.name.text.to_string(),
                |token| token.text.to_string(),
            );
        let names = if name.starts_with('.') {
            &mut self.global_names
        } else {
            &mut self.control_names
        };
        if let Some(first) = names.insert((name.clone(), table), decl.name.span) {
            let message = format!("the control plane knows `{name}` already");
            self.report(Diagnostic::error(decl.name.span, message).note(first, "first here"));
        }
    }
}
