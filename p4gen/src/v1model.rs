// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From layout tables to a program for the v1model architecture.
//!
//! `lower` decides every name, width, order and slice; `text` holds the result; the templates in
//! `templates/v1model/` print it.

mod lower;
mod text;

pub(crate) use lower::lower;
