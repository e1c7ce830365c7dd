// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds IR expressions, computing what is constant.

use num_bigint::{BigInt, BigUint, Sign};

use crate::ir::{BinaryOp, Const, Expr, ExprKind, SlotId, UnaryOp};

impl Const {
    /// The low bits of a number; negative ones in two's complement.
    pub(crate) fn from_int(width: u32, value: &BigInt) -> Self {
        let modulus = BigInt::from(1) << width;
        let mut value = value % &modulus;
        if value.sign() == Sign::Minus {
            value += modulus;
        }
        Self::from_limbs(width, value.magnitude().to_u64_digits())
    }

    /// As an unsigned number.
    pub(crate) fn to_uint(&self) -> BigUint {
        let digits = self.limbs.iter().flat_map(|limb| {
            let bytes = limb.to_le_bytes();
            [
                u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
                u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            ]
        });
        BigUint::new(digits.collect())
    }

    /// As a number, in two's complement if signed.
    pub(crate) fn to_int(&self, signed: bool) -> BigInt {
        let value = BigInt::from(self.to_uint());
        if signed && value.bit(u64::from(self.width) - 1) {
            return value - (BigInt::from(1) << self.width);
        }
        value
    }
}

impl Expr {
    pub(crate) fn constant(value: Const) -> Self {
        Self {
            width: value.width,
            kind: ExprKind::Const(value),
        }
    }

    pub(crate) fn number(width: u32, value: u64) -> Self {
        Self::constant(Const::new(width, value))
    }

    pub(crate) fn flag(value: bool) -> Self {
        Self::number(1, u64::from(value))
    }

    pub(crate) fn slot(slot: SlotId, width: u32) -> Self {
        Self {
            kind: ExprKind::Slot(slot),
            width,
        }
    }

    pub(crate) fn as_const(&self) -> Option<&Const> {
        match &self.kind {
            ExprKind::Const(value) => Some(value),
            _ => None,
        }
    }

    /// Bits `high..=low`; both lie inside.
    pub(crate) fn slice(self, high: u32, low: u32) -> Self {
        let width = high - low + 1;
        if width == self.width {
            return self;
        }
        match self.kind {
            ExprKind::Const(value) => {
                let bits = BigInt::from(value.to_uint() >> low);
                Self::constant(Const::from_int(width, &bits))
            }
            ExprKind::Slice {
                value, low: inner, ..
            } => value.slice(high + inner, low + inner),
            ExprKind::Concat(left, right) if low >= right.width => {
                left.slice(high - right.width, low - right.width)
            }
            ExprKind::Concat(_, right) if high < right.width => right.slice(high, low),
            ExprKind::ZeroExtend(value) | ExprKind::SignExtend(value) if high < value.width => {
                value.slice(high, low)
            }
            kind => {
                let value = Box::new(Self {
                    kind,
                    width: self.width,
                });
                Self {
                    kind: ExprKind::Slice { value, high, low },
                    width,
                }
            }
        }
    }

    pub(crate) fn concat(left: Self, right: Self) -> Self {
        let width = left.width + right.width;
        if let (Some(a), Some(b)) = (left.as_const(), right.as_const()) {
            let joined = (a.to_uint() << right.width) | b.to_uint();
            return Self::constant(Const::from_int(width, &joined.into()));
        }
        Self {
            kind: ExprKind::Concat(Box::new(left), Box::new(right)),
            width,
        }
    }

    /// Cut or widened to a width.
    pub(crate) fn resize(self, width: u32, signed: bool) -> Self {
        if width == self.width {
            return self;
        }
        if width < self.width {
            return self.slice(width - 1, 0);
        }
        if let Some(value) = self.as_const() {
            return Self::constant(Const::from_int(width, &value.to_int(signed)));
        }
        let value = Box::new(self);
        let kind = if signed {
            ExprKind::SignExtend(value)
        } else {
            ExprKind::ZeroExtend(value)
        };
        Self { kind, width }
    }

    pub(crate) fn not(self) -> Self {
        let width = self.width;
        match self.kind {
            ExprKind::Const(value) => {
                let bits = BigInt::from(Const::ones(width).to_uint() ^ value.to_uint());
                Self::constant(Const::from_int(width, &bits))
            }
            ExprKind::Unary(UnaryOp::Not, value) => *value,
            ExprKind::Binary(BinaryOp::Eq, a, b) if width == 1 => Self {
                kind: ExprKind::Binary(BinaryOp::Ne, a, b),
                width,
            },
            ExprKind::Binary(BinaryOp::Ne, a, b) if width == 1 => Self {
                kind: ExprKind::Binary(BinaryOp::Eq, a, b),
                width,
            },
            kind => Self {
                kind: ExprKind::Unary(UnaryOp::Not, Box::new(Self { kind, width })),
                width,
            },
        }
    }

