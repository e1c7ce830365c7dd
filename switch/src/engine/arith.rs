// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moves and arithmetic: the instructions that only touch the frame.

use super::{
    bits::{limbs, mask},
    code::{Code, Op, Place, Wide, WideKind},
    exec::range,
    wide::{self, Buffer, MAX_LIMBS},
};

/// Executes one instruction that is neither a jump nor concerned with packets or tables.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "merges this match with the one of the main loop"
)]
pub(super) fn step(code: &Code, frame: &mut [u64], op: Op) {
    let at = |loc: u32| frame[loc as usize];
    let (d, value) = match op {
        Op::Move { d, a } => (d, at(a)),
        Op::Add { d, a, b, w } => (d, at(a).wrapping_add(at(b)) & ones(w)),
        Op::Sub { d, a, b, w } => (d, at(a).wrapping_sub(at(b)) & ones(w)),
        Op::Mul { d, a, b, w } => (d, at(a).wrapping_mul(at(b)) & ones(w)),
        Op::Div { d, a, b } => (d, at(a).checked_div(at(b)).unwrap_or(0)),
        Op::Mod { d, a, b } => (d, at(a).checked_rem(at(b)).unwrap_or(0)),
        Op::And { d, a, b } => (d, at(a) & at(b)),
        Op::Or { d, a, b } => (d, at(a) | at(b)),
        Op::Xor { d, a, b } => (d, at(a) ^ at(b)),
        Op::Not { d, a, w } => (d, !at(a) & ones(w)),
        Op::Neg { d, a, w } => (d, at(a).wrapping_neg() & ones(w)),
        Op::Shl { d, a, b, w } => (d, shift(at(a), at(b), |x, n| x << n) & ones(w)),
        Op::Shr { d, a, b } => (d, shift(at(a), at(b), |x, n| x >> n)),
        Op::ShrSigned { d, a, b, w } => {
            let amount = at(b).min(63) as u32;
            (d, (signed(at(a), w) >> amount).cast_unsigned() & ones(w))
        }
        Op::AddSat { d, a, b, w } => (d, at(a).saturating_add(at(b)).min(ones(w))),
        Op::SubSat { d, a, b } => (d, at(a).saturating_sub(at(b))),
        Op::AddSatSigned { d, a, b, w } => {
            let sum = i128::from(signed(at(a), w)) + i128::from(signed(at(b), w));
            (d, clamp(sum, w))
        }
        Op::SubSatSigned { d, a, b, w } => {
            let difference = i128::from(signed(at(a), w)) - i128::from(signed(at(b), w));
            (d, clamp(difference, w))
        }
        Op::Eq { d, a, b } => (d, u64::from(at(a) == at(b))),
        Op::Ne { d, a, b } => (d, u64::from(at(a) != at(b))),
        Op::Lt { d, a, b } => (d, u64::from(at(a) < at(b))),
        Op::Le { d, a, b } => (d, u64::from(at(a) <= at(b))),
        Op::LtSigned { d, a, b, w } => (d, u64::from(signed(at(a), w) < signed(at(b), w))),
        Op::LeSigned { d, a, b, w } => (d, u64::from(signed(at(a), w) <= signed(at(b), w))),
        Op::Slice { d, a, low, w } => (d, at(a) >> low & ones(w)),
        Op::Insert { d, a, low, w } => (d, at(d) & !(ones(w) << low) | (at(a) & ones(w)) << low),
        Op::Concat { d, a, b, w } => (d, shift(at(a), u64::from(w), |x, n| x << n) | at(b)),
        Op::SignExtend { d, a, from, w } => (d, signed(at(a), from).cast_unsigned() & ones(w)),
        Op::Linear(index) => {
            let linear = &code.linear[index as usize];
            (linear.d, linear.of(at(linear.a)))
        }
        Op::Copy { d, a, n } => {
            let from = a as usize;
            return frame.copy_within(from..from + n as usize, d as usize);
        }
        Op::Wide(index) => return wide_step(frame, code.wide[index as usize]),
        // All others are taken by the main loop, or are jumps that are not taken.
        _ => return,
    };
    frame[d as usize] = value;
}

fn ones(w: u8) -> u64 {
    mask(u32::from(w))
}

/// Sign-extends a value of `w` bits.
fn signed(value: u64, w: u8) -> i64 {
    let unused = 64 - u32::from(w.clamp(1, 64));
    (value << unused).cast_signed() >> unused
}

fn shift(value: u64, amount: u64, by: impl Fn(u64, u32) -> u64) -> u64 {
    if amount < 64 {
        by(value, amount as u32)
    } else {
        0
    }
}

