// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundle Protocol version 7: [RFC 9171](https://www.rfc-editor.org/rfc/rfc9171).
//!
//! Start at [`Bundle::decode`]. A [`Tolerance`] says which common deviations are accepted.

mod admin;
mod block;
mod bundle;
mod eid;
mod primary;
mod rules;

pub use admin::{AdminRecord, Assertion, StatusReport};
pub(crate) use block::BlockHead;
pub use block::{Block, BlockFlags, BlockType, Content, Qos};
pub use bundle::{Bundle, Tolerance};
pub use eid::Eid;
pub use primary::{BundleFlags, CrcType, CreationTimestamp, Fragment, Primary};
