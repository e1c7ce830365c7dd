// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon with another agent behind it: one that speaks AAP 2.0, written here from the description
//! of its messages, octet by octet.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use bpsock::net::{Door, Message};
use rustix::io::Errno;

use crate::support::{DEADLINE, Daemon, errno, parse, receive, send};

const SUCCESS: u64 = 1;
const UNAUTHORIZED: u64 = 12;

/// The source of a data unit, where its reports go, and its payload.
type Unit = (Vec<u8>, Vec<u8>, Vec<u8>);

/// What an agent has: data units by destination.
#[derive(Default)]
struct State {
    secrets: BTreeMap<Vec<u8>, Vec<u8>>,
    waiting: BTreeMap<Vec<u8>, VecDeque<Unit>>,
    confirmed: usize,
    last: u64,
    connections: Vec<UnixStream>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread has panicked")
    }

    fn wait_confirmed(&self, count: usize) {
        let start = Instant::now();
        while self.lock().confirmed < count {
            assert!(start.elapsed() < DEADLINE, "nothing is confirmed");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// An agent of node 7, for endpoints of its own.
struct Peer {
    path: PathBuf,
    shared: Arc<Shared>,
    has_ended: Arc<AtomicBool>,
}

impl Peer {
    fn start(path: &Path, shared: &Arc<Shared>) -> Self {
        let listener = UnixListener::bind(path).expect("the folder is writable");
        let has_ended = Arc::new(AtomicBool::new(false));
        let (known, ended) = (Arc::clone(shared), Arc::clone(&has_ended));
        thread::spawn(move || {
            for connection in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let connection = connection.expect("it can be accepted");
                let copy = connection.try_clone().expect("there are descriptors");
                known.lock().connections.push(copy);
                let shared = Arc::clone(&known);
                // An error is the end of the connection.
                thread::spawn(move || serve(connection, &shared));
            }
        });
        Self {
            path: path.to_owned(),
            shared: Arc::clone(shared),
            has_ended,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Relaxed);
        // So that it looks.
        let _ = UnixStream::connect(&self.path);
        let _ = fs::remove_file(&self.path);
        for connection in self.shared.lock().connections.drain(..) {
            // The other side may have ended it.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn serve(mut connection: UnixStream, shared: &Shared) -> io::Result<()> {
    connection.write_all(&[0x2f])?;
    let welcome = octets(1, b"ipn:7.0");
    connection.write_all(&framed(&octets(1, &welcome)))?;
    let config = fields(&frame(&mut connection)?);
    let config = fields(&config[&2].octets);
    let (endpoint, secret) = (config[&4].octets.clone(), config[&3].octets.clone());
    let known = shared.lock().secrets.get(&endpoint).cloned();
    let is_allowed = known.is_none_or(|known| known == secret);
    let status = if is_allowed { SUCCESS } else { UNAUTHORIZED };
    connection.write_all(&framed(&number(1, status)))?;
    if !is_allowed {
        return Ok(());
    }
    shared.lock().secrets.insert(endpoint.clone(), secret);
    if config.get(&1).is_some_and(|flag| flag.number == 1) {
        deliver(&mut connection, &endpoint, shared)
    } else {
        accept(&mut connection, &endpoint, shared)
    }
}

/// What an application sends.
fn accept(connection: &mut UnixStream, endpoint: &[u8], shared: &Shared) -> io::Result<()> {
    loop {
        let request = fields(&frame(connection)?);
        let adu = fields(&request[&3].octets);
        assert_eq!(adu[&1].octets, endpoint);
        let length = adu.get(&5).map_or(0, |length| length.number);
        let mut payload = vec![0; usize::try_from(length).expect("it is short")];
        connection.read_exact(&mut payload)?;
        let mut state = shared.lock();
        state.last += 1;
        let bundle = [number(3, 1_000), number(4, state.last)].concat();
        let queue = state.waiting.entry(adu[&2].octets.clone()).or_default();
        let report_to = adu.get(&7).cloned().unwrap_or_default().octets;
        queue.push_back((endpoint.to_vec(), report_to, payload));
        drop(state);
        shared.changed.notify_all();
        let response = [number(1, SUCCESS), octets(3, &bundle)].concat();
        connection.write_all(&framed(&response))?;
    }
}

/// What an application gets: it stays until it is confirmed.
fn deliver(connection: &mut UnixStream, endpoint: &[u8], shared: &Shared) -> io::Result<()> {
    loop {
        let next = |state: &State| state.waiting.get(endpoint)?.front().cloned();
        let mut state = shared.lock();
        let (source, report_to, payload) = loop {
            if let Some(next) = next(&state) {
                break next;
            }
            state = shared.changed.wait(state).expect("no thread has panicked");
        };
        drop(state);
        let length = number(5, payload.len() as u64);
        let mut adu = [octets(1, &source), octets(2, endpoint), length].concat();
        if !report_to.is_empty() {
            adu.extend(octets(7, &report_to));
        }
        connection.write_all(&framed(&octets(3, &adu)))?;
        connection.write_all(&payload)?;
        let response = fields(&frame(connection)?);
        if response[&1].number == SUCCESS {
            let mut state = shared.lock();
            state.confirmed += 1;
            let queue = state.waiting.get_mut(endpoint).expect("it has one");
            queue.pop_front();
        }
    }
}

// Protocol Buffers: a field is a key and a number, or a key, a length and octets.

#[derive(Clone, Default)]
struct Field {
    number: u64,
    octets: Vec<u8>,
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("it has seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("it has seven bits"));
    out
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn octets(field: u64, value: &[u8]) -> Vec<u8> {
    let length = varint(value.len() as u64);
    [varint(field << 3 | 2), length, value.to_vec()].concat()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [varint(message.len() as u64), message.to_vec()].concat()
}

fn read_varint(from: &mut impl Read) -> io::Result<u64> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let mut octet = [0];
        from.read_exact(&mut octet)?;
        value |= u64::from(octet[0] & 0x7f) << shift;
        shift += 7;
        if octet[0] < 0x80 {
            return Ok(value);
        }
    }
}

fn frame(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = usize::try_from(read_varint(from)?).expect("it is short");
    let mut message = vec![0; length];
    from.read_exact(&mut message)?;
    Ok(message)
}

fn fields(mut message: &[u8]) -> BTreeMap<u64, Field> {
    let mut found = BTreeMap::new();
    while !message.is_empty() {
        let key = read_varint(&mut message).expect("it is whole");
        let mut field = Field::default();
        match key & 7 {
            0 => field.number = read_varint(&mut message).expect("it is whole"),
            _ => field.octets = frame(&mut message).expect("it is whole"),
        }
        found.insert(key >> 3, field);
    }
    found
}

/// A daemon that looks for its agent in its own folder.
fn daemon() -> (Daemon, PathBuf) {
    let daemon = Daemon::start_with("socket = \"s\"\n[aap2]\naddress = \"agent\"\n");
    let path = daemon.folder.path().join("agent");
    (daemon, path)
}

#[test]
fn messages_are_confirmed_when_they_were_read() {
    let (daemon, path) = daemon();
    let shared = Arc::default();
    let _peer = Peer::start(&path, &shared);
    let (one, other) = (daemon.bind("ipn:0.5"), daemon.bind("ipn:7.0"));
    assert_eq!(one.local_address(), &parse("ipn:7.5"));
    let to = other.local_address().clone();
    for (count, length) in [0, 1, 1000, 100_000].into_iter().enumerate() {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        let bundle = one.send_to(&data, &to, &Message::default());
        let bundle = bundle.expect("the agent takes it").expect("it is known");
        assert_eq!(bundle.sequence, count as u64 + 1);
        // It is here, and nobody has read it.
        let start = Instant::now();
        while other.next_len() != Some(length) {
            assert!(start.elapsed() < DEADLINE, "{length} octets do not come");
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(shared.lock().confirmed, count);
        let received = receive(&other);
        assert_eq!(&received.about.source, one.local_address());
        assert!(received.data == data);
        assert_eq!(received.about.report_to, None);
        shared.wait_confirmed(count + 1);
    }
    for (report_to, told) in [("ipn:9.9", Some(parse("ipn:9.9"))), ("dtn:none", None)] {
        let message = Message {
            report_to: Some(parse(report_to)),
            ..Message::default()
        };
        one.send_to(b"x", &to, &message)
            .expect("the agent takes it");
        assert_eq!(receive(&other).about.report_to, told);
    }
}

#[test]
fn endpoints_outlive_the_agent() {
    let (daemon, path) = daemon();
    let shared = Arc::default();
    let peer = Peer::start(&path, &shared);
    let (one, other) = (daemon.bind("ipn:0.5"), daemon.bind("ipn:0.6"));
    send(&one, b"before", "ipn:7.6");
    assert_eq!(receive(&other).data, b"before");
    shared.wait_confirmed(1);
    drop(peer);
    let _peer = Peer::start(&path, &shared);
    let start = Instant::now();
    // It may find the old agent's end first.
    while let Err(error) = one.send_to(b"after", &parse("ipn:7.6"), &Message::default()) {
        assert!(start.elapsed() < DEADLINE, "{error}");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(receive(&other).data, b"after");
}

#[test]
fn the_agents_refusals_are_errors_of_bind() {
    let (daemon, path) = daemon();
    let door = Door::connect(&daemon.path()).expect("the daemon listens");
    let bind = |address: &str| errno(door.bind(&parse(address)));
    assert_eq!(bind("ipn:0.5"), Errno::NETDOWN.raw_os_error());
    let shared: Arc<Shared> = Arc::default();
    let taken = (b"ipn:7.5".to_vec(), b"of another".to_vec());
    shared.lock().secrets.extend([taken]);
    let _peer = Peer::start(&path, &shared);
    assert_eq!(bind("ipn:0.5"), Errno::ADDRINUSE.raw_os_error());
    assert_eq!(bind("ipn:8.5"), Errno::ADDRNOTAVAIL.raw_os_error());
    door.bind(&parse("ipn:0.6")).expect("it is free");
}
