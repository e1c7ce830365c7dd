// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counts of what agrees, what a rule explains, and what nothing explains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bundle::{Fault, v7};

use crate::Fields;

/// How many unexplained differences are kept whole. The others are counted.
const KEPT: usize = 20;

/// What a peer says about octets.
#[derive(Clone, Debug)]
pub enum Theirs {
    /// They are a bundle.
    Accepted {
        /// Its fields.
        fields: Fields,
        /// Its octets as the peer writes them, if the peer can write this bundle.
        octets: Option<Vec<u8>>,
    },
    /// They are none, for this reason.
    Refused(String),
}

/// What is known when a difference about a bundle of version 7 is to be explained.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The octets that both sides read.
    pub octets: &'a [u8],
    /// The bundle as the lenient decoder reads it, if it does.
    pub bundle: Option<&'a v7::Bundle<'a>>,
    /// What the peer says.
    pub theirs: &'a Theirs,
}

/// One thing that a peer says otherwise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Difference {
    /// The peer refuses, for this reason, what we accept.
    TheyRefuse(String),
    /// The peer accepts what we refuse because of this fault.
    WeRefuse(Fault),
    /// A field has other values, or only one side has it.
    Field {
        /// The name of the field.
        name: String,
        /// Our value.
        ours: Option<String>,
        /// The peer's value.
        theirs: Option<String>,
    },
    /// The peer writes other octets.
    Octets {
        /// What we write.
        ours: String,
        /// What the peer writes.
        theirs: String,
    },
}

impl Difference {
    /// The differences between what the two sides say.
    ///
    /// `silent` names the fields that the peer never tells, `ours` has the fields and the octets
    /// as we write them.
    #[must_use]
    pub fn all(
        ours: &Result<(Fields, Vec<u8>), Fault>,
        theirs: &Theirs,
        silent: impl Fn(&str) -> bool,
    ) -> Vec<Self> {
        match (ours, theirs) {
            (Err(_), Theirs::Refused(_)) => Vec::new(),
            (Err(fault), Theirs::Accepted { .. }) => vec![Self::WeRefuse(*fault)],
            (Ok(_), Theirs::Refused(reason)) => vec![Self::TheyRefuse(reason.clone())],
            (Ok((ours, our_octets)), Theirs::Accepted { fields, octets }) => {
                let mut differences = Self::fields(ours, fields, silent);
                differences.extend(octets.as_ref().filter(|octets| *octets != our_octets).map(
                    |octets| Self::Octets {
                        ours: crate::fields::hex(our_octets),
                        theirs: crate::fields::hex(octets),
                    },
                ));
                differences
            }
        }
    }

    /// The fields that differ.
    #[must_use]
    pub fn fields(ours: &Fields, theirs: &Fields, silent: impl Fn(&str) -> bool) -> Vec<Self> {
        let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        names
            .into_iter()
            .filter(|name| !silent(name) && ours.get(*name) != theirs.get(*name))
            .map(|name| Self::Field {
                name: name.clone(),
                ours: ours.get(name).cloned(),
                theirs: theirs.get(name).cloned(),
            })
            .collect()
    }
}

/// The result of a comparison with one peer.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    name: String,
    compared: usize,
    both_accept: usize,
    both_refuse: usize,
    agreed: usize,
    rules: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
    unexplained_count: usize,
}

impl Tally {
    /// An empty one.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Counts a bundle that both sides read, with its differences and what explains each.
    ///
    /// A bundle counts once for each rule that explains one of its differences.
    pub fn add(
        &mut self,
        sample: &str,
        octets: &[u8],
        differences: &[Difference],
        explained: impl Fn(&Difference) -> Option<&'static str>,
    ) {
        self.compared += 1;
        let mut rules = BTreeSet::new();
        let mut unexplained = Vec::new();
        for difference in differences {
            match explained(difference) {
                Some(rule) => drop(rules.insert(rule)),
                None => unexplained.push(difference),
            }
        }
        if differences.is_empty() {
            self.agreed += 1;
        }
        for rule in rules {
            *self.rules.entry(rule).or_default() += 1;
        }
        if !unexplained.is_empty() {
            self.unexplained_count += 1;
            if self.unexplained.len() < KEPT {
                let octets = crate::fields::hex(octets);
                self.unexplained
                    .push(format!("{sample}: {unexplained:?}\n  {octets}"));
            }
        }
    }

    /// Counts the verdicts of a bundle, for the columns that say how many both sides accept.
    pub fn verdicts(&mut self, ours: bool, theirs: bool) {
        self.both_accept += usize::from(ours && theirs);
        self.both_refuse += usize::from(!ours && !theirs);
    }

    /// How many bundles were compared.
    #[must_use]
    pub fn compared(&self) -> usize {
        self.compared
    }

    /// How many bundles both sides accept.
    #[must_use]
    pub fn both_accept(&self) -> usize {
        self.both_accept
    }

    /// How often each rule explained something.
    #[must_use]
    pub fn rules(&self) -> &BTreeMap<&'static str, usize> {
        &self.rules
    }

    /// How many bundles have differences that no rule explains.
    #[must_use]
    pub fn unexplained(&self) -> usize {
        self.unexplained_count
    }
}

impl fmt::Display for Tally {
    /// A row of the table in `docs/conformance.md`, the rules, and what is unexplained.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let explained = self.compared - self.agreed - self.unexplained_count;
        writeln!(
            f,
            "| {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            self.compared,
            self.both_accept,
            self.both_refuse,
            self.agreed,
            explained,
            self.unexplained_count
        )?;
        for (rule, count) in &self.rules {
            writeln!(f, "    {count} {rule}")?;
        }
        for difference in &self.unexplained {
            writeln!(f, "  UNEXPLAINED {difference}")?;
        }
        Ok(())
    }
}
