// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Action profiles and selectors: actions that entries share, alone or in groups.

use std::collections::{BTreeMap, BTreeSet};

use p4::ir::{ActionProfileId, Program, TableId};

use super::tables::{Call, ControlError};

/// How an entry comes to its actions, if not directly.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Through {
    /// By a member of the profile.
    Member(u32),
    /// By a group, of whose members the selector chooses one for each packet.
    Group(u32),
    /// By a list that belongs to the entry alone.
    OneShot(Vec<WeightedCall>),
}

/// An action of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WeightedCall {
    /// The action.
    pub call: Call,
    /// How often it is chosen, compared with the others.
    pub weight: u32,
    /// Port, as octets of a number: while it is down, this is not chosen. Empty for none.
    pub watch_port: Vec<u8>,
}

/// A member of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupMember {
    /// Which member of the profile.
    pub member: u32,
    /// How often it is chosen, compared with the others.
    pub weight: u32,
    /// Port, as octets of a number: while it is down, this is not chosen. Empty for none.
    pub watch_port: Vec<u8>,
}

/// A group of members.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Group {
    /// The members.
    pub members: Vec<GroupMember>,
    /// Greatest sum of their weights; 0 for that of the profile.
    pub max_size: u32,
}

/// The members and groups of one action profile.
#[derive(Debug)]
pub struct Profile {
    /// Members that there may be.
    pub(crate) size: u64,
    /// Whether it has groups.
    pub(crate) selects: bool,
    pub(crate) tables: Vec<TableId>,
    pub(crate) members: BTreeMap<u32, Call>,
    pub(crate) groups: BTreeMap<u32, Group>,
    /// Ports that are down: what watches one of them is not chosen.
    pub(crate) down: BTreeSet<u32>,
}

impl Profile {
    /// All profiles of a program, without members.
    pub(crate) fn all(program: &Program) -> Vec<Self> {
        let profiles = program.action_profiles.iter().enumerate();
        let new = |(index, profile): (usize, &p4::ir::ActionProfile)| {
            let id = ActionProfileId(index as u32);
            let tables = program.tables.iter().zip(0..);
            let tables = tables.filter(|(table, _)| table.action_profile == Some(id));
            Self {
                size: profile.size,
                selects: profile.selector.is_some(),
                tables: tables.map(|(_, index)| TableId(index)).collect(),
                members: BTreeMap::new(),
                groups: BTreeMap::new(),
                down: BTreeSet::new(),
            }
        };
        profiles.map(new).collect()
    }

    /// Whether a watched port, in the octets of the control plane, is up; no port is.
    fn is_live(&self, port: &[u8]) -> bool {
        let number = port
            .iter()
            .fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
        port.is_empty() || !u32::try_from(number).is_ok_and(|port| self.down.contains(&port))
    }

    /// The actions that an entry chooses from: each as often as its weight says.
    pub(crate) fn resolve(&self, through: &Through) -> Result<Vec<Call>, ControlError> {
        let repeat = |call: &Call, weight: u32| vec![call.clone(); weight as usize];
        match through {
            Through::Member(id) => {
                let call = self.members.get(id).ok_or(ControlError::NotFound)?;
                Ok(vec![call.clone()])
            }
            Through::Group(id) => {
                let group = self.groups.get(id).ok_or(ControlError::NotFound)?;
                let members = group.members.iter();
                let live = members.filter(|one| self.is_live(&one.watch_port));
                let calls = live.filter_map(|one| {
                    let call = self.members.get(&one.member)?;
                    Some(repeat(call, one.weight))
                });
                Ok(calls.flatten().collect())
            }
            Through::OneShot(list) => Ok(list
                .iter()
                .filter(|one| self.is_live(&one.watch_port))
                .flat_map(|one| repeat(&one.call, one.weight))
                .collect()),
        }
    }
}
