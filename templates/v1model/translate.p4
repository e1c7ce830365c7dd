{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# From what the parser wrote to headers. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
/// Adds what the UDP checksum covers of the IP header, and the ports.
control add_addresses(inout headers_t hdr, out bit<32> sum) {
    fold() folded;
    apply {
        sum = (bit<32>)PROTOCOL_UDP + (bit<32>)hdr.udp.src_port + (bit<32>)hdr.udp.dst_port;
        if (hdr.ipv4.isValid()) {
            sum = sum + (bit<32>)hdr.ipv4.src[31:16] + (bit<32>)hdr.ipv4.src[15:0]
                + (bit<32>)hdr.ipv4.dst[31:16] + (bit<32>)hdr.ipv4.dst[15:0];
        } else {
            bit<72> addresses = (bit<72>)hdr.ipv6.src[127:64] + (bit<72>)hdr.ipv6.src[63:0]
                + (bit<72>)hdr.ipv6.dst[127:64] + (bit<72>)hdr.ipv6.dst[63:0];
            sum = sum + (bit<32>)addresses[15:0] + (bit<32>)addresses[31:16]
                + (bit<32>)addresses[47:32] + (bit<32>)addresses[63:48] + (bit<32>)addresses[71:64];
        }
        folded.apply(sum);
    }
}

/// The headers of a node's own datagram, in the IP version of the next hop.
control readdress(inout headers_t hdr, inout metadata_t meta) {
    apply {
        hdr.ethernet.src = meta.again.ethernet_src;
        hdr.ethernet.dst = meta.again.ethernet_dst;
        hdr.udp.dst_port = meta.again.udp_port;
        bit<16> ethertype = ETHERTYPE_IPV4;
        if (meta.again.hop_ipv6 == 1) {
            ethertype = ETHERTYPE_IPV6;
            if (hdr.ipv4.isValid()) {
                hdr.ipv6.setValid();
                hdr.ipv6.version = 6;
                hdr.ipv6.traffic_class = hdr.ipv4.dscp_ecn;
                hdr.ipv6.flow_label = 0;
                hdr.ipv6.next_header = PROTOCOL_UDP;
                hdr.ipv4.setInvalid();
            }
            hdr.ipv6.hop_limit = 64;
            hdr.ipv6.src = meta.again.ip_src;
            hdr.ipv6.dst = meta.again.ip_dst;
        } else {
            if (hdr.ipv6.isValid()) {
                hdr.ipv4.setValid();
                hdr.ipv4.version = 4;
                hdr.ipv4.ihl = 5;
                hdr.ipv4.dscp_ecn = hdr.ipv6.traffic_class;
                // Not to be fragmented, so that it needs no identification (RFC 6864).
                hdr.ipv4.identification = 0;
                hdr.ipv4.flags = 2;
                hdr.ipv4.fragment_offset = 0;
                hdr.ipv4.protocol = PROTOCOL_UDP;
                hdr.ipv6.setInvalid();
            }
            hdr.ipv4.ttl = 64;
            hdr.ipv4.src = meta.again.ip_src[31:0];
            hdr.ipv4.dst = meta.again.ip_dst[31:0];
        }
        if (hdr.vlan.isValid()) {
            hdr.vlan.ethertype = ethertype;
        } else {
            hdr.ethernet.ethertype = ethertype;
        }
    }
}

/// Puts what the parser wrote into headers, and makes lengths and checksums fit it.
control replace_head(inout headers_t hdr, inout metadata_t meta, in bit<16> new_length) {
    fold() folded;
    add_words() words;
    shift() shifted;
    add_addresses() old_addresses;
    add_addresses() new_addresses;
    readdress() own;
    apply {
{%- for segment in segments %}
        // {{ segment.name }}: {{ segment.comment }}.
{%- for chunk in segment.chunks %}
        if (meta.{{ segment.name }}.length[{{ chunk.bit }}:{{ chunk.bit }}] == 1) {
            hdr.{{ segment.name }}_{{ chunk.octets }}.setValid();
            hdr.{{ segment.name }}_{{ chunk.octets }}.octets = {{ chunk.cut }};
        }
{%- endfor %}
{%- endfor %}

        // Sum of the new head, as if its last octet were the low half of a word.
        bit<32> new_sum = 0;
        bit<16> head_length = 0;
{%- for segment in segments %}
        if (meta.{{ segment.name }}.length != 0) {
            shifted.apply(new_sum, meta.{{ segment.name }}.length[0:0]);
            words.apply(new_sum, {% if segment.bits != out_bits %}(bit<{{ out_bits }}>){% endif %}meta.{{ segment.name }}.octets, meta.{{ segment.name }}.length);
            head_length = head_length + meta.{{ segment.name }}.length;
        }
{%- endfor %}
        // What stands behind the payload, the last octet in the lowest bits.
        bit<48> trailer = 0;
        if (meta.again.peer_version == 7) {
            head_length = head_length + 1;
            hdr.array.setValid();
            if (meta.crc.type == 1) {
                hdr.crc16.setValid();
                hdr.crc16.head = 0x42;
                hdr.crc16.value = ~meta.crc.value[23:16] ++ ~meta.crc.value[31:24];
                trailer = 24w0 ++ hdr.crc16.head ++ hdr.crc16.value;
            } else if (meta.crc.type == 2) {
                hdr.crc32c.setValid();
                hdr.crc32c.head = 0x44;
                hdr.crc32c.value = ~meta.crc.value[7:0] ++ ~meta.crc.value[15:8]
                    ++ ~meta.crc.value[23:16] ++ ~meta.crc.value[31:24];
                trailer = 8w0 ++ hdr.crc32c.head ++ hdr.crc32c.value;
            }
            if (meta.outer.definite == 1) {
                hdr.array.value = 3w4 ++ meta.outer.items;
            } else {
                hdr.array.value = 0x9f;
                hdr.stop.setValid();
                hdr.stop.value = 0xff;
                trailer = trailer[39:0] ++ 8w0xff;
            }
        }
        shifted.apply(new_sum, head_length[0:0]);
        if (meta.again.peer_version == 7) {
            // The head of the outer array is the first octet.
            new_sum = new_sum + (16w0 ++ hdr.array.value ++ 8w0);
        }
        bit<32> trailer_sum = (bit<32>)trailer[47:32] + (bit<32>)trailer[31:16] + (bit<32>)trailer[15:0];
        folded.apply(trailer_sum);
        shifted.apply(trailer_sum, new_length[0:0]);

        // What was there instead, as the parser added it up.
        bit<16> old_length = hdr.udp.length;
        bit<32> old_sum = meta.cursor.sums[31:0];
        if (meta.cursor.length[0:0] == 0) {
            old_sum = old_sum + (meta.cursor.sums[63:32] << 8);
        } else {
            old_sum = (old_sum << 8) + meta.cursor.sums[63:32];
        }

        // RFC 1624: what the old sum says of the payload goes into the new sum, so that a payload
        // that was damaged on the way here is still seen to be damaged.
        bit<32> same;
        old_addresses.apply(hdr, same);
        folded.apply(old_sum);
        old_sum = old_sum + same + (bit<32>)old_length + (bit<32>)old_length;
        folded.apply(old_sum);
        bit<32> sum = (bit<32>)~hdr.udp.checksum + (bit<32>)~old_sum[15:0];
        folded.apply(sum);
        shifted.apply(sum, meta.payload.start[0:0] ^ head_length[0:0]);
        // A node sends the bundle on in a datagram of its own.
        if (meta.again.is_node == 1) {
            own.apply(hdr, meta);
            new_addresses.apply(hdr, same);
        }
        sum = sum + new_sum + trailer_sum + same + (bit<32>)new_length + (bit<32>)new_length;
        folded.apply(sum);
        // Zero says that there is no checksum, and stays; all ones stand for a sum of zero (RFC 768).
        if (hdr.udp.checksum != 0) {
            hdr.udp.checksum = ~sum[15:0];
            if (sum[15:0] == 0xffff) {
                hdr.udp.checksum = 0xffff;
            }
        }
        hdr.udp.length = new_length;

        if (hdr.ipv4.isValid()) {
            bit<16> total_length = new_length + 20;
            if (meta.again.is_node == 0) {
                sum = (bit<32>)~hdr.ipv4.checksum + (bit<32>)~hdr.ipv4.total_length + (bit<32>)total_length;
            } else {
                sum = (bit<32>)(hdr.ipv4.version ++ hdr.ipv4.ihl ++ hdr.ipv4.dscp_ecn)
                    + (bit<32>)total_length + (bit<32>)hdr.ipv4.identification
                    + (bit<32>)(hdr.ipv4.flags ++ hdr.ipv4.fragment_offset)
                    + (bit<32>)(hdr.ipv4.ttl ++ hdr.ipv4.protocol)
                    + (bit<32>)hdr.ipv4.src[31:16] + (bit<32>)hdr.ipv4.src[15:0]
                    + (bit<32>)hdr.ipv4.dst[31:16] + (bit<32>)hdr.ipv4.dst[15:0];
            }
            folded.apply(sum);
            hdr.ipv4.checksum = ~sum[15:0];
            hdr.ipv4.total_length = total_length;
        } else {
            hdr.ipv6.payload_length = new_length;
        }
    }
}
