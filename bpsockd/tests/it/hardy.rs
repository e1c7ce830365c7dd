// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon with another agent behind it: one with the service interface of hardy, that keeps bundles until they are
//! confirmed.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use bpsock::abi::{BP_FLAG_REPORT_DELIVERY, BP_INFO_HOPS, BP_STATUS_DELIVERED, Options};
use bpsock::net::{Door, Message};
use bpsockd::hardy::wire::service_server::{Service, ServiceServer};
use bpsockd::hardy::wire::{
    self, FromAgent, ToAgent, from_agent, registration::ServiceId, to_agent,
};
use bundle::v7;
use rustix::io::Errno;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Status, Streaming};

use crate::support::{DEADLINE, Daemon, errno, parse, receive, send};

/// What an agent of node 7 has.
#[derive(Default)]
struct State {
    /// Where bundles for an endpoint go.
    streams: BTreeMap<String, mpsc::Sender<Result<FromAgent, Status>>>,
    /// Bundles that were not confirmed, by destination.
    kept: BTreeMap<String, VecDeque<Vec<u8>>>,
    /// Bundles that wait for their confirmation, by the number of the request.
    offered: BTreeMap<u32, (String, Vec<u8>)>,
    confirmed: usize,
    last_id: u32,
}

type Shared = Arc<Mutex<State>>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().expect("no thread has panicked")
}

struct Interface(Shared);

#[tonic::async_trait]
impl Service for Interface {
    type RegisterStream = ReceiverStream<Result<FromAgent, Status>>;

    async fn register(
        &self,
        request: tonic::Request<Streaming<ToAgent>>,
    ) -> Result<tonic::Response<Self::RegisterStream>, Status> {
        let (sender, receiver) = mpsc::channel(1000);
        let shared = Arc::clone(&self.0);
        tokio::spawn(serve(request.into_inner(), sender, shared));
        Ok(tonic::Response::new(ReceiverStream::new(receiver)))
    }
}

async fn serve(
    mut from: Streaming<ToAgent>,
    to: mpsc::Sender<Result<FromAgent, Status>>,
    shared: Shared,
) {
    let first = from
        .message()
        .await
        .expect("it is whole")
        .expect("there is one");
    let Some(to_agent::Msg::Register(wanted)) = first.msg else {
        panic!("{first:?}");
    };
    let service = match wanted.service_id.expect("it has one") {
        // With 0 the real one registers the node's own endpoint, to which nothing is delivered.
        ServiceId::Ipn(service) => service,
        // There is no such node, and the stream ends, as it does if the endpoint is taken.
        ServiceId::Dtn(_) => return,
    };
    let endpoint_id = format!("ipn:7.{service}");
    if lock(&shared).streams.contains_key(&endpoint_id) {
        return;
    }
    lock(&shared)
        .streams
        .insert(endpoint_id.clone(), to.clone());
    let registered = wire::Registered {
        endpoint_id: endpoint_id.clone(),
    };
    say(&to, first.msg_id, from_agent::Msg::Register(registered));
    let kept = lock(&shared).kept.remove(&endpoint_id);
    for bundle in kept.unwrap_or_default() {
        deliver(&endpoint_id, bundle, &shared);
    }
    while let Ok(Some(message)) = from.message().await {
        hear(message, &to, &shared);
    }
    let mut state = lock(&shared);
    state.streams.remove(&endpoint_id);
    // What was not confirmed is for the next one.
    let offered = std::mem::take(&mut state.offered);
    for (id, (endpoint, bundle)) in offered {
        if endpoint == endpoint_id {
            state.kept.entry(endpoint).or_default().push_back(bundle);
        } else {
            state.offered.insert(id, (endpoint, bundle));
        }
    }
}

fn say(to: &mpsc::Sender<Result<FromAgent, Status>>, msg_id: u32, message: from_agent::Msg) {
    let msg = Some(message);
    let _ = to.try_send(Ok(FromAgent { msg_id, msg }));
}

