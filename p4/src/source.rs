// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Source files, and places in them.

/// A stretch of one source file, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// Which file, an index into the [`SourceMap`].
    pub file: u32,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset one past the last byte; never less than `start`.
    pub end: u32,
}

impl Span {
    /// The smallest span that holds both. Spans of different files give `self`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file != other.file {
            return self;
        }
        Self {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A line and a column, both counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One source file: the user's, an included one, or a built-in declaration file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceFile {
    /// Name as it was given, for messages.
    pub name: String,
    /// Whole text.
    pub text: String,
    /// Whether the file is part of this crate (`core.p4`, `v1model.p4`).
    pub builtin: bool,
    line_starts: Vec<usize>,
}

/// All files that one compilation has read. [`Span::file`] indexes it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Adds a file and returns its index.
    pub(crate) fn add(&mut self, name: &str, text: &str, builtin: bool) -> u32 {
        let mut line_starts = vec![0];
        line_starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        self.files.push(SourceFile {
            name: name.to_owned(),
            text: text.to_owned(),
            builtin,
            line_starts,
        });
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// The file of that index.
    #[must_use]
    pub fn file(&self, index: u32) -> Option<&SourceFile> {
        self.files.get(index as usize)
    }

    /// The text under a span; empty when the span is not of this map.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file)
            .and_then(|file| file.text.get(span.start as usize..span.end as usize))
            .unwrap_or("")
    }

    /// Where a span starts.
    #[must_use]
    pub fn position(&self, span: Span) -> Position {
        self.file(span.file)
            .map_or(Position { line: 1, column: 1 }, |file| {
                file.position(span.start as usize)
            })
    }

    /// `file:line:column` of the start of a span.
    #[must_use]
    pub fn describe(&self, span: Span) -> String {
        let name = self.file(span.file).map_or("?", |file| &file.name);
        let Position { line, column } = self.position(span);
        format!("{name}:{line}:{column}")
    }
}

impl SourceFile {
    /// Line and column of a byte offset; an offset past the end gives the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self
            .line_starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let column = self
            .text
            .get(start..offset)
            .map_or(0, |text| text.chars().count());
        Position {
            line,
            column: column + 1,
        }
    }

    /// The text of a line, counted from 1, without its line end.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        let Some(&start) = line
            .checked_sub(1)
            .and_then(|index| self.line_starts.get(index))
        else {
            return "";
        };
        let end = self
            .line_starts
            .get(line)
            .copied()
            .unwrap_or(self.text.len());
        self.text
            .get(start..end)
            .unwrap_or("")
            .trim_end_matches(['\n', '\r'])
    }
}
