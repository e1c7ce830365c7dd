// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The part of the configuration about controllers of other clusters.

use std::{collections::BTreeSet, net::SocketAddr};

use serde::Deserialize;

use super::{Contacts, Misconfiguration, ServerTls, Tls};

/// How this cluster exchanges with others what can be reached, and when.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peering {
    /// Name of this cluster. No other one has it.
    pub cluster: String,
    /// Where controllers of other clusters connect; default nowhere. Without `tls` it has to be a
    /// loopback address.
    pub listen: Option<SocketAddr>,
    /// Certificates; default none, and connections in the clear.
    pub tls: Option<ServerTls>,
    /// How long a peer may be silent before its stream ends; default 30 s. What it has announced stays.
    #[serde(default = "default_hold_s")]
    pub hold_s: u32,
    /// The other clusters, `[[peering.peer]]`.
    #[serde(rename = "peer", default)]
    pub peers: Vec<Cluster>,
}

/// Another cluster.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Its name.
    pub cluster: String,
    /// `host:port` of its controller, or of all of its controllers with commas between them; default:
    /// it connects to this one.
    pub address: Option<String>,
    /// Numbers of its nodes that nodes of this cluster have contacts with. The contact plan has these
    /// contacts.
    pub gateways: BTreeSet<u64>,
    /// Certificates for the connection; default none, and a connection in the clear.
    pub tls: Option<Tls>,
}

/// Something in this part that cannot work.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PeeringFault {
    /// Nothing could be announced.
    #[error("[peering] needs [contacts]")]
    WithoutContacts,
    /// Two clusters have one name.
    #[error("two clusters are called {0:?}")]
    SameCluster(String),
    /// A name that stands in messages.
    #[error("cluster {0:?}: a name has 1 to 255 letters")]
    Name(String),
    /// A node is in two clusters.
    #[error("node {0} is a gateway of two clusters")]
    SameGateway(u64),
    /// It could not be reached.
    #[error("cluster {0:?} has no gateways")]
    NoGateway(String),
    /// Streams would end at once.
    #[error("peering: hold_s must be at least 3")]
    Hold,
    /// Half of a pair of files.
    #[error("cluster {0:?}: tls needs both certificate and key, or neither")]
    Key(String),
}

/// Finds what cannot work.
pub(super) fn check(
    peering: &Peering,
    contacts: Option<&Contacts>,
    found: &mut Vec<Misconfiguration>,
) {
    let mut faults = Vec::new();
    if contacts.is_none() {
        faults.push(PeeringFault::WithoutContacts);
    }
    if peering.hold_s < 3 {
        faults.push(PeeringFault::Hold);
    }
    let mut names = BTreeSet::new();
    let mut gateways = BTreeSet::new();
    let clusters = peering.peers.iter().map(|peer| &peer.cluster);
    for name in clusters.chain([&peering.cluster]) {
        if !(1..=255).contains(&name.len()) {
            faults.push(PeeringFault::Name(name.clone()));
        }
        if !names.insert(name) {
            faults.push(PeeringFault::SameCluster(name.clone()));
        }
    }
    for peer in &peering.peers {
        let name = || peer.cluster.clone();
        if peer.gateways.is_empty() {
            faults.push(PeeringFault::NoGateway(name()));
        }
        let again = peer.gateways.iter().filter(|node| !gateways.insert(**node));
        faults.extend(again.map(|node| PeeringFault::SameGateway(*node)));
        let tls = peer.tls.as_ref();
        if tls.is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
            faults.push(PeeringFault::Key(name()));
        }
    }
    found.extend(faults.into_iter().map(Misconfiguration::Peering));
}

fn default_hold_s() -> u32 {
    30
}
