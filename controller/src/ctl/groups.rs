// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtnctl groups`

use control::{desired::Item, wire};
use p4rt::{
    Code,
    client::Client,
    entries::Replica,
    p4info::Index,
    proto::p4::v1::{
        CloneSessionEntry, Entity, MulticastGroupEntry, PacketReplicationEngineEntry, entity,
        packet_replication_engine_entry::Type,
    },
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
    let mut groups = section("multicast groups", &["group", "replicas"]);
    let mut sessions = section(
        "clone sessions",
        &["session", "replicas", "packet_length_bytes"],
    );
    let wanted = [
        Type::MulticastGroupEntry(MulticastGroupEntry::default()),
        Type::CloneSessionEntry(CloneSessionEntry::default()),
    ];
    for kind in wanted {
        let wanted = PacketReplicationEngineEntry { r#type: Some(kind) };
        let wanted = entity::Entity::PacketReplicationEngineEntry(wanted);
        let found = match client
            .read(vec![Entity {
                entity: Some(wanted),
            }])
            .await
        {
            Ok(found) => found,
            // Some servers write clone sessions and cannot read them.
            Err(error) if error.code() == Code::Unimplemented => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        for entity in found {
            match wire::to_item(entity, index) {
                Some(Ok(Item::MulticastGroup(group))) => {
                    groups
                        .rows
                        .push(vec![group.id.to_string(), replicas(&group.replicas)]);
                }
                Some(Ok(Item::CloneSession(session))) => sessions.rows.push(vec![
                    session.id.to_string(),
                    replicas(&session.replicas),
                    session
                        .packet_length_bytes
                        .map_or("all".to_owned(), |len| len.to_string()),
                ]),
                _ => {}
            }
        }
    }
    Ok(show(&[groups, sessions], format))
}

fn section(title: &str, columns: &[&str]) -> Section {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    Section {
        title: title.to_owned(),
        columns,
        ..Section::default()
    }
}

/// `port:instance`, or only the port where the instance is zero.
fn replicas(replicas: &[Replica]) -> String {
    let one = |replica: &Replica| match replica.instance {
        0 => replica.port.to_string(),
        instance => format!("{}:{instance}", replica.port),
    };
    replicas.iter().map(one).collect::<Vec<_>>().join(" ")
}
