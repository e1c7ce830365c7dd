// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Switches that run cases.

use std::collections::BTreeMap;

use switch::Observer;
use testbed::{
    lab::{Lab, Receiver, only, to_node},
    traffic::{Input, Side},
    verdict::{Outcome, Rules, judge},
};

use super::{Case, Program, Role, Setting};

/// A switch for each program, loaded when it is needed.
#[derive(Debug, Default)]
pub struct Rig {
    switches: BTreeMap<Program, Switch>,
    machine_code: bool,
}

#[derive(Debug)]
struct Switch {
    lab: Lab,
    /// Where the node sends everything now.
    neighbour: Option<(Side, Receiver)>,
}

/// A case in which program and reference agree.
#[derive(Clone, Debug)]
pub struct Passed {
    /// What became of the bundle.
    pub outcome: Outcome,
    /// The frame that left the switch.
    pub frame: Vec<u8>,
}

impl Rig {
    /// Switches that run machine code and compare it with the interpreter, or interpret only.
    #[must_use]
    pub fn new(machine_code: bool) -> Self {
        Self {
            switches: BTreeMap::new(),
            machine_code,
        }
    }

    /// Runs a case.
    ///
    /// # Errors
    ///
    /// How the program differs from the reference, in words.
    pub fn check(&mut self, case: &Case) -> Result<Passed, String> {
        let (lab, input, rules) = self.prepare(case);
        let (port, frame) = lab.one(input.side.port(), &input.datagram.to_frame())?;
        let outcome = judge(&input, &rules, port, &frame).and_then(explained)?;
        Ok(Passed { outcome, frame })
    }

    /// Runs a case, and tells an observer what the program does.
    ///
    /// # Errors
    ///
    /// As [`Rig::check`].
    pub fn check_watched(
        &mut self,
        case: &Case,
        observer: &mut impl Observer,
    ) -> Result<(), String> {
        let (lab, input, rules) = self.prepare(case);
        let port = input.side.port();
        let frames = lab.watch(port, &input.datagram.to_frame(), 0, observer);
        let (port, frame) = only(frames)?;
        judge(&input, &rules, port, &frame)
            .and_then(explained)
            .map(drop)
    }

    /// The end of what happens in a case, in words.
    pub fn story(&mut self, case: &Case) -> String {
        let (lab, input, _) = self.prepare(case);
        lab.story(input.side.port(), &input.datagram.to_frame())
    }

    fn prepare(&mut self, case: &Case) -> (&mut Lab, Input, Rules) {
        let Setting {
            program,
            role,
            receiver,
        } = case.setting;
        let side = case.side();
        let switch = self
            .switches
            .entry(program)
            .or_insert_with(|| Switch::new(program, self.machine_code));
        let input = Input::new(side, receiver.address(), case.octets.clone());
        match role {
            Role::Transparent => {
                let rules = switch.lab.rules(receiver);
                (&mut switch.lab, input, rules)
            }
            Role::Node | Role::Relay => {
                let relays = role == Role::Relay;
                switch.route_to(if relays { side } else { side.other() }, receiver);
                let rules = switch.lab.node_rules(receiver, relays);
                (&mut switch.lab, to_node(input), rules)
            }
        }
    }
}

/// Here, every reason has to be explained.
fn explained(outcome: Outcome) -> Result<Outcome, String> {
    match outcome {
        Outcome::Unexplained(program, reference) => Err(format!(
            "program: {program}; but the reference finds only another fault: {reference}"
        )),
        outcome => Ok(outcome),
    }
}

impl Switch {
    fn new(program: Program, machine_code: bool) -> Self {
        let mut lab = Lab::new(program.parameters());
        lab.add_node();
        if machine_code {
            lab.optimise()
                .expect("who asks for machine code has a compiler for it");
        }
        Self {
            lab,
            neighbour: None,
        }
    }

    fn route_to(&mut self, side: Side, receiver: Receiver) {
        if self.neighbour != Some((side, receiver)) {
            self.lab.route_to(side, receiver);
            self.neighbour = Some((side, receiver));
        }
    }
}
