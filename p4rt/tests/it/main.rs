// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the crate as its users see it.

mod client;
mod entries;
mod numbers;
mod properties;

use p4rt::{p4info::Index, proto::p4::config::v1::P4Info};

/// A program with a table of each kind.
fn demo_p4info() -> P4Info {
    p4rt::text::parse(include_str!("../../testdata/demo.p4info.txtpb")).expect("the file is valid")
}

fn demo() -> Index {
    Index::new(&demo_p4info()).expect("the file is consistent")
}
