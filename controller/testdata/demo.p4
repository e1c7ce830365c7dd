// SPDX-License-Identifier: Apache-2.0 OR MIT
// The tables, digests and counters that a controller meets in a generated program, around a plain
// learning switch. Datagrams to peers that speak version 6 are reported as if they held a bundle.
#include <core.p4>
#include <v1model.p4>

header ethernet_h {
    bit<48> dst;
    bit<48> src;
    bit<16> ethertype;
}

header ipv4_h {
    bit<8> version_ihl;
    bit<8> tos;
    bit<16> length;
    bit<32> fragment;
    bit<8> ttl;
    bit<8> protocol;
    bit<16> checksum;
    bit<32> src;
    bit<32> dst;
}

struct headers_t {
    ethernet_h ethernet;
    ipv4_h ipv4;
}

struct again_t {
    bit<8> reason;
}

struct metadata_t {
    again_t again;
    bit<8> version;
}

struct learn_t {
    bit<48> address;
    bit<9> port;
}

struct bundle_report_t {
    bit<8> version;
    bit<64> source_node;
    bit<48> neighbour;
    bit<9> ingress_port;
}

/// Hosts behind the switch, with some to spare.
const bit<32> L2_ENTRIES = 1024;
/// Receivers of bundles, with some to spare.
const bit<32> PEER_ENTRIES = 1024;
/// One for each value of a reason code.
const bit<32> REASONS = 256;

parser parse(packet_in pkt, out headers_t hdr, inout metadata_t meta,
        inout standard_metadata_t std) {
    state start {
        pkt.extract(hdr.ethernet);
        transition select(hdr.ethernet.ethertype) {
            0x0800: parse_ipv4;
            default: accept;
        }
    }
    state parse_ipv4 {
        pkt.extract(hdr.ipv4);
        transition accept;
    }
}

control verify_nothing(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control compute_nothing(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control ingress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    counter(REASONS, CounterType.packets_and_bytes) reasons;
    counter(2, CounterType.packets_and_bytes) translated;
    direct_counter(CounterType.packets_and_bytes) peer_traffic;

    action forward(bit<9> port) {
        std.egress_spec = port;
    }
    action flood(bit<16> group) {
        std.mcast_grp = group;
    }
    table l2_forward {
        key = { hdr.ethernet.dst: exact; }
        actions = { forward; flood; }
        default_action = flood(1);
        size = L2_ENTRIES;
    }

    action learn() {
        digest<learn_t>(1, { hdr.ethernet.src, std.ingress_port });
    }
    table l2_source {
        key = { hdr.ethernet.src: exact; std.ingress_port: exact; }
        actions = { NoAction; @defaultonly learn; }
        const default_action = learn();
        size = L2_ENTRIES;
    }

    action speaks_v6(bit<1> sequence32, bit<1> lifetime32) {
        meta.version = 6;
        peer_traffic.count();
    }
    action speaks_v7() {
        meta.version = 7;
        peer_traffic.count();
    }
    action pass() {
        peer_traffic.count();
    }
    table peer {
        key = { hdr.ipv4.dst: lpm; }
        actions = { speaks_v6; speaks_v7; pass; }
        default_action = pass();
        counters = peer_traffic;
        size = PEER_ENTRIES;
    }

    action punt(bit<9> port) {
        std.egress_spec = port;
    }
    action refuse() {
        mark_to_drop(std);
    }
    table refusal {
        key = { meta.again.reason: exact; }
        actions = { punt; refuse; }
        default_action = refuse();
        size = REASONS;
    }

    apply {
        l2_forward.apply();
        if (hdr.ipv4.isValid()) {
            peer.apply();
        }
        if (meta.version == 6) {
            translated.count(1);
            bundle_report_t report;
            report.version = meta.version;
            report.source_node = 42;
            report.neighbour = hdr.ethernet.src;
            report.ingress_port = std.ingress_port;
            digest<bundle_report_t>(1, report);
        } else {
            // Only the last digest of a packet counts.
            l2_source.apply();
        }
        if (meta.again.reason != 0) {
            reasons.count((bit<32>)meta.again.reason);
            refusal.apply();
        }
    }
}

control egress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {
        // A flooded packet does not return to where it came from.
        if (std.egress_rid == 1 && std.egress_port == std.ingress_port) {
            mark_to_drop(std);
        }
    }
}

control deparse(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.ethernet);
        pkt.emit(hdr.ipv4);
    }
}

V1Switch(parse(), verify_nothing(), ingress(), egress(), compute_nothing(), deparse()) main;
