// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A relay whose switch, node and controller are killed again and again while bundles come and
//! contacts open and close.
//!
//! Node 3 sends bundles for node 2, whose contacts are planned. Node 3 itself is in no plan: it is
//! heard. What the node says to have stored has to leave, and no rule may be there after the end of its
//! contact.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use bundle::sdnv;
use serde_json::Value;

use crate::{
    http,
    process::{Process, contents},
    sampler::{Sampler, Seen},
    scenario::DEADLINE,
    stage::{Stage, free_tcp_address},
    traffic::{Input, Side},
    verdict::SLOW_PATH_PORT,
};

pub mod figures;

use figures::{Figures, Times};

/// A contact with node 2 begins this often, in seconds.
const PERIOD_S: u64 = 7;
/// And lasts so long.
const OPEN_S: u64 = 5;
/// Rules end so long before their contacts. That has to be longer than nobody is in charge of the switch,
/// after a controller was killed and before another one has taken over and read it.
const GUARD_MS: u64 = 2000;
/// Between looks at the switch.
const PAUSE: Duration = Duration::from_millis(5);
/// How long node 3 is believed to be there.
const SILENCE_MS: u64 = 5000;
/// Bundles that are waited for, one by one, before each kill.
const KNOWN: u32 = 6;
/// Bundles that are under way when something is killed.
const UNDER_WAY: u32 = 3;
/// How long a bundle is waited for.
const PATIENCE: Duration = Duration::from_millis(300);
/// What payloads begin with. Their number follows.
const MAGIC: &[u8] = b"SDDTN-NUMBER:";

/// What can be killed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Victim {
    Switch,
    Node,
    Controller,
}

/// The programs and what they have done so far.
struct Relay {
    stage: Stage,
    switch: Option<Process>,
    node: Option<Process>,
    controller: Option<Process>,
    sampler: Sampler,
    sent: u64,
    /// Numbers of bundles of which the node said that they are stored.
    stored: BTreeSet<u64>,
    /// How often each number arrived.
    arrived: BTreeMap<u64, u64>,
    times: Times,
}

/// Kills a program so many times, in an order that follows from the seed.
///
/// # Errors
///
/// A program does not start or does not recover.
pub fn run(folder: &Path, kills: u32, seed: u64) -> anyhow::Result<Figures> {
    let begun = Instant::now();
    let mut relay = Relay::start(folder, kills)?;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for kill in 0..kills {
        relay.store_some(KNOWN)?;
        for _ in 0..UNDER_WAY {
            relay.send();
        }
        let victim = match random(seed + u64::from(kill)) % 3 {
            0 => Victim::Switch,
            1 => Victim::Node,
            _ => Victim::Controller,
        };
        *counts
            .entry(format!("{victim:?}").to_lowercase())
            .or_default() += 1;
        relay
            .kill(victim)
            .with_context(|| format!("kill {kill}, of the {victim:?}\n{}", relay.stage.logs()))?;
        relay.reload()?;
    }
    relay.let_all_go()?;
    let looks = relay.sampler.stop();
    relay.figures(counts, &looks, begun.elapsed())
}

impl Relay {
    fn start(folder: &Path, kills: u32) -> anyhow::Result<Self> {
        let mut stage = Stage::new(folder, "relay", 63)?;
        let switch = stage.start_switch()?;
        let nodes = free_tcp_address()?;
        let api = free_tcp_address()?;
        // Longer than the kills can take, and in seconds since 1970: all programs agree about it.
        let origin = seconds();
        let mut plan = String::new();
        for start in (2..u64::from(kills) * 30 + 120).step_by(usize::try_from(PERIOD_S)?) {
            // Writing to a string does not fail.
            let _ = writeln!(plan, "a contact +{start} +{} 10 2 1000000", start + OPEN_S);
        }
        plan += "a range +0 +99999 2 10 0\n";
        stage.write("plan.ionrc", &plan)?;
        let origin_text = utc(origin);
        let contacts = format!(
            "origin = \"{origin_text}\"\nguard_ms = {GUARD_MS}\nhorizon_s = 120\n\
             learn = {{ silence_ms = {SILENCE_MS} }}"
        );
        let more = format!(
            "[distribution]\nlisten = \"{nodes}\"\n[api]\nlisten = \"{api}\"\n\
             [state]\npath = \"state.redb\"\n[lease]\nholder = \"one\"\nttl_ms = 2000\n"
        );
        stage.write("controller.toml", &stage.relay(&contacts, &more))?;
        let (node_end, switch_end, grpc) = (stage.node_end, stage.switch_end, stage.grpc());
        let node = format!(
            "link = \"udp:{node_end}={switch_end}\"\nlink_port = {SLOW_PATH_PORT}\nstore = {{ path = \"bundles.redb\" }}\n\
             metrics.listen = \"127.0.0.1:0\"\n[controller]\naddress = \"{nodes}\"\nnode = 10\n\
             switch = \"{grpc}\"\npatience_ms = 200\n"
        );
        stage.write("node.toml", &node)?;
        let controller =
            stage.start_daemon("sddtn-controller", &["--config"], "controller.toml")?;
        let node = stage.start_daemon("sddtn-node", &["run"], "node.toml")?;
        let guard = Duration::from_millis(GUARD_MS);
        let sampler = Sampler::start(stage.grpc().to_owned(), guard, PAUSE)?;
        let mut relay = Self {
            stage,
            switch: Some(switch),
            node: Some(node),
            controller: Some(controller),
            sampler,
            sent: 0,
            stored: BTreeSet::new(),
            arrived: BTreeMap::new(),
            times: Times::new(origin, (PERIOD_S, OPEN_S)),
        };
        relay.wait("node at the controller", Self::is_attached)?;
        Ok(relay)
    }

