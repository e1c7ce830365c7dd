// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules about the form of programs: returns, annotations, equal arguments.

use std::rc::Rc;

use crate::{
    ast::{Annotation, Annotations, Arg, Expr, ExprKind, Stmt, StmtKind},
    lexer::{Kind, Token},
};

use super::Checker;

/// Annotations whose only argument is a string.
const TEXT_ANNOTATIONS: &[&str] = &["name", "deprecated", "brief"];

/// Whether every way through the statements ends in a `return` (or an `exit`).
pub(super) fn always_returns(stmts: &[Stmt]) -> bool {
    stmts.iter().any(|stmt| match &stmt.kind {
        StmtKind::Return(_) | StmtKind::Exit => true,
        StmtKind::Block(block) => always_returns(&block.stmts),
        StmtKind::If {
            then,
            otherwise: Some(otherwise),
            ..
        } => {
            always_returns(std::slice::from_ref(then))
                && always_returns(std::slice::from_ref(otherwise))
        }
        StmtKind::Switch { cases, .. } => {
            cases.iter().any(|case| case.label.is_none())
                && cases.iter().all(|case| {
                    case.body
                        .as_ref()
                        .is_none_or(|body| always_returns(&body.stmts))
                })
        }
        _ => false,
    })
}

/// Whether two lists of arguments are written alike.
pub(super) fn same_args(a: &[Arg], b: &[Arg]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            let name = |arg: &Arg| arg.name.as_ref().map(|name| name.text.clone());
            name(a) == name(b) && same_expr(&a.value, &b.value)
        })
}

/// Whether two expressions are written alike.
pub(super) fn same_expr(a: &Expr, b: &Expr) -> bool {
    let all = |a: &[Expr], b: &[Expr]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_expr(a, b))
    };
    match (&a.kind, &b.kind) {
        (ExprKind::Int { value: x, width: w }, ExprKind::Int { value: y, width: v }) => {
            x == y && w == v
        }
        (ExprKind::Bool(x), ExprKind::Bool(y)) => x == y,
        (ExprKind::Str(x), ExprKind::Str(y)) => x == y,
        (ExprKind::Name { name: x, .. }, ExprKind::Name { name: y, .. }) => x.text == y.text,
        (ExprKind::Member(x, n), ExprKind::Member(y, m)) => n.text == m.text && same_expr(x, y),
        (ExprKind::Index(x, i), ExprKind::Index(y, j)) => same_expr(x, y) && same_expr(i, j),
        (ExprKind::Slice(x, i, k), ExprKind::Slice(y, j, l)) => {
            same_expr(x, y) && same_expr(i, j) && same_expr(k, l)
        }
        (ExprKind::Unary(o, x), ExprKind::Unary(p, y)) => o == p && same_expr(x, y),
        (ExprKind::Binary(o, x, i), ExprKind::Binary(p, y, j)) => {
            o == p && same_expr(x, y) && same_expr(i, j)
        }
        (ExprKind::Mux(x, i, k), ExprKind::Mux(y, j, l)) => {
            same_expr(x, y) && same_expr(i, j) && same_expr(k, l)
        }
        (ExprKind::Cast(_, x), ExprKind::Cast(_, y)) => same_expr(x, y),
        (
            ExprKind::Call {
                callee: x, args: i, ..
            },
            ExprKind::Call {
                callee: y, args: j, ..
            },
        ) => same_expr(x, y) && same_args(i, j),
        (ExprKind::List(x), ExprKind::List(y)) => all(x, y),
        (ExprKind::Record(x), ExprKind::Record(y)) => {
            x.len() == y.len()
                && x.iter()
                    .all(|(n, x)| y.iter().any(|(m, y)| n.text == m.text && same_expr(x, y)))
        }
        (ExprKind::Type(_), ExprKind::Type(_)) => true,
        (ExprKind::Invalid, ExprKind::Invalid) | (ExprKind::Dots, ExprKind::Dots) => true,
        _ => false,
    }
}

/// Keys of `@pkginfo`.
const PACKAGE_KEYS: &[&str] = &["name", "version", "organization", "contact", "url", "arch"];

/// Keys of `@platform_property`.
const PLATFORM_KEYS: &[&str] = &[
    "multicast_group_table_size",
    "multicast_group_table_total_replicas",
    "multicast_group_table_max_replicas_per_entry",
];

