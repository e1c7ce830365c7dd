// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The generated program against the reference translator.

use std::{collections::BTreeMap, path::Path};

use testbed::{traffic::captured, verdict::Outcome};

use crate::lab::Lab;

/// Every captured datagram crosses as the reference says, or is handed out unchanged with a reason.
#[test]
fn captures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures");
    let inputs = captured(&folder).expect("the captures are in the repository");
    let mut lab = Lab::new();
    let mut outcomes = BTreeMap::<Outcome, usize>::new();
    let mut failures = Vec::new();
    for input in &inputs {
        match lab.check(input) {
            Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
            Err(failure) => failures.push(failure),
        }
    }
    for failure in failures.iter().take(3) { println!("{failure}\n"); }
    println!("{} failures {outcomes:#?}", failures.len());
    assert_eq!(failures.len(), 0);
}
