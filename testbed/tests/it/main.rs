// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The whole system, in one process.

mod architecture;
mod attached;
mod datagrams;
mod demo;
mod learned;
mod meters;
mod neighbours;
mod node;
mod relay;
mod router;
mod sockets;
mod stand_in;
mod translator;
