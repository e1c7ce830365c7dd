// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The HTTP interface of the program: its description, overrides, dry runs, watching, certificates.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use p4rt::fake::FakeSwitch;
use serde_json::{Value, json};

use crate::daemon::{Daemon, Site, address, ask, ask_with, notes, request, stderr, write_node};

/// A site with a node, an interface with these options, and a file for what is kept.
fn site(switch: &FakeSwitch, contact: &str, api: &str) -> Site {
    let site = Site::new(&address(switch), "");
    write_node(&site, switch, contact);
    let config = site.text("controller.toml")
        + "[api]\nlisten = \"127.0.0.1:0\"\n"
        + api
        + "\n[state]\npath = \"state.redb\"\n";
    fs::write(site.path("controller.toml"), config).expect("the folder is writable");
    site
}

fn start(site: &Site) -> Daemon {
    let daemon = site.start();
    site.wait("program", || site.path("ready").exists());
    daemon
}

/// Bundles for node 2 are for the switch itself.
fn wanted() -> Value {
    json!({"switch": "relay", "table": "ingress.endpoint",
           "match": {"meta.primary.destination.node": "2"}, "priority": 1000,
           "action": "ingress.deliver", "reason": "a test"})
}

/// What the switch does with bundles for node 2, as the tool shows it.
fn action(switch: &FakeSwitch) -> String {
    action_for(switch, 2)
}

/// What the switch does with bundles for a node.
pub(crate) fn action_for(switch: &FakeSwitch, node: u64) -> String {
    let at = address(switch);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sddtnctl"));
    let command = command.args(["--switch", &at, "--format", "json", "tables", "endpoint"]);
    let output = command.output().expect("the program starts");
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = shown["ingress.endpoint"].as_array().expect("the table");
    let is_of_node = |row: &&Value| {
        let field = row["meta.primary.destination.node"].as_str();
        let beginnings = [format!("0x{node:x}&"), format!("{node}&")];
        field.is_some_and(|text| beginnings.iter().any(|start| text.starts_with(start)))
    };
    let row = rows.iter().find(is_of_node);
    row.map_or(String::new(), |row| {
        row["action"].as_str().unwrap_or_default().to_owned()
    })
}

/// Whether a value has the form that the description says.
fn fits(value: &Value, schema: &Value, all: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        let place = name.trim_start_matches('#');
        return fits(
            value,
            all.pointer(place).expect("the description is whole"),
            all,
        );
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        Value::Null => return true,
        one => vec![one.clone()],
    };
    let of_type = |name: &Value| match name.as_str() {
        Some("object") => value.as_object().is_some_and(|object| {
            let required = schema["required"].as_array().into_iter().flatten();
            let mut required = required.filter_map(Value::as_str);
            let known = |name: &String| {
                schema["properties"].is_null() || !schema["properties"][name].is_null()
            };
            required.all(|name| object.contains_key(name))
                && object.keys().all(known)
                && object
                    .iter()
                    .all(|(name, value)| fits(value, &schema["properties"][name], all))
        }),
        Some("array") => value
            .as_array()
            .is_some_and(|array| array.iter().all(|item| fits(item, &schema["items"], all))),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        other => panic!("no type {other:?} is expected"),
    };
    types.iter().any(of_type)
}

/// All that the interface does.
const REQUESTS: [&str; 16] = [
    "get /metrics",
    "get /v1/adapters",
    "get /v1/backlog",
    "get /v1/contacts",
    "get /v1/events",
    "get /v1/nodes",
    "get /v1/openapi.json",
    "get /v1/overrides",
    "put /v1/overrides/{name}",
    "delete /v1/overrides/{name}",
    "get /v1/peers",
    "get /v1/plan",
    "post /v1/reload",
    "get /v1/routes",
    "get /v1/rules",
    "get /v1/switches",
];

