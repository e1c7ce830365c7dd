// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers for Prometheus.

use std::fmt::Write as _;

use control::supervise::{Status, now};

use crate::api::Api;

pub(super) fn metrics_text(api: &Api) -> String {
    let (site, statuses) = (api.site.borrow().clone(), api.statuses.borrow().clone());
    let mut text = Text::default();
    let version = site.network.as_ref().map_or(0, |network| network.version);
    text.head(
        "plan_version",
        "The version of the contact plan; 0 if there is none.",
    );
    text.line("plan_version", "", version);
    let switches = || {
        site.switches
            .iter()
            .map(|plan| format!("{{switch=\"{}\"}}", plan.switch.name))
    };
    text.head("holds_cluster", "Whether this controller may write.");
    text.line("holds_cluster", "", u64::from(api.holds()));
    text.head(
        "switch_programmed",
        "Whether the switch holds what it should.",
    );
    for (labels, status) in switches().zip(&statuses) {
        let programmed = matches!(status, Status::Programmed { .. });
        text.line("switch_programmed", &labels, u64::from(programmed));
    }
    text.head("rules", "Rules for the time ahead.");
    for (labels, orders) in switches().zip(&api.orders) {
        text.line("rules", &labels, orders.borrow().rules.all().len() as u64);
    }
    text.head("rules_now", "Rules that hold now.");
    for (labels, orders) in switches().zip(&api.orders) {
        text.line(
            "rules_now",
            &labels,
            orders.borrow().rules.at(now()).count() as u64,
        );
    }
    let nodes = api.nodes.nodes();
    let label = |node: u64| format!("{{node=\"{node}\"}}");
    text.head("node_connected", "Whether the node is attached.");
    for node in &nodes {
        text.line(
            "node_connected",
            &label(node.node),
            u64::from(node.connected),
        );
    }
    text.head(
        "node_plan_version",
        "Plans of the node: wanted, held on its disk, active.",
    );
    for node in &nodes {
        for (stage, version) in [
            ("wanted", node.wanted),
            ("held", node.held),
            ("active", node.active),
        ] {
            let labels = format!("{{node=\"{}\",stage=\"{stage}\"}}", node.node);
            text.line("node_plan_version", &labels, version);
        }
    }
    backlog(&mut text, api);
    adapters(&mut text, api);
    text.0
}

/// What waits at nodes.
fn backlog(text: &mut Text, api: &Api) {
    let rows = api.backlog();
    text.head(
        "backlog_octets",
        "What waits at a node for a neighbour, by class of service.",
    );
    for row in &rows {
        for (class, octets) in [
            ("bulk", row.bulk_octets),
            ("normal", row.normal_octets),
            ("expedited", row.expedited_octets),
        ] {
            let (node, neighbour) = (row.node, row.neighbour);
            let labels = format!("{{node=\"{node}\",neighbour=\"{neighbour}\",class=\"{class}\"}}");
            text.line("backlog_octets", &labels, octets);
        }
    }
    text.head(
        "contacts_taken",
        "Contacts that routes leave out, or take only later, because of what waits for them.",
    );
    for row in &rows {
        let labels = format!("{{node=\"{}\",neighbour=\"{}\"}}", row.node, row.neighbour);
        text.line("contacts_taken", &labels, row.taken.len() as u64);
    }
}

/// Nodes of other implementations.
fn adapters(text: &mut Text, api: &Api) {
    let adapters = api.adapters.statuses();
    let label = |name: &str| format!("{{adapter={name:?}}}");
    text.head(
        "adapter_wanted_version",
        "The plan that a node of another implementation should have.",
    );
    for adapter in &adapters {
        text.line(
            "adapter_wanted_version",
            &label(&adapter.name),
            adapter.wanted,
        );
    }
    text.head(
        "adapter_acknowledged_version",
        "The plan that a node of another implementation has.",
    );
    for adapter in &adapters {
        let labels = label(&adapter.name);
        text.line(
            "adapter_acknowledged_version",
            &labels,
            adapter.acknowledged,
        );
    }
    text.head("adapter_failures", "How often a plan was not handed over.");
    for adapter in &adapters {
        text.line("adapter_failures", &label(&adapter.name), adapter.failures);
    }
}

/// Metrics in Prometheus' form.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(
            self.0,
            "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} gauge"
        );
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "{PREFIX}{name}{labels} {value}");
    }
}

const PREFIX: &str = "sddtn_controller_";
