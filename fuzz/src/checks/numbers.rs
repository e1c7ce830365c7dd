// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The integers of both versions, and which version some octets are.

use bundle::{Eid, Version, cbor, sdnv, version};

/// Reads numbers and endpoint IDs from the start of the input.
///
/// # Panics
///
/// A promise is broken.
pub fn numbers(input: &[u8]) {
    check_sdnv(input);
    check_cbor(input);
    match version(input) {
        Some(Version::V6) => assert_eq!(input[0], 6),
        Some(Version::V7) => assert_eq!(input[0] & 0xe0, 0x80),
        None => {}
    }
    if let Ok(text) = str::from_utf8(input)
        && let Ok(eid) = Eid::parse(text)
    {
        let written = eid.to_string();
        assert_eq!(Eid::parse(&written).as_ref(), Ok(&eid));
        if !eid.is_null() {
            assert_eq!(written, text);
        }
    }
}

fn check_sdnv(input: &[u8]) {
    let (value, rest) = match sdnv::decode(input) {
        Ok(decoded) => decoded,
        Err(error) => {
            assert!(error.offset <= input.len(), "{error:?} is outside");
            return;
        }
    };
    let used = &input[..input.len() - rest.len()];
    let mut written = Vec::new();
    sdnv::encode(value, &mut written);
    assert_eq!(written.len(), sdnv::encoded_len(value));
    assert!(used.len() <= sdnv::MAX_LEN, "too many octets were read");
    // Padding is zeros in front.
    let padding = used.strip_suffix(&written[..]).expect("the value is right");
    assert!(padding.iter().all(|octet| *octet == 0x80));
}

fn check_cbor(input: &[u8]) {
    let (value, rest) = match cbor::decode_uint(input) {
        Ok(decoded) => decoded,
        Err(error) => {
            assert!(error.offset <= input.len(), "{error:?} is outside");
            return;
        }
    };
    let mut written = Vec::new();
    cbor::encode_uint(value, &mut written);
    assert_eq!(written.len(), cbor::encoded_head_len(value));
    assert_eq!(written, input[..input.len() - rest.len()]);
}
