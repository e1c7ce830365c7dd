// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Table entries of the protocol and of the engine.

use p4::ir::{Const, Match, MatchKind};
use p4rt::proto::p4::v1::{
    self as proto, FieldMatch, TableAction, field_match, field_match::FieldMatchType, table_action,
};
use tonic::{Code, Status};

use super::{
    objects::{Field, Objects, TableObject},
    values::{parse, print},
};
use crate::engine::{
    profiles::{Profile, Through, WeightedCall},
    tables::{Call, NewEntry, prefix_mask},
    wide,
};

/// Reads the matches of an entry, one for each field of the table.
pub(crate) fn matches(table: &TableObject, given: &[FieldMatch]) -> Result<Vec<Match>, Status> {
    for (index, field) in given.iter().enumerate() {
        if !table.fields.iter().any(|known| known.id == field.field_id) {
            return Err(invalid(format!(
                "table has no match field {}",
                field.field_id
            )));
        }
        if given[..index]
            .iter()
            .any(|other| other.field_id == field.field_id)
        {
            return Err(invalid(format!(
                "match field {} is given twice",
                field.field_id
            )));
        }
    }
    let find = |id: u32| given.iter().find(|field| field.field_id == id);
    let one = |field: &Field| match find(field.id) {
        Some(given) => field_match(field, given),
        None if field.kind == MatchKind::Exact => Err(invalid(format!(
            "exact match field {} is missing",
            field.id
        ))),
        None => Ok(Match::Any),
    };
    table.fields.iter().map(one).collect()
}

fn field_match(field: &Field, given: &FieldMatch) -> Result<Match, Status> {
    let wrong = || invalid(format!("match field {} has another match kind", field.id));
    let value = |bytes: &[u8]| parse(bytes, field.width);
    match (
        field.kind,
        given.field_match_type.as_ref().ok_or_else(wrong)?,
    ) {
        (MatchKind::Exact, FieldMatchType::Exact(exact)) => Ok(Match::Exact(value(&exact.value)?)),
        (MatchKind::Optional, FieldMatchType::Optional(one)) => {
            Ok(Match::Exact(value(&one.value)?))
        }
        (MatchKind::Lpm, FieldMatchType::Lpm(lpm)) => {
            let len = u32::try_from(lpm.prefix_len).unwrap_or(0);
            if len == 0 || len > field.width {
                return Err(invalid(format!(
                    "prefix length {} is not 1..={}; leave the field \
                    out to match everything",
                    lpm.prefix_len, field.width
                )));
            }
            let value = value(&lpm.value)?;
            outside(&value, &prefix_mask(field.width, len), "prefix")?;
            Ok(Match::Lpm {
                value,
                prefix_len: len,
            })
        }
        (MatchKind::Ternary, FieldMatchType::Ternary(ternary)) => {
            let (value, mask) = (value(&ternary.value)?, value(&ternary.mask)?);
            if mask.is_zero() {
                return Err(invalid(
                    "mask is zero; leave the field out to match everything",
                ));
            }
            outside(&value, &mask, "mask")?;
            Ok(Match::Ternary { value, mask })
        }
        (MatchKind::Range, FieldMatchType::Range(range)) => {
            let (low, high) = (value(&range.low)?, value(&range.high)?);
            if wide::compare(&low.limbs, &high.limbs).is_gt() {
                return Err(invalid("range is empty: its low end is above its high end"));
            }
            if low.is_zero() && high == Const::ones(field.width) {
                return Err(invalid(
                    "range holds all values; leave the field out instead",
                ));
            }
            Ok(Match::Range { low, high })
        }
        _ => Err(wrong()),
    }
}

fn outside(value: &Const, mask: &Const, what: &str) -> Result<(), Status> {
    if value
        .limbs
        .iter()
        .zip(&mask.limbs)
        .any(|(value, mask)| value & !mask != 0)
    {
        return Err(invalid(format!("value has bits outside of its {what}")));
    }
    Ok(())
}

