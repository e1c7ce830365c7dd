// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Headers: read by machine code where a header begins on an octet, and by the interpreter
//! otherwise.

use std::{collections::BTreeSet, ops::Range};

use cranelift_codegen::ir::{
    Block, InstBuilder as _, Value,
    condcodes::IntCC,
    types::{I8, I16, I32, I64},
};
use p4::ir::HeaderId;

use super::{
    runtime::{self, FIRST_ERROR, at, cell},
    translate::{Known, Translator, field, leaders},
};
use crate::engine::{
    bits::PADDING,
    code::{Code, Loc, Op, Pc, Place},
};

impl Translator<'_, '_> {
    /// Position of the parser in bits.
    fn position(&mut self) -> Value {
        if let Some(position) = self.known.position {
            return position;
        }
        let position = self.cell(cell::POSITION, self.frame_flags);
        self.known.position = Some(position);
        position
    }

    /// Goes to a position behind bits of which so many were known to be there.
    fn set_position(&mut self, position: Value, bits: u64) {
        self.known.position = Some(position);
        self.known.bits = self.known.bits.saturating_sub(bits);
        self.put_cell(cell::POSITION, position);
    }

    /// Ends the parser if fewer bits are left; returns the position.
    fn need_known(&mut self, bits: u64) -> Value {
        if self.known.position.is_some() && self.known.bits >= bits {
            return self.position();
        }
        let wanted = self.constant(bits);
        let position = self.need(wanted);
        self.known.bits = bits;
        position
    }

