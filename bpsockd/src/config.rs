// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration: one TOML file, read once, and checked before anything starts.

mod others;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bpsock::BP_DTN_NAME_MAX;
use bundle::v7::CrcType;
use bundle::{Eid, Version};
use serde::Deserialize;

use crate::aap2::Place;
use crate::access::Access;
use crate::broker::Allowance;
use crate::leaf::store::Safety;
pub use others::{Aap2, Dtn7, Hardy, Ion};

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where clients connect: the path of a UNIX socket. Relative to this file.
    #[serde(default = "default_socket")]
    pub socket: PathBuf,
    /// The permissions of that path, in octal. Default "666": who may connect is decided by the
    /// permissions of the folder, who may bind by `[access]`.
    #[serde(default = "default_mode")]
    pub socket_mode: String,
    /// Whether the kernel module is looked for. Default `false`; it needs `CAP_NET_ADMIN`.
    #[serde(default)]
    pub kernel: bool,
    /// Octets of the longest message. Default 16 MiB.
    #[serde(default = "default_max_message")]
    pub max_message: u32,
    /// Octets that a front door may have under way without a reply. Default 4 MiB.
    #[serde(default = "default_window_bytes")]
    pub window_bytes: u32,
    /// Messages that a front door may have under way without a reply. Default 256.
    #[serde(default = "default_window_requests")]
    pub window_requests: u32,
    /// Where counters can be read. Default: nowhere.
    pub metrics: Option<Metrics>,
    /// Who may bind which service. Default: everybody any.
    #[serde(default)]
    pub access: Access,
    /// The built-in agent.
    pub leaf: Option<Leaf>,
    /// Another agent, instead of the built-in one.
    pub aap2: Option<Aap2>,
    /// Another agent, instead of the built-in one.
    pub dtn7: Option<Dtn7>,
    /// Another agent, instead of the built-in one.
    pub hardy: Option<Hardy>,
    /// Another agent, instead of the built-in one.
    pub ion: Option<Ion>,
}

/// Where counters can be read.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Address and port of the HTTP server with `/metrics`. There is no access control.
    pub listen: SocketAddr,
}

/// The built-in agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// The node ID, for example `ipn:2.0`.
    pub node: String,
    /// The name of the node for endpoints `dtn://NAME/...`. Default: there are none.
    pub name: Option<String>,
    /// Where bundles arrive: address and port of UDP. Default `0.0.0.0:4556`.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The folder that keeps bundles. It is made if it is not there. Relative to this file.
    #[serde(default = "default_store")]
    pub store: PathBuf,
    /// Whether the disk has a message before its sender hears so: then it survives a loss of power, and
    /// not only the end of the daemon, and takes as long as the disk does. Default `true`.
    #[serde(default = "default_sync")]
    pub sync: bool,
    /// Octets of bundles that fit into it. Default 1 GiB. The files are larger.
    #[serde(default = "default_quota")]
    pub quota_octets: u64,
    /// The lifetime of messages whose sender does not choose one. Default one day.
    #[serde(default = "default_lifetime_ms")]
    pub lifetime_ms: u64,
    /// Neighbours: the first one that fits gets the bundle.
    #[serde(default, rename = "peer")]
    pub peers: Vec<Peer>,
}

/// A neighbour.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Destinations that it leads to: `*`, `ipn:NODE.*`, `ipn:NODE.SERVICE`, `dtn://NAME*`.
    pub endpoints: Vec<Pattern>,
    /// Its address and port of UDP.
    pub address: SocketAddr,
    /// The version that it reads, 6 or 7.
    pub speaks: u8,
    /// The largest IP packet that the path takes. Default 1500.
    #[serde(default = "default_mtu")]
    pub mtu: u16,
    /// Octets a second, at most. Default: no limit. UDP loses what the path does not take.
    pub octets_per_s: Option<u32>,
    /// Whether bundles are sent again until the receiver reports their reception. Default `false`:
    /// the receiver has to be one that makes such reports, as this agent and ION do.
    #[serde(default)]
    pub confirm: bool,
    /// The CRC on primary blocks of version 7: 0 none, 1 CRC-16, 2 CRC-32C. Default 1.
    #[serde(default = "default_crc_primary")]
    pub crc_primary: u8,
    /// The CRC on other blocks. Default 0.
    #[serde(default)]
    pub crc_blocks: u8,
}

/// Some endpoints.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub enum Pattern {
    /// All of them.
    Any,
    /// All services of an `ipn` node.
    Node(u64),
    /// One endpoint.
    One(Eid<'static>),
    /// `dtn` endpoints that begin so, behind the colon.
    Prefix(String),
}

