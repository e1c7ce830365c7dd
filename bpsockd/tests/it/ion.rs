// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon with ION behind it: with a library of the tests that has ION's functions, and files behind them
//! (`ion/stand_in.c`). What a real ION does is in `tests/agents`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bpsock::Address;
use bpsock::abi::{
    BP_FLAG_ACK_REQUESTED, BP_FLAG_REPORT_DELIVERY, BP_STATUS_DELIVERED, BundleId, Options,
};
use bpsock::net::Message;
use bpsockd::leaf::form::Status;
use bundle::{Eid, Version};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::support::{DEADLINE, Daemon, errno, parse, receive, send, wait_bound};

/// ION's folder, with the library.
struct Ion {
    folder: TempDir,
}

impl Ion {
    /// ION of node 7. The definitions are for the compiler.
    fn start(definitions: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let ion = Self { folder };
        for name in ["endpoints", "sent"] {
            fs::create_dir(ion.at(name)).expect("the folder is writable");
        }
        ion.put("node", b"7");
        ion.put("running", b"");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ion/stand_in.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-pthread", "-o"]);
        compiler
            .arg(ion.at("libbp.so"))
            .arg(source)
            .args(definitions);
        assert!(
            compiler
                .status()
                .expect("there is a compiler of C")
                .success()
        );
        ion
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, octets: &[u8]) {
        fs::write(self.at(name), octets).expect("the folder is writable");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.at(name)).expect("it is there");
    }

    /// Messages that ION has for an endpoint.
    fn count(&self, endpoint: &str) -> usize {
        let entries = fs::read_dir(self.at(&format!("endpoints/{endpoint}")));
        entries.map_or(0, Iterator::count)
    }

    fn daemon(&self, before: &str, after: &str) -> Daemon {
        let folder = self.folder.path().display();
        Daemon::start_with(&format!(
            "socket = \"s\"\n{before}\n[ion]\nnode = \"ipn:7.0\"\nlibrary = \"{folder}/libbp.so\"\n\
             directory = \"{folder}\"\nstore = \"store\"\n{after}\n"
        ))
    }
}

impl Drop for Ion {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // What is left open would stop all of ION.
            let start = Instant::now();
            while self.at("transaction").exists() {
                assert!(start.elapsed() < DEADLINE, "a transaction never ends");
            }
        }
    }
}

/// ION, and a daemon that is attached to it.
fn pair(before: &str, after: &str) -> (Ion, Daemon) {
    let ion = Ion::start(&[]);
    let daemon = ion.daemon(before, after);
    wait_bound(&daemon, "ipn:7.1000");
    (ion, daemon)
}

/// What the daemon counts.
fn metrics(daemon: &Daemon) -> String {
    let ready = fs::read_to_string(daemon.folder.path().join("ready"));
    let ready = ready.expect("the daemon is ready");
    let ready: serde_json::Value = serde_json::from_str(&ready).expect("it is JSON");
    let address = ready["metrics"].as_str().expect("it listens");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
        .expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    text
}

fn wait(daemon: &Daemon, what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "{what}: {}", daemon.log());
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn messages_of_all_sizes_with_their_options() {
    let (ion, daemon) = pair("", "");
    let (one, other) = (daemon.bind("ipn:0.5"), daemon.bind("ipn:7.6"));
    assert_eq!(one.local_address(), &parse("ipn:7.5"));
    for length in [1, 1000, 100_000, 4_000_000] {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        let options = Options::default().lifetime_ms(60_000).priority(2);
        let message = Message {
            options: options.flags(BP_FLAG_ACK_REQUESTED),
            report_to: None,
        };
        let sent = one.send_to(&data, other.local_address(), &message);
        assert_eq!(sent.expect("ION takes it"), None);
        let received = receive(&other);
        assert!(received.data == data);
        assert_eq!(&received.about.source, one.local_address());
        let info = received.about.info.expect("ION tells");
        assert_eq!(
            (info.lifetime_ms, info.flags),
            (60_000, BP_FLAG_ACK_REQUESTED)
        );
        assert!(info.bundle.creation_ms > 0);
    }
    // For another node, with all that ION is told.
    let message = Message {
        options: Options::default().flags(BP_FLAG_REPORT_DELIVERY),
        report_to: Some(parse("ipn:9.9")),
    };
    one.send_to(b"away", &parse("ipn:8.6"), &message)
        .expect("ION takes it");
    let mut sent = fs::read_dir(ion.at("sent")).expect("it is there");
    let sent = sent.next().expect("one was sent").expect("it is there");
    let text = fs::read_to_string(sent.path()).expect("it is text");
    let told = "\nto ipn:8.6 reports 8 to ipn:9.9 priority 1\naway";
    assert!(
        text.starts_with("ipn:7.5 ") && text.ends_with(told),
        "{text}"
    );
}

