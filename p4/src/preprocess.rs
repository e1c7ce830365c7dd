// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The preprocessor: includes, macros and conditional text, on tokens.
//!
//! See [P4_16 §6.2](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html). A token that comes out of a macro has the span
//! of the macro's use, so that messages point into the text that the user sees.

mod condition;
mod expand;

use std::{collections::HashMap, rc::Rc};

use crate::{
    builtin,
    diagnostic::{Diagnostic, Diagnostics},
    lexer::{self, Kind, Token},
    source::Span,
};

/// Includes nested deeper than this are an error.
const MAX_INCLUDE_DEPTH: usize = 64;

/// Most tokens of a program after expansion.
const MAX_TOKENS: usize = 1_000_000;

/// Finds the file that an `#include` names: path as written, name of the file that includes it. Gives name and text.
pub(crate) type Resolver<'a> = &'a dyn Fn(&str, &str) -> Option<(String, String)>;

/// A macro.
#[derive(Clone, Debug)]
struct Macro {
    /// Names of the parameters of a function-like macro.
    params: Option<Vec<Rc<str>>>,
    body: Vec<Token>,
}

/// One `#if` with its branches.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts about one directive"
)]
struct Branch {
    /// The text before it is used.
    outer: bool,
    /// The current branch is used.
    active: bool,
    /// A branch has been used.
    taken: bool,
    /// `#else` has been seen.
    last: bool,
    span: Span,
}

/// Turns a file into the tokens of the program, ended by [`Kind::Eof`].
pub(crate) fn run(
    name: &str,
    text: &str,
    defines: &[(String, String)],
    resolver: Resolver<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<Token> {
    let mut state = Preprocessor {
        macros: HashMap::new(),
        resolver,
        diagnostics,
        out: Vec::new(),
        depth: 0,
        full: false,
    };
    for (name, value) in defines {
        let file = state.diagnostics.sources.add("<command line>", value, true);
        let body = lexer::tokens(file, value);
        state
            .macros
            .insert(name.as_str().into(), Macro { params: None, body });
    }
    let file = state.diagnostics.sources.add(name, text, false);
    state.file(file, text);
    let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let span = Span {
        file,
        start: end,
        end,
    };
    state.out.push(Token {
        kind: Kind::Eof,
        text: "end of file".into(),
        span,
        line_start: true,
        spaced: true,
    });
    state.out
}

struct Preprocessor<'a> {
    macros: HashMap<Rc<str>, Macro>,
    resolver: Resolver<'a>,
    diagnostics: &'a mut Diagnostics,
    out: Vec<Token>,
    depth: usize,
    full: bool,
}

