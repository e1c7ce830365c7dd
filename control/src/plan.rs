// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plans for nodes: orders with a version and a time, as messages, and what leads from one to
//! another.

use std::{collections::BTreeMap, sync::Arc};

use contact::UtcTime;
use p4rt::{
    Entry,
    client::Pipeline,
    entry::EntryError,
    p4info::{Index, IndexError},
    proto::p4::{config::v1::P4Info, v1::Entity, v1::TableEntry},
};
use prost::Message as _;

use crate::{
    desired::{Change, ChangeKind},
    orders::{Intent, Orders, Origin},
    proto::{Always, Delta, Plan, Program, Rule as RuleMessage},
    rules::{Overlap, Rule, Rules},
    wire,
};

/// A plan that fits its program.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// The program.
    pub pipeline: Pipeline,
    /// The names of the program.
    pub index: Arc<Index>,
    /// Ports that hosts are on; any if there are none.
    pub ports: Vec<u32>,
    /// Most learned addresses.
    pub max_macs: usize,
    /// What the switch is to hold.
    pub orders: Arc<Orders>,
}

/// Why a plan cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFault {
    /// A part is missing.
    #[error("the plan has no program")]
    NoProgram,
    /// A part is no message of its type.
    #[error("a part of the plan cannot be read")]
    Decode(#[from] prost::DecodeError),
    /// The P4Info contradicts itself.
    #[error("the program of the plan cannot be used")]
    Index(#[from] IndexError),
    /// An entry does not fit the program.
    #[error("an entry of the plan does not fit its program")]
    Entry(#[from] EntryError),
    /// Two rules want one entry.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// The delta starts from another plan.
    #[error("the delta is for plan {base}, and plan {held} is here")]
    Base {
        /// The plan that it starts from.
        base: u64,
        /// The plan that is here; 0 if there is none.
        held: u64,
    },
    /// The delta removes a rule that is not there.
    #[error("the delta removes rule {0}, which is not there")]
    NoRule(u32),
    /// An older plan than the one that is here.
    #[error("plan {offered} is not newer than plan {held}")]
    Old {
        /// Its version.
        offered: u64,
        /// The version of the plan that is here.
        held: u64,
    },
}

/// Makes a plan of orders.
///
/// # Errors
/// If an entry does not fit the program.
pub fn pack(
    version: u64,
    activate_at: UtcTime,
    program: Program,
    orders: &Orders,
    index: &Index,
) -> Result<Plan, EntryError> {
    let always = orders.intent.state.items().map(|item| {
        let change = Change {
            kind: ChangeKind::Insert,
            item: item.clone(),
        };
        let update = wire::to_update(&change, index)?;
        Ok(update.entity.unwrap_or_default().encode_to_vec())
    });
    let rules = orders.rules.all().iter().map(|rule| {
        Ok(RuleMessage {
            entry: rule.entry.to_proto(index)?.encode_to_vec(),
            from_us: rule.from.micros(),
            until_us: rule.until.micros(),
            why: rule.why.clone(),
        })
    });
    Ok(Plan {
        version,
        activate_at_us: activate_at.micros(),
        program: Some(program),
        always: always.collect::<Result<_, EntryError>>()?,
        rules: rules.collect::<Result<_, EntryError>>()?,
        slow_path: Some(orders.slow_path.clone()),
    })
}

/// The program of a plan.
#[must_use]
pub fn program(pipeline: &Pipeline, ports: &[u32], max_macs: usize) -> Program {
    Program {
        p4info: pipeline.p4info.encode_to_vec(),
        device_config: pipeline.device_config.clone(),
        ports: ports.to_vec(),
        max_macs: max_macs as u64,
    }
}

/// Reads a plan.
///
/// # Errors
/// See [`PlanFault`].
pub fn unpack(plan: &Plan) -> Result<Unpacked, PlanFault> {
    let program = plan.program.as_ref().ok_or(PlanFault::NoProgram)?;
    let p4info = P4Info::decode(program.p4info.as_slice())?;
    let index = Index::new(&p4info)?;
    let mut intent = Intent::default();
    for octets in &plan.always {
        if let Some(item) = wire::to_item(Entity::decode(octets.as_slice())?, &index) {
            intent.put(item?, Origin::Controller);
        }
    }
    let mut rules = Vec::with_capacity(plan.rules.len());
    for rule in &plan.rules {
        let entry = TableEntry::decode(rule.entry.as_slice())?;
        rules.push(Rule {
            entry: Entry::from_proto(&entry, &index)?,
            from: UtcTime::from_micros(rule.from_us),
            until: UtcTime::from_micros(rule.until_us),
            why: rule.why.clone(),
        });
    }
    let rules = Rules::new(rules)?;
    Ok(Unpacked {
        pipeline: Pipeline {
            p4info,
            device_config: program.device_config.clone(),
        },
        index: Arc::new(index),
        ports: program.ports.clone(),
        max_macs: usize::try_from(program.max_macs).unwrap_or(usize::MAX),
        orders: Arc::new(Orders {
            intent,
            rules,
            slow_path: plan.slow_path.clone().unwrap_or_default(),
        }),
    })
}

/// What leads from one plan to another.
///
/// A rule that has begun when the new plan takes effect is the same whenever it began.
#[must_use]
pub fn difference(base: &Plan, plan: &Plan) -> Delta {
    let mut left: BTreeMap<(&[u8], u64, u64), Vec<u32>> = BTreeMap::new();
    let began = |rule: &RuleMessage| rule.from_us.max(plan.activate_at_us);
    for (place, rule) in base.rules.iter().enumerate() {
        let places = left
            .entry((&rule.entry, began(rule), rule.until_us))
            .or_default();
        places.push(u32::try_from(place).unwrap_or(u32::MAX));
    }
    let mut added = Vec::new();
    for rule in &plan.rules {
        let same = left.get_mut(&(rule.entry.as_slice(), began(rule), rule.until_us));
        if same.and_then(Vec::pop).is_none() {
            added.push(rule.clone());
        }
    }
    let mut removed: Vec<u32> = left.into_values().flatten().collect();
    removed.sort_unstable();
    Delta {
        base: base.version,
        version: plan.version,
        activate_at_us: plan.activate_at_us,
        program: plan
            .program
            .clone()
            .filter(|_| plan.program != base.program),
        always: (plan.always != base.always).then(|| Always {
            entities: plan.always.clone(),
        }),
        removed,
        added,
        slow_path: plan
            .slow_path
            .clone()
            .filter(|_| plan.slow_path != base.slow_path),
    }
}

/// The plan to which a delta leads.
///
/// # Errors
/// If the delta is for another plan.
pub fn apply(base: Option<&Plan>, delta: Delta) -> Result<Plan, PlanFault> {
    let held = base.map_or(0, |base| base.version);
    let Some(base) = base.filter(|_| held == delta.base) else {
        let base = delta.base;
        return Err(PlanFault::Base { base, held });
    };
    let mut removed = delta.removed.iter().copied().peekable();
    let mut rules = Vec::with_capacity(base.rules.len() + delta.added.len());
    for (place, rule) in base.rules.iter().enumerate() {
        if removed.next_if(|next| *next as usize == place).is_none() {
            rules.push(rule.clone());
        }
    }
    if let Some(place) = removed.next() {
        return Err(PlanFault::NoRule(place));
    }
    rules.extend(delta.added);
    Ok(Plan {
        version: delta.version,
        activate_at_us: delta.activate_at_us,
        program: delta.program.or_else(|| base.program.clone()),
        always: delta
            .always
            .map_or_else(|| base.always.clone(), |always| always.entities),
        rules,
        slow_path: delta.slow_path.or_else(|| base.slow_path.clone()),
    })
}
