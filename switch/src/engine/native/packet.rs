// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Headers: read by machine code where a header begins on an octet, and by the interpreter
//! otherwise.

use cranelift_codegen::ir::{
    InstBuilder as _, Value,
    condcodes::IntCC,
    types::{I8, I16, I32, I64},
};
use p4::ir::HeaderId;

use super::{
    runtime::{self, FIRST_ERROR, at},
    translate::{Translator, field},
};
use crate::engine::code::{Loc, Pc, Place};

impl Translator<'_, '_> {
    /// Position of the parser in bits.
    fn position(&mut self) -> Value {
        let (flags, offset) = (self.context_flags, field(at::POSITION));
        self.builder.ins().load(I64, flags, self.context, offset)
    }

    fn set_position(&mut self, position: Value) {
        let (flags, offset) = (self.context_flags, field(at::POSITION));
        self.builder
            .ins()
            .store(flags, position, self.context, offset);
    }

    /// Ends the parser if fewer bits are left; returns the position.
    fn need(&mut self, bits: Value) -> Value {
        let position = self.position();
        let (flags, offset) = (self.context_flags.with_readonly(), field(at::PACKET_BITS));
        let all = self.builder.ins().load(I64, flags, self.native, offset);
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
            translator.set_position(end);
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
        let bits = self.constant(width);
        let position = self.need(bits);
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
        let (flags, offset) = (self.context_flags.with_readonly(), field(at::PACKET));
        let packet = self.builder.ins().load(I64, flags, self.native, offset);
        let octets = self.builder.ins().ushr_imm_s(position, 3);
        let address = self.builder.ins().iadd(packet, octets);
        for (place, offset) in fields {
            self.read_field(address, *place, *offset);
        }
        after(self, position);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
        true
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
        let position = self.need(skip);
        let position = self.builder.ins().iadd(position, skip);
        self.set_position(position);
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
        self.helper(runtime::emit, u64::from(header.0));
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
        true
    }
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
