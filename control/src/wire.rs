// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Items as messages, and messages as items.

use p4rt::{
    Bits, Entry, Target,
    entries::{CloneSession, DigestLine, MulticastGroup, Replica},
    entry::EntryError,
    p4info::Index,
    proto::p4::v1::{
        self as proto, Entity, PacketReplicationEngineEntry, TableEntry, Update,
        entity::Entity as E, packet_replication_engine_entry::Type as Engine, replica::PortKind,
        update::Type,
    },
    target::Support,
};

use crate::desired::{Change, ChangeKind, Item};

/// A call that reads a part of a switch.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadStep {
    /// What to ask for.
    pub entities: Vec<Entity>,
    /// Whether a server that does not know how to answer may be taken to have none of it.
    pub absence: Absence,
}

/// What an error in answer to a read means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Absence {
    /// The read failed.
    Failure,
    /// UNIMPLEMENTED and `NOT_FOUND` mean that there is nothing.
    Empty,
}

/// The calls that read everything that a controller writes.
#[must_use]
pub fn read_steps(index: &Index, target: Target) -> Vec<ReadStep> {
    let wrap = |entity| Entity {
        entity: Some(entity),
    };
    let entry = |table_id, is_default_action| {
        wrap(E::TableEntry(TableEntry {
            table_id,
            is_default_action,
            ..TableEntry::default()
        }))
    };
    let engine = |kind| {
        wrap(E::PacketReplicationEngineEntry(
            PacketReplicationEngineEntry { r#type: Some(kind) },
        ))
    };
    // Tables are named one by one, because not every server reads all tables at once.
    let entries = index.tables().map(|table| entry(table.id, false)).collect();
    let defaults = index.tables().filter(|table| !table.fixed.default_action);
    let defaults = defaults.map(|table| entry(table.id, true)).collect();
    let groups = vec![engine(Engine::MulticastGroupEntry(
        proto::MulticastGroupEntry::default(),
    ))];
    let sessions = vec![engine(Engine::CloneSessionEntry(
        proto::CloneSessionEntry::default(),
    ))];
    let step = |entities, absence| ReadStep { entities, absence };
    let mut steps = vec![
        step(entries, Absence::Failure),
        step(defaults, Absence::Failure),
        step(groups, Absence::Empty),
        step(sessions, Absence::Empty),
    ];
    let digest = |digest_id| {
        wrap(E::DigestEntry(proto::DigestEntry {
            digest_id,
            config: None,
        }))
    };
    if target.quirks().digest_wildcard == Support::Full {
        steps.push(step(vec![digest(0)], Absence::Empty));
    } else {
        let one = |id| step(vec![digest(id)], Absence::Empty);
        steps.extend(index.digests().map(|digest| one(digest.id)));
    }
    steps.retain(|step| !step.entities.is_empty());
    steps
}

/// What a switch returned, as an item. `None` for what is not the controller's to write: constant
/// entries, default entries that were never set, and kinds of entity that were not asked for.
#[must_use]
pub fn to_item(entity: Entity, index: &Index) -> Option<Result<Item, EntryError>> {
    match entity.entity? {
        E::TableEntry(entry) if entry.is_const => None,
        E::TableEntry(entry) if entry.is_default_action && entry.action.is_none() => None,
        E::TableEntry(entry) => Some(Entry::from_proto(&entry, index).map(Item::Entry)),
        E::PacketReplicationEngineEntry(engine) => match engine.r#type? {
            Engine::MulticastGroupEntry(group) => {
                let (id, replicas) = (group.multicast_group_id, to_replicas(&group.replicas));
                Some(Ok(Item::MulticastGroup(MulticastGroup { id, replicas })))
            }
            Engine::CloneSessionEntry(session) => {
                let length = u32::try_from(session.packet_length_bytes).ok();
                Some(Ok(Item::CloneSession(CloneSession {
                    id: session.session_id,
                    replicas: to_replicas(&session.replicas),
                    packet_length_bytes: length.filter(|length| *length > 0),
                })))
            }
        },
        E::DigestEntry(digest) => {
            let name = index.digest_by_id(digest.digest_id)?.name.clone();
            let config = digest.config.unwrap_or_default();
            Some(Ok(Item::Digest(DigestLine {
                digest: name,
                max_timeout_ms: to_ms(config.max_timeout_ns),
                max_list_size: u32::try_from(config.max_list_size).unwrap_or(0),
                ack_timeout_ms: to_ms(config.ack_timeout_ns),
            })))
        }
        _ => None,
    }
}

