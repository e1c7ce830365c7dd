// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a switch is to hold, and what asked for it.

use std::{collections::BTreeMap, fmt};

use contact::UtcTime;

use crate::{
    desired::{Item, ItemKey, SwitchState},
    proto::SlowPath,
    rules::Rules,
};

/// What asked for an item.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// An entries file.
    File(String),
    /// A part of the configuration, by its name and key.
    Configuration(String),
    /// The digests of the configuration, or those of the program if it names none.
    Digests,
    /// An override of an operator, by its name.
    Operator(String),
    /// A packet that was seen.
    Learned,
    /// A rule with a beginning and an end, and why it is there.
    Rule(String),
    /// The cluster controller, which knows why.
    Controller,
}

/// What a switch should hold at all times, before it has seen a packet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Intent {
    /// The items.
    pub state: SwitchState,
    /// What asked for each of them.
    pub origins: BTreeMap<ItemKey, Origin>,
}

/// What a switch should hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Orders {
    /// What people ask for, at all times.
    pub intent: Intent,
    /// What was computed, at its time.
    pub rules: Rules,
    /// What the slow path behind the switch needs to know.
    pub slow_path: SlowPath,
}

impl Intent {
    /// Adds an item, in the place of one with the same key.
    pub fn put(&mut self, item: Item, origin: Origin) {
        self.origins.insert(item.key(), origin);
        self.state.put(item);
    }
}

impl Orders {
    /// What the switch should hold at a time. What people ask for stands above rules.
    #[must_use]
    pub fn at(&self, time: UtcTime) -> SwitchState {
        let mut state = self.intent.state.clone();
        for rule in self.rules.at(time) {
            state.put_if_absent(Item::Entry(rule.entry.clone()));
        }
        state
    }

    /// What asks for an item at a time.
    #[must_use]
    pub fn origin(&self, key: &ItemKey, time: UtcTime) -> Option<Origin> {
        let by_rule = || {
            let ItemKey::Entry(key) = key else {
                return None;
            };
            let rule = self.rules.at(time).find(|rule| rule.entry.key == *key)?;
            Some(Origin::Rule(rule.why.clone()))
        };
        self.intent.origins.get(key).cloned().or_else(by_rule)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => f.write_str(name),
            Self::Configuration(part) => f.write_str(part),
            Self::Operator(name) => write!(f, "override {name}"),
            Self::Digests => f.write_str("digests"),
            Self::Learned => f.write_str("learned"),
            Self::Rule(why) => f.write_str(why),
            Self::Controller => f.write_str("controller"),
        }
    }
}
