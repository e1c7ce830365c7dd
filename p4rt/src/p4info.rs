// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The names of a program: tables, actions, fields and their numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Bits,
    proto::p4::{
        config::v1::{self as config, P4Info, match_field, p4_bitstring_like_type_spec},
        v1::P4Data,
    },
    value::{Format, MatchKind},
};

mod digest;

pub use digest::DigestError;

/// A P4Info with its names resolved, for lookups in both directions.
#[derive(Clone, Debug, Default)]
pub struct Index {
    tables: Objects<Table>,
    actions: Objects<Action>,
    counters: Objects<Counter>,
    digests: Objects<Digest>,
}

/// A match-action table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its number.
    pub id: u32,
    /// Its full name.
    pub name: String,
    /// The fields of the key, in order.
    pub fields: Vec<Field>,
    /// Numbers of the actions, with the places where they may stand.
    pub actions: Vec<(u32, ActionPlace)>,
    /// How many entries the program asked for, if it says so.
    pub size: Option<u64>,
    /// Whether entries or the default entry can be written.
    pub fixed: FixedParts,
    /// The default action of the program, if it says so.
    pub initial_default: Option<config::TableActionCall>,
    /// Number of the direct counter, if there is one.
    pub direct_counter: Option<u32>,
}

/// Which parts of a table the program keeps for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FixedParts {
    /// Entries: all of them are constant, or the program brings some of its own.
    pub entries: bool,
    /// The default action is constant.
    pub default_action: bool,
}

/// Where a table may use an action.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ActionPlace {
    /// In entries and as the default.
    Anywhere,
    /// In entries.
    Entry,
    /// As the default.
    Default,
}

/// A match field, an action parameter or a member of a digest.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its number; members of digests have none and count from 1.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its width.
    pub width_bits: u32,
    /// How a match field is compared; parameters and members are [`MatchKind::Exact`].
    pub kind: MatchKind,
    /// How its values look best.
    pub format: Format,
}

/// An action.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its number.
    pub id: u32,
    /// Its full name.
    pub name: String,
    /// Its parameters, in order.
    pub params: Vec<Field>,
}

/// An indexed counter, or one that is attached to a table.
#[derive(Clone, Debug)]
pub struct Counter {
    /// Its number.
    pub id: u32,
    /// Its full name.
    pub name: String,
    /// What it is attached to.
    pub kind: CounterKind,
}

/// The two kinds of counter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CounterKind {
    /// A cell for each index.
    Indexed {
        /// Number of cells.
        size: u64,
    },
    /// A cell for each entry of a table.
    Direct {
        /// Number of the table.
        table_id: u32,
    },
}

/// A digest.
#[derive(Clone, Debug)]
pub struct Digest {
    /// Its number.
    pub id: u32,
    /// Its full name.
    pub name: String,
    /// Its members, in order; a member of a nested struct is called `outer.inner`.
    pub members: Vec<Field>,
}

/// Why a P4Info cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// An object has neither number nor name.
    #[error("a {kind} has no preamble")]
    NoPreamble {
        /// Kind of the object.
        kind: &'static str,
    },
    /// Two objects of a kind share a number or a name.
    #[error("two objects are called {name:?} or have the number {id:#010x}")]
    Duplicate {
        /// Name of the second object.
        name: String,
        /// Number of the second object.
        id: u32,
    },
    /// A table uses an action that does not exist.
    #[error("table {table:?} refers to action {id:#010x}, which does not exist")]
    NoAction {
        /// Name of the table.
        table: String,
        /// Number of the action.
        id: u32,
    },
    /// A width is negative.
    #[error("{name:?} has a negative width or size")]
    Negative {
        /// Name of the field or object.
        name: String,
    },
    /// A field is compared in a way that the protocol has no form for.
    #[error("field {field:?} of table {table:?} has an unknown match kind")]
    MatchKind {
        /// Name of the table.
        table: String,
        /// Name of the field.
        field: String,
    },
    /// A digest has a type other than bit strings and structs of them.
    #[error("digest {0:?} has a member that is not a bit string, bool or struct")]
    DigestType(String),
}

