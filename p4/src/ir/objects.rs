// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a control plane sees: tables, actions, counters and the like.

use super::{
    ActionId, ActionProfileId, Const, CounterId, Expr, HashAlgorithm, MeterId, SlotId, Stmt,
    TableId,
};
use crate::source::Span;

/// A match-action table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Table {
    /// Fully qualified name: `MyIngress.ipv4_lpm`.
    pub name: String,
    /// Id in P4Info; 0 when the table is hidden from the control plane.
    pub p4info_id: u32,
    /// Keys in order.
    pub keys: Vec<Key>,
    /// Actions an entry can have, in order of declaration.
    pub actions: Vec<TableAction>,
    /// Default action as the program sets it; `NoAction` if it does not.
    pub default_action: ActionCall,
    /// Whether the control plane may not change the default action.
    pub const_default_action: bool,
    /// Entries of the program, first one first.
    pub entries: Vec<Entry>,
    /// Whether the control plane may not change the entries.
    pub const_entries: bool,
    /// Guaranteed number of entries.
    pub size: u64,
    /// Counter of each entry.
    pub direct_counter: Option<CounterId>,
    /// Meter of each entry.
    pub direct_meter: Option<MeterId>,
    /// Where the actions are kept, if not in the entries.
    pub action_profile: Option<ActionProfileId>,
    /// Whether entries can have idle time-outs.
    pub idle_timeout: bool,
    /// Its declaration.
    pub span: Span,
}

/// A key of a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// Name for the control plane: `hdr.ipv4.dst`.
    pub name: String,
    /// What is looked up.
    pub value: Expr,
    /// How.
    pub match_kind: MatchKind,
}

/// How a key is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MatchKind {
    /// Equality.
    Exact,
    /// Longest prefix.
    Lpm,
    /// Value and mask.
    Ternary,
    /// Least and greatest value.
    Range,
    /// Equality, or anything.
    Optional,
    /// Not matched: input of an action selector.
    Selector,
}

/// An action in the list of a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TableAction {
    /// The action.
    pub action: ActionId,
    /// Where it may be used.
    pub scope: ActionScope,
}

/// Where an action of a table may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ActionScope {
    /// In entries, and as the default.
    TableAndDefault,
    /// `@tableonly`.
    TableOnly,
    /// `@defaultonly`.
    DefaultOnly,
}

/// An action with its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActionCall {
    /// The action.
    pub action: ActionId,
    /// One value for each of [`Action::params`].
    pub args: Vec<Const>,
}

/// An entry that the program gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// One match for each key.
    pub matches: Vec<Match>,
    /// The greater wins, as in P4Runtime. 0 in a table that has no ternary, range or optional key.
    pub priority: u32,
    /// Whether the control plane may not change this entry.
    pub is_const: bool,
    /// What it does.
    pub action: ActionCall,
    /// Its text.
    pub span: Span,
}

/// What a key of an entry matches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Match {
    /// Anything (`_` or `default`).
    Any,
    /// Equality.
    Exact(Const),
    /// The first `prefix_len` bits; the others are 0 in `value`.
    Lpm {
        /// Value of the prefix.
        value: Const,
        /// Bits that count.
        prefix_len: u32,
    },
    /// `key & mask == value`.
    Ternary {
        /// Value of the bits that count; 0 elsewhere.
        value: Const,
        /// Bits that count.
        mask: Const,
    },
    /// `low <= key <= high`, unsigned.
    Range {
        /// Least value.
        low: Const,
        /// Greatest value.
        high: Const,
    },
}

/// An action that tables can run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Action {
    /// Fully qualified name: `MyIngress.forward`. Actions with equal names and ids differ in
    /// the arguments that their tables bind.
    pub name: String,
    /// Id in P4Info; 0 when hidden.
    pub p4info_id: u32,
    /// Parameters that an entry gives.
    pub params: Vec<ActionParam>,
    /// What it does.
    pub body: Vec<Stmt>,
    /// Its declaration.
    pub span: Span,
}

/// A control-plane parameter of an action.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActionParam {
    /// Name.
    pub name: String,
    /// Where the body reads it.
    pub slot: SlotId,
}

/// What a counter counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CounterUnit {
    /// Packets.
    Packets,
    /// Octets.
    Bytes,
    /// Both.
    Both,
}

/// A counter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counter {
    /// Fully qualified name.
    pub name: String,
    /// Id in P4Info.
    pub p4info_id: u32,
    /// What it counts.
    pub unit: CounterUnit,
    /// Indirect with so many cells, or one cell for each entry of a table.
    pub cells: Cells,
}

/// Cells of a counter or a meter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cells {
    /// Numbered cells.
    Indirect(u64),
    /// One cell for each entry of that table.
    Direct(TableId),
    /// Declared as direct, but no table uses it.
    Unused,
}

/// What a meter measures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MeterUnit {
    /// Packets.
    Packets,
    /// Octets.
    Bytes,
}

/// A meter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meter {
    /// Fully qualified name.
    pub name: String,
    /// Id in P4Info.
    pub p4info_id: u32,
    /// What it measures.
    pub unit: MeterUnit,
    /// Indirect with so many cells, or one cell for each entry of a table.
    pub cells: Cells,
}

/// A register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Register {
    /// Fully qualified name.
    pub name: String,
    /// Id in P4Info.
    pub p4info_id: u32,
    /// Width of a cell in bits.
    pub width: u32,
    /// Number of cells.
    pub size: u64,
}

/// An action profile or action selector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActionProfile {
    /// Fully qualified name.
    pub name: String,
    /// Id in P4Info.
    pub p4info_id: u32,
    /// Number of members.
    pub size: u64,
    /// How a selector chooses a member of a group; none for a profile.
    pub selector: Option<Selector>,
}

/// How an action selector chooses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Selector {
    /// Hash over the selector keys.
    pub algorithm: HashAlgorithm,
    /// Bits of the hash that are used.
    pub output_width: u32,
}

/// A kind of digest message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Digest {
    /// Name of the message: that of its type.
    pub name: String,
    /// Id in P4Info.
    pub p4info_id: u32,
    /// Fields in order.
    pub fields: Vec<DigestField>,
}

/// A field of a digest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DigestField {
    /// Name; fields of nested structs have dots.
    pub name: String,
    /// Width in bits.
    pub width: u32,
}

/// A set of values that the control plane fills, for `select`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ValueSet {
    /// Fully qualified name.
    pub name: String,
    /// Id in P4Info.
    pub p4info_id: u32,
    /// Capacity.
    pub size: u64,
    /// Widths and match kinds of its fields.
    pub fields: Vec<(u32, MatchKind)>,
}
