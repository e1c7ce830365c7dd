// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calls of a fake switch.

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::UnboundedReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::{
    fake::{Device, Shared, Stream as OpenStream, store::Store, store::error},
    proto::{
        google::rpc,
        p4::v1::{
            self as proto, CapabilitiesRequest, CapabilitiesResponse, CounterEntry, Entity, Error,
            ForwardingPipelineConfig, GetForwardingPipelineConfigRequest,
            GetForwardingPipelineConfigResponse, Index, MasterArbitrationUpdate, ReadRequest,
            ReadResponse, SetForwardingPipelineConfigRequest, SetForwardingPipelineConfigResponse,
            StreamMessageRequest, StreamMessageResponse, Uint128, WriteRequest, WriteResponse,
            entity, get_forwarding_pipeline_config_request::ResponseType,
            p4_runtime_server::P4Runtime, stream_message_request, stream_message_response,
        },
    },
    status::batch_status,
};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

pub(super) struct Service(pub(super) Shared);

#[tonic::async_trait]
impl P4Runtime for Service {
    type ReadStream = Answers<ReadResponse>;
    type StreamChannelStream = Answers<StreamMessageResponse>;

    async fn write(
        &self,
        request: Request<WriteRequest>,
    ) -> Result<Response<WriteResponse>, Status> {
        let request = request.into_inner();
        let mut device = self.0.lock();
        device.writes += 1;
        let is_primary = device.is_primary(request.election_id.as_ref());
        let id = request.election_id.as_ref();
        let id = id.map_or(0, |id| u128::from(id.high) << 64 | u128::from(id.low));
        device.writers.push((id, is_primary));
        if !is_primary {
            return Err(Status::permission_denied("not primary"));
        }
        if device.pipeline.is_none() {
            return Err(Status::failed_precondition("no pipeline"));
        }
        let outcomes: Vec<Error> = request
            .updates
            .into_iter()
            .map(|update| device.update(update).err().unwrap_or_default())
            .collect();
        match batch_status(&outcomes) {
            None => Ok(Response::new(WriteResponse {})),
            Some(status) => Err(status),
        }
    }

    async fn read(
        &self,
        request: Request<ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let device = self.0.lock();
        let mut answers = Vec::new();
        for wanted in request.into_inner().entities {
            let wanted = wanted
                .entity
                .ok_or_else(|| Status::invalid_argument("empty entity"))?;
            let entities = match &wanted {
                entity::Entity::CounterEntry(wanted) => Some(device.counters(wanted)),
                wanted => device.store.read(wanted),
            };
            let entities = entities.ok_or_else(|| Status::unimplemented("not kept"))?;
            // One answer for each wish, so that clients meet answers in several parts.
            answers.push(Ok(ReadResponse { entities }));
        }
        Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
    }

    async fn set_forwarding_pipeline_config(
        &self,
        request: Request<SetForwardingPipelineConfigRequest>,
    ) -> Result<Response<SetForwardingPipelineConfigResponse>, Status> {
        let request = request.into_inner();
        let mut device = self.0.lock();
        if !device.is_primary(request.election_id.as_ref()) {
            return Err(Status::permission_denied("not primary"));
        }
        if let Some(message) = &device.program_refusal {
            return Err(Status::invalid_argument(message));
        }
        device.pushes += 1;
        device.pipeline = request.config;
        device.store = Store::default();
        Ok(Response::new(SetForwardingPipelineConfigResponse {}))
    }

    async fn get_forwarding_pipeline_config(
        &self,
        request: Request<GetForwardingPipelineConfigRequest>,
    ) -> Result<Response<GetForwardingPipelineConfigResponse>, Status> {
        let parts = request.into_inner().response_type();
        let config = self
            .0
            .lock()
            .pipeline
            .clone()
            .map(|config| ForwardingPipelineConfig {
                p4info: config
                    .p4info
                    .filter(|_| matches!(parts, ResponseType::All | ResponseType::P4infoAndCookie)),
                p4_device_config: match parts {
                    ResponseType::All | ResponseType::DeviceConfigAndCookie => {
                        config.p4_device_config
                    }
                    _ => Vec::new(),
                },
                cookie: config.cookie,
            });
        Ok(Response::new(GetForwardingPipelineConfigResponse {
            config,
        }))
    }

