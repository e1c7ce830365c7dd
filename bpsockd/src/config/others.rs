// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Agents that are other programs.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use bundle::Eid;
use serde::Deserialize;

use super::{default_lifetime_ms, default_quota};
use crate::aap2::Place;
use crate::kept::node_id;

/// An agent that is hardy's server.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardy {
    /// Where its gRPC server listens: address and port. Default `[::1]:50051`.
    #[serde(default = "default_hardy")]
    pub address: SocketAddr,
    /// The lifetime of messages whose sender does not choose one. Default one day.
    #[serde(default = "default_lifetime_ms")]
    pub lifetime_ms: u64,
}

/// An agent that is dtnd of dtn7-rs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dtn7 {
    /// Where its HTTP server listens: address and port. Default `127.0.0.1:3000`. It answers to its own host only.
    #[serde(default = "default_dtnd")]
    pub address: SocketAddr,
    /// Its node ID: `ipn:23.0` or `dtn://NAME/`.
    pub node: String,
    /// The folder that keeps messages until they are read. Relative to this file.
    #[serde(default = "default_dtn7_store")]
    pub store: PathBuf,
    /// Octets of bundles that fit into it. Default 1 GiB.
    #[serde(default = "default_quota")]
    pub quota_octets: u64,
    /// The lifetime of messages whose sender does not choose one. Default one day.
    #[serde(default = "default_lifetime_ms")]
    pub lifetime_ms: u64,
}

/// An agent that speaks AAP 2.0, as uD3TN does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aap2 {
    /// Where it listens: the path of a UNIX socket, relative to this file, or address and port of TCP.
    pub address: String,
}

impl Aap2 {
    /// The address; what is no address and port is a path.
    #[must_use]
    pub fn place(&self) -> Place {
        match self.address.parse::<SocketAddr>() {
            Ok(address) => Place::Tcp(address),
            Err(_) => Place::Unix(PathBuf::from(&self.address)),
        }
    }
}

impl Dtn7 {
    pub(super) fn faults(
        &self,
        max_message: u32,
        check: &mut impl FnMut(bool, &dyn Fn() -> String),
    ) {
        check(node_id(&self.node).is_some(), &|| {
            let node = &self.node;
            format!("dtn7.node {node:?} is no node ID such as ipn:23.0 or dtn://one/")
        });
        check(self.lifetime_ms > 0, &|| "dtn7.lifetime_ms is 0".to_owned());
        check(self.quota_octets >= max_message.into(), &|| {
            "dtn7.quota_octets is below max_message".to_owned()
        });
    }
}

/// An agent that is ION, on the same machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ion {
    /// Its node ID, for example `ipn:7.0`.
    pub node: String,
    /// Its library: a name that the system finds, or a path, relative to this file. Default `libbp.so.0`.
    #[serde(default = "default_ion")]
    pub library: PathBuf,
    /// The folder in which its node was started. Relative to this file. Default: where the daemon was.
    pub directory: Option<PathBuf>,
    /// The folder with the list of its nodes (`ION_NODE_LIST_DIR`), where several run. Relative to this file.
    /// Default: as the environment says.
    pub node_list: Option<PathBuf>,
    /// Whether it is told of endpoints that it does not know; otherwise they are refused. Default `true`.
    #[serde(default = "default_add")]
    pub add_endpoints: bool,
    /// The folder that keeps messages until they are read. Relative to this file.
    #[serde(default = "default_ion_store")]
    pub store: PathBuf,
    /// Octets of bundles that fit into it. Default 1 GiB.
    #[serde(default = "default_quota")]
    pub quota_octets: u64,
    /// The lifetime of messages whose sender does not choose one, in whole seconds. Default one day.
    #[serde(default = "default_lifetime_ms")]
    pub lifetime_ms: u64,
}

impl Ion {
    /// The number of the node. Zero in a configuration that was not checked.
    #[must_use]
    pub fn node_number(&self) -> u64 {
        match node_id(&self.node) {
            Some(Eid::Ipn { node, .. }) => node,
            _ => 0,
        }
    }

    pub(super) fn place_in(&mut self, folder: &Path) {
        // A name without a folder is looked for by the system.
        if self.library.components().nth(1).is_some() {
            self.library = folder.join(&self.library);
        }
        let places = [&mut self.directory, &mut self.node_list];
        for place in places.into_iter().flatten() {
            *place = folder.join(&place);
        }
        self.store = folder.join(&self.store);
    }

    pub(super) fn faults(
        &self,
        max_message: u32,
        check: &mut impl FnMut(bool, &dyn Fn() -> String),
    ) {
        check(self.node_number() != 0, &|| {
            format!("ion.node {:?} is no node ID such as ipn:7.0", self.node)
        });
        let is_time =
            (1..=i32::MAX.unsigned_abs().into()).contains(&self.lifetime_ms.div_ceil(1000));
        check(is_time, &|| {
            "ion.lifetime_ms is 0, or above 2147483647 s".to_owned()
        });
        check(self.quota_octets >= max_message.into(), &|| {
            "ion.quota_octets is below max_message".to_owned()
        });
    }
}

fn default_hardy() -> SocketAddr {
    SocketAddr::from((Ipv6Addr::LOCALHOST, 50051))
}

fn default_dtnd() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 3000))
}

fn default_dtn7_store() -> PathBuf {
    "/var/lib/bpsockd/dtn7".into()
}

fn default_ion() -> PathBuf {
    "libbp.so.0".into()
}

const fn default_add() -> bool {
    true
}

fn default_ion_store() -> PathBuf {
    "/var/lib/bpsockd/ion".into()
}