/// A text that is no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is none of *, ipn:NODE.*, ipn:NODE.SERVICE, dtn://NAME and dtn://NAME*")]
pub struct PatternError(String);

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let node = text
            .strip_prefix("ipn:")
            .and_then(|rest| rest.strip_suffix(".*"));
        if let Some(Ok(node)) = node.map(str::parse) {
            return Ok(Self::Node(node));
        }
        let prefix = text
            .strip_prefix("dtn:")
            .and_then(|rest| rest.strip_suffix('*'));
        if let Some(prefix) = prefix.filter(|prefix| prefix.starts_with("//")) {
            return Ok(Self::Prefix(prefix.to_owned()));
        }
        match Eid::parse(&text) {
            Ok(eid) if !eid.is_null() => Ok(Self::One(eid.into_owned())),
            _ => Err(PatternError(text)),
        }
    }
}

impl Pattern {
    /// Whether the endpoint is one of them.
    #[must_use]
    pub fn fits(&self, endpoint: &Eid<'_>) -> bool {
        match (self, endpoint) {
            (_, Eid::Null) => false,
            (Self::Any, _) => true,
            (Self::Node(node), Eid::Ipn { node: other, .. }) => node == other,
            (Self::One(eid), _) => eid == endpoint,
            (Self::Prefix(prefix), Eid::Dtn(name)) => name.starts_with(prefix.as_str()),
            _ => false,
        }
    }
}

/// Octets of the headers of UDP and of IP.
const UDP: u16 = 8;
const IPV4: u16 = 20;
const IPV6: u16 = 40;
/// What has to be left for a bundle, so that fragments have some payload.
const LEAST_ROOM: u16 = 128;

impl Peer {
    /// The version that it reads.
    #[must_use]
    pub const fn version(&self) -> Version {
        match self.speaks {
            6 => Version::V6,
            _ => Version::V7,
        }
    }

    /// Octets of the longest bundle that fits into one packet.
    #[must_use]
    pub fn room(&self) -> usize {
        let headers = UDP + if self.address.is_ipv4() { IPV4 } else { IPV6 };
        usize::from(self.mtu.saturating_sub(headers))
    }

    /// The CRC on primary blocks.
    #[must_use]
    pub const fn crc_primary(&self) -> CrcType {
        crc(self.crc_primary)
    }

    /// The CRC on other blocks.
    #[must_use]
    pub const fn crc_blocks(&self) -> CrcType {
        crc(self.crc_blocks)
    }
}

const fn crc(number: u8) -> CrcType {
    match number {
        0 => CrcType::None,
        2 => CrcType::Crc32c,
        _ => CrcType::Crc16,
    }
}

impl Leaf {
    /// The number of the node. Zero in a configuration that was not checked.
    #[must_use]
    pub fn node_number(&self) -> u64 {
        match Eid::parse(&self.node) {
            Ok(Eid::Ipn { node, service: 0 }) => node,
            _ => 0,
        }
    }

    /// What messages survive.
    #[must_use]
    pub const fn safety(&self) -> Safety {
        if self.sync {
            Safety::System
        } else {
            Safety::Process
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML of the right form.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Line, column and fault. Part of the message, because it has several lines.
        source: Box<toml::de::Error>,
    },
    /// What it says cannot work. One line for each fault.
    #[error("{}: {}", path.display(), faults.join("\n"))]
    Faults {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        faults: Vec<String>,
    },
}

impl ConfigError {
    /// The status of the process: 1 the input is at fault, 3 files are.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::File { .. } => 3,
            Self::Toml { .. } | Self::Faults { .. } => 1,
        }
    }
}

impl Config {
    /// Reads a file, and checks it. Paths are made relative to it.
    ///
    /// # Errors
    ///
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.to_owned(),
            source,
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|source| ConfigError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let faults = config.faults();
        if !faults.is_empty() {
            let path = path.to_owned();
            return Err(ConfigError::Faults { path, faults });
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        config.socket = folder.join(&config.socket);
        if let Some(leaf) = &mut config.leaf {
            leaf.store = folder.join(&leaf.store);
        }
        if let Some(agent) = &mut config.dtn7 {
            agent.store = folder.join(&agent.store);
        }
        if let Some(agent) = &mut config.ion {
            agent.place_in(folder);
        }
        if let Some(agent) = &mut config.aap2
            && let Place::Unix(path) = agent.place()
        {
            agent.address = folder.join(path).display().to_string();
        }
        Ok(config)
    }

