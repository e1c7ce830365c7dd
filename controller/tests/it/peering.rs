// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two controllers of different clusters, as processes.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
};

use p4rt::fake::FakeSwitch;
use serde_json::Value;

use crate::daemon::{Daemon, Site, address, ask, ask_text};

/// A free address on loopback.
fn free_address() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    address.to_string()
}

/// The cluster of a node with a neighbour behind it, and a gateway of the other cluster.
fn site(switch: &FakeSwitch, node: u64, own: u64, gateway: u64, peering: &str) -> Site {
    let site = Site::new(&address(switch), "");
    let link = |to: u64, port: u64| {
        format!(
            "[[link]]\nfrom = {node}\nto = {to}\nport = {port}\nethernet = \"02:00:00:00:00:02\"\n\
             ethernet_source = \"02:00:00:00:00:0a\"\naddress = \"10.9.0.{to}\"\nspeaks = 7\n"
        )
    };
    let links = link(own, 1) + &link(gateway, 2);
    let text = format!(
        r#"[[switch]]
name = "s"
address = "{}"
device_id = 1
election_id = 7
p4info = "node.p4info.txtpb"
device_config = "demo.p4"

[contacts]
plan = "plan.ionrc"

[[node]]
number = {node}
switch = "s"
address = "10.9.0.{node}"

{links}
[api]
listen = "127.0.0.1:0"

{peering}"#,
        address(switch)
    );
    let p4info = include_str!("../../testdata/node.p4info.txtpb");
    fs::write(site.path("controller.toml"), text).expect("the folder is writable");
    fs::write(site.path("node.p4info.txtpb"), p4info).expect("the folder is writable");
    site
}

/// The contact of a node with the one behind it ends at some time; the clusters can always reach each
/// other.
fn write_plan(site: &Site, (node, own, gateway): (u64, u64, u64), end: u64) {
    let text = format!(
        "a contact +0 +{end} {node} {own} 1000\na contact +0 +3000 {node} {gateway} 1000\n\
         a contact +0 +3000 {gateway} {node} 1000\na range +0 +3000 {} {} 0\na range +0 +3000 {} {} 0\n",
        node.min(own),
        node.max(own),
        node.min(gateway),
        node.max(gateway),
    );
    fs::write(site.path("plan.ionrc"), text).expect("the folder is writable");
}

fn peers(site: &Site) -> Value {
    let (status, peers) = ask(site, "GET", "/v1/peers");
    assert_eq!(status, 200, "{peers}");
    peers
}

/// The neighbours to which the route from node 1 to node 4 leads.
fn route(site: &Site) -> Option<Vec<u64>> {
    let (status, answer) = ask(site, "GET", "/v1/routes?from=1&to=4");
    let legs = answer["contacts"].as_array().filter(|_| status == 200)?;
    Some(legs.iter().filter_map(|leg| leg["to"].as_u64()).collect())
}

fn is_connected(site: &Site) -> bool {
    peers(site)[0]["connected"] == true
}

/// What the switch does with bundles for node 4 is in a rule.
fn has_rule(site: &Site) -> bool {
    let (_, text) = ask_text(site, "GET", "/v1/rules?switch=s");
    text.contains("route to node 4") && text.contains("to_next_hop")
}

fn kill(mut daemon: Daemon) {
    daemon.child.kill().expect("it runs");
    daemon.child.wait().expect("it has ended");
}

#[test]
fn what_a_lost_peer_has_announced_holds_until_it_ends() {
    let switches = [FakeSwitch::start(), FakeSwitch::start()];
    let [one, other] = switches.map(|switch| switch.expect("a free port"));
    let meeting = free_address();
    // Node 1 is a's and node 3 is b's; node 2 is behind node 1, and node 4 behind node 3.
    let a = "[peering]\ncluster = \"a\"\nhold_s = 3\n[[peering.peer]]\ncluster = \"b\"\n\
             gateways = [3]\n"
        .to_owned()
        + &format!("address = \"{meeting}\"\n");
    let b = format!(
        "[peering]\ncluster = \"b\"\nlisten = \"{meeting}\"\nhold_s = 3\n[[peering.peer]]\n\
         cluster = \"a\"\ngateways = [1]\n"
    );
    let (a, b) = (site(&one, 1, 2, 3, &a), site(&other, 3, 4, 1, &b));
    write_plan(&a, (1, 2, 3), 3000);
    write_plan(&b, (3, 4, 1), 20);
    let daemon_a = a.start();
    a.wait("ready", || !a.text("ready").is_empty());
    assert_eq!(route(&a), None, "a knows nothing of node 4");
    let daemon_b = b.start();
    b.wait("ready", || !b.text("ready").is_empty());
    a.wait("route", || route(&a).is_some());
    assert_eq!(route(&a), Some(vec![3, 4]));
    a.wait("rule", || has_rule(&a));
    let told = peers(&a);
    assert_eq!(told[0]["cluster"], "b");
    assert_eq!(told[0]["destinations"], 1, "{told}");
    // And the other way round.
    b.wait("news of node 2", || peers(&b)[0]["destinations"] == 1);

    // The peer dies. Its stream ends, and what it has said stays.
    kill(daemon_b);
    a.wait("end of the stream", || !is_connected(&a));
    assert_eq!(route(&a), Some(vec![3, 4]), "{}", a.text("log"));
    assert!(has_rule(&a), "{}", a.text("log"));
    // Until it ends, twenty seconds after the start.
    a.wait("end of the window", || route(&a).is_none());
    a.wait("end of the rule", || !has_rule(&a));

    // It comes back, with a contact that is longer.
    write_plan(&b, (3, 4, 1), 3000);
    fs::remove_file(b.path("ready")).expect("it was ready");
    let daemon_b = b.start();
    b.wait("ready", || !b.text("ready").is_empty());
    a.wait("stream", || is_connected(&a));
    a.wait("route", || route(&a) == Some(vec![3, 4]));
    // A change of its plan is told.
    write_plan(&b, (3, 4, 1), 1);
    let (status, text) = ask(&b, "POST", "/v1/reload");
    assert_eq!(status, 200, "{text}");
    a.wait("withdrawal", || route(&a).is_none());
    for (daemon, site) in [(daemon_a, &a), (daemon_b, &b)] {
        assert!(daemon.stop(), "{}", site.text("log"));
    }
}

