// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A P4Runtime server that keeps entries and forwards nothing, for tests of controllers.
//!
//! It follows the specification for arbitration, pipelines, table entries, groups and digest
//! subscriptions, and can be told to fail, to send digests and to die.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message as _;
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Status,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

use crate::proto::p4::v1::{
    CounterData, DigestList, DigestListAck, Error, ForwardingPipelineConfig, PacketIn,
    StreamMessageResponse, TableEntry, Uint128, p4_runtime_server::P4RuntimeServer,
    stream_message_response,
};

mod service;
mod store;

use service::Service;
use store::Store;

/// A running server. It dies when it is dropped, like a switch that loses power.
#[derive(Debug)]
pub struct FakeSwitch {
    address: SocketAddr,
    shared: Shared,
    runtime: Option<Runtime>,
}

/// What tests and calls both work on.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Device>>);

#[derive(Debug, Default)]
struct Device {
    pipeline: Option<ForwardingPipelineConfig>,
    store: Store,
    streams: Vec<Stream>,
    next_stream: u64,
    acks: Vec<DigestListAck>,
    refusals: BTreeMap<u32, Error>,
    capacities: BTreeMap<u32, usize>,
    counters: BTreeMap<(u32, i64), CounterData>,
    program_refusal: Option<String>,
    pushes: usize,
    writes: usize,
    /// Election ids of write requests, and whether they were those of the primary.
    writers: Vec<(u128, bool)>,
}

#[derive(Debug)]
struct Stream {
    number: u64,
    election_id: Option<(u64, u64)>,
    sender: mpsc::UnboundedSender<Result<StreamMessageResponse, Status>>,
}

impl FakeSwitch {
    /// Starts a switch on a free port of the loopback interface.
    ///
    /// # Errors
    /// If the system has no port or thread left.
    pub fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts a switch at an address, as after a restart of one that was there.
    ///
    /// # Errors
    /// If the address stays taken for five seconds.
    pub fn start_at(address: SocketAddr) -> io::Result<Self> {
        Self::serve(address, None)
    }

