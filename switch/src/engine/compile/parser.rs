// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parser states and transitions.

use std::collections::BTreeSet;

use p4::ir::{Const, Pattern, SelectCase, State, StateId, Target as Goto, Transition};

use super::{Builder, CompileError, Target};
use crate::engine::code::{Mark, Op, Place, Select, Test};

impl Builder<'_> {
    /// Compiles the parser. States follow each other in the order of the IR. In each loop there is a
    /// state that takes a step from the budget.
    pub(super) fn parser(&mut self) -> Result<(), CompileError> {
        let parser = &self.program.parser;
        self.code.entries.parser = self.here();
        self.statements(&parser.prelude)?;
        let states: Vec<Target> = parser.states.iter().map(|_| self.target()).collect();
        self.emit(Op::Jump(states[parser.start.index()]));
        let next: Vec<_> = parser.states.iter().map(successors).collect();
        let again = loop_heads(parser.start.index(), &next);
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

/// States of which each loop has at least one: where a walk from the first state comes back to a
/// state that it is still on the way from.
fn loop_heads(start: usize, next: &[Vec<usize>]) -> BTreeSet<usize> {
    let next = |state: usize| next.get(state).into_iter().flatten().copied();
    let mut heads = BTreeSet::new();
    let mut seen = BTreeSet::from([start]);
    let mut way = BTreeSet::from([start]);
    let mut stack = vec![(start, next(start))];
    while let Some((state, left)) = stack.last_mut() {
        match left.next() {
            Some(to) if way.contains(&to) => _ = heads.insert(to),
            Some(to) if seen.insert(to) => {
                way.insert(to);
                stack.push((to, next(to)));
            }
            Some(_) => {}
            None => {
                way.remove(state);
                stack.pop();
            }
        }
    }
    heads
}

/// The states that a state goes to.
fn successors(state: &State) -> Vec<usize> {
    let index = |target: &Goto| match target {
        Goto::State(state) => Some(state.index()),
        Goto::Accept | Goto::Reject => None,
    };
    match &state.next {
        Transition::Goto(target) => index(target).into_iter().collect(),
        Transition::Select { cases, .. } => {
            let targets = cases.iter().filter_map(|case| index(&case.target));
            targets.collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::loop_heads;

    const STATES: usize = 12;

    proptest! {
        #[test]
        fn each_loop_has_a_head(
            next in prop::collection::vec(prop::collection::vec(0..STATES, 0..4), STATES),
        ) {
            let heads = loop_heads(0, &next);
            // Ways without heads: one that is longer than there are states is a loop.
            let mut ends = vec![0];
            for _ in 0..STATES {
                let after = ends.iter().flat_map(|state| &next[*state]);
                ends = after.filter(|state| !heads.contains(state)).copied().collect();
                ends.sort_unstable();
                ends.dedup();
            }
            prop_assert_eq!(ends, Vec::<usize>::new());
        }
    }
}
