// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bpdump stats`: how many bundles of which kind.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use bundle::dissect::{Dissection, Value, block_type_name, dissect};
use bundle::{Version, translate};
use serde_json::{Map, Value as Json, json};

use crate::Format;
use crate::failure::{Failure, Verdict};
use crate::input::{Input, Item};
use crate::policy::PolicyArgs;
use crate::render::style::{HEADING, paint};
use crate::render::{crcs, payload_length, text, value};

const EXAMPLES: &str = "\
Examples:
  bpdump stats *.pcap
  bpdump stats --strict --format json capture.pcap

An outcome is `translated`, or the reason why a bundle cannot be translated with this policy.";

/// Count versions, outcomes, sources and block types.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Stats {
    #[command(flatten)]
    input: Input,
    /// Form of the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    policy: PolicyArgs,
}

/// How often something was seen.
type Counts = BTreeMap<String, usize>;

#[derive(Debug, Default)]
struct Totals {
    bundles: usize,
    octets: usize,
    payload_octets: usize,
    crcs: usize,
    crcs_wrong: usize,
    versions: Counts,
    layers: Counts,
    outcomes: Counts,
    sources: Counts,
    /// By version and number.
    block_types: BTreeMap<(Version, u64), usize>,
}

impl Stats {
    pub(crate) fn run(self) -> Result<Verdict, Failure> {
        let items = self.input.read()?;
        let policy = self.policy.policy();
        let mut totals = Totals::default();
        for item in &items {
            let dissection = dissect(&item.octets, policy.tolerance);
            let outcome = match translate(&item.octets, &policy) {
                Ok(_) => "translated",
                Err(refusal) => refusal.reason.name(),
            };
            totals.note(item, &dissection, outcome);
        }
        let mut out = anstream::stdout().lock();
        match self.format {
            Format::Text => write!(out, "{}", totals.text())?,
            Format::Json => writeln!(out, "{}", totals.object())?,
        }
        Ok(Verdict::Fine)
    }
}

impl Totals {
    fn note(&mut self, item: &Item, dissection: &Dissection<'_>, outcome: &str) {
        let (crcs, wrong) = crcs(dissection);
        self.bundles += 1;
        self.octets += item.octets.len();
        self.payload_octets += payload_length(dissection).unwrap_or_default();
        self.crcs += crcs;
        self.crcs_wrong += wrong;
        count(
            &mut self.versions,
            text::version(dissection.version).to_owned(),
        );
        count(&mut self.outcomes, outcome.to_owned());
        if let Some(captured) = &item.captured {
            count(&mut self.layers, captured.layer.to_string());
        }
        if let Some(source) = dissection.primary("source") {
            count(&mut self.sources, value::describe(source));
        }
        for field in &dissection.fields {
            if let (Value::Block { kind, .. }, Some(version)) = (&field.value, dissection.version) {
                *self.block_types.entry((version, kind.number)).or_default() += 1;
            }
        }
    }

    fn tables(&self) -> [(&'static str, Vec<(String, usize)>); 5] {
        let listed = |counts: &Counts| {
            counts
                .iter()
                .map(|(name, count)| (name.clone(), *count))
                .collect()
        };
        let block_type = |((version, number), count): (&(Version, u64), &usize)| {
            let name = block_type_name(*version, *number).unwrap_or("unknown");
            let version = text::version(Some(*version));
            (format!("{version} {number:>3} {name}"), *count)
        };
        [
            ("versions", listed(&self.versions)),
            ("layers", listed(&self.layers)),
            ("outcomes", listed(&self.outcomes)),
            ("sources", listed(&self.sources)),
            (
                "block types",
                self.block_types.iter().map(block_type).collect(),
            ),
        ]
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let totals = [
            ("bundles", self.bundles),
            ("octets", self.octets),
            ("payload octets", self.payload_octets),
            ("CRCs", self.crcs),
            ("wrong CRCs", self.crcs_wrong),
        ];
        for (name, count) in totals {
            let _ = writeln!(text, "{count:>10}  {name}");
        }
        for (name, mut rows) in self.tables() {
            if rows.is_empty() {
                continue;
            }
            if name != "block types" {
                rows.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
            }
            let _ = writeln!(text, "\n{}", paint(HEADING, name));
            for (name, count) in rows {
                let _ = writeln!(text, "{count:>10}  {name}");
            }
        }
        text
    }

    fn object(&self) -> Json {
        let named = |counts: &Counts| json!(counts);
        let blocks: Vec<_> = self
            .block_types
            .iter()
            .map(|((version, number), count)| {
                json!({
                    "version": crate::render::json::version(Some(*version)),
                    "type": crate::render::json::number(*number),
                    "name": block_type_name(*version, *number),
                    "count": count,
                })
            })
            .collect();
        let mut object = Map::new();
        let members = [
            ("bundles", json!(self.bundles)),
            ("octets", json!(self.octets)),
            ("payload_octets", json!(self.payload_octets)),
            ("crcs", json!(self.crcs)),
            ("crcs_wrong", json!(self.crcs_wrong)),
            ("versions", named(&self.versions)),
            ("layers", named(&self.layers)),
            ("outcomes", named(&self.outcomes)),
            ("sources", named(&self.sources)),
            ("block_types", json!(blocks)),
        ];
        for (name, value) in members {
            object.insert(name.to_owned(), value);
        }
        Json::Object(object)
    }
}

fn count(counts: &mut Counts, name: String) {
    *counts.entry(name).or_default() += 1;
}
