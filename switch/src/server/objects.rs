// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A pushed program, and the numbers under which a controller knows its objects.

use std::collections::BTreeMap;

use p4::ir::{ActionId, Cells, CounterId, MatchKind, MeterId, Program, RegisterId, TableId};
use p4rt::proto::p4::config::v1::P4Info;

use crate::pipeline::Pipeline;

/// A match field of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) id: u32,
    pub(crate) width: u32,
    pub(crate) kind: MatchKind,
}

/// A parameter of an action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub(crate) id: u32,
    pub(crate) width: u32,
}

/// A table that a controller can see.
#[derive(Clone, Debug)]
pub(crate) struct TableObject {
    pub(crate) id: u32,
    pub(crate) index: TableId,
    pub(crate) fields: Vec<Field>,
    /// Numbers of the actions, and what they mean in this table.
    pub(crate) actions: BTreeMap<u32, ActionId>,
    pub(crate) direct_counter: Option<CounterId>,
    pub(crate) direct_meter: Option<MeterId>,
    pub(crate) idle_timeout: bool,
    /// Index of the action profile.
    pub(crate) profile: Option<usize>,
}

impl TableObject {
    /// Greatest sum of weights of a group of its action profile; 0 for none.
    pub(crate) fn profile_group_size(&self, objects: &Objects) -> u32 {
        let mut profiles = objects.profiles.values();
        let found = profiles.find(|(index, _)| self.profile == Some(*index));
        found.map_or(0, |(_, most)| *most)
    }
}

/// An action that a controller can see.
#[derive(Clone, Debug)]
pub(crate) struct ActionObject {
    pub(crate) id: u32,
    pub(crate) params: Vec<Param>,
}

/// A field of the header that goes with a packet from or to the controller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketField {
    pub(crate) id: u32,
    pub(crate) width: u32,
}

/// The objects of a program by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) tables: BTreeMap<u32, TableObject>,
    /// By the index of the action in the program.
    pub(crate) actions: BTreeMap<ActionId, ActionObject>,
    pub(crate) counters: BTreeMap<u32, CounterId>,
    pub(crate) direct_counters: BTreeMap<u32, CounterId>,
    pub(crate) meters: BTreeMap<u32, MeterId>,
    pub(crate) registers: BTreeMap<u32, RegisterId>,
    /// Indices of digests.
    pub(crate) digests: BTreeMap<u32, usize>,
    pub(crate) value_sets: BTreeMap<u32, usize>,
    /// Indices of action profiles, and the greatest sum of weights of a group; 0 for none.
    pub(crate) profiles: BTreeMap<u32, (usize, u32)>,
    pub(crate) packet_in: Vec<PacketField>,
    pub(crate) packet_out: Vec<PacketField>,
}

/// A program with everything that was pushed along with it.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) pipeline: Pipeline,
    pub(crate) objects: Objects,
    pub(crate) p4info: P4Info,
    pub(crate) device_config: Vec<u8>,
    pub(crate) cookie: Option<u64>,
    /// What the front end had to say about the program.
    pub(crate) warnings: p4::diagnostic::Diagnostics,
}

impl Objects {
    /// Numbers the objects of a program as its P4Info does.
    pub(crate) fn new(program: &Program, p4info: &P4Info) -> Self {
        let mut objects = Self::default();
        for (index, action) in program.actions.iter().enumerate() {
            let params = action
                .params
                .iter()
                .enumerate()
                .map(|(position, param)| Param {
                    id: action_param_id(p4info, action.p4info_id, position),
                    width: program.slots[param.slot.index()].width,
                });
            let object = ActionObject {
                id: action.p4info_id,
                params: params.collect(),
            };
            objects.actions.insert(ActionId(number(index)), object);
        }
        for (index, table) in program.tables.iter().enumerate() {
            if table.p4info_id != 0 {
                let object = table_object(program, p4info, TableId(number(index)));
                objects.tables.insert(table.p4info_id, object);
            }
        }
        for (index, counter) in program.counters.iter().enumerate() {
            let list = match counter.cells {
                Cells::Indirect(_) => &mut objects.counters,
                Cells::Direct(_) | Cells::Unused => &mut objects.direct_counters,
            };
            list.insert(counter.p4info_id, CounterId(number(index)));
        }
        let meters = program.meters.iter().enumerate();
        let indirect = meters.filter(|(_, meter)| matches!(meter.cells, Cells::Indirect(_)));
        objects.meters = indirect
            .map(|(index, meter)| (meter.p4info_id, MeterId(number(index))))
            .collect();
        let registers = program.registers.iter().enumerate();
        objects.registers = registers
            .map(|(index, one)| (one.p4info_id, RegisterId(number(index))))
            .collect();
        let digests = program.digests.iter().enumerate();
        objects.digests = digests
            .map(|(index, digest)| (digest.p4info_id, index))
            .collect();
        let sets = program.value_sets.iter().enumerate();
        objects.value_sets = sets.map(|(index, set)| (set.p4info_id, index)).collect();
        let profiles = program.action_profiles.iter().enumerate();
        objects.profiles = profiles
            .map(|(index, profile)| {
                let id = profile.p4info_id;
                let mut known = p4info.action_profiles.iter();
                let info = known.find(|one| one.preamble.as_ref().is_some_and(|p| p.id == id));
                let most = info.map_or(0, |info| u32::try_from(info.max_group_size).unwrap_or(0));
                (id, (index, most))
            })
            .collect();
        objects.packet_in = packet_fields(p4info, "packet_in");
        objects.packet_out = packet_fields(p4info, "packet_out");
        objects
    }

