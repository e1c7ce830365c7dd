// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks the invariants of the IR.

use std::collections::HashSet;

use super::{
    Action, ActionCall, BinaryOp, Const, Expr, ExprKind, Extern, Label, Match, Pattern, Program,
    SlotId, Stmt, StmtKind, Table, Target, Transition, UnaryOp, limb_count,
};

/// An invariant that a program breaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Where: a block, a state, a table.
    pub place: String,
    /// What.
    pub rule: &'static str,
}

/// Which statements a body may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Body {
    Parser,
    Control,
    Action,
    Deparser,
}

impl Program {
    /// Checks every invariant of the [module](super), and returns all violations.
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        let mut check = Check {
            program: self,
            place: String::new(),
            found: Vec::new(),
            labels: HashSet::new(),
            open: Vec::new(),
            body: Body::Parser,
        };
        check.program();
        check.found
    }
}

struct Check<'a> {
    program: &'a Program,
    place: String,
    found: Vec<Violation>,
    /// Labels that have been seen anywhere.
    labels: HashSet<Label>,
    /// Labels around the current statement.
    open: Vec<Label>,
    body: Body,
}

impl Check<'_> {
    fn ensure(&mut self, holds: bool, rule: &'static str) {
        if !holds {
            self.found.push(Violation {
                place: self.place.clone(),
                rule,
            });
        }
    }

    fn program(&mut self) {
        let program = self.program;
        "storage".clone_into(&mut self.place);
        self.ensure(
            program.standard.len() == super::StandardField::ALL.len(),
            "standard metadata is complete",
        );
        for slot in &program.standard {
            self.slot(*slot);
        }
        for slot in &program.slots {
            self.ensure(
                (1..=2048).contains(&slot.width),
                "a slot has 1 to 2048 bits",
            );
        }
        for header in &program.headers {
            self.slot(header.valid);
            let width: u32 = header
                .fields
                .iter()
                .map(|slot| self.slot(*slot).unwrap_or(0))
                .sum();
            self.ensure(width == header.width, "a header is as wide as its fields");
        }
        for stack in &program.stacks {
            let valid = stack
                .elements
                .iter()
                .all(|id| id.index() < program.headers.len());
            self.ensure(valid, "elements of a stack exist");
            let next = self.slot(stack.next_index);
            self.ensure(next == Some(32), "the next index has 32 bits");
        }
        for list in &program.field_lists {
            for slot in &list.slots {
                self.slot(*slot);
            }
        }
        self.parser();
        let controls = [
            &program.verify_checksum,
            &program.ingress,
            &program.egress,
            &program.compute_checksum,
        ];
        for control in controls {
            self.body(&control.name, Body::Control, &control.body);
        }
        self.body(
            &program.deparser.name,
            Body::Deparser,
            &program.deparser.body,
        );
        for action in &program.actions {
            self.action(action);
        }
        for table in &program.tables {
            self.table(table);
        }
    }

    fn parser(&mut self) {
        let parser = &self.program.parser;
        self.body(&parser.name, Body::Parser, &parser.prelude);
        self.target(Target::State(parser.start));
        for state in &parser.states {
            self.body(&state.name, Body::Parser, &state.body);
            match &state.next {
                Transition::Goto(target) => self.target(*target),
                Transition::Select { keys, cases } => {
                    let widths: Vec<u32> = keys.iter().map(|key| self.expr(key)).collect();
                    for case in cases {
                        self.target(case.target);
                        self.ensure(
                            case.patterns.len() == widths.len(),
                            "there is one pattern for each key",
                        );
                        for (pattern, width) in case.patterns.iter().zip(&widths) {
                            self.pattern(pattern, *width);
                        }
                    }
                }
            }
        }
    }

    fn target(&mut self, target: Target) {
        if let Target::State(id) = target {
            self.ensure(
                id.index() < self.program.parser.states.len(),
                "a state exists",
            );
        }
    }

    fn pattern(&mut self, pattern: &Pattern, width: u32) {
        match pattern {
            Pattern::Any => {}
            Pattern::Value(value) => self.constant(value, width),
            Pattern::Mask { value, mask } => {
                self.constant(value, width);
                self.constant(mask, width);
                let inside = value
                    .limbs
                    .iter()
                    .zip(&mask.limbs)
                    .all(|(value, mask)| value & !mask == 0);
                self.ensure(inside, "a masked value has no bit outside of its mask");
            }
            Pattern::Range { low, high, .. } => {
                self.constant(low, width);
                self.constant(high, width);
            }
            Pattern::ValueSet(id) => {
                self.ensure(
                    id.index() < self.program.value_sets.len(),
                    "a value set exists",
                );
            }
        }
    }

    fn action(&mut self, action: &Action) {
        self.place.clone_from(&action.name);
        for param in &action.params {
            self.slot(param.slot);
        }
        self.body(&action.name, Body::Action, &action.body);
    }

    fn table(&mut self, table: &Table) {
        self.place.clone_from(&table.name);
        let widths: Vec<u32> = table.keys.iter().map(|key| self.expr(&key.value)).collect();
        let distinct: HashSet<_> = table.actions.iter().map(|one| one.action).collect();
        self.ensure(
            distinct.len() == table.actions.len(),
            "the actions of a table are distinct",
        );
        let known = table
            .actions
            .iter()
            .all(|one| one.action.index() < self.program.actions.len());
        self.ensure(known, "an action exists");
        self.call(table, &table.default_action);
        for entry in &table.entries {
            self.call(table, &entry.action);
            self.ensure(
                entry.matches.len() == widths.len(),
                "an entry has one match for each key",
            );
            for (one, width) in entry.matches.iter().zip(&widths) {
                match one {
                    Match::Any => {}
                    Match::Exact(value) | Match::Lpm { value, .. } => self.constant(value, *width),
                    Match::Ternary { value: a, mask: b } | Match::Range { low: a, high: b } => {
                        self.constant(a, *width);
                        self.constant(b, *width);
                    }
                }
            }
        }
    }

    fn call(&mut self, table: &Table, call: &ActionCall) {
        let listed = table.actions.iter().any(|one| one.action == call.action);
        self.ensure(listed, "an action of a table is in its list");
        let Some(action) = self.program.actions.get(call.action.index()) else {
            return self.ensure(false, "an action exists");
        };
        self.ensure(
            action.params.len() == call.args.len(),
            "an action gets all its arguments",
        );
        for (param, arg) in action.params.iter().zip(&call.args) {
            if let Some(width) = self.slot(param.slot) {
                self.constant(arg, width);
            }
        }
    }

    fn body(&mut self, name: &str, body: Body, stmts: &[Stmt]) {
        name.clone_into(&mut self.place);
        self.body = body;
        self.open.clear();
        self.stmts(stmts);
    }

    fn stmts(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            self.stmt(&stmt.kind);
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of statement")]
    fn stmt(&mut self, stmt: &StmtKind) {
        match stmt {
            StmtKind::Assign { dst, value } => self.assign(*dst, value),
            StmtKind::AssignSlice {
                dst,
                high,
                low,
                value,
            } => {
                let width = self.expr(value);
                let slot = self.slot(*dst).unwrap_or(0);
                self.ensure(
                    low <= high && *high < slot,
                    "a slice lies inside of its slot",
                );
                self.ensure(
                    high.wrapping_sub(*low).wrapping_add(1) == width,
                    "a slice is as wide as its value",
                );
            }
            StmtKind::CopyHeader { dst, src } => {
                let headers = &self.program.headers;
                let same = match (headers.get(dst.index()), headers.get(src.index())) {
                    (Some(a), Some(b)) => a.fields.len() == b.fields.len() && a.width == b.width,
                    _ => false,
                };
                self.ensure(same, "headers are copied between instances of one type");
            }
            StmtKind::If {
                condition,
                then,
                otherwise,
            } => {
                self.flag(condition);
                self.stmts(then);
                self.stmts(otherwise);
            }
            StmtKind::Switch {
                key,
                cases,
                default,
            } => {
                let width = self.expr(key);
                let mut seen = HashSet::new();
                for case in cases {
                    for value in &case.values {
                        self.constant(value, width);
                        self.ensure(seen.insert(value), "the values of a switch are distinct");
                    }
                    self.stmts(&case.body);
                }
                self.stmts(default);
            }
            StmtKind::Scope { label, body } | StmtKind::Loop { label, body } => {
                let new = self.labels.insert(*label);
                self.ensure(new, "a label is unique");
                self.open.push(*label);
                self.stmts(body);
                self.open.pop();
            }
            StmtKind::Leave(label) => {
                let inside = self.open.contains(label);
                self.ensure(inside, "what is left encloses the statement");
            }
            StmtKind::Exit => self.ensure(self.body != Body::Parser, "a parser has no exit"),
            StmtKind::Apply {
                table,
                hit,
                action_run,
            } => {
                self.ensure(
                    self.body == Body::Control,
                    "tables are applied in bodies of controls",
                );
                self.ensure(table.index() < self.program.tables.len(), "a table exists");
                self.result(*hit, 1);
                self.result(*action_run, super::ENUM_WIDTH);
            }
            StmtKind::Extract(_)
            | StmtKind::ExtractNext(_)
            | StmtKind::Lookahead(_)
            | StmtKind::Advance(_)
            | StmtKind::Verify { .. } => self.parser_stmt(stmt),
            StmtKind::Emit(header) => {
                self.ensure(
                    self.body == Body::Deparser,
                    "headers are emitted in the deparser",
                );
                self.ensure(
                    header.index() < self.program.headers.len(),
                    "a header exists",
                );
            }
            StmtKind::Extern(call) => self.call_extern(call),
        }
    }

    fn parser_stmt(&mut self, stmt: &StmtKind) {
        self.ensure(self.body == Body::Parser, "packets are read in the parser");
        match stmt {
            StmtKind::Extract(header) => {
                self.ensure(
                    header.index() < self.program.headers.len(),
                    "a header exists",
                );
            }
            StmtKind::ExtractNext(stack) => {
                self.ensure(stack.index() < self.program.stacks.len(), "a stack exists");
            }
            StmtKind::Lookahead(slots) => {
                for slot in slots {
                    self.slot(*slot);
                }
            }
            StmtKind::Advance(bits) => {
                let width = self.expr(bits);
                self.ensure(width == 32, "a distance has 32 bits");
            }
            StmtKind::Verify { condition, error } => {
                self.flag(condition);
                let width = self.expr(error);
                self.ensure(width == super::ENUM_WIDTH, "an error is as wide as an enum");
            }
            _ => {}
        }
    }

    fn assign(&mut self, dst: SlotId, value: &Expr) {
        let width = self.expr(value);
        let slot = self.slot(dst);
        self.ensure(slot == Some(width), "a value is as wide as its slot");
    }

    fn result(&mut self, slot: Option<SlotId>, width: u32) {
        if let Some(slot) = slot {
            let found = self.slot(slot);
            self.ensure(found == Some(width), "a result is as wide as its slot");
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each extern")]
    fn call_extern(&mut self, call: &Extern) {
        let mut exprs: Vec<&Expr> = Vec::new();
        match call {
            Extern::MarkToDrop {
                egress_spec,
                mcast_grp,
            } => {
                self.slot(*egress_spec);
                self.slot(*mcast_grp);
            }
            Extern::Count { counter, index } => {
                self.ensure(
                    counter.index() < self.program.counters.len(),
                    "a counter exists",
                );
                exprs.push(index);
            }
            Extern::CountDirect(counter) => {
                self.ensure(
                    counter.index() < self.program.counters.len(),
                    "a counter exists",
                );
            }
            Extern::ExecuteMeter { meter, index, dst } => {
                self.ensure(meter.index() < self.program.meters.len(), "a meter exists");
                self.slot(*dst);
                exprs.push(index);
            }
            Extern::ReadMeter { meter, dst } => {
                self.ensure(meter.index() < self.program.meters.len(), "a meter exists");
                self.slot(*dst);
            }
            Extern::ReadRegister {
                register,
                index,
                dst,
            } => {
                let width = self
                    .program
                    .registers
                    .get(register.index())
                    .map(|register| register.width);
                let slot = self.slot(*dst);
                self.ensure(
                    width.is_some() && slot == width,
                    "a register is as wide as its slot",
                );
                exprs.push(index);
            }
            Extern::WriteRegister {
                register,
                index,
                value,
            } => {
                let width = self
                    .program
                    .registers
                    .get(register.index())
                    .map(|register| register.width);
                let found = self.expr(value);
                self.ensure(width == Some(found), "a register is as wide as its value");
                exprs.push(index);
            }
            Extern::Random { dst, low, high } => {
                self.slot(*dst);
                exprs.extend([low, high]);
            }
            Extern::Hash {
                dst,
                base,
                data,
                max,
                ..
            } => {
                self.slot(*dst);
                exprs.extend([base, max]);
                exprs.extend(data);
            }
            Extern::Digest {
                digest,
                receiver,
                values,
            } => {
                exprs.push(receiver);
                let fields = self
                    .program
                    .digests
                    .get(digest.index())
                    .map(|digest| &digest.fields);
                let widths: Vec<u32> = fields
                    .into_iter()
                    .flatten()
                    .map(|field| field.width)
                    .collect();
                let found: Vec<u32> = values.iter().map(|value| self.expr(value)).collect();
                self.ensure(widths == found, "a digest has a value for each field");
            }
            Extern::VerifyChecksum {
                condition,
                data,
                checksum,
                ..
            } => {
                self.flag(condition);
                exprs.push(checksum);
                exprs.extend(data);
            }
            Extern::UpdateChecksum {
                condition,
                data,
                dst,
                ..
            } => {
                self.flag(condition);
                self.slot(*dst);
                exprs.extend(data);
            }
            Extern::Clone {
                session,
                field_list,
                ..
            } => {
                exprs.push(session);
                exprs.extend(field_list);
            }
            Extern::Resubmit { field_list: expr }
            | Extern::Recirculate { field_list: expr }
            | Extern::Truncate(expr) => {
                exprs.push(expr);
            }
            Extern::Assert(condition) | Extern::Assume(condition) => self.flag(condition),
            Extern::LogMsg { values, .. } => exprs.extend(values),
        }
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn slot(&mut self, slot: SlotId) -> Option<u32> {
        let width = self.program.slots.get(slot.index()).map(|slot| slot.width);
        self.ensure(width.is_some(), "a slot exists");
        width
    }

    fn flag(&mut self, expr: &Expr) {
        let width = self.expr(expr);
        self.ensure(width == 1, "a condition has 1 bit");
    }

    fn constant(&mut self, value: &Const, width: u32) {
        self.ensure(
            value.width == width,
            "a constant is as wide as what it is compared with",
        );
        self.ensure(
            value.limbs.len() == limb_count(value.width),
            "a constant has the limbs that it needs",
        );
        self.ensure(
            *value == Const::from_limbs(value.width, value.limbs.clone()),
            "a constant fits its width",
        );
    }

    /// Checks an expression, and gives its width.
    fn expr(&mut self, expr: &Expr) -> u32 {
        let width = match &expr.kind {
            ExprKind::Const(value) => {
                self.constant(value, expr.width);
                value.width
            }
            ExprKind::Slot(slot) => self.slot(*slot).unwrap_or(0),
            ExprKind::Slice { value, high, low } => {
                let inner = self.expr(value);
                self.ensure(
                    low <= high && *high < inner,
                    "a slice lies inside of its operand",
                );
                high.wrapping_sub(*low).wrapping_add(1)
            }
            ExprKind::Concat(left, right) => self.expr(left) + self.expr(right),
            ExprKind::ZeroExtend(value) | ExprKind::SignExtend(value) => {
                let inner = self.expr(value);
                self.ensure(inner < expr.width, "an extension widens");
                expr.width
            }
            ExprKind::Unary(UnaryOp::Not | UnaryOp::Neg, value) => self.expr(value),
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right),
            ExprKind::Mux(condition, then, otherwise) => {
                self.flag(condition);
                let (a, b) = (self.expr(then), self.expr(otherwise));
                self.ensure(a == b, "both values of a choice are equally wide");
                a
            }
            ExprKind::PacketLength => 32,
        };
        self.ensure(
            width == expr.width && width > 0,
            "an expression has the width that it says",
        );
        width
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> u32 {
        let (a, b) = (self.expr(left), self.expr(right));
        let shift = matches!(op, BinaryOp::Shl | BinaryOp::Shr | BinaryOp::ShrSigned);
        self.ensure(shift || a == b, "operands are equally wide");
        match op {
            BinaryOp::Eq
            | BinaryOp::Ne
            | BinaryOp::Lt
            | BinaryOp::Le
            | BinaryOp::LtSigned
            | BinaryOp::LeSigned => 1,
            _ => a,
        }
    }
}
