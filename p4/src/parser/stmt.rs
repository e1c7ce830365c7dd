// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Statements.

use std::rc::Rc;

use crate::{
    ast::{Binary, Decl, DeclKind, Expr, ExprKind, Stmt, StmtKind, SwitchCase},
    lexer::Kind,
    source::Span,
};

use super::{Parsed, Parser};

/// Assignment operators with the operation they include.
const ASSIGNMENTS: &[(&str, Option<Binary>)] = &[
    ("=", None),
    ("+=", Some(Binary::Add)),
    ("-=", Some(Binary::Sub)),
    ("|+|=", Some(Binary::AddSat)),
    ("|-|=", Some(Binary::SubSat)),
    ("*=", Some(Binary::Mul)),
    ("/=", Some(Binary::Div)),
    ("%=", Some(Binary::Mod)),
    ("<<=", Some(Binary::Shl)),
    ("&=", Some(Binary::BitAnd)),
    ("|=", Some(Binary::BitOr)),
    ("^=", Some(Binary::BitXor)),
];

impl Parser<'_> {
    /// Statements up to a closing brace.
    pub(super) fn stmts(&mut self) -> Vec<Stmt> {
        let mut stmts = Vec::new();
        while !self.is("}") && self.peek().kind != Kind::Eof {
            let (at, depth, scopes) = (self.at, self.depth, self.scopes.len());
            if let Ok(stmt) = self.stmt() {
                stmts.push(stmt);
            } else {
                self.depth = depth;
                self.scopes.truncate(scopes);
                self.recover();
                if self.at == at {
                    break;
                }
            }
        }
        stmts
    }

    /// A statement or a local declaration.
    pub(super) fn stmt(&mut self) -> Parsed<Stmt> {
        self.nested(Self::stmt_inner)
    }

    fn stmt_inner(&mut self) -> Parsed<Stmt> {
        let start = self.span();
        let annotations = self.annotations()?;
        let token = self.peek().clone();
        let kind = match &*token.text {
            _ if token.is("{") => StmtKind::Block(self.block()?),
            _ if token.is(";") => {
                self.bump();
                StmtKind::Empty
            }
            "if" => self.if_stmt()?,
            "switch" => self.switch()?,
            "for" => self.scoped(Self::for_stmt)?,
            "return" => {
                self.bump();
                let value = if self.is(";") {
                    None
                } else {
                    Some(self.expr()?)
                };
                self.expect(";")?;
                StmtKind::Return(value)
            }
            "exit" | "break" | "continue" => {
                self.bump();
                self.expect(";")?;
                match &*token.text {
                    "exit" => StmtKind::Exit,
                    "break" => StmtKind::Break,
                    _ => StmtKind::Continue,
                }
            }
            "const" => StmtKind::Decl(Rc::new(self.local_declaration(start, annotations)?)),
            _ if self.starts_declaration() => {
                StmtKind::Decl(Rc::new(self.local_declaration(start, annotations)?))
            }
            _ => {
                let kind = self.assignment_or_call()?;
                self.expect(";")?;
                kind
            }
        };
        Ok(Stmt {
            kind,
            span: self.since(start),
        })
    }

    /// A type that is not the prefix of an expression.
    fn starts_declaration(&self) -> bool {
        let token = self.peek();
        let keyword = self.starts_type(token) && !self.is_type_name(token);
        if keyword || (token.is("list") && self.ahead(1).is("<")) {
            return !self.ahead(1).is(".");
        }
        if !self.is_type_name(token) {
            return false;
        }
        if !self.ahead(1).is("<") {
            return !self.ahead(1).is(".");
        }
        let mut depth = 0_usize;
        let mut at = 1;
        loop {
            let token = self.ahead(at);
            if token.kind == Kind::Eof || token.is(";") {
                return true;
            }
            if token.is("<") {
                depth += 1;
            } else if token.is(">") {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return !self.ahead(at + 1).is(".");
                }
            }
            at += 1;
        }
    }

    /// An assignment or a call, without the semicolon.
    fn assignment_or_call(&mut self) -> Parsed<StmtKind> {
        let dst = self.primary()?;
        let shift = self.is(">") && self.ahead(1).is(">=") && !self.ahead(1).spaced;
        let op = if shift {
            self.bump();
            Some(Some(Binary::Shr))
        } else {
            ASSIGNMENTS
                .iter()
                .find(|(text, _)| self.is(text))
                .map(|(_, op)| *op)
        };
        if let Some(op) = op {
            self.bump();
            let value = self.expr()?;
            return Ok(StmtKind::Assign { dst, op, value });
        }
        if matches!(dst.kind, ExprKind::Call { .. }) {
            return Ok(StmtKind::Call(dst));
        }
        Err(self.unexpected("`=` or a call"))
    }

    fn if_stmt(&mut self) -> Parsed<StmtKind> {
        self.bump();
        self.expect("(")?;
        let condition = self.expr()?;
        self.expect(")")?;
        let then = Box::new(self.scoped(Self::stmt)?);
        let otherwise = if self.eat("else") {
            Some(Box::new(self.scoped(Self::stmt)?))
        } else {
            None
        };
        Ok(StmtKind::If {
            condition,
            then,
            otherwise,
        })
    }

    fn switch(&mut self) -> Parsed<StmtKind> {
        self.bump();
        self.expect("(")?;
        let key = self.expr()?;
        self.expect(")")?;
        self.expect("{")?;
        let mut cases = Vec::new();
        while !self.eat("}") {
            let label = if self.eat("default") {
                None
            } else {
                Some(self.expr()?)
            };
            self.expect(":")?;
            let body = if self.is("{") || self.is("@") {
                Some(self.block()?)
            } else {
                None
            };
            cases.push(SwitchCase { label, body });
        }
        Ok(StmtKind::Switch { key, cases })
    }

    fn for_stmt(&mut self) -> Parsed<StmtKind> {
        self.bump();
        self.expect("(")?;
        let start = self.span();
        if let Some(variable) = self.for_in_variable(start)? {
            let range = self.keyset()?;
            self.expect(")")?;
            let body = Box::new(self.stmt()?);
            return Ok(StmtKind::ForIn {
                variable: Rc::new(variable),
                range,
                body,
            });
        }
        let init = self.for_list(";")?;
        let condition = self.expr()?;
        self.expect(";")?;
        let update = self.for_list(")")?;
        let body = Box::new(self.stmt()?);
        Ok(StmtKind::For {
            init,
            condition,
            update,
            body,
        })
    }

    /// `T x in` if that is what comes; nothing is taken otherwise.
    fn for_in_variable(&mut self, start: Span) -> Parsed<Option<Decl>> {
        let (at, errors) = (self.at, self.diagnostics.list.len());
        let annotations = self.annotations()?;
        if self.starts_declaration()
            && let Ok(ty) = self.type_expr()
            && let Ok(name) = self.name()
            && self.eat("in")
        {
            self.declare(&name, false);
            let kind = DeclKind::Variable { ty, value: None };
            let span = self.since(start);
            return Ok(Some(Decl {
                id: self.new_decl(),
                annotations,
                name,
                span,
                kind,
            }));
        }
        self.at = at;
        self.diagnostics.list.truncate(errors);
        Ok(None)
    }

    fn for_list(&mut self, end: &'static str) -> Parsed<Vec<Stmt>> {
        let mut list = Vec::new();
        while !self.eat(end) {
            let start = self.span();
            let annotations = self.annotations()?;
            let kind = if self.starts_declaration() {
                let ty = self.type_expr()?;
                let name = self.name()?;
                let value: Option<Expr> = if self.eat("=") {
                    Some(self.expr()?)
                } else {
                    None
                };
                self.declare(&name, false);
                let (id, span) = (self.new_decl(), self.since(start));
                let kind = DeclKind::Variable { ty, value };
                StmtKind::Decl(Rc::new(Decl {
                    id,
                    annotations,
                    name,
                    span,
                    kind,
                }))
            } else {
                self.assignment_or_call()?
            };
            list.push(Stmt {
                kind,
                span: self.since(start),
            });
            if !self.eat(",") && !self.is(end) {
                return Err(self.unexpected(&format!("`,` or `{end}`")));
            }
        }
        Ok(list)
    }
}
