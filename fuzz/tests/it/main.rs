// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every check on its seeds, on the inputs that once broke it, and on generated bundles.

mod differential;
mod generated;

use std::{collections::BTreeSet, fs, path::Path};

use fuzz::{
    TARGETS,
    seeds::{Bundles, from_hex},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn seeds_break_nothing() {
    let bundles =
        Bundles::read(&Path::new(ROOT).join("../testdata")).expect("testdata is readable");
    for target in TARGETS {
        let seeds = (target.seeds)(&bundles);
        assert!(seeds.len() >= 10, "{} has few seeds", target.name);
        for seed in seeds {
            println!("{}: {seed:02x?}", target.name);
            (target.check)(&seed);
        }
    }
}

#[test]
fn what_once_broke_holds() {
    let folder = Path::new(ROOT).join("regressions");
    for target in names_in(&folder) {
        let check = TARGETS.iter().find(|known| known.name == target);
        let check = check.expect("a folder has the name of a target").check;
        for name in names_in(&folder.join(&target)) {
            let path = folder.join(&target).join(&name);
            println!("{}", path.display());
            let text = fs::read_to_string(&path).expect("the input is readable");
            let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
            check(&from_hex(&digits).expect("the input is hexadecimal"));
        }
    }
}

/// Each target has a program, and each program a target.
#[test]
fn targets_and_programs_are_the_same() {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).expect("it is built");
    let manifest: toml::Table = toml::from_str(&manifest).expect("cargo has read it");
    let programs: BTreeSet<_> = manifest["bin"]
        .as_array()
        .expect("programs are an array")
        .iter()
        .filter(|program| program.get("required-features").is_some())
        .map(|program| program["name"].as_str().expect("names are text"))
        .collect();
    let targets: BTreeSet<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(programs, targets);
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let listed = fs::read_dir(folder).expect("the folder is readable");
    listed
        .map(|entry| entry.expect("an entry is readable").file_name())
        .map(|name| name.into_string().expect("names are text"))
        .collect()
}
