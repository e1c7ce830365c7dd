// SPDX-License-Identifier: Apache-2.0 OR MIT
//! [pyD3TN](https://pypi.org/project/pyD3TN/) of the uD3TN project: version 7, and an encoder of version 6.
//!
//! It runs as a Python program that reads requests line by line, see `pyd3tn_driver.py`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, bail};
use bundle::v7::{self, Eid};
use bundle::{Fault, v6};
use serde_json::{Value, json};

use crate::fields::{Fields, from_hex, hex};
use crate::{Case, Difference, Theirs};

/// The last millisecond of the year 9999, up to which Python counts.
const END_OF_TIME: u64 = 252_455_615_999_999;

/// The interpreter of the environment that `make setup` makes.
///
/// Python finds the environment by the path that it is started with, which must not have dots.
fn python() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Ok(root.canonicalize()?.join("target/python/bin/python"))
}

/// Asks pyD3TN, once for each request.
///
/// # Errors
///
/// pyD3TN is not installed, or the program does not answer every request.
pub fn ask(requests: &[Value]) -> anyhow::Result<Vec<Value>> {
    let mut child = Command::new(python()?)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pyd3tn_driver.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start Python with pyD3TN: run `make setup`")?;
    let mut input = child.stdin.take().context("the program has no input")?;
    let output = child.stdout.take().context("the program has no output")?;
    let answers = thread::scope(|scope| {
        let writer = scope.spawn(move || -> std::io::Result<()> {
            for request in requests {
                writeln!(input, "{request}")?;
            }
            Ok(())
        });
        let answers: anyhow::Result<Vec<Value>> = BufReader::new(output)
            .lines()
            .map(|line| Ok(serde_json::from_str(&line?)?))
            .collect();
        // If the program ended early, its status says more than a broken pipe.
        drop(writer.join());
        answers
    });
    let status = child.wait().context("cannot wait for Python")?;
    let answers = answers.context("cannot read what pyD3TN says")?;
    if !status.success() || answers.len() != requests.len() {
        bail!(
            "pyD3TN answered {} of {} requests, and ended with {status}: run `make setup`",
            answers.len(),
            requests.len()
        );
    }
    Ok(answers)
}

/// The request to read a bundle of version 7.
#[must_use]
pub fn read(octets: &[u8]) -> Value {
    json!({ "read": hex(octets) })
}

/// The answer to [`read`].
#[must_use]
pub fn theirs(answer: &Value) -> Theirs {
    if let Some(reason) = answer["refused"].as_str() {
        return Theirs::Refused(reason.to_owned());
    }
    let fields = answer["fields"].as_object();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields = fields.into_iter().flatten();
    Theirs::Accepted {
        fields: fields
            .map(|(name, value)| (name.clone(), text(value)))
            .collect::<Fields>(),
        octets: octets(answer),
    }
}

/// The octets in an answer.
#[must_use]
pub fn octets(answer: &Value) -> Option<Vec<u8>> {
    from_hex(answer["octets"].as_str()?)
}

/// Whether pyD3TN says nothing about a field: it does not read the data of extension blocks.
#[must_use]
pub fn is_silent(name: &str) -> bool {
    name.ends_with(" content")
}

/// The bundle as pyD3TN writes it: with the previous node in front.
#[must_use]
pub fn reordered<'a>(bundle: &v7::Bundle<'a>) -> v7::Bundle<'a> {
    let mut bundle = bundle.clone();
    bundle
        .blocks
        .sort_by_key(|block| block.kind != v7::BlockType::PREVIOUS_NODE);
    bundle
}

/// The request to build a bundle of version 7 from its fields, with pyD3TN's class for each block.
///
/// `None` for a bundle with an endpoint ID of another scheme, or malformed data in a known block.
#[must_use]
pub fn build(bundle: &v7::Bundle<'_>) -> Option<Value> {
    let primary = &bundle.primary;
    let eid = |eid: &Eid<'_>| Some(eid.normal().ok()?.to_string());
    let mut request = json!({
        "flags": primary.flags.0,
        "crc": primary.crc as u64,
        "destination": eid(&primary.destination)?,
        "source": eid(&primary.source)?,
        "report-to": eid(&primary.report_to)?,
        "time": primary.creation.time_ms,
        "sequence": primary.creation.sequence,
        "lifetime": primary.lifetime_ms,
    });
    if let Some(fragment) = primary.fragment {
        request["fragment offset"] = fragment.offset.into();
        request["data unit length"] = fragment.adu_length.into();
    }
    let blocks: Option<Vec<_>> = bundle.blocks.iter().map(build_block).collect();
    request["blocks"] = blocks?.into();
    Some(json!({ "build": request }))
}

fn build_block(block: &v7::Block<'_>) -> Option<Value> {
    let content = match block.content().ok()? {
        v7::Content::PreviousNode(eid) => Some(eid.normal().ok()?.to_string()),
        v7::Content::Age(age) => Some(age.to_string()),
        v7::Content::HopCount { limit, count } => Some(format!("{limit} {count}")),
        _ => None,
    };
    Some(json!({
        "type": block.kind.0,
        "number": block.number,
        "flags": block.flags.0,
        "crc": block.crc as u64,
        "data": hex(&block.data),
        "content": content,
    }))
}

