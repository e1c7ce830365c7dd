// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What controllers on several machines share: a few keys in an etcd, and its leases.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use p4rt::{
    cause::{of_status, with_causes},
    client::Renewable,
};
use tokio::{runtime::Handle, time::timeout};
use tonic::{
    Code, Response, Status,
    transport::{Channel, Endpoint},
};

/// The messages of etcd.
#[allow(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    rustdoc::all,
    reason = "generated code; its comments are in the description"
)]
pub mod proto {
    tonic::include_proto!("etcdserverpb");
}

use proto::{
    Compare, DeleteRangeRequest, LeaseGrantRequest, LeaseKeepAliveRequest, PutRequest,
    RangeRequest, RequestOp, TxnRequest, TxnResponse,
    compare::{CompareResult, CompareTarget, TargetUnion},
    kv_client::KvClient,
    lease_client::LeaseClient,
    request_op::Request,
    response_op,
};

/// An etcd: several servers, of which one at a time is asked.
pub struct Etcd {
    servers: Vec<Server>,
    /// Channels to them, in their order. They are made anew when there are other certificates.
    channels: Mutex<Vec<Channel>>,
    tls: Option<Renewable>,
    /// The one that is asked next.
    next: AtomicUsize,
    /// What all keys begin with.
    prefix: String,
    /// How long one server may take for an answer.
    patience: Duration,
    runtime: Handle,
}

/// A server of an etcd.
struct Server {
    address: String,
    endpoint: Endpoint,
}

/// Why nothing is known from an etcd.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EtcdError {
    /// An address is not of the form `host:port`.
    #[error("{0:?} is no address of an etcd, such as 10.0.0.1:2379")]
    Address(String),
    /// Its certificates cannot be used.
    #[error("cannot use the certificates for etcd: {0}")]
    Certificates(String),
    /// None of the servers answers.
    #[error("no etcd answers; {address}: {reason}")]
    Unreachable {
        /// The one that was asked last.
        address: String,
        /// What it said.
        reason: String,
    },
    /// A server answers that it will not.
    #[error("etcd refuses: {0}")]
    Refused(String),
    /// A key holds something that this version does not understand.
    #[error("etcd holds something under {0:?} that this version does not understand")]
    Form(String),
}

/// What is under a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// What was put there.
    pub value: Vec<u8>,
    /// The change that put it there.
    pub revision: i64,
    /// The lease with which it goes; 0 is none.
    pub lease: i64,
}

/// A part of a change.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// A key gets a value, until a lease ends; 0 is none.
    Put(&'a str, Vec<u8>, i64),
    /// A key goes.
    Delete(&'a str),
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.iter().map(|server| &server.address);
        f.debug_list().entries(servers).finish()
    }
}

