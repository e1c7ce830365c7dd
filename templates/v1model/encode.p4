{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# Sub-controls for checksums. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
/// The thousandth part of a number below 2^65, exact: the factor is 2^70 / 125, rounded up.
bit<64> div_1000(in bit<80> value) {
    return (bit<64>)(((bit<128>)value[79:3] * {{ div_1000_factor }}) >> 70);
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

/// Adds the 16-bit words of a row of octets, as if its last octet were the low half of a word.
control add_words(inout bit<32> sum, in bit<{{ out_bits }}> octets, in bit<16> length) {
    fold() folded;
    apply {
        bit<72> words = 0;
        // The rest is zeros in a short row.
{%- for word in out_words %}
{%- if loop.index0 % 8 == 0 %}
        if (length > {{ (word.high + 1 - 512) / 8 }}) {
            words = words
{%- endif %}
                + (bit<72>)octets[{{ word.high }}:{{ word.low }}]{% if loop.index0 % 8 == 7 %};
        }{% endif %}
{%- endfor %}
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
