// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundle Protocol version 6: [RFC 5050](https://www.rfc-editor.org/rfc/rfc5050), with compressed
//! headers (CBHE).
//!
//! Start at [`Bundle::decode`]. Padded SDNVs are read and written shortest; everything else that
//! is read is written back as it was.

mod admin;
mod block;
mod bundle;
mod primary;

pub use admin::{
    AdminRecord, AggregateCustodySignal, CustodyRange, CustodySignal, ReportTime, StatusReport,
    Subject,
};
pub use block::{Block, BlockFlags, BlockType, Content, PreviousHop};
pub(crate) use block::{encode_block, encode_block_of, encode_ecos, encode_previous_hop};
pub use bundle::Bundle;
pub use primary::{Addresses, BundleFlags, CreationTimestamp, EidRef, Fragment, Primary, Priority};
