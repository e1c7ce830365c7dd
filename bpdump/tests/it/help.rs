// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the program says about itself.

use crate::support::run;

#[test]
fn help() {
    for command in ["show", "translate", "explain", "stats"] {
        let run = run(&[command, "--help"]);
        assert_eq!(run.status, 0);
        assert!(run.out.contains("Examples:"), "{}", run.out);
    }
    insta::assert_snapshot!(run(&["--help"]).out);
    insta::assert_snapshot!(run(&["translate", "-h"]).out);
}
