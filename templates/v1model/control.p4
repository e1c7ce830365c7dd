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

/// Rules of version 6 that join several fields. The first that is broken counts.
control guard_6(in headers_t hdr, in metadata_t meta, out bit<8> reason) {
    apply {
        reason = 0;
        bit<16> octets = meta.cursor.length + meta.payload.length[15:0] + 8;
        if (octets > hdr.udp.length) {
            reason = REASON_TRUNCATED;
        } else if (octets < hdr.udp.length) {
            reason = REASON_TRAILING_OCTETS;
{%- for guard in guards6 %}
        } else if ({{ guard.condition }}) {
            reason = REASON_{{ guard.constant }};
{%- endfor %}
        }
    }
}

/// Rules of version 7 that join several fields. The first that is broken counts.
control guard_7(in headers_t hdr, in metadata_t meta, out bit<8> reason) {
    apply {
        reason = 0;
        bit<16> octets = meta.cursor.length + meta.payload.length[15:0] + 9;
        if (octets > hdr.udp.length) {
            reason = REASON_TRUNCATED;
        } else if (octets < hdr.udp.length) {
            reason = REASON_TRAILING_OCTETS;
{%- for guard in guards7 %}
        } else if ({{ guard.condition }}) {
            reason = REASON_{{ guard.constant }};
{%- endfor %}
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
        meta.peer.version = 6;
        meta.peer.sequence32 = sequence32;
        meta.peer.lifetime32 = lifetime32;
        peer_traffic.count();
    }

    action speaks_v7() {
        meta.peer.version = 7;
        peer_traffic.count();
    }

    action pass() {
        peer_traffic.count();
    }

    /// What the receiver of a datagram can read.
    table peer {
        key = {
            hdr.ipv4.dst: lpm;
        }
        actions = {
            speaks_v6;
            speaks_v7;
            pass;
        }
        default_action = pass();
        counters = peer_traffic;
        size = PEER_ENTRIES;
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
        meta.again.reason = reason;
        meta.again.version = meta.version;
        meta.again.ingress_port = std.ingress_port;
        resubmit_preserving_field_list(1);
    }

    classify_error() errors;
    guard_6() guards_6;
    guard_7() guards_7;
    x25() crc_of;
    translate_to_7() to_7;
    translate_to_6() to_6;
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
        } else if (meta.version == 0) {
            l2_source.apply();
            forwarded = true;
        } else {
            bundle_report_t report = {
                meta.version,
                meta.primary.source.node, meta.primary.source.service,
                meta.primary.destination.node, meta.primary.destination.service,
                meta.primary.time, meta.primary.sequence, meta.primary.lifetime,
                meta.bundle_age.age, meta.payload.length,
                0, hdr.ethernet.src, std.ingress_port,
                16w0 ++ std.ingress_global_timestamp
            };
            peer.apply();
            if (meta.peer.version == 0 || meta.peer.version == meta.version) {
                meta.reason = PASS;
            } else if (meta.encapsulation == 1 || hdr.ipv4.flags[0:0] == 1
                    || hdr.ipv4.total_length != hdr.udp.length + 20) {
                meta.reason = REASON_ENCAPSULATION;
            } else if (meta.definite == 1) {
                meta.reason = REASON_FRAMING;
            } else {
                errors.apply(std.parser_error, meta.reason);
            }
            // One CRC is enough: that of the old primary block, or that of the new one.
            writer_t primary = { 0, 0 };
            writer_t blocks = { 0, 0 };
            writer_t protected = { meta.primary.octets, meta.primary.length };
            if (meta.reason == 0 && meta.version == 6) {
                guards_6.apply(hdr, meta, meta.reason);
                if (meta.reason == 0) {
                    to_7.apply(meta, primary, blocks);
                }
                protected.octets = primary.octets[{{ writer_bits - 25 }}:0] ++ 24w0x420000;
                protected.length = primary.length + 3;
            }
            bit<16> crc = 0;
            if (meta.reason == 0 && (meta.version == 6 || meta.primary.crc_type == 1)) {
                crc_of.apply(protected, crc);
            }
            if (meta.reason == 0 && meta.version == 7) {
                if (meta.primary.crc_type == 1 && crc != meta.primary.crc) {
                    meta.reason = REASON_CRC_MISMATCH;
                } else {
                    guards_7.apply(hdr, meta, meta.reason);
                }
                if (meta.reason == 0) {
                    to_6.apply(meta, primary, blocks);
                }
            }
            if (meta.reason == 0) {
                head.apply(hdr, meta, primary, blocks, crc);
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
        bit<9> ingress_port = meta.again.reason == 0 ? std.ingress_port : meta.again.ingress_port;
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
        pkt.emit(hdr.ipv4);
        pkt.emit(hdr.udp);
        pkt.emit(hdr.start);
{%- for chunk in head_chunks %}
        pkt.emit(hdr.primary_{{ chunk.octets }});
{%- endfor %}
        pkt.emit(hdr.crc);
{%- for chunk in head_chunks %}
        pkt.emit(hdr.blocks_{{ chunk.octets }});
{%- endfor %}
{%- for chunk in payload_chunks %}
        pkt.emit(hdr.payload_{{ chunk.octets }});
{%- endfor %}
        pkt.emit(hdr.stop);
    }
}

V1Switch(bundle_parser(), verify_checksums(), ingress(), egress(), compute_checksums(),
    bundle_deparser()) main;
