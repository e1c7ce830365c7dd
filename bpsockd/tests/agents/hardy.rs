// SPDX-License-Identifier: Apache-2.0 OR MIT
//! hardy's server, as of its version 0.2, with its bundles on disk.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bpsock::abi::{BP_FLAG_REPORT_DELIVERY, BP_INFO_HOPS, BP_STATUS_DELIVERED, Options};
use bpsock::net::Message;
use rustix::io::Errno;

use crate::program::Program;
use crate::support::{DEADLINE, Daemon, errno, free_port, parse, receive, send, wait_bound};

/// Node 7.
struct Node {
    program: Program,
    address: String,
}

impl Node {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let address = free_port().to_string();
        let place = folder.path().display();
        let config = format!(
            "log-level = \"info\"\nnode-ids = [\"ipn:7.0\"]\nstatus-reports = true\n\
             [grpc]\naddress = \"{address}\"\nservices = [\"service\"]\n\
             [storage.metadata]\ntype = \"sqlite\"\ndb-dir = \"{place}\"\n\
             [storage.bundle]\ntype = \"localdisk\"\nstore-dir = \"{place}/bundles\"\n"
        );
        let file = folder.path().join("hardy.toml");
        fs::write(&file, config).expect("the folder is writable");
        let arguments = ["--config".to_owned(), file.display().to_string()];
        let program = Program::start(folder, "hardy-bpa-server", arguments.into());
        Self { program, address }
    }

    /// A daemon that is connected to it.
    fn daemon(&self) -> Daemon {
        let address = &self.address;
        let daemon = Daemon::start_with(&format!(
            "socket = \"s\"\nmax_message = 20000000\n[hardy]\naddress = \"{address}\"\n"
        ));
        wait_bound(&daemon, "ipn:0.1000");
        daemon
    }
}

#[test]
#[ignore = "needs hardy on the PATH: make conformance AGENTS=hardy"]
fn hardy_carries_messages_with_their_options() {
    let node = Node::start();
    let daemon = node.daemon();
    let (one, other) = (daemon.bind("ipn:0.5"), daemon.bind("ipn:7.6"));
    assert_eq!(one.local_address(), &parse("ipn:7.5"));
    for length in [0, 1, 1000, 100_000, 4_000_000, (16 << 20) - (65 << 10)] {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        let options = Options::default().lifetime_ms(60_000).hop_limit(9);
        let message = Message {
            options,
            report_to: Some(parse("ipn:9.9")),
        };
        let sent = one.send_to(&data, other.local_address(), &message);
        let sent = sent.expect("hardy takes it").expect("it is known");
        let received = receive(&other);
        assert!(received.data == data, "{length}");
        assert_eq!(&received.about.source, one.local_address());
        assert_eq!(received.about.report_to, Some(parse("ipn:9.9")));
        let info = received.about.info.expect("the bundle tells");
        assert_eq!((info.bundle, info.lifetime_ms), (sent, 60_000));
        assert_eq!(
            (info.present & BP_INFO_HOPS, info.hop_limit),
            (BP_INFO_HOPS, 9)
        );
    }
    let message = Message::default();
    let long = one.send_to(&vec![0; 16 << 20], other.local_address(), &message);
    assert_eq!(errno(long), Errno::MSGSIZE.raw_os_error());
}

#[test]
#[ignore = "needs hardy on the PATH: make conformance AGENTS=hardy"]
fn hardy_reports_to_the_sender() {
    let node = Node::start();
    let daemon = node.daemon();
    let (one, other) = (daemon.bind("ipn:7.5"), daemon.bind("ipn:7.6"));
    let message = Message {
        options: Options::default().flags(BP_FLAG_REPORT_DELIVERY),
        report_to: None,
    };
    let sent = one.send_to(b"x", other.local_address(), &message);
    let sent = sent.expect("hardy takes it").expect("it is known");
    // It is delivered when it was read, and not before.
    assert!(one.report(Duration::from_millis(500)).is_none());
    assert_eq!(receive(&other).data, b"x");
    let report = one.report(DEADLINE).expect("a report comes");
    let says = (report.report.status, report.report.bundle);
    assert_eq!(says, (BP_STATUS_DELIVERED, sent));
    assert_eq!(report.source, Some(parse("ipn:7.0")));
}

#[test]
#[ignore = "needs hardy on the PATH: make conformance AGENTS=hardy"]
fn hardy_refuses_endpoints() {
    let node = Node::start();
    let (daemon, other) = (node.daemon(), node.daemon());
    let bind = |address: &str| errno(daemon.door().bind(&parse(address)));
    assert_eq!(bind("ipn:8.5"), Errno::ADDRNOTAVAIL.raw_os_error());
    assert_eq!(bind("dtn://seven/x"), Errno::ADDRINUSE.raw_os_error());
    let held = other.bind("ipn:7.5");
    assert_eq!(bind("ipn:7.5"), Errno::ADDRINUSE.raw_os_error());
    drop(held);
    let start = Instant::now();
    while daemon.door().bind(&parse("ipn:7.5")).is_err() {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        sleep(Duration::from_millis(20));
    }
    let any = daemon.bind("ipn:0.0");
    send(&any, b"x", &any.local_address().to_string());
    assert_eq!(receive(&any).data, b"x");
}

#[test]
#[ignore = "needs hardy on the PATH: make conformance AGENTS=hardy"]
fn hardy_has_unread_messages_and_may_be_killed() {
    let mut node = Node::start();
    let mut daemon = node.daemon();
    let (one, reader) = (daemon.bind("ipn:7.5"), daemon.bind("ipn:7.6"));
    for number in 0..100 {
        send(&one, &[number], "ipn:7.6");
    }
    let mut received: BTreeSet<u8> = (0..10).map(|_| receive(&reader).data[0]).collect();
    daemon.kill();
    drop(reader);
    daemon.start_again();
    wait_bound(&daemon, "ipn:0.1000");
    let reader = daemon.bind("ipn:7.6");
    while received.len() < 100 {
        received.insert(receive(&reader).data[0]);
    }
    // hardy is killed: sockets stay.
    node.program.kill();
    let start = Instant::now();
    let try_send = |data: &[u8]| one.send_to(data, &parse("ipn:7.6"), &Message::default());
    while try_send(b"lost").map_err(|error| error.raw_os_error())
        != Err(Some(Errno::NETDOWN.raw_os_error()))
    {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
    }
    node.program.start_again();
    let pause = Some(Duration::from_millis(500));
    loop {
        // It may abort when it finds bundles before it is ready for them.
        if node.program.has_ended() {
            node.program.start_again();
        }
        if try_send(b"after").is_ok() && reader.recv(pause).is_ok_and(|it| it.data == b"after") {
            return;
        }
        assert!(start.elapsed() < 2 * DEADLINE, "{}", daemon.log());
        sleep(Duration::from_millis(50));
    }
}
