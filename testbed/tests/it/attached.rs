// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Nodes attach to the controller that has their cluster, with certificates.
//!
//! Needs the programs of other crates beside the tests: a build of the whole workspace has them.

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;
use testbed::{
    http,
    process::contents,
    scenario::DEADLINE,
    stage::{Stage, free_tcp_address},
};

fn pem(name: &str) -> String {
    format!("{}/../testdata/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn is_connected(stage: &Stage) -> bool {
    let ready = contents(&stage.path("sddtn-controller.ready")).expect("the controller is ready");
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    let api = ready["api"].as_str().expect("an address");
    let nodes = http::request(api, "GET", "/v1/nodes").expect("the controller answers");
    let nodes: Value = serde_json::from_str(&nodes).expect("JSON");
    nodes[0]["connected"] == true
}

fn wait(stage: &Stage, what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "no {what}\n{}", stage.logs());
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn nodes_attach_with_certificates() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut stage = Stage::new(folder.path(), "relay", 63).expect("the program is written");
    let _switch = stage.start_switch().expect("the switch starts");
    let nodes = free_tcp_address().expect("a free port");
    let [ca, server, server_key, own, own_key, foreign, foreign_key] = [
        "ca.pem",
        "switch.pem",
        "switch.key",
        "controller.pem",
        "controller.key",
        "intruder.pem",
        "intruder.key",
    ]
    .map(pem);
    let more = format!(
        "[api]\nlisten = \"127.0.0.1:0\"\n[distribution]\nlisten = \"{nodes}\"\n\
         tls = {{ certificate = \"{server}\", key = \"{server_key}\", clients = \"{ca}\" }}\n"
    );
    stage
        .write("plan.ionrc", "")
        .expect("the folder is writable");
    let config = stage.relay("", &more);
    stage
        .write("controller.toml", &config)
        .expect("the folder is writable");
    let controller = stage.start_daemon("sddtn-controller", &["--config"], "controller.toml");
    let _controller = controller.unwrap_or_else(|error| panic!("{error:#}"));
    let (node_end, switch_end, grpc) = (stage.node_end, stage.switch_end, stage.grpc());
    let start = |tls: &str| {
        // The first controller of the list is not there.
        let text = format!(
            "link = \"udp:{node_end}={switch_end}\"\nstore = {{ path = \"bundles.redb\" }}\n\
             [controller]\naddress = \"127.0.0.1:1, {nodes}\"\nnode = 10\nswitch = \"{grpc}\"\n{tls}"
        );
        stage
            .write("node.toml", &text)
            .expect("the folder is writable");
        let node = stage.start_daemon("sddtn-node", &["run"], "node.toml");
        node.unwrap_or_else(|error| panic!("{error:#}"))
    };
    let with = |certificate: &str, key: &str| {
        format!("tls = {{ ca = \"{ca}\", certificate = \"{certificate}\", key = \"{key}\" }}\n")
    };
    for stranger in [String::new(), with(&foreign, &foreign_key)] {
        let node = start(&stranger);
        let log = || fs::read_to_string(stage.path("sddtn-node.log")).unwrap_or_default();
        wait(&stage, "refusal", || {
            log().matches("no controller").count() >= 2
        });
        assert!(!is_connected(&stage), "{}", stage.logs());
        drop(node);
    }
    let _node = start(&with(&own, &own_key));
    wait(&stage, "node", || is_connected(&stage));
}

/// A certificate that is renewed is used without a restart, by the node and by the controller that it
/// attaches to.
#[test]
fn certificates_are_renewed_without_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut stage = Stage::new(folder.path(), "relay", 63).expect("the program is written");
    let _switch = stage.start_switch().expect("the switch starts");
    let nodes = free_tcp_address().expect("a free port");
    let copy = |from: &str, to: &str| {
        fs::copy(pem(from), stage.path(to)).expect("the folder is writable");
    };
    for (from, to) in [
        ("switch.pem", "server.pem"),
        ("switch.key", "server.key"),
        // The controller lets in others than the node.
        ("stranger.pem", "clients.pem"),
        ("ca.pem", "ca.pem"),
        ("controller.pem", "own.pem"),
        ("controller.key", "own.key"),
    ] {
        copy(from, to);
    }
    let more = format!(
        "[api]\nlisten = \"127.0.0.1:0\"\n[distribution]\nlisten = \"{nodes}\"\n\
         tls = {{ certificate = \"server.pem\", key = \"server.key\", clients = \"clients.pem\" }}\n"
    );
    let (node_end, switch_end, grpc) = (stage.node_end, stage.switch_end, stage.grpc());
    let node = format!(
        "link = \"udp:{node_end}={switch_end}\"\nstore = {{ path = \"bundles.redb\" }}\n\
         [controller]\naddress = \"{nodes}\"\nnode = 10\nswitch = \"{grpc}\"\n\
         tls = {{ ca = \"ca.pem\", certificate = \"own.pem\", key = \"own.key\" }}\n"
    );
    let controller = stage.relay("", &more);
    for (name, text) in [
        ("plan.ionrc", ""),
        ("controller.toml", &controller),
        ("node.toml", &node),
    ] {
        stage.write(name, text).expect("the folder is writable");
    }
    let start = |name: &str, before: &str, config: &str| {
        let daemon = stage.start_daemon(name, &[before], config);
        daemon.unwrap_or_else(|error| panic!("{error:#}"))
    };
    let controller = start("sddtn-controller", "--config", "controller.toml");
    let node = start("sddtn-node", "run", "node.toml");
    let log = || fs::read_to_string(stage.path("sddtn-node.log")).unwrap_or_default();
    wait(&stage, "refusal", || log().contains("no controller"));
    assert!(!is_connected(&stage), "{}", stage.logs());

    copy("intruder.pem", "own.pem");
    copy("intruder.key", "own.key");
    node.signal("-HUP").expect("the node runs");
    wait(&stage, "node", || is_connected(&stage));
    drop(node);

    copy("controller.pem", "own.pem");
    copy("controller.key", "own.key");
    let _node = start("sddtn-node", "run", "node.toml");
    wait(&stage, "refusal", || log().contains("no controller"));
    assert!(!is_connected(&stage), "{}", stage.logs());
    copy("ca.pem", "clients.pem");
    controller.signal("-HUP").expect("the controller runs");
    wait(&stage, "node", || is_connected(&stage));
}
