// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Transitions of parsers, and the sets that select between them.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use crate::{
    ast::{Decl, DeclKind, Expr, ExprKind, Name, SelectCase, Transition},
    source::Span,
};

use super::{Check, Checker, Reported, scope::Entity, ty::Ty};

impl Checker<'_> {
    pub(super) fn transition(&mut self, transition: &Transition) {
        match transition {
            Transition::None => {}
            Transition::Goto(name) => {
                let _ = self.state_name(name);
            }
            Transition::Select { keys, cases, .. } => {
                let types = self.select_keys(keys);
                for case in cases {
                    let _ = self.state_name(&case.target);
                    if let Ok(types) = &types {
                        let _ = self.case(case, types);
                    }
                }
            }
        }
    }

    fn state_name(&mut self, name: &Name) -> Check<()> {
        if matches!(&*name.text, "accept" | "reject") {
            return Ok(());
        }
        match self.lookup(&name.text) {
            Some(Entity::State) => Ok(()),
            _ => Err(self.error(name.span, format!("there is no state `{}`", name.text))),
        }
    }

    fn select_keys(&mut self, keys: &[Expr]) -> Check<Vec<Ty>> {
        let mut types = Vec::new();
        let mut result = Ok(());
        for key in keys {
            match self.expr(key) {
                Ok(ex) if selectable(&ex.ty) => types.push(ex.ty),
                Ok(ex) => {
                    let message = match ex.ty {
                        Ty::Int => "the width of this key is not known; add a cast".to_owned(),
                        ty => format!("a key of type {ty} is not possible"),
                    };
                    result = Err(self.error(key.span, message));
                }
                Err(Reported) => result = Err(Reported),
            }
        }
        result.map(|()| types)
    }

    fn case(&mut self, case: &SelectCase, types: &[Ty]) -> Check<()> {
        self.keysets(&case.patterns, types, case.span)
    }

    /// The patterns of a case or of an entry, for keys of these types.
    pub(super) fn keysets(&mut self, patterns: &[Expr], types: &[Ty], span: Span) -> Check<()> {
        if let ([one], []) = (patterns, types)
            && matches!(one.kind, ExprKind::Any)
        {
            return Ok(());
        }
        if let ([one], [_, _, ..]) = (patterns, types) {
            let whole = Ty::Tuple(types.iter().cloned().collect());
            if let ExprKind::List(items) = &one.kind
                && items.len() == types.len()
            {
                return self.each_keyset(items, types);
            }
            return self.keyset(one, &whole);
        }
        if patterns.len() != types.len() {
            let message = format!(
                "there are {} keys, but {} patterns",
                types.len(),
                patterns.len()
            );
            return Err(self.error(span, message));
        }
        self.each_keyset(patterns, types)
    }

    fn each_keyset(&mut self, patterns: &[Expr], types: &[Ty]) -> Check<()> {
        let mut result = Ok(());
        for (pattern, ty) in patterns.iter().zip(types) {
            result = self.keyset(pattern, ty).and(result);
        }
        result
    }

    /// A pattern for a key of a type.
    pub(super) fn keyset(&mut self, pattern: &Expr, ty: &Ty) -> Check<()> {
        match &pattern.kind {
            ExprKind::Any => Ok(()),
            ExprKind::Mask(left, right) | ExprKind::Range(left, right) => {
                let number = match ty {
                    Ty::Bits(..) | Ty::Unknown | Ty::New(_) => true,
                    Ty::Enum(of) => of.underlying.is_some(),
                    _ => false,
                };
                if !number {
                    let message = format!("a key of type {ty} has no masks or ranges");
                    return Err(self.error(pattern.span, message));
                }
                let ty = match ty {
                    Ty::Enum(of) => of.underlying.clone().unwrap_or(Ty::Unknown),
                    Ty::New(of) => of.ty.clone(),
                    other => other.clone(),
                };
                let a = self.fixed_as(left, &ty);
                a.and(self.fixed_as(right, &ty))
            }
            ExprKind::List(items) if items.len() == 1 && ty.parts().is_none() => {
                self.keyset(&items[0], ty)
            }
            ExprKind::List(items) if ty.parts().is_some_and(|p| p.len() == items.len()) => {
                self.each_keyset(items, &ty.parts().unwrap_or_default())
            }
            _ => {
                let ex = self.expr(pattern)?;
                if matches!(pattern.kind, ExprKind::Call { .. }) && !ex.fixed {
                    return Err(self.error(pattern.span, "a pattern cannot be a call"));
                }
                match &ex.ty {
                    Ty::Set(of) => {
                        let (of, wanted) = (of.as_ref().clone(), Ty::Tuple(Rc::new([ty.clone()])));
                        let mut parts = Vec::new();
                        flatten(&of, &mut parts);
                        let parts = Ty::Tuple(parts.into());
                        if self.unify(&of, ty)
                            || self.unify(&parts, ty)
                            || (of.parts().is_some() && self.unify(&parts, &wanted))
                        {
                            return Ok(());
                        }
                        let message =
                            format!("the value set holds {of}, but the key is of type {ty}");
                        Err(self.error(pattern.span, message))
                    }
                    Ty::Dots => Err(self.error(pattern.span, "`...` is not a pattern")),
                    // A key of an underlying type is compared with a member's value.
                    _ => {
                        let found = ex.ty.clone();
                        if let (Ty::New(of), true) = (ty, matches!(found, Ty::Int)) {
                            let of = of.ty.clone();
                            return self.convert(pattern.span, ex, &of).map(drop);
                        }
                        self.convert(pattern.span, ex, ty).map(drop)
                    }
                }
            }
        }
    }

    /// A value of a type that is known at compile time.
    fn fixed_as(&mut self, expr: &Expr, ty: &Ty) -> Check<()> {
        if self.expr_as(expr, ty)?.fixed {
            return Ok(());
        }
        Err(self.error(expr.span, "this must be known at compile time"))
    }

    /// A parser must be able to end.
    pub(super) fn check_ends(&mut self, decl: &Decl, states: &[Rc<Decl>]) {
        let mut next: HashMap<&str, (Vec<&str>, bool)> = HashMap::new();
        for state in states {
            let DeclKind::State(body) = &state.kind else {
                continue;
            };
            let (targets, ends): (Vec<&str>, bool) = match &body.transition {
                Transition::None => (Vec::new(), true),
                Transition::Goto(name) => (vec![&*name.text], false),
                Transition::Select { cases, .. } => {
                    let closed = cases
                        .iter()
                        .any(|case| matches!(&case.patterns[..], [one] if matches!(one.kind, ExprKind::Any)));
                    (
                        cases.iter().map(|case| &*case.target.text).collect(),
                        !closed,
                    )
                }
            };
            next.insert(&*state.name.text, (targets, ends));
        }
        let (mut todo, mut seen) = (vec!["start"], HashSet::from(["start"]));
        while let Some(name) = todo.pop() {
            let Some((targets, ends)) = next.get(name) else {
                return;
            };
            if *ends
                || targets
                    .iter()
                    .any(|target| matches!(*target, "accept" | "reject"))
            {
                return;
            }
            for target in targets {
                if seen.insert(*target) {
                    todo.push(target);
                }
            }
        }
        let message = format!(
            "parser `{}` never ends: no state leads to `accept` or `reject`",
            decl.name.text
        );
        self.error(decl.name.span, message);
    }
}

/// Which values `select` can look at.
fn selectable(ty: &Ty) -> bool {
    match ty {
        Ty::Bits(..) | Ty::Bool | Ty::Enum(_) | Ty::Error | Ty::Unknown => true,
        Ty::Tuple(list) | Ty::List(list) => list.iter().all(selectable),
        _ => false,
    }
}

/// Types of the single values in a type, in order.
fn flatten(ty: &Ty, list: &mut Vec<Ty>) {
    match ty.parts() {
        Some(parts) => parts.iter().for_each(|part| flatten(part, list)),
        None => list.push(ty.clone()),
    }
}
