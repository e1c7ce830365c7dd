// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use p4rt::{Target, target::Support};
use serde::{Deserialize, Serialize};

mod adapters;
mod contacts;
mod peering;

pub use adapters::{Adapter, AdapterFault};
pub use contacts::{ContactFault, Contacts, Learning, Link, MacText, Node, PlanFormat, Time};
pub use peering::{Cluster, Peering, PeeringFault};

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The switches, `[[switch]]`.
    #[serde(rename = "switch")]
    pub switches: Vec<Switch>,
    /// The receivers of bundles, `[[peer]]`.
    #[serde(rename = "peer", default)]
    pub peers: Vec<Peer>,
    /// The digests to subscribe to, `[[digest]]`. Without any: all that the program has.
    #[serde(rename = "digest", default)]
    pub digests: Vec<Digest>,
    /// The contact plan. Without it nothing is routed.
    pub contacts: Option<Contacts>,
    /// The nodes of the plan, `[[node]]`.
    #[serde(rename = "node", default)]
    pub nodes: Vec<Node>,
    /// How nodes reach their neighbours, `[[link]]`.
    #[serde(rename = "link", default)]
    pub links: Vec<Link>,
    /// Where nodes attach, to have their plans ahead of time. Default nowhere.
    pub distribution: Option<Distribution>,
    /// Where people and programs ask. Default nowhere.
    pub api: Option<Api>,
    /// The file for what survives the program. Without it nothing does.
    pub state: Option<StateFile>,
    /// The record of what people changed. Without it there is only the log.
    pub audit: Option<AuditFile>,
    /// How several controllers agree about which of them may write. Default: there is only this one.
    pub lease: Option<LeaseTerms>,
    /// Files with the newest contact plan for nodes of other implementations, `[[adapter]]`.
    #[serde(rename = "adapter", default)]
    pub adapters: Vec<Adapter>,
    /// How this cluster exchanges with others what can be reached. Default: it does not.
    pub peering: Option<Peering>,
}

/// What survives the program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateFile {
    /// The file. It is made if it is not there. Controllers of a cluster share it.
    pub path: PathBuf,
}

/// The record of what people changed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditFile {
    /// The file. Lines of JSON are added at its end, and nothing is ever removed.
    pub path: PathBuf,
}

/// How several controllers agree about which of them may write.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseTerms {
    /// Name of this controller. No other one of the cluster has it.
    pub holder: String,
    /// A folder that all controllers of the cluster share, if they are on one machine; default
    /// `lease`. It is made if it is not there.
    pub path: Option<PathBuf>,
    /// An etcd, in the place of the folder.
    pub etcd: Option<EtcdServers>,
    /// How long a lease holds without being renewed; default 3000 ms.
    #[serde(default = "default_ttl_ms")]
    pub ttl_ms: u32,
}

/// An etcd that all controllers of the cluster share.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdServers {
    /// `host:port` of its servers. They are asked in turn.
    pub endpoints: Vec<String>,
    /// What keys begin with; default `sddtn`. Clusters that share an etcd have different ones.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// Certificates; default none, and connections in the clear.
    pub tls: Option<Tls>,
}

/// Where people and programs ask.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Address and port of the HTTP server. Without `tls` it has to be a loopback address.
    pub listen: SocketAddr,
    /// Certificates; default none, and connections in the clear.
    pub tls: Option<ServerTls>,
    /// Whether who has no certificate may read, with `tls.clients`; default no. Without `tls.clients`
    /// everybody may read, and with `tls` nobody else may write.
    #[serde(default)]
    pub anyone_reads: bool,
}

/// Certificates of a server: files in PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// The certificates of this controller.
    pub certificate: PathBuf,
    /// The key of the first of them.
    pub key: PathBuf,
    /// Authorities of those who may connect; default anybody may.
    pub clients: Option<PathBuf>,
}

/// Where nodes attach.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Address and port. Without `tls` it has to be a loopback address.
    pub listen: SocketAddr,
    /// Certificates; default none, and connections in the clear.
    pub tls: Option<ServerTls>,
}

