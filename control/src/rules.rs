// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entries with a beginning and an end, and the note on an entry that says so.

use std::collections::BTreeMap;

use contact::UtcTime;
use p4rt::{Entry, entry::Key};

/// An entry that a switch holds from `from`, and until just before `until`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// The entry, with a [`Note`].
    pub entry: Entry,
    /// The first time at which the switch holds it.
    pub from: UtcTime,
    /// The first time at which it does not hold it any more.
    pub until: UtcTime,
    /// Why, for people.
    pub why: String,
}

/// What the metadata of an entry say about its rule, so that whoever reads the switch knows what
/// put the entry there and when it has to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Note {
    /// The version of the plan that asked for the rule first.
    pub version: u64,
    /// When the rule ends.
    pub until: UtcTime,
}

/// Rules, of which no two hold the same entry of a table at the same time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// By key and time.
    rules: Vec<Rule>,
    /// When rules begin or end, sorted.
    edges: Vec<UtcTime>,
}

/// Two rules for one entry at one time, or one that ends before it begins.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("rules for an entry of {} overlap or are empty at {at} s", .key.table)]
pub struct Overlap {
    /// The entry.
    pub key: Key,
    /// When.
    pub at: UtcTime,
}

impl Rule {
    /// A rule, with a note on its entry.
    #[must_use]
    pub fn new(mut entry: Entry, note: Note, from: UtcTime, why: String) -> Self {
        entry.metadata = note.encode();
        Self {
            entry,
            from,
            until: note.until,
            why,
        }
    }

    fn holds_at(&self, time: UtcTime) -> bool {
        self.from <= time && time < self.until
    }
}

impl Rules {
    /// Puts rules in order.
    ///
    /// # Errors
    /// The first entry that two rules want at the same time.
    pub fn new(mut rules: Vec<Rule>) -> Result<Self, Overlap> {
        rules.sort_by(|one, other| (&one.entry.key, one.from).cmp(&(&other.entry.key, other.from)));
        let mut free: BTreeMap<&Key, UtcTime> = BTreeMap::new();
        for rule in &rules {
            let key = &rule.entry.key;
            let taken_until = free.insert(key, rule.until);
            if rule.until <= rule.from || taken_until.is_some_and(|until| rule.from < until) {
                let (key, at) = (key.clone(), rule.from);
                return Err(Overlap { key, at });
            }
        }
        let edges = rules.iter().flat_map(|rule| [rule.from, rule.until]);
        let mut edges: Vec<_> = edges.collect();
        edges.sort_unstable();
        edges.dedup();
        Ok(Self { rules, edges })
    }

    /// The rules that hold at a time.
    pub fn at(&self, time: UtcTime) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.holds_at(time))
    }

    /// All rules, by key and time.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// When the next rule begins or ends after a time.
    #[must_use]
    pub fn next_edge(&self, after: UtcTime) -> Option<UtcTime> {
        let passed = self.edges.partition_point(|edge| *edge <= after);
        self.edges.get(passed).copied()
    }

    /// When the last rule ends.
    #[must_use]
    pub fn end(&self) -> Option<UtcTime> {
        self.edges.last().copied()
    }
}

/// The first octet of a note, and its length.
const NOTE_FORM: u8 = 1;
const NOTE_LEN: usize = 17;

impl Note {
    /// The octets: 1, and version and end in microseconds since 1970, eight octets each.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(NOTE_LEN);
        octets.push(NOTE_FORM);
        octets.extend(self.version.to_be_bytes());
        octets.extend(self.until.micros().to_be_bytes());
        octets
    }

    /// Reads the metadata of an entry. `None` if they are no note.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let octets: &[u8; NOTE_LEN] = octets.try_into().ok()?;
        let [form, rest @ ..] = octets;
        let (version, until) = rest.split_first_chunk::<8>()?;
        let until: &[u8; 8] = until.try_into().ok()?;
        (*form == NOTE_FORM).then(|| Self {
            version: u64::from_be_bytes(*version),
            until: UtcTime::from_micros(u64::from_be_bytes(*until)),
        })
    }
}

#[cfg(test)]
mod tests {
    use p4rt::entry::Condition;

    use super::*;

    fn rule(table: &str, action: &str, from: u64, until: u64) -> Rule {
        let (from, until) = (UtcTime::from_seconds(from), UtcTime::from_seconds(until));
        let entry = Entry {
            key: Key {
                table: table.to_owned(),
                condition: Condition::Default,
            },
            action: action.to_owned(),
            params: BTreeMap::new(),
            metadata: Vec::new(),
        };
        let version = 7;
        Rule::new(entry, Note { version, until }, from, String::new())
    }

    fn actions(rules: &Rules, seconds: u64) -> Vec<&str> {
        let at = rules.at(UtcTime::from_seconds(seconds));
        at.map(|rule| rule.entry.action.as_str()).collect()
    }

    #[test]
    fn rules_hold_from_their_beginning_until_just_before_their_end() {
        let rules = vec![
            rule("a", "second", 20, 30),
            rule("a", "first", 10, 20),
            rule("b", "other", 15, 40),
        ];
        let rules = Rules::new(rules).expect("they do not overlap");
        assert_eq!(actions(&rules, 9), [""; 0]);
        assert_eq!(actions(&rules, 10), ["first"]);
        assert_eq!(actions(&rules, 19), ["first", "other"]);
        assert_eq!(actions(&rules, 20), ["second", "other"]);
        assert_eq!(actions(&rules, 30), ["other"]);
        assert_eq!(actions(&rules, 40), [""; 0]);
        let mut edges = Vec::new();
        let mut time = UtcTime::default();
        while let Some(edge) = rules.next_edge(time) {
            edges.push(edge.whole_seconds());
            time = edge;
        }
        assert_eq!(edges, [10, 15, 20, 30, 40]);
        assert_eq!(rules.end(), Some(UtcTime::from_seconds(40)));
    }

    #[test]
    fn no_two_rules_hold_one_entry() {
        let both = vec![rule("a", "x", 10, 21), rule("a", "y", 20, 30)];
        let overlap = Rules::new(both).expect_err("they overlap");
        assert_eq!(overlap.at, UtcTime::from_seconds(20));
        assert!(Rules::new(vec![rule("a", "x", 10, 10)]).is_err());
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        let note = Note {
            version: 42,
            until: UtcTime::from_micros(1_800_000_000_000_001),
        };
        assert_eq!(Note::decode(&note.encode()), Some(note));
        assert_eq!(Note::decode(&[]), None);
        assert_eq!(Note::decode(&[2; 17]), None);
        assert_eq!(Note::decode(&[1; 18]), None);
    }
}
