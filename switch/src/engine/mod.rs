// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The engine: a compiled program, its tables and its state, and how a packet runs through a block.
//!
//! The engine knows neither ports nor protobuf messages nor the clock. [`crate::traffic`] strings
//! its blocks together to a switch.
#![expect(
    clippy::cast_possible_truncation,
    reason = "limbs are split on purpose, and the compiler bounds all indices by 32 bits"
)]
#![allow(
    clippy::cast_lossless,
    reason = "widths are u8 in instructions and u32 elsewhere"
)]

mod arith;
pub(crate) mod bits;
mod calls;
pub(crate) mod code;
mod compile;
pub(crate) mod event;
pub(crate) mod exec;
pub(crate) mod externs;
mod hasher;
mod hashes;
mod lookup;
#[cfg(feature = "native")]
pub(crate) mod native;
#[cfg(not(feature = "native"))]
#[path = "interpreted.rs"]
pub(crate) mod native;
pub(crate) mod profiles;
mod runs;
pub(crate) mod tables;
pub(crate) mod value_sets;
pub(crate) mod wide;

pub(crate) use self::{
    calls::{DROP_PORT, decimal},
    compile::compile,
};
pub use self::{compile::CompileError, native::NativeError};