impl Preprocessor<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(span, message));
    }

    fn file(&mut self, file: u32, text: &str) {
        let tokens = lexer::tokens(file, text);
        let mut branches: Vec<Branch> = Vec::new();
        let mut at = 0;
        let mut pending: Vec<Token> = Vec::new();
        while at < tokens.len() {
            let token = &tokens[at];
            let directive = token.line_start && token.is("#");
            let active = branches.last().is_none_or(|branch| branch.active);
            if !directive {
                if active {
                    pending.push(token.clone());
                }
                at += 1;
                continue;
            }
            let len = tokens[at + 1..]
                .iter()
                .take_while(|token| !token.line_start)
                .count();
            let line = &tokens[at + 1..at + 1 + len];
            self.flush(&mut pending);
            self.directive(token.span, line, &mut branches);
            at += 1 + len;
        }
        self.flush(&mut pending);
        for branch in branches {
            self.error(branch.span, "conditional text is not closed by #endif");
        }
    }

    fn flush(&mut self, pending: &mut Vec<Token>) {
        let expanded = self.expand(&std::mem::take(pending), &mut Vec::new());
        for token in expanded {
            if self.out.len() >= MAX_TOKENS {
                if !self.full {
                    self.full = true;
                    self.error(token.span, "program is too long after macro expansion");
                }
                return;
            }
            self.out.push(token);
        }
    }

    fn directive(&mut self, hash: Span, line: &[Token], branches: &mut Vec<Branch>) {
        let Some((word, rest)) = line.split_first() else {
            return;
        };
        let span = hash.to(word.span);
        let active = branches.last().is_none_or(|branch| branch.active);
        match &*word.text {
            "if" | "ifdef" | "ifndef" => {
                let holds = active && self.condition(&word.text, span, rest);
                branches.push(Branch {
                    outer: active,
                    active: holds,
                    taken: holds,
                    last: false,
                    span,
                });
            }
            "elif" | "else" => self.alternative(word, span, rest, branches),
            "endif" => {
                if branches.pop().is_none() {
                    self.error(span, "#endif without #if");
                }
            }
            _ if !active => {}
            "define" => self.define(span, rest),
            "undef" => {
                if let Some(name) = rest.first() {
                    self.macros.remove(&name.text);
                }
            }
            "include" => self.include(span, rest),
            "error" => {
                let text = rest
                    .iter()
                    .map(|token| &*token.text)
                    .collect::<Vec<_>>()
                    .join(" ");
                self.error(span, format!("#error {text}"));
            }
            "pragma" | "line" | "warning" => {}
            _ => self.error(span, "unknown preprocessor directive"),
        }
    }

    fn alternative(&mut self, word: &Token, span: Span, rest: &[Token], branches: &mut [Branch]) {
        let is_else = word.is("else");
        let Some((outer, taken, last)) = branches
            .last()
            .map(|branch| (branch.outer, branch.taken, branch.last))
        else {
            return self.error(span, format!("#{} without #if", word.text));
        };
        if last {
            return self.error(span, format!("#{} after #else", word.text));
        }
        let holds = outer && !taken && (is_else || self.condition("if", span, rest));
        if let Some(branch) = branches.last_mut() {
            branch.active = holds;
            branch.taken |= holds;
            branch.last = is_else;
        }
    }

    fn condition(&mut self, word: &str, span: Span, rest: &[Token]) -> bool {
        if word == "if" {
            return self.evaluate(span, rest);
        }
        let Some(name) = rest.first().filter(|token| token.kind == Kind::Ident) else {
            self.error(span, format!("#{word} needs the name of a macro"));
            return false;
        };
        self.macros.contains_key(&name.text) == (word == "ifdef")
    }

    fn define(&mut self, span: Span, rest: &[Token]) {
        let Some((name, rest)) = rest
            .split_first()
            .filter(|(name, _)| name.kind == Kind::Ident)
        else {
            return self.error(span, "#define needs a name");
        };
        let function_like = rest
            .first()
            .is_some_and(|token| token.is("(") && !token.spaced);
        let mut params = None;
        let mut body = rest;
        if function_like {
            let Some(close) = rest.iter().position(|token| token.is(")")) else {
                return self.error(span, "list of macro parameters is not closed");
            };
            params = Some(
                rest[1..close]
                    .iter()
                    .filter(|token| token.kind == Kind::Ident)
                    .map(|token| token.text.clone())
                    .collect(),
            );
            body = &rest[close + 1..];
        }
        self.macros.insert(
            name.text.clone(),
            Macro {
                params,
                body: body.to_vec(),
            },
        );
    }

    fn include(&mut self, span: Span, rest: &[Token]) {
        let path: String = match rest.first() {
            Some(token) if token.kind == Kind::Str => token.text.to_string(),
            Some(open) if open.is("<") => {
                let close = rest
                    .iter()
                    .position(|token| token.is(">"))
                    .unwrap_or(rest.len());
                let mut path = String::new();
                for token in &rest[1..close] {
                    path.push_str(&token.text);
                }
                path
            }
            _ => return self.error(span, "#include needs a file name in quotes or <>"),
        };
        let span = rest.last().map_or(span, |last| span.to(last.span));
        if self.depth >= MAX_INCLUDE_DEPTH {
            return self.error(span, "files include each other too deeply");
        }
        let from = self
            .diagnostics
            .sources
            .file(span.file)
            .map_or(String::new(), |file| file.name.clone());
        let found = (self.resolver)(&path, &from).map(|(name, text)| (name, text, false));
        let found = found.or_else(|| {
            let (name, text) = builtin::file(&path)?;
            Some((name.to_owned(), text.to_owned(), true))
        });
        let Some((name, text, is_builtin)) = found else {
            return self.error(span, format!("cannot find the included file `{path}`"));
        };
        let file = self.diagnostics.sources.add(&name, &text, is_builtin);
        self.depth += 1;
        self.file(file, &text);
        self.depth -= 1;
    }
}
