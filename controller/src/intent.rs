// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From configuration to what a switch should hold at all times.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use control::{
    desired::Item,
    learn::{DigestKind, digest_kind},
    names,
    orders::{Intent, Origin},
};
use p4rt::{
    Target,
    entries::{DefaultLine, DigestLine, EntriesFile, Fault, MulticastGroup, Replica, TableLine},
    p4info::{Digest, Index},
};

use crate::config;

/// Options that a peer has unless it says otherwise, for each version. The usual speaker of version
/// 6 is ION, which keeps some numbers in 32 bits and cuts off the rest without a word: a bundle
/// that would suffer is refused or takes the slow path.
const DEFAULT_OPTIONS: [(u8, &str, &str); 2] = [(6, "lifetime32", "1"), (6, "sequence32", "1")];

/// The same for neighbours of a node, whose forms are stated one by one: those of ION.
const NEIGHBOUR_OPTIONS: [(u8, &str, &str); 13] = [
    (6, "udp_port", "4556"),
    (7, "udp_port", "4556"),
    (6, "hdtn_priority", "0"),
    (7, "priority_block", "0"),
    (6, "lifetime32", "1"),
    (6, "sequence32", "1"),
    (6, "cbhe", "1"),
    (6, "dictionary", "1"),
    (6, "age_type", "20"),
    (6, "mtu", "0"),
    (7, "crc_primary", "1"),
    (7, "crc_blocks", "0"),
    (7, "mtu", "0"),
];

/// Tells copies of flooded packets from others in the egress pipeline.
const FLOOD_INSTANCE: u32 = 1;

/// A part of the configuration that the program has no place for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Misfit {
    /// Which part.
    pub place: String,
    /// What is wrong.
    pub fault: Fault,
}

/// Computes what a switch should hold.
///
/// # Errors
/// Every part that does not fit the program.
pub fn compute(
    switch: &config::Switch,
    config: &config::Config,
    files: &[(String, EntriesFile)],
    index: &Index,
) -> Result<Intent, Vec<Misfit>> {
    let mut intent = Intent::default();
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
            Ok(entry) => intent.put(
                Item::Entry(entry),
                Origin::Configuration(format!("peer {}", peer.network)),
            ),
            Err((place, fault)) => {
                misfits.push(Misfit {
                    place: format!("peer {}{place}", peer.network),
                    fault,
                });
            }
        }
    }
    if let Some(group) = switch.flood_group {
        flood(&mut intent, group, &switch.ports, index, &mut misfits);
    }
    subscribe(
        &mut intent,
        &config.digests,
        switch.target,
        index,
        &mut misfits,
    );
    if misfits.is_empty() {
        Ok(intent)
    } else {
        Err(misfits)
    }
}

fn flood(intent: &mut Intent, group: u16, ports: &[u32], index: &Index, misfits: &mut Vec<Misfit>) {
    let replica = |port: &u32| Replica {
        port: *port,
        instance: FLOOD_INSTANCE,
    };
    let mut replicas: Vec<_> = ports.iter().map(replica).collect();
    replicas.sort_unstable();
    let id = group.into();
    intent.put(
        Item::MulticastGroup(MulticastGroup { id, replicas }),
        Origin::Configuration("flood_group".to_owned()),
    );
    let line = DefaultLine {
        table: names::L2_FORWARD.to_owned(),
        action: names::FLOOD.to_owned(),
        params: [(names::FLOOD_GROUP.to_owned(), group.to_string())].into(),
    };
    match line.resolve(index) {
        Ok(entry) => intent.put(
            Item::Entry(entry),
            Origin::Configuration("flood_group".to_owned()),
        ),
        Err((place, fault)) => {
            misfits.push(Misfit {
                place: format!("flood_group{place}"),
                fault,
            });
        }
    }
}

fn subscribe(
    intent: &mut Intent,
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
        intent.put(Item::Digest(clamp(line, target)), Origin::Digests);
    }
    if !digests.is_empty() {
        return;
    }
    for digest in index.digests() {
        let item = Item::Digest(clamp(usual_subscription(digest), target));
        if intent.state.item(&item.key()).is_none() {
            intent.put(item, Origin::Digests);
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
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
    let params = with_usual(&DEFAULT_OPTIONS, peer.speaks, action, &peer.options, index);
    TableLine {
        table: names::PEER.to_owned(),
        fields: [(names::PEER_KEY.to_owned(), peer.network.to_string())].into(),
        action: action.to_owned(),
        params,
        priority: None,
    }
}

/// A neighbour as an entry in words, without its number.
pub(crate) fn neighbour_line(
    link: &config::Link,
    own_address: Option<Ipv4Addr>,
    index: &Index,
) -> TableLine {
    let action = if link.speaks == 6 {
        names::HOP_V6
    } else {
        names::HOP_V7
    };
    let source = link.source.or(own_address);
    let source = source.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let addresses = [
        ("port", link.port.to_string()),
        ("ethernet_src", link.ethernet_source.to_string()),
        ("ethernet_dst", link.ethernet.to_string()),
        ("ipv4_src", source.to_string()),
        ("ipv4_dst", link.address.to_string()),
    ];
    let mut params = with_usual(
        &NEIGHBOUR_OPTIONS,
        link.speaks,
        action,
        &link.options,
        index,
    );
    params.extend(addresses.map(|(name, value)| (name.to_owned(), value)));
    TableLine {
        table: names::NEXT_HOP.to_owned(),
        fields: BTreeMap::new(),
        action: action.to_owned(),
        params,
        priority: None,
    }
}

/// What is stated, and the usual values of other parameters that the action has.
fn with_usual(
    usual: &[(u8, &str, &str)],
    version: u8,
    action: &str,
    stated: &BTreeMap<String, config::OptionValue>,
    index: &Index,
) -> BTreeMap<String, String> {
    let declared = index.action(action).map(|action| &action.params);
    let is_declared =
        |name: &str| declared.is_some_and(|params| params.iter().any(|param| param.name == name));
    let usual = usual
        .iter()
        .filter(|(of, name, _)| *of == version && is_declared(name))
        .map(|(_, name, value)| ((*name).to_owned(), (*value).to_owned()));
    let stated = stated
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string()));
    usual.chain(stated).collect()
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
