// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The crate has the numbers and the layout of the headers in `uapi/`.

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;
use std::{fs, iter};

use bpsock::abi::{BundleId, Info, Options, Report};
use bpsock::{abi, protocol};

fn uapi() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("uapi")
}

/// Numbers of the headers, by name.
fn defined() -> BTreeMap<String, u64> {
    let mut numbers = BTreeMap::new();
    for name in ["bp.h", "bp_netlink.h"] {
        let text = fs::read_to_string(uapi().join(name)).expect("the header is there");
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some("#define"), Some(name), Some(value)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let parsed = match value.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16),
                None => value.parse(),
            };
            numbers.extend(parsed.ok().map(|number| (name.to_owned(), number)));
        }
    }
    numbers
}

/// Every command and attribute of the header is here, under its name.
#[test]
fn commands_and_attributes_are_those_of_the_header() {
    let source = include_str!("../../src/protocol.rs");
    let mut here = BTreeMap::new();
    for line in source.lines() {
        let Some(rest) = line.trim().strip_prefix("pub const BP_") else {
            continue;
        };
        let (name, rest) = rest.split_once(": ").unwrap();
        let value = rest.split_once("= ").unwrap().1.trim_end_matches(';');
        if name.starts_with("CMD_") || name.starts_with("A_") {
            here.insert(format!("BP_{name}"), value.parse::<u64>().unwrap());
        }
    }
    let mut header = defined();
    header.retain(|name, _| name.starts_with("BP_CMD_") || name.starts_with("BP_A_"));
    header.retain(|name, _| !name.ends_with("_MAX") || name.ends_with("CHUNK_MAX"));
    assert_eq!(here, header);
    assert_eq!(here.len(), 14 + 26);
}

#[test]
fn other_numbers_are_those_of_the_headers() {
    let header = defined();
    let check = |name: &str, here: u64| assert_eq!(header.get(name), Some(&here), "{name}");
    macro_rules! check_all {
        ($module:ident: $($name:ident)*) => {
            $( check(stringify!($name), u64::try_from($module::$name).unwrap()); )*
        };
    }
    check_all!(abi: SOL_BP
        BP_FLAG_NO_FRAGMENT BP_FLAG_ACK_REQUESTED BP_FLAG_STATUS_TIME BP_FLAG_REPORT_RECEPTION
        BP_FLAG_REPORT_FORWARDING BP_FLAG_REPORT_DELIVERY BP_FLAG_REPORT_DELETION BP_FLAG_ALL
        BP_INFO_LIFETIME BP_INFO_AGE BP_INFO_FLAGS BP_INFO_HOPS BP_INFO_PRIORITY
        BP_REPORT_SENT BP_REPORT_FAILED BP_REPORT_STATUS
        BP_STATUS_RECEIVED BP_STATUS_CUSTODY BP_STATUS_FORWARDED BP_STATUS_DELIVERED
        BP_STATUS_DELETED
        BP_OPTION_LIFETIME BP_OPTION_FLAGS BP_OPTION_HOP_LIMIT BP_OPTION_PRIORITY);
    check_all!(protocol: BP_PROTOCOL_VERSION BP_GENL_VERSION BP_UNIX_TYPE BP_CHUNK_DEFAULT
        BP_CHUNK_LIMIT BP_OPEN_RESTORE BP_OPEN_PRIVILEGED);
    check_all!(bpsock: AF_BP BP_SCHEME_IPN BP_SCHEME_DTN BP_SCHEME_IPN_WIDE);
    check("BP_DTN_NAME_MAX", bpsock::BP_DTN_NAME_MAX as u64);
    let text = fs::read_to_string(uapi().join("bp_netlink.h")).unwrap();
    assert!(text.contains(&format!("\"{}\"", protocol::BP_GENL_NAME)));
}