fn hear(message: ToAgent, to: &mpsc::Sender<Result<FromAgent, Status>>, shared: &Shared) {
    let id = message.msg_id;
    match message.msg.expect("it says something") {
        to_agent::Msg::Send(bundle) => {
            let read = v7::Bundle::decode(&bundle.data, v7::Tolerance::STRICT);
            let read = read.expect("it is a bundle");
            let destination = read.primary.destination.normal();
            let destination = destination.expect("it has numbers").to_string();
            if destination == "ipn:66.6" {
                let (code, message) = (3, "not there".to_owned());
                say(
                    to,
                    id,
                    from_agent::Msg::Status(wire::Failure { code, message }),
                );
                return;
            }
            let creation = read.primary.creation;
            let bundle_id = format!("{}-{}", creation.time_ms, creation.sequence);
            say(to, id, from_agent::Msg::Send(wire::Key { bundle_id }));
            deliver(&destination, bundle.data, shared);
        }
        to_agent::Msg::Receive(_) => {
            let mut state = lock(shared);
            let (_, octets) = state.offered.remove(&id).expect("it was offered");
            state.confirmed += 1;
            let read = v7::Bundle::decode(&octets, v7::Tolerance::STRICT);
            let primary = read.expect("it is a bundle").primary;
            if primary.flags.0 & u64::from(BP_FLAG_REPORT_DELIVERY) != 0 {
                let source = primary.source.normal().expect("it has numbers").to_string();
                let creation = primary.creation;
                let report = wire::Report {
                    bundle_id: format!("{}-{}", creation.time_ms, creation.sequence),
                    from: "ipn:7.0".to_owned(),
                    kind: 3,
                    reason: 0,
                    timestamp: None,
                };
                state.last_id += 2;
                let id = state.last_id;
                if let Some(to) = state.streams.get(&source) {
                    say(to, id, from_agent::Msg::StatusNotify(report));
                }
            }
        }
        to_agent::Msg::Cancel(key) => {
            let mut state = lock(shared);
            let named = |bundle: &Vec<u8>| {
                let read = v7::Bundle::decode(bundle, v7::Tolerance::STRICT);
                let creation = read.expect("it is a bundle").primary.creation;
                format!("{}-{}", creation.time_ms, creation.sequence) == key.bundle_id
            };
            let before: usize = state.kept.values().map(VecDeque::len).sum();
            for kept in state.kept.values_mut() {
                kept.retain(|bundle| !named(bundle));
            }
            let cancelled = state.kept.values().map(VecDeque::len).sum::<usize>() < before;
            say(
                to,
                id,
                from_agent::Msg::Cancel(wire::Cancelled { cancelled }),
            );
        }
        to_agent::Msg::StatusNotify(_) | to_agent::Msg::Status(_) => {}
        to_agent::Msg::Register(again) => panic!("{again:?}"),
    }
}

fn deliver(endpoint: &str, data: Vec<u8>, shared: &Shared) {
    let mut state = lock(shared);
    state.last_id += 2;
    let id = state.last_id;
    let Some(to) = state.streams.get(endpoint).cloned() else {
        let kept = state.kept.entry(endpoint.to_owned()).or_default();
        kept.push_back(data);
        return;
    };
    state
        .offered
        .insert(id, (endpoint.to_owned(), data.clone()));
    drop(state);
    say(
        &to,
        id,
        from_agent::Msg::Receive(wire::Arrival { data, expiry: None }),
    );
}

/// An agent of node 7. It ends with its owner.
struct Peer {
    runtime: Option<Runtime>,
    address: SocketAddr,
    shared: Shared,
}