/// A switch and the program that it runs. Paths are relative to the configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Name in logs and in other parts of the file.
    pub name: String,
    /// `host:port` of its P4Runtime server.
    pub address: String,
    /// Number of the device behind the address.
    pub device_id: u64,
    /// Larger wins against other controllers of the same switch.
    pub election_id: u64,
    /// Certificates for the connection; default none, and a connection in the clear.
    pub tls: Option<Tls>,
    /// The kind of server; default `sddtn`.
    #[serde(default)]
    pub target: Target,
    /// The P4Info of the program, in text format.
    pub p4info: PathBuf,
    /// What the switch loads: P4 source for `sddtn`, JSON for `bmv2`.
    pub device_config: PathBuf,
    /// Entries files. A later file wins over an earlier one.
    #[serde(default)]
    pub entries: Vec<PathBuf>,
    /// Ports that hosts are on.
    #[serde(default)]
    pub ports: Vec<u32>,
    /// Multicast group that floods to all `ports`; without it nothing is flooded or learned.
    pub flood_group: Option<u16>,
    /// Most MAC addresses that are kept; default 512. The oldest makes room for a new one.
    #[serde(default = "default_max_macs")]
    pub max_macs: usize,
}

/// Certificates for the connection to a switch, `[switch.tls]`: files in PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Authorities of switches.
    pub ca: PathBuf,
    /// The controller's certificates, for switches that ask for one.
    pub certificate: Option<PathBuf>,
    /// The key of the first of them.
    pub key: Option<PathBuf>,
    /// The name in the certificate of the switch; default that in `address`.
    pub name: Option<String>,
}

/// A receiver of bundles.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its addresses, as `address/length`.
    pub network: Network,
    /// The version of the Bundle Protocol that it understands, 6 or 7.
    pub speaks: u8,
    /// What else the program wants to know about it: parameters of its action by name.
    #[serde(default)]
    pub options: BTreeMap<String, OptionValue>,
    /// Names of the switches that know it; default all.
    #[serde(default)]
    pub switches: Vec<String>,
}

/// The value of an option.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// Yes or no, for parameters of one bit.
    Bool(bool),
    /// A number.
    Number(u64),
    /// A value in any of the forms of [`p4rt::value::parse`].
    Text(String),
}

/// A digest to subscribe to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// Its name in the program.
    pub name: String,
    /// Longest time that a sample waits for its list; default 10 ms.
    #[serde(default = "default_max_timeout_ms")]
    pub max_timeout_ms: u32,
    /// Samples in a list; default 1, so that none waits.
    #[serde(default = "default_max_list_size")]
    pub max_list_size: u32,
    /// How long equal samples are suppressed without an acknowledgement; default 0, never.
    #[serde(default)]
    pub ack_timeout_ms: u32,
}

/// An IPv4 network.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct Network {
    /// The first address.
    pub address: Ipv4Addr,
    /// Length of the prefix in bits.
    pub prefix_len: u8,
}

/// A text that is not a network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not an IPv4 network of the form address/length without host bits")]
pub struct NetworkError(String);

