// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Machine code that works on the windows of [`super::slides`].

use cranelift_codegen::ir::{
    InstBuilder as _, MemFlagsData, Value,
    condcodes::IntCC,
    types::{I64, I64X2},
};

use super::{
    runtime::{self, SHIFT_INDEX_BITS},
    slides::{Appended, MOST_ZEROS, Slide},
    translate::{Known, Translator, field, offset},
};
use crate::engine::code::{Loc, Place};

/// Octets of a vector.
const VECTOR: u32 = 16;

/// A shift by more bits than any value has.
const FAR: u64 = 1 << 12;

impl Translator<'_, '_> {
    /// Lets windows begin where the values are: the first octet that is appended moves them.
    pub(super) fn open_windows(&mut self) {
        let slides = self.slides;
        for slide in &slides.list {
            let place = self.frame_address(slide);
            let (flags, cell) = (self.frame_flags, field(slide.cell as usize));
            let frame = self.frame();
            self.builder.ins().store(flags, place, frame, cell);
        }
    }

    /// Copies values that outlive the block back to the frame.
    pub(super) fn close_windows(&mut self) {
        self.known = Known::default();
        let slides = self.slides;
        for (index, slide) in slides.list.iter().enumerate() {
            if !slide.outlives {
                continue;
            }
            let base = self.base(index);
            let to = self.frame_address(slide);
            let moved = self.builder.ins().icmp(IntCC::NotEqual, base, to);
            let copy = self.fork(moved);
            let Some(next) = self.builder.current_block() else {
                continue;
            };
            self.builder.switch_to_block(copy);
            let flags = (self.loose_flags, self.window_flags);
            self.copy_octets((to, flags.0), (base, flags.1), slide.len());
            self.builder.ins().jump(next, &[]);
            self.builder.switch_to_block(next);
        }
    }

    fn frame_address(&mut self, slide: &Slide) -> Value {
        let at = i64::from(offset(slide.place.loc));
        let frame = self.frame();
        self.builder.ins().iadd_imm_s(frame, at)
    }

    /// Copies whole limbs that do not overlap.
    pub(super) fn copy_octets(
        &mut self,
        (to, to_flags): (Value, MemFlagsData),
        (from, from_flags): (Value, MemFlagsData),
        octets: usize,
    ) {
        let mut at = 0;
        while at < octets {
            let kind = if octets - at >= VECTOR as usize {
                I64X2
            } else {
                I64
            };
            let value = self.builder.ins().load(kind, from_flags, from, field(at));
            self.builder.ins().store(to_flags, value, to, field(at));
            at += kind.bytes() as usize;
        }
    }

    /// Address of a window.
    pub(super) fn base(&mut self, index: usize) -> Value {
        if let Some(base) = self.known.bases.get(&index) {
            return *base;
        }
        let cell = field(self.slides.list[index].cell as usize);
        let flags = self.frame_flags;
        let frame = self.frame();
        let base = self.builder.ins().load(I64, flags, frame, cell);
        self.known.bases.insert(index, base);
        base
    }

    pub(super) fn window_limb(&mut self, index: usize, limb: u32) -> Value {
        let base = self.base(index);
        let flags = self.window_flags;
        self.builder.ins().load(I64, flags, base, offset(limb))
    }

    pub(super) fn put_window_limb(&mut self, index: usize, limb: u32, value: Value) {
        let base = self.base(index);
        let flags = self.window_flags;
        self.builder.ins().store(flags, value, base, offset(limb));
    }

    /// Appends to a window.
    pub(super) fn append(&mut self, index: usize, what: Appended) -> bool {
        match what {
            Appended::Value(place) => {
                let values: Vec<Value> = (0..place.width.div_ceil(64))
                    .map(|limb| self.get(place.loc + limb))
                    .collect();
                let octets = place.width / 8;
                let octets_value = self.constant(u64::from(octets));
                let base = self.lower(index, octets_value);
                self.write_octets(base, &values, place);
            }
            Appended::Zeros(octets) => {
                let value = self.constant(u64::from(octets));
                self.append_zeros(index, value, octets);
            }
            Appended::Shift(loc) => self.append_shift(index, loc),
        }
        true
    }

