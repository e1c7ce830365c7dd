// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Inputs to start from, made of the captures and vectors in `testdata/`.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use bundle::{Version, cbor, sdnv, v6, v7, version};
use etherparse::{SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;
use serde_json::Value;

use crate::{checks, policy};

/// Longer bundles teach a fuzzer nothing more, and slow it down.
const LEN_MAX: usize = 2048;

/// Different bundles of real implementations.
#[derive(Clone, Debug, Default)]
pub struct Bundles(BTreeSet<Vec<u8>>);

impl Bundles {
    /// Reads all captures and vectors below a folder, `testdata` in this repository.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn read(testdata: &Path) -> anyhow::Result<Self> {
        let mut bundles = Self::default();
        for folder in entries(&testdata.join("captures"))? {
            let files = if folder.is_dir() {
                entries(&folder)?
            } else {
                vec![folder]
            };
            for file in files {
                bundles.add_file(&file)?;
            }
        }
        for file in entries(&testdata.join("vectors"))? {
            bundles.add_file(&file)?;
        }
        Ok(bundles)
    }

    fn add_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let kind = path.extension().and_then(|ending| ending.to_str());
        match kind {
            Some("pcap") => self.add_capture(path),
            Some("json") => self.add_vectors(path),
            Some("jsonl") => self.add_lines(path),
            _ => Ok(()),
        }
        .with_context(|| format!("cannot read {}", path.display()))
    }

    fn add_capture(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut packets = PcapReader::new(File::open(path)?)?;
        while let Some(packet) = packets.next_packet() {
            let packet = packet?;
            let sliced = SlicedPacket::from_ethernet(&packet.data)?;
            if let Some(TransportSlice::Udp(udp)) = sliced.transport {
                self.add(udp.payload());
            }
        }
        Ok(())
    }

    fn add_vectors(&mut self, path: &Path) -> anyhow::Result<()> {
        let vectors: Vec<Value> = serde_json::from_str(&fs::read_to_string(path)?)?;
        for vector in vectors {
            for key in ["input", "output"] {
                if let Some(digits) = vector[key].as_str() {
                    self.add(&from_hex(digits)?);
                }
            }
        }
        Ok(())
    }

    /// Bundles that were captured inside other protocols than UDP.
    fn add_lines(&mut self, path: &Path) -> anyhow::Result<()> {
        for line in fs::read_to_string(path)?.lines() {
            let captured: Value = serde_json::from_str(line)?;
            let digits = captured["bundle"]
                .as_str()
                .context("a line has no bundle")?;
            self.add(&from_hex(digits)?);
        }
        Ok(())
    }

    /// Adds octets that begin like a bundle. LTP and TCP are in the captures, too.
    fn add(&mut self, octets: &[u8]) {
        if version(octets).is_some() {
            self.0.insert(octets.to_vec());
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Vec<u8>> {
        self.0.iter().cloned().collect()
    }

    /// Those that are not too long for a fuzzer.
    fn short(&self) -> impl Iterator<Item = &[u8]> {
        let octets = self.0.iter().map(Vec::as_slice);
        octets.filter(|octets| octets.len() <= LEN_MAX)
    }

    /// The bundles of one version, valid or not.
    fn of(&self, wanted: Version) -> impl Iterator<Item = &[u8]> {
        self.short()
            .filter(move |octets| version(octets) == Some(wanted))
    }

    fn decoded_v6(&self) -> impl Iterator<Item = v6::Bundle<'_>> {
        self.of(Version::V6)
            .filter_map(|octets| v6::Bundle::decode(octets).ok())
    }

    fn decoded_v7(&self) -> impl Iterator<Item = v7::Bundle<'_>> {
        self.of(Version::V7)
            .filter_map(|octets| v7::Bundle::decode(octets, v7::Tolerance::LENIENT).ok())
    }
}

/// Bundles of version 6.
#[must_use]
pub fn v6_decode(bundles: &Bundles) -> Vec<Vec<u8>> {
    bundles.of(Version::V6).map(<[u8]>::to_vec).collect()
}

/// Bundles of version 7, as they are and without CRCs: a change of a bundle with CRCs is most
/// often one that is refused for them.
#[must_use]
pub fn v7_decode(bundles: &Bundles) -> Vec<Vec<u8>> {
    let unprotected = bundles.decoded_v7().map(without_crcs);
    bundles
        .of(Version::V7)
        .map(<[u8]>::to_vec)
        .chain(unprotected)
        .collect()
}

/// Bundles of both versions, each for one of the programs, roles and receivers in turn.
///
/// They are an eighth of all: many differ by their times only, and each takes a while.
#[must_use]
pub fn switch(bundles: &Bundles) -> Vec<Vec<u8>> {
    let octets = v6_decode(bundles).into_iter().chain(v7_decode(bundles));
    (0_u8..=u8::MAX)
        .cycle()
        .zip(octets.step_by(8))
        .map(|(turn, octets)| [&[turn, turn / 8, turn / 2][..], &octets].concat())
        .collect()
}

