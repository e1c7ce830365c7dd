// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flat, monomorphic form of a checked v1model program: what an engine runs.
//!
//! Everything that exists while a packet is processed is a numbered [`Slot`] of a fixed width.
//! Structs, parameters, sub-parsers, sub-controls, functions and generics are gone; what is left are
//! assignments between slots, parser states, tables, and calls of v1model externs.
//! Start at [`Program`].
//!
//! # Values
//!
//! A value is a string of `width` bits. `bool` is 1 bit wide (1 is true), an `error` and an enum
//! without an underlying type are [`ENUM_WIDTH`] bits wide and count from 0 in order of declaration,
//! a serializable enum is as wide as its underlying type. Signedness is not part of a value: it is
//! part of the operators ([`BinaryOp`], [`ExprKind::SignExtend`]).
//!
//! # Life of a packet
//!
//! Before a packet enters the parser, every slot is zero (so every header is invalid), and then the
//! engine sets the `standard_metadata` slots that it knows ([`Program::standard`]). The blocks run in the order
//! parser, verify checksum, ingress, egress, compute checksum, deparser, on the same slots.
//! [`SlotKind`] tells what to keep and what to reset when a packet is cloned, resubmitted or recirculated.
//!
//! # Invariants
//!
//! [`Program::validate`](crate::ir::Program::validate) checks them; `compile` returns only programs that hold them:
//!
//! * Every index ([`SlotId`], [`HeaderId`], [`TableId`], ...) is valid in its list.
//! * Expression widths agree: the operands of an arithmetic, bitwise or comparing operator are equally wide
//!   (not those of a shift), a comparison and a logical operator give 1 bit, a slice lies inside its operand,
//!   an assigned value is as wide as its slot or slice.
//! * A [`Const`] has the limbs its width needs, and no bit above its width.
//! * Expressions have no side effects and do not fail. What may fail in a parser (a short packet, a stack
//!   out of bounds) is a statement of its own before the expression.
//! * [`StmtKind::Leave`] names a label of a [`StmtKind::Scope`] or [`StmtKind::Loop`] that encloses it in
//!   the same body. Labels are unique in a program.
//! * [`StmtKind::Extract`], [`StmtKind::ExtractNext`], [`StmtKind::Lookahead`], [`StmtKind::Advance`] and [`StmtKind::Verify`] are only in
//!   parser states, [`StmtKind::Emit`] only in the deparser, [`StmtKind::Apply`] only in the bodies of controls.
//! * A table's actions are distinct, its default action is one of them, and its arguments and entries have the
//!   widths of its keys and parameters.

use crate::{
    p4info::P4Info,
    source::{SourceMap, Span},
};

mod expr;
mod externs;
mod objects;
mod validate;

pub use self::{
    expr::{BinaryOp, Const, Expr, ExprKind, UnaryOp, limb_count},
    externs::{CloneKind, Extern, HashAlgorithm},
    objects::{
        Action, ActionCall, ActionParam, ActionProfile, ActionScope, Cells, Counter, CounterUnit,
        Digest, DigestField, Entry, Key, Match, MatchKind, Meter, MeterUnit, Register, Selector,
        Table, TableAction, ValueSet,
    },
    validate::Violation,
};

/// Width in bits of an `error` and of an enum without an underlying type.
pub const ENUM_WIDTH: u32 = 32;

/// Port number that `mark_to_drop` puts into `egress_spec`.
pub const DROP_PORT: u64 = 511;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in its list.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index! {
    /// Index into [`Program::slots`].
    SlotId
}
index! {
    /// Index into [`Program::headers`].
    HeaderId
}
index! {
    /// Index into [`Program::stacks`].
    StackId
}
index! {
    /// Index into [`Parser::states`].
    StateId
}
index! {
    /// Index into [`Program::tables`]. Not the id of P4Runtime, which is [`Table::p4info_id`].
    TableId
}
index! {
    /// Index into [`Program::actions`]. Not the id of P4Runtime, which is [`Action::p4info_id`].
    ActionId
}
index! {
    /// Index into [`Program::counters`].
    CounterId
}
index! {
    /// Index into [`Program::meters`].
    MeterId
}
index! {
    /// Index into [`Program::registers`].
    RegisterId
}
index! {
    /// Index into [`Program::action_profiles`].
    ActionProfileId
}
index! {
    /// Index into [`Program::digests`].
    DigestId
}
index! {
    /// Index into [`Program::value_sets`].
    ValueSetId
}
index! {
    /// Name of a scope that a `Leave` ends.
    Label
}

