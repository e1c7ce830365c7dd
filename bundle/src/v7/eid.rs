// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Endpoint IDs as version 7 spells them.
//!
//! See [RFC 9171 §4.2.5.1](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.5.1) and, for `ipn`,
//! [RFC 9758](https://www.rfc-editor.org/rfc/rfc9758).

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::str;

use nom::Parser;

use crate::cbor::{self, array, item, pair, text, uint};
use crate::eid;
use crate::error::{Fault, Parsed, fail};

const DTN: u8 = 1;
const IPN: u8 = 2;
/// The heads of arrays of two and three items.
const PAIR: u8 = 0x82;
const TRIPLE: u8 = 0x83;
/// The node number that always means the local node: never valid between nodes.
const LOCAL_NODE: u64 = u32::MAX as u64;

/// An endpoint ID with its spelling, so that a bundle is encoded as it was decoded.
///
/// [`Eid::normal`] gives what it means.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Eid<'a> {
    /// `dtn:none` as the number zero.
    DtnNone,
    /// Another `dtn` endpoint ID, or `none` as text: what follows the colon.
    Dtn(Cow<'a, str>),
    /// `ipn` with two numbers. The node number is the fully qualified one.
    Ipn {
        /// The node number.
        node: u64,
        /// The service number.
        service: u64,
    },
    /// `ipn` with three numbers.
    IpnWithAllocator {
        /// Who allocated the node number.
        allocator: u32,
        /// The node number.
        node: u32,
        /// The service number.
        service: u32,
    },
    /// An endpoint ID of another scheme, with its scheme-specific part as CBOR.
    Other {
        /// The number of the scheme.
        scheme: u64,
        /// One CBOR item.
        ssp: Cow<'a, [u8]>,
    },
}

impl<'a> Eid<'a> {
    /// What the endpoint ID means, whatever its spelling.
    ///
    /// # Errors
    ///
    /// The scheme is another one than `dtn` and `ipn`.
    pub fn normal(&self) -> Result<eid::Eid<'_>, Fault> {
        match self {
            Self::DtnNone => Ok(eid::Eid::Null),
            Self::Dtn(ssp) => eid::Eid::from_dtn_ssp(ssp.as_bytes()),
            Self::Ipn { node, service } => Ok(eid::Eid::ipn(*node, *service)),
            Self::IpnWithAllocator {
                allocator,
                node,
                service,
            } => {
                let qualified = u64::from(*allocator) << 32 | u64::from(*node);
                Ok(eid::Eid::ipn(qualified, u64::from(*service)))
            }
            Self::Other { .. } => Err(Fault::EidScheme),
        }
    }

    /// Whether it is a spelling of the null endpoint.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.normal().is_ok_and(|eid| eid.is_null())
    }

    /// Parses an endpoint ID.
    pub(crate) fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (scheme_at, ()) = pair(input)?;
        let (ssp_at, scheme) = uint(scheme_at)?;
        match u8::try_from(scheme) {
            Ok(DTN) => dtn(ssp_at),
            Ok(IPN) => ipn(ssp_at),
            _ => {
                let (rest, ssp) = item(ssp_at)?;
                Ok((
                    rest,
                    Self::Other {
                        scheme,
                        ssp: Cow::Borrowed(ssp),
                    },
                ))
            }
        }
    }

    /// Appends the endpoint ID.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::DtnNone => out.extend_from_slice(&[PAIR, DTN, 0]),
            Self::Dtn(ssp) => {
                out.extend_from_slice(&[PAIR, DTN]);
                cbor::encode_text(ssp, out);
            }
            Self::Ipn { node, service } => {
                out.extend_from_slice(&[PAIR, IPN, PAIR]);
                cbor::encode_uints([*node, *service], out);
            }
            Self::IpnWithAllocator {
                allocator,
                node,
                service,
            } => {
                out.extend_from_slice(&[PAIR, IPN, TRIPLE]);
                cbor::encode_uints([*allocator, *node, *service].map(u64::from), out);
            }
            Self::Other { scheme, ssp } => {
                out.push(PAIR);
                cbor::encode_uint(*scheme, out);
                out.extend_from_slice(ssp);
            }
        }
    }
}

impl<'a> From<eid::Eid<'a>> for Eid<'a> {
    /// The preferred spelling: `ipn` with two numbers, which every implementation reads.
    fn from(eid: eid::Eid<'a>) -> Self {
        match eid {
            eid::Eid::Null => Self::DtnNone,
            eid::Eid::Ipn { node, service } => Self::Ipn { node, service },
            eid::Eid::Dtn(ssp) => Self::Dtn(ssp),
        }
    }
}

impl eid::Eid<'_> {
    /// Whether it names "the local node" of `ipn`, which means nothing to another node.
    pub(crate) fn is_local_node(&self) -> bool {
        matches!(
            self,
            Self::Ipn {
                node: LOCAL_NODE,
                ..
            }
        )
    }
}

