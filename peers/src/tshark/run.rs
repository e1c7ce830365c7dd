// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One run of tshark over many bundles.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bundle::Version;
use etherparse::PacketBuilder;
use pcap_file::pcap::{PcapPacket, PcapWriter};

use super::{v6, v7};

/// The port of the UDP convergence layer.
const PORT: u16 = 4556;
/// Between the occurrences of a field in one packet.
const NEXT: char = '|';
/// The most octets that a datagram over IPv4 holds.
const DATAGRAM_MAX: usize = 65_507;

/// The fields of one packet, each with the values of all its occurrences.
#[derive(Clone, Debug, Default)]
pub struct Row(BTreeMap<&'static str, Vec<String>>);

impl Row {
    /// All values of a field, in the order of the packet.
    #[must_use]
    pub fn all(&self, field: &str) -> &[String] {
        self.0.get(field).map_or(&[], Vec::as_slice)
    }

    /// The first value of a field, or an empty text.
    #[must_use]
    pub fn first(&self, field: &str) -> &str {
        self.all(field).first().map_or("", String::as_str)
    }

    /// The values of a field as numbers. What is no number is none in the result.
    #[must_use]
    pub fn numbers(&self, field: &str) -> Vec<Option<u64>> {
        self.all(field).iter().map(|text| number(text)).collect()
    }

    /// What the dissector remarks, but for block types and services that it does not know.
    ///
    /// It says "Unknown type code" of every payload whose service it has no dissector for.
    #[must_use]
    pub fn remarks(&self) -> Vec<&str> {
        let messages = self.all("_ws.expert.message").iter().map(String::as_str);
        let mut messages: Vec<_> = messages
            .filter(|message| *message != "Unknown type code")
            .collect();
        messages.sort_unstable();
        messages.dedup();
        messages
    }
}

/// A decimal or hexadecimal number.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Lets tshark read bundles of one version: a row for each.
///
/// # Errors
///
/// tshark is missing or fails, or a bundle is too long for a datagram.
pub fn dissect<'a>(
    version: Version,
    bundles: impl IntoIterator<Item = &'a [u8]>,
) -> anyhow::Result<Vec<Row>> {
    let fields = match version {
        Version::V6 => v6::FIELDS,
        Version::V7 => v7::FIELDS,
    };
    let folder = tempfile::tempdir().context("cannot make a folder for the capture")?;
    let capture = folder.path().join("bundles.pcap");
    let count = write(&capture, bundles)?;
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&capture);
    command.args([
        "-T",
        "fields",
        "-E",
        "occurrence=a",
        "-E",
        &format!("aggregator={NEXT}"),
    ]);
    // Fragments of different bundles with equal names would be joined.
    command.args(["-o", "bpv7.bp_reassemble_payload:FALSE"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command
        .output()
        .context("cannot start tshark: run `make setup`")?;
    if !output.status.success() {
        bail!("tshark ended with {}", output.status);
    }
    let text = String::from_utf8(output.stdout).context("the output of tshark is not text")?;
    let rows: Vec<_> = text.lines().map(|line| row(fields, line)).collect();
    ensure!(
        rows.len() == count,
        "tshark read {} of {count} packets",
        rows.len()
    );
    Ok(rows)
}

/// Puts each bundle into a datagram, and returns how many there are.
fn write<'a>(capture: &Path, bundles: impl IntoIterator<Item = &'a [u8]>) -> anyhow::Result<usize> {
    let file = File::create(capture).context("cannot write the capture")?;
    let mut writer = PcapWriter::new(file).context("cannot begin the capture")?;
    let mut count = 0_u64;
    for bundle in bundles {
        ensure!(bundle.len() <= DATAGRAM_MAX, "a bundle is too long");
        let (from, to) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let headers = PacketBuilder::ethernet2(from, to)
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(PORT, PORT);
        let mut frame = Vec::with_capacity(headers.size(bundle.len()));
        headers
            .write(&mut frame, bundle)
            .context("cannot make a frame")?;
        let length = frame.len().try_into().context("a frame is too long")?;
        let packet = PcapPacket::new(Duration::from_millis(count), length, &frame);
        writer
            .write_packet(&packet)
            .context("cannot write a frame")?;
        count += 1;
    }
    usize::try_from(count).context("too many bundles")
}

fn row(fields: &[&'static str], line: &str) -> Row {
    let cells = line.split('\t');
    let values = |cell: &str| cell.split(NEXT).map(str::to_owned).collect();
    Row(fields
        .iter()
        .zip(cells)
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(field, cell)| (*field, values(cell)))
        .collect())
}