/// A whole v1model program, ready to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Program {
    /// All storage.
    pub slots: Vec<Slot>,
    /// Header instances: those of the headers struct, and local ones.
    pub headers: Vec<Header>,
    /// Header stacks.
    pub stacks: Vec<Stack>,
    /// Names of the `error` values; the position is the value, `NoError` is 0.
    pub errors: Vec<String>,
    /// Slot of each `standard_metadata` field, in the order of [`StandardField`].
    pub standard: Vec<SlotId>,
    /// The parser.
    pub parser: Parser,
    /// Control that verifies checksums.
    pub verify_checksum: Control,
    /// Ingress control.
    pub ingress: Control,
    /// Egress control.
    pub egress: Control,
    /// Control that computes checksums.
    pub compute_checksum: Control,
    /// Deparser.
    pub deparser: Control,
    /// Tables of all controls.
    pub tables: Vec<Table>,
    /// Actions that tables can run. Directly called actions are inlined and not listed unless a table runs them, too.
    pub actions: Vec<Action>,
    /// Indirect and direct counters.
    pub counters: Vec<Counter>,
    /// Indirect and direct meters.
    pub meters: Vec<Meter>,
    /// Registers.
    pub registers: Vec<Register>,
    /// Action profiles and selectors.
    pub action_profiles: Vec<ActionProfile>,
    /// Digest message types.
    pub digests: Vec<Digest>,
    /// Parser value sets.
    pub value_sets: Vec<ValueSet>,
    /// `@field_list` lists of user metadata, ordered by number.
    pub field_lists: Vec<FieldList>,
    /// What a controller gets to know.
    pub p4info: P4Info,
    /// The text that the spans point into.
    pub sources: SourceMap,
}

impl Program {
    /// Slot of a `standard_metadata` field.
    #[must_use]
    pub fn standard(&self, field: StandardField) -> SlotId {
        self.standard[field as usize]
    }

    /// Field list of that number.
    #[must_use]
    pub fn field_list(&self, number: u8) -> Option<&FieldList> {
        self.field_lists.iter().find(|list| list.number == number)
    }
}

/// A piece of storage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Slot {
    /// Name for traces: `hdr.ipv4.ttl`, `meta.next_hop`, `MyIngress.tmp`.
    pub name: String,
    /// Width in bits, at least 1 and at most 2048.
    pub width: u32,
    /// Whether the source type is `int<W>`; for display only.
    pub signed: bool,
    /// What it is for.
    pub kind: SlotKind,
}

/// What a slot is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SlotKind {
    /// A field of a header instance.
    Field(HeaderId),
    /// Validity of a header instance, 1 bit.
    Validity(HeaderId),
    /// Index of the element that `next` denotes in a stack, 32 bits. The parser counts it up.
    NextIndex(StackId),
    /// A field of `standard_metadata`.
    Standard(StandardField),
    /// A field of the user metadata struct.
    Metadata,
    /// Control-plane parameter of an action; the engine writes it from the table entry before the body runs.
    ActionParam,
    /// A variable of a parser, control, action or function, or a temporary. Lives in one block only, and is
    /// written before it is read, or else undefined in the source, too.
    Local,
}

