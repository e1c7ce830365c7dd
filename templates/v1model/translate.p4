{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# The translation proper. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
{%- macro write(step, target) %}
{%- match step %}
{%- when Write::Sdnv with (value) %}
            sdnv.apply({{ target }}, {{ value }});
{%- when Write::Uint with (value) %}
            head.apply({{ target }}, 0, {{ value }});
{%- when Write::Eid with (value) %}
            eid.apply({{ target }}, {{ value }});
{%- when Write::Octet with (value) %}
            octet.apply({{ target }}, {{ value }});
{%- when Write::Decimal with { value, end } %}
            decimal.apply({{ target }}, {{ value }});
            octet.apply({{ target }}, {{ end }});
{%- endmatch %}
{%- endmacro %}
/// The data of each extension block, in the version that the bundle becomes.
struct contents_t {
{%- for block in blocks %}
    writer_t {{ block.name }};
{%- endfor %}
}

/// The thousandth part of a number below 2^65, exact: the factor is 2^70 / 125, rounded up.
bit<64> div_1000(in bit<80> value) {
    return (bit<64>)(((bit<128>)value[79:3] * {{ div_1000_factor }}) >> 70);
}

/// Appends an extension block of version 7 (RFC 9171 4.3.2), if there is one.
control put_block_7(inout writer_t writer, inout bit<64> number, in metadata_t meta, in contents_t contents,
        in bit<4> kind) {
    put_head() head;
    put_all() all;
    apply {
        writer_t data = { 0, 0 };
        bit<64> type = 0;
        bit<64> flags = 0;
{%- for block in blocks %}
        {% if !loop.first %}} else {% endif %}if (kind == BLOCK_{{ block.constant }}) {
            type = {{ block.type7 }};
            flags = meta.{{ block.name }}.flags;
            data = contents.{{ block.name }};
{%- endfor %}
        }
        if (kind != NO_BLOCK) {
            head.apply(writer, 4, 5);
            head.apply(writer, 0, type);
            head.apply(writer, 0, number);
            head.apply(writer, 0, flags & BLOCK_FLAGS_COMMON);
            head.apply(writer, 0, 0);
            head.apply(writer, 2, (bit<64>)data.length);
            all.apply(writer, data);
            number = number + 1;
        }
    }
}

/// Appends an extension block of version 6 (RFC 5050 4.5.2), if there is one.
control put_block_6(inout writer_t writer, in metadata_t meta, in contents_t contents, in bit<4> kind) {
    put_octet() octet;
    put_sdnv() sdnv;
    put_all() all;
    apply {
        writer_t data = { 0, 0 };
        bit<8> type = 0;
        bit<64> flags = 0;
{%- for block in blocks %}
        {% if !loop.first %}} else {% endif %}if (kind == BLOCK_{{ block.constant }}) {
            type = {{ block.type6 }};
            flags = meta.{{ block.name }}.flags;
            data = contents.{{ block.name }};
{%- endfor %}
        }
        if (kind != NO_BLOCK) {
            octet.apply(writer, type);
            sdnv.apply(writer, flags & BLOCK_FLAGS_COMMON);
            sdnv.apply(writer, (bit<64>)data.length);
            all.apply(writer, data);
        }
    }
}

/// Flags that both versions have, made consistent with the source (RFC 9171 4.2.3).
bit<64> common_flags(in primary_t primary) {
    bit<64> flags = primary.flags & FLAGS_COMMON;
    if (primary.source.node == 0) {
        flags = (flags & ~FLAGS_REPORT) | FLAG_NO_FRAGMENT;
    }
    if ((flags & FLAG_FRAGMENT) != 0) {
        flags = flags & ~FLAG_NO_FRAGMENT;
    }
    return flags;
}