/// Reads what an entry does: its actions, and where they come from.
fn calls(
    objects: &Objects,
    table: &TableObject,
    profile: Option<&Profile>,
    action: &TableAction,
) -> Result<(Vec<Call>, Option<Through>), Status> {
    let kind = action.r#type.as_ref();
    let kind = kind.ok_or_else(|| invalid("action is missing"))?;
    let Some(profile) = profile else {
        return match kind {
            table_action::Type::Action(action) => Ok((vec![call(objects, table, action)?], None)),
            _ => Err(invalid("table has no action profile")),
        };
    };
    let through = match kind {
        table_action::Type::Action(_) => {
            return Err(invalid(
                "table has an action profile: its entries refer to it",
            ));
        }
        table_action::Type::ActionProfileMemberId(id) => Through::Member(*id),
        _ if !profile.selects => {
            return Err(invalid("action profile has no selector, and so no groups"));
        }
        table_action::Type::ActionProfileGroupId(id) => Through::Group(*id),
        table_action::Type::ActionProfileActionSet(set) => {
            one_shot_modes(set)?;
            let most = table.profile_group_size(objects);
            let actions = &set.action_profile_actions;
            weights(actions.iter().map(|one| one.weight), most).map_err(|status| {
                // Of a list that belongs to an entry, the program says the greatest size.
                if most == 0 {
                    status
                } else {
                    invalid(status.message())
                }
            })?;
            let one = |one: &proto::ActionProfileAction| {
                let action = one.action.as_ref();
                let action = action.ok_or_else(|| invalid("action is missing"))?;
                Ok(WeightedCall {
                    call: call(objects, table, action)?,
                    weight: u32::try_from(one.weight).unwrap_or(0),
                    watch_port: action_watch(one),
                })
            };
            Through::OneShot(actions.iter().map(one).collect::<Result<_, Status>>()?)
        }
    };
    let calls = profile.resolve(&through).map_err(|_| {
        Status::not_found("table entry refers to a member or group that is not there")
    })?;
    Ok((calls, Some(through)))
}

/// A list is chosen from as the selector does it: by a hash, by weights.
fn one_shot_modes(set: &proto::ActionProfileActionSet) -> Result<(), Status> {
    if set.action_selection_mode != 0 || set.size_semantics != 0 {
        return Err(Status::unimplemented(
            "a list is chosen from as its selector does it, and not otherwise",
        ));
    }
    Ok(())
}

/// Checks the weights of a group.
pub(crate) fn weights(given: impl Iterator<Item = i32>, most: u32) -> Result<(), Status> {
    let mut sum: u64 = 0;
    for weight in given {
        if weight < 1 {
            return Err(invalid(format!("weight {weight} is less than 1")));
        }
        sum += u64::from(weight.unsigned_abs());
    }
    let most = if most == 0 { MAX_WEIGHTS } else { most };
    if sum > u64::from(most) {
        let message = format!("sum of weights is {sum}, more than {most}");
        return Err(Status::resource_exhausted(message));
    }
    Ok(())
}

/// Greatest sum of weights where the program says none: a group keeps one copy for each.
const MAX_WEIGHTS: u32 = 4096;

fn action_watch(action: &proto::ActionProfileAction) -> Vec<u8> {
    match &action.watch_kind {
        Some(proto::action_profile_action::WatchKind::WatchPort(port)) => port.clone(),
        #[expect(deprecated, reason = "older controllers write the port as a number")]
        Some(proto::action_profile_action::WatchKind::Watch(port)) => old_watch(*port),
        None => Vec::new(),
    }
}

/// A watched port as older controllers write it: 0 is none.
pub(crate) fn old_watch(port: i32) -> Vec<u8> {
    if port == 0 {
        return Vec::new();
    }
    print(&Const::new(32, u64::from(port.cast_unsigned())))
}

/// Reads an action of a table.
pub(crate) fn call(
    objects: &Objects,
    table: &TableObject,
    action: &proto::Action,
) -> Result<Call, Status> {
    let index = table.actions.get(&action.action_id).copied();
    let unknown = || invalid(format!("table has no action {:#010x}", action.action_id));
    let index = index.ok_or_else(unknown)?;
    let object = objects.action(index).ok_or_else(unknown)?;
    if action.params.len() != object.params.len() {
        let (given, wanted) = (action.params.len(), object.params.len());
        return Err(invalid(format!(
            "action has {wanted} parameters, {given} are given"
        )));
    }
    let arg = |param: &super::objects::Param| {
        let given = action
            .params
            .iter()
            .find(|given| given.param_id == param.id);
        let given =
            given.ok_or_else(|| invalid(format!("action parameter {} is missing", param.id)))?;
        parse(&given.value, param.width)
    };
    let args = object.params.iter().map(arg).collect::<Result<_, _>>()?;
    Ok(Call {
        action: index,
        args,
    })
}

