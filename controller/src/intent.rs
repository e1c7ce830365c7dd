// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From configuration and observation to entries.
//!
//! This is the only place that knows how the generated program names its tables.

use std::{collections::BTreeMap, fmt};

use p4rt::{
    Bits, Entry, Match, Target,
    entries::{DefaultLine, DigestLine, EntriesFile, Fault, MulticastGroup, Replica, TableLine},
    entry::{Condition, Key},
    p4info::{Digest, Index, Table},
};

use crate::{
    config::{self, Network},
    desired::{Item, ItemKey, SwitchState},
    macs::{Mac, MacTable, Port},
};

/// Names in the generated program.
mod names {
    pub(super) const PEER: &str = "ingress.peer";
    pub(super) const PEER_KEY: &str = "hdr.ipv4.dst";
    pub(super) const SPEAKS_V6: &str = "ingress.speaks_v6";
    pub(super) const SPEAKS_V7: &str = "ingress.speaks_v7";
    pub(super) const L2_FORWARD: &str = "ingress.l2_forward";
    pub(super) const FORWARD: &str = "ingress.forward";
    pub(super) const FORWARD_PORT: &str = "port";
    pub(super) const FLOOD: &str = "ingress.flood";
    pub(super) const FLOOD_GROUP: &str = "group";
    pub(super) const L2_SOURCE: &str = "ingress.l2_source";
    pub(super) const NO_ACTION: &str = "NoAction";
    pub(super) const LEARN: &str = "learn_t";
    pub(super) const BUNDLE_REPORT: &str = "bundle_report_t";
    pub(super) const INGRESS_PORT: &str = "ingress_port";
}

/// Options that a peer has unless it says otherwise, for each version. The usual speaker of version
/// 6 is ION, which keeps some numbers in 32 bits and cuts off the rest without a word: a bundle
/// that would suffer is refused or takes the slow path.
const DEFAULT_OPTIONS: [(u8, &str, &str); 2] = [(6, "lifetime32", "1"), (6, "sequence32", "1")];

/// Width of an Ethernet address.
const MAC_BITS: u32 = 48;

/// Tells copies of flooded packets from others in the egress pipeline.
const FLOOD_INSTANCE: u32 = 1;

/// What asked for an item.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// An entries file.
    File(String),
    /// A `[[peer]]` of the configuration.
    Peer(Network),
    /// `flood_group` of the configuration.
    FloodGroup,
    /// The digests of the configuration, or those of the program if it names none.
    Digests,
    /// A packet that was seen.
    Learned,
}

/// What a switch should hold before it has seen a packet.
#[derive(Clone, Debug, Default)]
pub struct Intent {
    /// The items.
    pub state: SwitchState,
    /// What asked for each of them.
    pub origins: BTreeMap<ItemKey, Origin>,
}

/// A part of the configuration that the program has no place for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Misfit {
    /// Which part.
    pub place: String,
    /// What is wrong.
    pub fault: Fault,
}

/// The kinds of digest that the controller understands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DigestKind {
    /// A MAC address that the switch does not know yet.
    Learn,
    /// A bundle that the switch has seen.
    BundleReport,
    /// Anything else.
    Unknown,
}

impl Intent {
    /// Computes what a switch should hold.
    ///
    /// # Errors
    /// Every part that does not fit the program.
    pub fn new(
        switch: &config::Switch,
        config: &config::Config,
        files: &[(String, EntriesFile)],
        index: &Index,
    ) -> Result<Self, Vec<Misfit>> {
        let mut intent = Self::default();
        let mut misfits = Vec::new();
        for (name, file) in files {
            match file.resolve(index) {
                Ok(resolved) => {
                    let items = resolved.entries.into_iter().map(Item::Entry);
                    let groups = resolved
                        .multicast_groups
                        .into_iter()
                        .map(Item::MulticastGroup);
                    let sessions = resolved.clone_sessions.into_iter().map(Item::CloneSession);
                    let digests = resolved.digests.into_iter();
                    let digests = digests.map(|line| Item::Digest(clamp(line, switch.target)));
                    for item in items.chain(groups).chain(sessions).chain(digests) {
                        intent.put(item, Origin::File(name.clone()));
                    }
                }
                Err(found) => misfits.extend(found.into_iter().map(|misfit| Misfit {
                    place: format!("{name}: {}", misfit.place),
                    fault: misfit.fault,
                })),
            }
        }
        for peer in config.peers_of(&switch.name) {
            match peer_line(peer, index).resolve(index) {
                Ok(entry) => intent.put(Item::Entry(entry), Origin::Peer(peer.network)),
                Err((place, fault)) => {
                    misfits.push(Misfit {
                        place: format!("peer {}{place}", peer.network),
                        fault,
                    });
                }
            }
        }
        if let Some(group) = switch.flood_group {
            intent.flood(group, &switch.ports, index, &mut misfits);
        }
        intent.subscribe(&config.digests, switch.target, index, &mut misfits);
        if misfits.is_empty() {
            Ok(intent)
        } else {
            Err(misfits)
        }
    }

