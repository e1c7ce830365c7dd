// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bpdump translate`: bundles in the other version.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use bundle::{Policy, Refusal, Translation, translate};
use serde_json::{Value as Json, json};

use crate::Format;
use crate::failure::{Failure, Verdict};
use crate::input::{Input, Item};
use crate::policy::PolicyArgs;
use crate::render::style::{BAD, GOOD, NOTE, PLACE, paint};
use crate::render::value::hex;
use crate::render::{json, text};

const EXAMPLES: &str = "\
Examples:
  bpdump translate 06811011020101010101000082febbfa40079c100005100869706e00312e300001090568656c6c6f
  bpdump translate --crc crc32c --node ipn:7.0 --frame 7 capture.pcap -o bundle.bin
  bpdump translate capture.pcap | bpdump show --brief -

Results are hexadecimal digits, one bundle on a line. What was lost is told on standard error.";

/// Translate bundles into the other version, and say what was lost.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Translate {
    #[command(flatten)]
    input: Input,
    /// Form of the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the octets of the result to a file; the input has to be one bundle.
    #[arg(short, long, value_name = "FILE", conflicts_with = "format")]
    output: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyArgs,
}

impl Translate {
    pub(crate) fn run(self) -> Result<Verdict, Failure> {
        let items = self.input.read()?;
        let policy = self.policy.policy();
        if self.output.is_some() && items.len() != 1 {
            let error = anyhow::anyhow!(
                "--output takes one bundle, and the input has {}; --frame chooses one",
                items.len()
            );
            return Err(Failure::Usage(error));
        }
        let mut verdict = Verdict::Fine;
        for item in &items {
            let outcome = translate(&item.octets, &policy);
            verdict.note(outcome.is_ok());
            self.print(item, &outcome, &policy)?;
        }
        Ok(verdict)
    }

    fn print(
        &self,
        item: &Item,
        outcome: &Result<Translation, Refusal>,
        policy: &Policy,
    ) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        if self.format == Format::Json {
            writeln!(out, "{}", object(item, outcome))?;
            return Ok(());
        }
        let mut remarks = anstream::stderr().lock();
        match outcome {
            Ok(translation) => {
                writeln!(remarks, "{}", summary(item, translation))?;
                match &self.output {
                    Some(path) => fs::write(path, &translation.octets)
                        .with_context(|| format!("cannot write {}", path.display()))
                        .map_err(Failure::System)?,
                    None => writeln!(out, "{}", hex(&translation.octets))?,
                }
            }
            Err(refusal) => writeln!(remarks, "{}", refused(item, refusal, policy))?,
        }
        Ok(())
    }
}

/// What became of a bundle, with what was lost.
pub(crate) fn summary(item: &Item, translation: &Translation) -> String {
    let mut text = format!(
        "{}: {} -> {}, {} -> {} octets, ",
        item.name(),
        text::version(bundle::version(&item.octets)),
        text::version(Some(translation.version)),
        item.octets.len(),
        translation.octets.len()
    );
    if translation.losses.is_empty() {
        text.push_str(&paint(GOOD, "nothing lost"));
    } else {
        text.push_str(&paint(NOTE, "lost:"));
        for loss in translation.losses.iter() {
            text.push_str("\n  - ");
            text.push_str(loss.text());
            text.push_str(&paint(PLACE, format_args!(" ({})", loss.name())));
        }
    }
    text
}

fn refused(item: &Item, refusal: &Refusal, _policy: &Policy) -> String {
    let reason = refusal.reason;
    let what = paint(
        BAD,
        format_args!("{} (code {})", reason.name(), reason.code()),
    );
    format!(
        "{}: {what}: {}, at octet {}; `bpdump explain` says more",
        item.name(),
        reason.text(),
        refusal.offset
    )
}

fn object(item: &Item, outcome: &Result<Translation, Refusal>) -> Json {
    let mut object = json::origin(item);
    object.insert(
        "version".to_owned(),
        json::version(bundle::version(&item.octets)),
    );
    let (result, refusal) = match outcome {
        Ok(translation) => {
            let losses: Vec<_> = translation.losses.iter().map(bundle::Loss::name).collect();
            let result = json!({
                "version": json::version(Some(translation.version)),
                "octets": translation.octets.len(),
                "hex": hex(&translation.octets),
                "losses": losses,
            });
            (result, Json::Null)
        }
        Err(refusal) => (Json::Null, refusal_object(refusal)),
    };
    object.insert("result".to_owned(), result);
    object.insert("refusal".to_owned(), refusal);
    Json::Object(object)
}

/// A refusal as a JSON object.
pub(crate) fn refusal_object(refusal: &Refusal) -> Json {
    json!({
        "reason": json::reason(refusal.reason),
        "offset": refusal.offset,
        "field": refusal.field,
        "fault": refusal.fault.map(|fault| fault.to_string()),
    })
}
