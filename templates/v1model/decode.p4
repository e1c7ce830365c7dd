{# Sub-parsers and functions that read one item each. -#}
/// CRC-16/X-25 of one more octet.
bit<16> x25_8(in bit<16> crc, in bit<8> octet) {
    bit<8> x = crc[7:0] ^ octet;
    x = x ^ (x << 4);
    return (8w0 ++ crc[15:8]) ^ (x ++ 8w0) ^ ((bit<16>)x << 3) ^ ((bit<16>)x >> 4);
}

bit<16> x25_16(in bit<16> crc, in bit<16> octets) {
    return x25_8(x25_8(crc, octets[15:8]), octets[7:0]);
}

bit<16> x25_32(in bit<16> crc, in bit<32> octets) {
    return x25_16(x25_16(crc, octets[31:16]), octets[15:0]);
}

bit<16> x25_64(in bit<16> crc, in bit<64> octets) {
    return x25_32(x25_32(crc, octets[63:32]), octets[31:0]);
}

/// One octet.
parser Octet(packet_in pkt, inout cursor_t cursor, out bit<8> octet) {
    state start {
        octet = pkt.lookahead<bit<8>>();
        pkt.advance(8);
        cursor.crc = x25_8(cursor.crc, octet);
        bit<32> low = cursor.high + (bit<32>)octet;
        cursor.high = cursor.low;
        cursor.low = low;
        cursor.length = cursor.length + 1;
        transition accept;
    }
}

/// Self-delimiting numeric value (RFC 6256), one to ten octets, leading zero groups included.
parser Sdnv(packet_in pkt, inout cursor_t cursor, out bit<64> value) {
    bit<8> octet;
    bit<32> low;
{%- for octet in sdnv_octets %}
    state {{ octet.state }} {
        octet = pkt.lookahead<bit<8>>();
        pkt.advance(8);
{%- if loop.first %}
        value = (bit<64>)octet[6:0];
{%- else %}
        value = value[56:0] ++ octet[6:0];
{%- endif %}
        low = cursor.high + (bit<32>)octet;
        cursor.high = cursor.low;
        cursor.low = low;
        cursor.length = cursor.length + 1;
{%- match octet.next %}
{%- when Some with (next) %}
        transition select(octet[7:7]) {
            1: {{ next }};
            default: accept;
        }
{%- when None %}
        verify(octet[7:7] == 0, error.IntegerTooLong);
        transition accept;
{%- endmatch %}
    }
{%- if octet.checks_overflow %}
    // The tenth octet shifts these bits out.
    state overflow {
        verify(value[63:57] == 0, error.IntegerTooLong);
        transition octet_10;
    }
{%- endif %}
{%- endfor %}
}

/// Head of a CBOR item of a major type, in its shortest form (RFC 8949 3 and 4.2.1).
parser CborHead(packet_in pkt, inout cursor_t cursor, in bit<3> major, out bit<64> value) {
    bit<8> head;
    Octet() octet;
    state start {
        value = 0;
        octet.apply(pkt, cursor, head);
        verify(head[7:5] == major, error.UnexpectedItem);
        transition select(head[4:0]) {
            0x18: one_octet;
            0x19: two_octets;
            0x1a: four_octets;
            0x1b: eight_octets;
            0x1c &&& 0x1c: unexpected;
            default: in_head;
        }
    }
    state in_head {
        value = (bit<64>)head[4:0];
        transition accept;
    }
    state one_octet {
        octet.apply(pkt, cursor, head);
        value = (bit<64>)head;
        verify(head >= 24, error.NotShortest);
        transition accept;
    }
    state two_octets {
        bit<16> v = pkt.lookahead<bit<16>>();
        pkt.advance(16);
        value = (bit<64>)v;
        cursor.crc = x25_16(cursor.crc, v);
        cursor.low = cursor.low + (bit<32>)v[7:0];
        cursor.high = cursor.high + (bit<32>)v[15:8];
        cursor.length = cursor.length + 2;
        verify(v[15:8] != 0, error.NotShortest);
        transition accept;
    }
    state four_octets {
        bit<32> v = pkt.lookahead<bit<32>>();
        pkt.advance(32);
        value = (bit<64>)v;
        cursor.crc = x25_32(cursor.crc, v);
        cursor.low = cursor.low + (bit<32>)v[7:0] + (bit<32>)v[23:16];
        cursor.high = cursor.high + (bit<32>)v[15:8] + (bit<32>)v[31:24];
        cursor.length = cursor.length + 4;
        verify(v[31:16] != 0, error.NotShortest);
        transition accept;
    }
    state eight_octets {
        value = pkt.lookahead<bit<64>>();
        pkt.advance(64);
        cursor.crc = x25_64(cursor.crc, value);
        cursor.low = cursor.low + (bit<32>)value[7:0] + (bit<32>)value[23:16]
            + (bit<32>)value[39:32] + (bit<32>)value[55:48];
        cursor.high = cursor.high + (bit<32>)value[15:8] + (bit<32>)value[31:24]
            + (bit<32>)value[47:40] + (bit<32>)value[63:56];
        cursor.length = cursor.length + 8;
        verify(value[63:32] != 0, error.NotShortest);
        transition accept;
    }
    state unexpected {
        verify(false, error.UnexpectedItem);
        transition accept;
    }
}

/// Endpoint ID of the ipn scheme or `dtn:none` (RFC 9171 4.2.5.1, RFC 9758 5).
parser CborEid(packet_in pkt, inout cursor_t cursor, out eid_t eid) {
    bit<8> item;
    bit<64> allocator;
    Octet() octet;
    CborHead() head;
    state start {
        eid.node = 0;
        eid.service = 0;
        octet.apply(pkt, cursor, item);
        verify(item == 0x82, error.UnexpectedItem);
        octet.apply(pkt, cursor, item);
        transition select(item) {
            0x01: dtn;
            0x02: ipn;
            default: other_form;
        }
    }
    state dtn {
        octet.apply(pkt, cursor, item);
        transition select(item) {
            0x00: accept;
            default: other_form;
        }
    }
    state ipn {
        octet.apply(pkt, cursor, item);
        transition select(item) {
            0x82: two_elements;
            0x83: three_elements;
            default: unexpected;
        }
    }
    state two_elements {
        head.apply(pkt, cursor, 0, eid.node);
        head.apply(pkt, cursor, 0, eid.service);
        transition null_or_not;
    }
    state three_elements {
        head.apply(pkt, cursor, 0, allocator);
        head.apply(pkt, cursor, 0, eid.node);
        head.apply(pkt, cursor, 0, eid.service);
        verify(allocator[63:32] == 0 && eid.node[63:32] == 0, error.EidMalformed);
        eid.node = allocator[31:0] ++ eid.node[31:0];
        transition null_or_not;
    }
    state null_or_not {
        transition select(eid.node) {
            0: null;
            0xffffffff: local_node;
            default: accept;
        }
    }
    // RFC 9758 5.4: every service of node 0 is the null endpoint.
    state null {
        eid.service = 0;
        transition accept;
    }
    // RFC 9758 5.5: `ipn:!` names the node that reads it, and so never stands in a bundle.
    state local_node {
        verify(false, error.EidMalformed);
        transition accept;
    }
    state other_form {
        verify(false, error.EidForm);
        transition accept;
    }
    state unexpected {
        verify(false, error.UnexpectedItem);
        transition accept;
    }
}

/// Number in decimal digits without leading zeros, up to and including a final octet.
///
/// What else a text may hold is for the slow path to judge.
parser Decimal(packet_in pkt, inout cursor_t cursor, in bit<8> end, out bit<64> value) {
    bit<8> digit;
    bit<72> sum;
    Octet() octet;
    state start {
        value = 0;
        sum = 0;
        octet.apply(pkt, cursor, digit);
        verify(digit >= 0x30 && digit <= 0x39, error.EidForm);
        sum = (bit<72>)digit[3:0];
        value = sum[63:0];
        transition select(digit) {
            0x30: zero;
            default: digit_2;
        }
    }
    state zero {
        octet.apply(pkt, cursor, digit);
        verify(digit == end, error.EidForm);
        transition accept;
    }
{%- for digit in decimal_digits %}
    state {{ digit.state }} {
        octet.apply(pkt, cursor, digit);
        transition select(digit == end) {
            true: accept;
            default: {{ digit.state }}_value;
        }
    }
{%- match digit.next %}
{%- when Some with (next) %}
    state {{ digit.state }}_value {
        verify(digit >= 0x30 && digit <= 0x39, error.EidForm);
        sum = sum * 10 + (bit<72>)digit[3:0];
        verify(sum[71:64] == 0, error.EidForm);
        value = sum[63:0];
        transition {{ next }};
    }
{%- when None %}
    state {{ digit.state }}_value {
        verify(false, error.EidForm);
        transition accept;
    }
{%- endmatch %}
{%- endfor %}
}
