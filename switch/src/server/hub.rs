// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The task between packets and controllers: digest lists, packet-ins, idle notifications.

use std::{sync::Arc, time::Duration};

use p4rt::proto::p4::v1::{
    self as proto, Entity, IdleTimeoutNotification, TableEntry, Update as WriteUpdate,
    entity::Entity as Kind, packet_replication_engine_entry as replication,
    stream_message_response::Update, update::Type,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{
    control::{Control, Shared},
    digest::List,
    messages::{digest_list, packet_in},
    objects::Active,
    read::Reader,
    table_entry::to_proto,
};
use crate::device::Notification;

/// How often idle entries and forgotten acknowledgements are looked for.
const SWEEP: Duration = Duration::from_millis(100);

/// Runs until `stop`.
pub(crate) async fn run(
    control: Arc<Control>,
    mut notifications: mpsc::Receiver<Notification>,
    stop: CancellationToken,
) {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now_ns = control.device.now_ns();
        let deadline = control.shared().digests.deadline_ns();
        let wait = deadline.map(|at| Duration::from_nanos(at.saturating_sub(now_ns)));
        let next = Instant::now() + wait.unwrap_or(SWEEP);
        tokio::select! {
            () = stop.cancelled() => return,
            Some(notification) = notifications.recv() => handle(&control, notification),
            () = tokio::time::sleep_until(next), if wait.is_some() => send_due(&control),
            _ = sweep.tick() => {
                send_due(&control);
                report_idle(&control);
            }
        }
    }
}

fn handle(control: &Control, notification: Notification) {
    let Some(active) = control.device.active() else {
        return;
    };
    match notification {
        Notification::Digest {
            serial,
            digest,
            values,
        } => {
            // A digest of the program before means nothing to the controller of this one.
            if serial != active.pipeline.serial {
                return;
            }
            let now_ns = control.device.now_ns();
            let mut shared = control.shared();
            if let Some(list) = shared.digests.sample(digest, &values, now_ns) {
                send_list(control, &shared, &active, &list);
            }
        }
        Notification::PacketIn(packet) => {
            if let Some(message) = packet_in(&active.objects.packet_in, &packet) {
                control.send_to_primaries(&control.shared(), |config| {
                    let heard = config.is_none_or(|config| config.hears(&message));
                    heard.then(|| Update::Packet(message.clone()))
                });
            }
        }
    }
}

fn send_due(control: &Control) {
    let Some(active) = control.device.active() else {
        return;
    };
    let now_ns = control.device.now_ns();
    let mut shared = control.shared();
    for list in shared.digests.due(now_ns) {
        send_list(control, &shared, &active, &list);
    }
}

/// Sends a list to those whose digest it is. Its time is that of the epoch, as the protocol has it.
fn send_list(control: &Control, shared: &Shared, active: &Active, list: &List) {
    let message = digest_list(active, list, epoch_ns());
    control.send_to_primaries(shared, |config| {
        let heard = config.is_none_or(|config| config.has(message.digest_id));
        heard.then(|| Update::Digest(message.clone()))
    });
}

fn report_idle(control: &Control) {
    let Some(active) = control.device.active() else {
        return;
    };
    if !active
        .objects
        .tables
        .values()
        .any(|table| table.idle_timeout)
    {
        return;
    }
    let idle = active.pipeline.idle_entries(control.device.now_ns());
    if idle.is_empty() {
        return;
    }
    let entries = idle.iter().filter_map(|(index, entry)| {
        let table = active
            .objects
            .tables
            .values()
            .find(|table| table.index == *index)?;
        let shown = to_proto(&active.objects, table, entry, false);
        Some(TableEntry {
            action: None,
            ..shown
        })
    });
    let entries: Vec<TableEntry> = entries.collect();
    let timestamp = epoch_ns();
    control.send_to_primaries(&control.shared(), |config| {
        let heard = |entry: &&TableEntry| config.is_none_or(|config| config.has(entry.table_id));
        let table_entry: Vec<_> = entries.iter().filter(heard).cloned().collect();
        let notification = IdleTimeoutNotification {
            table_entry,
            timestamp,
        };
        let some = !notification.table_entry.is_empty();
        some.then_some(Update::IdleTimeoutNotification(notification))
    });
}

fn epoch_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// The updates that bring a fresh pipeline into the state of another one.
pub(super) fn snapshot(reader: &Reader<'_>) -> Result<Vec<WriteUpdate>, Status> {
    let mut updates = Vec::new();
    let table = |entry: TableEntry| Kind::TableEntry(entry);
    let entry = TableEntry {
        counter_data: Some(proto::CounterData::default()),
        meter_config: Some(proto::MeterConfig::default()),
        ..TableEntry::default()
    };
    let defaults = TableEntry {
        is_default_action: true,
        ..entry.clone()
    };
    let group = proto::MulticastGroupEntry::default();
    let session = proto::CloneSessionEntry::default();
    let engine = |kind| proto::PacketReplicationEngineEntry { r#type: Some(kind) };
    let wanted: [(Kind, Type); 11] = [
        // Entries refer to groups, and groups to members.
        (
            Kind::ActionProfileMember(proto::ActionProfileMember::default()),
            Type::Insert,
        ),
        (
            Kind::ActionProfileGroup(proto::ActionProfileGroup::default()),
            Type::Insert,
        ),
        (table(entry), Type::Insert),
        (table(defaults), Type::Modify),
        (
            Kind::CounterEntry(proto::CounterEntry::default()),
            Type::Modify,
        ),
        (Kind::MeterEntry(proto::MeterEntry::default()), Type::Modify),
        (
            Kind::RegisterEntry(proto::RegisterEntry::default()),
            Type::Modify,
        ),
        (
            Kind::ValueSetEntry(proto::ValueSetEntry::default()),
            Type::Modify,
        ),
        (
            Kind::DigestEntry(proto::DigestEntry::default()),
            Type::Insert,
        ),
        (
            Kind::PacketReplicationEngineEntry(engine(replication::Type::MulticastGroupEntry(
                group,
            ))),
            Type::Insert,
        ),
        (
            Kind::PacketReplicationEngineEntry(engine(replication::Type::CloneSessionEntry(
                session,
            ))),
            Type::Insert,
        ),
    ];
    for (kind, r#type) in wanted {
        for entity in reader.read(&Entity { entity: Some(kind) })? {
            // What the program itself sets is there already.
            if !is_given(reader, &entity) {
                updates.push(WriteUpdate {
                    r#type: r#type as i32,
                    entity: Some(entity),
                });
            }
        }
    }
    Ok(updates)
}

fn is_given(reader: &Reader<'_>, entity: &Entity) -> bool {
    match &entity.entity {
        Some(Kind::TableEntry(entry)) if entry.is_default_action => {
            reader.default_is_initial(entry)
        }
        Some(Kind::TableEntry(entry)) => entry.is_const,
        _ => false,
    }
}