#[test]
fn what_does_not_go_is_an_error() {
    let (ion, daemon) = pair("", "");
    let bind = |address: &str| errno(daemon.door().bind(&parse(address)));
    assert_eq!(bind("ipn:8.5"), Errno::ADDRNOTAVAIL.raw_os_error());
    assert_eq!(bind("dtn://seven/x"), Errno::ADDRNOTAVAIL.raw_os_error());
    let one = daemon.bind("ipn:7.5");
    assert_eq!(bind("ipn:7.5"), Errno::ADDRINUSE.raw_os_error());
    // Another program of ION's has this one.
    fs::create_dir(ion.at("endpoints/ipn:7.8")).expect("the folder is writable");
    let holder = std::process::id().to_string();
    ion.put("endpoints/ipn:7.8.open", holder.as_bytes());
    assert_eq!(bind("ipn:7.8"), Errno::ADDRINUSE.raw_os_error());
    ion.put("deny", b"");
    assert_eq!(bind("ipn:7.9"), Errno::ADDRNOTAVAIL.raw_os_error());
    ion.remove("deny");
    let send = |data: &[u8], options| {
        let message = Message {
            options,
            report_to: None,
        };
        errno(one.send_to(data, &parse("ipn:7.5"), &message))
    };
    let options = Options::default();
    assert_eq!(
        send(b"x", options.hop_limit(4)),
        Errno::OPNOTSUPP.raw_os_error()
    );
    // A real one would take it, and end.
    assert_eq!(send(b"", options), Errno::OPNOTSUPP.raw_os_error());
    assert_eq!(
        send(b"x", options.lifetime_ms(0)),
        Errno::INVAL.raw_os_error()
    );
    assert_eq!(
        send(&vec![0; 9 << 20], options),
        Errno::MSGSIZE.raw_os_error()
    );
    ion.put("full", b"");
    assert_eq!(send(b"x", options), Errno::NOBUFS.raw_os_error());
    ion.remove("full");
    crate::support::send(&one, b"x", "ipn:7.5");
    assert_eq!(receive(&one).data, b"x");
    // An endpoint of which nobody will hear again is taken back, and others are not.
    let any = daemon.bind("ipn:0.0").local_address().to_string();
    let path = ion.at(&format!("endpoints/{any}"));
    wait(&daemon, "it is taken back", || !path.exists());
    assert!(ion.at("endpoints/ipn:7.1000").exists());
    // Closed is closed, and may be opened at once.
    drop(one);
    for _ in 0..5 {
        drop(daemon.bind("ipn:7.5"));
    }
}

#[test]
fn endpoints_that_ion_does_not_know_may_be_refused() {
    let ion = Ion::start(&[]);
    fs::create_dir(ion.at("endpoints/ipn:7.1000")).expect("the folder is writable");
    let daemon = ion.daemon("", "add_endpoints = false");
    wait_bound(&daemon, "ipn:7.1000");
    let refused = errno(daemon.door().bind(&parse("ipn:7.5")));
    assert_eq!(refused, Errno::ADDRNOTAVAIL.raw_os_error());
}

#[test]
fn unread_messages_survive_both() {
    let (ion, mut daemon) = pair("[metrics]\nlisten = \"127.0.0.1:0\"", "");
    let (one, reader) = (daemon.bind("ipn:7.5"), daemon.bind("ipn:7.6"));
    for number in 0..100 {
        send(&one, &[number], "ipn:7.6");
    }
    // Few are taken out of ION before somebody reads them.
    wait(&daemon, "some are taken", || ion.count("ipn:7.6") <= 84);
    let stored = "\nbpsockd_store_inbox_bundles 16\n";
    wait(&daemon, stored, || metrics(&daemon).contains(stored));
    daemon.kill();
    assert_eq!(ion.count("ipn:7.6"), 84);
    drop(reader);
    ion.remove("running");
    ion.put("running", b"");
    daemon.start_again();
    wait_bound(&daemon, "ipn:7.1000");
    let reader = daemon.bind("ipn:7.6");
    let received: Vec<u8> = (0..100).map(|_| receive(&reader).data[0]).collect();
    assert_eq!(received, (0..100).collect::<Vec<_>>());
}

#[test]
fn what_was_taken_and_not_stored_survives_the_daemon() {
    let (ion, mut daemon) = pair("max_message = 1000", "quota_octets = 5000");
    let (one, reader) = (daemon.bind("ipn:7.5"), daemon.bind("ipn:7.6"));
    for number in 0..40 {
        send(&one, &[number; 500], "ipn:7.6");
    }
    // More than the store has room for.
    wait(&daemon, "some are taken", || ion.count("ipn:7.6") <= 24);
    daemon.kill();
    drop(reader);
    let folder = daemon.folder.path().join("store/helper");
    let saved = || {
        let entries = fs::read_dir(&folder).expect("it is there").flatten();
        let is_bundle = |name: &str| name.ends_with(".bundle");
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| is_bundle(name)).count()
    };
    wait(&daemon, "the helper saves them", || saved() >= 7);
    daemon.start_again();
    wait_bound(&daemon, "ipn:7.1000");
    let reader = daemon.bind("ipn:7.6");
    let received: BTreeSet<u8> = (0..40).map(|_| receive(&reader).data[0]).collect();
    assert_eq!(received, (0..40).collect());
    assert_eq!(saved(), 0);
}

