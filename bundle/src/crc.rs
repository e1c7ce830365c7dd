// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two checksums of version 7: CRC-16 (X.25) and CRC-32C (Castagnoli).
//!
//! Both are reflected, start with all ones and are complemented at the end. See
//! [RFC 9171 §4.2.1](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.1).

/// The polynomial of CRC-16/X-25, reflected.
pub const X25_REFLECTED: u16 = 0x8408;
/// The polynomial of CRC-32C, reflected.
pub const CASTAGNOLI_REFLECTED: u32 = 0x82f6_3b78;

const X25_TABLE: [u16; 256] = x25_table();
const CASTAGNOLI_TABLE: [u32; 256] = castagnoli_table();

/// The CRC-16 of some octets.
#[must_use]
pub fn x25(octets: &[u8]) -> u16 {
    x25_parts(&[octets])
}

/// The CRC-32C of some octets.
#[must_use]
pub fn castagnoli(octets: &[u8]) -> u32 {
    castagnoli_parts(&[octets])
}

/// The CRC-16 of parts that follow each other.
pub(crate) fn x25_parts(parts: &[&[u8]]) -> u16 {
    let octets = parts.iter().flat_map(|part| part.iter());
    !octets.fold(u16::MAX, |crc, octet| {
        let [low, high] = crc.to_le_bytes();
        X25_TABLE[usize::from(low ^ octet)] ^ u16::from(high)
    })
}

/// The CRC-32C of parts that follow each other.
pub(crate) fn castagnoli_parts(parts: &[&[u8]]) -> u32 {
    let octets = parts.iter().flat_map(|part| part.iter());
    !octets.fold(u32::MAX, |crc, octet| {
        CASTAGNOLI_TABLE[usize::from(crc.to_le_bytes()[0] ^ octet)] ^ (crc >> 8)
    })
}

const fn x25_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut octet = 0_u16;
    while octet < 256 {
        let mut crc = octet;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ X25_REFLECTED
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[octet as usize] = crc;
        octet += 1;
    }
    table
}

const fn castagnoli_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut octet = 0_u32;
    while octet < 256 {
        let mut crc = octet;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ CASTAGNOLI_REFLECTED
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[octet as usize] = crc;
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{castagnoli, x25};

    #[test]
    fn check_values() {
        let cases: [(&[u8], u16, u32); 4] = [
            (b"123456789", 0x906e, 0xe306_9283),
            (b"TheQuickBrownFoxJumpsOverTheLazyDog.", 0x2870, 0xae76_df21),
            (b"Short", 0x62b8, 0x7b6b_e32c),
            (b"Length08", 0x46f5, 0x73c0_0cf6),
        ];
        for (octets, short, long) in cases {
            assert_eq!(x25(octets), short);
            assert_eq!(castagnoli(octets), long);
        }
    }
}
