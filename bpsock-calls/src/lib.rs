// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What system calls on sockets of family 28 do, for whoever catches them: where there is no kernel
//! module.
//!
//! `bpsock-preload` catches the calls of its own process, and `bp-run` those of others. Both make a
//! [`Call`] of the arguments, and a [`Caller`] of where its pointers lead. Start at
//! [`Socket::perform`].
//!
//! # Guarantees
//!
//! * A pointer that leads nowhere is EFAULT, as with a system call, and loses no message.
//! * No message is acknowledged before the program has it.
//! * No function of the C library is called that a program could have replaced.

mod call;
mod caller;
mod control;
mod messages;
mod options;
mod perform;
mod socket;

pub use bpsock::net::PATH_VARIABLE;
pub use call::{Call, Outcome};
pub use caller::{Caller, Errno, Span};
pub use socket::{FAMILY, Socket, is_nonblocking, receive_timeout};
