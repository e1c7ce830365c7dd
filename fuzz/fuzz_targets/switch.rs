// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks for inputs that break [`fuzz::checks::switch`].
//!
//! What a generated program does with an input is coverage, too: each step from one parser state
//! to the next, and each action of a table, has a counter that libFuzzer reads.
#![no_main]
#![allow(
    unsafe_code,
    reason = "libFuzzer finds counters by the section that they are in"
)]

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use switch::{Event, Observer};

/// A power of two. The largest program has some 700 states, and few steps from each.
const COUNTERS: usize = 1 << 14;

// SAFETY: nothing but libFuzzer looks into this section, and it takes its octets for counters.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static STEPS: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

/// Counts steps.
#[derive(Default)]
struct Coverage {
    state: usize,
}

impl Coverage {
    fn count(from: usize, to: usize) {
        // An odd factor spreads neighbours; the lower bits of the product are as good as any.
        let at = from.wrapping_mul(0x9e37_79b1).wrapping_add(to) % COUNTERS;
        STEPS[at].fetch_add(1, Relaxed);
    }
}

impl Observer for Coverage {
    const ACTIVE: bool = true;

    fn event(&mut self, event: Event) {
        match event {
            Event::State(state) => {
                Self::count(self.state, state.index());
                self.state = state.index();
            }
            Event::Apply { table, action, .. } => Self::count(COUNTERS / 2 + table.index(), action),
            Event::ParserError { error } => Self::count(COUNTERS / 3 + self.state, error as usize),
            _ => {}
        }
    }
}

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    fuzz::checks::switch_watched(octets, &mut Coverage::default());
});
