// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Arithmetic and comparisons of values of one limb.

use cranelift_codegen::ir::{InstBuilder as _, Value, condcodes::IntCC, types::I64};
use cranelift_frontend::FunctionBuilder;

use super::Translator;
use crate::engine::{
    bits::mask,
    code::{Loc, Op},
};

impl Translator<'_, '_> {
    /// Arithmetic on values of one limb.
    pub(super) fn arithmetic(&mut self, op: Op) -> bool {
        let (d, value) = match op {
            Op::Move { d, a } => (d, self.get(a)),
            Op::Add { d, a, b, w } => (d, self.trimmed(a, b, w, |t, a, b| t.ins().iadd(a, b))),
            Op::Sub { d, a, b, w } => (d, self.trimmed(a, b, w, |t, a, b| t.ins().isub(a, b))),
            Op::Mul { d, a, b, w } => (d, self.trimmed(a, b, w, |t, a, b| t.ins().imul(a, b))),
            Op::And { d, a, b } => (d, self.trimmed(a, b, 64, |t, a, b| t.ins().band(a, b))),
            Op::Or { d, a, b } => (d, self.trimmed(a, b, 64, |t, a, b| t.ins().bor(a, b))),
            Op::Xor { d, a, b } => (d, self.trimmed(a, b, 64, |t, a, b| t.ins().bxor(a, b))),
            Op::Div { d, a, b } => (d, self.divide(a, b, |t, a, b| t.ins().udiv(a, b))),
            Op::Mod { d, a, b } => (d, self.divide(a, b, |t, a, b| t.ins().urem(a, b))),
            Op::Not { d, a, w } => {
                let a = self.get(a);
                let inverse = self.builder.ins().bnot(a);
                (d, self.trim(inverse, u32::from(w)))
            }
            Op::Neg { d, a, w } => {
                let a = self.get(a);
                let negative = self.builder.ins().ineg(a);
                (d, self.trim(negative, u32::from(w)))
            }
            Op::Shl { d, a, b, w } => {
                let shifted = self.shift(a, b, |t, a, n| t.ins().ishl(a, n));
                (d, self.trim(shifted, u32::from(w)))
            }
            Op::Shr { d, a, b } => (d, self.shift(a, b, |t, a, n| t.ins().ushr(a, n))),
            Op::ShrSigned { d, a, b, w } => (d, self.shift_signed(a, b, w)),
            Op::AddSat { d, a, b, w } => {
                let (a, b) = (self.get(a), self.get(b));
                let sum = self.builder.ins().iadd(a, b);
                let most = self.constant(mask(u32::from(w)));
                (d, self.builder.ins().umin(sum, most))
            }
            Op::SubSat { d, a, b } => {
                let (a, b) = (self.get(a), self.get(b));
                let least = self.builder.ins().umin(a, b);
                (d, self.builder.ins().isub(a, least))
            }
            _ => return self.comparison(op),
        };
        self.put(d, value);
        true
    }

    fn comparison(&mut self, op: Op) -> bool {
        let (d, value) = match op {
            Op::Eq { d, a, b } => (d, self.compare(IntCC::Equal, a, b)),
            Op::Ne { d, a, b } => (d, self.compare(IntCC::NotEqual, a, b)),
            Op::Lt { d, a, b } => (d, self.compare(IntCC::UnsignedLessThan, a, b)),
            Op::Le { d, a, b } => (d, self.compare(IntCC::UnsignedLessThanOrEqual, a, b)),
            Op::LtSigned { d, a, b, w } => {
                (d, self.compare_signed(IntCC::SignedLessThan, (a, b), w))
            }
            Op::LeSigned { d, a, b, w } => (
                d,
                self.compare_signed(IntCC::SignedLessThanOrEqual, (a, b), w),
            ),
            Op::Slice { d, a, low, w } => {
                let a = self.get(a);
                let shifted = self.builder.ins().ushr_imm_s(a, i64::from(low));
                let above = low + w >= 64;
                (d, self.trim(shifted, if above { 64 } else { u32::from(w) }))
            }
            Op::Insert { d, a, low, w } => (d, self.insert(d, a, low, w)),
            Op::Concat { d, a, b, w } => {
                let (a, b) = (self.get(a), self.get(b));
                // A low part of 64 bits leaves no room for a high one.
                let high = match w {
                    64.. => self.constant(0),
                    w => self.builder.ins().ishl_imm_s(a, i64::from(w)),
                };
                (d, self.builder.ins().bor(high, b))
            }
            Op::SignExtend { d, a, from, w } => {
                let a = self.get(a);
                let wide = self.sign(a, from);
                (d, self.trim(wide, u32::from(w)))
            }
            // All other instructions have arms of their own.
            _ => return true,
        };
        self.put(d, value);
        true
    }

