// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables: keys, actions, entries and properties.

use std::rc::Rc;

use crate::{
    ast::{self, ActionRef, Arg, DeclKind, Direction, Expr, ExprKind},
    diagnostic::Diagnostic,
    ir::{
        self, ActionCall, ActionScope, Const, Match, MatchKind, Pattern, SlotId, StmtKind,
        TableAction, TableId,
    },
    source::Span,
};

use super::{
    Action, Elab, Elaborator, Entity, Instance, InstanceKind, Reported, Stage, TableDecl,
    info::{KeyInfo, TableInfo, name_annotation},
    types::Type,
    value::{Typed, Value},
};

/// Size of a table that gives none, as v1model has it.
const DEFAULT_SIZE: u64 = 1024;

impl Elaborator<'_> {
    /// `table.apply()`
    pub(crate) fn apply_table(&mut self, span: Span, table: &Rc<TableDecl>) -> Elab<Typed> {
        if self.stage == Stage::Parser || self.stage == Stage::Deparser {
            return Err(self.error(
                span,
                "a table can only be applied in a control that is no deparser",
            ));
        }
        if self.frames.iter().any(|frame| {
            matches!(
                frame.kind,
                super::FrameKind::Action
                    | super::FrameKind::TableAction
                    | super::FrameKind::Function
            )
        }) {
            return Err(self.error(span, "a table cannot be applied in an action or a function"));
        }
        self.visited.insert(table.decl.id);
        let known = self.lowered_tables.get(&table.name).copied();
        let id = match known {
            Some(id) => {
                self.refresh_keys(table, id);
                id
            }
            None => self.lower_table(table)?,
        };
        let hit = self.temp(1);
        let run = self.temp(ir::ENUM_WIDTH);
        self.emit(StmtKind::Apply {
            table: id,
            hit: Some(hit),
            action_run: Some(run),
        });
        self.exit_if_asked(span)?;
        Ok(Typed::new(
            Type::ApplyResult,
            Value::Applied {
                hit,
                run,
                table: id.index(),
            },
        ))
    }

    /// Drops the results that nobody asks for, if the last statement applies a table.
    pub(crate) fn narrow_apply(&mut self, keep_hit: bool, keep_run: bool) {
        let apply = match &mut self.block[..] {
            [.., last] if matches!(last.kind, StmtKind::Apply { .. }) => last,
            [.., before, last] if matches!(last.kind, StmtKind::If { .. }) => before,
            _ => return,
        };
        if let StmtKind::Apply {
            hit, action_run, ..
        } = &mut apply.kind
        {
            if !keep_hit {
                *hit = None;
            }
            if !keep_run {
                *action_run = None;
            }
        }
    }

    fn lower_table(&mut self, table: &Rc<TableDecl>) -> Elab<TableId> {
        let DeclKind::Table(decl) = &table.decl.kind else {
            return Err(Reported);
        };
        let id = TableId(u32::try_from(self.tables.len()).unwrap_or(u32::MAX));
        let placeholder = ir::Table {
            name: table.name.clone(),
            p4info_id: 0,
            keys: Vec::new(),
            actions: Vec::new(),
            default_action: ActionCall {
                action: ir::ActionId(0),
                args: Vec::new(),
            },
            const_default_action: false,
            entries: Vec::new(),
            const_entries: false,
            size: DEFAULT_SIZE,
            direct_counter: None,
            direct_meter: None,
            action_profile: None,
            idle_timeout: false,
            span: table.decl.span,
        };
        self.tables.push(placeholder);
        self.lowered_tables.insert(table.name.clone(), id);
        let mut order = table.owner.order.clone();
        order.push(table.decl.id.0);
        self.info.tables.push(TableInfo::new(id, table, order));
        let owner = std::mem::replace(&mut self.owner, table.owner.clone());
        let outer_span = self.span;
        let result = self.within(table.env.clone(), |this| {
            let keys = this.keys(id, decl);
            let actions = this.action_list(id, table, decl);
            keys?;
            actions?;
            this.default_action(id, table, decl)?;
            this.properties(id, table, decl)?;
            this.entries(id, decl)
        });
        self.span = outer_span;
        self.owner = owner;
        result?;
        Ok(id)
    }

    fn keys(&mut self, id: TableId, decl: &ast::Table) -> Elab<()> {
        let (result, stmts) = self.collect(|this| this.key_values(decl));
        let values = result?;
        let spill = !stmts.is_empty();
        self.block.extend(stmts);
        let mut types = Vec::new();
        for (key, (ty, mut value)) in decl.keys.iter().zip(values) {
            if spill {
                let slot = self.temp(value.width);
                self.emit(StmtKind::Assign { dst: slot, value });
                value = self.slot_expr(slot);
                self.info.tables[id.index()].key_slots.push(slot);
            }
            let match_kind = match &*key.match_kind.text {
                "exact" => MatchKind::Exact,
                "lpm" => MatchKind::Lpm,
                "ternary" => MatchKind::Ternary,
                "range" => MatchKind::Range,
                "optional" => MatchKind::Optional,
                "selector" => MatchKind::Selector,
                other => {
                    let known = self.match_kinds.iter().any(|kind| &**kind == other);
                    let message = if known {
                        format!("match kind `{other}` is not supported by v1model")
                    } else {
                        format!("`{other}` is not a match kind")
                    };
                    return Err(self.error(key.match_kind.span, message));
                }
            };
            let name = match name_annotation(&key.annotations) {
                Some(name) => name,
                None => match self.key_name(&key.value) {
                    Some(name) => name,
                    None => {
                        return Err(self.report(
                            Diagnostic::error(
                                key.value.span,
                                "this key has no name for the control plane",
                            )
                            .help("add a `@name(\"...\")` annotation after the match kind"),
                        ));
                    }
                },
            };
            self.tables[id.index()].keys.push(ir::Key {
                name: name.clone(),
                value,
                match_kind,
            });
            types.push(ty.clone());
            let annotations = key.annotations.clone();
            self.info.tables[id.index()].keys.push(KeyInfo {
                name,
                ty,
                match_kind,
                annotations,
            });
        }
        let lpms = self.tables[id.index()]
            .keys
            .iter()
            .filter(|key| key.match_kind == MatchKind::Lpm)
            .count();
        if lpms > 1 {
            let span = self.tables[id.index()].span;
            return Err(self.error(span, "a table can have only one lpm key"));
        }
        Ok(())
    }

    fn key_values(&mut self, decl: &ast::Table) -> Elab<Vec<(Type, ir::Expr)>> {
        let mut values = Vec::new();
        for key in &decl.keys {
            self.span = key.value.span;
            let typed = self.expr(&key.value)?;
            let ty = typed.ty.clone();
            match typed.value {
                Value::Bits(bits) => values.push((ty, bits)),
                _ => {
                    return Err(self.error(
                        key.value.span,
                        format!("a key of type {ty} is not possible"),
                    ));
                }
            }
        }
        Ok(values)
    }

    /// Computes keys that are kept in slots again, before another application.
    fn refresh_keys(&mut self, table: &Rc<TableDecl>, id: TableId) {
        let slots: Vec<SlotId> = self.info.tables[id.index()].key_slots.clone();
        let DeclKind::Table(decl) = &table.decl.kind else {
            return;
        };
        if slots.is_empty() {
            return;
        }
        if let Ok(values) = self.within(table.env.clone(), |this| this.key_values(decl)) {
            for (slot, (_, value)) in slots.into_iter().zip(values) {
                self.emit(StmtKind::Assign { dst: slot, value });
            }
        }
    }

    fn action_list(&mut self, id: TableId, table: &TableDecl, decl: &ast::Table) -> Elab<()> {
        let mut result = Ok(());
        for item in &decl.actions {
            if self.listed_action(id, table, item).is_err() {
                result = Err(Reported);
            }
        }
        result
    }

    fn listed_action(&mut self, id: TableId, table: &TableDecl, item: &ActionRef) -> Elab<()> {
        let (action, args) = self.action_of(&item.value)?;
        let lowered = self.table_action(item.value.span, &action, args, &table.name)?;
        let has = |name: &str| item.annotations.iter().any(|one| &*one.name.text == name);
        let scope = match (has("tableonly"), has("defaultonly")) {
            (true, true) => {
                return Err(self.error(
                    item.value.span,
                    "an action cannot be both @tableonly and @defaultonly",
                ));
            }
            (true, false) => ActionScope::TableOnly,
            (false, true) => ActionScope::DefaultOnly,
            (false, false) => ActionScope::TableAndDefault,
        };
        if self.tables[id.index()]
            .actions
            .iter()
            .any(|known| known.action == lowered)
        {
            return Err(self.error(
                item.value.span,
                format!("action `{}` is listed twice", action.decl.name.text),
            ));
        }
        self.tables[id.index()].actions.push(TableAction {
            action: lowered,
            scope,
        });
        let info = &mut self.info.tables[id.index()];
        info.action_names.push(action.decl.name.text.clone());
        info.action_annotations.push(item.annotations.clone());
        Ok(())
    }

    /// The action that is named, and its arguments.
    fn action_of<'e>(&mut self, expr: &'e Expr) -> Elab<(Rc<Action>, &'e [Arg])> {
        let (callee, args) = match &expr.kind {
            ExprKind::Call { callee, args, .. } => (callee.as_ref(), &args[..]),
            _ => (expr, &[][..]),
        };
        let ExprKind::Name { name, global } = &callee.kind else {
            return Err(self.error(expr.span, "expected an action"));
        };
        let found = if *global {
            self.globals.get(&name.text)
        } else {
            self.lookup(&name.text)
        };
        match found.cloned() {
            Some(Entity::Action(action)) => Ok((action, args)),
            Some(Entity::Broken) => Err(Reported),
            Some(_) => Err(self.error(name.span, format!("`{}` is not an action", name.text))),
            None => Err(self.undeclared(name)),
        }
    }

    /// A call of one of the table's actions with constants.
    fn listed_call(&mut self, id: TableId, expr: &Expr) -> Elab<ActionCall> {
        let (action, args) = self.action_of(expr)?;
        let listed = self.tables[id.index()].actions.clone();
        let found = listed
            .iter()
            .find(|one| self.actions[one.action.index()].name == action.name);
        let Some(found) = found.map(|one| one.action) else {
            let name = &action.decl.name.text;
            return Err(self.error(
                expr.span,
                format!("action `{name}` is not in the list of this table"),
            ));
        };
        let DeclKind::Action { params, .. } = &action.decl.kind else {
            return Err(Reported);
        };
        let undirected: Vec<_> = params
            .iter()
            .filter(|param| param.direction == Direction::None)
            .cloned()
            .collect();
        let args = if args.len() == params.len() && args.iter().all(|arg| arg.name.is_none()) {
            let pairs = params
                .iter()
                .zip(args)
                .filter(|(param, _)| param.direction == Direction::None);
            pairs.map(|(_, arg)| arg.clone()).collect()
        } else {
            args.to_vec()
        };
        let types = self.within(action.env.clone(), |this| this.resolve_params(&undirected))?;
        let matched: Vec<Option<Expr>> = self
            .match_args(&undirected, &args, expr.span)?
            .into_iter()
            .map(Option::<&Expr>::cloned)
            .collect();
        let mut values = Vec::new();
        for (arg, ty) in matched.iter().zip(&types) {
            let Some(arg) = arg else { return Err(Reported) };
            values.push(self.const_bits(arg, ty)?);
        }
        Ok(ActionCall {
            action: found,
            args: values,
        })
    }

    fn default_action(&mut self, id: TableId, table: &TableDecl, decl: &ast::Table) -> Elab<()> {
        if let Some((is_const, value)) = &decl.default_action {
            let call = self.listed_call(id, value)?;
            let scope = self.tables[id.index()]
                .actions
                .iter()
                .find(|one| one.action == call.action);
            if scope.is_some_and(|one| one.scope == ActionScope::TableOnly) {
                return Err(self.error(value.span, "the default action is marked @tableonly"));
            }
            self.tables[id.index()].default_action = call;
            self.tables[id.index()].const_default_action = *is_const;
            return Ok(());
        }
        let Some(Entity::Action(none)) = self.globals.get("NoAction").cloned() else {
            return Err(self.error(table.decl.span, "the table needs a default action"));
        };
        let lowered = self.table_action(table.decl.span, &none, &[], &table.name)?;
        let info = &mut self.info.tables[id.index()];
        let target = &mut self.tables[id.index()];
        if !target.actions.iter().any(|one| one.action == lowered) {
            target.actions.push(TableAction {
                action: lowered,
                scope: ActionScope::DefaultOnly,
            });
            info.action_names.push("NoAction".into());
            info.action_annotations.push(Rc::default());
        }
        target.default_action = ActionCall {
            action: lowered,
            args: Vec::new(),
        };
        Ok(())
    }

    fn properties(&mut self, id: TableId, table: &TableDecl, decl: &ast::Table) -> Elab<()> {
        for property in &decl.properties {
            let value = &property.value;
            match &*property.name.text {
                "size" => {
                    let size = self.const_int(value)?;
                    let Ok(size) = u64::try_from(size) else {
                        return Err(self.error(value.span, "the size must not be negative"));
                    };
                    self.tables[id.index()].size = size;
                }
                "support_timeout" => {
                    let on = self.condition(value)?;
                    self.tables[id.index()].idle_timeout =
                        on.as_const().is_some_and(|value| !value.is_zero());
                }
                "counters" | "meters" | "implementation" => {
                    let instance = self.property_instance(table, property)?;
                    self.attach(id, value.span, &instance)?;
                }
                // They are about the entries.
                "largest_priority_wins" | "priority_delta" => {}
                other => {
                    let mut warning = Diagnostic::error(
                        property.name.span,
                        format!("v1model has no table property `{other}`"),
                    );
                    warning.severity = crate::diagnostic::Severity::Warning;
                    self.report(warning);
                }
            }
        }
        Ok(())
    }

    /// An instance that a property names or makes.
    fn property_instance(
        &mut self,
        table: &TableDecl,
        property: &ast::Property,
    ) -> Elab<Rc<Instance>> {
        if let ExprKind::Call { callee, args, .. } = &property.value.kind
            && let ExprKind::Type(ty) = &callee.kind
        {
            let name = super::info::name_annotation(&property.annotations);
            let name = name.unwrap_or_else(|| table.name.clone());
            let id = ast::DeclId(u32::MAX / 2 + property.value.id);
            return self.instance(
                id,
                ty,
                args,
                name,
                &property.annotations,
                property.value.span,
            );
        }
        match self.expr(&property.value)?.value {
            Value::Object(instance) => Ok(instance),
            _ => Err(self.error(property.value.span, "expected an instance of an extern")),
        }
    }

    fn attach(&mut self, id: TableId, span: Span, instance: &Instance) -> Elab<()> {
        match &instance.kind {
            InstanceKind::DirectCounter(counter) => {
                let cells = &mut self.counters[counter.index()].cells;
                if *cells != ir::Cells::Unused {
                    return Err(self.error(span, "a direct counter can belong to one table only"));
                }
                *cells = ir::Cells::Direct(id);
                self.tables[id.index()].direct_counter = Some(*counter);
            }
            InstanceKind::DirectMeter(meter) => {
                let cells = &mut self.meters[meter.index()].cells;
                if *cells != ir::Cells::Unused {
                    return Err(self.error(span, "a direct meter can belong to one table only"));
                }
                *cells = ir::Cells::Direct(id);
                self.tables[id.index()].direct_meter = Some(*meter);
            }
            InstanceKind::ActionProfile(profile) => {
                self.tables[id.index()].action_profile = Some(*profile);
            }
            _ => {
                return Err(self.error(
                    span,
                    format!("`{}` cannot be attached to a table", instance.name),
                ));
            }
        }
        Ok(())
    }

    fn entries(&mut self, id: TableId, decl: &ast::Table) -> Elab<()> {
        let Some(entries) = &decl.entries else {
            return Ok(());
        };
        self.tables[id.index()].const_entries = entries.is_const;
        let ranked = |key: &ir::Key| {
            matches!(
                key.match_kind,
                MatchKind::Ternary | MatchKind::Range | MatchKind::Optional
            )
        };
        let needs_priority = self.tables[id.index()].keys.iter().any(ranked);
        let priorities = self.priorities(decl, entries)?;
        let mut result = Ok(());
        for (priority, entry) in priorities.into_iter().zip(&entries.list) {
            match self.entry(id, entry) {
                Ok((matches, action)) => self.tables[id.index()].entries.push(ir::Entry {
                    matches,
                    priority: if needs_priority { priority } else { 0 },
                    is_const: entries.is_const || entry.is_const,
                    action,
                    span: entry.span,
                }),
                Err(reported) => result = Err(reported),
            }
        }
        result
    }

    /// The priority of each entry, of which the largest wins. See
    /// [P4_16 §14.2.1.4](https://p4.org/wp-content/uploads/sites/53/2024/10/P4-16-spec-v1.2.5.html#sec-entries).
    fn priorities(&mut self, decl: &ast::Table, entries: &ast::Entries) -> Elab<Vec<u32>> {
        let list = &entries.list;
        if list.iter().any(|entry| entry.small_wins.is_some()) {
            let numbers = (0..)
                .zip(list)
                .map(|(index, entry)| own_number(index, entry));
            let numbers: Vec<u32> = numbers.collect();
            let last = numbers.iter().max().copied().unwrap_or(0);
            return Ok(numbers
                .into_iter()
                .map(|number| last - number + 1)
                .collect());
        }
        let (largest_wins, delta) = self.priority_rules(decl)?;
        let count = i64::try_from(list.len()).unwrap_or(i64::MAX);
        // The entry that wins least has priority 1.
        let first = if largest_wins {
            1 + (count - 1).max(0) * delta
        } else {
            1
        };
        let step = if largest_wins { -delta } else { delta };
        let mut next = first;
        let mut numbers: Vec<i64> = Vec::with_capacity(list.len());
        for entry in list {
            let (number, span) = match &entry.priority {
                Some(priority) => {
                    let value = i64::try_from(self.const_int(priority)?);
                    (value.unwrap_or(i64::MAX), priority.span)
                }
                None => (next, entry.span),
            };
            if !(0..=i64::from(i32::MAX)).contains(&number) {
                return Err(self.error(span, format!("{number} is not a possible priority")));
            }
            next = number + step;
            numbers.push(number);
        }
        let last = numbers.iter().max().copied().unwrap_or(0);
        let effective = |number: i64| {
            if largest_wins {
                number
            } else {
                last - number + 1
            }
        };
        let priorities = numbers.into_iter().map(effective);
        Ok(priorities
            .map(|number| u32::try_from(number).unwrap_or(u32::MAX))
            .collect())
    }

    /// Whether the largest priority wins, and how far the priorities of neighbours are apart.
    fn priority_rules(&mut self, decl: &ast::Table) -> Elab<(bool, i64)> {
        let (mut largest_wins, mut delta) = (true, 1);
        for property in &decl.properties {
            match &*property.name.text {
                "largest_priority_wins" => {
                    let wins = self.condition(&property.value)?;
                    largest_wins = wins.as_const().is_none_or(|value| !value.is_zero());
                }
                "priority_delta" => {
                    let value = i64::try_from(self.const_int(&property.value)?);
                    // More than this is no possible distance either.
                    delta = value.unwrap_or(i64::MAX).min(i64::from(u32::MAX));
                }
                _ => {}
            }
        }
        Ok((largest_wins, delta))
    }

    fn entry(&mut self, id: TableId, entry: &ast::Entry) -> Elab<(Vec<Match>, ActionCall)> {
        let types: Vec<Type> = self.info.tables[id.index()]
            .keys
            .iter()
            .map(|key| key.ty.clone())
            .collect();
        let kinds: Vec<MatchKind> = self.tables[id.index()]
            .keys
            .iter()
            .map(|key| key.match_kind)
            .collect();
        let patterns = self.patterns(&entry.keys, &types, entry.span)?;
        let mut matches = Vec::new();
        for (pattern, kind) in patterns.into_iter().zip(kinds) {
            matches.push(self.entry_match(entry.span, pattern, kind)?);
        }
        let action = self.listed_call(id, &entry.action)?;
        Ok((matches, action))
    }

    fn entry_match(&mut self, span: Span, pattern: Pattern, kind: MatchKind) -> Elab<Match> {
        Ok(match (pattern, kind) {
            (Pattern::Any, MatchKind::Exact) => {
                return Err(self.error(span, "an exact key needs a value"));
            }
            (Pattern::Any, _) => Match::Any,
            (Pattern::Value(value), MatchKind::Exact | MatchKind::Optional) => Match::Exact(value),
            (Pattern::Value(value), MatchKind::Lpm) => {
                let prefix_len = value.width;
                Match::Lpm { value, prefix_len }
            }
            (Pattern::Value(value), MatchKind::Ternary) => {
                let mask = Const::ones(value.width);
                Match::Ternary { value, mask }
            }
            (Pattern::Value(value), MatchKind::Range) => Match::Range {
                low: value.clone(),
                high: value,
            },
            (Pattern::Mask { value, mask }, MatchKind::Ternary) => Match::Ternary { value, mask },
            (Pattern::Mask { value, mask }, MatchKind::Lpm) => {
                let ones: u32 = mask.limbs.iter().map(|limb| limb.count_ones()).sum();
                let expected = Const::ones(value.width).to_uint() >> (value.width - ones)
                    << (value.width - ones);
                if mask.to_uint() != expected {
                    return Err(self.error(span, "the mask of an lpm key must be a prefix"));
                }
                Match::Lpm {
                    value,
                    prefix_len: ones,
                }
            }
            (Pattern::Range { low, high, .. }, MatchKind::Range) => Match::Range { low, high },
            _ => {
                return Err(self.error(
                    span,
                    "this kind of pattern does not fit the match kind of its key",
                ));
            }
        })
    }
}

/// The number of `@priority`, or the position from 1.
fn own_number(index: u32, entry: &ast::Entry) -> u32 {
    let given = entry.small_wins.as_ref();
    let given = given.and_then(|given| u32::try_from(given).ok());
    given.unwrap_or(index + 1).min(u32::MAX / 2)
}
