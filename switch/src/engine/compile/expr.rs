// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Expressions and conditions.
//!
//! Only the last instruction of an expression writes its destination, after it has read its
//! operands. A destination may therefore also be an operand.

use p4::ir::{BinaryOp, Const, Expr, ExprKind, UnaryOp};

use super::{Builder, CompileError, MAX_WIDTH, Target};
use crate::engine::code::{Op, Place, Wide, WideKind};

/// Widest value of the short instructions in bits.
const SHORT: u32 = 64;

/// Most bits of the parts that are joined before a longer value is put in front of them.
const JOINED: u32 = 256;

impl Builder<'_> {
    /// Computes a value wherever that is cheapest.
    pub(super) fn value(&mut self, expr: &Expr) -> Result<Place, CompileError> {
        match &expr.kind {
            ExprKind::Const(value) => Ok(self.constant(value)),
            ExprKind::Slot(slot) => Ok(self.code.place(*slot)),
            ExprKind::PacketLength => Ok(Place {
                loc: self.code.packet_length,
                width: 32,
            }),
            ExprKind::ZeroExtend(value) if expr.width <= SHORT => {
                let place = self.value(value)?;
                Ok(Place {
                    width: expr.width,
                    ..place
                })
            }
            _ => {
                let into = self.temporary(expr.width);
                self.compute(expr, into)?;
                Ok(into)
            }
        }
    }

    /// Computes a value into a place of the same width.
    pub(super) fn compute(&mut self, expr: &Expr, d: Place) -> Result<(), CompileError> {
        if expr.width > MAX_WIDTH {
            return Err(CompileError::TooWide { width: expr.width });
        }
        match &expr.kind {
            ExprKind::Const(_) | ExprKind::Slot(_) | ExprKind::PacketLength => {
                let a = self.value(expr)?;
                self.copy(d, a);
            }
            ExprKind::Slice {
                value,
                high: _,
                low,
            } => self.slice(value, *low, d)?,
            ExprKind::Concat(high, low) => self.concat(high, low, d)?,
            ExprKind::ZeroExtend(value) => self.extend(value, d, WideKind::ZeroExtend)?,
            ExprKind::SignExtend(value) => self.extend(value, d, WideKind::SignExtend)?,
            ExprKind::Unary(op, value) => self.unary(*op, value, d)?,
            ExprKind::Binary(BinaryOp::Xor, _, _) if self.linear(expr, d)? => {}
            ExprKind::Binary(op @ (BinaryOp::Shl | BinaryOp::Shr), a, b) => {
                self.shift(*op, a, b, d)?;
            }
            ExprKind::Binary(op, a, b) => self.binary(*op, a, b, d)?,
            ExprKind::Mux(condition, a, b) => {
                let (no, end) = (self.target(), self.target());
                self.branch(condition, no)?;
                self.compute(a, d)?;
                self.emit(Op::Jump(end));
                self.bind(no);
                self.compute(b, d)?;
                self.bind(end);
            }
        }
        Ok(())
    }

    /// Copies a value between places of equal width.
    pub(super) fn copy(&mut self, d: Place, a: Place) {
        if d.loc == a.loc {
            return;
        }
        if d.width <= SHORT {
            self.emit(Op::Move { d: d.loc, a: a.loc });
        } else {
            let n = d.width.div_ceil(64);
            self.emit(Op::Copy {
                d: d.loc,
                a: a.loc,
                n,
            });
        }
    }

    fn slice(&mut self, value: &Expr, low: u32, d: Place) -> Result<(), CompileError> {
        let a = self.value(value)?;
        if a.width <= SHORT {
            let (low, w) = (low as u8, d.width as u8);
            self.emit(Op::Slice {
                d: d.loc,
                a: a.loc,
                low,
                w,
            });
        } else if d.width <= SHORT && low / 64 == (low + d.width - 1) / 64 {
            // The slice lies in one limb of the wide value.
            let (limb, low, w) = (a.loc + low / 64, (low % 64) as u8, d.width as u8);
            self.emit(Op::Slice {
                d: d.loc,
                a: limb,
                low,
                w,
            });
        } else {
            self.wide(Wide {
                kind: WideKind::Slice,
                d,
                a,
                b: a,
                low,
            });
        }
        Ok(())
    }

    /// Concatenations are associative: short parts are joined first, so that a long value in front
    /// of them moves once, and by whole octets if the parts are octets together.
    fn concat(&mut self, high: &Expr, low: &Expr, d: Place) -> Result<(), CompileError> {
        let (mut first, mut parts, mut width) = (high, vec![low], low.width);
        while d.width > SHORT
            && let ExprKind::Concat(high, low) = &first.kind
            && width + low.width <= JOINED
        {
            width += low.width;
            parts.push(low);
            first = high;
        }
        // What is cut off a long value is cut off here, too: its high bits find no place.
        let whole = match &first.kind {
            ExprKind::Slice { value, low: 0, .. } if d.width > SHORT => value,
            _ => first,
        };
        let a = self.value(whole)?;
        let mut b = self.value(parts.pop().unwrap_or(low))?;
        while let Some(part) = parts.pop() {
            let part = self.value(part)?;
            let joined = self.temporary(b.width + part.width);
            self.join(joined, b, part);
            b = joined;
        }
        self.join(d, a, b);
        Ok(())
    }

    /// Puts the lower bits of one value above another one.
    fn join(&mut self, d: Place, a: Place, b: Place) {
        if d.width <= SHORT {
            self.emit(Op::Concat {
                d: d.loc,
                a: a.loc,
                b: b.loc,
                w: b.width as u8,
            });
        } else {
            self.wide(Wide {
                kind: WideKind::Concat,
                d,
                a,
                b,
                low: 0,
            });
        }
    }

    fn extend(&mut self, value: &Expr, d: Place, kind: WideKind) -> Result<(), CompileError> {
        let a = self.value(value)?;
        if d.width > SHORT {
            self.wide(Wide {
                kind,
                d,
                a,
                b: a,
                low: 0,
            });
        } else if kind == WideKind::ZeroExtend {
            self.emit(Op::Move { d: d.loc, a: a.loc });
        } else {
            let (from, w) = (a.width as u8, d.width as u8);
            self.emit(Op::SignExtend {
                d: d.loc,
                a: a.loc,
                from,
                w,
            });
        }
        Ok(())
    }

    fn unary(&mut self, op: UnaryOp, value: &Expr, d: Place) -> Result<(), CompileError> {
        let a = self.value(value)?;
        let (into, from, w) = (d.loc, a.loc, d.width as u8);
        match (op, d.width <= SHORT) {
            (UnaryOp::Not, true) => self.emit(Op::Not {
                d: into,
                a: from,
                w,
            }),
            (UnaryOp::Neg, true) => self.emit(Op::Neg {
                d: into,
                a: from,
                w,
            }),
            (UnaryOp::Not, false) => self.wide(Wide {
                kind: WideKind::Not,
                d,
                a,
                b: a,
                low: 0,
            }),
            (UnaryOp::Neg, false) => self.wide(Wide {
                kind: WideKind::Neg,
                d,
                a,
                b: a,
                low: 0,
            }),
        }
        Ok(())
    }

    /// Shifts. Shifts of shifts in one direction are one shift by the sum, which does not overflow.
    fn shift(
        &mut self,
        op: BinaryOp,
        left: &Expr,
        right: &Expr,
        d: Place,
    ) -> Result<(), CompileError> {
        let is_short = |amount: &Expr| amount.width <= 32;
        let (mut value, mut amounts) = (left, vec![right]);
        while let ExprKind::Binary(inner, shifted, amount) = &value.kind {
            if *inner != op || !is_short(amount) {
                break;
            }
            amounts.push(amount);
            value = shifted;
        }
        if amounts.len() == 1 || !is_short(right) {
            return self.binary(op, left, right, d);
        }
        let sum = self.temporary(SHORT);
        let (into, w) = (sum.loc, SHORT as u8);
        if amounts.iter().all(|amount| *amount == right) {
            let (a, count) = (self.value(right)?.loc, amounts.len() as u64);
            let b = self.constant(&Const::new(SHORT, count)).loc;
            self.emit(Op::Mul { d: into, a, b, w });
        } else {
            let zero = self.constant(&Const::new(SHORT, 0)).loc;
            self.emit(Op::Move { d: into, a: zero });
            for amount in amounts {
                let b = self.value(amount)?.loc;
                self.emit(Op::Add {
                    d: into,
                    a: into,
                    b,
                    w,
                });
            }
        }
        let value = self.value(value)?;
        self.binary_of(op, value, sum, d);
        Ok(())
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        left: &Expr,
        right: &Expr,
        place: Place,
    ) -> Result<(), CompileError> {
        let (x, y) = (self.value(left)?, self.value(right)?);
        self.binary_of(op, x, y, place);
        Ok(())
    }

    #[expect(
        clippy::many_single_char_names,
        reason = "the names of the instructions' fields"
    )]
    fn binary_of(&mut self, op: BinaryOp, x: Place, y: Place, place: Place) {
        if x.width > SHORT || y.width > SHORT {
            self.wide(Wide {
                kind: wide_kind(op),
                d: place,
                a: x,
                b: y,
                low: 0,
            });
            return;
        }
        let (d, a, b, w) = (place.loc, x.loc, y.loc, x.width as u8);
        self.emit(match op {
            BinaryOp::Add => Op::Add { d, a, b, w },
            BinaryOp::Sub => Op::Sub { d, a, b, w },
            BinaryOp::Mul => Op::Mul { d, a, b, w },
            BinaryOp::Div => Op::Div { d, a, b },
            BinaryOp::Mod => Op::Mod { d, a, b },
            BinaryOp::AddSat => Op::AddSat { d, a, b, w },
            BinaryOp::SubSat => Op::SubSat { d, a, b },
            BinaryOp::AddSatSigned => Op::AddSatSigned { d, a, b, w },
            BinaryOp::SubSatSigned => Op::SubSatSigned { d, a, b, w },
            BinaryOp::And => Op::And { d, a, b },
            BinaryOp::Or => Op::Or { d, a, b },
            BinaryOp::Xor => Op::Xor { d, a, b },
            BinaryOp::Shl => Op::Shl { d, a, b, w },
            BinaryOp::Shr => Op::Shr { d, a, b },
            BinaryOp::ShrSigned => Op::ShrSigned { d, a, b, w },
            BinaryOp::Eq => Op::Eq { d, a, b },
            BinaryOp::Ne => Op::Ne { d, a, b },
            BinaryOp::Lt => Op::Lt { d, a, b },
            BinaryOp::Le => Op::Le { d, a, b },
            BinaryOp::LtSigned => Op::LtSigned { d, a, b, w },
            BinaryOp::LeSigned => Op::LeSigned { d, a, b, w },
        });
    }

    pub(super) fn wide(&mut self, wide: Wide) {
        let index = self.code.wide.len() as u32;
        self.code.wide.push(wide);
        self.emit(Op::Wide(index));
    }

    /// Goes on if the condition is 1, and to `no` if it is 0.
    pub(super) fn branch(&mut self, condition: &Expr, no: Target) -> Result<(), CompileError> {
        match &condition.kind {
            ExprKind::Unary(UnaryOp::Not, value) if value.width == 1 => self.branch_if(value, no),
            ExprKind::Binary(BinaryOp::And, a, b) => {
                self.branch(a, no)?;
                self.branch(b, no)
            }
            ExprKind::Binary(BinaryOp::Or, a, b) => {
                let yes = self.target();
                self.branch_if(a, yes)?;
                self.branch(b, no)?;
                self.bind(yes);
                Ok(())
            }
            ExprKind::Binary(op, a, b) if is_jump(*op) && a.width <= SHORT => {
                let (x, y) = (self.value(a)?.loc, self.value(b)?.loc);
                self.emit(match op {
                    BinaryOp::Eq => Op::JumpNe { a: x, b: y, to: no },
                    BinaryOp::Ne => Op::JumpEq { a: x, b: y, to: no },
                    BinaryOp::Lt => Op::JumpGe { a: x, b: y, to: no },
                    _ => Op::JumpLt { a: y, b: x, to: no },
                });
                Ok(())
            }
            _ => self.test(condition, no, false),
        }
    }

    /// Goes to `yes` if the condition is 1, and on if it is 0.
    fn branch_if(&mut self, condition: &Expr, yes: Target) -> Result<(), CompileError> {
        match &condition.kind {
            ExprKind::Unary(UnaryOp::Not, value) if value.width == 1 => self.branch(value, yes),
            ExprKind::Binary(BinaryOp::Or, a, b) => {
                self.branch_if(a, yes)?;
                self.branch_if(b, yes)
            }
            ExprKind::Binary(BinaryOp::And, a, b) => {
                let no = self.target();
                self.branch(a, no)?;
                self.branch_if(b, yes)?;
                self.bind(no);
                Ok(())
            }
            ExprKind::Binary(op, a, b) if is_jump(*op) && a.width <= SHORT => {
                let (x, y) = (self.value(a)?.loc, self.value(b)?.loc);
                self.emit(match op {
                    BinaryOp::Eq => Op::JumpEq {
                        a: x,
                        b: y,
                        to: yes,
                    },
                    BinaryOp::Ne => Op::JumpNe {
                        a: x,
                        b: y,
                        to: yes,
                    },
                    BinaryOp::Lt => Op::JumpLt {
                        a: x,
                        b: y,
                        to: yes,
                    },
                    _ => Op::JumpGe {
                        a: y,
                        b: x,
                        to: yes,
                    },
                });
                Ok(())
            }
            _ => self.test(condition, yes, true),
        }
    }

    /// Computes the condition and goes to the target if it is as wanted.
    fn test(&mut self, condition: &Expr, to: Target, wanted: bool) -> Result<(), CompileError> {
        let a = self.value(condition)?.loc;
        self.emit(if wanted {
            Op::JumpIf { a, to }
        } else {
            Op::JumpUnless { a, to }
        });
        Ok(())
    }
}

