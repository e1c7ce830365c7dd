// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the IR to [`Code`]: gives every slot a place, and every statement its instructions.
//!
//! The frame is laid out as metadata, headers, locals, and then temporaries and constants mixed.
//! Metadata and each header are contiguous, so that a reset, a snapshot and a header assignment
//! are single block copies.

use std::collections::HashMap;

use p4::{
    ir::{
        ActionId, Const, Control, Expr, ExprKind, Header, Label, MatchKind, Program, SlotId,
        SlotKind, StandardField, limb_count,
    },
    source::Span,
};

use super::code::{
    ActionPlan, Code, Datum, Errors, FieldPlan, HeaderPlan, Loc, Mark, Op, Pc, Place, Select,
    StackPlan, Sum, TablePlan,
};

mod expr;
mod linear;
mod parser;
mod stmt;
#[cfg(test)]
mod tests;

/// Why a checked program cannot run on this engine.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The program is larger than 32-bit indices reach.
    #[error("program needs more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// A value is wider than the engine's buffers.
    #[error("value of {width} bits is wider than the engine's limit of 2048 bits")]
    TooWide {
        /// Its width in bits.
        width: u32,
    },
    /// A counter, meter or register array is larger than the engine allocates.
    #[error("array {name} has {size} cells, more than {limit}")]
    ArrayTooLarge {
        /// Name of the array.
        name: String,
        /// Its declared number of cells.
        size: u64,
        /// The largest number of cells.
        limit: u64,
    },
}

/// Compiles a program.
pub(crate) fn compile(program: &Program) -> Result<Code, CompileError> {
    let mut builder = Builder::new(program)?;
    builder.tables();
    builder.parser()?;
    builder.code.entries.verify = builder.control(&program.verify_checksum)?;
    builder.code.entries.ingress = builder.control(&program.ingress)?;
    builder.code.entries.egress = builder.control(&program.egress)?;
    builder.code.entries.compute = builder.control(&program.compute_checksum)?;
    builder.code.entries.deparser = builder.control(&program.deparser)?;
    builder.actions()?;
    builder.finish()
}

/// A jump target that may not be known yet; index into [`Builder::targets`].
pub(super) type Target = u32;

/// Code under construction. Until [`Builder::finish`], jumps hold a [`Target`] instead of a [`Pc`].
pub(super) struct Builder<'a> {
    pub(super) program: &'a Program,
    pub(super) code: Code,
    targets: Vec<Pc>,
    constants: HashMap<Vec<u64>, Loc>,
    /// Temporaries of the statement being compiled, and those that are free, by number of limbs.
    used: Vec<(Loc, usize)>,
    free: HashMap<usize, Vec<Loc>>,
    /// Where `Leave` of a label goes.
    pub(super) labels: HashMap<Label, Target>,
}

impl<'a> Builder<'a> {
    fn new(program: &'a Program) -> Result<Self, CompileError> {
        let mut builder = Self {
            program,
            code: Code::default(),
            targets: Vec::new(),
            constants: HashMap::new(),
            used: Vec::new(),
            free: HashMap::new(),
            labels: HashMap::new(),
        };
        builder.check_limits()?;
        builder.lay_out();
        builder.plan_headers();
        Ok(builder)
    }

    fn check_limits(&self) -> Result<(), CompileError> {
        const MAX_LIMBS_OF_SLOTS: u64 = 1 << 24;
        let slots = &self.program.slots;
        if let Some(slot) = slots.iter().find(|slot| slot.width > MAX_WIDTH) {
            return Err(CompileError::TooWide { width: slot.width });
        }
        let limbs: u64 = slots.iter().map(|slot| limb_count(slot.width) as u64).sum();
        if limbs > MAX_LIMBS_OF_SLOTS {
            return Err(CompileError::TooLarge {
                what: "limbs",
                limit: MAX_LIMBS_OF_SLOTS,
            });
        }
        let registers = self
            .program
            .registers
            .iter()
            .map(|array| (&array.name, array.size));
        let counters = self
            .program
            .counters
            .iter()
            .map(|array| (&array.name, &array.cells));
        let meters = self
            .program
            .meters
            .iter()
            .map(|array| (&array.name, &array.cells));
        let cells = counters
            .chain(meters)
            .filter_map(|(name, cells)| match cells {
                p4::ir::Cells::Indirect(size) => Some((name, *size)),
                _ => None,
            });
        match registers.chain(cells).find(|(_, size)| *size > MAX_CELLS) {
            None => Ok(()),
            Some((name, size)) => Err(CompileError::ArrayTooLarge {
                name: name.clone(),
                size,
                limit: MAX_CELLS,
            }),
        }
    }

