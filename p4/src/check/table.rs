// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables: keys, actions, entries and other properties.

use std::{collections::HashMap, rc::Rc};

use num_bigint::BigInt;

use crate::{
    ast::{
        Annotations, Arg, Binary, Decl, Direction, Entry, Expr, ExprKind, Name, Property, Table,
    },
    diagnostic::Diagnostic,
    source::Span,
};

use super::{
    Check, Checker, Reported, Within,
    constant::Const,
    rules::same_args,
    scope::{ActionEntity, Entity, TableEntity},
    ty::{Binding, Sig, Ty},
};

/// An action in the list of a table.
struct Listed<'a> {
    name: &'a Name,
    action: Rc<ActionEntity>,
    /// Arguments for its parameters with a direction.
    args: &'a [Arg],
    annotations: &'a Annotations,
}

impl Checker<'_> {
    pub(super) fn table(&mut self, decl: &Rc<Decl>, table: &Table) -> Check<()> {
        self.control_name(decl, true);
        let outer = std::mem::replace(&mut self.body.within, Within::Table);
        // Inside of its properties, the table's name is not of any use.
        self.scopes.push(super::scope::Scope::default());
        let nobody = TableEntity {
            actions: Rc::new([]),
        };
        self.declare(&decl.name, Entity::Table(Rc::new(nobody)));
        let names = self.table_parts(decl, table);
        self.scopes.pop();
        self.body.within = outer;
        let entity = match names {
            Ok(names) => Entity::Table(Rc::new(TableEntity {
                actions: names.into(),
            })),
            Err(Reported) => Entity::Broken,
        };
        self.declare(&decl.name, entity);
        Ok(())
    }

    /// All properties; gives the names of the actions.
    fn table_parts(&mut self, decl: &Rc<Decl>, table: &Table) -> Check<Vec<Rc<str>>> {
        let keys = self.keys(table);
        if !table.has_actions {
            let message = format!("table `{}` has no actions", decl.name.text);
            return Err(self.error(decl.name.span, message));
        }
        let listed = self.action_list(table)?;
        let names = listed.iter().map(|one| one.name.text.clone()).collect();
        match &table.default_action {
            Some((_, value)) => {
                let _ = self.default_action(&listed, value);
            }
            None => self.check_no_action(decl)?,
        }
        if let Some(entries) = &table.entries {
            if table.keys.is_empty() && !entries.list.is_empty() {
                return Err(self.error(decl.name.span, "a table without a key has no entries"));
            }
            if let Ok(keys) = &keys {
                for entry in &entries.list {
                    let _ = self.entry(entry, table, keys, &listed);
                }
                self.check_priorities(table);
                self.check_duplicates(table);
            }
        }
        for property in &table.properties {
            self.check_annotations(&property.annotations);
            let _ = self.property(property);
        }
        keys.map(|_| names)
    }

    fn keys(&mut self, table: &Table) -> Check<Vec<Ty>> {
        let mut types = Vec::new();
        let mut result = Ok(());
        for key in &table.keys {
            self.check_annotations(&key.annotations);
            if !self.match_kinds.contains(&key.match_kind.text) {
                let message = format!("match kind `{}` is not declared", key.match_kind.text);
                result = Err(self.error(key.match_kind.span, message));
            }
            match self.expr(&key.value) {
                Ok(ex) if matchable(&ex.ty) => types.push(ex.ty),
                Ok(ex) => {
                    let message = format!("a key of type {} is not possible", ex.ty);
                    result = Err(self.error(key.value.span, message));
                }
                Err(Reported) => result = Err(Reported),
            }
            let named = key.annotations.iter().any(|one| &*one.name.text == "name");
            if !named && !has_name(&key.value) {
                result = Err(self.report(
                    Diagnostic::error(key.value.span, "this key has no name for the control plane")
                        .help("give it one: `@name(\"...\")`"),
                ));
            }
        }
        result.map(|()| types)
    }

    fn action_list<'t>(&mut self, table: &'t Table) -> Check<Vec<Listed<'t>>> {
        let mut listed: Vec<Listed<'t>> = Vec::new();
        let mut result = Ok(());
        for one in &table.actions {
            self.check_annotations(&one.annotations);
            let Some((name, global, args)) = action_parts(&one.value) else {
                result = Err(self.error(one.value.span, "expected the name of an action"));
                continue;
            };
            let action = match self.entity(name, global) {
                Ok(Entity::Action(action)) => action,
                Ok(_) => {
                    let message = format!("`{}` is not an action", name.text);
                    result = Err(self.error(name.span, message));
                    continue;
                }
                Err(Reported) => {
                    result = Err(Reported);
                    continue;
                }
            };
            if listed.iter().any(|other| other.name.text == name.text) {
                let message = format!("action `{}` is listed twice", name.text);
                result = Err(self.error(name.span, message));
                continue;
            }
            if self.bound_args(one.value.span, &action.sig, args).is_err() {
                result = Err(Reported);
            }
            listed.push(Listed {
                name,
                action,
                args,
                annotations: &one.annotations,
            });
        }
        result.map(|()| listed)
    }

    /// In the list, parameters with a direction are bound, and no others.
    fn bound_args(&mut self, span: Span, sig: &Rc<Sig>, args: &[Arg]) -> Check<()> {
        let bound: Vec<_> = sig
            .params
            .iter()
            .filter(|param| param.direction != Direction::None)
            .cloned()
            .collect();
        if args.len() > bound.len() {
            return Err(self.error(
                span,
                "a parameter without a direction is set by the control plane",
            ));
        }
        let missing = bound.get(args.len()).filter(|param| !param.optional);
        if let Some(param) = missing
            && args.iter().all(|arg| arg.name.is_none())
        {
            let message = format!("parameter `{}` must be bound", param.name);
            return Err(self.error(span, message));
        }
        let part = Sig {
            name: sig.name.clone(),
            span: sig.span,
            type_params: Vec::new(),
            params: bound,
            ret: Ty::Void,
            kind: sig.kind,
            wild: Vec::new(),
            optional: false,
            pure: false,
        };
        self.action_args += 1;
        let result = self.arguments(span, &part, &Binding::new(), args);
        self.action_args -= 1;
        result
    }

    /// An action with all its arguments, as a default or in an entry.
    fn whole_action(&mut self, listed: &[Listed<'_>], value: &Expr) -> Check<usize> {
        let Some((name, global, args)) = action_parts(value) else {
            return Err(self.error(value.span, "expected an action"));
        };
        let Entity::Action(action) = self.entity(name, global)? else {
            return Err(self.error(name.span, format!("`{}` is not an action", name.text)));
        };
        let Some(at) = listed.iter().position(|one| one.action.id == action.id) else {
            let message = format!("`{}` is not an action of this table", name.text);
            return Err(self.error(name.span, message));
        };
        let bound = listed[at].args;
        let fixed = action
            .sig
            .params
            .iter()
            .filter(|param| param.direction == Direction::None);
        let (given, rest) = if args.len() > fixed.clone().count() || bound.is_empty() {
            args.split_at(bound.len().min(args.len()))
        } else {
            (bound, args)
        };
        if !same_args(given, bound) {
            return Err(self.error(
                value.span,
                "these arguments are not those in the list of actions",
            ));
        }
        let part = Sig {
            name: action.sig.name.clone(),
            span: action.sig.span,
            type_params: Vec::new(),
            params: fixed.cloned().collect(),
            ret: Ty::Void,
            kind: super::ty::SigKind::Constructor,
            wild: Vec::new(),
            optional: false,
            pure: false,
        };
        self.arguments(value.span, &part, &Binding::new(), rest)?;
        Ok(at)
    }

    fn default_action(&mut self, listed: &[Listed<'_>], value: &Expr) -> Check<()> {
        let at = self.whole_action(listed, value)?;
        if annotated(listed[at].annotations, "tableonly") {
            return Err(self.error(value.span, "this action is only for entries"));
        }
        Ok(())
    }

    /// A table without a default action runs `NoAction`.
    fn check_no_action(&mut self, decl: &Decl) -> Check<()> {
        let found = match self.lookup_global("NoAction") {
            Some(Entity::Action(action)) => action.sig.params.is_empty(),
            _ => false,
        };
        if found {
            return Ok(());
        }
        Err(self.report(
            Diagnostic::error(
                decl.name.span,
                "the default action would be `NoAction`, which is not declared",
            )
            .help("include core.p4, or give the table a default action"),
        ))
    }

    fn entry(
        &mut self,
        entry: &Entry,
        table: &Table,
        keys: &[Ty],
        listed: &[Listed<'_>],
    ) -> Check<()> {
        let sets = self.keysets(&entry.keys, keys, entry.span);
        if entry.keys.len() == table.keys.len() {
            for ((pattern, key), ty) in entry.keys.iter().zip(&table.keys).zip(keys) {
                self.check_pattern(pattern, &key.match_kind.text, ty)?;
            }
        }
        let at = self.whole_action(listed, &entry.action)?;
        if annotated(listed[at].annotations, "defaultonly") {
            return Err(self.error(entry.action.span, "this action is only a default action"));
        }
        if let Some(priority) = &entry.priority {
            self.const_int(priority)?;
        }
        sets
    }

    /// Which patterns fit which kind of match.
    fn check_pattern(&mut self, pattern: &Expr, kind: &str, ty: &Ty) -> Check<()> {
        let fault = match (&pattern.kind, kind) {
            (ExprKind::Mask(..), "range" | "optional")
            | (ExprKind::Range(..), "exact" | "lpm" | "ternary" | "optional")
            | (ExprKind::Any, "exact") => true,
            (ExprKind::Mask(_, mask), "lpm") => {
                let value = self.expr(mask)?.value;
                match (value.as_ref().and_then(Const::int), ty) {
                    (Some(mask), Ty::Bits(width, _)) => !is_prefix(mask, *width),
                    _ => false,
                }
            }
            _ => false,
        };
        if fault {
            let message = format!("this is no pattern for a key with match kind `{kind}`");
            return Err(self.error(pattern.span, message));
        }
        Ok(())
    }

    /// Priorities are for tables whose matches may overlap.
    fn check_priorities(&mut self, table: &Table) {
        let Some(entries) = &table.entries else {
            return;
        };
        let overlapping = table
            .keys
            .iter()
            .any(|key| matches!(&*key.match_kind.text, "ternary" | "range" | "optional"));
        let given = |entry: &Entry| entry.priority.is_some();
        if let Some(first) = entries.list.first()
            && !given(first)
            && entries.list.iter().any(given)
        {
            self.error(
                first.span,
                "the first entry needs a priority, because others have one",
            );
        }
        for entry in &entries.list {
            if let Some(priority) = &entry.priority
                && !overlapping
            {
                self.error(priority.span, "entries of this table have no priorities");
            }
        }
    }

    /// Entries of a table that matches exactly must differ.
    fn check_duplicates(&mut self, table: &Table) {
        let Some(entries) = &table.entries else {
            return;
        };
        if !table
            .keys
            .iter()
            .all(|key| &*key.match_kind.text == "exact")
        {
            return;
        }
        let mut seen: HashMap<Vec<Const>, Span> = HashMap::new();
        for entry in &entries.list {
            let values = entry.keys.iter().map(|key| match &key.kind {
                ExprKind::Any | ExprKind::Mask(..) | ExprKind::Range(..) => None,
                _ => self.expr(key).ok().and_then(|ex| ex.value),
            });
            let Some(values) = values.collect::<Option<Vec<Const>>>() else {
                continue;
            };
            if let Some(first) = seen.insert(values, entry.span) {
                self.report(
                    Diagnostic::error(entry.span, "an entry with this key is already there")
                        .note(first, "first here"),
                );
            }
        }
    }

    fn property(&mut self, property: &Property) -> Check<()> {
        let ex = match &property.value.kind {
            // Which names a property of an architecture takes is not known here.
            ExprKind::Name { name, .. }
                if matches!(self.lookup(&name.text), Some(Entity::Action(_))) =>
            {
                return Ok(());
            }
            _ => self.expr(&property.value)?,
        };
        match &*property.name.text {
            "size" | "priority_delta" => match (&ex.ty, &ex.value) {
                (Ty::Int | Ty::Bits(..), Some(Const::Int(value))) => {
                    let least = i32::from(&*property.name.text == "priority_delta");
                    if *value < BigInt::from(least) {
                        return Err(self.error(property.value.span, "this number is too small"));
                    }
                    Ok(())
                }
                (Ty::Int | Ty::Bits(..), None) if ex.fixed => Ok(()),
                _ => Err(self.error(
                    property.value.span,
                    "this is not an integer that is known at compile time",
                )),
            },
            "largest_priority_wins" => self.convert(property.value.span, ex, &Ty::Bool).map(drop),
            _ => Ok(()),
        }
    }
}

/// Name of an action, whether it has a dot, and arguments.
fn action_parts(value: &Expr) -> Option<(&Name, bool, &[Arg])> {
    match &value.kind {
        ExprKind::Name { name, global } => Some((name, *global, &[])),
        ExprKind::Call {
            callee,
            args,
            type_args,
        } if type_args.is_empty() => match &callee.kind {
            ExprKind::Name { name, global } => Some((name, *global, args)),
            _ => None,
        },
        _ => None,
    }
}

fn annotated(annotations: &Annotations, name: &str) -> bool {
    annotations.iter().any(|one| &*one.name.text == name)
}

/// Which values tables match.
fn matchable(ty: &Ty) -> bool {
    match ty {
        Ty::Bits(..) | Ty::Bool | Ty::Enum(_) | Ty::Error | Ty::Unknown | Ty::Varbit(_) => true,
        Ty::New(of) => matchable(&of.ty),
        _ => false,
    }
}

/// Whether an expression is its own name.
fn has_name(key: &Expr) -> bool {
    match &key.kind {
        ExprKind::Name { .. } | ExprKind::Int { .. } | ExprKind::Bool(_) => true,
        ExprKind::Member(base, _) => has_name(base),
        ExprKind::Index(base, index) | ExprKind::Binary(Binary::BitAnd, base, index) => {
            has_name(base) && has_name(index)
        }
        ExprKind::Slice(base, ..) => has_name(base),
        ExprKind::Call { callee, args, .. } => {
            args.is_empty()
                && matches!(&callee.kind, ExprKind::Member(base, name)
                    if &*name.text == "isValid" && has_name(base))
        }
        _ => false,
    }
}

/// Ones, then zeros.
fn is_prefix(mask: &BigInt, width: u32) -> bool {
    let all = (BigInt::from(1) << width) - 1;
    let rest: BigInt = &all - (mask & &all);
    (&rest & (&rest + 1)) == BigInt::from(0)
}
