// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Addresses, octet by octet, and what holds for any.

use bpsock::{Address, AddressError, DtnName};
use bundle::{Eid, v7};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

pub(crate) fn addresses() -> impl Strategy<Value = Address> {
    prop_oneof![
        (any::<u32>(), any::<u32>()).prop_map(|(node, service)| Address::Ipn { node, service }),
        (any::<u64>(), any::<u64>()).prop_map(|(node, service)| Address::Ipn64 { node, service }),
        (any::<u32>(), any::<u32>(), any::<u64>()).prop_map(|(allocator, node, service)| {
            Address::Ipn3 {
                allocator,
                node,
                service,
            }
        }),
        "[!-~]{1,118}"
            .prop_map(|name| Address::Dtn(DtnName::new(&name).expect("the text is printable"))),
        Just(Address::DtnTooLong),
    ]
}

fn address(text: &str) -> Address {
    text.parse().expect("the text is an address")
}

#[test]
fn small_numbers_have_the_octets_of_existing_applications() {
    let mut expected = Vec::new();
    expected.extend(28_u16.to_ne_bytes());
    expected.extend([0, 0]);
    for number in [1_u32, 10, 5] {
        expected.extend(number.to_ne_bytes());
    }
    assert_eq!(address("ipn:10.5").encode(), expected);
    // Applications pass larger buffers, and do not clear the padding.
    expected[2..4].fill(0xff);
    expected.extend([0xaa; 112]);
    assert_eq!(Address::decode(&expected), Ok(address("ipn:10.5")));
}

#[test]
fn larger_addresses_have_the_octets_of_the_header() {
    let wide = address("ipn:9.8.7").encode();
    let mut expected = Vec::new();
    expected.extend(28_u16.to_ne_bytes());
    expected.extend([0, 0]);
    for number in [3_u32, 3, 9] {
        expected.extend(number.to_ne_bytes());
    }
    for number in [8_u64, 7] {
        expected.extend(number.to_ne_bytes());
    }
    assert_eq!(wide, expected);
    let name = address("dtn://n/x").encode();
    assert_eq!(name.len(), 10 + 5);
    assert_eq!(name[8..10], 5_u16.to_ne_bytes());
    assert_eq!(&name[10..], b"//n/x");
}

#[test]
fn bad_octets_are_refused() {
    let good = address("ipn:1.2").encode();
    for length in 0..16 {
        let short = Err(AddressError::Short(length));
        assert_eq!(Address::decode(&good[..length]), short, "{length}");
    }
    let check = |at: usize, octets: &[u8], error| {
        let mut bad = address("ipn:1.2.3").encode();
        bad[at..at + octets.len()].copy_from_slice(octets);
        assert_eq!(Address::decode(&bad), Err(error));
    };
    check(0, &2_u16.to_ne_bytes(), AddressError::Family(2));
    check(4, &7_u32.to_ne_bytes(), AddressError::Scheme(7));
    check(8, &4_u32.to_ne_bytes(), AddressError::Elements);
    // Two elements have no allocator, three have a node of 32 bits.
    check(8, &2_u32.to_ne_bytes(), AddressError::Elements);
    check(16, &u64::MAX.to_ne_bytes(), AddressError::Elements);
    let mut name = address("dtn://n/x").encode();
    name[8..10].copy_from_slice(&119_u16.to_ne_bytes());
    assert_eq!(Address::decode(&name), Err(AddressError::Name));
    name[8..10].copy_from_slice(&6_u16.to_ne_bytes());
    assert_eq!(Address::decode(&name), Err(AddressError::Short(15)));
    name[8..10].copy_from_slice(&5_u16.to_ne_bytes());
    name[10] = b' ';
    assert_eq!(Address::decode(&name), Err(AddressError::Name));
}

#[test]
fn text_is_read_and_written() {
    for text in [
        "ipn:0.0",
        "ipn:4294967295.1",
        "ipn:4294967296.1",
        "ipn:0.1.2",
        "dtn:none",
        "dtn://a/b",
    ] {
        assert_eq!(address(text).to_string(), text);
    }
    for text in [
        "",
        "ipn:1",
        "ipn:1.2.3.4",
        "ipn:01.2",
        "ipn:+1.2",
        "dtn:x",
        "http://a",
    ] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

#[test]
fn forms_of_one_endpoint_are_one_endpoint() {
    let [two, three] = ["ipn:4294967298.7", "ipn:1.2.7"].map(address);
    assert_ne!(two, three);
    assert_eq!(two.eid(), three.eid());
    assert_eq!(address("ipn:0.3").eid(), Ok(Eid::Null));
    assert_eq!(address("dtn:none").eid(), Ok(Eid::Null));
    assert!(Address::DtnTooLong.eid().is_err());
}

#[test]
fn version_7_keeps_the_form() {
    for text in [
        "ipn:1.2",
        "ipn:4294967298.7",
        "ipn:1.2.7",
        "dtn:none",
        "dtn://a/b",
    ] {
        let address = address(text);
        let eid = address.to_v7().unwrap();
        assert_eq!(Address::from_v7(&eid), Ok(address.clone()), "{text}");
    }
    let other = v7::Eid::Other {
        scheme: 9,
        ssp: vec![0].into(),
    };
    assert!(Address::from_v7(&other).is_err());
}

proptest! {
    #[test]
    fn octets_come_back(address in addresses()) {
        assert_eq!(Address::decode(&address.encode()), Ok(address));
    }

    #[test]
    fn any_octets_are_no_panic(octets: Vec<u8>, scheme in 0_u32..5) {
        let _ = Address::decode(&octets);
        let mut likely = Address::ipn(1, 1).encode();
        likely[4..8].copy_from_slice(&scheme.to_ne_bytes());
        likely.extend(octets);
        if let Ok(address) = Address::decode(&likely) {
            assert_eq!(Address::decode(&address.encode()), Ok(address));
        }
    }
}
