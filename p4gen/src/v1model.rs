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

/// What is written is put together in a register, the last octet in the lowest bits. 2048 bits are
/// what p4c accepts, and 255 octets are what the bits of one length octet say.
const OUT_BITS: usize = 2048;

/// The first part of a new head has fewer than 128 octets: with every number at its widest, the fields
/// of version 6 up to the dictionary have 84.
const START_BITS: usize = 1024;

/// The last octets that were read, where a CRC may cover them. Nothing longer is read between two
/// times when the CRC takes them.
const CURSOR_BITS: usize = 1024;

/// The name of a UDP port, by its place among them.
fn port_constant(at: usize) -> String {
    format!("BUNDLE_PORT_{at}")
}

/// The name of a reason among the members of `error`.
fn error_name(reason: Reason) -> String {
    format!("{reason:?}")
}
