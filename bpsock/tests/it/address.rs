// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The octets of an address, and the endpoint ID that it stands for.

use bpsock::{AF_BP, AddressError, BP_SCHEME_DTN, BP_SCHEME_IPN, SOCKADDR_BP_LEN, SockaddrBp};
use bundle::Eid;
use proptest::prelude::*;

/// The octets of an address, from numbers in the byte order of this machine.
fn octets(family: u16, scheme: u32, node: u32, service: u32) -> Vec<u8> {
    let numbers = [scheme, node, service];
    let padding = [0, 0];
    [family.to_ne_bytes(), padding]
        .concat()
        .into_iter()
        .chain(numbers.into_iter().flat_map(u32::to_ne_bytes))
        .collect()
}

/// Checks an endpoint ID and an address against each other, in both directions.
fn check(eid: &Eid<'_>, octets: &[u8]) {
    let address = SockaddrBp::from_eid(eid).expect("the endpoint ID fits");
    assert_eq!(address.encode(), octets);
    assert_eq!(SockaddrBp::decode(octets), Ok(address));
    assert_eq!(&address.eid(), eid);
}

fn check_error(octets: &[u8], error: AddressError) {
    assert_eq!(SockaddrBp::decode(octets), Err(error));
}

#[test]
fn constants_are_those_of_the_interface() {
    assert_eq!(
        (AF_BP, BP_SCHEME_IPN, BP_SCHEME_DTN, SOCKADDR_BP_LEN),
        (28, 1, 2, 16)
    );
}

#[cfg(target_endian = "little")]
#[test]
fn octets_on_a_little_endian_machine() {
    let octets = [28, 0, 0, 0, 1, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5];
    check(&Eid::ipn(0x0102_0304, 0x0506_0708), &octets);
}

#[test]
fn limits_fit() {
    check(&Eid::ipn(1, 0), &octets(28, 1, 1, 0));
    check(
        &Eid::ipn(u32::MAX.into(), u32::MAX.into()),
        &octets(28, 1, u32::MAX, u32::MAX),
    );
    check(&Eid::Null, &octets(28, 1, 0, 0));
}

#[test]
fn every_service_of_node_zero_is_the_null_endpoint() {
    let address = SockaddrBp::decode(&octets(28, 1, 0, 7)).expect("the address is valid");
    assert_eq!(address.eid(), Eid::Null);
    assert_eq!((address.node(), address.service()), (0, 7));
}

#[test]
fn short_addresses_are_refused() {
    let octets = octets(28, 1, 2, 3);
    for len in 0..16 {
        check_error(&octets[..len], AddressError::Short(len));
    }
}

#[test]
fn foreign_addresses_are_refused() {
    check_error(&octets(2, 1, 2, 3), AddressError::Family(2));
    check_error(&octets(0, 1, 2, 3), AddressError::Family(0));
    check_error(&octets(28, 0, 2, 3), AddressError::Scheme(0));
    check_error(&octets(28, BP_SCHEME_DTN, 2, 3), AddressError::Scheme(2));
    check_error(
        &octets(28, 0x0001_0001, 2, 3),
        AddressError::Scheme(0x0001_0001),
    );
}

/// Applications pass a `sockaddr_storage`, and leave rubbish in the padding.
#[test]
fn padding_and_what_follows_are_not_looked_at() {
    let mut large = octets(28, 1, 2, 3);
    large[2..4].fill(0xff);
    large.resize(128, 0xff);
    assert_eq!(SockaddrBp::decode(&large), Ok(SockaddrBp::ipn(2, 3)));
    assert_eq!(
        SockaddrBp::ipn(2, 3).encode().as_slice(),
        octets(28, 1, 2, 3)
    );
}

#[test]
fn endpoint_ids_that_do_not_fit_are_refused() {
    let large = 1 << 32;
    let refused = |eid: &Eid<'_>| SockaddrBp::from_eid(eid).expect_err("it does not fit");
    assert_eq!(refused(&Eid::ipn(large, 1)), AddressError::Number(large));
    assert_eq!(refused(&Eid::ipn(1, large)), AddressError::Number(large));
    let name = Eid::parse("dtn://node/service").expect("the text is valid");
    assert_eq!(refused(&name), AddressError::Scheme(BP_SCHEME_DTN));
}

proptest! {
    #[test]
    fn endpoint_ids_survive(node: u32, service: u32) {
        let eid = Eid::ipn(node.into(), service.into());
        let address = SockaddrBp::from_eid(&eid).expect("the numbers have 32 bits");
        prop_assert_eq!(SockaddrBp::decode(&address.encode()).map(|a| a.eid()), Ok(eid));
    }

    #[test]
    fn octets_are_read_as_they_are(
        family in prop_oneof![Just(28_u16), any::<u16>()],
        scheme in prop_oneof![Just(1_u32), any::<u32>()],
        node: u32,
        service: u32,
    ) {
        let octets = octets(family, scheme, node, service);
        let expected = match (family, scheme) {
            (28, 1) => Ok(SockaddrBp::ipn(node, service)),
            (28, _) => Err(AddressError::Scheme(scheme)),
            _ => Err(AddressError::Family(family)),
        };
        prop_assert_eq!(SockaddrBp::decode(&octets), expected);
    }
}
