// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Table entries by name.

use std::collections::BTreeMap;

use crate::{
    Bits, Match,
    p4info::{Action, ActionPlace, Field, Index, Table},
    proto::p4::{
        config::v1::TableActionCall,
        v1::{self as proto, field_match, field_match::FieldMatchType, table_action},
    },
    value::MatchKind,
};

/// An entry of a table, or its default entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// When the entry applies.
    pub key: Key,
    /// Full name of the action.
    pub action: String,
    /// The action's parameters by name.
    pub params: BTreeMap<String, Bits>,
    /// What the controller noted on the entry. The switch keeps it and does not read it.
    pub metadata: Vec<u8>,
}

/// What tells the entries of a switch apart.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key {
    /// Full name of the table.
    pub table: String,
    /// When the entry applies.
    pub condition: Condition,
}

/// When an entry applies.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Condition {
    /// The fields match.
    Match {
        /// The match of each field by name; a field that may have any value is absent.
        fields: BTreeMap<String, Match>,
        /// Larger wins. Zero exactly in tables without ternary, range and optional fields.
        priority: i32,
    },
    /// No other entry matches.
    Default,
}

/// Why an entry does not fit the program, or cannot be shown by name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The program has no such table.
    #[error("no table is called {0:?}")]
    NoTable(String),
    /// The program has no table with this number.
    #[error("no table has the number {0:#010x}")]
    NoTableId(u32),
    /// The table has no such field.
    #[error("table {table:?} has no field {field:?}")]
    NoField {
        /// Name of the table.
        table: String,
        /// Name or number of the field.
        field: String,
    },
    /// A field is matched in another way than the table declares.
    #[error("field {field:?} needs {expected} match")]
    WrongKind {
        /// Name of the field.
        field: String,
        /// The kind in the table.
        expected: &'static str,
    },
    /// An exact field is left open.
    #[error("exact field {0:?} needs a value")]
    Missing(String),
    /// A value is wider than its field.
    #[error("value of {field:?} does not fit into {width_bits} bits")]
    TooWide {
        /// Name of the field or parameter.
        field: String,
        /// Its width.
        width_bits: u32,
    },
    /// Bits are set that prefix or mask leave out, or a range is empty.
    #[error("match of {0:?} sets bits outside of its prefix or mask, or is empty")]
    BadMatch(String),
    /// The program has no such action.
    #[error("no action is called {0:?}")]
    NoAction(String),
    /// The action may not stand there.
    #[error("table {table:?} cannot use action {action:?} in {place}")]
    ActionPlace {
        /// Name of the table.
        table: String,
        /// Name or number of the action.
        action: String,
        /// "an entry" or "its default entry".
        place: &'static str,
    },
    /// The action has no such parameter, or lacks one.
    #[error("action {action:?} takes {expected}, found {found}")]
    Params {
        /// Name of the action.
        action: String,
        /// The parameters that it has.
        expected: String,
        /// Those that were given.
        found: String,
    },
    /// The table orders its entries by priority, or it does not.
    #[error("table {table:?} needs {rule}, found {found}")]
    Priority {
        /// Name of the table.
        table: String,
        /// What the table needs.
        rule: &'static str,
        /// What was given.
        found: i32,
    },
    /// The table uses an action profile, which this form does not cover.
    #[error("an entry of table {0:?} refers to an action profile")]
    ActionProfile(String),
}

impl Entry {
    /// The entry as a message, checked against the program.
    ///
    /// # Errors
    /// Says what does not fit the program.
    pub fn to_proto(&self, index: &Index) -> Result<proto::TableEntry, EntryError> {
        let mut entry = self.key.to_proto(index)?;
        let table = index.table(&self.key.table);
        let table = table.ok_or_else(|| EntryError::NoTable(self.key.table.clone()))?;
        let action = index.action(&self.action);
        let action = action.ok_or_else(|| EntryError::NoAction(self.action.clone()))?;
        check_place(table, action, entry.is_default_action)?;
        let call = proto::Action {
            action_id: action.id,
            params: self.params_to_proto(action)?,
        };
        entry.action = Some(proto::TableAction {
            r#type: Some(table_action::Type::Action(call)),
        });
        entry.metadata.clone_from(&self.metadata);
        Ok(entry)
    }

