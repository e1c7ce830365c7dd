// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SDDTN cluster controller: what each switch should hold, and how it gets there.
//!
//! The controller computes a desired state, reads what a switch holds, writes the difference and
//! reads again. A switch that restarts is therefore no special case.
//!
//! [`config`], [`intent`], [`desired`], [`macs`] and [`core`] are pure: values in, values out.
//! [`supervise`] connects a [`core::Core`] to a switch, [`daemon`] runs one for each switch, and
//! [`ctl`] is the command line tool that shows what a switch holds.
//!
//! # Guarantees
//!
//! * Queues and tables that traffic can fill are bounded, and what does not fit is counted.
//! * Every entry that is written has an [`intent::Origin`]: the line of configuration or the
//!   observation that asked for it.
//!
//! # Standards
//!
//! [P4Runtime 1.5](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html), through `p4rt`.

pub mod config;
pub mod core;
pub mod ctl;
pub mod daemon;
pub mod desired;
pub mod intent;
pub mod macs;
mod outlets;
pub mod plan;
pub mod supervise;
pub mod wire;
