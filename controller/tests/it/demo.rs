// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A program, a configuration and digests that the tests share.

use std::sync::{Arc, LazyLock};

use control::orders::{Intent, Orders};
use controller::{config::Config, intent::compute};
use p4rt::{
    Bits,
    client::DigestIn,
    entries::EntriesFile,
    p4info::Index,
    proto::p4::v1::{DigestList, P4Data, P4StructLike, p4_data::Data},
};

pub(crate) const P4INFO: &str = include_str!("../../../p4rt/testdata/demo.p4info.txtpb");

pub(crate) const BUNDLE_REPORT: u32 = 0x1700_0001;
pub(crate) const LEARN: u32 = 0x1700_0002;
pub(crate) const L2_FORWARD: u32 = 0x0200_0002;
pub(crate) const REFUSAL: u32 = 0x0200_0004;

pub(crate) const ENTRIES: &str = r#"{
  "tables": [{"table": "ingress.refusal", "match": {"meta.again.reason": "3"},
              "action": "ingress.punt", "params": {"port": "5"}},
             {"table": "ingress.refusal", "match": {"meta.again.reason": "4"}, "action": "ingress.refuse"}],
  "defaults": [{"table": "ingress.refusal", "action": "ingress.refuse"}]
}"#;

/// The configuration of one switch, with the sections that follow it.
pub(crate) fn config_text(address: &str, rest: &str) -> String {
    format!(
        r#"[[switch]]
name = "s1"
address = "{address}"
device_id = 1
election_id = 100
p4info = "demo.p4info.txtpb"
device_config = "demo.p4"
entries = ["demo.entries.json"]
ports = [1, 2, 3]
flood_group = 1
{rest}
"#
    )
}

pub(crate) const PEERS: &str = r#"
[[peer]]
network = "10.99.12.2/32"
speaks = 6

[[peer]]
network = "10.99.13.0/24"
speaks = 7
"#;

pub(crate) fn index() -> Arc<Index> {
    static INDEX: LazyLock<Arc<Index>> = LazyLock::new(|| {
        let p4info = p4rt::text::parse(P4INFO).expect("the file is valid");
        Arc::new(Index::new(&p4info).expect("the file is consistent"))
    });
    INDEX.clone()
}

pub(crate) fn intent() -> Intent {
    let config = Config::parse(&config_text("127.0.0.1:9559", PEERS)).expect("valid TOML");
    let file = EntriesFile::parse(ENTRIES).expect("valid JSON");
    let files = [("demo.entries.json".to_owned(), file)];
    compute(&config.switches[0], &config, &files, &index()).expect("everything fits")
}

pub(crate) fn orders() -> Arc<Orders> {
    let intent = intent();
    Arc::new(Orders {
        intent,
        ..Orders::default()
    })
}

fn sample(octets: &[&[u8]]) -> P4Data {
    let member = |octets: &&[u8]| P4Data {
        data: Some(Data::Bitstring(octets.to_vec())),
    };
    let members = octets.iter().map(member).collect();
    P4Data {
        data: Some(Data::Struct(P4StructLike { members })),
    }
}

/// The switch saw addresses behind ports.
pub(crate) fn learn_list(list_id: u64, seen: &[(u64, u32)]) -> DigestList {
    let data = seen
        .iter()
        .map(|(mac, port)| sample(&[Bits::from(*mac).as_bytes(), Bits::from(*port).as_bytes()]));
    DigestList {
        digest_id: LEARN,
        list_id,
        data: data.collect(),
        timestamp: 0,
    }
}

/// The switch saw a bundle of version 7 from node 1 to node 2.
pub(crate) fn bundle_list(list_id: u64) -> DigestList {
    let data = vec![sample(&[&[7], &[1], &[42], &[2], &[1], &[0]])];
    DigestList {
        digest_id: BUNDLE_REPORT,
        list_id,
        data,
        timestamp: 0,
    }
}

pub(crate) fn arrived(list: DigestList) -> DigestIn {
    DigestIn {
        generation: 1,
        list,
    }
}