    /// Names what a switch returned.
    ///
    /// # Errors
    /// If the program has no names for it, or the table uses an action profile.
    pub fn from_proto(entry: &proto::TableEntry, index: &Index) -> Result<Self, EntryError> {
        let key = Key::from_proto(entry, index)?;
        let call = match entry
            .action
            .as_ref()
            .and_then(|action| action.r#type.as_ref())
        {
            Some(table_action::Type::Action(call)) => call,
            Some(_) => return Err(EntryError::ActionProfile(key.table)),
            // Servers may leave out the default action if it was never set.
            None => {
                return Ok(Self {
                    key,
                    action: String::new(),
                    params: BTreeMap::new(),
                    metadata: Vec::new(),
                });
            }
        };
        let params = call
            .params
            .iter()
            .map(|param| (param.param_id, param.value.as_slice()));
        let (action, params) = name_action(index, call.action_id, params)?;
        Ok(Self {
            key,
            action,
            params,
            metadata: entry.metadata.clone(),
        })
    }

    /// The default entry that the program itself asks for; `None` if the P4Info does not say.
    #[must_use]
    pub fn initial_default(table: &Table, index: &Index) -> Option<Self> {
        let TableActionCall {
            action_id,
            arguments,
        } = table.initial_default.as_ref()?;
        let params = arguments
            .iter()
            .map(|param| (param.param_id, param.value.as_slice()));
        let (action, params) = name_action(index, *action_id, params).ok()?;
        let key = Key {
            table: table.name.clone(),
            condition: Condition::Default,
        };
        Some(Self {
            key,
            action,
            params,
            metadata: Vec::new(),
        })
    }

    fn params_to_proto(&self, action: &Action) -> Result<Vec<proto::action::Param>, EntryError> {
        let known = |name: &String| action.params.iter().any(|param| &param.name == name);
        if self.params.len() != action.params.len() || !self.params.keys().all(known) {
            return Err(EntryError::Params {
                action: action.name.clone(),
                expected: list(action.params.iter().map(|param| param.name.as_str())),
                found: list(self.params.keys().map(String::as_str)),
            });
        }
        let param = |field: &Field| {
            let value = self
                .params
                .get(&field.name)
                .map(|bits| checked(bits, field));
            let value = value.ok_or_else(|| EntryError::Missing(field.name.clone()))??;
            Ok(proto::action::Param {
                param_id: field.id,
                value,
            })
        };
        action.params.iter().map(param).collect()
    }
}

impl Key {
    /// Whether this is the default entry of its table.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.condition == Condition::Default
    }

    /// The key as a message without an action, as DELETE needs it.
    ///
    /// # Errors
    /// Says what does not fit the program.
    pub fn to_proto(&self, index: &Index) -> Result<proto::TableEntry, EntryError> {
        let table = index
            .table(&self.table)
            .ok_or_else(|| EntryError::NoTable(self.table.clone()))?;
        let mut entry = proto::TableEntry {
            table_id: table.id,
            ..proto::TableEntry::default()
        };
        let Condition::Match { fields, priority } = &self.condition else {
            entry.is_default_action = true;
            return Ok(entry);
        };
        check_priority(table, *priority)?;
        if let Some(field) = fields.keys().find(|name| table.field(name).is_none()) {
            return Err(EntryError::NoField {
                table: table.name.clone(),
                field: field.clone(),
            });
        }
        for field in &table.fields {
            if let Some(value) = fields.get(&field.name) {
                entry.r#match.push(match_to_proto(value, field)?);
            } else if field.kind == MatchKind::Exact {
                return Err(EntryError::Missing(field.name.clone()));
            }
        }
        entry.priority = *priority;
        Ok(entry)
    }

    /// Names the key of what a switch returned.
    ///
    /// # Errors
    /// If the program has no names for it.
    pub fn from_proto(entry: &proto::TableEntry, index: &Index) -> Result<Self, EntryError> {
        let table = index.table_by_id(entry.table_id);
        let table = table.ok_or(EntryError::NoTableId(entry.table_id))?;
        let name = table.name.clone();
        if entry.is_default_action {
            return Ok(Self {
                table: name,
                condition: Condition::Default,
            });
        }
        let mut fields = BTreeMap::new();
        for found in &entry.r#match {
            let field = table.fields.iter().find(|field| field.id == found.field_id);
            let field = field.ok_or_else(|| EntryError::NoField {
                table: name.clone(),
                field: found.field_id.to_string(),
            })?;
            if let Some(value) = match_from_proto(found, field)? {
                fields.insert(field.name.clone(), value);
            }
        }
        let condition = Condition::Match {
            fields,
            priority: entry.priority,
        };
        Ok(Self {
            table: name,
            condition,
        })
    }
}

fn check_place(table: &Table, action: &Action, default: bool) -> Result<(), EntryError> {
    let wrong = if default {
        ActionPlace::Entry
    } else {
        ActionPlace::Default
    };
    let mut places = table.actions.iter().filter(|(id, _)| *id == action.id);
    if places.any(|(_, place)| *place != wrong) {
        return Ok(());
    }
    Err(EntryError::ActionPlace {
        table: table.name.clone(),
        action: action.name.clone(),
        place: if default {
            "its default entry"
        } else {
            "an entry"
        },
    })
}

fn check_priority(table: &Table, priority: i32) -> Result<(), EntryError> {
    let rule = match (table.has_priority(), priority) {
        (true, ..=0) => "a priority above 0",
        (false, priority) if priority != 0 => "no priority",
        _ => return Ok(()),
    };
    Err(EntryError::Priority {
        table: table.name.clone(),
        rule,
        found: priority,
    })
}

