// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The packet: what a parser takes from it, and what a deparser writes.

use crate::{
    ast::{Arg, Expr, ExprKind, Name, TypeExpr},
    ir::{self, SlotKind, StmtKind},
    source::Span,
};

use super::{
    Elab, Elaborator, Reported,
    place::Place,
    types::Type,
    value::{Typed, Value},
};

impl Elaborator<'_> {
    /// Methods of `packet_in`.
    pub(super) fn packet_in(
        &mut self,
        span: Span,
        method: &Name,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Elab<Typed> {
        match &*method.text {
            "extract" if args.len() == 2 => {
                self.extract_sized(span, args)?;
                Ok(Typed::void())
            }
            "extract" => {
                let arg = self.only(args, span)?;
                self.extract(span, type_args, arg)?;
                Ok(Typed::void())
            }
            "lookahead" => self.lookahead(span, type_args),
            "advance" => {
                let arg = self.only(args, span)?;
                let bits = self.bits_as(arg, &Type::bits(32))?;
                self.emit(StmtKind::Advance(bits));
                Ok(Typed::void())
            }
            "length" => {
                let length = ir::Expr {
                    kind: ir::ExprKind::PacketLength,
                    width: 32,
                };
                Ok(Typed::bits(Type::bits(32), length))
            }
            _ => Err(self.error(
                method.span,
                format!("`packet_in` has no method `{}`", method.text),
            )),
        }
    }

    fn extract(&mut self, span: Span, type_args: &[TypeExpr], arg: &Expr) -> Elab<()> {
        if let ExprKind::Member(base, name) = &arg.kind
            && &*name.text == "next"
            && let Ok((Type::Stack(element, _), Place::Stack(id, places), _)) = self.place(base)
            && element.is_header()
        {
            let _ = places;
            self.emit(StmtKind::ExtractNext(id));
            return Ok(());
        }
        if matches!(arg.kind, ExprKind::Any) {
            let [ty] = type_args else {
                return Err(self.error(span, "`extract(_)` needs a type argument"));
            };
            let ty = self.resolve(ty)?;
            let place = self.allocate(span, "skipped", &ty)?;
            self.extract_place(&place);
            return Ok(());
        }
        let next = self.next_inside(arg);
        let (ty, place, writable) = self.place(arg)?;
        if !writable {
            return Err(self.error(arg.span, "this header is read-only"));
        }
        if !ty.is_header() {
            return Err(self.error(
                arg.span,
                format!("only a header can be extracted, not {ty}"),
            ));
        }
        self.extract_place(&place);
        self.only_member(arg, false);
        if let Some(next) = next {
            let one = ir::Expr::number(32, 1);
            let value = ir::Expr::binary(ir::BinaryOp::Add, self.slot_expr(next), one);
            self.emit(StmtKind::Assign { dst: next, value });
        }
        Ok(())
    }

    /// The slot that counts the elements of a stack, if `stack.next.member` is meant.
    fn next_inside(&mut self, arg: &Expr) -> Option<ir::SlotId> {
        let ExprKind::Member(base, _) = &arg.kind else {
            return None;
        };
        self.next_index_of(base)
    }

    fn extract_place(&mut self, place: &Place) {
        match place {
            Place::Header(id) => self.emit(StmtKind::Extract(*id)),
            Place::Chosen(index, places) => {
                let key = self.stable(index);
                let mut cases = Vec::new();
                for (number, place) in (0_u64..).zip(places.iter()) {
                    let ((), body) = self.collect(|this| this.extract_place(place));
                    cases.push(ir::SwitchCase {
                        values: vec![ir::Const::new(key.width, number)],
                        body,
                    });
                }
                self.emit(StmtKind::Switch {
                    key,
                    cases,
                    default: Vec::new(),
                });
            }
            _ => {}
        }
    }

    fn lookahead(&mut self, span: Span, type_args: &[TypeExpr]) -> Elab<Typed> {
        let [ty] = type_args else {
            return Err(self.error(span, "`lookahead` needs a type argument"));
        };
        let ty = self.resolve(ty)?;
        let kind = std::mem::replace(&mut self.slot_kind, SlotKind::Local);
        let place = self.allocate(span, "lookahead", &ty);
        self.slot_kind = kind;
        let place = place?;
        let (mut slots, mut valid) = (Vec::new(), Vec::new());
        place.each_slot(self, &mut |slot| match self.slots[slot.index()].kind {
            SlotKind::Validity(_) => valid.push(slot),
            SlotKind::NextIndex(_) => {}
            _ => slots.push(slot),
        });
        self.emit(StmtKind::Lookahead(slots));
        for slot in valid {
            self.emit(StmtKind::Assign {
                dst: slot,
                value: ir::Expr::flag(true),
            });
        }
        let value = self.read(&place);
        Ok(Typed::new(ty, value))
    }

    /// `packet_out.emit`
    pub(super) fn emit_call(&mut self, span: Span, method: &Name, args: &[Arg]) -> Elab<Typed> {
        if &*method.text != "emit" {
            return Err(self.error(
                method.span,
                format!("`packet_out` has no method `{}`", method.text),
            ));
        }
        let arg = self.only(args, span)?;
        let typed = self.expr(arg)?;
        self.emit_value(arg, &typed.ty, &typed.value)?;
        Ok(Typed::void())
    }

    fn emit_value(&mut self, arg: &Expr, ty: &Type, value: &Value) -> Elab<()> {
        match value {
            Value::Header(header) => {
                let id = if let Some(id) = header.source {
                    id
                } else {
                    let place = self.allocate(arg.span, "emitted", ty)?;
                    self.write(&place, value);
                    let Place::Header(id) = place else {
                        return Err(Reported);
                    };
                    id
                };
                if super::varbit::is_varying(ty) {
                    return self.emit_varying(arg.span, ty, id);
                }
                self.emit(StmtKind::Emit(id));
                Ok(())
            }
            Value::Parts(values) => {
                for ((_, ty), value) in ty.parts().unwrap_or_default().iter().zip(values.iter()) {
                    self.emit_value(arg, ty, value)?;
                }
                Ok(())
            }
            Value::Stack(values) => {
                let Type::Stack(element, _) = ty else {
                    return Err(Reported);
                };
                for value in values.iter() {
                    self.emit_value(arg, element, value)?;
                }
                Ok(())
            }
            _ => Err(self.error(arg.span, format!("only headers can be emitted, not {ty}"))),
        }
    }
}
