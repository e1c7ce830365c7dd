// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Methods of headers, header unions, header stacks, and sizes of types.

use crate::{
    ast::{Arg, Expr, Name},
    ir::{BinaryOp, Expr as Ir, StmtKind},
};

use super::{
    Elab, Elaborator, Reported,
    place::Place,
    types::Type,
    value::{Typed, Value},
};

impl Elaborator<'_> {
    /// A method of a value.
    pub(crate) fn value_method(
        &mut self,
        whole: &Expr,
        base: &Expr,
        method: &Name,
        args: &[Arg],
    ) -> Elab<Typed> {
        match &*method.text {
            "setValid" | "setInvalid" => {
                let (ty, place, writable) = self.place(base)?;
                if !ty.is_header() {
                    return Err(self.error(base.span, format!("{ty} is not a header")));
                }
                if !writable {
                    return Err(self.error(base.span, "this header is read-only"));
                }
                if !args.is_empty() {
                    return Err(self.error(whole.span, "this method takes no arguments"));
                }
                let valid = &*method.text == "setValid";
                self.set_valid(&place, valid);
                if valid {
                    self.only_member(base, true);
                }
                Ok(Typed::void())
            }
            "push_front" | "pop_front" => {
                let count = self.only(args, whole.span)?;
                let count = self.const_int(count)?;
                let (ty, place, writable) = self.place(base)?;
                let (Type::Stack(_, size), Place::Stack(..), true) = (&ty, &place, writable) else {
                    return Err(
                        self.error(base.span, "this is not a header stack that can be written")
                    );
                };
                let Ok(count) = u32::try_from(count) else {
                    return Err(self.error(whole.span, "the count must not be negative"));
                };
                self.shift_stack(&place, count.min(*size), &*method.text == "push_front");
                Ok(Typed::void())
            }
            "isValid" => {
                let typed = self.expr(base)?;
                match (&typed.ty, typed.value) {
                    (_, Value::Header(header)) => Ok(Typed::flag(header.valid)),
                    (ty, Value::Parts(members)) if ty.is_union() => {
                        let mut any = Ir::flag(false);
                        for member in members.iter() {
                            if let Value::Header(header) = member {
                                any = Ir::binary(BinaryOp::Or, any, header.valid.clone());
                            }
                        }
                        Ok(Typed::flag(any))
                    }
                    (Type::Unknown, _) => Err(Reported),
                    (ty, _) => Err(self.error(base.span, format!("{ty} is not a header"))),
                }
            }
            "minSizeInBits" | "minSizeInBytes" | "maxSizeInBits" | "maxSizeInBytes" => {
                let ty = self.expr(base)?.ty;
                self.size_method(method, &ty)
            }
            _ => {
                let ty = self.expr(base)?.ty;
                Err(self.error(method.span, format!("{ty} has no method `{}`", method.text)))
            }
        }
    }

    /// Size of a type; only a `varbit` makes the least and the greatest size differ.
    pub(crate) fn size_method(&mut self, method: &Name, ty: &Type) -> Elab<Typed> {
        let most = ty.total_width();
        let bits = if method.text.starts_with("max") {
            most
        } else {
            least_width(ty)
        };
        match &*method.text {
            "minSizeInBits" | "maxSizeInBits" => Ok(Typed::int(bits)),
            "minSizeInBytes" | "maxSizeInBytes" => Ok(Typed::int(bits.div_ceil(8))),
            _ => Err(self.error(method.span, format!("{ty} has no method `{}`", method.text))),
        }
    }

    /// Sets or clears the validity of a header.
    pub(crate) fn set_valid(&mut self, place: &Place, valid: bool) {
        match place {
            Place::Header(id) => {
                let dst = self.headers[id.index()].valid;
                self.emit(StmtKind::Assign {
                    dst,
                    value: Ir::flag(valid),
                });
            }
            Place::Chosen(index, places) => {
                let mut cases = Vec::new();
                for (number, place) in (0_u64..).zip(places.iter()) {
                    let ((), body) = self.collect(|this| this.set_valid(place, valid));
                    let values = vec![crate::ir::Const::new(index.width, number)];
                    cases.push(crate::ir::SwitchCase { values, body });
                }
                self.emit(StmtKind::Switch {
                    key: index.as_ref().clone(),
                    cases,
                    default: Vec::new(),
                });
            }
            _ => {}
        }
    }

    /// If a header is a member of a union, makes the other members invalid.
    pub(crate) fn only_member(&mut self, header: &Expr, check: bool) {
        let crate::ast::ExprKind::Member(base, name) = &header.kind else {
            return;
        };
        let errors = self.diagnostics.list.len();
        let found = self.place(base);
        if !check {
            self.diagnostics.list.truncate(errors);
        }
        let Ok((ty, Place::Union(members), _)) = found else {
            return;
        };
        for ((member, _), place) in ty.parts().unwrap_or_default().iter().zip(members.iter()) {
            if *member != name.text {
                self.set_valid(place, false);
            }
        }
    }

    /// `push_front` and `pop_front`: elements move by copies, the free ones become invalid.
    /// See [P4_16 §8.18](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html#sec-expr-hs).
    fn shift_stack(&mut self, place: &Place, count: u32, push: bool) {
        let Place::Stack(id, elements) = place else {
            return;
        };
        let elements = elements.clone();
        let (size, by) = (elements.len(), count as usize);
        let order: Vec<usize> = if push {
            (0..size).rev().collect()
        } else {
            (0..size).collect()
        };
        for at in order {
            let from = if push {
                at.checked_sub(by)
            } else {
                Some(at + by).filter(|from| *from < size)
            };
            match from {
                Some(from) => {
                    let value = self.read(&elements[from]);
                    self.write(&elements[at], &value);
                }
                None => self.invalidate(&elements[at]),
            }
        }
        let next = self.stacks[id.index()].next_index;
        let now = self.slot_expr(next);
        let count = Ir::number(32, u64::from(count));
        let size = Ir::number(32, size as u64);
        let moved = if push {
            let moved = Ir::binary(BinaryOp::Add, now, count);
            let inside = Ir::binary(BinaryOp::Lt, moved.clone(), size.clone());
            Ir::mux(inside, moved, size)
        } else {
            Ir::binary(BinaryOp::SubSat, now, count)
        };
        self.emit(StmtKind::Assign {
            dst: next,
            value: moved,
        });
    }
}

/// Sum of the widths of all fields, without `varbit`s.
fn least_width(ty: &Type) -> u64 {
    match ty {
        Type::Varbit(_) => 0,
        Type::Stack(element, size) => least_width(element) * u64::from(*size),
        _ if ty.is_union() => {
            let parts = ty.parts().unwrap_or_default();
            parts
                .iter()
                .map(|(_, ty)| least_width(ty))
                .min()
                .unwrap_or(0)
        }
        _ => match ty.parts() {
            Some(parts) => parts.iter().map(|(_, ty)| least_width(ty)).sum(),
            None => ty.total_width(),
        },
    }
}
