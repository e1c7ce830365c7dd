// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the calls of one device share: streams, arbitration, digest queues, pipelines.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use p4rt::proto::{
    google::rpc,
    p4::v1::{
        self as proto, StreamMessageResponse, set_forwarding_pipeline_config_request::Action,
        stream_message_response::Update,
    },
};
use tokio::sync::mpsc;
use tonic::{Code, Status};

use super::{
    arbitration::{Arbitration, Notice, Standing, StreamId},
    digest::Digests,
    frontend::{ProgramError, check_interface, load},
    objects::Active,
    read::Reader,
    roles::{RoleConfig, Scope, object_id},
    write::Writer,
};
use crate::{device::Device, run::Limits};

/// Messages that may wait for one controller. Beyond it they are dropped and counted, because
/// a slow controller must hold up neither packets nor other controllers.
pub(crate) const STREAM_QUEUE: usize = 1024;

type Outbox = mpsc::Sender<Result<StreamMessageResponse, Status>>;

/// State behind the lock. No lock is held while a task waits.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) arbitration: Arbitration,
    pub(crate) digests: Digests,
    streams: BTreeMap<StreamId, Outbox>,
    saved: Option<Saved>,
    next_stream: StreamId,
}

/// A pipeline that waits to be committed. Until then it is what requests read and write.
#[derive(Debug)]
struct Saved {
    active: Arc<Active>,
    digests: Digests,
}

impl Shared {
    /// What requests read and write: the saved pipeline, or the one in force.
    fn target(&mut self, device: &Device) -> Result<(Arc<Active>, &mut Digests), Status> {
        if let Some(saved) = &mut self.saved {
            return Ok((Arc::clone(&saved.active), &mut saved.digests));
        }
        let none = || Status::failed_precondition("no forwarding pipeline is set");
        Ok((device.active().ok_or_else(none)?, &mut self.digests))
    }
}

/// The control side of one device.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) device: Arc<Device>,
    shared: Mutex<Shared>,
    /// Makes requests that change something wait for each other: a new primary is accepted only
    /// when the writes of the old one are done.
    pub(crate) gate: Arc<tokio::sync::Mutex<()>>,
    pub(crate) limits: Limits,
    /// Connections that were closed because there were too many.
    pub(crate) refused: Arc<AtomicU64>,
    lost: AtomicU64,
}

