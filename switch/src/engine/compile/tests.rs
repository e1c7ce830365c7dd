// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compares compiled expressions with a reference that works bit by bit.

use p4::ir::{BinaryOp, Const, Expr, ExprKind, Slot, SlotId, SlotKind, UnaryOp};
use proptest::prelude::*;

use super::{Builder, CompileError};
use crate::engine::{
    code::{Code, Op, Place},
    event::Silent,
    exec::{Context, Env, range},
    externs::Externs,
};

/// Bits of a value, least significant first.
type Bits = Vec<bool>;

fn number(bits: &[bool], width: usize) -> Bits {
    let mut bits = bits.to_vec();
    bits.resize(width, false);
    bits
}

fn from_const(value: &Const) -> Bits {
    let bit = |index: u32| value.limbs[(index / 64) as usize] >> (index % 64) & 1 == 1;
    (0..value.width).map(bit).collect()
}

fn add(a: &[bool], b: &[bool], carry: bool) -> (Bits, bool) {
    let mut carry = carry;
    let mut sum = Bits::new();
    for (x, y) in a.iter().zip(b) {
        sum.push(x ^ y ^ carry);
        carry = usize::from(*x) + usize::from(*y) + usize::from(carry) > 1;
    }
    (sum, carry)
}

fn not(a: &[bool]) -> Bits {
    a.iter().map(|bit| !bit).collect()
}

fn sub(a: &[bool], b: &[bool]) -> (Bits, bool) {
    let (difference, carry) = add(a, &not(b), true);
    (difference, !carry)
}

fn less(a: &[bool], b: &[bool]) -> bool {
    sub(a, b).1
}

fn less_signed(a: &[bool], b: &[bool]) -> bool {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    let top = a.len() - 1;
    a[top] = !a[top];
    b[top] = !b[top];
    less(&a, &b)
}

/// A shift amount, cut at the widest value.
fn amount(bits: &[bool]) -> usize {
    let places = bits.iter().enumerate().filter(|(_, bit)| **bit);
    places
        .fold(0_usize, |sum, (place, _)| {
            sum.saturating_add(1 << place.min(20))
        })
        .min(5000)
}

fn mul(a: &[bool], b: &[bool]) -> Bits {
    let mut product = vec![false; a.len()];
    for (place, _) in b.iter().enumerate().filter(|(_, bit)| **bit) {
        let mut row = vec![false; place];
        row.extend_from_slice(&a[..a.len() - place]);
        product = add(&product, &row, false).0;
    }
    product
}

fn divide(a: &[bool], b: &[bool]) -> (Bits, Bits) {
    let zero = vec![false; a.len()];
    if b.iter().all(|bit| !bit) {
        return (zero.clone(), zero);
    }
    let wide = number(b, a.len() + 1);
    let (mut quotient, mut rest) = (zero, vec![false; a.len() + 1]);
    for place in (0..a.len()).rev() {
        rest.insert(0, a[place]);
        rest.pop();
        if !less(&rest, &wide) {
            rest = sub(&rest, &wide).0;
            quotient[place] = true;
        }
    }
    (quotient, number(&rest[..a.len()], a.len()))
}

/// Least or greatest signed value.
fn bound(width: usize, negative: bool) -> Bits {
    let mut bits = vec![!negative; width];
    bits[width - 1] = negative;
    bits
}

fn saturate(a: &[bool], b: &[bool], result: Bits, adds: bool) -> Bits {
    let top = a.len() - 1;
    let same = (a[top] == b[top]) == adds;
    if same && result[top] != a[top] {
        bound(a.len(), a[top])
    } else {
        result
    }
}

