// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What enters the switches: captured datagrams, bundles of the test vectors, bundles with
//! payloads of many lengths, and damaged ones; to hosts, to receivers with other forms, to a node.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};
use bundle::{Policy, Version};
use p4gen::Parameters;
use serde_json::Value;
use testbed::{
    lab::{self, Receiver, to_node},
    traffic::{Input, Side},
    verdict::Rules,
};

/// A datagram and the set that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Where it comes from.
    pub(crate) set: Set,
    /// The datagram.
    pub(crate) input: Input,
}

/// What the switches are in a run, and what enters them.
#[derive(Debug)]
pub(crate) struct Stage {
    /// What the switches are.
    pub(crate) role: Role,
    /// The frames.
    pub(crate) cases: Vec<Case>,
}

/// What the switches are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// They translate between hosts, each of which reads the usual forms.
    Hosts,
    /// They translate between hosts of all kinds.
    Receivers,
    /// They are a node with one neighbour, which reads one version.
    Node(Side),
}

/// What the neighbour of a node reads: all CRCs and a block for the priority, or version 6 with its
/// own type of age block.
const NEIGHBOUR: Receiver = Receiver::new(16);

impl Role {
    /// Its name in reports and of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Receivers => "receivers",
            Self::Node(Side::V6) => "node-to-v6",
            Self::Node(Side::V7) => "node-to-v7",
        }
    }

    /// Files with the entries that the switches need for it, by name.
    pub(crate) fn entries(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Hosts => Vec::new(),
            Self::Receivers => vec![("receivers.entries.json", lab::receiver_entries())],
            Self::Node(side) => vec![
                ("node.entries.json", lab::node_entries()),
                ("route.entries.json", lab::route_entries(side, NEIGHBOUR)),
            ],
        }
    }

    /// What a program owes the receiver of a datagram.
    pub(crate) fn rules(self, parameters: &Parameters, input: &Input) -> Rules {
        match self {
            Self::Hosts | Self::Receivers => Receiver::of(input).rules(parameters),
            Self::Node(side) => {
                lab::node_rules(&NEIGHBOUR.rules(parameters), is_read_by(side, input))
            }
        }
    }

    /// The case as it is sent in this role, with a number of its own.
    fn address(self, number: usize, case: &Case) -> Case {
        let mut case = case.clone();
        match self {
            Self::Hosts => {}
            Self::Receivers => {
                let number = u8::try_from(number % usize::from(Receiver::COUNT));
                let receiver = Receiver::new(number.expect("there are few receivers"));
                let network = case.input.side.other().host([0, 0, receiver.address(), 2]);
                case.input.datagram.ipv4.destination = network.octets();
            }
            Self::Node(_) => case.input = to_node(case.input),
        }
        case
    }
}

/// Whether a bundle has the version of a side.
fn is_read_by(side: Side, input: &Input) -> bool {
    let version = match side {
        Side::V6 => Version::V6,
        Side::V7 => Version::V7,
    };
    bundle::version(&input.datagram.payload) == Some(version)
}

/// The cases in each role. Only bundles are sent to other receivers, and to a node.
pub(crate) fn stages(cases: Vec<Case>) -> Vec<Stage> {
    let others = [Role::Receivers, Role::Node(Side::V6), Role::Node(Side::V7)];
    let others = others.map(|role| {
        let bundles = cases.iter().filter(|case| is_reported(&case.input));
        let addressed = bundles
            .enumerate()
            .map(|(number, case)| role.address(number, case));
        Stage {
            role,
            cases: addressed.collect(),
        }
    });
    let mut stages: Vec<_> = others.into();
    let role = Role::Hosts;
    stages.insert(0, Stage { role, cases });
    stages
}

/// Where datagrams come from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Set {
    /// Real traffic.
    Captured,
    /// Bundles of the test vectors, in datagrams like the captured ones.
    Vector,
    /// Bundles with payloads around the limits of the programs and of the length fields.
    Sized,
    /// Bundles of captures and vectors, damaged.
    Damaged,
}

