// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon between Bundle Protocol sockets and bundle protocol agents.
//!
//! Front doors speak `docs/bpsock-protocol.md`: clients and libraries over a UNIX socket
//! ([`door::unix`]), the kernel module over generic netlink ([`door::netlink`]). The [`broker`]
//! knows which socket is whose and decides without a connection; an [`agent`] carries bundles.
//! The built-in one is [`leaf`]: versions 6 and 7 over UDP. Others are programs of their own: [`aap2`]
//! is uD3TN, [`dtn7`] is dtnd of dtn7-rs, [`hardy`] is hardy, [`ion`] is ION.
//!
//! # Guarantees
//!
//! * A message is in the store before `sendto` returns, and until an application has read it.
//!   It is delivered at least once, whoever is killed.
//! * A socket gets only what is for its endpoint, and sends only under its own address.
//! * Queues are bounded in octets or in messages; what is malformed ends its connection only.

pub mod aap2;
pub mod access;
pub mod agent;
pub mod broker;
pub mod config;
pub mod daemon;
pub mod door;
pub mod dtn7;
pub mod hardy;
pub mod ion;
pub mod kept;
pub mod leaf;
pub mod metrics;
mod orders;
pub mod tool;
mod whole;
