// SPDX-License-Identifier: Apache-2.0 OR MIT
// One of everything that a controller can write, read or hear of, for clients of other projects.
#include <core.p4>
#include <v1model.p4>

const bit<9> CPU_PORT = 510;
const bit<32> PORTS = 16;

header ethernet_h {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

header request_h {
    bit<8> kind;
    bit<32> address;
    bit<16> port;
    bit<8> result;
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
    request_h request;
}

struct metadata_t {
    bit<8> class;
}

struct learn_t {
    bit<48> src;
    bit<9> port;
}

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta,
        inout standard_metadata_t std) {
    // Ether types of frames that carry a request.
    value_set<bit<16>>(4) request_types;

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
        transition select(hdr.ethernet.type) {
            request_types: parse_request;
            default: accept;
        }
    }
    state parse_request {
        pkt.extract(hdr.request);
        transition accept;
    }
}

control NoVerify(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control MyIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    @name("port_packets") counter(PORTS, CounterType.packets_and_bytes) port_packets;
    @name("port_rate") meter(PORTS, MeterType.packets) port_rate;
    @name("last_address") register<bit<32>>(PORTS) last_address;
    @name("acl_hits") direct_counter(CounterType.packets) acl_hits;
    @name("host_hits") direct_counter(CounterType.packets_and_bytes) host_hits;
    @name("host_rate") direct_meter<bit<8>>(MeterType.packets) host_rate;
    @name("hops") action_selector(HashAlgorithm.crc16, 16, 16) hops;

    @name("learn") action learn() {
        digest<learn_t>(1, { hdr.ethernet.src, std.ingress_port });
    }
    @name("permit") action permit() {
        acl_hits.count();
    }
    @name("deny") action deny() {
        acl_hits.count();
        mark_to_drop(std);
        exit;
    }
    @name("mirror") action mirror(bit<32> session) {
        acl_hits.count();
        clone(CloneType.I2E, session);
    }
    @name("forward") action forward(bit<9> port) {
        std.egress_spec = port;
    }
    @name("to_host") action to_host(bit<9> port) {
        host_hits.count();
        host_rate.read(meta.class);
        std.egress_spec = port;
    }
    @name("flood") action flood(bit<16> group) {
        host_hits.count();
        std.mcast_grp = group;
    }
    @name("classify") action classify(bit<8> class) {
        meta.class = class;
    }
    @name("punt") action punt() {
        hdr.packet_in.setValid();
        hdr.packet_in.ingress_port = std.ingress_port;
        hdr.packet_in.unused = 0;
        std.egress_spec = CPU_PORT;
    }

    @name("sources") table sources {
        key = { hdr.ethernet.src: exact @name("src"); }
        actions = { NoAction; learn; }
        default_action = learn();
        size = 8;
    }
    @name("acl") table acl {
        key = {
            hdr.request.address: ternary @name("address");
            hdr.request.port: range @name("port");
            hdr.request.kind: optional @name("kind");
        }
        actions = { permit; deny; mirror; }
        default_action = permit();
        counters = acl_hits;
        size = 16;
    }
    @name("kinds") table kinds {
        key = { hdr.request.kind: exact @name("kind"); }
        actions = { classify; NoAction; }
        const default_action = NoAction();
        const entries = {
            1: classify(10);
            2: classify(20);
        }
    }
    @name("routes") table routes {
        key = {
            hdr.request.address: lpm @name("address");
            hdr.request.port: selector;
        }
        actions = { forward; NoAction; }
        implementation = hops;
        size = 64;
    }
    @name("hosts") table hosts {
        key = { hdr.ethernet.dst: exact @name("dst"); }
        actions = { to_host; flood; @defaultonly punt; }
        default_action = punt();
        counters = host_hits;
        meters = host_rate;
        size = 4;
        support_timeout = true;
    }

    apply {
        if (hdr.packet_out.isValid()) {
            std.egress_spec = hdr.packet_out.egress_port;
            hdr.packet_out.setInvalid();
        } else {
            port_packets.count((bit<32>)std.ingress_port);
            bit<8> colour;
            port_rate.execute_meter((bit<32>)std.ingress_port, colour);
            sources.apply();
            if (hdr.request.isValid()) {
                acl.apply();
                last_address.write((bit<32>)std.ingress_port, hdr.request.address);
                kinds.apply();
                hdr.request.result = meta.class + colour;
                routes.apply();
            } else {
                hosts.apply();
            }
        }
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
        pkt.emit(hdr.packet_in);
        pkt.emit(hdr.ethernet);
        pkt.emit(hdr.request);
    }
}

V1Switch(P(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), D()) main;
