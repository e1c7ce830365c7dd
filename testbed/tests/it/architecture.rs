// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `docs/ARCHITECTURE.md` says about the tree, against the tree.
//!
//! The allowed dependencies are read from the tables of that page, so that page and tree can only
//! change together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

type Names = BTreeSet<String>;

/// What a program needs from the system, and what a pure crate therefore takes as an argument.
const SYSTEM: Forbidden = Forbidden {
    std: &["env", "fs", "io", "net", "os", "process"],
    words: &["Instant", "SystemTime", "tokio", "socket2", "libc"],
};
/// The core of the switch: bits and tables, whoever writes them.
const SWITCH_CORE: Forbidden = Forbidden {
    std: SYSTEM.std,
    words: &[
        "Instant",
        "SystemTime",
        "tokio",
        "p4rt",
        "prost",
        "tonic",
        "server",
    ],
};
/// Cores that decide for a connection. They name addresses, and open none.
const DECIDING: Forbidden = Forbidden {
    std: &["env", "fs", "io", "os", "process", "thread"],
    words: &[
        "Instant",
        "SystemTime",
        "tokio",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
    ],
};

/// Modules without a connection inside crates that have some.
const PURE_MODULES: &[(&str, &[&str], Forbidden)] = &[
    (
        "switch/src",
        &["engine", "pipeline.rs", "traffic.rs"],
        SWITCH_CORE,
    ),
    (
        "control/src",
        &[
            "core.rs",
            "desired.rs",
            "holder.rs",
            "learn.rs",
            "macs.rs",
            "names.rs",
            "orders.rs",
            "plan.rs",
            "roll_out.rs",
            "rules.rs",
        ],
        DECIDING,
    ),
    (
        "controller/src",
        &[
            "backlog.rs",
            "config",
            "config.rs",
            "intent.rs",
            "neighbours.rs",
            "overrides.rs",
            "peering",
            "reach.rs",
            "routing.rs",
            "schedule.rs",
        ],
        DECIDING,
    ),
    (
        "p4rt/src",
        &[
            "bidding.rs",
            "bits.rs",
            "entries.rs",
            "entry.rs",
            "p4info",
            "p4info.rs",
            "session.rs",
            "target.rs",
            "text.rs",
            "value.rs",
        ],
        DECIDING,
    ),
    (
        "node/src",
        &[
            "counters.rs",
            "datagram.rs",
            "inject.rs",
            "pace.rs",
            "punt.rs",
            "receiver.rs",
            "routes.rs",
            "slow_path.rs",
            "summary.rs",
            "time.rs",
            "timetable.rs",
        ],
        SYSTEM,
    ),
    (
        "node/src",
        &[
            "attachment.rs",
            "config.rs",
            "core.rs",
            "network.rs",
            "planned.rs",
        ],
        DECIDING,
    ),
];

const LICENCE: &str = "SPDX-License-Identifier: Apache-2.0 OR MIT";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a file or folder that are part of the source, in the order of their names.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let listing = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut inside: Vec<_> = listing
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    inside.sort();
    let built = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with('.') || path.is_dir() && ["target", "out"].contains(&&*name)
    };
    inside.retain(|path| !built(path));
    inside.iter().flat_map(|path| files(path)).collect()
}

// The page.

/// A crate as the page describes it.
struct Described {
    kind: String,
    uses: Names,
    tests_use: Names,
}

fn architecture() -> String {
    read("docs/ARCHITECTURE.md")
}