    fn trimmed(
        &mut self,
        a: Loc,
        b: Loc,
        width: u8,
        of: impl Fn(&mut FunctionBuilder<'_>, Value, Value) -> Value,
    ) -> Value {
        let (a, b) = (self.get(a), self.get(b));
        let value = of(&mut self.builder, a, b);
        self.trim(value, u32::from(width))
    }

    /// Division by zero gives 0.
    fn divide(
        &mut self,
        a: Loc,
        b: Loc,
        by: impl Fn(&mut FunctionBuilder<'_>, Value, Value) -> Value,
    ) -> Value {
        let (a, b) = (self.get(a), self.get(b));
        let (zero, one) = (self.constant(0), self.constant(1));
        let is_zero = self.builder.ins().icmp_imm_s(IntCC::Equal, b, 0);
        let divisor = self.builder.ins().select(is_zero, one, b);
        let result = by(&mut self.builder, a, divisor);
        self.builder.ins().select(is_zero, zero, result)
    }

    /// A shift by 64 or more gives 0.
    fn shift(
        &mut self,
        a: Loc,
        b: Loc,
        by: impl Fn(&mut FunctionBuilder<'_>, Value, Value) -> Value,
    ) -> Value {
        let (a, amount) = (self.get(a), self.get(b));
        let shifted = by(&mut self.builder, a, amount);
        let zero = self.constant(0);
        let few = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::UnsignedLessThan, amount, 64);
        self.builder.ins().select(few, shifted, zero)
    }

    fn shift_signed(&mut self, a: Loc, b: Loc, width: u8) -> Value {
        let (a, amount) = (self.get(a), self.get(b));
        let most = self.constant(63);
        let amount = self.builder.ins().umin(amount, most);
        let wide = self.sign(a, width);
        let shifted = self.builder.ins().sshr(wide, amount);
        self.trim(shifted, u32::from(width))
    }

    /// Sign-extends a value of so many bits to a limb.
    fn sign(&mut self, value: Value, width: u8) -> Value {
        let unused = 64 - i64::from(width.clamp(1, 64));
        let high = self.builder.ins().ishl_imm_s(value, unused);
        self.builder.ins().sshr_imm_s(high, unused)
    }

    fn compare(&mut self, condition: IntCC, a: Loc, b: Loc) -> Value {
        let (a, b) = (self.get(a), self.get(b));
        let holds = self.builder.ins().icmp(condition, a, b);
        self.builder.ins().uextend(I64, holds)
    }

    fn compare_signed(&mut self, condition: IntCC, (a, b): (Loc, Loc), width: u8) -> Value {
        let (a, b) = (self.get(a), self.get(b));
        let (a, b) = (self.sign(a, width), self.sign(b, width));
        let holds = self.builder.ins().icmp(condition, a, b);
        self.builder.ins().uextend(I64, holds)
    }

    fn insert(&mut self, d: Loc, a: Loc, low: u8, width: u8) -> Value {
        let (whole, part) = (self.get(d), self.get(a));
        let ones = mask(u32::from(width)) << low;
        let kept = self.builder.ins().band_imm_s(whole, (!ones).cast_signed());
        let shifted = self.builder.ins().ishl_imm_s(part, i64::from(low));
        let placed = self.builder.ins().band_imm_s(shifted, ones.cast_signed());
        self.builder.ins().bor(kept, placed)
    }
}
