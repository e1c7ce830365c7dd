// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generator of P4_16 programs that translate bundles: parameters to program text.
//!
//! A program parses Bundle Protocol versions 6 and 7 in UDP datagrams, translates each into the
//! other as `bundle::translate` does, and hands what it cannot finish to the slow path, unchanged
//! and with a reason.
//!
//! Start at [`Parameters`] and [`generate`].
//!
//! # Guarantees
//!
//! * Equal parameters give equal text.
//! * The size of a program grows with the logarithm of its longest payload.

mod entries;
pub mod layout;
mod limits;
mod parameters;
mod report;
mod v1model;

use askama::Template as _;

pub use entries::{Entries, entries};
pub use limits::SLOW_PATH;
pub use parameters::{
    EID_OCTETS, LARGEST_PAYLOAD, MOST_BLOCKS, MOST_PORTS, ParameterError, Parameters, Profile,
    Target, UdpPorts,
};
pub use report::Report;

/// Writes the program for these parameters.
///
/// # Errors
///
/// A parameter that no program can have.
///
/// # Panics
///
/// Never: printing into a string cannot fail.
pub fn generate(parameters: Parameters) -> Result<String, ParameterError> {
    parameters.check()?;
    let program = match parameters.target {
        Target::Bmv2 => v1model::lower(parameters),
    };
    Ok(program
        .render()
        .expect("printing into a string cannot fail"))
}