impl Index {
    /// Resolves a P4Info.
    ///
    /// # Errors
    /// Says what in the P4Info contradicts itself.
    pub fn new(p4info: &P4Info) -> Result<Self, IndexError> {
        let mut index = Self::default();
        for action in &p4info.actions {
            let (preamble, action) = read_action(action)?;
            index.actions.add(preamble, action)?;
        }
        for table in &p4info.tables {
            let (preamble, table) = read_table(table, &p4info.direct_counters)?;
            let missing = table
                .actions
                .iter()
                .find(|(id, _)| index.actions.by_id(*id).is_none());
            if let Some((id, _)) = missing {
                return Err(IndexError::NoAction {
                    table: table.name,
                    id: *id,
                });
            }
            index.tables.add(preamble, table)?;
        }
        for counter in &p4info.counters {
            let (id, name, preamble) = identity(counter.preamble.as_ref(), "counter")?;
            let size = positive(counter.size, &name)?;
            index.counters.add(
                preamble,
                Counter {
                    id,
                    name,
                    kind: CounterKind::Indexed { size },
                },
            )?;
        }
        for counter in &p4info.direct_counters {
            let (id, name, preamble) = identity(counter.preamble.as_ref(), "direct counter")?;
            let kind = CounterKind::Direct {
                table_id: counter.direct_table_id,
            };
            index.counters.add(preamble, Counter { id, name, kind })?;
        }
        for digest in &p4info.digests {
            let (id, name, preamble) = identity(digest.preamble.as_ref(), "digest")?;
            let members = digest::members(digest, p4info.type_info.as_ref())
                .ok_or_else(|| IndexError::DigestType(name.clone()))?;
            index.digests.add(preamble, Digest { id, name, members })?;
        }
        Ok(index)
    }

    /// The tables, by number.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.by_id.values()
    }

    /// The counters, by number.
    pub fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.counters.by_id.values()
    }

    /// The digests, by number.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.digests.by_id.values()
    }

    /// The table of this name or alias.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.by_name(name)
    }

    /// The table with this number.
    #[must_use]
    pub fn table_by_id(&self, id: u32) -> Option<&Table> {
        self.tables.by_id(id)
    }

    /// The action of this name or alias.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.by_name(name)
    }

    /// The action with this number.
    #[must_use]
    pub fn action_by_id(&self, id: u32) -> Option<&Action> {
        self.actions.by_id(id)
    }

    /// The counter of this name or alias.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<&Counter> {
        self.counters.by_name(name)
    }

    /// The counter with this number.
    #[must_use]
    pub fn counter_by_id(&self, id: u32) -> Option<&Counter> {
        self.counters.by_id(id)
    }

    /// The digest of this name or alias.
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<&Digest> {
        self.digests.by_name(name)
    }

    /// The digest with this number.
    #[must_use]
    pub fn digest_by_id(&self, id: u32) -> Option<&Digest> {
        self.digests.by_id(id)
    }
}

impl Table {
    /// Whether entries need a priority.
    #[must_use]
    pub fn has_priority(&self) -> bool {
        self.fields.iter().any(|field| field.kind.has_priority())
    }

    /// The match field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Digest {
    /// Takes a sample apart: the members in order, each with its value.
    ///
    /// # Errors
    /// If the sample has another shape than the type of the digest.
    pub fn sample(&self, data: &P4Data) -> Result<Vec<(&Field, Bits)>, DigestError> {
        digest::sample(self, data)
    }
}

/// Objects of one kind, by number and by name.
#[derive(Clone, Debug)]
struct Objects<T> {
    by_id: BTreeMap<u32, T>,
    names: BTreeMap<String, u32>,
    aliases: BTreeMap<String, u32>,
    ambiguous: BTreeSet<String>,
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self {
            by_id: BTreeMap::new(),
            names: BTreeMap::new(),
            aliases: BTreeMap::new(),
            ambiguous: BTreeSet::new(),
        }
    }
}

impl<T> Objects<T> {
    fn add(&mut self, preamble: &config::Preamble, object: T) -> Result<(), IndexError> {
        let taken = self.by_id.insert(preamble.id, object).is_some();
        if taken
            || self
                .names
                .insert(preamble.name.clone(), preamble.id)
                .is_some()
        {
            return Err(IndexError::Duplicate {
                name: preamble.name.clone(),
                id: preamble.id,
            });
        }
        // An alias that two objects share names neither; the full names still work.
        let alias = &preamble.alias;
        if !alias.is_empty() && self.aliases.insert(alias.clone(), preamble.id).is_some() {
            self.ambiguous.insert(alias.clone());
        }
        Ok(())
    }

    fn by_id(&self, id: u32) -> Option<&T> {
        self.by_id.get(&id)
    }

    fn by_name(&self, name: &str) -> Option<&T> {
        let alias = || {
            self.aliases
                .get(name)
                .filter(|_| !self.ambiguous.contains(name))
        };
        self.by_id(*self.names.get(name).or_else(alias)?)
    }
}

fn identity<'a>(
    preamble: Option<&'a config::Preamble>,
    kind: &'static str,
) -> Result<(u32, String, &'a config::Preamble), IndexError> {
    let preamble = preamble.ok_or(IndexError::NoPreamble { kind })?;
    Ok((preamble.id, preamble.name.clone(), preamble))
}

