// SPDX-License-Identifier: Apache-2.0 OR MIT
// Arrays of other types than headers, and storage inside of tuples.
#include <core.p4>
#include <v1model.p4>

struct pair_t {
    bit<8> low;
    bit<8> high;
}

header data_h {
    bit<8> op;
    bit<8> at;
    bit<8>[4] octets;
    bit<16> result;
}

header item_h {
    bit<8> n;
}

struct headers_t {
    data_h data;
}

struct metadata_t {
    pair_t[3] pairs;
    tuple<bit<8>, item_h[2]> mixed;
}

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    state start {
        pkt.extract(hdr.data);
        transition accept;
    }
}

control V(inout headers_t hdr, inout metadata_t meta) { apply {} }

bit<16> sum(in bit<8>[4] list) {
    bit<16> all = 0;
    for (bit<8> n in 0 .. 3) {
        all = all + (bit<16>) list[n];
    }
    return all;
}

control I(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    bit<8>[2][2] grid;
    apply {
        std.egress_spec = 2;
        if (hdr.data.op == 1) {
            hdr.data.octets[hdr.data.at] = 0xff;
            hdr.data.result = sum(hdr.data.octets);
        } else if (hdr.data.op == 2) {
            bit<8>[4] other = hdr.data.octets;
            other[0] = other[hdr.data.at];
            hdr.data.octets = { other[3], other[2], other[1], other[0] };
            hdr.data.result = other == hdr.data.octets ? 16w1 : 0;
        } else if (hdr.data.op == 3) {
            meta.pairs[hdr.data.at] = { 1, 2 };
            meta.pairs[hdr.data.at].high = 7;
            pair_t chosen = meta.pairs[1];
            hdr.data.result = chosen.high ++ chosen.low;
        } else if (hdr.data.op == 4) {
            meta.mixed[0] = hdr.data.at;
            meta.mixed[1][0].setValid();
            meta.mixed[1][0].n = hdr.data.octets[3];
            meta.mixed[1][1] = meta.mixed[1][0];
            hdr.data.result = meta.mixed[0] ++ meta.mixed[1][1].n;
        } else if (hdr.data.op == 5) {
            grid[0] = { 1, 2 };
            grid[1] = { 3, 4 };
            grid[hdr.data.at][hdr.data.octets[0]] = 9;
            hdr.data.octets = { grid[0][0], grid[0][1], grid[1][0], grid[1][1] };
            hdr.data.result = (bit<16>) grid[hdr.data.at][1];
        }
    }
}

control E(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) { apply {} }
control C(inout headers_t hdr, inout metadata_t meta) { apply {} }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr.data); } }

V1Switch(P(), V(), I(), E(), C(), D()) main;
