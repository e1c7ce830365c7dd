{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# Sub-controls that append one item each to a writer. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
/// Octets that are being put together, the last one in the lowest bits.
struct writer_t {
    bit<{{ writer_bits }}> octets;
    /// How many octets are in use.
    bit<16> length;
}

/// Appends a number as an SDNV in its shortest form (RFC 6256).
control put_sdnv(inout writer_t writer, in bit<64> value) {
    apply {
        if (value >= 0x8000000000000000) {
            writer.octets = (writer.octets << 8) | (bit<{{ writer_bits }}>)(7w0x40 ++ value[63:63]);
            writer.length = writer.length + 1;
        }
{%- for group in sdnv_groups %}
        if (value >= {{ group.least }}) {
            writer.octets = (writer.octets << 8) | (bit<{{ writer_bits }}>)(1w1 ++ {{ group.bits }});
            writer.length = writer.length + 1;
        }
{%- endfor %}
        writer.octets = (writer.octets << 8) | (bit<{{ writer_bits }}>)value[6:0];
        writer.length = writer.length + 1;
    }
}

/// Appends the head of a CBOR item in its shortest form (RFC 8949 3 and 4.2.1).
control put_head(inout writer_t writer, in bit<3> major, in bit<64> value) {
    apply {
        if (value < 24) {
            writer.octets = (writer.octets << 8) | (bit<{{ writer_bits }}>)(major ++ value[4:0]);
            writer.length = writer.length + 1;
{%- for form in head_forms %}
        } else {% if let Some(limit) = form.limit %}if (value < {{ limit }}) {% endif %}{
            writer.octets = (writer.octets << {{ form.bits + 8 }})
                | (bit<{{ writer_bits }}>)(major ++ 5w{{ form.information }} ++ value[{{ form.bits - 1 }}:0]);
            writer.length = writer.length + {{ form.bits / 8 + 1 }};
{%- endfor %}
        }
    }
}

/// Appends one octet.
control put_octet(inout writer_t writer, in bit<8> octet) {
    apply {
        writer.octets = writer.octets[{{ writer_bits - 9 }}:0] ++ octet;
        writer.length = writer.length + 1;
    }
}

/// Appends all that another writer holds.
control put_all(inout writer_t writer, in writer_t tail) {
    apply {
        // BMv2 shifts by 255 bits at most: a quarter, four times.
        bit<8> quarter = tail.length[6:0] ++ 1w0;
        writer.octets = (writer.octets << quarter << quarter << quarter << quarter) | tail.octets;
        writer.length = writer.length + tail.length;
    }
}

/// Appends an endpoint ID (RFC 9171 4.2.5.1).
control put_eid(inout writer_t writer, in eid_t eid) {
    put_head() head;
    apply {
        if (eid.node == 0) {
            writer.octets = writer.octets[{{ writer_bits - 25 }}:0] ++ 24w0x820100;
            writer.length = writer.length + 3;
        } else {
            writer.octets = writer.octets[{{ writer_bits - 25 }}:0] ++ 24w0x820282;
            writer.length = writer.length + 3;
            head.apply(writer, 0, eid.node);
            head.apply(writer, 0, eid.service);
        }
    }
}

/// Appends a number in decimal digits. The tenth of a number is exact for all of them: the
/// factor is 2^67 / 10, rounded up.
control put_decimal(inout writer_t writer, in bit<64> value) {
    apply {
        bit<64> rest = value;
        bit<64> tenth = 0;
        bit<160> digits = 0;
        bit<8> bits = 0;
{%- for digit in decimal_digits %}
        {% if !loop.first %}if (rest != 0) {% endif %}{
            tenth = (bit<64>)(((bit<128>)rest * 0xcccccccccccccccd) >> 67);
            digits[{{ digit.high }}:{{ digit.low }}] = (rest - tenth * 10)[7:0] + 0x30;
            bits = {{ digit.high + 1 }};
            rest = tenth;
        }
{%- endfor %}
        writer.octets = (writer.octets << bits) | (bit<{{ writer_bits }}>)digits;
        writer.length = writer.length + (bit<16>)(bits >> 3);
    }
}

/// CRC-16/X-25 of a block (RFC 9171 4.2.1), which begins with at least two octets.
///
/// p4c puts a value that it can follow wherever the value is used, and a step uses it many times.
/// It cannot follow a value that is built on itself, nor any across the end of an `if`. So each
/// statement builds on the value that it replaces, and the first octet, where the CRC is known,
/// stands alone.
control x25(inout writer_t block, out bit<16> crc) {
    apply {
        // To begin with ones instead of zeros is to invert the first two octets, and octets in
        // front of these are zeros that a register of zeros does not notice.
        // BMv2 shifts by 255 bits at most: a quarter, four times.
        bit<8> quarter = (block.length[6:0] - 2) ++ 1w0;
        block.octets = block.octets ^ ({{ writer_bits }}w0xffff << quarter << quarter << quarter << quarter);
        crc = 0;
{%- for group in crc_groups %}
        if (block.length > {{ group.above }}) {
{%- for slice in group.octets %}
            crc = crc ^ (bit<16>)block.octets[{{ slice.high }}:{{ slice.low }}];
            crc = crc[15:8] ++ (crc[7:0] ^ (crc[3:0] ++ 4w0));
            crc = (8w0 ++ crc[15:8]) ^ (crc[7:0] ++ 8w0) ^ (5w0 ++ crc[7:0] ++ 3w0) ^ (12w0 ++ crc[7:4]);
{%- endfor %}
        }
{%- endfor %}
        crc = ~crc;
    }
}

/// Folds a one's complement sum (RFC 1071) to 16 bits.
control fold(inout bit<32> sum) {
    apply {
        // Each half is used twice, and p4c would write out the whole sum for each use: it does not
        // carry a value across the end of an `if`.
        if (sum[31:16] != 0) {
            sum = (bit<32>)sum[15:0] + (bit<32>)sum[31:16];
        }
        if (sum[31:16] != 0) {
            sum = (bit<32>)sum[15:0] + (bit<32>)sum[31:16];
        }
    }
}

/// Adds the 16-bit words of what a writer holds, as if its last octet were the low half of a word.
control add_words(inout bit<32> sum, in writer_t writer) {
    fold() folded;
    apply {
        bit<72> words = {% for word in low_words %}(bit<72>)writer.octets[{{ word.high }}:{{ word.low }}]{% if !loop.last %}
            + {% endif %}{% endfor %};
        // The rest is zeros in a short head.
        if (writer.length > {{ low_words.len() * 8 }}) {
            words = words + {% for word in high_words %}(bit<72>)writer.octets[{{ word.high }}:{{ word.low }}]{% if !loop.last %}
                + {% endif %}{% endfor %};
        }
        sum = sum + (bit<32>)words[15:0] + (bit<32>)words[31:16] + (bit<32>)words[47:32]
            + (bit<32>)words[63:48] + (bit<32>)words[71:64];
        folded.apply(sum);
    }
}

/// The same sum if an odd number of octets more, or less, stands before or after the words.
control shift(inout bit<32> sum, in bit<1> odd) {
    apply {
        if (odd == 1) {
            sum = 16w0 ++ sum[7:0] ++ sum[15:8];
        }
    }
}
