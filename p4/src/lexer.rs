// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Text to tokens.
//!
//! Nothing is refused here: what is no token becomes [`Kind::Unknown`], because text
//! that the preprocessor skips may hold anything.

use std::rc::Rc;

use crate::source::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// An identifier or a keyword.
    Ident,
    /// An integer literal, with its width and base if it has them.
    Int,
    /// A string literal; the text is without quotes, escapes are resolved.
    Str,
    /// An operator or a delimiter.
    Punct(&'static str),
    /// Text that is no token; the text says why.
    Unknown,
    /// The end.
    Eof,
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: Rc<str>,
    pub(crate) span: Span,
    /// First on its line.
    pub(crate) line_start: bool,
    /// There is white space or a comment before it.
    pub(crate) spaced: bool,
}

impl Token {
    /// Whether it is that operator, delimiter or word.
    pub(crate) fn is(&self, text: &str) -> bool {
        match self.kind {
            Kind::Punct(punct) => punct == text,
            Kind::Ident => &*self.text == text,
            _ => false,
        }
    }
}

/// Operators and delimiters, longer ones first. `>>` is two tokens, because it also ends two argument lists.
const PUNCTS: &[&str] = &[
    "|+|=", "|-|=", "&&&", "|+|", "|-|", "<<=", "...", "++", "<<", "&&", "||", "==", "!=", "<=",
    ">=", "+:", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "..", "##", "(", ")", "[", "]",
    "{", "}", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "=", "?", ":", ";", ",",
    ".", "@", "#",
];

/// Splits a file into tokens, without the end token.
pub(crate) fn tokens(file: u32, text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        file,
        text,
        at: 0,
        line_start: true,
        spaced: false,
    };
    let mut list = Vec::new();
    while let Some(token) = lexer.next() {
        list.push(token);
    }
    list
}

struct Lexer<'a> {
    file: u32,
    text: &'a str,
    at: usize,
    line_start: bool,
    spaced: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<Token> {
        if let Some(start) = self.skip_blank() {
            return Some(self.token(Kind::Unknown, start, "comment is not closed".into()));
        }
        let start = self.at;
        let first = self.rest().chars().next()?;
        if first.is_ascii_alphabetic() || first == '_' {
            self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            return Some(self.token(Kind::Ident, start, self.text[start..self.at].into()));
        }
        if first.is_ascii_digit() {
            self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            return Some(self.token(Kind::Int, start, self.text[start..self.at].into()));
        }
        if first == '"' {
            return Some(self.string(start));
        }
        if let Some(punct) = PUNCTS.iter().find(|punct| self.rest().starts_with(**punct)) {
            self.at += punct.len();
            return Some(self.token(Kind::Punct(punct), start, (*punct).into()));
        }
        self.at += first.len_utf8();
        Some(self.token(Kind::Unknown, start, "character is not part of P4".into()))
    }

    fn token(&mut self, kind: Kind, start: usize, text: Rc<str>) -> Token {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = Span {
            file: self.file,
            start: offset(start),
            end: offset(self.at),
        };
        let token = Token {
            kind,
            text,
            span,
            line_start: self.line_start,
            spaced: self.spaced,
        };
        self.line_start = false;
        self.spaced = false;
        token
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !keep(c)).unwrap_or(rest.len());
    }

    /// Skips white space and comments; gives the start of a comment that does not end.
    fn skip_blank(&mut self) -> Option<usize> {
        loop {
            let rest = self.rest();
            let mut chars = rest.chars();
            match chars.next() {
                Some('\n') => {
                    self.line_start = true;
                    self.at += 1;
                }
                Some('\\') if rest.starts_with("\\\n") => self.at += 2,
                Some('\\') if rest.starts_with("\\\r\n") => self.at += 3,
                Some(c) if c.is_whitespace() => self.at += c.len_utf8(),
                Some('/') if rest.starts_with("//") => {
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                Some('/') if rest.starts_with("/*") => {
                    if let Some(len) = rest[2..].find("*/") {
                        self.line_start |= rest[2..2 + len].contains('\n');
                        self.at += len + 4;
                    } else {
                        let start = self.at;
                        self.at = self.text.len();
                        return Some(start);
                    }
                }
                _ => return None,
            }
            self.spaced = true;
        }
    }

    fn string(&mut self, start: usize) -> Token {
        let mut value = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + at + 1;
                    return self.token(Kind::Str, start, value.into());
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, '\n')) => {}
                    Some((_, c @ ('"' | '\\'))) => value.push(c),
                    Some((_, c)) => value.extend(['\\', c]),
                    None => break,
                },
                c => value.push(c),
            }
        }
        // Nothing closes it, so it is taken to end with its line.
        self.take_while(|c| c != '\n');
        self.token(Kind::Unknown, start, "string is not closed".into())
    }
}
