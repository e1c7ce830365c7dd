{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# Headers, metadata and digests. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
header ethernet_h {
    bit<48> dst;
    bit<48> src;
    bit<16> ethertype;
}

/// A tag of IEEE 802.1Q.
header vlan_h {
    bit<16> tag;
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

header ipv6_h {
    bit<4> version;
    bit<8> traffic_class;
    bit<20> flow_label;
    bit<16> payload_length;
    bit<8> next_header;
    bit<8> hop_limit;
    bit<128> src;
    bit<128> dst;
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
/// In front of a packet from the slow path, behind Ethernet addresses: where it goes.
header inject_h {
    /// A port, or 0xffff for the one that the Ethernet address says.
    bit<16> egress_port;
}
{% for chunk in segments[1].chunks %}
/// {{ chunk.octets }} octets of a new head.
header head_{{ chunk.octets }}_h {
    bit<{{ chunk.bits }}> octets;
}
{% endfor %}
/// CRC field of a block of version 7: the head of a byte string, and the CRC.
header crc16_h {
    bit<8> head;
    bit<16> value;
}

header crc32c_h {
    bit<8> head;
    bit<32> value;
}

/// Head or end of the indefinite-length array that a bundle of version 7 is.
header octet_h {
    bit<8> value;
}
{% for chunk in payload_chunks %}
/// {{ chunk.octets }} octets of payload.
header payload_{{ chunk.octets }}_h {
    bit<{{ chunk.bits }}> octets;
}
{% endfor %}
struct headers_t {
    punt_h punt;
    ethernet_h ethernet;
    inject_h inject;
    ethernet_h injected;
    vlan_h vlan;
    ipv4_h ipv4;
    ipv6_h ipv6;
    udp_h udp;
    // The new head. A bit of a length says which of these are valid, so that they are always in order.
    octet_h array;
{%- for segment in segments %}
{%- for chunk in segment.chunks %}
    head_{{ chunk.octets }}_h {{ segment.name }}_{{ chunk.octets }};
{%- endfor %}
{%- endfor %}
    // The payload as it was received: rows of 256 octets, and a header for each bit of what is left.
{%- for chunk in payload_chunks %}
    payload_{{ chunk.octets }}_h{% if let Some(rows) = chunk.rows %}[{{ rows }}]{% endif %} payload_{{ chunk.octets }};
{%- endfor %}
    crc16_h crc16;
    crc32c_h crc32c;
    octet_h stop;
}

/// How far the parser has read in the bundle, and what it has read.
struct cursor_t {
    bit<16> length;
    /// Two sums in turn. Upper half: octets at an even distance before the cursor. Lower half:
    /// octets at an odd distance, which are the low halves of 16-bit words that end here.
    bit<64> sums;
    /// The last octets, where a CRC may cover them.
    bit<{{ cursor_bits }}> octets;
}

/// Octets that are put together, the last one in the lowest bits.
struct writer_t {
    bit<{{ out_bits }}> octets;
    /// How many octets are in use.
    bit<16> length;
}

/// The same, for shorter rows.
struct short_writer_t {
    bit<{{ start_bits }}> octets;
    bit<16> length;
}

/// The data of a block.
struct data_t {
    bit<1024> octets;
    bit<16> length;
}

/// A number that the parser reads, and where it goes on.
struct number_t {
    bit<8> then;
    bit<64> value;
    /// CBOR major type that the number has to have.
    bit<3> major;
}

/// A number that the parser writes, and where it goes on.
struct put_t {
    bit<8> then;
    bit<64> value;
    bit<3> major;
}

/// Endpoint ID: `ipn:node.service`; 0.0 is `dtn:none`, if there is no name.
struct eid_t {
    bit<64> node;
    bit<64> service;
    /// What stands behind `dtn:`, the last octet in the lowest bits.
    bit<{{ eid_bits }}> text;
    bit<16> length;
}

/// An endpoint ID that the parser reads or writes, and where it goes on.
struct reading_t {
    bit<8> then;
    bit<64> allocator;
    bit<64> node;
    bit<64> service;
    bit<{{ eid_bits }}> text;
    bit<16> length;
    /// The name is that of a group. Slashes tell where the group's mark stands.
    bit<1> group;
    bit<1> slash;
    bit<2> slashes;
}

/// Where the parser goes on, if there is nothing else to know.
struct then_t {
    bit<8> then;
}

/// Octets that are still to be read.
struct load_t {
    bit<8> then;
    bit<16> left;
}

struct skip_t {
    bit<8> then;
    bit<16> left;
    bit<16> pending;
    bit<64> word;
}

/// A string, the first octet in the highest bits.
struct string_t {
    bit<{{ out_bits }}> octets;
    bit<16> length;
    bit<16> at;
    /// Behind the last zero.
    bit<16> end;
}

/// A name that is read from a string.
struct name_t {
    bit<8> then;
    /// 1 is `dtn`, 2 is `ipn`.
    bit<2> scheme;
    bit<1> part;
    /// Octets that were read, the zero at the end included.
    bit<16> length;
}

/// Strings to which a bundle of version 6 refers.
struct dictionary_t {
    bit<{{ out_bits }}> octets;
    bit<64> end;
}

/// Two numbers that name an endpoint in version 6.
struct pair_t {
    bit<64> scheme;
    bit<64> ssp;
}

struct resolve_t {
    bit<8> then;
    bit<64> scheme;
    bit<64> ssp;
}

struct references_t {
    pair_t destination;
    pair_t source;
    pair_t report_to;
    pair_t custodian;
    pair_t block;
}

/// A CRC while it is computed, with its octets in the order in which they meet the data.
struct crc_t {
    bit<8> then;
    /// 0 none, 1 CRC-16, 2 CRC-32C.
    bit<2> type;
    bit<32> value;
    /// What is to be covered, the first octet in the highest bits.
    bit<{{ out_bits }}> octets;
    /// The same, if it is less than 64 octets.
    bit<512> short;
    bit<16> left;
    /// Where in what is read or written the octets begin that are not covered yet.
    bit<16> start;
    bit<64> word;
}

/// A number in decimal digits.
struct decimal_t {
    bit<8> then;
    bit<64> value;
    bit<64> tenth;
    bit<160> digits;
    bit<16> length;
}

/// A block that is written.
struct put_block_t {
    bit<8> then;
    bit<64> type;
    bit<64> flags;
    bit<64> number;
}

/// A bundle that a node reads before it knows the next hop.
struct hop_t {
    /// The largest block number so far.
    bit<64> highest;
    /// Where the payload block begins that a new block comes before.
    bit<16> start;
    /// Octets of a number.
    bit<4> octets;
    /// The flags of a block want it removed.
    bit<1> drop;
}

/// An identity on its way from version 6 to 7.
struct to_7_t {
    bit<8> then;
    bit<64> seconds;
    bit<64> time;
    bit<64> sequence;
    bit<64> quotient;
    bit<64> digits;
}

/// An identity on its way from version 7 to 6.
struct to_6_t {
    bit<8> then;
    bit<64> seconds;
    bit<64> time;
    bit<64> sequence;
    bit<64> digits;
}

/// Fields of the new primary block.
struct to_t {
    bit<64> flags;
    bit<64> block_flags;
    bit<64> time;
    bit<64> sequence;
    bit<64> lifetime;
    bit<2> priority;
    bit<80> wide;
}

/// Where the strings of a new dictionary are.
struct form_t {
    bit<1> has_dtn;
    bit<1> has_ipn;
    bit<1> same;
    bit<3> null;
    bit<16> dtn;
    bit<16> ipn;
    bit<16> destination_scheme;
    bit<16> destination_ssp;
    bit<16> source_scheme;
    bit<16> source_ssp;
    bit<16> report_to_scheme;
    bit<16> report_to_ssp;
    bit<16> custodian_ssp;
}

struct primary_t {
    bit<64> flags;
    bit<64> block_length;
    /// The items of the array: eight, two for a fragment, and one for a CRC.
    bit<64> items;
    /// Where the fields behind the length begin in version 6.
    bit<16> start;
    eid_t destination;
    eid_t source;
    eid_t report_to;
    /// The destination is a group.
    bit<1> group;
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
    bit<8> count;
    bit<64> type;
    bit<64> number;
    /// Numbers of the blocks before.
    bit<{{ numbers_bits }}> numbers;
    bit<64> flags;
    bit<2> crc;
    bit<1> has_crc;
    bit<64> references;
    bit<64> left;
    bit<64> length;
    /// Where the block's data begins.
    bit<16> start;
    /// Whether the parser is in the data of a block that it knows.
    bit<1> inside;
}

/// The array around a bundle of version 7.
struct outer_t {
    bit<1> definite;
    bit<64> left;
    /// Items of the new array.
    bit<5> items;
}
{% for block in blocks %}
/// {{ block.title }}.
struct {{ block.name }}_t {
    bit<1> present;
{%- for field in block.fields %}
    {{ field.kind }} {{ field.name }};
{%- endfor %}
}
{% endfor %}
/// Who has custody, for aggregate custody signals.
struct custody_t {
    bit<1> present;
    bit<1> colon;
    /// A custody ID, or a bundle age.
    bit<64> number;
}

struct payload_t {
    bit<1> present;
    bit<64> flags;
    bit<64> length;
    bit<16> start;
    /// Rows of 256 octets that are still to be read.
    bit<8> left;
    /// Octets of the new payload.
    bit<64> written;
    /// The head of the new block of version 7, and the CRC up to the end of its data.
    bit<128> head;
    bit<16> head_length;
    bit<32> crc;
}

/// A status report.
struct record_t {
    bit<1> for_fragment;
    bit<8> status;
    bit<64> code;
    bit<64> fragment_offset;
    bit<64> fragment_length;
    /// Times, of reception, acceptance of custody, forwarding, delivery and deletion; in
    /// milliseconds in version 7.
    bit<64> seconds_0;
    bit<64> seconds_1;
    bit<64> seconds_2;
    bit<64> seconds_3;
    bit<64> seconds_4;
    bit<64> nanoseconds_0;
    bit<64> nanoseconds_1;
    bit<64> nanoseconds_2;
    bit<64> nanoseconds_3;
    bit<64> nanoseconds_4;
    /// Assertions of later standards.
    bit<64> left;
    bit<64> further;
    bit<64> time;
    bit<64> sequence;
    bit<64> length;
    eid_t source;
}

/// What a look at a packet leaves for the next one.
///
/// The first look is about the receiver, the second reads the bundle and writes it as the receiver
/// wants it, and the last one is for packets that leave as they came.
struct again_t {
    /// 0 at first; 1 if the bundle is to be read, 2 if that is to find its route, 3 at last.
    @field_list(1)
    bit<2> look;
    @field_list(1)
    bit<8> reason;
    @field_list(1)
    bit<8> version;
    /// BMv2 forgets the port of a packet that it looks at again.
    @field_list(1)
    bit<9> ingress_port;
    /// The time, too.
    @field_list(1)
    bit<48> ingress_time;
    /// What the receiver reads: version 6, 7, or 0 for unknown.
    @field_list(1)
    bit<8> peer_version;
    @field_list(1)
    bit<1> sequence32;
    @field_list(1)
    bit<1> lifetime32;
    /// Forms of endpoint IDs of version 6.
    @field_list(1)
    bit<1> cbhe;
    @field_list(1)
    bit<1> dictionary;
    /// Type of the bundle age block of version 6.
    @field_list(1)
    bit<8> age_type;
    /// Blocks of type 13 are HDTN's priority.
    @field_list(1)
    bit<1> hdtn_priority;
    /// Type of the block of version 7 that carries the priority, 0 for none.
    @field_list(1)
    bit<8> priority_block;
    /// Types of the CRCs of version 7.
    @field_list(1)
    bit<2> crc_primary;
    @field_list(1)
    bit<2> crc_blocks;
    /// Octets of the longest IP packet, or 0.
    @field_list(1)
    bit<16> mtu;
    /// The switch is a node of the network, and this is its node ID.
    @field_list(1)
    bit<1> is_node;
    @field_list(1)
    bit<1> add_previous;
    @field_list(1)
    bit<64> node;
    @field_list(1)
    bit<64> service;
    /// The same for a node ID of the scheme `dtn`: what stands behind the colon.
    @field_list(1)
    bit<{{ eid_bits }}> name;
    @field_list(1)
    bit<16> name_length;
    /// Milliseconds that a bundle gets older on its way to this node and in it.
    @field_list(1)
    bit<16> residence;
    /// Where a routed bundle goes.
    @field_list(1)
    bit<9> egress_port;
    @field_list(1)
    bit<48> ethernet_src;
    @field_list(1)
    bit<48> ethernet_dst;
    @field_list(1)
    bit<16> udp_port;
    /// Addresses of IPv6, or of IPv4 in the lowest bits.
    @field_list(1)
    bit<1> hop_ipv6;
    @field_list(1)
    bit<128> ip_src;
    @field_list(1)
    bit<128> ip_dst;
}

struct metadata_t {
    again_t again;
    /// Version of the bundle in the datagram, 0 for none.
    bit<8> version;
    /// The datagram is fragmented, has options, or its lengths disagree.
    bit<1> encapsulation;
    outer_t outer;
    cursor_t cursor;
    number_t number;
    reading_t eid;
    load_t load;
    skip_t skip;
    string_t chars;
    name_t name;
    dictionary_t dictionary;
    resolve_t resolve;
    references_t reference;
    crc_t crc;
    then_t seal;
    then_t check;
    then_t payload_head;
    bit<8> octet;
    bit<16> word;
    bit<32> half;
    bit<8> shift;
    /// What is being written, what waits for it, and what is finished.
    writer_t written;
    writer_t held;
    writer_t aside;
    data_t data;
    short_writer_t fields;
    bit<16> fragment_length;
{%- for segment in segments %}
    {% if segment.bits == start_bits %}short_writer_t{% else %}writer_t{% endif %} {{ segment.name }};
{%- endfor %}
    put_t put;
    then_t put_eid;
    then_t put_ssp;
    decimal_t decimal;
    put_block_t put_block;
    hop_t hop;
    to_7_t to_7;
    to_6_t to_6;
    to_t to;
    form_t form;
    primary_t primary;
    /// The source is null; nobody may be told about the bundle.
    bit<1> anonymous;
    bit<1> unreportable;
    block_t block;
{%- for block in blocks %}
    {{ block.name }}_t {{ block.name }};
{%- endfor %}
    custody_t custody;
    payload_t payload;
    record_t record;
    bit<8> reason;
    /// Where the route of a bundle leads, 0 for nowhere.
    bit<16> next_hop;
    /// Names of the scheme `dtn`, their first octets in the highest bits.
    bit<{{ eid_bits }}> source_name;
    bit<{{ eid_bits }}> destination_name;
    /// The age as it was received: microseconds in version 6, milliseconds in version 7.
    bit<64> age;
    /// Colour of the traffic to a receiver: 2 is red, and too much.
    bit<2> colour;
    /// Milliseconds since 2000-01-01, or 0 if nobody set the clock.
    bit<64> now;
}

/// A bundle that crossed, or why it did not. Fields are as received.
struct bundle_report_t {
    bit<8> version;
    /// Bundle processing control flags.
    bit<64> flags;
    bit<64> source_node;
    bit<64> source_service;
    /// What stands behind `dtn:`, or 0.
    bit<{{ eid_bits }}> source_name;
    bit<64> destination_node;
    bit<64> destination_service;
    bit<{{ eid_bits }}> destination_name;
    /// Seconds (version 6) or milliseconds (version 7) since 2000-01-01.
    bit<64> creation_time;
    bit<64> sequence;
    bit<64> fragment_offset;
    bit<64> adu_length;
    /// Seconds (version 6) or milliseconds (version 7).
    bit<64> lifetime;
    /// Microseconds (version 6) or milliseconds (version 7).
    bit<64> age;
    bit<64> payload_length;
    /// Octets of the bundle as it came, and as it left or would have left.
    bit<16> length;
    bit<16> sent_length;
    /// The version in which it left, 0 if it did not.
    bit<8> sent_version;
    bit<8> reason;
    /// Who sent the datagram: addresses of Ethernet and IP (IPv4 as RFC 4291 2.5.5.2), UDP port.
    bit<48> neighbour;
    bit<128> neighbour_ip;
    bit<16> neighbour_udp_port;
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