/// Lengths at which a length field, a chunk of the payload or a program ends.
const PAYLOADS: [usize; 30] = [
    0, 1, 2, 7, 8, 12, 13, 14, 23, 24, 63, 64, 127, 128, 129, 254, 255, 256, 257, 511, 1023, 1024,
    1399, 1400, 1401, 4095, 8999, 9000, 9001, 16_384,
];

impl Set {
    /// All sets.
    pub(crate) const ALL: [Self; 4] = [Self::Captured, Self::Vector, Self::Sized, Self::Damaged];

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Vector => "vectors",
            Self::Sized => "sized",
            Self::Damaged => "damaged",
        }
    }
}

/// Whether a switch reports a datagram to the controller.
pub(crate) fn is_reported(input: &Input) -> bool {
    input.datagram.is_for_bundles() && bundle::version(&input.datagram.payload).is_some()
}

/// All cases: captured datagrams, the vectors of a folder, payloads of many
/// lengths, and a number of damaged bundles.
///
/// # Errors
///
/// Vectors that cannot be read, or captures without bundles.
pub(crate) fn all(
    captured: Vec<Input>,
    vectors: &Path,
    damaged: usize,
    seed: u64,
) -> anyhow::Result<Vec<Case>> {
    let mut inputs: Vec<_> = captured
        .iter()
        .filter(|i| is_reported(i))
        .cloned()
        .collect();
    let vectors = read_vectors(vectors, &inputs)?;
    inputs.extend(vectors.iter().cloned());
    ensure!(!inputs.is_empty(), "there are no bundles in the captures");
    let sized = sized(&inputs)?;
    let mut random = Random(seed);
    let damaged = (0..damaged).map(|_| random.damaged(&inputs)).collect();

    let sets = [
        (Set::Captured, captured),
        (Set::Vector, vectors),
        (Set::Sized, sized),
        (Set::Damaged, damaged),
    ];
    Ok(sets
        .into_iter()
        .flat_map(|(set, inputs)| inputs.into_iter().map(move |input| Case { set, input }))
        .collect())
}

/// The `input` of all vectors in the JSON files of a folder.
fn read_vectors(folder: &Path, captured: &[Input]) -> anyhow::Result<Vec<Input>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the vectors in {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(|| format!("cannot list {}", folder.display()))?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    paths.sort();
    let mut inputs = Vec::new();
    for path in paths {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let vectors: Vec<Value> = serde_json::from_str(&text)
            .with_context(|| format!("{} is no list of vectors", path.display()))?;
        for vector in &vectors {
            inputs.extend(
                read_vector(vector, captured).with_context(|| {
                    format!("{} has a vector that cannot be read", path.display())
                })?,
            );
        }
    }
    Ok(inputs)
}

/// A vector in a datagram like a captured one; `None` if it belongs to no version.
fn read_vector(vector: &Value, captured: &[Input]) -> anyhow::Result<Option<Input>> {
    let name = vector["name"].as_str().context("it has no name")?;
    let digits = vector["input"].as_str().context("it has no input")?;
    let octets = octets(digits).context("its input is not made of octets")?;
    let side = match bundle::version(&octets) {
        Some(Version::V6) => Side::V6,
        Some(Version::V7) => Side::V7,
        None => return Ok(None),
    };
    let origin = format!("vector {name}");
    Ok(Some(like_captured(captured, side, origin, octets)?))
}

/// A bundle in a datagram like a captured one of the same side.
fn like_captured(
    captured: &[Input],
    side: Side,
    origin: String,
    octets: Vec<u8>,
) -> anyhow::Result<Input> {
    let carrier = captured
        .iter()
        .find(|input| input.side == side)
        .with_context(|| format!("there is no captured bundle of version {}", side.version()))?;
    Ok(Input {
        origin,
        side,
        datagram: carrier.datagram.with_payload(octets),
    })
}

