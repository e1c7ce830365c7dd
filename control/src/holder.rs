// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The plans of a node: the one that it goes by, and the one that comes next. Pure.

use contact::UtcTime;

use crate::{
    plan::{PlanFault, apply, unpack},
    proto::{Ack, ControllerMessage, Kept, Plan, ack::Stage, controller_message::Message},
};

/// What a node has of its controller.
#[derive(Clone, Debug, Default)]
pub struct Holder {
    /// The plan that the node goes by.
    current: Option<Plan>,
    /// The plan whose time has not come.
    next: Option<Plan>,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// What to tell the controller, once the plans are on disk.
    pub ack: Ack,
    /// Whether there is a plan that was not there before.
    pub changed: bool,
}

impl Holder {
    /// Starts with the plans that were kept.
    #[must_use]
    pub fn new(current: Option<Plan>, next: Option<Plan>) -> Self {
        Self { current, next }
    }

    /// The plan that the node goes by.
    #[must_use]
    pub fn current(&self) -> Option<&Plan> {
        self.current.as_ref()
    }

    /// What to keep on disk.
    #[must_use]
    pub fn kept(&self) -> Kept {
        Kept {
            current: self.current.clone(),
            next: self.next.clone(),
        }
    }

    /// The newest plan.
    #[must_use]
    pub fn newest(&self) -> Option<&Plan> {
        self.next.as_ref().or(self.current.as_ref())
    }

    /// The version of the newest plan; 0 if there is none.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.newest().map_or(0, |plan| plan.version)
    }

    /// When the next plan takes effect.
    #[must_use]
    pub fn next_at(&self) -> Option<UtcTime> {
        let next = self.next.as_ref()?;
        Some(UtcTime::from_micros(next.activate_at_us))
    }

    /// Takes a message of the controller. A plan that cannot be used changes nothing.
    pub fn take(&mut self, message: ControllerMessage) -> Option<Taken> {
        let (version, found) = match message.message? {
            Message::Plan(plan) => (plan.version, Ok(plan)),
            Message::Delta(delta) => (delta.version, apply(self.newest(), delta)),
        };
        let held = self.version();
        let usable = found.and_then(|plan| {
            if plan.version < held {
                return Err(PlanFault::Old {
                    offered: plan.version,
                    held,
                });
            }
            unpack(&plan)?;
            Ok(plan)
        });
        let ack = |stage: Stage, reason: String| Ack {
            version,
            stage: stage.into(),
            reason,
        };
        match usable {
            Ok(plan) => {
                let changed = self.newest() != Some(&plan);
                if changed {
                    self.next = Some(plan);
                }
                let ack = ack(Stage::Received, String::new());
                Some(Taken { ack, changed })
            }
            Err(fault) => {
                let reason = reason_of(&fault);
                let ack = ack(Stage::Refused, reason);
                let changed = false;
                Some(Taken { ack, changed })
            }
        }
    }

    /// Goes over to the next plan if its time has come, and says so.
    pub fn activate(&mut self, now: UtcTime) -> Option<Ack> {
        let next = self
            .next
            .take_if(|next| next.activate_at_us <= now.micros())?;
        let version = next.version;
        self.current = Some(next);
        Some(Ack {
            version,
            stage: Stage::Active.into(),
            reason: String::new(),
        })
    }
}

/// A fault and what it comes from.
fn reason_of(fault: &PlanFault) -> String {
    let mut text = fault.to_string();
    let mut source = std::error::Error::source(fault);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