fn binary(op: BinaryOp, a: &Bits, b: &Bits) -> Bits {
    let zip = |by: fn(bool, bool) -> bool| a.iter().zip(b).map(|(x, y)| by(*x, *y)).collect();
    let n = a.len();
    match op {
        BinaryOp::Add => add(a, b, false).0,
        BinaryOp::Sub => sub(a, b).0,
        BinaryOp::Mul => mul(a, b),
        BinaryOp::Div => divide(a, b).0,
        BinaryOp::Mod => divide(a, b).1,
        BinaryOp::AddSat => match add(a, b, false) {
            (_, true) => vec![true; n],
            (sum, false) => sum,
        },
        BinaryOp::SubSat => match sub(a, b) {
            (_, true) => vec![false; n],
            (difference, false) => difference,
        },
        BinaryOp::AddSatSigned => saturate(a, b, add(a, b, false).0, true),
        BinaryOp::SubSatSigned => saturate(a, b, sub(a, b).0, false),
        BinaryOp::And => zip(|x, y| x & y),
        BinaryOp::Or => zip(|x, y| x | y),
        BinaryOp::Xor => zip(|x, y| x ^ y),
        BinaryOp::Shl => {
            let by = amount(b).min(n);
            let mut bits = vec![false; by];
            bits.extend_from_slice(&a[..n - by]);
            bits
        }
        BinaryOp::Shr => number(&a[amount(b).min(n)..], n),
        BinaryOp::ShrSigned => {
            let mut bits = a[amount(b).min(n)..].to_vec();
            bits.resize(n, a[n - 1]);
            bits
        }
        BinaryOp::Eq => vec![a == b],
        BinaryOp::Ne => vec![a != b],
        BinaryOp::Lt => vec![less(a, b)],
        BinaryOp::Le => vec![!less(b, a)],
        BinaryOp::LtSigned => vec![less_signed(a, b)],
        BinaryOp::LeSigned => vec![!less_signed(b, a)],
    }
}

fn reference(expr: &Expr, slots: &[Const]) -> Bits {
    let width = expr.width as usize;
    match &expr.kind {
        ExprKind::Const(value) => from_const(value),
        ExprKind::Slot(slot) => from_const(&slots[slot.index()]),
        ExprKind::Slice { value, high, low } => {
            reference(value, slots)[*low as usize..=*high as usize].to_vec()
        }
        ExprKind::Concat(high, low) => {
            let mut bits = reference(low, slots);
            bits.extend(reference(high, slots));
            bits
        }
        ExprKind::ZeroExtend(value) => number(&reference(value, slots), width),
        ExprKind::SignExtend(value) => {
            let mut bits = reference(value, slots);
            let sign = bits[bits.len() - 1];
            bits.resize(width, sign);
            bits
        }
        ExprKind::Unary(UnaryOp::Not, value) => not(&reference(value, slots)),
        ExprKind::Unary(UnaryOp::Neg, value) => {
            sub(&vec![false; width], &reference(value, slots)).0
        }
        ExprKind::Binary(op, a, b) => binary(*op, &reference(a, slots), &reference(b, slots)),
        ExprKind::Mux(test, a, b) => {
            reference(if reference(test, slots)[0] { a } else { b }, slots)
        }
        ExprKind::PacketLength => number(&[], 32),
    }
}

/// An empty program with slots of these widths.
fn program(widths: &[u32]) -> p4::ir::Program {
    use p4::ir::{Control, Parser, Program, StandardField, StateId};
    let slot = |width: &u32| Slot {
        name: "x".to_owned(),
        width: *width,
        signed: false,
        kind: SlotKind::Local,
    };
    let control = || Control {
        name: "c".to_owned(),
        body: Vec::new(),
    };
    Program {
        slots: widths.iter().map(slot).collect(),
        headers: Vec::new(),
        stacks: Vec::new(),
        errors: Vec::new(),
        standard: vec![SlotId(0); StandardField::ALL.len()],
        parser: Parser {
            name: "p".to_owned(),
            prelude: Vec::new(),
            start: StateId(0),
            states: Vec::new(),
        },
        verify_checksum: control(),
        ingress: control(),
        egress: control(),
        compute_checksum: control(),
        deparser: control(),
        tables: Vec::new(),
        actions: Vec::new(),
        counters: Vec::new(),
        meters: Vec::new(),
        registers: Vec::new(),
        action_profiles: Vec::new(),
        digests: Vec::new(),
        value_sets: Vec::new(),
        field_lists: Vec::new(),
        p4info: p4::p4info::P4Info::default(),
        sources: p4::source::SourceMap::default(),
    }
}

/// Runs an expression, once as a value and once, if it is one bit wide, as a condition.
fn run(expr: &Expr, slots: &[Const]) -> Result<Const, CompileError> {
    let mut widths: Vec<u32> = slots.iter().map(|slot| slot.width).collect();
    widths.push(expr.width);
    let result = SlotId(u32::try_from(slots.len()).expect("few slots"));
    let program = program(&widths);
    let mut builder = Builder::new(&program)?;
    let place = builder.code.place(result);
    builder.compute(expr, place)?;
    let branch = (expr.width == 1).then(|| builder.permanent(1));
    if let Some(taken) = branch {
        let no = builder.target();
        builder.branch(expr, no)?;
        let one = builder.constant(&Const::new(1, 1));
        builder.emit(Op::Move {
            d: taken.loc,
            a: one.loc,
        });
        builder.bind(no);
    }
    builder.emit(Op::End);
    let code = builder.finish()?;
    let frame = execute(&code, &program, slots);
    let value = Const::from_limbs(expr.width, frame[range(place)].to_vec());
    assert_eq!(value.limbs, frame[range(place)], "no bit above the width");
    if let Some(Place { loc, .. }) = branch {
        assert_eq!(frame[loc as usize], value.limbs[0], "as a condition");
    }
    #[cfg(feature = "native")]
    check_machine_code(&code, &program, slots, &frame, place);
    Ok(value)
}

