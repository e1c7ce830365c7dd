// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generated programs and p4c: accepted without a warning, and with the same P4Info.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use p4gen::Parameters;
use serde_json::{Value, json};
use testbed::{process, verdict::SLOW_PATH_PORT};

use crate::tools::{Finished, Tools};

/// Lines of a compiler's complaint that are printed.
const SHOWN: usize = 10;

/// A generated program and what the reference compiler makes of it.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Name of its files.
    pub(crate) name: String,
    /// Folder of its files.
    pub(crate) folder: PathBuf,
    pub(crate) parameters: Parameters,
    lines: usize,
    parser_states: Value,
    p4test: Option<Finished>,
    bmv2: Option<Bmv2>,
}

/// What p4c's back end for BMv2 has done.
#[derive(Debug)]
struct Bmv2 {
    finished: Finished,
    made: Option<Made>,
}

/// What it has written, if it was content.
#[derive(Debug)]
struct Made {
    json: PathBuf,
    json_octets: usize,
    /// Parser states that the switch has, after inlining.
    parser_states: usize,
    same_p4info: bool,
}

/// Generates a program and compiles it with what is there.
///
/// # Errors
///
/// Files that cannot be written or read, or a program that cannot be started.
pub(crate) fn compile(tools: &Tools, out: &Path, max_payload: u32) -> anyhow::Result<Compiled> {
    let name = format!("payload{max_payload}");
    let folder = out.join(&name);
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    generate(&name, &folder, max_payload)?;
    let source = folder.join(format!("{name}.p4"));
    let text =
        fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let resources = read_json(&folder.join(format!("{name}.resources.json")))?;

    let p4test = match &tools.p4test {
        Some(tool) => Some(tool.run(&[&source], &folder.join("p4test.log"))?),
        None => None,
    };
    let bmv2 = bmv2(tools, &name, &folder, &source)?;
    Ok(Compiled {
        name,
        folder,
        parameters: Parameters {
            max_payload,
            ..Parameters::default()
        },
        lines: text.lines().count(),
        parser_states: resources["parser_states"].clone(),
        p4test,
        bmv2,
    })
}

fn generate(name: &str, folder: &Path, max_payload: u32) -> anyhow::Result<()> {
    let options: [OsString; 10] = [
        "--target".into(),
        "bmv2".into(),
        "--max-payload".into(),
        max_payload.to_string().into(),
        "--slow-path-port".into(),
        SLOW_PATH_PORT.to_string().into(),
        "--name".into(),
        name.into(),
        "-o".into(),
        folder.into(),
    ];
    process::output(&process::sibling("p4gen")?, &options)?;
    Ok(())
}

fn bmv2(tools: &Tools, name: &str, folder: &Path, source: &Path) -> anyhow::Result<Option<Bmv2>> {
    let Some(tool) = &tools.p4c_bm2_ss else {
        return Ok(None);
    };
    let json = folder.join(format!("{name}.json"));
    let p4info = folder.join("p4c.p4info.txtpb");
    let options: [OsString; 7] = [
        "--std".into(),
        "p4-16".into(),
        source.into(),
        "-o".into(),
        (&json).into(),
        "--p4runtime-files".into(),
        (&p4info).into(),
    ];
    let finished = tool.run(&options, &folder.join("p4c-bm2-ss.log"))?;
    let made = if finished.succeeded {
        let read =
            |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let program = read(&json)?;
        let parsed: Value =
            serde_json::from_slice(&program).context("what p4c has written is no JSON")?;
        let ours = read(&folder.join(format!("{name}.p4info.txtpb")))?;
        Some(Made {
            json_octets: program.len(),
            parser_states: parser_states(&parsed),
            same_p4info: read(&p4info)? == ours,
            json,
        })
    } else {
        None
    };
    Ok(Some(Bmv2 { finished, made }))
}

fn parser_states(program: &Value) -> usize {
    program["parsers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|parser| parser["parse_states"].as_array())
        .map(Vec::len)
        .sum()
}

fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
}

impl Compiled {
    /// What BMv2 loads, if it could be made.
    pub(crate) fn json(&self) -> Option<&Path> {
        Some(&self.bmv2.as_ref()?.made.as_ref()?.json)
    }

    /// Whether everything that was checked is right.
    pub(crate) fn good(&self) -> bool {
        let accepted = self.p4test.as_ref().is_none_or(Finished::silent_success);
        let built = self.bmv2.as_ref().is_none_or(|bmv2| {
            bmv2.finished.silent_success()
                && bmv2.made.as_ref().is_some_and(|made| made.same_p4info)
        });
        accepted && built
    }

    /// Says what came out.
    pub(crate) fn print(&self) {
        println!(
            "{}: {} lines, {} parser states",
            self.name, self.lines, self.parser_states
        );
        print_finished("p4test", self.p4test.as_ref());
        print_finished("p4c-bm2-ss", self.bmv2.as_ref().map(|bmv2| &bmv2.finished));
        if let Some(made) = self.bmv2.as_ref().and_then(|bmv2| bmv2.made.as_ref()) {
            println!(
                "  JSON: {} octets, {} parser states; P4Info is {} ours",
                made.json_octets,
                made.parser_states,
                if made.same_p4info {
                    "octet for octet"
                } else {
                    "NOT"
                }
            );
        }
    }

    /// The same for scripts.
    pub(crate) fn report(&self) -> Value {
        let made = self.bmv2.as_ref().and_then(|bmv2| bmv2.made.as_ref());
        let seconds = |finished: &Finished| finished.duration.as_secs_f64();
        json!({
            "name": self.name,
            "max_payload": self.parameters.max_payload,
            "lines": self.lines,
            "parser_states": self.parser_states,
            "p4test_silent": self.p4test.as_ref().map(Finished::silent_success),
            "p4test_seconds": self.p4test.as_ref().map(seconds),
            "p4c_bm2_ss_silent": self.bmv2.as_ref().map(|bmv2| bmv2.finished.silent_success()),
            "p4c_bm2_ss_seconds": self.bmv2.as_ref().map(|bmv2| seconds(&bmv2.finished)),
            "json_octets": made.map(|made| made.json_octets),
            "json_parser_states": made.map(|made| made.parser_states),
            "same_p4info": made.map(|made| made.same_p4info),
        })
    }
}

fn print_finished(tool: &str, finished: Option<&Finished>) {
    let Some(finished) = finished else {
        println!("  {tool}: not checked");
        return;
    };
    let verdict = match (finished.succeeded, finished.said.is_empty()) {
        (true, true) => "accepts it without a warning",
        (true, false) => "accepts it, BUT has something to say",
        (false, _) => "REFUSES it",
    };
    println!(
        "  {tool}: {verdict}, {:.1} s",
        finished.duration.as_secs_f64()
    );
    for line in finished.said.lines().take(SHOWN) {
        println!("    {line}");
    }
}
