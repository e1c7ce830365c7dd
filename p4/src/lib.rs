// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `P4_16` front end: source text to checked programs, diagnostics and P4Info.
//!
//! This crate opens no file, no socket, and keeps no state: included files come from a function that the caller gives.
//! [`compile`] is the whole of it. It gives an [`ir::Program`], which is flat and ready to run, with its
//! [`p4info::P4Info`], or [`diagnostic::Diagnostics`], which print themselves with the lines they are about.
//!
//! ```
//! let source = p4::Source { name: "empty.p4", text: "#include <v1model.p4>\n", ..p4::Source::default() };
//! let diagnostics = p4::compile(&source).expect_err("there is no main");
//! assert!(diagnostics.to_string().starts_with("error: program has no `main` package instance"));
//! ```
//!
//! # Guarantees
//!
//! * No input makes it panic, recurse without bound, or use memory without bound.
//! * Equal inputs give equal programs, P4Info and messages.
//! * A program that is returned holds the invariants of [`ir`].
//!
//! # Standards
//!
//! [P4_16 language specification, version 1.2.5](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html),
//! the v1model architecture, and P4Info of the [P4Runtime specification](https://p4lang.github.io/p4runtime/spec/main/P4Runtime-Spec.html).

mod ast;
mod builtin;
mod check;
mod compile;
pub mod diagnostic;
mod elab;
mod fold;
pub mod ir;
mod lexer;
mod number;
pub mod p4info;
mod parser;
mod preprocess;
mod prune;
pub mod source;
mod spelling;

pub use self::compile::{Include, Source, check, compile, compile_with_warnings, interface};
