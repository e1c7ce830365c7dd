// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sums of constants, one for each bit that is set, as tables with a row for each octet.
//!
//! P4 has no loops and no tables of numbers, so programs write a step of a CRC as the sum of what
//! each bit of a value stands for. The sum is linear: octets can be looked up one by one.

use p4::ir::{BinaryOp, Const, Expr, ExprKind, SlotId};

use super::{Builder, CompileError};
use crate::engine::code::{LINEAR_ROW, Linear, Op, Place};

/// Number of bits from which on tables are faster than their terms.
const FEWEST_BITS: usize = 6;

/// A constant that stands for a bit of a slot.
struct Term {
    slot: SlotId,
    bit: u32,
    constant: u32,
}

impl Builder<'_> {
    /// Computes a sum, if enough of its terms stand for bits; returns whether they do.
    pub(super) fn linear(&mut self, expr: &Expr, d: Place) -> Result<bool, CompileError> {
        if expr.width > 32 {
            return Ok(false);
        }
        let mut operands = Vec::new();
        flatten(expr, &mut operands);
        let (mut terms, mut others) = (Vec::<Term>::new(), Vec::new());
        for operand in operands {
            match term(operand) {
                Some(term) if self.code.place(term.slot).width <= 64 => terms.push(term),
                _ => others.push(operand),
            }
        }
        let Some(slot) = terms.first().map(|term| term.slot) else {
            return Ok(false);
        };
        if terms.len() < FEWEST_BITS || terms.iter().any(|term| term.slot != slot) {
            return Ok(false);
        }
        let a = self.code.place(slot);
        let rows = rows(&terms, a.width).into();
        let sum = match others.as_slice() {
            [] => d,
            _ => self.temporary(expr.width),
        };
        self.code.linear.push(Linear {
            d: sum.loc,
            a: a.loc,
            rows,
        });
        self.emit(Op::Linear(self.code.linear.len() as u32 - 1));
        let last = others.len().saturating_sub(1);
        for (index, other) in others.into_iter().enumerate() {
            let b = self.value(other)?.loc;
            let d = if index == last { d } else { sum };
            self.emit(Op::Xor {
                d: d.loc,
                a: sum.loc,
                b,
            });
        }
        Ok(true)
    }
}

/// The operands of a sum of sums.
fn flatten<'e>(expr: &'e Expr, operands: &mut Vec<&'e Expr>) {
    match &expr.kind {
        ExprKind::Binary(BinaryOp::Xor, a, b) => {
            flatten(a, operands);
            flatten(b, operands);
        }
        _ => operands.push(expr),
    }
}

/// A constant if a bit is set, and 0 if it is not.
fn term(expr: &Expr) -> Option<Term> {
    let ExprKind::Mux(condition, yes, no) = &expr.kind else {
        return None;
    };
    let (ExprKind::Const(constant), ExprKind::Const(zero)) = (&yes.kind, &no.kind) else {
        return None;
    };
    let (slot, bit) = bit(condition)?;
    zero.is_zero().then_some(Term {
        slot,
        bit,
        constant: constant.limbs[0] as u32,
    })
}

/// The bit whose value a condition is.
fn bit(condition: &Expr) -> Option<(SlotId, u32)> {
    let one = Const::new(1, 1);
    match &condition.kind {
        ExprKind::Binary(BinaryOp::Eq, value, wanted) if value.width == 1 => {
            matches!(&wanted.kind, ExprKind::Const(wanted) if *wanted == one)
                .then(|| bit(value))
                .flatten()
        }
        ExprKind::Slice { value, high, low } if high == low => match value.kind {
            ExprKind::Slot(slot) => Some((slot, *low)),
            _ => None,
        },
        _ => None,
    }
}

/// What each value of each octet adds.
fn rows(terms: &[Term], width: u32) -> Vec<u32> {
    let mut bits = vec![0; width.next_multiple_of(8) as usize];
    for term in terms {
        bits[term.bit as usize] ^= term.constant;
    }
    let octets = bits.chunks_exact(8).flat_map(|bits| {
        (0..LINEAR_ROW).map(move |octet| {
            let set = bits
                .iter()
                .enumerate()
                .filter(|(bit, _)| octet >> bit & 1 == 1);
            set.fold(0, |sum, (_, constant)| sum ^ constant)
        })
    });
    octets.collect()
}
