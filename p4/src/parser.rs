// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tokens to the syntax tree: recursive descent over the grammar of
//! [P4_16 appendix G](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html#sec-grammar).
//!
//! P4's grammar needs to know which identifiers name types; like every P4 parser, this one keeps
//! track of declarations while it reads. A syntax error is reported, and parsing goes on after the next `;` or `}`.

mod decl;
mod expr;
mod stmt;
mod table;
mod types;

use std::{collections::HashMap, rc::Rc};

use crate::{
    ast::{Annotation, Annotations, Decl, DeclId, Expr, ExprId, ExprKind, Name},
    diagnostic::{Diagnostic, Diagnostics},
    lexer::{Kind, Token},
    source::Span,
};

/// Expressions, types and statements may be nested so deeply.
pub(crate) const MAX_NESTING: usize = 500;

/// Words that cannot be names.
const RESERVED: &[&str] = &[
    "abstract",
    "action",
    "bit",
    "bool",
    "break",
    "const",
    "continue",
    "control",
    "default",
    "else",
    "enum",
    "error",
    "exit",
    "extern",
    "false",
    "for",
    "header",
    "header_union",
    "if",
    "in",
    "inout",
    "int",
    "match_kind",
    "out",
    "package",
    "parser",
    "return",
    "select",
    "string",
    "struct",
    "switch",
    "table",
    "this",
    "transition",
    "true",
    "tuple",
    "typedef",
    "varbit",
    "valueset",
    "void",
    "_",
];

/// A syntax error that has been reported.
pub(super) struct Reported;

pub(super) type Parsed<T> = Result<T, Reported>;

/// What the parser gives to the type checker.
pub(crate) struct Ast {
    pub(crate) decls: Vec<Rc<Decl>>,
}

/// Parses a program.
pub(crate) fn parse(tokens: Vec<Token>, diagnostics: &mut Diagnostics) -> Ast {
    let mut parser = Parser {
        tokens,
        at: 0,
        diagnostics,
        scopes: vec![HashMap::new()],
        heights: Vec::new(),
        decl_count: 0,
        depth: 0,
        no_gt: false,
        pending: Vec::new(),
    };
    let decls = parser.program();
    Ast { decls }
}

