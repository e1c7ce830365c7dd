// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The generated programs on our switch against the reference translator, bundle by bundle.
//!
//! A [`Case`] is a bundle with a program, a role of the switch and a receiver; its octets are also
//! the input of the fuzz target `switch`. A [`Rig`] runs it. [`Classes`] makes cases of several
//! kinds, [`campaign`] runs as many as are wanted, and [`shrink()`] makes a difference small.

pub mod campaign;
mod case;
mod classes;
mod edges;
mod edges_v6;
mod edges_v7;
mod rig;
mod shrink;
mod spoiled;
pub mod tshark;

pub use case::{Case, Program, Role, Setting};
pub use classes::{Class, Classes};
pub use rig::{Passed, Rig};
pub use shrink::shrink;
pub use tshark::{Complaints, malformed};
