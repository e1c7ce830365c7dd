// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Statements.

use crate::{
    ast::{Binary, Block, Expr, ExprKind, Stmt, StmtKind, SwitchCase},
    check::Const,
    ir::{self, Label},
    source::Span,
};

use super::{
    Elab, Elaborator, FrameKind, Reported, Stage,
    expr::has_effects,
    types::Type,
    value::{Typed, Value},
};

impl Elaborator<'_> {
    /// The statements of a block, in a scope of their own.
    pub(crate) fn block_stmts(&mut self, block: &Block) {
        self.scoped(|this| {
            for stmt in &block.stmts {
                this.stmt(stmt);
            }
        });
    }

    /// A statement. Errors are reported, and the next statement is looked at.
    pub(crate) fn stmt(&mut self, stmt: &Stmt) {
        if self.is_full() {
            return;
        }
        let outer = std::mem::replace(&mut self.span, stmt.span);
        let _ = self.stmt_inner(stmt);
        self.span = outer;
    }

    fn stmt_inner(&mut self, stmt: &Stmt) -> Elab<()> {
        match &stmt.kind {
            StmtKind::Assign { dst, op, value } => self.assign(stmt.span, dst, *op, value),
            StmtKind::Call(call) => {
                self.expr(call)?;
                self.narrow_apply(false, false);
                Ok(())
            }
            StmtKind::If {
                condition,
                then,
                otherwise,
            } => self.if_stmt(condition, then, otherwise.as_deref()),
            StmtKind::Switch { key, cases } => self.switch(key, cases),
            StmtKind::Block(block) => {
                self.block_stmts(block);
                Ok(())
            }
            StmtKind::Decl(decl) => {
                self.local(decl);
                Ok(())
            }
            StmtKind::Return(value) => self.return_stmt(stmt.span, value.as_ref()),
            StmtKind::Exit => self.exit(stmt.span),
            StmtKind::Empty => Ok(()),
            StmtKind::For {
                init,
                condition,
                update,
                body,
            } => self.for_loop(init, condition, update, body),
            StmtKind::ForIn {
                variable,
                range,
                body,
            } => self.for_in(stmt.span, variable, range, body),
            StmtKind::Break | StmtKind::Continue => {
                let is_break = matches!(stmt.kind, StmtKind::Break);
                let labels = self
                    .frames
                    .last()
                    .and_then(|frame| frame.loops.last().copied());
                match labels {
                    Some((end, next)) => {
                        self.emit(ir::StmtKind::Leave(if is_break { end } else { next }));
                    }
                    None => return Err(self.error(stmt.span, "this can only be used in a loop")),
                }
                Ok(())
            }
        }
    }

    /// Of a condition that is always the same, what never runs is not part of the program.
    fn if_stmt(&mut self, condition: &Expr, then: &Stmt, otherwise: Option<&Stmt>) -> Elab<()> {
        if let Some(Const::Bool(value)) = self.values.get(&condition.id) {
            if let Some(taken) = if *value { Some(then) } else { otherwise } {
                let stmts = self.branch(|this| this.stmt(taken));
                self.block.extend(stmts);
            }
            return Ok(());
        }
        let condition = self.condition(condition)?;
        let then = self.branch(|this| this.stmt(then));
        let otherwise = self.branch(|this| {
            if let Some(otherwise) = otherwise {
                this.stmt(otherwise);
            }
        });
        match condition.as_const() {
            Some(value) => {
                self.block
                    .extend(if value.is_zero() { otherwise } else { then });
            }
            None if then.is_empty() && otherwise.is_empty() => {}
            None => self.emit(ir::StmtKind::If {
                condition,
                then,
                otherwise,
            }),
        }
        Ok(())
    }

    /// Statements that run on a condition.
    fn branch(&mut self, part: impl FnOnce(&mut Self)) -> Vec<ir::Stmt> {
        self.nesting += 1;
        let ((), stmts) = self.collect(|this| this.scoped(part));
        self.nesting -= 1;
        stmts
    }

    fn assign(&mut self, span: Span, dst: &Expr, op: Option<Binary>, value: &Expr) -> Elab<()> {
        let (ty, place, writable) = self.place(dst)?;
        if !writable {
            return Err(self.error(dst.span, "this is read-only"));
        }
        let place = if has_effects(value) {
            self.pin(place)
        } else {
            place
        };
        let typed = match op {
            None => self.expr(value)?,
            Some(op) => {
                let mut old = Typed::new(ty.clone(), self.read(&place));
                if has_effects(value) {
                    old.value = self.spill(&old.value);
                }
                let value_typed = self.expr(value)?;
                self.apply_operator(span, op, (dst.span, old), (value.span, value_typed))?
            }
        };
        let typed = self.coerce(value.span, typed, &ty)?;
        self.write(&place, &typed.value);
        if ty.is_header() {
            self.only_member_if_valid(dst, &typed);
        }
        Ok(())
    }

    /// Assigning a valid header to a member of a union makes the others invalid.
    fn only_member_if_valid(&mut self, dst: &Expr, typed: &Typed) {
        let (ExprKind::Member(..), Value::Header(header)) = (&dst.kind, &typed.value) else {
            return;
        };
        let condition = header.valid.clone();
        let ((), then) = self.collect(|this| this.only_member(dst, false));
        if !then.is_empty() {
            self.emit(ir::StmtKind::If {
                condition,
                then,
                otherwise: Vec::new(),
            });
        }
    }

    fn return_stmt(&mut self, span: Span, value: Option<&Expr>) -> Elab<()> {
        let Some(frame) = self.frames.last() else {
            return Err(Reported);
        };
        let (label, result, kind) = (frame.label, frame.result.clone(), frame.kind);
        if kind == FrameKind::Parser {
            return Err(self.error(span, "`return` cannot be used in a parser"));
        }
        match (value, result) {
            (Some(value), Some((ty, place))) => {
                let typed = self.expr_as(value, &ty)?;
                self.write(&place, &typed.value);
            }
            (None, None) => {}
            (Some(value), None) => {
                return Err(self.error(value.span, "no value can be returned here"));
            }
            (None, Some((ty, _))) => {
                return Err(self.error(span, format!("a value of type {ty} must be returned")));
            }
        }
        self.emit(ir::StmtKind::Leave(label));
        Ok(())
    }

    /// `exit` ends everything, after the copies that the calls around it owe.
    fn exit(&mut self, span: Span) -> Elab<()> {
        let in_function = self
            .frames
            .iter()
            .any(|frame| matches!(frame.kind, FrameKind::Function | FrameKind::Parser));
        if self.stage == Stage::Parser || in_function {
            return Err(self.error(span, "`exit` cannot be used in a parser or a function"));
        }
        if self.owner.multiple
            && let Some(label) = self.table_action_label()
        {
            self.exit_later(label);
            return Ok(());
        }
        let owed: Vec<_> = self
            .frames
            .iter()
            .rev()
            .flat_map(|frame| frame.copy_out.clone())
            .collect();
        self.copy_out(&owed);
        self.emit(ir::StmtKind::Exit);
        Ok(())
    }

    /// Label of the action that a table runs, if that is what is being lowered.
    fn table_action_label(&self) -> Option<Label> {
        let first = self.frames.first()?;
        (first.kind == FrameKind::TableAction).then_some(first.label)
    }

    /// `exit` in a table's action whose control is applied at several places: what has to be copied back
    /// depends on the place, so the action sets a flag and ends, and [`Self::exit_if_asked`] does the rest.
    fn exit_later(&mut self, label: Label) {
        let inner = self.frames.iter().skip(1).rev();
        let owed: Vec<_> = inner.flat_map(|frame| frame.copy_out.clone()).collect();
        self.copy_out(&owed);
        let flag = match self.exit_flag {
            Some(flag) => flag,
            None => self.temp(1),
        };
        self.exit_flag = Some(flag);
        let value = ir::Expr::flag(true);
        self.emit(ir::StmtKind::Assign { dst: flag, value });
        self.emit(ir::StmtKind::Leave(label));
    }

    /// Exits after a table has been applied, if its action asked for it.
    pub(crate) fn exit_if_asked(&mut self, span: Span) -> Elab<()> {
        let Some(flag) = self.exit_flag.filter(|_| self.owner.multiple) else {
            return Ok(());
        };
        let (result, then) = self.collect(|this| {
            let value = ir::Expr::flag(false);
            this.emit(ir::StmtKind::Assign { dst: flag, value });
            this.exit(span)
        });
        let condition = self.slot_expr(flag);
        self.emit(ir::StmtKind::If {
            condition,
            then,
            otherwise: Vec::new(),
        });
        result
    }

    fn switch(&mut self, key: &Expr, cases: &[SwitchCase]) -> Elab<()> {
        let typed = self.expr(key)?;
        let run = match &typed.value {
            Value::Run { slot, table } => Some((*slot, *table)),
            _ => None,
        };
        let bits = match (&typed.value, run) {
            (_, Some((slot, _))) => self.slot_expr(slot),
            (Value::Bits(bits), None) => bits.clone(),
            _ => {
                return Err(self.error(key.span, format!("switch on {} is not possible", typed.ty)));
            }
        };
        let bits = if bits.as_const().is_some() {
            bits
        } else {
            self.stable(&bits)
        };
        let (mut list, mut default) = (Vec::new(), Vec::new());
        let mut seen: Vec<ir::Const> = Vec::new();
        let mut values = Vec::new();
        let mut is_default = false;
        for case in cases {
            match &case.label {
                None => is_default = true,
                Some(label) => {
                    let value = match run {
                        Some((_, table)) => self.action_label(label, table),
                        None => self.switch_label(label, &typed.ty),
                    };
                    let Ok(value) = value else { continue };
                    if seen.contains(&value) {
                        self.error(label.span, "this label is given twice");
                    } else {
                        seen.push(value.clone());
                        values.push(value);
                    }
                }
            }
            let Some(body) = &case.body else { continue };
            let body = self.branch(|this| this.block_stmts(body));
            let values = std::mem::take(&mut values);
            if std::mem::take(&mut is_default) {
                default.clone_from(&body);
            }
            if !values.is_empty() {
                list.push(ir::SwitchCase { values, body });
            }
        }
        unique_labels(self, &mut default, &list);
        self.emit(ir::StmtKind::Switch {
            key: bits,
            cases: list,
            default,
        });
        Ok(())
    }

    fn switch_label(&mut self, label: &Expr, ty: &Type) -> Elab<ir::Const> {
        let bits = self.bits_as(label, ty)?;
        match bits.as_const() {
            Some(value) => Ok(value.clone()),
            None => Err(self.error(label.span, "a label must be known at compile time")),
        }
    }

    /// The position of an action in its table.
    fn action_label(&mut self, label: &Expr, table: usize) -> Elab<ir::Const> {
        let ExprKind::Name { name, .. } = &label.kind else {
            return Err(self.error(label.span, "expected the name of an action"));
        };
        let names = self
            .info
            .tables
            .get(table)
            .map(|info| info.action_names.clone())
            .unwrap_or_default();
        match names.iter().position(|action| *action == name.text) {
            Some(index) => Ok(ir::Const::new(ir::ENUM_WIDTH, index as u64)),
            None => Err(self.error(
                name.span,
                format!("`{}` is not an action of this table", name.text),
            )),
        }
    }

    fn for_loop(
        &mut self,
        init: &[Stmt],
        condition: &Expr,
        update: &[Stmt],
        body: &Stmt,
    ) -> Elab<()> {
        self.scoped(|this| {
            for stmt in init {
                this.stmt(stmt);
            }
            this.looped(
                |this, end| {
                    let condition = this.condition(condition)?;
                    this.emit_unless(condition, ir::StmtKind::Leave(end));
                    Ok(())
                },
                |this| this.stmt(body),
                |this| {
                    for stmt in update {
                        this.stmt(stmt);
                    }
                },
            )
        })
    }

    fn for_in(
        &mut self,
        span: Span,
        variable: &std::rc::Rc<crate::ast::Decl>,
        range: &Expr,
        body: &Stmt,
    ) -> Elab<()> {
        let ExprKind::Range(low, high) = &range.kind else {
            return Err(self.unsupported(range.span, "a loop over something else than a range"));
        };
        self.scoped(|this| {
            this.local(variable);
            let Some(super::Entity::Place { ty, place, .. }) =
                this.lookup(&variable.name.text).cloned()
            else {
                return Err(Reported);
            };
            let low = this.bits_as(low, &ty)?;
            let high = this.bits_as(high, &ty)?;
            let high = if super::expr::is_literal(&high) {
                high
            } else {
                let slot = this.temp(high.width);
                this.emit(ir::StmtKind::Assign {
                    dst: slot,
                    value: high,
                });
                this.slot_expr(slot)
            };
            let counter = this.temp(low.width);
            this.emit(ir::StmtKind::Assign {
                dst: counter,
                value: low,
            });
            let now = this.slot_expr(counter);
            let op = if ty.is_signed() {
                ir::BinaryOp::LeSigned
            } else {
                ir::BinaryOp::Le
            };
            let inside = ir::Expr::binary(op, now.clone(), high.clone());
            let (result, stmts) = this.collect(|this| {
                this.looped(
                    |this, _| {
                        this.write(&place, &Value::Bits(now.clone()));
                        Ok(())
                    },
                    |this| this.stmt(body),
                    |this| {
                        let last = ir::Expr::binary(ir::BinaryOp::Eq, now.clone(), high.clone());
                        let end = this
                            .frames
                            .last()
                            .and_then(|frame| frame.loops.last().copied());
                        if let Some((end, _)) = end {
                            this.emit_unless(last.not(), ir::StmtKind::Leave(end));
                        }
                        let next = ir::Expr::binary(
                            ir::BinaryOp::Add,
                            now.clone(),
                            ir::Expr::number(now.width, 1),
                        );
                        this.emit(ir::StmtKind::Assign {
                            dst: counter,
                            value: next,
                        });
                    },
                )
            });
            result?;
            let _ = span;
            this.emit(ir::StmtKind::If {
                condition: inside,
                then: stmts,
                otherwise: Vec::new(),
            });
            Ok(())
        })
    }

    fn emit_unless(&mut self, condition: ir::Expr, kind: ir::StmtKind) {
        let stmt = ir::Stmt {
            kind,
            span: self.span,
        };
        self.emit(ir::StmtKind::If {
            condition: condition.not(),
            then: vec![stmt],
            otherwise: Vec::new(),
        });
    }

    fn looped(
        &mut self,
        head: impl FnOnce(&mut Self, Label) -> Elab<()>,
        body: impl FnOnce(&mut Self),
        tail: impl FnOnce(&mut Self),
    ) -> Elab<()> {
        let (end, next) = (self.new_label(), self.new_label());
        if let Some(frame) = self.frames.last_mut() {
            frame.loops.push((end, next));
        }
        self.nesting += 1;
        let (result, stmts) = self.collect(|this| {
            let result = head(this, end);
            let ((), stmts) = this.collect(|this| this.scoped(body));
            let stmts = finish_scope(next, stmts, this.span);
            this.block.extend(stmts);
            tail(this);
            result
        });
        self.nesting -= 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.loops.pop();
        }
        self.emit(ir::StmtKind::Loop {
            label: end,
            body: stmts,
        });
        result
    }
}