/// Version 6 to version 7: the head of the new bundle, or a reason.
control translate_to_7(inout metadata_t meta, inout writer_t primary, inout writer_t blocks) {
    put_octet() octet;
    put_head() head;
    put_eid() eid;
    put_block_7() block;
    apply {
        // Identity: the last three decimal digits of the sequence number become milliseconds.
        // A bundle of a source without a clock has no time to add them to.
        bit<80> time = 0;
        bit<64> sequence = meta.primary.sequence;
        bit<80> lifetime = (bit<80>)meta.primary.lifetime * 1000;
        if (meta.primary.time != 0) {
            sequence = div_1000((bit<80>)meta.primary.sequence);
            bit<64> milliseconds = meta.primary.sequence - sequence * 1000;
            time = (bit<80>)meta.primary.time * 1000 + (bit<80>)milliseconds;
            // The bundle ends when it would have ended.
            lifetime = lifetime |-| (bit<80>)milliseconds;
            if (time[79:64] != 0) {
                meta.reason = REASON_TIME_RANGE;
            }
        } else if (meta.bundle_age.present == 0) {
            // RFC 9171 4.2.7: without a creation time there has to be an age.
            meta.bundle_age.present = 1;
            meta.bundle_age.flags = 1;
            meta.order = meta.order[{{ order_keep }}:0] ++ BLOCK_BUNDLE_AGE;
        }
        if (lifetime[79:64] != 0) {
            lifetime = 0xffffffffffffffff;
        }

        bit<64> flags = common_flags(meta.primary);
        if ((flags & FLAGS_REPORT) != 0) {
            flags = flags | FLAG7_STATUS_TIME;
        }
        bit<64> block_flags = BLOCK_FLAGS_COMMON;
        if (meta.primary.source.node == 0) {
            block_flags = block_flags & ~BLOCK_FLAG_REPORT;
        }
{%- for block in blocks %}
        meta.{{ block.name }}.flags = meta.{{ block.name }}.flags & block_flags;
{%- endfor %}

        // Bundle age: microseconds to milliseconds.
        meta.bundle_age.age = div_1000((bit<80>)meta.bundle_age.age);
        // Quality of service: priority is a field of the block in version 7.
        meta.quality.class_of_service = meta.primary.flags[8:7] == 3 ? 64w1 : 62w0 ++ meta.primary.flags[8:7];
        meta.quality.flags7 = 60w0 ++ meta.quality.flags6[3:0];
        if ((meta.quality.flags6 & ECOS_STREAMING) == ECOS_STREAMING) {
            meta.quality.flags7 = (meta.quality.flags7 & ~ECOS_STREAMING) | QOS_STREAMING;
        }

        head.apply(primary, 4, (flags & FLAG_FRAGMENT) != 0 ? 64w11 : 64w9);
        head.apply(primary, 0, 7);
        head.apply(primary, 0, flags);
        head.apply(primary, 0, 1);
        eid.apply(primary, meta.primary.destination);
        eid.apply(primary, meta.primary.source);
        eid.apply(primary, meta.primary.report_to);
        head.apply(primary, 4, 2);
        head.apply(primary, 0, time[63:0]);
        head.apply(primary, 0, sequence);
        head.apply(primary, 0, lifetime[63:0]);
        if ((flags & FLAG_FRAGMENT) != 0) {
            head.apply(primary, 0, meta.primary.fragment_offset);
            head.apply(primary, 0, meta.primary.adu_length);
        }

        contents_t contents = { {% for block in blocks %}{ 0, 0 }{% if !loop.last %}, {% endif %}{% endfor %} };
{%- for block in blocks %}
        // {{ block.title }}
        if (meta.{{ block.name }}.present == 1) {
{%- for step in block.write7 %}{% call write(step, block.contents) %}{% endcall %}{% endfor %}
        }
{%- endfor %}
        bit<64> number = 2;
{%- for slot in slots %}
        block.apply(blocks, number, meta, contents, meta.order[{{ slot.high }}:{{ slot.low }}]);
{%- endfor %}
        blocks.octets = blocks.octets[{{ writer_bits - 25 }}:0] ++ 24w0x850101;
        blocks.length = blocks.length + 3;
        head.apply(blocks, 0, meta.payload.flags & block_flags);
        head.apply(blocks, 0, 0);
        head.apply(blocks, 2, meta.payload.length);
    }
}

