// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contacts that are learned from bundles: a neighbour that is heard can be sent to, until it has been
//! silent for a while.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use contact::predict::predict;
use contact::{
    BytesPerSecond, Confidence, Contact, ContactGraph, NodeNumber, Plan, Range, Span, UtcTime,
};
use control::{core::Sample, names};
use p4rt::{
    Bits,
    value::{Format, print},
};

use serde::{Deserialize, Serialize};

use crate::{
    config::{Learning, Link, MacText},
    schedule::Network,
};

/// A bundle that a switch has seen, as far as it tells of a neighbour.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heard {
    /// Name of the switch.
    pub switch: String,
    /// The port by which it came.
    pub port: u32,
    /// The Ethernet address of who sent it.
    pub ethernet: String,
    /// The IP address of who sent it.
    pub address: IpAddr,
    /// The version of the bundle.
    pub version: u8,
    /// When the switch told of it.
    pub at: UtcTime,
}

/// What was learned about contacts.
#[derive(Clone, Debug)]
pub struct Neighbours {
    terms: Terms,
    /// By node and neighbour.
    contacts: BTreeMap<(NodeNumber, NodeNumber), Window>,
    /// Those that are over, the last ones of each pair.
    past: BTreeMap<(NodeNumber, NodeNumber), Vec<Window>>,
    /// Links that no configuration names. They stay, so that the numbers of others do.
    links: Vec<Link>,
}

/// What was learned, for a later life of the controller.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Memory {
    encounters: Vec<Encounter>,
    links: Vec<Link>,
}

/// A contact that was learned. Times are in microseconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Encounter {
    node: u64,
    neighbour: u64,
    from_us: u64,
    heard_us: u64,
    until_us: u64,
}

/// What is assumed of a learned contact.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    silence: Span,
    rate: BytesPerSecond,
    confidence: Confidence,
    light_time: Span,
    /// How far ahead contacts are predicted.
    ahead: Span,
}

/// A learned contact. It is open from the first bundle on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// When it was known that the neighbour is there.
    pub from: UtcTime,
    /// When it was heard last.
    pub heard: UtcTime,
    /// When it will have been silent for too long.
    pub until: UtcTime,
}

/// What is new about a neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct News {
    /// The node that heard it.
    pub node: NodeNumber,
    /// The neighbour.
    pub neighbour: NodeNumber,
    /// What has happened.
    pub change: Change,
}

/// What has happened with a neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It is there, by a link that is configured.
    Seen,
    /// It is there, by a link that was not known.
    NewLink,
    /// It is still there.
    Prolonged,
    /// It is not heard any more.
    Silent,
}

/// So many contacts of a pair that are over are kept: as many as predictions look at.
const REMEMBERED: usize = 48;

impl Heard {
    /// Reads the report of a bundle. `None` if the program does not tell of the neighbour.
    #[must_use]
    pub fn of(switch: &str, sample: &Sample) -> Option<Self> {
        if sample.digest != names::BUNDLE_REPORT {
            return None;
        }
        let member = |name: &str| {
            let mut members = sample.members.iter();
            members.find(|(found, ..)| found == name)
        };
        let number = |name: &str| member(name)?.2.to_uint();
        let address = Ipv6Addr::from_bits(number(names::NEIGHBOUR_IP)?);
        let ethernet: &Bits = &member(names::NEIGHBOUR)?.2;
        Some(Self {
            switch: switch.to_owned(),
            port: number(names::INGRESS_PORT)?.try_into().ok()?,
            ethernet: print(ethernet, Format::Mac),
            address: address
                .to_ipv4_mapped()
                .map_or(IpAddr::V6(address), IpAddr::V4),
            version: number(names::BUNDLE_VERSION)?.try_into().ok()?,
            at: sample.at,
        })
    }
}

/// Whether a bundle that was told of at a time was sent in a contact: it was seen before that, and the
/// clock of the neighbour may be ahead.
fn is_of(contact: &Contact, told: UtcTime) -> bool {
    let later = |time: UtcTime| time.checked_add(MARGIN).unwrap_or(UtcTime::MAX);
    contact.start <= later(told) && told < later(contact.end)
}

/// A switch tells of a bundle so long after it has seen it, or that time is too short for contacts that
/// are learned: digests wait for others, and for a loaded machine.
const MARGIN: Span = Span::from_seconds(1);

