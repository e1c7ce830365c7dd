// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A generated program on our switch against the reference translator.

use std::sync::{Mutex, PoisonError};

use switch::Observer;

use crate::differential::{Case, Rig};

/// Longer bundles fit into no frame of a test, and teach nothing more.
const LEN_MAX: usize = 10_000;

/// Programs take longer to load than to run, so that all threads share them.
static RIG: Mutex<Option<Rig>> = Mutex::new(None);

/// Runs a bundle through a switch. The first octets of the input choose program, role and receiver.
///
/// # Panics
///
/// Program and reference differ.
pub fn switch(input: &[u8]) {
    check(input, Rig::check);
}

/// The same, and tells an observer what the program does.
///
/// # Panics
///
/// As [`switch()`].
pub fn switch_watched(input: &[u8], observer: &mut impl Observer) {
    check(input, |rig, case| rig.check_watched(case, observer));
}

fn check<T>(input: &[u8], run: impl FnOnce(&mut Rig, &Case) -> Result<T, String>) {
    let Some(case) = Case::read(input).filter(|case| case.octets.len() <= LEN_MAX) else {
        return;
    };
    let mut rig = RIG.lock().unwrap_or_else(PoisonError::into_inner);
    let rig = rig.get_or_insert_default();
    if let Err(difference) = run(rig, &case) {
        panic!("{:?}: {difference}\n{}", case.setting, rig.story(&case));
    }
}