/// Version 7 to version 6: the head of the new bundle, or a reason.
control translate_to_6(inout metadata_t meta, inout writer_t primary, inout writer_t blocks) {
    put_octet() octet;
    put_sdnv() sdnv;
    put_decimal() decimal;
    put_all() all;
    put_block_6() block;
    apply {
        // Identity: the milliseconds become the last three decimal digits of the sequence number.
        bit<64> time = 0;
        bit<80> sequence = (bit<80>)meta.primary.sequence;
        bit<80> lifetime = (bit<80>)meta.primary.lifetime;
        if (meta.primary.time != 0) {
            time = div_1000((bit<80>)meta.primary.time);
            bit<64> milliseconds = meta.primary.time - time * 1000;
            sequence = sequence * 1000 + (bit<80>)milliseconds;
            lifetime = lifetime + (bit<80>)milliseconds;
            // These milliseconds would say that the source has no clock.
            if (time == 0) {
                meta.reason = REASON_TIME_RANGE;
            }
        }
        if (sequence[79:64] != 0 || (meta.peer.sequence32 == 1 && sequence[63:32] != 0)) {
            meta.reason = REASON_SEQUENCE_RANGE;
        }
        // Rounded up: no bundle ends early.
        lifetime = (bit<80>)div_1000(lifetime + 999);
        if (meta.peer.lifetime32 == 1 && lifetime[79:32] != 0) {
            lifetime = 0xffffffff;
        }

        // Bundle age: milliseconds to microseconds.
        bit<80> age = (bit<80>)meta.bundle_age.age * 1000;
        meta.bundle_age.age = age[63:0];
        if (age[79:64] != 0) {
            meta.reason = REASON_VALUE_RANGE;
        }
        // Quality of service: priority is in the flags of the bundle in version 6.
        bit<64> flags = common_flags(meta.primary) | FLAG6_SINGLETON;
        if (meta.quality.present == 0 || meta.quality.class_of_service == 3) {
            meta.quality.class_of_service = 1;
        }
        flags = flags | (meta.quality.class_of_service << 7);
        meta.quality.flags6 = 60w0 ++ meta.quality.flags7[3:0];
        if ((meta.quality.flags7 & QOS_STREAMING) != 0) {
            meta.quality.flags6 = meta.quality.flags6 | ECOS_STREAMING;
        }
        if (meta.quality.present == 1 && (meta.quality.class_of_service > 2 || meta.quality.ordinal > 255)) {
            meta.reason = REASON_VALUE_RANGE;
        }

        writer_t fields = { 0, 0 };
        sdnv.apply(fields, meta.primary.destination.node);
        sdnv.apply(fields, meta.primary.destination.service);
        sdnv.apply(fields, meta.primary.source.node);
        sdnv.apply(fields, meta.primary.source.service);
        sdnv.apply(fields, meta.primary.report_to.node);
        sdnv.apply(fields, meta.primary.report_to.service);
        // The custodian is null.
        fields.octets = fields.octets[{{ writer_bits - 17 }}:0] ++ 16w0;
        fields.length = fields.length + 2;
        sdnv.apply(fields, time);
        sdnv.apply(fields, sequence[63:0]);
        sdnv.apply(fields, lifetime[63:0]);
        octet.apply(fields, 0);
        if ((flags & FLAG_FRAGMENT) != 0) {
            sdnv.apply(fields, meta.primary.fragment_offset);
            sdnv.apply(fields, meta.primary.adu_length);
        }
        octet.apply(primary, 6);
        sdnv.apply(primary, flags);
        sdnv.apply(primary, (bit<64>)fields.length);
        all.apply(primary, fields);
        contents_t contents = { {% for block in blocks %}{ 0, 0 }{% if !loop.last %}, {% endif %}{% endfor %} };
{%- for block in blocks %}
        // {{ block.title }}
        if (meta.{{ block.name }}.present == 1) {
{%- for step in block.write6 %}{% call write(step, block.contents) %}{% endcall %}{% endfor %}
{%- match block.write_optional6 %}
{%- when Some with (optional) %}
            if ({{ optional.condition }} == 1) {
                sdnv.apply({{ block.contents }}, {{ optional.value }});
            }
{%- when None %}
{%- endmatch %}
        }
{%- endfor %}
{%- for slot in slots %}
        bit<4> kind_{{ slot.low }} = meta.order[{{ slot.high }}:{{ slot.low }}];
        // Without anything but a priority there is nothing for the block to say.
        if (kind_{{ slot.low }} == BLOCK_QUALITY && meta.quality.flags6 == 0 && meta.quality.ordinal == 0) {
            kind_{{ slot.low }} = NO_BLOCK;
        }
        block.apply(blocks, meta, contents, kind_{{ slot.low }});
{%- endfor %}
        octet.apply(blocks, 1);
        sdnv.apply(blocks, (meta.payload.flags & BLOCK_FLAGS_COMMON) | BLOCK6_FLAG_LAST);
        sdnv.apply(blocks, meta.payload.length);
    }
}

