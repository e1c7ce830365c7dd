// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The allocator of the system, with counters for each thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What some work took, in octets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// In use now.
    live: usize,
    /// In use at one time, at most.
    pub(crate) peak: usize,
    /// All that was ever asked for.
    pub(crate) total: usize,
    /// Asked for at once, at most.
    pub(crate) largest: usize,
}

thread_local! {
    // A constant without a destructor: it can be used inside an allocator.
    static USAGE: Cell<Usage> = const {
        Cell::new(Usage { live: 0, peak: 0, total: 0, largest: 0 })
    };
}

/// Runs some work, and says what it took.
pub(crate) fn measure(work: impl FnOnce()) -> Usage {
    USAGE.set(Usage::default());
    work();
    USAGE.get()
}

fn taken(octets: usize) {
    // A thread that ends has no counters any more, and nobody asks.
    let _ = USAGE.try_with(|usage| {
        let mut now = usage.get();
        now.live += octets;
        now.peak = now.peak.max(now.live);
        now.total += octets;
        now.largest = now.largest.max(octets);
        usage.set(now);
    });
}

fn given_back(octets: usize) {
    let _ = USAGE.try_with(|usage| {
        let now = usage.get();
        // What was taken before the counters were set to zero may be given back after it.
        usage.set(Usage {
            live: now.live.saturating_sub(octets),
            ..now
        });
    });
}

/// Counts, and leaves the work to the allocator of the system.
pub(crate) struct Counting;

// SAFETY: every call is passed on unchanged to an allocator that keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old place may have to be kept until its content is moved.
        taken(size);
        given_back(layout.size());
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.realloc(place, layout, size) }
    }
}