impl Neighbours {
    /// Nothing has been learned yet.
    #[must_use]
    pub fn new(learning: &Learning) -> Self {
        let terms = Terms {
            silence: Span::from_micros(u64::from(learning.silence_ms) * 1000),
            rate: BytesPerSecond(learning.bytes_per_second),
            confidence: Confidence::new(learning.confidence).unwrap_or(Confidence::CERTAIN),
            light_time: Span::from_micros(u64::from(learning.light_time_ms) * 1000),
            ahead: Span::from_seconds(learning.predict_s.into()),
        };
        Self {
            terms,
            contacts: BTreeMap::new(),
            past: BTreeMap::new(),
            links: Vec::new(),
        }
    }

    /// What an earlier life has learned. Neighbours that are not silent yet are there.
    #[must_use]
    pub fn remembering(learning: &Learning, memory: Memory, now: UtcTime) -> Self {
        let mut neighbours = Self::new(learning);
        neighbours.links = memory.links;
        for encounter in memory.encounters {
            let pair = (NodeNumber(encounter.node), NodeNumber(encounter.neighbour));
            let window = Window {
                from: UtcTime::from_micros(encounter.from_us),
                heard: UtcTime::from_micros(encounter.heard_us),
                until: UtcTime::from_micros(encounter.until_us),
            };
            if now < window.until {
                neighbours.contacts.insert(pair, window);
            } else {
                neighbours.put_aside(pair, window);
            }
        }
        neighbours
    }

