// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules that hold for every value.

use p4rt::{
    Bits,
    value::{Format, MatchKind, parse, parse_match, print, print_match},
};
use proptest::prelude::*;

proptest! {
    /// Canonical form keeps the number, and has one spelling for it.
    #[test]
    fn canonical_form_is_unique(number: u128, zeros in 0_usize..4) {
        let mut wire = vec![0; zeros];
        wire.extend_from_slice(&number.to_be_bytes());
        let bits = Bits::from_wire(&wire);
        prop_assert_eq!(bits.to_uint(), Some(number));
        prop_assert_eq!(&bits, &Bits::from(number));
        prop_assert!(bits.as_bytes().len() == 1 || bits.as_bytes()[0] != 0);
        prop_assert!(bits.fits(128) && (number == 0 || !bits.fits(number.ilog2())));
    }

    #[test]
    fn printed_values_are_read_again(number: u64, format in prop_oneof![
        Just(Format::Decimal), Just(Format::Hex), Just(Format::Ipv6)]) {
        let bits = Bits::from(number);
        let width_bits = if format == Format::Ipv6 { 128 } else { 64 };
        prop_assert_eq!(parse(&print(&bits, format), width_bits), Ok(bits));
    }

    /// No text makes the readers panic, and what they accept they accept again.
    #[test]
    fn any_text_is_read_or_refused(text in "[0-9a-fx.:/&*]{0,24}", width_bits in 1_u32..140) {
        for kind in [MatchKind::Exact, MatchKind::Lpm, MatchKind::Ternary, MatchKind::Range] {
            if let Ok(Some(value)) = parse_match(&text, kind, width_bits) {
                let shown = print_match(&value, Format::Hex);
                prop_assert_eq!(parse_match(&shown, kind, width_bits), Ok(Some(value)));
            }
        }
    }
}