impl Checker<'_> {
    /// The form of annotations that the language knows, and of structured ones.
    pub(super) fn check_annotations(&mut self, annotations: &Annotations) {
        for (index, one) in annotations.iter().enumerate() {
            let name = &one.name.text;
            let before = &annotations[..index];
            let again = before
                .iter()
                .any(|other| other.name.text == *name && (other.structured || one.structured));
            if again {
                self.error(
                    one.name.span,
                    format!("annotation `@{name}` is given twice"),
                );
            }
            if one.structured {
                self.check_structured(one);
            } else if TEXT_ANNOTATIONS.contains(&&**name) && !is_text(&one.body) {
                self.error(
                    one.name.span,
                    format!("annotation `@{name}` needs a string"),
                );
            } else if &**name == "match"
                && !matches!(&one.body[..], [one] if one.kind == Kind::Ident)
            {
                self.error(one.name.span, "annotation `@match` needs a match kind");
            } else if &**name == "p4runtime_translation" && !is_translation(&one.body) {
                self.error(
                    one.name.span,
                    "annotation `@p4runtime_translation` needs a URI and a type: `string`, `bit<W>` or a width",
                );
            } else if &**name == "pkginfo" {
                if !one.has_body {
                    self.error(one.name.span, "annotation `@pkginfo` needs keys and values");
                }
                self.check_keys(one, PACKAGE_KEYS);
            } else if &**name == "platform_property" && !is_limits(&one.body) {
                self.error(
                    one.name.span,
                    "annotation `@platform_property` needs keys with integers of 32 bits",
                );
            } else if &**name == "platform_property" {
                self.check_keys(one, PLATFORM_KEYS);
            } else if &**name == "selector_size_semantics" && !is_semantics(&one.body) {
                self.error(
                    one.name.span,
                    "annotation `@selector_size_semantics` is \"sum_of_weights\" or \"sum_of_members\"",
                );
            }
        }
    }

    /// Says which keys mean nothing.
    fn check_keys(&mut self, one: &Annotation, known: &[&str]) {
        for pair in one.body.split(|token| token.is(",")) {
            if let Some(key) = pair.first().filter(|key| !known.contains(&&*key.text)) {
                let message = format!("`@{}` has no key `{}`", one.name.text, key.text);
                self.warn(key.span, message);
            }
        }
    }

    /// `@x[a, b]` or `@x[k = a, l = b]`: constants, and each key once.
    fn check_structured(&mut self, one: &Annotation) {
        let mut keys: Vec<&Rc<str>> = Vec::new();
        for (key, value) in &one.values {
            if let Some(key) = key {
                if keys.contains(&&key.text) {
                    self.error(key.span, format!("key `{}` is given twice", key.text));
                }
                keys.push(&key.text);
            }
            let Ok(mut ex) = self.expr(value) else {
                continue;
            };
            let possible = matches!(
                ex.ty,
                super::ty::Ty::Int
                    | super::ty::Ty::Str
                    | super::ty::Ty::Bool
                    | super::ty::Ty::Bits(..)
            );
            if !possible || !ex.fixed {
                self.error(
                    value.span,
                    "expected an integer, a string or a bool that is known at compile time",
                );
            }
            if let Some(known) = ex.value.take() {
                self.values.insert(value.id, known);
            }
        }
        if !keys.is_empty() && keys.len() != one.values.len() {
            self.error(
                one.name.span,
                "a structured annotation has either keys or values",
            );
        }
    }
}

/// One string, or several that `++` joins.
fn is_text(body: &[Token]) -> bool {
    if body.is_empty() {
        return false;
    }
    body.iter().enumerate().all(|(index, token)| {
        if index % 2 == 0 {
            token.kind == Kind::Str
        } else {
            token.is("++")
        }
    }) && body.len() % 2 == 1
}

/// `key = integer`, any number of times.
fn is_limits(body: &[Token]) -> bool {
    body.split(|token| token.is(",")).all(|pair| {
        let [key, equals, value] = pair else {
            return false;
        };
        let number = crate::number::parse(&value.text).ok();
        key.kind == Kind::Ident
            && equals.is("=")
            && number.is_some_and(|literal| i32::try_from(literal.value).is_ok())
    })
}

/// What the sizes of an action selector count.
fn is_semantics(body: &[Token]) -> bool {
    let [one] = body else { return false };
    let text = one.text.to_ascii_lowercase();
    one.kind == Kind::Str && matches!(&*text, "sum_of_weights" | "sum_of_members")
}

/// A string, a comma, and `string`, `bit<W>` or a width.
fn is_translation(body: &[Token]) -> bool {
    match body {
        [uri, comma, rest @ ..] if uri.kind == Kind::Str && comma.is(",") => match rest {
            [one] => one.is("string") || one.kind == Kind::Int || one.is("bit"),
            [bit, open, .., close] => bit.is("bit") && open.is("<") && close.is(">"),
            _ => false,
        },
        _ => false,
    }
}
