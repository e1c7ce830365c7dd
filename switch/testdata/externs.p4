// SPDX-License-Identifier: Apache-2.0 OR MIT
// Counters, meters, registers, hashes, checksums and the rest of v1model's externs.
#include <core.p4>
#include <v1model.p4>

header work_h {
    bit<8> order;
    bit<8> index;
    bit<32> a;
    bit<32> b;
}

// Never valid: checksums must leave it out, hashes take it as it is.
header absent_h {
    bit<16> junk;
}

header sum_h {
    bit<16> checksum;
}

struct headers_t {
    work_h work;
    sum_h sum;
    absent_h absent;
}

struct metadata_t {}

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    state start {
        pkt.extract(hdr.work);
        transition select(hdr.work.order) {
            0x40 &&& 0xf0: parse_sum;
            default: accept;
        }
    }
    state parse_sum {
        pkt.extract(hdr.sum);
        transition accept;
    }
}

control Verify(inout headers_t hdr, inout metadata_t meta) {
    apply {
        verify_checksum(hdr.work.order == 0x40, { hdr.work.a, hdr.absent.junk, hdr.work.b },
            hdr.sum.checksum, HashAlgorithm.csum16);
        verify_checksum_with_payload(hdr.work.order == 0x41, { hdr.work.a, hdr.work.b },
            hdr.sum.checksum, HashAlgorithm.csum16);
    }
}

control MyIngress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    counter(4, CounterType.packets_and_bytes) tally;
    meter(2, MeterType.packets) rate;
    register<bit<32>>(4) memory;
    register<bit<100>>(2) wide_memory;

    apply {
        std.egress_spec = 2;
        bit<32> index = (bit<32>)hdr.work.index;
        if (hdr.work.order == 0) {
            tally.count(index);
        } else if (hdr.work.order == 1) {
            memory.read(hdr.work.b, index);
            memory.write(index, hdr.work.a);
        } else if (hdr.work.order == 2) {
            bit<100> value;
            wide_memory.read(value, index);
            hdr.work.b = value[99:68];
            wide_memory.write(index, hdr.work.a ++ 68w5);
        } else if (hdr.work.order == 3) {
            rate.execute_meter(index, hdr.work.b);
        } else if (hdr.work.order == 0x10) {
            hash(hdr.work.b, HashAlgorithm.crc32, 32w0, { hdr.work.a, hdr.absent.junk },
                64w0x100000000);
        } else if (hdr.work.order == 0x11) {
            hash(hdr.work.b, HashAlgorithm.crc16, 32w0x100, { hdr.work.a }, 32w16);
        } else if (hdr.work.order == 0x12) {
            hash(hdr.work.b, HashAlgorithm.csum16, 32w0, { hdr.work.a }, 32w0x10000);
        } else if (hdr.work.order == 0x13) {
            hash(hdr.work.b, HashAlgorithm.xor16, 32w0, { hdr.work.a }, 32w0x10000);
        } else if (hdr.work.order == 0x14) {
            hash(hdr.work.b, HashAlgorithm.identity, 32w0, { hdr.work.a[11:0] }, 32w0x10000);
        } else if (hdr.work.order == 0x15) {
            hash(hdr.work.b, HashAlgorithm.crc32, 32w7, { hdr.work.a }, 32w0);
        } else if (hdr.work.order == 0x20) {
            random(hdr.work.b, hdr.work.a, hdr.work.a + 3);
        } else if (hdr.work.order == 0x30) {
            assert(hdr.work.a == 1);
            log_msg("a is {}, b is {}", { hdr.work.a, hdr.work.b });
        } else if (hdr.work.order == 0x40 || hdr.work.order == 0x41) {
            hdr.work.index = (bit<8>)std.checksum_error;
        }
    }
}

control MyEgress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {}
}

control Compute(inout headers_t hdr, inout metadata_t meta) {
    apply {
        update_checksum(hdr.work.order == 0x42, { hdr.work.a, hdr.absent.junk, hdr.work.b },
            hdr.sum.checksum, HashAlgorithm.csum16);
        update_checksum_with_payload(hdr.work.order == 0x43, { hdr.work.a, hdr.work.b },
            hdr.sum.checksum, HashAlgorithm.csum16);
    }
}

control D(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.work);
        pkt.emit(hdr.sum);
    }
}

V1Switch(P(), Verify(), MyIngress(), MyEgress(), Compute(), D()) main;
