// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From instructions to Cranelift's intermediate form, one function at a time.

mod arithmetic;

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use cranelift_codegen::{
    Context as Compiled,
    ir::{
        AbiParam, AliasRegionData, Block, InstBuilder as _, InstructionData, MemFlagsData, Opcode,
        SigRef, Value, ValueDef,
        condcodes::IntCC,
        types::{I32, I64, I64X2},
    },
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Switch, Variable};
use cranelift_jit::JITModule;
use cranelift_module::Module as _;

use super::{
    PINNED,
    operands::{Storage, is_arithmetic, is_native, is_simple_select},
    runtime::{self, ENDED, FIRST_ERROR, NEXT, Native, at, cell},
    slides::Slides,
};
use crate::engine::{
    bits::mask,
    code::{Code, LINEAR_ROW, Loc, Op, Pc, Select, Test},
};

/// Fewest limbs that are copied in vectors.
const COPIED: u32 = 4;

/// A function that compiled code calls.
pub(super) type Helper = unsafe extern "C" fn(*mut Native<'_>, u64) -> u64;

/// Translates the instructions of a block or an action.
pub(super) fn function(
    code: &Code,
    storage: &Storage,
    slides: &Slides,
    range: Range<Pc>,
    compiled: &mut Compiled,
    context: &mut FunctionBuilderContext,
    module: &JITModule,
) {
    let mut helper = module.make_signature();
    helper.params = vec![AbiParam::new(I64); 2];
    helper.returns = vec![AbiParam::new(I64)];
    let mut action = module.make_signature();
    action.params = vec![AbiParam::new(I64); 3];
    action.returns = vec![AbiParam::new(I64)];
    let mut regions = ["frame", "packet", "context", "windows"].iter().zip(0..);
    let mut region = || {
        let (name, user_id) = regions.next()?;
        let description = Cow::Borrowed(*name);
        let data = AliasRegionData {
            user_id,
            description,
        };
        Some(compiled.func.dfg.alias_regions.insert(data))
    };
    let flags = [
        MemFlagsData::trusted().with_alias_region(region()),
        MemFlagsData::new()
            .with_notrap()
            .with_alias_region(region()),
        MemFlagsData::trusted().with_alias_region(region()),
        MemFlagsData::new()
            .with_notrap()
            .with_alias_region(region()),
    ];
    let mut builder = FunctionBuilder::new(&mut compiled.func, context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let params = [0, 1, 2].map(|index| builder.block_params(entry)[index]);
    let [frame_flags, packet_flags, context_flags, window_flags] = flags;
    let mut translator = Translator {
        code,
        storage,
        slides,
        helper: builder.import_signature(helper),
        action: builder.import_signature(action),
        native: params[0],
        frame: params[1],
        context: params[2],
        frame_flags,
        packet_flags,
        context_flags,
        window_flags,
        loose_flags: MemFlagsData::new()
            .with_notrap()
            .with_alias_region(frame_flags.alias_region()),
        builder,
        blocks: HashMap::new(),
        ways: ways(code, range.clone()),
        inherited: HashMap::new(),
        variables: HashMap::new(),
        known: Known::default(),
        exit: None,
    };
    translator.body(range);
    translator.builder.seal_all_blocks();
    translator.builder.finalize(module.target_config());
}

/// A function under construction.
pub(super) struct Translator<'c, 'f> {
    pub(super) code: &'c Code,
    pub(super) storage: &'c Storage,
    pub(super) slides: &'c Slides,
    pub(super) builder: FunctionBuilder<'f>,
    helper: SigRef,
    action: SigRef,
    pub(super) native: Value,
    frame: Value,
    pub(super) context: Value,
    pub(super) frame_flags: MemFlagsData,
    pub(super) packet_flags: MemFlagsData,
    pub(super) context_flags: MemFlagsData,
    pub(super) window_flags: MemFlagsData,
    /// For several limbs of the frame at once.
    pub(super) loose_flags: MemFlagsData,
    blocks: HashMap<Pc, Block>,
    /// How many ways lead to the start of a block.
    ways: HashMap<Pc, usize>,
    /// What is known at the start of a block to which one way leads.
    inherited: HashMap<Pc, Known>,
    variables: HashMap<Loc, Variable>,
    pub(super) known: Known,
    /// Where a function ends that has to clean up.
    exit: Option<Block>,
}

/// What is known in the rest of a row of instructions that nothing jumps into.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// What is in the frame.
    limbs: HashMap<Loc, Value>,
    /// Address of the frame.
    frame: Option<Value>,
    /// Addresses of windows.
    pub(super) bases: HashMap<usize, Value>,
    /// Position of the parser.
    pub(super) position: Option<Value>,
    /// Bits that are there from the position on.
    pub(super) bits: u64,
}

impl Translator<'_, '_> {
    fn body(&mut self, range: Range<Pc>) {
        // The caller's value comes back at the exit.
        let pinned = PINNED.then(|| self.builder.ins().get_pinned_reg(I64));
        if PINNED {
            self.builder.ins().set_pinned_reg(self.frame);
        }
        self.open_windows();
        for pc in leaders(self.code, range.clone()) {
            let block = self.builder.create_block();
            self.blocks.insert(pc, block);
        }
        let mut open = true;
        for pc in range {
            if let Some(block) = self.blocks.get(&pc).copied() {
                if open {
                    self.go(pc);
                }
                self.builder.switch_to_block(block);
                self.known = self.inherited.remove(&pc).unwrap_or_default();
                self.known.frame = None;
                open = true;
            }
            if open {
                open = self.instruction(pc);
            }
        }
        if open {
            self.leave(ENDED);
        }
        if let Some(exit) = self.exit {
            self.builder.switch_to_block(exit);
            self.close_windows();
            let outcome = self.builder.block_params(exit)[0];
            if let Some(pinned) = pinned {
                self.builder.ins().set_pinned_reg(pinned);
            }
            self.builder.ins().return_(&[outcome]);
        }
    }

    /// Address of the frame.
    pub(super) fn frame(&mut self) -> Value {
        if !PINNED {
            return self.frame;
        }
        if let Some(frame) = self.known.frame {
            return frame;
        }
        let frame = self.builder.ins().get_pinned_reg(I64);
        self.known.frame = Some(frame);
        frame
    }

    /// Reads one of the cells behind the frame.
    pub(super) fn cell(&mut self, cell: usize, flags: MemFlagsData) -> Value {
        let frame = self.frame();
        let offset = field((self.code.image.len() + cell) * 8);
        self.builder.ins().load(I64, flags, frame, offset)
    }

    pub(super) fn put_cell(&mut self, cell: usize, value: Value) {
        let (frame, flags) = (self.frame(), self.frame_flags);
        let offset = field((self.code.image.len() + cell) * 8);
        self.builder.ins().store(flags, value, frame, offset);
    }

    /// Ends the function with an outcome.
    fn finish(&mut self, outcome: Value) {
        if self.slides.list.is_empty() && !PINNED {
            self.builder.ins().return_(&[outcome]);
            return;
        }
        let exit = *self.exit.get_or_insert_with(|| {
            let exit = self.builder.create_block();
            self.builder.append_block_param(exit, I64);
            exit
        });
        self.builder.ins().jump(exit, &[outcome.into()]);
    }

    /// Translates an instruction; returns whether the next one may follow it.
    fn instruction(&mut self, pc: Pc) -> bool {
        match self.code.ops[pc as usize] {
            Op::End => self.leave(ENDED),
            Op::Return => self.leave(NEXT),
            Op::Jump(to) => {
                self.go(to);
                false
            }
            Op::JumpIf { a, to } => self.jump_zero(IntCC::NotEqual, a, to, pc),
            Op::JumpUnless { a, to } => self.jump_zero(IntCC::Equal, a, to, pc),
            Op::JumpEq { a, b, to } => self.jump(IntCC::Equal, (a, b), to, pc),
            Op::JumpNe { a, b, to } => self.jump(IntCC::NotEqual, (a, b), to, pc),
            Op::JumpLt { a, b, to } => self.jump(IntCC::UnsignedLessThan, (a, b), to, pc),
            Op::JumpGe { a, b, to } => self.jump(IntCC::UnsignedGreaterThanOrEqual, (a, b), to, pc),
            Op::Select(index) => self.select(index),
            Op::Step => self.take_step(),
            Op::Apply(table) => self.apply(table.0),
            Op::StoreHit { d } => self.store_flag(d, at::HIT),
            Op::StoreAction { d } => self.store_flag(d, at::ACTION),
            Op::Extern(index) => self.call(runtime::call, u64::from(index)),
            Op::Emit(header) => self.emit(header),
            Op::Extract(header) => self.extract(header, pc),
            Op::Lookahead(index) => self.lookahead(index, pc),
            Op::Advance { a, n: 1 } => self.advance(a),
            Op::ExtractNext(_) | Op::Advance { .. } => self.parse_slowly(pc),
            Op::Verify { a, b } => self.verify(a, b),
            Op::Reject(error) => self.leave(FIRST_ERROR + u64::from(error)),
            Op::Copy { d, a, n } => self.copy(d, a, n),
            Op::Linear(index) => self.linear(index),
            Op::Wide(index) => self.wide(index, pc),
            op if is_arithmetic(&op) && is_native(&op) => self.arithmetic(op),
            _ => self.call(runtime::step, u64::from(pc)),
        }
    }

    pub(super) fn constant(&mut self, value: u64) -> Value {
        self.builder.ins().iconst(I64, value.cast_signed())
    }

    /// Reads a limb of the frame.
    pub(super) fn get(&mut self, loc: Loc) -> Value {
        if self.code.constants.contains(&loc) {
            return self.constant(self.code.image[loc as usize]);
        }
        if let Some((slide, limb)) = self.slides.find(loc) {
            return self.window_limb(slide, limb);
        }
        if self.storage.in_memory(loc) {
            if let Some(value) = self.known.limbs.get(&loc) {
                return *value;
            }
            let (flags, offset) = (self.frame_flags, offset(loc));
            let frame = self.frame();
            let value = self.builder.ins().load(I64, flags, frame, offset);
            self.known.limbs.insert(loc, value);
            return value;
        }
        let variable = self.variable(loc);
        self.builder.use_var(variable)
    }

    /// Writes a limb of the frame.
    pub(super) fn put(&mut self, loc: Loc, value: Value) {
        if let Some((slide, limb)) = self.slides.find(loc) {
            self.put_window_limb(slide, limb, value);
        } else if self.storage.in_memory(loc) {
            // What is there already need not be stored again.
            if self.known.limbs.insert(loc, value) != Some(value) {
                let (flags, offset) = (self.frame_flags, offset(loc));
                let frame = self.frame();
                self.builder.ins().store(flags, value, frame, offset);
            }
        } else {
            let variable = self.variable(loc);
            self.builder.def_var(variable, value);
        }
    }

    /// Writes limbs one after the other: rows of zeros two at a time.
    pub(super) fn put_limbs(&mut self, first: Loc, values: &[Value]) {
        let mut rest = (first..).zip(values).peekable();
        while let Some((loc, value)) = rest.next() {
            let pair = rest
                .peek()
                .copied()
                .filter(|(_, next)| self.is_zero(*value) && self.is_zero(**next));
            match pair.and_then(|(next, _)| Some((next, self.address(loc)?))) {
                Some((next, (base, offset, flags))) if self.address(next).is_some() => {
                    rest.next();
                    let zeros = self.builder.ins().splat(I64X2, *value);
                    self.builder.ins().store(flags, zeros, base, offset);
                    for loc in [loc, next] {
                        if self.slides.find(loc).is_none() {
                            self.known.limbs.insert(loc, *value);
                        }
                    }
                }
                _ => self.put(loc, *value),
            }
        }
    }

    /// Copies limbs: in vectors, if there are many and all of them are in memory.
    pub(super) fn copy(&mut self, d: Loc, a: Loc, n: u32) -> bool {
        let apart = d + n <= a || a + n <= d;
        if n >= COPIED && apart && self.is_row(d, n) && self.is_row(a, n) {
            let to = self.address(d).map(|to| self.pointer(to));
            let from = self.address(a).map(|from| self.pointer(from));
            if let (Some(to), Some(from)) = (to, from) {
                self.copy_octets(to, from, n as usize * 8);
                (d..d + n).for_each(|loc| _ = self.known.limbs.remove(&loc));
                return true;
            }
        }
        let limbs: Vec<Value> = (a..a + n).map(|loc| self.get(loc)).collect();
        self.put_limbs(d, &limbs);
        true
    }

    /// Whether limbs are one after the other in memory.
    fn is_row(&self, first: Loc, n: u32) -> bool {
        let window = self.slides.find(first).map(|(index, _)| index);
        (first..first + n).all(|loc| match self.slides.find(loc) {
            Some((index, _)) => Some(index) == window,
            None => window.is_none() && self.storage.in_memory(loc),
        })
    }

    fn pointer(
        &mut self,
        (base, offset, flags): (Value, i32, MemFlagsData),
    ) -> (Value, MemFlagsData) {
        let address = self.builder.ins().iadd_imm_s(base, i64::from(offset));
        (address, flags)
    }

    /// Where a limb is in memory.
    fn address(&mut self, loc: Loc) -> Option<(Value, i32, MemFlagsData)> {
        if let Some((slide, limb)) = self.slides.find(loc) {
            let base = self.base(slide);
            return Some((base, offset(limb), self.window_flags));
        }
        let there = self.storage.in_memory(loc);
        there.then(|| (self.frame(), offset(loc), self.loose_flags))
    }

    /// Whether a value is the constant 0.
    pub(super) fn is_zero(&self, value: Value) -> bool {
        let dfg = &self.builder.func.dfg;
        let ValueDef::Result(instruction, _) = dfg.value_def(value) else {
            return false;
        };
        match dfg.insts[instruction] {
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } => imm.bits() == 0,
            _ => false,
        }
    }

    fn variable(&mut self, loc: Loc) -> Variable {
        if let Some(variable) = self.variables.get(&loc) {
            return *variable;
        }
        let variable = self.builder.declare_var(I64);
        self.variables.insert(loc, variable);
        variable
    }

    /// Keeps the lowest `width` bits.
    pub(super) fn trim(&mut self, value: Value, width: u32) -> Value {
        if width >= 64 {
            value
        } else if width == 32 {
            let low = self.builder.ins().ireduce(I32, value);
            self.builder.ins().uextend(I64, low)
        } else {
            let ones = mask(width).cast_signed();
            self.builder.ins().band_imm_s(value, ones)
        }
    }

    /// Ends the function.
    pub(super) fn leave(&mut self, outcome: u64) -> bool {
        let outcome = self.constant(outcome);
        self.finish(outcome);
        false
    }

    /// Goes to a new block if the condition holds, and on in another new one if not; returns the
    /// first.
    pub(super) fn fork(&mut self, condition: Value) -> Block {
        let (yes, no) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(condition, yes, &[], no, &[]);
        self.builder.switch_to_block(no);
        yes
    }

    /// Ends the function with this outcome if the condition holds.
    pub(super) fn leave_if(&mut self, condition: Value, outcome: Value) {
        let yes = self.fork(condition);
        let Some(next) = self.builder.current_block() else {
            return;
        };
        self.builder.set_cold_block(yes);
        self.builder.switch_to_block(yes);
        self.finish(outcome);
        self.builder.switch_to_block(next);
    }

    /// Calls a helper that may change the frame and the position.
    pub(super) fn helper(&mut self, helper: Helper, argument: u64) -> Value {
        self.known = Known::default();
        let argument = self.constant(argument);
        self.quiet_helper(helper, argument)
    }

    /// Calls a helper that changes nothing that is known.
    pub(super) fn quiet_helper(&mut self, helper: Helper, argument: Value) -> Value {
        let address = self.constant(helper as usize as u64);
        let arguments = [self.native, argument];
        let call = self
            .builder
            .ins()
            .call_indirect(self.helper, address, &arguments);
        self.builder.inst_results(call)[0]
    }

    fn call(&mut self, helper: Helper, argument: u64) -> bool {
        self.helper(helper, argument);
        true
    }

    /// Lets the interpreter read the packet.
    pub(super) fn parse_slowly(&mut self, pc: Pc) -> bool {
        let outcome = self.helper(runtime::step, u64::from(pc));
        let failed = self.builder.ins().icmp_imm_s(IntCC::NotEqual, outcome, 0);
        self.leave_if(failed, outcome);
        true
    }

    fn jump(&mut self, condition: IntCC, (a, b): (Loc, Loc), to: Pc, pc: Pc) -> bool {
        let (a, b) = (self.get(a), self.get(b));
        let holds = self.builder.ins().icmp(condition, a, b);
        self.branch(holds, to, pc)
    }

    fn jump_zero(&mut self, condition: IntCC, a: Loc, to: Pc, pc: Pc) -> bool {
        let a = self.get(a);
        let holds = self.builder.ins().icmp_imm_s(condition, a, 0);
        self.branch(holds, to, pc)
    }

    /// The block of an instruction that comes next on one way. If that is the only one, it knows
    /// what is known here.
    fn block(&mut self, to: Pc) -> Block {
        if self.ways.get(&to) == Some(&1) {
            self.inherited.insert(to, self.known.clone());
        }
        self.blocks[&to]
    }

    fn go(&mut self, to: Pc) {
        let to = self.block(to);
        self.builder.ins().jump(to, &[]);
    }

    fn branch(&mut self, holds: Value, to: Pc, pc: Pc) -> bool {
        let (yes, no) = (self.block(to), self.block(pc + 1));
        self.builder.ins().brif(holds, yes, &[], no, &[]);
        false
    }

    fn select(&mut self, index: u32) -> bool {
        match &self.code.selects[index as usize] {
            Select::Sorted {
                key,
                cases,
                otherwise,
            } => {
                let key = self.get(*key);
                let mut switch = Switch::new();
                for (value, to) in cases {
                    let to = self.block(*to);
                    switch.set_entry(u128::from(*value), to);
                }
                let otherwise = self.block(*otherwise);
                switch.emit(&mut self.builder, key, otherwise);
            }
            select @ Select::Ordered { cases, otherwise } if is_simple_select(select) => {
                for (tests, to) in cases {
                    self.case(tests, *to);
                }
                self.go(*otherwise);
            }
            Select::Ordered { cases, otherwise } => {
                let chosen = self.helper(runtime::select, u64::from(index));
                let mut switch = Switch::new();
                let targets: BTreeSet<Pc> = cases.iter().map(|(_, to)| *to).collect();
                for to in targets {
                    switch.set_entry(u128::from(to), self.blocks[&to]);
                }
                switch.emit(&mut self.builder, chosen, self.blocks[otherwise]);
            }
        }
        false
    }

    /// Goes to the target if all tests of a case hold.
    fn case(&mut self, tests: &[Test], to: Pc) {
        let no = self.builder.create_block();
        // What the first test loads is there in the next case, too.
        let mut known = None;
        for test in tests {
            let Test::Limb { at, mask, value } = test else {
                continue;
            };
            let limb = self.get(*at);
            known.get_or_insert_with(|| self.known.clone());
            let masked = self.builder.ins().band_imm_s(limb, mask.cast_signed());
            let value = value.cast_signed();
            let differs = self
                .builder
                .ins()
                .icmp_imm_s(IntCC::NotEqual, masked, value);
            let next = self.builder.create_block();
            self.builder.ins().brif(differs, no, &[], next, &[]);
            self.builder.switch_to_block(next);
        }
        self.go(to);
        self.builder.switch_to_block(no);
        if let Some(known) = known {
            self.known = known;
        }
    }

    /// Takes one from the steps that are left.
    fn take_step(&mut self) -> bool {
        let left = self.cell(cell::STEPS, self.frame_flags);
        let left = self.builder.ins().iadd_imm_s(left, -1);
        self.put_cell(cell::STEPS, left);
        let none = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedLessThan, left, 0);
        let error = self.code.errors.parser_timeout;
        let outcome = self.constant(FIRST_ERROR + u64::from(error));
        self.leave_if(none, outcome);
        true
    }

    fn apply(&mut self, table: u32) -> bool {
        let entry = self.helper(runtime::apply, u64::from(table));
        let found = self.builder.ins().icmp_imm_s(IntCC::NotEqual, entry, 0);
        let run = self.fork(found);
        let Some(next) = self.builder.current_block() else {
            return true;
        };
        self.builder.switch_to_block(run);
        let arguments = [self.native, self.frame(), self.context];
        let call = self
            .builder
            .ins()
            .call_indirect(self.action, entry, &arguments);
        let outcome = self.builder.inst_results(call)[0];
        let ended = self.builder.ins().icmp_imm_s(IntCC::NotEqual, outcome, 0);
        self.leave_if(ended, outcome);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
        self.known = Known::default();
        true
    }

    /// Looks the octets of a value up, and adds what is found.
    fn linear(&mut self, index: u32) -> bool {
        let linear = &self.code.linear[index as usize];
        let value = self.get(linear.a);
        let rows = self.constant(linear.rows.as_ptr() as usize as u64);
        let flags = MemFlagsData::trusted().with_readonly();
        let mut sum = self.constant(0);
        for octet in 0..(linear.rows.len() / LINEAR_ROW) as u32 {
            let shifted = self.builder.ins().ushr_imm_s(value, i64::from(8 * octet));
            let entry = self.builder.ins().band_imm_s(shifted, 0xff);
            let distance = self.builder.ins().ishl_imm_s(entry, 2);
            let address = self.builder.ins().iadd(rows, distance);
            let row = field(octet as usize * LINEAR_ROW * 4);
            let term = self.builder.ins().uload32(flags, address, row);
            sum = self.builder.ins().bxor(sum, term);
        }
        self.put(linear.d, sum);
        true
    }

    fn store_flag(&mut self, d: Loc, at: usize) -> bool {
        let flags = self.context_flags;
        let flag = self.builder.ins().load(I64, flags, self.context, field(at));
        self.put(d, flag);
        true
    }

    fn verify(&mut self, a: Loc, b: Loc) -> bool {
        let (a, error) = (self.get(a), self.get(b));
        let fails = self.builder.ins().icmp_imm_s(IntCC::Equal, a, 0);
        let error = self.trim(error, 32);
        let first = FIRST_ERROR.cast_signed();
        let outcome = self.builder.ins().iadd_imm_s(error, first);
        self.leave_if(fails, outcome);
        true
    }
}