    fn put(&mut self, item: Item, origin: Origin) {
        self.origins.insert(item.key(), origin);
        self.state.put(item);
    }

    fn flood(&mut self, group: u16, ports: &[u32], index: &Index, misfits: &mut Vec<Misfit>) {
        let replica = |port: &u32| Replica {
            port: *port,
            instance: FLOOD_INSTANCE,
        };
        let mut replicas: Vec<_> = ports.iter().map(replica).collect();
        replicas.sort_unstable();
        let id = group.into();
        self.put(
            Item::MulticastGroup(MulticastGroup { id, replicas }),
            Origin::FloodGroup,
        );
        let line = DefaultLine {
            table: names::L2_FORWARD.to_owned(),
            action: names::FLOOD.to_owned(),
            params: [(names::FLOOD_GROUP.to_owned(), group.to_string())].into(),
        };
        match line.resolve(index) {
            Ok(entry) => self.put(Item::Entry(entry), Origin::FloodGroup),
            Err((place, fault)) => {
                misfits.push(Misfit {
                    place: format!("flood_group{place}"),
                    fault,
                });
            }
        }
    }

    fn subscribe(
        &mut self,
        digests: &[config::Digest],
        target: Target,
        index: &Index,
        misfits: &mut Vec<Misfit>,
    ) {
        for digest in digests {
            let Some(found) = index.digest(&digest.name) else {
                let fault = Fault::NoDigest(digest.name.clone());
                misfits.push(Misfit {
                    place: "digest".to_owned(),
                    fault,
                });
                continue;
            };
            let line = DigestLine {
                digest: found.name.clone(),
                max_timeout_ms: digest.max_timeout_ms,
                max_list_size: digest.max_list_size,
                ack_timeout_ms: digest.ack_timeout_ms,
            };
            self.put(Item::Digest(clamp(line, target)), Origin::Digests);
        }
        if !digests.is_empty() {
            return;
        }
        for digest in index.digests() {
            let item = Item::Digest(clamp(usual_subscription(digest), target));
            if self.state.item(&item.key()).is_none() {
                self.put(item, Origin::Digests);
            }
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => f.write_str(name),
            Self::Peer(network) => write!(f, "peer {network}"),
            Self::FloodGroup => f.write_str("flood_group"),
            Self::Digests => f.write_str("digests"),
            Self::Learned => f.write_str("learned"),
        }
    }
}

/// What a digest tells.
#[must_use]
pub fn digest_kind(name: &str) -> DigestKind {
    match name {
        names::LEARN => DigestKind::Learn,
        names::BUNDLE_REPORT => DigestKind::BundleReport,
        _ => DigestKind::Unknown,
    }
}

/// Reads the sighting in a sample: the member of 48 bits is the address. The port is the other
/// member of a learning digest, whatever it is called, and the ingress port of a bundle report.
/// `None` if the sample names no interface.
#[must_use]
pub fn sighting(sample: &[(&p4rt::p4info::Field, Bits)]) -> Option<(Mac, Port)> {
    let (address, mac) = sample
        .iter()
        .find(|(field, _)| field.width_bits == MAC_BITS)?;
    let is_port = |field: &p4rt::p4info::Field| {
        field.name == names::INGRESS_PORT || (sample.len() == 2 && field.name != address.name)
    };
    let (_, port) = sample.iter().find(|(field, _)| is_port(field))?;
    Some((
        Mac::unicast(mac.to_uint()?)?,
        Port(u32::try_from(port.to_uint()?).ok()?),
    ))
}