    /// Gives each slot its place: metadata, then headers, then what lives in one block.
    fn lay_out(&mut self) {
        let slots = &self.program.slots;
        let mut places = vec![Place { loc: 0, width: 0 }; slots.len()];
        let mut next: Loc = 0;
        let mut put = |slot: SlotId, next: &mut Loc| {
            let width = slots[slot.index()].width;
            places[slot.index()] = Place { loc: *next, width };
            *next += limb_count(width) as Loc;
        };
        let all = || (0..slots.len()).map(|index| SlotId(index as u32));
        let kind = |slot: SlotId| slots[slot.index()].kind;
        for slot in all().filter(|slot| is_metadata(kind(*slot))) {
            put(slot, &mut next);
        }
        self.code.metadata = 0..next as usize;
        for header in &self.program.headers {
            put(header.valid, &mut next);
            header
                .fields
                .iter()
                .for_each(|field| put(*field, &mut next));
        }
        for slot in all().filter(|slot| matches!(kind(*slot), SlotKind::NextIndex(_))) {
            put(slot, &mut next);
        }
        self.code.persistent = next as usize;
        for slot in all().filter(|slot| is_local(kind(*slot))) {
            put(slot, &mut next);
        }
        self.code.packet_length = next;
        let limbs = |slot: &SlotId| {
            let place = places[slot.index()];
            place.loc..place.loc + limb_count(place.width) as Loc
        };
        let lists = self.program.field_lists.iter();
        let lists = lists.map(|list| (list.number, list.slots.iter().flat_map(limbs).collect()));
        self.code.field_lists = lists.collect();
        self.code.slots = places;
        self.code.cleared = next as usize + 1;
        self.code.image = vec![0; self.code.cleared];
    }

    fn plan_headers(&mut self) {
        let plan = |header: &Header| {
            let mut offset = 0;
            let fields = header.fields.iter().map(|field| {
                let place = self.code.place(*field);
                let plan = FieldPlan { place, offset };
                offset += place.width;
                plan
            });
            let fields = fields.collect();
            HeaderPlan {
                valid: self.code.place(header.valid).loc,
                width: header.width,
                fields,
            }
        };
        self.code.headers = self.program.headers.iter().map(plan).collect();
        let stacks = self.program.stacks.iter().map(|stack| StackPlan {
            elements: stack.elements.clone(),
            next: self.code.place(stack.next_index).loc,
        });
        self.code.stacks = stacks.collect();
        let error = |name| self.program.errors.iter().position(|error| error == name);
        let error = |name| error(name).unwrap_or(0) as u32;
        self.code.errors = Errors {
            packet_too_short: error("PacketTooShort"),
            no_match: error("NoMatch"),
            stack_out_of_bounds: error("StackOutOfBounds"),
            parser_timeout: error("ParserTimeout"),
        };
    }

    /// Gives every key of every table a place that does not change between applications.
    fn tables(&mut self) {
        for table in &self.program.tables {
            let (mut keys, mut matched, mut data) = (Vec::new(), Vec::new(), Vec::new());
            for key in &table.keys {
                let place = match &key.value.kind {
                    ExprKind::Slot(slot) => self.code.place(*slot),
                    _ => self.permanent(key.value.width),
                };
                keys.push(place);
                if key.match_kind == MatchKind::Selector {
                    data.push(Datum { place, valid: None });
                } else {
                    matched.push(place);
                }
            }
            let profile = table.action_profile;
            let profile = profile.map(|id| &self.program.action_profiles[id.index()]);
            let selector = profile.and_then(|profile| profile.selector);
            let selector = selector.map(|selector| {
                let sum = Sum {
                    algorithm: stmt::algorithm(selector.algorithm),
                    data,
                    with_payload: false,
                };
                (sum, selector.output_width)
            });
            self.code.tables.push(TablePlan {
                keys,
                matched,
                selector,
            });
        }
    }

    fn control(&mut self, control: &Control) -> Result<Pc, CompileError> {
        let entry = self.here();
        self.statements(&control.body)?;
        self.emit(Op::End);
        Ok(entry)
    }

    fn actions(&mut self) -> Result<(), CompileError> {
        for index in 0..self.program.actions.len() {
            let action = &self.program.actions[ActionId(index as u32).index()];
            let entry = self.here();
            self.statements(&action.body)?;
            let empty = self.here() == entry;
            self.emit(Op::Return);
            let params = action
                .params
                .iter()
                .map(|param| self.code.place(param.slot));
            let params = params.collect();
            self.code.actions.push(ActionPlan {
                entry,
                empty,
                params,
            });
        }
        Ok(())
    }

