// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What takes an update back: the reverse update, with what was there before.

use p4rt::proto::p4::v1::{self as proto, Entity, Update, entity::Entity as Kind, update::Type};
use tonic::Status;

use super::{read::Reader, table_entry::invalid};

/// The updates that restore what an update is about to change. If it cannot be carried out,
/// whatever this returns is not used.
pub(super) fn reverse(reader: &Reader<'_>, update: &Update) -> Result<Vec<Update>, Status> {
    let entity = update
        .entity
        .as_ref()
        .and_then(|entity| entity.entity.as_ref());
    let entity = entity.ok_or_else(|| invalid("update has no entity"))?;
    let with = |kind: Type, entity: Entity| Update {
        r#type: kind as i32,
        entity: Some(entity),
    };
    let kind = match Type::try_from(update.r#type).unwrap_or(Type::Unspecified) {
        Type::Unspecified => return Ok(Vec::new()),
        Type::Insert => {
            let entity = Some(entity.clone());
            return Ok(vec![with(Type::Delete, Entity { entity })]);
        }
        Type::Modify => Type::Modify,
        Type::Delete => Type::Insert,
    };
    let wanted = Entity {
        entity: Some(question(entity)),
    };
    let before = reader.read(&wanted)?.into_iter();
    let before = before.filter(|found| {
        let found = found.entity.as_ref();
        found.is_some_and(|found| key(found) == key(entity))
    });
    Ok(before.map(|entity| with(kind, entity)).collect())
}

/// What to read for an entity, with everything that can be written.
fn question(entity: &Kind) -> Kind {
    let all_of = |entry: &proto::TableEntry| proto::TableEntry {
        table_id: entry.table_id,
        r#match: entry.r#match.clone(),
        priority: entry.priority,
        is_default_action: entry.is_default_action,
        counter_data: Some(proto::CounterData::default()),
        meter_config: Some(proto::MeterConfig::default()),
        ..proto::TableEntry::default()
    };
    match entity {
        Kind::TableEntry(entry) => Kind::TableEntry(all_of(entry)),
        other => other.clone(),
    }
}

/// Table, matches and priority of an entity that belongs to an entry: an entry that matches
/// everything has the same name as a question for all entries.
fn key(entity: &Kind) -> Option<(u32, Vec<proto::FieldMatch>, i32)> {
    let entry = match entity {
        Kind::TableEntry(entry) => Some(entry),
        Kind::DirectCounterEntry(entry) => entry.table_entry.as_ref(),
        Kind::DirectMeterEntry(entry) => entry.table_entry.as_ref(),
        _ => None,
    }?;
    let mut matches = entry.r#match.clone();
    matches.sort_by_key(|field| field.field_id);
    Some((entry.table_id, matches, entry.priority))
}
