// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Expressions.

use crate::{
    ast::{Arg, Binary, Expr, ExprKind, Name, TypeExpr, TypeKind, Unary},
    lexer::Kind,
    number,
};

use super::{Parsed, Parser};

/// Infix operators with their level; a higher one binds tighter.
/// The bitwise operators bind tighter than comparisons, unlike in C.
const INFIX: &[(&str, u8, Binary)] = &[
    ("||", 1, Binary::Or),
    ("&&", 2, Binary::And),
    ("==", 3, Binary::Eq),
    ("!=", 3, Binary::Ne),
    ("<", 4, Binary::Lt),
    (">", 4, Binary::Gt),
    ("<=", 4, Binary::Le),
    (">=", 4, Binary::Ge),
    ("|", 5, Binary::BitOr),
    ("^", 6, Binary::BitXor),
    ("&", 7, Binary::BitAnd),
    ("<<", 8, Binary::Shl),
    ("++", 9, Binary::Concat),
    ("+", 9, Binary::Add),
    ("-", 9, Binary::Sub),
    ("|+|", 9, Binary::AddSat),
    ("|-|", 9, Binary::SubSat),
    ("*", 10, Binary::Mul),
    ("/", 10, Binary::Div),
    ("%", 10, Binary::Mod),
];

/// Level of `>>`, which is two tokens.
const SHIFT_LEVEL: u8 = 8;

