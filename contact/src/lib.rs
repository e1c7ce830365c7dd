// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contact plans and the routes through them: which node can send to which other node, when, how
//! fast and how far, and what that means for a bundle.
//!
//! This crate opens no file, reads no clock and draws no random numbers: text, times and seeds are
//! arguments.
//!
//! Start at [`Plan`] and at [`ionrc`], [`hdtn`] or [`tvgutil`] to have a plan, at [`ContactGraph`]
//! and [`Search`] for routes, and at [`Forwarder`] for what a node does with a bundle.
//!
//! # Guarantees
//!
//! * In a [`Plan`] every contact and range ends after it starts, and those of one ordered pair of
//!   nodes do not overlap.
//! * The order of a plan depends on what is in it, and not on the order in which it got there.
//! * Import does not panic, and names everything that is wrong.
//! * What an export writes, the import of the format reads as the same plan. But HDTN and tvg-util
//!   know light times only in contacts, and for HDTN a contact is parted where its light time
//!   changes.
//! * A search finds the best route there is, by the order that it names. It allocates nothing but
//!   the route, once its memory has grown to what the graph needs.
//!
//! # Standards
//!
//! Terms, rules and order of choice are those of Schedule-Aware Bundle Routing,
//! [CCSDS 734.3-B-1](https://ccsds.org/publications/). The README says what each format has and what
//! is left out.

mod candidate;
mod civil;
mod forward;
pub mod generate;
mod graph;
pub mod hdtn;
pub mod ionrc;
mod json;
mod model;
mod opportunity;
mod passage;
mod plan;
pub mod predict;
mod route;
mod schedule;
mod search;
mod tree;
pub mod tvgutil;
mod volume;
mod yen;

pub use candidate::{Candidate, Rejection};
pub use forward::{Bundle, Forwarder};
pub use graph::{ContactGraph, ContactIndex, GraphOptions, ION_MARGIN_PPM};
pub use json::{JsonError, JsonExportError, JsonFault};
pub use model::{BytesPerSecond, Confidence, Contact, NodeNumber, Range, Span, UtcTime};
pub use plan::Plan;
pub use route::{Hop, Rank, Route};
pub use schedule::{Conflict, Interval};
pub use search::{Query, Search};
pub use tree::Tree;
pub use volume::{Backlog, Priority, Volumes};

/// The example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
