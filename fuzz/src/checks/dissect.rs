// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Dissections: they name every octet, and say of a bundle what its decoder says.

use bundle::{
    Version,
    dissect::{Dissection, Value},
    v6,
    v7::{self, Tolerance},
    version,
};

/// Dissects octets that may be a bundle, with and without tolerance.
///
/// # Panics
///
/// A promise is broken.
pub fn dissect(input: &[u8]) {
    for tolerance in [Tolerance::LENIENT, Tolerance::STRICT] {
        let dissection = bundle::dissect::dissect(input, tolerance);
        check_fields(&dissection, input.len());
        let decoded = match version(input) {
            Some(Version::V6) => v6::Bundle::decode(input).map(drop),
            Some(Version::V7) => v7::Bundle::decode(input, tolerance).map(drop),
            None => continue,
        };
        assert_eq!(dissection.error, decoded.err());
        let any_fault = dissection.fields.iter().any(|field| field.fault.is_some());
        assert!(dissection.error.is_none() || any_fault, "nothing is marked");
    }
}

/// Leaves follow each other without a gap, and groups hold their members.
fn check_fields(dissection: &Dissection<'_>, length: usize) {
    let fields = &dissection.fields;
    assert!(fields.len() <= 16 + 3 * length, "too many fields");
    let mut next = 0;
    for leaf in dissection.leaves() {
        assert!(leaf.range.end <= length, "{leaf:?} is outside");
        if matches!(leaf.value, Value::Broken) {
            assert!(leaf.range.is_empty());
            continue;
        }
        assert_eq!(leaf.range.start, next, "{leaf:?}");
        assert!(!leaf.range.is_empty(), "{leaf:?}");
        next = leaf.range.end;
    }
    assert_eq!(next, length);
    // The groups around the field at hand.
    let mut around = Vec::new();
    for field in fields {
        assert!(field.depth <= around.len(), "{field:?} is too deep");
        around.truncate(field.depth);
        if let Some(group) = around.last() {
            let group: &std::ops::Range<usize> = group;
            let inside = group.start <= field.range.start && field.range.end <= group.end;
            assert!(inside || matches!(field.value, Value::Broken), "{field:?}");
        }
        around.push(field.range.clone());
    }
}