/// Bundles of both versions, under the default policy and under one that changes everything.
#[must_use]
pub fn translate(bundles: &Bundles) -> Vec<Vec<u8>> {
    let policies = [[0; policy::LEN], [0b1101_0011, 0b0110_1001, 1, 0b10_0101]];
    let octets = v6_decode(bundles).into_iter().chain(v7_decode(bundles));
    octets
        .flat_map(|octets| policies.map(|policy| [&policy[..], &octets].concat()))
        .collect()
}

/// Bundles of both versions.
#[must_use]
pub fn dissect(bundles: &Bundles) -> Vec<Vec<u8>> {
    bundles.short().map(<[u8]>::to_vec).collect()
}

/// Payloads that are records of version 6.
#[must_use]
pub fn admin_v6(bundles: &Bundles) -> Vec<Vec<u8>> {
    let is_admin = |bundle: &v6::Bundle<'_>| {
        let flags = bundle.primary.flags;
        flags.contains(v6::BundleFlags::ADMIN_RECORD)
    };
    let admin = bundles.decoded_v6().filter(is_admin);
    admin.map(|bundle| bundle.payload().to_vec()).collect()
}

/// Payloads that are records of version 7.
#[must_use]
pub fn admin_v7(bundles: &Bundles) -> Vec<Vec<u8>> {
    let is_admin = |bundle: &v7::Bundle<'_>| {
        let flags = bundle.primary.flags;
        flags.contains(v7::BundleFlags::ADMIN_RECORD)
    };
    let admin = bundles.decoded_v7().filter(is_admin);
    admin.map(|bundle| bundle.payload().to_vec()).collect()
}

/// The data of all blocks whose data means something.
#[must_use]
pub fn contents(bundles: &Bundles) -> Vec<Vec<u8>> {
    let mut seeds = BTreeSet::new();
    for bundle in bundles.decoded_v6() {
        for block in &bundle.blocks {
            if let Some(selector) = checks::selector_v6(block.kind) {
                seeds.insert([&[selector], &block.data[..]].concat());
            }
        }
    }
    for bundle in bundles.decoded_v7() {
        for block in &bundle.blocks {
            if let Some(selector) = checks::selector_v7(block.kind) {
                seeds.insert([&[selector], &block.data[..]].concat());
            }
        }
    }
    seeds.into_iter().collect()
}

/// Integers where an encoding grows, and the endpoint IDs of the bundles as text.
#[must_use]
pub fn numbers(bundles: &Bundles) -> Vec<Vec<u8>> {
    let mut seeds = BTreeSet::new();
    let edges = (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1]);
    for value in edges.chain([23, 24, u64::MAX]) {
        let mut octets = Vec::new();
        sdnv::encode(value, &mut octets);
        seeds.insert(octets.clone());
        octets.clear();
        cbor::encode_uint(value, &mut octets);
        seeds.insert(octets);
    }
    for bundle in bundles.decoded_v7() {
        let primary = &bundle.primary;
        for eid in [&primary.destination, &primary.source, &primary.report_to] {
            if let Ok(eid) = eid.normal() {
                seeds.insert(eid.to_string().into_bytes());
            }
        }
    }
    seeds.into_iter().collect()
}

/// The test programs, and pieces of them.
#[must_use]
pub fn p4_source(_: &Bundles) -> Vec<Vec<u8>> {
    let mut seeds = BTreeSet::new();
    for (text, _) in checks::PROGRAMS {
        seeds.insert(text.as_bytes().to_vec());
        // Declarations are shorter than programs, and most say enough to be checked.
        let pieces = text.split_inclusive("\n}\n");
        seeds.extend(pieces.map(|piece| piece.as_bytes().to_vec()));
    }
    seeds.into_iter().collect()
}

/// For each test program, packets with each value of the first octet, which most of them choose by.
#[must_use]
pub fn packets(_: &Bundles) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (program, port) in (0..)
        .zip([1, 1, 255, 1, 1, 1, 1, 1])
        .take(checks::PROGRAMS.len())
    {
        for first in 0..=0x48 {
            let packet = (0..40).map(|n: u8| if n == 0 { first } else { n });
            seeds.push([program, port].into_iter().chain(packet).collect());
        }
    }
    seeds
}

fn without_crcs(mut bundle: v7::Bundle<'_>) -> Vec<u8> {
    bundle.primary.crc = v7::CrcType::None;
    for block in &mut bundle.blocks {
        block.crc = v7::CrcType::None;
    }
    bundle.to_vec()
}

/// The octets that hexadecimal digits stand for. White space is left out.
///
/// # Errors
///
/// There is something else between the digits, or one digit too few.
pub fn from_hex(digits: &str) -> anyhow::Result<Vec<u8>> {
    let digits: Vec<u8> = digits
        .bytes()
        .filter(|digit| !digit.is_ascii_whitespace())
        .collect();
    let octet = |pair: &[u8]| {
        anyhow::ensure!(pair.len() == 2, "an octet has two digits");
        Ok(u8::from_str_radix(str::from_utf8(pair)?, 16)?)
    };
    digits.chunks(2).map(octet).collect()
}

/// What is in a folder, in the order of the names.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = listed
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