    /// Turns targets into instruction numbers.
    fn finish(mut self) -> Result<Code, CompileError> {
        const MAX_OPS: u64 = 1 << 26;
        if self.code.ops.len() as u64 > MAX_OPS {
            return Err(CompileError::TooLarge {
                what: "instructions",
                limit: MAX_OPS,
            });
        }
        let targets = &self.targets;
        let resolve = |to: &mut Pc| *to = targets[*to as usize];
        for op in &mut self.code.ops {
            match op {
                Op::Jump(to)
                | Op::JumpIf { to, .. }
                | Op::JumpUnless { to, .. }
                | Op::JumpEq { to, .. }
                | Op::JumpNe { to, .. }
                | Op::JumpLt { to, .. }
                | Op::JumpGe { to, .. } => resolve(to),
                _ => {}
            }
        }
        for select in &mut self.code.selects {
            match select {
                Select::Sorted {
                    cases, otherwise, ..
                } => {
                    for (_, to) in cases {
                        resolve(to);
                    }
                    resolve(otherwise);
                }
                Select::Ordered {
                    cases, otherwise, ..
                } => {
                    for (_, to) in cases {
                        resolve(to);
                    }
                    resolve(otherwise);
                }
            }
        }
        Ok(self.code)
    }

    pub(super) fn here(&self) -> Pc {
        self.code.ops.len() as Pc
    }

    pub(super) fn emit(&mut self, op: Op) {
        self.code.ops.push(op);
    }

    /// A target that [`Builder::bind`] sets later.
    pub(super) fn target(&mut self) -> Target {
        self.targets.push(0);
        (self.targets.len() - 1) as Target
    }

    /// Lets a target stand for the next instruction.
    pub(super) fn bind(&mut self, target: Target) {
        self.targets[target as usize] = self.here();
    }

    pub(super) fn mark(&mut self, span: Span) {
        self.code.marks.push((self.here(), Mark::Statement(span)));
    }

    /// A place that no temporary shares.
    pub(super) fn permanent(&mut self, width: u32) -> Place {
        let loc = self.code.image.len() as Loc;
        self.code
            .image
            .resize(self.code.image.len() + limb_count(width), 0);
        Place { loc, width }
    }

    /// A place for the rest of this statement.
    pub(super) fn temporary(&mut self, width: u32) -> Place {
        let limbs = limb_count(width);
        let reused = self.free.get_mut(&limbs).and_then(Vec::pop);
        let loc = reused.unwrap_or_else(|| self.permanent(width).loc);
        self.used.push((loc, limbs));
        Place { loc, width }
    }

    /// Ends the life of all temporaries.
    pub(super) fn release(&mut self) {
        for (loc, limbs) in self.used.drain(..) {
            self.free.entry(limbs).or_default().push(loc);
        }
    }

    pub(super) fn constant(&mut self, value: &Const) -> Place {
        let width = value.width;
        if let Some(loc) = self.constants.get(&value.limbs) {
            return Place { loc: *loc, width };
        }
        let loc = self.code.image.len() as Loc;
        self.code.image.extend_from_slice(&value.limbs);
        self.code
            .constants
            .extend(loc..loc + value.limbs.len() as Loc);
        self.constants.insert(value.limbs.clone(), loc);
        Place { loc, width }
    }

    /// The validity that decides whether a field takes part in a hash.
    pub(super) fn validity_of(&self, value: &Expr) -> Option<Loc> {
        let ExprKind::Slot(slot) = &value.kind else {
            return None;
        };
        match self.program.slots[slot.index()].kind {
            SlotKind::Field(header) => Some(
                self.code
                    .place(self.program.headers[header.index()].valid)
                    .loc,
            ),
            _ => None,
        }
    }

    pub(super) fn standard(&self, field: StandardField) -> Loc {
        self.code.place(self.program.standard(field)).loc
    }
}

/// Widest value in bits.
pub(crate) const MAX_WIDTH: u32 = 2048;

/// Largest number of cells of a counter, meter or register.
const MAX_CELLS: u64 = 1 << 24;

fn is_metadata(kind: SlotKind) -> bool {
    matches!(kind, SlotKind::Standard(_) | SlotKind::Metadata)
}

fn is_local(kind: SlotKind) -> bool {
    matches!(kind, SlotKind::ActionParam | SlotKind::Local)
}
