// SPDX-License-Identifier: Apache-2.0 OR MIT
// Actions that entries share: one table by an action profile, one by an action selector.
#include <core.p4>
#include <v1model.p4>

header request_h {
    bit<8> table_number;
    bit<8> key;
    bit<16> flow;
    bit<8> result;
}

struct headers_t {
    request_h request;
}

struct metadata_t {}

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    state start {
        pkt.extract(hdr.request);
        transition accept;
    }
}

control NoVerify(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control MyIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    action answer(bit<8> value) {
        hdr.request.result = value;
    }
    action none() {
        hdr.request.result = 0xff;
    }

    @name("shared") action_profile(2) shared;
    @name("chosen") action_selector(HashAlgorithm.crc16, 8, 16) chosen;

    table single {
        key = { hdr.request.key: exact; }
        actions = { answer; none; }
        default_action = none();
        implementation = shared;
    }
    table spread {
        key = {
            hdr.request.key: exact;
            hdr.request.flow: selector;
        }
        actions = { answer; none; }
        default_action = none();
        implementation = chosen;
    }

    apply {
        if (hdr.request.table_number == 0) {
            single.apply();
        } else {
            spread.apply();
        }
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
        pkt.emit(hdr.request);
    }
}

V1Switch(P(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), D()) main;