impl Etcd {
    /// An etcd at these addresses. Nothing is connected before it is asked.
    ///
    /// # Errors
    /// An address or a certificate cannot be used.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(
        addresses: &[String],
        tls: Option<Renewable>,
        prefix: &str,
        patience: Duration,
    ) -> Result<Self, EtcdError> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = |address: &String| {
            let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"));
            let endpoint = endpoint.map_err(|_| EtcdError::Address(address.clone()))?;
            Ok(Server {
                address: address.clone(),
                endpoint: endpoint.connect_timeout(patience),
            })
        };
        let servers: Vec<_> = addresses.iter().map(server).collect::<Result<_, _>>()?;
        Ok(Self {
            channels: Mutex::new(channels(&servers, tls.as_ref())?),
            servers,
            tls,
            next: AtomicUsize::new(0),
            prefix: prefix.trim_end_matches('/').to_owned(),
            patience,
            runtime: Handle::current(),
        })
    }

    /// Connects with the newest certificates. Calls that are under way end as they are.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(crate) fn renew(&self) {
        // They were checked before, so that there is nothing to tell.
        if let Ok(new) = channels(&self.servers, self.tls.as_ref()) {
            *self.channels.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    fn channel(&self, place: usize) -> Channel {
        let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels[place].clone()
    }

    /// Does work of this etcd where nothing else can wait.
    ///
    /// It has a thread of its own, because the caller's may be one of the runtime.
    ///
    /// # Panics
    /// The work does.
    pub fn wait<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        thread::scope(|scope| {
            let working = scope.spawn(|| self.runtime.block_on(work));
            working.join().expect("the work does not panic")
        })
    }

    /// Asks for a lease of at least so long. It may be longer.
    ///
    /// # Errors
    /// See [`EtcdError`].
    pub async fn grant(&self, length: Duration) -> Result<i64, EtcdError> {
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let ttl = i64::try_from(millis.div_ceil(1000)).unwrap_or(i64::MAX);
        let ask = |channel| async move {
            let request = LeaseGrantRequest { ttl, id: 0 };
            LeaseClient::new(channel).lease_grant(request).await
        };
        let answer = self.ask(ask).await?;
        if answer.error.is_empty() {
            Ok(answer.id)
        } else {
            Err(EtcdError::Refused(answer.error))
        }
    }

    /// Makes a lease as long again as it was. False if it has ended.
    ///
    /// # Errors
    /// See [`EtcdError`].
    pub async fn keep_alive(&self, id: i64) -> Result<bool, EtcdError> {
        let ask = |channel| async move {
            let request = tokio_stream::once(LeaseKeepAliveRequest { id });
            let answers = LeaseClient::new(channel).lease_keep_alive(request).await?;
            let answer = answers.into_inner().message().await?;
            let answer = answer.ok_or_else(|| Status::unavailable("the stream ended"))?;
            Ok(Response::new(answer))
        };
        Ok(self.ask(ask).await?.ttl > 0)
    }

    /// What is under each of these keys, and how many changes there have been, all at one time.
    ///
    /// # Errors
    /// See [`EtcdError`].
    pub async fn read(&self, keys: &[&str]) -> Result<(Vec<Option<Found>>, i64), EtcdError> {
        let requests = keys.iter().map(|key| RangeRequest {
            key: self.key(key),
            range_end: Vec::new(),
        });
        let answer = self.transaction(Vec::new(), requests.map(range).collect());
        let answer = answer.await?;
        let revision = answer.header.map_or(0, |header| header.revision);
        let mut found: Vec<_> = ranges(answer)
            .map(|range| range.into_iter().next().map(|(_, found)| found))
            .collect();
        found.resize(keys.len(), None);
        Ok((found, revision))
    }

    /// All keys that begin like this, without that beginning.
    ///
    /// # Errors
    /// See [`EtcdError`].
    pub async fn read_all(&self, beginning: &str) -> Result<BTreeMap<String, Found>, EtcdError> {
        let key = self.key(beginning);
        let mut range_end = key.clone();
        if let Some(last) = range_end.last_mut() {
            // Keys are ASCII, so that there is a next octet.
            *last += 1;
        }
        let length = key.len();
        let request = RangeRequest { key, range_end };
        let answer = self.transaction(Vec::new(), vec![range(request)]).await?;
        let name = |key: Vec<u8>| {
            let name = String::from_utf8_lossy(&key[length.min(key.len())..]);
            name.into_owned()
        };
        let found = ranges(answer).flatten();
        Ok(found.map(|(key, found)| (name(key), found)).collect())
    }

    /// Makes a change in one step if these keys are still as this revision has left them; 0 stands
    /// for a key that is not there. False if they are not.
    ///
    /// # Errors
    /// See [`EtcdError`].
    pub async fn change(
        &self,
        unless_changed: &[(&str, i64)],
        steps: &[Step<'_>],
    ) -> Result<bool, EtcdError> {
        let compare = unless_changed.iter().map(|(key, revision)| Compare {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Mod.into(),
            key: self.key(key),
            target_union: Some(TargetUnion::ModRevision(*revision)),
        });
        let steps = steps.iter().map(|step| match step {
            Step::Put(key, value, lease) => Request::RequestPut(PutRequest {
                key: self.key(key),
                value: value.clone(),
                lease: *lease,
            }),
            Step::Delete(key) => Request::RequestDeleteRange(DeleteRangeRequest {
                key: self.key(key),
                range_end: Vec::new(),
            }),
        });
        let steps = steps.map(|request| RequestOp {
            request: Some(request),
        });
        let done = self.transaction(compare.collect(), steps.collect());
        Ok(done.await?.succeeded)
    }

    async fn transaction(
        &self,
        compare: Vec<Compare>,
        success: Vec<RequestOp>,
    ) -> Result<TxnResponse, EtcdError> {
        let request = TxnRequest {
            compare,
            success,
            failure: Vec::new(),
        };
        self.ask(|channel| {
            let request = request.clone();
            async move { KvClient::new(channel).txn(request).await }
        })
        .await
    }

    /// Asks one server after the other until one answers.
    async fn ask<T, F>(&self, ask: impl Fn(Channel) -> F) -> Result<T, EtcdError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut last = None;
        for _ in &self.servers {
            let place = self.next.load(Ordering::Relaxed) % self.servers.len();
            let reason = match timeout(self.patience, ask(self.channel(place))).await {
                Ok(Ok(answer)) => return Ok(answer.into_inner()),
                Ok(Err(status)) if !is_away(&status) => {
                    return Err(EtcdError::Refused(status.message().to_owned()));
                }
                Ok(Err(status)) => self.reason(&status),
                Err(_) => format!("no answer within {:?}", self.patience),
            };
            self.next.store(place + 1, Ordering::Relaxed);
            last = Some(EtcdError::Unreachable {
                address: self.servers[place].address.clone(),
                reason,
            });
        }
        Err(last.unwrap_or_else(|| EtcdError::Address(String::new())))
    }

    /// Why a server was not reached. One that does not like a certificate may close the connection before
    /// it can be heard why.
    fn reason(&self, status: &Status) -> String {
        let text = of_status(status);
        let is_told = ["ertificate", "tcp connect error"];
        match &self.tls {
            Some(tls) if !is_told.iter().any(|told| text.contains(told)) => {
                let what = match tls.newest().identity {
                    Some(_) => "the certificate of this controller",
                    None => "connections without a certificate",
                };
                format!("{text}; it may refuse {what}")
            }
            _ => text,
        }
    }

    fn key(&self, name: &str) -> Vec<u8> {
        format!("{}/{name}", self.prefix).into_bytes()
    }
}

