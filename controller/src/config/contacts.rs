// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of the configuration that contacts need: the plan, nodes and the links between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
    path::PathBuf,
};

use contact::{NodeNumber, UtcTime};
use serde::{Deserialize, Serialize};

use super::{Misconfiguration, OptionValue};

/// The contact plan, and how it is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contacts {
    /// The file.
    pub plan: PathBuf,
    /// Its form; default `ion`.
    #[serde(default)]
    pub format: PlanFormat,
    /// The time from which relative times count, such as `"2026-11-28T00:00:00Z"`; default the
    /// start of the program.
    pub origin: Option<Time>,
    /// Numbers of nodes by their names in a tvg-util file; default the names are numbers.
    #[serde(default)]
    pub names: BTreeMap<String, u64>,
    /// How far ahead rules are made; default 3600 s.
    #[serde(default = "default_horizon_s")]
    pub horizon_s: u32,
    /// How long before the end of a contact its rules end, so that none outlives it; default 50 ms.
    #[serde(default = "default_guard_ms")]
    pub guard_ms: u32,
    /// Octets of a bundle that has to fit into each contact of its route; default 0.
    #[serde(default)]
    pub bundle_octets: u64,
    /// The light time where the plan states none; default such contacts are not used.
    pub default_light_time_ms: Option<u32>,
    /// What is added to each light time, in millionths of it; default 0. ION adds 671.
    #[serde(default)]
    pub margin_ppm: u32,
    /// Contacts in which there is less confidence are not used; default 0.
    pub least_confidence: Option<f64>,
    /// Whether neighbours that are heard can be sent to, whatever the plan says; default no.
    pub learn: Option<Learning>,
}

/// What is assumed of contacts that are learned from bundles.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Learning {
    /// How long after its last bundle a neighbour can be sent to; default 60000 ms.
    pub silence_ms: u32,
    /// What can be sent to it; default 125000 octets each second.
    pub bytes_per_second: u64,
    /// How likely it can be reached; default 1.
    pub confidence: f64,
    /// How far it is where the plan says nothing; default 0 ms.
    pub light_time_ms: u32,
    /// How far ahead contacts are predicted from those that were learned; default 0 s, never.
    pub predict_s: u32,
}

impl Default for Learning {
    fn default() -> Self {
        Self {
            silence_ms: 60_000,
            bytes_per_second: 125_000,
            confidence: 1.0,
            light_time_ms: 0,
            predict_s: 0,
        }
    }
}

/// The forms of contact plans.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum PlanFormat {
    /// Commands of ION's `ionadmin`.
    #[default]
    Ion,
    /// HDTN's JSON.
    Hdtn,
    /// The JSON of tvg-util.
    TvgUtil,
}

impl PlanFormat {
    /// The form of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "ion" => Some(Self::Ion),
            "hdtn" => Some(Self::Hdtn),
            "tvg-util" => Some(Self::TvgUtil),
            _ => None,
        }
    }
}

/// A time in UTC.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Time(pub UtcTime);

/// A text that is no time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no time of the form 2026-11-28T00:00:00Z")]
pub struct TimeError(String);

/// A node of the contact plan.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its number in the plan, and in `ipn` endpoint IDs.
    pub number: u64,
    /// The switch that it is; default a node that others control.
    pub switch: Option<String>,
    /// Its address: datagrams to it are for the node. A node with a switch needs one.
    pub address: Option<Ipv4Addr>,
    /// Beginnings of the names of its `dtn` endpoints, such as `//lander/`; all its `ipn` endpoints
    /// belong to it anyway.
    #[serde(default)]
    pub names: Vec<String>,
    /// How much older bundles get in its switch; default 0 ms.
    #[serde(default)]
    pub residence_ms: u16,
    /// Source address of its frames to neighbours that are learned; default that of its first link.
    pub ethernet: Option<MacText>,
}

/// How a node with a switch reaches a neighbour.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Number of the node that sends.
    pub from: u64,
    /// Number of the neighbour.
    pub to: u64,
    /// Port of the switch.
    pub port: u32,
    /// Ethernet address of the neighbour.
    pub ethernet: MacText,
    /// Source address of frames to it.
    pub ethernet_source: MacText,
    /// IP address of the neighbour.
    pub address: Ipv4Addr,
    /// Source address of datagrams to it; default the address of the node that sends.
    pub source: Option<Ipv4Addr>,
    /// The version of the Bundle Protocol that it reads, 6 or 7.
    pub speaks: u8,
    /// What else the program wants to know about it: parameters of its action by name.
    #[serde(default)]
    pub options: BTreeMap<String, OptionValue>,
}

/// An Ethernet address, as a text.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String")]
pub struct MacText(pub String);

/// A text that is no Ethernet address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no Ethernet address of the form 02:00:00:00:00:07")]
pub struct MacError(String);

