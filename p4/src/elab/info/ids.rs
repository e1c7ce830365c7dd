// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ids and aliases, as p4c gives them.

use std::collections::{BTreeMap, BTreeSet};

/// First octet of an id: the kind of object.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Prefix {
    Action = 0x01,
    Table = 0x02,
    ValueSet = 0x03,
    ControllerHeader = 0x04,
    ActionProfile = 0x11,
    Counter = 0x12,
    DirectCounter = 0x13,
    Meter = 0x14,
    DirectMeter = 0x15,
    Register = 0x16,
    Digest = 0x17,
}

/// All objects with their ids.
#[derive(Default)]
pub(crate) struct Ids {
    symbols: BTreeMap<(Prefix, String), Option<u32>>,
    assigned: BTreeSet<u32>,
    names: BTreeSet<String>,
}

/// What is wrong with an `@id`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum IdError {
    /// The first octet is that of another kind.
    WrongPrefix,
    /// Another object has it.
    Taken,
}

impl Ids {
    /// Adds an object; a second one of the same kind and name changes nothing.
    pub(crate) fn add(
        &mut self,
        prefix: Prefix,
        name: &str,
        given: Option<u32>,
    ) -> Result<(), IdError> {
        let key = (prefix, name.to_owned());
        if self.symbols.contains_key(&key) {
            return Ok(());
        }
        self.names.insert(name.to_owned());
        let high = (prefix as u32) << 24;
        let id = match given {
            Some(id) if id >> 24 != 0 && id >> 24 != prefix as u32 => {
                return Err(IdError::WrongPrefix);
            }
            Some(id) if !self.assigned.insert(id | high) => return Err(IdError::Taken),
            given => given.map(|id| id | high),
        };
        self.symbols.insert(key, id);
        Ok(())
    }

    /// Gives an id to each object that has none: the hash of its name, or the next free one.
    /// Names are taken in order, so that equal programs give equal ids.
    pub(crate) fn assign(&mut self) {
        let open: Vec<(Prefix, String)> = self
            .symbols
            .iter()
            .filter(|(_, id)| id.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        for (prefix, name) in open {
            let mut hash = one_at_a_time(name.as_bytes());
            let id = loop {
                let id = ((prefix as u32) << 24) | (hash & 0x00ff_ffff);
                if self.assigned.insert(id) {
                    break id;
                }
                hash = hash.wrapping_add(1);
            };
            self.symbols.insert((prefix, name), Some(id));
        }
    }

    /// The id of an object; 0 if there is none.
    pub(crate) fn get(&self, prefix: Prefix, name: &str) -> u32 {
        self.symbols
            .get(&(prefix, name.to_owned()))
            .copied()
            .flatten()
            .unwrap_or(0)
    }

    /// The shortest suffix, in whole components, that no other name ends in.
    pub(crate) fn alias(&self, name: &str) -> String {
        let parts: Vec<&str> = name.split('.').collect();
        for start in (0..parts.len()).rev() {
            let suffix = parts[start..].join(".");
            let dotted = format!(".{suffix}");
            let count = self
                .names
                .iter()
                .filter(|other| **other == suffix || other.ends_with(&dotted))
                .count();
            if count < 2 {
                return suffix;
            }
        }
        name.to_owned()
    }
}

/// Jenkins's one-at-a-time hash.
fn one_at_a_time(bytes: &[u8]) -> u32 {
    let mut hash = 0_u32;
    for byte in bytes {
        hash = hash.wrapping_add(u32::from(*byte));
        hash = hash.wrapping_add(hash << 10);
        hash ^= hash >> 6;
    }
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_p4c() {
        let mut ids = Ids::default();
        ids.add(Prefix::Action, "NoAction", None).unwrap();
        ids.add(Prefix::Table, "ingress.ecmp_group", None).unwrap();
        ids.assign();
        assert_eq!(ids.get(Prefix::Action, "NoAction"), 21_257_015);
        assert_eq!(ids.get(Prefix::Table, "ingress.ecmp_group"), 38_446_407);
    }

    #[test]
    fn alias_is_shortest_unique_suffix() {
        let mut ids = Ids::default();
        for name in ["a.x.t", "a.y.t", "a.u"] {
            ids.add(Prefix::Table, name, None).unwrap();
        }
        assert_eq!(ids.alias("a.x.t"), "x.t");
        assert_eq!(ids.alias("a.u"), "u");
    }

    #[test]
    fn given_ids_are_checked() {
        let mut ids = Ids::default();
        assert_eq!(ids.add(Prefix::Table, "a", Some(7)), Ok(()));
        assert_eq!(
            ids.add(Prefix::Table, "b", Some(0x0200_0007)),
            Err(IdError::Taken)
        );
        assert_eq!(
            ids.add(Prefix::Table, "c", Some(0x0100_0007)),
            Err(IdError::WrongPrefix)
        );
        assert_eq!(ids.get(Prefix::Table, "a"), 0x0200_0007);
    }
}
