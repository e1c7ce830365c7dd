// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What has to hold for any input, input by input.
//!
//! A [`Target`] is a check of one part of the system: a function that takes any octets and panics
//! if a promise is broken. The programs in `fuzz_targets/` look for such octets, and the tests of
//! this crate run every check on its [`seeds`] and on all inputs that once broke it.
//!
//! The checks need no fuzzer, so that this crate is built and tested like every other one. Only the
//! feature `libfuzzer` adds the programs.

pub mod checks;
pub mod differential;
mod policy;
pub mod seeds;
mod target;
mod way_back;

pub use target::{TARGETS, Target};