/// Whether there is a jump that makes the comparison itself.
fn is_jump(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le
    )
}

fn wide_kind(op: BinaryOp) -> WideKind {
    match op {
        BinaryOp::Add => WideKind::Add,
        BinaryOp::Sub => WideKind::Sub,
        BinaryOp::Mul => WideKind::Mul,
        BinaryOp::Div => WideKind::Div,
        BinaryOp::Mod => WideKind::Mod,
        BinaryOp::AddSat => WideKind::AddSat,
        BinaryOp::SubSat => WideKind::SubSat,
        BinaryOp::AddSatSigned => WideKind::AddSatSigned,
        BinaryOp::SubSatSigned => WideKind::SubSatSigned,
        BinaryOp::And => WideKind::And,
        BinaryOp::Or => WideKind::Or,
        BinaryOp::Xor => WideKind::Xor,
        BinaryOp::Shl => WideKind::Shl,
        BinaryOp::Shr => WideKind::Shr,
        BinaryOp::ShrSigned => WideKind::ShrSigned,
        BinaryOp::Eq => WideKind::Eq,
        BinaryOp::Ne => WideKind::Ne,
        BinaryOp::Lt => WideKind::Lt,
        BinaryOp::Le => WideKind::Le,
        BinaryOp::LtSigned => WideKind::LtSigned,
        BinaryOp::LeSigned => WideKind::LeSigned,
    }
}
