// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parser states and transitions.

use std::collections::BTreeSet;

use p4::ir::{Const, Pattern, SelectCase, StateId, Target as Goto, Transition};

use super::{Builder, CompileError, Target};
use crate::engine::code::{Mark, Op, Place, Select, Test};

impl Builder<'_> {
    /// Compiles the parser. States follow each other in the order of the IR, so that every loop
    /// has a jump to an earlier state or to itself; these states take a step from the budget.
    pub(super) fn parser(&mut self) -> Result<(), CompileError> {
        let parser = &self.program.parser;
        self.code.entries.parser = self.here();
        self.statements(&parser.prelude)?;
        let states: Vec<Target> = parser.states.iter().map(|_| self.target()).collect();
        self.emit(Op::Jump(states[parser.start.index()]));
        let again = loop_heads(&parser.states);
        for (index, state) in parser.states.iter().enumerate() {
            self.bind(states[index]);
            let id = StateId(index as u32);
            self.code.marks.push((self.here(), Mark::State(id)));
            if again.contains(&index) {
                self.emit(Op::Step);
            }
            self.statements(&state.body)?;
            self.transition(&state.next, &states)?;
            self.release();
        }
        Ok(())
    }

    fn transition(&mut self, next: &Transition, states: &[Target]) -> Result<(), CompileError> {
        match next {
            Transition::Goto(Goto::State(state)) => self.emit(Op::Jump(states[state.index()])),
            Transition::Goto(Goto::Accept | Goto::Reject) => self.emit(Op::End),
            Transition::Select { keys, cases } => {
                let mut places = Vec::with_capacity(keys.len());
                for key in keys {
                    places.push(self.value(key)?);
                }
                let (stop, no_match) = (self.target(), self.target());
                let target = |case: &SelectCase| match case.target {
                    Goto::State(state) => states[state.index()],
                    Goto::Accept | Goto::Reject => stop,
                };
                self.select(&places, cases, target, no_match);
                self.bind(no_match);
                self.emit(Op::Reject(self.code.errors.no_match));
                self.bind(stop);
                self.emit(Op::End);
            }
        }
        Ok(())
    }

    fn select(
        &mut self,
        keys: &[Place],
        cases: &[SelectCase],
        target: impl Fn(&SelectCase) -> Target,
        no_match: Target,
    ) {
        if let Some((pairs, otherwise)) = plain(keys, cases) {
            let pairs: Vec<(&Const, Target)> = pairs
                .into_iter()
                .map(|(value, case)| (value, target(case)))
                .collect();
            return self.dispatch(keys[0], &pairs, otherwise.map_or(no_match, target));
        }
        let list = cases
            .iter()
            .map(|case| (tests(keys, &case.patterns), target(case)));
        let cases = list.collect();
        self.code.selects.push(Select::Ordered {
            cases,
            otherwise: no_match,
        });
        self.emit(Op::Select(self.code.selects.len() as u32 - 1));
    }
}

/// A value of a select, and its case.
type Valued<'c> = (&'c Const, &'c SelectCase);

/// The values of a select with one key that is only compared for equality, and its default.
fn plain<'c>(
    keys: &[Place],
    cases: &'c [SelectCase],
) -> Option<(Vec<Valued<'c>>, Option<&'c SelectCase>)> {
    if keys.len() != 1 {
        return None;
    }
    let mut pairs = Vec::new();
    for case in cases {
        match case.patterns.as_slice() {
            [Pattern::Value(value)] => pairs.push((value, case)),
            // What follows a default is never reached.
            [Pattern::Any] => return Some((pairs, Some(case))),
            _ => return None,
        }
    }
    Some((pairs, None))
}

/// The tests that a case makes, key by key and limb by limb.
fn tests(keys: &[Place], patterns: &[Pattern]) -> Vec<Test> {
    let mut tests = Vec::new();
    for (index, (key, pattern)) in keys.iter().zip(patterns).enumerate() {
        match pattern {
            Pattern::Any => {}
            Pattern::Value(value) => limb_tests(&mut tests, *key, value, &Const::ones(key.width)),
            Pattern::Mask { value, mask } => limb_tests(&mut tests, *key, value, mask),
            Pattern::Range { low, high, signed } => tests.push(Test::Range {
                key: *key,
                low: low.limbs.clone(),
                high: high.limbs.clone(),
                signed: *signed,
            }),
            Pattern::ValueSet(set) => {
                let keys = keys[index..].to_vec();
                tests.push(Test::ValueSet {
                    set: set.index(),
                    keys,
                });
            }
        }
    }
    tests
}

fn limb_tests(tests: &mut Vec<Test>, key: Place, value: &Const, mask: &Const) {
    for (limb, (value, mask)) in value.limbs.iter().zip(&mask.limbs).enumerate() {
        if *mask != 0 {
            tests.push(Test::Limb {
                at: key.loc + limb as u32,
                mask: *mask,
                value: *value,
            });
        }
    }
}

/// The states that a state at or behind them goes to.
fn loop_heads(states: &[p4::ir::State]) -> BTreeSet<usize> {
    let mut heads = BTreeSet::new();
    for (index, state) in states.iter().enumerate() {
        let mut visit = |target: &Goto| match target {
            Goto::State(state) if state.index() <= index => {
                heads.insert(state.index());
            }
            _ => {}
        };
        match &state.next {
            Transition::Goto(target) => visit(target),
            Transition::Select { cases, .. } => cases.iter().for_each(|case| visit(&case.target)),
        }
    }
    heads
}
