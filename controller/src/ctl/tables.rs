// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtnctl tables`

use p4rt::{
    Bits, Entry,
    client::Client,
    entry::Condition,
    p4info::{Index, Table},
    proto::p4::v1::{CounterData, Entity, TableEntry, entity},
    value::{self, Format as ValueFormat},
};

use crate::ctl::{
    CtlError, Format,
    report::{Section, show},
};

/// Arguments of `sddtnctl tables`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Table to show, by name or alias; all if absent.
    table: Option<String>,
}

impl Args {
    pub(super) async fn run(
        self,
        client: &Client,
        index: &Index,
        format: Format,
    ) -> Result<String, CtlError> {
        let tables: Vec<&Table> = match self.table {
            Some(name) => match index.table(&name) {
                Some(table) => vec![table],
                None => {
                    return Err(CtlError::NoSuch {
                        kind: "table",
                        name,
                    });
                }
            },
            None => index.tables().collect(),
        };
        let mut sections = Vec::new();
        for table in tables {
            sections.push(section(client, index, table).await?);
        }
        Ok(show(&sections, format))
    }
}

async fn section(client: &Client, index: &Index, table: &Table) -> Result<Section, CtlError> {
    let counted = table.direct_counter.is_some();
    // A read returns counters only if the request has the field.
    let counter_data = counted.then(CounterData::default);
    let wanted = |is_default_action| Entity {
        entity: Some(entity::Entity::TableEntry(TableEntry {
            table_id: table.id,
            is_default_action,
            counter_data: counter_data.filter(|_| !is_default_action),
            ..TableEntry::default()
        })),
    };
    let mut found = client.read(vec![wanted(false)]).await?;
    let entries = found.len();
    found.extend(client.read(vec![wanted(true)]).await?);
    let mut columns: Vec<_> = table
        .fields
        .iter()
        .map(|field| field.name.clone())
        .collect();
    columns.extend(table.has_priority().then(|| "priority".to_owned()));
    columns.push("action".to_owned());
    columns.extend(
        ["packets", "bytes"]
            .into_iter()
            .filter(|_| counted)
            .map(str::to_owned),
    );
    let rows = found.into_iter().filter_map(|entity| match entity.entity {
        Some(entity::Entity::TableEntry(entry)) => Some(row(&entry, table, index, counted)),
        _ => None,
    });
    let size = table
        .size
        .map_or_else(String::new, |size| format!(" of {size}"));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|one, other| {
        let one = one.iter().map(|cell| sort_key(cell));
        one.cmp(other.iter().map(|cell| sort_key(cell)))
    });
    Ok(Section {
        title: table.name.clone(),
        note: format!("  {entries}{size}"),
        columns,
        rows,
    })
}

/// Text in the order of its letters, and then numbers in the order of their values.
fn sort_key(cell: &str) -> (Option<u64>, &str) {
    match cell.parse() {
        Ok(number) => (Some(number), ""),
        Err(_) => (None, cell),
    }
}

/// The cells of an entry. What cannot be named is shown as the reason why.
fn row(wire: &TableEntry, table: &Table, index: &Index, counted: bool) -> Vec<String> {
    let blank = || table.fields.iter().map(|_| String::new());
    let entry = match Entry::from_proto(wire, index) {
        Ok(entry) => entry,
        Err(error) => return blank().chain([error.to_string()]).collect(),
    };
    let mut cells: Vec<String> = match &entry.key.condition {
        Condition::Match { fields, .. } => table
            .fields
            .iter()
            .map(|field| {
                let value = fields.get(&field.name);
                value.map_or("*".to_owned(), |value| {
                    value::print_match(value, field.format)
                })
            })
            .collect(),
        Condition::Default => {
            let words = blank().enumerate();
            words
                .map(|(at, blank)| {
                    if at == 0 {
                        "(default)".to_owned()
                    } else {
                        blank
                    }
                })
                .collect()
        }
    };
    if table.has_priority() {
        let priority = wire.priority;
        cells.push(if wire.is_default_action {
            String::new()
        } else {
            priority.to_string()
        });
    }
    cells.push(action(&entry, index));
    if let Some(data) = wire.counter_data.filter(|_| counted) {
        cells.extend([data.packet_count.to_string(), data.byte_count.to_string()]);
    }
    cells
}

pub(super) fn action(entry: &Entry, index: &Index) -> String {
    if entry.action.is_empty() {
        return "(of the program)".to_owned();
    }
    let declared = index
        .action(&entry.action)
        .map(|action| action.params.as_slice());
    let show = |(name, bits): (&String, &Bits)| {
        let param = declared
            .unwrap_or_default()
            .iter()
            .find(|param| param.name == *name);
        let format = param.map_or(ValueFormat::Hex, |param| param.format);
        format!("{name}={}", value::print(bits, format))
    };
    let params: Vec<_> = entry.params.iter().map(show).collect();
    format!("{}({})", entry.action, params.join(", "))
}
