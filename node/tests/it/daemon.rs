// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program itself, with sockets of the test in the place of the switch.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bundle::v6::Priority;
use bundle::{Policy, Reason, Version, translate};
use node::inject::Inject;
use node::punt::{PortId, Punt};
use tempfile::TempDir;

use crate::bundles::{Sample, decode_v7, node_id};
use crate::frames::{frame, payload_of_correct};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A folder with a configuration, and the switch's end of the link.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) switch: UdpSocket,
}

/// A running daemon. It is killed if the test fails before it is stopped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) link: SocketAddr,
    metrics: SocketAddr,
}

impl Site {
    /// `rest` follows the link, the metrics and the node ID.
    pub(crate) fn new(rest: &str) -> Self {
        let switch = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        switch
            .set_read_timeout(Some(DEADLINE))
            .expect("the time is not zero");
        let site = Self {
            folder: TempDir::new().expect("a temporary folder"),
            switch,
        };
        site.configure(rest);
        site
    }

    pub(crate) fn configure(&self, rest: &str) {
        let switch = self.switch.local_addr().expect("it is bound");
        let text = format!(
            "link = \"udp:127.0.0.1:0={switch}\"\nmetrics.listen = \"127.0.0.1:0\"\n{rest}"
        );
        self.write("node.toml", &text);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the folder is writable");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sddtn-node"));
        command.arg(subcommand).arg(self.path("node.toml"));
        command.stdin(Stdio::null());
        command
    }

    fn check(&self) -> Output {
        self.command("check").output().expect("the program starts")
    }

    pub(crate) fn start(&self) -> Daemon {
        let log = fs::File::create(self.path("log")).expect("the folder is writable");
        let mut child = self
            .command("run")
            .arg("--ready-file")
            .arg(self.path("ready"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let ready = wait("the ready file", || {
            let ended = child.try_wait().expect("it is a child");
            assert!(ended.is_none(), "{ended:?}\n{}", self.log());
            fs::read_to_string(self.path("ready")).ok()
        });
        fs::remove_file(self.path("ready")).expect("it is there");
        let ready: serde_json::Value = serde_json::from_str(&ready).expect("it is JSON");
        let address = |name: &str| {
            let text = ready[name].as_str().expect("it is an address");
            text.parse().expect("it is an address")
        };
        Daemon {
            child,
            link: address("link"),
            metrics: address("metrics"),
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn punt(&self, daemon: &Daemon, frame: &[u8]) {
        let punt = Punt {
            reason: Reason::PayloadTooLong,
            version: Some(Version::V6),
            ingress_port: PortId(1),
            frame,
        };
        self.switch
            .send_to(&punt.encode(), daemon.link)
            .expect("loopback takes it");
    }

    /// The port and the bundle of the next frame from the node.
    fn injected(&self) -> (u16, Vec<u8>) {
        let mut buffer = vec![0; 65_535];
        let len = self.switch.recv(&mut buffer);
        let len = len.unwrap_or_else(|error| panic!("no frame: {error}\n{}", self.log()));
        let inject = Inject::decode(&buffer[..len]).expect("the node writes inject headers");
        (inject.egress_port.0, payload_of_correct(inject.frame))
    }
}

impl Daemon {
    /// A number of the metrics, by its whole name.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(self.metrics).expect("the node listens");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
            .expect("the node reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the node answers");
        let value = text.lines().find_map(|line| {
            let (found, value) = line.rsplit_once(' ')?;
            (found == format!("sddtn_node_{name}")).then_some(value)
        });
        let value = value.unwrap_or_else(|| panic!("no {name} in {text}"));
        value.parse().expect("it is a number")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is a child");
        self.child.wait().expect("it is a child");
    }

    /// Asks the program to stop, and waits until it has.
    fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("there is a kill program").success());
        wait("the end", || self.child.try_wait().expect("it is a child")).code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A child that has ended already is what this is about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until there is a value.
pub(crate) fn wait<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "no {what} within {DEADLINE:?}");
        sleep(Duration::from_millis(2));
    }
}

/// The receiver of the frames of the tests.
const PEER: &str = "[[peer]]\nnetwork = \"10.0.0.0/8\"\nspeaks = 7\nport = 2\n";