/// Compiles to machine code, with everything in memory and with temporaries in registers, and
/// compares with what the interpreter has left in the frame.
#[cfg(feature = "native")]
fn check_machine_code(
    code: &Code,
    program: &p4::ir::Program,
    slots: &[Const],
    interpreted: &[u64],
    result: Place,
) {
    for persistent in [code.image.len(), code.cleared] {
        let code = Code {
            persistent,
            ..code.clone()
        };
        let native = crate::engine::native::NativeCode::compile(&code).expect("compiles");
        let frame = execute_with(&code, program, slots, |context, env| {
            native.run(context, env, 0);
        });
        let found = &frame[range(result)];
        assert_eq!(found, &interpreted[range(result)], "{:?}", code.ops);
        if persistent == code.image.len() {
            // Behind the frame are the windows of machine code.
            assert_eq!(&frame[..interpreted.len()], interpreted, "{:?}", code.ops);
        }
    }
}

fn execute(code: &Code, program: &p4::ir::Program, slots: &[Const]) -> Vec<u64> {
    execute_with(code, program, slots, |context, env| {
        context.run(env, 0, &mut Silent);
    })
}

fn execute_with(
    code: &Code,
    program: &p4::ir::Program,
    slots: &[Const],
    run: impl FnOnce(&mut Context, Env<'_>),
) -> Vec<u64> {
    let mut context = Context::default();
    context.prepare(code, &[]);
    for (index, value) in slots.iter().enumerate() {
        let place = code.place(SlotId(u32::try_from(index).expect("few slots")));
        context.frame[range(place)].copy_from_slice(&value.limbs);
    }
    let externs = Externs::new(program);
    let env = Env {
        code,
        tables: &[],
        value_sets: &[],
        externs: &externs,
        now_ns: 0,
    };
    run(&mut context, env);
    context.frame
}

/// Widths around the limits between the kinds of instructions.
fn width() -> impl Strategy<Value = u32> {
    prop_oneof![1..=65_u32, 120..=130_u32, 190..=260_u32, Just(2048_u32)]
}

fn constant(width: u32) -> impl Strategy<Value = Const> {
    let limbs = prop::collection::vec(
        prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), 0..4_u64],
        p4::ir::limb_count(width),
    );
    limbs.prop_map(move |limbs| Const::from_limbs(width, limbs))
}

/// Slots of the programs that are made: for each width, three of it.
const SLOT_WIDTHS: [u32; 7] = [1, 9, 48, 64, 65, 128, 200];