    /// The action of an entry.
    pub(crate) fn action(&self, action: ActionId) -> Option<&ActionObject> {
        self.actions.get(&action)
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn action_param_id(p4info: &P4Info, action: u32, position: usize) -> u32 {
    let of = |id: u32| {
        p4info
            .actions
            .iter()
            .find(|a| a.preamble.as_ref().is_some_and(|p| p.id == id))
    };
    let param = of(action).and_then(|action| action.params.get(position));
    param.map_or(number(position) + 1, |param| param.id)
}

fn table_object(program: &Program, p4info: &P4Info, index: TableId) -> TableObject {
    let table = &program.tables[index.index()];
    let id = table.p4info_id;
    let info = p4info
        .tables
        .iter()
        .find(|t| t.preamble.as_ref().is_some_and(|p| p.id == id));
    let keys = table
        .keys
        .iter()
        .filter(|key| key.match_kind != MatchKind::Selector);
    let fields = keys.enumerate().map(|(position, key)| Field {
        id: info
            .and_then(|info| info.match_fields.get(position))
            .map_or(number(position) + 1, |field| field.id),
        width: key.value.width,
        kind: key.match_kind,
    });
    let actions = table.actions.iter().map(|action| action.action);
    TableObject {
        id,
        index,
        fields: fields.collect(),
        actions: actions
            .map(|a| (program.actions[a.index()].p4info_id, a))
            .collect(),
        direct_counter: table.direct_counter,
        direct_meter: table.direct_meter,
        idle_timeout: table.idle_timeout,
        profile: table.action_profile.map(p4::ir::ActionProfileId::index),
    }
}

fn packet_fields(p4info: &P4Info, name: &str) -> Vec<PacketField> {
    let headers = &p4info.controller_packet_metadata;
    let header = headers
        .iter()
        .find(|header| header.preamble.as_ref().is_some_and(|p| p.name == name));
    let fields = header.map_or(&[][..], |header| &header.metadata);
    let field =
        |field: &p4rt::proto::p4::config::v1::controller_packet_metadata::Metadata| PacketField {
            id: field.id,
            width: u32::try_from(field.bitwidth).unwrap_or(0),
        };
    fields.iter().map(field).collect()
}

/// What a controller relies on in a P4Info, one line for each object. Two of them with equal
/// lines describe the same interface, whatever documentation and annotations they carry.
pub(crate) fn interface(p4info: &P4Info) -> Vec<String> {
    let mut lines = Vec::new();
    for table in &p4info.tables {
        let fields = table.match_fields.iter();
        let fields = fields.map(|f| format!("{}:{}:{:?}", f.id, f.bitwidth, f.r#match));
        let mut actions: Vec<u32> = table.action_refs.iter().map(|action| action.id).collect();
        actions.sort_unstable();
        let fields: Vec<String> = fields.collect();
        lines.push(line(
            "table",
            table.preamble.as_ref(),
            &format!("{fields:?} {actions:?}"),
        ));
    }
    for action in &p4info.actions {
        let params: Vec<String> = action
            .params
            .iter()
            .map(|p| format!("{}:{}:{}", p.id, p.name, p.bitwidth))
            .collect();
        lines.push(line(
            "action",
            action.preamble.as_ref(),
            &format!("{params:?}"),
        ));
    }
    for counter in &p4info.counters {
        lines.push(line(
            "counter",
            counter.preamble.as_ref(),
            &counter.size.to_string(),
        ));
    }
    for counter in &p4info.direct_counters {
        let table = format!("{:#010x}", counter.direct_table_id);
        lines.push(line("direct counter", counter.preamble.as_ref(), &table));
    }
    for meter in &p4info.meters {
        lines.push(line(
            "meter",
            meter.preamble.as_ref(),
            &meter.size.to_string(),
        ));
    }
    for register in &p4info.registers {
        lines.push(line(
            "register",
            register.preamble.as_ref(),
            &register.size.to_string(),
        ));
    }
    for digest in &p4info.digests {
        lines.push(line("digest", digest.preamble.as_ref(), ""));
    }
    for header in &p4info.controller_packet_metadata {
        let fields: Vec<String> = header
            .metadata
            .iter()
            .map(|f| format!("{}:{}", f.id, f.bitwidth))
            .collect();
        lines.push(line(
            "packet header",
            header.preamble.as_ref(),
            &format!("{fields:?}"),
        ));
    }
    lines.sort_unstable();
    lines
}

fn line(
    kind: &str,
    preamble: Option<&p4rt::proto::p4::config::v1::Preamble>,
    detail: &str,
) -> String {
    let (id, name) = preamble.map_or((0, ""), |preamble| (preamble.id, preamble.name.as_str()));
    format!("{kind} {name} {id:#010x} {detail}")
}
