// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The page that explains the rules, against the rules.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The texts between two marks that begin with the name of a peer and a colon.
fn rules(text: &str, mark: char) -> BTreeSet<String> {
    let is_rule = |text: &&str| {
        let peers = ["bp7: ", "hardy: ", "pyD3TN: ", "tshark: "];
        peers.iter().any(|peer| text.starts_with(peer)) && !text.contains('\n')
    };
    let parts = text.split(mark).filter(is_rule);
    parts.map(str::to_owned).collect()
}

#[test]
fn page_explains_every_rule_and_no_other() {
    let sources = [
        "src/bp7.rs",
        "src/hardy.rs",
        "src/pyd3tn.rs",
        "src/tshark/v6.rs",
        "src/tshark/v7.rs",
    ];
    let in_code: BTreeSet<_> = sources
        .iter()
        .flat_map(|path| rules(&read(path), '"'))
        .collect();
    let on_page = rules(&read("../docs/conformance.md"), '`');
    assert!(
        in_code.len() > 40,
        "only {} rules were found",
        in_code.len()
    );
    assert_eq!(in_code, on_page);
}
