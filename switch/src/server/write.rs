// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Updates: what a Write request changes, one entity at a time.

use p4::ir::{MeterId, limb_count};
use p4rt::proto::p4::v1::{
    self as proto, entity::Entity as Kind, p4_data, packet_replication_engine_entry, replica,
    update::Type,
};
use tonic::{Code, Status};

use super::{
    digest::{Config, Digests},
    objects::{Active, TableObject},
    table_entry::{call, invalid, matches, new_entry},
    values::parse,
};
use crate::{
    engine::{
        exec::ValueSetMember,
        externs::MeterConfig,
        tables::{ControlError, Count},
    },
    pipeline::{CloneSession, MulticastGroup, Replica},
};

/// Largest session number that BMv2's clone register holds.
const MAX_SESSION: u32 = 0x7fff;

impl From<ControlError> for Status {
    fn from(error: ControlError) -> Self {
        let code = match error {
            ControlError::Exists => Code::AlreadyExists,
            ControlError::NotFound => Code::NotFound,
            ControlError::Full { .. } => Code::ResourceExhausted,
            ControlError::Constant { .. } | ControlError::ActionScope { .. } => {
                Code::PermissionDenied
            }
            ControlError::InUse { .. } => Code::FailedPrecondition,
            ControlError::IndexOutOfRange { .. } => Code::OutOfRange,
            ControlError::ForeignAction
            | ControlError::PriorityMissing
            | ControlError::PriorityUnexpected => Code::InvalidArgument,
        };
        Status::new(code, error.to_string())
    }
}

/// Where updates go.
pub(crate) struct Writer<'a> {
    pub(crate) active: &'a Active,
    pub(crate) digests: &'a mut Digests,
    pub(crate) now_ns: u64,
}