/// Each request of the description is made with its required arguments, and the answer is as it says.
#[test]
fn each_request_is_as_it_is_described() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = site(&switch, "a contact +0 +9999 10 2 1000", "");
    let daemon = start(&site);
    let (_, all) = ask(&site, "GET", "/v1/openapi.json");
    let mut made = Vec::new();
    for (path, methods) in all["paths"].as_object().expect("paths") {
        // What is put first can be deleted.
        for method in ["get", "post", "put", "delete"] {
            let described = &methods[method];
            if described.is_null() {
                continue;
            }
            made.push(format!("{method} {path}"));
            let mut query = Vec::new();
            for argument in described["parameters"].as_array().into_iter().flatten() {
                let value = match argument["name"].as_str().expect("a name") {
                    "switch" => "relay",
                    "from" => "10",
                    "to" => "2",
                    "dry_run" => "false",
                    "format" => "ion",
                    "at" | "origin" => continue,
                    "name" => {
                        assert_eq!(argument["in"], "path");
                        continue;
                    }
                    other => panic!("{path} has the unknown argument {other}"),
                };
                query.push(format!(
                    "{}={value}",
                    argument["name"].as_str().expect("a name")
                ));
            }
            let body = if described["requestBody"].is_null() {
                String::new()
            } else {
                wanted().to_string()
            };
            let address = format!("{}?{}", path.replace("{name}", "one"), query.join("&"));
            let content = &described["responses"]["200"]["content"];
            if let Some(kind) = content
                .as_object()
                .and_then(|content| content.keys().next())
                && kind == "text/event-stream"
            {
                let stream = BufReader::new(request(&site, "GET", &address, ""));
                let mut lines = stream.lines().map_while(Result::ok);
                assert!(lines.any(|line| line == "event: switches"), "{path}");
                continue;
            }
            let (status, text) = ask_with(&site, &method.to_uppercase(), &address, &body);
            assert_eq!(status, 200, "{method} {address}: {text}");
            if let Some(content) = content.get("application/json") {
                let value: Value = serde_json::from_str(&text).expect("JSON");
                assert!(
                    fits(&value, &content["schema"], &all),
                    "{method} {path} answers {text}"
                );
            } else {
                assert!(content.get("text/plain").is_some(), "{path}");
            }
        }
    }
    assert_eq!(made, REQUESTS);
    assert!(daemon.stop(), "{}", site.text("log"));
}

#[test]
fn overrides_outlive_rules_reloads_and_the_controller() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = site(&switch, "a contact +0 +9999 10 2 1000", "");
    let daemon = start(&site);
    assert_eq!(action(&switch), "ingress.to_next_hop(next_hop=1)");

    // First only look.
    let writes = switch.writes();
    let put = |query: &str, body: &Value| {
        let path = format!("/v1/overrides/one{query}");
        let (status, text) = ask_with(&site, "PUT", &path, &body.to_string());
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        (status, answer)
    };
    let (status, outcome) = put("?dry_run=true", &wanted());
    assert_eq!(status, 200, "{outcome}");
    let changes = outcome["switches"][0]["changes"].as_array();
    let mut changes = changes.expect("a list").iter().filter_map(Value::as_str);
    assert!(
        changes.any(|change| change.starts_with("modify entry of ingress.endpoint [")),
        "{outcome}"
    );
    assert_eq!(ask(&site, "GET", "/v1/overrides").1, json!({}));
    assert_eq!(
        (switch.writes(), action(&switch).as_str()),
        (writes, "ingress.to_next_hop(next_hop=1)")
    );

    let (status, done) = put("", &wanted());
    assert_eq!((status, &done["switches"]), (200, &outcome["switches"]));
    site.wait("override", || action(&switch) == "ingress.deliver()");
    let (status, _) = ask(&site, "POST", "/v1/reload");
    assert_eq!(
        (status, action(&switch).as_str()),
        (200, "ingress.deliver()")
    );

    // The controller restarts with another plan, and the switch has lost everything.
    assert!(daemon.stop(), "{}", site.text("log"));
    let socket = switch.address();
    drop(switch);
    let switch = FakeSwitch::start_at(socket).expect("the same port");
    let plan = "a contact +0 +8888 10 2 1000\na range +0 +9999 2 10 1\n";
    fs::write(site.path("plan.ionrc"), plan).expect("the folder is writable");
    fs::remove_file(site.path("ready")).expect("the daemon was ready");
    let daemon = start(&site);
    assert_eq!(action(&switch), "ingress.deliver()");

    // A hole in the table.
    let mut hole = wanted();
    hole["action"] = "none".into();
    assert_eq!(put("", &hole).0, 200);
    site.wait("hole", || action(&switch).is_empty());
    let (status, _) = ask(&site, "DELETE", "/v1/overrides/one");
    assert_eq!(status, 200);
    site.wait("rule", || {
        action(&switch) == "ingress.to_next_hop(next_hop=1)"
    });
    assert_eq!(ask(&site, "DELETE", "/v1/overrides/one").0, 404);

    // What cannot work changes nothing.
    let mut unfit = wanted();
    unfit["table"] = "ingress.nothing".into();
    assert_eq!(put("", &unfit).0, 422);
    unfit["switch"] = "other".into();
    assert_eq!(put("", &unfit).0, 422);
    assert_eq!(put("", &json!({"switch": 1})).0, 400);
    assert_eq!(ask(&site, "GET", "/v1/overrides").1, json!({}));
    assert!(daemon.stop(), "{}", site.text("log"));
}