#[test]
fn a_punted_bundle_comes_back_translated() {
    let site = Site::new(PEER);
    let daemon = site.start();
    let bundle = Sample::default().v6();
    site.punt(&daemon, &frame(&bundle));
    let expected = translate(&bundle, &Policy::default()).expect("it is translatable");
    assert_eq!(site.injected(), (2, expected.octets));
    wait("the count", || {
        (daemon.metric("frames_injected_total") == 1).then_some(())
    });
    assert_eq!(daemon.metric("translated_total{version=\"7\"}"), 1);
    assert_eq!(daemon.stop(), Some(0), "{}", site.log());
}

#[test]
fn drops_are_counted_by_reason() {
    let site = Site::new("[[peer]]\nnetwork = \"10.0.0.2\"\nspeaks = 7\nport = 2\n");
    let daemon = site.start();
    site.switch
        .send_to(b"no punt header", link_of(&daemon))
        .expect("loopback takes it");
    site.punt(&daemon, b"no datagram");
    site.punt(&daemon, &frame(b"\x06 but no bundle"));
    let mut elsewhere = frame(&Sample::default().v6());
    elsewhere[33] = 3;
    elsewhere[40..42].fill(0);
    crate::frames::fix_ip_checksum(&mut elsewhere);
    site.punt(&daemon, &elsewhere);
    wait("the frames", || {
        (daemon.metric("frames_received_total") == 4).then_some(())
    });
    for (name, expected) in [
        ("frames_not_punted_total", 1),
        ("punted_total{reason=\"payload_too_long\"}", 3),
        ("dropped_total{reason=\"encapsulation\"}", 1),
        ("dropped_total{reason=\"truncated\"}", 1),
        ("dropped_total{reason=\"no_route\"}", 1),
        ("frames_injected_total", 0),
    ] {
        assert_eq!(daemon.metric(name), expected, "{name}");
    }
}

fn link_of(daemon: &Daemon) -> SocketAddr {
    daemon.link
}

/// A node that waits for contacts with the receiver, its node 2.
pub(crate) const CARRIER: &str = "node_id = \"ipn:10.0\"\n\
    store = { path = \"bundles.redb\" }\n\
    contacts = { plan = \"plan.ionrc\", local_node = 10 }\n\
    [[peer]]\nnetwork = \"10.0.0.0/8\"\nspeaks = 7\nport = 2\nnode = 2\n";
/// Far in the future.
pub(crate) const CLOSED: &str = "a contact 2099/01/01-00:00:00 2099/01/02-00:00:00 10 2 1000000\n";
pub(crate) const OPEN: &str = "a contact +0 +3600 10 2 2000000\n";

#[test]
fn a_bundle_waits_for_its_contact() {
    let site = Site::new(CARRIER);
    site.write("plan.ionrc", "a contact +5 +3600 10 2 10000000\n");
    let daemon = site.start();
    let bundle = Sample::default().v6();
    let sent = Instant::now();
    site.punt(&daemon, &frame(&bundle));
    wait("the stored bundle", || {
        (daemon.metric("stored_total") == 1).then_some(())
    });
    assert_eq!(daemon.metric("store_bundles"), 1);
    let (port, octets) = site.injected();
    assert!(sent.elapsed() < DEADLINE);
    assert_eq!(port, 2);
    let aged = crate::bundles::age_ms(&octets).expect("the bundle had an age");
    let since = u64::try_from(sent.elapsed().as_millis()).expect("it is short");
    // Both are rounded down, so that the difference of two times may be one more.
    assert!((1..=since + 1).contains(&aged), "{aged} ms of {since}");
    wait("the empty store", || {
        (daemon.metric("store_bundles") == 0).then_some(())
    });
    assert_eq!(daemon.metric("forwarded_total"), 1);
    assert_eq!(crate::bundles::previous_node(&octets), Some(node_id()));
}

