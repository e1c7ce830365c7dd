// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is measured: programs, entries and packets.

use std::{fs, path::Path};

use anyhow::{Context as _, anyhow, ensure};
use p4gen::{Parameters, Profile, Target};
use p4rt::proto::p4::v1::Update;
use switch::{
    DropReason, Recorder, Silent,
    offline::Offline,
    ports::pcap,
    traffic::{Sink, Worker},
};

use super::measure::Counted;

/// A program with entries, and packets that leave it once each.
pub(crate) struct Scenario {
    pub(crate) program: Offline,
    /// Source of the program.
    pub(crate) text: String,
    /// Its entries, as JSON.
    entries: String,
    pub(crate) packets: Vec<(u32, Vec<u8>)>,
}

impl Scenario {
    /// Makes sure that machine code does to each packet what the interpreter does: the interpreter
    /// runs the packets that somebody watches.
    pub(crate) fn compare(&self) -> anyhow::Result<()> {
        let pipeline = self.program.pipeline();
        let (mut fast, mut slow) = (Worker::new(1), Worker::new(1));
        for (number, (port, packet)) in self.packets.iter().enumerate() {
            let packet = (*port, packet.as_slice());
            let (mut one, mut other) = (Kept::default(), Kept::default());
            pipeline.process(&mut fast, packet, 1, &mut one, &mut Silent);
            pipeline.process(&mut slow, packet, 1, &mut other, &mut Recorder::default());
            if one != other {
                return Err(anyhow!(
                    "packet {number} differs: {one:?}, interpreted {other:?}"
                ));
            }
        }
        Ok(())
    }

    /// What the packets become: the port and the octets of each.
    pub(crate) fn outputs(&self) -> anyhow::Result<Vec<(u32, Vec<u8>)>> {
        let worker = &mut Worker::new(1);
        let pipeline = self.program.pipeline();
        let mut kept = Kept::default();
        for (port, packet) in &self.packets {
            pipeline.process(worker, (*port, packet), 1, &mut kept, &mut Silent);
        }
        ensure!(
            kept.sent.len() == self.packets.len(),
            "not each packet leaves once"
        );
        Ok(kept.sent)
    }

    /// The entries as a controller writes them.
    pub(crate) fn updates(&self) -> anyhow::Result<Vec<Update>> {
        Ok(self.program.updates(&self.entries)?)
    }
}

/// Everything that came out.
#[derive(Debug, Default, Eq, PartialEq)]
struct Kept {
    sent: Vec<(u32, Vec<u8>)>,
    digests: Vec<(usize, Vec<u64>)>,
    drops: Vec<DropReason>,
}

impl Sink for Kept {
    fn transmit(&mut self, port: u32, packet: &[u8]) {
        self.sent.push((port, packet.to_vec()));
    }

    fn digest(&mut self, digest: usize, values: &[u64]) {
        self.digests.push((digest, values.to_vec()));
    }

    fn drop(&mut self, reason: DropReason) {
        self.drops.push(reason);
    }
}

/// How to make a scenario.
pub(crate) struct Make {
    pub(crate) name: &'static str,
    pub(crate) make: fn(Option<&Path>) -> anyhow::Result<Scenario>,
}

pub(crate) const ALL: [Make; 4] = [
    Make {
        name: "L2 switch, 1,000 addresses",
        make: |_| l2(),
    },
    Make {
        name: "IPv4 router, 10,000 routes",
        make: |_| router(),
    },
    Make {
        name: "translator, version 6 to 7",
        make: |translator| translate(translator, "ion6", "ingress.speaks_v7", ""),
    },
    Make {
        name: "translator, version 7 to 6",
        make: |translator| {
            let params = r#", "params": {"sequence32": "1", "lifetime32": "1"}"#;
            translate(translator, "ion7", "ingress.speaks_v6", params)
        },
    },
];

/// Addresses that the bridge has learned.
const ADDRESSES: u64 = 1000;

/// Packets of each scenario that are made, not captured: more than caches for branches remember.
const PACKETS: u64 = 1024;

