// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What operators ask for while the controller runs. Nothing that is computed or learned removes it.

use std::collections::BTreeMap;

use control::{
    desired::{Item, ItemKey},
    orders::{Orders, Origin},
    rules::Rules,
};
use p4rt::{
    entries::TableLine,
    entry::Key,
    p4info::{ActionPlace, Index},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::intent::Misfit;

/// Action of an override that keeps an entry out of its table.
pub const NO_ENTRY: &str = "none";

/// An entry of a table that an operator asks for, in the place of whatever else would be there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Name of the switch.
    pub switch: String,
    /// Name of the table.
    pub table: String,
    /// The match of each field by name, in the forms of entries files.
    #[serde(rename = "match", default)]
    pub fields: BTreeMap<String, String>,
    /// Name of the action; `none` keeps what configuration and rules would put there out of the table.
    pub action: String,
    /// The parameters of the action by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Larger wins; absent in tables without ternary, range and optional fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Overrides by name.
pub type Overrides = BTreeMap<String, Override>;

impl Override {
    /// Puts it into the orders of its switch.
    ///
    /// # Errors
    /// What the program has no place for.
    pub fn apply(&self, name: &str, orders: &mut Orders, index: &Index) -> Result<(), Misfit> {
        let mut line = TableLine {
            table: self.table.clone(),
            fields: self.fields.clone(),
            action: self.action.clone(),
            params: self.params.clone(),
            priority: self.priority,
        };
        let is_hole = self.action == NO_ENTRY;
        if is_hole {
            line = with_any_action(line, index);
        }
        let entry = line.resolve(index).map_err(|(place, fault)| Misfit {
            place: format!("override {name}{place}"),
            fault,
        })?;
        if is_hole {
            remove(&entry.key, orders);
        } else {
            let origin = Origin::Operator(name.to_owned());
            orders.intent.put(Item::Entry(entry), origin);
        }
        Ok(())
    }
}

/// A line is checked with its action, so one without gets any that the table has, and zeros.
fn with_any_action(mut line: TableLine, index: &Index) -> TableLine {
    let table = index.table(&line.table);
    let mut actions = table.into_iter().flat_map(|table| &table.actions);
    let in_entries = actions.find(|(_, place)| *place != ActionPlace::Default);
    if let Some(action) = in_entries.and_then(|(id, _)| index.action_by_id(*id)) {
        line.action.clone_from(&action.name);
        let zero = |name: &String| (name.clone(), "0".to_owned());
        line.params = action
            .params
            .iter()
            .map(|param| zero(&param.name))
            .collect();
    }
    line
}

fn remove(key: &Key, orders: &mut Orders) {
    let item = ItemKey::Entry(key.clone());
    orders.intent.state.remove(&item);
    orders.intent.origins.remove(&item);
    let others = orders
        .rules
        .all()
        .iter()
        .filter(|rule| rule.entry.key != *key);
    let others = others.cloned().collect();
    orders.rules = Rules::new(others).expect("a part of rules that do not overlap");
}
