// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calls of the service, with deadlines and limits.

use std::time::Duration;

use tokio::{sync::mpsc, time::timeout};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::{
    Target,
    client::{Cookie, DigestIn, Pipeline, PipelineChange, Renewable},
    proto::p4::v1::{
        CapabilitiesRequest, DigestListAck, Entity, ForwardingPipelineConfig,
        GetForwardingPipelineConfigRequest, PacketMetadata, PacketOut, ReadRequest,
        SetForwardingPipelineConfigRequest, StreamMessageRequest, Uint128, Update, WriteRequest,
        get_forwarding_pipeline_config_request::ResponseType, p4_runtime_client::P4RuntimeClient,
        set_forwarding_pipeline_config_request::Action, stream_message_request,
    },
    status::{UpdateFailure, update_failures},
};

/// Where a switch is and who is calling.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// `host:port`, or a URL.
    pub address: String,
    /// Number of the device behind the address.
    pub device_id: u64,
    /// The share of the switch; empty is all of it.
    pub role: String,
    /// The kind of server.
    pub target: Target,
    /// Longest wait for the connection.
    pub connect_timeout: Duration,
    /// Certificates; without them, the connection is in the clear.
    pub tls: Option<Renewable>,
}

impl ConnectOptions {
    /// Options with the usual values: no role, our switch, five seconds.
    #[must_use]
    pub fn new(address: impl Into<String>, device_id: u64) -> Self {
        Self {
            address: address.into(),
            device_id,
            role: String::new(),
            target: Target::default(),
            connect_timeout: Duration::from_secs(5),
            tls: None,
        }
    }

    fn endpoint(&self) -> Result<Endpoint, ConnectError> {
        let url = if self.address.contains("://") {
            self.address.clone()
        } else if self.tls.is_some() {
            format!("https://{}", self.address)
        } else {
            format!("http://{}", self.address)
        };
        let endpoint = Endpoint::from_shared(url);
        let endpoint = endpoint.map_err(|_| ConnectError::Address(self.address.clone()))?;
        // Servers in C++ close a connection that pings often while no data flow. TCP's own
        // keep-alive finds a dead peer without that.
        let endpoint = endpoint
            .connect_timeout(self.connect_timeout)
            .tcp_keepalive(Some(TCP_KEEPALIVE))
            .http2_max_header_list_size(MAX_HEADERS_BYTES);
        match &self.tls {
            None => Ok(endpoint),
            Some(tls) => endpoint
                .tls_config(tls.newest().config())
                .map_err(ConnectError::Tls),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text is no address.
    #[error("{0:?} is not an address of the form host:port")]
    Address(String),
    /// The certificates cannot be used.
    #[error("cannot use the certificates for the connection")]
    Tls(#[source] tonic::transport::Error),
    /// Nobody answers there.
    #[error("cannot reach {address}")]
    Unreachable {
        /// What was tried.
        address: String,
        /// What the network said.
        #[source]
        source: tonic::transport::Error,
    },
}

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The switch answered with an error, or the connection broke.
    #[error("{call}: {:?}: {}", .status.code(), .status.message())]
    Status {
        /// Name of the call.
        call: &'static str,
        /// What the switch or the transport said.
        status: Box<Status>,
    },
    /// No answer came in time.
    #[error("{call}: no answer within {} s", .deadline.as_secs())]
    Deadline {
        /// Name of the call.
        call: &'static str,
        /// How long it waited.
        deadline: Duration,
    },
}

impl CallError {
    /// The canonical code; a missed deadline has one too.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Status { status, .. } => status.code(),
            Self::Deadline { .. } => Code::DeadlineExceeded,
        }
    }
}

/// Makes calls to one device.
#[derive(Clone, Debug)]
pub struct Client {
    rpc: P4RuntimeClient<Channel>,
    device_id: u64,
    role: String,
    target: Target,
    bid: Option<Bid>,
}

/// What a session adds to its client.
#[derive(Clone, Debug)]
struct Bid {
    election_id: u128,
    generation: u64,
    stream: mpsc::Sender<StreamMessageRequest>,
}