/// Puts the new head into headers, and makes lengths and checksums fit it.
control replace_head(inout headers_t hdr, in metadata_t meta, in writer_t primary, in writer_t blocks,
        in bit<16> crc) {
    fold() folded;
    add_words() words;
    shift() shifted;
    apply {
{%- for chunk in head_chunks %}
        if (primary.length[{{ chunk.bit }}:{{ chunk.bit }}] == 1) {
            hdr.primary_{{ chunk.octets }}.setValid();
            hdr.primary_{{ chunk.octets }}.octets = {{ chunk.primary }};
        }
{%- endfor %}
{%- for chunk in head_chunks %}
        if (blocks.length[{{ chunk.bit }}:{{ chunk.bit }}] == 1) {
            hdr.blocks_{{ chunk.octets }}.setValid();
            hdr.blocks_{{ chunk.octets }}.octets = {{ chunk.blocks }};
        }
{%- endfor %}

        // Sum of the new head, as if its last octet were the low half of a word.
        bit<32> new_sum = 0;
        words.apply(new_sum, primary);
        bit<16> head_length = primary.length + blocks.length;
        bit<16> new_length = head_length + meta.payload.length[15:0];
        if (meta.peer.version == 7) {
            hdr.start.setValid();
            hdr.start.value = 0x9f;
            hdr.crc.setValid();
            hdr.crc.head = 0x42;
            hdr.crc.value = crc;
            hdr.stop.setValid();
            hdr.stop.value = 0xff;
            // Three octets are between the primary block and the others.
            shifted.apply(new_sum, 1);
            new_sum = new_sum + 0x42 + (bit<32>)crc;
            folded.apply(new_sum);
            head_length = head_length + 4;
            new_length = new_length + 5;
        } else {
            hdr.stop.setInvalid();
        }
        shifted.apply(new_sum, blocks.length[0:0]);
        words.apply(new_sum, blocks);
        shifted.apply(new_sum, head_length[0:0]);
        // The outer array begins and ends outside of what the writers hold.
        if (meta.peer.version == 7) {
            new_sum = new_sum + 0x9f00;
            if (new_length[0:0] == 1) {
                new_sum = new_sum + 0xff00;
            } else {
                new_sum = new_sum + 0x00ff;
            }
        }
        new_length = new_length + 8;

        // The old head as the parser added it up; the break stands behind the payload.
        bit<16> old_length = hdr.udp.length;
        bit<32> old_sum = meta.cursor.sums[31:0];
        if (meta.cursor.length[0:0] == 0) {
            old_sum = old_sum + (meta.cursor.sums[63:32] << 8);
        } else {
            old_sum = (old_sum << 8) + meta.cursor.sums[63:32];
        }
        if (meta.version == 7) {
            if (old_length[0:0] == 1) {
                old_sum = old_sum + 0xff00;
            } else {
                old_sum = old_sum + 0x00ff;
            }
        }

        // RFC 1624: what the old sum says of the payload goes into the new sum, so that a payload
        // that was damaged on the way here is still seen to be damaged.
        bit<32> same = (bit<32>)hdr.ipv4.src[31:16] + (bit<32>)hdr.ipv4.src[15:0]
            + (bit<32>)hdr.ipv4.dst[31:16] + (bit<32>)hdr.ipv4.dst[15:0]
            + (bit<32>)hdr.ipv4.protocol + (bit<32>)hdr.udp.src_port + (bit<32>)hdr.udp.dst_port;
        folded.apply(old_sum);
        old_sum = old_sum + same + (bit<32>)old_length + (bit<32>)old_length;
        folded.apply(old_sum);
        bit<32> sum = (bit<32>)~hdr.udp.checksum + (bit<32>)~old_sum[15:0];
        folded.apply(sum);
        shifted.apply(sum, meta.cursor.length[0:0] ^ head_length[0:0]);
        sum = sum + new_sum + same + (bit<32>)new_length + (bit<32>)new_length;
        folded.apply(sum);
        // Zero says that there is no checksum, and stays; all ones stand for a sum of zero (RFC 768).
        if (hdr.udp.checksum != 0) {
            hdr.udp.checksum = ~sum[15:0];
            if (sum[15:0] == 0xffff) {
                hdr.udp.checksum = 0xffff;
            }
        }
        hdr.udp.length = new_length;

        bit<16> total_length = new_length + 20;
        sum = (bit<32>)~hdr.ipv4.checksum + (bit<32>)~hdr.ipv4.total_length + (bit<32>)total_length;
        folded.apply(sum);
        hdr.ipv4.checksum = ~sum[15:0];
        hdr.ipv4.total_length = total_length;
    }
}
