// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Updates: what a Write request changes, one entity at a time.

use std::collections::{BTreeMap, BTreeSet};

use p4::ir::MeterId;
use p4rt::proto::p4::v1::{
    self as proto, entity::Entity as Kind, p4_data, packet_replication_engine_entry, replica,
    update::Type,
};
use tonic::{Code, Status};

use super::{
    digest::{Config, Digests},
    objects::{Active, Field, TableObject},
    table_entry::{call, invalid, matches, new_entry},
    values::parse,
};
use crate::{
    engine::{
        externs::MeterConfig,
        profiles::Through,
        tables::{ControlError, Count, Entry, NewEntry},
        value_sets::ValueSetMember,
    },
    pipeline::{CloneSession, MulticastGroup, Replica},
};

/// Largest session number that BMv2's clone register holds.
const MAX_SESSION: u32 = 0x7fff;

/// Copies of one group or session: more than one packet may become.
const MAX_REPLICAS: usize = crate::traffic::COPY_LIMIT;

/// Longest text that a controller may keep with an entry or group, in octets.
const MAX_METADATA: usize = 4096;

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
    /// Whether the switch has a port.
    pub(crate) has_port: &'a dyn Fn(u32) -> bool,
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
                no_colours(entry.counter_data.as_ref())?;
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
        if entry.is_const {
            return Err(invalid("only the program makes entries constant"));
        }
        let mut state = self.active.pipeline.state_mut();
        let state = &mut *state;
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
        let direct = DirectResources::read(table, entry)?;
        if kind == Type::Modify && entry.action.is_none() {
            // Of a constant entry, the direct resources may change, and nothing else.
            let key = matches(table, &entry.r#match)?;
            let row = rows.entry(&key, entry.priority);
            let row = row.filter(|row| row.is_const);
            direct.write(
                row.ok_or_else(|| invalid("action is missing"))?,
                self.now_ns,
            );
            return Ok(());
        }
        let profile = table.profile.and_then(|index| state.profiles.get(index));
        let new = new_entry(&self.active.objects, table, profile, entry)?;
        self.watched(&new)?;
        let (key, priority) = (new.matches.clone(), new.priority);
        if matches!(new.through, Some(Through::OneShot(_)))
            && profile.is_some_and(|profile| !profile.members.is_empty())
        {
            return Err(invalid(
                "action profile has members: its entries are not programmed in one shot",
            ));
        }
        if kind == Type::Insert {
            rows.insert(new, self.now_ns)?;
        } else {
            rows.modify(new, self.now_ns)?;
        }
        if let Some(row) = rows.entry(&key, priority) {
            direct.write(row, self.now_ns);
        }
        Ok(())
    }

    /// Checks the ports that the actions of an entry depend on.
    fn watched(&self, new: &NewEntry) -> Result<(), Status> {
        let Some(Through::OneShot(list)) = &new.through else {
            return Ok(());
        };
        list.iter()
            .try_for_each(|one| self.watch_port(&one.watch_port))
    }

    /// Checks a port that a member depends on: none, or one that the switch has.
    pub(super) fn watch_port(&self, port: &[u8]) -> Result<(), Status> {
        if port.is_empty() || watched_port(port).is_some_and(|port| (self.has_port)(port)) {
            return Ok(());
        }
        Err(invalid("watch port is no port of the switch"))
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
        if entry.is_const {
            return Err(invalid("only the program makes entries constant"));
        }
        if entry.idle_timeout_ns != 0 {
            return Err(invalid("the default entry has no idle time-out"));
        }
        let direct = DirectResources::read(table, entry)?;
        if direct.meter.is_some() {
            let message = "the meter of a default entry cannot be configured";
            return Err(Status::unimplemented(message));
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
        let reset = call.is_none();
        let mut state = self.active.pipeline.state_mut();
        let rows = state.table_mut(table.index);
        rows.set_default(call)?;
        if reset {
            rows.set_default_count(Count::default());
        }
        if let Some(count) = direct.count {
            rows.set_default_count(count);
        }
        let metadata = if reset {
            Vec::new()
        } else {
            entry.metadata.clone()
        };
        state.default_metadata.insert(table.index, metadata);
        Ok(())
    }

    fn counter(&self, entry: &proto::CounterEntry) -> Result<(), Status> {
        let pipeline = &self.active.pipeline;
        let found = self.active.objects.counters.get(&entry.counter_id).copied();
        let id = found.ok_or_else(|| missing("counter", entry.counter_id))?;
        let data = entry.data.as_ref().map(count).transpose()?;
        for cell in cells(entry.index.as_ref(), pipeline.counter_size(id))? {
            if let Some(data) = data {
                pipeline.set_counter(id, cell, data)?;
            }
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
        let data = data.map(count).transpose()?;
        let state = self.active.pipeline.state();
        let rows = state.table(table.index);
        if entry.is_default_action {
            if let Some(data) = data {
                rows.set_default_count(data);
            }
            return Ok(());
        }
        let row = rows.entry(&matches(table, &entry.r#match)?, entry.priority);
        let row = row.ok_or(ControlError::NotFound)?;
        if let Some(data) = data {
            row.set_count(data);
        }
        Ok(())
    }

    fn meter(&self, entry: &proto::MeterEntry) -> Result<(), Status> {
        let pipeline = &self.active.pipeline;
        let found = self.active.objects.meters.get(&entry.meter_id).copied();
        let id: MeterId = found.ok_or_else(|| missing("meter", entry.meter_id))?;
        no_colours(entry.counter_data.as_ref())?;
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
                self.active.pipeline.want_digest(digest, false);
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
        self.active.pipeline.want_digest(digest, true);
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
        let object = value_set_object(entry.value_set_id, set);
        let mut members: Vec<ValueSetMember> = Vec::with_capacity(entry.members.len());
        for given in &entry.members {
            let member = ValueSetMember::new(matches(&object, &given.r#match)?, &set.fields);
            if members.contains(&member) {
                return Err(ControlError::Exists.into());
            }
            members.push(member);
        }
        self.active.pipeline.state_mut().value_sets[index] = members;
        Ok(())
    }

    fn multicast(&self, kind: Type, entry: &proto::MulticastGroupEntry) -> Result<(), Status> {
        let id = entry.multicast_group_id;
        if id == 0 || id > u32::from(u16::MAX) {
            return Err(invalid(format!("multicast group {id} is not in 1..=65535")));
        }
        let groups = &mut self.active.pipeline.state_mut().groups;
        if kind == Type::Delete {
            return remove(groups, id);
        }
        if entry.metadata.len() > MAX_METADATA {
            return Err(too_much("metadata", MAX_METADATA));
        }
        let group = MulticastGroup {
            replicas: replicas(&entry.replicas)?,
            metadata: entry.metadata.clone(),
        };
        change(groups, kind, id, group)
    }

    fn clone_session(&self, kind: Type, entry: &proto::CloneSessionEntry) -> Result<(), Status> {
        let id = entry.session_id;
        if id == 0 || id > MAX_SESSION {
            return Err(invalid(format!(
                "clone session {id} is not in 1..={MAX_SESSION}"
            )));
        }
        let sessions = &mut self.active.pipeline.state_mut().sessions;
        if kind == Type::Delete {
            return remove(sessions, id);
        }
        let len = u32::try_from(entry.packet_length_bytes)
            .map_err(|_| invalid("packet length is negative"))?;
        let session = CloneSession {
            replicas: replicas(&entry.replicas)?,
            class_of_service: entry.class_of_service,
            max_len_bytes: (len != 0).then_some(len),
        };
        change(sessions, kind, id, session)
    }
}

/// What an entry says about its counter and meter.
struct DirectResources {
    meter: Option<MeterConfig>,
    count: Option<Count>,
}

impl DirectResources {
    /// Reads what an entry says about them, and checks what it must not say.
    fn read(table: &TableObject, entry: &proto::TableEntry) -> Result<Self, Status> {
        let direct = Self {
            meter: entry.meter_config.as_ref().map(meter_config).transpose()?,
            count: entry.counter_data.as_ref().map(count).transpose()?,
        };
        if direct.meter.is_some() && table.direct_meter.is_none() {
            return Err(invalid("table has no direct meter"));
        }
        if direct.count.is_some() && table.direct_counter.is_none() {
            return Err(invalid("table has no direct counter"));
        }
        no_colours(entry.meter_counter_data.as_ref())?;
        if entry.time_since_last_hit.is_some() {
            return Err(invalid("the time since the last hit is only read"));
        }
        if entry.metadata.len() > MAX_METADATA {
            return Err(too_much("metadata", MAX_METADATA));
        }
        Ok(direct)
    }

    /// Without a configuration, the meter is reset; without a count, the counter goes on.
    fn write(&self, row: &Entry, now_ns: u64) {
        if let Some(count) = self.count {
            row.set_count(count);
        }
        row.with_meter(|cell| cell.configure(self.meter, now_ns));
    }
}

/// A value set as a table that has its fields and nothing else.
pub(super) fn value_set_object(id: u32, set: &p4::ir::ValueSet) -> TableObject {
    let fields = set.fields.iter().zip(1..);
    let field = |((width, kind), id): (&(u32, p4::ir::MatchKind), u32)| Field {
        id,
        width: *width,
        kind: *kind,
    };
    TableObject {
        id,
        index: p4::ir::TableId(0),
        fields: fields.map(field).collect(),
        actions: BTreeMap::new(),
        direct_counter: None,
        direct_meter: None,
        idle_timeout: false,
        profile: None,
    }
}

/// The number of a port that is watched.
pub(super) fn watched_port(port: &[u8]) -> Option<u32> {
    parse(port, 32).ok()?.to_u64()?.try_into().ok()
}

/// Meters of this switch do not count by colour.
pub(super) fn no_colours(data: Option<&proto::MeterCounterData>) -> Result<(), Status> {
    match data {
        None => Ok(()),
        Some(_) => Err(Status::unimplemented("meters do not count by colour")),
    }
}

pub(super) fn too_much(what: &str, most: usize) -> Status {
    Status::resource_exhausted(format!("{what} is longer than {most}"))
}

fn remove<T>(map: &mut BTreeMap<u32, T>, id: u32) -> Result<(), Status> {
    let removed = map.remove(&id);
    Ok(removed.map(drop).ok_or(ControlError::NotFound)?)
}

fn change<T>(map: &mut BTreeMap<u32, T>, kind: Type, id: u32, value: T) -> Result<(), Status> {
    match (kind, map.contains_key(&id)) {
        (Type::Insert, true) => Err(ControlError::Exists.into()),
        (Type::Modify, false) => Err(ControlError::NotFound.into()),
        _ => {
            map.insert(id, value);
            Ok(())
        }
    }
}

fn replicas(given: &[proto::Replica]) -> Result<Vec<Replica>, Status> {
    if given.len() > MAX_REPLICAS {
        return Err(too_much("list of replicas", MAX_REPLICAS));
    }
    let mut replicas = Vec::with_capacity(given.len());
    let mut known = BTreeSet::new();
    for replica in given {
        if !replica.backup_replicas.is_empty() {
            return Err(Status::unimplemented("replicas have no backups here"));
        }
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
        if !known.insert(new) {
            return Err(invalid(format!(
                "port {port}, instance {instance} is given twice"
            )));
        }
        replicas.push(new);
    }
    Ok(replicas)
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
    if config.eburst != 0 {
        return Err(invalid("a meter with two rates has no excess burst"));
    }
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
