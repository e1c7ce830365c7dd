// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hash and checksum algorithms of v1model, with the parameters that BMv2 gives them.

/// An algorithm of v1model's `HashAlgorithm`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HashAlgorithm {
    /// CRC-32 as in Ethernet; also `crc32_custom`, whose parameters default to it.
    Crc32,
    /// CRC-16/ARC; also `crc16_custom`.
    Crc16,
    /// A number that depends on the seed of the switch as well as on the data.
    Random,
    /// The first eight octets, as one number.
    Identity,
    /// The Internet checksum.
    Csum16,
    /// The exclusive or of all 16-bit words.
    Xor16,
}

impl HashAlgorithm {
    /// Hashes octets. `seed` only matters to [`HashAlgorithm::Random`].
    pub(crate) fn digest(self, data: &[u8], seed: u64) -> u64 {
        match self {
            Self::Crc32 => u64::from(crc32(data)),
            Self::Crc16 => u64::from(crc16(data)),
            Self::Random => mix(seed ^ u64::from(crc32(data))),
            Self::Identity => data
                .iter()
                .take(8)
                .fold(0, |sum, octet| sum << 8 | u64::from(*octet)),
            Self::Csum16 => u64::from(csum16(data)),
            Self::Xor16 => words(data).fold(0, |sum, word| sum ^ u64::from(word)),
        }
    }
}

const CRC32_TABLE: [u32; 256] = table32();
const CRC16_TABLE: [u16; 256] = table16();

const fn table32() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                value >> 1 ^ 0xedb8_8320
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

const fn table16() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u16;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                value >> 1 ^ 0xa001
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, octet| {
        crc >> 8 ^ CRC32_TABLE[usize::from(crc as u8 ^ octet)]
    })
}

fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0, |crc, octet| {
        crc >> 8 ^ CRC16_TABLE[usize::from(crc as u8 ^ octet)]
    })
}

/// The 16-bit words of the data; an odd octet at the end is followed by a zero.
fn words(data: &[u8]) -> impl Iterator<Item = u16> {
    data.chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
}

/// The Internet checksum of [RFC 1071](https://www.rfc-editor.org/rfc/rfc1071).
fn csum16(data: &[u8]) -> u16 {
    let mut sum: u64 = words(data).map(u64::from).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The finaliser of `SplitMix64`: spreads a counter or a hash over 64 bits.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of the CRC catalogue and of RFC 1071's example.
    #[test]
    fn catalogue_values() {
        let check = b"123456789";
        assert_eq!(HashAlgorithm::Crc32.digest(check, 0), 0xcbf4_3926);
        assert_eq!(HashAlgorithm::Crc16.digest(check, 0), 0xbb3d);
        let rfc = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(
            HashAlgorithm::Csum16.digest(&rfc, 0),
            u64::from(!0xddf2_u16)
        );
        assert_eq!(
            HashAlgorithm::Xor16.digest(&[0x12, 0x34, 0xff], 0),
            0x1234 ^ 0xff00
        );
        assert_eq!(HashAlgorithm::Identity.digest(&[1, 2, 3], 0), 0x01_02_03);
        assert_eq!(
            HashAlgorithm::Identity.digest(check, 0),
            0x3132_3334_3536_3738
        );
    }
}
