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
    /// Datagrams with bundles to a receiver.
    direct_counter(CounterType.packets_and_bytes) peer_traffic;
    direct_counter(CounterType.packets_and_bytes) peer_ipv6_traffic;

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

    action speaks_v6(bit<1> sequence32, bit<1> lifetime32) {
        meta.again.peer_version = 6;
        meta.again.sequence32 = sequence32;
        meta.again.lifetime32 = lifetime32;
        meta.again.cbhe = 1;
        meta.again.dictionary = 1;
        meta.again.age_type = 20;
    }

    action speaks_v7() {
        meta.again.peer_version = 7;
        meta.again.crc_primary = 1;
    }

    /// Version 6 in the forms that the receiver reads. `mtu` is that of its link, or 0.
    action reads_v6(bit<1> sequence32, bit<1> lifetime32, bit<1> cbhe, bit<1> dictionary,
            bit<8> age_type, bit<16> mtu) {
        meta.again.peer_version = 6;
        meta.again.sequence32 = sequence32;
        meta.again.lifetime32 = lifetime32;
        meta.again.cbhe = cbhe;
        meta.again.dictionary = dictionary;
        meta.again.age_type = age_type;
        meta.again.mtu = mtu;
    }

    /// Version 7 with CRCs of these types: 0 none, 1 CRC-16, 2 CRC-32C.
    action reads_v7(bit<2> crc_primary, bit<2> crc_blocks, bit<16> mtu) {
        meta.again.peer_version = 7;
        meta.again.crc_primary = crc_primary;
        meta.again.crc_blocks = crc_blocks;
        meta.again.mtu = mtu;
    }

    action pass() { }

    /// What the receiver of a datagram can read.
    table peer {
        key = {
            hdr.ipv4.dst: lpm;
        }
        actions = {
            speaks_v6;
            speaks_v7;
            reads_v6;
            reads_v7;
            pass;
        }
        default_action = pass();
        counters = peer_traffic;
        size = PEER_ENTRIES;
    }

    /// The same for receivers with addresses of IP version 6.
    table peer_ipv6 {
        key = {
            hdr.ipv6.dst: lpm;
        }
        actions = {
            speaks_v6;
            speaks_v7;
            reads_v6;
            reads_v7;
            pass;
        }
        default_action = pass();
        counters = peer_ipv6_traffic;
        size = PEER_ENTRIES;
    }

    action set_clock(bit<64> start) {
        meta.now = start + div_1000(32w0 ++ std.ingress_global_timestamp);
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

    action look_again(bit<8> reason) {
        meta.again.look = 1;
        meta.again.reason = reason;
        meta.again.version = meta.version;
        meta.again.ingress_port = std.ingress_port;
        resubmit_preserving_field_list(1);
    }

    classify_error() errors;
    replace_head() head;

    apply {
        // BMv2 wants a table to be applied in one place.
        bool forwarded = false;
        if (!hdr.ethernet.isValid()) {
            mark_to_drop(std);
        } else if (meta.again.reason == PASS) {
            forwarded = true;
        } else if (meta.again.reason != 0) {
            refusal.apply();
        } else if (meta.version == 0 && meta.again.look == 0) {
            l2_source.apply();
            forwarded = true;
        } else if (meta.again.look == 0) {
            // The first look: who is the receiver?
            if (hdr.ipv4.isValid()) {
                peer.apply();
            } else {
                peer_ipv6.apply();
            }
            look_again(0);
        } else {
            // The second look: the parser has read the bundle, and has written it.
            std.ingress_port = meta.again.ingress_port;
            meta.version = meta.again.version;
            bundle_report_t report = {
                meta.version,
                meta.primary.source.node, meta.primary.source.service,
                meta.primary.destination.node, meta.primary.destination.service,
                meta.primary.time, meta.primary.sequence, meta.primary.lifetime,
                meta.bundle_age.age, meta.payload.length,
                0, hdr.ethernet.src, std.ingress_port,
                16w0 ++ std.ingress_global_timestamp
            };
            clock.apply();
            bit<16> new_length = meta.start.length + meta.names.length + meta.tail.length
                + meta.report.length + 8;
            if (meta.primary.flags[1:1] == 0) {
                new_length = new_length + meta.payload.length[15:0];
            }
            if (meta.again.peer_version == 7) {
                // The array's two ends, and a CRC of two or of four octets behind its head.
                new_length = new_length + 2;
                if (meta.again.crc_blocks == 1) {
                    new_length = new_length + 3;
                } else if (meta.again.crc_blocks == 2) {
                    new_length = new_length + 5;
                }
            }
            bit<16> ip_length = new_length + 20;
            bit<80> ends = (bit<80>)meta.primary.time + (bit<80>)meta.primary.lifetime;
            if (meta.version == 6) {
                ends = ends * 1000;
            }
            bool encapsulated = meta.encapsulation == 1;
            if (hdr.ipv4.isValid()) {
                encapsulated = encapsulated || hdr.ipv4.flags[0:0] == 1
                    || hdr.ipv4.total_length != hdr.udp.length + 20;
            } else {
                encapsulated = encapsulated || hdr.ipv6.payload_length != hdr.udp.length;
                ip_length = ip_length + 20;
            }
            if (meta.again.peer_version == 0 || meta.again.peer_version == meta.version) {
                meta.reason = PASS;
            } else if (encapsulated) {
                meta.reason = REASON_ENCAPSULATION;
            } else {
                errors.apply(std.parser_error, meta.reason);
            }
            if (meta.reason == 0) {
                if (meta.cursor.length + 8 > hdr.udp.length) {
                    meta.reason = REASON_TRUNCATED;
                } else if (meta.cursor.length + 8 < hdr.udp.length) {
                    meta.reason = REASON_TRAILING_OCTETS;
                } else if (meta.now != 0 && meta.primary.time != 0 && ends < (bit<80>)meta.now) {
                    meta.reason = REASON_EXPIRED;
                } else if (meta.again.mtu != 0 && ip_length > meta.again.mtu) {
                    meta.reason = REASON_MTU;
                }
            }
            if (meta.reason == 0) {
                head.apply(hdr, meta, new_length);
                translated.count(meta.version == 6 ? 32w0 : 32w1);
                forwarded = true;
            }
            report.reason = meta.reason;
            digest<bundle_report_t>(1, report);
            if (meta.reason != 0) {
                reasons.count((bit<32>)meta.reason);
                look_again(meta.reason);
            }
        }
        if (forwarded) {
            l2_forward.apply();
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
