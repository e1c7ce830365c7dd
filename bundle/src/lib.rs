// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundle Protocol versions 6 and 7: bytes to bundles, bundles to bytes, and the reference translator.
//!
//! This crate opens no socket, reads no file and no clock, and keeps no state. The switch tests,
//! the slow path and the daemons therefore run the same code, and it builds without `std`.
//!
//! Start at [`translate()`] to turn a bundle of one version into the other, at [`relay()`] to send
//! it on in its own, at
//! [`v6::Bundle::decode`] or [`v7::Bundle::decode`] for one version, and at [`version()`] to tell
//! the two apart.
//!
//! # Guarantees
//!
//! * Decoding and translating do not panic, whatever the octets are.
//! * A decoded bundle borrows its payload and block data from the input.
//! * Encoding is deterministic: equal bundles give equal octets, integers are always shortest. A
//!   [`View`] keeps the octets of bundles that are spelled otherwise.
//! * Translating is a pure function of the octets and the [`Policy`]. Every other translator of
//!   the system gives the same octets or refuses with the same [`Reason`].
//!
//! # Standards
//!
//! Version 6: [RFC 5050], compressed headers (CBHE) of [RFC 6260], previous hop of [RFC 6259].
//! Version 7: [RFC 9171], administrative record types of [RFC 9713], `ipn` endpoint IDs of
//! [RFC 9758]. Private blocks of ION are translated where both versions have them. The rules of
//! the translation, in the order in which they apply, are in `docs/translation.md`.
//!
//! [RFC 5050]: https://www.rfc-editor.org/rfc/rfc5050
//! [RFC 6259]: https://www.rfc-editor.org/rfc/rfc6259
//! [RFC 6260]: https://www.rfc-editor.org/rfc/rfc6260
//! [RFC 9171]: https://www.rfc-editor.org/rfc/rfc9171
//! [RFC 9713]: https://www.rfc-editor.org/rfc/rfc9713
//! [RFC 9758]: https://www.rfc-editor.org/rfc/rfc9758
#![no_std]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "proptest")]
pub mod arbitrary;
pub mod cbor;
pub mod crc;
pub mod dissect;
mod eid;
mod error;
mod flags;
pub mod fragment;
mod reason;
pub mod sdnv;
pub mod translate;
pub mod v6;
pub mod v7;
mod version;
mod view;

pub use eid::Eid;
pub use error::{DecodeError, Fault};
pub use reason::{Reason, ReasonKind};
pub use translate::{
    Loss, Losses, Policy, Refusal, Translated, Translation, relay, translate, translate_into,
};
pub use version::{Version, version};
pub use view::View;