impl Client {
    /// Connects without a session: enough to read.
    ///
    /// # Errors
    /// If the address is none or nobody answers there in time.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ConnectError> {
        let channel =
            options
                .endpoint()?
                .connect()
                .await
                .map_err(|source| ConnectError::Unreachable {
                    address: options.address.clone(),
                    source,
                })?;
        Ok(Self {
            rpc: P4RuntimeClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES),
            device_id: options.device_id,
            role: options.role.clone(),
            target: options.target,
            bid: None,
        })
    }

    pub(super) fn with_session(
        mut self,
        election_id: u128,
        generation: u64,
        stream: mpsc::Sender<StreamMessageRequest>,
    ) -> Self {
        self.bid = Some(Bid {
            election_id,
            generation,
            stream,
        });
        self
    }

    /// The same client with another election id. One without a session stays without.
    pub(super) fn with_election_id(mut self, election_id: u128) -> Self {
        if let Some(bid) = &mut self.bid {
            bid.election_id = election_id;
        }
        self
    }

    pub(super) fn rpc(&self) -> P4RuntimeClient<Channel> {
        self.rpc.clone()
    }

    /// The kind of server.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// The version of the protocol that the server names.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn capabilities(&self) -> Result<String, CallError> {
        let request = CapabilitiesRequest {
            device_id: self.device_id,
        };
        let answer = call(
            "Capabilities",
            CALL_DEADLINE,
            self.rpc().capabilities(request),
        )
        .await?;
        Ok(answer.p4runtime_api_version)
    }

    /// The program of the switch, or the parts asked for. `None` if it has no program.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn pipeline(
        &self,
        parts: ResponseType,
    ) -> Result<Option<ForwardingPipelineConfig>, CallError> {
        let request = GetForwardingPipelineConfigRequest {
            device_id: self.device_id,
            response_type: parts.into(),
        };
        let mut rpc = self.rpc();
        let asked = rpc.get_forwarding_pipeline_config(request);
        match call("GetForwardingPipelineConfig", CALL_DEADLINE, asked).await {
            // An empty configuration is how the specification says "none". PI sends the code.
            Ok(answer) => Ok(answer
                .config
                .filter(|config| *config != ForwardingPipelineConfig::default())),
            Err(error) if error.code() == Code::FailedPrecondition => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the switch run a program; pushes it only if the switch does not run it already.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn ensure_pipeline(&self, pipeline: &Pipeline) -> Result<PipelineChange, CallError> {
        let found = self.pipeline(ResponseType::CookieOnly).await?;
        let wanted = pipeline.cookie();
        let change = match found.map(|config| config.cookie.map_or(0, |cookie| cookie.cookie)) {
            Some(cookie) if cookie == wanted.0 => return Ok(PipelineChange::Unchanged),
            Some(cookie) => PipelineChange::Replaced(Cookie(cookie)),
            None => PipelineChange::FirstPushed,
        };
        self.push_pipeline(pipeline).await?;
        Ok(change)
    }

    /// Pushes a program. All entries of the switch are lost.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn push_pipeline(&self, pipeline: &Pipeline) -> Result<(), CallError> {
        let request = SetForwardingPipelineConfigRequest {
            device_id: self.device_id,
            election_id: self.election_id(),
            action: Action::VerifyAndCommit.into(),
            config: Some(pipeline.to_proto()),
            role: self.role.clone(),
            ..SetForwardingPipelineConfigRequest::default()
        };
        let mut rpc = self.rpc();
        let pushed = rpc.set_forwarding_pipeline_config(request);
        call("SetForwardingPipelineConfig", PUSH_DEADLINE, pushed)
            .await
            .map(|_| ())
    }

    /// Reads what the entities describe; unset ids and keys are wildcards.
    ///
    /// # Errors
    /// See [`CallError`]. What came before the error is lost.
    pub async fn read(&self, entities: Vec<Entity>) -> Result<Vec<Entity>, CallError> {
        let request = ReadRequest {
            device_id: self.device_id,
            entities,
            role: self.role.clone(),
        };
        let mut rpc = self.rpc();
        let reading = async {
            let mut answers = rpc.read(request).await?.into_inner();
            let mut found = Vec::new();
            while let Some(answer) = answers.message().await? {
                found.extend(answer.entities);
            }
            Ok(tonic::Response::new(found))
        };
        call("Read", READ_DEADLINE, reading).await
    }

    /// Writes updates in their order, some hundred at a time, and returns those that failed.
    ///
    /// The switch may reorder the updates of one request, so updates that build on each other
    /// belong into separate calls.
    ///
    /// # Errors
    /// If a request fails as a whole. Requests before it were carried out, later ones not sent.
    pub async fn write(&self, updates: &[Update]) -> Result<Vec<UpdateFailure>, CallError> {
        let mut failures = Vec::new();
        for (batch, updates) in updates.chunks(BATCH).enumerate() {
            let request = WriteRequest {
                device_id: self.device_id,
                election_id: self.election_id(),
                updates: updates.to_vec(),
                role: self.role.clone(),
                ..WriteRequest::default()
            };
            match call("Write", CALL_DEADLINE, self.rpc().write(request)).await {
                Ok(_) => {}
                Err(CallError::Status { call, status }) => {
                    let Some(found) = update_failures(&status, updates.len()) else {
                        return Err(CallError::Status { call, status });
                    };
                    let shift = |failure: UpdateFailure| UpdateFailure {
                        index: failure.index + batch * BATCH,
                        ..failure
                    };
                    failures.extend(found.into_iter().map(shift));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(failures)
    }

    /// Acknowledges a digest list, if it came on the connection that is still open.
    pub async fn acknowledge(&self, digest: &DigestIn) {
        let Some(bid) = self
            .bid
            .as_ref()
            .filter(|bid| bid.generation == digest.generation)
        else {
            return;
        };
        let (digest_id, list_id) = (digest.list.digest_id, digest.list.list_id);
        let ack = stream_message_request::Update::DigestAck(DigestListAck { digest_id, list_id });
        // A closed stream has no list to acknowledge; its end is reported by the session.
        let _ = bid
            .stream
            .send(StreamMessageRequest { update: Some(ack) })
            .await;
    }

    /// Sends a packet. Returns whether a stream was there to take it.
    pub async fn packet_out(&self, payload: Vec<u8>, metadata: Vec<PacketMetadata>) -> bool {
        let Some(bid) = &self.bid else { return false };
        let packet = stream_message_request::Update::Packet(PacketOut { payload, metadata });
        bid.stream
            .send(StreamMessageRequest {
                update: Some(packet),
            })
            .await
            .is_ok()
    }

    fn election_id(&self) -> Option<Uint128> {
        self.bid.as_ref().map(|bid| to_uint128(bid.election_id))
    }
}

/// Splits a number of 128 bits as the protocol has it.
pub(super) fn to_uint128(number: u128) -> Uint128 {
    let low = number & u128::from(u64::MAX);
    Uint128 {
        high: u64::try_from(number >> 64).expect("64 bits are left"),
        low: u64::try_from(low).expect("64 bits are left"),
    }
}

async fn call<T>(
    name: &'static str,
    deadline: Duration,
    answer: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, CallError> {
    match timeout(deadline, answer).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(CallError::Status {
            call: name,
            status: Box::new(status),
        }),
        Err(_) => Err(CallError::Deadline {
            call: name,
            deadline,
        }),
    }
}

/// The errors of a batch travel in one response header. hyper takes 16 KiB unless told otherwise,
/// which is less than what 150 failed updates need.
const MAX_HEADERS_BYTES: u32 = 4 << 20;

/// PI answers a Read with one message, however large. tonic takes 4 MiB unless told otherwise.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Updates in one request: few enough for any server's limits, many enough that the round trip
/// does not matter.
const BATCH: usize = 256;

const CALL_DEADLINE: Duration = Duration::from_secs(30);
const READ_DEADLINE: Duration = Duration::from_mins(1);

/// Loading a program takes some hardware switches most of a minute.
const PUSH_DEADLINE: Duration = Duration::from_mins(2);

const TCP_KEEPALIVE: Duration = Duration::from_secs(15);
