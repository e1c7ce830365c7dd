// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The local controller of the program itself, with a served switch that keeps entries.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use contact::{Span, UtcTime};
use control::orders::{Intent, Orders};
use control::plan::{pack, program};
use control::proto::Kept;
use control::rules::{Note, Rule, Rules};
use control::supervise::now;
use p4rt::Bidding;
use p4rt::client::{ConnectOptions, Connection, Pipeline, Session, SessionOptions};
use p4rt::entries::TableLine;
use p4rt::fake::FakeSwitch;
use p4rt::p4info::Index;
use p4rt::proto::p4::v1::{Entity, Update, entity, update::Type};
use p4rt::session::State;
use prost::Message as _;

use crate::daemon::{DEADLINE, Site, wait};

const P4INFO: &str = include_str!("../../../p4rt/testdata/demo.p4info.txtpb");

/// A plan with one rule for a host, which holds for so many milliseconds from now.
fn plan(rules: &[(u8, u64, u64)]) -> Vec<u8> {
    let p4info = p4rt::text::parse(P4INFO).expect("the file is valid");
    let index = Arc::new(Index::new(&p4info).expect("the file is consistent"));
    let pipeline = Pipeline {
        p4info,
        device_config: b"program".to_vec(),
    };
    let after = |ms: u64| {
        now()
            .checked_add(Span::from_micros(ms * 1000))
            .expect("a time")
    };
    let rule = |(host, from, until): &(u8, u64, u64)| {
        let line = TableLine {
            table: "ingress.peer".to_owned(),
            fields: [("hdr.ipv4.dst".to_owned(), format!("10.0.0.{host}"))].into(),
            action: "ingress.speaks_v7".to_owned(),
            params: std::collections::BTreeMap::new(),
            priority: None,
        };
        let entry = line.resolve(&index).expect("the line fits the program");
        let until = after(*until);
        Rule::new(
            entry,
            Note { version: 1, until },
            after(*from),
            String::new(),
        )
    };
    let orders = Orders {
        intent: Intent::default(),
        rules: Rules::new(rules.iter().map(rule).collect()).expect("rules do not overlap"),
        ..Orders::default()
    };
    let program = program(&pipeline, &[], 8);
    let current = pack(1, UtcTime::default(), program, &orders, &index).expect("entries fit");
    let kept = Kept {
        current: Some(current),
        next: None,
    };
    kept.encode_to_vec()
}

/// A node whose cluster controller is nowhere.
fn site(switch: &FakeSwitch, plan: &[u8]) -> Site {
    site_with(switch, plan, "")
}

fn site_with(switch: &FakeSwitch, plan: &[u8], more: &str) -> Site {
    let site = Site::new(&format!(
        "[controller]\naddress = \"127.0.0.1:1\"\nnode = 10\nswitch = \"{}\"\npatience_ms = 100\n{more}",
        switch.address()
    ));
    fs::write(site.path("plan.bin"), plan).expect("the folder is writable");
    site
}

fn hosts(switch: &FakeSwitch) -> usize {
    switch.entries().len()
}

/// What the node keeps is enough to program a switch that has nothing, and to go on with the plan.
#[test]
fn a_node_alone_opens_and_closes_rules() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = site(&switch, &plan(&[(1, 0, 60_000), (2, 2000, 3000)]));
    let _daemon = site.start();
    wait("the program and the first rule", || {
        (hosts(&switch) == 1).then_some(())
    });
    assert_eq!(switch.pushes(), 1);
    wait("the second rule", || (hosts(&switch) == 2).then_some(()));
    wait("its end", || (hosts(&switch) == 1).then_some(()));
    let left = switch.entries();
    let note = Note::decode(&left[0].metadata).expect("rules have notes");
    assert!(now() < note.until);
}

/// The node becomes one that the switch knows, without a restart; files that cannot be used change nothing.
#[test]
fn certificates_are_read_again() {
    let pem = |name: &str| format!("{}/../testdata/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = |name: &str| fs::read_to_string(pem(name)).expect("the file is there");
    let switch =
        FakeSwitch::start_with_tls(&text("switch.pem"), &text("switch.key"), &text("ca.pem"));
    let switch = switch.expect("a free port");
    let tls = "switch_tls = { ca = \"ca.pem\", certificate = \"own.pem\", key = \"own.key\" }\n";
    let site = site_with(&switch, &plan(&[(1, 0, 60_000)]), tls);
    let copy = |from: &str, to: &str| {
        fs::copy(pem(from), site.path(to)).expect("the folder is writable");
    };
    copy("ca.pem", "ca.pem");
    copy("intruder.pem", "own.pem");
    copy("intruder.key", "own.key");
    let daemon = site.start();
    let hang_up = |expected: &str| {
        let told = || site.log().matches(expected).count();
        let before = told();
        let pid = daemon.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.expect("kill runs").success());
        wait(expected, || (told() > before).then_some(()));
    };
    copy("controller.pem", "own.pem");
    hang_up("the certificates stay as they were");
    assert_eq!((switch.streams(), hosts(&switch)), (0, 0));
    copy("controller.key", "own.key");
    hang_up("certificates are read again");
    wait("the rule", || (hosts(&switch) == 1).then_some(()));
}

/// A switch that restarts while the cluster controller is away gets everything again.
#[test]
fn a_node_alone_programs_a_switch_that_restarts() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = site(&switch, &plan(&[(1, 0, 60_000)]));
    let _daemon = site.start();
    wait("the rule", || (hosts(&switch) == 1).then_some(()));
    let address = switch.address();
    drop(switch);
    let switch = FakeSwitch::start_at(address).expect("the port is free again");
    wait("the rule", || (hosts(&switch) == 1).then_some(()));
    assert_eq!(switch.pushes(), 1);
}

/// While a controller is connected the node writes nothing; it goes on when that has left.
#[test]
fn a_node_hands_back_and_takes_over() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = site(&switch, &plan(&[(1, 0, 60_000)]));
    let _daemon = site.start();
    wait("the rule", || (hosts(&switch) == 1).then_some(()));
    let waiting = || site.log().matches("another controller is primary").count();
    let before = waiting();
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    let delete = Update {
        r#type: Type::Delete.into(),
        entity: Some(Entity {
            entity: switch.entries().pop().map(entity::Entity::TableEntry),
        }),
    };
    let session = runtime.block_on(async {
        let connect = ConnectOptions::new(switch.address().to_string(), 1);
        let mut session = Session::start(SessionOptions {
            bidding: Bidding::Controller { epoch: 7 },
            ..SessionOptions::new(connect, 0)
        });
        let is_primary = |found: &Connection| found.state == State::Primary;
        let primary = session.connection.wait_for(is_primary);
        let primary = tokio::time::timeout(DEADLINE, primary).await;
        let primary = primary.expect("the controller takes over");
        let client = primary.expect("the session goes on").client.clone();
        let client = client.expect("a primary has a client");
        let failures = client
            .write(&[delete])
            .await
            .expect("the controller may write");
        assert_eq!(failures, []);
        session
    });
    // The node does not put it back as long as the controller is there.
    let writes = switch.writes();
    wait("the node to wait", || (waiting() > before).then_some(()));
    assert_eq!((hosts(&switch), switch.writes()), (0, writes));
    runtime.block_on(session.stop());
    wait("the rule again", || (hosts(&switch) == 1).then_some(()));
}
