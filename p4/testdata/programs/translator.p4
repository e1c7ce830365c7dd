// SPDX-License-Identifier: Apache-2.0 OR MIT
// The constructs of a protocol translator: sub-parsers, functions, wide arithmetic, stacks, all kinds of keys.
#include <core.p4>
#include <v1model.p4>

#define CPU_PORT 510
#define MASKED(value, bits) ((value) & ((1 << (bits)) - 1))

typedef bit<48> mac_t;
type bit<32> node_t;
const bit<16> TYPE_IPV4 = 0x0800;
enum bit<8> Version { V6 = 6, V7 = 7 }
enum bit<8> Kind { unknown = 0, bundle = 1, other = 2 }
error { BadLength }

@controller_header("packet_in")
header punt_h { bit<8> reason; bit<9> port; @hidden bit<7> pad; }
@controller_header("packet_out")
header inject_h { bit<9> port; bit<7> pad; }
header ethernet_h { mac_t dst; mac_t src; bit<16> kind; }
header ipv4_h { bit<4> version; bit<4> ihl; bit<8> tos; bit<16> len; bit<32> src; bit<32> dst; bit<16> sum; }
header byte_h { bit<8> value; }
header wide_h { bit<1024> bits; }

struct number_t { bit<64> value; bit<8> octets; }
struct learn_t { mac_t src; bit<9> port; node_t node; }
struct metadata_t {
    number_t sequence;
    number_t time;
    Kind kind;
    bool ours;
    node_t node;
    @field_list(1) bit<8> reason;
    @field_list(1, 2) bit<16> hash;
}
struct headers_t {
    inject_h inject;
    punt_h punt;
    ethernet_h ethernet;
    ipv4_h ipv4;
    byte_h[10] bytes;
    byte_h version;
    wide_h wide;
}

bit<64> append(in bit<64> value, in bit<8> octet) {
    return value << 7 | (bit<64>) octet[6:0];
}
bit<8> clamp(in bit<8> value, in bit<8> most) {
    if (value > most) { return most; }
    return value;
}
T choose<T>(in bool first, in T a, in T b) { return first ? a : b; }

parser NumberParser(packet_in packet, inout byte_h octet, inout number_t number) {
    bit<8> count = 0;
    state start {
        number.value = 0;
        transition next;
    }
    state next {
        packet.extract(octet);
        number.value = append(number.value, octet.value);
        count = count + 1;
        verify(count <= 10, error.BadLength);
        transition select(octet.value) {
            0x80 &&& 0x80: next;
            default: done;
        }
    }
    state done {
        number.octets = clamp(count, 9);
        transition accept;
    }
}

parser MyParser(packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    NumberParser() number;
    byte_h scratch;
    state start {
        transition select(std.ingress_port) {
            CPU_PORT: parse_inject;
            default: parse_ethernet;
        }
    }
    state parse_inject { packet.extract(hdr.inject); transition parse_ethernet; }
    state parse_ethernet {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.kind, packet.lookahead<bit<8>>()) {
            (TYPE_IPV4, 0x45): parse_ipv4;
            (0x8000 .. 0x9000, _): parse_bytes;
            (0xabcd, 6 &&& 0x0e): parse_version;
            default: accept;
        }
    }
    state parse_ipv4 { packet.extract(hdr.ipv4); packet.advance(32w16); transition parse_version; }
    state parse_bytes {
        packet.extract(hdr.bytes.next);
        transition select(hdr.bytes.last.value[7:7]) { 1: parse_bytes; 0: parse_version; }
    }
    state parse_version {
        packet.extract(hdr.version);
        number.apply(packet, scratch, meta.sequence);
        NumberParser.apply(packet, scratch, meta.time);
        transition select((Version) hdr.version.value) {
            Version.V6: parse_wide;
            Version.V7: accept;
        }
    }
    state parse_wide { packet.extract(hdr.wide); transition accept; }
}

control Verify(inout headers_t hdr, inout metadata_t meta) {
    apply {
        verify_checksum(hdr.ipv4.isValid(), { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos, hdr.ipv4.len, hdr.ipv4.src, hdr.ipv4.dst },
            hdr.ipv4.sum, HashAlgorithm.csum16);
    }
}