/// The rows of the table below a heading, as cells. The first cell is a name in backticks.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let below = page.lines().skip_while(|line| *line != heading).skip(1);
    below
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// What stands in backticks.
fn quoted(text: &str) -> Names {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn described() -> BTreeMap<String, Described> {
    let describe = |cells: Vec<String>| {
        let [_, name, kind, uses, tests_use, ..] = cells.as_slice() else {
            panic!("a row of the dependency table is too short: {cells:?}");
        };
        let described = Described {
            kind: kind.clone(),
            uses: quoted(uses),
            tests_use: quoted(tests_use),
        };
        (name.trim_matches('`').to_owned(), described)
    };
    table(&architecture(), "## Dependencies")
        .into_iter()
        .map(describe)
        .collect()
}

// The manifests.

fn manifest(path: &str) -> toml::Table {
    toml::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn members() -> Names {
    let root = manifest("Cargo.toml");
    let members = root["workspace"]["members"].as_array();
    let members = members.expect("the workspace lists its members").iter();
    members
        .map(|member| member.as_str().expect("members are paths").to_owned())
        .collect()
}

/// The crates that a member names in tables of these kinds, under any condition.
fn dependencies(member: &str, kinds: &[&str]) -> Names {
    let manifest = manifest(&format!("{member}/Cargo.toml"));
    let conditions = manifest.get("target").and_then(toml::Value::as_table);
    let conditional = conditions.into_iter().flat_map(toml::Table::values);
    let places = conditional.filter_map(toml::Value::as_table);
    let mut names = Names::new();
    for place in places.chain([&manifest]) {
        let tables = kinds.iter().filter_map(|kind| place.get(*kind)?.as_table());
        for (name, details) in tables.flatten() {
            let renamed = details.get("package").and_then(toml::Value::as_str);
            names.insert(renamed.unwrap_or(name).to_owned());
        }
    }
    names
}

fn used(member: &str) -> Names {
    dependencies(member, &["dependencies", "build-dependencies"])
}

fn used_by_tests(member: &str) -> Names {
    dependencies(member, &["dev-dependencies"])
}

fn only(names: &Names, of: &Names) -> Names {
    names.intersection(of).cloned().collect()
}

#[test]
fn dependencies_are_the_allowed_ones() {
    let (members, described) = (members(), described());
    assert_eq!(described.keys().cloned().collect::<Names>(), members);
    for (name, allowed) in &described {
        assert_eq!(only(&used(name), &members), allowed.uses, "{name}");
        // A crate depends once more on itself, or on what it uses, where its tests need a feature.
        let mut tests_use = only(&used_by_tests(name), &members);
        tests_use.retain(|used| used != name && !allowed.uses.contains(used));
        assert_eq!(tests_use, allowed.tests_use, "tests of {name}");
    }
}

#[test]
fn no_crate_depends_on_a_daemon() {
    let described = described();
    let daemons: Names = described
        .iter()
        .filter(|(_, described)| described.kind == "daemon")
        .map(|(name, _)| name.clone())
        .collect();
    for daemon in ["controller", "node"] {
        assert!(daemons.contains(daemon), "{daemon} is a daemon");
    }
    for member in members() {
        let mut all = used(&member);
        all.extend(used_by_tests(&member));
        assert_eq!(only(&all, &daemons), Names::new(), "{member}");
    }
}

#[test]
fn pure_crates_use_the_listed_crates_only() {
    let (members, described) = (members(), described());
    let rows = table(&architecture(), "### Pure crates");
    let listed: BTreeMap<_, _> = rows
        .iter()
        .map(|cells| (cells[1].trim_matches('`'), quoted(&cells[2])))
        .collect();
    let pure = described.iter().filter(|(_, crate_)| crate_.kind == "pure");
    assert!(listed.keys().eq(pure.map(|(name, _)| name)));
    for (name, listed) in listed {
        let foreign: Names = used(name).difference(&members).cloned().collect();
        assert_eq!(foreign, listed, "{name}");
    }
}

// The sources.

/// What must not be named.
#[derive(Clone, Copy)]
struct Forbidden {
    /// Modules of the standard library.
    std: &'static [&'static str],
    /// Identifiers, wherever they come from.
    words: &'static [&'static str],
}

impl Forbidden {
    /// What a source names although it must not.
    fn named_in(&self, source: &str) -> Names {
        let tokens = tokens(source);
        let std = std_modules(&tokens);
        let words: BTreeSet<_> = tokens.into_iter().collect();
        let modules = self.std.iter().filter(|module| std.contains(*module));
        let named = self.words.iter().filter(|word| words.contains(*word));
        modules
            .map(|module| format!("std::{module}"))
            .chain(named.map(|&word| word.to_owned()))
            .collect()
    }

    fn check(&self, path: &Path) {
        let named = self.named_in(&read(path));
        assert_eq!(named, Names::new(), "{}", path.display());
    }
}

/// Identifiers and single signs, without the lines that are comments.
fn tokens(source: &str) -> Vec<&str> {
    let is_part = |sign: char| sign.is_alphanumeric() || sign == '_';
    let mut tokens = Vec::new();
    for line in source.lines().map(str::trim) {
        let mut rest = if line.starts_with("//") { "" } else { line };
        while let Some(first) = rest.chars().next() {
            let length = match rest.find(|sign| !is_part(sign)) {
                Some(0) => first.len_utf8(),
                Some(length) => length,
                None => rest.len(),
            };
            let (token, after) = rest.split_at(length);
            tokens.push(token);
            rest = after.trim_start();
        }
    }
    tokens
}

