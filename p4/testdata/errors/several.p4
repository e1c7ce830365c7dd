// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <v1model.p4>
header h_t { bit<8> ttl; bit<8> ttl; }
struct headers_t { h_t ip; }
struct meta_t { bit<8> kind; }
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    state start { pkt.extract(hdr.ip); transition select(hdr.ip.ttl) { 300: gone; default: accept; } }
}
control V(inout headers_t hdr, inout meta_t meta) { apply { } }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    apply {
        hdr.ip.tll = 1;
        meta.kind = hdr.ip.ttl + std.packet_length;
        unknown_thing = 3;
        std.egres_spec = 4;
    }
}
control D(packet_out pkt, in headers_t hdr) { apply { hdr.ip.ttl = 1; pkt.emit(hdr); } }
control C(inout headers_t hdr, inout meta_t meta) { apply { } }
V1Switch(P(), V(), I(), I(), C(), D()) main;
