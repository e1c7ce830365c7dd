// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs together: what the fast path cannot finish comes out of the switch translated.
//!
//! Needs the programs of other crates beside the tests: a build of the whole workspace has them.

use std::{
    net::SocketAddr,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bundle::{Policy, sdnv, translate};
use tempfile::TempDir;
use testbed::{
    process::Process,
    scenario::DEADLINE,
    stage::Stage,
    traffic::{Input, Side},
};

use crate::translator::input;

/// Longer payloads are for the slow path.
const MAX_PAYLOAD: usize = 63;

/// A switch with a generated program, its controller, and its node.
struct Site {
    _folder: TempDir,
    stage: Stage,
    _processes: [Process; 3],
}

impl Site {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut stage = Stage::new(folder.path(), "small", MAX_PAYLOAD)?;
        let switch = stage.start_switch()?;
        stage.write(
            "controller.toml",
            &controller_configuration(stage.grpc(), "small"),
        )?;
        let node = node_configuration(stage.node_end, stage.switch_end);
        stage.write("node.toml", &node)?;
        let controller =
            stage.start_daemon("sddtn-controller", &["--config"], "controller.toml")?;
        let node = stage.start_daemon("sddtn-node", &["run"], "node.toml")?;
        Ok(Self {
            _folder: folder,
            stage,
            _processes: [switch, controller, node],
        })
    }

    /// Sends a frame, and waits for the one that comes out on the other side.
    fn cross(&self, input: &Input) -> Vec<u8> {
        let links = &self.stage.links;
        links
            .send(input.side.port(), &input.datagram.to_frame())
            .expect("the switch listens");
        let start = Instant::now();
        while let Some((port, frame)) = links.receive(DEADLINE.saturating_sub(start.elapsed())) {
            if port == input.side.other().port() {
                return frame;
            }
        }
        panic!("no frame for {}\n{}", input.origin, self.stage.logs());
    }
}

/// A translator of this name between the two sides.
pub(crate) fn controller_configuration(address: &str, name: &str) -> String {
    let ports = [Side::V6, Side::V7].map(Side::port);
    let switch = format!(
        r#"[[switch]]
name = "s1"
target = "sddtn"
address = "{address}"
device_id = 1
election_id = 100
p4info = "{name}.p4info.txtpb"
device_config = "{name}.p4"
entries = ["{name}.entries.json"]
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

/// Version 6, ipn:1.1 to ipn:2.1, with a payload of this length. It lives for an hour from now.
pub(crate) fn bundle_6(payload_len: usize) -> Vec<u8> {
    bundle_6_to(2, payload_len)
}

/// The same for another node.
pub(crate) fn bundle_6_to(node: u8, payload_len: usize) -> Vec<u8> {
    const TO_2000: u64 = 946_684_800;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let created = since.expect("it is later than 1970").as_secs() - TO_2000;
    // Destination, source, reports, custodian, creation time and sequence, lifetime, dictionary.
    let mut fields = vec![node, 1, 1, 1, 1, 1, 0, 0];
    for value in [created, 7, 3600, 0] {
        sdnv::encode(value, &mut fields);
    }
    let mut octets = b"\x06\x81\x10".to_vec();
    sdnv::encode(fields.len() as u64, &mut octets);
    octets.extend(fields);
    octets.extend([1, 8]);
    sdnv::encode(payload_len as u64, &mut octets);
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
