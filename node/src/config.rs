// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration: one TOML file, read once, and checked before anything starts.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::path::PathBuf;

use bundle::translate::{Crcs, Node, PeerV6, Profile};
use bundle::v6::BlockType;
use bundle::v7::{CrcType, Tolerance};
use bundle::{Eid, Policy, Version};
use contact::NodeNumber;
use p4rt::Target;
use serde::Deserialize;

use crate::attachment::Attachment;
use crate::core::NextHop;
use crate::datagram::Addresses;
use crate::inject::LEARNED_PORT;
use crate::network::{Network, PrefixTable};
use crate::punt::PortId;
use crate::receiver::Receiver;
use crate::routes::{Pattern, Routes};

mod names;

pub use names::{PriorityName, PriorityRuleName, UnknownBlocksName};

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the switch is: `udp:LOCAL=PEER`, two addresses with ports, or a Linux interface.
    pub link: Attachment,
    /// The port of the switch at the other end. With it, bundles stay in the store until the switch
    /// has handed out what was sent after them. Default: what the link takes counts as sent.
    pub link_port: Option<u16>,
    /// The node ID, for example `ipn:10.0`. With it the node is a hop of what it sends: it is the
    /// previous node, bundles get older, hops are counted. Default: it is transparent.
    pub node_id: Option<String>,
    /// Whether expired bundles are dropped that do not wait for a contact. Default `false`: the
    /// switch program does not look at the time either, and hosts may have no clock.
    #[serde(default)]
    pub drop_expired: bool,
    /// What translations have in common.
    #[serde(default)]
    pub translation: Translation,
    /// Where bundles wait. Default: nowhere, so those whose contact is closed are dropped.
    pub store: Option<Store>,
    /// When neighbours can be reached. Default: always.
    pub contacts: Option<Contacts>,
    /// Where counters can be read. Default: nowhere.
    pub metrics: Option<Metrics>,
    /// The cluster controller, and the switch that the node controls when it is away. Default: none.
    pub controller: Option<Controller>,
    /// The addresses of the switch itself. Bundles to them are routed by their destination.
    #[serde(default)]
    pub addresses: BTreeSet<IpAddr>,
    /// Receivers of bundles.
    #[serde(default, rename = "peer")]
    pub peers: Vec<Peer>,
    /// Where bundles go that come to the switch itself.
    #[serde(default, rename = "route")]
    pub routes: Vec<Route>,
}

/// What translations have in common. Every translator of a network must use the same.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Translation {
    /// How creation times and sequence numbers are mapped: `A` or `N`. Default `A`.
    #[serde(deserialize_with = "names::profile")]
    pub profile: Profile,
    /// The priority in version 6 of bundles that say none: `bulk`, `normal` or `expedited`.
    /// Default `normal`.
    pub default_priority: PriorityName,
    /// What becomes of it on the way to version 7: `drop`, `qos` or `hdtn`. Default `drop`.
    pub priority: PriorityRuleName,
    /// Whether blocks of type 13 are HDTN's priority. Default `false`.
    pub hdtn_priority: bool,
    /// What becomes of blocks of unknown types: `drop`, `keep-private` or `refuse`. Default `drop`.
    pub unknown_blocks: UnknownBlocksName,
    /// The lifetime in seconds that zero stands for in version 6. Default: zero.
    pub lifetime_zero_s: Option<NonZeroU64>,
    /// Whether deviations of version 7 that are seen in the field are refused. Default `false`.
    pub strict: bool,
}

/// Where bundles wait.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The file. It is made if it is not there. Relative to the configuration.
    pub path: PathBuf,
    /// Octets of frames that fit. Default 1 GiB. The file itself is larger.
    #[serde(default = "default_quota")]
    pub quota_octets: u64,
}

/// When neighbours can be reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contacts {
    /// A contact plan in the form of ION's `ionadmin`. Relative to the configuration. Its relative
    /// times count from the start of the program.
    pub plan: PathBuf,
    /// The number of this node in it.
    pub local_node: u64,
}

/// Where counters can be read.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Address and port of the HTTP server with `/metrics`. There is no access control.
    pub listen: SocketAddr,
}

