// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a configuration may say.

use control::{
    desired::{Item, ItemKey},
    orders::Origin,
};
use controller::{config::Config, intent::compute};
use p4rt::{Bits, entries::EntriesFile};

use crate::demo::{PEERS, config_text, index, intent};

fn check(rest: &str, expected: &[&str]) {
    let config = Config::parse(&config_text("a:1", rest)).expect("valid TOML");
    let found: Vec<_> = config
        .misconfigurations()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn contradictions_are_listed() {
    check(PEERS, &[]);
    check(
        "[[peer]]\nnetwork = \"10.0.0.1\"\nspeaks = 5\nswitches = [\"s2\"]",
        &[
            "peer 10.0.0.1/32: speaks must be 6 or 7, found 5",
            "peer 10.0.0.1/32 names switch \"s2\", which is not configured",
        ],
    );
    let twice = "[[peer]]\nnetwork = \"10.0.0.0/8\"\nspeaks = 6\n";
    check(
        &twice.repeat(2),
        &["peer 10.0.0.0/8 is configured twice for switch \"s1\""],
    );
    let second = "[[switch]]\nname = \"s1\"\naddress = \"a:1\"\ndevice_id = 1\nelection_id = 0\n\
                  p4info = \"x\"\ndevice_config = \"x\"\nports = [0, 0]\nflood_group = 1\n\
                  target = \"bmv2\"";
    check(
        second,
        &[
            "two switches are called \"s1\"",
            "switches \"s1\" and \"s1\" are the same device",
            "switch \"s1\": election_id must be above 0",
            "switch \"s1\": the target cannot flood to port 0, the least is 1",
            "switch \"s1\": port 0 is listed twice",
            "switch \"s1\": the target cannot flood to port 0, the least is 1",
        ],
    );
}

#[test]
fn digests_that_never_come_are_refused() {
    let digest = |timeout: u32, size: u32| {
        format!("[[digest]]\nname = \"d\"\nmax_timeout_ms = {timeout}\nmax_list_size = {size}")
    };
    check(&digest(0, 1), &[]);
    check(&digest(1, 0), &[]);
    let endless = "digest \"d\": max_timeout_ms and max_list_size cannot both be 0";
    check(&digest(0, 0), &[endless]);
}

#[test]
fn clusters_that_cannot_meet_are_refused() {
    check(
        "[peering]\ncluster = \"a\"\nhold_s = 2\nlisten = \"0.0.0.0:1\"\n[[peering.peer]]\ncluster = \"a\"\n\
         gateways = [3]\n[[peering.peer]]\ncluster = \"b\"\ngateways = [3]\n[[peering.peer]]\ncluster = \"c\"\n\
         gateways = []\ntls = { ca = \"x\", key = \"y\" }",
        &[
            "[peering] needs [contacts]",
            "peering: hold_s must be at least 3",
            "two clusters are called \"a\"",
            "node 3 is a gateway of two clusters",
            "cluster \"c\" has no gateways",
            "cluster \"c\": tls needs both certificate and key, or neither",
            "peering.listen: 0.0.0.0:1 is no loopback address, so peering needs tls",
        ],
    );
}

#[test]
fn unknown_fields_and_host_bits_are_refused() {
    for (rest, expected) in [
        (
            "[[peer]]\nnetwork = \"10.0.0.1/8\"\nspeaks = 6",
            "without host bits",
        ),
        (
            "[[peer]]\nnetwork = \"10.0.0.0/33\"\nspeaks = 6",
            "without host bits",
        ),
        (
            "[[peer]]\nnetwork = \"10.0.0.0/8\"\nspeaks = 6\nspeeks = 7",
            "speeks",
        ),
        ("colour = \"red\"", "colour"),
    ] {
        let error = Config::parse(&config_text("a:1", rest))
            .expect_err(rest)
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_peer_becomes_an_entry_with_an_origin() {
    let intent = intent();
    let peers: Vec<_> = intent.state.entries_of("ingress.peer").collect();
    let actions: Vec<_> = peers.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["ingress.speaks_v6", "ingress.speaks_v7"]);
    assert_eq!(
        peers[0].params["sequence32"],
        Bits::from(1_u32),
        "the safe choice for ION"
    );
    let origin = &intent.origins[&ItemKey::Entry(peers[0].key.clone())];
    assert_eq!(origin.to_string(), "peer 10.99.12.2/32");
    assert_eq!(
        intent.origins[&ItemKey::MulticastGroup(1)],
        Origin::Configuration("flood_group".to_owned())
    );
}

#[test]
fn options_reach_the_parameters_of_the_action() {
    let rest = "[[peer]]\nnetwork = \"10.0.0.2\"\nspeaks = 6\noptions = { sequence32 = false }";
    let config = Config::parse(&config_text("a:1", rest)).expect("valid TOML");
    let intent = compute(&config.switches[0], &config, &[], &index()).expect("it fits");
    let entry = intent
        .state
        .entries_of("ingress.peer")
        .next()
        .expect("one peer");
    assert_eq!(entry.params["sequence32"], Bits::from(0_u32));
    assert_eq!(
        entry.params["lifetime32"],
        Bits::from(1_u32),
        "the usual value"
    );

    let rest = "[[peer]]\nnetwork = \"10.0.0.2\"\nspeaks = 7\noptions = { colour = 1 }\n\
                [[digest]]\nname = \"nothing_t\"";
    let config = Config::parse(&config_text("a:1", rest)).expect("valid TOML");
    let misfits = compute(&config.switches[0], &config, &[], &index()).expect_err("no option");
    let shown: Vec<_> = misfits.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "peer 10.0.0.2/32: action \"ingress.speaks_v7\" takes no parameters, found (colour)",
            "digest: no digest is called \"nothing_t\"",
        ]
    );
}