fn l2() -> anyhow::Result<Scenario> {
    let entry = |table: &str, field: &str, address: u64, action: &str| {
        format!(
            r#"{{"table": "MyIngress.{table}", "match": {{"hdr.ethernet.{field}": "{address}"}}, {action}}}"#
        )
    };
    let address = |n: u64| 0x0200_0000_0000 + n * 0x9e37 % 0x10_0000;
    let forward = r#""action": "MyIngress.forward", "params": {"port": "2"}"#;
    let entries = (0..ADDRESSES).flat_map(|n| {
        let known = entry("sources", "src", address(n), r#""action": "NoAction""#);
        [known, entry("destinations", "dst", address(n), forward)]
    });
    let scenario = load("l2.p4", include_str!("../../../programs/l2.p4"), entries)?;
    let packets = (0..PACKETS).map(|n| {
        let (dst, src) = (address(n * 7 % ADDRESSES), address(n * 13 % ADDRESSES));
        let mut frame = dst.to_be_bytes()[2..].to_vec();
        frame.extend(&src.to_be_bytes()[2..]);
        frame.extend([0x08, 0]);
        frame.resize(64, 0x55);
        (1, frame)
    });
    checked(scenario, packets.collect())
}

/// Routes of the router.
const ROUTES: u32 = 10_000;

/// Next hops that they share.
const NEXT_HOPS: u32 = 100;

fn router() -> anyhow::Result<Scenario> {
    // As in a real table, most prefixes are of 24 bits and the rest is spread.
    let prefix_len = |n: u32| [24, 24, 24, 22, 20, 24, 16, 24][n as usize % 8];
    let prefix = |n: u32| {
        let spread = n.wrapping_mul(0x9e37_79b1) & (u32::MAX << (32 - prefix_len(n)));
        spread & 0x7fff_ffff | 0x0100_0000
    };
    let routes = (0..ROUTES).map(|n| (prefix(n), prefix_len(n), n % NEXT_HOPS));
    let mut routes: Vec<(u32, u32, u32)> = routes.collect();
    routes.sort_unstable();
    routes.dedup_by_key(|(prefix, len, _)| (*prefix, *len));
    let entries = routes.iter().map(|(prefix, len, hop)| {
        let address = std::net::Ipv4Addr::from(*prefix);
        format!(
            r#"{{"table": "MyIngress.routes", "match": {{"hdr.ipv4.dst": "{address}/{len}"}},
                "action": "MyIngress.route", "params": {{"next_hop": "{hop}"}}}}"#
        )
    });
    let hops = (0..NEXT_HOPS).map(|hop| {
        format!(
            r#"{{"table": "MyIngress.next_hops", "match": {{"meta.next_hop": "{hop}"}},
                "action": "MyIngress.rewrite", "params": {{"dst": "{}", "port": "{}"}}}}"#,
            0x0200_0000_0000_u64 + u64::from(hop),
            hop % 4 + 1,
        )
    });
    let sources = (1..=4).map(|port| {
        format!(
            r#"{{"table": "MyEgress.sources", "match": {{"std.egress_port": "{port}"}},
                "action": "MyEgress.set_source", "params": {{"src": "{port}"}}}}"#
        )
    });
    let text = include_str!("../../../programs/router.p4");
    let scenario = load("router.p4", text, entries.chain(hops).chain(sources))?;
    let packets = (0..PACKETS).map(|n| {
        let at = usize::try_from(n * 6151).unwrap_or(0) % routes.len();
        (1, datagram(routes[at].0 | 1))
    });
    checked(scenario, packets.collect())
}

/// An IPv4 packet of 64 octets to an address.
fn datagram(to: u32) -> Vec<u8> {
    let mut frame = vec![0; 64];
    frame[12..14].copy_from_slice(&[0x08, 0]);
    frame[14..26].copy_from_slice(&[0x45, 0, 0, 50, 0, 1, 0, 0, 64, 17, 0, 0]);
    frame[26..30].copy_from_slice(&[10, 0, 0, 1]);
    frame[30..34].copy_from_slice(&to.to_be_bytes());
    let words = frame[14..34].chunks_exact(2);
    let mut sum: u32 = words.map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).unwrap_or(0);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// Real bundles of one version, to receivers that all read the other one.