fn leaf(width: u32) -> BoxedStrategy<Expr> {
    let value = constant(width).prop_map(move |value| Expr {
        kind: ExprKind::Const(value),
        width,
    });
    let slot = SLOT_WIDTHS.iter().position(|slot| *slot == width);
    match slot.and_then(|slot| u32::try_from(slot).ok()) {
        None => value.boxed(),
        Some(slot) => {
            let slot = Just(Expr {
                kind: ExprKind::Slot(SlotId(slot)),
                width,
            });
            prop_oneof![value, slot].boxed()
        }
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one strategy for each kind of expression"
)]
fn expr(width: u32, depth: u32) -> BoxedStrategy<Expr> {
    if depth == 0 {
        return leaf(width);
    }
    let make = move |kind| Expr { kind, width };
    let two = move |of: u32| (expr(of, depth - 1), expr(of, depth - 1));
    let arithmetic = prop::sample::select(vec![
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::Mod,
        BinaryOp::AddSat,
        BinaryOp::SubSat,
        BinaryOp::AddSatSigned,
        BinaryOp::SubSatSigned,
        BinaryOp::And,
        BinaryOp::Or,
        BinaryOp::Xor,
    ]);
    let shifts = prop::sample::select(vec![BinaryOp::Shl, BinaryOp::Shr, BinaryOp::ShrSigned]);
    let binary = (arithmetic, two(width))
        .prop_map(move |(op, (a, b))| make(ExprKind::Binary(op, Box::new(a), Box::new(b))));
    let shift = (
        shifts,
        expr(width, depth - 1),
        prop_oneof![Just(1), Just(8), Just(70)],
    )
        .prop_flat_map(move |(op, a, by)| {
            expr(by, depth - 1)
                .prop_map(move |b| make(ExprKind::Binary(op, Box::new(a.clone()), Box::new(b))))
        });
    let unary = (prop::bool::ANY, expr(width, depth - 1)).prop_map(move |(not, a)| {
        make(ExprKind::Unary(
            if not { UnaryOp::Not } else { UnaryOp::Neg },
            Box::new(a),
        ))
    });
    let mux = (expr(1, depth - 1), two(width)).prop_map(move |(test, (a, b))| {
        make(ExprKind::Mux(Box::new(test), Box::new(a), Box::new(b)))
    });
    let slice = (0..70_u32, 0..70_u32)
        .prop_map(move |(low, above)| {
            let room = 2048 - width;
            (low.min(room), above.min(room - low.min(room)))
        })
        .prop_flat_map(move |(low, above)| {
            expr(width + low + above, depth - 1).prop_map(move |value| {
                let high = low + width - 1;
                make(ExprKind::Slice {
                    value: Box::new(value),
                    high,
                    low,
                })
            })
        });
    let mut all = vec![
        leaf(width),
        binary.boxed(),
        shift.boxed(),
        unary.boxed(),
        mux.boxed(),
        slice.boxed(),
    ];
    if width == 1 {
        let compares = prop::sample::select(vec![
            BinaryOp::Eq,
            BinaryOp::Ne,
            BinaryOp::Lt,
            BinaryOp::Le,
            BinaryOp::LtSigned,
            BinaryOp::LeSigned,
        ]);
        let compare = (compares, self::width()).prop_flat_map(move |(op, of)| {
            (expr(of, depth - 1), expr(of, depth - 1))
                .prop_map(move |(a, b)| make(ExprKind::Binary(op, Box::new(a), Box::new(b))))
        });
        all.push(compare.boxed());
    } else {
        let concat = (1..width).prop_flat_map(move |low| {
            (expr(width - low, depth - 1), expr(low, depth - 1))
                .prop_map(move |(a, b)| make(ExprKind::Concat(Box::new(a), Box::new(b))))
        });
        let extend = (1..width, prop::bool::ANY).prop_flat_map(move |(from, signed)| {
            expr(from, depth - 1).prop_map(move |value| {
                let value = Box::new(value);
                make(if signed {
                    ExprKind::SignExtend(value)
                } else {
                    ExprKind::ZeroExtend(value)
                })
            })
        });
        all.push(concat.boxed());
        all.push(extend.boxed());
    }
    prop::strategy::Union::new(all).boxed()
}

fn slots() -> impl Strategy<Value = Vec<Const>> {
    SLOT_WIDTHS.into_iter().map(constant).collect::<Vec<_>>()
}

/// Widths of the slots of programs that append.
const QUEUE_WIDTHS: [u32; 4] = [128, 256, 1024, 2048];

/// A statement that changes a slot like those that parsers collect octets in.
fn queue_statement() -> impl Strategy<Value = (usize, Expr)> {
    let queue = (0..QUEUE_WIDTHS.len()).prop_flat_map(|slot| (Just(slot), 0..12_u32));
    (queue, constant(128), 0..40_u64).prop_map(|((slot, what), value, amount)| {
        let width = QUEUE_WIDTHS[slot];
        let make = |kind, width| Expr { kind, width };
        let id = |slot: usize| SlotId(u32::try_from(slot).expect("few slots"));
        let old = || Box::new(make(ExprKind::Slot(id(slot)), width));
        let constant = |width: u32| {
            let value = Const::from_limbs(width, value.limbs.clone());
            Box::new(make(ExprKind::Const(value), width))
        };
        let part = |width: u32, high: u32, low: u32, value: Box<Expr>| {
            Box::new(make(ExprKind::Slice { value, high, low }, width))
        };
        let other = QUEUE_WIDTHS.len() - 1 - slot;
        let kind = match what {
            // As many octets as there are in `what`, and sixteen; in one part or in two.
            0..=7 => {
                let bits = if what == 0 { 127 } else { 8 * what };
                let kept = part(width - bits, width - bits - 1, 0, old());
                match u32::try_from(amount).unwrap_or(0) % bits {
                    0 => ExprKind::Concat(kept, constant(bits)),
                    first => {
                        let longer = ExprKind::Concat(kept, constant(first));
                        let longer = make(longer, width - bits + first);
                        ExprKind::Concat(Box::new(longer), constant(bits - first))
                    }
                }
            }
            8 => ExprKind::Binary(BinaryOp::Shl, old(), {
                Box::new(make(ExprKind::Const(Const::new(32, amount * 8)), 32))
            }),
            9 => {
                let small = || {
                    let low = Box::new(make(ExprKind::Slot(id(other)), QUEUE_WIDTHS[other]));
                    part(7, 6, 0, low)
                };
                let once = make(ExprKind::Binary(BinaryOp::Shl, old(), small()), width);
                ExprKind::Binary(BinaryOp::Shl, Box::new(once), small())
            }
            10 => {
                let more = make(ExprKind::ZeroExtend(constant(96)), width);
                ExprKind::Binary(BinaryOp::Or, old(), Box::new(more))
            }
            _ => {
                let from = make(ExprKind::Slot(id(other)), QUEUE_WIDTHS[other]);
                if QUEUE_WIDTHS[other] > width {
                    part(width, width - 1, 0, Box::new(from)).kind
                } else {
                    ExprKind::ZeroExtend(Box::new(from))
                }
            }
        };
        (slot, make(kind, width))
    })
}

