// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a parser can do and how it can fail. Every packet leaves behind a report.
#include <core.p4>
#include <v1model.p4>

error {
    BadVersion
}

header kind_h {
    bit<8> kind;
}

header item_h {
    bit<1> last;
    bit<7> value;
}

header two_h {
    bit<12> high;
    bit<20> low;
}

header report_h {
    bit<8> error_code;
    bit<8> items;
    bit<8> seen;
    bit<32> length;
}

struct headers_t {
    report_h report;
    kind_h kind;
    item_h[3] items;
    two_h two;
}

struct metadata_t {
    bit<8> seen;
}

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    state start {
        pkt.extract(hdr.kind);
        transition select(hdr.kind.kind) {
            1: parse_items;
            2: parse_lookahead;
            3: parse_advance;
            4: parse_verify;
            5: parse_for_ever;
            6: parse_two;
            0x10 .. 0x1f: accept;
            0x20 &&& 0xf0: reject;
        }
    }
    state parse_items {
        pkt.extract(hdr.items.next);
        transition select(hdr.items.last.last) {
            0: parse_items;
            1: accept;
        }
    }
    state parse_lookahead {
        meta.seen = pkt.lookahead<bit<16>>()[7:0];
        transition accept;
    }
    state parse_advance {
        pkt.advance(16);
        transition parse_lookahead_one;
    }
    state parse_lookahead_one {
        meta.seen = pkt.lookahead<bit<8>>();
        transition accept;
    }
    state parse_verify {
        verify(pkt.lookahead<bit<8>>() == 7, error.BadVersion);
        meta.seen = 0x77;
        transition accept;
    }
    state parse_for_ever {
        meta.seen = meta.seen + 1;
        transition parse_for_ever;
    }
    state parse_two {
        pkt.extract(hdr.two);
        transition accept;
    }
}

control NoVerify(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control MyIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {
        hdr.report.setValid();
        hdr.report.seen = meta.seen;
        hdr.report.length = std.packet_length;
        hdr.report.items = 0;
        if (hdr.items[0].isValid()) { hdr.report.items = hdr.report.items + 1; }
        if (hdr.items[1].isValid()) { hdr.report.items = hdr.report.items + 1; }
        if (hdr.items[2].isValid()) { hdr.report.items = hdr.report.items + 1; }
        hdr.report.error_code = 0xff;
        if (std.parser_error == error.NoError) { hdr.report.error_code = 0; }
        if (std.parser_error == error.PacketTooShort) { hdr.report.error_code = 1; }
        if (std.parser_error == error.NoMatch) { hdr.report.error_code = 2; }
        if (std.parser_error == error.StackOutOfBounds) { hdr.report.error_code = 3; }
        if (std.parser_error == error.ParserTimeout) { hdr.report.error_code = 5; }
        if (std.parser_error == error.BadVersion) { hdr.report.error_code = 9; }
        std.egress_spec = 2;
    }
}

control MyEgress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {}
}

control NoCompute(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control D(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr);
    }
}

V1Switch(P(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), D()) main;
