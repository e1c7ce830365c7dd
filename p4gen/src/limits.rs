// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a program leaves to the slow path, and when.

use bundle::{Reason, ReasonKind};

/// Every reason for which a bundle takes the slow path, unless entries say otherwise, and when a
/// program gives it.
pub const SLOW_PATH: &[(Reason, &str)] = &[
    (
        Reason::Security,
        "there is a security block: it is not translated, and a node may send it on in its version",
    ),
    (Reason::Custody, "custody is requested: the same"),
    (
        Reason::AdminRecord,
        "the payload is an administrative record that is no status report, or a part of one: the same",
    ),
    (
        Reason::PayloadTooLong,
        "the payload has more octets than --max-payload",
    ),
    (
        Reason::TooManyBlocks,
        "there are more extension blocks than --max-blocks",
    ),
    (
        Reason::EidForm,
        "a dtn name has more octets than --max-eid; a dictionary, or a name as text, has more than \
         255; an endpoint ID of version 7 has another scheme than dtn and ipn; or a node would \
         replace a previous node that is not well formed",
    ),
    (
        Reason::BlockUnsupported,
        "a node sends a bundle on in its version, and its blocks have more than 255 octets without \
         the payload, or its primary block has more than 255, or a block number is 2^64-1; or a \
         bundle of version 7 comes to a node with a block of type 13, HDTN's priority for some, that \
         asks to delete the bundle where it is unknown",
    ),
    (
        Reason::BlockOrder,
        "a node sends a bundle of version 6 on in its version, and a block follows the payload",
    ),
    (
        Reason::Encapsulation,
        "the IP packet is a fragment or has options, or its length is not that of the datagram",
    ),
    (
        Reason::Mtu,
        "the new packet is longer than the receiver's entry allows",
    ),
    (
        Reason::Store,
        "the route's entry says to wait for a contact",
    ),
    (
        Reason::LocalDelivery,
        "the route's entry says that the endpoint is here",
    ),
    (
        Reason::NoRoute,
        "no entry says where the endpoint is, or how its next hop is reached",
    ),
];

/// Whether the slow path may do more with the bundle than the program: because it has no sizes, or
/// because it may send on what cannot be translated.
pub(crate) fn goes_to_the_slow_path(reason: Reason) -> bool {
    reason.kind() == ReasonKind::FastPathLimit
        || matches!(
            reason,
            Reason::Security | Reason::Custody | Reason::AdminRecord
        )
}
