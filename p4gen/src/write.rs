// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4gen --target ...`: a program and what belongs to it, as files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::ValueEnum;
use p4gen::{Parameters, Report, Target, UdpPorts, entries};

use crate::{Failure, Status, profile::ProfileArg};

/// Options of the generator.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the program runs.
    #[arg(long, required = true, value_enum)]
    target: Option<TargetName>,
    /// Longest payload that the program carries, in octets; a longer one takes the slow path.
    #[arg(long, required = true, value_name = "OCTETS")]
    max_payload: Option<u32>,
    /// Most extension blocks of a bundle; one with more takes the slow path.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    max_blocks: u32,
    /// Longest name of a dtn endpoint, in octets; a longer one takes the slow path.
    #[arg(long, value_name = "OCTETS", default_value_t = 64)]
    max_eid: u32,
    #[command(flatten)]
    profile: ProfileArg,
    /// UDP port of the convergence layer; may be given several times.
    #[arg(long, value_name = "PORT", default_values_t = [4556])]
    udp_port: Vec<u16>,
    /// Port of the switch that leads to the slow path; without it, what the program cannot
    /// finish is dropped and counted.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(0..=510))]
    slow_path_port: Option<u16>,
    /// Name of the files, without ending.
    #[arg(long, default_value = "bundle_translator")]
    name: String,
    /// Folder to write to; it is made if it is missing.
    #[arg(short, long, required = true, value_name = "DIR")]
    output: Option<PathBuf>,
    /// How to print the resource report.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TargetName {
    Bmv2,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Args {
    /// Writes the files and prints the resource report.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let (Some(TargetName::Bmv2), Some(max_payload), Some(output)) =
            (self.target, self.max_payload, &self.output)
        else {
            unreachable!("clap requires these options where there is no subcommand");
        };
        let parameters = Parameters {
            target: Target::Bmv2,
            profile: self.profile.profile,
            max_payload,
            max_blocks: self.max_blocks,
            max_eid: self.max_eid,
            udp_ports: UdpPorts::new(&self.udp_port)
                .map_err(|error| Failure::new(Status::CommandLine, error))?,
        };
        let text = p4gen::generate(parameters)
            .map_err(|error| Failure::new(Status::CommandLine, error))?;
        let name = format!("{}.p4", self.name);
        let source = p4::Source {
            name: &name,
            text: &text,
            ..p4::Source::default()
        };
        let program = p4::compile(&source).map_err(|diagnostics| {
            let error = anyhow::anyhow!("{diagnostics}")
                .context("the front end does not accept the generated program");
            Failure::new(Status::InputAtFault, error)
        })?;
        let report = Report::new(parameters, &text, &program);
        self.write_files(output, &text, &program, &report)
            .map_err(|error| Failure::new(Status::FilesOrNetwork, error))?;
        match self.format {
            Format::Text => print!("{report}"),
            Format::Json => println!("{}", report.to_json()),
        }
        Ok(())
    }

    fn write_files(
        &self,
        folder: &Path,
        text: &str,
        program: &p4::ir::Program,
        report: &Report,
    ) -> anyhow::Result<()> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let entries = serde_json::to_string_pretty(&entries(self.slow_path_port))
            .context("cannot write the entries as JSON")?;
        for (ending, contents) in [
            ("p4", text),
            ("p4info.txtpb", &program.p4info.to_text()),
            ("entries.json", &(entries + "\n")),
            ("resources.json", &(report.to_json() + "\n")),
        ] {
            let path = folder.join(format!("{}.{ending}", self.name));
            fs::write(&path, contents)
                .with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
        Ok(())
    }
}