impl Writer<'_> {
    /// Carries one update out, wholly or not at all.
    pub(crate) fn apply(&mut self, update: &proto::Update) -> Result<(), Status> {
        let entity = update
            .entity
            .as_ref()
            .and_then(|entity| entity.entity.as_ref());
        let entity = entity.ok_or_else(|| invalid("update has no entity"))?;
        let kind = Type::try_from(update.r#type).unwrap_or(Type::Unspecified);
        if kind == Type::Unspecified {
            return Err(invalid("update has no type"));
        }
        match entity {
            Kind::TableEntry(entry) if entry.is_default_action => self.default_entry(kind, entry),
            Kind::TableEntry(entry) => self.table_entry(kind, entry),
            Kind::CounterEntry(entry) => only_modify(kind).and_then(|()| self.counter(entry)),
            Kind::DirectCounterEntry(entry) => {
                only_modify(kind)?;
                self.direct_counter(entry.table_entry.as_ref(), entry.data.as_ref())
            }
            Kind::MeterEntry(entry) => only_modify(kind).and_then(|()| self.meter(entry)),
            Kind::DirectMeterEntry(entry) => {
                only_modify(kind)?;
                self.direct_meter(entry.table_entry.as_ref(), entry.config.as_ref())
            }
            Kind::RegisterEntry(entry) => only_modify(kind).and_then(|()| self.register(entry)),
            Kind::DigestEntry(entry) => self.digest(kind, entry),
            Kind::ValueSetEntry(entry) => only_modify(kind).and_then(|()| self.value_set(entry)),
            Kind::PacketReplicationEngineEntry(entry) => match &entry.r#type {
                Some(packet_replication_engine_entry::Type::MulticastGroupEntry(group)) => {
                    self.multicast(kind, group)
                }
                Some(packet_replication_engine_entry::Type::CloneSessionEntry(session)) => {
                    self.clone_session(kind, session)
                }
                None => Err(invalid("packet replication entry is empty")),
            },
            Kind::ActionProfileMember(member) => self.member(kind, member),
            Kind::ActionProfileGroup(group) => self.group(kind, group),
            Kind::ExternEntry(_) => Err(Status::unimplemented("v1model has no such extern")),
        }
    }

    pub(super) fn table(&self, id: u32) -> Result<&TableObject, Status> {
        let table = self.active.objects.tables.get(&id);
        table.ok_or_else(|| Status::not_found(format!("no table {id:#010x}")))
    }

    fn table_entry(&self, kind: Type, entry: &proto::TableEntry) -> Result<(), Status> {
        let table = self.table(entry.table_id)?;
        let mut state = self.active.pipeline.state_mut();
        let state = &mut *state;
        let profile = table.profile.and_then(|index| state.profiles.get(index));
        let rows = &mut state.tables[table.index.index()];
        if kind == Type::Delete {
            // Only the key matters.
            return Ok(rows.delete(&matches(table, &entry.r#match)?, entry.priority)?);
        }
        if table.fields.is_empty() {
            return Err(invalid(
                "table has no key: only its default entry can be written",
            ));
        }
        let new = new_entry(&self.active.objects, table, profile, entry)?;
        let (key, priority) = (new.matches.clone(), new.priority);
        let meter = entry.meter_config.as_ref().map(meter_config).transpose()?;
        let count = entry.counter_data.as_ref().map(count).transpose()?;
        if meter.is_some() && table.direct_meter.is_none() {
            return Err(invalid("table has no direct meter"));
        }
        if count.is_some() && table.direct_counter.is_none() {
            return Err(invalid("table has no direct counter"));
        }
        if kind == Type::Insert {
            rows.insert(new, self.now_ns)?;
        } else {
            rows.modify(new, self.now_ns)?;
        }
        if let Some(row) = rows.entry(&key, priority) {
            if let Some(count) = count {
                row.set_count(count);
            }
            // A modification without a meter configuration resets it.
            row.with_meter(|cell| cell.configure(meter, self.now_ns));
        }
        Ok(())
    }

    fn default_entry(&self, kind: Type, entry: &proto::TableEntry) -> Result<(), Status> {
        let table = self.table(entry.table_id)?;
        if kind != Type::Modify {
            return Err(invalid("the default entry can only be modified"));
        }
        if !entry.r#match.is_empty() || entry.priority != 0 {
            return Err(invalid(
                "the default entry has neither matches nor a priority",
            ));
        }
        let action = entry
            .action
            .as_ref()
            .and_then(|action| action.r#type.as_ref());
        let call = match action {
            None => None,
            Some(proto::table_action::Type::Action(action)) => {
                Some(call(&self.active.objects, table, action)?)
            }
            Some(_) => return Err(invalid("the default entry has an action of its own")),
        };
        let count = entry.counter_data.as_ref().map(count).transpose()?;
        let mut state = self.active.pipeline.state_mut();
        let rows = state.table_mut(table.index);
        rows.set_default(call)?;
        if let Some(count) = count {
            rows.set_default_count(count);
        }
        Ok(())
    }

    fn counter(&self, entry: &proto::CounterEntry) -> Result<(), Status> {
        let pipeline = &self.active.pipeline;
        let found = self.active.objects.counters.get(&entry.counter_id).copied();
        let id = found.ok_or_else(|| missing("counter", entry.counter_id))?;
        let data = entry
            .data
            .as_ref()
            .map(count)
            .transpose()?
            .unwrap_or_default();
        for cell in cells(entry.index.as_ref(), pipeline.counter_size(id))? {
            pipeline.set_counter(id, cell, data)?;
        }
        Ok(())
    }

    fn direct_counter(
        &self,
        entry: Option<&proto::TableEntry>,
        data: Option<&proto::CounterData>,
    ) -> Result<(), Status> {
        let entry = entry.ok_or_else(|| invalid("table entry is missing"))?;
        let table = self.table(entry.table_id)?;
        if table.direct_counter.is_none() {
            return Err(invalid("table has no direct counter"));
        }
        let data = data.map(count).transpose()?.unwrap_or_default();
        let state = self.active.pipeline.state();
        let rows = state.table(table.index);
        if entry.is_default_action {
            rows.set_default_count(data);
            return Ok(());
        }
        let row = rows.entry(&matches(table, &entry.r#match)?, entry.priority);
        row.ok_or(ControlError::NotFound)?.set_count(data);
        Ok(())
    }

    fn meter(&self, entry: &proto::MeterEntry) -> Result<(), Status> {
        let pipeline = &self.active.pipeline;
        let found = self.active.objects.meters.get(&entry.meter_id).copied();
        let id: MeterId = found.ok_or_else(|| missing("meter", entry.meter_id))?;
        let config = entry.config.as_ref().map(meter_config).transpose()?;
        for cell in cells(entry.index.as_ref(), pipeline.meter_size(id))? {
            pipeline.with_meter(id, cell, |meter| meter.configure(config, self.now_ns))?;
        }
        Ok(())
    }

    fn direct_meter(
        &self,
        entry: Option<&proto::TableEntry>,
        config: Option<&proto::MeterConfig>,
    ) -> Result<(), Status> {
        let entry = entry.ok_or_else(|| invalid("table entry is missing"))?;
        let table = self.table(entry.table_id)?;
        if table.direct_meter.is_none() {
            return Err(invalid("table has no direct meter"));
        }
        let config = config.map(meter_config).transpose()?;
        let state = self.active.pipeline.state();
        let rows = state.table(table.index);
        let row = rows.entry(&matches(table, &entry.r#match)?, entry.priority);
        let row = row.ok_or(ControlError::NotFound)?;
        row.with_meter(|meter| meter.configure(config, self.now_ns));
        Ok(())
    }

    fn register(&self, entry: &proto::RegisterEntry) -> Result<(), Status> {
        let pipeline = &self.active.pipeline;
        let found = self
            .active
            .objects
            .registers
            .get(&entry.register_id)
            .copied();
        let id = found.ok_or_else(|| missing("register", entry.register_id))?;
        let width = pipeline.program().registers[id.index()].width;
        let data = entry.data.as_ref().and_then(|data| data.data.as_ref());
        let Some(p4_data::Data::Bitstring(bytes)) = data else {
            return Err(invalid("register data is not a bit string"));
        };
        let value = parse(bytes, width)?;
        for cell in cells(entry.index.as_ref(), pipeline.register_size(id))? {
            pipeline.set_register(id, cell, &value.limbs)?;
        }
        Ok(())
    }

    fn digest(&mut self, kind: Type, entry: &proto::DigestEntry) -> Result<(), Status> {
        let found = self.active.objects.digests.get(&entry.digest_id).copied();
        let digest = found.ok_or_else(|| missing("digest", entry.digest_id))?;
        match (kind, self.digests.config(digest)) {
            (Type::Insert, Some(_)) => return Err(ControlError::Exists.into()),
            (Type::Modify | Type::Delete, None) => return Err(ControlError::NotFound.into()),
            (Type::Delete, Some(_)) => {
                self.digests.configure(digest, None);
                return Ok(());
            }
            _ => {}
        }
        let given = entry.config.unwrap_or_default();
        let time = |ns: i64| u64::try_from(ns).map_err(|_| invalid("time-out is negative"));
        let size = usize::try_from(given.max_list_size);
        let config = Config {
            max_timeout_ns: time(given.max_timeout_ns)?,
            max_list_size: size.map_err(|_| invalid("list size is negative"))?,
            ack_timeout_ns: time(given.ack_timeout_ns)?,
        };
        self.digests.configure(digest, Some(config));
        Ok(())
    }

    fn value_set(&self, entry: &proto::ValueSetEntry) -> Result<(), Status> {
        let found = self
            .active
            .objects
            .value_sets
            .get(&entry.value_set_id)
            .copied();
        let index = found.ok_or_else(|| missing("value set", entry.value_set_id))?;
        let set = &self.active.pipeline.program().value_sets[index];
        if entry.members.len() as u64 > set.size {
            return Err(ControlError::Full { size: set.size }.into());
        }
        let fields = set.fields.iter().zip(1..);
        let object = TableObject {
            id: entry.value_set_id,
            index: p4::ir::TableId(0),
            fields: fields
                .map(|((width, kind), id)| super::objects::Field {
                    id,
                    width: *width,
                    kind: *kind,
                })
                .collect(),
            actions: std::collections::BTreeMap::new(),
            direct_counter: None,
            direct_meter: None,
            idle_timeout: false,
            profile: None,
        };
        let member = |member: &proto::ValueSetMember| {
            let matches = matches(&object, &member.r#match)?;
            let pairs = matches.iter().zip(&object.fields);
            let fields = pairs.map(|(pattern, field)| masked(pattern, field.width));
            Ok(ValueSetMember {
                fields: fields.collect::<Result<_, Status>>()?,
            })
        };
        let members = entry
            .members
            .iter()
            .map(member)
            .collect::<Result<_, Status>>()?;
        self.active.pipeline.state_mut().value_sets[index] = members;
        Ok(())
    }

    fn multicast(&self, kind: Type, entry: &proto::MulticastGroupEntry) -> Result<(), Status> {
        let id = entry.multicast_group_id;
        if id == 0 || id > u32::from(u16::MAX) {
            return Err(invalid(format!("multicast group {id} is not in 1..=65535")));
        }
        let group = MulticastGroup {
            replicas: replicas(&entry.replicas)?,
            metadata: entry.metadata.clone(),
        };
        change(
            &mut self.active.pipeline.state_mut().groups,
            kind,
            id,
            group,
        )
    }

    fn clone_session(&self, kind: Type, entry: &proto::CloneSessionEntry) -> Result<(), Status> {
        let id = entry.session_id;
        if id == 0 || id > MAX_SESSION {
            return Err(invalid(format!(
                "clone session {id} is not in 1..={MAX_SESSION}"
            )));
        }
        let len = u32::try_from(entry.packet_length_bytes)
            .map_err(|_| invalid("packet length is negative"))?;
        let session = CloneSession {
            replicas: replicas(&entry.replicas)?,
            class_of_service: entry.class_of_service,
            max_len_bytes: (len != 0).then_some(len),
        };
        change(
            &mut self.active.pipeline.state_mut().sessions,
            kind,
            id,
            session,
        )
    }
}

fn change<T>(
    map: &mut std::collections::BTreeMap<u32, T>,
    kind: Type,
    id: u32,
    value: T,
) -> Result<(), Status> {
    match (kind, map.contains_key(&id)) {
        (Type::Insert, true) => return Err(ControlError::Exists.into()),
        (Type::Modify | Type::Delete, false) => return Err(ControlError::NotFound.into()),
        (Type::Delete, true) => _ = map.remove(&id),
        _ => _ = map.insert(id, value),
    }
    Ok(())
}

fn replicas(given: &[proto::Replica]) -> Result<Vec<Replica>, Status> {
    let mut replicas = Vec::with_capacity(given.len());
    for replica in given {
        let port = match &replica.port_kind {
            #[expect(deprecated, reason = "older controllers write the port as a number")]
            Some(replica::PortKind::EgressPort(port)) => *port,
            Some(replica::PortKind::Port(bytes)) => {
                let port = parse(bytes, 32)?
                    .to_u64()
                    .and_then(|port| port.try_into().ok());
                port.ok_or_else(|| invalid("port needs more than 32 bits"))?
            }
            None => return Err(invalid("replica has no port")),
        };
        let instance = u16::try_from(replica.instance).map_err(|_| {
            invalid(format!(
                "instance {} needs more than 16 bits",
                replica.instance
            ))
        })?;
        let new = Replica { port, instance };
        if replicas.contains(&new) {
            return Err(invalid(format!(
                "port {port}, instance {instance} is given twice"
            )));
        }
        replicas.push(new);
    }
    Ok(replicas)
}

/// Mask and value of a pattern, in limbs.
fn masked(pattern: &p4::ir::Match, width: u32) -> Result<(Vec<u64>, Vec<u64>), Status> {
    use p4::ir::{Const, Match};
    Ok(match pattern {
        Match::Any => (vec![0; limb_count(width)], vec![0; limb_count(width)]),
        Match::Exact(value) => (Const::ones(width).limbs, value.limbs.clone()),
        Match::Lpm { value, prefix_len } => {
            let mask = crate::engine::tables::prefix_mask(width, *prefix_len);
            (mask.limbs, value.limbs.clone())
        }
        Match::Ternary { value, mask } => (mask.limbs.clone(), value.limbs.clone()),
        Match::Range { .. } => {
            return Err(Status::unimplemented(
                "ranges in value sets are not supported",
            ));
        }
    })
}

/// The cells that an index stands for: one, or all if it is unset.
pub(crate) fn cells(
    index: Option<&proto::Index>,
    size: u64,
) -> Result<std::ops::Range<u64>, Status> {
    let Some(index) = index else {
        return Ok(0..size);
    };
    let first = u64::try_from(index.index).map_err(|_| invalid("index is negative"))?;
    if first >= size {
        return Err(ControlError::IndexOutOfRange { index: first, size }.into());
    }
    Ok(first..first + 1)
}

fn count(data: &proto::CounterData) -> Result<Count, Status> {
    let number = |value: i64| u64::try_from(value).map_err(|_| invalid("count is negative"));
    Ok(Count {
        packets: number(data.packet_count)?,
        bytes: number(data.byte_count)?,
    })
}

fn meter_config(config: &proto::MeterConfig) -> Result<MeterConfig, Status> {
    let number = |value: i64| u64::try_from(value).map_err(|_| invalid("meter is negative"));
    let config = MeterConfig {
        cir: number(config.cir)?,
        cburst: number(config.cburst)?,
        pir: number(config.pir)?,
        pburst: number(config.pburst)?,
    };
    if config.pir < config.cir {
        return Err(invalid("peak rate is below the committed rate"));
    }
    Ok(config)
}

fn only_modify(kind: Type) -> Result<(), Status> {
    match kind {
        Type::Modify => Ok(()),
        _ => Err(invalid("this entity can only be modified")),
    }
}

pub(crate) fn missing(kind: &str, id: u32) -> Status {
    Status::not_found(format!("no {kind} {id:#010x}"))
}