/// The nearest number that fits in `w` bits.
fn clamp(value: i128, w: u8) -> u64 {
    let limit = 1_i128 << (w - 1);
    value.clamp(-limit, limit - 1).cast_unsigned() as u64 & ones(w)
}

/// Executes an operation on long values.
fn wide_step(frame: &mut [u64], op: Wide) {
    if !limb_by_limb(frame, op) {
        buffered(frame, op);
    }
}

/// Executes an operation each of whose limbs depends on a few limbs of the operands, in an order
/// in which the destination may be an operand; returns whether it is one.
fn limb_by_limb(frame: &mut [u64], Wide { kind, d, a, b, low }: Wide) -> bool {
    let from = match kind {
        WideKind::And | WideKind::Or | WideKind::Xor | WideKind::Not | WideKind::ZeroExtend => 0,
        WideKind::Slice => i64::from(low),
        WideKind::Concat => -i64::from(b.width),
        WideKind::Shl | WideKind::Shr => {
            shift_long(frame, kind, (d, a, b));
            return true;
        }
        _ => return false,
    };
    let n = limbs(d.width);
    let mut store = |index: usize| {
        let at = (index as u64 * 64).cast_signed() + from;
        let limb = |frame: &[u64], place: Place| {
            let there = index < limbs(place.width);
            if there {
                frame[place.loc as usize + index]
            } else {
                0
            }
        };
        let value = match kind {
            WideKind::And => limb(frame, a) & limb(frame, b),
            WideKind::Or => limb(frame, a) | limb(frame, b),
            WideKind::Xor => limb(frame, a) ^ limb(frame, b),
            WideKind::Not => !limb(frame, a),
            WideKind::ZeroExtend => limb(frame, a),
            WideKind::Concat => window(&frame[range(a)], at) | limb(frame, b),
            _ => window(&frame[range(a)], at),
        };
        let left = d.width - index as u32 * 64;
        frame[d.loc as usize + index] = value & mask(left.min(64));
    };
    if from < 0 {
        (0..n).rev().for_each(store);
    } else {
        (0..n).for_each(&mut store);
    }
    true
}

/// Shifts by any amount, where the result is to be.
fn shift_long(frame: &mut [u64], kind: WideKind, (d, a, b): (Place, Place, Place)) {
    let most = MAX_LIMBS * 64;
    let far = frame[range(b)][1..].iter().any(|limb| *limb != 0);
    let amount = match usize::try_from(frame[b.loc as usize]) {
        Ok(amount) if !far => amount.min(most),
        _ => most,
    };
    frame.copy_within(range(a), d.loc as usize);
    let to = &mut frame[range(d)];
    if kind == WideKind::Shl {
        wide::shl(to, amount);
    } else {
        wide::shr(to, amount);
    }
    wide::trim(to, d.width);
}

/// 64 bits of a value from a bit on, which may lie before its start or behind its end.
fn window(value: &[u64], from: i64) -> u64 {
    let (index, skip) = (from.div_euclid(64), from.rem_euclid(64));
    let at = |index: i64| {
        let limb = usize::try_from(index)
            .ok()
            .and_then(|index| value.get(index));
        limb.copied().unwrap_or(0)
    };
    match skip {
        0 => at(index),
        skip => at(index) >> skip | at(index + 1) << (64 - skip),
    }
}

/// Executes an operation on long values: loads the operands, computes, stores.
#[cold]
fn buffered(frame: &mut [u64], op: Wide) {
    let mut a = load(frame, op.a);
    let b = load(frame, op.b);
    let n = limbs(op.a.width.max(op.d.width)).min(MAX_LIMBS);
    let width = op.d.width;
    let truth = match op.kind {
        WideKind::Eq => Some(a == b),
        WideKind::Ne => Some(a != b),
        WideKind::Lt => Some(wide::compare(&a, &b).is_lt()),
        WideKind::Le => Some(wide::compare(&a, &b).is_le()),
        WideKind::LtSigned => Some(wide::compare_signed(&a, &b, op.a.width).is_lt()),
        WideKind::LeSigned => Some(wide::compare_signed(&a, &b, op.a.width).is_le()),
        _ => None,
    };
    if let Some(truth) = truth {
        frame[op.d.loc as usize] = u64::from(truth);
        return;
    }
    match op.kind {
        WideKind::Add => _ = wide::add(&mut a[..n], &b[..n]),
        WideKind::Sub => _ = wide::sub(&mut a[..n], &b[..n]),
        WideKind::Mul => {
            let factor = a;
            wide::mul(&mut a[..n], &factor[..n], &b[..n]);
        }
        WideKind::Div => a = wide::div_rem(&a[..n], &b[..n]).map_or([0; MAX_LIMBS], |both| both.0),
        WideKind::Mod => a = wide::div_rem(&a[..n], &b[..n]).map_or([0; MAX_LIMBS], |both| both.1),
        WideKind::AddSat | WideKind::SubSat | WideKind::AddSatSigned | WideKind::SubSatSigned => {
            saturate(&mut a, &b, op.kind, width);
        }
        WideKind::Neg => {
            let value = a;
            a = [0; MAX_LIMBS];
            wide::sub(&mut a[..n], &value[..n]);
        }
        WideKind::ShrSigned => shift_signed(&mut a, amount(&b), width),
        WideKind::Insert => return insert(frame, op, &a),
        WideKind::SignExtend => wide::sign_extend(&mut a, op.a.width),
        // The others are done limb by limb.
        _ => {}
    }
    store(frame, op.d, &mut a);
}