pub(super) struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    diagnostics: &'a mut Diagnostics,
    /// Names in scope, and whether each is a type.
    scopes: Vec<HashMap<Rc<str>, bool>>,
    /// Height of the tree of each expression.
    heights: Vec<usize>,
    decl_count: u32,
    depth: usize,
    /// A `>` ends the expression, which is the width of a type.
    no_gt: bool,
    /// Declarations inside of the one that is being read.
    pending: Vec<Rc<Decl>>,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.ahead(0)
    }

    /// A token further on; the end token after the end.
    fn ahead(&self, count: usize) -> &Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + count).min(last)]
    }

    fn is(&self, text: &str) -> bool {
        self.peek().is(text)
    }

    fn span(&self) -> Span {
        self.peek().span
    }

    /// Span of the token that was taken last.
    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    fn since(&self, start: Span) -> Span {
        start.to(self.last_span())
    }

    fn bump(&mut self) -> Token {
        let token = self.peek().clone();
        if token.kind != Kind::Eof {
            self.at += 1;
        }
        token
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.is(text);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, text: &'static str) -> Parsed<Span> {
        if self.is(text) {
            return Ok(self.bump().span);
        }
        Err(self.unexpected(&format!("`{text}`")))
    }

    fn unexpected(&mut self, wanted: &str) -> Reported {
        let token = self.peek();
        if token.kind == Kind::Unknown {
            let (text, span) = (token.text.to_string(), token.span);
            return self.error(span, text);
        }
        let found = match token.kind {
            Kind::Eof => "end of file".to_owned(),
            Kind::Str => "a string".to_owned(),
            _ => format!("`{}`", token.text),
        };
        self.error(token.span, format!("expected {wanted}, found {found}"))
    }

    fn error(&mut self, span: Span, message: impl Into<String>) -> Reported {
        self.diagnostics.push(Diagnostic::error(span, message));
        Reported
    }

    /// Runs a part of the grammar one level deeper, unless that is too deep.
    fn nested<T>(&mut self, part: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_NESTING {
            let span = self.span();
            return Err(self.error(span, "program is nested too deeply"));
        }
        self.depth += 1;
        let result = part(self);
        self.depth -= 1;
        result
    }

    fn new_decl(&mut self) -> DeclId {
        self.decl_count += 1;
        DeclId(self.decl_count - 1)
    }

    /// Makes an expression. `below` are the ids of its operands.
    fn new_expr(&mut self, kind: ExprKind, span: Span, below: &[ExprId]) -> Parsed<Expr> {
        let height = below
            .iter()
            .map(|id| self.heights[*id as usize])
            .max()
            .unwrap_or(0)
            + 1;
        if height > MAX_NESTING {
            return Err(self.error(span, "expression is nested too deeply"));
        }
        self.heights.push(height);
        let id = u32::try_from(self.heights.len() - 1).unwrap_or(u32::MAX);
        Ok(Expr { kind, span, id })
    }

    fn scoped<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes.push(HashMap::new());
        let result = part(self);
        self.scopes.pop();
        result
    }

    fn declare(&mut self, name: &Name, is_type: bool) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.text.clone(), is_type);
        }
    }

    fn is_type_name(&self, token: &Token) -> bool {
        token.kind == Kind::Ident
            && self
                .scopes
                .iter()
                .rev()
                .find_map(|scope| scope.get(&token.text))
                == Some(&true)
    }

    fn name(&mut self) -> Parsed<Name> {
        let token = self.peek();
        if token.kind != Kind::Ident {
            return Err(self.unexpected("a name"));
        }
        if RESERVED.contains(&&*token.text) {
            let (text, span) = (token.text.clone(), token.span);
            return Err(self.error(span, format!("expected a name, found the keyword `{text}`")));
        }
        let token = self.bump();
        Ok(Name {
            text: token.text,
            span: token.span,
        })
    }

    /// A list with separators, up to (and with) the closing delimiter. A trailing separator is accepted.
    fn list<T>(
        &mut self,
        close: &'static str,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        while !self.is(close) {
            items.push(item(self)?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect(close)?;
        Ok(items)
    }

    fn annotations(&mut self) -> Parsed<Annotations> {
        let mut list = Vec::new();
        while self.is("@") {
            self.bump();
            if self.peek().kind != Kind::Ident {
                return Err(self.unexpected("the name of an annotation"));
            }
            let token = self.bump();
            let name = Name {
                text: token.text,
                span: token.span,
            };
            if &*name.text == "pragma" {
                list.push(self.pragma(name.span)?);
                continue;
            }
            let structured = self.is("[");
            let has_body = structured || self.is("(");
            let at = self.at;
            let body = if has_body {
                self.balanced()?
            } else {
                Vec::new()
            };
            let mut values = Vec::new();
            if structured {
                self.at = at;
                values = self.plain(Self::annotation_values)?;
            }
            list.push(Annotation {
                name,
                body,
                has_body,
                structured,
                values,
            });
        }
        Ok(Rc::new(list))
    }

    /// `@pragma name anything`, up to the end of the line.
    fn pragma(&mut self, span: Span) -> Parsed<Annotation> {
        if self.peek().kind != Kind::Ident || self.peek().line_start {
            return Err(self.error(span, "expected the name of an annotation"));
        }
        let token = self.bump();
        let mut body = Vec::new();
        while self.peek().kind != Kind::Eof && !self.peek().line_start {
            body.push(self.bump());
        }
        Ok(Annotation {
            name: Name {
                text: token.text,
                span: token.span,
            },
            has_body: !body.is_empty(),
            body,
            structured: false,
            values: Vec::new(),
        })
    }

    /// `[a, b]` or `[x = a, y = b]`
    fn annotation_values(&mut self) -> Parsed<Vec<(Option<Name>, Expr)>> {
        self.expect("[")?;
        self.list("]", |parser| {
            let mut key = None;
            if parser.peek().kind == Kind::Ident && parser.ahead(1).is("=") {
                let token = parser.bump();
                parser.bump();
                key = Some(Name {
                    text: token.text,
                    span: token.span,
                });
            }
            Ok((key, parser.expr()?))
        })
    }

    /// Runs a part of the grammar in which `>` compares.
    fn plain<T>(&mut self, part: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let outer = std::mem::replace(&mut self.no_gt, false);
        let result = part(self);
        self.no_gt = outer;
        result
    }

    /// Tokens between two matching delimiters, without these.
    fn balanced(&mut self) -> Parsed<Vec<Token>> {
        let open = self.bump();
        let mut body = Vec::new();
        let mut depth = 1;
        loop {
            let token = self.peek().clone();
            if token.kind == Kind::Eof {
                return Err(self.error(open.span, "this delimiter is not closed"));
            }
            if token.is("(") || token.is("[") || token.is("{") {
                depth += 1;
            } else if token.is(")") || token.is("]") || token.is("}") {
                depth -= 1;
            }
            self.bump();
            if depth == 0 {
                return Ok(body);
            }
            body.push(token);
        }
    }

    /// Skips to a place where parsing can go on: after a `;` or a balanced block, or before a closing brace.
    fn recover(&mut self) {
        let mut depth = 0_usize;
        loop {
            let token = self.peek();
            if token.kind == Kind::Eof || (depth == 0 && token.is("}")) {
                return;
            }
            let (open, close, end) = (token.is("{"), token.is("}"), token.is(";"));
            self.bump();
            if open {
                depth += 1;
            } else if close {
                depth -= 1;
            }
            if depth == 0 && (close || end) {
                return;
            }
        }
    }
}
