// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Expressions and constants.

use super::SlotId;

/// An expression and the width of its value in bits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expr {
    /// What it computes.
    pub kind: ExprKind,
    /// Width of the value, at least 1.
    pub width: u32,
}

/// Expressions. All are pure and total.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExprKind {
    /// A constant.
    Const(Const),
    /// The value of a slot.
    Slot(SlotId),
    /// The bits `high..=low` of a value.
    Slice {
        /// Operand.
        value: Box<Expr>,
        /// Most significant bit.
        high: u32,
        /// Least significant bit.
        low: u32,
    },
    /// First operand in the more significant bits.
    Concat(Box<Expr>, Box<Expr>),
    /// Widened with zeros.
    ZeroExtend(Box<Expr>),
    /// Widened with the sign bit.
    SignExtend(Box<Expr>),
    /// One operand.
    Unary(UnaryOp, Box<Expr>),
    /// Two operands.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// Second operand if the first (1 bit) is 1, else the third.
    Mux(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Length of the packet in octets, 32 bits; `packet_in.length()`.
    PacketLength,
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnaryOp {
    /// All bits inverted; also logical negation of 1 bit.
    Not,
    /// Two's complement negation.
    Neg,
}

/// Operators with two operands. Arithmetic wraps unless the name says otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BinaryOp {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Unsigned quotient; division by zero gives 0.
    Div,
    /// Unsigned remainder; division by zero gives 0.
    Mod,
    /// Unsigned sum, at most the greatest value.
    AddSat,
    /// Unsigned difference, at least 0.
    SubSat,
    /// Signed sum, kept between the least and the greatest value.
    AddSatSigned,
    /// Signed difference, kept between the least and the greatest value.
    SubSatSigned,
    /// Bitwise and; also logical and (operands are pure, so the second may always be computed).
    And,
    /// Bitwise or; also logical or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Left shift. The right operand is unsigned and of any width; a shift by the width or more gives 0.
    Shl,
    /// Logical right shift. The right operand is unsigned and of any width.
    Shr,
    /// Arithmetic right shift. The right operand is unsigned and of any width.
    ShrSigned,
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Unsigned less.
    Lt,
    /// Unsigned less or equal.
    Le,
    /// Signed less.
    LtSigned,
    /// Signed less or equal.
    LeSigned,
}

/// A constant of a known width.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Const {
    /// Width in bits.
    pub width: u32,
    /// The bits in 64-bit limbs, least significant first; as many as the width needs.
    pub limbs: Vec<u64>,
}

impl Const {
    /// The low `width` bits of a small number.
    #[must_use]
    pub fn new(width: u32, value: u64) -> Self {
        let mut limbs = vec![0; limb_count(width)];
        limbs[0] = value;
        Self::from_limbs(width, limbs)
    }

    /// The low `width` bits of a number in limbs, least significant first.
    #[must_use]
    pub fn from_limbs(width: u32, mut limbs: Vec<u64>) -> Self {
        limbs.resize(limb_count(width), 0);
        let used = width % 64;
        if used != 0
            && let Some(last) = limbs.last_mut()
        {
            *last &= (1 << used) - 1;
        }
        Self { width, limbs }
    }

    /// All bits set.
    #[must_use]
    pub fn ones(width: u32) -> Self {
        Self::from_limbs(width, vec![u64::MAX; limb_count(width)])
    }

    /// The value, if it fits.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        self.limbs[1..]
            .iter()
            .all(|&limb| limb == 0)
            .then(|| self.limbs[0])
    }

    /// The value, if it fits.
    #[must_use]
    pub fn to_u128(&self) -> Option<u128> {
        let high = self.limbs.get(1).copied().unwrap_or(0);
        let rest = self.limbs.get(2..).unwrap_or(&[]);
        rest.iter()
            .all(|&limb| limb == 0)
            .then(|| (u128::from(high) << 64) | u128::from(self.limbs[0]))
    }

    /// Whether all bits are zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.limbs.iter().all(|&limb| limb == 0)
    }

    /// Big-endian octets, `width` rounded up to whole octets.
    #[must_use]
    pub fn to_be_bytes(&self) -> Vec<u8> {
        let len = self.width.div_ceil(8) as usize;
        let mut bytes: Vec<u8> = self
            .limbs
            .iter()
            .flat_map(|limb| limb.to_le_bytes())
            .collect();
        bytes.truncate(len);
        bytes.reverse();
        bytes
    }
}

/// Limbs that a value of that width needs; at least one.
#[must_use]
pub fn limb_count(width: u32) -> usize {
    (width.div_ceil(64) as usize).max(1)
}
