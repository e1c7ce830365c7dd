// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fields of varying size.
//!
//! A `varbit<N>` is lowered to two slots: N bits with the value at their upper end and zeros below it, and the
//! number of bits that are in use. So assignments, copies and comparisons are those of a struct with two fields.
//! On the wire such a field is read and written in chunks whose sizes are powers of two: a size in
//! octets is a sum of some of them, each at most once.

use crate::{
    ast::{Arg, Expr},
    ir::{self, BinaryOp, Expr as Ir, HeaderId, SlotId, SlotKind, StmtKind},
    source::Span,
};

use super::{Elab, Elaborator, Reported, place::Place, types::Type};

/// A header type with a field of varying size, and one instance of it.
struct Layout {
    /// Slots before the field, the field, and slots after it.
    before: Vec<SlotId>,
    value: SlotId,
    length: SlotId,
    after: Vec<SlotId>,
    /// Most bits of the field.
    most: u32,
}

impl Elaborator<'_> {
    /// `extract(header, size)`
    pub(super) fn extract_sized(&mut self, span: Span, args: &[Arg]) -> Elab<()> {
        let [header, size] = args else {
            return Err(Reported);
        };
        let (header, size) = (&header.value, &size.value);
        let size = self.bits_as(size, &Type::bits(32))?;
        let size = self.stable(&size);
        let next = self.next_index_of(header);
        let (ty, place, writable) = self.place(header)?;
        if !writable || !ty.is_header() {
            return Err(self.error(header.span, "this is not a header that can be written"));
        }
        let place = self.pin(place);
        self.extract_varying(span, &ty, &place, &size)?;
        if let Some(next) = next {
            let one = Ir::number(32, 1);
            let value = Ir::binary(BinaryOp::Add, self.slot_expr(next), one);
            self.emit(StmtKind::Assign { dst: next, value });
        }
        self.only_member(header, false);
        Ok(())
    }

    /// The slot that counts the elements of a stack, if `stack.next` is meant.
    pub(super) fn next_index_of(&mut self, header: &Expr) -> Option<SlotId> {
        let crate::ast::ExprKind::Member(base, name) = &header.kind else {
            return None;
        };
        if &*name.text != "next" {
            return None;
        }
        match self.place(base) {
            Ok((Type::Stack(..), Place::Stack(id, _), _)) => {
                Some(self.stacks[id.index()].next_index)
            }
            _ => None,
        }
    }

    fn extract_varying(&mut self, span: Span, ty: &Type, place: &Place, size: &Ir) -> Elab<()> {
        match place {
            Place::Header(id) => self.extract_header(span, ty, *id, size),
            Place::Chosen(index, places) => {
                let key = index.as_ref().clone();
                let mut cases = Vec::new();
                for (number, place) in (0_u64..).zip(places.iter()) {
                    let (result, body) =
                        self.collect(|this| this.extract_varying(span, ty, place, size));
                    result?;
                    let values = vec![ir::Const::new(key.width, number)];
                    cases.push(ir::SwitchCase { values, body });
                }
                self.emit(StmtKind::Switch {
                    key,
                    cases,
                    default: Vec::new(),
                });
                Ok(())
            }
            _ => Err(Reported),
        }
    }

    /// The order of slots in a header, if it has a field of varying size.
    fn layout(&mut self, span: Span, ty: &Type, id: HeaderId) -> Elab<Layout> {
        let parts = ty.parts().unwrap_or_default();
        let places = self.header_fields[id.index()].clone();
        let mut layout: Option<Layout> = None;
        let mut before = Vec::new();
        for ((_, ty), place) in parts.iter().zip(places.iter()) {
            match (ty, place, &mut layout) {
                (Type::Varbit(most), Place::Parts(pair), None) => {
                    let [Place::Slot(value), Place::Slot(length)] = pair.as_slice() else {
                        return Err(Reported);
                    };
                    layout = Some(Layout {
                        before: std::mem::take(&mut before),
                        value: *value,
                        length: *length,
                        after: Vec::new(),
                        most: *most,
                    });
                }
                (Type::Varbit(_), ..) => {
                    return Err(self.error(span, "a header has at most one field of type varbit"));
                }
                (_, place, None) => place.each_slot(self, &mut |slot| before.push(slot)),
                (_, place, Some(layout)) => {
                    place.each_slot(self, &mut |slot| layout.after.push(slot));
                }
            }
        }
        let layout = layout.ok_or_else(|| self.error(span, "there is no field of type varbit"))?;
        if !self.width_of(&layout.before).is_multiple_of(8) {
            return Err(self.unsupported(span, "a varbit field that does not begin with an octet"));
        }
        Ok(layout)
    }

    fn width_of(&self, slots: &[SlotId]) -> u32 {
        slots
            .iter()
            .map(|slot| self.slots[slot.index()].width)
            .sum()
    }

    fn extract_header(&mut self, span: Span, ty: &Type, id: HeaderId, size: &Ir) -> Elab<()> {
        let layout = self.layout(span, ty, id)?;
        self.check_size(size, layout.most);
        let sizes = chunk_sizes(layout.most);
        let chunks: Vec<SlotId> = sizes.iter().map(|size| self.temp(*size)).collect();
        let fixed = self.width_of(&layout.before) + self.width_of(&layout.after);
        let mut cases = Vec::new();
        for bits in (0..=layout.most).step_by(8) {
            let parts = sizes.iter().zip(&chunks);
            let used = parts
                .filter(|(size, _)| bits & **size != 0)
                .map(|(_, chunk)| *chunk);
            let mut slots = layout.before.clone();
            slots.extend(used);
            slots.extend(&layout.after);
            let ((), body) = self.collect(|this| {
                if !slots.is_empty() {
                    this.emit(StmtKind::Lookahead(slots));
                }
                this.emit(StmtKind::Advance(Ir::number(32, u64::from(bits + fixed))));
            });
            let values = vec![ir::Const::new(32, u64::from(bits))];
            cases.push(ir::SwitchCase { values, body });
        }
        self.emit(StmtKind::Switch {
            key: size.clone(),
            cases,
            default: Vec::new(),
        });
        self.join_chunks(&layout, &sizes, &chunks, size);
        let valid = self.headers[id.index()].valid;
        self.emit(StmtKind::Assign {
            dst: valid,
            value: Ir::flag(true),
        });
        Ok(())
    }

    /// A size that is no number of octets, or too large, is an error of the parser.
    fn check_size(&mut self, size: &Ir, most: u32) {
        let octets = Ir::binary(BinaryOp::Eq, size.clone().slice(2, 0), Ir::number(3, 0));
        self.verify(octets, "ParserInvalidArgument");
        let most = Ir::number(32, u64::from(most));
        let fits = Ir::binary(BinaryOp::Le, size.clone(), most);
        self.verify(fits, "HeaderTooShort");
    }

    fn verify(&mut self, condition: Ir, name: &str) {
        let number = self.errors.iter().position(|error| &**error == name);
        let error = Ir::number(ir::ENUM_WIDTH, number.unwrap_or(0) as u64);
        self.emit(StmtKind::Verify { condition, error });
    }

    /// Puts chunks together, the last one first, at the upper end of the value.
    fn join_chunks(&mut self, layout: &Layout, sizes: &[u32], chunks: &[SlotId], size: &Ir) {
        let most = layout.most;
        self.emit(StmtKind::Assign {
            dst: layout.length,
            value: size.clone(),
        });
        self.emit(StmtKind::Assign {
            dst: layout.value,
            value: Ir::number(most, 0),
        });
        for (bits, chunk) in sizes.iter().zip(chunks).rev() {
            let old = self.slot_expr(layout.value);
            let chunk = self.slot_expr(*chunk);
            let value = if *bits == most {
                chunk
            } else {
                Ir::concat(chunk, old.slice(most - 1, *bits))
            };
            let condition = bit_of(size, *bits);
            let then = vec![ir::Stmt {
                kind: StmtKind::Assign {
                    dst: layout.value,
                    value,
                },
                span: self.span,
            }];
            self.emit(StmtKind::If {
                condition,
                then,
                otherwise: Vec::new(),
            });
        }
    }

    /// Emits a header with a field of varying size: what is before it, its chunks, what is after it.
    pub(super) fn emit_varying(&mut self, span: Span, ty: &Type, id: HeaderId) -> Elab<()> {
        let layout = self.layout(span, ty, id)?;
        let valid = self.slot_expr(self.headers[id.index()].valid);
        self.emit_part(&layout.before, &valid);
        let rest = self.temp(layout.most);
        let value = self.slot_expr(layout.value);
        self.emit(StmtKind::Assign { dst: rest, value });
        let length = self.slot_expr(layout.length);
        for bits in chunk_sizes(layout.most) {
            let here = Ir::and(valid.clone(), bit_of(&length, bits));
            let old = self.slot_expr(rest);
            let top = old.clone().slice(layout.most - 1, layout.most - bits);
            self.emit_value_part(&[top], &here);
            let then = vec![ir::Stmt {
                kind: StmtKind::Assign {
                    dst: rest,
                    value: Ir::binary(BinaryOp::Shl, old, Ir::number(32, u64::from(bits))),
                },
                span: self.span,
            }];
            self.emit(StmtKind::If {
                condition: here,
                then,
                otherwise: Vec::new(),
            });
        }
        self.emit_part(&layout.after, &valid);
        Ok(())
    }

    fn emit_part(&mut self, slots: &[SlotId], valid: &Ir) {
        let values: Vec<Ir> = slots.iter().map(|slot| self.slot_expr(*slot)).collect();
        if !values.is_empty() {
            self.emit_value_part(&values, valid);
        }
    }

    /// Emits values as a header that exists for this only.
    fn emit_value_part(&mut self, values: &[Ir], valid: &Ir) {
        let id = HeaderId(u32::try_from(self.headers.len()).unwrap_or(u32::MAX));
        let name = format!("$part{}", id.0);
        let flag = self.new_slot(format!("{name}.$valid$"), 1, false, SlotKind::Validity(id));
        let mut fields = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let kind = SlotKind::Field(id);
            fields.push(self.new_slot(format!("{name}.f{index}"), value.width, false, kind));
        }
        self.headers.push(ir::Header {
            name: name.clone(),
            type_name: name,
            valid: flag,
            width: values.iter().map(|value| value.width).sum(),
            fields: fields.clone(),
        });
        let places = fields.iter().map(|slot| Place::Slot(*slot)).collect();
        self.header_fields.push(std::rc::Rc::new(places));
        self.emit(StmtKind::Assign {
            dst: flag,
            value: valid.clone(),
        });
        for (dst, value) in fields.into_iter().zip(values) {
            let value = value.clone();
            self.emit(StmtKind::Assign { dst, value });
        }
        self.emit(StmtKind::Emit(id));
    }
}

/// Whether a header type has a field of varying size.
pub(super) fn is_varying(ty: &Type) -> bool {
    ty.is_header()
        && ty
            .parts()
            .is_some_and(|parts| parts.iter().any(|(_, ty)| matches!(ty, Type::Varbit(_))))
}

/// Sizes in bits whose sums are all numbers of octets up to a size, greatest first.
fn chunk_sizes(most: u32) -> Vec<u32> {
    let mut sizes: Vec<u32> = (3..32)
        .map(|bit| 1 << bit)
        .take_while(|size| *size <= most)
        .collect();
    sizes.reverse();
    sizes
}

/// Whether a chunk of that size is used; sizes are powers of two.
fn bit_of(length: &Ir, size: u32) -> Ir {
    let bit = size.trailing_zeros();
    length.clone().slice(bit, bit)
}