/// The entries that make a switch know an address: forward to it, and do not report it again.
#[must_use]
pub fn learned_entries(macs: &MacTable, index: &Index) -> Vec<Entry> {
    let Some(tables) = LearningTables::new(index) else {
        return Vec::new();
    };
    macs.places()
        .flat_map(|(mac, port)| tables.entries(mac, port))
        .collect()
}

/// The addresses that a switch knows from an earlier controller. Both tables must agree.
#[must_use]
pub fn adopted(state: &SwitchState, index: &Index) -> Vec<(Mac, Port)> {
    let Some(tables) = LearningTables::new(index) else {
        return Vec::new();
    };
    let known = state.entries_of(&tables.forward.name).filter_map(|entry| {
        let Condition::Match { fields, .. } = &entry.key.condition else {
            return None;
        };
        let Some(Match::Exact(mac)) = fields.values().next() else {
            return None;
        };
        let port = entry.params.get(names::FORWARD_PORT)?;
        Some((
            Mac::unicast(mac.to_uint()?)?,
            Port(u32::try_from(port.to_uint()?).ok()?),
        ))
    });
    let confirmed = |(mac, port): &(Mac, Port)| {
        let mut entries = tables.entries(*mac, *port).into_iter().map(Item::Entry);
        entries.all(|item| state.item(&item.key()) == Some(&item))
    };
    known.filter(confirmed).collect()
}

/// The two tables of learning, if the program has both.
struct LearningTables<'a> {
    forward: &'a Table,
    source: &'a Table,
}

impl<'a> LearningTables<'a> {
    fn new(index: &'a Index) -> Option<Self> {
        let (forward, source) = (
            index.table(names::L2_FORWARD)?,
            index.table(names::L2_SOURCE)?,
        );
        let fits = forward.fields.len() == 1 && source.fields.len() == 2;
        fits.then_some(Self { forward, source })
    }

    fn entries(&self, mac: Mac, port: Port) -> [Entry; 2] {
        let mac = || Match::Exact(Bits::from(mac.number()));
        let key = |table: &Table, matches: Vec<Match>| {
            let names = table.fields.iter().map(|field| field.name.clone());
            let condition = Condition::Match {
                fields: names.zip(matches).collect(),
                priority: 0,
            };
            Key {
                table: table.name.clone(),
                condition,
            }
        };
        let forward = Entry {
            key: key(self.forward, vec![mac()]),
            action: names::FORWARD.to_owned(),
            params: [(names::FORWARD_PORT.to_owned(), Bits::from(port.0))].into(),
        };
        let matches = vec![mac(), Match::Exact(Bits::from(port.0))];
        let source = Entry {
            key: key(self.source, matches),
            action: names::NO_ACTION.to_owned(),
            params: BTreeMap::new(),
        };
        [forward, source]
    }
}

/// A peer as an entry in words. Options go to the parameters of the same name; what is neither
/// stated nor usual is missing, and [`TableLine::resolve`] says so.
fn peer_line(peer: &config::Peer, index: &Index) -> TableLine {
    let action = if peer.speaks == 6 {
        names::SPEAKS_V6
    } else {
        names::SPEAKS_V7
    };
    let usual = DEFAULT_OPTIONS.iter().filter(|(version, name, _)| {
        let declared = index.action(action).map(|action| &action.params);
        let declared = declared.is_some_and(|params| params.iter().any(|p| p.name == *name));
        *version == peer.speaks && declared
    });
    let usual = usual.map(|(_, name, value)| ((*name).to_owned(), (*value).to_owned()));
    let stated = peer
        .options
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string()));
    TableLine {
        table: names::PEER.to_owned(),
        fields: [(names::PEER_KEY.to_owned(), peer.network.to_string())].into(),
        action: action.to_owned(),
        params: usual.chain(stated).collect(),
        priority: None,
    }
}

/// Every bundle matters by itself; an unknown address is worth one report in a while.
fn usual_subscription(digest: &Digest) -> DigestLine {
    let ack_timeout_ms = if digest_kind(&digest.name) == DigestKind::Learn {
        1000
    } else {
        0
    };
    DigestLine {
        digest: digest.name.clone(),
        max_timeout_ms: 10,
        max_list_size: 1,
        ack_timeout_ms,
    }
}

/// Keeps a server from taking a short time-out for "never".
fn clamp(line: DigestLine, target: Target) -> DigestLine {
    let least = target.quirks().least_digest_timeout_ms;
    DigestLine {
        max_timeout_ms: line.max_timeout_ms.max(least),
        ..line
    }
}