/// Reads a whole entry.
pub(crate) fn new_entry(
    objects: &Objects,
    table: &TableObject,
    profile: Option<&Profile>,
    entry: &proto::TableEntry,
) -> Result<NewEntry, Status> {
    let action = entry
        .action
        .as_ref()
        .ok_or_else(|| invalid("action is missing"))?;
    let idle =
        u64::try_from(entry.idle_timeout_ns).map_err(|_| invalid("idle time-out is negative"))?;
    if idle != 0 && !table.idle_timeout {
        return Err(invalid("table does not support idle time-outs"));
    }
    let matches = matches(table, &entry.r#match)?;
    let (calls, through) = calls(objects, table, profile, action)?;
    Ok(NewEntry {
        matches,
        priority: entry.priority,
        calls,
        through,
        idle_timeout_ns: (idle != 0).then_some(idle),
        metadata: entry.metadata.clone(),
    })
}

/// Writes an entry, without its counter and meter.
pub(crate) fn to_proto(
    objects: &Objects,
    table: &TableObject,
    entry: &NewEntry,
    is_const: bool,
) -> proto::TableEntry {
    proto::TableEntry {
        table_id: table.id,
        r#match: fields_to_proto(table, &entry.matches),
        action: entry_action(objects, entry),
        priority: entry.priority,
        idle_timeout_ns: entry
            .idle_timeout_ns
            .and_then(|ns| ns.try_into().ok())
            .unwrap_or(0),
        metadata: entry.metadata.clone(),
        is_const,
        ..proto::TableEntry::default()
    }
}

/// Writes the matches of an entry, without those that match everything.
pub(crate) fn fields_to_proto(table: &TableObject, matches: &[Match]) -> Vec<FieldMatch> {
    let pairs = table.fields.iter().zip(matches);
    pairs
        .filter_map(|(field, pattern)| field_to_proto(field, pattern))
        .collect()
}

/// Writes what an entry does.
fn entry_action(objects: &Objects, entry: &NewEntry) -> Option<TableAction> {
    let kind = match &entry.through {
        None => return entry.calls.first().map(|call| call_to_proto(objects, call)),
        Some(Through::Member(id)) => table_action::Type::ActionProfileMemberId(*id),
        Some(Through::Group(id)) => table_action::Type::ActionProfileGroupId(*id),
        Some(Through::OneShot(list)) => {
            let actions = list.iter().map(|one| proto::ActionProfileAction {
                action: Some(action_to_proto(objects, &one.call)),
                weight: i32::try_from(one.weight).unwrap_or(i32::MAX),
                watch_kind: (!one.watch_port.is_empty()).then(|| {
                    proto::action_profile_action::WatchKind::WatchPort(one.watch_port.clone())
                }),
            });
            table_action::Type::ActionProfileActionSet(proto::ActionProfileActionSet {
                action_profile_actions: actions.collect(),
                ..proto::ActionProfileActionSet::default()
            })
        }
    };
    Some(TableAction { r#type: Some(kind) })
}

/// Writes an action as that of a table.
pub(crate) fn call_to_proto(objects: &Objects, call: &Call) -> TableAction {
    TableAction {
        r#type: Some(table_action::Type::Action(action_to_proto(objects, call))),
    }
}

/// Writes an action.
pub(crate) fn action_to_proto(objects: &Objects, call: &Call) -> proto::Action {
    let object = objects.action(call.action);
    let params = object.map_or(&[][..], |object| &object.params);
    let params = params
        .iter()
        .zip(&call.args)
        .map(|(param, value)| proto::action::Param {
            param_id: param.id,
            value: print(value),
        });
    proto::Action {
        action_id: object.map_or(0, |object| object.id),
        params: params.collect(),
    }
}

/// Entries of the program may use simpler patterns than the kind of the field: what is written
/// is always of the kind that the field has.
fn field_to_proto(field: &Field, pattern: &Match) -> Option<FieldMatch> {
    let ones = || Const::ones(field.width);
    let kind = match (field.kind, pattern) {
        (_, Match::Any) => return None,
        (MatchKind::Optional, Match::Exact(value)) => {
            FieldMatchType::Optional(field_match::Optional {
                value: print(value),
            })
        }
        (MatchKind::Ternary, Match::Exact(value)) => ternary(value, &ones()),
        (MatchKind::Lpm, Match::Exact(value)) => lpm(value, field.width),
        (MatchKind::Range, Match::Exact(value)) => range(value, value),
        (_, Match::Exact(value)) => FieldMatchType::Exact(field_match::Exact {
            value: print(value),
        }),
        (_, Match::Lpm { value, prefix_len }) => lpm(value, *prefix_len),
        (_, Match::Ternary { value, mask }) => ternary(value, mask),
        (_, Match::Range { low, high }) => range(low, high),
    };
    Some(FieldMatch {
        field_id: field.id,
        field_match_type: Some(kind),
    })
}

fn ternary(value: &Const, mask: &Const) -> FieldMatchType {
    FieldMatchType::Ternary(field_match::Ternary {
        value: print(value),
        mask: print(mask),
    })
}

fn lpm(value: &Const, prefix_len: u32) -> FieldMatchType {
    let prefix_len = i32::try_from(prefix_len).unwrap_or(i32::MAX);
    FieldMatchType::Lpm(field_match::Lpm {
        value: print(value),
        prefix_len,
    })
}

fn range(low: &Const, high: &Const) -> FieldMatchType {
    FieldMatchType::Range(field_match::Range {
        low: print(low),
        high: print(high),
    })
}

pub(crate) fn invalid(message: impl Into<String>) -> Status {
    Status::new(Code::InvalidArgument, message)
}
