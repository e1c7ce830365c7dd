{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# Headers, metadata and digests. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
header ethernet_h {
    bit<48> dst;
    bit<48> src;
    bit<16> ethertype;
}

header ipv4_h {
    bit<4> version;
    bit<4> ihl;
    bit<8> dscp_ecn;
    bit<16> total_length;
    bit<16> identification;
    bit<3> flags;
    bit<13> fragment_offset;
    bit<8> ttl;
    bit<8> protocol;
    bit<16> checksum;
    bit<32> src;
    bit<32> dst;
}

header udp_h {
    bit<16> src_port;
    bit<16> dst_port;
    bit<16> length;
    bit<16> checksum;
}

/// In front of an untouched packet that the slow path has to deal with.
header punt_h {
    bit<48> dst;
    bit<48> src;
    bit<16> ethertype;
    bit<8> reason;
    bit<8> bundle_version;
    bit<16> ingress_port;
}
{% for chunk in head_chunks %}
/// {{ chunk.octets }} octets of a new head.
header head_{{ chunk.octets }}_h {
    bit<{{ chunk.bits }}> octets;
}
{% endfor %}
/// CRC field of a BPv7 block: the head of a byte string of two octets, and the CRC.
header crc16_h {
    bit<8> head;
    bit<16> value;
}

/// Head or end of the indefinite-length array that a BPv7 bundle is.
header octet_h {
    bit<8> value;
}
{% for chunk in payload_chunks %}
/// {{ chunk.octets }} octets of payload.
header payload_{{ chunk.octets }}_h {
{%- for part in chunk.parts %}
    bit<{{ part.bits }}> {{ part.name }};
{%- endfor %}
}
{% endfor %}
struct headers_t {
    punt_h punt;
    ethernet_h ethernet;
    ipv4_h ipv4;
    udp_h udp;
    // The new head. A bit of its length says which of these are valid, so that they are always in order.
    octet_h start;
{%- for chunk in head_chunks %}
    head_{{ chunk.octets }}_h primary_{{ chunk.octets }};
{%- endfor %}
    crc16_h crc;
{%- for chunk in head_chunks %}
    head_{{ chunk.octets }}_h blocks_{{ chunk.octets }};
{%- endfor %}
    // The payload as it was received, cut by the bits of its length.
{%- for chunk in payload_chunks %}
    payload_{{ chunk.octets }}_h payload_{{ chunk.octets }};
{%- endfor %}
    octet_h stop;
}

/// How far the parser has read in the bundle, and what it has read.
struct cursor_t {
    bit<16> length;
    /// Two sums in turn. Upper half: octets at an even distance before the cursor. Lower half:
    /// octets at an odd distance, which are the low halves of 16-bit words that end here.
    bit<64> sums;
    /// The last octets, where a CRC may cover them.
    bit<{{ writer_bits }}> octets;
}

/// A number that the parser reads, and where it goes on.
struct number_t {
    bit<8> then;
    bit<64> value;
    /// CBOR major type that the number has to have.
    bit<3> major;
    /// Octet that ends a number in decimal digits.
    bit<8> end;
}

/// An endpoint ID that the parser reads, and where it goes on.
struct reading_t {
    bit<8> then;
    bit<64> allocator;
    bit<64> node;
    bit<64> service;
}

/// Endpoint ID: `ipn:node.service`, and 0.0 is `dtn:none`.
struct eid_t {
    bit<64> node;
    bit<64> service;
}

struct primary_t {
    bit<64> flags;
    bit<64> block_length;
    bit<64> crc_type;
    bit<16> crc;
    /// The low bits of the head of the array: is it a fragment, and is there a CRC.
    bit<2> array;
    /// Where the fields behind the length begin in version 6.
    bit<16> start;
    /// The block of version 7, with zeros for the value of its CRC.
    bit<{{ writer_bits }}> octets;
    bit<16> length;
    eid_t destination;
    eid_t source;
    eid_t report_to;
    eid_t custodian;
    /// Seconds (version 6) or milliseconds (version 7) since 2000-01-01.
    bit<64> time;
    bit<64> sequence;
    /// Seconds (version 6) or milliseconds (version 7).
    bit<64> lifetime;
    bit<64> dictionary_length;
    bit<64> fragment_offset;
    bit<64> adu_length;
}

/// A canonical block while it is being parsed.
struct block_t {
    bit<64> type;
    bit<64> number;
    bit<64> flags;
    bit<64> crc_type;
    bit<64> length;
    /// Where the block's data begins.
    bit<16> start;
}
{% for block in blocks %}
/// {{ block.title }}.
struct {{ block.name }}_t {
    bit<1> present;
    bit<64> number;
    bit<64> flags;
{%- for field in block.fields %}
    {{ field.kind }} {{ field.name }};
{%- endfor %}
}
{% endfor %}
struct payload_t {
    bit<64> number;
    bit<64> flags;
    bit<64> length;
}

/// What the receiver of a datagram can read.
struct peer_t {
    /// 6, 7, or 0 for unknown.
    bit<8> version;
    bit<1> sequence32;
    bit<1> lifetime32;
}

/// What the second look at the original packet has to know about the first.
struct again_t {
    @field_list(1)
    bit<8> reason;
    @field_list(1)
    bit<8> version;
    /// BMv2 forgets the port of a packet that it looks at again.
    @field_list(1)
    bit<9> ingress_port;
}

struct metadata_t {
    again_t again;
    /// Version of the bundle in the datagram, 0 for none.
    bit<8> version;
    /// The datagram is fragmented, has options, or its lengths disagree.
    bit<1> encapsulation;
    /// The outer array has a definite length.
    bit<1> definite;
    cursor_t cursor;
    number_t number;
    reading_t eid;
    bit<8> octet;
    bit<16> word;
    bit<32> half;
    primary_t primary;
    block_t block;
    /// Extension blocks as they came, the first in the highest digit.
    bit<{{ order_bits }}> order;
{%- for block in blocks %}
    {{ block.name }}_t {{ block.name }};
{%- endfor %}
    payload_t payload;
    peer_t peer;
    bit<8> reason;
}

/// A bundle that crossed, or why it did not. Fields are as received.
struct bundle_report_t {
    bit<8> version;
    bit<64> source_node;
    bit<64> source_service;
    bit<64> destination_node;
    bit<64> destination_service;
    bit<64> creation_time;
    bit<64> sequence;
    bit<64> lifetime;
    bit<64> age;
    bit<64> payload_length;
    bit<8> reason;
    bit<48> neighbour;
    bit<9> ingress_port;
    /// Microseconds since the switch started. Also keeps reports apart that would otherwise be
    /// equal, which P4Runtime delivers as one.
    bit<64> ingress_time;
}

/// An Ethernet address, and the port behind which it is.
struct learn_t {
    bit<48> address;
    bit<9> port;
}