/// Something in these parts that cannot work.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ContactFault {
    /// Links and addresses are for routes.
    #[error("[[node]] and [[link]] need [contacts]")]
    WithoutContacts,
    /// Rules would end before they are made again.
    #[error("contacts.learn: silence_ms must be more than twice guard_ms, {0}")]
    Silence(u32),
    /// Two nodes have one number.
    #[error("node {0} is configured twice")]
    SameNode(u64),
    /// The switch does not exist.
    #[error("node {number} names switch {switch:?}, which is not configured")]
    NoSuchSwitch {
        /// Number of the node.
        number: u64,
        /// The name.
        switch: String,
    },
    /// A switch is two nodes.
    #[error("switch {0:?} is the switch of two nodes")]
    SameSwitch(String),
    /// Nobody could send to the node.
    #[error("node {0} has a switch, and needs an address")]
    NoAddress(u64),
    /// A name is no beginning of a name.
    #[error("node {number}: {name:?} is not the beginning of a name, such as //lander/")]
    Name {
        /// Number of the node.
        number: u64,
        /// The text.
        name: String,
    },
    /// A link starts at a node whose switch is unknown.
    #[error("link from {from} to {to}: no [[node]] {from} with a switch")]
    NoSender {
        /// Number of the sender.
        from: u64,
        /// Number of the neighbour.
        to: u64,
    },
    /// Two links join one pair of nodes.
    #[error("link from {from} to {to} is configured twice")]
    SameLink {
        /// Number of the sender.
        from: u64,
        /// Number of the neighbour.
        to: u64,
    },
    /// A version without a translator.
    #[error("link from {from} to {to}: speaks must be 6 or 7, found {found}")]
    Speaks {
        /// Number of the sender.
        from: u64,
        /// Number of the neighbour.
        to: u64,
        /// What was written.
        found: u8,
    },
    /// Nothing could be planned.
    #[error("contacts: horizon_s must be above 0")]
    Horizon,
    /// It is no probability.
    #[error("contacts: least_confidence must be between 0 and 1, found {0}")]
    Confidence(String),
}

/// Finds what cannot work.
pub(super) fn check(
    contacts: Option<&Contacts>,
    nodes: &[Node],
    links: &[Link],
    switches: &BTreeSet<&str>,
    found: &mut Vec<Misconfiguration>,
) {
    let mut faults = Vec::new();
    match contacts {
        None if !nodes.is_empty() || !links.is_empty() => {
            faults.push(ContactFault::WithoutContacts);
        }
        Some(contacts) if contacts.horizon_s == 0 => faults.push(ContactFault::Horizon),
        _ => {}
    }
    let least = contacts.and_then(|contacts| contacts.least_confidence);
    if let Some(least) = least.filter(|least| !(0.0..=1.0).contains(least)) {
        faults.push(ContactFault::Confidence(least.to_string()));
    }
    let learning = contacts.and_then(|contacts| contacts.learn.as_ref());
    if let Some(learning) = learning {
        let guard_ms = contacts.map_or(0, |contacts| contacts.guard_ms);
        if learning.silence_ms / 2 <= guard_ms {
            faults.push(ContactFault::Silence(guard_ms));
        }
        if !(0.0..=1.0).contains(&learning.confidence) {
            faults.push(ContactFault::Confidence(learning.confidence.to_string()));
        }
    }
    let mut numbers = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for node in nodes {
        node.check(switches, &mut faults);
        if !numbers.insert(node.number) {
            faults.push(ContactFault::SameNode(node.number));
        }
        if let Some(switch) = node.switch.as_ref().filter(|name| !taken.insert(*name)) {
            faults.push(ContactFault::SameSwitch(switch.clone()));
        }
    }
    let mut pairs = BTreeSet::new();
    for link in links {
        let Link { from, to, .. } = *link;
        if !nodes
            .iter()
            .any(|node| node.number == from && node.switch.is_some())
        {
            faults.push(ContactFault::NoSender { from, to });
        }
        if !pairs.insert((from, to)) {
            faults.push(ContactFault::SameLink { from, to });
        }
        if !matches!(link.speaks, 6 | 7) {
            let found = link.speaks;
            faults.push(ContactFault::Speaks { from, to, found });
        }
    }
    found.extend(faults.into_iter().map(Misconfiguration::Contacts));
}

impl Node {
    /// Its number as contact plans have it.
    #[must_use]
    pub fn id(&self) -> NodeNumber {
        NodeNumber(self.number)
    }

    fn check(&self, switches: &BTreeSet<&str>, faults: &mut Vec<ContactFault>) {
        let number = self.number;
        if let Some(switch) = &self.switch {
            if !switches.contains(switch.as_str()) {
                let switch = switch.clone();
                faults.push(ContactFault::NoSuchSwitch { number, switch });
            }
            if self.address.is_none() {
                faults.push(ContactFault::NoAddress(number));
            }
        }
        for name in &self.names {
            if !name.starts_with("//") || name.len() < 3 {
                let name = name.clone();
                faults.push(ContactFault::Name { number, name });
            }
        }
    }
}

impl TryFrom<String> for Time {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        UtcTime::from_text(&text).map(Self).ok_or(TimeError(text))
    }
}

impl TryFrom<String> for MacText {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        let pairs: Vec<_> = text.split(':').collect();
        let is_octet =
            |pair: &&str| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        if pairs.len() == 6 && pairs.iter().all(is_octet) {
            Ok(Self(text))
        } else {
            Err(MacError(text))
        }
    }
}

impl fmt::Display for MacText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn default_horizon_s() -> u32 {
    3600
}

fn default_guard_ms() -> u32 {
    50
}