impl Parser<'_> {
    /// An expression.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.nested(|parser| {
            let condition = parser.infix(1)?;
            if !parser.eat("?") {
                return Ok(condition);
            }
            let then = parser.expr()?;
            parser.expect(":")?;
            let otherwise = parser.expr()?;
            let span = condition.span.to(otherwise.span);
            let below = [condition.id, then.id, otherwise.id];
            let kind = ExprKind::Mux(Box::new(condition), Box::new(then), Box::new(otherwise));
            parser.new_expr(kind, span, &below)
        })
    }

    /// An expression in a set: a value, a mask, a range, or anything.
    pub(super) fn keyset(&mut self) -> Parsed<Expr> {
        if self.is("default") || self.is("_") {
            let span = self.bump().span;
            return self.new_expr(ExprKind::Any, span, &[]);
        }
        let left = self.expr()?;
        let mask = self.is("&&&");
        if !mask && !self.is("..") {
            return Ok(left);
        }
        self.bump();
        let right = self.expr()?;
        let (span, below) = (left.span.to(right.span), [left.id, right.id]);
        let (left, right) = (Box::new(left), Box::new(right));
        let kind = if mask {
            ExprKind::Mask(left, right)
        } else {
            ExprKind::Range(left, right)
        };
        self.new_expr(kind, span, &below)
    }

    fn infix(&mut self, level: u8) -> Parsed<Expr> {
        let mut left = self.nested(Self::prefix)?;
        while let Some((found, operator, tokens)) = self.infix_operator() {
            if found < level {
                break;
            }
            for _ in 0..tokens {
                self.bump();
            }
            let right = self.nested(|parser| parser.infix(found + 1))?;
            let (span, below) = (left.span.to(right.span), [left.id, right.id]);
            let kind = ExprKind::Binary(operator, Box::new(left), Box::new(right));
            left = self.new_expr(kind, span, &below)?;
        }
        Ok(left)
    }

    fn infix_operator(&self) -> Option<(u8, Binary, usize)> {
        let token = self.peek();
        if self.no_gt && (token.is(">") || token.is(">=")) {
            return None;
        }
        let next = self.ahead(1);
        let joined = token.is(">") && !next.spaced && !next.line_start;
        if joined && next.is(">") {
            return Some((SHIFT_LEVEL, Binary::Shr, 2));
        }
        if joined && next.is(">=") {
            return None;
        }
        let Kind::Punct(punct) = token.kind else {
            return None;
        };
        INFIX
            .iter()
            .find(|(text, ..)| *text == punct)
            .map(|(_, level, operator)| (*level, *operator, 1))
    }

    fn prefix(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let operator = match self.peek().kind {
            Kind::Punct("!") => Unary::Not,
            Kind::Punct("~") => Unary::Complement,
            Kind::Punct("-") => Unary::Neg,
            Kind::Punct("+") => Unary::Plus,
            Kind::Punct("(") => {
                if let Some(ty) = self.cast_prefix()? {
                    let value = self.nested(Self::prefix)?;
                    let (span, id) = (self.since(start), value.id);
                    return self.new_expr(ExprKind::Cast(ty, Box::new(value)), span, &[id]);
                }
                return self.primary();
            }
            _ => return self.primary(),
        };
        self.bump();
        let value = self.nested(Self::prefix)?;
        let (span, id) = (self.since(start), value.id);
        self.new_expr(ExprKind::Unary(operator, Box::new(value)), span, &[id])
    }

    /// `(T)` if that is what comes; nothing is taken otherwise.
    fn cast_prefix(&mut self) -> Parsed<Option<TypeExpr>> {
        let next = self.ahead(1);
        let list = next.is("list") && self.ahead(2).is("<");
        if !(list || self.starts_type(next)) || self.ahead(2).is(".") {
            return Ok(None);
        }
        let (at, errors) = (self.at, self.diagnostics.list.len());
        self.bump();
        let ty = self.type_expr();
        if ty.is_ok() && self.eat(")") {
            return ty.map(Some);
        }
        self.at = at;
        self.diagnostics.list.truncate(errors);
        Ok(None)
    }

    /// A primary expression with its suffixes.
    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let mut left = self.atom()?;
        loop {
            if self.is(".") {
                self.bump();
                let name = self.member_name()?;
                let (span, id) = (self.since(start), left.id);
                left = self.new_expr(ExprKind::Member(Box::new(left), name), span, &[id])?;
            } else if self.is("[") {
                left = self.index(left)?;
            } else if self.is("(") {
                left = self.call(left, Vec::new())?;
            } else if self.is("<") && self.may_have_type_args(&left) {
                let (at, errors) = (self.at, self.diagnostics.list.len());
                self.bump();
                let args = self.type_args_rest();
                match args {
                    Ok(args) if self.is("(") => left = self.call(left, args)?,
                    _ => {
                        self.at = at;
                        self.diagnostics.list.truncate(errors);
                        return Ok(left);
                    }
                }
            } else {
                return Ok(left);
            }
        }
    }

    /// Names after a dot may be words that are reserved elsewhere (`apply` and `key` are not).
    fn member_name(&mut self) -> Parsed<Name> {
        if self.peek().kind != Kind::Ident {
            return Err(self.unexpected("the name of a member"));
        }
        let token = self.bump();
        Ok(Name {
            text: token.text,
            span: token.span,
        })
    }

    fn may_have_type_args(&self, left: &Expr) -> bool {
        let next = self.ahead(1);
        matches!(left.kind, ExprKind::Name { .. } | ExprKind::Member(..))
            && (self.starts_type(next) || next.is("_"))
    }

    fn index(&mut self, left: Expr) -> Parsed<Expr> {
        self.bump();
        self.plain(|parser| parser.index_rest(left))
    }

    fn index_rest(&mut self, left: Expr) -> Parsed<Expr> {
        let first = self.expr()?;
        let (start, left_id, first_id) = (left.span, left.id, first.id);
        if self.eat("+:") {
            let width = self.expr()?;
            self.expect("]")?;
            let below = [left_id, first_id, width.id];
            let kind = ExprKind::PlusSlice(Box::new(left), Box::new(first), Box::new(width));
            return self.new_expr(kind, self.since(start), &below);
        }
        if self.eat(":") {
            let second = self.expr()?;
            self.expect("]")?;
            let below = [left_id, first_id, second.id];
            let kind = ExprKind::Slice(Box::new(left), Box::new(first), Box::new(second));
            return self.new_expr(kind, self.since(start), &below);
        }
        self.expect("]")?;
        let kind = ExprKind::Index(Box::new(left), Box::new(first));
        self.new_expr(kind, self.since(start), &[left_id, first_id])
    }

    fn call(&mut self, callee: Expr, type_args: Vec<TypeExpr>) -> Parsed<Expr> {
        let start = callee.span;
        self.expect("(")?;
        let args = self.plain(Self::args_rest)?;
        let mut below: Vec<_> = args.iter().map(|arg| arg.value.id).collect();
        below.push(callee.id);
        let kind = ExprKind::Call {
            callee: Box::new(callee),
            type_args,
            args,
        };
        self.new_expr(kind, self.since(start), &below)
    }

    /// Arguments after `(`, with the closing `)`.
    pub(super) fn args_rest(&mut self) -> Parsed<Vec<Arg>> {
        self.list(")", |parser| {
            let named = parser.peek().kind == Kind::Ident && parser.ahead(1).is("=");
            let name = if named { Some(parser.name()?) } else { None };
            if named {
                parser.bump();
            }
            let value = if parser.is("_") {
                parser.keyset()?
            } else {
                parser.expr()?
            };
            Ok(Arg { name, value })
        })
    }

    fn atom(&mut self) -> Parsed<Expr> {
        let token = self.peek().clone();
        match token.kind {
            Kind::Int => {
                self.bump();
                match number::parse(&token.text) {
                    Ok(literal) => {
                        let kind = ExprKind::Int {
                            value: literal.value,
                            width: literal.width,
                        };
                        self.new_expr(kind, token.span, &[])
                    }
                    Err(message) => Err(self.error(token.span, message)),
                }
            }
            Kind::Str => {
                self.bump();
                self.new_expr(ExprKind::Str(token.text), token.span, &[])
            }
            Kind::Punct("(") => {
                self.bump();
                let inner = self.plain(Self::expr)?;
                self.expect(")")?;
                Ok(inner)
            }
            Kind::Punct("{") => self.plain(Self::braces),
            Kind::Punct("...") => {
                self.bump();
                self.new_expr(ExprKind::Dots, token.span, &[])
            }
            Kind::Punct(".") => {
                self.bump();
                let global_type = self
                    .scopes
                    .first()
                    .is_some_and(|scope| scope.get(&self.peek().text) == Some(&true));
                if global_type {
                    let ty = self.nested(|parser| parser.base_type_name(true))?;
                    return self.new_expr(ExprKind::Type(ty), self.since(token.span), &[]);
                }
                let name = self.name()?;
                self.new_expr(
                    ExprKind::Name { name, global: true },
                    self.since(token.span),
                    &[],
                )
            }
            Kind::Ident => self.word(),
            _ => Err(self.unexpected("an expression")),
        }
    }

    fn word(&mut self) -> Parsed<Expr> {
        let token = self.peek().clone();
        let simple = match &*token.text {
            "true" => Some(ExprKind::Bool(true)),
            "false" => Some(ExprKind::Bool(false)),
            "this" => Some(ExprKind::This),
            _ => None,
        };
        if let Some(kind) = simple {
            self.bump();
            return self.new_expr(kind, token.span, &[]);
        }
        if token.is("error") && self.ahead(1).is(".") {
            self.bump();
            let ty = TypeExpr {
                kind: TypeKind::Error,
                span: token.span,
            };
            return self.new_expr(ExprKind::Type(ty), token.span, &[]);
        }
        if self.is_type_name(&token) {
            let ty = self.nested(|parser| parser.base_type_name(false))?;
            let span = ty.span;
            return self.new_expr(ExprKind::Type(ty), span, &[]);
        }
        if self.starts_type(&token) {
            return Err(self.unexpected("an expression"));
        }
        let name = self.name()?;
        let span = name.span;
        self.new_expr(
            ExprKind::Name {
                name,
                global: false,
            },
            span,
            &[],
        )
    }

    /// A named type in an expression: no array brackets.
    fn base_type_name(&mut self, global: bool) -> Parsed<TypeExpr> {
        let start = self.span();
        let name = self.name()?;
        let args = if self.eat("<") {
            self.type_args_rest()?
        } else {
            Vec::new()
        };
        Ok(TypeExpr {
            kind: TypeKind::Name { name, global, args },
            span: self.since(start),
        })
    }

    /// `{a, b}`, `{x = a, y = b}`, `{#}`.
    fn braces(&mut self) -> Parsed<Expr> {
        let start = self.bump().span;
        if self.is("#") && !self.peek().spaced && !self.ahead(1).spaced {
            self.bump();
            self.expect("}")?;
            return self.new_expr(ExprKind::Invalid, self.since(start), &[]);
        }
        if self.peek().kind == Kind::Ident && self.ahead(1).is("=") {
            let fields = self.list("}", |parser| {
                if parser.is("...") {
                    let dots = parser.atom()?;
                    return Ok((
                        Name {
                            text: "...".into(),
                            span: dots.span,
                        },
                        dots,
                    ));
                }
                let name = parser.name()?;
                parser.expect("=")?;
                Ok((name, parser.expr()?))
            })?;
            let below: Vec<_> = fields.iter().map(|(_, value)| value.id).collect();
            return self.new_expr(ExprKind::Record(fields), self.since(start), &below);
        }
        let items = self.list("}", Self::expr)?;
        let below: Vec<_> = items.iter().map(|item| item.id).collect();
        self.new_expr(ExprKind::List(items), self.since(start), &below)
    }
}
