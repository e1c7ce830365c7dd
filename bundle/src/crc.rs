// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two checksums of version 7: CRC-16 (X.25) and CRC-32C (Castagnoli).
//!
//! Both are reflected, start with all ones and are complemented at the end. See
//! [RFC 9171 §4.2.1](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.1).
//!
//! With feature `std`, CRC-32C uses the instructions that the processor has for it: finding out
//! whether it has them is what needs `std`. Tables do the rest.

use crc::{Crc, Table};

/// The polynomial of CRC-16/X-25, reflected.
pub const X25_REFLECTED: u16 = 0x8408;
/// The polynomial of CRC-32C, reflected.
pub const CASTAGNOLI_REFLECTED: u32 = 0x82f6_3b78;

static X25: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&crc::CRC_16_IBM_SDLC);
#[cfg(any(test, not(feature = "std")))]
static CASTAGNOLI: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&crc::CRC_32_ISCSI);

/// The CRC-16 of some octets.
#[must_use]
pub fn x25(octets: &[u8]) -> u16 {
    X25.checksum(octets)
}

/// The CRC-32C of some octets.
#[must_use]
pub fn castagnoli(octets: &[u8]) -> u32 {
    castagnoli_parts([octets])
}

/// The CRC-16 of parts that follow each other.
pub(crate) fn x25_parts<const N: usize>(parts: [&[u8]; N]) -> u16 {
    let mut digest = X25.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// The CRC-32C of parts that follow each other.
#[cfg(feature = "std")]
pub(crate) fn castagnoli_parts<const N: usize>(parts: [&[u8]; N]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    for part in parts {
        digest.update(part);
    }
    // The crate returns CRCs of up to 64 bits in one type.
    u32::try_from(digest.finalize()).expect("a CRC-32 has 32 bits")
}

/// The CRC-32C of parts that follow each other.
#[cfg(not(feature = "std"))]
pub(crate) fn castagnoli_parts<const N: usize>(parts: [&[u8]; N]) -> u32 {
    castagnoli_by_table(parts)
}

#[cfg(any(test, not(feature = "std")))]
fn castagnoli_by_table<const N: usize>(parts: [&[u8]; N]) -> u32 {
    let mut digest = CASTAGNOLI.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{castagnoli, castagnoli_by_table, castagnoli_parts, x25, x25_parts};

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

    #[test]
    fn instructions_and_tables_agree_at_every_cut() {
        let octets: Vec<u8> = (0..=u8::MAX).cycle().take(600).collect();
        for length in 0..octets.len() {
            let whole = &octets[..length];
            let (head, tail) = whole.split_at(length / 3);
            assert_eq!(castagnoli(whole), castagnoli_by_table([whole]));
            assert_eq!(castagnoli_parts([head, tail]), castagnoli(whole));
            assert_eq!(x25_parts([head, tail]), x25(whole));
        }
    }
}