fn dtn(input: &[u8]) -> Parsed<'_, Eid<'_>> {
    // Zero is the only number that the scheme has. Anything else is text.
    if input.first().is_some_and(|initial| initial >> 5 == 0) {
        let (rest, number) = uint(input)?;
        return if number == 0 {
            Ok((rest, Eid::DtnNone))
        } else {
            fail(input, Fault::EidMalformed)
        };
    }
    let (rest, octets) = text(input)?;
    if eid::Eid::from_dtn_ssp(octets).is_err() {
        return fail(input, Fault::EidMalformed);
    }
    match str::from_utf8(octets) {
        Ok(ssp) => Ok((rest, Eid::Dtn(Cow::Borrowed(ssp)))),
        Err(_) => fail(input, Fault::EidMalformed),
    }
}

fn ipn(input: &[u8]) -> Parsed<'_, Eid<'_>> {
    let (rest, eid) = match array(input)? {
        (rest, 2) => {
            let (rest, node) = uint(rest)?;
            let (rest, service) = uint(rest)?;
            (rest, Eid::Ipn { node, service })
        }
        (rest, 3) => {
            let (rest, (allocator, node, service)) = (part, part, part).parse(rest)?;
            (
                rest,
                Eid::IpnWithAllocator {
                    allocator,
                    node,
                    service,
                },
            )
        }
        _ => return fail(input, Fault::EidMalformed),
    };
    if eid.normal().is_ok_and(|eid| eid.is_local_node()) {
        return fail(input, Fault::EidMalformed);
    }
    Ok((rest, eid))
}

/// Parses one of three numbers, which have 32 bits each.
fn part(input: &[u8]) -> Parsed<'_, u32> {
    let (rest, number) = uint(input)?;
    match u32::try_from(number) {
        Ok(number) => Ok((rest, number)),
        Err(_) => fail(input, Fault::EidMalformed),
    }
}

#[cfg(test)]
mod tests {
    use super::{Eid, Vec};
    use crate::eid;
    use crate::error::{DecodeError, Fault};

    #[track_caller]
    fn check(octets: &[u8], text: &str) {
        let (rest, eid) = Eid::parse(octets).expect("the item is valid");
        assert!(rest.is_empty());
        assert_eq!(eid.normal(), eid::Eid::parse(text));
        let mut out = Vec::new();
        eid.encode(&mut out);
        assert_eq!(out, octets);
    }

    fn fault(octets: &[u8]) -> Fault {
        let error = Eid::parse(octets).expect_err("the item is invalid");
        DecodeError::locate(error, octets).fault
    }

    #[test]
    fn every_spelling_of_rfc_9758() {
        check(&[0x82, 2, 0x82, 1, 1], "ipn:1.1");
        check(&[0x82, 2, 0x83, 0, 1, 1], "ipn:1.1");
        let qualified = "ipn:4196183048192001.1";
        check(
            &[0x82, 2, 0x82, 0x1b, 0, 0xe, 0xe8, 0x68, 0, 0, 0, 1, 1],
            qualified,
        );
        check(&[0x82, 2, 0x83, 0x1a, 0, 0xe, 0xe8, 0x68, 1, 1], qualified);
    }

    #[test]
    fn every_spelling_of_the_null_endpoint() {
        check(&[0x82, 1, 0], "dtn:none");
        check(&[0x82, 2, 0x82, 0, 0], "dtn:none");
        check(&[0x82, 2, 0x83, 0, 0, 0], "dtn:none");
        check(&[0x82, 2, 0x82, 0, 1], "dtn:none");
        check(b"\x82\x01\x64none", "dtn:none");
    }

    #[test]
    fn malformed_items() {
        assert_eq!(fault(&[0x82, 2, 0x81, 0]), Fault::EidMalformed);
        assert_eq!(fault(&[0x82, 2, 0x84, 0, 0, 0, 0]), Fault::EidMalformed);
        let wide = [0x82, 2, 0x83, 0, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 1];
        assert_eq!(fault(&wide), Fault::EidMalformed);
        let local = [0x82, 2, 0x82, 0x1a, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(fault(&local), Fault::EidMalformed);
        let local = [0x82, 2, 0x83, 0, 0x1a, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(fault(&local), Fault::EidMalformed);
        assert_eq!(fault(&[0x82, 1, 1]), Fault::EidMalformed);
        assert_eq!(fault(b"\x82\x01\x63//\x00"), Fault::EidMalformed);
        assert_eq!(fault(b"\x82\x01\x64//\xc3\xa9"), Fault::EidMalformed);
        assert!(matches!(fault(&[0x82, 2, 0]), Fault::Expected(_)));
        assert!(matches!(fault(&[0x82, 1, 0x41, 1]), Fault::Expected(_)));
    }

    #[test]
    fn other_schemes_survive() {
        let octets = [0x82, 3, 0x82, 1, 0];
        let (_, eid) = Eid::parse(&octets).expect("the item is well formed");
        assert_eq!(eid.normal(), Err(Fault::EidScheme));
        let mut out = Vec::new();
        eid.encode(&mut out);
        assert_eq!(out, octets);
    }
}
