// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A generated translator on the switch's engine, without any connection.

mod node;

use bundle::{
    Policy,
    translate::{Crcs, PeerV6, PriorityRule},
    v6::BlockType,
    v7::CrcType,
};
use p4gen::Parameters;
use switch::{DropReason, Event, NativeError, Observer, Recorder, offline::Offline, traffic::Sink};

use crate::{
    traffic::{Input, Side},
    verdict::{Limits, Outcome, Rules, SLOW_PATH_PORT, judge},
};

pub use node::{node_entries, node_rules, route_entries, to_node};

/// A switch that runs a generated translator between the two sides.
#[derive(Debug)]
pub struct Lab {
    switch: Offline,
    parameters: Parameters,
    /// Whether there is machine code, which [`Lab::one`] compares with the interpreter.
    compiled: bool,
}

#[derive(Debug, Default, Eq, PartialEq)]
struct Collector {
    frames: Vec<(u16, Vec<u8>)>,
    digests: usize,
    /// The last one.
    digest: Vec<u64>,
    drops: Vec<DropReason>,
}

/// Watches, so that a packet runs in the interpreter, and keeps nothing.
struct Attentive;

impl Observer for Attentive {
    const ACTIVE: bool = true;

    fn event(&mut self, _: Event) {}
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

    fn drop(&mut self, reason: DropReason) {
        self.drops.push(reason);
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new(Parameters::default())
    }
}

impl Lab {
    /// A switch with a program of these sizes, and with an entry for each [`Receiver`].
    ///
    /// # Panics
    ///
    /// There is no such program, or the front end does not accept it.
    #[must_use]
    pub fn new(parameters: Parameters) -> Self {
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
        Self {
            switch,
            parameters,
            compiled: false,
        }
    }

    /// Compiles the program to machine code. From then on [`Lab::one`] runs it, and compares what
    /// it does with what the interpreter does.
    ///
    /// # Errors
    ///
    /// There is no machine code for this machine, or this build has no compiler for it.
    pub fn optimise(&mut self) -> Result<(), NativeError> {
        self.switch.pipeline().optimise()?;
        self.compiled = true;
        Ok(())
    }

    /// Adds entries to those that the switch has.
    ///
    /// # Panics
    ///
    /// The switch refuses them.
    pub fn install(&mut self, entries: &str) {
        self.switch
            .install(entries)
            .expect("the switch accepts the entries");
    }

    /// The switch, to look at its state and to change it.
    pub fn switch(&mut self) -> &mut Offline {
        &mut self.switch
    }

    /// What a receiver is owed by this program.
    #[must_use]
    pub fn rules(&self, receiver: Receiver) -> Rules {
        receiver.rules(&self.parameters)
    }

    /// Runs a frame that is to have exactly one outcome.
    ///
    /// # Errors
    ///
    /// How the outcome differs from what the reference translator says, and how it came about.
    pub fn check(&mut self, input: &Input) -> Result<Outcome, String> {
        self.check_frame(input, &input.datagram.to_frame())
    }

    /// Runs the frame of an input with something behind it, such as link padding.
    ///
    /// # Errors
    ///
    /// As [`Lab::check`].
    pub fn check_frame(&mut self, input: &Input, frame: &[u8]) -> Result<Outcome, String> {
        let rules = self.rules(Receiver::of(input));
        let outcome = self
            .one(input.side.port(), frame)
            .and_then(|(port, output)| judge(input, &rules, port, &output));
        outcome.map_err(|difference| {
            let story = self.story(input.side.port(), frame);
            format!("{}: {difference}\n{story}", input.origin)
        })
    }

