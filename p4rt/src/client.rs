// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Connections to a switch.
//!
//! [`Client`] makes calls; it needs no session to read. [`Session`] keeps a stream open, bids to be
//! primary, comes back after a loss, and hands over digests and packets.

mod pipeline;
mod rpc;
mod session;
mod tls;

pub use pipeline::{Cookie, Pipeline, PipelineChange};
pub use rpc::{CallError, Client, ConnectError, ConnectOptions};
pub use session::{Connection, DigestIn, Drops, PacketIn, Session, SessionOptions};
pub use tls::{Renewable, Tls};
