{# Functions and sub-controls that append one item each to a writer. -#}
/// Octets that are being put together, the last one in the lowest bits.
struct writer_t {
    bit<{{ writer_bits }}> octets;
    /// How many octets are in use.
    bit<16> length;
}

/// Appends a number as an SDNV in its shortest form (RFC 6256).
control put_sdnv(inout writer_t writer, in bit<64> value) {
    apply {
{%- for form in sdnv_forms %}
        {% if !loop.first %}} else {% endif %}{% if let Some(limit) = form.limit %}if (value < {{ limit }}) {% endif %}{
            writer.octets = writer.octets[{{ form.keep }}:0]{% for group in form.groups %} ++ {{ group.marker }} ++ {{ group.bits }}{% endfor %};
            writer.length = writer.length + {{ form.octets }};
{%- endfor %}
        }
    }
}

/// Appends the head of a CBOR item in its shortest form (RFC 8949 3 and 4.2.1).
control put_head(inout writer_t writer, in bit<3> major, in bit<64> value) {
    apply {
        if (value < 24) {
            writer.octets = writer.octets[{{ head_keep_1 }}:0] ++ major ++ value[4:0];
            writer.length = writer.length + 1;
{%- for form in head_forms %}
        } else {% if let Some(limit) = form.limit %}if (value < {{ limit }}) {% endif %}{
            writer.octets = writer.octets[{{ form.keep }}:0] ++ major ++ 5w{{ form.info }} ++ value[{{ form.high }}:0];
            writer.length = writer.length + {{ form.octets }};
{%- endfor %}
        }
    }
}

/// Appends one octet.
control put_octet(inout writer_t writer, in bit<8> octet) {
    apply {
        writer.octets = writer.octets[{{ head_keep_1 }}:0] ++ octet;
        writer.length = writer.length + 1;
    }
}

/// Appends all that another writer holds.
control put_all(inout writer_t writer, in writer_t tail) {
    apply {
        writer.octets = (writer.octets << (tail.length << 3)) | tail.octets;
        writer.length = writer.length + tail.length;
    }
}

/// Appends an endpoint ID (RFC 9171 4.2.5.1).
control put_eid(inout writer_t writer, in eid_t eid) {
    put_octet() octet;
    put_head() head;
    apply {
        octet.apply(writer, 0x82);
        if (eid.node == 0) {
            octet.apply(writer, 0x01);
            octet.apply(writer, 0x00);
        } else {
            octet.apply(writer, 0x02);
            octet.apply(writer, 0x82);
            head.apply(writer, 0, eid.node);
            head.apply(writer, 0, eid.service);
        }
    }
}

/// The tenth part of a number, exact for all of them: the factor is 2^67 / 10, rounded up.
bit<64> div_10(in bit<64> value) {
    return (bit<64>)(((bit<128>)value * 0xcccccccccccccccd) >> 67);
}

/// Appends a number in decimal digits.
control put_decimal(inout writer_t writer, in bit<64> value) {
    apply {
        bit<64> rest = div_10(value);
        bit<160> digits = 152w0 ++ (0x30 + (value - rest * 10)[7:0]);
        bit<16> length = 1;
        bit<64> digit = 0;
{%- for digit in put_digits %}
        if (rest != 0) {
            digit = rest;
            rest = div_10(digit);
            digits[{{ digit.high }}:{{ digit.low }}] = 0x30 + (digit - rest * 10)[7:0];
            length = {{ digit.length }};
        }
{%- endfor %}
        writer.octets = (writer.octets << (length << 3)) | (bit<{{ writer_bits }}>)digits;
        writer.length = writer.length + length;
    }
}

/// One's complement sum of 16-bit words (RFC 1071), folded to 16 bits.
bit<16> fold(in bit<32> sum) {
    bit<32> folded = (bit<32>)sum[15:0] + (bit<32>)sum[31:16];
    return folded[15:0] + folded[31:16];
}

/// One's complement sum of what a writer holds, as if its last octet were the low half of a word.
bit<16> words(in writer_t writer) {
    bit<72> sum = 0;
{%- for word in writer_words %}
    sum = sum + (bit<72>)writer.octets[{{ word.high }}:{{ word.low }}];
{%- endfor %}
    bit<32> parts = (bit<32>)sum[15:0] + (bit<32>)sum[31:16] + (bit<32>)sum[47:32]
        + (bit<32>)sum[63:48] + (bit<32>)sum[71:64];
    return fold(parts);
}

/// The same sum if one more octet, or one less, stands before or after the words.
bit<16> shifted(in bit<16> sum, in bit<1> octets) {
    return octets == 1 ? sum[7:0] ++ sum[15:8] : sum;
}
