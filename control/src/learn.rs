// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a switch tells of the addresses around it, and the entries that follow.

use std::collections::BTreeMap;

use p4rt::{
    Bits, Entry, Match,
    entry::{Condition, Key},
    p4info::{Index, Table},
};

use crate::{
    desired::{Item, SwitchState},
    macs::{Mac, MacTable, Port},
    names,
};

/// Width of an Ethernet address.
const MAC_BITS: u32 = 48;

/// The kinds of digest that a controller understands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DigestKind {
    /// A MAC address that the switch does not know yet.
    Learn,
    /// A bundle that the switch has seen.
    BundleReport,
    /// Anything else.
    Unknown,
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
            metadata: Vec::new(),
        };
        let matches = vec![mac(), Match::Exact(Bits::from(port.0))];
        let source = Entry {
            key: key(self.source, matches),
            action: names::NO_ACTION.to_owned(),
            params: BTreeMap::new(),
            metadata: Vec::new(),
        };
        [forward, source]
    }
}