    /// What cannot work, one line each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |holds: bool, fault: &dyn Fn() -> String| {
            if !holds {
                faults.push(fault());
            }
        };
        check(self.max_message > 0, &|| "max_message is 0".to_owned());
        check(self.window_bytes > 0 && self.window_requests > 0, &|| {
            "window_bytes or window_requests is 0".to_owned()
        });
        check(self.mode().is_some(), &|| {
            format!(
                "socket_mode {:?} is no octal number up to 777",
                self.socket_mode
            )
        });
        let agents = [
            self.leaf.is_some(),
            self.aap2.is_some(),
            self.dtn7.is_some(),
            self.hardy.is_some(),
            self.ion.is_some(),
        ];
        let agents = agents.iter().filter(|is_there| **is_there).count();
        check(agents == 1, &|| {
            "there is one agent: one of [leaf], [aap2], [dtn7], [hardy] and [ion]".to_owned()
        });
        if let Some(leaf) = &self.leaf {
            leaf.faults(self.max_message, &mut check);
        }
        if let Some(agent) = &self.dtn7 {
            agent.faults(self.max_message, &mut check);
        }
        if let Some(agent) = &self.ion {
            agent.faults(self.max_message, &mut check);
        }
        if let Some(agent) = &self.hardy {
            check(agent.lifetime_ms > 0, &|| {
                "hardy.lifetime_ms is 0".to_owned()
            });
        }
        faults
    }

    /// The permissions of the path.
    #[must_use]
    pub fn mode(&self) -> Option<u32> {
        let mode = u32::from_str_radix(&self.socket_mode, 8).ok();
        mode.filter(|mode| *mode <= 0o777)
    }

    /// The name of the agent that is another program, and where it is.
    #[must_use]
    pub fn other_agent(&self) -> Option<(&'static str, String)> {
        let aap2 = self.aap2.as_ref();
        let dtn7 = self.dtn7.as_ref();
        let hardy = self.hardy.as_ref();
        let ion = self.ion.as_ref();
        aap2.map(|agent| ("aap2", agent.address.clone()))
            .or_else(|| dtn7.map(|agent| ("dtn7", agent.address.to_string())))
            .or_else(|| hardy.map(|agent| ("hardy", agent.address.to_string())))
            .or_else(|| ion.map(|agent| ("ion", agent.library.display().to_string())))
    }

    /// What front doors may do.
    #[must_use]
    pub const fn allowance(&self) -> Allowance {
        Allowance {
            max_message: self.max_message,
            window_bytes: self.window_bytes,
            window_requests: self.window_requests,
        }
    }
}

impl Leaf {
    fn faults(&self, max_message: u32, check: &mut impl FnMut(bool, &dyn Fn() -> String)) {
        let node = self.node_number();
        check(node != 0 && node != u64::from(u32::MAX), &|| {
            format!("leaf.node {:?} is no node ID such as ipn:2.0", self.node)
        });
        if let Some(name) = &self.name {
            let fits = name.len() <= BP_DTN_NAME_MAX / 2 && !name.is_empty();
            let plain = name
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && octet != b'/');
            check(fits && plain, &|| {
                format!("leaf.name {name:?} is no node name")
            });
        }
        check(self.lifetime_ms > 0, &|| "leaf.lifetime_ms is 0".to_owned());
        check(self.quota_octets >= u64::from(max_message), &|| {
            "leaf.quota_octets is below max_message".to_owned()
        });
        for peer in &self.peers {
            let at = peer.address;
            check([6, 7].contains(&peer.speaks), &|| {
                format!("peer {at}: speaks is {}, expected 6 or 7", peer.speaks)
            });
            check(peer.room() >= usize::from(LEAST_ROOM), &|| {
                format!("peer {at}: mtu {} leaves no room for bundles", peer.mtu)
            });
            check(peer.crc_primary <= 2 && peer.crc_blocks <= 2, &|| {
                format!("peer {at}: a CRC is 0, 1 or 2")
            });
            check(peer.octets_per_s != Some(0), &|| {
                format!("peer {at}: octets_per_s is 0")
            });
        }
    }
}

fn default_socket() -> PathBuf {
    bpsock::net::SYSTEM_PATH.into()
}

fn default_mode() -> String {
    "666".to_owned()
}

const fn default_max_message() -> u32 {
    16 << 20
}

const fn default_window_bytes() -> u32 {
    4 << 20
}

const fn default_window_requests() -> u32 {
    256
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 4556))
}

const fn default_sync() -> bool {
    true
}

fn default_store() -> PathBuf {
    "/var/lib/bpsockd/leaf".into()
}

const fn default_quota() -> u64 {
    1 << 30
}

const fn default_lifetime_ms() -> u64 {
    86_400_000
}

const fn default_mtu() -> u16 {
    1500
}

const fn default_crc_primary() -> u8 {
    1
}