    async fn stream_channel(
        &self,
        request: Request<Streaming<StreamMessageRequest>>,
    ) -> Result<Response<Self::StreamChannelStream>, Status> {
        let (sender, answers) = mpsc::unbounded_channel();
        let number = self.0.lock().open(sender);
        let shared = self.0.clone();
        let mut requests = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(message)) = requests.message().await {
                if shared.lock().hear(number, message).is_none() {
                    break;
                }
            }
            shared.lock().close(number);
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(
            answers,
        ))))
    }

    async fn capabilities(
        &self,
        _: Request<CapabilitiesRequest>,
    ) -> Result<Response<CapabilitiesResponse>, Status> {
        let p4runtime_api_version = "1.5.0".to_owned();
        Ok(Response::new(CapabilitiesResponse {
            p4runtime_api_version,
            experimental: None,
        }))
    }
}

impl Device {
    fn open(
        &mut self,
        sender: mpsc::UnboundedSender<Result<StreamMessageResponse, Status>>,
    ) -> u64 {
        self.next_stream += 1;
        let number = self.next_stream;
        self.streams.push(OpenStream {
            number,
            election_id: None,
            sender,
        });
        number
    }

    fn close(&mut self, number: u64) {
        self.streams.retain(|stream| stream.number != number);
        self.announce();
    }

    /// Takes a message from a stream; `None` ends the stream.
    fn hear(&mut self, number: u64, message: StreamMessageRequest) -> Option<()> {
        match message.update? {
            stream_message_request::Update::Arbitration(bid) => {
                let id = bid.election_id.map(|id| (id.high, id.low));
                let mut others = self.streams.iter().filter(|stream| stream.number != number);
                let taken = id.is_some() && others.any(|stream| stream.election_id == id);
                let stream = self
                    .streams
                    .iter_mut()
                    .find(|stream| stream.number == number)?;
                if taken {
                    let status = Status::invalid_argument("election id is taken");
                    let _ = stream.sender.send(Err(status));
                    return None;
                }
                stream.election_id = id;
                self.announce();
            }
            stream_message_request::Update::DigestAck(ack) => self.acks.push(ack),
            _ => {}
        }
        Some(())
    }

    /// Tells every stream who is primary.
    fn announce(&self) {
        let Some(primary) = self.primary() else {
            return;
        };
        for stream in &self.streams {
            let code = if stream.election_id == Some(primary) {
                Code::Ok
            } else {
                Code::AlreadyExists
            };
            let news = MasterArbitrationUpdate {
                device_id: 1,
                role: None,
                election_id: Some(Uint128 {
                    high: primary.0,
                    low: primary.1,
                }),
                status: Some(rpc::Status {
                    code: code as i32,
                    ..rpc::Status::default()
                }),
            };
            let update = Some(stream_message_response::Update::Arbitration(news));
            // A stream whose reader is gone is closed by its own task.
            let _ = stream.sender.send(Ok(StreamMessageResponse { update }));
        }
    }

    fn update(&mut self, update: proto::Update) -> Result<(), Error> {
        let kind = update.r#type();
        let entity = update.entity.and_then(|entity| entity.entity);
        let entity = entity.ok_or_else(|| error(Code::InvalidArgument, "empty entity"))?;
        if let (entity::Entity::TableEntry(entry), proto::update::Type::Insert) = (&entity, kind) {
            let table_id = entry.table_id;
            if let Some(refusal) = self.refusals.get(&table_id) {
                return Err(refusal.clone());
            }
            if let Some(capacity) = self.capacities.get(&table_id) {
                let held = self
                    .store
                    .entries()
                    .filter(|held| held.table_id == table_id);
                if held.count() >= *capacity {
                    return Err(error(Code::ResourceExhausted, "the table is full"));
                }
            }
        }
        self.store.write(kind, entity)
    }

    fn counters(&self, wanted: &CounterEntry) -> Vec<Entity> {
        let cells = self.counters.iter().filter(|((id, index), _)| {
            let any = wanted.counter_id == 0;
            let here = wanted.index.is_none_or(|wanted| wanted.index == *index);
            (any || wanted.counter_id == *id) && here
        });
        cells
            .map(|((counter_id, index), data)| {
                let (counter_id, index) = (*counter_id, Some(Index { index: *index }));
                let entry = CounterEntry {
                    counter_id,
                    index,
                    data: Some(*data),
                };
                Entity {
                    entity: Some(entity::Entity::CounterEntry(entry)),
                }
            })
            .collect()
    }
}