/// A bundle of each version with each length of payload.
fn sized(captured: &[Input]) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for length in PAYLOADS {
        let six = v6_bundle(length);
        let seven = bundle::translate(&six, &Policy::default())
            .ok()
            .with_context(|| format!("the reference refuses a payload of {length} octets"))?;
        for (side, octets) in [(Side::V6, six), (Side::V7, seven.octets)] {
            let origin = format!("BPv{} with {length} octets", side.version());
            inputs.push(like_captured(captured, side, origin, octets)?);
        }
    }
    Ok(inputs)
}

/// From ipn:1.1 to ipn:2.1, with a payload that counts its octets.
fn v6_bundle(length: usize) -> Vec<u8> {
    let mut octets =
        b"\x06\x81\x10\x11\x02\x01\x01\x01\x01\x01\x00\x00\x82\xfe\xbb\xfa\x40\x07\x9c\x10\x00\x01\x08"
            .to_vec();
    // SDNV: groups of seven bits, the top bit of all octets but the last.
    let groups = (0..).take_while(|group| *group == 0 || length >> (7 * group) > 0);
    for group in groups.collect::<Vec<u32>>().into_iter().rev() {
        let low = u8::try_from(length >> (7 * group) & 0x7f).expect("seven bits are left");
        octets.push(if group == 0 { low } else { low | 0x80 });
    }
    octets.extend((0..=u8::MAX).cycle().take(length));
    octets
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Numbers that look random and are the same in each run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // Zero is the one state that does not change.
        let mut state = self.0.max(1);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0 = state;
        let limit = u64::try_from(limit.max(1)).expect("a length fits into 64 bits");
        usize::try_from(state % limit).expect("it is below a length")
    }

    /// One of the inputs with one to three faults behind its first octet, which is its version.
    fn damaged(&mut self, inputs: &[Input]) -> Input {
        let input = &inputs[self.below(inputs.len())];
        let mut octets = input.datagram.payload.clone();
        for _ in 0..=self.below(3) {
            self.damage(&mut octets);
        }
        Input {
            origin: format!("{}, damaged", input.origin),
            side: input.side,
            datagram: input.datagram.with_payload(octets),
        }
    }

    fn damage(&mut self, octets: &mut Vec<u8>) {
        let any = u8::try_from(self.below(256)).expect("it is below 256");
        let bit = 1 << self.below(8);
        // Faults in the payload change nothing but the payload: most are put in front of it.
        let reach = if self.below(4) == 0 { usize::MAX } else { 60 };
        let at = 1 + self.below((octets.len() - 1).min(reach));
        match self.below(6) {
            _ if at >= octets.len() => octets.push(any),
            0 => octets[at] = any,
            1 | 2 => octets[at] ^= bit,
            3 => octets.insert(at, any),
            4 => {
                octets.remove(at);
            }
            _ => octets.truncate(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_the_same_in_each_run_and_keeps_the_version() {
        let damaged = |seed| {
            let mut random = Random(seed);
            let mut all = Vec::new();
            for _ in 0..1000 {
                let mut octets = b"\x06bundle".to_vec();
                random.damage(&mut octets);
                assert_eq!(octets.first(), Some(&6));
                all.push(octets);
            }
            all
        };
        assert_eq!(damaged(1), damaged(1));
        assert_ne!(damaged(1), damaged(2));
        assert!(damaged(1).iter().any(|octets| octets.len() < 7));
        assert!(damaged(1).iter().any(|octets| octets.len() > 7));
    }

    #[test]
    fn damage_needs_no_more_than_a_version() {
        let mut octets = vec![6];
        Random(1).damage(&mut octets);
        assert_eq!(octets.len(), 2);
    }

    #[test]
    fn made_bundles_have_the_payload_that_was_asked_for() {
        for length in PAYLOADS {
            let octets = v6_bundle(length);
            let bundle = bundle::v6::Bundle::decode(&octets).expect("the bundle is valid");
            let payload = bundle.blocks.last().map(|block| block.data.len());
            assert_eq!(payload, Some(length));
        }
    }

    #[test]
    fn octets_are_pairs_of_digits() {
        assert_eq!(octets("06fF"), Some(vec![6, 255]));
        assert_eq!(octets("0g"), None);
    }
}
