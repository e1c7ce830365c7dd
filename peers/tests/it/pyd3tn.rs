// SPDX-License-Identifier: Apache-2.0 OR MIT
//! pyD3TN, in a process of its own: reads version 7, writes both versions.

use bundle::v7::Tolerance;
use bundle::{v6, v7};
use peers::{Case, Difference, Tally, Theirs, ours, pyd3tn};

use crate::{SEVEN, SIX};

#[test]
fn pyd3tn_reads_version_7_as_we_do() {
    let requests: Vec<_> = SEVEN
        .iter()
        .map(|sample| pyd3tn::read(&sample.octets))
        .collect();
    let answers = pyd3tn::ask(&requests).expect("pyD3TN answers");
    let mut tally = Tally::new("pyD3TN, valid, lenient");
    for (sample, answer) in SEVEN.iter().zip(&answers) {
        let bundle = ours::read_v7(&sample.octets, Tolerance::LENIENT);
        let ours = bundle
            .as_ref()
            .map(|bundle| (ours::fields_v7(bundle), pyd3tn::reordered(bundle).to_vec()))
            .map_err(|fault| *fault);
        let theirs = pyd3tn::theirs(answer);
        tally.verdicts(ours.is_ok(), matches!(theirs, Theirs::Accepted { .. }));
        let differences = Difference::all(&ours, &theirs, pyd3tn::is_silent);
        let case = Case {
            octets: &sample.octets,
            bundle: bundle.as_ref().ok(),
            theirs: &theirs,
        };
        tally.add(&sample.name, &sample.octets, &differences, |difference| {
            pyd3tn::explained(&case, difference)
        });
    }
    println!("{tally}");
    assert_eq!(tally.unexplained(), 0, "{tally}");
}

#[test]
fn pyd3tn_builds_version_7_as_we_do() {
    let bundles: Vec<(_, v7::Bundle<'_>)> = SEVEN
        .iter()
        .filter_map(|sample| {
            let bundle = ours::read_v7(&sample.octets, Tolerance::LENIENT).ok()?;
            Some((sample, bundle))
        })
        .collect();
    let (bundles, requests): (Vec<_>, Vec<_>) = bundles
        .iter()
        .filter_map(|(sample, bundle)| Some(((sample, bundle), pyd3tn::build(bundle)?)))
        .unzip();
    let answers = pyd3tn::ask(&requests).expect("pyD3TN answers");
    let mut tally = Tally::new("pyD3TN, built");
    for ((sample, bundle), answer) in bundles.into_iter().zip(&answers) {
        let preferred = ours::preferred(bundle);
        let ours = Ok((
            ours::fields_v7(&preferred),
            pyd3tn::reordered(&preferred).to_vec(),
        ));
        let theirs = match pyd3tn::octets(answer) {
            Some(octets) => Theirs::Accepted {
                // The octets are what is compared: equal octets are equal fields.
                fields: ours::fields_v7(&preferred),
                octets: Some(octets),
            },
            None => pyd3tn::theirs(answer),
        };
        tally.verdicts(true, matches!(theirs, Theirs::Accepted { .. }));
        let differences = Difference::all(&ours, &theirs, |_| false);
        let case = Case {
            octets: &sample.octets,
            bundle: Some(bundle),
            theirs: &theirs,
        };
        tally.add(&sample.name, &sample.octets, &differences, |difference| {
            pyd3tn::explained(&case, difference)
        });
    }
    println!("{tally}");
    assert_eq!(tally.unexplained(), 0, "{tally}");
}

#[test]
fn pyd3tn_writes_version_6_as_we_do() {
    let bundles: Vec<_> = SIX
        .iter()
        .map(|sample| v6::Bundle::decode(&sample.octets).expect("it is a bundle"))
        .collect();
    let requests: Vec<_> = bundles
        .iter()
        .map(|bundle| pyd3tn::build6(bundle).expect("all schemes are known"))
        .collect();
    let answers = pyd3tn::ask(&requests).expect("pyD3TN answers");
    let mut tally = Tally::new("pyD3TN, version 6");
    for ((sample, bundle), answer) in SIX.iter().zip(&bundles).zip(&answers) {
        let simplified = pyd3tn::simplified(bundle).expect("all schemes are known");
        let numbers = answer["numbers"].as_array().cloned().unwrap_or_default();
        let mut fields = ours::fields_v6(&simplified);
        let mut theirs = fields.clone();
        peers::fields::put(
            &mut fields,
            "numbers",
            format!("{:?}", pyd3tn::numbers6(bundle)),
        );
        let numbers: Vec<_> = numbers
            .iter()
            .filter_map(serde_json::Value::as_u64)
            .collect();
        peers::fields::put(&mut theirs, "numbers", format!("{numbers:?}"));
        let ours = Ok((fields, simplified.to_vec()));
        let theirs = match pyd3tn::octets(answer) {
            Some(octets) => Theirs::Accepted {
                fields: theirs,
                octets: Some(octets),
            },
            None => pyd3tn::theirs(answer),
        };
        tally.verdicts(true, matches!(theirs, Theirs::Accepted { .. }));
        let differences = Difference::all(&ours, &theirs, |_| false);
        tally.add(&sample.name, &sample.octets, &differences, |_| None);
    }
    println!("{tally}");
    assert_eq!(tally.unexplained(), 0, "{tally}");
}
