// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packet tests in STF, the "simple test framework" of the P4 reference compiler: entries, packets
//! in, packets expected out.
//!
//! A [`Script`] is read once and [played](play) on a program without a switch around it. What a
//! line means is what `bmv2stf.py`, the runner that comes with the compiler, makes of it: values of ternary
//! keys are as wide as their digits, the greater priority wins, and packets on a port are compared
//! in order, by their first octets unless the expectation ends in `$`.

mod names;
mod play;
mod script;
mod value;

pub use self::{
    play::{Failure, Fault, Report, play},
    script::{
        ActionText, Command, ExpectedPacket, Relation, Script, ScriptError, Statement, SyntaxFault,
        Unit,
    },
    value::{Value, ValueError},
};
