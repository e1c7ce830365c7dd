// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The codecs of this project next to those of others: verdicts, fields and octets.
//!
//! Four other implementations read the same bundles as crate `bundle`: the Rust crates [`bp7`] and
//! [`hardy`], and the programs [`pyd3tn`] and [`tshark`]. This crate is apart so that what they need
//! is a dependency of no other crate.
//!
//! Start at [`samples`] for the bundles, at [`ours`] for what the own codecs say about one, and at
//! the module of a peer for what the peer says. Each peer has a function `explained`, which names
//! the rule that a difference follows. [`Tally`] counts, and keeps what no rule explains.
//!
//! # Guarantees
//!
//! * The samples are the same in each run.
//! * A difference that no rule explains is never dropped: [`Tally::unexplained`] holds it.
//!
//! `docs/conformance.md` has the rules with their reasons, and the counts.

pub mod bp7;
mod facts;
pub mod fields;
pub mod hardy;
pub mod ours;
pub mod pyd3tn;
pub mod samples;
mod tally;
pub mod tshark;

pub use fields::Fields;
pub use tally::{Case, Difference, Tally, Theirs};
