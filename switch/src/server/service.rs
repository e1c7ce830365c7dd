// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calls of the protocol.

use std::sync::{Arc, Mutex, PoisonError};

use p4rt::{
    proto::p4::v1::{
        self as proto, CapabilitiesRequest, CapabilitiesResponse,
        GetForwardingPipelineConfigRequest, GetForwardingPipelineConfigResponse, ReadRequest,
        ReadResponse, SetForwardingPipelineConfigRequest, SetForwardingPipelineConfigResponse,
        StreamError, StreamMessageRequest, StreamMessageResponse, Uint128, WriteRequest,
        WriteResponse, get_forwarding_pipeline_config_request::ResponseType,
        p4_runtime_server::P4Runtime, set_forwarding_pipeline_config_request::Action, stream_error,
        stream_message_request, stream_message_response::Update, write_request::Atomicity,
    },
    status::batch_status,
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{
    arbitration::StreamId,
    control::{Control, STREAM_QUEUE},
    limits::CallRates,
    messages,
    roles::RoleConfig,
};

/// The version of the protocol that this server implements.
const API_VERSION: &str = "1.5.0";

/// Entities in one message of a Read response, so that messages stay well below client limits.
const ENTITIES_PER_MESSAGE: usize = 1000;

/// The gRPC service.
#[derive(Debug)]
pub(crate) struct Service {
    control: Arc<Control>,
    stop: CancellationToken,
    rates: CallRates,
    /// One task reads each stream.
    readers: Mutex<JoinSet<()>>,
}

impl Service {
    pub(crate) fn new(control: Arc<Control>, stop: CancellationToken) -> Self {
        Self {
            rates: CallRates::new(control.limits.calls_per_second),
            control,
            stop,
            readers: Mutex::default(),
        }
    }

    /// Takes a request, unless its sender makes too many.
    fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        let now_ns = self.control.device.now_ns();
        if !self.rates.admit(request.remote_addr(), now_ns) {
            let most = self.control.limits.calls_per_second;
            let message = format!("more than {most} calls in a second on one connection");
            return Err(Status::resource_exhausted(message));
        }
        Ok(request.into_inner())
    }
}

