// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes the seeds of every target: `cargo run -p fuzz --example seeds -- TESTDATA CORPUS`.
//!
//! An example and not a program: all programs of this package are built with coverage counters.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use fuzz::{TARGETS, seeds::Bundles};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [testdata, corpus] = &arguments[..] else {
        eprintln!("usage: seeds TESTDATA CORPUS");
        return ExitCode::from(2);
    };
    match run(testdata, corpus) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seeds: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(testdata: &Path, corpus: &Path) -> anyhow::Result<()> {
    let bundles = Bundles::read(testdata)?;
    for target in TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let seeds = (target.seeds)(&bundles);
        for (index, seed) in seeds.iter().enumerate() {
            let file = folder.join(format!("seed-{index:05}"));
            fs::write(&file, seed).with_context(|| format!("cannot write {}", file.display()))?;
        }
        println!("{}: {} seeds", target.name, seeds.len());
    }
    Ok(())
}