/// A channel to each server. Nothing is connected before it is asked.
fn channels(servers: &[Server], tls: Option<&Renewable>) -> Result<Vec<Channel>, EtcdError> {
    let config = tls.map(|tls| tls.newest().config());
    let channel = |server: &Server| {
        let endpoint = server.endpoint.clone();
        let endpoint = match &config {
            Some(config) => endpoint
                .tls_config(config.clone())
                .map_err(|error| EtcdError::Certificates(with_causes(&error)))?,
            None => endpoint,
        };
        Ok(endpoint.connect_lazy())
    };
    servers.iter().map(channel).collect()
}

/// Whether another server may have an answer.
fn is_away(status: &Status) -> bool {
    let codes = [
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Cancelled,
        Code::Unknown,
    ];
    codes.contains(&status.code())
}

fn range(request: RangeRequest) -> RequestOp {
    RequestOp {
        request: Some(Request::RequestRange(request)),
    }
}

/// What was found, by request.
fn ranges(answer: TxnResponse) -> impl Iterator<Item = Vec<(Vec<u8>, Found)>> {
    let range = |one: proto::ResponseOp| match one.response {
        Some(response_op::Response::ResponseRange(range)) => range.kvs,
        _ => Vec::new(),
    };
    let found = |kv: proto::KeyValue| {
        let found = Found {
            value: kv.value,
            revision: kv.mod_revision,
            lease: kv.lease,
        };
        (kv.key, found)
    };
    let responses = answer.responses.into_iter().map(range);
    responses.map(move |kvs| kvs.into_iter().map(found).collect())
}
