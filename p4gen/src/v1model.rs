// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From layout tables to a program for the v1model architecture.
//!
//! `lower` decides every name, width, order and slice; `text` holds the result; the templates in
//! `templates/v1model/` print it.

mod lower;
mod parser;
mod text;

use bundle::Reason;

pub(crate) use lower::lower;

/// A writer holds the longest primary block, and separately the longest row of blocks: with every
/// number at its widest, either is below 128 octets.
const WRITER_BITS: usize = 1024;

/// The order register has one digit for each kind of block.
const ORDER_DIGIT_BITS: usize = 4;

/// The name of a reason among the members of `error`.
fn error_name(reason: Reason) -> String {
    format!("{reason:?}")
}
