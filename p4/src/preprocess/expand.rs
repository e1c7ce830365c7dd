// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Macro expansion.

use std::rc::Rc;

use crate::{
    lexer::{self, Kind, Token},
    source::Span,
};

use super::{MAX_TOKENS, Macro, Preprocessor};

/// Macros whose expansions use each other are followed no deeper than this.
const MAX_DEPTH: usize = 200;

impl Preprocessor<'_> {
    /// Replaces macros. `active` holds the macros that are being replaced; they stay as they are.
    pub(super) fn expand(&mut self, tokens: &[Token], active: &mut Vec<Rc<str>>) -> Vec<Token> {
        let mut out = Vec::with_capacity(tokens.len());
        let mut at = 0;
        while at < tokens.len() && out.len() <= MAX_TOKENS {
            let token = &tokens[at];
            at += 1;
            let known = token.kind == Kind::Ident && !active.contains(&token.text);
            let Some(found) = known
                .then(|| self.macros.get(&token.text).cloned())
                .flatten()
            else {
                out.push(token.clone());
                continue;
            };
            if active.len() >= MAX_DEPTH {
                self.error(token.span, "macros are nested too deeply");
                continue;
            }
            let mut span = token.span;
            let mut args = Vec::new();
            if found.params.is_some() {
                let Some((list, used)) = arguments(&tokens[at..]) else {
                    out.push(token.clone());
                    continue;
                };
                span = span.to(tokens[at + used - 1].span);
                at += used;
                args = list;
            }
            let body = self.substitute(&found, &args, span, active);
            active.push(token.text.clone());
            let body = self.expand(&body, active);
            active.pop();
            out.extend(body);
        }
        out
    }

    /// The body of a macro with its arguments in place.
    fn substitute(
        &mut self,
        found: &Macro,
        args: &[Vec<Token>],
        span: Span,
        active: &mut Vec<Rc<str>>,
    ) -> Vec<Token> {
        let params = found.params.as_deref().unwrap_or(&[]);
        let given = if params.is_empty() && args.len() == 1 && args[0].is_empty() {
            0
        } else {
            args.len()
        };
        if given != params.len() {
            self.error(
                span,
                format!(
                    "macro takes {} arguments, but {given} are given",
                    params.len()
                ),
            );
            return Vec::new();
        }
        let mut out: Vec<Token> = Vec::new();
        let mut at = 0;
        while at < found.body.len() {
            let token = &found.body[at];
            at += 1;
            let param = |token: &Token| params.iter().position(|name| *name == token.text);
            if token.is("##") {
                if let Some(next) = found.body.get(at) {
                    at += 1;
                    let right = param(next).map_or_else(|| vec![next.clone()], |i| args[i].clone());
                    self.paste(&mut out, right);
                }
            } else if token.is("#")
                && let Some(index) = found.body.get(at).and_then(param)
            {
                at += 1;
                let text: Vec<&str> = args[index].iter().map(|token| &*token.text).collect();
                let text: Rc<str> = text.join(" ").into();
                out.push(Token {
                    kind: Kind::Str,
                    text,
                    ..token.clone()
                });
            } else if let Some(index) = (token.kind == Kind::Ident).then(|| param(token)).flatten()
            {
                let raw = found.body.get(at).is_some_and(|next| next.is("##"));
                let arg = args[index].clone();
                let arg = if raw { arg } else { self.expand(&arg, active) };
                out.extend(arg);
            } else {
                out.push(Token {
                    span,
                    ..token.clone()
                });
            }
            if out.len() > MAX_TOKENS {
                break;
            }
        }
        for token in &mut out {
            token.line_start = false;
        }
        out
    }

    /// Joins the last token with the first one of `right`.
    fn paste(&mut self, out: &mut Vec<Token>, right: Vec<Token>) {
        let mut right = right.into_iter();
        match (out.pop(), right.next()) {
            (Some(left), Some(first)) => {
                let text = format!("{}{}", left.text, first.text);
                let mut joined = lexer::tokens(left.span.file, &text);
                if joined.len() == 1 {
                    joined[0].span = left.span;
                    out.append(&mut joined);
                } else {
                    self.error(left.span, format!("`{text}` is not one token"));
                }
            }
            (Some(left), None) => out.push(left),
            (None, first) => out.extend(first),
        }
        out.extend(right);
    }
}

/// The arguments of a function-like macro, and how many tokens they take with their parentheses.
fn arguments(tokens: &[Token]) -> Option<(Vec<Vec<Token>>, usize)> {
    tokens.first().filter(|token| token.is("("))?;
    let mut args = vec![Vec::new()];
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(1) {
        if token.is(")") && depth == 0 {
            return Some((args, index + 1));
        }
        if token.is("(") || token.is("[") || token.is("{") {
            depth += 1;
        } else if token.is(")") || token.is("]") || token.is("}") {
            depth = depth.saturating_sub(1);
        }
        if token.is(",") && depth == 0 {
            args.push(Vec::new());
        } else {
            args.last_mut()?.push(token.clone());
        }
    }
    None
}