/// A sum of constants for the bits of a slot, and another value.
fn sum_of_bits() -> impl Strategy<Value = Expr> {
    let slot = prop::sample::select(vec![1_u32, 2, 3]);
    (
        slot,
        prop::collection::vec(any::<u32>(), 3..64),
        any::<u32>(),
    )
        .prop_map(|(slot, constants, other)| {
            let width = SLOT_WIDTHS[slot as usize];
            let make = |kind, width| Expr { kind, width };
            let number = |value: u32| make(ExprKind::Const(Const::new(32, value.into())), 32);
            let terms = constants
                .into_iter()
                .zip((0..width).cycle())
                .map(|(constant, bit)| {
                    let value = Box::new(make(ExprKind::Slot(SlotId(slot)), width));
                    let slice = ExprKind::Slice {
                        value,
                        high: bit,
                        low: bit,
                    };
                    let one = Box::new(make(ExprKind::Const(Const::new(1, 1)), 1));
                    let set = ExprKind::Binary(BinaryOp::Eq, Box::new(make(slice, 1)), one);
                    let (yes, no) = (Box::new(number(constant)), Box::new(number(0)));
                    make(ExprKind::Mux(Box::new(make(set, 1)), yes, no), 32)
                });
            terms.fold(number(other), |sum, term| {
                make(
                    ExprKind::Binary(BinaryOp::Xor, Box::new(sum), Box::new(term)),
                    32,
                )
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn appended_octets_agree_with_the_reference(
        statements in prop::collection::vec(queue_statement(), 1..40),
        start in QUEUE_WIDTHS.into_iter().map(constant).collect::<Vec<_>>(),
    ) {
        let program = program(&QUEUE_WIDTHS);
        let mut builder = Builder::new(&program).expect("within the limits");
        let mut expected = start.clone();
        for (slot, value) in &statements {
            let place = builder.code.slots[*slot];
            builder.compute(value, place).expect("within the limits");
            builder.release();
            let bits = reference(value, &expected);
            let limbs = bits.chunks(64).map(|limb| {
                limb.iter().rev().fold(0, |sum, bit| sum << 1 | u64::from(*bit))
            });
            expected[*slot] = Const::from_limbs(value.width, limbs.collect());
        }
        builder.emit(Op::End);
        let code = builder.finish().expect("within the limits");
        let frame = execute(&code, &program, &start);
        for (place, value) in code.slots.iter().zip(&expected) {
            prop_assert_eq!(&frame[range(*place)], &value.limbs[..]);
        }
        #[cfg(feature = "native")]
        check_machine_code(&code, &program, &start, &frame, code.slots[statements[0].0]);
    }

    #[test]
    fn sums_of_bits_agree_with_the_reference(expr in sum_of_bits(), slots in slots()) {
        let found = run(&expr, &slots).expect("within the limits");
        prop_assert_eq!(from_const(&found), reference(&expr, &slots));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn compiled_expressions_agree_with_the_reference(
        expr in width().prop_flat_map(|width| expr(width, 2)),
        slots in slots(),
    ) {
        let found = run(&expr, &slots).expect("within the limits");
        prop_assert_eq!(from_const(&found), reference(&expr, &slots));
    }

    #[test]
    fn conditions_agree_with_the_reference(expr in expr(1, 3), slots in slots()) {
        let found = run(&expr, &slots).expect("within the limits");
        prop_assert_eq!(from_const(&found), reference(&expr, &slots));
    }
}
