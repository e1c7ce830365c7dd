// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bit fields of packets: big-endian wire order to little-endian limbs, and back.
//!
//! Every buffer that these functions see ends in [`PADDING`] spare octets, so that a field is
//! loaded and stored through one fixed window and no field needs a loop over its octets.

/// Octets that follow the last octet of a packet in its buffer.
pub(crate) const PADDING: usize = 16;

/// Number of 64-bit limbs that hold a value of `width_bits`.
pub(crate) const fn limbs(width_bits: u32) -> usize {
    width_bits.div_ceil(64) as usize
}

/// The value whose lowest `width_bits` (at most 64) bits are ones.
pub(crate) const fn mask(width_bits: u32) -> u64 {
    if width_bits >= 64 {
        u64::MAX
    } else {
        (1 << width_bits) - 1
    }
}

/// Reads at most 64 bits that start `offset_bits` after the start of the buffer.
#[inline]
pub(crate) fn read64(buffer: &[u8], offset_bits: usize, width_bits: u32) -> u64 {
    let at = offset_bits / 8;
    let skip = (offset_bits % 8) as u32;
    if width_bits == 0 {
        return 0;
    }
    if skip + width_bits <= 64 {
        let window = window::<8>(buffer, at);
        (u64::from_be_bytes(window) << skip) >> (64 - width_bits)
    } else {
        let window = window::<16>(buffer, at);
        ((u128::from_be_bytes(window) << skip) >> (128 - width_bits)) as u64
    }
}

/// Reads a field of any width into `limbs(width_bits)` little-endian limbs.
#[inline]
pub(crate) fn read(buffer: &[u8], offset_bits: usize, width_bits: u32, into: &mut [u64]) {
    let mut left = width_bits;
    for limb in into {
        let take = left.min(64);
        left -= take;
        *limb = read64(buffer, offset_bits + left as usize, take);
    }
}

/// Stores the lowest `width_bits` (at most 64) bits of `value` at `offset_bits`.
#[inline]
pub(crate) fn write64(buffer: &mut [u8], offset_bits: usize, width_bits: u32, value: u64) {
    if width_bits == 0 {
        return;
    }
    let at = offset_bits / 8;
    let skip = (offset_bits % 8) as u32;
    let room = 128 - skip - width_bits;
    let ones = u128::from(mask(width_bits));
    let Some(window) = buffer.get_mut(at..at + 16) else {
        return;
    };
    let mut bytes = [0; 16];
    bytes.copy_from_slice(window);
    let old = u128::from_be_bytes(bytes);
    let new = (old & !(ones << room)) | ((u128::from(value) & ones) << room);
    window.copy_from_slice(&new.to_be_bytes());
}

/// Stores a field of any width.
#[inline]
pub(crate) fn write(buffer: &mut [u8], offset_bits: usize, width_bits: u32, from: &[u64]) {
    let mut left = width_bits;
    for limb in from {
        let take = left.min(64);
        left -= take;
        write64(buffer, offset_bits + left as usize, take, *limb);
    }
}

/// Stores a field of whole octets.
#[inline]
pub(crate) fn write_octets(into: &mut [u8], from: &[u64]) {
    for (chunk, limb) in into.rchunks_mut(8).zip(from) {
        let octets = limb.to_be_bytes();
        let skip = octets.len() - chunk.len();
        chunk.copy_from_slice(&octets[skip..]);
    }
}

/// The `N` octets at `at`; zeros where the buffer ends.
#[inline]
fn window<const N: usize>(buffer: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    if let Some(found) = buffer.get(at..at + N) {
        bytes.copy_from_slice(found);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plain definition: one bit at a time.
    fn slow(buffer: &[u8], offset: usize, width: u32) -> Vec<u64> {
        let mut value = vec![0; limbs(width)];
        for bit in 0..width {
            let at = offset + (width - 1 - bit) as usize;
            let set = buffer[at / 8] >> (7 - at % 8) & 1;
            value[bit as usize / 64] |= u64::from(set) << (bit % 64);
        }
        value
    }

    #[test]
    fn every_width_and_offset_round_trips() {
        let source: Vec<u8> = (0..64u32).map(|n| (n * 37 + 11) as u8).collect();
        for width in 1..200 {
            for offset in 0..24 {
                let mut value = vec![0; limbs(width)];
                read(&source, offset, width, &mut value);
                assert_eq!(value, slow(&source, offset, width), "{width}@{offset}");
                let mut copy = vec![0xa5; 64];
                let before = copy.clone();
                write(&mut copy, offset, width, &value);
                assert_eq!(slow(&copy, offset, width), value);
                if offset.is_multiple_of(8) && width.is_multiple_of(8) {
                    let mut octets = vec![0xa5; 64];
                    let place = offset / 8..(offset + width as usize) / 8;
                    write_octets(&mut octets[place], &value);
                    assert_eq!(octets, copy);
                }
                let end = offset + width as usize;
                let rest = u32::try_from(64 * 8 - end).expect("fits");
                assert_eq!(slow(&copy, end, rest), slow(&before, end, rest));
                assert_eq!(
                    slow(&copy, 0, offset as u32),
                    slow(&before, 0, offset as u32)
                );
            }
        }
    }
}