control Count(in bit<8> reason, inout bit<16> total) {
    counter(256, CounterType.packets_and_bytes) reasons;
    action bump(bit<16> by) { total = total |+| by; }
    table weights { key = { reason: exact; } actions = { bump; NoAction; } default_action = bump(1); size = 16; }
    apply { reasons.count((bit<32>) reason); weights.apply(); }
}

control MyIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    direct_counter(CounterType.packets) hits;
    register<bit<64>>(128) last_sequence;
    meter(4, MeterType.bytes) rate;
    Count() count;
    bit<16> total = 0;
    bit<2> color;

    action drop() { mark_to_drop(std); exit; }
    action swap(inout mac_t a, inout mac_t b) { mac_t old = a; a = b; b = old; }
    @brief("Sends out of a port.") @id(0x01000abc)
    action forward(bit<9> port, @name("to") mac_t dst, node_t node) {
        std.egress_spec = port;
        hdr.ethernet.src = hdr.ethernet.dst;
        hdr.ethernet.dst = dst;
        meta.node = node;
    }
    action set_reason(bit<8> reason) { meta.reason = reason; }
    table routes {
        key = {
            hdr.ipv4.dst: lpm;
            hdr.ipv4.isValid(): exact @name("is_ipv4");
        }
        actions = { forward; @defaultonly drop; }
        const default_action = drop();
        counters = hits;
        size = 512;
        support_timeout = true;
    }
    table filter {
        key = {
            hdr.ethernet.kind: ternary;
            std.ingress_port: range;
            hdr.ipv4.tos[7:2]: optional;
            meta.kind: exact;
        }
        actions = { set_reason; NoAction; }
        const entries = {
            (0x8000 &&& 0x8000, 1 .. 4, _, Kind.bundle): set_reason(3);
            (TYPE_IPV4, _, 6w5, Kind.other): set_reason(4);
        }
    }
    apply {
        bit<64> previous;
        meta.ours = hdr.version.isValid() && (hdr.wide.isValid() || hdr.bytes[2].isValid());
        meta.kind = meta.ours ? Kind.bundle : Kind.other;
        switch (filter.apply().action_run) {
            set_reason: { count.apply(meta.reason, total); }
            default: { total = 7; }
        }
        count.apply(9, total);
        if (!routes.apply().hit) { return; }
        swap(hdr.ethernet.dst, hdr.ethernet.src);
        last_sequence.read(previous, 5);
        if (previous < meta.sequence.value) { last_sequence.write(5, meta.sequence.value); }
        hash(meta.hash, HashAlgorithm.crc16, 16w0, { hdr.ipv4, meta.time.value }, 16w1024);
        rate.execute_meter(32w1, color);
        digest<learn_t>(1, { hdr.ethernet.src, std.ingress_port, meta.node });
        hdr.wide.bits[1023:960] = meta.sequence.value * 1000 + (bit<64>) total;
        hdr.wide.bits = hdr.wide.bits << meta.time.octets ^ hdr.wide.bits;
        hdr.bytes[0].value = hdr.version.value |-| 1;
        hdr.ipv4.len = choose(meta.ours, hdr.ipv4.len - 1, (bit<16>) 0xff ++ 8w0 == 24w0 ? 16w1 : 2);
        hdr.ethernet.kind = (bit<16>) MASKED(hdr.ethernet.kind, 12);
        switch (hdr.version.value) {
            6: 7: { clone_preserving_field_list(CloneType.I2E, 32w5, 1); }
            8: { resubmit_preserving_field_list(2); }
        }
        hdr.punt = { 1, std.ingress_port, 0 };
        hdr.inject.setInvalid();
    }
}
control MyEgress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {
        for (bit<8> i in 0 .. 3) { if (i == 2) { continue; } meta.hash = meta.hash + (bit<16>) i; }
        truncate(128);
    }
}
control Compute(inout headers_t hdr, inout metadata_t meta) {
    apply { update_checksum(hdr.ipv4.isValid(), { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos }, hdr.ipv4.sum, HashAlgorithm.csum16); }
}
control MyDeparser(packet_out packet, in headers_t hdr) {
    apply { packet.emit(hdr); }
}
@pkginfo(name = "translator", version = "1")
V1Switch(MyParser(), Verify(), MyIngress(), MyEgress(), Compute(), MyDeparser()) main;
