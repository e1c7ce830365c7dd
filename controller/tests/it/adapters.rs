// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contact plans for nodes of other implementations.

use std::{fs, process::Command};

use contact::{
    BytesPerSecond, Confidence, Contact, NodeNumber, Plan, Range, Span, UtcTime,
    generate::{Scenario, generate},
    hdtn, ionrc, tvgutil,
};
use controller::{config::PlanFormat, export};
use p4rt::fake::FakeSwitch;
use serde_json::Value;

use crate::daemon::{Site, address, ask, ask_text, write_node};

const START: UtcTime = UtcTime::from_seconds(1_800_000_000);

/// Reads what an adapter wrote.
fn import(format: PlanFormat, text: &str) -> Plan {
    let origin = UtcTime::from_seconds(0);
    match format {
        PlanFormat::Ion => ionrc::import(text, origin).expect("ION would read it"),
        PlanFormat::Hdtn => {
            let options = hdtn::Options {
                origin,
                default_light_time: None,
            };
            hdtn::import(text, &options).expect("HDTN would read it")
        }
        PlanFormat::TvgUtil => {
            let options = tvgutil::Options {
                origin,
                known_at: None,
            };
            let number = |name: &str| name.parse().ok().map(NodeNumber);
            tvgutil::import(text, &options, number).expect("tvg-util would read it")
        }
    }
}

/// A plan of orbits with what a controller adds to one: a contact between seconds that may not happen.
fn plan() -> Plan {
    let mut plan = generate(&Scenario {
        seed: 3,
        stations: 2,
        satellites: 4,
        relays: 1,
        landers: 1,
        start: START,
        seconds: 7200,
    });
    let start = START
        .checked_add(Span::from_micros(1_500_000))
        .expect("a time");
    let end = START
        .checked_add(Span::from_micros(60_250_000))
        .expect("a time");
    let (from, to) = (NodeNumber(50), NodeNumber(51));
    plan.add_contact(Contact {
        from,
        to,
        start,
        end,
        rate: BytesPerSecond(1000),
        confidence: Confidence::new(0.5).expect("a probability"),
    })
    .expect("nothing overlaps");
    plan.add_range(Range {
        from,
        to,
        start,
        end,
        light_time: Span::from_seconds(1),
    })
    .expect("nothing overlaps");
    plan
}

/// What is written is read as the plan that was to be written, and promises no more than there is.
#[test]
fn each_form_is_read_as_what_was_meant() {
    let plan = plan();
    let from = START.checked_add(Span::from_seconds(1800)).expect("a time");
    for format in [PlanFormat::Ion, PlanFormat::Hdtn, PlanFormat::TvgUtil] {
        for from in [START, from] {
            let meant = export::in_terms_of(format, &plan, from);
            let text = export::text(format, &meant, 7, UtcTime::from_seconds(0));
            let read = import(format, &text.expect("it can be said"));
            assert!(meant.contacts().count() > 10, "{format:?}");
            assert!(meant.contacts().all(|contact| from < contact.end));
            let contacts = |plan: &Plan| -> Vec<_> {
                let lit = plan.contacts().map(|contact| {
                    let light = plan.light_time(contact.from, contact.to, contact.start);
                    (*contact, light)
                });
                lit.collect()
            };
            let (meant, read) = (contacts(&meant), contacts(&read));
            // HDTN has a contact for each light time, and so may have more of them.
            assert!(read.len() >= meant.len(), "{format:?}");
            if read.len() == meant.len() {
                assert_eq!(read, meant, "{format:?}");
            }
        }
    }
    let certain = export::in_terms_of(PlanFormat::Hdtn, &plan, START);
    assert!(
        certain
            .contacts_between(NodeNumber(50), NodeNumber(51))
            .is_empty()
    );
}

fn site(switch: &FakeSwitch, adapters: &str) -> Site {
    let site = Site::new(&address(switch), "");
    write_node(&site, switch, "a contact +0 +9999 10 2 1000");
    let config = site.text("controller.toml") + "[api]\nlisten = \"127.0.0.1:0\"\n" + adapters;
    fs::write(site.path("controller.toml"), config).expect("the folder is writable");
    site
}

