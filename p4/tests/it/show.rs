// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The IR as short text, for snapshots.

use std::fmt::Write as _;

use p4::ir::{Const, Expr, ExprKind, Pattern, Program, SlotId, Stmt, StmtKind, Target, Transition};

/// The states of the parser.
pub(crate) fn parser(program: &Program) -> String {
    let mut out = String::new();
    stmts(&mut out, program, &program.parser.prelude, 0);
    let target = |target: &Target| match target {
        Target::State(id) => {
            program.parser.states[id.index()].name.clone()
                + if program.parser.states[id.index()].continuation {
                    "'"
                } else {
                    ""
                }
        }
        Target::Accept => "accept".into(),
        Target::Reject => "reject".into(),
    };
    for state in &program.parser.states {
        let _ = writeln!(
            out,
            "{}{}:",
            state.name,
            if state.continuation { "'" } else { "" }
        );
        stmts(&mut out, program, &state.body, 1);
        match &state.next {
            Transition::Goto(to) => {
                let _ = writeln!(out, "  goto {}", target(to));
            }
            Transition::Select { keys, cases } => {
                let keys: Vec<String> = keys.iter().map(|key| expr(program, key)).collect();
                let _ = writeln!(out, "  select {}", keys.join(", "));
                for case in cases {
                    let patterns: Vec<String> = case.patterns.iter().map(pattern).collect();
                    let _ = writeln!(
                        out,
                        "    {} -> {}",
                        patterns.join(", "),
                        target(&case.target)
                    );
                }
            }
        }
    }
    out
}

/// The body of the ingress.
pub(crate) fn ingress(program: &Program) -> String {
    let mut out = String::new();
    stmts(&mut out, program, &program.ingress.body, 0);
    out
}

fn pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Any => "_".into(),
        Pattern::Value(value) => constant(value),
        Pattern::Mask { value, mask } => format!("{} &&& {}", constant(value), constant(mask)),
        Pattern::Range { low, high, .. } => format!("{} .. {}", constant(low), constant(high)),
        Pattern::ValueSet(id) => format!("set {}", id.0),
    }
}

fn constant(value: &Const) -> String {
    let mut digits = String::new();
    for byte in value.to_be_bytes() {
        let _ = write!(digits, "{byte:02x}");
    }
    let digits = digits.trim_start_matches('0');
    format!(
        "{}w{}",
        value.width,
        if digits.is_empty() { "0" } else { digits }
    )
}

fn slot(program: &Program, id: SlotId) -> String {
    program.slots[id.index()].name.clone()
}

fn expr(program: &Program, value: &Expr) -> String {
    match &value.kind {
        ExprKind::Const(value) => constant(value),
        ExprKind::Slot(id) => slot(program, *id),
        ExprKind::Slice { value, high, low } => format!("{}[{high}:{low}]", expr(program, value)),
        ExprKind::Concat(a, b) => format!("({} ++ {})", expr(program, a), expr(program, b)),
        ExprKind::ZeroExtend(inner) => format!("zext{}({})", value.width, expr(program, inner)),
        ExprKind::SignExtend(inner) => format!("sext{}({})", value.width, expr(program, inner)),
        ExprKind::Unary(op, inner) => format!("{op:?}({})", expr(program, inner)),
        ExprKind::Binary(op, a, b) => format!("{op:?}({}, {})", expr(program, a), expr(program, b)),
        ExprKind::Mux(c, a, b) => {
            format!(
                "({} ? {} : {})",
                expr(program, c),
                expr(program, a),
                expr(program, b)
            )
        }
        ExprKind::PacketLength => "packet length".into(),
    }
}

fn stmts(out: &mut String, program: &Program, list: &[Stmt], depth: usize) {
    for stmt in list {
        show(out, program, &stmt.kind, depth);
    }
}

fn show(out: &mut String, program: &Program, stmt: &StmtKind, depth: usize) {
    let indent = depth * 2;
    let header = |id: &p4::ir::HeaderId| program.headers[id.index()].name.clone();
    let line = match stmt {
        StmtKind::Assign { dst, value } => {
            format!("{} = {}", slot(program, *dst), expr(program, value))
        }
        StmtKind::AssignSlice {
            dst,
            high,
            low,
            value,
        } => {
            format!(
                "{}[{high}:{low}] = {}",
                slot(program, *dst),
                expr(program, value)
            )
        }
        StmtKind::CopyHeader { dst, src } => format!("{} = {}", header(dst), header(src)),
        StmtKind::If { condition, .. } => format!("if {}", expr(program, condition)),
        StmtKind::Switch { key, .. } => format!("switch {}", expr(program, key)),
        StmtKind::Scope { label, .. } => format!("scope {}", label.0),
        StmtKind::Loop { label, .. } => format!("loop {}", label.0),
        StmtKind::Leave(label) => format!("leave {}", label.0),
        StmtKind::Exit => "exit".into(),
        StmtKind::Apply { table, .. } => format!("apply {}", program.tables[table.index()].name),
        StmtKind::Extract(id) => format!("extract {}", header(id)),
        StmtKind::ExtractNext(id) => format!("extract next {}", program.stacks[id.index()].name),
        StmtKind::Lookahead(slots) => {
            let names: Vec<String> = slots.iter().map(|id| slot(program, *id)).collect();
            format!("lookahead {}", names.join(", "))
        }
        StmtKind::Advance(bits) => format!("advance {}", expr(program, bits)),
        StmtKind::Verify { condition, error } => {
            format!(
                "verify {} else {}",
                expr(program, condition),
                expr(program, error)
            )
        }
        StmtKind::Emit(id) => format!("emit {}", header(id)),
        StmtKind::Extern(call) => {
            let text = format!("{call:?}");
            text.split([' ', '(']).next().unwrap_or("").to_owned()
        }
    };
    let _ = writeln!(out, "{:indent$}{line}", "");
    match stmt {
        StmtKind::If {
            then, otherwise, ..
        } => {
            stmts(out, program, then, depth + 1);
            if !otherwise.is_empty() {
                let _ = writeln!(out, "{:indent$}else", "");
                stmts(out, program, otherwise, depth + 1);
            }
        }
        StmtKind::Switch { cases, default, .. } => {
            for case in cases {
                let values: Vec<String> = case.values.iter().map(constant).collect();
                let _ = writeln!(out, "{:indent$}case {}", "", values.join(", "));
                stmts(out, program, &case.body, depth + 1);
            }
            let _ = writeln!(out, "{:indent$}default", "");
            stmts(out, program, default, depth + 1);
        }
        StmtKind::Scope { body, .. } | StmtKind::Loop { body, .. } => {
            stmts(out, program, body, depth + 1);
        }
        _ => {}
    }
}
