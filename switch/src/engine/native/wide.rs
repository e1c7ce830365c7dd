// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Operations on values of several limbs, without loops: positions are known.

use cranelift_codegen::ir::{InstBuilder as _, Value, condcodes::IntCC, types::I64};

use super::{runtime, translate::Translator};
use crate::engine::{
    bits::{limbs, mask},
    code::{Code, Loc, Pc, Place, Wide, WideKind},
};

/// Longest value for which sums are unrolled.
const SUM_LIMBS: usize = 8;

/// Whether an operation is compiled, and not left to the interpreter.
pub(super) fn is_native(code: &Code, wide: &Wide) -> bool {
    match wide.kind {
        WideKind::And
        | WideKind::Or
        | WideKind::Xor
        | WideKind::Not
        | WideKind::Slice
        | WideKind::Insert
        | WideKind::Concat
        | WideKind::ZeroExtend
        | WideKind::Eq
        | WideKind::Ne => true,
        WideKind::Shl | WideKind::Shr => {
            let short = limbs(wide.a.width.max(wide.d.width)) <= 2 && wide.b.width <= 64;
            short || amount(code, wide.b).is_some()
        }
        WideKind::Add | WideKind::Sub | WideKind::SubSat | WideKind::Lt | WideKind::Le => {
            limbs(wide.a.width.max(wide.d.width)) <= SUM_LIMBS
        }
        WideKind::Mul => limbs(wide.a.width.max(wide.d.width)) <= 2,
        WideKind::Div
        | WideKind::Mod
        | WideKind::AddSat
        | WideKind::AddSatSigned
        | WideKind::SubSatSigned
        | WideKind::Neg
        | WideKind::ShrSigned
        | WideKind::LtSigned
        | WideKind::LeSigned
        | WideKind::SignExtend => false,
    }
}

/// A shift amount that is known, if it is not greater than any value is wide.
pub(super) fn amount(code: &Code, place: Place) -> Option<u32> {
    let mut locs = place.loc..place.loc + limbs(place.width) as Loc;
    let constant = locs.clone().all(|loc| code.constants.contains(&loc));
    let first = locs.next()?;
    let high = locs.all(|loc| code.image.get(loc as usize) == Some(&0));
    let value = u32::try_from(*code.image.get(first as usize)?).ok()?;
    (constant && high && value <= 4096).then_some(value)
}

impl Translator<'_, '_> {
    pub(super) fn wide(&mut self, index: u32, pc: Pc) -> bool {
        let wide = self.code.wide[index as usize];
        if let Some((slide, what)) = self.slides.appended(self.code, &wide) {
            return self.append(slide, what);
        }
        if !is_native(self.code, &wide) {
            self.helper(runtime::step, u64::from(pc));
            return true;
        }
        let Wide { kind, d, a, b, low } = wide;
        let shift = i64::from(amount(self.code, b).unwrap_or(0));
        match kind {
            WideKind::Eq | WideKind::Ne => return self.wide_equal(&wide),
            WideKind::Lt | WideKind::Le => return self.wide_less(&wide),
            WideKind::Insert => return self.wide_insert(&wide),
            WideKind::Add | WideKind::Sub | WideKind::SubSat => return self.wide_sum(&wide),
            WideKind::Shl | WideKind::Shr if amount(self.code, b).is_none() => {
                return self.wide_shift(&wide);
            }
            WideKind::Mul => return self.wide_product(&wide),
            WideKind::Or | WideKind::Xor if d == a => return self.wide_merge(&wide),
            WideKind::Slice if low.is_multiple_of(64) && d.width.is_multiple_of(64) => {
                return self.copy(d.loc, a.loc + low / 64, d.width / 64);
            }
            _ => {}
        }
        let values: Vec<Value> = (0..limbs(d.width))
            .map(|index| {
                let at = (index as u64 * 64).cast_signed();
                match kind {
                    WideKind::And => self.pair(a, b, index, |t, a, b| t.ins().band(a, b)),
                    WideKind::Or => self.pair(a, b, index, |t, a, b| t.ins().bor(a, b)),
                    WideKind::Xor => self.pair(a, b, index, |t, a, b| t.ins().bxor(a, b)),
                    WideKind::Not => {
                        let limb = self.limb(a, index);
                        self.builder.ins().bnot(limb)
                    }
                    WideKind::Shl => self.window(a, at - shift),
                    WideKind::Shr => self.window(a, at + shift),
                    WideKind::Slice => self.window(a, at + i64::from(low)),
                    WideKind::Concat => {
                        let high = self.window(a, at - i64::from(b.width));
                        let low = self.limb(b, index);
                        self.builder.ins().bor(high, low)
                    }
                    _ => self.limb(a, index),
                }
            })
            .collect();
        self.put_wide(d, &values)
    }