/// Fields of v1model's `standard_metadata_t`, in order of declaration.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum StandardField {
    /// `bit<9>`, port the packet came in on.
    IngressPort,
    /// `bit<9>`, port the ingress chooses; 511 drops.
    EgressSpec,
    /// `bit<9>`, port the packet goes out on; read only in egress.
    EgressPort,
    /// `bit<32>`, normal, clone, recirculated, replicated or resubmitted.
    InstanceType,
    /// `bit<32>`, length in octets.
    PacketLength,
    /// `bit<32>`, microseconds when the packet was queued.
    EnqTimestamp,
    /// `bit<19>`, queue depth then.
    EnqQdepth,
    /// `bit<32>`, microseconds spent in the queue.
    DeqTimedelta,
    /// `bit<19>`, queue depth when it left.
    DeqQdepth,
    /// `bit<48>`, microseconds when the packet entered ingress.
    IngressGlobalTimestamp,
    /// `bit<48>`, microseconds when the packet entered egress.
    EgressGlobalTimestamp,
    /// `bit<16>`, multicast group; 0 is none.
    McastGrp,
    /// `bit<16>`, replication id of a copy.
    EgressRid,
    /// `bit<1>`, set when `verify_checksum` fails.
    ChecksumError,
    /// `error` of the parser, [`ENUM_WIDTH`] bits.
    ParserError,
    /// `bit<3>`, queue.
    Priority,
}

impl StandardField {
    /// All fields in order of declaration.
    pub const ALL: [Self; 16] = [
        Self::IngressPort,
        Self::EgressSpec,
        Self::EgressPort,
        Self::InstanceType,
        Self::PacketLength,
        Self::EnqTimestamp,
        Self::EnqQdepth,
        Self::DeqTimedelta,
        Self::DeqQdepth,
        Self::IngressGlobalTimestamp,
        Self::EgressGlobalTimestamp,
        Self::McastGrp,
        Self::EgressRid,
        Self::ChecksumError,
        Self::ParserError,
        Self::Priority,
    ];
}

/// A header instance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// Name for traces: `hdr.ipv4`, `hdr.vlan[1]`.
    pub name: String,
    /// Name of the header type.
    pub type_name: String,
    /// Slot of the validity bit.
    pub valid: SlotId,
    /// Slots of the fields, in the order of the wire.
    pub fields: Vec<SlotId>,
    /// Sum of the widths of the fields.
    pub width: u32,
}

/// A header stack. Its operations are lowered to header copies, except extraction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stack {
    /// Name for traces: `hdr.vlan`.
    pub name: String,
    /// The elements, at least one.
    pub elements: Vec<HeaderId>,
    /// Slot that holds the index of the next element, see [`SlotKind::NextIndex`].
    pub next_index: SlotId,
}

/// A list of metadata fields that survive a clone, a resubmission or a recirculation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldList {
    /// Number in `@field_list`.
    pub number: u8,
    /// The fields: user or standard metadata.
    pub slots: Vec<SlotId>,
}

/// The parser as a graph of states, sub-parsers inlined.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parser {
    /// Name of the parser.
    pub name: String,
    /// Statements that run once, before the first state (initial values of parser locals).
    pub prelude: Vec<Stmt>,
    /// First state.
    pub start: StateId,
    /// All states. The graph may have cycles: an engine bounds the number of steps or ends on a short packet.
    pub states: Vec<State>,
}

/// A parser state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct State {
    /// Name for traces: `MyParser.parse_ipv4`, `MyParser.sdnv.start` for a sub-parser's.
    pub name: String,
    /// The second part of a state that a sub-parser call has split.
    pub continuation: bool,
    /// What it does. A `Verify`, `Extract`, ... that fails sets the parser error and rejects at once.
    pub body: Vec<Stmt>,
    /// Where it goes.
    pub next: Transition,
    /// Its declaration.
    pub span: Span,
}

/// Where a state goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transition {
    /// Always there.
    Goto(Target),
    /// To the target of the first case whose patterns all match; without one, `error.NoMatch` and reject.
    Select {
        /// The keys.
        keys: Vec<Expr>,
        /// The cases, in order.
        cases: Vec<SelectCase>,
    },
}

/// End of a transition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// Another state, or the same.
    State(StateId),
    /// Parsing ends well.
    Accept,
    /// Parsing fails. The packet still goes to ingress, as v1model does.
    Reject,
}

/// A case of a select.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SelectCase {
    /// One pattern for each key.
    pub patterns: Vec<Pattern>,
    /// Where it goes.
    pub target: Target,
    /// Its text.
    pub span: Span,
}