#[test]
fn a_dry_run_of_the_program_writes_nothing() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = site(&switch, "a contact +0 +9999 10 2 1000", "");
    let output = site.run(&["--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.starts_with("relay: push the program\n"), "{shown}");
    assert!(
        shown.contains("relay: insert entry of ingress.next_hop ["),
        "{shown}"
    );
    assert_eq!(
        (switch.writes(), switch.pushes(), switch.streams()),
        (0, 0, 0)
    );
    assert!(site.run(&["--once"]).status.success());
    let writes = switch.writes();
    let output = site.run(&["--dry-run"]);
    // The end of a rule depends on when it is made, and everything else is there.
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        shown
            .lines()
            .all(|line| line.starts_with("relay: modify entry of")),
        "{shown}"
    );
    assert_eq!(switch.writes(), writes);
    assert_eq!(notes(&switch).len(), 1);
}

/// The tool, asking the controller.
pub(crate) fn tool(site: &Site, args: &[&str]) -> Command {
    let ready: Value = serde_json::from_str(&site.text("ready")).expect("JSON");
    let api = ready["api"].as_str().expect("an address").to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sddtnctl"));
    command.args(["--api", &api]).args(args);
    command
}

fn succeeded(output: &Output) -> bool {
    output.status.success()
}

#[test]
fn who_watches_sees_what_changes() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = site(&switch, "a contact +0 +9999 10 2 1000", "");
    let daemon = start(&site);
    let args = ["--format", "json", "watch", "overrides", "--count", "2"];
    let mut watcher = tool(&site, &args)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(watcher.stdout.take().expect("piped")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("an event").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next(), json!({"event": "overrides", "state": {}}));
    #[rustfmt::skip]
    let set = tool(&site, &[
        "override", "set", "one", "--on", "relay", "--table", "ingress.endpoint", "--match",
        "meta.primary.destination.node=2", "--priority", "1000", "--action", "ingress.deliver",
    ]);
    let output = { set }.output().expect("it starts");
    assert!(succeeded(&output), "{}", stderr(&output));
    assert_eq!(next()["state"]["one"]["action"], "ingress.deliver");
    assert!(watcher.wait().expect("it ends").success());
    let output = tool(&site, &["override", "list"])
        .output()
        .expect("it starts");
    assert!(String::from_utf8_lossy(&output.stdout).contains("ingress.deliver"));
    for what in ["switches", "contacts", "nodes"] {
        let output = tool(&site, &["watch", what, "--count", "1"]).output();
        assert!(succeeded(&output.expect("it starts")), "{what}");
    }
    // Who watches does not keep the daemon from its end.
    let mut watcher = tool(&site, &["watch"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(watcher.stdout.take().expect("piped")).lines();
    assert!(lines.next().is_some());
    assert!(daemon.stop(), "{}", site.text("log"));
    watcher.wait().expect("it ends");
}

fn pem(name: &str) -> String {
    format!("{}/../testdata/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn certificates_say_who_may_read_and_write() {
    let switch = FakeSwitch::start().expect("a free port");
    let tls = |reads: bool| {
        let [certificate, key, clients] = ["switch.pem", "switch.key", "ca.pem"].map(pem);
        format!(
            "anyone_reads = {reads}\ntls = {{ certificate = \"{certificate}\", key = \"{key}\", \
             clients = \"{clients}\" }}"
        )
    };
    let site = site(&switch, "a contact +0 +9999 10 2 1000", &tls(false));
    let run = |site: &Site, who: Option<&str>, args: &[&str]| {
        let ca = pem("ca.pem");
        let mut command = tool(site, &["--ca", &ca]);
        if let Some(who) = who {
            command.args(["--certificate", &pem(&format!("{who}.pem"))]);
            command.args(["--key", &pem(&format!("{who}.key"))]);
        }
        let output = command.args(args).output().expect("the program starts");
        (succeeded(&output), stderr(&output))
    };
    let mut command = site.command(&[]);
    command
        .env("RUST_LOG", "trace")
        .arg("--ready-file")
        .arg(site.path("ready"));
    let log = fs::File::create(site.path("log")).expect("the folder is writable");
    let daemon = Daemon {
        child: command.stderr(log).spawn().expect("the program starts"),
    };
    site.wait("program", || site.path("ready").exists());
    let (fine, why) = run(&site, Some("controller"), &["reload"]);
    assert!(fine, "{why}");
    assert!(!run(&site, None, &["nodes"]).0, "no certificate");
    assert!(
        !run(&site, Some("intruder"), &["nodes"]).0,
        "an unknown authority"
    );
    let mut plain = tool(&site, &["nodes"]);
    assert!(
        !succeeded(&plain.output().expect("it starts")),
        "in the clear"
    );
    assert!(daemon.stop());
    let log = site.text("log");
    let key = fs::read_to_string(pem("switch.key")).expect("the key is there");
    let secret = key.lines().nth(1).expect("a key has lines");
    assert!(
        log.contains("TRACE") && !log.contains(secret),
        "a key is in the log"
    );

    let text = site
        .text("controller.toml")
        .replace(&tls(false), &tls(true));
    fs::write(site.path("controller.toml"), text).expect("the folder is writable");
    fs::remove_file(site.path("ready")).expect("the daemon was ready");
    let daemon = start(&site);
    assert!(run(&site, None, &["nodes"]).0, "everybody may read");
    let (fine, why) = run(&site, None, &["reload"]);
    assert!(!fine && why.contains("needs a certificate"), "{why}");
    assert!(run(&site, Some("controller"), &["reload"]).0);
    assert!(daemon.stop());
}

/// The controller becomes one that the switch knows, without a restart.
#[test]
fn certificates_for_switches_are_read_again() {
    let text = |name: &str| fs::read_to_string(pem(name)).expect("the file is there");
    let switch =
        FakeSwitch::start_with_tls(&text("switch.pem"), &text("switch.key"), &text("ca.pem"));
    let switch = switch.expect("a free port");
    let site = site(&switch, "a contact +0 +9999 10 2 1000", "");
    let tls = "tls = { ca = \"ca.pem\", certificate = \"own.pem\", key = \"own.key\" }\n";
    let config = site.text("controller.toml");
    let config = config.replace("election_id = 7\n", &format!("election_id = 7\n{tls}"));
    // The ready file comes late, so the address of the interface has to be known before.
    let api = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("it is bound")
    };
    let config = config.replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{api}\""));
    fs::write(site.path("controller.toml"), config).expect("the folder is writable");
    let copy = |from: &str, to: &str| {
        fs::copy(pem(from), site.path(to)).expect("the folder is writable");
    };
    copy("ca.pem", "ca.pem");
    copy("intruder.pem", "own.pem");
    copy("intruder.key", "own.key");
    let daemon = site.start();
    let ctl = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sddtnctl"));
        let output = command
            .args(["--api", &api.to_string()])
            .args(args)
            .output();
        let output = output.expect("the program starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    site.wait("refusal", || {
        let is_told = site.text("log").contains("no session with the switch");
        is_told && ctl(&["switches"]).contains("unreachable")
    });
    assert_eq!(switch.streams(), 0);
    copy("controller.pem", "own.pem");
    copy("controller.key", "own.key");
    ctl(&["reload"]);
    site.wait("program", || site.path("ready").exists());
    assert!(daemon.stop(), "{}", site.text("log"));
}

