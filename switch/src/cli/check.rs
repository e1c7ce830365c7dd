// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4switch check`.

use std::{fs, path::PathBuf};

use clap::ValueEnum;
use switch::{ProgramError, offline::Offline};

use super::{Failure, input, load_source, system, with_source};

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Program to check; `-` is standard input.
    program: PathBuf,
    /// Where to write the P4Info, in protobuf's text format.
    #[arg(long, value_name = "FILE")]
    p4info_out: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

impl Check {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let checked = with_source(&self.program, |source| {
            load_source(source).map_err(|error| part(source).ok_or(error))
        });
        match checked? {
            Ok(program) => self.report(&program),
            Err(Ok(p4info)) => self.report_part(&p4info),
            Err(Err(error)) => {
                if self.format == Format::Json {
                    println!("{}", failure(&error));
                }
                Err(input(error))
            }
        }
    }

    fn write_p4info(&self, text: &str) -> Result<(), Failure> {
        let Some(path) = &self.p4info_out else {
            return Ok(());
        };
        fs::write(path, text)
            .map_err(|error| system(error, &format!("cannot write {}", path.display())))
    }

    /// A part of a program is right as far as it goes, and is nothing to run.
    fn report_part(&self, p4info: &str) -> Result<(), Failure> {
        self.write_p4info(p4info)?;
        if self.format == Format::Json {
            println!("{}", serde_json::json!({ "valid": true, "main": false }));
        } else {
            println!(
                "{}: valid, but only a part of a program: there is no main",
                self.program.display()
            );
        }
        Ok(())
    }

    fn report(&self, program: &Offline) -> Result<(), Failure> {
        self.write_p4info(&program.p4info_text())?;
        let ir = program.pipeline().program();
        let counts = [
            ("parser_states", ir.parser.states.len()),
            ("headers", ir.headers.len()),
            ("tables", ir.tables.len()),
            ("actions", ir.actions.len()),
            ("instructions", program.pipeline().instructions()),
        ];
        if self.format == Format::Json {
            let mut object = serde_json::json!({ "valid": true });
            for (name, count) in counts {
                object[name] = count.into();
            }
            println!("{object}");
        } else {
            let parts = counts.map(|(name, count)| format!("{count} {}", name.replace('_', " ")));
            println!("{}: valid: {}", self.program.display(), parts.join(", "));
        }
        Ok(())
    }
}

/// The P4Info of a text that has no `main`, and nothing else that is wrong.
fn part(source: &p4::Source<'_>) -> Option<String> {
    let (p4info, warnings) = p4::interface(source).ok()?;
    eprint!("{warnings}");
    Some(p4info.to_text())
}

fn failure(error: &ProgramError) -> serde_json::Value {
    let diagnostics = match error {
        ProgramError::Diagnostics(diagnostics) => diagnostics,
        other => {
            let message = other.to_string();
            return serde_json::json!({ "valid": false, "diagnostics": [{ "message": message }] });
        }
    };
    let list = diagnostics.list.iter().map(|one| {
        let position = diagnostics.sources.position(one.span);
        let file = diagnostics
            .sources
            .file(one.span.file)
            .map_or("", |file| &file.name);
        serde_json::json!({
            "severity": format!("{:?}", one.severity).to_lowercase(),
            "message": one.message,
            "label": one.label,
            "help": one.help,
            "file": file,
            "line": position.line,
            "column": position.column,
        })
    });
    let list: Vec<_> = list.collect();
    serde_json::json!({
        "valid": false,
        "diagnostics": list,
        "suppressed": diagnostics.suppressed,
    })
}
