// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States that read one item, for all fields: numbers, endpoint IDs, decimal digits.

use bundle::Reason;

use super::graph::{Graph, Open, sums};
use crate::v1model::WRITER_BITS;
use crate::v1model::text::{Next, StateText};

/// An SDNV of 64 bits has ten groups of seven.
const SDNV_OCTETS: usize = 10;

impl Graph {
    /// All of them, and the jumps back to the fields, which have to be known by now.
    pub(super) fn readers(&mut self) {
        self.read_sdnv();
        self.read_head();
        self.read_eid();
        self.read_decimal();
        self.returns();
    }

    /// Self-delimiting numeric values (RFC 6256), leading groups of zeros included.
    fn read_sdnv(&mut self) {
        for octet in 1..=SDNV_OCTETS {
            let mut open = Open::new(format!("read_sdnv_{octet}")).octet();
            if octet == 1 {
                open = open
                    .comment(&["Self-delimiting numeric value (RFC 6256), one to ten octets."])
                    .add("meta.number.value = (bit<64>)meta.octet[6:0];");
            } else {
                open = open.add("meta.number.value = meta.number.value[56:0] ++ meta.octet[6:0];");
            }
            if octet == SDNV_OCTETS {
                let open = open.verify("meta.octet[7:7] == 0", Reason::IntegerTooLong);
                self.goto(open, "number_read");
                continue;
            }
            let next = match octet + 1 {
                SDNV_OCTETS => "read_sdnv_room".to_owned(),
                next => format!("read_sdnv_{next}"),
            };
            self.select(
                open,
                "meta.octet[7:7]",
                &[("1", next.as_str()), ("default", "number_read")],
            );
        }
        let open = Open::new("read_sdnv_room")
            .comment(&["The tenth octet shifts these bits out."])
            .verify("meta.number.value[63:57] == 0", Reason::IntegerTooLong);
        self.goto(open, &format!("read_sdnv_{SDNV_OCTETS}"));
    }

    /// Jumps to where the codes in the metadata say, when every field has got its code.
    fn returns(&mut self) {
        for (name, key, points) in [
            ("number_read", "meta.number.then", &self.numbers),
            ("eid_read", "meta.eid.then", &self.eids),
        ] {
            let mut cases: Vec<_> = points
                .iter()
                .map(|point| (point.constant.clone(), point.state.clone()))
                .collect();
            cases.push(("default".to_owned(), "refuse_item".to_owned()));
            self.states.push(StateText {
                comment: Vec::new(),
                name: name.to_owned(),
                body: Vec::new(),
                next: Next::Select {
                    key: key.to_owned(),
                    cases,
                },
            });
        }
    }

    /// Heads of CBOR items in their shortest form (RFC 8949 3 and 4.2.1).
    fn read_head(&mut self) {
        let open = Open::new("read_head")
            .comment(&["Head of a CBOR item in its shortest form (RFC 8949 3 and 4.2.1)."])
            .octet_7()
            .verify(
                "meta.octet[7:5] == meta.number.major",
                Reason::UnexpectedItem,
            )
            .add("meta.number.value = (bit<64>)meta.octet[4:0];");
        self.select(
            open,
            "meta.octet[4:0]",
            &[
                ("24", "read_head_1"),
                ("25", "read_head_2"),
                ("26", "read_head_4"),
                ("27", "read_head_8"),
                ("28 &&& 28", "refuse_item"),
                ("default", "number_read"),
            ],
        );
        let open = Open::new("read_head_1")
            .octet_7()
            .add("meta.number.value = (bit<64>)meta.octet;")
            .verify("meta.octet >= 24", Reason::NotShortest);
        self.goto(open, "number_read");
        for (octets, place, upper) in [
            (2_usize, "meta.word", "15:8"),
            (4, "meta.half", "31:16"),
            (8, "meta.number.value", "63:32"),
        ] {
            let bits = 8 * octets;
            let mut open = Open::new(format!("read_head_{octets}"))
                .add(format!("{place} = pkt.lookahead<bit<{bits}>>();"))
                .add(format!("pkt.advance({bits});"))
                .add(sums(place, octets))
                .add(format!(
                    "meta.cursor.length = meta.cursor.length + {octets};"
                ))
                .add(format!(
                    "meta.cursor.octets = meta.cursor.octets[{}:0] ++ {place};",
                    WRITER_BITS - bits - 1
                ));
            if octets < 8 {
                open = open.add(format!("meta.number.value = (bit<64>){place};"));
            }
            self.goto(
                open.verify(&format!("{place}[{upper}] != 0"), Reason::NotShortest),
                "number_read",
            );
        }
    }

