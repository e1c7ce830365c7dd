{# The parser. Filled from ParserText in p4gen/src/v1model.rs. -#}
{%- macro read(step) %}
{%- match step %}
{%- when Read::Sdnv with (field) %}
        sdnv.apply(pkt, meta.cursor, {{ field }});
{%- when Read::Uint with (field) %}
        head.apply(pkt, meta.cursor, 0, {{ field }});
{%- when Read::Eid with (field) %}
        eid.apply(pkt, meta.cursor, {{ field }});
{%- when Read::Octet with (field) %}
        octet.apply(pkt, meta.cursor, meta.octet);
        {{ field }} = (bit<64>)meta.octet;
{%- when Read::Expect with { value, error } %}
        octet.apply(pkt, meta.cursor, meta.octet);
        verify(meta.octet == {{ value }}, error.{{ error }});
{%- when Read::Decimal with { end, field } %}
        decimal.apply(pkt, meta.cursor, {{ end }}, {{ field }});
{%- endmatch %}
{%- endmacro %}
parser bundle_parser(packet_in pkt, out headers_t hdr, inout metadata_t meta,
        inout standard_metadata_t std) {
    Octet() octet;
    Sdnv() sdnv;
    CborHead() head;
    CborEid() eid;
    Decimal() decimal;

    state start {
        pkt.extract(hdr.ethernet);
        // The second look needs the addresses and nothing else: the rest stays as it is.
        transition select(meta.again.reason, hdr.ethernet.ethertype) {
            (0, ETHERTYPE_IPV4): parse_ipv4;
            default: accept;
        }
    }

    state parse_ipv4 {
        pkt.extract(hdr.ipv4);
        transition select(hdr.ipv4.version, hdr.ipv4.protocol, hdr.ipv4.fragment_offset) {
            (4, PROTOCOL_UDP, 0): parse_ipv4_options;
            default: accept;
        }
    }

    state parse_ipv4_options {
        transition select(hdr.ipv4.ihl) {
            5: parse_udp;
{%- for ihl in ihl_with_options %}
            {{ ihl }}: skip_ipv4_options;
{%- endfor %}
            default: accept;
        }
    }

    // Packets with options are read only to tell whether there is a bundle for the slow path.
    state skip_ipv4_options {
        meta.encapsulation = 1;
        pkt.advance(((bit<32>)hdr.ipv4.ihl - 5) << 5);
        transition parse_udp;
    }

    state parse_udp {
        pkt.extract(hdr.udp);
        transition select(hdr.udp.dst_port) {
            BUNDLE_PORT: parse_bundle;
            default: accept;
        }
    }

    // The first octet tells the versions apart. Anything else is a keepalive or a stranger.
    state parse_bundle {
        meta.octet = pkt.lookahead<bit<8>>();
        transition select(meta.octet) {
            0x06: parse_v6;
            0x9f: parse_v7;
            0x80 &&& 0xe0: parse_v7_definite;
            default: accept;
        }
    }

    state parse_v7_definite {
        meta.version = 7;
        meta.definite = 1;
        transition accept;
    }

    // Version 6: RFC 5050 4.5.1 in the form of RFC 6260.

    state parse_v6 {
        meta.version = 6;
        octet.apply(pkt, meta.cursor, meta.octet);
        transition parse_v6_primary;
    }

    state parse_v6_primary {
        sdnv.apply(pkt, meta.cursor, meta.primary.flags);
        sdnv.apply(pkt, meta.cursor, meta.primary.block_length);
        meta.primary_start = meta.cursor.length;
{%- for step in v6_primary %}{% call read(step) %}{% endcall %}{% endfor %}
        verify(meta.primary.dictionary_length == 0, error.EidForm);
        transition select(meta.primary.flags[0:0]) {
            1: parse_v6_fragment;
            default: parse_v6_primary_end;
        }
    }

    state parse_v6_fragment {
{%- for step in v6_fragment %}{% call read(step) %}{% endcall %}{% endfor %}
        transition parse_v6_primary_end;
    }

    state parse_v6_primary_end {
        verify(meta.primary.block_length == (bit<64>)(meta.cursor.length - meta.primary_start),
            error.PrimaryLength);
        transition parse_v6_block;
    }

    state parse_v6_block {
        octet.apply(pkt, meta.cursor, meta.octet);
        meta.block.type = (bit<64>)meta.octet;
        sdnv.apply(pkt, meta.cursor, meta.block.flags);
        // Endpoint ID references stand between the flags and the length.
        verify(meta.block.flags[6:6] == 0, error.BlockUnsupported);
        sdnv.apply(pkt, meta.cursor, meta.block.length);
        meta.block.start = meta.cursor.length;
        transition select(meta.octet) {
            1: parse_v6_payload;
{%- for block in blocks %}
            {{ block.type6 }}: parse_v6_{{ block.name }};
{%- endfor %}
{%- for code in security6 %}
            {{ code }}: refuse_security;
{%- endfor %}
            default: refuse_block;
        }
    }
{% for block in blocks %}
    state parse_v6_{{ block.name }} {
        verify(meta.{{ block.name }}.present == 0, error.BlockDuplicate);
        meta.{{ block.name }}.present = 1;
        meta.{{ block.name }}.flags = meta.block.flags;
        meta.order = meta.order[{{ order_keep }}:0] ++ BLOCK_{{ block.constant }};
{%- for step in block.read6 %}{% call read(step) %}{% endcall %}{% endfor %}
{%- match block.optional6 %}
{%- when Some with (optional) %}
        transition select({{ optional.condition }}) {
            1: parse_v6_{{ block.name }}_{{ optional.name }};
            default: parse_v6_block_end;
        }
    }

    state parse_v6_{{ block.name }}_{{ optional.name }} {
{%- call read(optional.step) %}{% endcall %}
{%- when None %}
{%- endmatch %}
        transition parse_v6_block_end;
    }
{% endfor %}
    state parse_v6_block_end {
        verify(meta.block.length == (bit<64>)(meta.cursor.length - meta.block.start),
            error.BlockMalformed);
        // Only a payload block may be the last one here.
        verify(meta.block.flags[3:3] == 0, error.PayloadMissing);
        transition parse_v6_block;
    }

    state parse_v6_payload {
        verify(meta.block.flags[3:3] == 1, error.BlockOrder);
        transition parse_payload;
    }

    // Version 7: RFC 9171 4.1, 4.3.1.

    state parse_v7 {
        meta.version = 7;
        octet.apply(pkt, meta.cursor, meta.octet);
        meta.cursor.crc = 0xffff;
        octet.apply(pkt, meta.cursor, meta.octet);
        verify(meta.octet[7:2] == 6w0b100010, error.UnexpectedItem);
        head.apply(pkt, meta.cursor, 0, meta.block.length);
        verify(meta.block.length == 7, error.Version);
        head.apply(pkt, meta.cursor, 0, meta.primary.flags);
        head.apply(pkt, meta.cursor, 0, meta.primary.crc_type);
        verify(meta.primary.crc_type <= 2, error.CrcType);
        verify(meta.primary.crc_type != 2, error.CrcUnsupported);
        verify(meta.octet[1:0] == meta.primary.flags[0:0] ++ meta.primary.crc_type[0:0],
            error.PrimaryLength);
        transition parse_v7_primary;
    }

    state parse_v7_primary {
{%- for step in v7_primary %}{% call read(step) %}{% endcall %}{% endfor %}
        transition select(meta.primary.flags[0:0]) {
            1: parse_v7_fragment;
            default: parse_v7_primary_end;
        }
    }

    state parse_v7_fragment {
{%- for step in v7_fragment %}{% call read(step) %}{% endcall %}{% endfor %}
        transition parse_v7_primary_end;
    }

    state parse_v7_primary_end {
        transition select(meta.primary.crc_type[0:0]) {
            1: parse_v7_crc;
            default: parse_v7_block;
        }
    }

    // The CRC is computed as if its own octets were zero (RFC 9171 4.2.1, erratum 8043).
    state parse_v7_crc {
        octet.apply(pkt, meta.cursor, meta.octet);
        verify(meta.octet == 0x42, error.UnexpectedItem);
        bit<16> expected = ~x25_16(meta.cursor.crc, 0);
        bit<16> crc = pkt.lookahead<bit<16>>();
        pkt.advance(16);
        meta.cursor.low = meta.cursor.low + (bit<32>)crc[7:0];
        meta.cursor.high = meta.cursor.high + (bit<32>)crc[15:8];
        meta.cursor.length = meta.cursor.length + 2;
        verify(crc == expected, error.CrcMismatch);
        transition parse_v7_block;
    }

    state parse_v7_block {
        octet.apply(pkt, meta.cursor, meta.octet);
        transition select(meta.octet) {
            0x85: parse_v7_block_head;
            0x86: refuse_crc;
            0xff: refuse_without_payload;
            default: refuse_item;
        }
    }

    state parse_v7_block_head {
        head.apply(pkt, meta.cursor, 0, meta.block.type);
        head.apply(pkt, meta.cursor, 0, meta.block.number);
        head.apply(pkt, meta.cursor, 0, meta.block.flags);
        head.apply(pkt, meta.cursor, 0, meta.block.crc_type);
        verify(meta.block.crc_type <= 2, error.CrcType);
        verify(meta.block.crc_type == 0, error.PrimaryLength);
        head.apply(pkt, meta.cursor, 2, meta.block.length);
        meta.block.start = meta.cursor.length;
        transition select(meta.block.type) {
            1: parse_payload;
{%- for block in blocks %}
            {{ block.type7 }}: parse_v7_{{ block.name }};
{%- endfor %}
{%- for code in security7 %}
            {{ code }}: refuse_security;
{%- endfor %}
            default: refuse_block;
        }
    }
{% for block in blocks %}
    state parse_v7_{{ block.name }} {
        verify(meta.{{ block.name }}.present == 0, error.BlockDuplicate);
        meta.{{ block.name }}.present = 1;
        meta.{{ block.name }}.number = meta.block.number;
        meta.{{ block.name }}.flags = meta.block.flags;
        meta.order = meta.order[{{ order_keep }}:0] ++ BLOCK_{{ block.constant }};
{%- for step in block.read7 %}{% call read(step) %}{% endcall %}{% endfor %}
        transition parse_v7_block_end;
    }
{% endfor %}
    state parse_v7_block_end {
        verify(meta.block.length == (bit<64>)(meta.cursor.length - meta.block.start),
            error.BlockMalformed);
        transition parse_v7_block;
    }

    // The payload, alike in both versions: each bit of its length is a header.

    state parse_payload {
        meta.payload.number = meta.block.number;
        meta.payload.flags = meta.block.flags;
        meta.payload.length = meta.block.length;
        verify(meta.payload.length <= MAX_PAYLOAD, error.PayloadTooLong);
        transition parse_payload_{{ first_chunk }};
    }
{% for chunk in payload_steps %}
    state parse_payload_{{ chunk.octets }} {
        transition select(meta.payload.length[{{ chunk.bit }}:{{ chunk.bit }}]) {
            1: take_payload_{{ chunk.octets }};
            default: {{ chunk.next }};
        }
    }

    state take_payload_{{ chunk.octets }} {
        pkt.extract(hdr.payload_{{ chunk.octets }});
        transition {{ chunk.next }};
    }
{% endfor %}
    state parse_end {
        transition select(meta.version) {
            7: parse_v7_end;
            default: accept;
        }
    }

    state parse_v7_end {
        pkt.extract(hdr.stop);
        transition select(hdr.stop.value) {
            0xff: accept;
            0x85: refuse_after_payload;
            0x86: refuse_after_payload;
            default: refuse_item;
        }
    }
{% for refusal in refusals %}
    state {{ refusal.state }} {
        verify(false, error.{{ refusal.error }});
        transition accept;
    }
{% endfor -%}
}
