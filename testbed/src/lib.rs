// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Scenarios that run the whole system, and the demo.
//!
//! [`traffic`] reads real bundles from captures and gives each side of a link its own addresses;
//! [`verdict`] says what has to come out of a translating switch for what goes in, by
//! `bundle::translate` alone; [`scenario`] starts a switch and its controller, [`process`] and
//! [`link`] run programs and carry their frames; a [`stage`] has a node behind the switch, too.
//!
//! # Guarantees
//!
//! * Expected frames are built with the reference translator and with the checksums of crate
//!   `etherparse`: nothing that is compared comes from the switch or the generated program.
//! * A scenario ends the processes that it has started, and no others.

pub mod endurance;
pub mod frame;
pub mod http;
pub mod lab;
pub mod link;
pub mod ordinary;
pub mod process;
pub mod sampler;
pub mod scenario;
pub mod show;
pub mod stage;
pub mod traffic;
pub mod verdict;
