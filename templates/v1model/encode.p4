{# Sub-controls that append one item each to a writer. -#}
/// Octets that are being put together, the last one in the lowest bits.
struct writer_t {
    bit<{{ writer_bits }}> octets;
    /// How many octets are in use.
    bit<16> length;
}

/// Appends a number as an SDNV in its shortest form (RFC 6256).
control put_sdnv(inout writer_t writer, in bit<64> value) {
    apply {
        bit<16> bits = {% for form in sdnv_forms %}value < {{ form.limit }} ? 16w{{ form.bits }}
            : ({% endfor %}16w80{% for _ in sdnv_forms %}){% endfor %};
        // All ten groups; those that are not needed are cut off.
        bit<80> groups = 7w0x40 ++ value[63:63]{% for group in sdnv_groups %}
            ++ {{ group.marker }} ++ {{ group.bits }}{% endfor %};
        groups = groups & ~(80w0xffffffffffffffffffff << bits);
        writer.octets = (writer.octets << bits) | (bit<{{ writer_bits }}>)groups;
        writer.length = writer.length + (bits >> 3);
    }
}

/// Appends the head of a CBOR item in its shortest form (RFC 8949 3 and 4.2.1).
control put_head(inout writer_t writer, in bit<3> major, in bit<64> value) {
    apply {
        bit<16> bits = value < 24 ? 16w0
            : ({% for form in head_forms %}value < {{ form.limit }} ? 16w{{ form.bits }}
            : ({% endfor %}16w64{% for _ in head_forms %}){% endfor %});
        bit<5> information = value < 24 ? value[4:0]
            : ({% for form in head_forms %}value < {{ form.limit }} ? 5w{{ form.information }}
            : ({% endfor %}5w27{% for _ in head_forms %}){% endfor %});
        bit<72> argument = value < 24 ? 0 : (bit<72>)value;
        bit<72> item = ((bit<72>)(major ++ information) << bits) | argument;
        writer.octets = (writer.octets << (bits + 8)) | (bit<{{ writer_bits }}>)item;
        writer.length = writer.length + (bits >> 3) + 1;
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
        writer.octets = (writer.octets << (tail.length << 3)) | tail.octets;
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
        bit<16> bits = 0;
{%- for digit in decimal_digits %}
        tenth = (bit<64>)(((bit<128>)rest * 0xcccccccccccccccd) >> 67);
        digits[{{ digit.high }}:{{ digit.low }}] = {% if loop.first %}(rest - tenth * 10)[7:0] + 0x30{% else %}rest == 0 ? 8w0 : (rest - tenth * 10)[7:0] + 0x30{% endif %};
        bits = {% if loop.first %}8{% else %}rest == 0 ? bits : {{ digit.high + 1 }}{% endif %};
        rest = tenth;
{%- endfor %}
        writer.octets = (writer.octets << bits) | (bit<{{ writer_bits }}>)digits;
        writer.length = writer.length + (bits >> 3);
    }
}

/// CRC-16/X-25 of a block (RFC 9171 4.2.1), which begins with at least two octets.
///
/// Each statement builds on the value that it replaces, because p4c would otherwise write out the
/// whole computation wherever an intermediate value is used.
control x25(inout writer_t block, out bit<16> crc) {
    apply {
        // To begin with ones instead of zeros is to invert the first two octets, and octets in
        // front of these are zeros that a register of zeros does not notice.
        block.octets = block.octets ^ ((bit<{{ writer_bits }}>)16w0xffff << ((block.length << 3) - 16));
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
///
/// In place, and a control rather than a function: p4c would otherwise put the sum wherever its
/// folded value is used, and sums are folded of folded sums.
control fold(inout bit<32> sum) {
    apply {
        sum = (bit<32>)sum[15:0] + (bit<32>)sum[31:16];
        sum = (bit<32>)sum[15:0] + (bit<32>)sum[31:16];
    }
}

/// Adds the 16-bit words of what a writer holds, as if its last octet were the low half of a word.
control add_words(inout bit<32> sum, in writer_t writer) {
    fold() folded;
    apply {
        bit<72> words = {% for word in writer_words %}(bit<72>)writer.octets[{{ word.high }}:{{ word.low }}]{% if !loop.last %}
            + {% endif %}{% endfor %};
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
