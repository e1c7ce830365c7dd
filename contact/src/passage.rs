// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a bundle passes a contact: when its first byte is sent, and when its last byte arrives.

use crate::graph::{ContactGraph, ContactIndex, Window};
use crate::model::{BytesPerSecond, MICROS_PER_SECOND};
use crate::volume::{Priority, Volumes};

/// What is to pass. Times are in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    /// With the overhead of the convergence layer. Zero for a route that is for no bundle yet.
    pub(crate) bytes: u64,
    pub(crate) may_fragment: bool,
    pub(crate) priority: Priority,
    pub(crate) volumes: Option<&'a Volumes>,
}

/// A bundle in a contact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Passage {
    pub(crate) first_byte: u64,
    pub(crate) arrival: u64,
}

impl Load<'_> {
    /// How it passes in this window if it is there at this time, or `None` if it does not.
    ///
    /// A bundle that may be fragmented passes if one byte does.
    #[inline]
    pub(crate) fn pass(&self, window: &Window, time: u64) -> Option<Passage> {
        let first_byte = time.max(window.start);
        if first_byte > window.last || window.rate == 0 {
            return None;
        }
        let sent = first_byte.checked_add(sending_time(self.bytes, window.rate)?)?;
        if sent > window.end {
            let one_byte = sending_time(1, window.rate)?;
            if !self.may_fragment || first_byte.checked_add(one_byte)? > window.end {
                return None;
            }
        }
        let needed = if self.may_fragment { 1 } else { self.bytes };
        match self.volumes {
            Some(volumes) if !volumes.takes(window.contact, self.priority, needed) => None,
            _ => Some(Passage {
                first_byte,
                arrival: sent.checked_add(window.light)?,
            }),
        }
    }

    /// How it passes in this contact so that it arrives first. See [`Self::pass`].
    pub(crate) fn pass_contact(
        &self,
        graph: &ContactGraph,
        contact: ContactIndex,
        time: u64,
    ) -> Option<Passage> {
        let windows = graph.windows_of(contact).iter();
        windows
            .filter_map(|window| self.pass(window, time))
            .min_by_key(|passage| passage.arrival)
    }
}

/// How long it takes to send so many bytes, rounded up, or `None` if it takes for ever.
#[inline]
pub(crate) fn sending_time(bytes: u64, rate: u64) -> Option<u64> {
    if bytes == 0 || rate == BytesPerSecond::UNLIMITED.0 {
        return Some(0);
    }
    if let Some(product) = bytes.checked_mul(MICROS_PER_SECOND) {
        return (rate > 0).then(|| product.div_ceil(rate));
    }
    let product = u128::from(bytes) * u128::from(MICROS_PER_SECOND);
    (rate > 0)
        .then(|| product.div_ceil(u128::from(rate)))?
        .try_into()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::sending_time;

    #[test]
    fn sending_takes_bytes_by_rate() {
        assert_eq!(sending_time(0, 0), Some(0));
        assert_eq!(sending_time(1, 0), None);
        assert_eq!(sending_time(1000, 1000), Some(1_000_000));
        assert_eq!(sending_time(1, 3), Some(333_334));
        assert_eq!(sending_time(u64::MAX, u64::MAX), Some(0));
        assert_eq!(sending_time(u64::MAX, 1_000_000), Some(u64::MAX));
        assert_eq!(sending_time(u64::MAX, 999_999), None);
    }
}
