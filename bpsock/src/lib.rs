// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundle Protocol sockets: endpoint IDs as addresses of the socket family 28.
//!
//! The part that the daemon, the preload library and the clients share: [addresses](Address), the
//! [structures](abi) of the ABI, the [protocol] between sockets and daemon, and sockets for Rust
//! programs: [`net`] needs neither the kernel module nor the preload library, [`family`] is for systems
//! that have one of them.
//!
//! # Guarantees
//!
//! * Octets, numbers and offsets are those of the headers in `uapi/`, tested against them.
//! * Decoding does not panic, reads no more octets than there are, and what was encoded is decoded
//!   as it was.
//! * A message that was received is acknowledged after the application has it, and not before.

pub mod abi;
mod address;
#[expect(
    unsafe_code,
    reason = "system calls with addresses that no crate knows"
)]
pub mod family;
pub mod net;
pub mod protocol;

pub use address::{
    AF_BP, Address, AddressError, BP_DTN_NAME_MAX, BP_SCHEME_DTN, BP_SCHEME_IPN,
    BP_SCHEME_IPN_WIDE, DtnName, SOCKADDR_BP_LEN, SOCKADDR_BP_MAX_LEN, SOCKADDR_BP_WIDE_LEN,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
