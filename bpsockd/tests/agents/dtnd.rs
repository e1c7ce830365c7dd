// SPDX-License-Identifier: Apache-2.0 OR MIT
//! dtnd of dtn7-rs, as published with version 0.21.0.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bpsock::abi::{BP_FLAG_REPORT_DELIVERY, BP_INFO_HOPS, BP_STATUS_DELIVERED, Options};
use bpsock::net::{Message, Socket};
use rustix::io::Errno;

use crate::program::Program;
use crate::support::{
    DEADLINE, Daemon, errno, free_address, free_port, parse, peer, receive, send, wait_bound,
};

/// A node of dtnd.
struct Node {
    program: Program,
    web: SocketAddr,
}

impl Node {
    /// `lines` are what it listens to, `peers` its neighbours.
    fn start(number: u32, lines: &[String], peers: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let web = free_port();
        let mut arguments: Vec<String> = [
            "--disable_nd",
            "--ipv4",
            "--generate-status-reports",
            "--interval=0",
            "--janitor=1s",
            "--routing=epidemic",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--nodeid={number}"));
        arguments.push(format!("--web-port={}", web.port()));
        arguments.push(format!("--workdir={}", folder.path().display()));
        arguments.extend(lines.iter().map(|line| format!("--cla={line}")));
        arguments.extend(peers.iter().map(|peer| format!("--static-peer={peer}")));
        let program = Program::start(folder, "dtnd", arguments);
        Self { program, web }
    }

    /// A daemon that is connected to it.
    fn daemon(&self, number: u32) -> Daemon {
        let address = self.web;
        let daemon = Daemon::start_with(&format!(
            "socket = \"s\"\n[dtn7]\naddress = \"{address}\"\nnode = \"ipn:{number}.0\"\n\
             store = \"kept\"\n"
        ));
        wait_bound(&daemon, "ipn:0.1000");
        daemon
    }
}

/// Nodes 23 and 24, and what listens at them.
fn neighbours() -> [Node; 2] {
    let ports = [free_port(), free_port()].map(|address| address.port());
    let line = |place: usize| vec![format!("mtcp:port={}", ports[place])];
    let peer = |place: usize| vec![format!("mtcp://127.0.0.1:{}/{}", ports[place], 23 + place)];
    [
        Node::start(23, &line(0), &peer(1)),
        Node::start(24, &line(1), &peer(0)),
    ]
}

fn sends(socket: &Socket, data: &[u8], to: &str) -> bool {
    let sent = socket.send_to(data, &parse(to), &Message::default());
    sent.is_ok()
}

#[test]
#[ignore = "needs dtnd on the PATH: make conformance AGENTS=dtnd"]
fn dtnd_carries_messages_with_their_options() {
    let nodes = neighbours();
    let (here, there) = (nodes[0].daemon(23), nodes[1].daemon(24));
    let (one, other) = (here.bind("ipn:0.5"), there.bind("ipn:24.6"));
    for length in [0, 1, 1000, 100_000, 4_000_000] {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        let options = Options::default().lifetime_ms(60_000).hop_limit(9);
        let message = Message {
            options,
            report_to: Some(parse("ipn:24.9")),
        };
        let sent = one.send_to(&data, &parse("ipn:24.6"), &message);
        let sent = sent.expect("dtnd takes it").expect("it is known");
        let received = receive(&other);
        assert!(received.data == data, "{length}");
        assert_eq!(&received.about.source, one.local_address());
        assert_eq!(received.about.report_to, Some(parse("ipn:24.9")));
        assert_eq!(received.about.previous_node, Some(parse("ipn:23.0")));
        let info = received.about.info.expect("the bundle tells");
        assert_eq!((info.bundle, info.lifetime_ms), (sent, 60_000));
        assert_eq!(
            (info.present & BP_INFO_HOPS, info.hop_limit),
            (BP_INFO_HOPS, 9)
        );
    }
    // Back, and within one node.
    send(&other, b"back", "ipn:23.5");
    assert_eq!(receive(&one).data, b"back");
    let third = there.bind("ipn:24.7");
    send(&third, b"near", "ipn:24.6");
    assert_eq!(receive(&other).data, b"near");
}

#[test]
#[ignore = "needs dtnd on the PATH: make conformance AGENTS=dtnd"]
fn dtnd_reports_to_the_sender() {
    let nodes = neighbours();
    let (here, there) = (nodes[0].daemon(23), nodes[1].daemon(24));
    let (one, other) = (here.bind("ipn:23.5"), there.bind("ipn:24.6"));
    let message = Message {
        options: Options::default().flags(BP_FLAG_REPORT_DELIVERY),
        report_to: None,
    };
    let sent = one.send_to(b"x", &parse("ipn:24.6"), &message);
    let sent = sent.expect("dtnd takes it").expect("it is known");
    assert_eq!(receive(&other).data, b"x");
    let report = one.report(DEADLINE).expect("a report comes");
    let says = (report.report.status, report.report.bundle);
    assert_eq!(says, (BP_STATUS_DELIVERED, sent));
    assert_eq!(report.source, Some(parse("ipn:24.0")));
}

#[test]
#[ignore = "needs dtnd on the PATH: make conformance AGENTS=dtnd"]
fn dtnd_may_be_killed_and_many_messages_come_at_once() {
    let mut nodes = neighbours();
    let (here, mut there) = (nodes[0].daemon(23), nodes[1].daemon(24));
    let (one, other) = (here.bind("ipn:23.5"), there.bind("ipn:24.6"));
    // More than dtnd has room for on their way: it puts some aside.
    let count = 500_u32;
    for number in 0..count {
        send(&one, &number.to_be_bytes(), "ipn:24.6");
    }
    let received: BTreeSet<Vec<u8>> = (0..count).map(|_| receive(&other).data).collect();
    assert_eq!(received.len(), count as usize);
    // Nobody reads these two, and their daemon is killed.
    drop(other);
    send(&one, b"unread", "ipn:24.6");
    let last = there.bind("ipn:24.7");
    send(&one, b"last", "ipn:24.7");
    assert_eq!(receive(&last).data, b"last");
    there.kill_and_start();
    wait_bound(&there, "ipn:0.1000");
    let other = there.bind("ipn:24.6");
    assert_eq!(receive(&other).data, b"unread");
    // dtnd is killed: sockets stay.
    nodes[1].program.kill();
    let start = Instant::now();
    let message = Message::default();
    let failure = |text: &[u8]| errno(other.send_to(text, &parse("ipn:23.5"), &message));
    while failure(b"lost") != Errno::NETDOWN.raw_os_error() {
        assert!(start.elapsed() < DEADLINE, "{}", there.log());
    }
    nodes[1].program.start_again();
    while !sends(&other, b"after", "ipn:23.5") {
        assert!(start.elapsed() < 2 * DEADLINE, "{}", there.log());
        sleep(Duration::from_millis(50));
    }
    assert_eq!(receive(&one).data, b"after");
    // MTCP has no acknowledgements: dtnd takes a bundle as sent that its neighbour's end has swallowed.
    let pause = Some(Duration::from_millis(500));
    let again = loop {
        send(&one, b"again", "ipn:24.6");
        if let Ok(again) = other.recv(pause) {
            break again;
        }
        assert!(start.elapsed() < 2 * DEADLINE, "{}", there.log());
    };
    assert_eq!(again.data, b"again");
}

#[test]
#[ignore = "needs dtnd on the PATH: make conformance AGENTS=dtnd"]
fn dtnd_and_the_leaf_agent_exchange_bundles_over_udp() {
    let (leaf_address, node_address) = (free_address(), free_address());
    let port = node_address.port();
    let line = vec![format!("udp:port={port}:bind=127.0.0.1")];
    let neighbour = vec![format!("udp://127.0.0.1:{}/1", leaf_address.port())];
    let node = Node::start(23, &line, &neighbour);
    let here = node.daemon(23);
    let way = peer("ipn:23.*", node_address, 7, "");
    let leaf = Daemon::start(1, leaf_address, "", &way);
    let (one, other) = (here.bind("ipn:23.5"), leaf.bind("ipn:1.6"));
    for length in [0, 1, 1400] {
        let data = vec![7; length];
        send(&one, &data, "ipn:1.6");
        let received = receive(&other);
        assert_eq!(
            (received.data, received.about.source),
            (data, parse("ipn:23.5"))
        );
        let data = vec![8; length];
        send(&other, &data, "ipn:23.5");
        let received = receive(&one);
        assert_eq!(
            (received.data, received.about.source),
            (data, parse("ipn:1.6"))
        );
    }
}
