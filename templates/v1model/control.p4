{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# Ingress and the rest of the pipeline. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
control verify_checksums(inout headers_t hdr, inout metadata_t meta) {
    apply { }
}

/// Why the parser stopped, as a reason.
control classify_error(in error parser_error, out bit<8> reason) {
    apply {
        reason = 0;
        if (parser_error == error.PacketTooShort) {
            reason = REASON_TRUNCATED;
{%- for name in errors %}
        } else if (parser_error == error.{{ name.error }}) {
            reason = REASON_{{ name.constant }};
{%- endfor %}
        } else if (parser_error != error.NoError) {
            reason = REASON_TRUNCATED;
        }
    }
}

control ingress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    /// Bundles that were not translated, by reason code.
    counter(REASONS, CounterType.packets_and_bytes) reasons;
    /// Bundles that were: 0 from version 6 to 7, 1 from version 7 to 6.
    counter(2, CounterType.packets_and_bytes) translated;
    /// Bundles that a node sent on in their version: 0 version 6, 1 version 7.
    counter(2, CounterType.packets_and_bytes) relayed;
    /// Datagrams that were more than their receiver wants.
    counter(1, CounterType.packets_and_bytes) metered;

    action forward(bit<9> port) {
        std.egress_spec = port;
    }

    action flood(bit<16> group) {
        std.mcast_grp = group;
    }

    table l2_forward {
        key = {
            hdr.ethernet.dst: exact;
        }
        actions = {
            forward;
            flood;
        }
        default_action = flood(1);
        size = L2_ENTRIES;
    }

    action learn() {
        digest<learn_t>(1, { hdr.ethernet.src, std.ingress_port });
    }

    /// Addresses that are known to be behind a port. The others are reported.
    table l2_source {
        key = {
            hdr.ethernet.src: exact;
            std.ingress_port: exact;
        }
        actions = {
            NoAction;
            @defaultonly learn;
        }
        const default_action = learn();
        size = L2_ENTRIES;
    }

{%- for (suffix, key) in [("", "hdr.ipv4.dst"), ("_ipv6", "hdr.ipv6.dst")] %}

    /// Datagrams with bundles to a receiver, and how much of them it wants: what is red is dropped.
    direct_counter(CounterType.packets_and_bytes) peer{{ suffix }}_traffic;
    direct_meter<bit<2>>(MeterType.bytes) peer{{ suffix }}_meter;

    /// Version 6 as ION reads it.
    action speaks_v6{{ suffix }}(bit<1> sequence32, bit<1> lifetime32) {
        peer{{ suffix }}_traffic.count();
        peer{{ suffix }}_meter.read(meta.colour);
        meta.again.peer_version = 6;
        meta.again.sequence32 = sequence32;
        meta.again.lifetime32 = lifetime32;
        meta.again.cbhe = 1;
        meta.again.dictionary = 1;
        meta.again.age_type = 20;
    }

    /// Version 7 as ION reads it.
    action speaks_v7{{ suffix }}() {
        peer{{ suffix }}_traffic.count();
        peer{{ suffix }}_meter.read(meta.colour);
        meta.again.peer_version = 7;
        meta.again.crc_primary = 1;
    }

    /// Version 6 in the forms that the receiver reads. `mtu` is that of its link, or 0.
    action reads_v6{{ suffix }}(bit<1> sequence32, bit<1> lifetime32, bit<1> cbhe,
            bit<1> dictionary, bit<8> age_type, bit<1> hdtn_priority, bit<16> mtu) {
        peer{{ suffix }}_traffic.count();
        peer{{ suffix }}_meter.read(meta.colour);
        meta.again.peer_version = 6;
        meta.again.sequence32 = sequence32;
        meta.again.lifetime32 = lifetime32;
        meta.again.cbhe = cbhe;
        meta.again.dictionary = dictionary;
        meta.again.age_type = age_type;
        meta.again.hdtn_priority = hdtn_priority;
        meta.again.mtu = mtu;
    }

    /// Version 7 with CRCs of these types: 0 none, 1 CRC-16, 2 CRC-32C. `priority_block` is the type of
    /// the block that carries the priority, if nothing else does: 193 of ION, 13 of HDTN, 0 for none.
    action reads_v7{{ suffix }}(bit<2> crc_primary, bit<2> crc_blocks, bit<8> priority_block,
            bit<16> mtu) {
        peer{{ suffix }}_traffic.count();
        peer{{ suffix }}_meter.read(meta.colour);
        meta.again.peer_version = 7;
        meta.again.crc_primary = crc_primary;
        meta.again.crc_blocks = crc_blocks;
        meta.again.priority_block = priority_block;
        meta.again.mtu = mtu;
    }

    /// The datagram is for this node, which has this node ID, and routes bundles. Each gets older by
    /// `residence` milliseconds.
    action routes{{ suffix }}(bit<64> node, bit<64> service, bit<16> residence) {
        peer{{ suffix }}_traffic.count();
        peer{{ suffix }}_meter.read(meta.colour);
        meta.again.is_node = 1;
        meta.again.node = node;
        meta.again.service = service;
        meta.again.residence = residence;
    }

    /// The same for a node ID of the scheme `dtn`: what stands behind the colon, in the lowest bits.
    action routes_named{{ suffix }}(bit<{{ eid_bits }}> name, bit<16> name_length,
            bit<16> residence) {
        peer{{ suffix }}_traffic.count();
        peer{{ suffix }}_meter.read(meta.colour);
        meta.again.is_node = 1;
        meta.again.name = name;
        meta.again.name_length = name_length;
        meta.again.residence = residence;
    }

    action pass{{ suffix }}() {
        peer{{ suffix }}_traffic.count();
        peer{{ suffix }}_meter.read(meta.colour);
    }

    /// What the receiver of a datagram can read.
    table peer{{ suffix }} {
        key = {
            {{ key }}: lpm;
        }
        actions = {
            speaks_v6{{ suffix }};
            speaks_v7{{ suffix }};
            reads_v6{{ suffix }};
            reads_v7{{ suffix }};
            routes{{ suffix }};
            routes_named{{ suffix }};
            pass{{ suffix }};
        }
        default_action = pass{{ suffix }}();
        counters = peer{{ suffix }}_traffic;
        meters = peer{{ suffix }}_meter;
        size = PEER_ENTRIES;
    }
{%- endfor %}

{%- for prefix in ["", "named_"] %}

    direct_counter(CounterType.packets_and_bytes) {{ prefix }}endpoint_traffic;

    action {{ prefix }}to_next_hop(bit<16> next_hop) {
        {{ prefix }}endpoint_traffic.count();
        meta.next_hop = next_hop;
    }

    /// The bundle is for an application of this node.
    action {{ prefix }}deliver() {
        {{ prefix }}endpoint_traffic.count();
        meta.reason = REASON_LOCAL_DELIVERY;
    }

    /// The next contact is in the future.
    action {{ prefix }}store() {
        {{ prefix }}endpoint_traffic.count();
        meta.reason = REASON_STORE;
    }

    action {{ prefix }}no_route() {
        {{ prefix }}endpoint_traffic.count();
        meta.reason = REASON_NO_ROUTE;
    }
{% if prefix.is_empty() %}
    /// Routes to `ipn` endpoints; a node or service may be any.
{%- else %}
    /// Routes to `dtn` endpoints, by the beginning of the name.
{%- endif %}
    table {{ prefix }}endpoint {
        key = {
{%- if prefix.is_empty() %}
            meta.primary.destination.node: ternary;
            meta.primary.destination.service: ternary;
{%- else %}
            meta.destination_name: lpm;
{%- endif %}
        }
        actions = {
            {{ prefix }}to_next_hop;
            {{ prefix }}deliver;
            {{ prefix }}store;
            {{ prefix }}no_route;
        }
        default_action = {{ prefix }}no_route();
        counters = {{ prefix }}endpoint_traffic;
        size = ENDPOINT_ENTRIES;
    }
{%- endfor %}

    direct_counter(CounterType.packets_and_bytes) next_hop_traffic;

{%- for (suffix, ip, bits) in [("", "4", "32"), ("_ipv6", "6", "128")] %}

    /// A neighbour that reads version 6, and the addresses of datagrams for it.
    action hop_v6{{ suffix }}(bit<9> port, bit<48> ethernet_src, bit<48> ethernet_dst,
            bit<{{ bits }}> ipv{{ ip }}_src, bit<{{ bits }}> ipv{{ ip }}_dst, bit<16> udp_port, bit<1> sequence32,
            bit<1> lifetime32, bit<1> cbhe, bit<1> dictionary, bit<8> age_type,
            bit<1> hdtn_priority, bit<16> mtu) {
        next_hop_traffic.count();
        meta.again.egress_port = port;
        meta.again.ethernet_src = ethernet_src;
        meta.again.ethernet_dst = ethernet_dst;
        meta.again.hop_ipv6 = {% if suffix.is_empty() %}0{% else %}1{% endif %};
        meta.again.ip_src = (bit<128>)ipv{{ ip }}_src;
        meta.again.ip_dst = (bit<128>)ipv{{ ip }}_dst;
        meta.again.udp_port = udp_port;
        meta.again.peer_version = 6;
        meta.again.sequence32 = sequence32;
        meta.again.lifetime32 = lifetime32;
        meta.again.cbhe = cbhe;
        meta.again.dictionary = dictionary;
        meta.again.age_type = age_type;
        meta.again.hdtn_priority = hdtn_priority;
        meta.again.mtu = mtu;
    }

    /// The same for version 7.
    action hop_v7{{ suffix }}(bit<9> port, bit<48> ethernet_src, bit<48> ethernet_dst,
            bit<{{ bits }}> ipv{{ ip }}_src, bit<{{ bits }}> ipv{{ ip }}_dst, bit<16> udp_port,
            bit<2> crc_primary, bit<2> crc_blocks, bit<8> priority_block, bit<16> mtu) {
        next_hop_traffic.count();
        meta.again.egress_port = port;
        meta.again.ethernet_src = ethernet_src;
        meta.again.ethernet_dst = ethernet_dst;
        meta.again.hop_ipv6 = {% if suffix.is_empty() %}0{% else %}1{% endif %};
        meta.again.ip_src = (bit<128>)ipv{{ ip }}_src;
        meta.again.ip_dst = (bit<128>)ipv{{ ip }}_dst;
        meta.again.udp_port = udp_port;
        meta.again.peer_version = 7;
        meta.again.crc_primary = crc_primary;
        meta.again.crc_blocks = crc_blocks;
        meta.again.priority_block = priority_block;
        meta.again.mtu = mtu;
    }
{%- endfor %}

    action no_neighbour() {
        next_hop_traffic.count();
        meta.reason = REASON_NO_ROUTE;
    }

    /// Neighbours, what they read, and how datagrams reach them.
    table next_hop {
        key = {
            meta.next_hop: exact;
        }
        actions = {
            hop_v6;
            hop_v7;
            hop_v6_ipv6;
            hop_v7_ipv6;
            no_neighbour;
        }
        default_action = no_neighbour();
        counters = next_hop_traffic;
        size = NEXT_HOP_ENTRIES;
    }

    action inject() {
        meta.again.look = 1;
        meta.again.ingress_port = std.ingress_port;
        hdr.ethernet.dst = hdr.injected.dst;
        hdr.ethernet.src = hdr.injected.src;
        hdr.ethernet.ethertype = hdr.injected.ethertype;
        std.egress_spec = hdr.inject.egress_port[8:0];
    }

    action refuse_inject() {
        mark_to_drop(std);
    }

    /// Ports behind which the slow path is: only it may inject frames.
    table inject_port {
        key = {
            std.ingress_port: exact;
        }
        actions = {
            inject;
            refuse_inject;
        }
        default_action = refuse_inject();
        size = 8;
    }

    bool reported = true;
    action silence() {
        reported = false;
    }

    /// What is not reported: reports are for everything else.
    table telemetry {
        key = {
            meta.reason: ternary;
            meta.primary.source.node: ternary;
            meta.primary.destination.node: ternary;
        }
        actions = {
            silence;
            NoAction;
        }
        default_action = NoAction();
        size = TELEMETRY_ENTRIES;
    }

    /// The same for bundles that name an endpoint of the scheme `dtn`. The first octet of a name is in
    /// the highest bits, so that a mask can be for the beginning of a name.
    table named_telemetry {
        key = {
            meta.reason: ternary;
            meta.source_name: ternary;
            meta.destination_name: ternary;
        }
        actions = {
            silence;
            NoAction;
        }
        default_action = NoAction();
        size = TELEMETRY_ENTRIES;
    }

    action route(bit<9> port, bit<48> ethernet_src, bit<48> ethernet_dst) {
        hdr.ethernet.src = ethernet_src;
        hdr.ethernet.dst = ethernet_dst;
        std.egress_spec = port;
        std.mcast_grp = 0;
    }

    /// Networks behind routers. What no entry knows is bridged.
    table ipv4_route {
        key = {
            hdr.ipv4.dst: lpm;
        }
        actions = {
            route;
            NoAction;
        }
        default_action = NoAction();
        size = ROUTE_ENTRIES;
    }

    table ipv6_route {
        key = {
            hdr.ipv6.dst: lpm;
        }
        actions = {
            route;
            NoAction;
        }
        default_action = NoAction();
        size = ROUTE_ENTRIES;
    }

    action set_clock(bit<64> start) {
        meta.now = start + div_1000(32w0 ++ meta.again.ingress_time);
    }

    /// What time it is: the milliseconds since 2000-01-01 at which the switch started. Without it,
    /// bundles do not expire here.
    table clock {
        actions = {
            set_clock;
            NoAction;
        }
        default_action = NoAction();
    }

    action punt(bit<9> port) {
        hdr.punt.setValid();
        hdr.punt.dst = 0;
        hdr.punt.src = 0;
        hdr.punt.ethertype = ETHERTYPE_PUNT;
        hdr.punt.reason = meta.again.reason;
        hdr.punt.bundle_version = meta.again.version;
        hdr.punt.ingress_port = 7w0 ++ meta.again.ingress_port;
        std.egress_spec = port;
    }

    action refuse() {
        mark_to_drop(std);
    }

    /// What becomes of a bundle that is not translated.
    table refusal {
        key = {
            meta.again.reason: exact;
        }
        actions = {
            punt;
            refuse;
        }
        default_action = refuse();
        size = REASONS;
    }

    action look_again(bit<2> look, bit<8> reason) {
        meta.again.look = look;
        meta.again.reason = reason;
        meta.again.version = meta.version;
        resubmit_preserving_field_list(1);
    }

    classify_error() errors;
    replace_head() head;

    apply {
        // BMv2 wants a table to be applied in one place.
        bool bridged = false;
        if (!hdr.ethernet.isValid()) {
            mark_to_drop(std);
        } else if (hdr.injected.isValid()) {
            inject_port.apply();
            bridged = meta.again.look == 1 && hdr.inject.egress_port == 0xffff;
            hdr.inject.setInvalid();
            hdr.injected.setInvalid();
        } else if (meta.again.reason == PASS) {
            bridged = true;
        } else if (meta.again.reason != 0) {
            refusal.apply();
        } else if (meta.version == 0 && meta.again.look == 0) {
            l2_source.apply();
            bridged = true;
        } else if (meta.again.look == 0) {
            // The first look: who is the receiver?
            meta.again.ingress_port = std.ingress_port;
            meta.again.ingress_time = std.ingress_global_timestamp;
            if (hdr.ipv4.isValid()) {
                peer.apply();
            } else {
                peer_ipv6.apply();
            }
            if (meta.colour == 2) {
                metered.count(0);
                mark_to_drop(std);
            } else if (meta.again.is_node == 1) {
                look_again(2, 0);
            } else {
                look_again(1, 0);
            }
        } else {
            // The parser has read the bundle, and has written it.
            meta.version = meta.again.version;
            bundle_report_t report = {
                meta.version, meta.primary.flags,
                meta.primary.source.node, meta.primary.source.service, meta.primary.source.text,
                meta.primary.destination.node, meta.primary.destination.service,
                meta.primary.destination.text,
                meta.primary.time, meta.primary.sequence,
                meta.primary.fragment_offset, meta.primary.adu_length,
                meta.primary.lifetime, meta.age, meta.payload.length,
                hdr.udp.length - 8, 0, 0, 0, hdr.ethernet.src,
                (hdr.ipv4.isValid() ? 80w0 ++ 16w0xffff ++ hdr.ipv4.src : hdr.ipv6.src),
                hdr.udp.src_port,
                meta.again.ingress_port, 16w0 ++ meta.again.ingress_time
            };
            clock.apply();
            // When the bundle ends: a time, or an age if its source has no clock.
            bit<96> ends = (bit<96>)meta.primary.time + (bit<96>)meta.primary.lifetime;
            bit<96> is_at = (bit<96>)meta.now;
            if (meta.version == 6) {
                ends = ends * 1000;
            }
            if (meta.primary.time == 0) {
                is_at = (bit<96>)meta.age;
                if (meta.version == 6) {
                    ends = ends * 1000;
                }
            }
            bool encapsulated = meta.encapsulation == 1;
            if (hdr.ipv4.isValid()) {
                encapsulated = encapsulated || hdr.ipv4.flags[0:0] == 1
                    || hdr.ipv4.total_length != hdr.udp.length + 20;
            } else {
                encapsulated = encapsulated || hdr.ipv6.payload_length != hdr.udp.length;
            }
            if (meta.again.is_node == 0
                    && (meta.again.peer_version == 0 || meta.again.peer_version == meta.version)) {
                meta.reason = PASS;
            } else if (encapsulated) {
                meta.reason = REASON_ENCAPSULATION;
            } else {
                errors.apply(std.parser_error, meta.reason);
            }
            if (meta.block.inside == 1 && (meta.reason == REASON_UNEXPECTED_ITEM
                    || meta.reason == REASON_TRUNCATED && meta.block.length[63:16] == 0
                    && meta.block.start + meta.block.length[15:0] + 8 <= hdr.udp.length)) {
                // The block is whole, but its data is not what it should be.
                meta.reason = REASON_BLOCK_MALFORMED;
            }
            if (meta.again.is_node == 1 && (meta.reason == REASON_EID_MALFORMED
                    || meta.reason == REASON_EID_SCHEME || meta.reason == REASON_VALUE_RANGE)) {
                // A node does not look at a previous node that it replaces; the parser does.
                meta.reason = REASON_EID_FORM;
            }
            if (meta.reason == 0) {
                if (meta.cursor.length + 8 > hdr.udp.length) {
                    meta.reason = REASON_TRUNCATED;
                } else if (meta.cursor.length + 8 < hdr.udp.length) {
                    meta.reason = REASON_TRAILING_OCTETS;
                } else if (meta.now != 0 && ends < is_at) {
                    meta.reason = REASON_EXPIRED;
                }
            }
            // A node that sends the bundle on in its version has written that already.
            bool same_version = false;
            bool reads_again = false;
            bool named = (meta.primary.source.length | meta.primary.destination.length) != 0;
            if (named) {
                meta.shift = (bit<8>)(({{ max_eid }} - meta.primary.source.length) << 1);
                meta.source_name = meta.primary.source.text << meta.shift << meta.shift
                    << meta.shift << meta.shift;
                meta.shift = (bit<8>)(({{ max_eid }} - meta.primary.destination.length) << 1);
                meta.destination_name = meta.primary.destination.text << meta.shift << meta.shift
                    << meta.shift << meta.shift;
            }
            if (meta.reason == 0 && meta.again.look == 2) {
                // The second look of a node: where does the bundle go?
                meta.again.add_previous = meta.previous_node.present ^ 1;
                if (meta.primary.destination.length == 0) {
                    endpoint.apply();
                } else {
                    named_endpoint.apply();
                }
                if (meta.reason == 0) {
                    next_hop.apply();
                }
                same_version = meta.again.peer_version == meta.version;
                if (meta.reason == 0 && same_version) {
                    if (meta.start.length > 127 || meta.names.length > 255
                            || meta.tail.length > 255) {
                        meta.reason = REASON_BLOCK_UNSUPPORTED;
                    } else if (meta.version == 6 && meta.block.type != 1) {
                        meta.reason = REASON_BLOCK_ORDER;
                    } else if (meta.hop.highest == 0xffffffffffffffff
                            && meta.previous_node.present == 0) {
                        meta.reason = REASON_BLOCK_UNSUPPORTED;
                    }
                } else if (meta.reason == 0) {
                    look_again(1, 0);
                    reads_again = true;
                }
            }
            bit<16> new_length = meta.start.length + meta.names.length + meta.tail.length
                + meta.report.length + 8;
            if (meta.primary.flags[1:1] == 0 || same_version) {
                new_length = new_length + meta.payload.length[15:0];
            }
            if (meta.again.peer_version == 7) {
                // The array's two ends, and a CRC of two or of four octets behind its head.
                new_length = new_length + 2 - (15w0 ++ meta.outer.definite);
                if (meta.crc.type == 1) {
                    new_length = new_length + 3;
                } else if (meta.crc.type == 2) {
                    new_length = new_length + 5;
                }
            }
            bool leaves = meta.reason == 0 && !reads_again;
            bool over_ipv6 = hdr.ipv6.isValid();
            if (meta.again.is_node == 1) {
                over_ipv6 = meta.again.hop_ipv6 == 1;
            }
            if (leaves && over_ipv6 && hdr.ipv4.isValid() && hdr.udp.checksum == 0) {
                // There is no datagram without a checksum in IPv6, and none to make one from.
                meta.reason = REASON_ENCAPSULATION;
                leaves = false;
            }
            if (leaves && meta.again.mtu != 0) {
                bit<16> ip_length = new_length + (over_ipv6 ? 16w40 : 20);
                if (ip_length > meta.again.mtu) {
                    meta.reason = REASON_MTU;
                    leaves = false;
                }
            }
            if (leaves || meta.reason == REASON_MTU) {
                report.sent_length = new_length - 8;
            }
            if (leaves) {
                report.sent_version = meta.again.peer_version;
                head.apply(hdr, meta, new_length);
                bit<32> from = meta.version == 6 ? 32w0 : 32w1;
                if (same_version) {
                    relayed.count(from);
                } else {
                    translated.count(from);
                }
                if (meta.again.is_node == 1) {
                    std.egress_spec = meta.again.egress_port;
                } else {
                    bridged = true;
                }
            }
            report.reason = meta.reason;
            telemetry.apply();
            if (named) {
                named_telemetry.apply();
            }
            if (reported && (meta.reason != 0 || leaves)) {
                digest<bundle_report_t>(1, report);
            }
            if (meta.reason != 0) {
                reasons.count((bit<32>)meta.reason);
                look_again(3, meta.reason);
            }
        }
        if (bridged) {
            l2_forward.apply();
            if (hdr.ipv4.isValid()) {
                if (ipv4_route.apply().hit) {
                    if (hdr.ipv4.ttl < 2) {
                        mark_to_drop(std);
                    } else {
                        // RFC 1141: one less in the upper half of a word.
                        hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
                        bit<32> sum = (bit<32>)hdr.ipv4.checksum + 0x100;
                        hdr.ipv4.checksum = sum[15:0] + sum[31:16];
                    }
                }
            } else if (hdr.ipv6.isValid()) {
                if (ipv6_route.apply().hit) {
                    if (hdr.ipv6.hop_limit < 2) {
                        mark_to_drop(std);
                    } else {
                        hdr.ipv6.hop_limit = hdr.ipv6.hop_limit - 1;
                    }
                }
            }
        }
    }
}

