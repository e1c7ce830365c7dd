// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Colours. They reach terminals only, and none with `NO_COLOR`: `anstream` sees to it.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// Offsets and other places.
pub(crate) const PLACE: Style = Style::new().dimmed();
/// Headings and groups.
pub(crate) const HEADING: Style = Style::new().bold();
/// What is right.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What deserves a look.
pub(crate) const NOTE: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// A text in a style. Nothing stays nothing.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    let text = text.to_string();
    if text.is_empty() {
        return text;
    }
    format!("{style}{text}{style:#}")
}
