// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A relay whose cluster controller dies: its node goes on with the plan, and hands back.
//!
//! Needs the programs of other crates beside the tests: a build of the whole workspace has them.

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tempfile::TempDir;
use testbed::{
    http,
    process::{self, Process},
    scenario::DEADLINE,
    stage::{Stage, free_tcp_address},
    traffic::Side,
};

use crate::{node::bundle_6, translator::input};

/// Node 10, a relay: node 2 behind port 2, and node 3 behind port 1.
struct Relay {
    _folder: TempDir,
    stage: Stage,
    _switch: Process,
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is later than 1970").as_secs_f64()
}

impl Relay {
    /// Starts the switch, and writes the files of controller and node. The contact with node 2
    /// is open between two times, in seconds after the origin; that with node 3 always is.
    fn start(origin: u64, (open, close): (u64, u64)) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut stage = Stage::new(folder.path(), "relay", 63)?;
        let switch = stage.start_switch()?;
        let nodes = free_tcp_address()?;
        let plan = format!(
            "a contact +{open} +{close} 10 2 1000000\na contact +0 +9999 10 3 1000000\n\
             a range +0 +9999 2 10 0\na range +0 +9999 3 10 0\n"
        );
        stage.write("plan.ionrc", &plan)?;
        let grpc = stage.grpc().to_owned();
        let origin = Duration::from_secs(origin);
        let origin = process::output(
            "date".as_ref(),
            &[
                "-u",
                "-d",
                &format!("@{}", origin.as_secs()),
                "+%Y-%m-%dT%H:%M:%SZ",
            ],
        )?;
        // A loaded machine may be late by some tenths of a second.
        let contacts = format!("origin = \"{}\"\nguard_ms = 1000", origin.trim());
        let more =
            format!("[distribution]\nlisten = \"{nodes}\"\n[api]\nlisten = \"127.0.0.1:0\"\n");
        stage.write("controller.toml", &stage.relay(&contacts, &more))?;
        let (node_end, switch_end) = (stage.node_end, stage.switch_end);
        let link = format!(
            "link = \"udp:{node_end}={switch_end}\"\nstore = {{ path = \"bundles.redb\" }}\n"
        );
        let controller = format!(
            "[controller]\naddress = \"{nodes}\"\nnode = 10\nswitch = \"{grpc}\"\npatience_ms = 200\n"
        );
        stage.write("node.toml", &(link + &controller))?;
        Ok(Self {
            _folder: folder,
            stage,
            _switch: switch,
        })
    }

    /// How many neighbours the switch knows now.
    fn neighbours(&self) -> usize {
        let options = [
            "--switch",
            self.stage.grpc(),
            "--format",
            "json",
            "tables",
            "next_hop",
        ];
        let program = process::sibling("sddtnctl").expect("it is built");
        let text = process::output(&program, &options).expect("the switch answers");
        let tables: Value = serde_json::from_str(&text).expect("it is JSON");
        let rows = tables["ingress.next_hop"]
            .as_array()
            .expect("the table is there");
        let entries = rows
            .iter()
            .filter(|row| row["meta.next_hop"] != "(default)");
        entries.count()
    }

    /// Waits until the switch knows so many neighbours. Returns when it was last seen to know
    /// another number of them.
    fn wait_for_neighbours(&self, count: usize) -> f64 {
        let start = Instant::now();
        let mut last = now();
        loop {
            let asked = now();
            if self.neighbours() == count {
                return last;
            }
            last = asked;
            assert!(
                start.elapsed() < DEADLINE,
                "no {count} neighbours\n{}",
                self.stage.logs()
            );
        }
    }

    /// Whether a bundle for node 2 leaves the switch within a time, translated.
    fn crosses(&self) -> bool {
        let mut input = input(Side::V6, bundle_6(20));
        input.datagram.ipv4.destination = [10, 9, 0, 1];
        let sent = self
            .stage
            .links
            .send(Side::V6.port(), &input.datagram.to_frame());
        sent.expect("the switch listens");
        let found = self.stage.links.receive(Duration::from_millis(500));
        found.is_some_and(|(port, _)| port == Side::V7.port())
    }

    /// Waits until the controller knows that something waits for a neighbour.
    fn wait_for_backlog(&self, neighbour: u64) {
        let ready = process::contents(&self.stage.path("sddtn-controller.ready"));
        let ready: Value = serde_json::from_str(&ready.expect("it is ready")).expect("JSON");
        let api = ready["api"].as_str().expect("an address");
        let start = Instant::now();
        loop {
            let found = http::request(api, "GET", "/v1/backlog").expect("it answers");
            let found: Value = serde_json::from_str(&found).expect("JSON");
            let octets = found[0]["normal_octets"].as_u64();
            if found[0]["neighbour"] == neighbour && octets.is_some_and(|octets| octets > 0) {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{found}\n{}", self.stage.logs());
            sleep(Duration::from_millis(10));
        }
    }

    fn wait_for_log(&self, name: &str, text: &str) {
        let start = Instant::now();
        let path = self.stage.path(name);
        while !fs::read_to_string(&path).unwrap_or_default().contains(text) {
            assert!(
                start.elapsed() < DEADLINE,
                "no {text:?}\n{}",
                self.stage.logs()
            );
            sleep(Duration::from_millis(10));
        }
    }
}