#[test]
fn a_stranger_is_not_listened_to() {
    let switch = FakeSwitch::start().expect("a free port");
    let peering = "[peering]\ncluster = \"b\"\nlisten = \"127.0.0.1:0\"\n[[peering.peer]]\n\
                   cluster = \"a\"\ngateways = [1]\n";
    let b = site(&switch, 3, 4, 1, peering);
    write_plan(&b, (3, 4, 1), 3000);
    let daemon_b = b.start();
    b.wait("ready", || !b.text("ready").is_empty());
    let ready: Value = serde_json::from_str(&b.text("ready")).expect("JSON");
    let meeting = ready["peers"].as_str().expect("it listens");
    let other = FakeSwitch::start().expect("a free port");
    let peering = format!(
        "[peering]\ncluster = \"x\"\n[[peering.peer]]\ncluster = \"b\"\ngateways = [3]\n\
         address = \"{meeting}\"\n"
    );
    let x = site(&other, 1, 2, 3, &peering);
    write_plan(&x, (1, 2, 3), 3000);
    let daemon_x = x.start();
    x.wait("refusal", || {
        x.text("log").contains("no cluster of the configuration")
    });
    assert!(!is_connected(&b));
    assert_eq!(peers(&b)[0]["destinations"], 0);
    for (daemon, site) in [(daemon_x, &x), (daemon_b, &b)] {
        assert!(daemon.stop(), "{}", site.text("log"));
    }
}

/// A certificate that is renewed is used without a restart, by the one that calls and by the one that is
/// called.
#[test]
fn certificates_of_clusters_are_read_again() {
    let switches = [FakeSwitch::start(), FakeSwitch::start()];
    let [one, other] = switches.map(|switch| switch.expect("a free port"));
    let meeting = free_address();
    let a = format!(
        "[peering]\ncluster = \"a\"\n[[peering.peer]]\ncluster = \"b\"\ngateways = [3]\n\
         address = \"{meeting}\"\n\
         tls = {{ ca = \"ca.pem\", certificate = \"own.pem\", key = \"own.key\" }}\n"
    );
    let b = format!(
        "[peering]\ncluster = \"b\"\nlisten = \"{meeting}\"\n\
         tls = {{ certificate = \"own.pem\", key = \"own.key\", clients = \"ca.pem\" }}\n\
         [[peering.peer]]\ncluster = \"a\"\ngateways = [1]\n"
    );
    let (a, b) = (site(&one, 1, 2, 3, &a), site(&other, 3, 4, 1, &b));
    write_plan(&a, (1, 2, 3), 3000);
    write_plan(&b, (3, 4, 1), 3000);
    let copy = |site: &Site, from: &str, to: &str| {
        let from = format!("{}/../testdata/tls/{from}", env!("CARGO_MANIFEST_DIR"));
        fs::copy(from, site.path(to)).expect("the folder is writable");
    };
    copy(&a, "ca.pem", "ca.pem");
    copy(&a, "controller.pem", "own.pem");
    copy(&a, "controller.key", "own.key");
    copy(&b, "switch.pem", "own.pem");
    copy(&b, "switch.key", "own.key");
    // It lets in others than the one that calls.
    copy(&b, "stranger.pem", "ca.pem");
    let (daemon_a, daemon_b) = (a.start(), b.start());
    for site in [&a, &b] {
        site.wait("ready", || !site.text("ready").is_empty());
    }
    let refusals = || a.text("log").matches("no stream").count();
    a.wait("refusal", || refusals() > 1);
    assert!(!is_connected(&a));
    let reload = |site: &Site| ask(site, "POST", "/v1/reload");
    // The one that calls becomes another.
    copy(&a, "intruder.pem", "own.pem");
    let (status, text) = reload(&a);
    assert_eq!(status, 422, "certificate and key do not fit: {text}");
    copy(&a, "intruder.key", "own.key");
    assert_eq!(reload(&a).0, 200);
    a.wait("stream", || is_connected(&a));
    // The one that is called lets in others, when it has restarted its stream.
    copy(&b, "ca.pem", "ca.pem");
    assert_eq!(reload(&b).0, 200);
    assert!(daemon_a.stop(), "{}", a.text("log"));
    fs::remove_file(a.path("ready")).expect("it was ready");
    let daemon_a = a.start();
    a.wait("ready", || !a.text("ready").is_empty());
    a.wait("refusal", || refusals() > 1);
    assert!(!is_connected(&a));
    copy(&a, "controller.pem", "own.pem");
    copy(&a, "controller.key", "own.key");
    assert_eq!(reload(&a).0, 200);
    a.wait("stream", || is_connected(&a));
    for (daemon, site) in [(daemon_a, &a), (daemon_b, &b)] {
        assert!(daemon.stop(), "{}", site.text("log"));
    }
}
