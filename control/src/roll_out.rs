// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The plans of all nodes, as their controller sees them: what each has, and what to send. Pure.

use std::{collections::BTreeMap, sync::Arc};

use contact::UtcTime;

use crate::{
    plan::difference,
    proto::{Ack, ControllerMessage, Delta, Plan, Report, ack::Stage, controller_message::Message},
};

/// What the controller knows of its nodes.
#[derive(Clone, Debug, Default)]
pub struct RollOut {
    nodes: BTreeMap<u64, Node>,
}

/// What the controller knows of a node.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// The plan that it should have.
    wanted: Option<Arc<Plan>>,
    /// When that plan was made.
    published: UtcTime,
    /// The plan that it has for certain.
    held: Option<Arc<Plan>>,
    /// Plans that were sent and not yet answered, oldest first.
    sent: Vec<Arc<Plan>>,
    /// Whether it has a stream.
    pub connected: bool,
    /// The plan that it goes by; 0 if it has not said so.
    pub active: u64,
    /// How long the last plan took from here to its acknowledgement, in microseconds.
    pub ack_micros: Option<u64>,
    /// Why it refused the last plan.
    pub refusal: Option<String>,
    /// Its last report.
    pub report: Option<Report>,
}

impl RollOut {
    /// A plan for a node. Returns what to send if the node is connected.
    pub fn publish(&mut self, node: u64, plan: Plan, now: UtcTime) -> Option<ControllerMessage> {
        let node = self.nodes.entry(node).or_default();
        node.wanted = Some(Arc::new(plan));
        node.published = now;
        node.next_message()
    }

    /// A node has introduced itself with the newest plan that it has.
    pub fn hello(&mut self, node: u64, version: u64) -> Option<ControllerMessage> {
        let node = self.nodes.get_mut(&node)?;
        node.connected = true;
        let known = [node.wanted.clone(), node.held.clone()]
            .into_iter()
            .chain(node.sent.drain(..).map(Some));
        node.held = known.flatten().find(|plan| plan.version == version);
        node.next_message()
    }

    /// A node has said what became of a plan. Returns what to send now.
    pub fn ack(&mut self, node: u64, ack: &Ack, now: UtcTime) -> Option<ControllerMessage> {
        let node = self.nodes.get_mut(&node)?;
        let sent = node
            .sent
            .iter()
            .position(|plan| plan.version == ack.version);
        match ack.stage() {
            Stage::Received => {
                node.refusal = None;
                let plan = node.sent.drain(..=sent?).next_back()?;
                let newest = node.wanted.as_ref().map(|wanted| wanted.version);
                if newest == Some(plan.version) {
                    node.ack_micros = Some(now.since(node.published).micros());
                }
                node.held = Some(plan);
                None
            }
            Stage::Active => {
                node.active = ack.version;
                None
            }
            Stage::Refused => {
                // A delta that does not fit is followed by the whole plan; a plan that cannot be
                // used is not sent again.
                let was_delta = node.held.take().is_some() || sent.is_some_and(|place| place > 0);
                node.sent.clear();
                node.refusal = Some(ack.reason.clone());
                was_delta.then(|| node.next_message()).flatten()
            }
            Stage::Unspecified => None,
        }
    }

    /// A node has told how it is doing.
    pub fn report(&mut self, node: u64, report: Report) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.active = report.version.max(node.active);
            node.report = Some(report);
        }
    }

    /// The stream of a node has ended. It keeps what it has.
    pub fn lost(&mut self, node: u64) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.connected = false;
        }
    }

    /// The nodes by their numbers.
    pub fn nodes(&self) -> impl Iterator<Item = (u64, &Node)> {
        self.nodes.iter().map(|(number, node)| (*number, node))
    }
}

impl Node {
    /// The version of the plan that it should have.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.wanted.as_ref().map_or(0, |plan| plan.version)
    }

    /// The version of the plan that it has acknowledged.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.as_ref().map_or(0, |plan| plan.version)
    }

    fn next_message(&mut self) -> Option<ControllerMessage> {
        let wanted = self.wanted.clone().filter(|_| self.connected)?;
        let base = self.sent.last().or(self.held.as_ref());
        if base.is_some_and(|base| base.version == wanted.version) {
            return None;
        }
        let message = if let Some(base) = base {
            let delta: Delta = difference(base, &wanted);
            // The node must come to the very plan that is the base of the next delta.
            let applied = crate::plan::apply(Some(base), delta.clone());
            let plan = applied.map_or_else(|_| wanted.clone(), Arc::new);
            self.wanted = Some(plan.clone());
            self.sent.push(plan);
            Message::Delta(delta)
        } else {
            self.sent.push(wanted.clone());
            Message::Plan(Plan::clone(&wanted))
        };
        Some(ControllerMessage {
            message: Some(message),
        })
    }
}
