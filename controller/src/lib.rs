// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SDDTN cluster controller: what each switch should hold, and how it gets there.
//!
//! The controller computes a desired state, reads what a switch holds, writes the difference and
//! reads again. A switch that restarts is therefore no special case.
//!
//! [`config`], [`intent`], [`routing`], [`schedule`], [`backlog`], [`neighbours`] and [`reach`] are pure: values in, values out. Crate
//! `control` keeps one switch programmed; [`daemon`] runs that for each switch, and [`ctl`] is the
//! command line tool that shows what a switch holds and why.
//!
//! # Guarantees
//!
//! * Queues and tables that traffic can fill are bounded, and what does not fit is counted.
//! * Every entry that is written has an [`control::orders::Origin`]: the line of configuration,
//!   the observation or the route that asked for it.
//!
//! # Standards
//!
//! [P4Runtime 1.5](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html), through `p4rt`.

pub mod adapters;
mod api;
mod audit;
pub mod backlog;
pub mod config;
pub mod ctl;
pub mod daemon;
pub mod distribute;
pub mod dry_run;
pub mod etcd;
pub mod export;
pub mod intent;
mod kept;
mod keychain;
pub mod lease;
pub mod lease_etcd;
pub mod lease_files;
pub mod neighbours;
mod outlets;
pub mod overrides;
pub mod peering;
pub mod plan;
pub mod planner;
pub mod reach;
pub mod routing;
pub mod schedule;
pub mod state;
mod subject;
pub mod tls;
