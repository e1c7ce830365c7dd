// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A generated translator on the switch's engine, without any connection.

use bundle::{
    Policy,
    translate::{Crcs, PeerV6, PriorityRule},
    v6::BlockType,
    v7::CrcType,
};
use p4gen::Parameters;
use switch::{DropReason, Recorder, offline::Offline, traffic::Sink};
use testbed::{
    traffic::{Input, Side},
    verdict::{Outcome, SLOW_PATH_PORT, judge},
};

/// Longest payload of the program under test.
pub(crate) const MAX_PAYLOAD: u32 = 1400;

/// A switch that runs a generated translator between the two sides.
pub(crate) struct Lab {
    switch: Offline,
}

#[derive(Default)]
struct Collector {
    frames: Vec<(u16, Vec<u8>)>,
    digests: usize,
    /// The last one.
    digest: Vec<u64>,
}

impl Sink for Collector {
    fn transmit(&mut self, port: u32, packet: &[u8]) {
        self.frames
            .push((port.try_into().expect("ports are small"), packet.to_vec()));
    }

    fn digest(&mut self, _digest: usize, values: &[u64]) {
        self.digests += 1;
        self.digest = values.to_vec();
    }

    fn drop(&mut self, _reason: DropReason) {}
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(Parameters {
            max_payload: MAX_PAYLOAD,
            ..Parameters::default()
        })
    }

    /// A switch that runs the translator for these parameters.
    pub(crate) fn with(parameters: Parameters) -> Self {
        let text = p4gen::generate(parameters).expect("the parameters are possible");
        let source = p4::Source {
            name: "translator.p4",
            text: &text,
            ..p4::Source::default()
        };
        let mut switch = Offline::load(&source).expect("the front end accepts the program");
        switch
            .install(&entries())
            .expect("the switch accepts the entries");
        Self { switch }
    }

    /// Adds entries to those that the switch has.
    pub(crate) fn install(&mut self, entries: &str) {
        self.switch
            .install(entries)
            .expect("the switch accepts the entries");
    }

    /// Runs a frame that is to have exactly one outcome.
    pub(crate) fn check(&mut self, input: &Input) -> Result<Outcome, String> {
        self.check_frame(input, &input.datagram.to_frame())
    }

    /// Runs the frame of an input with something behind it, such as link padding.
    pub(crate) fn check_frame(&mut self, input: &Input, frame: &[u8]) -> Result<Outcome, String> {
        let (frames, recorder) = self.run(input.side.port(), frame);
        let outcome = match frames.as_slice() {
            [(port, output)] => judge(input, &receiver(input).policy(), *port, output),
            others => Err(format!("{} frames left the switch", others.len())),
        };
        outcome.map_err(|difference| format!("{}: {difference}\n{recorder:?}", input.origin))
    }

    /// How many reports a frame makes.
    pub(crate) fn digests(&mut self, port: u16, frame: &[u8]) -> usize {
        let mut collector = Collector::default();
        self.switch.run(port.into(), frame, 0, &mut collector);
        collector.digests
    }

    /// The values of the last report that a frame makes, in words of 64 bits.
    pub(crate) fn report(&mut self, port: u16, frame: &[u8]) -> Vec<u64> {
        let mut collector = Collector::default();
        self.switch.run(port.into(), frame, 0, &mut collector);
        collector.digest
    }

    /// The frames that leave, and what happened.
    pub(crate) fn run(&mut self, port: u16, frame: &[u8]) -> (Vec<(u16, Vec<u8>)>, Recorder) {
        let mut collector = Collector::default();
        let recorder = self.switch.run(port.into(), frame, 0, &mut collector);
        (collector.frames, recorder)
    }
}

/// What a receiver reads. Its third number of the address says which of these it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Receiver {
    /// What ION reads.
    Usual,
    /// Version 6 without dictionaries; version 7 with a CRC on each block.
    Careful,
    /// Version 6 without compressed headers, with wide numbers and another type of age block;
    /// version 7 with CRC-32C, but not on the primary block.
    Odd,
}

impl Receiver {
    const SPECIAL: [Self; 2] = [Self::Careful, Self::Odd];

