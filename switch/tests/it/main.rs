// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the switch through its public interface.
#![allow(
    clippy::large_futures,
    reason = "a test may put a few kilobytes on the stack"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "tests cut small numbers into octets"
)]
#![allow(
    clippy::too_many_lines,
    reason = "a test of a server tells one story from its start"
)]

mod cli;
mod controller;
mod externs;
mod hostile;
mod limits;
mod matches;
#[cfg(feature = "native")]
mod native;
mod news;
mod p4info;
mod parser;
mod ports;
mod profiles;
mod server;
mod stf;
mod support;
mod traffic;