    /// Sends the next bundle of node 3 for node 2, and returns its number.
    fn send(&mut self) -> u64 {
        let number = self.sent;
        self.sent += 1;
        let frame = frame(number);
        // A switch that has just been killed does not listen.
        let _ = self.stage.links.send(Side::V6.port(), &frame);
        number
    }

    /// Sends bundles, and waits after each until the node has stored it or it has arrived.
    fn store_some(&mut self, count: u32) -> anyhow::Result<()> {
        for _ in 0..count {
            let before = self.settled_count()?;
            let unheard = !self.sampler.holds(2);
            let number = self.send();
            let start = Instant::now();
            loop {
                self.collect();
                if self.arrived.contains_key(&number) {
                    break;
                }
                if self.metric("stored_total")? > before {
                    self.stored.insert(number);
                    break;
                }
                if start.elapsed() > PATIENCE {
                    break;
                }
                sleep(Duration::from_millis(2));
            }
            if unheard && let Some(seen) = self.sampler.wait_for(2, Duration::from_secs(2)) {
                self.times
                    .digest
                    .push(seen.saturating_duration_since(start));
            }
        }
        Ok(())
    }

    /// How many bundles the node has stored in this life, when nothing is under way any more.
    fn settled_count(&mut self) -> anyhow::Result<u64> {
        let start = Instant::now();
        let mut last = self.metric("frames_received_total")?;
        loop {
            sleep(Duration::from_millis(10));
            let now = self.metric("frames_received_total")?;
            if now == last {
                return self.metric("stored_total");
            }
            last = now;
            ensure!(
                start.elapsed() < DEADLINE,
                "the node always receives something"
            );
        }
    }

    fn kill(&mut self, victim: Victim) -> anyhow::Result<()> {
        let node_log = self.stage.path("sddtn-node.log");
        let killed = Instant::now();
        match victim {
            Victim::Switch => {
                drop(self.switch.take());
                self.switch = Some(self.stage.start_switch()?);
                self.wait("programmed switch", |relay| {
                    Ok(relay.sampler.is_programmed_since(killed))
                })?;
                self.times.switch.push(killed.elapsed());
            }
            Victim::Node => {
                drop(self.node.take());
                self.node = Some(
                    self.stage
                        .start_daemon("sddtn-node", &["run"], "node.toml")?,
                );
                self.wait("node at the controller", Self::is_attached)?;
                self.times.node.push(killed.elapsed());
            }
            Victim::Controller => {
                // After a kill of the switch the node is there first, and may still be in charge.
                let was_in_charge = is_in_charge(&node_log);
                drop(self.controller.take());
                self.wait("node as stand-in", |_| Ok(is_in_charge(&node_log)))?;
                if !was_in_charge {
                    self.times.fail_over.push(killed.elapsed());
                }
                self.store_some(1)?;
                let name = "sddtn-controller";
                let started = Instant::now();
                self.controller = Some(self.stage.start_daemon(
                    name,
                    &["--config"],
                    "controller.toml",
                )?);
                self.wait("node at the controller", Self::is_attached)?;
                self.times.controller.push(started.elapsed());
            }
        }
        Ok(())
    }

    /// Has the controller make new plans, and waits until its nodes go by them.
    fn reload(&mut self) -> anyhow::Result<()> {
        let api = self.address("sddtn-controller", "api")?;
        let asked = Instant::now();
        http::request(&api, "POST", "/v1/reload")?;
        self.wait("acknowledgement", |relay| {
            let nodes = relay.nodes()?;
            Ok(nodes[0]["active"] == nodes[0]["wanted"])
        })?;
        self.times.acknowledged.push(asked.elapsed());
        Ok(())
    }

