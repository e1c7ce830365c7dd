// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Read requests: wildcards are unset fields and zero ids.

use p4::ir::Const;
use p4rt::proto::p4::v1::{
    self as proto, Entity, P4Data, entity::Entity as Kind, p4_data,
    packet_replication_engine_entry, replica,
};
use tonic::Status;

use super::{
    digest::Digests,
    objects::{Active, TableObject},
    table_entry::{call_to_proto, fields_to_proto, invalid, matches, to_proto},
    values::print,
    write::{cells, missing, no_colours, value_set_object},
};
use crate::{
    engine::{
        externs::MeterConfig,
        tables::{ControlError, Count, Entry},
        value_sets::ValueSetMember,
    },
    pipeline::Replica,
};

/// What a read looks at.
pub(crate) struct Reader<'a> {
    pub(crate) active: &'a Active,
    pub(crate) digests: &'a Digests,
    pub(crate) now_ns: u64,
}

impl Reader<'_> {
    /// All entities that a request stands for.
    pub(crate) fn read(&self, entity: &Entity) -> Result<Vec<Entity>, Status> {
        let kind = entity
            .entity
            .as_ref()
            .ok_or_else(|| invalid("entity is empty"))?;
        let kinds = match kind {
            Kind::TableEntry(entry) => self.table_entries(entry)?,
            Kind::CounterEntry(entry) => self.counters(entry)?,
            Kind::DirectCounterEntry(entry) => self.direct_counters(entry)?,
            Kind::MeterEntry(entry) => self.meters(entry)?,
            Kind::DirectMeterEntry(entry) => self.direct_meters(entry)?,
            Kind::RegisterEntry(entry) => self.registers(entry)?,
            Kind::DigestEntry(entry) => self.digests(entry)?,
            Kind::PacketReplicationEngineEntry(entry) => self.replication(entry)?,
            Kind::ActionProfileMember(member) => self.members(member)?,
            Kind::ActionProfileGroup(group) => self.groups(group)?,
            Kind::ValueSetEntry(entry) => self.value_sets(entry)?,
            // A question for all externs has an answer: there are none.
            Kind::ExternEntry(entry) if entry.extern_type_id == 0 => Vec::new(),
            Kind::ExternEntry(_) => {
                return Err(Status::unimplemented("v1model has no such extern"));
            }
        };
        Ok(kinds
            .into_iter()
            .map(|kind| Entity { entity: Some(kind) })
            .collect())
    }

    /// The tables that an id stands for.
    fn tables(&self, id: u32) -> Result<Vec<&TableObject>, Status> {
        let tables = &self.active.objects.tables;
        if id == 0 {
            return Ok(tables.values().collect());
        }
        Ok(vec![tables.get(&id).ok_or_else(|| missing("table", id))?])
    }

    fn table_entries(&self, wanted: &proto::TableEntry) -> Result<Vec<Kind>, Status> {
        if wanted.table_id == 0 && !wanted.r#match.is_empty() {
            return Err(invalid("matches need a table"));
        }
        no_colours(wanted.meter_counter_data.as_ref())?;
        let mut found = Vec::new();
        for table in self.tables(wanted.table_id)? {
            if wanted.is_default_action {
                if wanted.idle_timeout_ns != 0 || wanted.time_since_last_hit.is_some() {
                    return Err(invalid("the default entry has no idle time-out"));
                }
                found.push(Kind::TableEntry(self.default_entry(table, wanted)));
                continue;
            }
            if wanted.time_since_last_hit.is_some() && wanted.table_id != 0 && !table.idle_timeout {
                return Err(invalid("table does not support idle time-outs"));
            }
            self.each(table, wanted, |entry| {
                let shown = self.shown(table, wanted, entry);
                found.push(Kind::TableEntry(shown));
            })?;
        }
        let action = wanted.action.as_ref().and_then(action_id);
        let of = |entry: &proto::TableEntry| entry.action.as_ref().and_then(action_id);
        found.retain(|kind| match kind {
            Kind::TableEntry(entry) => {
                (action.is_none() || of(entry) == action)
                    && (wanted.metadata.is_empty() || entry.metadata == wanted.metadata)
            }
            _ => true,
        });
        Ok(found)
    }

    /// Whether the default entry of a table is still the one of the program.
    pub(crate) fn default_is_initial(&self, entry: &proto::TableEntry) -> bool {
        let table = self.active.objects.tables.get(&entry.table_id);
        let initial = |table: &TableObject| {
            self.active
                .pipeline
                .state()
                .table(table.index)
                .default_is_initial()
        };
        table.is_some_and(initial)
    }

    /// Visits the entries that a request stands for: one, or all (of a priority) if it gives no
    /// key. Returns whether there was one.
    fn each(
        &self,
        table: &TableObject,
        wanted: &proto::TableEntry,
        mut visit: impl FnMut(&Entry),
    ) -> Result<bool, Status> {
        let state = self.active.pipeline.state();
        let rows = state.table(table.index);
        if wanted.r#match.is_empty() {
            let asked =
                |entry: &&Entry| wanted.priority == 0 || entry.new.priority == wanted.priority;
            rows.entries().filter(asked).for_each(visit);
            return Ok(true);
        }
        let found = rows.entry(&matches(table, &wanted.r#match)?, wanted.priority);
        if let Some(entry) = found {
            visit(entry);
        }
        Ok(found.is_some())
    }

    fn shown(
        &self,
        table: &TableObject,
        wanted: &proto::TableEntry,
        entry: &Entry,
    ) -> proto::TableEntry {
        let mut shown = to_proto(&self.active.objects, table, &entry.new, entry.is_const);
        if wanted.counter_data.is_some() {
            shown.counter_data = table
                .direct_counter
                .map(|id| counter_data(self.active.pipeline.direct_count(id, entry.count())));
        }
        if wanted.meter_config.is_some() {
            shown.meter_config = entry.with_meter(|meter| meter.config()).map(meter_config);
        }
        if wanted.time_since_last_hit.is_some() && table.idle_timeout {
            let elapsed = self.now_ns.saturating_sub(entry.last_hit_ns());
            let elapsed_ns = i64::try_from(elapsed).unwrap_or(i64::MAX);
            shown.time_since_last_hit = Some(proto::table_entry::IdleTimeout { elapsed_ns });
        }
        shown
    }

    fn default_entry(&self, table: &TableObject, wanted: &proto::TableEntry) -> proto::TableEntry {
        let state = self.active.pipeline.state();
        let rows = state.table(table.index);
        let counter = table
            .direct_counter
            .filter(|_| wanted.counter_data.is_some());
        let count = |id| counter_data(self.active.pipeline.direct_count(id, rows.default_count()));
        proto::TableEntry {
            table_id: table.id,
            is_default_action: true,
            action: Some(call_to_proto(&self.active.objects, rows.default_call())),
            counter_data: counter.map(count),
            metadata: state
                .default_metadata
                .get(&table.index)
                .cloned()
                .unwrap_or_default(),
            ..proto::TableEntry::default()
        }
    }

    fn counters(&self, wanted: &proto::CounterEntry) -> Result<Vec<Kind>, Status> {
        let pipeline = &self.active.pipeline;
        let all = self.active.objects.counters.iter();
        let ids = all.filter(|(id, _)| wanted.counter_id == 0 || wanted.counter_id == **id);
        let ids: Vec<_> = ids.collect();
        if ids.is_empty() && wanted.counter_id != 0 {
            return Err(missing("counter", wanted.counter_id));
        }
        let mut found = Vec::new();
        for (id, index) in ids {
            for cell in cells(wanted.index.as_ref(), pipeline.counter_size(*index))? {
                found.push(Kind::CounterEntry(proto::CounterEntry {
                    counter_id: *id,
                    index: Some(proto::Index {
                        index: cell.cast_signed(),
                    }),
                    data: Some(counter_data(pipeline.counter(*index, cell)?)),
                }));
            }
        }
        Ok(found)
    }

    fn direct_counters(&self, wanted: &proto::DirectCounterEntry) -> Result<Vec<Kind>, Status> {
        let wanted = wanted.table_entry.clone().unwrap_or_default();
        let mut found = Vec::new();
        for table in self.tables(wanted.table_id)? {
            let Some(counter) = table.direct_counter else {
                if wanted.table_id != 0 {
                    return Err(invalid("table has no direct counter"));
                }
                continue;
            };
            let mut push = |entry: proto::TableEntry, count: Count| {
                let data = counter_data(self.active.pipeline.direct_count(counter, count));
                found.push(Kind::DirectCounterEntry(proto::DirectCounterEntry {
                    table_entry: Some(proto::TableEntry {
                        action: None,
                        ..entry
                    }),
                    data: Some(data),
                }));
            };
            if wanted.is_default_action {
                let count = self
                    .active
                    .pipeline
                    .state()
                    .table(table.index)
                    .default_count();
                push(self.default_entry(table, &wanted), count);
                continue;
            }
            let any = self.each(table, &wanted, |entry| {
                let shown = to_proto(&self.active.objects, table, &entry.new, entry.is_const);
                push(shown, entry.count());
            })?;
            if !any {
                return Err(ControlError::NotFound.into());
            }
        }
        Ok(found)
    }

    fn meters(&self, wanted: &proto::MeterEntry) -> Result<Vec<Kind>, Status> {
        no_colours(wanted.counter_data.as_ref())?;
        let pipeline = &self.active.pipeline;
        let all = self.active.objects.meters.iter();
        let ids: Vec<_> = all
            .filter(|(id, _)| wanted.meter_id == 0 || wanted.meter_id == **id)
            .collect();
        if ids.is_empty() && wanted.meter_id != 0 {
            return Err(missing("meter", wanted.meter_id));
        }
        let mut found = Vec::new();
        for (id, index) in ids {
            for cell in cells(wanted.index.as_ref(), pipeline.meter_size(*index))? {
                let config = pipeline.with_meter(*index, cell, |meter| meter.config())?;
                found.push(Kind::MeterEntry(proto::MeterEntry {
                    meter_id: *id,
                    index: Some(proto::Index {
                        index: cell.cast_signed(),
                    }),
                    config: config.map(meter_config),
                    counter_data: None,
                }));
            }
        }
        Ok(found)
    }

    fn direct_meters(&self, wanted: &proto::DirectMeterEntry) -> Result<Vec<Kind>, Status> {
        no_colours(wanted.counter_data.as_ref())?;
        let wanted = wanted.table_entry.clone().unwrap_or_default();
        let mut found = Vec::new();
        for table in self.tables(wanted.table_id)? {
            if table.direct_meter.is_none() {
                if wanted.table_id != 0 {
                    return Err(invalid("table has no direct meter"));
                }
                continue;
            }
            let any = self.each(table, &wanted, |entry| {
                let shown = to_proto(&self.active.objects, table, &entry.new, entry.is_const);
                found.push(Kind::DirectMeterEntry(proto::DirectMeterEntry {
                    table_entry: Some(proto::TableEntry {
                        action: None,
                        ..shown
                    }),
                    config: entry.with_meter(|meter| meter.config()).map(meter_config),
                    counter_data: None,
                }));
            })?;
            if !any {
                return Err(ControlError::NotFound.into());
            }
        }
        Ok(found)
    }

    fn value_sets(&self, wanted: &proto::ValueSetEntry) -> Result<Vec<Kind>, Status> {
        let id = wanted.value_set_id;
        let all = &self.active.objects.value_sets;
        if id != 0 && !all.contains_key(&id) {
            return Err(missing("value set", id));
        }
        let state = self.active.pipeline.state();
        let sets = all.iter().filter(|(other, _)| id == 0 || id == **other);
        let entry = |(id, index): (&u32, &usize)| {
            let object = value_set_object(*id, &self.active.pipeline.program().value_sets[*index]);
            let member = |member: &ValueSetMember| proto::ValueSetMember {
                r#match: fields_to_proto(&object, &member.matches),
            };
            Kind::ValueSetEntry(proto::ValueSetEntry {
                value_set_id: *id,
                members: state.value_sets[*index].iter().map(member).collect(),
            })
        };
        Ok(sets.map(entry).collect())
    }

    fn registers(&self, wanted: &proto::RegisterEntry) -> Result<Vec<Kind>, Status> {
        let pipeline = &self.active.pipeline;
        let all = self.active.objects.registers.iter();
        let ids: Vec<_> = all
            .filter(|(id, _)| wanted.register_id == 0 || wanted.register_id == **id)
            .collect();
        if ids.is_empty() && wanted.register_id != 0 {
            return Err(missing("register", wanted.register_id));
        }
        let mut found = Vec::new();
        for (id, index) in ids {
            let width = pipeline.program().registers[index.index()].width;
            for cell in cells(wanted.index.as_ref(), pipeline.register_size(*index))? {
                let value = Const::from_limbs(width, pipeline.register(*index, cell)?);
                let data = P4Data {
                    data: Some(p4_data::Data::Bitstring(print(&value))),
                };
                found.push(Kind::RegisterEntry(proto::RegisterEntry {
                    register_id: *id,
                    index: Some(proto::Index {
                        index: cell.cast_signed(),
                    }),
                    data: Some(data),
                }));
            }
        }
        Ok(found)
    }

    fn digests(&self, wanted: &proto::DigestEntry) -> Result<Vec<Kind>, Status> {
        let id = wanted.digest_id;
        let all = &self.active.objects.digests;
        if id != 0 && !all.contains_key(&id) {
            return Err(missing("digest", id));
        }
        let chosen = all.iter().filter(|(other, _)| id == 0 || id == **other);
        let configured = chosen.filter_map(|(id, index)| Some((id, self.digests.config(*index)?)));
        let entry = |(id, config): (&u32, super::digest::Config)| {
            Kind::DigestEntry(proto::DigestEntry {
                digest_id: *id,
                config: Some(proto::digest_entry::Config {
                    max_timeout_ns: i64::try_from(config.max_timeout_ns).unwrap_or(i64::MAX),
                    max_list_size: i32::try_from(config.max_list_size).unwrap_or(i32::MAX),
                    ack_timeout_ns: i64::try_from(config.ack_timeout_ns).unwrap_or(i64::MAX),
                }),
            })
        };
        Ok(configured.map(entry).collect())
    }

    fn replication(
        &self,
        wanted: &proto::PacketReplicationEngineEntry,
    ) -> Result<Vec<Kind>, Status> {
        use packet_replication_engine_entry::Type;
        let state = self.active.pipeline.state();
        let found: Vec<Type> = match &wanted.r#type {
            Some(Type::MulticastGroupEntry(wanted)) => {
                let id = wanted.multicast_group_id;
                let groups = state
                    .groups
                    .iter()
                    .filter(|(other, _)| id == 0 || id == **other);
                let group = |(id, group): (&u32, &crate::pipeline::MulticastGroup)| {
                    Type::MulticastGroupEntry(proto::MulticastGroupEntry {
                        multicast_group_id: *id,
                        replicas: group
                            .replicas
                            .iter()
                            .copied()
                            .map(replica_to_proto)
                            .collect(),
                        metadata: group.metadata.clone(),
                    })
                };
                groups.map(group).collect()
            }
            Some(Type::CloneSessionEntry(wanted)) => {
                let id = wanted.session_id;
                let all = state
                    .sessions
                    .iter()
                    .filter(|(other, _)| id == 0 || id == **other);
                let session = |(id, session): (&u32, &crate::pipeline::CloneSession)| {
                    let len = session.max_len_bytes.unwrap_or(0);
                    Type::CloneSessionEntry(proto::CloneSessionEntry {
                        session_id: *id,
                        replicas: session
                            .replicas
                            .iter()
                            .copied()
                            .map(replica_to_proto)
                            .collect(),
                        class_of_service: session.class_of_service,
                        packet_length_bytes: i32::try_from(len).unwrap_or(i32::MAX),
                    })
                };
                all.map(session).collect()
            }
            None => return Err(invalid("packet replication entry is empty")),
        };
        let entry = |entry| {
            let entry = proto::PacketReplicationEngineEntry {
                r#type: Some(entry),
            };
            Kind::PacketReplicationEngineEntry(entry)
        };
        Ok(found.into_iter().map(entry).collect())
    }
}

fn action_id(action: &proto::TableAction) -> Option<u32> {
    match &action.r#type {
        Some(proto::table_action::Type::Action(action)) if action.action_id != 0 => {
            Some(action.action_id)
        }
        _ => None,
    }
}

fn replica_to_proto(replica: Replica) -> proto::Replica {
    let port = Const::new(32, u64::from(replica.port));
    proto::Replica {
        instance: u32::from(replica.instance),
        port_kind: Some(replica::PortKind::Port(print(&port))),
        ..proto::Replica::default()
    }
}

pub(crate) fn counter_data(count: Count) -> proto::CounterData {
    proto::CounterData {
        byte_count: i64::try_from(count.bytes).unwrap_or(i64::MAX),
        packet_count: i64::try_from(count.packets).unwrap_or(i64::MAX),
    }
}

fn meter_config(config: MeterConfig) -> proto::MeterConfig {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    proto::MeterConfig {
        cir: number(config.cir),
        cburst: number(config.cburst),
        pir: number(config.pir),
        pburst: number(config.pburst),
        ..proto::MeterConfig::default()
    }
}
