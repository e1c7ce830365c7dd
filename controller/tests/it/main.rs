// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the controller: its logic against a simulated switch, its programs against a served one.

mod adapters;
mod backlog;
mod config;
mod core;
mod daemon;
mod demo;
mod desired;
mod etcd;
mod interface;
mod leases;
mod neighbours;
mod nodes;
mod peering;
mod reach;
mod routing;
mod schedule;
