// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removes parser states that cannot be reached.

use crate::ir::{Program, StateId, Target, Transition};

/// Keeps the states that the first one leads to, in their order.
pub(crate) fn prune(program: &mut Program) {
    let parser = &mut program.parser;
    let mut keep = vec![false; parser.states.len()];
    let mut open = vec![parser.start];
    while let Some(id) = open.pop() {
        let (Some(known), Some(state)) = (keep.get_mut(id.index()), parser.states.get(id.index()))
        else {
            continue;
        };
        if std::mem::replace(known, true) {
            continue;
        }
        each_target(&state.next, |target| {
            if let Target::State(id) = target {
                open.push(id);
            }
        });
    }
    let mut numbers = Vec::with_capacity(keep.len());
    let mut next = 0;
    for kept in &keep {
        numbers.push(StateId(next));
        next += u32::from(*kept);
    }
    let mut kept = keep.iter();
    parser.states.retain(|_| kept.next() == Some(&true));
    parser.start = numbers
        .get(parser.start.index())
        .copied()
        .unwrap_or(parser.start);
    for state in &mut parser.states {
        match &mut state.next {
            Transition::Goto(target) => renumber(target, &numbers),
            Transition::Select { cases, .. } => {
                for case in cases {
                    renumber(&mut case.target, &numbers);
                }
            }
        }
    }
}

fn each_target(transition: &Transition, mut visit: impl FnMut(Target)) {
    match transition {
        Transition::Goto(target) => visit(*target),
        Transition::Select { cases, .. } => cases.iter().for_each(|case| visit(case.target)),
    }
}

fn renumber(target: &mut Target, numbers: &[StateId]) {
    if let Target::State(id) = target
        && let Some(number) = numbers.get(id.index())
    {
        *id = *number;
    }
}