impl Control {
    pub(crate) fn new(device: Arc<Device>, limits: Limits) -> Self {
        let shared = Shared {
            arbitration: Arbitration::new(device.id),
            digests: Digests::default(),
            streams: BTreeMap::new(),
            saved: None,
            next_stream: 0,
        };
        Self {
            device,
            shared: Mutex::new(shared),
            gate: Arc::default(),
            limits,
            refused: Arc::default(),
            lost: AtomicU64::new(0),
        }
    }

    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages that did not reach a controller: it was too slow, there was none, or it had not
    /// acknowledged what it got.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed) + self.shared().digests.dropped()
    }

    /// Registers a stream, which has not said yet who it is.
    pub(crate) fn open_stream(&self, outbox: Outbox) -> Result<StreamId, Status> {
        let mut shared = self.shared();
        if shared.streams.len() >= self.limits.streams {
            let message = format!("too many streams: {} are open", self.limits.streams);
            return Err(Status::resource_exhausted(message));
        }
        shared.next_stream += 1;
        let id = shared.next_stream;
        shared.streams.insert(id, outbox);
        Ok(id)
    }

    pub(crate) fn close_stream(&self, id: StreamId) {
        let mut shared = self.shared();
        shared.streams.remove(&id);
        let notices = shared.arbitration.leave(id);
        self.send_notices(&shared, &notices);
    }

    /// Ends a stream with a status.
    pub(crate) fn refuse(&self, id: StreamId, status: Status) {
        let outbox = self.shared().streams.remove(&id);
        if outbox.is_some_and(|outbox| outbox.try_send(Err(status)).is_err()) {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn send_notices(&self, shared: &Shared, notices: &[Notice]) {
        for notice in notices {
            let update = Update::Arbitration(arbitration_message(self.device.id, notice));
            self.send(shared, notice.stream, update);
        }
    }

    /// Queues a message for one stream.
    pub(crate) fn send(&self, shared: &Shared, stream: StreamId, update: Update) {
        let message = StreamMessageResponse {
            update: Some(update),
        };
        let outbox = shared.streams.get(&stream);
        if outbox.is_none_or(|outbox| outbox.try_send(Ok(message)).is_err()) {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// Queues for each primary what it may hear of something.
    pub(crate) fn send_to_primaries(
        &self,
        shared: &Shared,
        heard: impl Fn(Option<&RoleConfig>) -> Option<Update>,
    ) {
        let primaries = shared.arbitration.primaries();
        let messages = primaries
            .into_iter()
            .filter_map(|(stream, config)| Some((stream, heard(config)?)));
        let mut somebody = false;
        for (stream, update) in messages {
            somebody = true;
            self.send(shared, stream, update);
        }
        if !somebody {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// Checks who asks, device, role and primary, and returns what they may do.
    pub(crate) fn authorise(
        &self,
        device: u64,
        role: &str,
        election: Option<u128>,
    ) -> Result<Scope, Status> {
        self.check_device(device)?;
        let shared = self.shared();
        if !shared.arbitration.knows(role) {
            return Err(Status::not_found(format!("no role {role:?} here")));
        }
        if !shared.arbitration.may_write(role, election) {
            return Err(Status::permission_denied("only the primary may write"));
        }
        Ok(shared.arbitration.scope(role))
    }

    pub(crate) fn check_device(&self, device: u64) -> Result<(), Status> {
        if device != self.device.id {
            return Err(Status::not_found(format!("no device {device} here")));
        }
        Ok(())
    }

    pub(crate) fn active(&self) -> Result<Arc<Active>, Status> {
        let none = || Status::failed_precondition("no forwarding pipeline is set");
        self.device.active().ok_or_else(none)
    }

    /// Carries updates out one by one; returns the outcome of each.
    pub(crate) fn write(
        &self,
        scope: &Scope,
        updates: &[proto::Update],
    ) -> Result<Vec<proto::Error>, Status> {
        let mut shared = self.shared();
        let (active, digests) = shared.target(&self.device)?;
        let mut writer = Writer {
            active: &active,
            digests,
            now_ns: self.device.now_ns(),
            has_port: &|port| self.device.has_port(port),
        };
        let mut apply = |update| permitted(scope, update).and_then(|()| writer.apply(update));
        Ok(updates
            .iter()
            .map(|update| outcome(apply(update)))
            .collect())
    }

    /// Carries all updates out, or none: after the first that fails, those before it are taken
    /// back. Packets wait meanwhile, so that they see all of the batch or nothing.
    pub(crate) fn write_all(
        &self,
        scope: &Scope,
        updates: &[proto::Update],
    ) -> Result<Vec<proto::Error>, Status> {
        let mut shared = self.shared();
        let (active, digests) = shared.target(&self.device)?;
        let now_ns = self.device.now_ns();
        let _paused = active.pipeline.pause();
        let mut undo = Vec::new();
        for (position, update) in updates.iter().enumerate() {
            let reader = Reader {
                active: &active,
                digests,
                now_ns,
            };
            let before =
                permitted(scope, update).and_then(|()| super::undo::reverse(&reader, update));
            let mut writer = Writer {
                active: &active,
                digests,
                now_ns,
                has_port: &|port| self.device.has_port(port),
            };
            let failed = match before {
                Ok(before) => writer.apply(update).map(|()| undo.push(before)).err(),
                Err(status) => Some(status),
            };
            let Some(status) = failed else {
                continue;
            };
            for back in undo.iter().rev().flatten() {
                if let Err(status) = writer.apply(back) {
                    tracing::error!(reason = %status, "an update cannot be taken back");
                }
            }
            let mut outcomes = vec![aborted(position); updates.len()];
            outcomes[position] = outcome(Err(status));
            return Ok(outcomes);
        }
        Ok(vec![proto::Error::default(); updates.len()])
    }

    /// Collects all entities that requests stand for and the role sees, and the outcome of each
    /// request.
    pub(crate) fn read(
        &self,
        role: &str,
        entities: &[proto::Entity],
    ) -> Result<(Vec<proto::Entity>, Vec<proto::Error>), Status> {
        let mut shared = self.shared();
        let scope = shared.arbitration.scope(role);
        let (active, digests) = shared.target(&self.device)?;
        let reader = Reader {
            active: &active,
            digests,
            now_ns: self.device.now_ns(),
        };
        let mut found = Vec::new();
        let mut outcomes = Vec::with_capacity(entities.len());
        for entity in entities {
            let result = reader.read(entity).map(|entities| {
                let seen = |entity: &proto::Entity| scope.reads(object_id(entity));
                found.extend(entities.into_iter().filter(seen));
            });
            outcomes.push(outcome(result));
        }
        Ok((found, outcomes))
    }

    /// Verifies, saves or commits a pipeline.
    pub(crate) fn set_pipeline(
        &self,
        action: Action,
        config: Option<proto::ForwardingPipelineConfig>,
    ) -> Result<(), Status> {
        if action == Action::Commit {
            if config.is_some() {
                return Err(Status::invalid_argument(
                    "what is committed was saved before",
                ));
            }
            let mut shared = self.shared();
            let none = || Status::not_found("no pipeline was saved");
            let saved = shared.saved.take().ok_or_else(none)?;
            shared.digests = saved.digests;
            self.device.activate(saved.active);
            return Ok(());
        }
        let config = config.ok_or_else(|| Status::invalid_argument("config is missing"))?;
        let active = Arc::new(verify(&config)?);
        match action {
            Action::Unspecified => return Err(Status::invalid_argument("action is unspecified")),
            Action::Verify | Action::Commit => {}
            Action::VerifyAndSave => {
                let digests = Digests::default();
                self.shared().saved = Some(Saved { active, digests });
            }
            Action::VerifyAndCommit => self.commit(active),
            Action::ReconcileAndCommit => self.reconcile(active)?,
        }
        Ok(())
    }

    /// Puts a pipeline into force. All forwarding state of the old one is gone.
    pub(crate) fn commit(&self, active: Arc<Active>) {
        let mut shared = self.shared();
        shared.saved = None;
        shared.digests = Digests::default();
        self.device.activate(active);
    }

    /// Puts a pipeline into force with the entries of the old one, or leaves all as it is.
    fn reconcile(&self, active: Arc<Active>) -> Result<(), Status> {
        let Some(old) = self.device.active() else {
            self.commit(active);
            return Ok(());
        };
        let mut shared = self.shared();
        let now_ns = self.device.now_ns();
        let reader = Reader {
            active: &old,
            digests: &shared.digests,
            now_ns,
        };
        let updates = super::hub::snapshot(&reader)?;
        let mut digests = Digests::default();
        let mut writer = Writer {
            active: &active,
            digests: &mut digests,
            now_ns,
            has_port: &|port| self.device.has_port(port),
        };
        for update in &updates {
            let mut outcome = writer.apply(update);
            if outcome
                .as_ref()
                .is_err_and(|status| status.code() == Code::AlreadyExists)
            {
                // The program brings this entry along, and the controller had changed it.
                let modify = proto::update::Type::Modify as i32;
                outcome = writer.apply(&proto::Update {
                    r#type: modify,
                    ..update.clone()
                });
            }
            outcome.map_err(|status| {
                let message = format!("state does not fit the program: {}", status.message());
                Status::new(Code::InvalidArgument, message)
            })?;
        }
        shared.saved = None;
        shared.digests = digests;
        self.device.activate(active);
        Ok(())
    }
}

/// Whether a role may carry an update out.
fn permitted(scope: &Scope, update: &proto::Update) -> Result<(), Status> {
    let Some(entity) = &update.entity else {
        return Ok(());
    };
    if scope.writes(object_id(entity)) {
        return Ok(());
    }
    Err(Status::permission_denied(
        "the object belongs to another role",
    ))
}

fn outcome(result: Result<(), Status>) -> proto::Error {
    match result {
        Ok(()) => proto::Error::default(),
        Err(status) => proto::Error {
            canonical_code: status.code() as i32,
            message: status.message().to_owned(),
            space: "p4switch".to_owned(),
            ..proto::Error::default()
        },
    }
}

/// The outcome of an update that fails with another one of its batch.
fn aborted(position: usize) -> proto::Error {
    let message = format!("update {} of the batch has failed", position + 1);
    outcome(Err(Status::aborted(message)))
}

/// Compiles the program of a configuration and compares its interface with the P4Info.
fn verify(config: &proto::ForwardingPipelineConfig) -> Result<Active, Status> {
    let cookie = config.cookie.map(|cookie| cookie.cookie);
    let text = std::str::from_utf8(&config.p4_device_config).map_err(ProgramError::Encoding)?;
    let source = p4::Source {
        name: "p4_device_config",
        text,
        ..p4::Source::default()
    };
    let active = load(&source, cookie)?;
    let given = config.p4info.as_ref();
    let given = given.ok_or_else(|| Status::invalid_argument("p4info is missing"))?;
    check_interface(&active.p4info, given)?;
    Ok(active)
}

impl From<ProgramError> for Status {
    fn from(error: ProgramError) -> Self {
        let code = match error {
            ProgramError::P4Info(_) => Code::Internal,
            _ => Code::InvalidArgument,
        };
        Status::new(code, error.to_string())
    }
}

fn arbitration_message(device_id: u64, notice: &Notice) -> proto::MasterArbitrationUpdate {
    let (code, message) = match notice.standing {
        Standing::Primary => (Code::Ok, "you are the primary"),
        Standing::Backup => (Code::AlreadyExists, "another stream is the primary"),
        Standing::Vacant => (Code::NotFound, "there is no primary"),
    };
    let named = !notice.role.is_empty();
    let bare = || {
        named.then(|| proto::Role {
            name: notice.role.clone(),
            ..proto::Role::default()
        })
    };
    let role = notice.config.as_ref().map(|config| config.given().clone());
    proto::MasterArbitrationUpdate {
        device_id,
        role: role.or_else(bare),
        election_id: notice.highest.map(|id| proto::Uint128 {
            high: u64::try_from(id >> 64).unwrap_or(u64::MAX),
            low: u64::try_from(id & u128::from(u64::MAX)).unwrap_or(u64::MAX),
        }),
        status: Some(rpc::Status {
            code: code as i32,
            message: message.to_owned(),
            details: Vec::new(),
        }),
    }
}
