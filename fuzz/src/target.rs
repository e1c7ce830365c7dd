// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The list of the targets.

use crate::{
    checks,
    seeds::{self, Bundles},
};

/// A check, and inputs to start from.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its program, of its corpus and of its folder in `regressions/`.
    pub name: &'static str,
    /// Panics if a promise is broken.
    pub check: fn(&[u8]),
    /// Inputs that real bundles make.
    pub seeds: fn(&Bundles) -> Vec<Vec<u8>>,
}

/// Every target, in the order of the names.
pub const TARGETS: &[Target] = &[
    Target {
        name: "admin_v6",
        check: checks::admin_v6,
        seeds: seeds::admin_v6,
    },
    Target {
        name: "admin_v7",
        check: checks::admin_v7,
        seeds: seeds::admin_v7,
    },
    Target {
        name: "contents",
        check: checks::contents,
        seeds: seeds::contents,
    },
    Target {
        name: "dissect",
        check: checks::dissect,
        seeds: seeds::dissect,
    },
    Target {
        name: "numbers",
        check: checks::numbers,
        seeds: seeds::numbers,
    },
    Target {
        name: "p4_source",
        check: checks::p4_source,
        seeds: seeds::p4_source,
    },
    Target {
        name: "packets",
        check: checks::packets,
        seeds: seeds::packets,
    },
    Target {
        name: "switch",
        check: checks::switch,
        seeds: seeds::switch,
    },
    Target {
        name: "translate",
        check: checks::translate,
        seeds: seeds::translate,
    },
    Target {
        name: "v6_decode",
        check: checks::v6_decode,
        seeds: seeds::v6_decode,
    },
    Target {
        name: "v7_decode",
        check: checks::v7_decode,
        seeds: seeds::v7_decode,
    },
];
