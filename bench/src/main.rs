// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes what criterion measured as a table for people, with the machine that it was measured on.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bench::page::machine;
use clap::Parser;
use serde::Deserialize;

/// Print a table of the benchmarks that criterion ran last.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:
  cargo bench -p bench --bench contact
  cargo run -p bench --bin bench -- target/criterion --title Routes --date 2026-11-22 routes"
)]
struct Args {
    /// Folder that criterion writes, in the target directory.
    criterion: PathBuf,
    /// Groups of benchmarks that go onto the page.
    #[arg(required = true)]
    groups: Vec<String>,
    /// Heading of the page.
    #[arg(long)]
    title: String,
    /// Date to put above the table.
    #[arg(long)]
    date: String,
}

/// What criterion says of one benchmark: `benchmark.json`.
#[derive(Debug, Deserialize)]
struct Benchmark {
    group_id: String,
    /// Form and subject with a slash between them.
    function_id: String,
    /// Octets of payload or data, or contacts of a plan.
    value_str: String,
}

/// What criterion measured: `estimates.json`.
#[derive(Debug, Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Debug, Deserialize)]
struct Estimate {
    /// Nanoseconds.
    point_estimate: f64,
}

/// Group, form and size, in octets or contacts; then the nanoseconds of each subject.
type Table = BTreeMap<(String, String, u64), BTreeMap<String, f64>>;

fn main() -> Result<()> {
    let args = Args::parse();
    let mut table = Table::new();
    collect(&args.criterion, &mut table)?;
    table.retain(|(group, _, _), _| args.groups.contains(group));
    anyhow::ensure!(
        !table.is_empty(),
        "{} has no results of these groups: run `cargo bench -p bench` first",
        args.criterion.display()
    );
    print!("{}", page(&args.title, &args.date, &machine(), &table));
    Ok(())
}

/// Reads the results in a folder and the folders below.
fn collect(folder: &Path, table: &mut Table) -> Result<()> {
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.ends_with("new") {
            let benchmark: Benchmark = read(&path.join("benchmark.json"))?;
            let estimates: Estimates = read(&path.join("estimates.json"))?;
            let (form, subject) = match benchmark.function_id.split_once('/') {
                Some((form, subject)) => (form, subject),
                None => (&benchmark.function_id[..], "bundle"),
            };
            let size = benchmark.value_str.parse().context("size")?;
            let key = (benchmark.group_id, form.to_owned(), size);
            let nanoseconds = estimates.median.point_estimate;
            let subjects = table.entry(key).or_default();
            subjects.insert(subject.to_owned(), nanoseconds);
        } else if path.is_dir() {
            collect(&path, table)?;
        }
    }
    Ok(())
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("cannot parse {}", path.display()))
}

fn page(title: &str, date: &str, machine: &str, table: &Table) -> String {
    let mut page = format!(
        "<!-- SPDX-License-Identifier: Apache-2.0 OR MIT -->\n# {title}\n\n\
         `make bench`, {date}, {machine}, one of them used. Median of criterion.\n\n\
         | what | form | size | subject | ns | million per s | times `bundle` |\n\
         | --- | --- | --: | --- | --: | --: | --: |\n"
    );
    for ((group, form, size), subjects) in table {
        let ours = subjects.get("bundle");
        for (subject, ns) in subjects {
            let ratio = ours.map_or_else(String::new, |ours| format!("{:.1}", ns / ours));
            let rate = 1e3 / ns;
            // Writing to a string cannot fail.
            let _ = writeln!(
                page,
                "| {group} | {form} | {size} | {subject} | {ns:.0} | {rate:.2} | {ratio} |"
            );
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::{Table, page};

    #[test]
    fn subjects_are_compared_with_ours() {
        let mut table = Table::new();
        let key = ("decode".to_owned(), "v7".to_owned(), 13);
        let subjects = [("bundle", 100.0), ("other", 450.0)];
        let subjects = subjects.map(|(name, ns)| (name.to_owned(), ns));
        table.insert(key, subjects.into());
        let page = page("Codecs", "today", "here", &table);
        assert!(page.contains("| decode | v7 | 13 | bundle | 100 | 10.00 | 1.0 |"));
        assert!(page.contains("| decode | v7 | 13 | other | 450 | 2.22 | 4.5 |"));
    }
}
