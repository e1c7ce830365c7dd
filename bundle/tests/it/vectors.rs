// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Vectors in `testdata/vectors`: worked translations, and public bundles with verdicts.

use bundle::translate::{Crcs, Profile};
use bundle::{Policy, v6, v7};
use serde_json::Value;

use crate::support::{from_hex, hex, reencoded, verdict};

const WORKED_EXAMPLES: &str = include_str!("../../../testdata/vectors/worked-examples.json");
const PUBLIC: &str = include_str!("../../../testdata/vectors/public.json");

/// Every worked example gives exactly the octets that were worked out.
#[test]
fn worked_examples() {
    let examples = read(WORKED_EXAMPLES);
    assert_eq!(examples.len(), 16);
    for example in examples {
        let input = from_hex(text(&example, "input"));
        assert_eq!(reencoded(&input, v7::Tolerance::STRICT), input);
        let outcome = verdict(&input, &policy(&example)).map(|there| hex(&there.octets));
        let expected = Ok(text(&example, "output").to_owned());
        assert_eq!(outcome, expected, "{}", text(&example, "name"));
    }
}

/// Every public vector is translated or refused for the recorded reason.
#[test]
fn public_vectors() {
    let vectors = read(PUBLIC);
    assert_eq!(vectors.len(), 30);
    for vector in vectors {
        let outcome = match verdict(&from_hex(text(&vector, "input")), &policy(&vector)) {
            Ok(_) => "translated",
            Err(reason) => reason,
        };
        assert_eq!(
            outcome,
            text(&vector, "verdict"),
            "{}",
            text(&vector, "name")
        );
    }
}

fn read(vectors: &str) -> Vec<Value> {
    serde_json::from_str(vectors).expect("the file is an array")
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().expect("the value is text")
}

/// The policy that a vector asks for: the default one but for the keys that it has.
fn policy(vector: &Value) -> Policy {
    let mut policy = Policy::default();
    for (key, value) in vector["policy"]
        .as_object()
        .expect("the policy is an object")
    {
        match (key.as_str(), value) {
            ("profile", Value::String(name)) if name == "N" => policy.profile = Profile::N,
            ("primary_crc", Value::Number(_)) => {
                policy.crcs = Crcs {
                    primary: v7::CrcType::Crc32c,
                    ..policy.crcs
                };
            }
            ("default_priority", Value::Number(_)) => {
                policy.default_priority = v6::Priority::Expedited;
            }
            ("age_missing", Value::Bool(value)) => policy.tolerance.age_missing = *value,
            ("strict", Value::Bool(true)) => policy.tolerance = v7::Tolerance::STRICT,
            _ => panic!("the policy key {key} is unknown"),
        }
    }
    policy
}