    /// The same for a number of bits that is not known.
    fn need(&mut self, bits: Value) -> Value {
        let position = self.position();
        let all = self.cell(cell::PACKET_BITS, self.frame_flags.with_readonly());
        let left = self.builder.ins().isub(all, position);
        let short = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedGreaterThan, bits, left);
        let error = self.code.errors.packet_too_short;
        let outcome = self.constant(FIRST_ERROR + u64::from(error));
        self.leave_if(short, outcome);
        position
    }

    pub(super) fn extract(&mut self, header: HeaderId, pc: Pc) -> bool {
        let plan = &self.code.headers[header.index()];
        let fields = plan.fields.iter();
        let fields: Vec<(Place, u32)> = fields.map(|field| (field.place, field.offset)).collect();
        if fields
            .iter()
            .any(|(place, offset)| !is_readable(*place, *offset))
        {
            return self.parse_slowly(pc);
        }
        let (width, valid) = (u64::from(plan.width), plan.valid);
        self.read(&fields, width, pc, |translator, position| {
            let one = translator.constant(1);
            translator.put(valid, one);
            let end = translator
                .builder
                .ins()
                .iadd_imm_s(position, width.cast_signed());
            translator.set_position(end, width);
        })
    }

    pub(super) fn lookahead(&mut self, index: u32, pc: Pc) -> bool {
        let mut offset = 0;
        let places = &self.code.lookaheads[index as usize];
        let fields = places.iter().map(|place| {
            let at = offset;
            offset += place.width;
            (*place, at)
        });
        let fields: Vec<(Place, u32)> = fields.collect();
        if fields
            .iter()
            .any(|(place, offset)| !is_readable(*place, *offset))
        {
            return self.parse_slowly(pc);
        }
        self.read(&fields, u64::from(offset), pc, |_, _| {})
    }

    /// Reads fields at the position if that is the start of an octet; else the interpreter does.
    fn read(
        &mut self,
        fields: &[(Place, u32)],
        width: u64,
        pc: Pc,
        after: impl Fn(&mut Self, Value),
    ) -> bool {
        let position = self.need_known(width);
        if self.storage.aligned {
            self.read_fields(fields, position);
            after(self, position);
            return true;
        }
        let within = self.builder.ins().band_imm_s(position, 7);
        let slow = self.fork(within);
        let Some(fast) = self.builder.current_block() else {
            return true;
        };
        let next = self.builder.create_block();
        self.builder.set_cold_block(slow);
        self.builder.switch_to_block(slow);
        // There are enough bits, so this cannot fail.
        self.helper(runtime::step, u64::from(pc));
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(fast);
        self.read_fields(fields, position);
        after(self, position);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
        self.known = Known::default();
        true
    }

    /// Reads fields at the position, which is the start of an octet.
    fn read_fields(&mut self, fields: &[(Place, u32)], position: Value) {
        let packet = self.cell(cell::PACKET, self.frame_flags.with_readonly());
        let octets = self.builder.ins().ushr_imm_s(position, 3);
        let address = self.builder.ins().iadd(packet, octets);
        for (place, offset) in fields {
            self.read_field(address, *place, *offset);
        }
    }

    /// Reads a field, limb by limb from its end.
    fn read_field(&mut self, address: Value, place: Place, offset: u32) {
        let mut left = place.width;
        let mut loc: Loc = place.loc;
        while left > 0 {
            let take = left.min(64);
            left -= take;
            let value = self.read_limb(address, offset + left, take);
            self.put(loc, value);
            loc += 1;
        }
    }

    /// Reads at most 64 bits that lie in eight octets.
    fn read_limb(&mut self, address: Value, offset: u32, width: u32) -> Value {
        let (octet, skip) = (field((offset / 8) as usize), offset % 8);
        let flags = self.packet_flags;
        let ins = self.builder.ins();
        match (skip, width) {
            (_, width) if skip + width <= 8 => {
                let value = ins.load(I8, flags, address, octet);
                let value = self.builder.ins().uextend(I64, value);
                let below = i64::from(8 - skip - width);
                let value = self.builder.ins().ushr_imm_s(value, below);
                self.trim(value, width)
            }
            (0, 16 | 32) => {
                let kind = if width == 16 { I16 } else { I32 };
                let value = ins.load(kind, flags, address, octet);
                let value = self.builder.ins().bswap(value);
                self.builder.ins().uextend(I64, value)
            }
            _ => {
                let value = ins.load(I64, flags, address, octet);
                let value = self.builder.ins().bswap(value);
                let below = i64::from(64 - skip - width);
                let value = self.builder.ins().ushr_imm_s(value, below);
                self.trim(value, width)
            }
        }
    }

    pub(super) fn advance(&mut self, a: Loc) -> bool {
        let skip = self.get(a);
        let (position, bits) = if self.code.constants.contains(&a) {
            let bits = self.code.image[a as usize];
            (self.need_known(bits), bits)
        } else {
            (self.need(skip), u64::MAX)
        };
        let position = self.builder.ins().iadd(position, skip);
        self.set_position(position, bits);
        true
    }

    /// Emits a header if it is valid.
    pub(super) fn emit(&mut self, header: HeaderId) -> bool {
        let valid = self.get(self.code.headers[header.index()].valid);
        let run = self.fork(valid);
        let Some(next) = self.builder.current_block() else {
            return true;
        };
        self.builder.switch_to_block(run);
        let known = self.known.clone();
        if self.code.headers[header.index()].width.is_multiple_of(8) {
            self.write(header, next);
        } else {
            let header = self.constant(u64::from(header.0));
            self.quiet_helper(runtime::emit, header);
        }
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
        self.known = known;
        true
    }

    /// Writes a header of whole octets, eight at a time, or lets the interpreter do it if there
    /// may be no room; then goes to `next`.
    fn write(&mut self, header: HeaderId, next: Block) {
        let plan = &self.code.headers[header.index()];
        let octets = i64::from(plan.width / 8);
        let flags = self.context_flags;
        let load = |translator: &mut Self, base: Value, at: usize| {
            let ins = translator.builder.ins();
            ins.load(I64, flags, base, field(at))
        };
        let len = load(self, self.context, at::OUT_LEN);
        let room = load(self, self.native, at::ROOM);
        let end = self.builder.ins().iadd_imm_s(len, octets);
        let padding = self.constant(PADDING as u64);
        let needed = self.builder.ins().iadd(end, padding);
        let full = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedGreaterThan, needed, room);
        let slow = self.fork(full);
        let Some(fast) = self.builder.current_block() else {
            return;
        };
        self.builder.switch_to_block(slow);
        self.builder.set_cold_block(slow);
        let argument = self.constant(u64::from(header.0));
        self.quiet_helper(runtime::emit, argument);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(fast);
        let out = load(self, self.native, at::OUT);
        let address = self.builder.ins().iadd(out, len);
        let fields: Vec<(Place, u32)> = plan
            .fields
            .iter()
            .map(|field| (field.place, field.offset))
            .collect();
        for start in (0..plan.width).step_by(64) {
            let end = (start + 64).min(plan.width);
            self.write_limb(address, &fields, start, end);
        }
        self.builder
            .ins()
            .store(flags, end, self.context, field(at::OUT_LEN));
    }

    /// Writes the bits of a header from `start` to `end`, at most 64, and perhaps octets of no
    /// meaning behind them.
    fn write_limb(&mut self, address: Value, fields: &[(Place, u32)], start: u32, end: u32) {
        let mut limb = self.constant(0);
        for (place, offset) in fields {
            let behind = offset + place.width;
            if *offset >= end || behind <= start {
                continue;
            }
            let part = self.window(*place, i64::from(behind) - i64::from(end));
            limb = if self.is_zero(limb) {
                part
            } else {
                // What lies in the octets before is cut off by the width of the limb.
                self.builder.ins().bor(limb, part)
            };
        }
        let unused = i64::from(64 - (end - start));
        let limb = self.builder.ins().ishl_imm_s(limb, unused);
        let limb = self.builder.ins().bswap(limb);
        let (flags, at) = (self.packet_flags, field((start / 8) as usize));
        self.builder.ins().store(flags, limb, address, at);
    }
}