/// The request to build a bundle of version 6, and to read the numbers of its primary block.
///
/// pyD3TN writes a dictionary and the payload block, and no other blocks. `None` for a bundle with
/// an endpoint ID of another scheme.
#[must_use]
pub fn build6(bundle: &v6::Bundle<'_>) -> Option<Value> {
    let primary = &bundle.primary;
    let eid = |reference| Some(primary.eid(reference).ok()?.to_string());
    let mut request = json!({
        "flags": primary.flags.0,
        "destination": eid(primary.destination)?,
        "source": eid(primary.source)?,
        "report-to": eid(primary.report_to)?,
        "custodian": eid(primary.custodian)?,
        "time": primary.creation.seconds,
        "sequence": primary.creation.sequence,
        "lifetime": primary.lifetime_s,
        "payload": hex(bundle.payload()),
    });
    if let Some(fragment) = primary.fragment {
        request["fragment offset"] = fragment.offset.into();
        request["data unit length"] = fragment.adu_length.into();
    }
    Some(json!({ "build6": request, "octets": hex(&bundle.to_vec()) }))
}

/// The numbers of the primary block, from the flags to the length of the dictionary.
///
/// The length of the block is left out: it is not among the fields of ours.
#[must_use]
pub fn numbers6(bundle: &v6::Bundle<'_>) -> Vec<u64> {
    let primary = &bundle.primary;
    let references = [
        primary.destination,
        primary.source,
        primary.report_to,
        primary.custodian,
    ];
    let mut numbers = vec![primary.flags.0];
    numbers.extend(
        references
            .iter()
            .flat_map(|reference| [reference.scheme, reference.ssp]),
    );
    numbers.extend([
        primary.creation.seconds,
        primary.creation.sequence,
        primary.lifetime_s,
        primary.dictionary.len() as u64,
    ]);
    numbers
}

/// The bundle as pyD3TN writes it: strings are not shared, and the payload is the only block.
///
/// `None` for a bundle with an endpoint ID of another scheme.
#[must_use]
pub fn simplified<'a>(bundle: &'a v6::Bundle<'a>) -> Option<v6::Bundle<'a>> {
    let mut primary = bundle.primary.clone();
    let mut dictionary = Vec::new();
    let mut store = |reference| {
        let eid = bundle.primary.eid(reference).ok()?;
        let mut offset = |text: &str| {
            let offset = dictionary.len() as u64;
            dictionary.extend_from_slice(text.as_bytes());
            dictionary.push(0);
            offset
        };
        Some(v6::EidRef {
            scheme: offset(eid.scheme()),
            ssp: offset(&eid.ssp()),
        })
    };
    primary.destination = store(primary.destination)?;
    primary.source = store(primary.source)?;
    primary.report_to = store(primary.report_to)?;
    primary.custodian = store(primary.custodian)?;
    primary.dictionary = dictionary.into();
    let flags = v6::BlockFlags::LAST;
    let payload = v6::Block::new(v6::BlockType::PAYLOAD, flags, bundle.payload().into());
    Some(v6::Bundle {
        primary,
        blocks: vec![payload],
    })
}

/// The rule that a difference follows, if there is one.
#[must_use]
pub fn explained(case: &Case<'_>, difference: &Difference) -> Option<&'static str> {
    match difference {
        Difference::TheyRefuse(reason) => refusal(case, reason),
        Difference::WeRefuse(Fault::EidMalformed) if case.names_local_node() => {
            Some("pyD3TN: the local node is a node")
        }
        Difference::Field { name, .. } if name == "block types" => case
            .has_block(|block| !matches!(block.kind.0, 1 | 6 | 7 | 10))
            .then_some("pyD3TN: no block types but payload, previous node, age and hop count"),
        Difference::Field { name, .. }
            if name.starts_with("rec") || name.starts_with("report ") =>
        {
            let more = case.is_report(|report| report.assertions.len() > 4);
            (more && case.theirs_field("record") == Some("malformed"))
                .then_some("pyD3TN: no statuses beyond the four of RFC 9171")
        }
        _ => None,
    }
}

fn refusal(case: &Case<'_>, reason: &str) -> Option<&'static str> {
    let rules = [
        (
            ["out of range", "too large", "must have magnitude"]
                .iter()
                .any(|text| reason.contains(text))
                && case.is(|bundle| bundle.primary.creation.time_ms > END_OF_TIME),
            "pyD3TN: time ends with the year 9999",
        ),
        (
            reason.contains("already assigned") && case.has_block(|block| block.number == 0),
            "pyD3TN: block numbers are unique, 0 too",
        ),
    ];
    rules
        .iter()
        .find(|(applies, _)| *applies)
        .map(|(_, rule)| *rule)
}