/// A change as an update.
///
/// # Errors
/// If an entry does not fit the program.
pub fn to_update(change: &Change, index: &Index) -> Result<Update, EntryError> {
    let entity = match &change.item {
        Item::Entry(entry) if change.kind == ChangeKind::Delete => {
            E::TableEntry(entry.key.to_proto(index)?)
        }
        Item::Entry(entry) => E::TableEntry(entry.to_proto(index)?),
        Item::MulticastGroup(group) => {
            engine(Engine::MulticastGroupEntry(proto::MulticastGroupEntry {
                multicast_group_id: group.id,
                replicas: from_replicas(&group.replicas),
                ..proto::MulticastGroupEntry::default()
            }))
        }
        Item::CloneSession(session) => {
            let length = session.packet_length_bytes.unwrap_or(0);
            engine(Engine::CloneSessionEntry(proto::CloneSessionEntry {
                session_id: session.id,
                replicas: from_replicas(&session.replicas),
                packet_length_bytes: i32::try_from(length).unwrap_or(i32::MAX),
                ..proto::CloneSessionEntry::default()
            }))
        }
        Item::Digest(line) => {
            let digest = index.digest(&line.digest);
            let digest = digest.ok_or_else(|| EntryError::NoTable(line.digest.clone()))?;
            let config = proto::digest_entry::Config {
                max_timeout_ns: to_ns(line.max_timeout_ms),
                max_list_size: i32::try_from(line.max_list_size).unwrap_or(i32::MAX),
                ack_timeout_ns: to_ns(line.ack_timeout_ms),
            };
            E::DigestEntry(proto::DigestEntry {
                digest_id: digest.id,
                config: Some(config),
            })
        }
    };
    let kind = match change.kind {
        ChangeKind::Insert => Type::Insert,
        ChangeKind::Modify => Type::Modify,
        ChangeKind::Delete => Type::Delete,
    };
    Ok(Update {
        r#type: kind.into(),
        entity: Some(Entity {
            entity: Some(entity),
        }),
    })
}

fn engine(kind: Engine) -> E {
    E::PacketReplicationEngineEntry(PacketReplicationEngineEntry { r#type: Some(kind) })
}

fn from_replicas(replicas: &[Replica]) -> Vec<proto::Replica> {
    let replica = |replica: &Replica| proto::Replica {
        instance: replica.instance,
        port_kind: Some(PortKind::Port(Bits::from(replica.port).to_wire())),
        ..proto::Replica::default()
    };
    replicas.iter().map(replica).collect()
}

/// Sorted, so that the order of copies makes no difference.
fn to_replicas(replicas: &[proto::Replica]) -> Vec<Replica> {
    let replica = |replica: &proto::Replica| Replica {
        port: port(replica.port_kind.as_ref()),
        instance: replica.instance,
    };
    let mut replicas: Vec<_> = replicas.iter().map(replica).collect();
    replicas.sort_unstable();
    replicas
}

#[expect(
    deprecated,
    reason = "older servers answer with the number instead of the bytes"
)]
fn port(kind: Option<&PortKind>) -> u32 {
    match kind {
        Some(PortKind::EgressPort(port)) => *port,
        Some(PortKind::Port(bytes)) => {
            let number = Bits::from_wire(bytes).to_uint();
            number
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(u32::MAX)
        }
        None => 0,
    }
}

const NS_PER_MS: i64 = 1_000_000;

fn to_ns(ms: u32) -> i64 {
    i64::from(ms) * NS_PER_MS
}

fn to_ms(ns: i64) -> u32 {
    u32::try_from(ns / NS_PER_MS).unwrap_or(0)
}
