// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the user gives: captures, files with one bundle, or hexadecimal digits.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;

use crate::capture::{self, Format};
use crate::failure::Failure;
use crate::framing::{self, Found, Framing, Ports};

/// Where bundles come from, and which of them are meant.
#[derive(Debug, clap::Args)]
pub(crate) struct Input {
    /// Capture (pcap, pcapng), file with one bundle, hexadecimal digits, or `-` for standard input.
    #[arg(required = true, value_name = "FILE|HEX|-")]
    inputs: Vec<String>,
    /// Only bundles that this frame completes; may be repeated.
    #[arg(short, long, value_name = "N")]
    frame: Vec<u64>,
    /// Port that carries bundles, over UDP, TCPCL or STCP; may be repeated.
    #[arg(short, long, value_name = "PORT", default_values_t = [4556, 4557])]
    port: Vec<u16>,
    /// Port of LTP over UDP; may be repeated.
    #[arg(long, value_name = "PORT", default_values_t = [1113])]
    ltp_port: Vec<u16>,
}

/// A bundle, and where it was found.
#[derive(Debug)]
pub(crate) struct Item {
    /// The file, if there is one.
    pub(crate) file: Option<String>,
    /// Its place among the bundles of its file, from 1.
    pub(crate) index: usize,
    /// How it travelled, if it comes from a capture.
    pub(crate) captured: Option<Captured>,
    pub(crate) octets: Vec<u8>,
}

/// How a bundle of a capture travelled.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) frame: u64,
    /// Microseconds since 1970.
    pub(crate) time_us: Option<u64>,
    pub(crate) layer: framing::Layer,
    pub(crate) path: framing::Path,
}

impl Item {
    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        let file = self.file.as_deref().unwrap_or("argument");
        match &self.captured {
            Some(captured) => format!("{file}, frame {}", captured.frame),
            None if self.index > 1 => format!("{file}, bundle {}", self.index),
            None => file.to_owned(),
        }
    }
}

impl Input {
    /// Every bundle, in the order of the arguments. What could not be read is told on standard error.
    pub(crate) fn read(&self) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        let mut digits = Vec::new();
        for input in &self.inputs {
            if input == "-" {
                let mut octets = Vec::new();
                io::stdin()
                    .read_to_end(&mut octets)
                    .context("cannot read standard input")
                    .map_err(Failure::System)?;
                self.read_octets("standard input", &octets, &mut items)?;
            } else if Path::new(input).exists() {
                let octets = fs::read(input)
                    .with_context(|| format!("cannot read {input}"))
                    .map_err(Failure::System)?;
                self.read_octets(input, &octets, &mut items)?;
            } else if from_hex(input).is_some() {
                digits.push(input.as_str());
            } else {
                let error = anyhow::anyhow!(
                    "{input}: no such file, and not an even number of hexadecimal digits"
                );
                return Err(Failure::System(error));
            }
        }
        if !digits.is_empty() {
            push(None, from_lines(&digits), &mut items);
        }
        self.select(items)
    }

    fn read_octets(&self, file: &str, octets: &[u8], items: &mut Vec<Item>) -> Result<(), Failure> {
        if let Some(format) = Format::of(octets) {
            return self.read_capture(file, octets, format, items);
        }
        let bundles = match text_lines(octets) {
            Some(lines) => {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                from_lines(&lines)
            }
            None => framing::split(octets).collect(),
        };
        if bundles.is_empty() {
            let error = anyhow::anyhow!("{file} is empty: there is no bundle in it");
            return Err(Failure::Input(error));
        }
        push(Some(file), bundles, items);
        Ok(())
    }

    fn read_capture(
        &self,
        file: &str,
        octets: &[u8],
        format: Format,
        items: &mut Vec<Item>,
    ) -> Result<(), Failure> {
        let mut framing = Framing::new(Ports {
            bundles: self.port.clone(),
            ltp: self.ltp_port.clone(),
        });
        let cut = capture::frames(octets, format, |frame| framing.take(&frame))
            .with_context(|| format!("cannot read {file}"))
            .map_err(Failure::System)?;
        let (found, mut notices) = framing.finish();
        if cut {
            notices.push("the capture ends inside a frame".to_owned());
        }
        if found.is_empty() {
            notices.push(format!(
                "no bundles on ports {:?} nor in LTP on ports {:?}; --port and --ltp-port choose others",
                self.port, self.ltp_port
            ));
        }
        for notice in notices {
            eprintln!("bpdump: {file}: {notice}");
        }
        for (place, found) in found.into_iter().enumerate() {
            items.push(captured(file, place + 1, found));
        }
        Ok(())
    }

    fn select(&self, mut items: Vec<Item>) -> Result<Vec<Item>, Failure> {
        if self.frame.is_empty() {
            return Ok(items);
        }
        let frame = |item: &Item| item.captured.as_ref().map(|captured| captured.frame);
        items.retain(|item| frame(item).is_some_and(|frame| self.frame.contains(&frame)));
        if items.is_empty() {
            let error = anyhow::anyhow!(
                "no bundle ends in frame {:?}; `bpdump show --brief` lists the frames that have one",
                self.frame
            );
            return Err(Failure::Input(error));
        }
        Ok(items)
    }
}