    /// The third number of its address.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Usual => 2,
            Self::Careful => 10,
            Self::Odd => 11,
        }
    }

    /// What the reference has to know about it.
    pub(crate) fn policy(self) -> Policy {
        let (primary, blocks, cbhe, dictionary, wide) = match self {
            Self::Usual => return Policy::default(),
            Self::Careful => (CrcType::Crc32c, CrcType::Crc16, true, false, false),
            Self::Odd => (CrcType::None, CrcType::Crc32c, false, true, true),
        };
        Policy {
            crcs: Crcs { primary, blocks },
            peer_v6: PeerV6 {
                cbhe,
                dictionary,
                sequence32: !wide,
                lifetime32: !wide,
                age_block: if wide {
                    BlockType::CUSTODY_OR_AGE
                } else {
                    BlockType::AGE
                },
            },
            // One of them has the priority in ION's block, and the other in HDTN's.
            hdtn_priority: wide,
            priority: if wide {
                PriorityRule::Hdtn
            } else {
                PriorityRule::Qos
            },
            ..Policy::default()
        }
    }

    /// What the program has to know about it, for each side.
    fn entry(self, side: Side) -> String {
        let policy = self.policy();
        let (action, params) = match side {
            Side::V6 => {
                let PeerV6 {
                    cbhe,
                    dictionary,
                    sequence32,
                    lifetime32,
                    age_block,
                } = policy.peer_v6;
                let bits = [cbhe, dictionary, sequence32, lifetime32].map(u8::from);
                let params = format!(
                    r#""cbhe": "{}", "dictionary": "{}", "sequence32": "{}", "lifetime32": "{}",
                       "age_type": "{}", "hdtn_priority": "{}", "mtu": "0""#,
                    bits[0],
                    bits[1],
                    bits[2],
                    bits[3],
                    age_block.0,
                    u8::from(policy.hdtn_priority)
                );
                ("reads_v6", params)
            }
            Side::V7 => {
                let [primary, blocks] =
                    [policy.crcs.primary, policy.crcs.blocks].map(|crc| crc as u64);
                let block = match policy.priority {
                    PriorityRule::Drop => 0,
                    PriorityRule::Qos => 193,
                    PriorityRule::Hdtn => 13,
                };
                let params = format!(
                    r#""crc_primary": "{primary}", "crc_blocks": "{blocks}",
                       "priority_block": "{block}", "mtu": "0""#
                );
                ("reads_v7", params)
            }
        };
        let network = side.host([0, 0, self.number(), 0]);
        format!(
            r#"{{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "{network}/24"}},
                "action": "ingress.{action}", "params": {{{params}}}}}"#
        )
    }
}

fn receiver(input: &Input) -> Receiver {
    let number = input.datagram.ipv4.destination[2];
    Receiver::SPECIAL
        .into_iter()
        .find(|receiver| receiver.number() == number)
        .unwrap_or(Receiver::Usual)
}

/// Both networks, flooding between them, and every refused bundle on the slow path port.
fn entries() -> String {
    let punts: Vec<_> = bundle::Reason::ALL
        .iter()
        .map(|reason| {
            format!(
                r#"{{"table": "ingress.refusal", "match": {{"meta.again.reason": "{}"}},
                    "action": "ingress.punt", "params": {{"port": "{SLOW_PATH_PORT}"}}}}"#,
                reason.code()
            )
        })
        .collect();
    let receivers: Vec<_> = Receiver::SPECIAL
        .into_iter()
        .flat_map(|receiver| [Side::V6, Side::V7].map(|side| receiver.entry(side)))
        .collect();
    format!(
        r#"{{"tables": [
            {{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "{}"}},
              "action": "ingress.speaks_v6", "params": {{"sequence32": "1", "lifetime32": "1"}}}},
            {{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "{}"}}, "action": "ingress.speaks_v7"}},
            {{"table": "ingress.peer_ipv6", "match": {{"hdr.ipv6.dst": "fd07::/16"}},
              "action": "ingress.speaks_v7_ipv6"}},
            {{"table": "ingress.peer_ipv6", "match": {{"hdr.ipv6.dst": "fd06::/16"}},
              "action": "ingress.speaks_v6_ipv6", "params": {{"sequence32": "1", "lifetime32": "1"}}}},
            {}, {}],
          "multicast_groups": [{{"id": 1, "replicas": [
            {{"port": 1, "instance": 1}}, {{"port": 2, "instance": 1}}]}}]}}"#,
        Side::V6.network(),
        Side::V7.network(),
        receivers.join(","),
        punts.join(",")
    )
}