/// The operator's file comes after the generated one, and the configuration after both.
#[test]
fn later_sources_win() {
    let config = Config::parse(&config_text("a:1", PEERS)).expect("valid TOML");
    let line = |action: &str| {
        let json = format!(
            r#"{{"tables": [{{"table": "peer", "match": {{"hdr.ipv4.dst": "10.99.12.2/32"}},
                "action": "{action}"}},
                {{"table": "peer", "match": {{"hdr.ipv4.dst": "10.1.1.1"}}, "action": "{action}"}}]}}"#
        );
        EntriesFile::parse(&json).expect("valid JSON")
    };
    let files = [
        ("one".to_owned(), line("pass")),
        ("two".to_owned(), line("speaks_v7")),
    ];
    let intent = compute(&config.switches[0], &config, &files, &index()).expect("it fits");
    let found: Vec<_> = intent
        .state
        .entries_of("ingress.peer")
        .map(|entry| {
            let key = Item::Entry(entry.clone()).key();
            (entry.action.as_str(), intent.origins[&key].to_string())
        })
        .collect();
    assert_eq!(found.len(), 3);
    assert!(
        found.contains(&("ingress.speaks_v7", "two".to_owned())),
        "{found:?}"
    );
    assert!(
        found.contains(&("ingress.speaks_v6", "peer 10.99.12.2/32".to_owned())),
        "{found:?}"
    );
}

#[test]
fn digests_are_subscribed_to_unless_told_otherwise() {
    let names = |rest: &str| {
        let config = Config::parse(&config_text("a:1", rest)).expect("valid TOML");
        let intent = compute(&config.switches[0], &config, &[], &index()).expect("it fits");
        let names = intent.state.items().filter_map(|item| match item {
            Item::Digest(line) => Some((line.digest.clone(), line.ack_timeout_ms)),
            _ => None,
        });
        names.collect::<Vec<_>>()
    };
    let both = [
        ("bundle_report_t".to_owned(), 0),
        ("learn_t".to_owned(), 1000),
    ];
    assert_eq!(names(""), both);
    assert_eq!(
        names("[[digest]]\nname = \"learn_t\"\nack_timeout_ms = 7"),
        [("learn_t".to_owned(), 7)]
    );
}
