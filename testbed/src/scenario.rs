// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A switch between the two sides and its controller, as scenarios start them.

use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;
use bundle::{Reason, ReasonKind};
use serde_json::json;

use crate::{
    link::Links,
    process::{self, Process, contents},
    traffic::Side,
    verdict::SLOW_PATH_PORT,
};

/// Long enough for a loaded machine; nothing waits that long when all is well.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// The only switch of a scenario.
pub const DEVICE_ID: u64 = 1;
/// The ports that a scenario connects.
pub const PORTS: [u16; 3] = [Side::V6.port(), Side::V7.port(), SLOW_PATH_PORT];

/// A generated program, as the controller is told of it. Paths are relative to its configuration.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Kind of switch, as the controller calls it: `sddtn` or `bmv2`.
    pub target: &'a str,
    /// P4Info in text form.
    pub p4info: &'a str,
    /// What the switch loads.
    pub device_config: &'a str,
    /// Entries that `p4gen` has written, and others.
    pub entries: &'a [&'a str],
}

/// Makes a folder without files of an earlier run, which would be taken for answers.
///
/// # Errors
///
/// The folder cannot be made, or a file in it cannot be removed.
pub fn fresh_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for file in ["grpc-address", "ready", "events.jsonl", "switch.log"] {
        let path = folder.join(file);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Starts this project's switch, and returns the address of its P4Runtime server.
///
/// # Errors
///
/// It does not start.
pub fn start_switch(folder: &Path, links: &Links) -> anyhow::Result<(Process, String)> {
    let address_file = folder.join("grpc-address");
    let mut options: Vec<String> = ["run", "--grpc-addr", "127.0.0.1:0", "--grpc-addr-file"]
        .map(str::to_owned)
        .into();
    options.push(address_file.display().to_string());
    options.extend(links.options());
    let path = process::sibling("p4switch")?;
    let mut switch = Process::start(&path, &options, &folder.join("switch.log"))?;
    let address = switch.wait_for("P4Runtime address", DEADLINE, || contents(&address_file))?;
    Ok((switch, address.trim().to_owned()))
}

/// Starts the controller, and waits until the switch at that address is programmed.
///
/// It writes the configuration, the entries that lead refused bundles to the slow path port, and
/// the events of the controller into the folder.
///
/// # Errors
///
/// It does not start, or does not come to an end with the switch.
pub fn start_controller(
    folder: &Path,
    program: &Program<'_>,
    address: &str,
) -> anyhow::Result<Process> {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write("operator.entries.json", operator_entries())?;
    write("controller.toml", configuration(program, address))?;
    let [config, events, ready] =
        ["controller.toml", "events.jsonl", "ready"].map(|name| folder.join(name));
    let options = [
        "--config".as_ref(),
        config.as_os_str(),
        "--events".as_ref(),
        events.as_os_str(),
        "--ready-file".as_ref(),
        ready.as_os_str(),
    ];
    let path = process::sibling("sddtn-controller")?;
    let mut controller = Process::start(&path, &options, &folder.join("controller.log"))?;
    let is_ready = || ready.exists().then_some(());
    controller.wait_for("programmed switch", DEADLINE, is_ready)?;
    Ok(controller)
}

fn configuration(program: &Program<'_>, address: &str) -> String {
    let Program {
        target,
        p4info,
        device_config,
        entries,
    } = program;
    let ports = [Side::V6, Side::V7].map(Side::port);
    let entries = [*entries, &["operator.entries.json"]].concat();
    let switch = format!(
        r#"[[switch]]
name = "s1"
target = "{target}"
address = "{address}"
device_id = {DEVICE_ID}
election_id = 100
p4info = "{p4info}"
device_config = "{device_config}"
entries = {entries:?}
ports = {ports:?}
flood_group = 1
"#
    );
    let peer = |side: Side| {
        let (network, version) = (side.network(), side.version());
        format!("\n[[peer]]\nnetwork = \"{network}\"\nspeaks = {version}\n")
    };
    [switch, peer(Side::V6), peer(Side::V7)].concat()
}

/// Leads refused bundles to the slow path port, too, so that each datagram can be accounted for.
fn operator_entries() -> String {
    let punts: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| reason.kind() != ReasonKind::FastPathLimit)
        .map(|reason| {
            json!({
                "table": "ingress.refusal",
                "match": { "meta.again.reason": reason.code().to_string() },
                "action": "ingress.punt",
                "params": { "port": SLOW_PATH_PORT.to_string() },
            })
        })
        .collect();
    json!({ "tables": punts }).to_string()
}
