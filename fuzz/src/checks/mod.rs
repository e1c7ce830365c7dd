// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The checks. Each takes any octets, and panics if the code under test breaks a promise.

mod admin;
mod contents;
mod decode;
mod dissect;
mod numbers;
mod programs;
mod switch;
mod translate;

pub use admin::{admin_v6, admin_v7};
pub use contents::contents;
pub use decode::{v6_decode, v7_decode};
pub use dissect::dissect;
pub use numbers::numbers;
pub use programs::{p4_source, packets};
pub use switch::{switch, switch_watched};
pub use translate::translate;

pub(crate) use contents::{selector_v6, selector_v7};
pub(crate) use programs::PROGRAMS;
pub(crate) use translate::result_tolerance;

use bundle::DecodeError;

/// Checks that an error names a field, and a place inside the input.
fn check_error(error: &DecodeError, input: &[u8]) {
    assert!(error.offset <= input.len(), "{error:?} is outside");
    assert!(!error.field.is_empty(), "{error:?} names no field");
}
