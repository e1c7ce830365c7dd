// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sockets of family 28 for unmodified programs, without the kernel module: `LD_PRELOAD`.
//!
//! The library stands in front of the C library's socket calls. What is not of family 28 is passed
//! on; the rest is done with [`bpsock_calls`]. A socket is a real descriptor, so poll, epoll, select,
//! dup and close work as ever. Start at `hooks`.
//!
//! # Guarantees
//!
//! * Calls on other descriptors are those of the system, with their errno.
//! * A pointer that leads nowhere is EFAULT, as with a system call, and loses no message.
//! * Nothing unwinds into C, and no message is acknowledged before the program has it.
#![allow(
    unsafe_code,
    reason = "the library is one side of a C interface: pointers come from programs"
)]

mod hooks;
mod program;
mod real;
mod table;
