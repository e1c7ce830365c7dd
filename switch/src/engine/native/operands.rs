// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which values compiled code keeps in registers.
//!
//! A limb of the frame can be a variable of one function if no other function uses it and nothing
//! but compiled instructions does: tables, externs and the interpreter read the frame in memory.

use std::{collections::HashMap, ops::Range};

use super::{functions_of, packet, wide};
use crate::engine::{
    bits::limbs,
    code::{Call, Code, Loc, Op, Pc, Place, Select, Sum, Test, WideKind},
};

/// Longest value in bits that is kept in registers.
const LONG: u32 = 256;

/// Where a function keeps each limb of the frame.
#[derive(Debug)]
pub(super) struct Storage {
    in_memory: Vec<bool>,
    /// The first limb that is no variable: temporaries do not outlive their statement, so that
    /// what other functions do with them does not matter.
    temporaries: Loc,
    /// Whether the parser is always at the start of an octet.
    pub(super) aligned: bool,
}

impl Storage {
    pub(super) fn new(code: &Code, function: &Range<Pc>, aligned: bool) -> Self {
        let mut storage = Self {
            aligned,
            temporaries: code.cleared as Loc,
            // Metadata, headers and what the engine itself keeps there outlive a block.
            in_memory: (0..code.image.len())
                .map(|loc| loc < code.persistent || loc == code.packet_length as usize)
                .collect(),
        };
        // Long variables that live for more than a statement would only be spilled.
        for slot in code.slots.iter().filter(|slot| slot.width > 64) {
            storage.pin(*slot);
        }
        for place in places_of_tables(code) {
            storage.pin(place);
        }
        for (pc, op) in (0..).zip(&code.ops) {
            let within = function.contains(&pc);
            for place in storage.pinned_by(code, op) {
                if within || place.loc < storage.temporaries {
                    storage.pin(place);
                }
            }
        }
        storage.pin_shared(code);
        storage
    }

    /// Whether a limb is kept in the frame.
    pub(super) fn in_memory(&self, loc: Loc) -> bool {
        self.in_memory.get(loc as usize).copied().unwrap_or(true)
    }

    fn pin(&mut self, place: Place) {
        for at in place.loc as usize..place.loc as usize + limbs(place.width) {
            if let Some(limb) = self.in_memory.get_mut(at) {
                *limb = true;
            }
        }
    }