control egress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {
        // A flooded packet does not go back where it came from.
        bit<9> ingress_port = meta.again.look == 0 ? std.ingress_port : meta.again.ingress_port;
        if (std.egress_rid != 0 && std.egress_port == ingress_port) {
            mark_to_drop(std);
        }
    }
}

control compute_checksums(inout headers_t hdr, inout metadata_t meta) {
    apply { }
}

control bundle_deparser(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.punt);
        pkt.emit(hdr.ethernet);
        pkt.emit(hdr.vlan);
        pkt.emit(hdr.ipv4);
        pkt.emit(hdr.ipv6);
        pkt.emit(hdr.udp);
        pkt.emit(hdr.array);
{%- for segment in segments %}
{%- for chunk in segment.chunks %}
        pkt.emit(hdr.{{ segment.name }}_{{ chunk.octets }});
{%- endfor %}
{%- endfor %}
{%- for chunk in payload_chunks %}
        pkt.emit(hdr.payload_{{ chunk.octets }});
{%- endfor %}
        pkt.emit(hdr.crc16);
        pkt.emit(hdr.crc32c);
        pkt.emit(hdr.stop);
    }
}

V1Switch(bundle_parser(), verify_checksums(), ingress(), egress(), compute_checksums(),
    bundle_deparser()) main;
