// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A controller for tests: the generated client, with deadlines on everything.

use std::{net::SocketAddr, time::Duration};

use p4rt::{
    proto::p4::v1::{
        self as proto, Entity, MasterArbitrationUpdate, ReadRequest, StreamMessageRequest, Uint128,
        Update, WriteRequest, entity::Entity as Kind, p4_runtime_client::P4RuntimeClient,
        set_forwarding_pipeline_config_request::Action, stream_message_request,
        stream_message_response, update::Type, write_request::Atomicity,
    },
    status::{UpdateFailure, update_failures},
};
use switch::offline::Offline;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};

use crate::support::text;

/// No answer takes longer on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what)
        .await
        .expect("this happens before the deadline")
}

pub(crate) struct Controller {
    pub(crate) client: P4RuntimeClient<Channel>,
    pub(crate) election: Option<u128>,
    requests: mpsc::Sender<StreamMessageRequest>,
    responses: Streaming<proto::StreamMessageResponse>,
}

fn wire(id: u128) -> Uint128 {
    Uint128 {
        high: (id >> 64) as u64,
        low: id as u64,
    }
}

impl Controller {
    /// Connects and opens a stream, without saying anything on it.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let endpoint = endpoint.http2_max_header_list_size(4 << 20);
        let channel = soon(endpoint.connect()).await.expect("the switch listens");
        let mut client = P4RuntimeClient::new(channel);
        let (requests, receiver) = mpsc::channel(64);
        let stream = client.stream_channel(ReceiverStream::new(receiver));
        let responses = soon(stream).await.expect("a stream").into_inner();
        Self {
            client,
            election: None,
            requests,
            responses,
        }
    }

    /// Connects and becomes primary.
    pub(crate) async fn primary(address: SocketAddr, election: u128) -> Self {
        let mut controller = Self::connect(address).await;
        let answer = controller.bid(Some(election)).await.expect("accepted");
        assert_eq!(status_of(&answer), Code::Ok);
        controller
    }

    /// Connects, becomes primary and pushes a program.
    pub(crate) async fn with_program(address: SocketAddr, program: &str) -> Self {
        let mut controller = Self::primary(address, 1).await;
        controller
            .push(program, Action::VerifyAndCommit)
            .await
            .expect("the program is valid");
        controller
    }

    pub(crate) async fn say(&self, update: stream_message_request::Update) {
        let message = StreamMessageRequest {
            update: Some(update),
        };
        soon(self.requests.send(message))
            .await
            .expect("the stream is open");
    }

    /// The next message of the stream.
    pub(crate) async fn hear(&mut self) -> Result<stream_message_response::Update, Status> {
        let message = soon(self.responses.message()).await?;
        let ended = || Status::aborted("the stream has ended");
        Ok(message
            .ok_or_else(ended)?
            .update
            .expect("messages are not empty"))
    }

    /// The next message, which is about arbitration.
    pub(crate) async fn hear_arbitration(&mut self) -> Result<MasterArbitrationUpdate, Status> {
        match self.hear().await? {
            stream_message_response::Update::Arbitration(update) => Ok(update),
            other => panic!("{other:?} is not about arbitration"),
        }
    }

    pub(crate) async fn bid(
        &mut self,
        election: Option<u128>,
    ) -> Result<MasterArbitrationUpdate, Status> {
        self.bid_for(1, "", election).await
    }

    pub(crate) async fn bid_for(
        &mut self,
        device_id: u64,
        role: &str,
        election: Option<u128>,
    ) -> Result<MasterArbitrationUpdate, Status> {
        self.election = election;
        let role = (!role.is_empty()).then(|| proto::Role {
            name: role.to_owned(),
            ..proto::Role::default()
        });
        let election_id = election.map(wire);
        let update = MasterArbitrationUpdate {
            device_id,
            role,
            election_id,
            status: None,
        };
        self.say(stream_message_request::Update::Arbitration(update))
            .await;
        self.hear_arbitration().await
    }

    pub(crate) async fn push(&mut self, program: &str, action: Action) -> Result<(), Status> {
        let text = text(program);
        let source = p4::Source {
            name: program,
            text: &text,
            ..p4::Source::default()
        };
        let checked = Offline::load(&source).expect("the program is valid");
        let p4info = checked.p4info().clone();
        if action == Action::Commit {
            return self.set_pipeline(None, action).await;
        }
        self.push_config(&text, Some(p4info), action).await
    }

    pub(crate) async fn push_config(
        &mut self,
        text: &str,
        p4info: Option<p4rt::proto::p4::config::v1::P4Info>,
        action: Action,
    ) -> Result<(), Status> {
        let config = proto::ForwardingPipelineConfig {
            p4info,
            p4_device_config: text.as_bytes().to_vec(),
            cookie: Some(proto::forwarding_pipeline_config::Cookie { cookie: 77 }),
        };
        self.set_pipeline(Some(config), action).await
    }

    async fn set_pipeline(
        &mut self,
        config: Option<proto::ForwardingPipelineConfig>,
        action: Action,
    ) -> Result<(), Status> {
        let request = proto::SetForwardingPipelineConfigRequest {
            device_id: 1,
            election_id: self.election.map(wire),
            action: action as i32,
            config,
            ..Default::default()
        };
        soon(self.client.set_forwarding_pipeline_config(request))
            .await
            .map(|_| ())
    }

    pub(crate) async fn write_all(&mut self, updates: Vec<Update>) -> Result<(), Status> {
        self.write_with(Atomicity::ContinueOnError, updates).await
    }

    pub(crate) async fn write_with(
        &mut self,
        atomicity: Atomicity,
        updates: Vec<Update>,
    ) -> Result<(), Status> {
        let request = WriteRequest {
            atomicity: atomicity as i32,
            device_id: 1,
            election_id: self.election.map(wire),
            updates,
            ..WriteRequest::default()
        };
        soon(self.client.write(request)).await.map(|_| ())
    }

    /// Writes one entity; the code of its own error, or of the call.
    pub(crate) async fn write(&mut self, kind: Type, entity: Kind) -> Result<(), Code> {
        let update = update(kind, entity);
        self.write_all(vec![update])
            .await
            .map_err(|status| match update_failures(&status, 1) {
                Some(failures) => failures[0].code,
                None => status.code(),
            })
    }

    pub(crate) async fn failures(&mut self, updates: Vec<Update>) -> Vec<UpdateFailure> {
        let count = updates.len();
        let status = self
            .write_all(updates)
            .await
            .expect_err("some updates fail");
        update_failures(&status, count).expect("one error for each update")
    }

    pub(crate) async fn read(&mut self, kind: Kind) -> Result<Vec<Kind>, Status> {
        let entities = vec![Entity { entity: Some(kind) }];
        self.read_all(1, entities).await
    }

    pub(crate) async fn read_all(
        &mut self,
        device_id: u64,
        entities: Vec<Entity>,
    ) -> Result<Vec<Kind>, Status> {
        let count = entities.len();
        let request = ReadRequest {
            device_id,
            entities,
            ..ReadRequest::default()
        };
        let mut stream = soon(self.client.read(request)).await?.into_inner();
        let mut found = Vec::new();
        let first = |status: Status| match update_failures(&status, count) {
            Some(failures) => Status::new(failures[0].code, &failures[0].message),
            None => status,
        };
        while let Some(message) = soon(stream.message()).await.map_err(first)? {
            found.extend(
                message
                    .entities
                    .into_iter()
                    .filter_map(|entity| entity.entity),
            );
        }
        Ok(found)
    }
}

pub(crate) fn update(kind: Type, entity: Kind) -> Update {
    Update {
        r#type: kind as i32,
        entity: Some(Entity {
            entity: Some(entity),
        }),
    }
}

pub(crate) fn status_of(update: &MasterArbitrationUpdate) -> Code {
    Code::from_i32(update.status.as_ref().expect("answers have a status").code)
}