    /// The only frame that leaves for a frame that enters, and its port.
    ///
    /// # Errors
    ///
    /// There is none, or another one; or machine code and interpreter differ.
    pub fn one(&mut self, port: u16, frame: &[u8]) -> Result<(u16, Vec<u8>), String> {
        let mut collector = Collector::default();
        let packet = (port.into(), frame);
        self.switch.forward(packet, 0, &mut collector);
        if self.compiled {
            let mut interpreted = Collector::default();
            self.switch
                .watch(packet, 0, &mut interpreted, &mut Attentive);
            if collector != interpreted {
                return Err(format!(
                    "machine code and interpreter differ\n{collector:?}\n{interpreted:?}"
                ));
            }
        }
        only(collector.frames)
    }

    /// The end of what happens to a frame, in words.
    pub fn story(&mut self, port: u16, frame: &[u8]) -> String {
        let (_, recorder) = self.run(port, frame);
        let text = switch::trace::render(self.switch.pipeline().program(), &recorder);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(STORY_LINES)..].join("\n")
    }

    /// How many reports a frame makes.
    pub fn digests(&mut self, port: u16, frame: &[u8]) -> usize {
        let mut collector = Collector::default();
        self.switch.run(port.into(), frame, 0, &mut collector);
        collector.digests
    }

    /// The values of the last report that a frame makes, in words of 64 bits.
    pub fn report(&mut self, port: u16, frame: &[u8]) -> Vec<u64> {
        let mut collector = Collector::default();
        self.switch.run(port.into(), frame, 0, &mut collector);
        collector.digest
    }

    /// The frames that leave, and what happened.
    pub fn run(&mut self, port: u16, frame: &[u8]) -> (Vec<(u16, Vec<u8>)>, Recorder) {
        let mut collector = Collector::default();
        let recorder = self.switch.run(port.into(), frame, 0, &mut collector);
        (collector.frames, recorder)
    }

    /// The frames that leave when a frame enters at this time.
    pub fn watch(
        &mut self,
        port: u16,
        frame: &[u8],
        now_ns: u64,
        observer: &mut impl Observer,
    ) -> Vec<(u16, Vec<u8>)> {
        let mut collector = Collector::default();
        self.switch
            .watch((port.into(), frame), now_ns, &mut collector, observer);
        collector.frames
    }
}

/// The only one of the frames that left a switch.
///
/// # Errors
///
/// There is none, or another one.
pub fn only(mut frames: Vec<(u16, Vec<u8>)>) -> Result<(u16, Vec<u8>), String> {
    match (frames.pop(), frames.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err("no frame left the switch".to_owned()),
        (_, others) => Err(format!("{} frames left the switch", others + 1)),
    }
}

/// What a receiver reads, as a number. The third number of its address says it, too.
///
/// Of version 6, each bit takes or adds something: compressed headers, dictionaries, sequence
/// numbers and lifetimes of 64 bits, the other type of age block, a narrow link. In version 7 the
/// number says which CRCs there are, and where the priority goes. [`Receiver::USUAL`] is what ION
/// reads.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Receiver(u8);

/// Lines of what happened that are shown with a difference.
const STORY_LINES: usize = 30;
/// In front of the number of a receiver in its address.
const FIRST_ADDRESS: u8 = 100;
/// The octets that an IP packet on a narrow link has at most.
const NARROW_MTU: u16 = 140;

impl Receiver {
    /// How many there are.
    pub const COUNT: u8 = 64;
    /// What ION reads.
    pub const USUAL: Self = Self(0);

