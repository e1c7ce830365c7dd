// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bundles that are compared: captured, generated and mutated ones.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bundle::arbitrary::{Shape, mutated, v6_bundle, v6_octets, v7_bundle, v7_octets};
use bundle::{Version, v6, v7};
use etherparse::{SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;
use proptest::prop_oneof;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::fields::from_hex;

/// How many bundles of each version are generated, unless `PEERS_CASES` says otherwise.
const CASES: usize = 10_000;
/// The port of the UDP convergence layer, and its neighbour that two of the scenarios use.
const BUNDLE_PORTS: [u16; 2] = [4556, 4557];

/// Octets that are, or might be, a bundle.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Where they come from.
    pub name: String,
    /// The octets.
    pub octets: Vec<u8>,
}

/// How many bundles are generated: `PEERS_CASES`, or 10,000.
#[must_use]
pub fn cases() -> usize {
    let asked = env::var("PEERS_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(CASES)
}

/// Bundles that use nothing but what every implementation should read.
///
/// Of the bundles of [`Shape::ANY`], most have something that one peer or another refuses, which
/// would leave few whose fields are compared.
const PLAIN: Shape = Shape {
    any_eids: false,
    odd_flags: false,
    any_times: false,
    ..Shape::ANY
};

/// The captured bundles and as many generated ones as [`cases`] says, half of them plain.
///
/// # Errors
///
/// The captures cannot be read.
pub fn valid(version: Version) -> anyhow::Result<Vec<Sample>> {
    let mut samples = captured(version)?;
    samples.extend(match version {
        Version::V6 => draw("generated", cases(), &either(v6_octets)),
        Version::V7 => draw("generated", cases(), &either(v7_octets)),
    });
    Ok(samples)
}

/// Generated bundles of version 6 whose numbers have at most 31 bits, and without blocks of unknown
/// types: what Wireshark can show.
#[must_use]
pub fn narrow_v6() -> Vec<Sample> {
    let shape = Shape {
        any_eids: true,
        any_blocks: false,
        ..PLAIN
    };
    draw(
        "narrow",
        cases(),
        &v6_bundle(shape).prop_map(|bundle| narrowed(bundle).to_vec()),
    )
}

/// The first number that Wireshark's dissector of version 6 cannot hold.
const LIMIT: u64 = 1 << 31;

fn narrowed(mut bundle: v6::Bundle<'static>) -> v6::Bundle<'static> {
    let primary = &mut bundle.primary;
    if primary.is_compressed() {
        for reference in [
            &mut primary.destination,
            &mut primary.source,
            &mut primary.report_to,
            &mut primary.custodian,
        ] {
            reference.scheme %= LIMIT;
            reference.ssp %= LIMIT;
        }
    }
    primary.creation.sequence %= LIMIT;
    primary.lifetime_s %= LIMIT;
    if let Some(fragment) = &mut primary.fragment {
        fragment.offset %= LIMIT;
        fragment.adu_length %= LIMIT;
    }
    for block in &mut bundle.blocks {
        let narrow = match block.content() {
            Ok(v6::Content::Age(age)) => v6::Block::age(block.kind, block.flags, age % LIMIT),
            Ok(v6::Content::Ecos {
                flags,
                ordinal,
                label: Some(label),
            }) => v6::Block::ecos(block.flags, flags, ordinal, Some(label % LIMIT)),
            _ => continue,
        };
        *block = narrow;
    }
    narrow_report(&mut bundle);
    bundle
}

fn narrow_report(bundle: &mut v6::Bundle<'static>) {
    if !bundle.primary.flags.contains(v6::BundleFlags::ADMIN_RECORD) {
        return;
    }
    let payloads = bundle.blocks.iter_mut();
    for block in payloads.filter(|block| block.kind == v6::BlockType::PAYLOAD) {
        let data = block.data.clone();
        let Ok(v6::AdminRecord::StatusReport(mut report)) = v6::AdminRecord::decode(&data) else {
            continue;
        };
        let fragment = report.subject.fragment;
        report.subject.fragment = fragment.map(|(offset, length)| (offset % LIMIT, length % LIMIT));
        report.subject.creation.sequence %= LIMIT;
        let mut narrow = Vec::new();
        report.encode(&mut narrow);
        block.data = narrow.into();
    }
}

/// Generated bundles of version 7 with changed octets: most are no bundles any more.
///
/// Half of them have no CRC, which would find most changes before anything else is looked at.
#[must_use]
pub fn spoiled() -> Vec<Sample> {
    let unprotected = either(v7_bundle).prop_map(|mut bundle: v7::Bundle<'static>| {
        bundle.primary.crc = v7::CrcType::None;
        for block in &mut bundle.blocks {
            block.crc = v7::CrcType::None;
        }
        bundle.to_vec()
    });
    let octets = prop_oneof![either(v7_octets), unprotected];
    draw("mutated", cases(), &mutated(octets))
}

/// Values of any shape, and of the plain one.
fn either<S: Strategy>(values: impl Fn(Shape) -> S) -> impl Strategy<Value = S::Value> {
    prop_oneof![values(Shape::ANY), values(PLAIN)]
}

/// The same values in each run: the generator starts from a fixed seed.
fn draw(name: &str, count: usize, octets: &impl Strategy<Value = Vec<u8>>) -> Vec<Sample> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count)
        .map(|index| {
            let tree = octets.new_tree(&mut runner);
            Sample {
                name: format!("{name} {index}"),
                octets: tree.expect("few values are filtered out").current(),
            }
        })
        .collect()
}

/// The captured bundles of a version, in the order of the names of their files.
///
/// # Errors
///
/// The captures cannot be read.
pub fn captured(version: Version) -> anyhow::Result<Vec<Sample>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures");
    let mut samples = Vec::new();
    for folder in entries(&root)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&folder)? {
            read_capture(&file, &root, &mut samples)
                .with_context(|| format!("cannot read {}", file.display()))?;
        }
    }
    let lines = fs::read_to_string(root.join("other-layers.jsonl"))
        .context("cannot read the bundles of other layers")?;
    for line in lines.lines() {
        samples.push(other_layer(line).with_context(|| format!("not a bundle: {line}"))?);
    }
    samples.retain(|sample| bundle::version(&sample.octets) == Some(version));
    Ok(samples)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = listed
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn read_capture(file: &Path, root: &Path, samples: &mut Vec<Sample>) -> anyhow::Result<()> {
    let name = file.strip_prefix(root).unwrap_or(file).display();
    let mut reader = PcapReader::new(File::open(file)?)?;
    let mut number = 0;
    while let Some(packet) = reader.next_packet() {
        number += 1;
        let packet = packet?;
        let sliced = SlicedPacket::from_ethernet(&packet.data)?;
        let Some(TransportSlice::Udp(datagram)) = sliced.transport else {
            continue;
        };
        if BUNDLE_PORTS.contains(&datagram.destination_port()) {
            samples.push(Sample {
                name: format!("{name} frame {number}"),
                octets: datagram.payload().to_vec(),
            });
        }
    }
    Ok(())
}

fn other_layer(line: &str) -> anyhow::Result<Sample> {
    let line: serde_json::Value = serde_json::from_str(line)?;
    let digits = line["bundle"].as_str().context("it has no octets")?;
    Ok(Sample {
        name: format!("{} frame {}", line["capture"], line["frame"]),
        octets: from_hex(digits).context("they are not in hexadecimal digits")?,
    })
}
