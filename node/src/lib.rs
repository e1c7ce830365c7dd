// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The node daemon: the slow path of a switch, and the store for bundles that have to wait.
//!
//! The switch puts a header in front of a frame that it cannot finish and sends it to the node
//! ([`punt`]). The node finds the bundle in the frame ([`datagram`]), looks up who receives it
//! ([`network`], or [`routes`] for bundles to the switch itself; [`receiver`]), translates it or
//! passes it on, both as crate `bundle` does, divides what is too long for the path ([`bundle::fragment`]),
//! and sends the result back into the switch behind a header that says where it leaves
//! ([`inject`]). What has to wait for a contact ([`timetable`], [`pace`]) is put on disk ([`store`]).
//!
//! [`core`] decides all this without a connection and a clock: frames and times go in, verdicts
//! come out. [`daemon`] is the thin shell of connections and timers around it, as [`config`] says.
//!
//! When the cluster controller is away, the node keeps the switch programmed with the plan that it
//! has of it: crate `control` decides, and a task of the daemon carries that out.
//!
//! Start at [`punt::Punt::decode`] for a frame from the switch, at [`slow_path::translate`]
//! for the frame inside it, and at [`daemon::run`] for the whole program.
//!
//! # Guarantees
//!
//! * Nothing here panics, whatever the octets are.
//! * A frame that is written has correct lengths and checksums. A datagram whose checksum does
//!   not match is refused, so that damage on the way is never covered by a new checksum.
//! * A bundle is translated as [`bundle::translate()`] does, or refused with its reason.
//! * A bundle that was stored leaves at least once, unless it expires or has to make room, also if
//!   the process is killed.
//!
//! # Standards
//!
//! IPv4: [RFC 791]. IPv6: [RFC 8200]. UDP: [RFC 768]. Fragmentation of bundles: [RFC 9171 §5.8],
//! [RFC 5050 §5.8]. The punt header is our own: `docs/punt.md`.
//!
//! [RFC 768]: https://www.rfc-editor.org/rfc/rfc768
//! [RFC 791]: https://www.rfc-editor.org/rfc/rfc791
//! [RFC 8200]: https://www.rfc-editor.org/rfc/rfc8200
//! [RFC 5050 §5.8]: https://www.rfc-editor.org/rfc/rfc5050#section-5.8
//! [RFC 9171 §5.8]: https://www.rfc-editor.org/rfc/rfc9171#section-5.8

pub mod attachment;
pub mod config;
pub mod core;
pub mod counters;
pub mod daemon;
pub mod datagram;
mod echo;
pub mod inject;
pub mod link;
mod local;
pub mod metrics;
pub mod network;
pub mod pace;
pub mod planned;
pub mod punt;
pub mod receiver;
pub mod routes;
pub mod setup;
pub mod slow_path;
pub mod store;
pub mod summary;
pub mod time;
pub mod timetable;
mod worker;
