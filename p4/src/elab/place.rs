// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Storage: allocating it, reading it, writing it.

use std::rc::Rc;

use crate::{
    ast::Aggregate,
    ir::{self, BinaryOp, Expr, HeaderId, SlotId, SlotKind, StackId, StmtKind},
    source::Span,
};

use super::{
    Elab, Elaborator, MAX_WIDTH, Reported,
    types::Type,
    value::{HeaderValue, Value},
};

/// Most slots of a program.
const MAX_SLOTS: usize = 200_000;

/// Where a value of some type is kept.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Slot(SlotId),
    /// Bits `high..=low` of a slot.
    Slice(SlotId, u32, u32),
    /// Struct, tuple or array.
    Parts(Rc<Vec<Place>>),
    Header(HeaderId),
    Union(Rc<Vec<Place>>),
    Stack(StackId, Rc<Vec<Place>>),
    /// One of several, chosen at run time.
    Chosen(Box<Expr>, Rc<Vec<Place>>),
    /// Written values are lost (`_` for an `out` parameter).
    Nowhere,
}

impl Elaborator<'_> {
    pub(crate) fn new_slot(
        &mut self,
        name: String,
        width: u32,
        signed: bool,
        kind: SlotKind,
    ) -> SlotId {
        let id = SlotId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push(ir::Slot {
            name,
            width,
            signed,
            kind,
        });
        id
    }

    /// A 1-bit or wider temporary.
    pub(crate) fn temp(&mut self, width: u32) -> SlotId {
        self.new_slot("tmp".into(), width, false, SlotKind::Local)
    }

    /// Storage for a value of a type. Slots get the current slot kind.
    pub(crate) fn allocate(&mut self, span: Span, name: &str, ty: &Type) -> Elab<Place> {
        if self.slots.len() > MAX_SLOTS {
            return Err(self.error(span, "program needs too much storage"));
        }
        if let Some(width) = ty.scalar_width() {
            if width == 0 || width > MAX_WIDTH {
                let message =
                    format!("a variable of {width} bits cannot be stored; 1 to {MAX_WIDTH} can");
                return Err(self.error(span, message));
            }
            let kind = self.slot_kind;
            return Ok(Place::Slot(self.new_slot(
                name.to_owned(),
                width,
                ty.is_signed(),
                kind,
            )));
        }
        match ty.base().clone() {
            Type::Struct(of) if of.kind == Aggregate::Header => {
                self.allocate_header(span, name, &Type::Struct(of))
            }
            Type::Struct(_) | Type::Tuple(_) | Type::List(_) | Type::Record(_) => {
                let mut parts = Vec::new();
                for (field, ty) in ty.parts().unwrap_or_default() {
                    parts.push(self.allocate(span, &format!("{name}.{field}"), &ty)?);
                }
                let parts = Rc::new(parts);
                Ok(if ty.is_union() {
                    Place::Union(parts)
                } else {
                    Place::Parts(parts)
                })
            }
            Type::Stack(element, size) => {
                let mut parts = Vec::new();
                for index in 0..size {
                    parts.push(self.allocate(span, &format!("{name}[{index}]"), &element)?);
                }
                if ty.is_array() {
                    return Ok(Place::Parts(Rc::new(parts)));
                }
                let id = StackId(u32::try_from(self.stacks.len()).unwrap_or(u32::MAX));
                let next_index = self.new_slot(
                    format!("{name}.nextIndex"),
                    32,
                    false,
                    SlotKind::NextIndex(id),
                );
                let elements = parts
                    .iter()
                    .filter_map(|part| {
                        if let Place::Header(id) = part {
                            Some(*id)
                        } else {
                            None
                        }
                    })
                    .collect();
                self.stacks.push(ir::Stack {
                    name: name.to_owned(),
                    elements,
                    next_index,
                });
                Ok(Place::Stack(id, Rc::new(parts)))
            }
            Type::Unknown => Err(Reported),
            Type::Varbit(width) => {
                let kind = self.slot_kind;
                let value = self.new_slot(name.to_owned(), width.max(1), false, kind);
                let length = self.new_slot(format!("{name}.$length$"), 32, false, kind);
                let pair = vec![Place::Slot(value), Place::Slot(length)];
                Ok(Place::Parts(Rc::new(pair)))
            }
            other => Err(self.error(span, format!("a variable cannot have the type {other}"))),
        }
    }

    fn allocate_header(&mut self, span: Span, name: &str, ty: &Type) -> Elab<Place> {
        let id = HeaderId(u32::try_from(self.headers.len()).unwrap_or(u32::MAX));
        let valid = self.new_slot(format!("{name}.$valid$"), 1, false, SlotKind::Validity(id));
        self.headers.push(ir::Header {
            name: name.to_owned(),
            type_name: ty.to_string(),
            valid,
            fields: Vec::new(),
            width: 0,
        });
        self.header_fields.push(Rc::default());
        let outer = std::mem::replace(&mut self.slot_kind, SlotKind::Field(id));
        let mut places = Vec::new();
        let mut result = Ok(());
        for (field, ty) in ty.parts().unwrap_or_default() {
            match self.allocate(span, &format!("{name}.{field}"), &ty) {
                Ok(place) => places.push(place),
                Err(reported) => result = Err(reported),
            }
        }
        self.slot_kind = outer;
        result?;
        let mut fields = Vec::new();
        for place in &places {
            place.each_slot(self, &mut |slot| fields.push(slot));
        }
        let header = &mut self.headers[id.index()];
        header.width = fields
            .iter()
            .map(|slot| self.slots[slot.index()].width)
            .sum();
        header.fields = fields;
        self.header_fields[id.index()] = Rc::new(places);
        Ok(Place::Header(id))
    }

    pub(crate) fn slot_expr(&self, slot: SlotId) -> Expr {
        Expr::slot(slot, self.slots[slot.index()].width)
    }

    /// The value that is stored in a place.
    pub(crate) fn read(&self, place: &Place) -> Value {
        match place {
            Place::Slot(slot) => Value::Bits(self.slot_expr(*slot)),
            Place::Slice(slot, high, low) => Value::Bits(self.slot_expr(*slot).slice(*high, *low)),
            Place::Parts(parts) | Place::Union(parts) => {
                Value::Parts(Rc::new(parts.iter().map(|part| self.read(part)).collect()))
            }
            Place::Stack(_, parts) => {
                Value::Stack(Rc::new(parts.iter().map(|part| self.read(part)).collect()))
            }
            Place::Header(id) => {
                let fields = &self.header_fields[id.index()];
                Value::Header(HeaderValue {
                    valid: self.slot_expr(self.headers[id.index()].valid),
                    fields: Rc::new(fields.iter().map(|field| self.read(field)).collect()),
                    source: Some(*id),
                })
            }
            Place::Chosen(index, places) => {
                let values: Vec<Value> = places.iter().map(|place| self.read(place)).collect();
                choose(index, &values)
            }
            Place::Nowhere => Value::None,
        }
    }

    /// Writes a value whose type is that of the place.
    pub(crate) fn write(&mut self, place: &Place, value: &Value) {
        let mut reads_itself = false;
        if matches!(value, Value::Parts(_) | Value::Header(_) | Value::Stack(_)) {
            let mut written = std::collections::HashSet::new();
            place.each_slot(self, &mut |slot| {
                written.insert(slot);
            });
            value.each_expr(&mut |expr| {
                expr.each_slot(&mut |slot| reads_itself |= written.contains(&slot));
            });
        }
        if reads_itself {
            let value = self.spill(value);
            self.write_parts(place, &value);
        } else {
            self.write_parts(place, value);
        }
    }

    fn write_parts(&mut self, place: &Place, value: &Value) {
        match (place, value) {
            (Place::Slot(slot), Value::Bits(expr)) if *expr != self.slot_expr(*slot) => {
                self.emit(StmtKind::Assign {
                    dst: *slot,
                    value: expr.clone(),
                });
            }
            (Place::Slice(slot, high, low), Value::Bits(expr)) => {
                self.emit(StmtKind::AssignSlice {
                    dst: *slot,
                    high: *high,
                    low: *low,
                    value: expr.clone(),
                });
            }
            (Place::Parts(places) | Place::Union(places), Value::Parts(values))
            | (Place::Stack(_, places), Value::Stack(values) | Value::Parts(values)) => {
                for (place, value) in places.iter().zip(values.iter()) {
                    self.write_parts(place, value);
                }
            }
            (Place::Header(dst), Value::Header(header)) => match header.source {
                Some(src) if src == *dst => {}
                Some(src) => self.emit(StmtKind::CopyHeader { dst: *dst, src }),
                None => self.write_header(*dst, header),
            },
            (Place::Chosen(index, places), value) => {
                let index = self.stable(index);
                let mut cases = Vec::new();
                for (number, place) in (0_u64..).zip(places.iter()) {
                    let ((), body) = self.collect(|this| this.write_parts(place, value));
                    cases.push(ir::SwitchCase {
                        values: vec![ir::Const::new(index.width, number)],
                        body,
                    });
                }
                cases.retain(|case| case.values[0].to_u64().is_some());
                let distinct = 1_u64.checked_shl(index.width).unwrap_or(u64::MAX);
                cases.truncate(usize::try_from(distinct).unwrap_or(usize::MAX));
                self.emit(StmtKind::Switch {
                    key: index,
                    cases,
                    default: Vec::new(),
                });
            }
            _ => {}
        }
    }

    fn write_header(&mut self, dst: HeaderId, header: &HeaderValue) {
        let valid = self.headers[dst.index()].valid;
        let fields = self.header_fields[dst.index()].clone();
        self.emit(StmtKind::Assign {
            dst: valid,
            value: header.valid.clone(),
        });
        for (place, value) in fields.iter().zip(header.fields.iter()) {
            self.write_parts(place, value);
        }
    }

    /// A value whose reads are done now, whatever is written later.
    pub(crate) fn spill(&mut self, value: &Value) -> Value {
        match value {
            Value::Bits(expr) => Value::Bits(self.stable_copy(expr)),
            Value::Parts(parts) => {
                Value::Parts(Rc::new(parts.iter().map(|part| self.spill(part)).collect()))
            }
            Value::Stack(parts) => {
                Value::Stack(Rc::new(parts.iter().map(|part| self.spill(part)).collect()))
            }
            Value::Header(header) => Value::Header(HeaderValue {
                valid: self.stable_copy(&header.valid),
                fields: Rc::new(
                    header
                        .fields
                        .iter()
                        .map(|field| self.spill(field))
                        .collect(),
                ),
                source: None,
            }),
            other => other.clone(),
        }
    }

    /// An expression as a constant or a fresh slot.
    fn stable_copy(&mut self, expr: &Expr) -> Expr {
        if expr.as_const().is_some() {
            return expr.clone();
        }
        let slot = self.temp(expr.width);
        self.emit(StmtKind::Assign {
            dst: slot,
            value: expr.clone(),
        });
        self.slot_expr(slot)
    }

    /// A place that stays the same whatever is written before it is used.
    pub(crate) fn pin(&mut self, place: Place) -> Place {
        match place {
            Place::Chosen(index, places) => {
                Place::Chosen(Box::new(self.stable_copy(&index)), places)
            }
            other => other,
        }
    }

    /// An expression that is cheap to repeat: a constant or a slot.
    pub(crate) fn stable(&mut self, expr: &Expr) -> Expr {
        if matches!(expr.kind, ir::ExprKind::Slot(_)) {
            expr.clone()
        } else {
            self.stable_copy(expr)
        }
    }

    /// Makes every header in a place invalid, and its next indices zero.
    pub(crate) fn invalidate(&mut self, place: &Place) {
        match place {
            Place::Header(id) => {
                let valid = self.headers[id.index()].valid;
                self.emit(StmtKind::Assign {
                    dst: valid,
                    value: Expr::flag(false),
                });
            }
            Place::Parts(parts) | Place::Union(parts) => {
                for part in parts.iter() {
                    self.invalidate(part);
                }
            }
            Place::Stack(id, parts) => {
                for part in parts.iter() {
                    self.invalidate(part);
                }
                let next = self.stacks[id.index()].next_index;
                self.emit(StmtKind::Assign {
                    dst: next,
                    value: Expr::number(32, 0),
                });
            }
            _ => {}
        }
    }
}

