// SPDX-License-Identifier: Apache-2.0 OR MIT
//! P4Runtime: the protocol, a typed client and its session logic.
//!
//! A controller speaks of tables, actions and fields by name; a switch knows numbers.
//! [`p4info::Index`] holds the names of one program, [`Entry`] is a table entry by name, and
//! [`entries::EntriesFile`] is the JSON form of what a program needs in its tables.
//! [`proto`] is the protocol itself, for a server or for what has no typed form here.
//!
//! Start at [`client::Client`] to read a switch, or at [`client::Session`] to own one.
//!
//! # Guarantees
//!
//! * Values leave in canonical form and are compared as numbers, whatever form they arrive in.
//! * The names, the values, the entries and [`session::Core`] open no socket and read no clock.
//! * Nothing that a switch sends makes the client panic or fill the memory: queues are bounded,
//!   and what does not fit is counted.
//!
//! # Standards
//!
//! [P4Runtime 1.5](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html), and the habits of
//! older servers as data in [`target`].

pub mod bidding;
pub mod bits;
pub mod cause;
pub mod client;
pub mod entries;
pub mod entry;
#[cfg(feature = "fake")]
pub mod fake;
pub mod p4info;
pub mod proto;
pub mod session;
pub mod status;
pub mod target;
pub mod text;
pub mod value;

pub use bidding::Bidding;
pub use bits::Bits;
pub use entry::Entry;
pub use target::Target;
pub use tonic::Code;
pub use value::Match;
