// SPDX-License-Identifier: Apache-2.0 OR MIT
// A program for the Tofino native architecture, with the externs that translators of bundles need.
#include <core.p4>
#include <tna.p4>

header ethernet_h { bit<48> dst; bit<48> src; bit<16> type; }
header ipv4_h { bit<72> start; bit<8> protocol; bit<16> checksum; bit<32> src; bit<32> dst; }
header octets_h { bit<8> first; bit<8> second; }
header mirror_h { bit<8> reason; }

struct headers_t { ethernet_h ethernet; ipv4_h ipv4; octets_h[2] octets; }
struct metadata_t { bit<16> sum; bit<8> reason; bit<16> crc; MirrorId_t session; bool wrong; }
struct report_t { bit<8> reason; PortId_t port; }
struct seen_t { bit<32> first; bit<32> last; }

parser IngressParser(packet_in pkt, out headers_t hdr, out metadata_t meta,
        out ingress_intrinsic_metadata_t intrinsic) {
    Checksum() sum;
    ParserCounter() left;
    state start {
        pkt.extract(intrinsic);
        pkt.advance(PORT_METADATA_SIZE);
        meta = { 0, 0, 0, 0, false };
        pkt.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            0x0800: ipv4;
            default: accept;
        }
    }
    state ipv4 {
        pkt.extract(hdr.ipv4);
        sum.add(hdr.ipv4);
        meta.wrong = sum.verify();
        left.set(8w2);
        transition octets;
    }
    state octets {
        pkt.extract(hdr.octets.next);
        left.decrement(1);
        transition select(left.is_zero()) {
            true: accept;
            false: octets;
        }
    }
}

control Ingress(inout headers_t hdr, inout metadata_t meta,
        in ingress_intrinsic_metadata_t intrinsic,
        in ingress_intrinsic_metadata_from_parser_t from_parser,
        inout ingress_intrinsic_metadata_for_deparser_t for_deparser,
        inout ingress_intrinsic_metadata_for_tm_t for_tm) {
    CRCPolynomial<bit<16>>(coeff = 0x1021, reversed = true, msb = false, extended = false,
            init = 0xffff, xor = 0xffff) x25;
    CRCPolynomial<bit<32>>(0x1edc6f41, true, false, false, 0xffffffff, 0xffffffff) castagnoli;
    Hash<bit<16>>(HashAlgorithm_t.CUSTOM, x25) crc16;
    Hash<bit<32>>(HashAlgorithm_t.CUSTOM, castagnoli) crc32;
    Counter<bit<64>, PortId_t>(512, CounterType_t.PACKETS_AND_BYTES) bundles;
    Register<seen_t, bit<10>>(1024) seen;
    RegisterAction<seen_t, bit<10>, bit<32>>(seen) note = {
        void apply(inout seen_t value, out bit<32> result) {
            result = value.last;
            value.last = from_parser.global_tstamp[31:0];
        }
    };
    ActionProfile(128) members;
    Hash<bit<12>>(HashAlgorithm_t.CRC16) spread;
    ActionSelector(members, spread, SelectorMode_t.FAIR, 16, 8) selector;
    DirectCounter<bit<32>>(CounterType_t.PACKETS) hits;

    action forward(PortId_t port) {
        for_tm.ucast_egress_port = port;
        hits.count();
    }
    action discard(bit<8> reason) {
        for_deparser.drop_ctl = 1;
        for_deparser.digest_type = 1;
        meta.reason = reason;
    }
    action punt(MirrorId_t session) {
        for_deparser.mirror_type = 1;
        meta.session = session;
    }
    table route {
        key = { hdr.ipv4.dst: lpm; }
        actions = { forward; @defaultonly discard; }
        const default_action = discard(3);
        counters = hits;
        size = 1024;
    }
    table spread_out {
        key = { hdr.ipv4.dst: exact; hdr.ipv4.src: selector; }
        actions = { punt; NoAction; }
        implementation = selector;
    }
    apply {
        meta.crc = crc16.get({ hdr.octets[0], 8w0, hdr.ipv4.src });
        if (crc32.get(hdr.octets[1])[15:0] != meta.crc && meta.wrong) {
            bit<32> before = note.execute(hdr.ipv4.src[9:0]);
            meta.sum = before[15:0];
        }
        bundles.count(intrinsic.ingress_port);
        if (!route.apply().hit) {
            spread_out.apply();
        }
    }
}

control IngressDeparser(packet_out pkt, inout headers_t hdr, in metadata_t meta,
        in ingress_intrinsic_metadata_for_deparser_t for_deparser,
        in ingress_intrinsic_metadata_t intrinsic) {
    Checksum() sum;
    Mirror(1) mirror;
    Digest<report_t>(1) report;
    apply {
        hdr.ipv4.checksum = sum.update({ hdr.ipv4.start, hdr.ipv4.protocol, hdr.ipv4.src, hdr.ipv4.dst });
        if (for_deparser.mirror_type == 1) {
            mirror.emit<mirror_h>(meta.session, { meta.reason });
        }
        if (for_deparser.digest_type == 1) {
            report.pack({ meta.reason, intrinsic.ingress_port });
        }
        pkt.emit(hdr);
    }
}

parser EgressParser(packet_in pkt, out headers_t hdr, out metadata_t meta,
        out egress_intrinsic_metadata_t intrinsic) {
    state start {
        pkt.extract(intrinsic);
        transition accept;
    }
}

control Egress(inout headers_t hdr, inout metadata_t meta, in egress_intrinsic_metadata_t intrinsic,
        in egress_intrinsic_metadata_from_parser_t from_parser,
        inout egress_intrinsic_metadata_for_deparser_t for_deparser,
        inout egress_intrinsic_metadata_for_output_port_t for_port) {
    apply {}
}

control EgressDeparser(packet_out pkt, inout headers_t hdr, in metadata_t meta,
        in egress_intrinsic_metadata_for_deparser_t for_deparser) {
    apply { pkt.emit(hdr); }
}

Pipeline(IngressParser(), Ingress(), IngressDeparser(), EgressParser(), Egress(), EgressDeparser()) pipe;
Switch(pipe) main;
