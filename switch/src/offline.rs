// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A program without a switch: checked, filled with entries, and run on single packets.

use p4rt::{
    entries::{EntriesFile, ParseError, Replica},
    entry::EntryError,
    p4info::{Index, IndexError},
    proto::p4::{
        config::v1::P4Info,
        v1::{
            self as proto, Update, entity::Entity as Kind,
            packet_replication_engine_entry as replication, replica, update::Type,
        },
    },
};

use crate::{
    Observer, Recorder, Silent,
    pipeline::Pipeline,
    server::{Active, Digests, ProgramError, Writer, load},
    traffic::{Sink, Worker},
};

/// A checked program.
#[derive(Debug)]
pub struct Offline {
    active: Active,
    digests: Digests,
    worker: Worker,
}

/// Why entries cannot be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntriesError {
    /// The file is not an entries file.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The P4Info of the program contradicts itself.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Something in the file does not fit the program.
    #[error("{place}: {fault}")]
    Misfit {
        /// Where in the file.
        place: String,
        /// What is wrong.
        fault: String,
    },
    /// An entry cannot be written in the protocol.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The switch refuses an entry.
    #[error("entry {number} is refused: {reason}")]
    Refused {
        /// Its place among all entries, from 1.
        number: usize,
        /// What the switch says.
        reason: String,
    },
}

impl Offline {
    /// Checks and compiles a program.
    ///
    /// # Errors
    ///
    /// If the program has errors, or the engine cannot run it.
    pub fn load(source: &p4::Source<'_>) -> Result<Self, ProgramError> {
        let active = load(source, None)?;
        Ok(Self {
            active,
            digests: Digests::default(),
            worker: Worker::new(1),
        })
    }

    /// The interface of the program, as protobuf message.
    #[must_use]
    pub fn p4info(&self) -> &P4Info {
        &self.active.p4info
    }

    /// The interface of the program, in protobuf's text format.
    #[must_use]
    pub fn p4info_text(&self) -> String {
        self.pipeline().program().p4info.to_text()
    }

    /// What the front end had to say about the program, apart from errors.
    #[must_use]
    pub fn warnings(&self) -> &p4::diagnostic::Diagnostics {
        &self.active.warnings
    }

    /// The program in operation.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline {
        &self.active.pipeline
    }

    /// Installs the entries of a file, in the JSON form of [`p4rt::entries`].
    ///
    /// # Errors
    ///
    /// At the first entry that cannot be installed; those before it stay.
    pub fn install(&mut self, json: &str) -> Result<(), EntriesError> {
        for (position, update) in self.updates(json)?.iter().enumerate() {
            let written = self.write(update, 0);
            written.map_err(|reason| EntriesError::Refused {
                number: position + 1,
                reason,
            })?;
        }
        Ok(())
    }

    /// The entries of a file as updates for a switch that runs this program.
    ///
    /// # Errors
    ///
    /// If the file is none, or one of its entries does not fit the program.
    pub fn updates(&self, json: &str) -> Result<Vec<Update>, EntriesError> {
        let index = Index::new(&self.active.p4info)?;
        let resolved = EntriesFile::parse(json)?
            .resolve(&index)
            .map_err(|misfits| {
                let first = misfits.first();
                EntriesError::Misfit {
                    place: first.map_or(String::new(), |misfit| misfit.place.clone()),
                    fault: first.map_or(String::new(), |misfit| misfit.fault.to_string()),
                }
            })?;
        let mut updates = Vec::new();
        for entry in &resolved.entries {
            let entry = entry.to_proto(&index)?;
            let kind = if entry.is_default_action {
                Type::Modify
            } else {
                Type::Insert
            };
            updates.push(update(kind, Kind::TableEntry(entry)));
        }
        for group in &resolved.multicast_groups {
            let group = proto::MulticastGroupEntry {
                multicast_group_id: group.id,
                replicas: group.replicas.iter().copied().map(to_proto).collect(),
                metadata: Vec::new(),
            };
            let group = replication::Type::MulticastGroupEntry(group);
            updates.push(update(Type::Insert, engine(group)));
        }
        for session in &resolved.clone_sessions {
            let len = session.packet_length_bytes.unwrap_or(0);
            let session = proto::CloneSessionEntry {
                session_id: session.id,
                replicas: session.replicas.iter().copied().map(to_proto).collect(),
                class_of_service: 0,
                packet_length_bytes: i32::try_from(len).unwrap_or(i32::MAX),
            };
            let session = replication::Type::CloneSessionEntry(session);
            updates.push(update(Type::Insert, engine(session)));
        }
        Ok(updates)
    }

    /// Carries out one update, as the P4Runtime server does, at this time.
    ///
    /// # Errors
    ///
    /// Why the switch refuses it.
    pub fn write(&mut self, update: &Update, now_ns: u64) -> Result<(), String> {
        let mut writer = Writer {
            active: &self.active,
            digests: &mut self.digests,
            now_ns,
            // Without a switch there are no ports, and each may be there one day.
            has_port: &|_| true,
        };
        let written = writer.apply(update);
        written.map_err(|status| status.message().to_owned())
    }

    pub(crate) fn into_active(self) -> Active {
        self.active
    }

    /// Runs one packet, and keeps what happens to it.
    pub fn run(&mut self, port: u32, packet: &[u8], now_ns: u64, sink: &mut dyn Sink) -> Recorder {
        let mut recorder = Recorder::default();
        self.watch((port, packet), now_ns, sink, &mut recorder);
        recorder
    }

    /// Runs one packet from a port, in a fraction of the time of [`Offline::run`].
    pub fn forward(&mut self, packet: (u32, &[u8]), now_ns: u64, sink: &mut dyn Sink) {
        self.watch(packet, now_ns, sink, &mut Silent);
    }

    /// Runs one packet from a port, and tells an observer what happens to it.
    pub fn watch(
        &mut self,
        packet: (u32, &[u8]),
        now_ns: u64,
        mut sink: &mut dyn Sink,
        observer: &mut impl Observer,
    ) {
        let pipeline = &self.active.pipeline;
        pipeline.process(&mut self.worker, packet, now_ns, &mut sink, observer);
    }
}

fn update(kind: Type, entity: Kind) -> Update {
    let entity = Some(proto::Entity {
        entity: Some(entity),
    });
    Update {
        r#type: kind.into(),
        entity,
    }
}

fn engine(kind: replication::Type) -> Kind {
    let entry = proto::PacketReplicationEngineEntry { r#type: Some(kind) };
    Kind::PacketReplicationEngineEntry(entry)
}

fn to_proto(replica: Replica) -> proto::Replica {
    proto::Replica {
        instance: replica.instance,
        port_kind: Some(replica::PortKind::Port(replica.port.to_be_bytes().to_vec())),
        ..proto::Replica::default()
    }
}