/// Something in the configuration that cannot work.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Misconfiguration {
    /// There is nothing to control.
    #[error("no [[switch]] is configured")]
    NoSwitch,
    /// Two switches have one name.
    #[error("two switches are called {0:?}")]
    SameName(String),
    /// Two sections describe one device.
    #[error("switches {0:?} and {1:?} are the same device")]
    SameDevice(String, String),
    /// Election id 0 never wins.
    #[error("switch {0:?}: election_id must be above 0")]
    ElectionId(String),
    /// The server has no device 0.
    #[error("switch {0:?}: device_id must be above 0 for this target")]
    DeviceId(String),
    /// A certificate is of use with its key only.
    #[error("switch {0:?}: tls needs both certificate and key, or neither")]
    Key(String),
    /// A port is listed twice.
    #[error("switch {name:?}: port {port} is listed twice")]
    SamePort {
        /// Name of the switch.
        name: String,
        /// The port.
        port: u32,
    },
    /// The server cannot copy packets to this port.
    #[error("switch {name:?}: the target cannot flood to port {port}, the least is {least}")]
    FloodPort {
        /// Name of the switch.
        name: String,
        /// The port.
        port: u32,
        /// Smallest port that works.
        least: u32,
    },
    /// Flooding to no port, or to a group that is reserved.
    #[error("switch {0:?}: flood_group must be above 0 and needs ports")]
    FloodGroup(String),
    /// A version without a translator.
    #[error("peer {network}: speaks must be 6 or 7, found {found}")]
    Speaks {
        /// The peer.
        network: Network,
        /// What was written.
        found: u8,
    },
    /// A network is described twice for one switch.
    #[error("peer {network} is configured twice for switch {switch:?}")]
    SamePeer {
        /// The peer.
        network: Network,
        /// Name of the switch.
        switch: String,
    },
    /// A peer names a switch that does not exist.
    #[error("peer {network} names switch {switch:?}, which is not configured")]
    NoSuchSwitch {
        /// The peer.
        network: Network,
        /// The name.
        switch: String,
    },
    /// A digest is listed twice.
    #[error("digest {0:?} is configured twice")]
    SameDigest(String),
    /// BMv2 would keep samples until it has a thousand of them.
    #[error("digest {0:?}: max_timeout_ms and max_list_size cannot both be 0")]
    EndlessDigest(String),
    /// Anybody could connect from anywhere.
    #[error("{part}.listen: {listen} is no loopback address, so {part} needs tls")]
    InTheClear {
        /// The part of the configuration.
        part: &'static str,
        /// The address.
        listen: SocketAddr,
    },
    /// Nothing would be left of the lease.
    #[error("lease: ttl_ms must be at least 100")]
    Lease,
    /// Some would look here, others there.
    #[error("lease: path and etcd exclude each other")]
    LeaseStores,
    /// There is nobody to ask.
    #[error("lease.etcd: endpoints needs at least one host:port")]
    NoEtcd,
    /// A certificate is of use with its key only.
    #[error("lease.etcd: tls needs both certificate and key, or neither")]
    EtcdKey,
    /// The contact plan, nodes or links.
    #[error(transparent)]
    Contacts(#[from] ContactFault),
    /// Other clusters.
    #[error(transparent)]
    Peering(#[from] PeeringFault),
    /// Nodes of other implementations.
    #[error(transparent)]
    Adapters(#[from] AdapterFault),
}

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
        if self.switches.is_empty() {
            found.push(Misconfiguration::NoSwitch);
        }
        let mut names = BTreeSet::new();
        let mut devices = BTreeMap::new();
        for switch in &self.switches {
            if !names.insert(switch.name.as_str()) {
                found.push(Misconfiguration::SameName(switch.name.clone()));
            }
            let device = (switch.address.as_str(), switch.device_id);
            if let Some(other) = devices.insert(device, &switch.name) {
                let (other, name) = (other.clone(), switch.name.clone());
                found.push(Misconfiguration::SameDevice(other, name));
            }
            switch.check(&mut found);
        }
        self.check_peers(&names, &mut found);
        let contacts = self.contacts.as_ref();
        contacts::check(contacts, &self.nodes, &self.links, &names, &mut found);
        if let Some(peering) = &self.peering {
            peering::check(peering, contacts, &mut found);
        }
        adapters::check(&self.adapters, contacts.is_some(), &mut found);
        self.check_access(&mut found);
        let endless = self.digests.iter();
        let endless = endless.filter(|one| one.max_timeout_ms == 0 && one.max_list_size == 0);
        found.extend(endless.map(|one| Misconfiguration::EndlessDigest(one.name.clone())));
        let mut digests = BTreeSet::new();
        let again = self
            .digests
            .iter()
            .filter(|digest| !digests.insert(digest.name.as_str()));
        found.extend(again.map(|digest| Misconfiguration::SameDigest(digest.name.clone())));
        found
    }

    /// The peers that a switch knows.
    pub fn peers_of<'a>(&'a self, switch: &'a str) -> impl Iterator<Item = &'a Peer> {
        self.peers
            .iter()
            .filter(move |peer| peer.is_known_to(switch))
    }

    fn check_access(&self, found: &mut Vec<Misconfiguration>) {
        let api = self.api.as_ref().map(|api| ("api", api.listen, &api.tls));
        let nodes = self.distribution.as_ref();
        let nodes = nodes.map(|nodes| ("distribution", nodes.listen, &nodes.tls));
        let peering = self.peering.as_ref();
        let peering = peering.and_then(|peers| Some(("peering", peers.listen?, &peers.tls)));
        for (part, listen, tls) in api.into_iter().chain(nodes).chain(peering) {
            if tls.is_none() && !listen.ip().is_loopback() {
                found.push(Misconfiguration::InTheClear { part, listen });
            }
        }
        if let Some(lease) = &self.lease {
            lease.check(found);
        }
    }

    fn check_peers(&self, names: &BTreeSet<&str>, found: &mut Vec<Misconfiguration>) {
        let mut seen = BTreeSet::new();
        for peer in &self.peers {
            let network = peer.network;
            if !matches!(peer.speaks, 6 | 7) {
                found.push(Misconfiguration::Speaks {
                    network,
                    found: peer.speaks,
                });
            }
            for switch in peer
                .switches
                .iter()
                .filter(|name| !names.contains(name.as_str()))
            {
                found.push(Misconfiguration::NoSuchSwitch {
                    network,
                    switch: switch.clone(),
                });
            }
            for switch in names.iter().filter(|name| peer.is_known_to(name)) {
                if !seen.insert((*switch, network)) {
                    let switch = (*switch).to_owned();
                    found.push(Misconfiguration::SamePeer { network, switch });
                }
            }
        }
    }
}

