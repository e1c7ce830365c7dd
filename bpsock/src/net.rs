// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sockets for Rust programs, straight to the daemon.
//!
//! ```no_run
//! use bpsock::net::{Door, Message};
//!
//! let door = Door::connect(&bpsock::net::default_path())?;
//! let socket = door.bind(&"ipn:0.7".parse()?)?;
//! socket.send_to(b"hello", &"ipn:2.7".parse()?, &Message::default())?;
//! let received = socket.recv(None)?;
//! println!("{} says {:?}", received.about.source, received.data);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Errors are those of the system calls: [`std::io::Error::raw_os_error`] is the errno of the
//! family. A [`Socket`] has a descriptor that is readable when [`Endpoint::try_recv`] has something,
//! for poll, epoll and select; with feature `tokio`, `AsyncSocket` waits for it.
//!
//! When the daemon ends, sockets stay bound: a thread of the [`Door`] looks for the next daemon,
//! and registers them again.

use std::env;
use std::path::PathBuf;

#[cfg(feature = "tokio")]
mod asynchronous;
mod door;
mod shared;
mod socket;

#[cfg(feature = "tokio")]
pub use asynchronous::AsyncSocket;
pub use door::Door;
pub use socket::{Endpoint, Message, Received, Socket, StatusReport, Ticket};

/// Where the daemon listens if nobody says otherwise.
pub const SYSTEM_PATH: &str = "/run/bpsockd/bpsock.sock";
/// The variable of the environment that says otherwise.
pub const PATH_VARIABLE: &str = "BPSOCK_PATH";

/// Where the daemon listens: what `BPSOCK_PATH` says, or [`SYSTEM_PATH`].
#[must_use]
pub fn default_path() -> PathBuf {
    env::var_os(PATH_VARIABLE).map_or_else(|| SYSTEM_PATH.into(), PathBuf::from)
}