impl Place {
    /// Calls `visit` with every slot of the place, validity first.
    pub(crate) fn each_slot(&self, elab: &Elaborator<'_>, visit: &mut impl FnMut(SlotId)) {
        match self {
            Self::Slot(slot) | Self::Slice(slot, ..) => visit(*slot),
            Self::Parts(parts) | Self::Union(parts) | Self::Chosen(_, parts) => {
                for part in parts.iter() {
                    part.each_slot(elab, visit);
                }
            }
            Self::Stack(id, parts) => {
                visit(elab.stacks[id.index()].next_index);
                for part in parts.iter() {
                    part.each_slot(elab, visit);
                }
            }
            Self::Header(id) => {
                visit(elab.headers[id.index()].valid);
                for field in elab.header_fields[id.index()].iter() {
                    field.each_slot(elab, visit);
                }
            }
            Self::Nowhere => {}
        }
    }

    /// Whether it is the same whenever it is evaluated, and whole slots.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Self::Slot(_) | Self::Header(_) => true,
            Self::Parts(parts) | Self::Union(parts) | Self::Stack(_, parts) => {
                parts.iter().all(Self::is_plain)
            }
            Self::Slice(..) | Self::Chosen(..) | Self::Nowhere => false,
        }
    }
}

/// The value with that number; the last one if the number is too large.
pub(crate) fn choose(index: &Expr, values: &[Value]) -> Value {
    let Some((last, rest)) = values.split_last() else {
        return Value::None;
    };
    let mut chosen = last.clone();
    for (number, value) in rest.iter().enumerate().rev() {
        let number = Expr::number(index.width, number as u64);
        let here = Expr::binary(BinaryOp::Eq, index.clone(), number);
        chosen = mux(&here, value, &chosen);
    }
    chosen
}

/// One of two values of a type.
pub(crate) fn mux(condition: &Expr, then: &Value, otherwise: &Value) -> Value {
    let all = |a: &[Value], b: &[Value]| {
        Rc::new(
            a.iter()
                .zip(b)
                .map(|(a, b)| mux(condition, a, b))
                .collect::<Vec<_>>(),
        )
    };
    match (then, otherwise) {
        (Value::Bits(a), Value::Bits(b)) => {
            Value::Bits(Expr::mux(condition.clone(), a.clone(), b.clone()))
        }
        (Value::Parts(a), Value::Parts(b)) => Value::Parts(all(a, b)),
        (Value::Stack(a), Value::Stack(b)) => Value::Stack(all(a, b)),
        (Value::Header(a), Value::Header(b)) => Value::Header(HeaderValue {
            valid: Expr::mux(condition.clone(), a.valid.clone(), b.valid.clone()),
            fields: all(&a.fields, &b.fields),
            source: None,
        }),
        _ => then.clone(),
    }
}
