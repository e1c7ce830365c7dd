// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The compiled form of a program: a register machine whose registers are one array of limbs.
//!
//! Slots, temporaries and constants live in one *frame*, an array of 64-bit limbs, so that every
//! operand of every instruction is one index. Values of at most 64 bits take one limb and the
//! short instructions; wider values take `limbs(width)` limbs, least significant first, and go
//! through [`Op::Wide`].

use std::{collections::BTreeSet, sync::Arc};

use p4::{
    ir::{HeaderId, SlotId, StateId, TableId},
    source::Span,
};

use super::hashes::HashAlgorithm;

/// Index of the lowest limb of a value in the frame.
pub(crate) type Loc = u32;

/// Index of an instruction.
pub(crate) type Pc = u32;

/// A value in the frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// Its lowest limb.
    pub(crate) loc: Loc,
    /// Its width in bits.
    pub(crate) width: u32,
}

/// An instruction. `d` is the destination, `a` and `b` are operands, `w` is a width in bits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Ends the block.
    End,
    /// Ends an action.
    Return,
    Jump(Pc),
    JumpIf {
        a: Loc,
        to: Pc,
    },
    JumpUnless {
        a: Loc,
        to: Pc,
    },
    JumpEq {
        a: Loc,
        b: Loc,
        to: Pc,
    },
    JumpNe {
        a: Loc,
        b: Loc,
        to: Pc,
    },
    JumpLt {
        a: Loc,
        b: Loc,
        to: Pc,
    },
    JumpGe {
        a: Loc,
        b: Loc,
        to: Pc,
    },
    /// Goes where [`Code::selects`] says.
    Select(u32),
    /// Takes one from the budget of backward jumps; ends the block when nothing is left.
    Step,
    Move {
        d: Loc,
        a: Loc,
    },
    /// Copies `n` limbs.
    Copy {
        d: Loc,
        a: Loc,
        n: u32,
    },
    Add {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    Sub {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    Mul {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    Div {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    Mod {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    And {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    Or {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    Xor {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    Not {
        d: Loc,
        a: Loc,
        w: u8,
    },
    Neg {
        d: Loc,
        a: Loc,
        w: u8,
    },
    Shl {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    Shr {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    ShrSigned {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    AddSat {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    SubSat {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    AddSatSigned {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    SubSatSigned {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    Eq {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    Ne {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    Lt {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    Le {
        d: Loc,
        a: Loc,
        b: Loc,
    },
    LtSigned {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    LeSigned {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    /// `w` bits of `a` from bit `low` on.
    Slice {
        d: Loc,
        a: Loc,
        low: u8,
        w: u8,
    },
    /// Replaces `w` bits of `d` from bit `low` on by `a`.
    Insert {
        d: Loc,
        a: Loc,
        low: u8,
        w: u8,
    },
    /// `a` above the `w` bits of `b`.
    Concat {
        d: Loc,
        a: Loc,
        b: Loc,
        w: u8,
    },
    /// Widens a `from` bits wide value to `w` bits with its sign.
    SignExtend {
        d: Loc,
        a: Loc,
        from: u8,
        w: u8,
    },
    /// An operation of [`Code::wide`].
    Wide(u32),
    /// A sum of bits of [`Code::linear`].
    Linear(u32),
    Extract(HeaderId),
    /// Extracts into the stack of [`Code::stacks`].
    ExtractNext(u32),
    /// Fills the places of [`Code::lookaheads`].
    Lookahead(u32),
    Advance {
        a: Loc,
        n: u32,
    },
    /// Stops the parser with error `b` unless `a`.
    Verify {
        a: Loc,
        b: Loc,
    },
    /// Stops the parser with this error.
    Reject(u32),
    Emit(HeaderId),
    /// Looks a table up and calls the action.
    Apply(TableId),
    /// Stores whether the last lookup hit.
    StoreHit {
        d: Loc,
    },
    /// Stores the position of the last action.
    StoreAction {
        d: Loc,
    },
    /// Calls an extern of [`Code::externs`].
    Extern(u32),
}

/// Operations on values of which at least one is wider than 64 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide {
    pub(crate) kind: WideKind,
    pub(crate) d: Place,
    pub(crate) a: Place,
    pub(crate) b: Place,
    /// A bit position, for slices and inserts.
    pub(crate) low: u32,
}

/// A value of at most 32 bits each bit of which is a sum (exclusive or) of bits of another value, of
/// at most 64: a step of a CRC, for example.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) d: Loc,
    pub(crate) a: Loc,
    /// What each octet of `a` adds, lowest octet first: rows of [`LINEAR_ROW`]. Shared with machine
    /// code, which has the address.
    pub(crate) rows: Arc<[u32]>,
}

/// Values of an octet.
pub(crate) const LINEAR_ROW: usize = 256;

impl Linear {
    /// The sum for a value of `a`.
    pub(crate) fn of(&self, value: u64) -> u64 {
        let rows = self.rows.chunks_exact(LINEAR_ROW);
        let octets = value.to_le_bytes();
        let terms = rows.zip(octets).map(|(row, octet)| row[usize::from(octet)]);
        terms.fold(0, |sum, term| sum ^ u64::from(term))
    }
}

/// What a [`Wide`] does; the names are those of the short instructions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WideKind {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    AddSat,
    SubSat,
    AddSatSigned,
    SubSatSigned,
    And,
    Or,
    Xor,
    Not,
    Neg,
    Shl,
    Shr,
    ShrSigned,
    Eq,
    Ne,
    Lt,
    Le,
    LtSigned,
    LeSigned,
    Slice,
    Insert,
    Concat,
    ZeroExtend,
    SignExtend,
}

/// A many-way branch.
#[derive(Clone, Debug)]
pub(crate) enum Select {
    /// Values of one short key, sorted.
    Sorted {
        key: Loc,
        cases: Vec<(u64, Pc)>,
        otherwise: Pc,
    },
    /// Patterns tried in order.
    Ordered {
        cases: Vec<(Vec<Test>, Pc)>,
        otherwise: Pc,
    },
}

/// A pattern of an ordered select; the keys that match anything have none.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// One limb: `frame[at] & mask == value`.
    Limb { at: Loc, mask: u64, value: u64 },
    /// A range of numbers.
    Range {
        key: Place,
        low: Vec<u64>,
        high: Vec<u64>,
        signed: bool,
    },
    /// Membership of a value set, of as many keys as the set has fields.
    ValueSet { set: usize, keys: Vec<Place> },
}

/// Layout of a header.
#[derive(Clone, Debug)]
pub(crate) struct HeaderPlan {
    pub(crate) valid: Loc,
    pub(crate) width: u32,
    pub(crate) fields: Vec<FieldPlan>,
}

/// Layout of a header field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldPlan {
    pub(crate) place: Place,
    /// Distance from the start of the header in bits.
    pub(crate) offset: u32,
}

/// A header stack.
#[derive(Clone, Debug)]
pub(crate) struct StackPlan {
    pub(crate) elements: Vec<HeaderId>,
    pub(crate) next: Loc,
}

/// A field of the input of a hash or checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datum {
    pub(crate) place: Place,
    /// Validity of the header that the field belongs to: fields of invalid headers are left out.
    pub(crate) valid: Option<Loc>,
}

/// A checksum or hash to compute.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    pub(crate) algorithm: HashAlgorithm,
    pub(crate) data: Vec<Datum>,
    pub(crate) with_payload: bool,
}

/// An extern call whose arguments are in the frame.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    MarkToDrop {
        egress_spec: Loc,
        mcast_grp: Loc,
    },
    Count {
        counter: usize,
        index: Place,
    },
    ExecuteMeter {
        meter: usize,
        index: Place,
        d: Place,
    },
    ReadMeter {
        meter: usize,
        d: Place,
    },
    ReadRegister {
        register: usize,
        index: Place,
        d: Place,
    },
    WriteRegister {
        register: usize,
        index: Place,
        value: Place,
    },
    Random {
        d: Place,
        low: Place,
        high: Place,
    },
    Hash {
        sum: Sum,
        d: Place,
        base: Place,
        max: Place,
    },
    VerifyChecksum {
        sum: Sum,
        checksum: Place,
        valid: Option<Loc>,
        error: Loc,
    },
    UpdateChecksum {
        sum: Sum,
        d: Place,
    },
    Digest {
        digest: usize,
        values: Vec<Place>,
    },
    Clone {
        session: Place,
        field_list: Option<Place>,
    },
    Resubmit {
        field_list: Place,
    },
    Recirculate {
        field_list: Place,
    },
    Truncate {
        length: Place,
    },
    Assert {
        condition: Loc,
    },
    Log {
        format: String,
        values: Vec<Place>,
    },
}

/// An action: where its code starts, and where its arguments go.
#[derive(Clone, Debug)]
pub(crate) struct ActionPlan {
    pub(crate) entry: Pc,
    /// Whether there is no code: nothing to call.
    pub(crate) empty: bool,
    pub(crate) params: Vec<Place>,
}

/// A table: where its keys are computed.
#[derive(Clone, Debug)]
pub(crate) struct TablePlan {
    /// All keys in order of declaration.
    pub(crate) keys: Vec<Place>,
    /// Those that are looked up.
    pub(crate) matched: Vec<Place>,
    /// The others, which choose a member of a group, and the bits of their hash that count.
    pub(crate) selector: Option<(Sum, u32)>,
}

/// What the trace says when execution comes to an instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// A parser state begins.
    State(StateId),
    /// A statement begins.
    Statement(Span),
}

/// First instructions of the blocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entries {
    pub(crate) parser: Pc,
    pub(crate) verify: Pc,
    pub(crate) ingress: Pc,
    pub(crate) egress: Pc,
    pub(crate) compute: Pc,
    pub(crate) deparser: Pc,
}

/// Errors of the parser that the engine raises itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Errors {
    pub(crate) packet_too_short: u32,
    pub(crate) no_match: u32,
    pub(crate) stack_out_of_bounds: u32,
    pub(crate) parser_timeout: u32,
}

/// A compiled program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Code {
    pub(crate) ops: Vec<Op>,
    pub(crate) selects: Vec<Select>,
    pub(crate) wide: Vec<Wide>,
    pub(crate) linear: Vec<Linear>,
    pub(crate) lookaheads: Vec<Vec<Place>>,
    pub(crate) externs: Vec<Call>,
    pub(crate) headers: Vec<HeaderPlan>,
    pub(crate) stacks: Vec<StackPlan>,
    pub(crate) actions: Vec<ActionPlan>,
    pub(crate) tables: Vec<TablePlan>,
    pub(crate) entries: Entries,
    pub(crate) errors: Errors,
    /// Place of each slot, by slot index.
    pub(crate) slots: Vec<Place>,
    /// Limbs from the start of the frame that are zeroed for a new packet: all slots.
    pub(crate) cleared: usize,
    /// Limbs of user and standard metadata, which a clone or a new pass does not inherit.
    pub(crate) metadata: std::ops::Range<usize>,
    /// Limbs of metadata that a new pass of a packet keeps, by number of the field list.
    pub(crate) field_lists: Vec<(u8, Vec<Loc>)>,
    /// Limbs that outlive a block: headers and metadata.
    pub(crate) persistent: usize,
    /// Length of the packet in octets.
    pub(crate) packet_length: Loc,
    /// The frame as it starts: zeros, and the constants among the temporaries behind the slots.
    pub(crate) image: Vec<u64>,
    /// Limbs of the image that never change.
    pub(crate) constants: BTreeSet<Loc>,
    /// Notes for the trace, ordered by instruction.
    pub(crate) marks: Vec<(Pc, Mark)>,
}

impl Code {
    /// Place of a slot.
    pub(crate) fn place(&self, slot: SlotId) -> Place {
        self.slots[slot.index()]
    }
}
