// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Inputs that cost as much as possible for their length.

use bundle::{cbor, sdnv};

/// A name for messages, and the input.
pub(crate) type Named = (&'static str, Vec<u8>);

const V6_EID_REFERENCES: u8 = 0x40;
const V6_LAST: u8 = 0x08;
/// A payload block of version 6 that is the last block, with one octet.
const V6_PAYLOAD: &[u8] = &[1, V6_LAST, 1, 0];
/// A payload block of version 7 with one octet, and the end of the bundle.
const V7_END: &[u8] = &[0x85, 1, 1, 0, 0, 0x41, 0, cbor::BREAK];

/// Numbers that promise more items or octets than there are.
pub(crate) fn promises() -> Vec<Named> {
    let mut all = Vec::new();
    for count in [1 << 20, 1 << 32, u64::MAX >> 1, u64::MAX] {
        let six = |octets: &[u8]| {
            let mut out = octets.to_vec();
            sdnv::encode(count, &mut out);
            out.extend([0; 30]);
            out
        };
        let seven = |octets: &[u8], major: u8| {
            let mut out = octets.to_vec();
            let head = out.len();
            cbor::encode_uint(count, &mut out);
            out[head] |= major << 5;
            out.extend([0; 30]);
            out
        };
        let primary6 = v6_primary(&[]);
        let primary7 = v7_primary();
        let block = |octets: &[u8]| [&primary7, octets].concat();
        all.extend([
            ("primary block of version 6", six(&[6, 0])),
            (
                "dictionary",
                six(&[6, 0, 60, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]),
            ),
            (
                "references",
                six(&[&primary6, &[8, V6_EID_REFERENCES][..]].concat()),
            ),
            ("data of version 6", six(&[&primary6, &[8, 0][..]].concat())),
            ("outer array", seven(&[], 4)),
            ("primary block of version 7", seven(&[0x9f], 4)),
            (
                "endpoint ID as text",
                seven(&[0x9f, 0x88, 7, 0, 0, 0x82, 1], 3),
            ),
            (
                "endpoint ID as array",
                seven(&[0x9f, 0x88, 7, 0, 0, 0x82, 3], 4),
            ),
            (
                "endpoint ID as map",
                seven(&[0x9f, 0x88, 7, 0, 0, 0x82, 3], 5),
            ),
            ("block of version 7", seven(&primary7, 4)),
            ("data of version 7", seven(&block(&[0x85, 8, 2, 0, 0]), 2)),
            ("source of a report", six(&[0x10, 0, 0, 0, 0])),
            ("assertions", seven(&[0x82, 1, 0x84], 4)),
            ("target array", {
                let data = seven(&[], 4);
                let mut out = block(&[0x85, 11, 2, 0, 0]);
                cbor::encode_bytes(&data, &mut out);
                out.extend(V7_END);
                out
            }),
        ]);
    }
    all
}

/// Many small parts: all of the input, which is about so long.
pub(crate) fn many_parts(length: usize) -> Vec<Named> {
    vec![
        ("blocks of version 6", {
            let blocks = [8, 0, 0].repeat(length / 3);
            [&v6_primary(&[]), &blocks, V6_PAYLOAD].concat()
        }),
        ("known blocks of version 6", {
            let blocks = [5, 0, 0].repeat(length / 3);
            [&v6_primary(&[]), &blocks, V6_PAYLOAD].concat()
        }),
        ("references", references(&[], length / 2)),
        (
            "references into a dictionary",
            references(&vec![0; length / 2], length / 4),
        ),
        ("references into one string", {
            let mut string = vec![b'a'; length / 2];
            string.push(0);
            references(&string, length / 4)
        }),
        ("blocks with one reference each", {
            let blocks = [8, V6_EID_REFERENCES, 1, 0, 0, 0].repeat(length / 12);
            let mut string = vec![b'a'; length / 2];
            string.push(0);
            [&v6_primary(&string), &blocks, V6_PAYLOAD].concat()
        }),
        ("previous hops in a dictionary", {
            let blocks = [5, V6_EID_REFERENCES, 1, 0, 0, 0].repeat(length / 12);
            let mut string = vec![b'a'; length / 2];
            string.push(0);
            [&v6_primary(&string), &blocks, V6_PAYLOAD].concat()
        }),
        ("blocks of version 7 with number 0", {
            let blocks = [0x85, 8, 0, 0, 0, 0x40].repeat(length / 6);
            [&v7_primary(), &blocks, V7_END].concat()
        }),
        (
            "blocks of version 7 with numbers",
            v7_blocks(length / 12, |_| 8),
        ),
        ("blocks of version 7 of all types", {
            v7_blocks(length / 12, |place| place + 256)
        }),
        ("endpoint ID of nested arrays", {
            let ssp = [&[0x81].repeat(length)[..], &[0]].concat();
            v7_with_destination(&[&[0x82, 3], &ssp[..]].concat())
        }),
        ("endpoint ID of many items", {
            let mut eid = vec![0x82, 3];
            cbor::encode_array(length as u64, &mut eid);
            eid.extend(vec![0; length]);
            v7_with_destination(&eid)
        }),
        ("endpoint ID of long text", {
            let mut eid = vec![0x82, 1];
            cbor::encode_text(&"/".repeat(length.max(2)), &mut eid);
            v7_with_destination(&eid)
        }),
        ("targets of an integrity block", {
            let mut data = Vec::new();
            cbor::encode_array(length as u64, &mut data);
            data.extend(vec![2; length]);
            let mut block = vec![0x85, 11, 2, 0, 0];
            cbor::encode_bytes(&data, &mut block);
            [&v7_primary(), &block, V7_END].concat()
        }),
        ("assertions", assertions(length / 2)),
        ("assertions in a bundle", {
            let mut out = v7_start(2, &[0x82, 1, 0]);
            out.extend([0x85, 1, 1, 0, 0]);
            cbor::encode_bytes(&assertions(length / 2), &mut out);
            out.push(cbor::BREAK);
            out
        }),
    ]
}

/// A primary block of version 6. References are zeros, which is right with and without a dictionary.
fn v6_primary(dictionary: &[u8]) -> Vec<u8> {
    let mut fields = vec![0; 11];
    sdnv::encode(dictionary.len() as u64, &mut fields);
    fields.extend_from_slice(dictionary);
    let mut out = vec![6, 0];
    sdnv::encode(fields.len() as u64, &mut out);
    out.extend(fields);
    out
}

/// A bundle of version 6 with many references in one block.
fn references(dictionary: &[u8], count: usize) -> Vec<u8> {
    let mut out = v6_primary(dictionary);
    out.extend([8, V6_EID_REFERENCES]);
    sdnv::encode(count as u64, &mut out);
    out.extend(vec![0; 2 * count]);
    out.push(0);
    out.extend(V6_PAYLOAD);
    out
}

fn v7_primary() -> Vec<u8> {
    v7_start(0, &[0x82, 1, 0])
}

/// The start of a bundle of version 7, up to its first block. It was created in the year 2025.
fn v7_start(flags: u8, destination: &[u8]) -> Vec<u8> {
    let mut out = vec![cbor::INDEFINITE_ARRAY, 0x88, 7, flags, 0];
    out.extend_from_slice(destination);
    out.extend([0x82, 2, 0x82, 1, 1, 0x82, 1, 0, 0x82]);
    cbor::encode_uint(800_000_000_000, &mut out);
    out.extend([0, 0]);
    out
}

fn v7_with_destination(eid: &[u8]) -> Vec<u8> {
    [&v7_start(0, eid), V7_END].concat()
}

/// A bundle of version 7 with many blocks of different numbers.
fn v7_blocks(count: usize, kind: impl Fn(u64) -> u64) -> Vec<u8> {
    let mut out = v7_primary();
    for place in 0..count as u64 {
        out.push(0x85);
        cbor::encode_uint(kind(place), &mut out);
        cbor::encode_uint(place + 2, &mut out);
        out.extend([0, 0, 0x40]);
    }
    out.extend(V7_END);
    out
}

/// A status report of version 7 with many assertions.
fn assertions(count: usize) -> Vec<u8> {
    let mut out = vec![0x82, 1, 0x84];
    cbor::encode_array(count as u64, &mut out);
    out.extend([0x81, 0xf5].repeat(count));
    out.extend([0, 0x82, 1, 0, 0x82]);
    cbor::encode_uint(800_000_000_000, &mut out);
    out.push(0);
    out
}