/// The row of an adapter.
fn row(site: &Site, name: &str) -> Value {
    let (status, rows) = ask(site, "GET", "/v1/adapters");
    assert_eq!(status, 200, "{rows}");
    let mut rows = rows.as_array().expect("rows").iter();
    rows.find(|row| row["name"] == name)
        .cloned()
        .unwrap_or_default()
}

#[test]
fn a_plan_is_handed_over_and_acknowledged() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = site(
        &switch,
        r#"
[[adapter]]
name = "ion"
file = "ion.rc"
command = ["cp", "{file}", "{file}.got"]

[[adapter]]
name = "hdtn"
format = "hdtn"
file = "hdtn.json"

[[adapter]]
name = "broken"
format = "tvg-util"
file = "broken.json"
command = ["ls", "there is no such file {version}"]

[[adapter]]
name = "slow"
file = "slow.rc"
command = ["sleep", "60"]
timeout_s = 1
"#,
    );
    let daemon = site.start();
    site.wait("ready file", || site.path("ready").exists());
    site.wait("acknowledgement", || {
        row(&site, "ion")["acknowledged"].as_u64() > Some(0)
    });
    let first = row(&site, "ion");
    assert_eq!(first["wanted"], first["acknowledged"], "{first}");
    let got = site.text("ion.rc.got");
    let head = format!("# contact plan, version {}\n", first["wanted"]);
    assert!(got.starts_with(&head), "{got:?} is not of {first}");
    assert_eq!(import(PlanFormat::Ion, &got).contacts().count(), 1);
    assert_eq!(row(&site, "hdtn")["acknowledged"], first["wanted"]);
    let read = import(PlanFormat::Hdtn, &site.text("hdtn.json"));
    assert_eq!(read.contacts().count(), 1);
    let broken = row(&site, "broken");
    assert_eq!(
        (&broken["acknowledged"], &broken["failures"]),
        (&0.into(), &1.into())
    );
    let error = broken["error"].as_str().expect("a text");
    assert!(
        error.contains("no such file") && error.starts_with("ls: "),
        "{error}"
    );
    let slow = row(&site, "slow")["error"].as_str().map(str::to_owned);
    assert!(slow.is_some_and(|error| error.contains("longer than 1 s")));
    let (_, metrics) = ask_text(&site, "GET", "/metrics");
    let line = format!(
        "sddtn_controller_adapter_acknowledged_version{{adapter=\"ion\"}} {}",
        first["wanted"]
    );
    assert!(metrics.contains(&line), "{metrics}");

    // Another plan is another version, and comes to the node without being asked for.
    write_plan(
        &site,
        "a contact +0 +9999 10 2 1000\na contact +20000 +20060 10 2 1000",
    );
    let (status, answer) = ask(&site, "POST", "/v1/reload");
    assert_eq!(status, 200, "{answer}");
    site.wait("next acknowledgement", || {
        row(&site, "ion")["acknowledged"] == answer["plan"]
    });
    let read = import(PlanFormat::Ion, &site.text("ion.rc.got"));
    assert_eq!(read.contacts().count(), 2);

    let shown = ctl(&site, &["plan", "export", "ion"]);
    assert_eq!(shown, site.text("ion.rc"));
    let table = ctl(&site, &["adapters"]);
    assert!(table.contains("broken.json"), "{table}");
    assert!(daemon.stop(), "{}", site.text("log"));
}

fn write_plan(site: &Site, contacts: &str) {
    let plan = format!("{contacts}\na range +0 +99999 2 10 1\n");
    fs::write(site.path("plan.ionrc"), plan).expect("the folder is writable");
}

fn ctl(site: &Site, args: &[&str]) -> String {
    let ready: Value = serde_json::from_str(&site.text("ready")).expect("JSON");
    let output = Command::new(env!("CARGO_BIN_EXE_sddtnctl"))
        .args(["--api", ready["api"].as_str().expect("an address")])
        .args(args)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}