    /// Starts a switch that asks for certificates: its own and the key of that, and the authorities of
    /// those who may connect, in PEM.
    ///
    /// # Errors
    /// They cannot be used, or if no port is free.
    pub fn start_with_tls(certificate: &str, key: &str, clients: &str) -> io::Result<Self> {
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate, key))
            .client_ca_root(Certificate::from_pem(clients));
        Self::serve(SocketAddr::from(([127, 0, 0, 1], 0)), Some(tls))
    }

    fn serve(address: SocketAddr, tls: Option<ServerTlsConfig>) -> io::Result<Self> {
        let listener = bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        // A runtime of its own, because ending it ends the connections as well.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let shared = Shared::default();
        let service = P4RuntimeServer::new(Service(shared.clone()))
            .max_decoding_message_size(64 << 20)
            .max_encoding_message_size(64 << 20);
        let listener = {
            let _guard = runtime.enter();
            TcpListenerStream::new(tokio::net::TcpListener::from_std(listener)?)
        };
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).map_err(io::Error::other)?;
        }
        runtime.spawn(server.add_service(service).serve_with_incoming(listener));
        Ok(Self {
            address,
            shared,
            runtime: Some(runtime),
        })
    }

    /// Where the switch listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The program that was pushed.
    #[must_use]
    pub fn pipeline(&self) -> Option<ForwardingPipelineConfig> {
        self.shared.lock().pipeline.clone()
    }

    /// Puts a program in place without a controller.
    pub fn load(&self, pipeline: ForwardingPipelineConfig) {
        self.shared.lock().pipeline = Some(pipeline);
    }

    /// The table entries, without default entries.
    #[must_use]
    pub fn entries(&self) -> Vec<TableEntry> {
        self.shared.lock().store.entries().cloned().collect()
    }

    /// The default entries that were written.
    #[must_use]
    pub fn defaults(&self) -> Vec<TableEntry> {
        self.shared.lock().store.defaults().cloned().collect()
    }

    /// Numbers of the multicast groups.
    #[must_use]
    pub fn multicast_groups(&self) -> Vec<u32> {
        self.shared
            .lock()
            .store
            .multicast_groups()
            .map(|group| group.multicast_group_id)
            .collect()
    }

    /// Numbers of the digests that are subscribed to.
    #[must_use]
    pub fn digests(&self) -> Vec<u32> {
        self.shared
            .lock()
            .store
            .digests()
            .map(|digest| digest.digest_id)
            .collect()
    }

    /// The acknowledgements so far.
    #[must_use]
    pub fn acks(&self) -> Vec<DigestListAck> {
        self.shared.lock().acks.clone()
    }

    /// How many programs were pushed.
    #[must_use]
    pub fn pushes(&self) -> usize {
        self.shared.lock().pushes
    }

    /// How many write requests arrived.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.shared.lock().writes
    }

    /// The election ids of write requests in the order of their arrival, and whether each was that
    /// of the primary.
    #[must_use]
    pub fn writers(&self) -> Vec<(u128, bool)> {
        self.shared.lock().writers.clone()
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.shared.lock().streams.len()
    }

    /// Refuses every INSERT into a table from now on.
    pub fn refuse_inserts(&self, table_id: u32, code: Code, message: &str) {
        let error = Error {
            canonical_code: code as i32,
            message: message.to_owned(),
            space: "fake".to_owned(),
            ..Error::default()
        };
        self.shared.lock().refusals.insert(table_id, error);
    }

    /// Refuses every program from now on.
    pub fn refuse_programs(&self, message: &str) {
        self.shared.lock().program_refusal = Some(message.to_owned());
    }

    /// Limits the entries of a table.
    pub fn limit_table(&self, table_id: u32, entries: usize) {
        self.shared.lock().capacities.insert(table_id, entries);
    }

    /// Sets a cell of a counter.
    pub fn count(&self, counter_id: u32, index: i64, packet_count: i64, byte_count: i64) {
        let data = CounterData {
            byte_count,
            packet_count,
        };
        self.shared
            .lock()
            .counters
            .insert((counter_id, index), data);
    }

    /// Sends a digest list to the primary. Returns whether there was one.
    pub fn send_digest(&self, list: DigestList) -> bool {
        self.shared
            .lock()
            .to_primary(stream_message_response::Update::Digest(list))
    }

    /// Sends a packet to the primary. Returns whether there was one.
    pub fn send_packet(&self, packet: PacketIn) -> bool {
        self.shared
            .lock()
            .to_primary(stream_message_response::Update::Packet(packet))
    }
}

impl Drop for FakeSwitch {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    /// A test that failed while it held the lock has already been reported.
    fn lock(&self) -> MutexGuard<'_, Device> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device {
    /// The highest election id among the open streams. A bid without one never wins.
    fn primary(&self) -> Option<(u64, u64)> {
        self.streams
            .iter()
            .filter_map(|stream| stream.election_id)
            .max()
    }

    fn is_primary(&self, election_id: Option<&Uint128>) -> bool {
        let id = election_id.map(|id| (id.high, id.low));
        id.is_some() && id == self.primary()
    }

    fn to_primary(&self, update: stream_message_response::Update) -> bool {
        let primary = self.primary();
        let mut streams = self
            .streams
            .iter()
            .filter(|stream| stream.election_id.is_some());
        let stream = streams.find(|stream| stream.election_id == primary);
        let message = StreamMessageResponse {
            update: Some(update),
        };
        stream.is_some_and(|stream| stream.sender.send(Ok(message)).is_ok())
    }
}

/// The key of an entry as bytes: what INSERT, MODIFY and DELETE look at.
fn key(entry: &TableEntry) -> Vec<u8> {
    let mut fields = entry.r#match.clone();
    fields.sort_by_key(|field| field.field_id);
    let key = TableEntry {
        table_id: entry.table_id,
        r#match: fields,
        priority: entry.priority,
        ..TableEntry::default()
    };
    key.encode_to_vec()
}

/// Binds, waiting for a predecessor on the same port to let go of it.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let mut attempts = 0;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts < 500 => {
                attempts += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            bound => return bound,
        }
    }
}
