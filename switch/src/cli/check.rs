// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4switch check`.

use std::{fs, path::PathBuf};

use clap::ValueEnum;
use switch::{ProgramError, offline::Offline};

use super::{Failure, input, load, system};

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
        match load(&self.program)? {
            Ok(program) => self.report(&program),
            Err(error) => {
                if self.format == Format::Json {
                    println!("{}", failure(&error));
                }
                Err(input(error))
            }
        }
    }

    fn report(&self, program: &Offline) -> Result<(), Failure> {
        if let Some(path) = &self.p4info_out {
            let text = program.p4info_text();
            fs::write(path, text)
                .map_err(|error| system(error, &format!("cannot write {}", path.display())))?;
        }
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
