// SPDX-License-Identifier: Apache-2.0 OR MIT
// What can become of a packet. The first octet says what to ask for, and every packet that leaves
// shows what its metadata were.
#include <core.p4>
#include <v1model.p4>

header order_h {
    bit<8> order;
    bit<8> argument;
    bit<8> instance;
    bit<8> kept;
    bit<8> lost;
    bit<8> rid;
    bit<8> passes;
    bit<8> ingress_port;
}

struct headers_t {
    order_h order;
}

struct metadata_t {
    @field_list(1) bit<8> kept;
    @field_list(1) bit<8> passes;
    bit<8> lost;
}

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    state start {
        pkt.extract(hdr.order);
        transition accept;
    }
}

control NoVerify(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control MyIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {
        meta.passes = meta.passes + 1;
        std.egress_spec = 2;
        if (std.instance_type == 0) {
            meta.kept = 0x11;
            meta.lost = 0x22;
            if (hdr.order.order == 1) {
                clone_preserving_field_list(CloneType.I2E, (bit<32>)hdr.order.argument, 1);
                hdr.order.order = 0xee;
            } else if (hdr.order.order == 3) {
                hdr.order.argument = 0x99;
                resubmit_preserving_field_list(1);
            } else if (hdr.order.order == 5) {
                std.mcast_grp = (bit<16>)hdr.order.argument;
            } else if (hdr.order.order == 7) {
                mark_to_drop(std);
            } else if (hdr.order.order == 10) {
                std.mcast_grp = 1;
                mark_to_drop(std);
            }
        }
        if (hdr.order.order == 11) {
            resubmit_preserving_field_list(1);
        }
    }
}

control MyEgress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {
        hdr.order.instance = (bit<8>)std.instance_type;
        hdr.order.kept = meta.kept;
        hdr.order.lost = meta.lost;
        hdr.order.rid = (bit<8>)std.egress_rid;
        hdr.order.passes = meta.passes;
        hdr.order.ingress_port = (bit<8>)std.ingress_port;
        if (std.instance_type == 0 && hdr.order.order == 2) {
            clone_preserving_field_list(CloneType.E2E, (bit<32>)hdr.order.argument, 1);
            hdr.order.order = 0xdd;
        } else if (hdr.order.order == 4 && meta.passes < 3) {
            recirculate_preserving_field_list(1);
        } else if (hdr.order.order == 6) {
            truncate((bit<32>)hdr.order.argument);
        } else if (hdr.order.order == 8) {
            mark_to_drop(std);
        } else if (hdr.order.order == 9) {
            recirculate_preserving_field_list(1);
        }
    }
}

control NoCompute(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control D(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.order);
    }
}

V1Switch(P(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), D()) main;
