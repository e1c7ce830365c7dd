// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program with a node that the test plays: what it reports changes rules and routes.

use std::fs;

use control::proto::{
    Backlog, ControllerMessage, Hello, NodeMessage, Report, controller_message,
    node_control_client::NodeControlClient, node_message::Message,
};
use p4rt::fake::FakeSwitch;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::{
    daemon::{Site, address, ask, stderr, write_node},
    interface::{action_for, tool},
};

/// Node 4 is behind node 2 for the next hour, and behind node 3 a little later each time.
const PLAN: &str = "a contact +0 +3600 10 2 1000\na contact +0 +3600 10 3 1000\n\
    a contact +0 +3600 2 4 1000000\na contact +0 +3600 3 4 1000000";
/// Light times say which one is better.
const RANGES: &str = "a range +0 +9999 3 10 3\na range +0 +9999 2 4 1\na range +0 +9999 3 4 1\n";

const MORE: &str = r#"
[[link]]
from = 10
to = 3
port = 2
ethernet = "02:00:00:00:00:03"
ethernet_source = "02:00:00:00:00:0a"
address = "10.9.0.3"
speaks = 7

[api]
listen = "127.0.0.1:0"

[distribution]
listen = "127.0.0.1:0"
"#;

/// Node 10, as far as the controller can tell.
struct Played {
    out: mpsc::Sender<NodeMessage>,
    incoming: Streaming<ControllerMessage>,
}

impl Played {
    async fn attach(site: &Site) -> Self {
        let ready: Value = serde_json::from_str(&site.text("ready")).expect("JSON");
        let nodes = ready["nodes"].as_str().expect("an address");
        let client = NodeControlClient::connect(format!("http://{nodes}")).await;
        let (out, outgoing) = mpsc::channel(8);
        let hello = Message::Hello(Hello {
            node: 10,
            version: 0,
        });
        let message = Some(hello);
        out.send(NodeMessage { message }).await.expect("it is open");
        let mut client = client.expect("the controller listens");
        let stream = client.attach(ReceiverStream::new(outgoing)).await;
        Self {
            out,
            incoming: stream.expect("the node is known").into_inner(),
        }
    }

    async fn report(&self, normal_octets: u64) {
        let backlog = Backlog {
            neighbour: 2,
            normal_octets,
            ..Backlog::default()
        };
        let report = Report {
            backlog: vec![backlog],
            ..Report::default()
        };
        let message = Some(Message::Report(report));
        let sent = self.out.send(NodeMessage { message }).await;
        sent.expect("the controller is there");
    }

    /// Waits for a plan in which bundles for node 4 go through a neighbour, and returns where those
    /// that wait would go if nothing did.
    async fn plan_through(&mut self, neighbour: u64) -> Option<u64> {
        loop {
            let message = self.incoming.message().await.expect("the stream is open");
            let slow_path = match message.expect("the stream is open").message {
                Some(controller_message::Message::Plan(plan)) => plan.slow_path,
                Some(controller_message::Message::Delta(delta)) => delta.slow_path,
                None => None,
            };
            let Some(slow_path) = slow_path else { continue };
            let first = |routes: &[control::proto::Route]| {
                let mut routes = routes.iter();
                let route = routes.find(|route| route.destination == 4);
                route.map(|route| route.neighbour)
            };
            if first(&slow_path.routes) == Some(neighbour) {
                return first(&slow_path.plain_routes);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_go_by_what_waits_at_a_node() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), "");
    write_node(&site, &switch, PLAN);
    for (name, more) in [("plan.ionrc", RANGES), ("controller.toml", MORE)] {
        let text = site.text(name) + more;
        fs::write(site.path(name), text).expect("the folder is writable");
    }
    let daemon = site.start();
    site.wait("program", || site.path("ready").exists());
    let through = |neighbour: u64| {
        let expected = format!("ingress.to_next_hop(next_hop={})", neighbour - 1);
        site.wait("rule", || action_for(&switch, 4) == expected);
    };
    through(2);
    let mut node = Played::attach(&site).await;
    assert_eq!(node.plan_through(2).await, None);

    // An hour takes 3 600 000 octets.
    node.report(4_000_000).await;
    assert_eq!(node.plan_through(3).await, Some(2));
    through(3);
    let (_, backlog) = ask(&site, "GET", "/v1/backlog");
    assert_eq!(backlog[0]["normal_octets"], 4_000_000, "{backlog}");
    let taken = backlog[0]["taken"][0].as_str();
    assert!(
        taken.is_some_and(|taken| taken.ends_with(": full")),
        "{backlog}"
    );
    let output = tool(&site, &["explain", "route", "--from", "10", "--to", "4"]).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = "is full: 4000000 octets of class normal and 0 of class expedited";
    assert!(
        shown.contains("contact 10 to 2 ") && shown.contains(why),
        "{shown}"
    );
    let output = tool(&site, &["backlog"])
        .output()
        .expect("the program starts");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("4000000"), "{shown}");
    let (_, metrics) = crate::daemon::ask_text(&site, "GET", "/metrics");
    for line in [
        "sddtn_controller_backlog_octets{node=\"10\",neighbour=\"2\",class=\"normal\"} 4000000",
        "sddtn_controller_contacts_taken{node=\"10\",neighbour=\"2\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }

    // It has drained.
    node.report(0).await;
    assert_eq!(node.plan_through(2).await, None);
    through(2);
    // A node that is gone says nothing.
    node.report(4_000_000).await;
    node.plan_through(3).await;
    through(3);
    drop(node);
    through(2);
    let (_, backlog) = ask(&site, "GET", "/v1/backlog");
    assert_eq!(backlog, serde_json::json!([]));
    assert!(daemon.stop(), "{}", site.text("log"));
}
