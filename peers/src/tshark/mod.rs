// SPDX-License-Identifier: Apache-2.0 OR MIT
//! tshark, the dissectors of Wireshark: both versions.
//!
//! All bundles of a comparison go through one run, as datagrams to port 4556 in a pcap file.

mod run;
mod v6;
mod v7;

pub use run::{Row, dissect};
pub use v6::{explained as explained_v6, fields_of_ours as ours_v6, theirs as theirs_v6};
pub use v7::{explained as explained_v7, fields_of_ours as ours_v7, theirs as theirs_v7};