/// Seconds after the origin.
fn since(origin: u64) -> f64 {
    now() - Duration::from_secs(origin).as_secs_f64()
}

#[test]
fn a_node_goes_on_when_its_controller_dies_and_hands_back() {
    let origin = SystemTime::now().duration_since(UNIX_EPOCH);
    let origin = origin.expect("it is later than 1970").as_secs();
    // Long enough for all programs to start on a loaded machine.
    let (open, close) = (20, 24);
    let relay = Relay::start(origin, (open, close)).expect("the switch starts");
    let start = |name: &str, option: &str, config: &str| {
        let started = relay.stage.start_daemon(name, &[option], config);
        started.unwrap_or_else(|error| panic!("{error:#}"))
    };
    let controller = start("sddtn-controller", "--config", "controller.toml");
    let _node = start("sddtn-node", "run", "node.toml");
    relay.wait_for_neighbours(1);
    relay.wait_for_log("sddtn-controller.log", "stage=Active");
    assert!(!relay.crosses(), "the contact is not open yet");
    // What waits for it is known to the controller.
    relay.wait_for_backlog(2);

    drop(controller);
    let killed = Instant::now();
    relay.wait_for_log("sddtn-node.log", "the session is primary");
    let fail_over = killed.elapsed();
    let (open, close) = (Duration::from_secs(open), Duration::from_secs(close));
    let early = since(origin);
    assert!(
        early < open.as_secs_f64(),
        "too slow for this scenario: {early} s"
    );

    // The node opens the contact, and closes it.
    relay.wait_for_neighbours(2);
    let opened = since(origin);
    assert!(opened >= open.as_secs_f64(), "opened at {opened} s");
    // What came too early has waited at the node.
    let stored = relay.stage.links.receive(DEADLINE);
    assert_eq!(
        stored.map(|(port, _)| port),
        Some(Side::V7.port()),
        "{}",
        relay.stage.logs()
    );
    assert!(relay.crosses(), "{}", relay.stage.logs());
    let last_seen = relay.wait_for_neighbours(1) - Duration::from_secs(origin).as_secs_f64();
    assert!(
        last_seen < close.as_secs_f64(),
        "the rule outlived its contact: {last_seen} s"
    );
    assert!(!relay.crosses());

    // The controller comes back, and takes over.
    let _controller = start("sddtn-controller", "--config", "controller.toml");
    assert_eq!(relay.neighbours(), 1);
    relay.wait_for_log("sddtn-controller.log", "stage=Active");
    println!(
        "fail-over {fail_over:?}, opened {:.3} s late",
        opened - open.as_secs_f64()
    );
}