    fn put_wide(&mut self, d: Place, values: &[Value]) -> bool {
        let mut values = values.to_vec();
        let partial = d.width % 64;
        if partial > 0
            && let Some(last) = values.last_mut()
            && !self.is_zero(*last)
        {
            *last = self.trim(*last, partial);
        }
        self.put_limbs(d.loc, &values);
        true
    }

    /// Changes those limbs of a value that the other operand changes.
    fn wide_merge(&mut self, wide: &Wide) -> bool {
        for index in 0..limbs(wide.d.width).min(limbs(wide.b.width)) {
            let other = self.limb(wide.b, index);
            if self.is_zero(other) {
                continue;
            }
            let limb = self.limb(wide.a, index);
            let value = match wide.kind {
                WideKind::Or => self.builder.ins().bor(limb, other),
                _ => self.builder.ins().bxor(limb, other),
            };
            self.put(wide.d.loc + index as Loc, value);
        }
        true
    }

    /// A limb of a value; zero beyond its end.
    fn limb(&mut self, place: Place, index: usize) -> Value {
        if index < limbs(place.width) {
            self.get(place.loc + index as Loc)
        } else {
            self.constant(0)
        }
    }

    /// 64 bits of a value from a bit on, which may lie before its start.
    pub(super) fn window(&mut self, place: Place, from: i64) -> Value {
        let (index, skip) = (from.div_euclid(64), from.rem_euclid(64));
        let at = |translator: &mut Self, index: i64| match usize::try_from(index) {
            Ok(index) if index < limbs(place.width) => Some(translator.limb(place, index)),
            _ => None,
        };
        let low = at(self, index);
        if skip == 0 {
            return low.unwrap_or_else(|| self.constant(0));
        }
        let high = at(self, index + 1);
        let low = low.map(|low| self.builder.ins().ushr_imm_s(low, skip));
        let high = high.map(|high| self.builder.ins().ishl_imm_s(high, 64 - skip));
        match (low, high) {
            (Some(low), Some(high)) => self.builder.ins().bor(low, high),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => self.constant(0),
        }
    }