/// What a key is compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// `default` and `_`.
    Any,
    /// Equality.
    Value(Const),
    /// `key & mask == value & mask`; `value` has no bit outside `mask`.
    Mask {
        /// Value of the bits that count.
        value: Const,
        /// The bits that count.
        mask: Const,
    },
    /// `low <= key <= high`.
    Range {
        /// Least value.
        low: Const,
        /// Greatest value.
        high: Const,
        /// Whether to compare as two's complement numbers.
        signed: bool,
    },
    /// Membership of a set that the control plane fills. Consumes as many keys as the set has fields:
    /// it stands at the first of them, and the rest of its keys have [`Pattern::Any`].
    ValueSet(ValueSetId),
}

/// A control with everything inlined.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Control {
    /// Name of the control.
    pub name: String,
    /// What it does.
    pub body: Vec<Stmt>,
}

/// A statement and its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// The source statement it comes from.
    pub span: Span,
}

/// Statements.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StmtKind {
    /// Writes a whole slot.
    Assign {
        /// Destination.
        dst: SlotId,
        /// Value, as wide as the slot.
        value: Expr,
    },
    /// Writes the bits `high..=low` of a slot and keeps the others.
    AssignSlice {
        /// Destination.
        dst: SlotId,
        /// Most significant bit.
        high: u32,
        /// Least significant bit.
        low: u32,
        /// Value, `high - low + 1` bits wide.
        value: Expr,
    },
    /// Copies validity and all fields between two instances of one type.
    CopyHeader {
        /// Destination.
        dst: HeaderId,
        /// Source.
        src: HeaderId,
    },
    /// Runs one of two branches.
    If {
        /// 1 bit.
        condition: Expr,
        /// Runs if the condition is 1.
        then: Vec<Stmt>,
        /// Runs if the condition is 0.
        otherwise: Vec<Stmt>,
    },
    /// Runs the body of the case that has the value; values are distinct.
    Switch {
        /// The value.
        key: Expr,
        /// The cases.
        cases: Vec<SwitchCase>,
        /// Runs if no case has the value.
        default: Vec<Stmt>,
    },
    /// Runs the body once. `Leave` of the label ends it early.
    Scope {
        /// Name.
        label: Label,
        /// What it does.
        body: Vec<Stmt>,
    },
    /// Runs the body again and again until a `Leave` of the label (or of an outer one).
    Loop {
        /// Name.
        label: Label,
        /// What it does.
        body: Vec<Stmt>,
    },
    /// Ends the scope or loop of that label.
    Leave(Label),
    /// Ends the whole block (ingress, egress, ...), also from inside a table's action.
    Exit,
    /// Looks the keys up and runs the action that is found, or the default action.
    Apply {
        /// The table.
        table: TableId,
        /// Gets 1 for a hit and 0 for a miss, after the action has run.
        hit: Option<SlotId>,
        /// Gets the position of the action that ran in [`Table::actions`]; [`ENUM_WIDTH`] bits.
        action_run: Option<SlotId>,
    },
    /// Reads the next header from the packet and makes it valid. `PacketTooShort` if it is not all there;
    /// then nothing is consumed.
    Extract(HeaderId),
    /// Extracts the element at the next index, and counts the index up.
    /// `StackOutOfBounds` if the stack is full.
    ExtractNext(StackId),
    /// Reads the next bits of the packet into slots, first slot first, and consumes nothing.
    /// `PacketTooShort` if they are not all there.
    Lookahead(Vec<SlotId>),
    /// Skips bits. `PacketTooShort` if they are not all there.
    Advance(Expr),
    /// Rejects with an error if the condition is 0.
    Verify {
        /// 1 bit.
        condition: Expr,
        /// Value of the error, [`ENUM_WIDTH`] bits.
        error: Expr,
    },
    /// Writes the header to the packet if it is valid.
    Emit(HeaderId),
    /// Calls an extern.
    Extern(Extern),
}

/// A case of a [`StmtKind::Switch`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SwitchCase {
    /// Values, as wide as the key.
    pub values: Vec<Const>,
    /// What it does.
    pub body: Vec<Stmt>,
}