/// A default branch that shares its text with a case gets labels of its own.
fn unique_labels(elab: &mut Elaborator<'_>, default: &mut [ir::Stmt], cases: &[ir::SwitchCase]) {
    if cases
        .iter()
        .any(|case| case.body == default && !default.is_empty())
    {
        relabel(elab, default, &mut std::collections::HashMap::new());
    }
}

fn relabel(
    elab: &mut Elaborator<'_>,
    stmts: &mut [ir::Stmt],
    map: &mut std::collections::HashMap<Label, Label>,
) {
    for stmt in stmts {
        match &mut stmt.kind {
            ir::StmtKind::Scope { label, body } | ir::StmtKind::Loop { label, body } => {
                let new = elab.new_label();
                map.insert(*label, new);
                *label = new;
                relabel(elab, body, map);
            }
            ir::StmtKind::Leave(label) => {
                if let Some(new) = map.get(label) {
                    *label = *new;
                }
            }
            ir::StmtKind::If {
                then, otherwise, ..
            } => {
                relabel(elab, then, map);
                relabel(elab, otherwise, map);
            }
            ir::StmtKind::Switch { cases, default, .. } => {
                for case in cases {
                    relabel(elab, &mut case.body, map);
                }
                relabel(elab, default, map);
            }
            _ => {}
        }
    }
}