/// The cluster controller, and the switch that the node controls when it is away.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// `host:port` at which the controller listens for nodes. Of several controllers, all with commas
    /// between them: the one that holds the cluster lets the node attach.
    pub address: String,
    /// The number of this node in the controller's contact plan.
    pub node: u64,
    /// `host:port` of the switch's P4Runtime server.
    pub switch: String,
    /// The number of the device there. Default 1.
    #[serde(default = "default_device_id")]
    pub device_id: u64,
    /// The kind of server: `sddtn`, `bmv2`, `tofino-pi` or `stratum`. Default `sddtn`.
    #[serde(default)]
    pub target: Target,
    /// Where the plan is kept. Relative to the configuration. Default `plan.bin`.
    #[serde(default = "default_plan")]
    pub plan: PathBuf,
    /// How long the switch may be without a controller before the node takes over. Default 1000.
    #[serde(default = "default_patience_ms")]
    pub patience_ms: u32,
    /// How often the node reports to the controller. Default 10.
    #[serde(default = "default_report_s")]
    pub report_s: u32,
    /// Certificates for the connection to the controller. Default none, and in the clear.
    pub tls: Option<Tls>,
    /// Certificates for the connection to the switch. Default none: it is on the same machine.
    pub switch_tls: Option<Tls>,
}

/// Certificates for a connection: files in PEM, relative to the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Authorities of the server.
    pub ca: PathBuf,
    /// The node's certificates, for servers that ask for one.
    pub certificate: Option<PathBuf>,
    /// The key of the first of them.
    pub key: Option<PathBuf>,
    /// The name in the certificate of the server. Default that in its address.
    pub name: Option<String>,
}

/// Where bundles go that come to the switch itself. The route that says most counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Their destinations: `*`, `ipn:NODE.*`, `ipn:NODE.SERVICE`, `dtn://NAME` or `dtn://NAME*`.
    pub endpoint: Pattern,
    /// The address of the next hop. It is found as other receivers are.
    pub next_hop: IpAddr,
    /// The source address of packets to it.
    pub source: IpAddr,
    /// The Ethernet address of the next hop, `02:00:00:00:00:07`.
    pub ethernet: Mac,
    /// The source address of frames to it.
    pub ethernet_source: Mac,
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Mac(pub [u8; 6]);

/// A text that is no Ethernet address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no Ethernet address of the form 02:00:00:00:00:07")]
pub struct MacError(String);

impl TryFrom<String> for Mac {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        let octet = |pair: &str| match pair.len() {
            2 if pair.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                u8::from_str_radix(pair, 16).ok()
            }
            _ => None,
        };
        let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
        let octets = octets.and_then(|octets| octets.try_into().ok());
        octets.map(Self).ok_or(MacError(text))
    }
}

/// A receiver of bundles. The options are named as those of table `peer` in the switch program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "capabilities are independent of each other"
)]
pub struct Peer {
    /// Its addresses, as `ADDRESS/LENGTH`. The longest network with an address wins.
    pub network: Network,
    /// The version that it reads, 6 or 7.
    pub speaks: u8,
    /// The port of the switch that leads to it. Default: the one behind which the switch has
    /// learned the frame's Ethernet destination.
    pub port: Option<u16>,
    /// The largest IP packet that the path takes. Default: any.
    pub mtu: Option<u16>,
    /// Its number in the contact plan. Default: it can always be reached.
    pub node: Option<u64>,
    /// The CRC on primary blocks: 0 none, 1 CRC-16, 2 CRC-32C. Default 1.
    #[serde(default = "default_crc_primary")]
    pub crc_primary: u8,
    /// The CRC on other blocks. Default 0.
    #[serde(default)]
    pub crc_blocks: u8,
    /// Whether it reads compressed headers of version 6. Default `true`.
    #[serde(default = "yes")]
    pub cbhe: bool,
    /// Whether it reads dictionaries. Default `true`.
    #[serde(default = "yes")]
    pub dictionary: bool,
    /// Whether it keeps 32 bits of sequence numbers of version 6. Default `true`.
    #[serde(default = "yes")]
    pub sequence32: bool,
    /// Whether it keeps 32 bits of lifetimes of version 6. Default `true`.
    #[serde(default = "yes")]
    pub lifetime32: bool,
    /// The type of its bundle age blocks of version 6. Default 20.
    #[serde(default = "default_age_type")]
    pub age_type: u8,
}

