// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The codecs of others against ours: captured, generated and mutated bundles.
//!
//! Each test prints the rows of the table in `docs/conformance.md`; `--nocapture` shows them.

use std::sync::LazyLock;

use bundle::Version;
use peers::samples::{self, Sample};

mod crates;
mod page;
mod pyd3tn;
mod tshark;

/// Captured and generated bundles of version 6.
static SIX: LazyLock<Vec<Sample>> = LazyLock::new(|| valid(Version::V6));
/// Captured and generated bundles of version 7.
static SEVEN: LazyLock<Vec<Sample>> = LazyLock::new(|| valid(Version::V7));
/// Generated bundles of version 6 that Wireshark can show.
static NARROW_SIX: LazyLock<Vec<Sample>> = LazyLock::new(samples::narrow_v6);
/// Changed octets of bundles of version 7.
static SPOILED: LazyLock<Vec<Sample>> = LazyLock::new(samples::spoiled);

fn valid(version: Version) -> Vec<Sample> {
    samples::valid(version).expect("the captures are readable")
}