/// Statements as the body of a scope, if something still leaves it.
pub(crate) fn finish_scope(label: Label, mut stmts: Vec<ir::Stmt>, span: Span) -> Vec<ir::Stmt> {
    drop_tail(label, &mut stmts);
    if leaves(label, &stmts) {
        return vec![ir::Stmt {
            kind: ir::StmtKind::Scope { label, body: stmts },
            span,
        }];
    }
    stmts
}

/// Removes a `Leave` at the very end, where control falls out of the scope anyway,
/// and what follows a `Leave`.
fn drop_tail(label: Label, stmts: &mut Vec<ir::Stmt>) {
    let end = stmts
        .iter()
        .position(|stmt| matches!(stmt.kind, ir::StmtKind::Leave(_) | ir::StmtKind::Exit));
    if let Some(end) = end {
        stmts.truncate(end + 1);
    }
    match stmts.last_mut().map(|last| &mut last.kind) {
        Some(ir::StmtKind::Leave(found)) if *found == label => {
            stmts.pop();
        }
        Some(ir::StmtKind::If {
            then, otherwise, ..
        }) => {
            drop_tail(label, then);
            drop_tail(label, otherwise);
        }
        Some(ir::StmtKind::Switch { cases, default, .. }) => {
            for case in cases {
                drop_tail(label, &mut case.body);
            }
            drop_tail(label, default);
        }
        _ => {}
    }
}

fn leaves(label: Label, stmts: &[ir::Stmt]) -> bool {
    stmts.iter().any(|stmt| match &stmt.kind {
        ir::StmtKind::Leave(found) => *found == label,
        ir::StmtKind::If {
            then, otherwise, ..
        } => leaves(label, then) || leaves(label, otherwise),
        ir::StmtKind::Switch { cases, default, .. } => {
            leaves(label, default) || cases.iter().any(|case| leaves(label, &case.body))
        }
        ir::StmtKind::Scope { body, .. } | ir::StmtKind::Loop { body, .. } => leaves(label, body),
        _ => false,
    })
}

/// Whether a statement holds a `return`.
pub(crate) fn has_return(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Return(_) => true,
        StmtKind::If {
            then, otherwise, ..
        } => has_return(then) || otherwise.as_deref().is_some_and(has_return),
        StmtKind::Switch { cases, .. } => cases.iter().any(|case| {
            case.body
                .as_ref()
                .is_some_and(|body| body.stmts.iter().any(has_return))
        }),
        StmtKind::Block(block) => block.stmts.iter().any(has_return),
        StmtKind::For { body, .. } | StmtKind::ForIn { body, .. } => has_return(body),
        _ => false,
    }
}
