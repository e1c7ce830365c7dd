// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4switch trace`.

use std::path::PathBuf;

use switch::{DropReason, filter::Filter, ports::pcap, trace, traffic::Sink};

use super::{Failure, load_with, system};

/// Time between the packets of a capture for counters and timestamps, in nanoseconds.
const STEP_NS: usize = 1_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Trace {
    /// Program to run; `-` is standard input.
    program: PathBuf,
    /// Entries to install first, in JSON; may be given several times.
    #[arg(long, value_name = "FILE")]
    entries: Vec<PathBuf>,
    /// Capture with the packets.
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
    /// Port that the packets come in on.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    port: u32,
    /// Show only packets that this accepts, for example `ip.dst=10.0.0.0/8 and not udp=53`; all run.
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,
    /// Where to write the packets that leave, on whatever port.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Trace {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut program = load_with(&self.program, &self.entries)?;
        let frames = pcap::read(&self.pcap)
            .map_err(|error| system(error, &format!("cannot read {}", self.pcap.display())))?;
        let mut sink = Capture {
            output: None,
            failed: None,
        };
        if let Some(path) = &self.output {
            let output = pcap::Output::create(path)
                .map_err(|error| system(error, &format!("cannot write {}", path.display())))?;
            sink.output = Some(output);
        }
        for (number, (frame, now_ns)) in frames.iter().zip((0..).step_by(STEP_NS)).enumerate() {
            let recorder = program.run(self.port, frame, now_ns, &mut sink);
            let port = self.port;
            if self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.accepts(port, frame))
            {
                println!("#{}", number + 1);
                print!("{}", trace::render(program.pipeline().program(), &recorder));
            }
        }
        match sink.failed {
            None => Ok(()),
            Some(error) => Err(system(error, "cannot write the output")),
        }
    }
}

/// Writes what leaves to a capture.
struct Capture {
    output: Option<pcap::Output>,
    failed: Option<std::io::Error>,
}

impl Sink for Capture {
    fn transmit(&mut self, _: u32, packet: &[u8]) {
        let written = self
            .output
            .as_ref()
            .map_or(Ok(()), |output| output.write(packet));
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }

    fn digest(&mut self, _: usize, _: &[u64]) {}

    fn drop(&mut self, _: DropReason) {}
}
