// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole bundles: what was read is written as it was, and read again as the same.

use bundle::{cbor, v6, v7};

use super::{check_error, contents};

/// Decodes a bundle of version 6.
///
/// # Panics
///
/// A promise is broken.
pub fn v6_decode(input: &[u8]) {
    let bundle = match v6::Bundle::decode(input) {
        Ok(bundle) => bundle,
        Err(error) => return check_error(&error, input),
    };
    let written = bundle.to_vec();
    assert_eq!(v6::Bundle::decode(&written).as_ref(), Ok(&bundle));
    // Only padding may go, so a bundle that keeps its length had none.
    assert!(written.len() <= input.len(), "the bundle grew");
    if written.len() == input.len() {
        assert_eq!(written, input);
    }
    let followed = [input, &[6]].concat();
    let (first, rest) = v6::Bundle::decode_first(&followed).expect("it was decoded");
    assert_eq!((&first, rest), (&bundle, &[6][..]));

    let payloads = bundle
        .blocks
        .iter()
        .filter(|block| block.kind == v6::BlockType::PAYLOAD);
    assert_eq!(payloads.count(), 1);
    for block in &bundle.blocks {
        contents::check_v6(block, &bundle.primary);
    }
    let primary = &bundle.primary;
    for reference in [
        primary.destination,
        primary.source,
        primary.report_to,
        primary.custodian,
    ] {
        primary.eid(reference).ok();
    }
}

/// Decodes a bundle of version 7, with and without tolerance.
///
/// # Panics
///
/// A promise is broken.
pub fn v7_decode(input: &[u8]) {
    let strict = v7::Bundle::decode(input, v7::Tolerance::STRICT);
    if let Err(error) = &strict {
        check_error(error, input);
    }
    let bundle = match v7::Bundle::decode(input, v7::Tolerance::LENIENT) {
        Ok(bundle) => bundle,
        Err(error) => {
            strict.expect_err("what is tolerated is more than what is allowed");
            return check_error(&error, input);
        }
    };
    if let Ok(strict) = &strict {
        assert_eq!(strict, &bundle);
    }
    let written = bundle.to_vec();
    let again = v7::Bundle::decode(&written, v7::Tolerance::LENIENT);
    assert_eq!(again.as_ref(), Ok(&bundle));
    let followed = [input, &[0x9f]].concat();
    let first = v7::Bundle::decode_first(&followed, v7::Tolerance::LENIENT);
    let (first, rest) = first.expect("it was decoded");
    assert_eq!((&first, rest), (&bundle, &[0x9f][..]));

    // One byte string for one bundle, but for the head of the outer array.
    if input.first() == Some(&cbor::INDEFINITE_ARRAY) {
        assert_eq!(written, input);
    } else {
        let items = &written[1..written.len() - 1];
        let head = cbor::encoded_head_len(bundle.blocks.len() as u64 + 1);
        assert_eq!(&input[head..], items);
    }
    let (last, others) = bundle.blocks.split_last().expect("there is a payload");
    assert_eq!((last.kind, last.number), (v7::BlockType::PAYLOAD, 1));
    for block in others {
        assert_ne!(block.kind, v7::BlockType::PAYLOAD);
        contents::check_v7(block);
    }
}
