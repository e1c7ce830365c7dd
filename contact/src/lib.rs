// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contact plans: which node can send to which other node, when, how fast and how far.
//!
//! This crate opens no file, reads no clock and keeps no state: text and times are arguments.
//! It has the plan and its import and export. It computes no routes and predicts no contacts yet.
//!
//! Start at [`Plan`] to build a plan and to ask it questions, and at [`ionrc::import`] to read
//! one.
//!
//! # Guarantees
//!
//! * In a [`Plan`] every contact and range ends after it starts, and those of one ordered pair of
//!   nodes do not overlap.
//! * The order of a plan depends on what is in it, and not on the order in which it got there.
//! * Import does not panic, and names line and column of everything that is wrong.
//! * What [`ionrc::export`] writes, [`ionrc::import`] reads as the same plan.
//!
//! # Standards
//!
//! The terms are those of Schedule-Aware Bundle Routing, CCSDS 734.3-B-1. The text format is that
//! of ION's `ionadmin`, of which the commands `a contact`, `a range`, `@` and comments are read.

mod candidate;
mod civil;
mod forward;
pub mod generate;
mod graph;
pub mod hdtn;
pub mod ionrc;
mod json;
mod model;
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