/// Whether fields that are looked at can be read by machine code.
pub(super) fn is_plain(code: &Code, lookahead: u32) -> bool {
    let mut offset = 0;
    let places = code.lookaheads[lookahead as usize].iter();
    let mut fields = places.map(|place| {
        let at = offset;
        offset += place.width;
        (*place, at)
    });
    fields.all(|(place, offset)| is_readable(place, offset))
}

/// Whether an instruction advances by whole octets.
fn advances_octets(code: &Code, pc: Pc, a: Loc, leaders: &BTreeSet<Pc>) -> bool {
    let constant = |loc: Loc| {
        let known = code.constants.contains(&loc);
        known.then(|| code.image[loc as usize])
    };
    if let Some(bits) = constant(a) {
        return bits.is_multiple_of(8);
    }
    // As in `(bit<32>) length << 3`, right before.
    let before = pc.checked_sub(1).filter(|_| !leaders.contains(&pc));
    match before.map(|before| code.ops[before as usize]) {
        Some(Op::Shl { d, b, .. }) => d == a && constant(b).is_some_and(|by| by >= 3),
        Some(Op::Mul { d, b, .. }) => d == a && constant(b).is_some_and(|by| by % 8 == 0),
        _ => false,
    }
}

/// Whether the position is at the start of an octet wherever a block reads the packet.
pub(super) fn is_aligned(code: &Code, range: Range<Pc>) -> bool {
    let octets = |header: &HeaderId| code.headers[header.index()].width.is_multiple_of(8);
    let leaders = leaders(code, range.clone());
    range
        .map(|pc| (pc, code.ops[pc as usize]))
        .all(|(pc, op)| match op {
            Op::Extract(header) => octets(&header),
            Op::ExtractNext(stack) => code.stacks[stack as usize].elements.iter().all(octets),
            Op::Advance { a, n } => n == 1 && advances_octets(code, pc, a, &leaders),
            _ => true,
        })
}

/// Whether each limb of a field lies in eight octets.
fn is_readable(place: Place, offset: u32) -> bool {
    let mut left = place.width;
    while left > 0 {
        let take = left.min(64);
        left -= take;
        if (offset + left) % 8 + take > 64 {
            return false;
        }
    }
    true
}