    /// Waits until nothing is stored any more, and collects what arrives.
    fn let_all_go(&mut self) -> anyhow::Result<()> {
        self.wait("empty store", |relay| {
            relay.collect();
            Ok(relay.metric("store_bundles")? == 0)
        })?;
        // The last ones are on their way to here.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            self.collect();
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn collect(&mut self) {
        while let Some((port, frame)) = self.stage.links.receive(Duration::ZERO) {
            if port == Side::V7.port()
                && let Some(number) = number(&frame)
            {
                *self.arrived.entry(number).or_default() += 1;
            }
        }
    }

    fn is_attached(&mut self) -> anyhow::Result<bool> {
        let nodes = self.nodes()?;
        Ok(nodes[0]["connected"] == true && nodes[0]["active"] == nodes[0]["wanted"])
    }

    fn nodes(&self) -> anyhow::Result<Value> {
        let api = self.address("sddtn-controller", "api")?;
        let text = http::request(&api, "GET", "/v1/nodes")?;
        serde_json::from_str(&text).context("the controller does not say JSON")
    }

    fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let address = self.address("sddtn-node", "metrics")?;
        let text = http::request(&address, "GET", "/metrics")?;
        let name = format!("sddtn_node_{name} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        let value = value.with_context(|| format!("the node does not count {name}"))?;
        value.parse().context("a count is no number")
    }

    /// An address that a daemon has told in its ready file.
    fn address(&self, daemon: &str, name: &str) -> anyhow::Result<String> {
        let ready = contents(&self.stage.path(&format!("{daemon}.ready")));
        let ready: Value = serde_json::from_str(&ready.unwrap_or_default())?;
        let address = ready[name].as_str();
        Ok(address
            .with_context(|| format!("{daemon} tells no {name}"))?
            .to_owned())
    }

    fn wait(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        while !condition(self)? {
            self.collect();
            ensure!(start.elapsed() < DEADLINE, "no {what} within {DEADLINE:?}");
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn figures(
        self,
        kills: BTreeMap<String, u32>,
        seen: &Seen,
        took: Duration,
    ) -> anyhow::Result<Figures> {
        let lost = self
            .stored
            .iter()
            .filter(|number| !self.arrived.contains_key(number));
        let arrivals: u64 = self.arrived.values().sum();
        let mut times = self.times;
        times.edges_of(seen);
        ensure!(
            !self.stored.is_empty(),
            "nothing was stored, so nothing was shown"
        );
        ensure!(seen.rules > 0, "no rule was seen, so nothing was shown");
        Ok(Figures {
            kills,
            took_s: took.as_secs(),
            sent: self.sent,
            stored: self.stored.len(),
            lost: lost.count(),
            arrived: self.arrived.len(),
            again: arrivals - self.arrived.len() as u64,
            looks: seen.looks,
            rules: seen.rules,
            outlived: seen.outlived,
            times: times.rows(),
        })
    }
}

/// Whether a node has said last that it is in charge of the switch.
fn is_in_charge(log: &Path) -> bool {
    let text = contents(log).unwrap_or_default();
    let others = [
        "another controller is primary",
        "no session with the switch",
    ];
    let last_other = others.iter().filter_map(|other| text.rfind(other)).max();
    text.rfind("the session is primary") > last_other
}

/// Numbers that look random, and are the same in each run.
fn random(seed: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn utc(seconds: u64) -> String {
    contact::UtcTime::from_seconds(seconds).to_text()
}

/// A bundle of version 6 from node 3 to node 2, which lives for an hour, in a datagram to the relay.
fn frame(number: u64) -> Vec<u8> {
    const TO_2000: u64 = 946_684_800;
    let mut fields = vec![2, 1, 3, 1, 0, 0, 0, 0];
    for value in [seconds() - TO_2000, number, 3600, 0] {
        sdnv::encode(value, &mut fields);
    }
    let mut octets = b"\x06\x81\x10".to_vec();
    sdnv::encode(fields.len() as u64, &mut octets);
    octets.extend(fields);
    octets.extend([1, 8]);
    let payload = [MAGIC, &number.to_be_bytes()].concat();
    sdnv::encode(payload.len() as u64, &mut octets);
    octets.extend(payload);
    let mut datagram = Input::new(Side::V6, 3, octets).datagram;
    datagram.ipv4.source = [10, 9, 0, 3];
    datagram.ipv4.destination = [10, 9, 0, 1];
    datagram.to_frame()
}

/// The number of a bundle that arrives.
fn number(frame: &[u8]) -> Option<u64> {
    let place = frame.windows(MAGIC.len()).position(|part| part == MAGIC)?;
    let number = frame.get(place + MAGIC.len()..)?.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*number))
}
