// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files that the controller writes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use control::{core::Sample, supervise::Samples};
use p4rt::{
    Bits,
    value::{Format, print},
};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tracing::error;

use crate::neighbours::Heard;

/// Where samples go: one JSON object a line. A full queue drops samples and counts them.
#[derive(Clone, Debug)]
pub(crate) struct EventLog {
    lines: Option<mpsc::Sender<String>>,
    dropped: Arc<AtomicU64>,
}

/// Lines that wait for the disk.
const QUEUE: usize = 4096;

impl EventLog {
    /// A log that keeps nothing.
    pub(crate) fn disabled() -> Self {
        Self {
            lines: None,
            dropped: Arc::default(),
        }
    }

    /// Opens the file to append to it. Returns the log and the thread that writes; the thread ends
    /// when the last clone of the log is gone.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, thread::JoinHandle<()>)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || {
                if let Err(error) = write_lines(file, receiver) {
                    error!(reason = %error, "the event file cannot be written any more");
                }
            })?;
        Ok((
            Self {
                lines: Some(sender),
                dropped: Arc::default(),
            },
            writer,
        ))
    }

    /// Samples that were not kept.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Samples for EventLog {
    /// Keeps a sample, stamped with the time of its arrival: switches have clocks of their own.
    fn record(&self, switch: &str, sample: &Sample) {
        let Some(lines) = &self.lines else { return };
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let time_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let line = event_line(time_ms, switch, sample);
        if lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Keeps samples, and passes on what they tell of neighbours.
#[derive(Debug)]
pub(crate) struct Ears {
    log: EventLog,
    heard: mpsc::Sender<Heard>,
}

impl Ears {
    /// Samples go to this log, and neighbours to the receiver.
    pub(crate) fn new(log: EventLog) -> (Self, mpsc::Receiver<Heard>) {
        let (heard, receiver) = mpsc::channel(HEARD);
        (Self { log, heard }, receiver)
    }
}

impl Samples for Ears {
    fn record(&self, switch: &str, sample: &Sample) {
        self.log.record(switch, sample);
        if let Some(heard) = Heard::of(switch, sample) {
            // One that does not fit is like a bundle that was not sent: there will be others.
            let _ = self.heard.try_send(heard);
        }
    }
}

/// Bundles that wait to be learned from.
const HEARD: usize = 256;

fn write_lines(mut file: File, mut lines: mpsc::Receiver<String>) -> io::Result<()> {
    while let Some(line) = lines.blocking_recv() {
        // Whole lines in one call each, so that readers never see half of one.
        file.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn event_line(time_ms: u64, switch: &str, sample: &Sample) -> String {
    let mut fields = Map::new();
    for (name, width_bits, bits, shown) in &sample.members {
        // Addresses stay texts, and so do numbers that JSON readers would round.
        let decimal = print(bits, Format::Decimal) == *shown && *width_bits <= 64;
        let number = bits.to_uint().and_then(|number| u64::try_from(number).ok());
        let value = number.filter(|number| decimal && *number < MAX_EXACT);
        let name_of_endpoint = (name.ends_with("_name") && *width_bits > 64)
            .then(|| endpoint_name(bits))
            .flatten();
        let value = name_of_endpoint.map(Value::from).or(value.map(Value::from));
        fields.insert(name.clone(), value.unwrap_or_else(|| shown.clone().into()));
    }
    let line = json!({
        "time_ms": time_ms,
        "switch": switch,
        "digest": sample.digest,
        "fields": fields,
    });
    format!("{line}\n")
}

/// The name of an endpoint, whose octets are the digits of a wide number. Empty if it is zero.
fn endpoint_name(bits: &Bits) -> Option<String> {
    if bits.is_zero() {
        return Some(String::new());
    }
    let name = str::from_utf8(bits.as_bytes()).ok()?;
    name.chars()
        .all(|char| char.is_ascii_graphic())
        .then(|| name.to_owned())
}

/// Numbers below this survive readers that keep all numbers as floating point.
const MAX_EXACT: u64 = 1 << 53;

/// Replaces a file in one step, so that whoever waits for it finds it complete.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use contact::UtcTime;

    use super::*;

    #[test]
    fn numbers_are_exact_and_addresses_texts() {
        let member = |name: &str, width_bits, number: u128, format| {
            let bits = Bits::from(number);
            let shown = print(&bits, format);
            (name.to_owned(), width_bits, bits, shown)
        };
        let sample = Sample {
            digest: "bundle_report_t".to_owned(),
            at: UtcTime::default(),
            members: vec![
                member("version", 8, 7, Format::Decimal),
                member("large", 64, u128::from(u64::MAX), Format::Decimal),
                member("ipv4_src", 32, 0x0a00_0001, Format::Ipv4),
                member("source_name", 512, 0x2f2f_612f, Format::Hex),
                member("destination_name", 512, 0, Format::Hex),
            ],
        };
        assert_eq!(
            event_line(1, "s1", &sample),
            "{\"digest\":\"bundle_report_t\",\"fields\":{\"destination_name\":\"\",\
             \"ipv4_src\":\"10.0.0.1\",\"large\":\"18446744073709551615\",\
             \"source_name\":\"//a/\",\"version\":7},\"switch\":\"s1\",\"time_ms\":1}\n"
        );
    }
}
