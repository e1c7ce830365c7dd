// SPDX-License-Identifier: Apache-2.0 OR MIT
// One table of each match kind. The first octet chooses the table, the action writes `result`.
#include <core.p4>
#include <v1model.p4>

header request_h {
    bit<8> table_number;
    bit<8> exact_key;
    bit<32> address;
    bit<16> port;
    bit<100> wide;
    bit<4> padding;
    bit<8> hit;
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
    action none() {}
    @defaultonly action fallback() {
        hdr.request.result = 0xfd;
    }
    action twice(bit<8> high, bit<8> low) {
        hdr.request.result = high << 4 | low;
    }

    table exactly {
        key = { hdr.request.exact_key: exact; hdr.request.wide: exact; }
        actions = { answer; none; twice; @defaultonly fallback; }
        default_action = fallback();
        size = 2;
    }
    table choices {
        key = { hdr.request.exact_key: exact; }
        actions = { answer; none; twice; @defaultonly fallback; }
        default_action = fallback();
    }
    table prefixes {
        key = { hdr.request.exact_key: exact; hdr.request.address: lpm; }
        actions = { answer; none; }
        default_action = none();
    }
    table ternaries {
        key = { hdr.request.address: ternary; hdr.request.wide: ternary; }
        actions = { answer; none; }
        default_action = none();
    }
    table ranges {
        key = { hdr.request.port: range; hdr.request.exact_key: optional; }
        actions = { answer; none; }
        default_action = none();
    }
    table constants {
        key = { hdr.request.port: ternary; }
        actions = { answer; none; }
        const default_action = answer(0xff);
        const entries = {
            0x0100 &&& 0xff00: answer(1);
            0x0101: answer(2);
            0x0200 &&& 0xff00: answer(3);
        }
    }

    table ranked {
        key = { hdr.request.port: ternary; }
        actions = { answer; none; }
        default_action = none();
        largest_priority_wins = false;
        priority_delta = 10;
        entries = {
            const priority = 20: 0x0100 &&& 0xff00: answer(1);
            priority = 5: 0x0101: answer(2);
            0x0100 &&& 0x0f00: answer(3);
            0x0000 &&& 0x0000: answer(4);
        }
    }

    apply {
        bool hit = false;
        switch (hdr.request.table_number) {
            0: { hit = exactly.apply().hit; }
            1: { hit = prefixes.apply().hit; }
            2: { hit = ternaries.apply().hit; }
            3: { hit = ranges.apply().hit; }
            4: { hit = constants.apply().hit; }
            6: { hit = ranked.apply().hit; }
            5: {
                switch (choices.apply().action_run) {
                    answer: { hdr.request.result = 0xa0; }
                    twice: { hdr.request.result = 0xa1; }
                    default: { hdr.request.result = 0xa2; }
                }
            }
        }
        hdr.request.hit = (bit<8>)(bit<1>)hit;
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
