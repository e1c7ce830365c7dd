// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the slow path says when it has no frame to send.

use std::error::Error;

use bundle::{Policy, Reason};
use node::slow_path::{self, SlowPathError};

use crate::frames::frame;

fn check(octets: &[u8], reason: Reason) -> SlowPathError {
    let error = slow_path::translate(octets, &Policy::default()).expect_err("it is refused");
    assert_eq!(error.reason(), reason, "{error:?}");
    assert!(error.source().is_some());
    error
}

#[test]
fn refusals_keep_their_reason() {
    assert!(matches!(
        check(&frame(b""), Reason::Truncated),
        SlowPathError::Refusal(_)
    ));
    check(&frame(&[6]), Reason::Truncated);
    check(&frame(&[0x9f]), Reason::Truncated);
    check(&frame(&[1, 2, 3]), Reason::Version);
}

#[test]
fn frames_without_a_datagram_have_a_reason() {
    let mut fragment = frame(&[6]);
    fragment[20] = 0x20;
    crate::frames::fix_ip_checksum(&mut fragment);
    assert!(matches!(
        check(&fragment, Reason::Encapsulation),
        SlowPathError::Datagram(_)
    ));
    check(&[], Reason::Encapsulation);
}