/// The first names behind `std::`, in braces or not.
fn std_modules<'a>(tokens: &[&'a str]) -> BTreeSet<&'a str> {
    let mut modules = BTreeSet::new();
    for at in 0..tokens.len() {
        let Some(behind) = tokens[at..].strip_prefix(&["std", ":", ":"]) else {
            continue;
        };
        if behind.first() != Some(&"{") {
            modules.extend(behind.first());
            continue;
        }
        let mut depth = 0_usize;
        for pair in behind.windows(2) {
            match pair[0] {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && ["{", ","].contains(&pair[0]) {
                modules.insert(pair[1]);
            }
        }
    }
    modules
}

#[test]
fn forbidden_names_are_found_in_every_spelling() {
    let check = |source, expected: &[&str]| {
        let expected = expected.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(SYSTEM.named_in(source), expected, "{source}");
    };
    check("use std::fs::File;", &["std::fs"]);
    check("use std::{fmt, fs};", &["std::fs"]);
    check(
        "use std::{\n    collections::{BTreeMap, BTreeSet},\n    net::UdpSocket,\n};",
        &["std::net"],
    );
    check("let now = ::std::time::Instant::now();", &["Instant"]);
    check("std :: env :: var(name)", &["std::env"]);
    check("tokio::spawn(work);", &["tokio"]);
    check("    // tokio is not used here: std::fs\n/// Instant", &[]);
    check("use std::{fmt, str::FromStr}; mod fs;", &[]);
    check("let instant = tokio_like; use my_std::fs;", &[]);
}

/// The files of a program in a package that also has a library: `main.rs` and its modules.
fn program_of(sources: &Path) -> BTreeSet<PathBuf> {
    let main = sources.join("main.rs");
    if !main.exists() {
        return BTreeSet::new();
    }
    let text = read(&main);
    let modules = text
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let mut program: BTreeSet<_> = modules
        .map(|module| sources.join(format!("{module}.rs")))
        .collect();
    program.insert(main);
    program
}

#[test]
fn pure_crates_touch_no_system() {
    for (name, described) in described() {
        if described.kind != "pure" {
            continue;
        }
        let sources = root().join(&name).join("src");
        let program = program_of(&sources);
        let library: Vec<_> = files(&sources)
            .into_iter()
            .filter(|path| !program.contains(path))
            .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
            .collect();
        assert!(library.len() > 1, "{name} has a library");
        for path in &library {
            SYSTEM.check(path);
        }
    }
}

#[test]
fn bundle_builds_without_std() {
    let root_module = read("bundle/src/lib.rs");
    assert!(root_module.lines().any(|line| line == "#![no_std]"));
}

#[test]
fn pure_modules_touch_no_connection() {
    for (folder, modules, forbidden) in PURE_MODULES {
        for module in *modules {
            for path in files(&root().join(folder).join(module)) {
                forbidden.check(&path);
            }
        }
    }
}

#[test]
fn every_source_names_its_licence() {
    let endings = ["rs", "p4", "toml", "sh", "proto"];
    let sources: Vec<_> = files(&root())
        .into_iter()
        .filter(|path| {
            let ending = path.extension().unwrap_or_default().to_string_lossy();
            endings.contains(&&*ending)
        })
        .collect();
    let mut without = Vec::new();
    for path in &sources {
        let text = read(path);
        // An interpreter line has to be the first one.
        let first = text.lines().find(|line| !line.starts_with("#!/"));
        let licence = first.and_then(|line| line.split_once(' '));
        let is_named = licence.is_some_and(|(sign, rest)| match sign {
            "//" | "#" => rest == LICENCE,
            "{#" => rest.strip_suffix(" -#}") == Some(LICENCE),
            _ => false,
        });
        if !is_named {
            without.push(path.display().to_string());
        }
    }
    assert!(
        sources.len() > 100,
        "only {} sources were found",
        sources.len()
    );
    assert_eq!(without, Vec::<String>::new());
}

/// A test that the documents name is one that exists, so that "checked" stays true.
#[test]
fn named_tests_exist() {
    let mut pages = files(&root().join("docs/adr"));
    pages.push(root().join("docs/ARCHITECTURE.md"));
    for page in pages {
        let text = read(&page);
        let quotes = quoted(&text);
        let named: Vec<_> = quotes
            .iter()
            .filter_map(|name| name.split_once(".rs::"))
            .collect();
        // Without a name that is recognised, nothing would be checked.
        assert_eq!(
            named.is_empty(),
            !text.contains(".rs::"),
            "{}",
            page.display()
        );
        for (file, test) in named {
            let exists = read(format!("{file}.rs")).contains(&format!("fn {test}("));
            assert!(exists, "{}: {file}.rs has no test {test}", page.display());
        }
    }
}