/// Distance of a limb from the start of the frame.
pub(super) fn offset(loc: Loc) -> i32 {
    i32::try_from(loc * 8).unwrap_or(i32::MAX)
}

/// Distance of a field from the start of its struct.
pub(super) fn field(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

/// The instructions that something jumps to, or that follow a jump.
pub(super) fn leaders(code: &Code, range: Range<Pc>) -> BTreeSet<Pc> {
    let jumps = range.clone().flat_map(|pc| next(code, pc));
    jumps.chain([range.start]).collect()
}

/// How many ways lead to an instruction: jumps, and the one before it.
fn ways(code: &Code, range: Range<Pc>) -> HashMap<Pc, usize> {
    let mut ways = HashMap::from([(range.start, 1)]);
    for pc in range {
        let jumps = next(code, pc);
        let goes_on = !matches!(code.ops[pc as usize], Op::End | Op::Return | Op::Reject(_));
        let on = (jumps.is_empty() && goes_on).then_some(pc + 1);
        for to in jumps.into_iter().chain(on) {
            *ways.entry(to).or_default() += 1;
        }
    }
    ways
}

/// Where a jump goes, way by way; nothing for all other instructions.
fn next(code: &Code, pc: Pc) -> Vec<Pc> {
    match &code.ops[pc as usize] {
        Op::Jump(to) => vec![*to],
        Op::JumpIf { to, .. }
        | Op::JumpUnless { to, .. }
        | Op::JumpEq { to, .. }
        | Op::JumpNe { to, .. }
        | Op::JumpLt { to, .. }
        | Op::JumpGe { to, .. } => vec![*to, pc + 1],
        Op::Select(index) => match &code.selects[*index as usize] {
            Select::Sorted {
                cases, otherwise, ..
            } => {
                let cases = cases.iter().map(|(_, to)| *to);
                cases.chain([*otherwise]).collect()
            }
            Select::Ordered { cases, otherwise } => {
                let cases = cases.iter().map(|(_, to)| *to);
                cases.chain([*otherwise]).collect()
            }
        },
        _ => Vec::new(),
    }
}
