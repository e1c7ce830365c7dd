// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The certificates of the controller: of all servers and connections. They are read together, and
//! replaced together when the configuration is read again; connections that there are stay.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use p4rt::client::{Renewable, Tls};
use tokio_rustls::TlsAcceptor;

use crate::{
    config::{self, ServerTls},
    etcd::Etcd,
    plan::{PlanError, Site, load_server_tls, load_tls},
    tls::{CertificateError, Files, Keys},
};

/// The HTTP interface.
pub(crate) const API: &str = "api";
/// Where nodes attach.
pub(crate) const NODES: &str = "distribution";
/// Where other clusters connect.
pub(crate) const PEERS: &str = "peering";
/// The connections to etcd.
pub(crate) const ETCD: &str = "lease.etcd";

/// The connection to a switch.
pub(crate) fn of_switch(name: &str) -> String {
    format!("switch {name:?}")
}

/// The connection to another cluster.
pub(crate) fn of_cluster(name: &str) -> String {
    format!("cluster {name:?}")
}

/// Certificates as they are in the files now, by the part of the configuration; none is in the clear.
pub(crate) struct Ring {
    servers: BTreeMap<&'static str, Option<TlsAcceptor>>,
    clients: BTreeMap<String, Option<Tls>>,
}

/// The certificates that are in force. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keychain {
    servers: BTreeMap<&'static str, Keys>,
    clients: BTreeMap<String, Option<Renewable>>,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}

impl Ring {
    /// Reads all files that the configuration of a site names.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be.
    pub(crate) fn read(site: &Site, folder: &Path) -> Result<Self, PlanError> {
        let config = &site.config;
        let mut servers = BTreeMap::new();
        let mut serve = |part, tls: &Option<ServerTls>, to_anyone, protocols: &[&[u8]]| {
            let files = tls.as_ref().map(|tls| load_server_tls(tls, folder));
            let acceptor = |files: Files| {
                let acceptor = files.acceptor(to_anyone, protocols);
                acceptor.map_err(|source| unusable(part, source))
            };
            let acceptor = files.transpose()?.map(acceptor).transpose()?;
            servers.insert(part, acceptor);
            Ok::<_, PlanError>(())
        };
        if let Some(api) = &config.api {
            serve(API, &api.tls, api.anyone_reads, &[])?;
        }
        if let Some(distribution) = &config.distribution {
            serve(NODES, &distribution.tls, false, HTTP_2)?;
        }
        if let Some(peering) = &config.peering {
            serve(PEERS, &peering.tls, false, HTTP_2)?;
        }
        let peers = config.peering.iter().flat_map(|peering| &peering.peers);
        let etcd = config.lease.as_ref().and_then(|lease| lease.etcd.as_ref());
        let named = peers.map(|peer| (of_cluster(&peer.cluster), &peer.tls));
        let named = named.chain(etcd.map(|etcd| (ETCD.to_owned(), &etcd.tls)));
        let mut clients = BTreeMap::new();
        for (part, tls) in named {
            let tls = client(&part, tls.as_ref(), folder)?;
            clients.insert(part, tls);
        }
        for plan in &site.switches {
            // They were read with the rest of the switch.
            let part = of_switch(&plan.switch.name);
            check(&part, plan.tls.as_ref())?;
            clients.insert(part, plan.tls.clone());
        }
        Ok(Self { servers, clients })
    }
}

/// The protocol that gRPC needs.
const HTTP_2: &[&[u8]] = &[b"h2"];

/// The certificates for one connection.
///
/// # Errors
/// A file cannot be read, or is not what it should be.
pub(crate) fn client(
    part: &str,
    tls: Option<&config::Tls>,
    folder: &Path,
) -> Result<Option<Tls>, PlanError> {
    let tls = tls.map(|tls| load_tls(tls, folder)).transpose()?;
    check(part, tls.as_ref())?;
    Ok(tls)
}

fn check(part: &str, tls: Option<&Tls>) -> Result<(), PlanError> {
    let checked = tls.map_or(Ok(()), Tls::check);
    checked.map_err(|source| unusable(part, source.into()))
}

fn unusable(part: &str, source: CertificateError) -> PlanError {
    PlanError::Certificates {
        part: part.to_owned(),
        source,
    }
}

impl Keychain {
    /// The certificates of these files.
    pub(crate) fn new(ring: Ring) -> Self {
        let keys = |acceptor| {
            let keys = Keys::default();
            keys.replace(acceptor);
            keys
        };
        let servers = ring.servers.into_iter();
        let clients = ring.clients.into_iter();
        Self {
            servers: servers
                .map(|(part, acceptor)| (part, keys(acceptor)))
                .collect(),
            clients: clients
                .map(|(part, tls)| (part, tls.map(Renewable::from)))
                .collect(),
        }
    }

    /// Those of a server.
    pub(crate) fn server(&self, part: &str) -> Keys {
        self.servers.get(part).cloned().unwrap_or_default()
    }

    /// Those of a connection.
    pub(crate) fn client(&self, part: &str) -> Option<Renewable> {
        self.clients.get(part).cloned().flatten()
    }

    /// Whether these can replace what there is: a part that is protected stays so, because its address
    /// may not be one for connections in the clear.
    ///
    /// # Errors
    /// The first part that cannot, for people.
    pub(crate) fn check(&self, ring: &Ring) -> Result<(), String> {
        let servers = ring.servers.iter().map(|(part, acceptor)| {
            let known = self.servers.get(part).map(Keys::is_protected);
            ((*part).to_owned(), known, acceptor.is_some())
        });
        let clients = ring.clients.iter().map(|(part, tls)| {
            let known = self.clients.get(part).map(Option::is_some);
            (part.clone(), known, tls.is_some())
        });
        for (part, known, new) in servers.chain(clients) {
            if known.is_some_and(|known| known != new) {
                return Err(format!(
                    "{part}.tls has come or gone; restart the controller"
                ));
            }
        }
        Ok(())
    }

    /// Goes by other certificates from now on.
    pub(crate) fn replace(&self, ring: Ring, etcd: Option<&Arc<Etcd>>) {
        for (part, acceptor) in ring.servers {
            if let (Some(keys), Some(acceptor)) = (self.servers.get(part), acceptor) {
                keys.replace(Some(acceptor));
            }
        }
        for (part, tls) in ring.clients {
            if let (Some(Some(known)), Some(tls)) = (self.clients.get(&part), tls) {
                known.replace(tls);
            }
        }
        if let Some(etcd) = etcd {
            etcd.renew();
        }
    }
}