fn captured(file: &str, index: usize, found: Found) -> Item {
    let microseconds = |time: std::time::Duration| u64::try_from(time.as_micros()).ok();
    Item {
        file: Some(file.to_owned()),
        index,
        captured: Some(Captured {
            frame: found.frame,
            time_us: found.time.and_then(microseconds),
            layer: found.layer,
            path: found.path,
        }),
        octets: found.octets,
    }
}

fn push(file: Option<&str>, bundles: Vec<Vec<u8>>, items: &mut Vec<Item>) {
    for (place, octets) in bundles.into_iter().enumerate() {
        items.push(Item {
            file: file.map(str::to_owned),
            index: place + 1,
            captured: None,
            octets,
        });
    }
}

/// The lines of a text of hexadecimal digits, without remarks behind `#`. `None` if it is no such
/// text.
fn text_lines(octets: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(octets).ok()?;
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    let all_digits = lines.iter().all(|line| {
        let mut others = digits(line).filter(|digit| !digit.is_ascii_hexdigit());
        others.next().is_none()
    });
    (all_digits && !lines.is_empty()).then_some(lines)
}

/// The bundles in lines of digits: one in each line if every line is complete, otherwise one in all.
fn from_lines(lines: &[&str]) -> Vec<Vec<u8>> {
    let each: Option<Vec<Vec<u8>>> = lines.iter().map(|line| from_hex(line)).collect();
    let complete = |octets: &Vec<u8>| framing::after_first(octets).is_some_and(<[u8]>::is_empty);
    match each {
        Some(bundles) if bundles.iter().all(complete) => bundles,
        _ => from_hex(&lines.concat()).into_iter().collect(),
    }
}

/// The digits of a text, without what people put between them.
fn digits(text: &str) -> impl Iterator<Item = char> {
    let words = text.split([' ', '\t', ':', ',']);
    words.flat_map(|word| word.strip_prefix("0x").unwrap_or(word).chars())
}

/// The octets that hexadecimal digits stand for.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = digits(text)
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        })
        .collect();
    let digits = digits?;
    let pairs = digits.as_chunks::<2>();
    let even = pairs.1.is_empty() && !pairs.0.is_empty();
    even.then(|| pairs.0.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::{from_hex, from_lines};

    #[test]
    fn digits_as_people_write_them() {
        let expected = Some(vec![0x9f, 0x88, 7]);
        for text in [
            "9f8807",
            "0x9f8807",
            "9F 88 07",
            "9f:88:07",
            "0x9f, 0x88, 0x07",
        ] {
            assert_eq!(from_hex(text), expected, "{text}");
        }
        for text in ["", "9", "9g", "hello"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }

    /// Wrapped digits are one bundle. Complete bundles are one each.
    #[test]
    fn lines_of_digits() {
        assert_eq!(from_lines(&["9f", "88", "07"]), [[0x9f, 0x88, 7]]);
        let whole = "0681101102010101010100008394d2e15701822c0001090100";
        assert_eq!(from_lines(&[whole, whole]).len(), 2);
    }
}
