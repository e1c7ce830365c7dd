// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Administrative records: what was read is written as it was, and read again as the same.

use bundle::{v6, v7};

use super::check_error;

/// Decodes a record of version 6.
///
/// # Panics
///
/// A promise is broken.
pub fn admin_v6(input: &[u8]) {
    let record = match v6::AdminRecord::decode(input) {
        Ok(record) => record,
        Err(error) => return check_error(&error, input),
    };
    match &record {
        v6::AdminRecord::StatusReport(report) => drop(report.subject.source()),
        v6::AdminRecord::CustodySignal(signal) => drop(signal.subject.source()),
        // Nobody knows how to write it.
        _ => return,
    }
    let mut written = Vec::new();
    record.encode(&mut written);
    assert_eq!(v6::AdminRecord::decode(&written).as_ref(), Ok(&record));
    assert!(written.len() <= input.len(), "the record grew");
    if written.len() == input.len() {
        // The first octet has three bits without a meaning.
        assert_eq!(written[0], input[0] & 0xf1);
        assert_eq!(written[1..], input[1..]);
    }
}

/// Decodes a record of version 7, with and without tolerance.
///
/// # Panics
///
/// A promise is broken.
pub fn admin_v7(input: &[u8]) {
    let strict = v7::AdminRecord::decode(input, v7::Tolerance::STRICT);
    if let Err(error) = &strict {
        check_error(error, input);
    }
    let record = match v7::AdminRecord::decode(input, v7::Tolerance::LENIENT) {
        Ok(record) => record,
        Err(error) => {
            strict.expect_err("what is tolerated is more than what is allowed");
            return check_error(&error, input);
        }
    };
    if let Ok(strict) = &strict {
        assert_eq!(strict, &record);
    }
    let v7::AdminRecord::StatusReport(report) = &record else {
        return;
    };
    report.source.normal().ok();
    let mut written = Vec::new();
    report.encode(&mut written);
    let again = v7::AdminRecord::decode(&written, v7::Tolerance::STRICT);
    assert_eq!(again.as_ref(), Ok(&record));
    // Numbers for truth values are as long as truth values.
    assert_eq!(written.len(), input.len());
    if strict.is_ok() {
        assert_eq!(written, input);
    }
}
