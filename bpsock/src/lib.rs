// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundle Protocol sockets: endpoint IDs as addresses of the socket family 28.
//!
//! This is the address and nothing else yet: there is no kernel module, no daemon and no preload
//! library, so `socket(28, SOCK_DGRAM, 0)` does not work because of this crate. It makes no system
//! call and has no `unsafe`: octets go in, endpoint IDs come out, and the other way round.
//!
//! Start at [`SockaddrBp::decode`] for octets from an application, and at
//! [`SockaddrBp::from_eid`] for an endpoint ID that an application shall see.
//!
//! # Guarantees
//!
//! * The layout is the 16 octets that existing applications use, tested octet by octet.
//! * Decoding does not panic, and reads no more octets than there are.
//! * An endpoint ID that does not fit is refused and not cut off.

mod address;

pub use address::{AF_BP, AddressError, BP_SCHEME_DTN, BP_SCHEME_IPN};
pub use address::{SOCKADDR_BP_LEN, SockaddrBp};