    /// Moves a window down, and up before if there is no room; returns its new address.
    fn lower(&mut self, index: usize, octets: Value) -> Value {
        let slide = self.slides.list[index];
        let base = self.base(index);
        let frame = self.frame();
        let lowest = self
            .builder
            .ins()
            .iadd_imm_s(frame, i64::from(slide.lowest));
        let new = self.builder.ins().isub(base, octets);
        let full = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedLessThan, new, lowest);
        let raise = self.fork(full);
        let join = self.builder.create_block();
        let moved = self.builder.append_block_param(join, I64);
        self.builder.ins().jump(join, &[new.into()]);
        self.builder.switch_to_block(raise);
        self.builder.set_cold_block(raise);
        let argument = self.constant(index as u64);
        self.quiet_helper(runtime::raise, argument);
        let highest = self
            .builder
            .ins()
            .iadd_imm_s(frame, i64::from(slide.highest));
        let raised = self.builder.ins().isub(highest, octets);
        self.builder.ins().jump(join, &[raised.into()]);
        self.builder.switch_to_block(join);
        let (flags, cell) = (self.frame_flags, field(slide.cell as usize));
        self.builder.ins().store(flags, moved, frame, cell);
        self.known.bases.insert(index, moved);
        moved
    }

    /// Writes the octets of a value at an address, and no others.
    fn write_octets(&mut self, base: Value, values: &[Value], place: Place) {
        let flags = self.window_flags;
        let mut left = place.width / 8;
        let mut at = 0;
        for value in values {
            let mut value = *value;
            let mut here = left.min(8);
            left -= here;
            while here > 0 {
                let ins = self.builder.ins();
                let (octets, to) = (1_u32 << here.ilog2(), field(at));
                match octets {
                    8 => ins.store(flags, value, base, to),
                    4 => ins.istore32(flags, value, base, to),
                    2 => ins.istore16(flags, value, base, to),
                    _ => ins.istore8(flags, value, base, to),
                };
                at += octets as usize;
                here -= octets;
                if here > 0 {
                    value = self.builder.ins().ushr_imm_s(value, i64::from(8 * octets));
                }
            }
        }
    }

    /// Appends so many octets of zeros, which are not more than `most`, at most [`MOST_ZEROS`].
    fn append_zeros(&mut self, index: usize, octets: Value, most: u32) {
        let base = self.lower(index, octets);
        // Zeros are written from the old end of the window down, as many as there can be: what is
        // below the window means nothing.
        let end = self.builder.ins().iadd(base, octets);
        let zero = self.constant(0);
        let zeros = self.builder.ins().splat(I64X2, zero);
        let flags = self.window_flags;
        for row in 1..=most.div_ceil(VECTOR) {
            let at = -field((row * VECTOR) as usize);
            self.builder.ins().store(flags, zeros, end, at);
        }
    }

    /// Shifts a value to the left by as many bits as a limb says.
    fn append_shift(&mut self, index: usize, amount: Loc) {
        // Both ways below may use it.
        self.frame();
        let bits = self.get(amount);
        let within = self.builder.ins().band_imm_s(bits, 7);
        let many = self.builder.ins().icmp_imm_s(
            IntCC::UnsignedGreaterThan,
            bits,
            i64::from(MOST_ZEROS) * 8,
        );
        let many = self.builder.ins().uextend(I64, many);
        let slow = self.builder.ins().bor(within, many);
        let slow = self.fork(slow);
        let next = self.builder.create_block();
        let octets = self.builder.ins().ushr_imm_s(bits, 3);
        self.append_zeros(index, octets, MOST_ZEROS);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(slow);
        let far = self.constant(FAR);
        let bits = self.builder.ins().umin(bits, far);
        let bits = self
            .builder
            .ins()
            .ishl_imm_s(bits, i64::from(SHIFT_INDEX_BITS));
        let which = self.constant(index as u64);
        let argument = self.builder.ins().bor(bits, which);
        self.quiet_helper(runtime::shift, argument);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
        self.known.bases.remove(&index);
    }
}
