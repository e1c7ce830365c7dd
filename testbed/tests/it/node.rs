// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs together: what the fast path cannot finish comes out of the switch translated.
//!
//! Needs the programs of other crates beside the tests: a build of the whole workspace has them.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bundle::{Policy, translate};
use tempfile::TempDir;
use testbed::{
    link::Links,
    process::{self, Process, contents},
    traffic::{Input, Side},
    verdict::SLOW_PATH_PORT,
};

use crate::translator::input;

/// Long enough for a loaded machine; nothing waits that long when all is well.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);
/// Longer payloads are for the slow path.
const MAX_PAYLOAD: usize = 63;

/// A switch with a generated program, its controller, and its node.
struct Site {
    folder: TempDir,
    links: Links,
    _processes: [Process; 3],
}

impl Site {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let out = folder.path().display().to_string();
        let max_payload = MAX_PAYLOAD.to_string();
        let port = SLOW_PATH_PORT.to_string();
        #[rustfmt::skip]
        let options = [
            "--target", "bmv2", "--max-payload", &max_payload, "--slow-path-port", &port,
            "--name", "small", "-o", &out,
        ];
        process::output(&program("p4gen"), &options)?;

        let links = Links::new(&[Side::V6.port(), Side::V7.port()])?;
        let (switch_end, node_end) = (free_address()?, free_address()?);
        let mut options: Vec<String> = ["run", "--grpc-addr", "127.0.0.1:0", "--grpc-addr-file"]
            .map(str::to_owned)
            .into();
        options.push(at("grpc-address").display().to_string());
        options.extend(links.options());
        options.extend([
            "-i".to_owned(),
            format!("{SLOW_PATH_PORT}@udp:{switch_end}={node_end}"),
        ]);
        let mut switch = Process::start(&program("p4switch"), &options, &at("switch.log"))?;
        let address = switch.wait_for("P4Runtime address", DEADLINE, || {
            contents(&at("grpc-address"))
        })?;

        fs::write(
            at("controller.toml"),
            controller_configuration(address.trim()),
        )?;
        fs::write(at("node.toml"), node_configuration(node_end, switch_end))?;
        let controller = start(
            &folder,
            "sddtn-controller",
            &["--config"],
            "controller.toml",
        )?;
        let node = start(&folder, "sddtn-node", &["run"], "node.toml")?;
        Ok(Self {
            folder,
            links,
            _processes: [switch, controller, node],
        })
    }

    /// Sends a frame, and waits for the one that comes out on the other side.
    fn cross(&self, input: &Input) -> Vec<u8> {
        self.links
            .send(input.side.port(), &input.datagram.to_frame())
            .expect("the switch listens");
        let start = Instant::now();
        while let Some((port, frame)) = self.links.receive(DEADLINE.saturating_sub(start.elapsed()))
        {
            if port == input.side.other().port() {
                return frame;
            }
        }
        let logs = ["switch.log", "sddtn-controller.log", "sddtn-node.log"];
        let logs = logs.map(|name| fs::read_to_string(self.folder.path().join(name)));
        panic!("no frame for {}: {logs:#?}", input.origin);
    }
}

/// Starts a daemon, and waits until it says that it is ready.
pub(crate) fn start(
    folder: &TempDir,
    name: &str,
    before: &[&str],
    config: &str,
) -> anyhow::Result<Process> {
    let at = |name: &str| folder.path().join(name);
    let ready = at(&format!("{name}.ready"));
    let mut options: Vec<PathBuf> = before.iter().map(PathBuf::from).collect();
    options.extend([at(config), "--ready-file".into(), ready.clone()]);
    let mut daemon = Process::start(&program(name), &options, &at(&format!("{name}.log")))?;
    daemon.wait_for("ready file", DEADLINE, || ready.exists().then_some(()))?;
    Ok(daemon)
}

/// A program of the workspace. Tests are one folder below them.
pub(crate) fn program(name: &str) -> PathBuf {
    let own = env::current_exe().expect("this program has a path");
    let folder = own.parent().and_then(Path::parent);
    let path = folder.expect("it is in a folder of a folder").join(name);
    assert!(
        path.is_file(),
        "{} is missing: build the whole workspace",
        path.display()
    );
    path
}

/// An address on loopback that nobody uses.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn controller_configuration(address: &str) -> String {
    let ports = [Side::V6, Side::V7].map(Side::port);
    let switch = format!(
        r#"[[switch]]
name = "s1"
target = "sddtn"
address = "{address}"
device_id = 1
election_id = 100
p4info = "small.p4info.txtpb"
device_config = "small.p4"
entries = ["small.entries.json"]
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

fn node_configuration(node: SocketAddr, switch: SocketAddr) -> String {
    let peer = |side: Side| {
        let (network, version, port) = (side.network(), side.version(), side.port());
        format!("\n[[peer]]\nnetwork = \"{network}\"\nspeaks = {version}\nport = {port}\n")
    };
    let link = format!("link = \"udp:{node}={switch}\"\n");
    [link, peer(Side::V6), peer(Side::V7)].concat()
}

/// Version 6, ipn:1.1 to ipn:2.1, with a payload of this length.
pub(crate) fn bundle_6(payload_len: usize) -> Vec<u8> {
    let mut octets =
        b"\x06\x81\x10\x11\x02\x01\x01\x01\x01\x01\x00\x00\x82\xfe\xbb\xfa\x40\x07\x9c\x10\x00"
            .to_vec();
    octets.extend([1, 8]);
    bundle::sdnv::encode(payload_len as u64, &mut octets);
    octets.resize(octets.len() + payload_len, 0x55);
    octets
}

#[test]
fn what_the_fast_path_cannot_finish_comes_out_translated() {
    let site = Site::start().expect("the programs start");
    for payload_len in [MAX_PAYLOAD, MAX_PAYLOAD + 1, 1200] {
        let six = bundle_6(payload_len);
        let seven = translate(&six, &Policy::default()).expect("it is translatable");
        let back = translate(&seven.octets, &Policy::default()).expect("it is translatable");
        for (side, before, after) in [
            (Side::V6, six, seven.octets.clone()),
            (Side::V7, seven.octets, back.octets),
        ] {
            let input = input(side, before);
            let expected = input.datagram.with_payload(after).to_frame();
            assert_eq!(site.cross(&input), expected, "{side:?}, {payload_len}");
        }
    }
}