    /// The operands of instructions that the interpreter executes, and those that are too long for
    /// registers.
    fn pinned_by(&self, code: &Code, op: &Op) -> Vec<Place> {
        match op {
            Op::Lookahead(index) if !(self.aligned && packet::is_plain(code, *index)) => {
                code.lookaheads[*index as usize].clone()
            }
            Op::Advance { a, n } if *n > 1 => vec![Place {
                loc: *a,
                width: n * 64,
            }],
            Op::Select(index) if !is_simple_select(&code.selects[*index as usize]) => {
                select_places(&code.selects[*index as usize])
            }
            Op::Wide(index) => {
                let wide = &code.wide[*index as usize];
                let native = wide::is_native(code, wide);
                let all = [wide.a, wide.b, wide.d].into_iter();
                all.filter(|place| !native || place.width > LONG).collect()
            }
            Op::Extern(index) => places_of(&code.externs[*index as usize]),
            op if is_arithmetic(op) && !is_native(op) => {
                let place = |loc| Place { loc, width: 64 };
                operands(code, op).into_iter().map(place).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Pins what more than one function uses.
    fn pin_shared(&mut self, code: &Code) {
        let mut users: HashMap<Loc, usize> = HashMap::new();
        for (function, range) in functions_of(code).into_iter().enumerate() {
            for pc in range {
                let used = operands(code, &code.ops[pc as usize]);
                for loc in used.into_iter().filter(|loc| *loc < self.temporaries) {
                    let first = *users.entry(loc).or_insert(function);
                    if first != function {
                        self.in_memory[loc as usize] = true;
                    }
                }
            }
        }
    }
}

/// Whether an instruction is arithmetic that the interpreter can execute alone.
pub(super) fn is_arithmetic(op: &Op) -> bool {
    !matches!(
        op,
        Op::End
            | Op::Return
            | Op::Jump(_)
            | Op::JumpIf { .. }
            | Op::JumpUnless { .. }
            | Op::JumpEq { .. }
            | Op::JumpNe { .. }
            | Op::JumpLt { .. }
            | Op::JumpGe { .. }
            | Op::Select(_)
            | Op::Step
            | Op::Extract(_)
            | Op::ExtractNext(_)
            | Op::Lookahead(_)
            | Op::Advance { .. }
            | Op::Verify { .. }
            | Op::Reject(_)
            | Op::Emit(_)
            | Op::Apply(_)
            | Op::StoreHit { .. }
            | Op::StoreAction { .. }
            | Op::Extern(_)
            | Op::Wide(_)
            | Op::Linear(_)
    )
}

/// Whether an arithmetic instruction is compiled.
pub(super) fn is_native(op: &Op) -> bool {
    !matches!(
        op,
        Op::AddSatSigned { .. } | Op::SubSatSigned { .. } | Op::AddSat { w: 64, .. }
    )
}

/// The limbs that an instruction reads and writes, except those of headers, tables and externs.
pub(super) fn operands(code: &Code, op: &Op) -> Vec<Loc> {
    match *op {
        Op::JumpIf { a, .. } | Op::JumpUnless { a, .. } => vec![a],
        Op::JumpEq { a, b, .. }
        | Op::JumpNe { a, b, .. }
        | Op::JumpLt { a, b, .. }
        | Op::JumpGe { a, b, .. }
        | Op::Verify { a, b } => vec![a, b],
        Op::Move { d, a }
        | Op::Not { d, a, .. }
        | Op::Neg { d, a, .. }
        | Op::Slice { d, a, .. }
        | Op::Insert { d, a, .. }
        | Op::SignExtend { d, a, .. } => vec![d, a],
        Op::Copy { d, a, n } => (d..d + n).chain(a..a + n).collect(),
        Op::Add { d, a, b, .. }
        | Op::Sub { d, a, b, .. }
        | Op::Mul { d, a, b, .. }
        | Op::Div { d, a, b }
        | Op::Mod { d, a, b }
        | Op::And { d, a, b }
        | Op::Or { d, a, b }
        | Op::Xor { d, a, b }
        | Op::Shl { d, a, b, .. }
        | Op::Shr { d, a, b }
        | Op::ShrSigned { d, a, b, .. }
        | Op::AddSat { d, a, b, .. }
        | Op::SubSat { d, a, b }
        | Op::AddSatSigned { d, a, b, .. }
        | Op::SubSatSigned { d, a, b, .. }
        | Op::Eq { d, a, b }
        | Op::Ne { d, a, b }
        | Op::Lt { d, a, b }
        | Op::Le { d, a, b }
        | Op::LtSigned { d, a, b, .. }
        | Op::LeSigned { d, a, b, .. }
        | Op::Concat { d, a, b, .. } => vec![d, a, b],
        Op::Wide(index) => {
            let wide = &code.wide[index as usize];
            let places = [wide.a, wide.b];
            let second = usize::from(uses_second(wide.kind));
            places
                .into_iter()
                .take(1 + second)
                .chain([wide.d])
                .flat_map(locs)
                .collect()
        }
        Op::Linear(index) => {
            let linear = &code.linear[index as usize];
            vec![linear.d, linear.a]
        }
        Op::Lookahead(index) => code.lookaheads[index as usize]
            .iter()
            .copied()
            .flat_map(locs)
            .collect(),
        Op::Advance { a, n } => (a..a + n).collect(),
        Op::Select(index) => select_places(&code.selects[index as usize])
            .into_iter()
            .flat_map(locs)
            .chain(match &code.selects[index as usize] {
                Select::Sorted { key, .. } => Some(*key),
                Select::Ordered { .. } => None,
            })
            .collect(),
        Op::StoreHit { d } | Op::StoreAction { d } => vec![d],
        Op::End
        | Op::Return
        | Op::Jump(_)
        | Op::Step
        | Op::Extract(_)
        | Op::ExtractNext(_)
        | Op::Reject(_)
        | Op::Emit(_)
        | Op::Apply(_)
        | Op::Extern(_) => Vec::new(),
    }
}

/// Whether the second operand of a long operation means anything.
pub(super) fn uses_second(kind: WideKind) -> bool {
    !matches!(
        kind,
        WideKind::Not
            | WideKind::Neg
            | WideKind::Slice
            | WideKind::Insert
            | WideKind::ZeroExtend
            | WideKind::SignExtend
    )
}

fn locs(place: Place) -> std::ops::Range<Loc> {
    place.loc..place.loc + limbs(place.width) as Loc
}

/// Whether the cases of a select are compiled, and not left to the interpreter.
pub(super) fn is_simple_select(select: &Select) -> bool {
    let Select::Ordered { cases, .. } = select else {
        return true;
    };
    let mut tests = cases.iter().flat_map(|(tests, _)| tests);
    tests.all(|test| matches!(test, Test::Limb { .. }))
}

/// Keys of a select with patterns.
pub(super) fn select_places(select: &Select) -> Vec<Place> {
    let Select::Ordered { cases, .. } = select else {
        return Vec::new();
    };
    let tests = cases.iter().flat_map(|(tests, _)| tests);
    let places = tests.flat_map(|test| match test {
        Test::Limb { at, .. } => vec![Place {
            loc: *at,
            width: 64,
        }],
        Test::Range { key, .. } => vec![*key],
        Test::ValueSet { keys, .. } => keys.clone(),
    });
    places.collect()
}

/// What tables and externs read and write, and what the next pass of a packet keeps.
pub(super) fn places_of_others(code: &Code) -> Vec<Place> {
    let arguments = code.externs.iter().flat_map(places_of);
    arguments.chain(places_of_tables(code)).collect()
}

/// What tables read and write, and what the next pass of a packet keeps.
fn places_of_tables(code: &Code) -> Vec<Place> {
    let keys = code.tables.iter().flat_map(|table| &table.keys);
    let params = code.actions.iter().flat_map(|action| &action.params);
    let kept = code.field_lists.iter().flat_map(|(_, limbs)| limbs);
    let kept = kept.map(|loc| Place {
        loc: *loc,
        width: 64,
    });
    keys.chain(params).copied().chain(kept).collect()
}

/// The arguments and results of an extern.
fn places_of(call: &Call) -> Vec<Place> {
    let limb = |loc: Loc| Place { loc, width: 64 };
    let with = |sum: &Sum, more: &[Place]| {
        let data = sum.data.iter().map(|datum| datum.place);
        data.chain(more.iter().copied()).collect()
    };
    match call {
        Call::MarkToDrop {
            egress_spec,
            mcast_grp,
        } => vec![limb(*egress_spec), limb(*mcast_grp)],
        Call::Count { index, .. } => vec![*index],
        Call::ExecuteMeter { index, d, .. } | Call::ReadRegister { index, d, .. } => {
            vec![*index, *d]
        }
        Call::ReadMeter { d, .. } => vec![*d],
        Call::WriteRegister { index, value, .. } => vec![*index, *value],
        Call::Random { d, low, high } => vec![*d, *low, *high],
        Call::Hash { sum, d, base, max } => with(sum, &[*d, *base, *max]),
        Call::VerifyChecksum { sum, checksum, .. } => with(sum, &[*checksum]),
        Call::UpdateChecksum { sum, d } => with(sum, &[*d]),
        Call::Digest { values, .. } | Call::Log { values, .. } => values.clone(),
        Call::Clone {
            session,
            field_list,
        } => field_list.iter().chain([session]).copied().collect(),
        Call::Resubmit { field_list } | Call::Recirculate { field_list } => vec![*field_list],
        Call::Truncate { length } => vec![*length],
        Call::Assert { condition } => vec![limb(*condition)],
    }
}