#[test]
fn what_is_open_to_all_is_on_loopback_only() {
    let site = Site::new("127.0.0.1:1", "[api]\nlisten = \"0.0.0.0:0\"\n");
    let output = site.run(&["--check-config"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("needs tls"), "{}", stderr(&output));
}

/// What people change is on record with who they are, refusals too; dry runs are not. Certificates are
/// read again, and those that cannot be used change nothing.
#[test]
fn changes_are_on_record_and_certificates_are_read_again() {
    let switch = FakeSwitch::start().expect("a free port");
    let tls = "tls = { certificate = \"own.pem\", key = \"own.key\", clients = \"ca.pem\" }";
    let site = site(&switch, "a contact +0 +9999 10 2 1000", tls);
    let copy = |from: &str, to: &str| {
        fs::copy(pem(from), site.path(to)).expect("the folder is writable");
    };
    copy("switch.pem", "own.pem");
    copy("switch.key", "own.key");
    copy("ca.pem", "ca.pem");
    let config = site.text("controller.toml") + "[audit]\npath = \"audit.jsonl\"\n";
    fs::write(site.path("controller.toml"), &config).expect("the folder is writable");
    let daemon = start(&site);
    let run = |args: &[&str]| {
        let [ca, certificate, key] = ["ca.pem", "controller.pem", "controller.key"].map(pem);
        let identity = ["--ca", &ca, "--certificate", &certificate, "--key", &key];
        let output = tool(&site, &identity).args(args).output();
        output.expect("the program starts")
    };
    let set = [
        "override",
        "set",
        "one",
        "--on",
        "relay",
        "--table",
        "ingress.endpoint",
    ];
    let entry = [
        "--match",
        "meta.primary.destination.node=2",
        "--priority",
        "1000",
    ];
    let rest = ["--action", "ingress.deliver", "--reason", "a test"];
    let set = [&set[..], &entry, &rest].concat();
    assert!(succeeded(&run(&[&set[..], &["--dry-run"]].concat())));
    assert!(!site.path("audit.jsonl").exists(), "nothing was changed");
    assert!(succeeded(&run(&set)));
    assert!(!succeeded(&run(&["override", "remove", "other"])));
    assert!(succeeded(&run(&["override", "remove", "one"])));

    // A certificate that cannot be used is refused, and the old one goes on.
    assert!(succeeded(&site.run(&["--check-config"])));
    copy("switch.pem", "own.key");
    assert!(!succeeded(&run(&["reload"])));
    let output = site.run(&["--check-config"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot use the certificates of api"));
    assert!(succeeded(&run(&["nodes"])));
    copy("switch.key", "own.key");
    // Those of the intruder's authority are the only ones that may connect now.
    copy("intruder.pem", "ca.pem");
    assert!(succeeded(&run(&["reload"])));
    assert!(!succeeded(&run(&["nodes"])));
    // To go without is more than that: the address may be one for everybody.
    fs::write(site.path("controller.toml"), config.replace(tls, "")).expect("writable");
    let pid = daemon.child.id().to_string();
    let hangup = std::process::Command::new("kill")
        .args(["-HUP", &pid])
        .status();
    assert!(hangup.expect("kill runs").success());
    site.wait("refusal", || {
        site.text("log").contains("api.tls has come or gone")
    });
    site.wait("last line", || {
        site.text("audit.jsonl").lines().count() == 6
    });

    check_record(&site.text("audit.jsonl"));
    assert!(daemon.stop(), "{}", site.text("log"));
}

/// An override was set, one that there is not was removed, and the first one was; the configuration was
/// refused, taken, and refused.
fn check_record(lines: &str) {
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let lines: Vec<_> = lines.collect();
    let what: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["what"].as_str().unwrap_or(""),
                line["refused"].is_null(),
            )
        })
        .collect();
    let expected = [
        ("put", true),
        ("remove", false),
        ("remove", true),
        ("reload", false),
        ("reload", true),
        ("reload", false),
    ];
    assert_eq!(what, expected, "{lines:?}");
    let who = |line: &Value| line["who"].as_str().map(str::to_owned).expect("a text");
    assert!(
        lines[..5]
            .iter()
            .all(|line| who(line).starts_with("CN=controller at 127.0.0.1:"))
    );
    assert_eq!(who(&lines[5]), "SIGHUP");
    assert_eq!(lines[0]["override"]["reason"], "a test");
    assert!(
        lines[0]["time"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z'))
    );
}
