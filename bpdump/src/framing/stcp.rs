// SPDX-License-Identifier: Apache-2.0 OR MIT
//! STCP, the simple convergence layer of ION: each bundle behind its length in four octets.

/// A longer "bundle" means that the stream is something else.
const BUNDLE_MAX: usize = 256 << 20;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Stcp {
    pending: Vec<u8>,
    stopped: bool,
}

impl Stcp {
    /// Takes the next octets, and returns the bundles that they complete.
    pub(super) fn take(&mut self, octets: &[u8]) -> Vec<Vec<u8>> {
        let mut bundles = Vec::new();
        if self.stopped {
            return bundles;
        }
        self.pending.extend_from_slice(octets);
        let mut rest = self.pending.as_slice();
        while let Some((head, after)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
            let begins_well = after.is_empty() || bundle::version(after).is_some();
            if length > BUNDLE_MAX || length > 0 && !begins_well {
                self.stopped = true;
                break;
            }
            let Some((bundle, others)) = after.split_at_checked(length) else {
                break;
            };
            // A length of zero keeps the connection alive.
            if !bundle.is_empty() {
                bundles.push(bundle.to_vec());
            }
            rest = others;
        }
        let used = self.pending.len() - rest.len();
        self.pending.drain(..used);
        bundles
    }

    pub(super) fn stopped(&self) -> Option<String> {
        if self.stopped {
            Some("the stream is neither TCPCL nor STCP, and was not read".to_owned())
        } else if self.pending.is_empty() {
            None
        } else {
            Some(format!(
                "the last {} octets are an unfinished STCP bundle",
                self.pending.len()
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stcp;

    #[test]
    fn octet_by_octet() {
        let mut stcp = Stcp::default();
        let stream = [0, 0, 0, 0, 0, 0, 0, 2, 6, 9, 0, 0, 0, 1, 0x9f];
        let found: Vec<_> = stream
            .iter()
            .flat_map(|octet| stcp.take(&[*octet]))
            .collect();
        assert_eq!(found, [vec![6, 9], vec![0x9f]]);
        assert_eq!(stcp.stopped(), None);
    }

    #[test]
    fn other_streams_are_left_alone() {
        let mut stcp = Stcp::default();
        assert!(stcp.take(b"GET / HTTP/1.1").is_empty());
        assert!(stcp.stopped().is_some());
    }
}