    fn pair(
        &mut self,
        a: Place,
        b: Place,
        index: usize,
        of: impl Fn(&mut cranelift_frontend::FunctionBuilder<'_>, Value, Value) -> Value,
    ) -> Value {
        let (a, b) = (self.limb(a, index), self.limb(b, index));
        of(&mut self.builder, a, b)
    }

    fn put_flag(&mut self, d: Place, flag: Value) -> bool {
        let value = self.builder.ins().uextend(I64, flag);
        self.put(d.loc, value);
        true
    }

    fn wide_equal(&mut self, wide: &Wide) -> bool {
        let mut differences = self.constant(0);
        for index in 0..limbs(wide.a.width.max(wide.b.width)) {
            let difference = self.pair(wide.a, wide.b, index, |t, a, b| t.ins().bxor(a, b));
            differences = self.builder.ins().bor(differences, difference);
        }
        let condition = match wide.kind {
            WideKind::Eq => IntCC::Equal,
            _ => IntCC::NotEqual,
        };
        let flag = self.builder.ins().icmp_imm_s(condition, differences, 0);
        self.put_flag(wide.d, flag)
    }

    /// Compares from the lowest limb up: a higher limb that differs decides anew.
    fn wide_less(&mut self, wide: &Wide) -> bool {
        let equal = i64::from(wide.kind == WideKind::Le);
        let mut less = self
            .builder
            .ins()
            .iconst(cranelift_codegen::ir::types::I8, equal);
        for index in 0..limbs(wide.a.width.max(wide.b.width)) {
            let (a, b) = (self.limb(wide.a, index), self.limb(wide.b, index));
            let below = self.builder.ins().icmp(IntCC::UnsignedLessThan, a, b);
            let same = self.builder.ins().icmp(IntCC::Equal, a, b);
            less = self.builder.ins().select(same, less, below);
        }
        self.put_flag(wide.d, less)
    }

    /// Replaces the bits of the destination from `low` on.
    fn wide_insert(&mut self, wide: &Wide) -> bool {
        let (low, end) = (wide.low, wide.low + wide.a.width);
        let mut values = Vec::new();
        for index in low / 64..end.div_ceil(64) {
            let start = index * 64;
            let from = low.saturating_sub(start);
            let to = (end - start).min(64);
            let ones = mask(to) & !mask(from);
            let part = self.window(wide.a, i64::from(start) - i64::from(low));
            let loc = wide.d.loc + index;
            let whole = self.get(loc);
            let kept = self.builder.ins().band_imm_s(whole, (!ones).cast_signed());
            let part = self.builder.ins().band_imm_s(part, ones.cast_signed());
            values.push((loc, self.builder.ins().bor(kept, part)));
        }
        for (loc, value) in values {
            self.put(loc, value);
        }
        true
    }

    /// Shifts a value of two limbs by an amount of one.
    fn wide_shift(&mut self, wide: &Wide) -> bool {
        let left = wide.kind == WideKind::Shl;
        let amount = self.get(wide.b.loc);
        let (low, high) = (self.limb(wide.a, 0), self.limb(wide.a, 1));
        // The limb that bits leave by, and the one that they come from.
        let (out, from) = if left { (high, low) } else { (low, high) };
        let within = self.builder.ins().band_imm_s(amount, 63);
        let zero = self.constant(0);
        let last = self.constant(63);
        let rest = self.builder.ins().isub(last, within);
        let ins = |translator: &mut Self, forth: bool, value, by| {
            let ins = translator.builder.ins();
            if forth == left {
                ins.ishl(value, by)
            } else {
                ins.ushr(value, by)
            }
        };
        // What is moved from one limb to the other, in two steps: 64 at once would be none.
        let one = self.constant(1);
        let moved = ins(self, false, from, one);
        let moved = ins(self, false, moved, rest);
        let out = ins(self, true, out, within);
        let out = self.builder.ins().bor(out, moved);
        let from = ins(self, true, from, within);
        let by_limb = self.builder.ins().band_imm_s(amount, 64);
        let out = self.builder.ins().select(by_limb, from, out);
        let from = self.builder.ins().select(by_limb, zero, from);
        let below = IntCC::UnsignedLessThan;
        let any = self.builder.ins().icmp_imm_s(below, amount, 128);
        let out = self.builder.ins().select(any, out, zero);
        let from = self.builder.ins().select(any, from, zero);
        let values = if left { [from, out] } else { [out, from] };
        self.put_wide(wide.d, &values[..limbs(wide.d.width).min(2)])
    }

    /// Adds or subtracts with carry from limb to limb. A difference may stop at zero.
    fn wide_sum(&mut self, wide: &Wide) -> bool {
        let mut carry = self.constant(0);
        let mut values = Vec::new();
        for index in 0..limbs(wide.d.width) {
            let (a, b) = (self.limb(wide.a, index), self.limb(wide.b, index));
            let (value, first, second) = if wide.kind == WideKind::Add {
                let sum = self.builder.ins().iadd(a, b);
                let first = self.builder.ins().icmp(IntCC::UnsignedLessThan, sum, a);
                let value = self.builder.ins().iadd(sum, carry);
                let second = self.builder.ins().icmp(IntCC::UnsignedLessThan, value, sum);
                (value, first, second)
            } else {
                let rest = self.builder.ins().isub(a, b);
                let first = self.builder.ins().icmp(IntCC::UnsignedLessThan, a, b);
                let value = self.builder.ins().isub(rest, carry);
                let second = self
                    .builder
                    .ins()
                    .icmp(IntCC::UnsignedLessThan, rest, carry);
                (value, first, second)
            };
            let over = self.builder.ins().bor(first, second);
            carry = self.builder.ins().uextend(I64, over);
            values.push(value);
        }
        if wide.kind == WideKind::SubSat {
            let zero = self.constant(0);
            for value in &mut values {
                *value = self.builder.ins().select(carry, zero, *value);
            }
        }
        self.put_wide(wide.d, &values)
    }

    /// The low 128 bits of a product.
    fn wide_product(&mut self, wide: &Wide) -> bool {
        let (a0, a1) = (self.limb(wide.a, 0), self.limb(wide.a, 1));
        let (b0, b1) = (self.limb(wide.b, 0), self.limb(wide.b, 1));
        let low = self.builder.ins().imul(a0, b0);
        let carried = self.builder.ins().umulhi(a0, b0);
        let cross = self.builder.ins().imul(a0, b1);
        let other = self.builder.ins().imul(a1, b0);
        let high = self.builder.ins().iadd(carried, cross);
        let high = self.builder.ins().iadd(high, other);
        let values = [low, high];
        self.put_wide(wide.d, &values[..limbs(wide.d.width).min(2)])
    }
}