    /// What a later life needs to know.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let past = self.past.iter();
        let past =
            past.flat_map(|(pair, windows)| windows.iter().map(move |window| (pair, window)));
        let encounter = |(pair, window): (&(NodeNumber, NodeNumber), &Window)| Encounter {
            node: pair.0.0,
            neighbour: pair.1.0,
            from_us: window.from.micros(),
            heard_us: window.heard.micros(),
            until_us: window.until.micros(),
        };
        Memory {
            encounters: past.chain(&self.contacts).map(encounter).collect(),
            links: self.links.clone(),
        }
    }

    /// Keeps a contact that is over, for predictions.
    fn put_aside(&mut self, pair: (NodeNumber, NodeNumber), window: Window) {
        let windows = self.past.entry(pair).or_default();
        windows.push(window);
        let surplus = windows.len().saturating_sub(REMEMBERED);
        windows.drain(..surplus);
    }

    /// Learns from a bundle. Returns what is new, if routes have to be made again because of it.
    pub fn hear(&mut self, network: &Network, heard: &Heard, now: UtcTime) -> Option<News> {
        let node = network.node_of(&heard.switch)?.id();
        let (neighbour, is_new) = self.neighbour(network, node, heard)?;
        // In a planned contact only the link is learned: its end is known, and the neighbour is not
        // there for longer because it was heard.
        let mut planned = network.plan.contacts_between(node, neighbour).iter();
        if planned.any(|contact| is_of(contact, heard.at)) {
            let news = News {
                node,
                neighbour,
                change: Change::NewLink,
            };
            return is_new.then_some(news);
        }
        let until = heard.at.checked_add(self.terms.silence)?;
        if until <= now {
            return None;
        }
        let window = self.contacts.get(&(node, neighbour)).copied();
        let window = window.filter(|window| now < window.until);
        let change = match window {
            // Not more often than half of the time: every change is a new plan for the node.
            Some(window) if window.until.since(now).micros() * 2 > self.terms.silence.micros() => {
                return None;
            }
            Some(_) => Change::Prolonged,
            None if is_new => Change::NewLink,
            None => Change::Seen,
        };
        let from = window.map_or(now, |window| window.from);
        let window = Window {
            from,
            heard: heard.at,
            until,
        };
        self.contacts.insert((node, neighbour), window);
        Some(News {
            node,
            neighbour,
            change,
        })
    }

    /// Forgets neighbours that have been silent for too long.
    pub fn forget(&mut self, now: UtcTime) -> Vec<News> {
        let silent = self
            .contacts
            .extract_if(.., |_, window| window.until <= now);
        let silent: Vec<_> = silent.collect();
        let news = |(pair, window)| {
            self.put_aside(pair, window);
            News {
                node: pair.0,
                neighbour: pair.1,
                change: Change::Silent,
            }
        };
        silent.into_iter().map(news).collect()
    }

    /// When the first neighbour will have been silent for too long.
    #[must_use]
    pub fn next_end(&self) -> Option<UtcTime> {
        self.contacts.values().map(|window| window.until).min()
    }

    /// The learned contacts, by node and neighbour.
    #[must_use]
    pub fn contacts(&self) -> &BTreeMap<(NodeNumber, NodeNumber), Window> {
        &self.contacts
    }

    /// The network with what was learned: a new version of the plan.
    #[must_use]
    pub fn add_to(&self, network: &Network, now: UtcTime) -> Network {
        let mut plan = network.plan.clone();
        for (&(node, neighbour), window) in &self.contacts {
            // Who is heard can be sent to, as far as anybody knows.
            for (from, to) in [(node, neighbour), (neighbour, node)] {
                self.add_contact(&mut plan, (from, to), *window);
            }
        }
        self.add_predictions(&mut plan, now);
        let mut links = network.links.clone();
        links.extend(self.links.iter().cloned());
        Network {
            version: network.version.max(now.micros() / 1000),
            graph: ContactGraph::new(&plan, &network.options),
            plan,
            links,
            ..network.clone()
        }
    }

    /// Adds contacts that are expected because there were such at regular times. What is planned or
    /// open counts more.
    fn add_predictions(&self, plan: &mut Plan, now: UtcTime) {
        let Some(until) = now.checked_add(self.terms.ahead) else {
            return;
        };
        if self.terms.ahead == Span::ZERO {
            return;
        }
        let mut history = Plan::new();
        let past = self.past.iter();
        let past =
            past.flat_map(|(pair, windows)| windows.iter().map(move |window| (pair, window)));
        for (&(from, to), window) in past.chain(&self.contacts) {
            // Windows of a pair follow each other.
            let _ = history.add_contact(self.contact((from, to), *window));
        }
        for expected in predict(&history, now, until) {
            let back = Contact {
                from: expected.to,
                to: expected.from,
                ..expected
            };
            for contact in [expected, back] {
                if plan.add_predictions([contact]) == 0 {
                    continue;
                }
                let (from, to, start) = (contact.from, contact.to, contact.start);
                if plan.light_time(from, to, start).is_none() {
                    let _ = plan.add_range(Range {
                        from,
                        to,
                        start,
                        end: contact.end,
                        light_time: self.terms.light_time,
                    });
                }
            }
        }
    }

    fn contact(&self, (from, to): (NodeNumber, NodeNumber), window: Window) -> Contact {
        Contact {
            from,
            to,
            start: window.from,
            end: window.until,
            rate: self.terms.rate,
            confidence: self.terms.confidence,
        }
    }

    /// Adds a contact where the plan has none. Behind a planned contact the neighbour is there only if it
    /// was heard behind it.
    fn add_contact(&self, plan: &mut Plan, (from, to): (NodeNumber, NodeNumber), window: Window) {
        let mut start = window.from;
        let planned: Vec<_> = plan.contacts_between(from, to).to_vec();
        let ends = planned.iter().map(|contact| (contact.start, contact.end));
        for (end, next) in ends.chain([(window.until, window.until)]) {
            let contact = Contact {
                from,
                to,
                start,
                end: end.min(window.until),
                rate: self.terms.rate,
                confidence: self.terms.confidence,
            };
            // What is empty is refused, and that is right.
            let _ = plan.add_contact(contact);
            if window.from < next && window.heard < next {
                break;
            }
            start = start.max(next);
        }
        if plan.light_time(from, to, window.from).is_none() {
            // A range that begins later stays as it is planned.
            let _ = plan.add_range(Range {
                from,
                to,
                start: window.from,
                end: window.until,
                light_time: self.terms.light_time,
            });
        }
    }

    /// Who was heard, and whether the link to it is a new one.
    fn neighbour(
        &mut self,
        network: &Network,
        node: NodeNumber,
        heard: &Heard,
    ) -> Option<(NodeNumber, bool)> {
        let IpAddr::V4(address) = heard.address else {
            return None;
        };
        let is_here = |link: &&Link| {
            link.from == node.0 && link.port == heard.port && link.address == address
        };
        if let Some(link) = network.links.iter().chain(&self.links).find(is_here) {
            return Some((NodeNumber(link.to), false));
        }
        let mut nodes = network.nodes.iter();
        let other = nodes.find(|other| other.address == Some(address) && other.id() != node)?;
        let is_configured = |link: &Link| link.from == node.0 && link.to == other.number;
        // What people say about a neighbour counts more than where it was heard.
        if network.links.iter().any(is_configured) {
            return None;
        }
        let own = network.nodes.iter().find(|own| own.id() == node)?;
        let of_others = || {
            let mut links = network.links.iter().filter(|link| link.from == node.0);
            links.next().map(|link| link.ethernet_source.clone())
        };
        let link = Link {
            from: node.0,
            to: other.number,
            port: heard.port,
            ethernet: MacText::try_from(heard.ethernet.clone()).ok()?,
            ethernet_source: own.ethernet.clone().or_else(of_others)?,
            address,
            source: None,
            speaks: heard.version,
            options: BTreeMap::new(),
        };
        // It may have moved to another port.
        match self.links.iter_mut().find(|link| is_configured(link)) {
            Some(known) => *known = link,
            None => self.links.push(link),
        }
        Some((other.id(), true))
    }
}
