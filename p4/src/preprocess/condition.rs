// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Conditions of `#if` and `#elif`: C's integer expressions.

use crate::{
    lexer::{Kind, Token},
    number,
    source::Span,
};

use super::Preprocessor;

/// Operators are nested no deeper than this.
const MAX_DEPTH: usize = 100;

impl Preprocessor<'_> {
    /// Whether a condition holds; a malformed one is reported and does not.
    pub(super) fn evaluate(&mut self, span: Span, tokens: &[Token]) -> bool {
        let tokens = self.replace_defined(tokens);
        let tokens = self.expand(&tokens, &mut Vec::new());
        let mut condition = Condition {
            tokens: &tokens,
            at: 0,
            depth: 0,
        };
        let value = condition.ternary();
        if let Some(value) = value.filter(|_| condition.at == tokens.len()) {
            value != 0
        } else {
            self.error(span, "this is not a condition that #if can evaluate");
            false
        }
    }

    /// `defined X` and `defined(X)` become 1 or 0 before macros are replaced.
    fn replace_defined(&self, tokens: &[Token]) -> Vec<Token> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let token = &tokens[at];
            let bare = tokens.get(at + 1).filter(|next| next.kind == Kind::Ident);
            let inner = tokens
                .get(at + 2)
                .filter(|_| tokens.get(at + 1).is_some_and(|t| t.is("(")));
            if token.is("defined")
                && let Some(name) = bare.or(inner)
            {
                at += if bare.is_some() { 2 } else { 4 };
                let text = if self.macros.contains_key(&name.text) {
                    "1"
                } else {
                    "0"
                };
                out.push(Token {
                    kind: Kind::Int,
                    text: text.into(),
                    ..token.clone()
                });
            } else {
                at += 1;
                out.push(token.clone());
            }
        }
        out
    }
}

struct Condition<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Condition<'_> {
    fn eat(&mut self, text: &str) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|token| token.is(text));
        self.at += usize::from(found);
        found
    }

    fn ternary(&mut self) -> Option<i64> {
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let condition = self.binary(0)?;
        let value = if self.eat("?") {
            let then = self.ternary()?;
            if !self.eat(":") {
                return None;
            }
            let otherwise = self.ternary()?;
            if condition != 0 { then } else { otherwise }
        } else {
            condition
        };
        self.depth -= 1;
        Some(value)
    }

    fn binary(&mut self, level: usize) -> Option<i64> {
        const LEVELS: &[&[&str]] = &[
            &["||"],
            &["&&"],
            &["|"],
            &["^"],
            &["&"],
            &["==", "!="],
            &["<=", ">=", "<", ">"],
            &["<<"],
            &["+", "-"],
            &["*", "/", "%"],
        ];
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.eat(operator)) {
            let right = self.binary(level + 1)?;
            left = apply(operator, left, right)?;
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<i64> {
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let value = if self.eat("!") {
            i64::from(self.unary()? == 0)
        } else if self.eat("-") {
            self.unary()?.wrapping_neg()
        } else if self.eat("~") {
            !self.unary()?
        } else if self.eat("(") {
            let value = self.ternary()?;
            if !self.eat(")") {
                return None;
            }
            value
        } else {
            let token = self.tokens.get(self.at)?;
            self.at += 1;
            match token.kind {
                Kind::Int => number::parse(&token.text).ok()?.value.try_into().ok()?,
                Kind::Ident => 0,
                _ => return None,
            }
        };
        self.depth -= 1;
        Some(value)
    }
}

fn apply(operator: &str, left: i64, right: i64) -> Option<i64> {
    Some(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<<" => left.checked_shl(u32::try_from(right).ok()?)?,
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" => left.checked_div(right)?,
        _ => left.checked_rem(right)?,
    })
}
