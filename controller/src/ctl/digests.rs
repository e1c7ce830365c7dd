// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtnctl digests`

use control::{desired::Item, wire};
use p4rt::{
    Code,
    client::Client,
    p4info::Index,
    proto::p4::v1::{DigestEntry, Entity},
};

use crate::ctl::{
    CtlError, Format,
    report::{Section, show},
};

pub(super) async fn run(
    client: &Client,
    index: &Index,
    format: Format,
) -> Result<String, CtlError> {
    let mut rows = Vec::new();
    for digest in index.digests() {
        let wanted = DigestEntry {
            digest_id: digest.id,
            config: None,
        };
        let wanted = Entity {
            entity: Some(p4rt::proto::p4::v1::entity::Entity::DigestEntry(wanted)),
        };
        // One by one, because not every server reads all at once.
        let found = match client.read(vec![wanted]).await {
            Ok(found) => found,
            Err(error) if error.code() == Code::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let line = found
            .into_iter()
            .find_map(|entity| match wire::to_item(entity, index) {
                Some(Ok(Item::Digest(line))) => Some(line),
                _ => None,
            });
        let mut row = vec![digest.name.clone()];
        match line {
            Some(line) => row.extend(
                [line.max_timeout_ms, line.max_list_size, line.ack_timeout_ms]
                    .map(|number| number.to_string()),
            ),
            None => row.extend(["-"; 3].map(str::to_owned)),
        }
        let members = digest
            .members
            .iter()
            .map(|m| format!("{}:{}", m.name, m.width_bits));
        row.push(members.collect::<Vec<_>>().join(" "));
        rows.push(row);
    }
    let columns = [
        "digest",
        "max_timeout_ms",
        "max_list_size",
        "ack_timeout_ms",
        "members",
    ];
    let columns = columns.map(str::to_owned).to_vec();
    let section = Section {
        title: "digests".to_owned(),
        note: String::new(),
        columns,
        rows,
    };
    Ok(show(&[section], format))
}
