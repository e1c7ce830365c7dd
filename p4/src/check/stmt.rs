// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Statements.

use std::rc::Rc;

use crate::{
    ast::{Binary, Block, Decl, DeclKind, Expr, ExprKind, Stmt, StmtKind, SwitchCase},
    diagnostic::Diagnostic,
    source::Span,
};

use super::{
    Check, Checker, Ex, Reported, Storage, Within, constant::Const, scope::Entity, ty::Ty,
};

impl Checker<'_> {
    /// Statements in a scope of their own.
    pub(super) fn block(&mut self, block: &Block) {
        self.scoped(|this| {
            for stmt in &block.stmts {
                this.stmt(stmt);
            }
        });
    }

    /// A statement. Faults are reported, and the next statement is looked at.
    pub(super) fn stmt(&mut self, stmt: &Stmt) {
        let _ = self.stmt_inner(stmt);
    }

    fn stmt_inner(&mut self, stmt: &Stmt) -> Check<()> {
        match &stmt.kind {
            StmtKind::Assign { dst, op, value } => self.assign(stmt.span, dst, *op, value),
            StmtKind::Call(call) => self.call_stmt(call),
            StmtKind::If {
                condition,
                then,
                otherwise,
            } => {
                let checked = self.expr_as(condition, &Ty::Bool);
                self.scoped(|this| this.stmt(then));
                if let Some(otherwise) = otherwise {
                    self.scoped(|this| this.stmt(otherwise));
                }
                if let Some(known) = checked?.value {
                    self.values.insert(condition.id, known);
                }
                Ok(())
            }
            StmtKind::Switch { key, cases } => self.switch(key, cases),
            StmtKind::Block(block) => {
                self.block(block);
                Ok(())
            }
            StmtKind::Decl(decl) => {
                self.local_stmt(decl);
                Ok(())
            }
            StmtKind::Return(value) => self.return_stmt(stmt.span, value.as_ref()),
            StmtKind::Exit => match self.body.within {
                Within::Apply | Within::Action => Ok(()),
                _ => Err(self.error(stmt.span, "`exit` can only be used in controls and actions")),
            },
            StmtKind::Empty => Ok(()),
            StmtKind::For {
                init,
                condition,
                update,
                body,
            } => self.scoped(|this| {
                for stmt in init {
                    this.stmt(stmt);
                }
                let condition = this.expr_as(condition, &Ty::Bool);
                for stmt in update {
                    this.stmt(stmt);
                }
                this.loop_body(body);
                condition.map(drop)
            }),
            StmtKind::ForIn {
                variable,
                range,
                body,
            } => self.for_in(variable, range, body),
            StmtKind::Break | StmtKind::Continue if self.body.loops > 0 => Ok(()),
            StmtKind::Break | StmtKind::Continue => {
                Err(self.error(stmt.span, "this can only be used in a loop"))
            }
        }
    }

    fn local_stmt(&mut self, decl: &Rc<Decl>) {
        if matches!(
            decl.kind,
            DeclKind::Action { .. } | DeclKind::Table(_) | DeclKind::Function { .. }
        ) {
            self.error(decl.span, "this cannot be declared among statements");
            return;
        }
        self.local(decl);
    }

    fn loop_body(&mut self, body: &Stmt) {
        self.body.loops += 1;
        self.scoped(|this| this.stmt(body));
        self.body.loops -= 1;
    }

    fn assign(&mut self, span: Span, dst: &Expr, op: Option<Binary>, value: &Expr) -> Check<()> {
        let target = self.expr(dst);
        let ex = self.expr(value);
        let (target, mut ex) = (target?, ex?);
        if target.storage != Storage::Writable {
            let what = if target.storage == Storage::ReadOnly {
                "this is read-only"
            } else {
                "this cannot be written"
            };
            return Err(self.error(dst.span, what));
        }
        if let Some(op) = op {
            ex = self.operate(span, op, (dst.span, target.clone()), (value.span, ex))?;
        }
        self.convert(value.span, ex, &target.ty).map(drop)
    }

    fn call_stmt(&mut self, call: &Expr) -> Check<()> {
        let ExprKind::Call { callee, .. } = &call.kind else {
            return Err(self.error(call.span, "expected a call"));
        };
        if let ExprKind::Type(_) = &callee.kind {
            return Err(self.error(call.span, "an instance cannot be made by a statement"));
        }
        let ex = self.expr(call)?;
        if let Ty::Object(of, _) = &ex.ty
            && of.kind != super::ty::ObjectKind::Extern
        {
            return Err(self.error(call.span, "the result of this call cannot be used"));
        }
        Ok(())
    }

    fn return_stmt(&mut self, span: Span, value: Option<&Expr>) -> Check<()> {
        match self.body.within {
            Within::Parser | Within::ParserState => {
                return Err(self.error(span, "`return` cannot be used in a parser"));
            }
            Within::Top | Within::Table | Within::Control => return Err(Reported),
            _ => {}
        }
        let ret = self.body.ret.clone();
        match (value, &ret) {
            (Some(value), Ty::Void) => Err(self.error(value.span, "no value can be returned here")),
            (Some(value), ty) => self.expr_as(value, ty).map(drop),
            (None, Ty::Void) => Ok(()),
            (None, ty) => Err(self.error(span, format!("a value of type {ty} must be returned"))),
        }
    }

    fn switch(&mut self, key: &Expr, cases: &[SwitchCase]) -> Check<()> {
        let ex = self.expr(key);
        self.check_labels(cases);
        let mut result = Ok(());
        if let Ok(ex) = &ex {
            let possible = match &ex.ty {
                Ty::ActionRun(_) | Ty::Bits(..) | Ty::Enum(_) | Ty::Error | Ty::Bool => true,
                Ty::New(_) | Ty::Unknown => true,
                Ty::Int => ex.value.is_some(),
                _ => false,
            };
            if !possible {
                let message = format!("switch on {} is not possible", ex.ty);
                result = Err(self.error(key.span, message));
            }
        }
        let mut seen: Vec<(String, Span)> = Vec::new();
        for case in cases {
            if let (Some(label), Ok(ex), Ok(())) = (&case.label, &ex, result)
                && let Ok(Some(value)) = self.label(label, ex)
            {
                if let Some((_, first)) = seen.iter().find(|(other, _)| *other == value) {
                    let note = *first;
                    self.report(
                        Diagnostic::error(label.span, "this label is given twice")
                            .note(note, "first here"),
                    );
                }
                seen.push((value, label.span));
            }
            if let Some(body) = &case.body {
                self.block(body);
            }
        }
        ex.map(drop).and(result)
    }

    /// `default` comes last, and once.
    fn check_labels(&mut self, cases: &[SwitchCase]) {
        let Some(at) = cases.iter().position(|case| case.label.is_none()) else {
            return;
        };
        let Some(next) = cases.get(at + 1) else {
            return;
        };
        let span = match (&next.label, &next.body) {
            (Some(label), _) => label.span,
            (None, Some(body)) => body.span,
            (None, None) => return,
        };
        self.error(span, "no label may follow `default`");
    }

    /// A label, and what tells it from the others.
    fn label(&mut self, label: &Expr, key: &Ex) -> Check<Option<String>> {
        if let Ty::ActionRun(actions) = &key.ty {
            let ExprKind::Name { name, .. } = &label.kind else {
                return Err(self.error(label.span, "expected the name of an action"));
            };
            if !actions.contains(&name.text) {
                let message = format!("`{}` is not an action of this table", name.text);
                return Err(self.error(name.span, message));
            }
            return Ok(Some(name.text.to_string()));
        }
        let ex = self.expr_as(label, &key.ty)?;
        if !ex.fixed {
            return Err(self.error(label.span, "a label must be known at compile time"));
        }
        Ok(ex.value.map(|value| match value {
            Const::Int(value) => value.to_string(),
            other => format!("{other:?}"),
        }))
    }

    fn for_in(&mut self, variable: &Rc<Decl>, range: &Expr, body: &Stmt) -> Check<()> {
        let DeclKind::Variable { ty, .. } = &variable.kind else {
            return Err(Reported);
        };
        let ty = self.resolve_whole(ty)?;
        let result = match &range.kind {
            ExprKind::Range(low, high) => {
                if matches!(ty, Ty::Bits(..) | Ty::Enum(_) | Ty::New(_)) {
                    let low = self.expr_as(low, &ty).map(drop);
                    low.and(self.expr_as(high, &ty).map(drop))
                } else {
                    Err(self.error(range.span, format!("a range of {ty} is not possible")))
                }
            }
            _ => self.expr(range).and_then(|ex| match &ex.ty {
                Ty::Stack(element, _) | Ty::ListOf(element) => {
                    let element = element.clone();
                    self.expect(range.span, &element, &ty)
                }
                Ty::List(list) => {
                    let list = list.clone();
                    list.iter()
                        .try_for_each(|of| self.expect(range.span, of, &ty))
                }
                other => {
                    let message = format!("a loop over {other} is not possible");
                    Err(self.error(range.span, message))
                }
            }),
        };
        self.scoped(|this| {
            let entity = Entity::Variable { ty, writable: true };
            this.declare(&variable.name, entity);
            this.loop_body(body);
        });
        result
    }
}