/// A C compiler agrees about every size and offset.
#[test]
fn structures_are_those_of_the_headers() {
    let mut program = String::from("#include <stddef.h>\n#include \"bp_netlink.h\"\n");
    let mut claim = |condition: String| {
        program.extend(["_Static_assert(", &condition, ", \"differs\");\n"]);
    };
    macro_rules! layout {
        ($c:literal, $rust:ident: $($field:ident)*) => {
            claim(format!("sizeof(struct {}) == {}", $c, size_of::<$rust>()));
            $( claim(format!(
                "offsetof(struct {}, {}) == {}",
                $c, stringify!($field), offset_of!($rust, $field),
            )); )*
        };
    }
    layout!("bp_bundle", BundleId: creation_ms sequence);
    layout!("bp_info", Info: bundle lifetime_ms age_ms flags hop_limit hop_count priority version present);
    layout!("bp_report", Report: kind error status reason time_ms tag bundle);
    layout!("bp_options", Options: lifetime_ms flags hop_limit priority present);
    for (name, offset) in [
        ("sockaddr_bp, bp_scheme", 4),
        ("sockaddr_bp, bp_addr.ipn.node_id", 8),
        ("sockaddr_bp, bp_addr.ipn.service_id", 12),
        ("sockaddr_bp_wide, bp_elements", 8),
        ("sockaddr_bp_wide, bp_allocator", 12),
        ("sockaddr_bp_wide, bp_node", 16),
        ("sockaddr_bp_wide, bp_service", 24),
        ("sockaddr_bp_dtn, bp_length", 8),
        ("sockaddr_bp_dtn, bp_name", 10),
    ] {
        claim(format!("offsetof(struct {name}) == {offset}"));
    }
    claim(format!(
        "sizeof(struct sockaddr_bp_dtn) == {}",
        bpsock::SOCKADDR_BP_MAX_LEN
    ));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layout.c");
    let compile = |program: &str| {
        fs::write(&file, program).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-fsyntax-only", "-Wall", "-Werror", "-I"])
            .arg(uapi())
            .arg(&file);
        cc.output()
            .expect("a C compiler is there, because Rust needs one")
    };
    let output = compile(&program);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // What is false is found.
    let wrong = program + "_Static_assert(sizeof(struct bp_info) == 57, \"differs\");\n";
    assert!(!compile(&wrong).status.success());
}

/// The fields of a structure stand in their order, each in the octets of its offset.
#[test]
fn fields_are_where_the_layout_has_them() {
    let mut octets = Vec::new();
    let info = Info {
        flags: 0x0102_0304,
        present: 9,
        ..Info::default()
    };
    info.encode(&mut octets);
    let at = offset_of!(Info, flags);
    assert_eq!(octets[at..at + 4], 0x0102_0304_u32.to_ne_bytes());
    let rest = octets
        .iter()
        .enumerate()
        .filter(|(index, _)| !(at..at + 4).contains(index));
    assert!(
        rest.take(48)
            .map(|(_, octet)| *octet)
            .eq(iter::repeat_n(0, 48))
    );
    assert_eq!(Info::decode(&octets), Some(info));
    assert_eq!(Info::decode(&octets[..55]), None);
}

/// Schemes, options and their values are in the manual.
#[test]
fn the_manual_names_what_programs_set() {
    let manual = include_str!("../../man/bp.7");
    let kinds = ["SCHEME_", "FLAG_", "PRIORITY_", "RECVINFO_", "REPORT_"];
    let text = fs::read_to_string(uapi().join("bp.h")).expect("the header is there");
    let names = text.lines().filter_map(|line| {
        let mut words = line.strip_prefix("#define BP_")?.split_whitespace();
        let (name, value) = (words.next()?, words.next()?);
        let is_option = value.parse::<u8>().is_ok_and(|it| it > 0) && line.contains("/*");
        let is_value = kinds.iter().any(|kind| name.starts_with(kind));
        let is_mask = name.ends_with("_ALL");
        ((is_option || is_value) && !is_mask).then(|| format!("BP_{name}"))
    });
    let names: Vec<_> = names.collect();
    assert!(names.len() > 25, "{names:?}");
    let is_missing = |name: &&String| !manual.contains(name.as_str());
    let missing: Vec<_> = names.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