fn load(frame: &[u64], place: Place) -> Buffer {
    let mut buffer = [0; MAX_LIMBS];
    let from = &frame[range(place)];
    buffer[..from.len()].copy_from_slice(from);
    buffer
}

fn store(frame: &mut [u64], place: Place, value: &mut Buffer) {
    wide::trim(value, place.width);
    let to = &mut frame[range(place)];
    let n = to.len();
    to.copy_from_slice(&value[..n]);
}

fn zip(a: &mut Buffer, b: &Buffer, combine: impl Fn(u64, u64) -> u64) {
    a.iter_mut().zip(b).for_each(|(x, y)| *x = combine(*x, *y));
}

/// A shift amount; anything beyond the widest value is as good as that.
fn amount(b: &Buffer) -> usize {
    let too_much = b[1..].iter().any(|limb| *limb != 0);
    if too_much {
        usize::MAX
    } else {
        usize::try_from(b[0]).unwrap_or(usize::MAX)
    }
}

fn shift_signed(a: &mut Buffer, amount: usize, width: u32) {
    let negative = wide::bit(a, width - 1);
    let amount = amount.min(width as usize);
    wide::shr(a, amount);
    if negative {
        let mut signs = [u64::MAX; MAX_LIMBS];
        wide::shl(&mut signs, width as usize - amount);
        zip(a, &signs, |x, y| x | y);
    }
}

/// Sums and differences that stop at the least and greatest value.
fn saturate(a: &mut Buffer, b: &Buffer, kind: WideKind, width: u32) {
    let signed = matches!(kind, WideKind::AddSatSigned | WideKind::SubSatSigned);
    let adds = matches!(kind, WideKind::AddSat | WideKind::AddSatSigned);
    let (first, second) = (wide::bit(a, width - 1), wide::bit(b, width - 1));
    let (before, overflow) = (
        *a,
        if adds {
            wide::add(a, b)
        } else {
            wide::sub(a, b)
        },
    );
    if !signed {
        // A carry out of the width shows above it, unless it leaves the buffer.
        let beyond = overflow || (adds && above(a, width));
        match (beyond, adds) {
            (true, true) => *a = [u64::MAX; MAX_LIMBS],
            (true, false) => *a = [0; MAX_LIMBS],
            (false, _) => {}
        }
        return;
    }
    wide::trim(a, width);
    let same = if adds {
        first == second
    } else {
        first != second
    };
    if same && wide::bit(a, width - 1) != wide::bit(&before, width - 1) {
        // Overflow away from zero: the sign of the first operand tells in which direction.
        *a = [0; MAX_LIMBS];
        let top = width - 1;
        if first {
            a[(top / 64) as usize] = 1 << (top % 64);
        } else {
            *a = [u64::MAX; MAX_LIMBS];
            wide::trim(a, top);
        }
    }
}

/// Whether a bit at or above the width is set.
fn above(value: &Buffer, width: u32) -> bool {
    let mut high = *value;
    wide::shr(&mut high, width as usize);
    high.iter().any(|limb| *limb != 0)
}

/// Replaces bits of the destination from `low` on by the operand.
fn insert(frame: &mut [u64], op: Wide, value: &Buffer) {
    let mut ones = [u64::MAX; MAX_LIMBS];
    wide::trim(&mut ones, op.a.width);
    wide::shl(&mut ones, op.low as usize);
    let mut shifted = *value;
    wide::shl(&mut shifted, op.low as usize);
    let mut whole = load(frame, op.d);
    zip(&mut whole, &ones, |x, y| x & !y);
    zip(&mut whole, &shifted, |x, y| x | y);
    store(frame, op.d, &mut whole);
}
