// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages of an agent that forgets them when it hands them over: they are kept here, on disk, until
//! applications have read them.
//!
//! To the core of the [leaf agent](crate::leaf), which sends nothing here, such a bundle is one that has
//! arrived. So endpoints, order, expiry, duplicates and fragments are as they are there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context as _;
use bundle::Eid;

use crate::agent::{Command, Event, Registration};
use crate::config::Leaf as Config;
use crate::leaf::core::Core;
use crate::leaf::now_ms;
use crate::leaf::store::{Safety, Store, StoreError};
use crate::metrics::Board;

/// The store, and what is known about its messages and the sockets that they are for.
#[derive(Debug)]
pub struct Kept {
    core: Core,
    store: Store,
    quota: u64,
    board: Board,
}

/// What is kept for which node.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The node ID: `ipn:NODE.0` or `dtn://NAME/`.
    pub node: &'a Eid<'a>,
    /// The folder of the store.
    pub store: &'a Path,
    /// Octets of bundles that fit into it.
    pub quota: u64,
    /// Octets of the longest message.
    pub max_message: u32,
}

/// The node ID of a text, if it is one.
#[must_use]
pub fn node_id(text: &str) -> Option<Eid<'_>> {
    let eid = Eid::parse(text).ok()?;
    let is_node = match &eid {
        Eid::Ipn { node, service } => *node != 0 && *service == 0,
        Eid::Dtn(_) => name_of(&eid).is_some_and(|name| !name.is_empty()),
        Eid::Null => false,
    };
    is_node.then_some(eid)
}

/// The name in `dtn://NAME/`.
fn name_of<'a>(node: &'a Eid<'_>) -> Option<&'a str> {
    let Eid::Dtn(ssp) = node else { return None };
    let name = ssp.strip_prefix("//")?.strip_suffix('/')?;
    (!name.contains('/')).then_some(name)
}

impl Kept {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// It cannot be used.
    pub fn open(terms: &Terms<'_>, board: Board) -> anyhow::Result<Self> {
        let path = terms.store;
        let opened = Store::open(path, Safety::System);
        let (store, contents) =
            opened.with_context(|| format!("cannot open the store {}", path.display()))?;
        let config = Config {
            node: terms.node.to_string(),
            name: name_of(terms.node).map(str::to_owned),
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            store: path.to_owned(),
            sync: true,
            quota_octets: terms.quota,
            lifetime_ms: 0,
            peers: Vec::new(),
        };
        Ok(Self {
            core: Core::new(&config, terms.max_message, contents, now_ms()),
            store,
            quota: terms.quota,
            board,
        })
    }

    /// Whether so many more octets fit.
    #[must_use]
    pub fn has_room(&self, octets: u64) -> bool {
        self.core.levels().octets.saturating_add(octets) <= self.quota
    }

    /// Whether half of the room is free.
    #[must_use]
    pub fn is_half_free(&self) -> bool {
        self.has_room(self.quota / 2)
    }

    /// Messages for the endpoint of a socket that it has not read.
    #[must_use]
    pub fn unread(&self, registration: Registration) -> usize {
        self.core.unread(registration)
    }

    /// Does what the daemon wants, and keeps bundles. They are on disk when this returns.
    ///
    /// What it returns tells the daemon about it, answers to the commands first.
    ///
    /// # Errors
    ///
    /// The store cannot be used.
    pub fn step(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
        bundles: &[Vec<u8>],
    ) -> anyhow::Result<Vec<Event>> {
        let mut events = Vec::new();
        let done = self.change(commands, bundles, &mut events);
        done.context("cannot use the store")?;
        self.board
            .publish_store(self.core.tally(), self.core.levels());
        Ok(events)
    }

    fn change(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
        bundles: &[Vec<u8>],
        events: &mut Vec<Event>,
    ) -> Result<(), StoreError> {
        let now = now_ms();
        let batch = self.store.begin();
        self.core.settle(&batch)?;
        for command in commands {
            self.core.command(command, now, &batch, events)?;
        }
        for bundle in bundles {
            self.core.datagram(bundle, now, &batch, events)?;
        }
        self.core.tick(now, &batch, events)?;
        batch.commit()?;
        self.core.offer(&self.store, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ids_have_no_service() {
        for text in ["ipn:23.0", "dtn://one/"] {
            assert_eq!(
                node_id(text).map(|eid| eid.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "ipn:23.1",
            "ipn:0.0",
            "dtn:none",
            "dtn://one/x",
            "dtn:///",
            "one",
            "",
        ] {
            assert_eq!(node_id(text), None, "{text}");
        }
    }
}
