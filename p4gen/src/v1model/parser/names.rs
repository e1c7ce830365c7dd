// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States that read names as text, and references to them, as version 6 has them.

use bundle::Reason;

use super::graph::{Graph, Open, Routine};
use super::readers::shift_eight;

/// Schemes as the metadata have them.
const SCHEME_DTN: u8 = 1;
const SCHEME_IPN: u8 = 2;

impl Graph {
    pub(super) fn names(&mut self) {
        self.resolve();
        self.read_name();
        self.read_ipn_text();
    }

    /// Takes the next octet of the string.
    fn string_octet(open: Open) -> Open {
        open.add("meta.octet = meta.chars.octets[2047:2040];")
            .add("meta.chars.octets = meta.chars.octets << 8;")
            .add("meta.name.length = meta.name.length + 1;")
    }

    /// The endpoint ID of a reference: two numbers, or two places in the dictionary.
    fn resolve(&mut self) {
        let open = Open::new("resolve")
            .comment(&["An endpoint ID of version 6: two numbers (RFC 6260), or two strings."])
            .set("eid.node", "0")
            .set("eid.service", "0")
            .set("eid.text", "0")
            .set("eid.length", "0");
        self.branch(
            open,
            "meta.primary.dictionary_length",
            "0",
            "resolve_numbers",
            "resolve_strings",
        );
        let open = Open::new("resolve_numbers").set("eid.node", "meta.resolve.scheme");
        self.branch(open, "meta.eid.node", "0", "resolve_end", "resolve_service");
        let open = Open::new("resolve_service").set("eid.service", "meta.resolve.ssp");
        self.goto(open, "resolve_end");
        let open = Open::new("resolve_strings")
            .verify(
                "meta.resolve.scheme < meta.dictionary.end && meta.resolve.ssp < meta.dictionary.end",
                Reason::Dictionary,
            )
            .add("meta.shift = meta.resolve.scheme[7:0];")
            .set("chars.octets", "meta.dictionary.octets")
            .add(shift_eight("meta.chars.octets", "<<"))
            .set("half", "meta.chars.octets[2047:2016]");
        self.goto(open, "resolve_scheme");
        let open = Open::new("resolve_scheme")
            .add("meta.shift = meta.resolve.ssp[7:0];")
            .set("chars.octets", "meta.dictionary.octets")
            .add(shift_eight("meta.chars.octets", "<<"));
        self.scheme_of_text(open, 0, "refuse_eid_scheme", "resolve_name");
        let open = self.call(
            Open::new("resolve_name"),
            Routine::Name,
            "read_name",
            "resolve_name",
        );
        self.goto(open, "resolve_end");
        let open = Open::new("resolve_end")
            .comment(&["Not every endpoint may travel, nor has every one a name in version 7."])
            .verify("meta.eid.node != 0xffffffff", Reason::EidMalformed)
            .verify("meta.eid.service[63:32] == 0", Reason::ValueRange);
        self.goto(open, "resolved");
    }

    /// Sets the scheme from four octets that end in a given one.
    pub(super) fn scheme_of_text(&mut self, open: Open, end: u8, otherwise: &str, next: &str) {
        let scheme = |name: &[u8; 3]| {
            let [a, b, c] = *name;
            format!("{:#x}", u32::from_be_bytes([a, b, c, end]))
        };
        let (dtn, ipn) = (format!("{next}_dtn"), format!("{next}_ipn"));
        let (dtn_text, ipn_text) = (scheme(b"dtn"), scheme(b"ipn"));
        self.select(
            open,
            "meta.half",
            &[(&dtn_text, &dtn), (&ipn_text, &ipn), ("default", otherwise)],
        );
        for (state, code) in [(dtn, SCHEME_DTN), (ipn, SCHEME_IPN)] {
            let open = Open::new(state).set("name.scheme", code.to_string());
            self.goto(open, next);
        }
    }

    /// The scheme-specific part at the beginning of the string, which a zero ends.
    fn read_name(&mut self) {
        let open = Open::new("read_name")
            .comment(&["The scheme-specific part at the beginning of the string; a zero ends it."])
            .set("eid.node", "0")
            .set("eid.service", "0")
            .set("eid.text", "0")
            .set("eid.length", "0")
            .set("name.length", "0")
            .set("name.part", "0");
        self.select(
            open,
            "meta.name.scheme, meta.chars.octets[2047:2008]",
            &[
                ("(1, 0x6e6f6e6500)", "read_name_none"),
                ("(1, 0x2f2f000000 &&& 0xffff000000)", "read_name_next"),
                ("(2, _)", "read_name_number"),
                ("default", "refuse_local_node"),
            ],
        );
        let open = Open::new("read_name_none").set("name.length", "5");
        self.goto(open, "name_read");
        let open = Self::string_octet(Open::new("read_name_next"));
        self.branch(open, "meta.octet", "0", "name_read", "read_name_octet");
        let text_bits = 8 * self.sizes.max_eid;
        let open = Open::new("read_name_octet")
            .verify("meta.octet[7:7] == 0", Reason::EidMalformed)
            .verify("48w0 ++ meta.eid.length < MAX_EID", Reason::EidForm)
            .add(format!(
                "meta.eid.text = meta.eid.text[{}:0] ++ meta.octet;",
                text_bits - 9
            ))
            .add("meta.eid.length = meta.eid.length + 1;");
        self.goto(open, "read_name_next");
    }

    /// Node and service number in decimal digits without zeros in front.
    fn read_ipn_text(&mut self) {
        let is_digit = "meta.octet >= 0x30 && meta.octet <= 0x39";
        let open = Self::string_octet(
            Open::new("read_name_number")
                .comment(&["Numbers in decimal digits without zeros in front."]),
        )
        .verify(is_digit, Reason::EidMalformed)
        .set("number.value", "(bit<64>)meta.octet[3:0]");
        self.branch(
            open,
            "meta.octet",
            "0x30",
            "read_name_zero",
            "read_name_digits",
        );
        let ends: &[(&str, &str)] = &[("(0x2e, 0)", "read_name_dot"), ("(0, 1)", "read_name_end")];
        let key = "meta.octet, meta.name.part";
        let open = Self::string_octet(Open::new("read_name_zero"));
        self.select(
            open,
            key,
            &[ends, &[("default", "refuse_local_node")]].concat(),
        );
        let open = Self::string_octet(Open::new("read_name_digits"));
        self.select(
            open,
            key,
            &[ends, &[("default", "read_name_digit")]].concat(),
        );
        let (most, last) = (u64::MAX / 10, u64::MAX % 10);
        let open = Open::new("read_name_digit")
            .verify(is_digit, Reason::EidMalformed)
            .verify(
                &format!(
                    "meta.number.value < {most} || (meta.number.value == {most} && meta.octet <= {})",
                    0x30 + last
                ),
                Reason::EidMalformed,
            )
            .add("meta.number.value = meta.number.value * 10 + (bit<64>)meta.octet[3:0];");
        self.goto(open, "read_name_digits");
        let open = Open::new("read_name_dot")
            .set("eid.node", "meta.number.value")
            .set("name.part", "1");
        self.goto(open, "read_name_number");
        self.branch(
            Open::new("read_name_end"),
            "meta.eid.node",
            "0",
            "name_read",
            "read_name_service",
        );
        let open = Open::new("read_name_service").set("eid.service", "meta.number.value");
        self.goto(open, "name_read");
    }
}
