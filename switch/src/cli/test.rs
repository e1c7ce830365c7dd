// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4switch test`.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use switch::{
    stf::{Report, Script, play},
    trace,
};

use super::{Failure, input, load, read};

#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Tests to run.
    #[arg(required = true, value_name = "FILE.stf")]
    tests: Vec<PathBuf>,
    /// Program to test; without it, each FILE.stf tests FILE.p4.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Show what happens to each packet.
    #[arg(long)]
    trace: bool,
}

impl Test {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut failed = 0;
        for path in &self.tests {
            match self.one(path)? {
                Ok(report) if report.passed() => {
                    println!("ok     {} ({} packets)", path.display(), report.matched);
                }
                Ok(report) => {
                    failed += 1;
                    println!("FAILED {}", path.display());
                    for failure in &report.failures {
                        println!("       {failure}");
                    }
                }
                Err(error) => {
                    failed += 1;
                    println!("FAILED {}: {error:#}", path.display());
                }
            }
        }
        let all = self.tests.len();
        println!("{} of {all} tests passed", all - failed);
        if failed > 0 {
            return Err(input(anyhow!("{failed} of {all} tests failed")));
        }
        Ok(())
    }

    /// Runs one test; the outer error is about files, the inner one about what is in them.
    fn one(&self, path: &Path) -> Result<anyhow::Result<Report>, Failure> {
        let text = read(path)?;
        let source = self.program.clone();
        let source = source.unwrap_or_else(|| path.with_extension("p4"));
        let loaded = load(&source)?;
        Ok((|| {
            let script = Script::parse(std::str::from_utf8(&text)?)?;
            let mut program = loaded?;
            let report = play(&mut program, &script);
            if self.trace {
                for (number, record) in report.records.iter().enumerate() {
                    println!("#{}", number + 1);
                    print!("{}", trace::render(program.pipeline().program(), record));
                }
            }
            Ok(report)
        })())
    }
}
