// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon with another agent behind it: one that does what dtnd of dtn7-rs does, with its quirks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use bpsock::abi::{BP_INFO_HOPS, Options};
use bpsock::net::{Door, Message};
use bundle::v7;
use rustix::io::Errno;
use tokio_tungstenite::tungstenite::{self, Error, WebSocket};

use crate::support::{DEADLINE, Daemon, errno, free_port, parse, receive, send, wait_bound};

const NODE: &str = "ipn:7.0";

/// What an agent has.
#[derive(Default)]
struct State {
    /// Messages that it has put aside, by endpoint.
    endpoints: BTreeMap<String, VecDeque<Vec<u8>>>,
    subscribed: BTreeSet<String>,
    /// Messages that are on their way to the connection.
    pushed: VecDeque<Vec<u8>>,
    /// Messages that the connection takes before others are put aside.
    room: usize,
    connections: Vec<TcpStream>,
}

type Shared = Arc<Mutex<State>>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().expect("no thread has panicked")
}

/// An agent of node 7.
struct Peer {
    address: SocketAddr,
    shared: Shared,
    has_ended: Arc<AtomicBool>,
}

impl Peer {
    fn start(address: SocketAddr) -> Self {
        let start = Instant::now();
        let listener = loop {
            match TcpListener::bind(address) {
                Ok(listener) => break listener,
                Err(error) => assert!(start.elapsed() < DEADLINE, "{error}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        let state = State {
            room: 32,
            endpoints: [(NODE.to_owned(), VecDeque::new())].into(),
            ..State::default()
        };
        let shared = Arc::new(Mutex::new(state));
        let has_ended = Arc::new(AtomicBool::new(false));
        let (known, ended) = (Arc::clone(&shared), Arc::clone(&has_ended));
        thread::spawn(move || {
            for connection in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let connection = connection.expect("it can be accepted");
                let copy = connection.try_clone().expect("there are descriptors");
                lock(&known).connections.push(copy);
                let shared = Arc::clone(&known);
                thread::spawn(move || serve(connection, &shared));
            }
        });
        Self {
            address,
            shared,
            has_ended,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Relaxed);
        // So that it looks.
        let _ = TcpStream::connect(self.address);
        for connection in lock(&self.shared).connections.drain(..) {
            // The other side may have ended it.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// A request of HTTP, or a WebSocket.
fn serve(mut connection: TcpStream, shared: &Shared) {
    let mut start = [0; 7];
    let mut count = 0;
    while count < start.len() {
        match connection.peek(&mut start) {
            Ok(0) | Err(_) => return,
            Ok(more) => count = more,
        }
    }
    if &start == b"GET /ws" {
        let socket = tungstenite::accept(connection).expect("it is a WebSocket");
        // An error is the end of the connection.
        let _ = exchange(socket, shared);
        lock(shared).subscribed.clear();
        return;
    }
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        connection
            .read_exact(&mut octet)
            .expect("the request is whole");
        request.push(octet[0]);
    }
    let request = String::from_utf8(request).expect("it is text");
    let target = request.split(' ').nth(1).expect("it has a target");
    let (what, endpoint) = target.split_once('?').expect("it has an argument");
    match what {
        "/register" => drop(
            lock(shared)
                .endpoints
                .entry(endpoint.to_owned())
                .or_default(),
        ),
        "/unregister" => drop(lock(shared).endpoints.remove(endpoint)),
        other => panic!("{other}"),
    }
    let answer = "HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\nDone";
    connection.write_all(answer.as_bytes()).expect("it waits");
}

fn exchange(mut socket: WebSocket<TcpStream>, shared: &Shared) -> Result<(), Error> {
    let stream = socket.get_ref();
    let pause = Some(Duration::from_millis(5));
    stream.set_read_timeout(pause).expect("it is no zero");
    let mut is_bundles = false;
    loop {
        let message = match socket.read() {
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            other => Some(other?),
        };
        let answer = match message {
            Some(tungstenite::Message::Text(text)) => {
                is_bundles |= text.as_str() == "/bundle";
                Some(told(text.as_str(), shared))
            }
            Some(tungstenite::Message::Binary(octets)) => {
                assert!(is_bundles, "it would be taken for something else");
                let bundle = v7::Bundle::decode(&octets, v7::Tolerance::STRICT);
                let bundle = bundle.expect("it is a bundle");
                arrive(&bundle, &octets, shared);
                Some("200 Sent payload".to_owned())
            }
            _ => None,
        };
        if let Some(answer) = answer {
            socket.send(tungstenite::Message::text(answer))?;
        }
        loop {
            let Some(bundle) = lock(shared).pushed.pop_front() else {
                break;
            };
            socket.send(tungstenite::Message::binary(bundle))?;
        }
    }
}

/// A bundle for an endpoint is pushed to the connection, or put aside, or, without an endpoint, lost.
fn arrive(bundle: &v7::Bundle<'_>, octets: &[u8], shared: &Shared) {
    let destination = bundle.primary.destination.normal();
    let destination = destination.expect("it has numbers").to_string();
    let mut state = lock(shared);
    let has_room = state.pushed.len() < state.room;
    if state.subscribed.contains(&destination) && has_room {
        state.pushed.push_back(octets.to_vec());
    } else if let Some(aside) = state.endpoints.get_mut(&destination) {
        aside.push_back(octets.to_vec());
    }
}

fn told(text: &str, shared: &Shared) -> String {
    let mut state = lock(shared);
    let (command, endpoint) = text.split_once(' ').unwrap_or((text, ""));
    match command {
        "/node" => format!("200 node: {NODE}"),
        "/bundle" => "200 tx mode: bundle".to_owned(),
        "/unsubscribe" => {
            state.subscribed.remove(endpoint);
            "200 unsubscribed".to_owned()
        }
        "/subscribe" if state.endpoints.contains_key(endpoint) => {
            state.subscribed.insert(endpoint.to_owned());
            for endpoint in state.subscribed.clone() {
                let aside = state.endpoints.get_mut(&endpoint);
                let next = aside.and_then(VecDeque::pop_front);
                state.pushed.extend(next);
            }
            "200 subscribed".to_owned()
        }
        "/subscribe" => "404 unknown endpoint".to_owned(),
        other => panic!("{other}"),
    }
}

/// An agent, and a daemon that is connected to it.
fn pair(before: &str, after: &str) -> (Peer, Daemon) {
    let peer = Peer::start(free_port());
    let daemon = daemon(peer.address, before, after);
    wait_bound(&daemon, "ipn:7.1000");
    (peer, daemon)
}

fn daemon(address: SocketAddr, before: &str, after: &str) -> Daemon {
    Daemon::start_with(&format!(
        "socket = \"s\"\n{before}\n[dtn7]\naddress = \"{address}\"\nnode = \"{NODE}\"\n\
         store = \"kept\"\n{after}\n"
    ))
}

#[test]
fn messages_of_all_sizes_with_their_options() {
    let (_peer, daemon) = pair("", "");
    let (one, other) = (daemon.bind("ipn:0.5"), daemon.bind("ipn:7.6"));
    assert_eq!(one.local_address(), &parse("ipn:7.5"));
    for length in [0, 1, 1000, 100_000, 4_000_000] {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        let options = Options::default().lifetime_ms(60_000).hop_limit(9);
        let message = Message {
            options,
            report_to: Some(parse("ipn:9.9")),
        };
        let sent = one.send_to(&data, other.local_address(), &message);
        let sent = sent.expect("the agent takes it").expect("it is known");
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
    }
}

#[test]
fn what_does_not_go_is_an_error() {
    let peer = Peer::start(free_port());
    let daemon = daemon(peer.address, "max_message = 17000000", "");
    wait_bound(&daemon, "ipn:7.1000");
    let door = Door::connect(&daemon.path()).expect("the daemon listens");
    let bind = |address: &str| errno(door.bind(&parse(address)));
    assert_eq!(bind("ipn:8.5"), Errno::ADDRNOTAVAIL.raw_os_error());
    assert_eq!(bind("dtn://seven/x"), Errno::ADDRNOTAVAIL.raw_os_error());
    let one = daemon.bind("ipn:7.5");
    assert_eq!(bind("ipn:7.5"), Errno::ADDRINUSE.raw_os_error());
    let send = |data: &[u8], options| {
        let message = Message {
            options,
            report_to: None,
        };
        errno(one.send_to(data, &parse("ipn:7.5"), &message))
    };
    let hurry = Options::default().priority(2);
    assert_eq!(send(b"x", hurry), Errno::OPNOTSUPP.raw_os_error());
    let nowhere = Options::default().hop_limit(0);
    assert_eq!(send(b"x", nowhere), Errno::INVAL.raw_os_error());
    let long = vec![0; 16 << 20];
    assert_eq!(
        send(&long, Options::default()),
        Errno::MSGSIZE.raw_os_error()
    );
    // An endpoint of which nobody will hear again is taken back, and others are not.
    let any = daemon.bind("ipn:0.0").local_address().to_string();
    let start = Instant::now();
    while lock(&peer.shared).endpoints.contains_key(&any) {
        assert!(start.elapsed() < DEADLINE, "{any} stays");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(lock(&peer.shared).endpoints.contains_key("ipn:7.1000"));
}

/// Waits until the agent has handed over what it has for an endpoint.
fn wait_handed_over(peer: &Peer, daemon: &Daemon, endpoint: &str) {
    let start = Instant::now();
    loop {
        let state = lock(&peer.shared);
        if state.pushed.is_empty() && state.endpoints[endpoint].is_empty() {
            return;
        }
        drop(state);
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn unread_messages_survive_both() {
    let (peer, mut daemon) = pair("", "");
    let (one, last) = (daemon.bind("ipn:7.5"), daemon.bind("ipn:7.7"));
    wait_bound(&daemon, "ipn:7.6");
    for number in 0..100 {
        send(&one, &[number], "ipn:7.6");
    }
    // Nobody has the endpoint, but the daemon takes them all the same.
    wait_handed_over(&peer, &daemon, "ipn:7.6");
    // What comes later is stored later.
    send(&one, b"last", "ipn:7.7");
    assert_eq!(receive(&last).data, b"last");
    let address = peer.address;
    drop(peer);
    daemon.kill_and_start();
    let _peer = Peer::start(address);
    wait_bound(&daemon, "ipn:7.1000");
    let reader = daemon.bind("ipn:7.6");
    let received: BTreeSet<u8> = (0..100).map(|_| receive(&reader).data[0]).collect();
    assert_eq!(received, (0..100).collect());
}

#[test]
fn endpoints_outlive_the_agent() {
    let (peer, daemon) = pair("", "");
    let (one, other) = (daemon.bind("ipn:0.5"), daemon.bind("ipn:0.6"));
    send(&one, b"before", "ipn:7.6");
    assert_eq!(receive(&other).data, b"before");
    let address = peer.address;
    drop(peer);
    let try_send = |data: &[u8]| one.send_to(data, &parse("ipn:7.6"), &Message::default());
    let start = Instant::now();
    // It may not have heard yet.
    while errno(try_send(b"lost")) != Errno::NETDOWN.raw_os_error() {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
    }
    let _peer = Peer::start(address);
    while try_send(b"after").is_err() {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(receive(&other).data, b"after");
}

#[test]
fn what_does_not_fit_stays_with_the_agent() {
    let (peer, daemon) = pair("max_message = 1000", "quota_octets = 5000");
    let one = daemon.bind("ipn:7.5");
    wait_bound(&daemon, "ipn:7.6");
    for number in 0..50 {
        send(&one, &[number; 500], "ipn:7.6");
    }
    let start = Instant::now();
    while lock(&peer.shared).subscribed.contains("ipn:7.6") {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        thread::sleep(Duration::from_millis(5));
    }
    for number in 50..60 {
        send(&one, &[number; 500], "ipn:7.6");
    }
    assert!(!lock(&peer.shared).endpoints["ipn:7.6"].is_empty());
    let reader = daemon.bind("ipn:7.6");
    let received: BTreeSet<u8> = (0..60).map(|_| receive(&reader).data[0]).collect();
    assert_eq!(received, (0..60).collect());
}

#[test]
fn another_node_is_not_the_agent() {
    let peer = Peer::start(free_port());
    let address = peer.address;
    let daemon = Daemon::start_with(&format!(
        "socket = \"s\"\n[dtn7]\naddress = \"{address}\"\nnode = \"ipn:8.0\"\nstore = \"kept\"\n"
    ));
    let start = Instant::now();
    while !daemon.log().contains("it is not ipn:8.0") {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        thread::sleep(Duration::from_millis(5));
    }
    let door = Door::connect(&daemon.path()).expect("the daemon listens");
    let refused = errno(door.bind(&parse("ipn:8.5")));
    assert_eq!(refused, Errno::NETDOWN.raw_os_error());
}
