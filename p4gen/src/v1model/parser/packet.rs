// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States for the headers in front of a bundle.

use super::graph::{Graph, Open};
use crate::v1model::port_constant;

impl Graph {
    pub(super) fn packet(&mut self) {
        let start = Open::new("start")
            .add("pkt.extract(hdr.ethernet);")
            .add("// The last look needs addresses and nothing else: the rest stays as it is.");
        self.select(
            start,
            "meta.again.reason, hdr.ethernet.ethertype",
            &[
                ("(0, ETHERTYPE_VLAN)", "parse_vlan"),
                ("(0, ETHERTYPE_IPV4)", "parse_ipv4"),
                ("(0, ETHERTYPE_IPV6)", "parse_ipv6"),
                ("(PASS, ETHERTYPE_IPV4)", "parse_ipv4"),
                ("(PASS, ETHERTYPE_IPV6)", "parse_ipv6"),
                ("(0, ETHERTYPE_INJECT)", "parse_inject"),
                ("default", "accept"),
            ],
        );
        let open = Open::new("parse_inject")
            .comment(&["A frame from the slow path, behind a header that says where it goes."])
            .add("pkt.extract(hdr.inject);")
            .add("pkt.extract(hdr.injected);");
        self.goto(open, "accept");
        self.select(
            Open::new("parse_vlan").add("pkt.extract(hdr.vlan);"),
            "hdr.vlan.ethertype",
            &[
                ("ETHERTYPE_IPV4", "parse_ipv4"),
                ("ETHERTYPE_IPV6", "parse_ipv6"),
                ("default", "accept"),
            ],
        );
        self.ip();
        let ports: Vec<_> = (0..self.sizes.udp_ports).map(port_constant).collect();
        let mut cases: Vec<_> = ports
            .iter()
            .map(|port| (port.as_str(), "parse_look"))
            .collect();
        cases.push(("default", "accept"));
        self.select(
            Open::new("parse_udp").add("pkt.extract(hdr.udp);"),
            "hdr.udp.dst_port",
            &cases,
        );
        self.branch(
            Open::new("parse_look"),
            "meta.again.look",
            "3",
            "accept",
            "parse_bundle",
        );
        let bundle = Open::new("parse_bundle")
            .comment(&[
                "The first octet tells the versions apart. Anything else is a keepalive or a",
                "stranger. The first look goes no further: it is about the receiver.",
            ])
            .add("meta.octet = pkt.lookahead<bit<8>>();");
        self.select(
            bundle,
            "meta.again.look, meta.octet",
            &[
                ("(0, 0x06)", "see_v6"),
                ("(0, 0x80 &&& 0xe0)", "see_v7"),
                ("(2, 0x06)", "hop_v6"),
                ("(_, 0x06)", "parse_v6"),
                ("(_, 0x9f)", "parse_v7_indefinite"),
                ("(_, 0x80 &&& 0xe0)", "parse_v7_definite"),
                ("default", "accept"),
            ],
        );
        for version in [6, 7] {
            let open = Open::new(format!("see_v{version}")).set("version", version.to_string());
            self.goto(open, "accept");
        }
    }

    fn ip(&mut self) {
        self.select(
            Open::new("parse_ipv4").add("pkt.extract(hdr.ipv4);"),
            "hdr.ipv4.version, hdr.ipv4.protocol, hdr.ipv4.fragment_offset",
            &[
                ("(4, PROTOCOL_UDP, 0)", "parse_ipv4_length"),
                ("default", "accept"),
            ],
        );
        self.select(
            Open::new("parse_ipv4_length"),
            "hdr.ipv4.ihl",
            &[
                ("5", "parse_udp"),
                ("0 &&& 12", "accept"),
                ("4", "accept"),
                ("default", "parse_ipv4_options"),
            ],
        );
        let options = Open::new("skip_ipv4_options")
            .comment(&[
                "Packets with options are read only to tell whether there is a bundle in them.",
            ])
            .add("meta.encapsulation = 1;")
            .add("pkt.advance(((bit<32>)hdr.ipv4.ihl - 5) << 5);");
        self.branch(
            Open::new("parse_ipv4_options"),
            "meta.again.look",
            "3",
            "accept",
            "skip_ipv4_options",
        );
        self.goto(options, "parse_udp");
        self.select(
            Open::new("parse_ipv6").add("pkt.extract(hdr.ipv6);"),
            "hdr.ipv6.version, hdr.ipv6.next_header",
            &[("(6, PROTOCOL_UDP)", "parse_udp"), ("default", "accept")],
        );
    }
}
