// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which types agree: unification of type arguments, and conversions that happen unasked.

use std::rc::Rc;

use crate::{diagnostic::Diagnostic, source::Span};

use super::{
    Check, Checker,
    ty::{Ty, bind},
};

impl Checker<'_> {
    pub(super) fn fresh(&mut self) -> Ty {
        self.inferred.push(None);
        Ty::Var(u32::try_from(self.inferred.len() - 1).unwrap_or(u32::MAX))
    }

    /// What is known of an inferred type.
    pub(super) fn shallow(&self, ty: &Ty) -> Ty {
        let mut ty = ty.clone();
        while let Ty::Var(number) = ty {
            match self.inferred.get(number as usize) {
                Some(Some(known)) => ty = known.clone(),
                _ => break,
            }
        }
        ty
    }

    /// A type with everything replaced that is inferred.
    pub(super) fn settle(&self, ty: &Ty) -> Ty {
        let all = |list: &[Ty]| list.iter().map(|ty| self.settle(ty)).collect::<Rc<[_]>>();
        match self.shallow(ty) {
            Ty::Struct(of, args) => Ty::Struct(of, all(&args)),
            Ty::Stack(element, size) => Ty::Stack(Rc::new(self.settle(&element)), size),
            Ty::Tuple(list) => Ty::Tuple(all(&list)),
            Ty::List(list) => Ty::List(all(&list)),
            Ty::Record(fields) => Ty::Record(
                fields
                    .iter()
                    .map(|(name, ty)| (name.clone(), self.settle(ty)))
                    .collect(),
            ),
            Ty::ListOf(ty) => Ty::ListOf(Rc::new(self.settle(&ty))),
            Ty::Set(ty) => Ty::Set(Rc::new(self.settle(&ty))),
            Ty::Object(of, args) => Ty::Object(of, all(&args)),
            other => other,
        }
    }

    /// Makes both types equal by choosing what is to be inferred; says whether that is possible.
    pub(super) fn unify(&mut self, a: &Ty, b: &Ty) -> bool {
        let (a, b) = (self.shallow(a), self.shallow(b));
        match (&a, &b) {
            (Ty::Unknown, _) | (_, Ty::Unknown) => true,
            (Ty::Var(x), Ty::Var(y)) if x == y => true,
            (Ty::Var(number), other) | (other, Ty::Var(number)) => {
                let settled = self.settle(other);
                if settled.any(&mut |ty| matches!(ty, Ty::Var(inner) if inner == number)) {
                    return false;
                }
                self.inferred[*number as usize] = Some(settled);
                true
            }
            (Ty::Bool, Ty::Bool)
            | (Ty::Int, Ty::Int)
            | (Ty::Error, Ty::Error)
            | (Ty::Str, Ty::Str)
            | (Ty::Void, Ty::Void)
            | (Ty::MatchKind, Ty::MatchKind) => true,
            (Ty::Bits(w, s), Ty::Bits(v, t)) => w == v && s == t,
            (Ty::Varbit(w), Ty::Varbit(v)) => w == v,
            (Ty::Param(x, _), Ty::Param(y, _)) => x == y,
            (Ty::Enum(x), Ty::Enum(y)) => x.id == y.id,
            (Ty::New(x), Ty::New(y)) => x.id == y.id,
            (Ty::Struct(x, xs), Ty::Struct(y, ys)) => x.id == y.id && self.unify_all(xs, ys),
            (Ty::Stack(x, n), Ty::Stack(y, m)) => n == m && self.unify(x, y),
            (Ty::Tuple(x) | Ty::List(x), Ty::Tuple(y) | Ty::List(y)) => self.unify_all(x, y),
            (Ty::Record(x), Ty::Record(y)) => {
                x.len() == y.len()
                    && x.iter()
                        .zip(y.iter())
                        .all(|((n, x), (m, y))| n == m && self.unify(x, y))
            }
            (Ty::ListOf(x), Ty::ListOf(y)) | (Ty::Set(x), Ty::Set(y)) => self.unify(x, y),
            (Ty::Object(x, xs), Ty::Object(y, ys)) => {
                if x.id == y.id {
                    self.unify_all(xs, ys)
                } else {
                    self.unify_blocks(&a, &b)
                }
            }
            _ => false,
        }
    }

    fn unify_all(&mut self, a: &[Ty], b: &[Ty]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.unify(a, b))
    }

    /// A parser or control agrees with a parser or control type if their parameters do.
    fn unify_blocks(&mut self, a: &Ty, b: &Ty) -> bool {
        let (Ty::Object(x, xs), Ty::Object(y, ys)) = (a, b) else {
            return false;
        };
        let (Some(f), Some(g)) = (x.methods.first(), y.methods.first()) else {
            return false;
        };
        if !x.kind.agrees(y.kind) || !matches!(x.kind.word(), "parser" | "control") {
            return false;
        }
        // The block's own type parameters are chosen by what it is used for.
        let (p, q) = (
            self.open_params(&x.params, xs),
            self.open_params(&y.params, ys),
        );
        let (f, g) = (f.clone(), g.clone());
        let (shorter, longer) = (
            f.params.len().min(g.params.len()),
            f.params.len().max(g.params.len()),
        );
        let rest = if f.params.len() > g.params.len() {
            &f.params
        } else {
            &g.params
        };
        rest[shorter..longer].iter().all(|param| param.optional)
            && f.params.iter().zip(&g.params).all(|(f, g)| {
                f.direction == g.direction && self.unify(&f.ty.subst(&p), &g.ty.subst(&q))
            })
    }

    /// A type whose type parameters are open.
    pub(super) fn opened(&mut self, ty: &Ty) -> Ty {
        let mut params: Vec<u32> = Vec::new();
        ty.any(&mut |ty| {
            if let Ty::Param(id, _) = ty {
                params.push(*id);
            }
            false
        });
        let types: Vec<Ty> = params.iter().map(|_| self.fresh()).collect();
        ty.subst(&bind(&params, &types))
    }

    fn open_params(&mut self, params: &[u32], args: &[Ty]) -> super::ty::Binding {
        if args.is_empty() && !params.is_empty() {
            let args: Vec<Ty> = params.iter().map(|_| self.fresh()).collect();
            return bind(params, &args);
        }
        bind(params, args)
    }

    /// Reports a value whose type does not fit.
    pub(super) fn expect(&mut self, span: Span, from: &Ty, to: &Ty) -> Check<()> {
        if self.converts(from, to) {
            return Ok(());
        }
        let (from, to) = (self.settle(from), self.settle(to));
        let message = format!("expected a value of type {to}, found {from}");
        let mut diagnostic = Diagnostic::error(span, message);
        if super::ops::cast_allowed(&from, &to) && !from.is_literal() {
            diagnostic = diagnostic.help(format!("a cast says that this is meant: `({to})`"));
        }
        Err(self.report(diagnostic))
    }

    /// Whether a value of one type may stand where another type is wanted.
    /// See [P4_16 §8.11.2](https://p4.org/p4-spec/docs/P4-16-v1.2.5.html#sec-implicit-casts).
    pub(super) fn converts(&mut self, from: &Ty, to: &Ty) -> bool {
        let (from, to) = (self.shallow(from), self.shallow(to));
        match (&from, &to) {
            (Ty::Int, Ty::Bits(..)) | (Ty::Bits(..), Ty::Int) => true,
            (Ty::Int, Ty::New(of)) => {
                let base = of.ty.clone();
                matches!(base, Ty::Bits(..) | Ty::New(_)) && self.converts(&from, &base)
            }
            // A later argument may ask for a width, so a literal alone decides nothing.
            (Ty::Int, Ty::Var(number)) => {
                self.weak.insert(*number);
                true
            }
            (Ty::Enum(of), _) => match &of.underlying {
                Some(ty) if !matches!(to, Ty::Enum(_) | Ty::Var(_)) => {
                    let ty = ty.clone();
                    self.unify(&ty, &to)
                }
                _ => self.unify(&from, &to),
            },
            (Ty::Invalid | Ty::Dots, Ty::Unknown) => true,
            (Ty::Invalid, _) => to.is_header() || to.is_union(),
            (Ty::Dots, _) => has_default(&to),
            (Ty::List(_), Ty::Set(to)) => self.converts(&from, to),
            (Ty::List(types), Ty::ListOf(element)) => {
                types.iter().all(|ty| self.converts(ty, element))
            }
            (Ty::List(types), Ty::Struct(..) | Ty::Tuple(_) | Ty::Stack(..)) => {
                if to.is_union() {
                    return false;
                }
                let wanted = to.parts().unwrap_or_default();
                self.list_converts(types, &wanted)
            }
            (Ty::Record(fields), Ty::Struct(..)) => {
                if to.is_union() {
                    return false;
                }
                let wanted = to.fields().unwrap_or_default();
                self.record_converts(fields, &wanted)
            }
            _ => self.unify(&from, &to),
        }
    }

    fn list_converts(&mut self, types: &[Ty], wanted: &[Ty]) -> bool {
        let (types, open) = match types.split_last() {
            Some((Ty::Dots, rest)) => (rest, true),
            _ => (types, false),
        };
        if types.len() > wanted.len() || (types.len() < wanted.len() && !open) {
            return false;
        }
        if open && !wanted[types.len()..].iter().all(has_default) {
            return false;
        }
        types
            .iter()
            .zip(wanted)
            .all(|(ty, want)| self.converts(ty, want))
    }

    fn record_converts(&mut self, fields: &[(Rc<str>, Ty)], wanted: &[(Rc<str>, Ty)]) -> bool {
        let open = fields.iter().any(|(name, _)| &**name == "...");
        let known = fields
            .iter()
            .all(|(name, _)| &**name == "..." || wanted.iter().any(|(other, _)| other == name));
        known
            && wanted.iter().all(|(name, want)| {
                match fields.iter().find(|(other, _)| other == name) {
                    Some((_, ty)) => self.converts(ty, want),
                    None => open && has_default(want),
                }
            })
    }
}

/// Whether `...` can stand for a value of a type.
pub(super) fn has_default(ty: &Ty) -> bool {
    match ty {
        Ty::Bool | Ty::Int | Ty::Bits(..) | Ty::Varbit(_) | Ty::Error | Ty::Str | Ty::Unknown => {
            true
        }
        Ty::Enum(_) | Ty::New(_) => true,
        Ty::Struct(..) => ty
            .fields()
            .is_some_and(|fields| fields.iter().all(|(_, ty)| has_default(ty))),
        Ty::Tuple(list) => list.iter().all(has_default),
        Ty::Stack(element, _) => has_default(element),
        _ => false,
    }
}