/// Something in the configuration that cannot work.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Misconfiguration {
    /// The node ID is none.
    #[error("node_id {0:?} is not the endpoint ID of a node, for example ipn:10.0")]
    NodeId(String),
    /// Bundles that wait get older.
    #[error("contacts need node_id: bundles that wait here have to get older")]
    WaitingWithoutNodeId,
    /// A store without contacts.
    #[error("store needs contacts or controller: nothing would ever wait in it")]
    StoreWithoutContacts,
    /// Nothing fits.
    #[error("store: quota_octets must be above 0")]
    Quota,
    /// A version without a translator.
    #[error("peer {network}: speaks must be 6 or 7, found {found}")]
    Speaks {
        /// The peer.
        network: Network,
        /// What was written.
        found: u8,
    },
    /// No port of a switch has this number.
    #[error("peer {network}: port must be in 0..=510, found {found}")]
    Port {
        /// The peer.
        network: Network,
        /// What was written.
        found: u16,
    },
    /// A CRC type that does not exist.
    #[error("peer {network}: CRC types are 0, 1 and 2, found {found}")]
    Crc {
        /// The peer.
        network: Network,
        /// What was written.
        found: u8,
    },
    /// No path is so narrow.
    #[error("peer {network}: mtu must be at least {LEAST_MTU}, found {found}")]
    Mtu {
        /// The peer.
        network: Network,
        /// What was written.
        found: u16,
    },
    /// No age block has this type.
    #[error("peer {network}: age_type must be 10 or 20, found {found}")]
    AgeType {
        /// The peer.
        network: Network,
        /// What was written.
        found: u8,
    },
    /// A peer waits for contacts that nobody knows.
    #[error("peer {0}: node needs contacts")]
    NodeWithoutContacts(Network),
    /// Datagrams to the switch need somewhere to go.
    #[error("addresses and [[route]] need each other, and node_id: what is routed makes a hop")]
    RoutesAndAddresses,
    /// The next hop is nobody.
    #[error("route {endpoint}: no peer has the address {next_hop}")]
    NextHop {
        /// The destinations.
        endpoint: Pattern,
        /// The address.
        next_hop: IpAddr,
    },
    /// Two IP versions in one packet.
    #[error("route {0}: next_hop and source are of different IP versions")]
    IpVersions(Pattern),
    /// A time is zero.
    #[error("controller: report_s must be above 0")]
    Report,
    /// A pattern is there twice.
    #[error("route {0} is configured twice")]
    SameRoute(Pattern),
    /// A network is described twice.
    #[error("peer {0} is configured twice")]
    SamePeer(Network),
}

/// What every IPv4 path takes: RFC 791.
const LEAST_MTU: u16 = 68;
/// The largest port number: 511 means "drop" in v1model.
const MAX_PORT: u16 = 510;

impl Config {
    /// Reads the TOML text.
    ///
    /// # Errors
    /// Says line and column of the first fault.
    pub fn parse(text: &str) -> Result<Self, Box<toml::de::Error>> {
        toml::from_str(text).map_err(Box::new)
    }

    /// Finds what cannot work, without looking at any other file.
    #[must_use]
    pub fn misconfigurations(&self) -> Vec<Misconfiguration> {
        let mut found = Vec::new();
        match self.node() {
            Some(Err(fault)) => found.push(fault),
            None if self.contacts.is_some() => {
                found.push(Misconfiguration::WaitingWithoutNodeId);
            }
            _ => {}
        }
        if let Some(store) = &self.store {
            if self.contacts.is_none() && self.controller.is_none() {
                found.push(Misconfiguration::StoreWithoutContacts);
            }
            if store.quota_octets == 0 {
                found.push(Misconfiguration::Quota);
            }
        }
        if self
            .controller
            .as_ref()
            .is_some_and(|controller| controller.report_s == 0)
        {
            found.push(Misconfiguration::Report);
        }
        let mut networks = BTreeSet::new();
        for peer in &self.peers {
            peer.check(self.contacts.is_some(), &mut found);
            if !networks.insert(peer.network) {
                found.push(Misconfiguration::SamePeer(peer.network));
            }
        }
        self.check_routes(&mut found);
        found
    }

    fn check_routes(&self, found: &mut Vec<Misconfiguration>) {
        let (here, there) = (!self.addresses.is_empty(), !self.routes.is_empty());
        if here != there || here && self.node_id.is_none() {
            found.push(Misconfiguration::RoutesAndAddresses);
        }
        let receivers = self.receivers();
        let mut patterns = BTreeSet::new();
        for route in &self.routes {
            let endpoint = route.endpoint.clone();
            if receivers.find(route.next_hop).is_none() {
                let next_hop = route.next_hop;
                found.push(Misconfiguration::NextHop { endpoint, next_hop });
            }
            if route.next_hop.is_ipv4() != route.source.is_ipv4() {
                found.push(Misconfiguration::IpVersions(route.endpoint.clone()));
            }
            if !patterns.insert(&route.endpoint) {
                found.push(Misconfiguration::SameRoute(route.endpoint.clone()));
            }
        }
    }

    /// Where bundles go that come to the switch. Routes that cannot work are left out.
    #[must_use]
    pub fn routes(&self) -> Routes<NextHop> {
        let receivers = self.receivers();
        let next_hop = |route: &Route| {
            let hop = NextHop {
                receiver: receivers.find(route.next_hop)?.clone(),
                addresses: Addresses {
                    ethernet_source: route.ethernet_source.0,
                    ethernet_destination: route.ethernet.0,
                    source: route.source,
                    destination: route.next_hop,
                },
            };
            Some((route.endpoint.clone(), hop))
        };
        self.routes.iter().filter_map(next_hop).collect()
    }