fn name_action<'a>(
    index: &Index,
    id: u32,
    params: impl Iterator<Item = (u32, &'a [u8])>,
) -> Result<(String, BTreeMap<String, Bits>), EntryError> {
    let action = index.action_by_id(id);
    let action = action.ok_or_else(|| EntryError::NoAction(format!("{id:#010x}")))?;
    let name = |(id, value): (u32, &[u8])| {
        let param = action.params.iter().find(|param| param.id == id);
        let param = param.ok_or_else(|| EntryError::Params {
            action: action.name.clone(),
            expected: list(action.params.iter().map(|param| param.name.as_str())),
            found: format!("parameter {id}"),
        })?;
        Ok((param.name.clone(), Bits::from_wire(value)))
    };
    Ok((
        action.name.clone(),
        params.map(name).collect::<Result<_, EntryError>>()?,
    ))
}

fn match_to_proto(value: &Match, field: &Field) -> Result<proto::FieldMatch, EntryError> {
    let width_bits = field.width_bits;
    let wire = |bits: &Bits| checked(bits, field);
    let inside = |value: &Bits, mask: &Bits| {
        let same = value.and(mask) == *value && !mask.is_zero();
        if same {
            Ok(())
        } else {
            Err(EntryError::BadMatch(field.name.clone()))
        }
    };
    let kind = match (field.kind, value) {
        (MatchKind::Exact, Match::Exact(value)) => FieldMatchType::Exact(field_match::Exact {
            value: wire(value)?,
        }),
        (MatchKind::Optional, Match::Optional(value)) => {
            FieldMatchType::Optional(field_match::Optional {
                value: wire(value)?,
            })
        }
        (MatchKind::Lpm, Match::Lpm { value, prefix_len }) => {
            let value_wire = wire(value)?;
            inside(value, &Bits::prefix_mask(*prefix_len, width_bits))?;
            let prefix_len = i32::try_from(*prefix_len).ok();
            let prefix_len = prefix_len.filter(|len| len.cast_unsigned() <= width_bits);
            let prefix_len = prefix_len.ok_or_else(|| EntryError::BadMatch(field.name.clone()))?;
            FieldMatchType::Lpm(field_match::Lpm {
                value: value_wire,
                prefix_len,
            })
        }
        (MatchKind::Ternary, Match::Ternary { value, mask }) => {
            inside(value, mask)?;
            FieldMatchType::Ternary(field_match::Ternary {
                value: wire(value)?,
                mask: wire(mask)?,
            })
        }
        (MatchKind::Range, Match::Range { low, high }) => {
            if low > high {
                return Err(EntryError::BadMatch(field.name.clone()));
            }
            FieldMatchType::Range(field_match::Range {
                low: wire(low)?,
                high: wire(high)?,
            })
        }
        (kind, _) => {
            return Err(EntryError::WrongKind {
                field: field.name.clone(),
                expected: kind.name(),
            });
        }
    };
    Ok(proto::FieldMatch {
        field_id: field.id,
        field_match_type: Some(kind),
    })
}

/// Names a match, in the one form that its meaning has; `None` if the field may have any value.
fn match_from_proto(found: &proto::FieldMatch, field: &Field) -> Result<Option<Match>, EntryError> {
    let width_bits = field.width_bits;
    let wrong = || EntryError::WrongKind {
        field: field.name.clone(),
        expected: field.kind.name(),
    };
    let value = match (
        field.kind,
        found.field_match_type.as_ref().ok_or_else(wrong)?,
    ) {
        (MatchKind::Exact, FieldMatchType::Exact(exact)) => {
            Some(Match::Exact(Bits::from_wire(&exact.value)))
        }
        (MatchKind::Optional, FieldMatchType::Optional(optional)) => {
            Some(Match::Optional(Bits::from_wire(&optional.value)))
        }
        (MatchKind::Lpm, FieldMatchType::Lpm(lpm)) => {
            let prefix_len = u32::try_from(lpm.prefix_len).map_err(|_| wrong())?;
            let mask = Bits::prefix_mask(prefix_len, width_bits);
            let value = Bits::from_wire(&lpm.value).and(&mask);
            (prefix_len > 0).then_some(Match::Lpm { value, prefix_len })
        }
        (MatchKind::Ternary, FieldMatchType::Ternary(ternary)) => {
            let mask = Bits::from_wire(&ternary.mask);
            let value = Bits::from_wire(&ternary.value).and(&mask);
            (!mask.is_zero()).then_some(Match::Ternary { value, mask })
        }
        (MatchKind::Range, FieldMatchType::Range(range)) => {
            let (low, high) = (Bits::from_wire(&range.low), Bits::from_wire(&range.high));
            let any = low.is_zero() && high == Bits::prefix_mask(width_bits, width_bits);
            (!any).then_some(Match::Range { low, high })
        }
        _ => return Err(wrong()),
    };
    Ok(value)
}

fn checked(bits: &Bits, field: &Field) -> Result<Vec<u8>, EntryError> {
    if !bits.fits(field.width_bits) {
        let (field, width_bits) = (field.name.clone(), field.width_bits);
        return Err(EntryError::TooWide { field, width_bits });
    }
    Ok(bits.to_wire())
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        "no parameters".to_owned()
    } else {
        format!("({})", names.join(", "))
    }
}