#[test]
fn endpoints_outlive_ion() {
    let (ion, daemon) = pair("", "");
    let (one, other) = (daemon.bind("ipn:0.5"), daemon.bind("ipn:0.6"));
    send(&one, b"before", "ipn:7.6");
    assert_eq!(receive(&other).data, b"before");
    let try_send = |data: &[u8]| one.send_to(data, &parse("ipn:7.6"), &Message::default());
    let again = || {
        let start = Instant::now();
        while try_send(b"after").is_err() {
            assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
            sleep(Duration::from_millis(20));
        }
        assert_eq!(receive(&other).data, b"after");
    };
    ion.remove("running");
    let start = Instant::now();
    // It may not have heard yet.
    while try_send(b"lost").map_err(|error| error.raw_os_error())
        != Err(Some(Errno::NETDOWN.raw_os_error()))
    {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
    }
    let refused = errno(daemon.door().bind(&parse("ipn:7.7")));
    assert_eq!(refused, Errno::NETDOWN.raw_os_error());
    ion.put("running", b"");
    let start = Instant::now();
    while try_send(b"last").is_err() {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        sleep(Duration::from_millis(20));
    }
    while receive(&other).data != b"last" {}
    again();
    // A failed assertion of its library ends the helper, and nothing else.
    ion.put("abort", b"");
    let failed = errno(try_send(b"lost"));
    assert_eq!(failed, Errno::CONNRESET.raw_os_error());
    again();
}

#[test]
fn reports_reach_their_senders() {
    let (ion, daemon) = pair("", "");
    let (one, other) = (daemon.bind("ipn:7.5"), daemon.bind("ipn:7.6"));
    let subject = BundleId {
        creation_ms: 800_000_000_000,
        sequence: 3,
    };
    let status = Status {
        status: BP_STATUS_DELIVERED,
        reason: 0,
        time_ms: 800_000_000_001,
        source: Eid::ipn(7, 5),
        bundle: subject,
    };
    let record = status.encode(Version::V7).expect("it has a form");
    // As ION hands them over: to the endpoint that the sender has named, here two of them.
    for (sequence, endpoint) in ["ipn:7.5", "ipn:7.6"].into_iter().enumerate() {
        let head = format!("ipn:8.0 800000000002 {sequence} 4000000000 0 2\nto me\n");
        ion.put("new", &[head.as_bytes(), &record].concat());
        let place = ion.at(&format!("endpoints/{endpoint}/1"));
        fs::rename(ion.at("new"), place).expect("the endpoint is there");
    }
    let report = one.report(DEADLINE).expect("a report comes");
    let says = (report.report.status, report.report.bundle);
    assert_eq!(says, (BP_STATUS_DELIVERED, subject));
    assert_eq!(report.source, Some(parse("ipn:8.0")));
    // To this one it is about somebody else.
    assert_eq!(receive(&other).data, record);
}

/// What the daemon says about a library.
fn refused(definitions: &[&str], expected: &str) {
    let ion = Ion::start(definitions);
    let daemon = ion.daemon("", "");
    check_refused(&daemon, expected);
}

fn check_refused(daemon: &Daemon, expected: &str) {
    wait(daemon, expected, || daemon.log().contains(expected));
    let refused = errno(daemon.door().bind(&parse("ipn:7.5")));
    assert_eq!(refused, Errno::NETDOWN.raw_os_error());
}

#[test]
fn libraries_of_other_versions_are_refused() {
    refused(
        &["-DWITHOUT_INTERRUPT"],
        "ION's library has no function bp_interrupt",
    );
    refused(&["-DBPV6"], "version 6 of the Bundle Protocol");
    refused(&["-DVERSION=\"ION-OPEN-SOURCE-4.0.2\""], "4.0.2");
}

#[test]
fn without_ion_the_daemon_waits() {
    let ion = Ion::start(&[]);
    ion.remove("libbp.so");
    check_refused(
        &ion.daemon("", ""),
        "cannot open ION's library (ion.library): dlopen failed: /",
    );
    let ion = Ion::start(&[]);
    ion.put("node", b"8");
    check_refused(&ion.daemon("", ""), "it is ipn:8.0, and not ipn:7.0");
    let ion = Ion::start(&[]);
    ion.remove("running");
    let daemon = ion.daemon("", "");
    check_refused(&daemon, "there is no ION in this folder");
    ion.put("running", b"");
    wait_bound(&daemon, "ipn:7.1000");
    let address: Address = parse("ipn:7.5");
    assert_eq!(daemon.bind("ipn:0.5").local_address(), &address);
}