    /// The receivers by their networks. Peers that cannot work are left out.
    #[must_use]
    pub fn receivers(&self) -> PrefixTable<Receiver> {
        let node = self.node().and_then(Result::ok);
        let mut table = PrefixTable::default();
        for peer in &self.peers {
            if let Some(receiver) = peer.receiver(&self.translation, node.clone()) {
                table.insert(peer.network, receiver);
            }
        }
        table
    }

    /// The node ID, if there is one that can work.
    #[must_use]
    pub fn own_id(&self) -> Option<Eid<'static>> {
        let node = self.node()?.ok()?;
        Some(node.id)
    }

    fn node(&self) -> Option<Result<Node, Misconfiguration>> {
        let text = self.node_id.as_ref()?;
        let names_a_node = |id: &Eid<'_>| match id {
            Eid::Ipn { service, .. } => *service == 0,
            Eid::Dtn(_) => id.is_singleton(),
            Eid::Null => false,
        };
        let id = Eid::parse(text).ok().filter(names_a_node);
        let node = id.map(|id| Node {
            id: id.into_owned(),
            residence_ms: 0,
        });
        Some(node.ok_or_else(|| Misconfiguration::NodeId(text.clone())))
    }
}

impl Peer {
    fn check(&self, has_contacts: bool, found: &mut Vec<Misconfiguration>) {
        let network = self.network;
        if version_of(self.speaks).is_none() {
            let found_value = self.speaks;
            found.push(Misconfiguration::Speaks {
                network,
                found: found_value,
            });
        }
        if let Some(port) = self.port.filter(|port| *port > MAX_PORT) {
            found.push(Misconfiguration::Port {
                network,
                found: port,
            });
        }
        for crc in [self.crc_primary, self.crc_blocks] {
            if crc_of(crc).is_none() {
                found.push(Misconfiguration::Crc {
                    network,
                    found: crc,
                });
            }
        }
        if let Some(mtu) = self.mtu.filter(|mtu| *mtu < LEAST_MTU) {
            found.push(Misconfiguration::Mtu {
                network,
                found: mtu,
            });
        }
        if ![BlockType::AGE, BlockType::CUSTODY_OR_AGE].contains(&BlockType(self.age_type)) {
            let age_type = self.age_type;
            found.push(Misconfiguration::AgeType {
                network,
                found: age_type,
            });
        }
        if self.node.is_some() && !has_contacts {
            found.push(Misconfiguration::NodeWithoutContacts(network));
        }
    }

    /// The receiver of bundles from a node, or `None` if it cannot work.
    pub(crate) fn receiver_of(&self, common: &Translation, id: Eid<'static>) -> Option<Receiver> {
        let residence_ms = 0;
        self.receiver(common, Some(Node { id, residence_ms }))
    }

    fn receiver(&self, common: &Translation, node: Option<Node>) -> Option<Receiver> {
        Some(Receiver {
            speaks: version_of(self.speaks)?,
            policy: Policy {
                profile: common.profile,
                tolerance: if common.strict {
                    Tolerance::STRICT
                } else {
                    Tolerance::LENIENT
                },
                crcs: Crcs {
                    primary: crc_of(self.crc_primary)?,
                    blocks: crc_of(self.crc_blocks)?,
                },
                default_priority: common.default_priority.into(),
                hdtn_priority: common.hdtn_priority,
                priority: common.priority.into(),
                unknown_blocks: common.unknown_blocks.into(),
                lifetime_zero_s: common.lifetime_zero_s,
                peer_v6: PeerV6 {
                    cbhe: self.cbhe,
                    dictionary: self.dictionary,
                    sequence32: self.sequence32,
                    lifetime32: self.lifetime32,
                    age_block: BlockType(self.age_type),
                },
                node,
            },
            egress_port: self.port.map_or(LEARNED_PORT, PortId),
            mtu: self.mtu,
            neighbour: self.node.map(NodeNumber),
        })
    }
}

const fn version_of(number: u8) -> Option<Version> {
    match number {
        6 => Some(Version::V6),
        7 => Some(Version::V7),
        _ => None,
    }
}

const fn crc_of(number: u8) -> Option<CrcType> {
    match number {
        0 => Some(CrcType::None),
        1 => Some(CrcType::Crc16),
        2 => Some(CrcType::Crc32c),
        _ => None,
    }
}

const fn yes() -> bool {
    true
}

const fn default_device_id() -> u64 {
    1
}

fn default_plan() -> PathBuf {
    "plan.bin".into()
}

const fn default_patience_ms() -> u32 {
    1000
}

const fn default_report_s() -> u32 {
    10
}

const fn default_quota() -> u64 {
    1 << 30
}

const fn default_crc_primary() -> u8 {
    1
}

const fn default_age_type() -> u8 {
    BlockType::AGE.0
}
