// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How fast whole switches are: this project's and BMv2, with the same programs, entries and
//! frames, through pairs of virtual Ethernet interfaces in a network namespace of their own.

use std::{
    env,
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use p4rt::client::Pipeline;
use serde::{Deserialize, Serialize};

use super::{
    Options,
    bmv2::Bmv2,
    control::{self, DEVICE_ID},
    load::{Depth, load},
    process::Process,
    scenario::{self, Scenario},
    veth::{self, Wires},
};

/// What is measured of the whole switches.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) program: String,
    pub(crate) switch: String,
    pub(crate) cores: usize,
    /// Time of a core for a frame, in nanoseconds.
    pub(crate) ns_each: f64,
    /// Frames that leave in a second.
    pub(crate) rate: f64,
}

/// Name of this project's switch in the table.
pub(crate) const OURS: &str = "`p4switch`";

/// Name of the reference switch in the table.
pub(crate) const BMV2: &str = "BMv2";

/// What BMv2 takes: it reads a port through a ring of libpcap, 2 MiB of slots for 64 KiB each, and
/// loses what does not fit. This much keeps it busy, and none is lost.
const SHALLOW: Depth = Depth {
    burst: 8,
    window: 24,
};

/// What keeps a faster switch busy.
const DEEP: Depth = Depth {
    burst: 32,
    window: 256,
};

/// Measures in a new namespace, which ends with the process that is started in it.
///
/// # Errors
///
/// There can be no namespace (it needs root), or something fails in it.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let own = env::current_exe().context("cannot find the path of this program")?;
    let output = Command::new("unshare")
        .arg("--net")
        .arg(own)
        .arg("--in-namespace")
        .args(options.pass_on())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start unshare")?;
    ensure!(
        output.status.success(),
        "measuring in a namespace, which needs root, ended with {}",
        output.status
    );
    let text = String::from_utf8(output.stdout).context("rows are text")?;
    let rows = text.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>().context("a row is no row")
}

/// What the process in the namespace does. It writes a line of JSON for each row.
///
/// # Errors
///
/// A switch does not start, or does something else than the engine.
pub(crate) fn measure_here(options: &Options) -> anyhow::Result<()> {
    veth::set_up()?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let bmv2 = Bmv2::find();
    let mut compiled = (String::new(), Vec::new());
    for make in scenario::ALL {
        if !make.name.contains(&options.only) {
            continue;
        }
        let scenario = (make.make)(options.translator.as_deref())
            .with_context(|| format!("cannot prepare {}", make.name))?;
        let lab = Lab {
            name: make.name,
            scenario: &scenario,
            expected: scenario.outputs()?,
            folder: folder.path(),
            time: options.time(),
        };
        if let Some(bmv2) = &bmv2 {
            // Both directions of the translator are one program, which takes a minute to compile.
            if compiled.0 != scenario.text {
                let json = bmv2.compile(folder.path(), &scenario.text)?;
                compiled = (scenario.text.clone(), json);
            }
        }
        for cores in [1, 2] {
            lab.report(cores, OURS, scenario.text.as_bytes(), || lab.ours(cores))?;
            if let Some(bmv2) = &bmv2 {
                let log = folder.path().join("bmv2.log");
                let start = || bmv2.start(cores, DEVICE_ID, &veth::ports(), &log);
                lab.report(cores, BMV2, &compiled.1, start)?;
            }
        }
    }
    Ok(())
}

/// One scenario, on any switch.
struct Lab<'a> {
    name: &'static str,
    scenario: &'a Scenario,
    expected: Vec<(u32, Vec<u8>)>,
    folder: &'a Path,
    time: Duration,
}

impl Lab<'_> {
    /// Measures a switch and writes its row.
    fn report(
        &self,
        cores: usize,
        switch: &str,
        device_config: &[u8],
        start: impl FnOnce() -> anyhow::Result<(Process, String)>,
    ) -> anyhow::Result<()> {
        eprintln!("{}, {switch}, {cores} cores", self.name);
        let (mut process, address) = start()?;
        let (ns_each, rate) = self
            .run(&mut process, switch, &address, device_config)
            .with_context(|| format!("{switch} said:\n{}", process.log_tail()))
            .with_context(|| format!("cannot measure {switch} with {}", self.name))?;
        let row = Row {
            program: self.name.to_owned(),
            switch: switch.to_owned(),
            cores,
            ns_each,
            rate,
        };
        println!("{}", serde_json::to_string(&row)?);
        Ok(())
    }

    fn ours(&self, cores: usize) -> anyhow::Result<(Process, String)> {
        let own = env::current_exe().context("cannot find the path of this program")?;
        let program = own.with_file_name("p4switch");
        ensure!(
            program.is_file(),
            "{} is missing: run `make build`",
            program.display()
        );
        let file = self.folder.join("grpc-address");
        // The file of the switch before would be taken for an answer.
        _ = fs::remove_file(&file);
        let mut args: Vec<OsString> = ["run", "--grpc-addr", "127.0.0.1:0", "--grpc-addr-file"]
            .map(OsString::from)
            .into();
        args.push((&file).into());
        for (number, interface) in veth::ports() {
            args.extend(["-i".into(), format!("{number}@{interface}").into()]);
        }
        let log = self.folder.join("p4switch.log");
        let mut process = Process::start(cores, &program, &args, &log)?;
        let address = process.wait_for("address of p4switch", |_| {
            let text = fs::read_to_string(&file).ok()?;
            Some(text.trim().to_owned())
        })?;
        Ok((process, address))
    }

    /// The best of three rounds: what else the machine does only makes frames slower.
    #[expect(clippy::cast_precision_loss, reason = "six digits are enough")]
    fn run(
        &self,
        process: &mut Process,
        switch: &str,
        address: &str,
        device_config: &[u8],
    ) -> anyhow::Result<(f64, f64)> {
        let pipeline = Pipeline {
            p4info: self.scenario.program.p4info().clone(),
            device_config: device_config.to_vec(),
        };
        control::program(address, &pipeline, &self.scenario.updates()?)?;
        if switch == OURS && self.scenario.program.pipeline().gains_from_machine_code() {
            let compiled = |log: &str| log.contains("machine code").then_some(());
            process.wait_for("machine code", compiled)?;
        }
        let mut wires = Wires::open()?;
        wires.compare(&self.scenario.packets, &self.expected)?;
        drop(wires);
        let depth = if switch == OURS { DEEP } else { SHALLOW };
        let (mut ns_each, mut rate) = (f64::INFINITY, 0_f64);
        for _ in 0..3 {
            let before = process.worked()?;
            let flow = load(&self.scenario.packets, self.time / 3, depth)?;
            let worked = process.worked()?.saturating_sub(before);
            let frames = flow.frames as f64;
            ns_each = ns_each.min(worked.as_nanos() as f64 / frames);
            rate = rate.max(frames / flow.elapsed.as_secs_f64());
        }
        Ok((ns_each, rate))
    }
}
