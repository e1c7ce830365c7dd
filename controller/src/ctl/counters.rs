// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtnctl counters`

use p4rt::{
    client::Client,
    p4info::{CounterKind, Index},
    proto::p4::v1::{CounterEntry, Entity, entity},
};

use crate::ctl::{
    CtlError, Format,
    report::{Section, show},
};

/// Arguments of `sddtnctl counters`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Counter to show, by name or alias; all if absent.
    counter: Option<String>,
    /// Show cells that have counted nothing, too.
    #[arg(long)]
    all: bool,
}

impl Args {
    pub(super) async fn run(
        self,
        client: &Client,
        index: &Index,
        format: Format,
    ) -> Result<String, CtlError> {
        if let Some(name) = self
            .counter
            .as_ref()
            .filter(|name| index.counter(name).is_none())
        {
            return Err(CtlError::NoSuch {
                kind: "counter",
                name: name.clone(),
            });
        }
        let only = self.counter.as_ref().and_then(|name| index.counter(name));
        let mut sections = Vec::new();
        for counter in index.counters() {
            if only.is_some_and(|only| only.id != counter.id) {
                continue;
            }
            match counter.kind {
                CounterKind::Indexed { .. } => {
                    let rows = cells(client, counter.id, self.all).await?;
                    let columns = ["index", "packets", "bytes"].map(str::to_owned).to_vec();
                    let (title, note) = (counter.name.clone(), String::new());
                    sections.push(Section {
                        title,
                        note,
                        columns,
                        rows,
                    });
                }
                CounterKind::Direct { table_id } => {
                    let table = index.table_by_id(table_id).map_or("?", |table| &table.name);
                    let note = format!("  shown by: sddtnctl tables {table}");
                    let title = counter.name.clone();
                    sections.push(Section {
                        title,
                        note,
                        ..Section::default()
                    });
                }
            }
        }
        Ok(show(&sections, format))
    }
}

async fn cells(client: &Client, counter_id: u32, all: bool) -> Result<Vec<Vec<String>>, CtlError> {
    let wanted = CounterEntry {
        counter_id,
        index: None,
        data: None,
    };
    let wanted = Entity {
        entity: Some(entity::Entity::CounterEntry(wanted)),
    };
    let found = client.read(vec![wanted]).await?;
    let mut cells: Vec<(i64, i64, i64)> = found
        .into_iter()
        .filter_map(|entity| match entity.entity {
            Some(entity::Entity::CounterEntry(cell)) => {
                let data = cell.data.unwrap_or_default();
                Some((
                    cell.index.unwrap_or_default().index,
                    data.packet_count,
                    data.byte_count,
                ))
            }
            _ => None,
        })
        .filter(|(_, packets, bytes)| all || *packets != 0 || *bytes != 0)
        .collect();
    cells.sort_unstable();
    let row = |(index, packets, bytes): (i64, i64, i64)| {
        [index, packets, bytes]
            .map(|number| number.to_string())
            .to_vec()
    };
    Ok(cells.into_iter().map(row).collect())
}