type Outgoing<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl P4Runtime for Service {
    type ReadStream = tokio_stream::Iter<std::vec::IntoIter<Result<ReadResponse, Status>>>;
    type StreamChannelStream = Outgoing<StreamMessageResponse>;

    async fn write(
        &self,
        request: Request<WriteRequest>,
    ) -> Result<Response<WriteResponse>, Status> {
        let request = self.admit(request)?;
        let _turn = self.control.gate.lock().await;
        let election = request.election_id.as_ref().map(number);
        let scope = self
            .control
            .authorise(request.device_id, &request.role, election)?;
        let outcomes = match Atomicity::try_from(request.atomicity) {
            Ok(Atomicity::ContinueOnError) => self.control.write(&scope, &request.updates)?,
            Ok(Atomicity::RollbackOnError | Atomicity::DataplaneAtomic) => {
                self.control.write_all(&scope, &request.updates)?
            }
            Err(_) => return Err(Status::invalid_argument("unknown atomicity")),
        };
        match batch_status(&outcomes) {
            None => Ok(Response::new(WriteResponse {})),
            Some(status) => Err(status),
        }
    }

    async fn read(
        &self,
        request: Request<ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let request = self.admit(request)?;
        self.control.check_device(request.device_id)?;
        let (entities, outcomes) = self.control.read(&request.role, &request.entities)?;
        let chunks = entities.chunks(ENTITIES_PER_MESSAGE);
        let mut messages: Vec<_> = chunks
            .map(|chunk| {
                Ok(ReadResponse {
                    entities: chunk.to_vec(),
                })
            })
            .collect();
        // What could be read comes first, and then what was wrong with the rest.
        messages.extend(batch_status(&outcomes).map(Err));
        Ok(Response::new(tokio_stream::iter(messages)))
    }

    async fn set_forwarding_pipeline_config(
        &self,
        request: Request<SetForwardingPipelineConfigRequest>,
    ) -> Result<Response<SetForwardingPipelineConfigResponse>, Status> {
        let request = self.admit(request)?;
        let turn = Arc::clone(&self.control.gate).lock_owned().await;
        let election = request.election_id.as_ref().map(number);
        let scope = self
            .control
            .authorise(request.device_id, &request.role, election)?;
        if !scope.pushes() {
            let message = "the role may not change the pipeline";
            return Err(Status::permission_denied(message));
        }
        let action = Action::try_from(request.action).unwrap_or(Action::Unspecified);
        let control = Arc::clone(&self.control);
        // Checking a large program takes long enough to hold up other calls. It goes on when its caller
        // gives up, and must not take away what is written after that.
        let work = move || {
            let _turn = turn;
            control.set_pipeline(action, request.config)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|_| Status::internal("the check of the program did not end"))??;
        Ok(Response::new(SetForwardingPipelineConfigResponse {}))
    }

    async fn get_forwarding_pipeline_config(
        &self,
        request: Request<GetForwardingPipelineConfigRequest>,
    ) -> Result<Response<GetForwardingPipelineConfigResponse>, Status> {
        let request = self.admit(request)?;
        self.control.check_device(request.device_id)?;
        let kind = ResponseType::try_from(request.response_type).unwrap_or(ResponseType::All);
        let Some(active) = self.control.device.active() else {
            return Ok(Response::new(GetForwardingPipelineConfigResponse {
                config: None,
            }));
        };
        let p4info = matches!(kind, ResponseType::All | ResponseType::P4infoAndCookie);
        let device = matches!(
            kind,
            ResponseType::All | ResponseType::DeviceConfigAndCookie
        );
        let config = proto::ForwardingPipelineConfig {
            p4info: p4info.then(|| active.p4info.clone()),
            p4_device_config: if device {
                active.device_config.clone()
            } else {
                Vec::new()
            },
            cookie: active
                .cookie
                .map(|cookie| proto::forwarding_pipeline_config::Cookie { cookie }),
        };
        Ok(Response::new(GetForwardingPipelineConfigResponse {
            config: Some(config),
        }))
    }

    async fn stream_channel(
        &self,
        request: Request<Streaming<StreamMessageRequest>>,
    ) -> Result<Response<Self::StreamChannelStream>, Status> {
        let (outbox, receiver) = mpsc::channel(STREAM_QUEUE);
        let control = Arc::clone(&self.control);
        let incoming = self.admit(request)?;
        let id = control.open_stream(outbox)?;
        let stop = self.stop.clone();
        let reader = async move {
            tokio::select! {
                () = stop.cancelled() => {
                    control.refuse(id, Status::unavailable("the switch is stopping"));
                }
                () = serve_stream(&control, id, incoming) => {}
            }
            let _turn = control.gate.lock().await;
            control.close_stream(id);
        };
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        while readers.try_join_next().is_some() {}
        readers.spawn(reader);
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn capabilities(
        &self,
        request: Request<CapabilitiesRequest>,
    ) -> Result<Response<CapabilitiesResponse>, Status> {
        let device = self.admit(request)?.device_id;
        if device != 0 {
            self.control.check_device(device)?;
        }
        let p4runtime_api_version = API_VERSION.to_owned();
        Ok(Response::new(CapabilitiesResponse {
            p4runtime_api_version,
            ..Default::default()
        }))
    }
}

/// Reads a stream to its end.
async fn serve_stream(
    control: &Control,
    id: StreamId,
    mut incoming: Streaming<StreamMessageRequest>,
) {
    let silent = timeout(control.limits.silence, incoming.message()).await;
    let Ok(mut received) = silent else {
        let message = "no arbitration update came in time";
        return control.refuse(id, Status::deadline_exceeded(message));
    };
    while let Ok(Some(message)) = received {
        let handled = match message.update {
            Some(stream_message_request::Update::Arbitration(update)) => {
                let _turn = control.gate.lock().await;
                arbitrate(control, id, &update)
            }
            Some(stream_message_request::Update::Packet(packet)) => {
                packet_out(control, id, packet);
                Ok(())
            }
            Some(stream_message_request::Update::DigestAck(ack)) => {
                acknowledge(control, id, ack);
                Ok(())
            }
            Some(stream_message_request::Update::Other(other)) => {
                let status = Status::unimplemented("no such message");
                let other = proto::StreamOtherError { other: Some(other) };
                complain(control, id, &status, stream_error::Details::Other(other));
                Ok(())
            }
            None => Ok(()),
        };
        if let Err(status) = handled {
            return control.refuse(id, status);
        }
        received = incoming.message().await;
    }
}

fn arbitrate(
    control: &Control,
    id: StreamId,
    update: &proto::MasterArbitrationUpdate,
) -> Result<(), Status> {
    let role = update.role.as_ref().map_or("", |role| role.name.as_str());
    let config = match &update.role {
        Some(role) => RoleConfig::read(role),
        None => Ok(None),
    };
    let config = config.map_err(|error| Status::invalid_argument(error.to_string()))?;
    let election = update.election_id.as_ref().map(number);
    let mut shared = control.shared();
    match shared
        .arbitration
        .update(id, update.device_id, (role, config.as_ref()), election)
    {
        Ok(notices) => {
            control.send_notices(&shared, &notices);
            Ok(())
        }
        Err(refusal) => Err(Status::new(refusal.code(), refusal.to_string())),
    }
}

fn packet_out(control: &Control, id: StreamId, packet: proto::PacketOut) {
    if let Err(status) = inject(control, id, &packet) {
        let details = proto::PacketOutError {
            packet_out: Some(packet),
        };
        complain(
            control,
            id,
            &status,
            stream_error::Details::PacketOut(details),
        );
    }
}

fn inject(control: &Control, id: StreamId, packet: &proto::PacketOut) -> Result<(), Status> {
    if !control.shared().arbitration.is_primary(id) {
        return Err(Status::permission_denied(
            "only the primary may send packets",
        ));
    }
    let none = || Status::failed_precondition("the switch has no CPU port");
    let port = control.device.cpu_port().ok_or_else(none)?;
    let active = control.active()?;
    let bytes = messages::packet_out(&active.objects.packet_out, packet)?;
    control.device.inject(port, &bytes);
    Ok(())
}

fn acknowledge(control: &Control, id: StreamId, ack: proto::DigestListAck) {
    let result = (|| {
        if !control.shared().arbitration.is_primary(id) {
            return Err(Status::permission_denied(
                "only the primary may acknowledge digests",
            ));
        }
        let active = control.active()?;
        let digest = active.objects.digests.get(&ack.digest_id).copied();
        let unknown = || Status::invalid_argument(format!("no digest {:#010x}", ack.digest_id));
        let digest = digest.ok_or_else(unknown)?;
        // A list that is not waiting was acknowledged late: that is no error.
        control.shared().digests.acknowledge(digest, ack.list_id);
        Ok(())
    })();
    if let Err(status) = result {
        let details = proto::DigestListAckError {
            digest_list_ack: Some(ack),
        };
        complain(
            control,
            id,
            &status,
            stream_error::Details::DigestListAck(details),
        );
    }
}

fn complain(control: &Control, id: StreamId, status: &Status, details: stream_error::Details) {
    let error = StreamError {
        canonical_code: status.code() as i32,
        message: status.message().to_owned(),
        space: "p4switch".to_owned(),
        code: 0,
        details: Some(details),
    };
    control.send(&control.shared(), id, Update::Error(error));
}

fn number(id: &Uint128) -> u128 {
    u128::from(id.high) << 64 | u128::from(id.low)
}
