// SPDX-License-Identifier: Apache-2.0 OR MIT
// Annotations of the objects in P4Info, with and without structure.
#include <core.p4>
#include <v1model.p4>

const int LIMIT = 20;
#define WORDS "two " ++ "words"

@shown[as="name"]
@size(12)
type bit<16> group_t;

@controller_header("packet_in")
@layout[big=true]
header in_h {
    @unit["port"]
    bit<9> port;
    bit<7> pad;
}

struct headers_t { in_h report; }

struct meta_t {
    group_t group;
    bit<32> address;
    bit<32> flow;
}

parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    @set[1]
    value_set<bit<32>>(4) known;
    state start {
        transition select(meta.address) { known: accept; _: accept; }
    }
}

control V(inout headers_t hdr, inout meta_t meta) { apply {} }

@name("called")
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    const bit<8> OCTET = 255;

    @cells[
        LIMIT * 2, -1, OCTET, 0]
    counter(16, CounterType.packets) frames;

    @brief("Sends a frame to a group.")
    @action_kind[first=(1 == 2), second=!false, third=WORDS]
    action send(@from["table"] @id(7) group_t group, bit<32> unused) {
        std.mcast_grp = (bit<16>) group;
        frames.count((bit<32>) 3);
    }

    @empty[]
    @plain
    @stage(1, "a" b)
    table route {
        key = { meta.address: lpm @name("address") @format[name="IPv4"] @printed(yes); }
        actions = { @weight[3] @tableonly send; NoAction; }
    }

    @text[""]
    table spread {
        key = { meta.group: exact; meta.flow: selector; }
        actions = { NoAction; }
        @owner["spread"] @name("members") @max_group_size(8)
        @selector_size_semantics("sum_of_members") @max_member_weight(100)
        implementation = action_selector(HashAlgorithm.crc16, 64, 10);
    }

    @max_group_size(4) @selector_size_semantics("SUM_OF_WEIGHTS") @max_member_weight(100)
    action_selector(HashAlgorithm.crc32, 32, 10) weighted;

    table balanced {
        key = { meta.flow: selector; }
        actions = { NoAction; }
        implementation = weighted;
    }

    @max_group_size(4) @selector_size_semantics("sum_of_weights")
    action_profile(16) single;

    table indirect {
        key = { meta.address: exact; }
        actions = { NoAction; }
        implementation = single;
    }

    apply {
        route.apply();
        spread.apply();
        balanced.apply();
        indirect.apply();
    }
}

control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) { apply {} }
control C(inout headers_t hdr, inout meta_t meta) { apply {} }
control D(packet_out pkt, in headers_t hdr) { apply {} }

@pkginfo(name = "annotations", version = "1")
@platform_property(
    multicast_group_table_size = 100,
    multicast_group_table_max_replicas_per_entry = 0x10)
@built["by hand"]
V1Switch(P(), V(), I(), E(), C(), D()) main;
