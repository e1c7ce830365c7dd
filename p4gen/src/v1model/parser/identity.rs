// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States that move creation times and sequence numbers between the versions, in each profile.

use bundle::{Reason, translate::Profile};

use super::blocks::div_1000;
use super::graph::{Graph, Open};

impl Graph {
    /// A source without a clock, and so without a creation time, keeps its sequence number.
    pub(super) fn identities(&mut self, profile: Profile) {
        self.identity_7(profile);
        self.identity_6(profile);
    }

    /// From the seconds of version 6 to the milliseconds of version 7.
    fn identity_7(&mut self, profile: Profile) {
        let open = Open::new("identity_7")
            .set("to_7.time", "0")
            .set("to_7.digits", "0");
        let (open, next) = match profile {
            Profile::A => (
                open.comment(&[
                    "The last three decimal digits of the sequence number become milliseconds.",
                ])
                .set("to_7.quotient", div_1000("meta.to_7.sequence", 64)),
                "identity_7_digits",
            ),
            Profile::N => (
                open.comment(&["The sequence number stays."]),
                "identity_7_time",
            ),
        };
        self.branch(open, "meta.to_7.seconds", "0", "identity_7_done", next);
        if profile == Profile::A {
            let open = Open::new("identity_7_digits")
                .set(
                    "to_7.digits",
                    "meta.to_7.sequence - meta.to_7.quotient * 1000",
                )
                .set("to_7.sequence", "meta.to_7.quotient");
            self.goto(open, "identity_7_time");
        }
        let open = Open::new("identity_7_time")
            .set(
                "to.wide",
                "(bit<80>)meta.to_7.seconds * 1000 + (bit<80>)meta.to_7.digits",
            )
            .verify("meta.to.wide[79:64] == 0", Reason::TimeRange)
            .set("to_7.time", "meta.to.wide[63:0]");
        self.goto(open, "identity_7_done");
    }

    /// From the milliseconds of version 7 to the seconds of version 6.
    fn identity_6(&mut self, profile: Profile) {
        let (comment, next) = match profile {
            Profile::A => (
                "The milliseconds become the last three decimal digits of the sequence number.",
                "identity_6_number",
            ),
            Profile::N => ("The sequence number stays.", "identity_6_sequence"),
        };
        let open = Open::new("identity_6")
            .comment(&[comment])
            .set("to_6.digits", "0")
            .set("to_6.seconds", div_1000("meta.to_6.time", 64))
            .set("to.wide", "(bit<80>)meta.to_6.sequence");
        self.branch(
            open,
            "meta.to_6.time",
            "0",
            "identity_6_sequence",
            "identity_6_digits",
        );
        let open = Open::new("identity_6_digits")
            .set("to_6.digits", "meta.to_6.time - meta.to_6.seconds * 1000")
            .add("// Milliseconds alone would say that the source has no clock.")
            .verify("meta.to_6.seconds != 0", Reason::TimeRange);
        self.goto(open, next);
        if profile == Profile::A {
            let open = Open::new("identity_6_number").set(
                "to.wide",
                "(bit<80>)meta.to_6.sequence * 1000 + (bit<80>)meta.to_6.digits",
            );
            self.goto(open, "identity_6_sequence");
        }
        let open = Open::new("identity_6_sequence")
            .verify(
                "meta.to.wide[79:64] == 0 && (meta.again.sequence32 == 0 || meta.to.wide[63:32] == 0)",
                Reason::SequenceRange,
            )
            .set("to_6.sequence", "meta.to.wide[63:0]");
        self.goto(open, "identity_6_done");
    }
}