    /// One of the receivers: numbers go round.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number % Self::COUNT)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The receiver to which an input goes. All without a special address are the usual one.
    #[must_use]
    pub fn of(input: &Input) -> Self {
        let number = input.datagram.ipv4.destination[2].checked_sub(FIRST_ADDRESS);
        number
            .filter(|number| *number < Self::COUNT)
            .map_or(Self::USUAL, Self)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The third number of its address.
    #[must_use]
    pub const fn address(self) -> u8 {
        FIRST_ADDRESS + self.0
    }

    const fn has(self, bit: u8) -> bool {
        self.0 & (1 << bit) != 0
    }

    /// How long a packet to it may be.
    #[must_use]
    pub fn mtu(self) -> Option<u16> {
        self.has(5).then_some(NARROW_MTU)
    }

    /// What the reference has to know about it.
    #[must_use]
    pub fn policy(self) -> Policy {
        const CRCS: [CrcType; 3] = [CrcType::None, CrcType::Crc16, CrcType::Crc32c];
        let number = usize::from(self.0);
        Policy {
            crcs: Crcs {
                primary: CRCS[(number + 1) % 3],
                blocks: CRCS[number / 3 % 3],
            },
            peer_v6: PeerV6 {
                cbhe: !self.has(0),
                dictionary: !self.has(1),
                sequence32: !self.has(2),
                lifetime32: !self.has(3),
                age_block: if self.has(4) {
                    BlockType::CUSTODY_OR_AGE
                } else {
                    BlockType::AGE
                },
            },
            hdtn_priority: number % 5 == 1,
            priority: [PriorityRule::Drop, PriorityRule::Qos, PriorityRule::Hdtn][number / 9 % 3],
            ..Policy::default()
        }
    }

    /// What a program of these parameters owes it.
    #[must_use]
    pub fn rules(self, parameters: &Parameters) -> Rules {
        Rules {
            policy: Policy {
                profile: parameters.profile,
                ..self.policy()
            },
            hop: None,
            relays: false,
            limits: Limits {
                max_payload: parameters.max_payload.into(),
                max_blocks: parameters.max_blocks as usize,
                max_eid: parameters.max_eid as usize,
                mtu: self.mtu(),
            },
        }
    }

    /// Its forms as the parameters of an action for a side.
    #[must_use]
    pub fn params(self, side: Side) -> String {
        let policy = self.policy();
        let mtu = self.mtu().unwrap_or(0);
        match side {
            Side::V6 => {
                let PeerV6 {
                    cbhe,
                    dictionary,
                    sequence32,
                    lifetime32,
                    age_block,
                } = policy.peer_v6;
                let bits = [cbhe, dictionary, sequence32, lifetime32].map(u8::from);
                format!(
                    r#""cbhe": "{}", "dictionary": "{}", "sequence32": "{}", "lifetime32": "{}",
                       "age_type": "{}", "hdtn_priority": "{}", "mtu": "{mtu}""#,
                    bits[0],
                    bits[1],
                    bits[2],
                    bits[3],
                    age_block.0,
                    u8::from(policy.hdtn_priority)
                )
            }
            Side::V7 => {
                let [primary, blocks] =
                    [policy.crcs.primary, policy.crcs.blocks].map(|crc| crc as u64);
                let block = match policy.priority {
                    PriorityRule::Drop => 0,
                    PriorityRule::Qos => 193,
                    PriorityRule::Hdtn => 13,
                };
                format!(
                    r#""crc_primary": "{primary}", "crc_blocks": "{blocks}",
                       "priority_block": "{block}", "mtu": "{mtu}""#
                )
            }
        }
    }

    /// What the program has to know about it, for each side.
    fn entry(self, side: Side) -> String {
        let network = side.host([0, 0, self.address(), 0]);
        let action = format!("reads_v{}", side.version());
        let params = self.params(side);
        format!(
            r#"{{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "{network}/24"}},
                "action": "ingress.{action}", "params": {{{params}}}}}"#
        )
    }
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
        receiver_lines(),
        punts.join(",")
    )
}

/// The entries of all receivers, as the text of a file of entries.
#[must_use]
pub fn receiver_entries() -> String {
    format!(r#"{{"tables": [{}]}}"#, receiver_lines())
}

fn receiver_lines() -> String {
    let sides = |receiver: Receiver| [Side::V6, Side::V7].map(|side| receiver.entry(side));
    let lines: Vec<_> = Receiver::all().flat_map(sides).collect();
    lines.join(",")
}
