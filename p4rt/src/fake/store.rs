// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The entities of a fake switch.

use std::collections::BTreeMap;

use tonic::Code;

use crate::{
    fake::key,
    proto::p4::v1::{
        CloneSessionEntry, DigestEntry, Entity, Error, MulticastGroupEntry,
        PacketReplicationEngineEntry, TableEntry, entity, packet_replication_engine_entry,
        update::Type,
    },
};

/// Everything that a new program wipes out.
#[derive(Debug, Default)]
pub(super) struct Store {
    entries: BTreeMap<Vec<u8>, TableEntry>,
    defaults: BTreeMap<u32, TableEntry>,
    multicast_groups: BTreeMap<u32, MulticastGroupEntry>,
    clone_sessions: BTreeMap<u32, CloneSessionEntry>,
    digests: BTreeMap<u32, DigestEntry>,
}

impl Store {
    pub(super) fn entries(&self) -> impl Iterator<Item = &TableEntry> {
        self.entries.values()
    }

    pub(super) fn defaults(&self) -> impl Iterator<Item = &TableEntry> {
        self.defaults.values()
    }

    pub(super) fn multicast_groups(&self) -> impl Iterator<Item = &MulticastGroupEntry> {
        self.multicast_groups.values()
    }

    pub(super) fn digests(&self) -> impl Iterator<Item = &DigestEntry> {
        self.digests.values()
    }

    pub(super) fn write(&mut self, kind: Type, entity: entity::Entity) -> Result<(), Error> {
        use packet_replication_engine_entry::Type as Engine;
        match entity {
            entity::Entity::TableEntry(entry) if entry.is_default_action => {
                if kind != Type::Modify {
                    return Err(error(
                        Code::InvalidArgument,
                        "a default entry is modified only",
                    ));
                }
                self.defaults.insert(entry.table_id, entry);
                Ok(())
            }
            entity::Entity::TableEntry(entry) => {
                change(&mut self.entries, kind, key(&entry), entry)
            }
            entity::Entity::DigestEntry(entry) => {
                change(&mut self.digests, kind, entry.digest_id, entry)
            }
            entity::Entity::PacketReplicationEngineEntry(entry) => match entry.r#type {
                Some(Engine::MulticastGroupEntry(entry)) => change(
                    &mut self.multicast_groups,
                    kind,
                    entry.multicast_group_id,
                    entry,
                ),
                Some(Engine::CloneSessionEntry(entry)) => {
                    change(&mut self.clone_sessions, kind, entry.session_id, entry)
                }
                None => Err(error(Code::InvalidArgument, "empty entity")),
            },
            _ => Err(error(
                Code::Unimplemented,
                "this kind of entity is not kept",
            )),
        }
    }

    /// What a request for an entity returns; `None` if such entities are not kept.
    pub(super) fn read(&self, wanted: &entity::Entity) -> Option<Vec<Entity>> {
        use packet_replication_engine_entry::Type as Engine;
        let found: Vec<entity::Entity> = match wanted {
            entity::Entity::TableEntry(wanted) => {
                let table =
                    |entry: &&TableEntry| wanted.table_id == 0 || wanted.table_id == entry.table_id;
                let entries: Vec<_> = if wanted.is_default_action {
                    self.defaults.values().filter(table).cloned().collect()
                } else if wanted.r#match.is_empty() {
                    self.entries.values().filter(table).cloned().collect()
                } else {
                    self.entries
                        .get(&key(wanted))
                        .cloned()
                        .into_iter()
                        .collect()
                };
                entries
                    .into_iter()
                    .map(entity::Entity::TableEntry)
                    .collect()
            }
            entity::Entity::DigestEntry(wanted) => {
                let all = wanted.digest_id == 0;
                let same = |entry: &&DigestEntry| all || entry.digest_id == wanted.digest_id;
                let entries = self.digests.values().filter(same).copied();
                entries.map(entity::Entity::DigestEntry).collect()
            }
            entity::Entity::PacketReplicationEngineEntry(wanted) => {
                let entries: Vec<Engine> = match wanted.r#type.as_ref()? {
                    Engine::MulticastGroupEntry(_) => self
                        .multicast_groups
                        .values()
                        .map(|entry| Engine::MulticastGroupEntry(entry.clone()))
                        .collect(),
                    Engine::CloneSessionEntry(_) => self
                        .clone_sessions
                        .values()
                        .map(|entry| Engine::CloneSessionEntry(entry.clone()))
                        .collect(),
                };
                let wrap = |entry| PacketReplicationEngineEntry {
                    r#type: Some(entry),
                };
                let entries = entries.into_iter().map(wrap);
                entries
                    .map(entity::Entity::PacketReplicationEngineEntry)
                    .collect()
            }
            _ => return None,
        };
        Some(
            found
                .into_iter()
                .map(|entity| Entity {
                    entity: Some(entity),
                })
                .collect(),
        )
    }
}

pub(super) fn error(code: Code, message: &str) -> Error {
    Error {
        canonical_code: code as i32,
        message: message.to_owned(),
        ..Error::default()
    }
}

fn change<K: Ord, V>(map: &mut BTreeMap<K, V>, kind: Type, key: K, value: V) -> Result<(), Error> {
    match (kind, map.contains_key(&key)) {
        (Type::Insert, false) | (Type::Modify, true) => {
            map.insert(key, value);
            Ok(())
        }
        (Type::Delete, true) => {
            map.remove(&key);
            Ok(())
        }
        (Type::Insert, true) => Err(error(Code::AlreadyExists, "the key is taken")),
        (Type::Modify | Type::Delete, false) => Err(error(Code::NotFound, "no such key")),
        (Type::Unspecified, _) => Err(error(Code::InvalidArgument, "update without a type")),
    }
}