fn translate(
    program: Option<&Path>,
    captures: &str,
    action: &str,
    params: &str,
) -> anyhow::Result<Scenario> {
    let text = match program {
        Some(path) => fs::read_to_string(path)?,
        None => p4gen::generate(Parameters {
            target: Target::Bmv2,
            profile: Profile::A,
            max_payload: 1400,
            ..Parameters::default()
        })?,
    };
    let peer = format!(
        r#"{{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "0.0.0.0/1"}}, "action": "{action}"{params}}}"#
    );
    let groups = r#", "multicast_groups": [{"id": 1, "replicas": [{"port": 2, "instance": 1}]}]"#;
    let scenario = load_with("translator.p4", &text, [peer].into_iter(), groups)?;
    let mut packets = Vec::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/captures")
        .join(captures);
    let mut files: Vec<_> = fs::read_dir(&directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    for file in files {
        let frames = pcap::read(&file.path())?;
        packets.extend(frames.into_iter().map(|frame| (1, frame)));
    }
    // Only bundles that are translated count: those that leave, and not as they came.
    packets.retain(|(port, packet)| changed(&scenario.program, *port, packet));
    checked(scenario, packets)
}

/// Whether a packet leaves once, and with another bundle.
fn changed(program: &Offline, port: u32, packet: &[u8]) -> bool {
    let mut kept = Kept::default();
    let worker = &mut Worker::new(1);
    let pipeline = program.pipeline();
    pipeline.process(worker, (port, packet), 1, &mut kept, &mut Silent);
    match kept.sent.as_slice() {
        [(_, sent)] => sent.get(42..) != packet.get(42..),
        _ => false,
    }
}

fn load(name: &str, text: &str, entries: impl Iterator<Item = String>) -> anyhow::Result<Scenario> {
    load_with(name, text, entries, "")
}

/// A program with entries, without packets yet.
fn load_with(
    name: &str,
    text: &str,
    entries: impl Iterator<Item = String>,
    more: &str,
) -> anyhow::Result<Scenario> {
    let source = p4::Source {
        name,
        text,
        ..p4::Source::default()
    };
    let mut program = Offline::load(&source)?;
    let entries: Vec<String> = entries.collect();
    let entries = format!(r#"{{"tables": [{}]{more}}}"#, entries.join(",\n"));
    program.install(&entries)?;
    Ok(Scenario {
        program,
        text: text.to_owned(),
        entries,
        packets: Vec::new(),
    })
}

/// Makes sure that the measurement is of what it says.
fn checked(scenario: Scenario, packets: Vec<(u32, Vec<u8>)>) -> anyhow::Result<Scenario> {
    let (mut worker, mut sink) = (Worker::new(1), Counted::default());
    for (port, packet) in &packets {
        let packet = (*port, packet.as_slice());
        let pipeline = scenario.program.pipeline();
        pipeline.process(&mut worker, packet, 1, &mut sink, &mut Silent);
    }
    if packets.is_empty() || sink.sent != packets.len() as u64 || sink.dropped > 0 {
        let count = packets.len();
        return Err(anyhow!(
            "of {count} packets, not each leaves once: {sink:?}"
        ));
    }
    Ok(Scenario {
        packets,
        ..scenario
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A captured bundle, cut and changed in many ways.
    fn damaged(packet: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        // Behind Ethernet, IPv4 and UDP.
        let bundle = 42..packet.len();
        let cuts = bundle.clone().step_by(11).map(|len| packet[..len].to_vec());
        let changes = bundle.step_by(3).map(|at| {
            let mut changed = packet.to_vec();
            changed[at] ^= 1 << (at % 8);
            changed
        });
        cuts.chain(changes)
    }

    fn check(make: &Make) {
        let mut scenario = (make.make)(None).expect("the captures are in the repository");
        let pipeline = scenario.program.pipeline();
        pipeline.optimise().expect("this machine has a compiler");
        let packets = scenario.packets.iter().step_by(7);
        let damaged = packets.flat_map(|(port, packet)| damaged(packet).map(|one| (*port, one)));
        let damaged: Vec<_> = damaged.collect();
        scenario.packets.extend(damaged);
        scenario.compare().expect("machine code agrees");
    }

    #[test]
    fn machine_code_translates_as_the_interpreter_does() {
        for make in ALL.iter().filter(|make| make.name.contains("translator")) {
            check(make);
        }
    }
}