fn positive<N: TryInto<M>, M>(number: N, name: &str) -> Result<M, IndexError> {
    number.try_into().map_err(|_| IndexError::Negative {
        name: name.to_owned(),
    })
}

fn read_action(action: &config::Action) -> Result<(&config::Preamble, Action), IndexError> {
    let (id, name, preamble) = identity(action.preamble.as_ref(), "action")?;
    let param = |param: &config::action::Param| {
        let width_bits = positive(param.bitwidth, &param.name)?;
        Ok(Field {
            id: param.id,
            name: param.name.clone(),
            width_bits,
            kind: MatchKind::Exact,
            format: format(&param.name, width_bits, &param.annotations),
        })
    };
    let params = action.params.iter().map(param).collect::<Result<_, _>>()?;
    Ok((preamble, Action { id, name, params }))
}

fn read_table<'a>(
    table: &'a config::Table,
    counters: &[config::DirectCounter],
) -> Result<(&'a config::Preamble, Table), IndexError> {
    let (id, name, preamble) = identity(table.preamble.as_ref(), "table")?;
    let fields = table
        .match_fields
        .iter()
        .map(|field| read_field(field, &name));
    let place = |reference: &config::ActionRef| {
        let place = match reference.scope() {
            config::action_ref::Scope::TableOnly => ActionPlace::Entry,
            config::action_ref::Scope::DefaultOnly => ActionPlace::Default,
            _ => ActionPlace::Anywhere,
        };
        (reference.id, place)
    };
    let counter = counters
        .iter()
        .find(|counter| counter.direct_table_id == id);
    let table = Table {
        id,
        fields: fields.collect::<Result<_, _>>()?,
        actions: table.action_refs.iter().map(place).collect(),
        size: u64::try_from(table.size).ok().filter(|size| *size > 0),
        fixed: FixedParts {
            entries: table.is_const_table || table.has_initial_entries,
            default_action: table.const_default_action_id != 0,
        },
        initial_default: table.initial_default_action.clone(),
        direct_counter: counter.and_then(|counter| Some(counter.preamble.as_ref()?.id)),
        name,
    };
    Ok((preamble, table))
}

fn read_field(field: &config::MatchField, table: &str) -> Result<Field, IndexError> {
    let kind = match field.r#match {
        Some(match_field::Match::MatchType(kind)) => match_kind(kind),
        _ => None,
    };
    let kind = kind.ok_or_else(|| IndexError::MatchKind {
        table: table.to_owned(),
        field: field.name.clone(),
    })?;
    let width_bits = positive(field.bitwidth, &field.name)?;
    Ok(Field {
        id: field.id,
        name: field.name.clone(),
        width_bits,
        kind,
        format: format(&field.name, width_bits, &field.annotations),
    })
}

fn match_kind(number: i32) -> Option<MatchKind> {
    match match_field::MatchType::try_from(number).ok()? {
        match_field::MatchType::Exact => Some(MatchKind::Exact),
        match_field::MatchType::Lpm => Some(MatchKind::Lpm),
        match_field::MatchType::Ternary => Some(MatchKind::Ternary),
        match_field::MatchType::Range => Some(MatchKind::Range),
        match_field::MatchType::Optional => Some(MatchKind::Optional),
        match_field::MatchType::Unspecified => None,
    }
}

/// The width of a bit string type; `None` for what has no fixed width.
fn bit_width(spec: &config::P4BitstringLikeTypeSpec) -> Option<u32> {
    let width = match spec.type_spec.as_ref()? {
        p4_bitstring_like_type_spec::TypeSpec::Bit(bit) => bit.bitwidth,
        p4_bitstring_like_type_spec::TypeSpec::Int(int) => int.bitwidth,
        p4_bitstring_like_type_spec::TypeSpec::Varbit(_) => return None,
    };
    u32::try_from(width).ok()
}

/// Chooses how values look: an annotation `@format(…)` decides, then the width and the name.
fn format(name: &str, width_bits: u32, annotations: &[String]) -> Format {
    let stated = |word: &str| annotations.iter().any(|a| a == &format!("@format({word})"));
    if stated("HEX_STRING") {
        return Format::Hex;
    }
    let ipv4 = name.contains("ipv4") || name.contains("ip4");
    match width_bits {
        48 => Format::Mac,
        128 => Format::Ipv6,
        32 if ipv4 || stated("IPV4_ADDRESS") => Format::Ipv4,
        0..=64 => Format::Decimal,
        _ => Format::Hex,
    }
}