impl Peer {
    fn start(address: &str, shared: &Shared) -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let start = Instant::now();
        let listener = loop {
            match runtime.block_on(TcpListener::bind(address)) {
                Ok(listener) => break listener,
                Err(error) => assert!(start.elapsed() < DEADLINE, "{error}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        let address = listener.local_addr().expect("it is bound");
        let service = ServiceServer::new(Interface(Arc::clone(shared)));
        let service = service.max_decoding_message_size(32 << 20);
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self {
            runtime: Some(runtime),
            address,
            shared: Arc::clone(shared),
        }
    }

    fn daemon(&self) -> Daemon {
        let address = self.address;
        Daemon::start_with(&format!(
            "socket = \"s\"\n[hardy]\naddress = \"{address}\"\n"
        ))
    }

    fn wait_confirmed(&self, count: usize) {
        let start = Instant::now();
        while lock(&self.shared).confirmed < count {
            assert!(start.elapsed() < DEADLINE, "nothing is confirmed");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(DEADLINE);
        }
        let mut state = lock(&self.shared);
        state.streams.clear();
        for (endpoint, bundle) in std::mem::take(&mut state.offered).into_values() {
            state.kept.entry(endpoint).or_default().push_back(bundle);
        }
    }
}

const ANYWHERE: &str = "127.0.0.1:0";

#[test]
fn messages_are_confirmed_when_they_were_read() {
    let peer = Peer::start(ANYWHERE, &Shared::default());
    let daemon = peer.daemon();
    let (one, other) = (daemon.bind("ipn:0.5"), daemon.bind("ipn:7.6"));
    assert_eq!(one.local_address(), &parse("ipn:7.5"));
    for (count, length) in [0, 1, 1000, 100_000, 4_000_000].into_iter().enumerate() {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        let options = Options::default().lifetime_ms(60_000).hop_limit(9);
        let message = Message {
            options,
            report_to: Some(parse("ipn:9.9")),
        };
        let sent = one.send_to(&data, other.local_address(), &message);
        let sent = sent.expect("the agent takes it").expect("it is known");
        // It is here, and nobody has read it.
        let start = Instant::now();
        while other.next_len() != Some(length) {
            assert!(start.elapsed() < DEADLINE, "{length} octets do not come");
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(lock(&peer.shared).confirmed, count);
        let received = receive(&other);
        assert!(received.data == data);
        assert_eq!(&received.about.source, one.local_address());
        assert_eq!(received.about.report_to, Some(parse("ipn:9.9")));
        let info = received.about.info.expect("the bundle tells");
        assert_eq!((info.bundle, info.lifetime_ms), (sent, 60_000));
        assert_eq!(
            (info.present & BP_INFO_HOPS, info.hop_limit),
            (BP_INFO_HOPS, 9)
        );
        peer.wait_confirmed(count + 1);
    }
}

#[test]
fn unread_messages_stay_with_the_agent_and_endpoints_outlive_it() {
    let shared = Shared::default();
    let peer = Peer::start(ANYWHERE, &shared);
    let daemon = peer.daemon();
    let (one, other) = (daemon.bind("ipn:0.5"), daemon.bind("ipn:0.6"));
    for number in 0..200 {
        send(&one, &[number], "ipn:7.6");
    }
    assert_eq!(receive(&other).data, [0]);
    peer.wait_confirmed(1);
    // Closed with messages in its queue: they are for the next one.
    drop(other);
    let start = Instant::now();
    while lock(&shared).kept.get("ipn:7.6").map(VecDeque::len) != Some(199) {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        thread::sleep(Duration::from_millis(5));
    }
    let other = daemon.bind("ipn:0.6");
    assert_eq!(receive(&other).data, [1]);
    peer.wait_confirmed(2);
    let address = peer.address.to_string();
    drop(peer);
    let try_send = || one.send_to(b"lost", &parse("ipn:7.8"), &Message::default());
    while errno(try_send()) != Errno::NETDOWN.raw_os_error() {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
    }
    let _peer = Peer::start(&address, &shared);
    while try_send().is_err() {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        thread::sleep(Duration::from_millis(20));
    }
    let rest: Vec<u8> = (2..200).map(|_| receive(&other).data[0]).collect();
    assert_eq!(rest, (2..200).collect::<Vec<_>>());
}

#[test]
fn answers_and_reports_reach_the_socket() {
    let peer = Peer::start(ANYWHERE, &Shared::default());
    let daemon = peer.daemon();
    let door = Door::connect(&daemon.path()).expect("the daemon listens");
    let bind = |address: &str| errno(door.bind(&parse(address)));
    assert_eq!(bind("ipn:8.5"), Errno::ADDRNOTAVAIL.raw_os_error());
    let (any, more) = (daemon.bind("ipn:0.0"), daemon.bind("ipn:0.0"));
    assert_ne!(any.local_address(), more.local_address());
    let chosen = any.local_address().to_string();
    assert_ne!(chosen, "ipn:7.0");
    assert_eq!(bind(&chosen), Errno::ADDRINUSE.raw_os_error());
    let (one, other) = (daemon.bind("ipn:7.5"), daemon.bind("ipn:7.6"));
    let ask = |to: &str, options| {
        let message = Message {
            options,
            report_to: None,
        };
        one.send_to(b"x", &parse(to), &message)
    };
    let plain = Options::default();
    assert_eq!(errno(ask("ipn:66.6", plain)), Errno::INVAL.raw_os_error());
    let hurry = errno(ask("ipn:7.6", plain.priority(2)));
    assert_eq!(hurry, Errno::OPNOTSUPP.raw_os_error());
    // A report of the delivery comes when the message was read.
    let bundle = ask("ipn:7.6", plain.flags(BP_FLAG_REPORT_DELIVERY));
    let bundle = bundle.expect("the agent takes it").expect("it is known");
    assert_eq!(one.report(Duration::from_millis(50)), None);
    receive(&other);
    let report = one.report(DEADLINE).expect("a report comes");
    let says = (report.report.status, report.report.bundle);
    assert_eq!(says, (BP_STATUS_DELIVERED, bundle));
    // What waits for its receiver can be withdrawn, once.
    let bundle = ask("ipn:7.7", plain).expect("the agent takes it");
    let bundle = bundle.expect("it is known");
    one.cancel(bundle).expect("nobody has it");
    let again = errno(one.cancel(bundle));
    assert_eq!(again, Errno::NOENT.raw_os_error());
}

#[test]
fn without_the_agent_binding_fails() {
    let peer = Peer::start(ANYWHERE, &Shared::default());
    let address = peer.address;
    drop(peer);
    let daemon = Daemon::start_with(&format!(
        "socket = \"s\"\n[hardy]\naddress = \"{address}\"\n"
    ));
    let door = Door::connect(&daemon.path()).expect("the daemon listens");
    let refused = errno(door.bind(&parse("ipn:0.5")));
    assert_eq!(refused, Errno::NETDOWN.raw_os_error());
}