    pub(crate) fn neg(self) -> Self {
        let width = self.width;
        if let Some(value) = self.as_const() {
            return Self::constant(Const::from_int(width, &-value.to_int(false)));
        }
        Self {
            kind: ExprKind::Unary(UnaryOp::Neg, Box::new(self)),
            width,
        }
    }

    pub(crate) fn mux(condition: Self, then: Self, otherwise: Self) -> Self {
        match condition.as_const() {
            Some(value) if value.is_zero() => otherwise,
            Some(_) => then,
            None if then == otherwise => then,
            None => {
                let width = then.width;
                let kind = ExprKind::Mux(Box::new(condition), Box::new(then), Box::new(otherwise));
                Self { kind, width }
            }
        }
    }

    /// A binary operation on operands of equal width (but for shifts).
    pub(crate) fn binary(op: BinaryOp, left: Self, right: Self) -> Self {
        use BinaryOp::{Eq, Le, LeSigned, Lt, LtSigned, Ne};
        let width = match op {
            Eq | Ne | Lt | Le | LtSigned | LeSigned => 1,
            _ => left.width,
        };
        if let (Some(a), Some(b)) = (left.as_const(), right.as_const()) {
            return Self::constant(Const::from_int(width, &compute(op, a, b)));
        }
        if let Some(simple) = simplify(op, &left, &right) {
            return simple;
        }
        Self {
            kind: ExprKind::Binary(op, Box::new(left), Box::new(right)),
            width,
        }
    }

    pub(crate) fn and(left: Self, right: Self) -> Self {
        Self::binary(BinaryOp::And, left, right)
    }

    /// Calls `visit` with every slot that is read.
    pub(crate) fn each_slot(&self, visit: &mut impl FnMut(SlotId)) {
        match &self.kind {
            ExprKind::Const(_) | ExprKind::PacketLength => {}
            ExprKind::Slot(slot) => visit(*slot),
            ExprKind::Slice { value, .. }
            | ExprKind::ZeroExtend(value)
            | ExprKind::SignExtend(value)
            | ExprKind::Unary(_, value) => value.each_slot(visit),
            ExprKind::Concat(a, b) | ExprKind::Binary(_, a, b) => {
                a.each_slot(visit);
                b.each_slot(visit);
            }
            ExprKind::Mux(a, b, c) => {
                a.each_slot(visit);
                b.each_slot(visit);
                c.each_slot(visit);
            }
        }
    }
}

/// `x & 0`, `x | 0`, `x & ones` and the like, which matter for conditions.
fn simplify(op: BinaryOp, left: &Expr, right: &Expr) -> Option<Expr> {
    let (value, other) = match (left.as_const(), right.as_const()) {
        (Some(value), _) => (value, right),
        (_, Some(value)) => (value, left),
        _ => return None,
    };
    let ones = *value == Const::ones(value.width);
    match op {
        BinaryOp::And if value.is_zero() => Some(Expr::constant(value.clone())),
        BinaryOp::And if ones => Some(other.clone()),
        BinaryOp::Or if ones => Some(Expr::constant(value.clone())),
        BinaryOp::Or | BinaryOp::Xor | BinaryOp::Add if value.is_zero() => Some(other.clone()),
        _ => None,
    }
}

fn compute(op: BinaryOp, a: &Const, b: &Const) -> BigInt {
    let (x, y) = (a.to_int(false), b.to_int(false));
    let (sx, sy) = (a.to_int(true), b.to_int(true));
    let zero = BigInt::from(0);
    let top = BigInt::from(1) << a.width;
    let half = BigInt::from(1) << (a.width - 1);
    let shift = b.to_u64().filter(|shift| *shift < u64::from(a.width));
    match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x.checked_div(&y).unwrap_or(zero),
        BinaryOp::Mod => {
            if y == zero {
                zero
            } else {
                x % y
            }
        }
        BinaryOp::AddSat => (x + y).min(top - 1),
        BinaryOp::SubSat => (x - y).max(zero),
        BinaryOp::AddSatSigned => (sx + sy).clamp(-&half, &half - 1),
        BinaryOp::SubSatSigned => (sx - sy).clamp(-&half, &half - 1),
        BinaryOp::And => x & y,
        BinaryOp::Or => x | y,
        BinaryOp::Xor => x ^ y,
        BinaryOp::Shl => shift.map_or(zero, |shift| x << shift),
        BinaryOp::Shr => shift.map_or(zero, |shift| x >> shift),
        BinaryOp::ShrSigned => sx >> shift.unwrap_or(u64::from(a.width)),
        BinaryOp::Eq => BigInt::from(u8::from(x == y)),
        BinaryOp::Ne => BigInt::from(u8::from(x != y)),
        BinaryOp::Lt => BigInt::from(u8::from(x < y)),
        BinaryOp::Le => BigInt::from(u8::from(x <= y)),
        BinaryOp::LtSigned => BigInt::from(u8::from(sx < sy)),
        BinaryOp::LeSigned => BigInt::from(u8::from(sx <= sy)),
    }
}