/// The first contact takes two of the bundles, the most urgent ones, and the others wait for the next one.
#[test]
fn a_contact_gets_no_more_than_it_takes() {
    let site = Site::new(CARRIER);
    let plan = "a contact +5 +7 10 2 3000\na contact +8 +3600 10 2 1000000\n";
    site.write("plan.ionrc", plan);
    let started = Instant::now();
    let daemon = site.start();
    let waiting = [
        (Priority::Bulk, 2000),
        (Priority::Normal, 2001),
        (Priority::Normal, 3000),
        (Priority::Expedited, 2002),
    ];
    for (priority, octets) in waiting {
        let sample = Sample {
            priority,
            payload: vec![7; octets],
            ..Sample::default()
        };
        site.punt(&daemon, &frame(&sample.v6()));
    }
    wait("the stored bundles", || {
        (daemon.metric("stored_total") == 4).then_some(())
    });
    let normal = "backlog_octets{neighbour=\"2\",class=\"normal\"}";
    assert!((5001..6000).contains(&daemon.metric(normal)));
    let left = || decode_v7(&site.injected().1).payload().len();
    assert_eq!([left(), left()], [2002, 2001]);
    assert_eq!(left(), 3000);
    // The plan counts from a whole second, which may have begun before.
    let second = Duration::from_secs(8 - 1);
    assert!(
        started.elapsed() >= second,
        "the first contact got too much"
    );
    assert_eq!(left(), 2000);
    wait("the empty store", || {
        (daemon.metric("store_bundles") == 0).then_some(())
    });
}

/// Seconds since 2000 on the clock of this machine, by which the program goes.
fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is later than 1970").as_secs() - 946_684_800
}

#[test]
fn bundles_that_wait_expire() {
    let site = Site::new(CARRIER);
    site.write("plan.ionrc", CLOSED);
    let daemon = site.start();
    let short = Sample {
        created_s: now_s(),
        lifetime_s: 3,
        ..Sample::default()
    };
    site.punt(&daemon, &frame(&short.v6()));
    site.punt(&daemon, &frame(&Sample::default().v6()));
    let over = Sample {
        created_s: now_s() - 100,
        lifetime_s: 99,
        ..Sample::default()
    };
    site.punt(&daemon, &frame(&over.v6()));
    wait("the expired bundles", || {
        (daemon.metric("expired_total") == 2).then_some(())
    });
    assert!(now_s() >= short.created_s + 3, "too early");
    assert_eq!(daemon.metric("stored_total"), 2);
    assert_eq!(daemon.metric("store_bundles"), 1);
}

#[test]
fn a_full_store_gives_way_to_urgent_bundles() {
    let quota = frame(&Sample::default().v6()).len() * 2;
    let room = format!("bundles.redb\", quota_octets = {quota} }}");
    let site = Site::new(&CARRIER.replace("bundles.redb\" }", &room));
    site.write("plan.ionrc", CLOSED);
    let daemon = site.start();
    for (name, priority) in [
        (1, Priority::Bulk),
        (2, Priority::Normal),
        (3, Priority::Bulk),
        (4, Priority::Expedited),
    ] {
        let sample = Sample {
            priority,
            payload: [name; 5].to_vec(),
            ..Sample::default()
        };
        site.punt(&daemon, &frame(&sample.v6()));
    }
    wait("the bundles", || {
        (daemon.metric("frames_received_total") == 4).then_some(())
    });
    wait("the stored bundles", || {
        (daemon.metric("stored_total") == 3).then_some(())
    });
    assert_eq!(daemon.metric("over_quota_total"), 2);
    assert_eq!(daemon.stop(), Some(0), "{}", site.log());

    site.write("plan.ionrc", OPEN);
    let _daemon = site.start();
    let payload = || decode_v7(&site.injected().1).payload()[0];
    assert_eq!([payload(), payload()], [4, 2]);
}

#[test]
fn check_says_what_is_wrong() {
    let site = Site::new(CARRIER);
    let output = site.check();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("plan.ionrc"));
    site.write("plan.ionrc", OPEN);
    let output = site.check();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("1 peers, 1 neighbours"), "{text}");
    site.configure("[[peer]]\nnetwork = \"10.0.0.0/8\"\nspeaks = 5\nport = 2\n");
    let output = site.check();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("speaks must be 6 or 7, found 5"), "{text}");
    assert!(!site.path("bundles.redb").exists());
}
