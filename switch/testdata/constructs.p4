// SPDX-License-Identifier: Apache-2.0 OR MIT
// Constructs of the language: the first octet says which one computes the result.
#include <core.p4>
#include <v1model.p4>

enum bit<8> Op {
    Loop = 1,
    Function = 2,
    Stack = 3,
    Union = 4,
    Varbit = 5,
    Arithmetic = 6,
    Control = 7,
    Tuple = 8,
    Switch = 9,
    Assume = 10
}

header op_h {
    Op op;
    bit<8> len;
    bit<16> value;
    bit<16> result;
}

header short_h {
    bit<32> a;
}

header long_h {
    bit<64> a;
}

header_union address_u {
    short_h short;
    long_h long;
}

header options_h {
    varbit<64> data;
}

header item_h {
    bit<8> n;
}

struct headers_t {
    op_h op;
    address_u address;
    options_h options;
    item_h[3] items;
}

struct pair_t {
    bit<8> high;
    bit<8> low;
}

struct metadata_t {}

bit<16> twice_or_one(in bit<16> x) {
    if (x == 0) {
        return 1;
    }
    return x + x;
}

parser Items(packet_in pkt, out item_h[3] items) {
    state start {
        pkt.extract(items.next);
        pkt.extract(items.next);
        pkt.extract(items.next);
        transition accept;
    }
}

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    Items() items;

    state start {
        pkt.extract(hdr.op);
        transition select(hdr.op.op, hdr.op.len) {
            (Op.Stack, _): parse_items;
            (Op.Union, 4): parse_short;
            (Op.Union, 8): parse_long;
            (Op.Varbit, 0 .. 8): parse_options;
            default: accept;
        }
    }
    state parse_items {
        items.apply(pkt, hdr.items);
        transition accept;
    }
    state parse_short {
        pkt.extract(hdr.address.short);
        transition accept;
    }
    state parse_long {
        pkt.extract(hdr.address.long);
        transition accept;
    }
    state parse_options {
        pkt.extract(hdr.options, (bit<32>)hdr.op.len * 8);
        transition accept;
    }
}

control NoVerify(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control Early(inout op_h op) {
    apply {
        if (op.value == 1) {
            op.result = 10;
            return;
        }
        op.result = 20;
        exit;
    }
}

control MyIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    Early() early;

    action loops() {
        bit<16> sum = 0;
        for (bit<16> i = 0; i < 100; i = i + 1) {
            if (i == hdr.op.value) {
                break;
            }
            if (i % 2 == 1) {
                continue;
            }
            sum = sum + i;
        }
        for (bit<16> i in 1 .. 3) {
            sum = sum + i * 0x100;
        }
        hdr.op.result = sum;
    }

    apply {
        std.egress_spec = 2;
        if (hdr.op.op == Op.Loop) {
            loops();
        } else if (hdr.op.op == Op.Function) {
            hdr.op.result = twice_or_one(hdr.op.value);
        } else if (hdr.op.op == Op.Stack) {
            hdr.items.pop_front(1);
            hdr.op.result = (bit<16>)hdr.items[0].n ++ 8w0 == 0 ? 16w0 : (bit<16>)hdr.items[1].n;
        } else if (hdr.op.op == Op.Union) {
            if (hdr.address.short.isValid()) {
                bit<32> a = hdr.address.short.a;
                hdr.address.long.setValid();
                hdr.address.long.a = 32w0xffffffff ++ a;
            }
            hdr.op.result = hdr.address.short.isValid() ? 16w1 : 16w2;
        } else if (hdr.op.op == Op.Arithmetic) {
            int<16> signed = (int<16>)hdr.op.value >> 4;
            hdr.op.result = (hdr.op.value |+| 0xff00) ^ (bit<16>)signed;
        } else if (hdr.op.op == Op.Control) {
            early.apply(hdr.op);
            hdr.op.result = hdr.op.result + 1;
        } else if (hdr.op.op == Op.Tuple) {
            tuple<bit<8>, bit<8>> both = { 8w3, hdr.op.value[7:0] };
            pair_t pair = { low = both[0], high = both[1] };
            hdr.op.value[15:8] = 0xee;
            hdr.op.result = pair.high ++ pair.low;
        } else if (hdr.op.op == Op.Switch) {
            switch (hdr.op.value) {
                1: { hdr.op.result = 0x11; }
                2:
                3: { hdr.op.result = 0x23; }
                default: { hdr.op.result = 0xdd; }
            }
        } else if (hdr.op.op == Op.Assume) {
            assume(hdr.op.value < 2);
            log_msg("assumed");
            hdr.op.result = 1;
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
        pkt.emit(hdr);
    }
}

V1Switch(P(), NoVerify(), MyIngress(), MyEgress(), NoCompute(), D()) main;
