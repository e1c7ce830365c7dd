// SPDX-License-Identifier: Apache-2.0 OR MIT
// A learning bridge: digests, multicast, direct counters, and packets from and to a controller.
#include <core.p4>
#include <v1model.p4>

const bit<9> CPU_PORT = 510;

header ethernet_h {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

@controller_header("packet_in")
header packet_in_h {
    bit<9> ingress_port;
    bit<7> unused;
}

@controller_header("packet_out")
header packet_out_h {
    bit<9> egress_port;
    bit<7> unused;
}

struct headers_t {
    packet_out_h packet_out;
    packet_in_h packet_in;
    ethernet_h ethernet;
}

struct metadata_t {}

struct learn_t {
    bit<48> src;
    bit<9> port;
}

parser BridgeParser(packet_in pkt, out headers_t hdr, inout metadata_t meta,
        inout standard_metadata_t std) {
    state start {
        transition select(std.ingress_port) {
            CPU_PORT: parse_packet_out;
            default: parse_ethernet;
        }
    }
    state parse_packet_out {
        pkt.extract(hdr.packet_out);
        transition parse_ethernet;
    }
    state parse_ethernet {
        pkt.extract(hdr.ethernet);
        transition accept;
    }
}

control NoVerify(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control MyIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    direct_counter(CounterType.packets_and_bytes) hits;

    action learn() {
        digest<learn_t>(1, { hdr.ethernet.src, std.ingress_port });
    }
    action forward(bit<9> port) {
        std.egress_spec = port;
    }
    action flood(bit<16> group) {
        std.mcast_grp = group;
    }
    action punt() {
        hdr.packet_in.setValid();
        hdr.packet_in.ingress_port = std.ingress_port;
        hdr.packet_in.unused = 0;
        std.egress_spec = CPU_PORT;
    }
    action drop() {
        mark_to_drop(std);
    }

    table sources {
        key = {
            hdr.ethernet.src: exact;
            std.ingress_port: exact;
        }
        actions = { NoAction; learn; }
        default_action = learn();
        size = 4;
    }
    table destinations {
        key = { hdr.ethernet.dst: exact @name("dst"); }
        actions = { forward; flood; punt; drop; }
        default_action = flood(1);
        counters = hits;
        size = 8;
        support_timeout = true;
    }

    apply {
        if (hdr.packet_out.isValid()) {
            std.egress_spec = hdr.packet_out.egress_port;
            hdr.packet_out.setInvalid();
        } else if (!hdr.ethernet.isValid()) {
            drop();
        } else {
            sources.apply();
            destinations.apply();
        }
    }
}

control MyEgress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {
        if (std.egress_rid != 0 && std.egress_port == std.ingress_port) {
            mark_to_drop(std);
        }
    }
}

control NoCompute(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control BridgeDeparser(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.packet_in);
        pkt.emit(hdr.ethernet);
    }
}

V1Switch(BridgeParser(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), BridgeDeparser()) main;
