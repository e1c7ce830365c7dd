// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a configuration may say.

use bundle::translate::{Crcs, PriorityRule, Profile, UnknownBlocks};
use bundle::v6::{BlockType, Priority};
use bundle::v7::CrcType;
use bundle::{Policy, Version};
use node::config::Config;
use node::punt::PortId;

fn check(text: &str, expected: &[&str]) {
    let config = Config::parse(&format!("link = \"eth0\"\n{text}")).expect("it is TOML");
    let found: Vec<_> = config
        .misconfigurations()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn contradictions_are_listed() {
    check("", &[]);
    check("node_id = \"ipn:1.0\"", &[]);
    check("node_id = \"dtn://n/\"", &[]);
    for id in ["ipn:1.1", "dtn:none", "n", ""] {
        let message =
            format!("node_id {id:?} is not the endpoint ID of a node, for example ipn:10.0");
        check(&format!("node_id = {id:?}"), &[&message]);
    }
    check(
        "contacts = { plan = \"p\", local_node = 1 }",
        &["contacts need node_id: bundles that wait here have to get older"],
    );
    check(
        "store = { path = \"b\", quota_octets = 0 }",
        &[
            "store needs contacts or controller: nothing would ever wait in it",
            "store: quota_octets must be above 0",
        ],
    );
    let peer = "[[peer]]\nnetwork = \"10.0.0.0/8\"\nspeaks = 5\nport = 511\nmtu = 67\nnode = 2\n\
                crc_primary = 3\nage_type = 7\n[[peer]]\nnetwork = \"10.0.0.0/8\"\nspeaks = 6\n";
    check(
        peer,
        &[
            "peer 10.0.0.0/8: speaks must be 6 or 7, found 5",
            "peer 10.0.0.0/8: port must be in 0..=510, found 511",
            "peer 10.0.0.0/8: CRC types are 0, 1 and 2, found 3",
            "peer 10.0.0.0/8: mtu must be at least 68, found 67",
            "peer 10.0.0.0/8: age_type must be 10 or 20, found 7",
            "peer 10.0.0.0/8: node needs contacts",
            "peer 10.0.0.0/8 is configured twice",
        ],
    );
}

#[test]
fn routes_lead_to_peers() {
    let need = "addresses and [[route]] need each other, and node_id: what is routed makes a hop";
    check("addresses = [\"10.0.0.1\"]", &[need]);
    let route = "[[route]]\nendpoint = \"ipn:2.*\"\nnext_hop = \"10.0.0.7\"\nsource = \"fd00::1\"\n\
        ethernet = \"02:00:00:00:00:07\"\nethernet_source = \"02:00:00:00:00:0A\"\n";
    let nobody = "route ipn:2.*: no peer has the address 10.0.0.7";
    let versions = "route ipn:2.*: next_hop and source are of different IP versions";
    let again = "route ipn:2.* is configured twice";
    check(
        &route.repeat(2),
        &[need, nobody, versions, nobody, versions, again],
    );
    for wrong in [
        "02:00:00:00:00",
        "02:00:00:00:00:0",
        "02:00:00:00:00:07:08",
        "+2:00:00:00:00:07",
    ] {
        let text = format!(
            "link = \"eth0\"\n{}",
            route.replace("02:00:00:00:00:07", wrong)
        );
        let error = Config::parse(&text)
            .expect_err("it is no address")
            .to_string();
        assert!(error.contains("is no Ethernet address"), "{error}");
    }
}

#[test]
fn unknown_fields_and_bad_texts_are_refused() {
    for (text, expected) in [
        ("link = \"eth0\"\nspeed = 1", "unknown field `speed`"),
        ("link = \"udp:1\"", "udp:LOCAL=PEER"),
        ("", "missing field `link`"),
        (
            "link = \"eth0\"\n[[peer]]\nnetwork = \"10.0.0.1/8\"\nspeaks = 6",
            "without host bits",
        ),
        (
            "link = \"eth0\"\n[[peer]]\nnetwork = \"10.0.0.1\"\nspeaks = 6\ncustody = true",
            "unknown field `custody`",
        ),
        (
            "link = \"eth0\"\ntranslation.profile = \"B\"",
            "there is no such profile: choose A or N",
        ),
    ] {
        let error = Config::parse(text).expect_err("it is wrong").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Without options a peer gets what `bundle` has for everybody.
#[test]
fn defaults_are_those_of_the_reference() {
    let text = "link = \"eth0\"\n[[peer]]\nnetwork = \"fd00::/8\"\nspeaks = 7\nport = 3\n";
    let receivers = Config::parse(text).expect("it is valid").receivers();
    let found = receivers.find("fd00::7".parse().expect("an address"));
    let receiver = found.expect("it is configured");
    assert_eq!(receiver.policy, Policy::default());
    assert_eq!(receiver.speaks, Version::V7);
    assert_eq!(receiver.egress_port, PortId(3));
    assert_eq!((receiver.mtu, receiver.neighbour), (None, None));
}

#[test]
fn every_option_reaches_the_policy() {
    let text = "link = \"eth0\"\n[translation]\nprofile = \"N\"\ndefault_priority = \"bulk\"\n\
        priority = \"qos\"\nhdtn_priority = true\nunknown_blocks = \"keep-private\"\n\
        lifetime_zero_s = 9\nstrict = true\n\
        [[peer]]\nnetwork = \"10.0.0.1\"\nspeaks = 6\ncrc_primary = 2\ncrc_blocks = 1\n\
        cbhe = false\ndictionary = false\nsequence32 = false\nlifetime32 = false\nage_type = 10\n";
    let receivers = Config::parse(text).expect("it is valid").receivers();
    let found = receivers.find("10.0.0.1".parse().expect("an address"));
    let policy = &found.expect("it is configured").policy;
    assert_eq!(policy.profile, Profile::N);
    assert_eq!(policy.default_priority, Priority::Bulk);
    assert_eq!(policy.priority, PriorityRule::Qos);
    assert!(policy.hdtn_priority);
    assert_eq!(policy.unknown_blocks, UnknownBlocks::KeepPrivate);
    assert_eq!(policy.lifetime_zero_s.map(std::num::NonZero::get), Some(9));
    assert_eq!(policy.tolerance, bundle::v7::Tolerance::STRICT);
    let crcs = Crcs {
        primary: CrcType::Crc32c,
        blocks: CrcType::Crc16,
    };
    assert_eq!(policy.crcs, crcs);
    let peer = policy.peer_v6;
    assert!(!(peer.cbhe || peer.dictionary || peer.sequence32 || peer.lifetime32));
    assert_eq!(peer.age_block, BlockType::CUSTODY_OR_AGE);
}
