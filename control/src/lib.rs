// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control of one switch: what a cluster controller does for each of its switches, and what the
//! local controller of a node does when the cluster controller is away.
//!
//! [`core`] decides: it takes [`orders`], which are entries for all times and [`rules`] with a
//! beginning and an end, compares what the switch holds with what it should hold now
//! ([`desired`]), and learns addresses ([`learn`]). [`supervise`] is the thin shell of session,
//! calls and timers around it.
//!
//! Orders reach a node ahead of time as plans ([`plan`]) over the protocol in `proto/`
//! ([`proto`]): [`roll_out`] is the controller's side of it, and [`holder`] the node's.
//!
//! Start at [`orders::Orders`] for what a switch should hold, and at [`supervise::Supervisor`].
//!
//! # Guarantees
//!
//! * [`core`] opens no connection and reads no clock: times are arguments.
//! * A rule is in what a switch should hold from its beginning until just before its end, and at
//!   no other time.
//! * What operators ask for is never replaced or removed by what was computed or learned.

pub mod core;
pub mod desired;
pub mod holder;
pub mod learn;
pub mod macs;
pub mod names;
pub mod orders;
pub mod plan;
pub mod proto;
pub mod roll_out;
pub mod rules;
pub mod supervise;
pub mod wire;