    /// Endpoint IDs of version 7.
    fn read_eid(&mut self) {
        let open = Open::new("read_eid")
            .comment(&[
                "Endpoint ID of the ipn scheme or `dtn:none` (RFC 9171 4.2.5.1, RFC 9758 5).",
                "Others are for the slow path.",
            ])
            .octet_7()
            .verify("meta.octet == 0x82", Reason::UnexpectedItem)
            .octet_7()
            .add("meta.eid.allocator = 0;")
            .add("meta.eid.node = 0;")
            .add("meta.eid.service = 0;");
        self.select(
            open,
            "meta.octet",
            &[
                ("1", "read_eid_dtn"),
                ("2", "read_eid_ipn"),
                ("default", "refuse_eid_form"),
            ],
        );
        self.select(
            Open::new("read_eid_dtn").octet_7(),
            "meta.octet",
            &[("0", "eid_read"), ("default", "refuse_eid_form")],
        );
        self.select(
            Open::new("read_eid_ipn").octet_7(),
            "meta.octet",
            &[
                ("0x82", "read_eid_node"),
                ("0x83", "read_eid_allocator"),
                ("default", "refuse_item"),
            ],
        );
        let open = self
            .head(Open::new("read_eid_allocator"), 0, "eid_allocator")
            .add("meta.eid.allocator = meta.number.value;")
            .verify("meta.eid.allocator[63:32] == 0", Reason::EidMalformed);
        let open = self
            .head(open, 0, "eid_local")
            .verify("meta.number.value[63:32] == 0", Reason::EidMalformed)
            .add("meta.eid.node = meta.eid.allocator[31:0] ++ meta.number.value[31:0];");
        self.goto(open, "read_eid_service");
        let open = self
            .head(Open::new("read_eid_node"), 0, "eid_node")
            .add("meta.eid.node = meta.number.value;");
        self.goto(open, "read_eid_service");
        let open = self
            .head(Open::new("read_eid_service"), 0, "eid_service")
            .add("meta.eid.service = meta.number.value;");
        self.select(
            open,
            "meta.eid.node",
            &[
                ("0", "eid_null"),
                ("0xffffffff", "refuse_local_node"),
                ("default", "eid_read"),
            ],
        );
        let open = Open::new("eid_null")
            .comment(&["RFC 9758 5.4: every service of node 0 is the null endpoint."])
            .add("meta.eid.service = 0;");
        self.goto(open, "eid_read");
    }

    /// Numbers in decimal digits, as the previous hop of version 6 has them.
    fn read_decimal(&mut self) {
        let digit = "meta.octet >= 0x30 && meta.octet <= 0x39";
        let open = Open::new("read_decimal")
            .comment(&[
                "Number in decimal digits without zeros in front, and the octet that ends it.",
            ])
            .octet()
            .verify(digit, Reason::EidForm)
            .add("meta.number.value = (bit<64>)meta.octet[3:0];");
        self.select(
            open,
            "meta.octet",
            &[
                ("0x30", "read_decimal_zero"),
                ("default", "read_decimal_next"),
            ],
        );
        let open = Open::new("read_decimal_zero")
            .octet()
            .verify("meta.octet == meta.number.end", Reason::EidForm);
        self.goto(open, "number_read");
        self.select(
            Open::new("read_decimal_next").octet(),
            "meta.octet ^ meta.number.end",
            &[("0", "number_read"), ("default", "read_decimal_digit")],
        );
        let (most, last) = (u64::MAX / 10, u64::MAX % 10);
        let open = Open::new("read_decimal_digit")
            .verify(digit, Reason::EidForm)
            .verify(
                &format!(
                    "meta.number.value < {most} || (meta.number.value == {most} && meta.octet <= {})",
                    0x30 + last
                ),
                Reason::EidForm,
            )
            .add("meta.number.value = meta.number.value * 10 + (bit<64>)meta.octet[3:0];");
        self.goto(open, "read_decimal_next");
    }
}
