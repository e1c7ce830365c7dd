// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4gen explain`: what a program reads and writes, what it leaves, and what its sizes cost.

use bundle::ReasonKind;
use p4gen::{
    EID_OCTETS, Parameters, Profile, Report, SLOW_PATH, Target,
    layout::{
        BLOCKS, Content, Item, V6_CUSTODY_OR_AGE, V6_PRIMARY, V6_SECURITY, V7_PRIMARY, V7_SECURITY,
    },
};

use crate::{Failure, Status, profile::ProfileArg};

/// Options of the explanation.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Longest payload that the program carries, in octets.
    #[arg(long, value_name = "OCTETS", default_value_t = 1400)]
    max_payload: u32,
    /// Most extension blocks of a bundle.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    max_blocks: u32,
    /// Longest name of a dtn endpoint, in octets.
    #[arg(long, value_name = "OCTETS", default_value_t = 64)]
    max_eid: u32,
    #[command(flatten)]
    profile: ProfileArg,
}

impl Args {
    /// Prints the explanation.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let parameters = Parameters {
            target: Target::Bmv2,
            profile: self.profile.profile,
            max_payload: self.max_payload,
            max_blocks: self.max_blocks,
            max_eid: self.max_eid,
            ..Parameters::default()
        };
        let report = report(parameters)?;
        print_layouts();
        print_profile(parameters.profile);
        print_hops();
        print_slow_path();
        print_costs(parameters, &report)?;
        Ok(())
    }
}

fn report(parameters: Parameters) -> Result<Report, Failure> {
    let text =
        p4gen::generate(parameters).map_err(|error| Failure::new(Status::CommandLine, error))?;
    let source = p4::Source {
        name: "program.p4",
        text: &text,
        ..p4::Source::default()
    };
    let program = p4::compile(&source).map_err(|diagnostics| {
        Failure::new(Status::InputAtFault, anyhow::anyhow!("{diagnostics}"))
    })?;
    Ok(Report::new(parameters, &text, &program))
}

fn print_layouts() {
    println!("Layouts");
    println!(
        "  primary block, version 6: flags, length, {}",
        items(V6_PRIMARY)
    );
    println!(
        "  primary block, version 7: version, flags, CRC type, {}",
        items(V7_PRIMARY)
    );
    println!("  and for fragments in both: offset, length of the data unit");
    for block in BLOCKS {
        println!("  {}", block.title);
        for (version, content) in [("6", block.v6), ("7", block.v7)] {
            match content {
                Some(content) => println!(
                    "    version {version}: type {}, {}",
                    content.code,
                    data(&content)
                ),
                None => println!("    version {version}: none; the block is dropped"),
            }
        }
    }
    println!("  Blocks with a rule of their own");
    println!(
        "    version 6: type {V6_CUSTODY_OR_AGE} is a bundle age if it is one number, else custody, and dropped"
    );
    println!(
        "    refused as security: types {V6_SECURITY:?} of version 6, {V7_SECURITY:?} of version 7"
    );
    println!("    any other: dropped, or refused if its flags ask for that");
    println!("  Payloads of administrative bundles: status reports; other records are refused");
}

fn data(content: &Content) -> String {
    let always = items(content.items);
    match content.optional {
        None => always,
        Some(optional) => format!(
            "{always}, and {} if bit {} of {} is set",
            item(optional.item),
            optional.bit,
            optional.flags
        ),
    }
}

fn items(items: &[Item]) -> String {
    let names: Vec<_> = items.iter().map(|&one| item(one)).collect();
    names.join(", ")
}

fn item(item: Item) -> String {
    match item {
        Item::Number(field) => field.to_owned(),
        Item::Eid(field) => format!("{field} (endpoint ID)"),
        Item::Text(field) => format!("{field} (endpoint ID as text, or a reference)"),
        Item::Octet(field) => format!("{field} (one octet)"),
        Item::Expect(octet, _) => format!("{octet:#04x}"),
    }
}

fn print_profile(profile: Profile) {
    println!("\nProfile {profile}: {}", profile.text());
    let rule = match profile {
        Profile::A => "(1000 s + q mod 1000, q div 1000)",
        Profile::N => "(1000 s, q)",
    };
    println!("  version 6 (s, q) is version 7 {rule}; time 0 stays 0");
    println!(
        "  CRCs, forms of endpoint IDs, widths of numbers, and the types of blocks for ages and"
    );
    println!(
        "  priorities are entries of tables peer, peer_ipv6 and next_hop, not parameters of the program"
    );
}

fn print_hops() {
    println!("\nAt a node (actions routes and routes_named of tables peer and peer_ipv6)");
    println!(
        "  a bundle goes to the next hop of its destination, in a datagram of the node's own; in its"
    );
    println!("  own version, if the next hop reads that, with these changes and no others:");
    println!(
        "    previous node replaced or added, age and hop count increased, their CRCs; unknown blocks"
    );
    println!("    removed, or marked as not processed, as their flags say");
}

fn print_slow_path() {
    println!("\nTo the slow path, unchanged, behind a punt header with the reason");
    for (reason, when) in SLOW_PATH {
        println!("  {:>3} {:<18} {when}", reason.code(), reason.name());
    }
    println!(
        "  Other reasons of the kinds {:?} and {:?} are dropped and counted, unless entries of table\n  refusal say otherwise.",
        ReasonKind::Malformed,
        ReasonKind::Refused
    );
}

/// What each parameter costs: the program without most of it, and the difference.
fn print_costs(parameters: Parameters, report: &Report) -> Result<(), Failure> {
    println!("\n{report}");
    println!("Cost of each parameter");
    println!(
        "  {:<34} {:>8} {:>8} {:>12} {:>14}",
        "", "states", "headers", "header bits", "metadata bits"
    );
    let least = [
        (
            format!("--max-payload {} instead of 1", parameters.max_payload),
            Parameters {
                max_payload: 1,
                ..parameters
            },
        ),
        (
            format!("--max-blocks {} instead of 1", parameters.max_blocks),
            Parameters {
                max_blocks: 1,
                ..parameters
            },
        ),
        (
            format!(
                "--max-eid {} instead of {}",
                parameters.max_eid,
                EID_OCTETS.start()
            ),
            Parameters {
                max_eid: *EID_OCTETS.start(),
                ..parameters
            },
        ),
    ];
    for (what, parameters) in least {
        let least = self::report(parameters)?;
        println!(
            "  {what:<34} {:>+8} {:>+8} {:>+12} {:>+14}",
            more(report.parser_states as u64, least.parser_states as u64),
            more(report.headers as u64, least.headers as u64),
            more(report.header_bits, least.header_bits),
            more(report.metadata_bits, least.metadata_bits),
        );
    }
    Ok(())
}

fn more(all: u64, least: u64) -> i64 {
    all.cast_signed() - least.cast_signed()
}
