// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slow path of an SDDTN node: what happens to a frame that the switch program cannot finish.
//!
//! The switch puts a header in front of such a frame and sends it to the node ([`punt`]). The
//! node finds the bundle in the frame ([`datagram`]) and translates it with the reference
//! translator of the `bundle` crate ([`slow_path`]).
//!
//! This is the pure core of the node: octets and a policy go in, octets or a reason come out. It
//! opens no socket, reads no clock and keeps no state. The crate has no daemon, no bundle store
//! and no local controller yet, and does not inject the result into the switch.
//!
//! Start at [`punt::Punt::decode`] for a frame from the switch, and at [`slow_path::translate`]
//! for the frame inside it.
//!
//! # Guarantees
//!
//! * Nothing here panics, whatever the octets are.
//! * A frame that is written has correct lengths and checksums. A datagram whose checksum does
//!   not match is refused, so that damage on the way is never covered by a new checksum.
//! * A bundle is translated as [`bundle::translate()`] does, or refused with its reason.
//!
//! # Standards
//!
//! IPv4: [RFC 791]. UDP: [RFC 768]. The punt header is our own: `docs/punt.md`.
//!
//! [RFC 768]: https://www.rfc-editor.org/rfc/rfc768
//! [RFC 791]: https://www.rfc-editor.org/rfc/rfc791

pub mod datagram;
pub mod punt;
pub mod slow_path;