impl LeaseTerms {
    fn check(&self, found: &mut Vec<Misconfiguration>) {
        if self.ttl_ms < 100 {
            found.push(Misconfiguration::Lease);
        }
        let Some(etcd) = &self.etcd else { return };
        if self.path.is_some() {
            found.push(Misconfiguration::LeaseStores);
        }
        if etcd.endpoints.is_empty() {
            found.push(Misconfiguration::NoEtcd);
        }
        let tls = etcd.tls.as_ref();
        if tls.is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
            found.push(Misconfiguration::EtcdKey);
        }
    }
}

impl Switch {
    fn check(&self, found: &mut Vec<Misconfiguration>) {
        let name = || self.name.clone();
        let quirks = self.target.quirks();
        if self.election_id == 0 {
            found.push(Misconfiguration::ElectionId(name()));
        }
        if self.device_id == 0 && quirks.device_zero == Support::Missing {
            found.push(Misconfiguration::DeviceId(name()));
        }
        let tls = self.tls.as_ref();
        if tls.is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
            found.push(Misconfiguration::Key(name()));
        }
        let mut ports = BTreeSet::new();
        for port in &self.ports {
            if !ports.insert(*port) {
                found.push(Misconfiguration::SamePort {
                    name: name(),
                    port: *port,
                });
            }
            let least = quirks.least_replica_port;
            if self.flood_group.is_some() && *port < least {
                found.push(Misconfiguration::FloodPort {
                    name: name(),
                    port: *port,
                    least,
                });
            }
        }
        if self
            .flood_group
            .is_some_and(|group| group == 0 || self.ports.is_empty())
        {
            found.push(Misconfiguration::FloodGroup(name()));
        }
    }
}

impl Peer {
    fn is_known_to(&self, switch: &str) -> bool {
        self.switches.is_empty() || self.switches.iter().any(|name| name == switch)
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        let read = || {
            let (address, length) = text.split_once('/').unwrap_or((&text, "32"));
            let address: Ipv4Addr = address.parse().ok()?;
            let prefix_len: u8 = length.parse().ok().filter(|length| *length <= 32)?;
            let hosts = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
            (address.to_bits() & hosts == 0).then_some(Self {
                address,
                prefix_len,
            })
        };
        read().ok_or_else(|| NetworkError(text.clone()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{}", u8::from(*value)),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

fn default_max_macs() -> usize {
    512
}

fn default_max_timeout_ms() -> u32 {
    10
}

fn default_max_list_size() -> u32 {
    1
}

fn default_ttl_ms() -> u32 {
    3000
}

fn default_prefix() -> String {
    "sddtn".to_owned()
}
