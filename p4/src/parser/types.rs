// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Types.

use crate::{
    ast::{TypeExpr, TypeKind, TypeParam},
    lexer::{Kind, Token},
};

use super::{Parsed, Parser};

/// Keywords that begin a type.
const TYPE_WORDS: &[&str] = &[
    "bool",
    "bit",
    "int",
    "varbit",
    "error",
    "string",
    "void",
    "tuple",
    "match_kind",
];

impl Parser<'_> {
    /// Whether a type begins with that token.
    pub(super) fn starts_type(&self, token: &Token) -> bool {
        (token.kind == Kind::Ident && TYPE_WORDS.contains(&&*token.text))
            || self.is_type_name(token)
    }

    /// A type, with array brackets.
    pub(super) fn type_expr(&mut self) -> Parsed<TypeExpr> {
        let start = self.span();
        let mut ty = self.nested(Self::base_type)?;
        while self.is("[") {
            self.bump();
            let size = self.plain(Self::expr)?;
            self.expect("]")?;
            ty = TypeExpr {
                kind: TypeKind::Stack(Box::new(ty), Box::new(size)),
                span: self.since(start),
            };
        }
        Ok(ty)
    }

    /// Array brackets after a name.
    pub(super) fn declarator(&mut self, mut ty: TypeExpr) -> Parsed<TypeExpr> {
        while self.eat("[") {
            let size = self.plain(Self::expr)?;
            self.expect("]")?;
            let span = self.since(ty.span);
            ty = TypeExpr {
                kind: TypeKind::Stack(Box::new(ty), Box::new(size)),
                span,
            };
        }
        Ok(ty)
    }

    fn base_type(&mut self) -> Parsed<TypeExpr> {
        let start = self.span();
        let token = self.peek().clone();
        if token.kind != Kind::Ident && !token.is(".") {
            return Err(self.unexpected("a type"));
        }
        let simple = match &*token.text {
            "bool" => Some(TypeKind::Bool),
            "error" => Some(TypeKind::Error),
            "string" => Some(TypeKind::String),
            "void" => Some(TypeKind::Void),
            "match_kind" => Some(TypeKind::MatchKind),
            "_" => Some(TypeKind::DontCare),
            _ => None,
        };
        let kind = if let Some(kind) = simple {
            self.bump();
            kind
        } else {
            match &*token.text {
                "bit" | "int" | "varbit" => self.number_type(&token.text)?,
                "tuple" => {
                    self.bump();
                    self.expect("<")?;
                    TypeKind::Tuple(self.type_args_rest()?)
                }
                "list" if self.ahead(1).is("<") => {
                    self.bump();
                    self.bump();
                    let mut args = self.type_args_rest()?;
                    match args.pop() {
                        Some(element) if args.is_empty() => TypeKind::List(Box::new(element)),
                        _ => return Err(self.error(start, "`list` takes one type argument")),
                    }
                }
                _ => {
                    let global = self.eat(".");
                    let name = self.name()?;
                    let args = if self.eat("<") {
                        self.type_args_rest()?
                    } else {
                        Vec::new()
                    };
                    TypeKind::Name { name, global, args }
                }
            }
        };
        Ok(TypeExpr {
            kind,
            span: self.since(start),
        })
    }

    /// `bit`, `bit<8>`, `int`, `int<(W)>`, `varbit<8>`.
    fn number_type(&mut self, word: &str) -> Parsed<TypeKind> {
        let start = self.bump().span;
        if !self.is("<") {
            return match word {
                "int" => Ok(TypeKind::Int),
                "bit" => {
                    let kind = crate::ast::ExprKind::Int {
                        value: 1.into(),
                        width: None,
                    };
                    let one = self.new_expr(kind, start, &[])?;
                    Ok(TypeKind::Bits {
                        width: Box::new(one),
                        signed: false,
                    })
                }
                _ => Err(self.error(start, "`varbit` needs a maximal width")),
            };
        }
        self.bump();
        let width = if self.eat("(") {
            let width = self.plain(Self::expr)?;
            self.expect(")")?;
            width
        } else {
            let outer = std::mem::replace(&mut self.no_gt, true);
            let width = self.expr();
            self.no_gt = outer;
            width?
        };
        self.expect(">")?;
        let width = Box::new(width);
        Ok(match word {
            "bit" => TypeKind::Bits {
                width,
                signed: false,
            },
            "int" => TypeKind::Bits {
                width,
                signed: true,
            },
            _ => TypeKind::Varbit(width),
        })
    }

    /// Type arguments after `<`, with the closing `>`.
    pub(super) fn type_args_rest(&mut self) -> Parsed<Vec<TypeExpr>> {
        self.list(">", Self::type_expr)
    }

    /// `<T, U>` in a declaration; the names are types in the current scope.
    pub(super) fn type_params(&mut self) -> Parsed<Vec<TypeParam>> {
        if !self.eat("<") {
            return Ok(Vec::new());
        }
        self.list(">", |parser| {
            let name = parser.name()?;
            parser.declare(&name, true);
            Ok(TypeParam { name })
        })
    }
}
